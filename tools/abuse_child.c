/* SPDX-License-Identifier: MIT */
/*
 * One abuse in a process of its own: 40 objects of one design, live and filled by their owners; the
 * abuse; then the owners look at their objects and free them, many more are allocated and looked
 * at, and all is taken down. One thread plays both CPUs.
 */
#include "sim/driver.h"
#include "sim/error.h"
#include "sim/page.h"
#include "tools/abuse.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPUS       2
#define SECONDS    10 /* a child that takes longer hangs: they take milliseconds */
#define MOST_AGAIN 400
#define NODE_BYTES ((size_t)1 << 30)

#define BUILT 0x5a

/* What parent and child share. */
struct shared {
    enum abuse_stage stage;
    bool said; /* in that stage: a message that did not end it */
    bool none;
    bool corrupted;
    enum abuse_stage corrupted_in;
    int code; /* the scene could not be set up */
    struct error error;
    char corruption[128];
};

/* In the child. */
static struct shared *shared;

/* ---- stages ---- */

/* A design that carries on after a message was heard in the stage that ends now. */
static void stage_begin(enum abuse_stage stage)
{
    struct stat status;

    if (shared->said)
        return;
    fflush(stderr);
    if (fstat(STDERR_FILENO, &status) == 0 && status.st_size > 0) {
        shared->said = true;
        return;
    }
    shared->stage = stage;
}

static __attribute__((format(printf, 1, 2))) void corrupted(const char *format, ...)
{
    va_list arguments;

    if (shared->corrupted)
        return;
    va_start(arguments, format);
    vsnprintf(shared->corruption, sizeof shared->corruption, format, arguments);
    va_end(arguments);
    shared->corrupted = true;
    shared->corrupted_in = shared->stage;
}

void abuse_refused(const struct error *error)
{
    fprintf(stderr, "slablab: %s\n", error->text);
}

/* ---- objects ---- */

void *abuse_alloc(const struct abuse_scene *scene)
{
    const struct request request = {.size = scene->size, .node = -1};

    return scene->binding.alloc(scene->binding.cache, &request);
}

void abuse_free(const struct abuse_scene *scene, void *object)
{
    scene->binding.free(scene->binding.cache, object);
}

static void fill(unsigned char *object, size_t size, unsigned mark)
{
    memset(object, (int)(mark % 251), size);
}

static bool is_filled(const unsigned char *object, size_t size, unsigned mark)
{
    return object[0] == mark % 251 && memcmp(object, object + 1, size - 1) == 0;
}

/* Where a design says that an object is, can there be one at all? */
static bool plausible(const void *object, size_t size)
{
    return ((uintptr_t)object & 7) == 0 && page_in_arena(object) &&
           page_in_arena((const char *)object + size - 1);
}

static int construct(void *object, size_t size, void *context)
{
    (void)context;
    memset(object, BUILT, size);
    return 0;
}

static void destruct(void *object, size_t size, void *context)
{
    (void)object;
    (void)size;
    (void)context;
}

/* ---- the scene ---- */

static int machine_open(struct error *error)
{
    static const unsigned nodes[CPUS];
    const struct machine_config machine = {.nr_cpus = CPUS, .nr_nodes = 1, .cpu_node = nodes};
    const struct page_config pages = {
        .nr_cpus = CPUS, .nr_nodes = 1, .cpu_node = nodes, .node_bytes = NODE_BYTES};
    int code = machine_start(&machine, error);

    return code ? code : page_init(&pages, error);
}

static int design_open(struct abuse_scene *scene, const char *design, bool debug,
                       struct error *error)
{
    const char *key;
    int code = allocator_create(design, &scene->instance, error);

    if (code)
        return code;
    key = allocator_design(scene->instance)->debug_key;
    if (debug)
        code = allocator_set(scene->instance, key, "on", error);
    return code ? code : allocator_start(scene->instance, error);
}

static int cache_open(struct abuse_scene *scene, enum abuse_objects kind,
                      struct binding_of_cache *binding, struct error *error)
{
    struct cache_params params = {.name = "abused", .size = scene->size};
    int code;

    if (kind == ABUSE_SIZED || kind == ABUSE_PAGES)
        return allocator_bind_size(scene->instance, scene->size, 8, binding, error);
    if (kind == ABUSE_BUILT)
        params.construct = construct, params.destruct = destruct;
    if (kind == ABUSE_RCU)
        params.flags = CACHE_RCU;
    code = allocator_cache_create(scene->instance, &params, &scene->cache, error);
    if (code == 0)
        allocator_bind_cache(scene->instance, scene->cache, binding);
    return code;
}

