/* SPDX-License-Identifier: MIT */
/*
 * Reading a .slt trace. A block is checked as a whole when it comes (slt_source.c, slt_columns.c);
 * what depends on the objects and caches that live is checked event by event, in trace_read's loop.
 */
#include "traces/trace.h"

#include "sim/error.h"
#include "traces/live.h"
#include "traces/slt_block.h"
#include "traces/slt_columns.h"
#include "traces/slt_events.h"
#include "traces/slt_tables.h"

#include <errno.h>
#include <stdlib.h>

struct trace_reader {
    char *name;
    FILE *stream;
    struct slt_source source;
    struct slt_tables tables;
    struct slt_position here;
    struct slt_kind *kinds; /* of the block being read */
    uint32_t nr_kinds;      /* allocated */

    uint64_t events, frees; /* read so far */
    uint64_t block_start;   /* events before the block being read */
    bool preload_over;
    bool done;
    int failed; /* what an earlier trace_read returned; nothing is read after that */
    char digest[33];
};

/* ---- open and close ---- */

int trace_open(const char *path, struct trace_reader **opened, struct error *error)
{
    bool standard = !strcmp(path, "-");
    struct trace_reader *reader = calloc(1, sizeof *reader);
    int code;

    if (!reader)
        return error_set(error, ENOMEM, "%s: %s", path, strerror(ENOMEM));
    reader->name = strdup(standard ? "standard input" : path);
    if (!reader->name || live_init(&reader->here.live)) {
        code = error_set(error, ENOMEM, "%s: %s", path, strerror(ENOMEM));
        goto fail;
    }
    reader->stream = standard ? stdin : fopen(path, "rbe");
    if (!reader->stream) {
        code = error_set(error, errno, "%s: cannot open: %s", path, strerror(errno));
        goto fail;
    }
    code = slt_source_open(&reader->source, reader->stream, reader->name, error);
    if (code)
        goto fail;
    *opened = reader;
    return 0;
fail:
    trace_close(reader);
    return code;
}

void trace_close(struct trace_reader *reader)
{
    if (!reader)
        return;
    slt_source_close(&reader->source);
    if (reader->stream && reader->stream != stdin)
        fclose(reader->stream);
    slt_tables_cleanup(&reader->tables);
    live_cleanup(&reader->here.live);
    free(reader->kinds);
    free(reader->name);
    free(reader);
}

/* ---- blocks ---- */

static int slt_wrong_event(const struct trace_reader *reader, struct error *error,
                           const char *reason)
{
    return error_set(error, EINVAL, "%s: block at byte %llu, event %llu: %s", reader->name,
                     (unsigned long long)reader->source.block_offset,
                     (unsigned long long)reader->events, reason);
}

/* The block's kinds with all that the loop over events needs, checked against the tables. */
static const char *slt_read_kinds(struct trace_reader *reader, bool *preloads)
{
    const struct slt_tables *tables = &reader->tables;

    *preloads = false;
    for (uint32_t i = 0; i < reader->here.columns.kinds; i++) {
        struct slt_kind kind = slt_columns_kind(&reader->here.columns, i);

        reader->kinds[i] = kind;
        *preloads |= kind.origin == TRACE_PRELOADED;
        if (kind.op == TRACE_FREE)
            continue;
        if (kind.type >= (kind.op == TRACE_ALLOC ? tables->nr_types : tables->nr_caches))
            return "an event's type or cache is not defined before it";
    }
    return NULL;
}

/* What was defined since the last block of events. */
static int slt_read_types(struct trace_reader *reader)
{
    const struct slt_tables *tables = &reader->tables;
    int code = live_reserve_caches(&reader->here.live, tables->nr_caches);

    while (!code && reader->here.live.nr_types < tables->nr_types)
        code = live_add_type(&reader->here.live, tables->types[reader->here.live.nr_types].cache);
    return code;
}

/* Preloaded objects come before all else. */
static const char *slt_check_preloads(struct trace_reader *reader, bool preloads)
{
    const struct slt_columns *columns = &reader->here.columns;

    for (uint32_t i = 0; preloads && i < columns->count; i++) {
        uint32_t kind = slt_u16(columns->kind, i);
        bool preload = kind < columns->kinds && reader->kinds[kind].origin == TRACE_PRELOADED;

        if (preload && reader->preload_over)
            return "a preloaded object comes after another event";
        reader->preload_over |= !preload;
    }
    reader->preload_over |= !preloads;
    return NULL;
}

