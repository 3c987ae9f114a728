/* SPDX-License-Identifier: MIT */
/*
 * perf.data with the kernel's kmem events: the records. Samples of several ring buffers come one
 * buffer after the other; rounds.h puts them in order. What kinds of records there are is in
 * linux/perf_event.h and, for those that perf adds, in its perf.data-file-format.txt.
 */
#include "traces/import/perf_data.h"

#include "sim/error.h"
#include "sim/survive.h"
#include "traces/import/kmem_raw.h"
#include "traces/import/perf_formats.h"
#include "traces/import/symbols.h"
#include "traces/slt_format.h"

#include <errno.h>
#include <event-parse.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    PERF_KERNEL_LAST = 22,         /* the last kind of record of the kernel's that is known here */
    PERF_LOST_BY_FILTER = 1 << 15, /* misc of LOST_SAMPLES: left out on purpose */
};

int perf_data_wrong(const struct perf_data *data, const char *format, ...)
{
    struct error sentence;
    va_list args;

    va_start(args, format);
    vsnprintf(sentence.text, sizeof sentence.text, format, args);
    va_end(args);
    return error_set(data->error, EINVAL, "%s: byte %llu: %.900s", data->source->name,
                     (unsigned long long)data->place, sentence.text);
}

int perf_data_wrong_as(const struct perf_data *data, int code, const struct error *reason)
{
    return code == -EINVAL || code == -ENOENT ? perf_data_wrong(data, "%s", reason->text) : code;
}

struct perf_data_trial {
    const char *bytes;
    size_t length;
};

static int perf_data_try(void *context, struct error *error)
{
    const struct perf_data_trial *trial = context;
    struct tep_handle *tep = tep_alloc();
    struct kmem_raw *raw;
    int code = tep ? perf_formats_read(tep, trial->bytes, trial->length, error) : -ENOMEM;

    return code ?: kmem_raw_create(&raw, tep, error);
}

/* libtraceevent trusts what it parses: survive.h. */
static int perf_data_check_formats(const char *bytes, size_t length, struct error *reason)
{
    struct perf_data_trial trial = {bytes, length};
    struct error words = {""};
    bool told;
    int code = survives(perf_data_try, &trial, length, &told, &words);

    if (code && told)
        return error_set(reason, -code, "%s", words.text);
    return code == -EINVAL
               ? error_set(reason, EINVAL,
                           "libtraceevent cannot read the formats of tracepoints here: %s",
                           words.text)
               : code;
}

int perf_data_formats(struct perf_data *data, const char *bytes, size_t length)
{
    struct error reason = {""};
    int code;

    if (data->raw)
        return perf_data_wrong(data, "formats of tracepoints for the second time");
    code = perf_data_check_formats(bytes, length, &reason);
    if (!code)
        code = perf_formats_read(data->tep, bytes, length, &reason);
    if (!code)
        code = kmem_raw_create(&data->raw, data->tep, &reason);
    if (code)
        return perf_data_wrong_as(data, code, &reason);
    kmem_raw_set_namer(data->raw, symbols_name, data->tep);
    return data->source->options->kallsyms
               ? symbols_read_file(data->tep, data->source->options->kallsyms, data->error)
               : 0;
}

/* ---- records ---- */

/* A sample, in its turn. */
static int perf_data_emit(void *context, const struct rounds_record *record)
{
    struct perf_data *data = context;
    struct kmem_raw_event event;
    uint64_t place = data->place;
    int code = kmem_raw_decode(data->raw, record->bytes, record->size, &event);

    if (code > 0)
        code = kmem_raw_add(data->raw, data->join, record->cpu, record->time_ns, &event);
    else if (!code)
        join_skipped(data->join, 1);
    if (code == -EINVAL || code == -ERANGE) {
        data->place = record->place;
        code = perf_data_wrong(data, "a kmem event that cannot be: of %u bytes, on CPU %u",
                               record->size, record->cpu);
        data->place = place;
    }
    return code;
}

