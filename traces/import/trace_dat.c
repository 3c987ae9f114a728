/* SPDX-License-Identifier: MIT */
/*
 * trace.dat, what `trace-cmd record` and `trace-cmd extract` write, with the kernel's kmem events,
 * through libtracecmd (this file is its only user): it knows the versions of the file, unpacks them
 * and gives the records of all CPUs and of all buffers in order of time.
 *
 * libtracecmd trusts its input: of a file that is cut off or damaged it reads what is not there. So
 * a process of its own goes through the file first, and only what it survives is imported.
 */
#include "sim/error.h"
#include "traces/import/kmem_raw.h"
#include "traces/import/symbols.h"
#include "traces/slt_format.h"

#include <errno.h>
#include <event-parse.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <trace-cmd.h>
#include <unistd.h>

struct trace_dat {
    struct import_source *source;
    struct join *join;
    struct error *error;
    struct kmem_raw *raw;
    uint64_t count;
    /* What is done with each record; all ends when it returns other than 0. */
    int (*visit)(struct trace_dat *dat, struct tep_record *record);
};

enum {
    TRACE_DAT_PROGRESS = 1 << 16, /* records */
    TRACE_DAT_SLOWEST = 1000000,  /* bytes a second; a walk that takes longer does not end */
};

/* ---- the walk ---- */

static int trace_dat_visit(struct tracecmd_input *input, struct tep_record *record, int cpu,
                           void *context)
{
    struct trace_dat *dat = context;

    (void)input;
    (void)cpu; /* counted over all buffers; the record has its own */
    return dat->visit(dat, record);
}

/* Every buffer: the first is the kernel's own, others are of instances. */
static int trace_dat_records(struct trace_dat *dat, struct tracecmd_input *input)
{
    int nr_instances = tracecmd_buffer_instances(input), count = 1, code = 0;
    struct tracecmd_input **inputs = calloc((size_t)nr_instances + 1, sizeof(*inputs));

    if (!inputs)
        return -ENOMEM;
    inputs[0] = input;
    for (; count <= nr_instances && !code; count++) {
        inputs[count] = tracecmd_buffer_instance_handle(input, count - 1);
        if (!inputs[count])
            code = error_set(dat->error, EINVAL, "%s: cannot read the buffer of the instance %s",
                             dat->source->name, tracecmd_buffer_instance_name(input, count - 1));
    }
    if (!code)
        code = tracecmd_iterate_events_multi(inputs, count, trace_dat_visit, dat);
    while (--count) {
        if (inputs[count])
            tracecmd_close(inputs[count]);
    }
    free(inputs);
    return code;
}

static int trace_dat_input(struct trace_dat *dat, struct tracecmd_input *input)
{
    struct tep_handle *tep = tracecmd_get_tep(input);
    struct error reason = {""};
    int code = kmem_raw_create(&dat->raw, tep, &reason);

    if (code == -EINVAL || code == -ENOENT)
        return error_set(dat->error, EINVAL, "%s: %s", dat->source->name, reason.text);
    if (code)
        return code;
    kmem_raw_set_namer(dat->raw, symbols_name, tep);
    code = trace_dat_records(dat, input);
    kmem_raw_destroy(dat->raw);
    return code;
}

static int trace_dat_walk(struct trace_dat *dat, const struct import_map *map)
{
    struct tracecmd_input *input = NULL;
    int fd = fcntl(map->fd, F_DUPFD_CLOEXEC, 0), code;

    tep_set_loglevel(TEP_LOG_NONE);
    tracecmd_set_loglevel(TEP_LOG_NONE);
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) == 0)
        input = tracecmd_open_fd(fd, TRACECMD_FL_LOAD_NO_PLUGINS);
    if (!input)
        return error_set(dat->error, EINVAL,
                         "%s: libtracecmd cannot read this trace.dat, of %zu bytes; was it copied "
                         "before trace-cmd was done?",
                         dat->source->name, map->length);
    code = trace_dat_input(dat, input);
    tracecmd_close(input); /* and with it fd */
    return code;
}

/* ---- first in a process of its own ---- */

static int trace_dat_touch(struct trace_dat *dat, struct tep_record *record)
{
    struct kmem_raw_event event;

    if (record->size > 0)
        kmem_raw_decode(dat->raw, record->data, (size_t)record->size, &event);
    return 0;
}

enum { TRACE_DAT_SAID = 77 /* exit status: what is wrong is in `said` */ };