static int slt_read_events(struct trace_reader *reader, struct error *error)
{
    const struct slt_source *source = &reader->source;
    struct slt_columns *columns = &reader->here.columns;
    const char *wrong;
    bool preloads;

    wrong = slt_columns_map(columns, source->payload.data, source->payload.length, source->time_ns);
    if (!wrong && source->time_ns < reader->here.time_ns)
        wrong = "time runs backwards";
    if (!wrong && source->first_event != reader->events)
        wrong = "events are missing or repeated before this block";
    if (wrong)
        goto damaged;
    if (columns->kinds > reader->nr_kinds) {
        free(reader->kinds);
        reader->nr_kinds = columns->kinds;
        reader->kinds = malloc(reader->nr_kinds * sizeof *reader->kinds);
    }
    if (!reader->kinds || live_reserve(&reader->here.live, columns->count) ||
        slt_read_types(reader))
        return error_set(error, ENOMEM, "%s: %s", reader->name, strerror(ENOMEM));
    wrong = slt_read_kinds(reader, &preloads);
    if (!wrong)
        wrong = slt_check_preloads(reader, preloads);
    if (wrong)
        goto damaged;
    reader->here.time_ns = source->time_ns;
    reader->block_start = source->first_event;
    return 0;
damaged:
    columns->count = 0;
    return slt_source_damaged(source, error, wrong);
}

/* What the footer counts is what was read. */
static int slt_read_end(struct trace_reader *reader, struct error *error)
{
    const uint8_t *footer = reader->source.footer;
    const struct slt_tables *tables = &reader->tables;

    if (load_u64(footer + SLT_FOOTER_EVENTS) != reader->events ||
        load_u64(footer + SLT_FOOTER_ALLOCS) != reader->here.live.count + reader->frees ||
        load_u64(footer + SLT_FOOTER_FREES) != reader->frees ||
        load_u64(footer + SLT_FOOTER_PEAK_LIVE) != reader->here.live.peak ||
        load_u64(footer + SLT_FOOTER_DURATION) != reader->here.time_ns ||
        load_u64(footer + SLT_FOOTER_STREAMS) != tables->nr_streams ||
        load_u64(footer + SLT_FOOTER_CACHES) != tables->nr_caches ||
        load_u64(footer + SLT_FOOTER_TYPES) != tables->nr_types ||
        load_u64(footer + SLT_FOOTER_CALL_SITES) !=
            tables->nr_call_sites - (tables->nr_call_sites > 0))
        return slt_source_damaged(&reader->source, error,
                                  "the footer's totals are not those of the events");
    slt_digest_text(footer, reader->digest);
    reader->done = true;
    return 0;
}

static void slt_forget_columns(struct trace_reader *reader)
{
    struct slt_position *here = &reader->here;

    here->columns = (struct slt_columns){0};
    here->at = here->reference = here->wide_time = here->wide_reference = here->batch = 0;
}

/* 1: there are events to read; 0: the end. */
static int slt_read_block(struct trace_reader *reader, struct error *error)
{
    int code;

    while (reader->here.at == reader->here.columns.count) {
        if (reader->here.reference != reader->here.columns.references ||
            reader->here.wide_time != reader->here.columns.wide_times)
            return slt_source_damaged(&reader->source, error, "references or times are left over");
        slt_forget_columns(reader);
        if (reader->done)
            return 0;
        code = slt_source_next(&reader->source, error);
        if (code < 0)
            return code;
        if (!code) {
            code = slt_read_end(reader, error);
        } else if (reader->source.kind == SLT_BLOCK_RECORDS) {
            const char *wrong = slt_tables_read(&reader->tables, &reader->source.payload);

            code = wrong ? slt_source_damaged(&reader->source, error, wrong) : 0;
        } else {
            code = slt_read_events(reader, error);
        }
        if (code)
            return code;
    }
    return 1;
}

/* ---- events ---- */

/* The parts of bulk operations that lie in these events. */
static void slt_read_batches(struct trace_reader *reader, struct trace_event *events,
                             uint32_t start, uint32_t count)
{
    struct slt_position *here = &reader->here;
    uint32_t end = start + count;

    while (here->batch < here->columns.batches) {
        const uint8_t *batch = here->columns.batch + (size_t)here->batch * SLT_BATCH_BYTES;
        uint32_t first = load_u32(batch), after = first + load_u32(batch + 4);

        for (uint32_t at = first > start ? first : start; at < end && at < after; at++)
            events[at - start].batch = (uint16_t)(after - at);
        if (after > end)
            break;
        here->batch++;
    }
}

