/* SPDX-License-Identifier: MIT */
/* Readers, and what is recorded meanwhile: see kernel_run.h. */
#include "tools/kernel_run.h"

#include "sim/error.h"
#include "traces/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/*
 * Pages written at once. A reader looks after its buffer when that is partly full (the kernel wakes
 * it) and this often, so that little is left for the end; and the main thread after its readers.
 */
enum { CHUNK_PAGES = 64, LOOK_MS = 100 };

struct reader {
    pthread_t thread;
    int source, file;
    char *chunk;
    size_t page_bytes, filled;
    const atomic_bool *stop; /* set by the main thread once tracing is off */
    int32_t thread_id;       /* the reader's own; read after it ended */
    atomic_int failed;       /* errno, set by the reader, looked at by the main thread */
};

struct recording {
    struct kernel_run *run;
    struct reader *readers; /* by CPU */
    unsigned nr_readers;    /* that were started */
    atomic_bool stop;
    sigset_t signals, kept;
    pid_t pid;   /* of the command, 0: it ended, or there is none */
    int release; /* the command begins when this is written to; -1: it did, or there is none */
    int failure; /* and tells why it could not */
};

/* ---- readers ---- */

static int reader_flush(struct reader *reader)
{
    const char *at = reader->chunk;

    while (reader->filled) {
        ssize_t count = write(reader->file, at, reader->filled);

        if (count < 0 && errno != EINTR)
            return errno;
        if (count > 0) {
            at += count;
            reader->filled -= (size_t)count;
        }
    }
    return 0;
}

/* All that is in the ring buffer now. 0 or an errno. */
static int reader_drain(struct reader *reader)
{
    for (;;) {
        size_t wanted = reader->page_bytes - reader->filled % reader->page_bytes;
        ssize_t count = read(reader->source, reader->chunk + reader->filled, wanted);
        int code;

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno != EAGAIN)
            return errno;
        if (count <= 0)
            return reader_flush(reader);
        reader->filled += (size_t)count;
        if (reader->filled < CHUNK_PAGES * reader->page_bytes)
            continue;
        code = reader_flush(reader);
        if (code)
            return code;
    }
}

static void *reader_main(void *argument)
{
    struct reader *reader = argument;
    struct pollfd polled = {.fd = reader->source, .events = POLLIN};
    bool stopping;
    int code;

    reader->thread_id = gettid();
    do {
        stopping = atomic_load(reader->stop);
        code = reader_drain(reader);
        if (!code && !stopping)
            poll(&polled, 1, LOOK_MS);
    } while (!code && !stopping);
    atomic_store(&reader->failed, code);
    return NULL;
}

/* On its CPU, or, where that may not be (it is off, or not ours), anywhere. */
static int reader_start(struct reader *reader, uint32_t cpu)
{
    cpu_set_t *set = CPU_ALLOC(cpu + 1);
    size_t size = CPU_ALLOC_SIZE(cpu + 1);
    pthread_attr_t attributes;
    int code = EINVAL;

    pthread_attr_init(&attributes);
    if (set) {
        CPU_ZERO_S(size, set);
        CPU_SET_S(cpu, size, set);
        if (pthread_attr_setaffinity_np(&attributes, size, set) == 0)
            code = pthread_create(&reader->thread, &attributes, reader_main, reader);
        CPU_FREE(set);
    }
    pthread_attr_destroy(&attributes);
    return code == EINVAL ? pthread_create(&reader->thread, NULL, reader_main, reader) : code;
}

/* 0 or a negative errno, said in `error`. */
static int reader_init(struct recording *recording, unsigned index, struct error *error)
{
    struct kernel_run *run = recording->run;
    struct reader *reader = &recording->readers[index];
    uint32_t cpu = run->instance.cpus[index];
    int code;

    *reader = (struct reader){.source = kernel_instance_open_cpu(&run->instance, cpu),
                              .file = run->cpus[index].file,
                              .page_bytes = run->instance.page_bytes,
                              .stop = &recording->stop};
    if (reader->source < 0)
        return error_set(error, -reader->source, "%s/per_cpu/cpu%u/trace_pipe_raw: %s",
                         run->instance.folder, cpu, strerror(-reader->source));
    reader->chunk = aligned_alloc(64, CHUNK_PAGES * reader->page_bytes);
    code = reader->chunk ? reader_start(reader, cpu) : ENOMEM;
    if (!code)
        return 0;
    close(reader->source);
    free(reader->chunk);
    return error_set(error, code, "cannot start the reader of CPU %u: %s", cpu, strerror(code));
}

