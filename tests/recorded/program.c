/* SPDX-License-Identifier: MIT */
/*
 * A program to be recorded: program SCENE COUNTS [PLUGIN]. Each scene allocates in its own way, and
 * counts what it allocates and frees; the counts go into the file COUNTS, "ALLOCS FREES", before
 * the scene ends as it may. Sizes are 777 above a multiple of 1,024, which tells these objects from
 * those of libc.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE(n) ((size_t)(n)*1024 + 777)

static atomic_ulong allocs, frees;
static const char *counts_path;
static char *program, *plugin_path;

static void *took(void *address)
{
    if (!address)
        abort();
    memset(address, 0x5a, 777);
    allocs++;
    return address;
}

static void give(void *address)
{
    frees++;
    free(address);
}

static void *take(size_t size)
{
    return took(malloc(size));
}

static void say_counts(void)
{
    char text[64];
    int length =
        snprintf(text, sizeof text, "%lu %lu\n", (unsigned long)allocs, (unsigned long)frees);
    int file = open(counts_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (file < 0 || write(file, text, (size_t)length) != length)
        abort();
    close(file);
}

/* ---- scenes ---- */

static volatile size_t too_much = SIZE_MAX / 2; /* not known to the compiler, which would warn */

static void scene_calls(void)
{
    void *address, *grown;

    give(take(SIZE(0)));
    give(took(calloc(5, SIZE(2) / 5)));
    address = took(realloc(NULL, SIZE(2)));
    grown = took(realloc(address, SIZE(200)));
    frees++;
    address = took(realloc(grown, SIZE(1)));
    frees++;
    if (realloc(address, too_much)) /* fails, and leaves what there was */
        abort();
    /* NOLINTNEXTLINE(clang-analyzer-optin.portability.UnixAPI): a free, which is to be recorded */
    if (realloc(address, 0))
        abort();
    frees++;
    give(took(reallocarray(NULL, 1, SIZE(3))));
    if (reallocarray(NULL, too_much, 3) || errno != ENOMEM)
        abort();
    give(took(aligned_alloc(256, SIZE(4))));
    if (posix_memalign(&address, 4096, SIZE(5)))
        abort();
    give(took(address));
    give(took(memalign(64, SIZE(6))));
    give(took(valloc(SIZE(7))));
    give(pvalloc(SIZE(8))); /* of whole pages: not told by its size */
    frees--;
    free(NULL);
    take(SIZE(9)); /* lives at the end */
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): that is wanted */
}

enum { THREADS = 4, ROUNDS = 20000, SLOTS = 64 };

static _Atomic(void *) slots[SLOTS];
static pthread_key_t last_words;

static void free_at_exit(void *address)
{
    give(address);
    give(take(SIZE(11)));
}

/* Each takes what any other left in a slot: short lives, many hands, addresses used again. */
static void *hand_round(void *argument)
{
    unsigned random = (unsigned)(uintptr_t)argument + 1;

    prctl(PR_SET_NAME, "hand-round");
    pthread_setspecific(last_words, take(SIZE(10)));
    for (int i = 0; i < ROUNDS; i++) {
        void *found;

        random = random * 1664525 + 1013904223;
        found = atomic_exchange(&slots[random >> 16 & (SLOTS - 1)], take(SIZE(0)));
        if (found)
            give(found);
    }
    return NULL;
}

static void scene_threads(void)
{
    pthread_t threads[THREADS];

    pthread_key_create(&last_words, free_at_exit);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hand_round, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i])
            give(slots[i]);
    }
}

static unsigned count_mappings(void)
{
    int file = open("/proc/self/maps", O_RDONLY);
    char text[4096];
    unsigned lines = 0;
    ssize_t size;

    while ((size = read(file, text, sizeof text)) > 0) {
        for (ssize_t i = 0; i < size; i++)
            lines += text[i] == '\n';
    }
    close(file);
    return lines;
}

static void *live_shortly(void *unused)
{
    (void)unused;
    pthread_setspecific(last_words, take(SIZE(1)));
    return NULL;
}

/* Threads that come and go leave no mapping behind. */
static void scene_short_threads(void)
{
    unsigned before = 0;

    pthread_key_create(&last_words, free_at_exit);
    for (int i = 0; i < 300; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, live_shortly, NULL))
            abort();
        pthread_join(thread, NULL);
        if (i == 10)
            before = count_mappings();
    }
    if (count_mappings() > before + 20)
        abort();
}

