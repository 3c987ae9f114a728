/* SPDX-License-Identifier: MIT */
/* The distributions of a trace: see likeness.h. */
#include "traces/gen/likeness.h"

#include "sim/array.h"
#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIKENESS_EVENTS = 4096 }; /* read at once */

struct likeness_object {
    uint64_t birth_ns, birth; /* birth: events of its stream before */
    uint32_t stream, kind;
    bool live, older; /* older than the recording */
};

struct likeness_stream {
    uint64_t events, last_ns;
};

struct likeness_pass {
    struct trace_reader *reader;
    struct likeness *likeness;
    struct likeness_object *objects;
    size_t room_objects;
    struct likeness_stream *streams;
    size_t room_streams, room_kinds, room_caches;
    uint64_t live;
};

/* The kinds are the trace's types, the caches its caches, and one more for what has none. */
static int likeness_reserve(struct likeness_pass *pass)
{
    struct likeness *likeness = pass->likeness;
    size_t streams;
    int code;

    trace_streams(pass->reader, &streams);
    trace_types(pass->reader, &likeness->nr_kinds);
    trace_caches(pass->reader, &likeness->nr_caches);
    likeness->nr_caches++;
    likeness->streams = streams;
    code = array_grow((void **)&pass->streams, &pass->room_streams, streams, sizeof *pass->streams);
    if (!code)
        code = array_grow((void **)&likeness->kinds, &pass->room_kinds, likeness->nr_kinds,
                          sizeof *likeness->kinds);
    if (!code)
        code = array_grow((void **)&likeness->caches, &pass->room_caches, likeness->nr_caches,
                          sizeof *likeness->caches);
    return code;
}

/* During the pass row 0 is untyped, then cache by cache, since their number grows. */
static struct likeness_cache *likeness_cache_of(struct likeness_pass *pass, uint32_t kind)
{
    size_t count;

    return &pass->likeness->caches[trace_types(pass->reader, &count)[kind].cache + 1];
}

static int likeness_add_alloc(struct likeness_pass *pass, const struct trace_event *event)
{
    struct likeness *likeness = pass->likeness;
    struct likeness_stream *stream = &pass->streams[event->stream];
    bool older = event->origin == TRACE_PRELOADED;

    if (array_grow((void **)&pass->objects, &pass->room_objects, (size_t)event->object + 1,
                   sizeof *pass->objects))
        return -ENOMEM;
    pass->objects[event->object] = (struct likeness_object){
        event->time_ns, stream->events, event->stream, event->type, true, older};
    likeness->left_out += older;
    if (older)
        return 0;
    likeness->kinds[event->type].allocs++;
    likeness->allocs++;
    if (++pass->live > likeness->peak_live)
        likeness->peak_live = pass->live;
    return 0;
}

/* Streams are taken as on a ring, as CPUs of a generated load are: the shorter way round. */
static uint64_t likeness_way(uint64_t from, uint64_t to, uint64_t streams)
{
    uint64_t way = from < to ? to - from : from - to;

    return way < streams - way ? way : streams - way;
}

static void likeness_add_free(struct likeness_pass *pass, const struct trace_event *event)
{
    struct likeness *likeness = pass->likeness;
    struct likeness_object *object = &pass->objects[event->object];
    struct likeness_cache *cache = likeness_cache_of(pass, object->kind);
    uint64_t life = pass->streams[object->stream].events - object->birth;

    object->live = false;
    likeness->left_out += object->older;
    if (object->older)
        return;
    pass->live--;
    histogram_add(&cache->lives, life);
    histogram_add(&likeness->lives, life);
    histogram_add(&likeness->lives_ns, event->time_ns - object->birth_ns);
    histogram_add(&likeness->distances,
                  likeness_way(object->stream, event->stream, likeness->streams));
    cache->frees++;
    cache->remote += event->stream != object->stream;
}