static int readers_start(struct recording *recording, struct error *error)
{
    struct kernel_run *run = recording->run;
    int code = 0;

    recording->readers = calloc(run->instance.nr_cpus, sizeof *recording->readers);
    run->cpus = calloc(run->instance.nr_cpus, sizeof *run->cpus);
    run->own = calloc(run->instance.nr_cpus + 1, sizeof *run->own);
    if (!recording->readers || !run->cpus || !run->own) {
        free(run->cpus); /* it says of no file yet that there is none */
        run->cpus = NULL;
        return error_set(error, ENOMEM, "no memory for the readers");
    }
    for (unsigned i = 0; i < run->instance.nr_cpus; i++)
        run->cpus[i] = (struct kernel_record_cpu){.cpu = run->instance.cpus[i], .file = -1};
    for (unsigned i = 0; !code && i < run->instance.nr_cpus; i++) {
        run->cpus[i].file = spill_temporary();
        if (run->cpus[i].file < 0)
            return error_set(error, -run->cpus[i].file,
                             "cannot make a temporary file: %s (TMPDIR says where)",
                             strerror(-run->cpus[i].file));
        code = reader_init(recording, i, error);
        recording->nr_readers += code == 0;
    }
    return code;
}

/* Once tracing is off: what is left is read. The first failure is told. */
static int readers_stop(struct recording *recording, struct error *error)
{
    struct kernel_run *run = recording->run;
    int code = 0;

    atomic_store(&recording->stop, true);
    for (unsigned i = 0; i < recording->nr_readers; i++) {
        struct reader *reader = &recording->readers[i];
        int failed;

        pthread_join(reader->thread, NULL);
        run->own[i + 1] = reader->thread_id;
        run->cpus[i].lost = kernel_instance_lost(&run->instance, run->cpus[i].cpu);
        close(reader->source);
        free(reader->chunk);
        failed = atomic_load(&reader->failed);
        if (failed && !code)
            code = error_set(error, failed,
                             "CPU %u could not be recorded to the end: %s (TMPDIR says where the "
                             "recording lies)",
                             run->cpus[i].cpu, strerror(failed));
    }
    free(recording->readers);
    return code;
}

static bool readers_failed(const struct recording *recording)
{
    bool failed = false;

    for (unsigned i = 0; i < recording->nr_readers; i++)
        failed |= atomic_load(&recording->readers[i].failed) != 0;
    return failed;
}

/* ---- the command ---- */

/* In the child: begins when it is let go; without a word it never does. */
static void become(struct recording *recording, int release, int failure)
{
    char **argv = (char **)recording->run->command, word;
    int code;

    sigprocmask(SIG_SETMASK, &recording->kept, NULL);
    if (read(release, &word, 1) != 1)
        _exit(127);
    execvp(argv[0], argv);
    code = errno;
    _exit(write(failure, &code, sizeof code) == sizeof code ? 127 : 126);
}

static int command_prepare(struct recording *recording, struct error *error)
{
    int release[2] = {-1, -1}, failure[2] = {-1, -1}, code = 0;

    if (!recording->run->command)
        return 0;
    if (pipe2(release, O_CLOEXEC) != 0 || pipe2(failure, O_CLOEXEC) != 0)
        code = errno;
    if (!code) {
        recording->pid = fork();
        if (recording->pid == 0) {
            close(release[1]); /* or it would wait for itself */
            become(recording, release[0], failure[1]);
        }
        if (recording->pid < 0)
            code = errno;
    }
    close(release[0]);
    close(failure[1]);
    if (!code) {
        recording->release = release[1];
        recording->failure = failure[0];
        return 0;
    }
    recording->pid = 0;
    close(release[1]);
    close(failure[0]);
    return error_set(error, code, "could not run %s: %s", recording->run->command[0],
                     strerror(code));
}

/* One that was never let go ends by itself. */
static void command_end(struct recording *recording)
{
    if (recording->release >= 0)
        close(recording->release);
    if (recording->failure >= 0)
        close(recording->failure);
    while (recording->pid && waitpid(recording->pid, &recording->run->status, 0) < 0 &&
           errno == EINTR)
        ;
    recording->pid = 0;
    recording->release = recording->failure = -1;
}