static ssize_t slt_read_some(struct trace_reader *reader, struct trace_event *events,
                             size_t capacity, struct error *error)
{
    const struct slt_columns *columns = &reader->here.columns;
    const struct slt_tables *tables = &reader->tables;
    struct slt_limits limits;
    uint32_t count, start, reference;
    const char *wrong;
    int code = slt_read_block(reader, error);

    if (code <= 0)
        return code;
    start = reader->here.at;
    reference = reader->here.reference;
    count = columns->count - start < capacity ? columns->count - start : (uint32_t)capacity;
    limits = (struct slt_limits){reader->kinds, tables->nr_streams, tables->nr_call_sites};
    wrong = slt_events_read(&reader->here, &limits, events, count);
    reader->events += reader->here.at - start;
    reader->frees += reader->here.reference - reference;
    if (!wrong && reader->here.time_ns >= SLT_MAX_TIME) {
        wrong = "a time is out of range";
        for (uint32_t left = count; left && events[left - 1].time_ns >= SLT_MAX_TIME; left--)
            reader->events--;
    }
    if (!wrong && columns->batches)
        slt_read_batches(reader, events, start, count);
    return wrong ? slt_wrong_event(reader, error, wrong) : (ssize_t)count;
}

ssize_t trace_read(struct trace_reader *reader, struct trace_event *events, size_t capacity,
                   struct error *error)
{
    ssize_t count;

    if (reader->failed)
        return error_set(error, -reader->failed, "%s: read on after an error", reader->name);
    count = capacity ? slt_read_some(reader, events, capacity, error) : 0;
    if (count < 0)
        reader->failed = (int)count;
    return count;
}

/* ---- what is known besides ---- */

const struct trace_stream *trace_streams(const struct trace_reader *reader, size_t *count)
{
    *count = reader->tables.nr_streams;
    return reader->tables.streams;
}

const struct trace_cache *trace_caches(const struct trace_reader *reader, size_t *count)
{
    *count = reader->tables.nr_caches;
    return reader->tables.caches;
}

const struct trace_type *trace_types(const struct trace_reader *reader, size_t *count)
{
    *count = reader->tables.nr_types;
    return reader->tables.types;
}

const char *const *trace_call_sites(const struct trace_reader *reader, size_t *count)
{
    *count = reader->tables.nr_call_sites;
    return (const char *const *)reader->tables.call_sites;
}

const struct trace_definition *trace_definitions(const struct trace_reader *reader, size_t *count)
{
    *count = reader->tables.nr_definitions;
    return reader->tables.definitions;
}

uint64_t trace_block_start(const struct trace_reader *reader)
{
    return reader->block_start;
}

const struct trace_repairs *trace_get_repairs(const struct trace_reader *reader)
{
    return &reader->tables.repairs;
}

const struct trace_repairs *trace_get_cache_repairs(const struct trace_reader *reader,
                                                    uint32_t cache)
{
    static const struct trace_repairs none;
    size_t nr_caches = reader->tables.nr_caches;
    size_t row = cache == nr_caches ? 0 : (size_t)cache + 1; /* untyped first */

    if (cache > nr_caches)
        return NULL;
    return row < reader->tables.nr_cache_repairs ? &reader->tables.cache_repairs[row] : &none;
}

const char *trace_digest(const struct trace_reader *reader)
{
    return reader->digest;
}

const char *trace_provenance(const struct trace_reader *reader)
{
    return reader->tables.provenance ? reader->tables.provenance : "{}";
}

int trace_read_totals(const char *path, struct trace_totals *totals, struct error *error)
{
    uint8_t footer[SLT_FOOTER_BYTES];
    FILE *stream = fopen(path, "rbe");
    int code;

    if (!stream)
        return error_set(error, errno, "%s: cannot open: %s", path, strerror(errno));
    code = slt_read_footer(stream, path, footer, error);
    fclose(stream);
    if (code)
        return code;
    *totals = (struct trace_totals){
        .events = load_u64(footer + SLT_FOOTER_EVENTS),
        .allocs = load_u64(footer + SLT_FOOTER_ALLOCS),
        .frees = load_u64(footer + SLT_FOOTER_FREES),
        .peak_live_objects = load_u64(footer + SLT_FOOTER_PEAK_LIVE),
        .duration_ns = load_u64(footer + SLT_FOOTER_DURATION),
        .streams = load_u64(footer + SLT_FOOTER_STREAMS),
        .caches = load_u64(footer + SLT_FOOTER_CACHES),
        .types = load_u64(footer + SLT_FOOTER_TYPES),
        .call_sites = load_u64(footer + SLT_FOOTER_CALL_SITES),
    };
    slt_digest_text(footer, totals->digest);
    return 0;
}
