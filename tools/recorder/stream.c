/* SPDX-License-Identifier: MIT */
/*
 * Each thread's buffer: a shared mapping of its file, a chunk at a time. An append takes the next
 * record by moving the thread's cursor, fills it and stores its last word. No other thread has to
 * do with it, but a signal handler of this one may come between any two instructions and append
 * too, so the cursor moves by one instruction that fails if it moved meanwhile, and what tells the
 * end of a chunk is the cursor itself: a multiple of MALLOC_RAW_CHUNK. (A chunk begins with a
 * header, so that no record has such an address; a thread begins with NULL, which is one.)
 *
 * What maps the next chunk blocks all signals, and unmaps the last one only if no append that a
 * handler interrupted may still be about to fill a record of it.
 */
#include "tools/recorder/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Initial-exec, which a preloaded library may ask for, so that reaching it never allocates. */
static __thread __attribute__((tls_model("initial-exec"))) struct stream {
    struct malloc_raw_record *cursor;
    struct malloc_raw_header *chunk; /* NULL: none is mapped */
    uint32_t depth;                  /* appends under way: more than one in a signal handler */
    uint32_t number;                 /* of its file, from 1; 0: it has none */
    uint32_t chunks;                 /* of its file */
    uint32_t records;                /* of its last chunk that were taken before it was unmapped */
    uint32_t exits;                  /* rounds of destructors that the thread's exit has had */
} stream;

static _Atomic uint32_t unstarted;
_Atomic uint32_t *stream_state = &unstarted;
bool stream_tsc;

static struct {
    bool started; /* in this process or in one that it was forked from */
    bool ends_known;
    pthread_key_t ends;
    char folder[PATH_MAX / 2];
    char prefix[PATH_MAX / 2 + 64]; /* FOLDER/PID-START */
    bool sites, only;               /* as the command asked */
    _Atomic uint32_t streams;
    _Atomic uint32_t starting;
} image;

/* ---- one image ---- */

static void stream_end(void *unused);

static void image_read_environment(void)
{
    const char *folder = getenv(MALLOC_RAW_FOLDER), *clock = getenv(MALLOC_RAW_CLOCK);
    const char *process = getenv(MALLOC_RAW_PROCESS);

    if (folder && strlen(folder) < sizeof image.folder)
        strcpy(image.folder, folder);
    image.sites = getenv(MALLOC_RAW_SITES) != NULL;
    image.only = process != NULL;
    if (process && strtol(process, NULL, 10) != (long)getpid())
        image.folder[0] = '\0';
    stream_tsc = clock && strcmp(clock, "tsc") == 0;
    image.ends_known = pthread_key_create(&image.ends, stream_end) == 0;
}

/* A program that an exec began is known by this, though it may allocate nothing: that its process
 * had another before, which ended here. */
static void image_announce(void)
{
    char path[sizeof image.prefix + 32];
    struct quiet quiet;
    int file;

    snprintf(path, sizeof path, "%s-0.events", image.prefix);
    quiet_begin(&quiet);
    file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file >= 0)
        close(file);
    quiet_end(&quiet);
}

static void image_name(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    snprintf(image.prefix, sizeof image.prefix, "%s/%ld-%lld%09ld", image.folder, (long)getpid(),
             (long long)now.tv_sec, now.tv_nsec);
    atomic_store(&image.streams, 0);
    stream = (struct stream){.depth = stream.depth};
    sites_start(image.sites ? image.prefix : NULL);
}

/* The state in memory of its own that no forked child inherits. */
static uint32_t image_state(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *state = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (state == MAP_FAILED)
        return STREAM_OFF;
    if (madvise(state, page, MADV_WIPEONFORK) != 0) { /* before Linux 4.14 */
        munmap(state, page);
        return STREAM_OFF;
    }
    stream_state = state;
    return STREAM_RECORDING;
}

