/* SPDX-License-Identifier: MIT */
/*
 * Loaded into the program (LD_PRELOAD): counts allocations, and fails the one it is told to.
 * glibc's own (strdup, asprintf, streams) and those of libraries come through here too. Processes
 * of other programs are left alone.
 */
#include "tests/faults/shared.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

/* glibc's allocator by the names under which it cannot be replaced. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct faults_shared *shared; /* NULL: not to count; set once, before main */
static _Thread_local bool busy __attribute__((tls_model("initial-exec")));

static void frame_describe(struct faults_frame *frame, void *address)
{
    Dl_info info;
    const char *slash;

    if (!dladdr(address, &info))
        return;
    slash = strrchr(info.dli_fname, '/');
    snprintf(frame->module, sizeof frame->module, "%s", slash ? slash + 1 : info.dli_fname);
    snprintf(frame->function, sizeof frame->function, "%s", info.dli_sname ? info.dli_sname : "");
    frame->offset = (uint64_t)((char *)address - (char *)info.dli_fbase);
}

static void note_where(void)
{
    void *addresses[FAULTS_FRAMES + 2];
    int count;

    busy = true;
    count = backtrace(addresses, FAULTS_FRAMES + 2);
    for (int i = 2; i < count; i++) /* without us and malloc */
        frame_describe(&shared->frame[i - 2], addresses[i]);
    shared->frames = count > 2 ? (uint32_t)count - 2 : 0;
    busy = false;
}

/* Frames by module and offset, which are the same in each run. */
static void note_stack(uint64_t number)
{
    void *addresses[2 * FAULTS_FRAMES];
    uint64_t digest = 0xcbf29ce484222325; /* FNV-1a */
    int count;

    if (number > FAULTS_STACKS)
        return;
    busy = true;
    count = backtrace(addresses, 2 * FAULTS_FRAMES);
    for (int i = 2; i < count; i++) { /* without us and malloc */
        Dl_info info = {0};

        if (dladdr(addresses[i], &info))
            digest ^= (uint64_t)((char *)addresses[i] - (char *)info.dli_fbase);
        digest *= 0x100000001b3;
    }
    shared->stack[number - 1] = digest;
    busy = false;
}

static bool fails(void)
{
    uint64_t number;

    if (!shared || busy)
        return false;
    number = atomic_fetch_add_explicit(&shared->allocations, 1, memory_order_relaxed) + 1;
    if (shared->notes_stacks)
        note_stack(number);
    if (!shared->fail_at || number < shared->fail_at ||
        (number > shared->fail_at && !shared->onward))
        return false;
    if (number == shared->fail_at)
        note_where();
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails() ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **result, size_t alignment, size_t size)
{
    void *memory = fails() ? NULL : __libc_memalign(alignment, size);

    if (memory)
        *result = memory;
    return memory ? 0 : ENOMEM;
}

/*
 * hwloc checks few of its allocations: it follows null pointers, or leaves a part of the machine
 * out without a word. So none fails inside those of its functions that build a topology, print
 * one, bind a thread or ask where it is; its system calls do fail, and allocations in all its other
 * functions.
 */
#define SPARED_AS(name, parameters, arguments, before, after)                                      \
    int name parameters                                                                            \
    {                                                                                              \
        int(*next) parameters = (int(*) parameters)dlsym(RTLD_NEXT, #name);                        \
        bool was = busy;                                                                           \
        int result;                                                                                \
                                                                                                   \
        busy = true;                                                                               \
        before;                                                                                    \
        result = next arguments;                                                                   \
        after;                                                                                     \
        busy = was;                                                                                \
        return result;                                                                             \
    }
#define SPARED(name, parameters, arguments) SPARED_AS(name, parameters, arguments, (void)0, (void)0)

/* Whose system calls are counted apart, since all commands make the same ones there. */
static void discovery(unsigned threads)
{
    if (shared)
        atomic_fetch_add(&shared->discovering, threads);
}

SPARED(hwloc_topology_init, (void **topology), (topology))
SPARED_AS(hwloc_topology_load, (void *topology), (topology), discovery(1), discovery(-1U))
SPARED(hwloc_topology_restrict, (void *topology, const void *set, unsigned long flags),
       (topology, set, flags))
SPARED(hwloc_topology_set_synthetic, (void *topology, const char *text), (topology, text))
SPARED(hwloc_topology_set_xml, (void *topology, const char *path), (topology, path))
SPARED(hwloc_set_cpubind, (void *topology, const void *set, int flags), (topology, set, flags))
SPARED(hwloc_get_cpubind, (void *topology, void *set, int flags), (topology, set, flags))
SPARED(hwloc_get_last_cpu_location, (void *topology, void *set, int flags), (topology, set, flags))
SPARED(hwloc_topology_export_synthetic,
       (void *topology, char *text, size_t size, unsigned long flags),
       (topology, text, size, flags))
SPARED(hwloc_topology_export_xml, (void *topology, const char *path, unsigned long flags),
       (topology, path, flags))

/* libtraceevent is no more careful where it takes a format apart. */
SPARED(tep_parse_event, (void *tep, const char *text, unsigned long size, const char *system),
       (tep, text, size, system))
SPARED(tep_parse_header_page, (void *tep, char *text, unsigned long size, int long_size),
       (tep, text, size, long_size))

static struct faults_shared *shared_map(const char *path)
{
    int file = open(path, O_RDWR | O_CLOEXEC);
    void *memory;

    if (file < 0)
        return NULL;
    memory = mmap(NULL, sizeof(struct faults_shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

/* Not before the program starts: the dynamic loader's calls would stop it some 300 times. */
static void filter_install(struct faults_shared *mapped)
{
    struct sock_fprog program = {.len = mapped->filter_length, .filter = mapped->filter};

    if (atomic_exchange(&mapped->filtered, true))
        return;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
        _exit(FAULTS_CANNOT);
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv(FAULTS_FILE);
    struct faults_shared *mapped = path ? shared_map(path) : NULL;
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    void *addresses[2];

    if (!mapped || length < 0)
        return;
    program[length] = '\0';
    if (strcmp(program, mapped->program) != 0)
        return;
    backtrace(addresses, 2); /* the first one loads libgcc */
    filter_install(mapped);
    prctl(FAULTS_READY, 0, 0, 0, 0);
    shared = mapped;
}
