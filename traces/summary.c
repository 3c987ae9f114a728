/* SPDX-License-Identifier: MIT */
/* What is in a trace: see summary.h. */
#include "traces/summary.h"

#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_EVENTS = 4096 }; /* read at once */

struct summary_row {
    uint64_t live;     /* objects */
    uint64_t inferred; /* allocations */
};

struct summary_pass {
    struct trace_reader *reader;
    struct trace_summary *summary;
    struct summary_row *rows; /* of each cache, untyped first */
    size_t room_caches, room_streams;
    uint64_t live_objects, live_bytes;
};

/* Room for `count` zeroed entries; 0 or -ENOMEM. */
static int summary_grow(void *table, size_t count, size_t room, size_t size)
{
    void **entries = table;
    char *bigger = reallocarray(*entries, count, size);

    if (!bigger)
        return -ENOMEM;
    *entries = bigger;
    memset(bigger + room * size, 0, (count - room) * size);
    return 0;
}

/* The tables grow as the reader's do; during the pass row 0 is untyped, then cache by cache. */
static int summary_reserve(struct summary_pass *pass)
{
    struct trace_summary *summary = pass->summary;
    size_t streams, caches;

    trace_streams(pass->reader, &streams);
    trace_caches(pass->reader, &caches);
    if (caches + 1 > pass->room_caches) {
        size_t room = 2 * caches + 1;

        if (summary_grow(&summary->caches, room, pass->room_caches, sizeof *summary->caches) ||
            summary_grow(&pass->rows, room, pass->room_caches, sizeof *pass->rows))
            return -ENOMEM;
        pass->room_caches = room;
    }
    if (streams > pass->room_streams) {
        size_t room = 2 * streams;

        if (summary_grow(&summary->by_stream, room, pass->room_streams, sizeof *summary->by_stream))
            return -ENOMEM;
        pass->room_streams = room;
    }
    return 0;
}

static void summary_add_alloc(struct summary_pass *pass, const struct trace_event *event,
                              const struct trace_type *type)
{
    struct trace_summary *summary = pass->summary;
    struct trace_cache_summary *cache = &summary->caches[type->cache + 1];
    struct summary_row *row = &pass->rows[type->cache + 1];

    pass->live_bytes += type->size;
    if (++pass->live_objects > summary->peak_live_objects)
        summary->peak_live_objects = pass->live_objects;
    if (pass->live_bytes > summary->peak_live_bytes)
        summary->peak_live_bytes = pass->live_bytes;
    if (++row->live > cache->peak_live_objects)
        cache->peak_live_objects = row->live;
    row->inferred += event->origin == TRACE_INFERRED;
    summary->preloads += event->origin == TRACE_PRELOADED;
    if (event->origin != TRACE_RECORDED)
        return;
    summary->allocs++;
    summary->requested_bytes += type->size;
    summary->recorded_bytes += type->recorded_size;
    summary->by_stream[event->stream].allocs++;
    cache->allocs++;
    cache->requested_bytes += type->size;
    cache->recorded_bytes += type->recorded_size;
}

static void summary_add_free(struct summary_pass *pass, const struct trace_event *event,
                             const struct trace_type *type)
{
    struct trace_summary *summary = pass->summary;
    struct trace_cache_summary *cache = &summary->caches[type->cache + 1];
    const struct profile_object *object = &summary->profile.objects[event->object];

    pass->live_objects--;
    pass->live_bytes -= type->size;
    pass->rows[type->cache + 1].live--;
    if (event->origin != TRACE_RECORDED)
        return;
    summary->frees++;
    cache->frees++;
    summary->by_stream[event->stream].frees++;
    if (object->recorded && object->stream != event->stream) {
        summary->cross_stream_frees++;
        cache->cross_stream_frees++;
    }
}

static int summary_read_events(struct summary_pass *pass, struct trace_event *events,
                               struct error *error)
{
    struct trace_summary *summary = pass->summary;
    ssize_t count;

    while ((count = trace_read(pass->reader, events, SUMMARY_EVENTS, error)) > 0) {
        size_t nr_types;
        const struct trace_type *types = trace_types(pass->reader, &nr_types);
        int code = summary_reserve(pass);

        for (ssize_t i = 0; !code && i < count; i++) {
            const struct trace_event *event = &events[i];

            if (event->op == TRACE_ALLOC)
                summary_add_alloc(pass, event, &types[event->type]);
            else if (event->op == TRACE_FREE)
                summary_add_free(pass, event, &types[event->type]);
            if (event->op <= TRACE_FREE)
                code = profile_add(&summary->profile, event, &types[event->type]);
        }
        if (code)
            return error_set(error, -code, "%s", strerror(-code));
        summary->events += (uint64_t)count;
        summary->duration_ns = events[count - 1].time_ns;
    }
    return (int)count;
}

