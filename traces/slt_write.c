/* SPDX-License-Identifier: MIT */
/* Writing a .slt trace: definitions, events, repairs. The frame is slt_block.c's; see FORMAT.md. */
#include "traces/trace.h"

#include "sim/error.h"
#include "traces/intern.h"
#include "traces/live.h"
#include "traces/outfile.h"
#include "traces/slt_block.h"
#include "traces/slt_columns.h"

#include <errno.h>
#include <stdlib.h>

/* Records waiting for a block: it is written when it holds this much, or before events. */
enum { SLT_RECORDS_BYTES = 1 << 20 };

struct trace_writer {
    struct outfile file;
    struct slt_sink sink;
    char *provenance;
    struct trace_repairs repairs;
    struct trace_repairs *cache_repairs; /* nr_cache_repairs, the last of untyped objects */
    size_t nr_cache_repairs;

    struct intern streams, caches, types, call_sites; /* by the bodies of their records */
    uint32_t *type_caches;                            /* of each type, as live_alloc wants it */
    struct bytes records;                             /* not written yet */
    struct bytes body;                                /* of the record being made */

    struct slt_builder builder;
    struct bytes payload;
    struct live live;
    uint32_t *numbers; /* live number of the caller's object, or LIVE_NONE */
    size_t nr_numbers;
    struct trace_event last;
    uint64_t events, frees;
    bool preload_over; /* an event other than a preloaded alloc was written */
};

/* ---- definitions ---- */

static int slt_flush_records(struct trace_writer *writer)
{
    int code;

    if (!writer->records.length)
        return writer->records.failed ? -ENOMEM : 0;
    code = slt_sink_block(&writer->sink, SLT_BLOCK_RECORDS, &writer->records, writer->events,
                          writer->last.time_ns, NULL, 0);
    writer->records.length = 0;
    return code;
}

static int slt_put_record(struct trace_writer *writer, uint8_t tag, const struct bytes *body)
{
    int code = 0;

    if (body->failed)
        return -ENOMEM;
    if (writer->records.length + body->length > SLT_RECORDS_BYTES)
        code = slt_flush_records(writer);
    bytes_put(&writer->records, &tag, 1);
    bytes_put_varint(&writer->records, body->length);
    bytes_put(&writer->records, body->data, body->length);
    if (writer->records.failed)
        return -ENOMEM;
    return code;
}

/* Defines what `body` says unless it is defined; equal bodies are equal definitions. */
static int64_t slt_define(struct trace_writer *writer, uint8_t tag, struct intern *known)
{
    size_t before = known->count;
    int64_t number;
    int code;

    if (writer->body.failed)
        return -ENOMEM;
    number = intern_add(known, writer->body.data, writer->body.length);
    if (number < 0 || known->count == before)
        return number;
    code = slt_put_record(writer, tag, &writer->body);
    return code ? code : number;
}

static bool slt_name_is_valid(const char *name)
{
    size_t length = strnlen(name, SLT_MAX_NAME + 1);

    return length > 0 && length <= SLT_MAX_NAME;
}

int64_t trace_add_stream(struct trace_writer *writer, const char *name, uint64_t os_id)
{
    int64_t number;

    if (!slt_name_is_valid(name))
        return -EINVAL;
    writer->body.length = 0;
    bytes_put_string(&writer->body, name);
    bytes_put_varint(&writer->body, os_id);
    if (writer->streams.count < SLT_MAX_STREAMS)
        return slt_define(writer, SLT_RECORD_STREAM, &writer->streams);
    number = intern_add(&writer->streams, writer->body.data, writer->body.length);
    return number < SLT_MAX_STREAMS ? number : -ERANGE;
}

int64_t trace_add_cache(struct trace_writer *writer, const struct trace_cache *cache)
{
    if (!slt_name_is_valid(cache->name))
        return -EINVAL;
    if (live_reserve_caches(&writer->live, writer->caches.count + 1))
        return -ENOMEM;
    writer->body.length = 0;
    bytes_put_string(&writer->body, cache->name);
    bytes_put_varint(&writer->body, cache->object_size);
    bytes_put_varint(&writer->body, cache->align);
    bytes_put_varint(&writer->body, cache->flags);
    return slt_define(writer, SLT_RECORD_CACHE, &writer->caches);
}

