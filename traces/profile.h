/* SPDX-License-Identifier: MIT */
/*
 * What a trace's events are like taken together: sizes, lifetimes, gaps, the live set over time,
 * and which stream frees what which stream allocated. It is fed event by event, and its memory is
 * bounded by live objects and by the pairs of streams that met.
 */
#ifndef SLABLAB_TRACES_PROFILE_H
#define SLABLAB_TRACES_PROFILE_H

#include "sim/histogram.h"
#include "traces/live_series.h"
#include "traces/trace.h"

/* ---- who frees what ---- */

struct profile_pair {
    uint32_t alloc_stream, free_stream;
    uint64_t frees; /* recorded ones of recorded objects */
    uint64_t requested_bytes;
};

struct profile_object {
    uint64_t birth_ns, birth; /* birth: events before */
    uint32_t stream;
    bool recorded;
};

struct profile_stream {
    uint64_t last_ns;
    bool seen;
};

/* What a profile knows of lifetimes is of objects whose birth and death were both recorded. */
enum profile_death { PROFILE_SAME_STREAM, PROFILE_OTHER_STREAM, PROFILE_DEATHS };

struct profile {
    struct histogram sizes;  /* bytes requested, of recorded allocations */
    uint64_t sizes_upto[65]; /* the same, exact: above 2^(i - 1), up to 2^i; [0]: 0 and 1 */
    struct histogram lives_ns[PROFILE_DEATHS];     /* by which stream freed it */
    struct histogram lives_events[PROFILE_DEATHS]; /* allocations and frees of all streams */
    struct histogram gaps_ns, stream_gaps_ns; /* between recorded events, of all or of a stream */
    struct live_series series;                /* over time in ns */
    double live_objects_ns, live_bytes_ns; /* integrals over time: by its length they are means */

    struct profile_pair *pairs; /* frees 0: an empty place; after profile_finish sorted, dense */
    size_t nr_pairs;

    /* While it is fed. */
    size_t room_pairs; /* a power of two, at least twice the pairs */
    struct profile_object *objects;
    size_t room_objects;
    struct profile_stream *streams;
    size_t room_streams;
    uint64_t events, last_ns, last_recorded_ns, live_objects, live_bytes;
    bool any_recorded;
};

/* A zeroed profile is empty. Events come in order, `type` is the event's; 0 or -ENOMEM. */
int profile_add(struct profile *profile, const struct trace_event *event,
                const struct trace_type *type);
/* After the last event: pairs are in order of alloc_stream, then free_stream. */
void profile_finish(struct profile *profile);
void profile_cleanup(struct profile *profile);

#endif