static int witness_open(struct abuse_scene *scene, struct error *error)
{
    const struct cache_params params = {.name = "witness", .size = scene->size};
    struct cache *cache;
    int code = allocator_cache_create(scene->instance, &params, &cache, error);

    if (code == 0)
        allocator_bind_cache(scene->instance, cache, &scene->witness);
    return code;
}

static int objects_open(struct abuse_scene *scene, const struct binding_of_cache *binding,
                        unsigned char **objects, unsigned first_mark, struct error *error)
{
    const struct request request = {.size = scene->size, .node = -1};

    for (unsigned i = 0; i < scene->count; i++) {
        objects[i] = binding->alloc(binding->cache, &request);
        if (!objects[i])
            return error_set(error, ENOMEM, "no memory for %u objects of %zu bytes", scene->count,
                             scene->size);
        fill(objects[i], scene->size, first_mark + i);
    }
    return 0;
}

static int scene_open(struct abuse_scene *scene, const struct abuse *abuse, const char *design,
                      bool debug, struct error *error)
{
    static const size_t sizes[ABUSE_KINDS] = {64, 61, 20000, 64, 64, 100, 1 << 20};
    int code = machine_open(error);

    scene->size = sizes[abuse->objects];
    scene->count = ABUSE_OBJECTS;
    scene->built = abuse->objects == ABUSE_BUILT;
    if (code == 0)
        code = design_open(scene, design, debug, error);
    if (code == 0)
        code = cache_open(scene, abuse->objects, &scene->binding, error);
    if (code == 0)
        code = objects_open(scene, &scene->binding, scene->objects, 0, error);
    if (code || abuse->objects == ABUSE_PAGES)
        return code;
    code = witness_open(scene, error);
    return code ? code
                : objects_open(scene, &scene->witness, scene->witnesses, ABUSE_OBJECTS, error);
}

unsigned char *abuse_give(struct abuse_scene *scene, unsigned index)
{
    unsigned char *object = scene->objects[index];

    if (scene->built)
        memset(object, BUILT, scene->size);
    scene->objects[index] = NULL;
    abuse_free(scene, object);
    return object;
}

/* ---- after the abuse ---- */

/* Of the victim's content anything may have become. */
static void owners_look(const struct abuse_scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++) {
        if (i != ABUSE_VICTIM && scene->objects[i] && !is_filled(scene->objects[i], scene->size, i))
            corrupted("object %u of the same cache was changed", i);
        if (scene->witnesses[i] && !is_filled(scene->witnesses[i], scene->size, ABUSE_OBJECTS + i))
            corrupted("object %u of another cache was changed", i);
    }
}

static void owners_free(struct abuse_scene *scene)
{
    for (unsigned i = 0; i < scene->count; i++) {
        if (!scene->objects[i])
            continue;
        abuse_give(scene, i);
    }
}

/* As many as there are, up to `most`, filled by their owner; one that cannot be ends it. */
static unsigned take_many(const struct abuse_scene *scene, unsigned char **again, unsigned most,
                          unsigned first_mark)
{
    unsigned n = 0;

    while (n < most) {
        unsigned char *object = abuse_alloc(scene);

        if (!object)
            break;
        if (!plausible(object, scene->size)) {
            corrupted("%p was handed out, where no object can be", (void *)object);
            break;
        }
        if (scene->built && !is_filled(object, scene->size, BUILT))
            corrupted("an object was handed out that is not constructed");
        fill(object, scene->size, first_mark + n);
        again[n++] = object;
    }
    return n;
}

/*
 * Many new objects: can they be, and are they apart from each other and from the witnesses? All
 * are freed again, or the scene itself would leak them and that be taken for a finding.
 */
static void allocate_again(struct abuse_scene *scene)
{
    static unsigned char *again[CPUS * MOST_AGAIN];
    unsigned each = scene->size < 4096 ? MOST_AGAIN : 40, n = 0;

    for (unsigned cpu = 0; cpu < CPUS; cpu++) {
        machine_adopt(cpu);
        n += take_many(scene, again + n, each, n);
    }
    machine_adopt(0);
    for (unsigned i = 0; i < n; i++) {
        if (!is_filled(again[i], scene->size, i))
            corrupted("two owners were given the same memory");
    }
    owners_look(scene);
    for (unsigned i = 0; i < n; i++) {
        if (scene->built)
            memset(again[i], BUILT, scene->size);
        abuse_free(scene, again[i]);
    }
}

