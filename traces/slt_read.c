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
#include "traces/slt_tables.h"

#include <errno.h>
#include <stdlib.h>

struct trace_reader {
    char *name;
    FILE *stream;
    struct slt_source source;
    struct slt_tables tables;
    struct live live;

    struct slt_columns columns; /* of the block being read */
    struct slt_read_kind {
        uint8_t op, origin;
        uint32_t type;
        uint32_t cache; /* as live wants it */
    } * kinds;          /* of that block, SLT_MAX_EVENTS at most */
    uint32_t nr_kinds;  /* allocated */
    uint32_t at;        /* next event, reference ... in that block */
    uint32_t at_reference, at_wide_time, at_wide_reference, at_batch;

    uint64_t events, frees; /* read so far */
    uint64_t time_ns;       /* of the last event */
    uint64_t block_end_ns;
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
    if (!reader->name || live_init(&reader->live)) {
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
    live_cleanup(&reader->live);
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
    for (uint32_t i = 0; i < reader->columns.kinds; i++) {
        struct slt_kind kind = slt_columns_kind(&reader->columns, i);
        struct slt_read_kind *read = &reader->kinds[i];

        *read = (struct slt_read_kind){kind.op, kind.origin, kind.type, 0};
        *preloads |= kind.origin == TRACE_PRELOADED;
        if (kind.op == TRACE_FREE)
            continue;
        if (kind.type >= (kind.op == TRACE_ALLOC ? tables->nr_types : tables->nr_caches))
            return "an event's type or cache is not defined before it";
        read->cache = (kind.op == TRACE_ALLOC ? tables->types[kind.type].cache : kind.type) + 1;
    }
    return NULL;
}

/* Preloaded objects come before all else. */
static const char *slt_check_preloads(struct trace_reader *reader, bool preloads)
{
    const struct slt_columns *columns = &reader->columns;

    for (uint32_t i = 0; preloads && i < columns->count; i++) {
        bool preload = reader->kinds[slt_u16(columns->kind, i)].origin == TRACE_PRELOADED;

        if (preload && reader->preload_over)
            return "a preloaded object comes after another event";
        reader->preload_over |= !preload;
    }
    reader->preload_over |= !preloads;
    return NULL;
}

static const char *slt_check_indices(const struct trace_reader *reader)
{
    const struct slt_columns *columns = &reader->columns;
    uint32_t stream = 0, site = 0;

    for (uint32_t i = 0; i < columns->count; i++) {
        uint32_t value = slt_u16(columns->stream, i);

        stream = value > stream ? value : stream;
    }
    for (uint32_t i = 0; columns->site[0] && i < columns->count; i++) {
        uint32_t value = slt_columns_site(columns, i);

        site = value > site ? value : site;
    }
    if (stream >= reader->tables.nr_streams)
        return "an event's stream is not defined before it";
    if (site && site >= reader->tables.nr_call_sites)
        return "an event's call site is not defined before it";
    return NULL;
}

static int slt_read_events(struct trace_reader *reader, struct error *error)
{
    const struct slt_source *source = &reader->source;
    struct slt_columns *columns = &reader->columns;
    const char *wrong;
    bool preloads;

    wrong = slt_columns_map(columns, source->payload.data, source->payload.length, source->time_ns,
                            &reader->block_end_ns);
    if (!wrong && source->time_ns < reader->time_ns)
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
    if (!reader->kinds || live_reserve(&reader->live, columns->count) ||
        live_reserve_caches(&reader->live, reader->tables.nr_caches))
        return error_set(error, ENOMEM, "%s: %s", reader->name, strerror(ENOMEM));
    wrong = slt_read_kinds(reader, &preloads);
    if (!wrong)
        wrong = slt_check_preloads(reader, preloads);
    if (!wrong)
        wrong = slt_check_indices(reader);
    if (wrong)
        goto damaged;
    reader->at = reader->at_reference = 0;
    reader->at_wide_time = reader->at_wide_reference = reader->at_batch = 0;
    reader->time_ns = source->time_ns;
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
        load_u64(footer + SLT_FOOTER_ALLOCS) != reader->live.births ||
        load_u64(footer + SLT_FOOTER_FREES) != reader->frees ||
        load_u64(footer + SLT_FOOTER_PEAK_LIVE) != reader->live.peak ||
        load_u64(footer + SLT_FOOTER_DURATION) != reader->time_ns ||
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

/* 1: there are events to read; 0: the end. */
static int slt_read_block(struct trace_reader *reader, struct error *error)
{
    int code;

    while (reader->at == reader->columns.count) {
        if (reader->columns.count && reader->at_reference != reader->columns.references)
            return slt_source_damaged(&reader->source, error, "references are left over");
        reader->columns.count = reader->at = 0;
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

/* The object that the next reference names, or LIVE_NONE. */
static inline uint32_t slt_read_reference(struct trace_reader *reader)
{
    const struct slt_columns *columns = &reader->columns;
    uint32_t age, number;

    if (__builtin_expect(reader->at_reference == columns->references, 0))
        return LIVE_NONE;
    age = slt_u16(columns->reference, reader->at_reference++);
    if (__builtin_expect(age != SLT_WIDE, 1))
        return live_find(&reader->live, age);
    if (reader->at_wide_reference == columns->wide_references)
        return LIVE_NONE;
    number = load_u32(columns->wide_reference + (size_t)reader->at_wide_reference++ * 4);
    return live_is(&reader->live, number) ? number : LIVE_NONE;
}

/* Everything but time, batch and call site. */
static const char *slt_read_operations(struct trace_reader *reader, struct trace_event *events,
                                       uint32_t count)
{
    const struct slt_columns *columns = &reader->columns;
    struct live *live = &reader->live;

    for (uint32_t i = 0; i < count; i++, reader->events++) {
        uint32_t at = reader->at + i;
        const struct slt_read_kind *kind = &reader->kinds[slt_u16(columns->kind, at)];
        struct trace_event *event = &events[i];
        uint32_t number = 0, type = kind->type;
        const char *wrong;

        if (kind->op == TRACE_ALLOC) {
            number = live_alloc(live, type, kind->cache);
            if (number == LIVE_NONE)
                return "an object is allocated from a destroyed cache";
        } else if (kind->op == TRACE_FREE) {
            number = slt_read_reference(reader);
            if (number == LIVE_NONE)
                return "an object is freed that is not live";
            type = live_free(live, number);
            reader->frees++;
        } else {
            wrong = kind->op == TRACE_CACHE_CREATE ? live_create_cache(live, kind->cache)
                                                   : live_destroy_cache(live, kind->cache);
            if (wrong)
                return wrong;
        }
        event->stream = slt_u16(columns->stream, at);
        event->type = type;
        event->object = number;
        event->call_site = 0;
        event->batch = 1;
        event->op = kind->op;
        event->origin = kind->origin;
    }
    return NULL;
}

static void slt_read_times(struct trace_reader *reader, struct trace_event *events, uint32_t count)
{
    const struct slt_columns *columns = &reader->columns;
    uint64_t time_ns = reader->time_ns, unit_ns = columns->unit_ns;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t ticks = slt_u16(columns->time, reader->at + i);

        if (__builtin_expect(ticks == SLT_WIDE, 0))
            ticks = load_u64(columns->wide_time + (size_t)reader->at_wide_time++ * 8);
        time_ns += ticks * unit_ns;
        events[i].time_ns = time_ns;
    }
    reader->time_ns = time_ns;
}

/* The parts of bulk operations that lie in these events. */
static void slt_read_batches(struct trace_reader *reader, struct trace_event *events,
                             uint32_t count)
{
    const struct slt_columns *columns = &reader->columns;
    uint32_t end = reader->at + count;

    while (reader->at_batch < columns->batches) {
        const uint8_t *batch = columns->batch + (size_t)reader->at_batch * SLT_BATCH_BYTES;
        uint32_t first = load_u32(batch), after = first + load_u32(batch + 4);

        for (uint32_t at = first > reader->at ? first : reader->at; at < end && at < after; at++)
            events[at - reader->at].batch = (uint16_t)(after - at);
        if (after > end)
            break;
        reader->at_batch++;
    }
}

static ssize_t slt_read_some(struct trace_reader *reader, struct trace_event *events,
                             size_t capacity, struct error *error)
{
    const struct slt_columns *columns = &reader->columns;
    const char *wrong;
    uint32_t count;
    int code = slt_read_block(reader, error);

    if (code <= 0)
        return code;
    count = columns->count - reader->at;
    if (count > capacity)
        count = (uint32_t)capacity;
    wrong = slt_read_operations(reader, events, count);
    if (wrong)
        return slt_wrong_event(reader, error, wrong);
    slt_read_times(reader, events, count);
    slt_read_batches(reader, events, count);
    for (uint32_t i = 0; columns->site[0] && i < count; i++)
        events[i].call_site = slt_columns_site(columns, reader->at + i);
    reader->at += count;
    return count;
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
