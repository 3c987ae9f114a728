/* SPDX-License-Identifier: MIT */
/*
 * What a generated load can have of a recorded one: objects such as were born then, with what they
 * were, how long they lived and who freed them; how many were live; times; and how far those of two
 * traces are apart. Left out: objects older than the recording (preloaded ones and their frees),
 * and bulk calls.
 */
#ifndef SLABLAB_TRACES_GEN_LIKENESS_H
#define SLABLAB_TRACES_GEN_LIKENESS_H

#include "sim/histogram.h"
#include "traces/gen/generate.h"
#include "traces/live_series.h"
#include "traces/trace.h"

/* Allocations of one cache and size. */
struct likeness_kind {
    uint32_t cache; /* index in the likeness, the last is untyped */
    uint16_t flags; /* enum trace_type_flags */
    uint64_t size, recorded_size;
    uint64_t allocs;
};

struct likeness_cache {
    char *name; /* NULL: untyped */
    uint64_t object_size;
    uint32_t align;
};

/* An object of the recording. */
struct likeness_life {
    uint64_t birth;  /* events of all streams before */
    uint64_t events; /* of its stream until its free; LIKENESS_OUTLIVED: it was not freed */
    uint32_t kind;
    uint32_t way; /* from the allocating to the freeing stream, as on a ring: the shorter way */
};
#define LIKENESS_OUTLIVED UINT64_MAX
enum { LIKENESS_SAMPLE = 1 << 18 };

struct likeness {
    char digest[33];
    uint64_t streams, events, allocs;
    uint64_t left_out; /* events of objects older than the recording */
    struct likeness_kind *kinds;
    size_t nr_kinds;
    struct likeness_cache *caches;
    size_t nr_caches;
    struct likeness_life *sample;     /* of all objects each as likely, in order of birth */
    size_t nr_sample;                 /* all of them, up to LIKENESS_SAMPLE */
    struct histogram lives, lives_ns; /* of all objects that were freed; events of their stream */
    struct histogram gaps_ns;         /* between events of a stream */
    struct histogram distances; /* from the allocating to the freeing stream, both ways round */
    uint64_t peak_live;
    uint64_t live_sum;         /* over all events: over `events` it is the mean */
    struct live_series series; /* over events; objects, no bytes */
};

/* Reads a trace; likeness_destroy frees it. */
int likeness_read(const char *path, struct likeness **likeness, struct error *error);
void likeness_destroy(struct likeness *likeness);

/* How far two are apart in one thing. */
struct likeness_distance {
    const char *what;
    const char *measure;        /* of `distance`; NULL: none, the numbers speak */
    double distance;            /* 0: the same, 1: nothing in common */
    double recorded, generated; /* median, share or mean, as `what` says */
};

enum { LIKENESS_DISTANCES = 9 };
void likeness_compare(const struct likeness *recorded, const struct likeness *generated,
                      struct likeness_distance distances[LIKENESS_DISTANCES]);

/* ---- generating ---- */

/* 0: as recorded. */
struct likeness_options {
    uint64_t cpus, events, seed;
};
extern const struct tunable likeness_parameters[]; /* of these options */

/* As generate_trace. -EINVAL: there is nothing to be like. */
int generate_like(const struct likeness *likeness, const struct likeness_options *options,
                  const char *output, const struct generate_progress *progress,
                  struct generate_report *report, struct error *error);

#endif