static int perf_data_sample(struct perf_data *data, const char *record, size_t size)
{
    struct perf_sample sample;
    struct error reason;
    int code = 0;

    if (!data->attrs_checked)
        code = perf_attrs_check(&data->attrs, &reason);
    if (code)
        return perf_data_wrong_as(data, code, &reason);
    data->attrs_checked = true;
    code = perf_attrs_sample(&data->attrs, record, size, &sample);
    if (code < 0)
        return perf_data_wrong(data, "a sample of %zu bytes, shorter than what it holds", size);
    if (!code) {
        join_skipped(data->join, 1);
        return 0;
    }
    if (!data->raw)
        return perf_data_wrong(data, "a sample before the formats of tracepoints");
    if (sample.time_ns >= SLT_MAX_TIME)
        return perf_data_wrong(data, "a sample at %llu ns, which is no time",
                               (unsigned long long)sample.time_ns);
    return rounds_add(&data->rounds,
                      &(struct rounds_record){.time_ns = sample.time_ns,
                                              .place = data->place,
                                              .bytes = sample.raw,
                                              .size = sample.raw_size,
                                              .cpu = sample.cpu},
                      data->lasting && !data->unpacking);
}

/* What was lost is said by the ring buffer as it goes on and, since Linux 6.0, by perf of each
 * event in the end: the same once more. */
static int perf_data_lost(struct perf_data *data, const char *record, size_t size)
{
    bool samples = perf_u32(record) == PERF_RECORD_LOST_SAMPLES;
    uint16_t misc = perf_u16(record + offsetof(struct perf_event_header, misc));
    size_t at = sizeof(struct perf_event_header) + (samples ? 0 : 8); /* behind an id */

    if (size < at + 8)
        return perf_data_wrong(data, "a record of lost events of %zu bytes; expected %zu", size,
                               at + 8);
    if (!samples)
        data->lost_records += perf_u64(record + at);
    else if (!(misc & PERF_LOST_BY_FILTER))
        data->lost_samples += perf_u64(record + at);
    return 0;
}

/* In what perf writes to a pipe: an event, and behind it the ids of its samples. */
static int perf_data_attr(struct perf_data *data, const char *record, size_t size)
{
    const char *attr = record + sizeof(struct perf_event_header);
    size_t room = size - sizeof(struct perf_event_header), length = 0;
    struct error reason;

    if (room >= PERF_ATTR_SIZE_VER0)
        length = perf_u32(attr + offsetof(struct perf_event_attr, size));
    if (room >= PERF_ATTR_SIZE_VER0 && !length)
        length = PERF_ATTR_SIZE_VER0;
    if (!length || length > room)
        return perf_data_wrong(data, "an event of %zu bytes in a record of %zu", length, size);
    data->attrs_checked = false;
    return perf_data_wrong_as(
        data,
        perf_attrs_add(&data->attrs, attr, length, attr + length, (room - length) / 8, &reason),
        &reason);
}

static int perf_data_unpacked(void *context, const char *record, size_t size)
{
    return perf_data_record(context, record, size);
}

static int perf_data_compressed(struct perf_data *data, const char *record, size_t size)
{
    size_t at = sizeof(struct perf_event_header), length = size - at;
    struct error reason = {""};
    int code;

    if (perf_u32(record) == PERF_USER_COMPRESSED2) { /* padded, so that it says how long it is */
        uint64_t said = length < 8 ? UINT64_MAX : perf_u64(record + at);

        if (said > length - 8)
            return perf_data_wrong(data, "a compressed record of %zu bytes, shorter than its data",
                                   size);
        at += 8;
        length = (size_t)said;
    }
    if (data->unpacking)
        return perf_data_wrong(data, "a compressed record within a compressed one");
    data->unpacking = true;
    code = perf_unpack(&data->unpack, record + at, length, perf_data_unpacked, data, &reason);
    data->unpacking = false;
    return *reason.text ? perf_data_wrong_as(data, code, &reason) : code;
}