int64_t trace_add_type(struct trace_writer *writer, const struct trace_type *type)
{
    size_t before = writer->types.count;
    int64_t number;

    if (type->node < TRACE_ANY_NODE ||
        (type->cache != TRACE_UNTYPED && type->cache >= writer->caches.count))
        return -EINVAL;
    writer->body.length = 0;
    bytes_put_varint(&writer->body, (uint32_t)(type->cache + 1)); /* untyped: 0 */
    bytes_put_varint(&writer->body, type->size);
    bytes_put_varint(&writer->body, type->recorded_size);
    bytes_put_varint(&writer->body, type->align);
    bytes_put_varint(&writer->body, (uint64_t)(type->node + 1));
    bytes_put_varint(&writer->body, type->flags);
    number = slt_define(writer, SLT_RECORD_TYPE, &writer->types);
    if (number < 0 || writer->types.count == before)
        return number;
    return live_add_type(&writer->live, type->cache) ? -ENOMEM : number;
}

int64_t trace_add_call_site(struct trace_writer *writer, const char *name)
{
    int64_t number;

    if (!slt_name_is_valid(name))
        return -EINVAL;
    writer->body.length = 0;
    bytes_put_string(&writer->body, name);
    number = slt_define(writer, SLT_RECORD_CALL_SITE, &writer->call_sites);
    return number < 0 ? number : number + 1;
}

/* ---- events ---- */

static int slt_flush_events(struct trace_writer *writer)
{
    uint32_t count = writer->builder.count;
    uint64_t time_ns = writer->builder.first_time_ns;
    size_t cuts[SLT_CUTS];
    int code;

    if (!count)
        return 0;
    code = slt_flush_records(writer);
    if (code)
        return code;
    writer->payload.length = 0;
    slt_builder_finish(&writer->builder, &writer->payload, cuts);
    return slt_sink_block(&writer->sink, SLT_BLOCK_EVENTS, &writer->payload, writer->events - count,
                          time_ns, cuts, SLT_CUTS);
}

static const char *slt_check_bulk(const struct trace_writer *writer,
                                  const struct trace_event *event)
{
    const struct trace_event *last = &writer->last;

    if (!event->batch || event->batch > TRACE_MAX_BATCH)
        return "a bulk operation is of 1 to 1024 objects";
    if (event->batch > 1 && event->op > TRACE_FREE)
        return "a bulk operation neither allocates nor frees";
    if (last->batch <= 1)
        return NULL;
    if (event->batch != last->batch - 1)
        return "a bulk operation is interrupted";
    if (event->op != last->op || event->stream != last->stream || event->time_ns != last->time_ns ||
        event->origin != last->origin || (event->op == TRACE_ALLOC && event->type != last->type))
        return "the events of a bulk operation differ";
    return NULL;
}

/* All that does not depend on what is live. */
static const char *slt_check_event(const struct trace_writer *writer,
                                   const struct trace_event *event)
{
    if (event->op >= TRACE_OPS)
        return "an event is of an unknown operation";
    if (!slt_origin_is_valid(event->op, event->origin))
        return "an event's origin does not go with its operation";
    if (event->time_ns < writer->last.time_ns)
        return "time runs backwards";
    if (event->time_ns >= SLT_MAX_TIME)
        return "a time is out of range";
    if (event->stream >= writer->streams.count)
        return "an event's stream is not defined";
    if (event->op == TRACE_ALLOC && event->type >= writer->types.count)
        return "an allocation's type is not defined";
    if (event->op > TRACE_FREE && event->type >= writer->caches.count)
        return "a cache is created or destroyed that is not defined";
    if (event->call_site > writer->call_sites.count)
        return "an event's call site is not defined";
    if (event->origin == TRACE_PRELOADED && writer->preload_over)
        return "a preloaded object comes after another event";
    return slt_check_bulk(writer, event);
}

/* Sets the caller's object's number. The caller's numbers are below the peak of live objects too.
 */
static const char *slt_write_alloc(struct trace_writer *writer, const struct trace_event *event)
{
    uint32_t number;

    if (event->object < writer->nr_numbers && writer->numbers[event->object] != LIVE_NONE)
        return "an object is allocated twice";
    if (event->object >= writer->live.peak && event->object > writer->live.count)
        return "an object's number is above the peak of live objects";
    number = live_alloc(&writer->live, event->type);
    if (number == LIVE_NONE)
        return "an object is allocated from a destroyed cache";
    writer->numbers[event->object] = number;
    return NULL;
}

/* Room for one more object, in the caller's numbers and in ours. */
static int slt_writer_reserve(struct trace_writer *writer)
{
    size_t want = (size_t)writer->live.peak + 1, size = writer->nr_numbers;
    uint32_t *numbers;

    if (live_reserve(&writer->live, 1))
        return -ENOMEM;
    if (want <= size)
        return 0;
    size = 2 * want + 64;
    numbers = reallocarray(writer->numbers, size, sizeof *numbers);
    if (!numbers)
        return -ENOMEM;
    memset(numbers + writer->nr_numbers, 0xff, (size - writer->nr_numbers) * sizeof *numbers);
    writer->numbers = numbers;
    writer->nr_numbers = size;
    return 0;
}