static int likeness_add(struct likeness_pass *pass, const struct trace_event *event)
{
    struct likeness *likeness = pass->likeness;
    struct likeness_stream *stream = &pass->streams[event->stream];
    uint64_t before = likeness->left_out;
    int code = 0;

    if (event->op > TRACE_FREE)
        return 0;
    if (event->op == TRACE_ALLOC)
        code = likeness_add_alloc(pass, event);
    else
        likeness_add_free(pass, event);
    if (likeness->left_out != before)
        return code;
    if (stream->events++)
        histogram_add(&likeness->gaps_ns, event->time_ns - stream->last_ns);
    stream->last_ns = event->time_ns;
    likeness->events++;
    likeness->live_sum += pass->live;
    return code;
}

/* What lives at the end, names, and the kinds as the caches are numbered from now on. */
static int likeness_finish(struct likeness_pass *pass)
{
    struct likeness *likeness = pass->likeness;
    size_t count;
    const struct trace_cache *caches = trace_caches(pass->reader, &count);
    const struct trace_type *types = trace_types(pass->reader, &count);
    struct likeness_cache untyped;

    for (size_t i = 0; i < pass->room_objects; i++) {
        const struct likeness_object *object = &pass->objects[i];

        if (object->live && !object->older)
            histogram_add(&likeness_cache_of(pass, object->kind)->ages,
                          pass->streams[object->stream].events - object->birth);
    }
    untyped = likeness->caches[0];
    memmove(likeness->caches, likeness->caches + 1,
            (likeness->nr_caches - 1) * sizeof *likeness->caches);
    likeness->caches[likeness->nr_caches - 1] = untyped;
    for (size_t i = 0; i + 1 < likeness->nr_caches; i++) {
        likeness->caches[i].object_size = caches[i].object_size;
        likeness->caches[i].align = caches[i].align;
        likeness->caches[i].name = strdup(caches[i].name);
        if (!likeness->caches[i].name)
            return -ENOMEM;
    }
    for (size_t i = 0; i < likeness->nr_kinds; i++) {
        struct likeness_kind *kind = &likeness->kinds[i];

        kind->cache =
            types[i].cache == TRACE_UNTYPED ? (uint32_t)likeness->nr_caches - 1 : types[i].cache;
        kind->size = types[i].size;
        kind->recorded_size = types[i].recorded_size;
        kind->flags = types[i].flags;
    }
    strcpy(likeness->digest, trace_digest(pass->reader));
    return 0;
}

static int likeness_read_all(struct likeness_pass *pass, struct error *error)
{
    struct trace_event *events = calloc(LIKENESS_EVENTS, sizeof *events);
    ssize_t count = 0;
    int code = events ? 0 : -ENOMEM;

    while (!code && (count = trace_read(pass->reader, events, LIKENESS_EVENTS, error)) > 0) {
        code = likeness_reserve(pass);
        for (ssize_t i = 0; !code && i < count; i++)
            code = likeness_add(pass, &events[i]);
    }
    free(events);
    if (!code && !count && likeness_reserve(pass) == 0)
        code = likeness_finish(pass);
    if (code)
        return error_set(error, -code, "%s", strerror(-code));
    return (int)count;
}

int likeness_read(const char *path, struct likeness **read, struct error *error)
{
    struct likeness_pass pass = {.likeness = calloc(1, sizeof *pass.likeness)};
    int code = pass.likeness ? trace_open(path, &pass.reader, error)
                             : error_set(error, ENOMEM, "%s: %s", path, strerror(ENOMEM));

    if (!code) {
        code = likeness_read_all(&pass, error);
        trace_close(pass.reader);
    }
    free(pass.objects);
    free(pass.streams);
    if (code)
        likeness_destroy(pass.likeness);
    else
        *read = pass.likeness;
    return code;
}

void likeness_destroy(struct likeness *likeness)
{
    if (!likeness)
        return;
    for (size_t i = 0; likeness->caches && i < likeness->nr_caches; i++)
        free(likeness->caches[i].name);
    free(likeness->caches);
    free(likeness->kinds);
    free(likeness);
}
