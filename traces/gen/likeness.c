/* SPDX-License-Identifier: MIT */
/* The distributions of a trace: see likeness.h. */
#include "traces/gen/likeness.h"

#include "sim/array.h"
#include "sim/error.h"
#include "sim/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LIKENESS_EVENTS = 4096 }; /* read at once */

struct likeness_object {
    uint64_t birth_ns, birth; /* birth: events of its stream before */
    uint64_t birth_of_all;    /* events of all streams before */
    uint32_t stream;
    uint32_t place; /* in the sample, if what is there was born then */
    bool older;     /* than the recording */
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
    size_t room_streams, room_kinds, room_caches, room_sample;
    uint64_t live, random;
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

/*
 * Takes the object into the sample, or not (Vitter 1985, algorithm R): of n objects each is in it
 * with the same probability.
 */
static int likeness_take(struct likeness_pass *pass, struct likeness_object *object, uint32_t kind)
{
    struct likeness *likeness = pass->likeness;
    uint64_t place = likeness->allocs;

    if (place >= LIKENESS_SAMPLE)
        place = random_next(&pass->random) % (likeness->allocs + 1);
    if (place >= LIKENESS_SAMPLE)
        return 0;
    if (array_grow((void **)&likeness->sample, &pass->room_sample, (size_t)place + 1,
                   sizeof *likeness->sample))
        return -ENOMEM;
    likeness->nr_sample += place == likeness->nr_sample;
    likeness->sample[place] = (struct likeness_life){likeness->events, LIKENESS_OUTLIVED, kind, 0};
    object->place = (uint32_t)place;
    return 0;
}

static int likeness_add_alloc(struct likeness_pass *pass, const struct trace_event *event)
{
    struct likeness *likeness = pass->likeness;
    struct likeness_stream *stream = &pass->streams[event->stream];
    struct likeness_object *object;
    bool older = event->origin == TRACE_PRELOADED;

    if (array_grow((void **)&pass->objects, &pass->room_objects, (size_t)event->object + 1,
                   sizeof *pass->objects))
        return -ENOMEM;
    object = &pass->objects[event->object];
    *object = (struct likeness_object){.birth_ns = event->time_ns,
                                       .birth = stream->events,
                                       .birth_of_all = likeness->events,
                                       .stream = event->stream,
                                       .older = older};
    likeness->left_out += older;
    if (older)
        return 0;
    if (likeness_take(pass, object, event->type))
        return -ENOMEM;
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
    const struct likeness_object *object = &pass->objects[event->object];
    uint64_t way, life;

    likeness->left_out += object->older;
    if (object->older)
        return;
    life = pass->streams[object->stream].events - object->birth;
    pass->live--;
    way = likeness_way(object->stream, event->stream, likeness->streams);
    histogram_add(&likeness->lives, life);
    histogram_add(&likeness->lives_ns, event->time_ns - object->birth_ns);
    histogram_add(&likeness->distances, way);
    if (likeness->sample[object->place].birth == object->birth_of_all) {
        likeness->sample[object->place].events = life;
        likeness->sample[object->place].way = (uint32_t)way;
    }
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
    live_series_add(&likeness->series, likeness->events, pass->live, 0);
    likeness->events++;
    likeness->live_sum += pass->live;
    return code;
}

static int likeness_compare_births(const void *a, const void *b)
{
    const struct likeness_life *x = a, *y = b;

    return (x->birth > y->birth) - (x->birth < y->birth);
}

/* Names, and the order of the sample. */
static int likeness_finish(struct likeness_pass *pass)
{
    struct likeness *likeness = pass->likeness;
    size_t count;
    const struct trace_cache *caches = trace_caches(pass->reader, &count);
    const struct trace_type *types = trace_types(pass->reader, &count);

    if (likeness->nr_sample)
        qsort(likeness->sample, likeness->nr_sample, sizeof *likeness->sample,
              likeness_compare_births);
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
    free(likeness->sample);
    free(likeness);
}