/* Does to `live` what the event does; for a free, gives what the builder must know of the object.
 */
static const char *slt_apply(struct trace_writer *writer, const struct trace_event *event,
                             uint32_t *age, uint32_t *number)
{
    switch ((enum trace_op)event->op) {
    case TRACE_ALLOC:
        return slt_write_alloc(writer, event);
    case TRACE_FREE:
        if (event->object >= writer->nr_numbers || writer->numbers[event->object] == LIVE_NONE)
            return "an object is freed that is not live";
        *number = writer->numbers[event->object];
        *age = live_age(&writer->live, *number);
        live_free(&writer->live, *number);
        writer->numbers[event->object] = LIVE_NONE;
        writer->frees++;
        return NULL;
    case TRACE_CACHE_CREATE:
        return live_create_cache(&writer->live, event->type + 1);
    default:
        return live_destroy_cache(&writer->live, event->type + 1);
    }
}

int trace_write(struct trace_writer *writer, const struct trace_event *event, struct error *error)
{
    const char *name = writer->file.path;
    const char *wrong = slt_check_event(writer, event);
    uint32_t age = 0, number = 0;
    int code;

    if (!wrong && slt_writer_reserve(writer))
        return error_set(error, ENOMEM, "%s: %s", name, strerror(ENOMEM));
    if (!wrong)
        wrong = slt_apply(writer, event, &age, &number);
    if (wrong)
        return error_set(error, EINVAL, "%s: event %llu breaks a rule of the format: %s", name,
                         (unsigned long long)writer->events, wrong);
    /* A bulk operation is never split between blocks. */
    if (writer->last.batch <= 1 && writer->builder.count + event->batch > SLT_BLOCK_MOST) {
        code = slt_flush_events(writer);
        if (code)
            return error_set(error, -code, "%s: cannot write: %s", name, strerror(-code));
    }
    if (slt_builder_add(&writer->builder, event, age, number))
        return error_set(error, ENOMEM, "%s: %s", name, strerror(ENOMEM));
    writer->preload_over |= event->origin != TRACE_PRELOADED;
    writer->last = *event;
    writer->events++;
    return 0;
}

int trace_end_block(struct trace_writer *writer)
{
    return writer->last.batch > 1 ? -EINVAL : slt_flush_events(writer);
}

int trace_set_provenance(struct trace_writer *writer, const char *provenance)
{
    size_t length = strlen(provenance);
    char *copy;

    if (length == 0 || length > SLT_MAX_PROVENANCE)
        return -EINVAL;
    copy = strdup(provenance);
    if (!copy)
        return -ENOMEM;
    free(writer->provenance);
    writer->provenance = copy;
    return 0;
}

uint64_t trace_written(const struct trace_writer *writer)
{
    return writer->events;
}

/* ---- the end ---- */

void trace_set_repairs(struct trace_writer *writer, const struct trace_repairs *total,
                       const struct trace_repairs *by_cache, size_t nr_by_cache)
{
    writer->repairs = *total;
    free(writer->cache_repairs);
    writer->cache_repairs = NULL;
    writer->nr_cache_repairs = by_cache ? nr_by_cache : 0;
    if (!writer->nr_cache_repairs)
        return;
    writer->cache_repairs = malloc(nr_by_cache * sizeof *by_cache);
    if (writer->cache_repairs)
        memcpy(writer->cache_repairs, by_cache, nr_by_cache * sizeof *by_cache);
    else
        writer->records.failed = true; /* the commit says so */
}

static void slt_put_counts(struct bytes *body, const struct trace_repairs *repairs)
{
    bytes_put_varint(body, repairs->null_frees);
    bytes_put_varint(body, repairs->implied_frees);
    bytes_put_varint(body, repairs->never_seen_frees);
    bytes_put_varint(body, repairs->preloaded);
    bytes_put_varint(body, repairs->refreed);
    bytes_put_varint(body, repairs->lost_events);
    bytes_put_varint(body, repairs->skipped_records);
}

/* Those of a cache, by index + 1, or of untyped objects, by 0. */
static int slt_put_cache_repairs(struct trace_writer *writer, uint32_t cache,
                                 const struct trace_repairs *repairs)
{
    static const struct trace_repairs none;

    if (!memcmp(repairs, &none, sizeof none))
        return 0;
    writer->body.length = 0;
    bytes_put_varint(&writer->body, cache);
    slt_put_counts(&writer->body, repairs);
    return slt_put_record(writer, SLT_RECORD_CACHE_REPAIRS, &writer->body);
}

