/* SPDX-License-Identifier: MIT */
/*
 * The live set over time, or over events, of a trace whose length is not known beforehand: at most
 * LIVE_INTERVALS intervals, each as long as the rest. When they are full two become one.
 */
#ifndef SLABLAB_TRACES_LIVE_SERIES_H
#define SLABLAB_TRACES_LIVE_SERIES_H

#include <stddef.h>
#include <stdint.h>

enum { LIVE_INTERVALS = 1024 };

struct live_interval {
    uint64_t peak_objects, peak_bytes; /* within it, what it began with included */
    uint64_t objects, bytes;           /* at its end */
    uint64_t events;
};

/* Zeroed: empty. Intervals follow each other from 0. */
struct live_series {
    uint64_t length; /* of each, a power of two of whatever positions count */
    size_t count;    /* half of LIVE_INTERVALS at least, where the last position is that far */
    struct live_interval intervals[LIVE_INTERVALS];
};

/* After an event at `position`, which never decreases, this much is live. */
void live_series_add(struct live_series *series, uint64_t position, uint64_t objects,
                     uint64_t bytes);

#endif
