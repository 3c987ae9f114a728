/* SPDX-License-Identifier: MIT */
/*
 * trace.dat, what `trace-cmd record` and `trace-cmd extract` write, with the kernel's kmem events,
 * through libtracecmd (this file is its only user): it knows the versions of the file, unpacks them
 * and gives the records of all CPUs and of all buffers in order of time.
 *
 * libtracecmd trusts its input, so what it is to read must be survived first: survive.h.
 */
#include "sim/error.h"
#include "sim/survive.h"
#include "traces/import/kmem_raw.h"
#include "traces/import/symbols.h"
#include "traces/slt_format.h"

#include <endian.h>
#include <errno.h>
#include <event-parse.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <trace-cmd.h>
#include <unistd.h>

struct trace_dat {
    struct import_source *source;
    struct join *join;
    struct error *error;
    struct kmem_raw *raw;
    uint32_t page_bytes; /* of the recorder's ring buffer */
    uint64_t count;
    /* What is done with each record; all ends when it returns other than 0. */
    int (*visit)(struct trace_dat *dat, struct tep_record *record);
};

static const char trace_dat_magic[] = {23, 8, 68, 't', 'r', 'a', 'c', 'i', 'n', 'g'};

enum { TRACE_DAT_PROGRESS = 1 << 16 /* records */ };

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
    errno = 0;
    if (!code)
        code = tracecmd_iterate_events_multi(inputs, count, trace_dat_visit, dat);
    if (!code && errno == ENOMEM) /* a record without memory looks to it like the end */
        code = -ENOMEM;
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

/* The library takes the length that a record tells for granted: does it end in its page? */
static bool trace_dat_is_whole(const struct trace_dat *dat, const struct tep_record *record)
{
    return dat->page_bytes && record->size >= 0 &&
           record->offset % dat->page_bytes + (uint64_t)record->size <= dat->page_bytes;
}

/* ---- first in a process of its own ---- */

static int trace_dat_touch(struct trace_dat *dat, struct tep_record *record)
{
    struct kmem_raw_event event;

    if (trace_dat_is_whole(dat, record))
        kmem_raw_decode(dat->raw, record->data, (size_t)record->size, &event);
    return 0;
}

/* What it is tried with. */
struct trace_dat_trial {
    struct trace_dat dat;
    const struct import_map *map;
};

static int trace_dat_try(void *context, struct error *error)
{
    struct trace_dat_trial *trial = context;

    trial->dat.error = error;
    trial->dat.visit = trace_dat_touch;
    return trace_dat_walk(&trial->dat, trial->map);
}

static int trace_dat_check(const struct trace_dat *dat, const struct import_map *map)
{
    struct trace_dat_trial trial = {*dat, map};
    struct error words = {""};
    bool told;
    int code = survives(trace_dat_try, &trial, map->length, &told, &words);

    if (code && told)
        return error_set(dat->error, -code, "%s", words.text);
    if (code == -EINVAL)
        return error_set(dat->error, EINVAL,
                         "%s: libtracecmd cannot read this trace.dat, of %zu bytes: %s; was it "
                         "copied before trace-cmd was done?",
                         dat->source->name, map->length, words.text);
    return code;
}

/* ---- then for good ---- */

/*
 * From the head, since the library keeps it to itself: after the magic the version, a text that a
 * zero ends; a byte says the order of bytes (0: little) and one the size of long, then the page's.
 */
static uint32_t trace_dat_page_bytes(const struct import_map *map)
{
    const char *version = map->bytes + sizeof trace_dat_magic, *end, *at;
    uint32_t bytes;

    if (map->length < sizeof trace_dat_magic)
        return 0;
    end = map->bytes + map->length;
    at = memchr(version, '\0', (size_t)(end - version));
    if (!at || end - at < 7)
        return 0;
    memcpy(&bytes, at + 3, sizeof bytes);
    return at[1] ? be32toh(bytes) : le32toh(bytes);
}

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
    if (!trace_dat_is_whole(dat, record) || record->cpu < 0 || record->ts >= SLT_MAX_TIME)
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
    dat.page_bytes = trace_dat_page_bytes(&map);
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
    return length >= sizeof trace_dat_magic &&
           !memcmp(start, trace_dat_magic, sizeof trace_dat_magic);
}

const struct import_format import_trace_dat = {
    .importer = {"trace-dat", "trace.dat of trace-cmd, Linux kmem events"},
    .detect = trace_dat_detect,
    .read = trace_dat_read,
};
