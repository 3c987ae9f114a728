/* SPDX-License-Identifier: MIT */
/* What the files that make a plan share: plan.c (events to words), plan_filter.c (what is left
 * out), plan_cuts.c (where all can stop at once). */
#ifndef SLABLAB_SIM_PLAN_INTERNAL_H
#define SLABLAB_SIM_PLAN_INTERNAL_H

#include "sim/plan.h"
#include "sim/plan_slots.h"

/* What is known of a live object while the plan is made. */
struct live {
    size_t position; /* of its alloc's word, in the events or the preload of its group */
    uint32_t slot;
    uint32_t type;
    uint16_t tag;
    uint16_t group;
    bool preloaded;
    bool kept; /* false: left out by a filter */
};

struct builder {
    struct plan *plan;
    const struct plan_config *config;
    struct trace_reader *reader;
    struct live *live; /* by the trace's object number */
    size_t live_capacity;
    struct plan_slots slots;
    unsigned *stream_ranks; /* [nr_stream_flags] */
    bool *cache_kept;       /* by cache; the last is untyped */
    size_t caches_known;
    size_t *cache_positions; /* [cache * nr_groups + group]: after the last event on it */
    uint64_t live_objects, live_bytes, rounded_bytes;
    unsigned last_group;
    size_t cuts_capacity;
    uint64_t cut_step, next_cut; /* in events, or in ns */
    uint32_t bulk_left;          /* events of the bulk operation in hand that are still to come */
    size_t bulk_header; /* its word in the group's list, or SIZE_MAX when none is written yet */
};

/* ---- plan_filter.c ---- */

/* Of a stream among those that the filter keeps. */
unsigned plan_stream_rank(const struct builder *builder, uint32_t stream);
int plan_streams_rank(struct builder *builder); /* before the first; -ENOMEM */
bool plan_cache_kept(const struct plan_config *config, const char *name);
bool plan_event_kept(const struct builder *builder, const struct trace_event *event);
/* At the end: names and numbers that the trace does not have, or nothing left. */
int plan_filters_check(const struct builder *builder, struct error *error);
/* What was kept, as text for the record; and only kept streams count as streams. -ENOMEM. */
int plan_filters_note(struct builder *builder);

/* ---- plan_cuts.c ---- */

void plan_cuts_begin(struct builder *builder);
/* Before an event of the plan at this time: a cut, if it is time for one. -ENOMEM. */
int plan_cut_consider(struct builder *builder, uint64_t time_ns);
/* After all events. -ENOMEM. */
int plan_cuts_end(struct builder *builder);

#endif