/* The last records block: repairs and provenance. */
static int slt_put_end(struct trace_writer *writer)
{
    uint32_t untyped = (uint32_t)writer->caches.count;
    int code;

    writer->body.length = 0;
    bytes_put_string(&writer->body, writer->provenance);
    code = slt_put_record(writer, SLT_RECORD_PROVENANCE, &writer->body);
    writer->body.length = 0;
    slt_put_counts(&writer->body, &writer->repairs);
    if (!code)
        code = slt_put_record(writer, SLT_RECORD_REPAIRS, &writer->body);
    for (uint32_t row = 0; !code && row < writer->nr_cache_repairs && row <= untyped; row++)
        code =
            slt_put_cache_repairs(writer, row < untyped ? row + 1 : 0, &writer->cache_repairs[row]);
    return code ? code : slt_flush_records(writer);
}

static int slt_put_footer(struct trace_writer *writer)
{
    uint8_t footer[SLT_FOOTER_BYTES] = {0};

    store_u64(footer + SLT_FOOTER_EVENTS, writer->events);
    store_u64(footer + SLT_FOOTER_ALLOCS, writer->live.count + writer->frees);
    store_u64(footer + SLT_FOOTER_FREES, writer->frees);
    store_u64(footer + SLT_FOOTER_PEAK_LIVE, writer->live.peak);
    store_u64(footer + SLT_FOOTER_DURATION, writer->last.time_ns);
    store_u64(footer + SLT_FOOTER_STREAMS, writer->streams.count);
    store_u64(footer + SLT_FOOTER_CACHES, writer->caches.count);
    store_u64(footer + SLT_FOOTER_TYPES, writer->types.count);
    store_u64(footer + SLT_FOOTER_CALL_SITES, writer->call_sites.count);
    return slt_sink_finish(&writer->sink, footer);
}

static void slt_writer_free(struct trace_writer *writer)
{
    slt_sink_close(&writer->sink);
    slt_builder_cleanup(&writer->builder);
    live_cleanup(&writer->live);
    intern_cleanup(&writer->streams);
    intern_cleanup(&writer->caches);
    intern_cleanup(&writer->types);
    intern_cleanup(&writer->call_sites);
    bytes_cleanup(&writer->records);
    bytes_cleanup(&writer->body);
    bytes_cleanup(&writer->payload);
    free(writer->cache_repairs);
    free(writer->numbers);
    free(writer->provenance);
    free(writer);
}

int trace_create(const char *path, const char *provenance, struct trace_writer **created,
                 struct error *error)
{
    struct trace_writer *writer;
    int code;

    if (strlen(provenance) > SLT_MAX_PROVENANCE)
        return error_set(error, EINVAL, "%s: a provenance is at most %d bytes", path,
                         SLT_MAX_PROVENANCE);
    writer = calloc(1, sizeof *writer);
    if (!writer)
        return error_set(error, ENOMEM, "%s: %s", path, strerror(ENOMEM));
    code = outfile_open(&writer->file, path, error);
    if (code) {
        free(writer);
        return code;
    }
    writer->provenance = strdup(provenance);
    code = writer->provenance ? 0 : -ENOMEM;
    if (!code)
        code = slt_builder_init(&writer->builder);
    if (!code)
        code = live_init(&writer->live);
    if (!code)
        code = slt_sink_open(&writer->sink, writer->file.stream);
    if (code) {
        error_set(error, -code, "%s: cannot write: %s", path, strerror(-code));
        trace_discard(writer);
        return code;
    }
    *created = writer;
    return 0;
}

int trace_commit(struct trace_writer *writer, struct error *error)
{
    const char *name = writer->file.path;
    int code;

    if (writer->last.batch > 1) {
        code = error_set(error, EINVAL, "%s: the trace ends inside a bulk operation", name);
        trace_discard(writer);
        return code;
    }
    code = slt_flush_events(writer);
    if (!code)
        code = slt_put_end(writer);
    if (!code)
        code = slt_put_footer(writer);
    if (code) {
        error_set(error, -code, "%s: cannot write: %s", name, strerror(-code));
        trace_discard(writer);
        return code;
    }
    code = outfile_commit(&writer->file, error);
    slt_writer_free(writer);
    return code;
}

void trace_discard(struct trace_writer *writer)
{
    slt_sink_close(&writer->sink); /* it may still be writing to the file */
    outfile_discard(&writer->file);
    slt_writer_free(writer);
}