static void take_down(struct abuse_scene *scene)
{
    struct error error;

    owners_look(scene);
    for (unsigned i = 0; i < scene->count; i++) {
        if (scene->witnesses[i])
            scene->witness.free(scene->witness.cache, scene->witnesses[i]);
    }
    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS; level++)
        allocator_reclaim(scene->instance, level);
    grace_barrier();
    if (allocator_stop(scene->instance, &error) == 0) {
        page_check();
        return;
    }
    stage_begin(ABUSE_LEAK);
    abuse_refused(&error);
}

static void play(const struct abuse *abuse, const char *design, bool debug)
{
    static struct abuse_scene scene;

    shared->code = scene_open(&scene, abuse, design, debug, &shared->error);
    if (shared->code)
        return;
    stage_begin(ABUSE_ACT);
    shared->none = !abuse->act(&scene, abuse);
    if (shared->none || scene.over)
        return;
    stage_begin(ABUSE_FREES);
    machine_adopt(0);
    owners_look(&scene);
    owners_free(&scene);
    stage_begin(ABUSE_ALLOCS);
    allocate_again(&scene);
    stage_begin(ABUSE_END);
    take_down(&scene);
}

/* ---- parent and child ---- */

static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};

static _Noreturn void child(const struct abuse *abuse, const char *design, bool debug,
                            FILE *messages)
{
    const struct rlimit none = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none); /* a finding is no accident */
    for (size_t i = 0; i < sizeof crashes / sizeof crashes[0]; i++)
        signal(crashes[i], SIG_DFL); /* or a sanitizer takes seconds to tell of what was meant */
    alarm(SECONDS);
    while (dup2(fileno(messages), STDERR_FILENO) < 0) {
        if (errno != EINTR)
            _exit(1); /* still in the setting up: no outcome */
    }
    play(abuse, design, debug);
    fflush(stderr);
    _exit(0);
}

/* The first line that was said, "" for none; -errno where it cannot be read. */
static int first_line(FILE *messages, char *text, size_t size)
{
    text[0] = '\0';
    while (fseek(messages, 0, SEEK_SET) != 0 ||
           (!fgets(text, (int)size, messages) && ferror(messages))) {
        if (errno != EINTR)
            return -errno;
        clearerr(messages);
    }
    text[strcspn(text, "\n")] = '\0';
    return 0;
}

static void judge(int status, struct abuse_result *result)
{
    bool said = result->message[0] != '\0';

    result->stage = shared->stage;
    result->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (shared->none)
        result->outcome = ABUSE_NONE;
    else if (said && (result->signal == SIGABRT || shared->said || status == 0))
        result->outcome = ABUSE_DETECTED;
    else if (result->signal == SIGALRM)
        result->outcome = ABUSE_HUNG;
    else if (status != 0)
        result->outcome = ABUSE_CRASHED;
    else
        result->outcome = shared->corrupted ? ABUSE_CORRUPTED : ABUSE_SILENT;
    if (result->outcome != ABUSE_CORRUPTED)
        return;
    result->stage = shared->corrupted_in;
    snprintf(result->message, sizeof result->message, "%s", shared->corruption);
}

static int run(const struct abuse *abuse, const char *design, bool debug, FILE *messages,
               struct abuse_result *result, struct error *error)
{
    int status, code;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        return error_set(error, errno, "cannot start a child: %s", strerror(errno));
    if (pid == 0)
        child(abuse, design, debug, messages);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (shared->code) {
        *error = shared->error;
        return error_prefix(error, -EIO, "abuse '%s' of %s", abuse->name, design);
    }
    if (shared->stage == ABUSE_SETUP)
        return error_set(error, EIO, "abuse '%s' of %s: the scene before it ended with status %d",
                         abuse->name, design, status);
    code = first_line(messages, result->message, sizeof result->message);
    if (code)
        return error_set(error, -code, "abuse '%s' of %s: what was said cannot be read: %s",
                         abuse->name, design, strerror(-code));
    judge(status, result);
    return 0;
}

int abuse_run(const struct abuse *abuse, const char *design, bool debug,
              struct abuse_result *result, struct error *error)
{
    FILE *messages = tmpfile();
    int code;

    *result = (struct abuse_result){.outcome = ABUSE_SILENT};
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || !messages)
        code = error_set(error, ENOMEM, "no memory to share with a child: %s", strerror(errno));
    else
        code = run(abuse, design, debug, messages, result, error);
    if (shared != MAP_FAILED)
        munmap(shared, sizeof *shared);
    if (messages)
        fclose(messages);
    return code;
}
