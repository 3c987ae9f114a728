/* SPDX-License-Identifier: MIT */
/*
 * What the files that make a plan share: plan.c (tables, totals), plan_events.c (events to words),
 * plan_filter.c (what is left out), plan_cuts.c (where all can stop at once).
 */
#ifndef SLABLAB_SIM_PLAN_INTERNAL_H
#define SLABLAB_SIM_PLAN_INTERNAL_H

#include "sim/plan.h"
#include "sim/plan_slots.h"

/* What is known of a live object while the plan is made. */
struct live {
    uint64_t word;          /* of its free */
    uint64_t position : 46; /* of its alloc's word, in the events or the preload of its group */
    uint64_t group : 16;
    uint64_t preloaded : 1;
    uint64_t kept : 1; /* 0: left out by a filter, or not live */
};

/* What is wanted of a type at each of its events, beside each other. */
struct type_note {
    uint64_t size, rounded; /* to a power of two */
    uint64_t allocs, frees; /* so far; what lived before is not among them */
    uint32_t cache_row;     /* in cache_positions: index of its cache + 1, or 0 */
    bool kept;              /* by the filter */
    bool preloaded;         /* some object of it lived before */
};

struct builder {
    struct plan *plan;
    const struct plan_config *config;
    struct trace_reader *reader;
    struct live *live; /* by the trace's object number */
    size_t nr_live, live_capacity;
    struct plan_slots slots;
    unsigned *stream_groups; /* by stream; PLAN_DROPPED: left out */
    size_t nr_streams;
    unsigned stream_rank; /* of the next one that is kept */
    bool *cache_kept;     /* by cache; the last is untyped */
    struct type_note *types;
    size_t *cache_positions; /* [row * nr_groups + group]: after the last event on it */
    bool any_created;        /* some cache was created by an event */
    bool filtered;           /* events may be left out */
    uint64_t times_mask;     /* a word gets a time where its place has none of these bits */
    uint64_t live_objects, live_bytes, rounded_bytes;
    unsigned last_group;
    size_t cuts_capacity;
    uint64_t cut_step, next_cut; /* in events, or in ns */
    uint32_t bulk_left;          /* events of the bulk operation in hand that are still to come */
    size_t bulk_header; /* its word in the group's list, or SIZE_MAX when none is written yet */
};

/* ---- plan_events.c ---- */

/* Adds the next events; no more once there are as many as were asked for. -ENOMEM, -EOVERFLOW. */
int plan_events_add(struct builder *builder, const struct trace_event *events, size_t count);
/* After all events. -ENOMEM. */
int plan_leftovers_add(struct builder *builder);

/* ---- plan_filter.c ---- */

#define PLAN_DROPPED UINT32_MAX

/* The groups of streams that the reader has learnt of since the last call. -ENOMEM. */
int plan_streams_follow(struct builder *builder);
bool plan_cache_kept(const struct plan_config *config, const char *name);
/* At the end: names and numbers that the trace does not have, or nothing left. */
int plan_filters_check(const struct builder *builder, struct error *error);
/* What was kept, as text for the record; and only kept streams count as streams. -ENOMEM. */
int plan_filters_note(struct builder *builder);

/* ---- plan_cuts.c ---- */

void plan_cuts_begin(struct builder *builder);
/* Before an event of the plan at this time: is it time for a cut? Never inside a bulk event. */
static inline bool plan_cut_is_due(const struct builder *builder, uint64_t time_ns)
{
    uint64_t here = builder->config->sample_ns ? time_ns : builder->plan->events;

    return here >= builder->next_cut && builder->bulk_left == 0;
}

int plan_cut_make(struct builder *builder, uint64_t time_ns); /* -ENOMEM */
/* After all events. -ENOMEM. */
int plan_cuts_end(struct builder *builder);

#endif