static int command_begin(struct recording *recording, struct error *error)
{
    struct sigaction ignored = {.sa_handler = SIG_IGN}, kept;
    int code = 0;

    if (!recording->pid)
        return 0;
    sigaction(SIGPIPE, &ignored, &kept); /* a child that is gone is no reason to leave tracing on */
    if (write(recording->release, "", 1) != 1)
        code = errno;
    sigaction(SIGPIPE, &kept, NULL);
    close(recording->release);
    recording->release = -1;
    if (!code && read(recording->failure, &code, sizeof code) != sizeof code)
        return 0; /* it runs */
    command_end(recording);
    return error_set(error, code, "could not run %s: %s", recording->run->command[0],
                     strerror(code));
}

/* ---- a while ---- */

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Of a command that runs an interrupt is its own, and an order to end is passed on. */
static bool signal_ends(struct recording *recording, int signal)
{
    if (signal <= 0 || signal == SIGCHLD)
        return false;
    if (!recording->pid)
        return true;
    if (signal == SIGTERM || signal == SIGHUP)
        kill(recording->pid, signal);
    return false;
}

static void wait_for_the_end(struct recording *recording)
{
    struct kernel_run *run = recording->run;
    double begin = seconds_now(), left = LOOK_MS / 1e3;

    do {
        struct timespec pause;

        if (run->seconds > 0 && run->seconds - run->elapsed < left)
            left = run->seconds - run->elapsed;
        pause.tv_sec = 0;
        pause.tv_nsec = left > 0 ? (long)(left * 1e9) : 0;
        if (signal_ends(recording, sigtimedwait(&recording->signals, NULL, &pause)))
            break;
        if (run->command && waitpid(recording->pid, &run->status, WNOHANG) == recording->pid)
            recording->pid = 0;
        run->elapsed = seconds_now() - begin;
    } while (!readers_failed(recording) && (!run->command || recording->pid) &&
             (run->seconds <= 0 || run->elapsed < run->seconds));
    run->elapsed = seconds_now() - begin;
}

static int record(struct recording *recording, struct error *error)
{
    struct kernel_run *run = recording->run;
    int code = readers_start(recording, error), stopped;

    if (!code)
        code = command_prepare(recording, error);
    if (!code)
        code = kernel_instance_switch(&run->instance, true, error);
    if (!code && run->started)
        run->started(run);
    if (!code)
        code = command_begin(recording, error);
    if (!code)
        wait_for_the_end(recording);
    stopped = kernel_instance_switch(&run->instance, false, code ? NULL : error);
    if (!code)
        code = stopped;
    stopped = readers_stop(recording, code ? NULL : error);
    return code ? code : stopped;
}

/* What came since the end asked for the end: `timeout` sends a signal twice. A later one counts. */
static void signals_give_back(const struct recording *recording)
{
    const struct timespec none = {0};

    while (sigtimedwait(&recording->signals, NULL, &none) > 0)
        ;
    sigprocmask(SIG_SETMASK, &recording->kept, NULL);
}

int kernel_run(struct kernel_run *run, struct error *error)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGCHLD};
    struct recording recording = {.run = run, .release = -1, .failure = -1};
    int code;

    /* Held back from here on, also by the readers, who inherit this: none ends us with tracing on.
     */
    sigemptyset(&recording.signals);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaddset(&recording.signals, signals[i]);
    sigprocmask(SIG_BLOCK, &recording.signals, &recording.kept);
    code = kernel_instance_create(&run->instance, run->buffer_bytes, error);
    if (!code) {
        code = record(&recording, error);
        if (recording.release >= 0) /* until it ends it keeps the instance's files open */
            command_end(&recording);
        run->left = kernel_instance_destroy(&run->instance) != 0;
        command_end(&recording);
        if (run->own)
            run->own[0] = getpid();
    }
    signals_give_back(&recording);
    if (code)
        kernel_run_cleanup(run);
    return code;
}

void kernel_run_cleanup(struct kernel_run *run)
{
    for (unsigned i = 0; run->cpus && i < run->instance.nr_cpus; i++) {
        if (run->cpus[i].file >= 0)
            close(run->cpus[i].file);
    }
    free(run->cpus);
    free(run->own);
    run->cpus = NULL;
    run->own = NULL;
    kernel_instance_cleanup(&run->instance);
}