/* What the library prints goes to `said`. */
static void __attribute__((noreturn))
trace_dat_try(struct trace_dat *dat, const struct import_map *map, int said)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    struct error error = {""};
    int code;

    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) /* it ends here, not in a handler */
        signal(fatal[i], SIG_DFL);
    alarm(60 + (unsigned)(map->length / TRACE_DAT_SLOWEST));
    dup2(said, STDOUT_FILENO);
    dup2(said, STDERR_FILENO);
    setvbuf(stdout, NULL, _IONBF, 0);
    dat->error = &error;
    dat->visit = trace_dat_touch;
    code = trace_dat_walk(dat, map);
    if (code && *error.text && pwrite(said, error.text, sizeof error.text, 0) > 0)
        _exit(TRACE_DAT_SAID);
    _exit(code ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* 0 if a process that walked over the file came to its end without a word. */
static int trace_dat_check(const struct trace_dat *dat, const struct import_map *map)
{
    int said = memfd_create("trace.dat", MFD_CLOEXEC), status = -1, code = 0;
    struct trace_dat copy = *dat;
    struct error words = {""};
    pid_t process;

    if (said < 0)
        return -errno;
    process = fork();
    if (!process)
        trace_dat_try(&copy, map, said);
    if (process < 0)
        code = -errno;
    while (!code && waitpid(process, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!code && pread(said, words.text, sizeof words.text - 1, 0) < 0)
        code = -errno;
    close(said);
    if (code || (!status && !*words.text))
        return code;
    if (WIFEXITED(status) && WEXITSTATUS(status) == TRACE_DAT_SAID)
        return error_set(dat->error, EINVAL, "%s", words.text);
    return error_set(dat->error, EINVAL,
                     "%s: libtracecmd cannot read this trace.dat, of %zu bytes: %.*s; was it "
                     "copied before trace-cmd was done?",
                     dat->source->name, map->length,
                     *words.text ? (int)strcspn(words.text, "\n") : 100,
                     *words.text ? words.text : "its reading breaks off");
}

/* ---- then for good ---- */

static int trace_dat_wrong(const struct trace_dat *dat, const struct tep_record *record)
{
    return error_set(
        dat->error, EINVAL,
        "%s: byte %llu: a kmem event that cannot be: of %d bytes, on CPU %d, at %llu ns",
        dat->source->name, record->offset, record->size, record->cpu, record->ts);
}

static int trace_dat_take(struct trace_dat *dat, struct tep_record *record)
{
    struct kmem_raw_event event;
    int code;

    if (record->missed_events) /* how many is not always known: then at least one */
        join_lost(dat->join, record->missed_events > 0 ? (uint64_t)record->missed_events : 1);
    if (record->size < 0 || record->cpu < 0 || record->ts >= SLT_MAX_TIME)
        return trace_dat_wrong(dat, record);
    if (++dat->count % TRACE_DAT_PROGRESS == 0)
        import_source_progress(dat->source, record->offset);
    code = kmem_raw_decode(dat->raw, record->data, (size_t)record->size, &event);
    if (code > 0)
        code = kmem_raw_add(dat->raw, dat->join, (uint32_t)record->cpu, record->ts, &event);
    else if (!code)
        join_skipped(dat->join, 1);
    return code == -EINVAL || code == -ERANGE ? trace_dat_wrong(dat, record) : code;
}

static int trace_dat_read(struct import_source *source, struct join *join, struct error *error)
{
    struct trace_dat dat = {source, join, error, .visit = trace_dat_take};
    struct import_map map;
    int code = import_source_map(source, &map, error);

    if (code)
        return code;
    code = trace_dat_check(&dat, &map);
    if (!code)
        code = trace_dat_walk(&dat, &map);
    if (!code && !join_count(join))
        code = error_set(error, EINVAL,
                         "%s: byte %zu: the recording ends without a kmem event; expected it to be "
                         "made with trace-cmd record -e kmem:kmalloc -e kmem:kfree ...",
                         source->name, map.length);
    import_source_unmap(&map);
    return code;
}

static bool trace_dat_detect(const char *start, size_t length)
{
    static const char magic[] = {23, 8, 68, 't', 'r', 'a', 'c', 'i', 'n', 'g'};

    return length >= sizeof magic && !memcmp(start, magic, sizeof magic);
}

const struct import_format import_trace_dat = {
    .importer = {"trace-dat", "trace.dat of trace-cmd, Linux kmem events"},
    .detect = trace_dat_detect,
    .read = trace_dat_read,
};