void stream_start(void)
{
    uint32_t state = STREAM_RECORDING;
    int kept = errno;

    /* libc has not read its environment yet: somebody's early call. Or another thread is at it. */
    if (!environ || atomic_exchange(&image.starting, 1))
        return;
    if (*stream_state == STREAM_NEW) {
        bool forked = image.started;

        if (!forked)
            image_read_environment();
        image.started = true;
        if (!*image.folder || (forked && image.only))
            state = STREAM_OFF;
        else if (!forked)
            state = image_state();
        if (state == STREAM_RECORDING)
            image_name();
        if (state == STREAM_RECORDING && !forked)
            image_announce();
        atomic_store(stream_state, state);
    }
    atomic_store(&image.starting, 0);
    errno = kept;
}

/* ---- one thread's chunks ---- */

static void stream_path(char *path, size_t size)
{
    snprintf(path, size, "%s-%u.events", image.prefix, stream.number);
}

/* Aligned to its size; NULL without address space. */
static void *stream_reserve(void)
{
    char *wide = mmap(NULL, 2 * (size_t)MALLOC_RAW_CHUNK, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t before;

    if (wide == MAP_FAILED)
        return NULL;
    before = -(uintptr_t)wide % MALLOC_RAW_CHUNK;
    if (before)
        munmap(wide, before);
    munmap(wide + before + MALLOC_RAW_CHUNK, MALLOC_RAW_CHUNK - before);
    return wide + before;
}

/*
 * Takes room now: a write through the mapping that found none would end the program. Written, not
 * fallocated, since ext4 then has half as much to do at each page that is written to first. What
 * there is too little of is given back: the trace is yet to be made.
 */
static int stream_make_room(int file, off_t offset)
{
    static const char zeros[MALLOC_RAW_CHUNK];
    struct stat status;
    size_t done = 0;

    if (fstat(file, &status) != 0)
        return errno;
    if (status.st_size >= offset + MALLOC_RAW_CHUNK)
        return 0;
    while (done < MALLOC_RAW_CHUNK) {
        ssize_t wrote = pwrite(file, zeros + done, MALLOC_RAW_CHUNK - done, offset + (off_t)done);

        if (wrote <= 0) {
            int code = wrote ? errno : ENOSPC;

            return ftruncate(file, offset ? offset : code) == 0 ? code : errno;
        }
        done += (size_t)wrote;
    }
    return 0;
}

/* Maps the chunk that is the file's `number`th; 0 or an errno. No descriptor stays open, since
 * programs close those that they do not know. */
static int stream_map(uint32_t number)
{
    char path[sizeof image.prefix + 32];
    off_t offset = (off_t)number * MALLOC_RAW_CHUNK;
    void *place;
    int file, code;

    stream_path(path, sizeof path);
    file = open(path, O_RDWR | O_CLOEXEC | (number ? 0 : O_CREAT), 0600);
    if (file < 0)
        return errno;
    code = stream_make_room(file, offset);
    place = code ? NULL : stream_reserve();
    if (!code && (!place || mmap(place, MALLOC_RAW_CHUNK, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_FIXED, file, offset) == MAP_FAILED))
        code = ENOMEM;
    close(file);
    if (!code && number) /* a thread that filled a chunk will fill this one; a fault a page costs */
        madvise(place, MALLOC_RAW_CHUNK, MADV_POPULATE_WRITE);
    if (!code)
        stream.chunk = place;
    return code;
}

static void stream_sign(void)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): signed is what was mapped just before */
    *stream.chunk = (struct malloc_raw_header){
        .magic = MALLOC_RAW_MAGIC, .pid = (uint32_t)getpid(), .tid = (uint32_t)gettid()};
    prctl(PR_GET_NAME, stream.chunk->name);
}

static void stream_unmap(void)
{
    prctl(PR_GET_NAME, stream.chunk->name); /* threads are named after their first allocation */
    if (stream.depth <= 1)
        munmap(stream.chunk, MALLOC_RAW_CHUNK);
    stream.chunk = NULL;
}

/* What is left of the chunk that an exiting thread gave back, for what it still frees. */
static int stream_resume(void)
{
    int code = stream_map(stream.chunks - 1);

    if (!code)
        stream.cursor = (struct malloc_raw_record *)stream.chunk + stream.records;
    return code;
}