static volatile sig_atomic_t handled;

static void allocate_in_handler(int unused)
{
    (void)unused;
    for (int i = 0; i < 40; i++)
        give(take(SIZE(1)));
    handled++;
}

/* Over an allocator that a handler may call: tests/recorded/bump.c. */
static void scene_signals(void)
{
    struct sigaction action = {.sa_handler = allocate_in_handler};
    struct itimerval interval = {{0, 100}, {0, 100}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &interval, NULL);
    while (handled < 500)
        give(take(SIZE(0)));
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
}

/* With both ways to fork. The children's calls are not counted, but one that --follow-forks tells.
 */
static void scene_forks(void)
{
    void *inherited = take(SIZE(0));

    for (int i = 0; i < 4; i++) {
        pid_t child = i < 2 ? fork() : _Fork();
        int status;

        if (child == 0) {
            free(inherited);
            if (!malloc(1 << 17 | 3)) /* lives as long as the child */
                abort();
            for (int j = 0; j < 10000; j++)
                free(malloc(1 << 17 | 1));
            _exit(0);
        }
        if (waitpid(child, &status, 0) != child || status)
            abort();
        give(take(SIZE(1)));
    }
    give(inherited);
}

static void *leave_behind(void *unused)
{
    (void)unused;
    return take(SIZE(0));
}

/* What the program before the exec leaves: of a thread that is gone, of one that goes on. */
static void scene_exec(void)
{
    pthread_t thread;
    char was[32];

    if (pthread_create(&thread, NULL, leave_behind, NULL) || pthread_join(thread, NULL))
        abort();
    take(SIZE(0));
    snprintf(was, sizeof was, "%lu", (unsigned long)allocs);
    setenv("ALLOCATED_BEFORE", was, 1);
    execl(program, program, "calls", counts_path, NULL);
    abort();
}

static void scene_plugin(void)
{
    void *plugin = dlopen(plugin_path, RTLD_NOW);
    void *(*allocate)(size_t);

    if (!plugin)
        abort();
    allocs++; /* of its constructor */
    *(void **)&allocate = dlsym(plugin, "plugin_allocate");
    give(took(allocate(SIZE(3))));
    dlclose(plugin);
    frees++; /* of its destructor */
}

static void scene_crash(void)
{
    scene_threads();
    say_counts();
    raise(SIGSEGV);
}

static void scene_kill(void)
{
    scene_threads();
    say_counts();
    raise(SIGKILL);
}

/* C++'s operators, if there is a libstdc++. */
static void scene_new(void)
{
    void *library = dlopen("libstdc++.so.6", RTLD_NOW);
    void *(*operator_new)(size_t);
    void (*operator_delete)(void *);

    if (!library)
        return;
    *(void **)&operator_new = dlsym(library, "_Znwm");
    *(void **)&operator_delete = dlsym(library, "_ZdlPv");
    operator_delete(took(operator_new(SIZE(2))));
    frees++;
}

/* The next program has no call to record. */
static void scene_exec_nothing(void)
{
    take(SIZE(0));
    say_counts();
    setenv("ALLOCATE_NOTHING", "", 1);
    execl(program, program, NULL);
    abort();
}

__attribute__((constructor)) static void allocate_early(void)
{
    if (getenv("ALLOCATE_NOTHING"))
        _exit(3);
    give(take(SIZE(12)));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*play)(void);
    } scenes[] = {
        {"calls", scene_calls},
        {"threads", scene_threads},
        {"short-threads", scene_short_threads},
        {"signals", scene_signals},
        {"forks", scene_forks},
        {"exec", scene_exec},
        {"exec-nothing", scene_exec_nothing},
        {"plugin", scene_plugin},
        {"crash", scene_crash},
        {"kill", scene_kill},
        {"new", scene_new},
    };

    if (argc < 3)
        return 2;
    if (getenv("ALLOCATED_BEFORE")) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): it was there a line ago */
        allocs += strtoul(getenv("ALLOCATED_BEFORE"), NULL, 10);
        frees += 1; /* of the early one */
    }
    program = argv[0];
    counts_path = argv[2];
    plugin_path = argc > 3 ? argv[3] : NULL;
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        if (strcmp(scenes[i].name, argv[1]) == 0) {
            scenes[i].play();
            say_counts();
            return 3;
        }
    }
    return 2;
}