/*
 * How many recorded frees an importer left out of the file: nothing told what their objects were.
 * Older files count some of them as freed again, though no allocation was inserted.
 */
static uint64_t summary_settle_repairs(struct trace_repairs *repairs, uint64_t inferred)
{
    if (repairs->refreed > inferred) {
        repairs->never_seen_frees += repairs->refreed - inferred;
        repairs->refreed = inferred;
    }
    return trace_repairs_dropped(repairs);
}

/* Names, repairs, and the frees that an importer dropped for want of an object. */
static int summary_finish(struct summary_pass *pass)
{
    struct trace_summary *summary = pass->summary;
    struct trace_repairs *repairs = &summary->repairs;
    struct trace_cache_summary untyped;
    uint64_t inferred = 0;
    size_t nr_caches, nr_streams;
    const struct trace_cache *caches = trace_caches(pass->reader, &nr_caches);
    const struct trace_stream *streams = trace_streams(pass->reader, &nr_streams);

    if (summary_reserve(pass))
        return -ENOMEM;
    summary->streams = nr_streams;
    summary->nr_caches = nr_caches + 1;
    untyped = summary->caches[0];
    memmove(summary->caches, summary->caches + 1, nr_caches * sizeof *summary->caches);
    summary->caches[nr_caches] = untyped;
    for (uint32_t i = 0; i <= nr_caches; i++) {
        struct trace_cache_summary *cache = &summary->caches[i];
        const struct summary_row *row;

        cache->name = strdup(i < nr_caches ? caches[i].name : "(untyped)");
        cache->object_size = i < nr_caches ? caches[i].object_size : 0;
        cache->align = i < nr_caches ? caches[i].align : 0;
        cache->flags = i < nr_caches ? caches[i].flags : 0;
        cache->repairs = *trace_get_cache_repairs(pass->reader, i);
        row = &pass->rows[i < nr_caches ? i + 1 : 0];
        cache->frees += summary_settle_repairs(&cache->repairs, row->inferred);
        inferred += row->inferred;
        if (!cache->name)
            return -ENOMEM;
    }
    for (size_t i = 0; i < nr_streams; i++) {
        summary->by_stream[i].name = strdup(streams[i].name);
        if (!summary->by_stream[i].name)
            return -ENOMEM;
    }
    *repairs = *trace_get_repairs(pass->reader);
    summary->unmatched_frees = repairs->never_seen_frees + repairs->refreed;
    summary->frees += summary_settle_repairs(repairs, inferred);
    summary->live_at_end = pass->live_objects;
    profile_finish(&summary->profile);
    memcpy(summary->digest, trace_digest(pass->reader), sizeof summary->digest);
    summary->provenance = strdup(trace_provenance(pass->reader));
    return summary->provenance ? 0 : -ENOMEM;
}

int trace_summary_read(const char *path, struct trace_summary *summary, struct error *error)
{
    struct summary_pass pass = {.summary = summary};
    struct trace_event *events;
    int code;

    *summary = (struct trace_summary){0};
    code = trace_open(path, &pass.reader, error);
    if (code)
        return code;
    events = malloc(SUMMARY_EVENTS * sizeof *events);
    code = events ? summary_read_events(&pass, events, error)
                  : error_set(error, ENOMEM, "%s: %s", path, strerror(ENOMEM));
    if (!code) {
        code = summary_finish(&pass);
        if (code)
            error_set(error, -code, "%s: %s", path, strerror(-code));
    }
    free(events);
    free(pass.rows);
    trace_close(pass.reader);
    if (code)
        trace_summary_cleanup(summary);
    return code;
}

void trace_summary_cleanup(struct trace_summary *summary)
{
    for (size_t i = 0; i < summary->nr_caches; i++)
        free((char *)summary->caches[i].name);
    for (size_t i = 0; i < summary->streams && summary->by_stream; i++)
        free((char *)summary->by_stream[i].name);
    free(summary->caches);
    free(summary->by_stream);
    free(summary->provenance);
    profile_cleanup(&summary->profile);
    *summary = (struct trace_summary){0};
}