static int stream_advance(void)
{
    struct malloc_raw_header *full = stream.chunk;
    int code;

    if (!stream.number) {
        stream.number = atomic_fetch_add(&image.streams, 1) + 1;
        if (image.ends_known)
            pthread_setspecific(image.ends, &image);
    }
    if (full)
        prctl(PR_GET_NAME, full->name);
    code = stream_map(stream.chunks);
    if (code) {
        if (full)
            full->stopped = (uint32_t)code;
        return code;
    }
    stream_sign();
    stream.chunks++;
    stream.cursor = (struct malloc_raw_record *)(stream.chunk + 1);
    if (full && stream.depth <= 1)
        munmap(full, MALLOC_RAW_CHUNK);
    return 0;
}

static bool stream_at_end(const struct malloc_raw_record *cursor)
{
    return (uintptr_t)cursor % MALLOC_RAW_CHUNK == 0;
}

/* A chunk with room under the cursor; false: there is none, and recording ends here. */
static __attribute__((noinline, cold)) bool stream_next(void)
{
    struct quiet quiet;
    int code = 0;

    quiet_begin(&quiet);
    if (stream_at_end(stream.cursor)) /* else a handler was faster */
        code = stream.records ? stream_resume() : stream_advance();
    stream.records = 0;
    if (code)
        atomic_store(stream_state, STREAM_OFF);
    quiet_end(&quiet);
    return !code;
}

/* Gives the mapping back, and remembers where in its chunk it was. */
static __attribute__((noinline, cold)) void stream_leave(void)
{
    struct quiet quiet;

    quiet_begin(&quiet);
    if (stream.chunk) {
        bool full = stream_at_end(stream.cursor);

        stream.records =
            full ? 0 : (uint32_t)(stream.cursor - (struct malloc_raw_record *)stream.chunk);
        stream_unmap();
        stream.cursor = NULL;
    }
    quiet_end(&quiet);
}

/*
 * The thread exits. Destructors of others may allocate and free after this one, so it asks for
 * another round as long as there is one; what comes after the last maps its chunk for each event.
 */
static void stream_end(void *unused)
{
    (void)unused;
    if (++stream.exits < PTHREAD_DESTRUCTOR_ITERATIONS)
        pthread_setspecific(image.ends, &image);
    else if (*stream_state == STREAM_RECORDING)
        stream_leave();
}

/* ---- appending ---- */

/* Moves the cursor on from `from`, unless a signal handler has. */
static inline bool stream_take(struct malloc_raw_record *from)
{
#if defined(__x86_64__)
    struct malloc_raw_record *found = from;

    /* Without a lock prefix: against handlers of this thread one instruction is enough. */
    __asm__ __volatile__("cmpxchgq %2, %0"
                         : "+m"(stream.cursor), "+a"(found)
                         : "r"(from + 1)
                         : "memory", "cc");
    return found == from;
#else
    return __atomic_compare_exchange_n(&stream.cursor, &from, from + 1, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
#endif
}

void stream_append(uint64_t ticks, const void *address, uint64_t what, const void *site)
{
    struct malloc_raw_record *record;

    stream.depth++;
    if (__builtin_expect(sites_wanted, 0))
        sites_see(site);
    for (;;) {
        record = __atomic_load_n(&stream.cursor, __ATOMIC_RELAXED); /* handlers move it */
        if (__builtin_expect(!stream_at_end(record), 1)) {
            if (stream_take(record))
                break;
        } else if (!stream_next()) {
            stream.depth--;
            return;
        }
    }
    record->ticks = ticks;
    record->address = (uintptr_t)address;
    record->site = (uintptr_t)site;
    __atomic_store_n(&record->what, what, __ATOMIC_RELEASE);
    if (__builtin_expect(stream.exits >= PTHREAD_DESTRUCTOR_ITERATIONS, 0))
        stream_leave();
    stream.depth--;
}
