/* SPDX-License-Identifier: MIT */
/*
 * From the columns of a block to events: the loop that reading a trace spends its time in. A
 * stretch of each column at a time is put together from its planes, into arrays that stay in the
 * processor's nearest cache; then the stretch's events are made one by one, since an event means
 * what it does only after the one before.
 */
#ifndef SLABLAB_TRACES_SLT_EVENTS_H
#define SLABLAB_TRACES_SLT_EVENTS_H

#include "traces/live.h"
#include "traces/slt_columns.h"

/*
 * Where the reading is. The loop over events works on a copy, because what it stores could alias
 * anything in the reader and would have it loaded anew for every event.
 */
struct slt_position {
    struct live live;
    struct slt_columns columns; /* of the block being read */
    uint32_t at;                /* the next event in it, its reference, and so on */
    uint32_t reference, wide_time, wide_reference, batch;
    uint64_t time_ns; /* of the last event */
};

/* What events may name; the kinds are the block's, their types and caches checked. */
struct slt_limits {
    const struct slt_kind *kinds;
    uint64_t streams;
    uint64_t call_sites; /* entry 0 among them, if there is any */
};

/*
 * The next `count` events of the block, all but their parts in bulk operations. NULL, or what is
 * wrong with the event that the position has then come to.
 */
const char *slt_events_read(struct slt_position *position, const struct slt_limits *limits,
                            struct trace_event *events, uint32_t count);

#endif