int perf_data_record(struct perf_data *data, const char *record, size_t size)
{
    uint32_t kind = perf_u32(record);

    switch (kind) {
    case PERF_RECORD_SAMPLE:
        return perf_data_sample(data, record, size);
    case PERF_RECORD_LOST:
    case PERF_RECORD_LOST_SAMPLES:
        return perf_data_lost(data, record, size);
    case PERF_USER_ATTR:
        return perf_data_attr(data, record, size);
    case PERF_USER_FINISHED_ROUND:
        import_source_progress(data->source, data->place);
        return rounds_turn(&data->rounds);
    case PERF_USER_COMPRESSED:
    case PERF_USER_COMPRESSED2:
        return perf_data_compressed(data, record, size);
    default:
        if (!kind || (kind > PERF_KERNEL_LAST && kind < PERF_USER_FIRST) || kind > PERF_USER_LAST)
            join_skipped(data->join, 1);
        return 0;
    }
}

/* ---- all of it ---- */

int perf_data_end(struct perf_data *data)
{
    int code;

    if (data->unpack.filled)
        return perf_data_wrong(data, "the compressed records end within one");
    code = data->raw ? rounds_end(&data->rounds) : 0;
    if (code)
        return code;
    join_lost(data->join,
              data->lost_samples > data->lost_records ? data->lost_samples : data->lost_records);
    if (!join_count(data->join))
        return perf_data_wrong(data, "the recording ends without a kmem event; expected it to be "
                                     "made with perf record -e kmem:kmalloc,kmem:kfree,...");
    return 0;
}

static int perf_data_container(struct perf_data *data)
{
    const char *head;
    size_t length;
    uint64_t size;
    int code = import_source_look(data->source, PERF_FILE_HEADER, &head, &length, data->error);

    if (code)
        return code;
    if (length < PERF_PIPE_HEADER)
        return perf_data_wrong(data, "the file ends within its head");
    if (!memcmp(head, "2ELIFREP", 8))
        return perf_data_wrong(data, "recorded on a machine of the other byte order; on one like "
                                     "it make text of it: perf script --show-lost-events");
    if (!memcmp(head, "PERFFILE", 8))
        return perf_data_wrong(data, "of a perf before Linux 2.6.34; make text of it: perf script");
    size = perf_u64(head + 8);
    if (size == PERF_PIPE_HEADER)
        return perf_pipe_read(data);
    if (size != PERF_FILE_HEADER)
        return perf_data_wrong(data, "a head of %llu bytes; expected %d, or %d from a pipe",
                               (unsigned long long)size, PERF_FILE_HEADER, PERF_PIPE_HEADER);
    return perf_file_read(data);
}

static int perf_data_read(struct import_source *source, struct join *join, struct error *error)
{
    struct perf_data data = {.source = source, .join = join, .error = error};
    int code = 0;

    tep_set_loglevel(TEP_LOG_NONE);
    rounds_init(&data.rounds, perf_data_emit, &data);
    data.tep = tep_alloc();
    if (!data.tep)
        code = -ENOMEM;
    if (!code)
        code = perf_data_container(&data);
    rounds_cleanup(&data.rounds);
    perf_unpack_cleanup(&data.unpack);
    perf_attrs_cleanup(&data.attrs);
    kmem_raw_destroy(data.raw);
    tep_free(data.tep);
    return code;
}

static bool perf_data_detect(const char *start, size_t length)
{
    return length >= 8 && (!memcmp(start, "PERFILE2", 8) || !memcmp(start, "2ELIFREP", 8) ||
                           !memcmp(start, "PERFFILE", 8));
}

const struct import_format import_perf_data = {
    .importer = {"perf-data", "perf.data, file or pipe, Linux kmem events"},
    .detect = perf_data_detect,
    .read = perf_data_read,
};
