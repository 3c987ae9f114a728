/* SPDX-License-Identifier: MIT */
/* The distributions of a trace, event by event: see profile.h. */
#include "traces/profile.h"

#include "sim/array.h"

#include <errno.h>
#include <stdlib.h>

/* ---- pairs of streams ---- */

static struct profile_pair *pair_place(struct profile_pair *pairs, size_t room, uint32_t alloc,
                                       uint32_t free)
{
    uint64_t key = (uint64_t)alloc << 32 | free;
    size_t at = (key * 0x9e3779b97f4a7c15u) >> 32 & (room - 1); /* Fibonacci hashing */

    while (pairs[at].frees && (pairs[at].alloc_stream != alloc || pairs[at].free_stream != free))
        at = (at + 1) & (room - 1);
    return &pairs[at];
}

static int pairs_grow(struct profile *profile)
{
    size_t room = profile->room_pairs ? 2 * profile->room_pairs : 64;
    struct profile_pair *pairs;

    if (2 * (profile->nr_pairs + 1) <= profile->room_pairs)
        return 0;
    pairs = calloc(room, sizeof *pairs);
    if (!pairs)
        return -ENOMEM;
    for (size_t i = 0; i < profile->room_pairs; i++) {
        const struct profile_pair *pair = &profile->pairs[i];

        if (pair->frees)
            *pair_place(pairs, room, pair->alloc_stream, pair->free_stream) = *pair;
    }
    free(profile->pairs);
    profile->pairs = pairs;
    profile->room_pairs = room;
    return 0;
}

static int profile_note_pair(struct profile *profile, uint32_t alloc, uint32_t free, uint64_t bytes)
{
    struct profile_pair *pair;

    if (pairs_grow(profile))
        return -ENOMEM;
    pair = pair_place(profile->pairs, profile->room_pairs, alloc, free);
    profile->nr_pairs += !pair->frees;
    pair->alloc_stream = alloc;
    pair->free_stream = free;
    pair->frees++;
    pair->requested_bytes += bytes;
    return 0;
}

static int pair_compare(const void *a, const void *b)
{
    const struct profile_pair *x = a, *y = b;

    if (!x->frees != !y->frees) /* empty places last */
        return !x->frees - !y->frees;
    if (x->alloc_stream != y->alloc_stream)
        return x->alloc_stream < y->alloc_stream ? -1 : 1;
    return (x->free_stream > y->free_stream) - (x->free_stream < y->free_stream);
}

/* ---- events ---- */

static int profile_alloc(struct profile *profile, const struct trace_event *event,
                         const struct trace_type *type)
{
    bool recorded = event->origin == TRACE_RECORDED;

    if (array_grow((void **)&profile->objects, &profile->room_objects, (size_t)event->object + 1,
                   sizeof *profile->objects))
        return -ENOMEM;
    profile->objects[event->object] =
        (struct profile_object){event->time_ns, profile->events, event->stream, recorded};
    if (recorded) {
        unsigned upto = type->size <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(type->size - 1);

        histogram_add(&profile->sizes, type->size);
        profile->sizes_upto[upto]++;
    }
    profile->live_objects++;
    profile->live_bytes += type->size;
    return 0;
}

static int profile_free(struct profile *profile, const struct trace_event *event,
                        const struct trace_type *type)
{
    const struct profile_object *object = &profile->objects[event->object];
    enum profile_death death =
        object->stream == event->stream ? PROFILE_SAME_STREAM : PROFILE_OTHER_STREAM;

    profile->live_objects--;
    profile->live_bytes -= type->size;
    if (event->origin != TRACE_RECORDED || !object->recorded)
        return 0;
    histogram_add(&profile->lives_ns[death], event->time_ns - object->birth_ns);
    histogram_add(&profile->lives_events[death], profile->events - object->birth);
    return profile_note_pair(profile, object->stream, event->stream, type->size);
}

static int profile_note_gap(struct profile *profile, const struct trace_event *event)
{
    struct profile_stream *stream;

    if (array_grow((void **)&profile->streams, &profile->room_streams, (size_t)event->stream + 1,
                   sizeof *profile->streams))
        return -ENOMEM;
    stream = &profile->streams[event->stream];
    if (profile->any_recorded)
        histogram_add(&profile->gaps_ns, event->time_ns - profile->last_recorded_ns);
    if (stream->seen)
        histogram_add(&profile->stream_gaps_ns, event->time_ns - stream->last_ns);
    profile->any_recorded = stream->seen = true;
    profile->last_recorded_ns = stream->last_ns = event->time_ns;
    return 0;
}

int profile_add(struct profile *profile, const struct trace_event *event,
                const struct trace_type *type)
{
    double passed_ns = (double)(event->time_ns - profile->last_ns);
    int code = 0;

    if (event->op != TRACE_ALLOC && event->op != TRACE_FREE)
        return 0;
    profile->live_objects_ns += passed_ns * (double)profile->live_objects;
    profile->live_bytes_ns += passed_ns * (double)profile->live_bytes;
    profile->last_ns = event->time_ns;
    if (event->origin == TRACE_RECORDED)
        code = profile_note_gap(profile, event);
    if (!code)
        code = event->op == TRACE_ALLOC ? profile_alloc(profile, event, type)
                                        : profile_free(profile, event, type);
    live_series_add(&profile->series, event->time_ns, profile->live_objects, profile->live_bytes);
    profile->events++;
    return code;
}

void profile_finish(struct profile *profile)
{
    if (profile->room_pairs)
        qsort(profile->pairs, profile->room_pairs, sizeof *profile->pairs, pair_compare);
    free(profile->objects);
    free(profile->streams);
    profile->objects = NULL;
    profile->streams = NULL;
    profile->room_objects = profile->room_streams = 0;
}

void profile_cleanup(struct profile *profile)
{
    profile_finish(profile);
    free(profile->pairs);
    *profile = (struct profile){0};
}
