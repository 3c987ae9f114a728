/* SPDX-License-Identifier: MIT */
/* What the parts of replay share: replay.c (loops, workers), replay_events.c (the event loop),
 * replay_caches.c (caches, types). */
#ifndef SLABLAB_SIM_REPLAY_INTERNAL_H
#define SLABLAB_SIM_REPLAY_INTERNAL_H

#include "allocators/allocator.h"
#include "sim/replay.h"
#include "sim/verify.h"

#include <stdatomic.h>

/* A kind of allocation, ready to be called. Read-only while workers run, but for caches that the
 * trace creates: then `bound` is written before the cache's state says so. */
struct replay_type {
    struct binding_of_cache bound;
    struct request request;
} __attribute__((aligned(CACHE_LINE))); /* found by a shift, and never across two lines */

enum cache_state { CACHE_ABSENT, CACHE_BEING_CREATED, CACHE_THERE, CACHE_GONE };

struct replay_cache {
    struct cache *cache;
    _Atomic unsigned state;        /* enum cache_state; partner: waits in replay_events.c */
    _Atomic unsigned destructions; /* of this loop's replicas; the last acts */
};

/*
 * A slot's value is the object's address, and above it, as in a plan's word, the tag of its life;
 * address 0: the allocation failed. A release store publishes both; its partner is the acquire load
 * of a free that waits.
 */
typedef _Atomic uint64_t replay_slot;

/* One group's list in one replica. */
struct cursor {
    const struct plan_group *group;
    replay_slot *slots;   /* of the replica */
    const uint64_t *next; /* first word that has not run */
    const uint64_t *end;
    _Atomic uint32_t *turn; /* of the replica: whose turn it is, in total order */
    unsigned replica;
    unsigned group_number;
    bool holds_turn;
    bool early;              /* stopped since the next event's time has not come (pace) */
    _Atomic size_t progress; /* words run, published at chunk ends and stalls */
} __attribute__((aligned(CACHE_LINE)));

struct replay;

struct worker {
    struct replay *replay;
    struct cursor **cursors;
    unsigned nr_cursors;
    /* Counts of the loop in hand. */
    uint64_t failed_allocs, skipped_frees, refused_destroys;
    uint64_t stall_cycles;
    uint64_t start_cycles, end_cycles;
    void **bulk; /* [TRACE_MAX_BATCH] */
} __attribute__((aligned(CACHE_LINE)));

struct replay {
    const struct plan *plan;
    const struct replay_config *config;
    struct allocator_instance *allocator;
    struct replay_type *types;
    struct replay_cache *caches;
    struct cursor *cursors; /* [replicas * groups] */
    unsigned nr_cursors;
    replay_slot *slots;      /* [replicas * nr_slots] */
    _Atomic uint32_t *turns; /* [replicas], a line apart */
    struct worker *workers;
    struct verifier *verifier; /* NULL: not asked for, or a design that is exempt */
    bool careful;              /* verify, touch or pace: the slower loop */
    unsigned loop;
    uint64_t timer_base_ns; /* recorded time of the loops before this one */
    bool finished;
    struct replay_result *result;
    uint64_t elapsed_cycles, stall_cycles; /* of measured loops */
    uint64_t *loop_cycles;
    size_t loops_capacity;
    struct error *error;
    int code;
};

#define TURN_STRIDE (CACHE_LINE / sizeof(uint32_t))

/*
 * Runs a list of words up to `end` and returns the first that has not run: `end`, or beyond it when
 * a bulk event stands there, or one that must wait.
 */
const uint64_t *replay_run_words(struct worker *worker, struct cursor *cursor, const uint64_t *word,
                                 const uint64_t *end);

/* Makes the cache and binds its types to it. */
int replay_cache_create(struct replay *replay, uint32_t cache, struct error *error);

/*
 * Makes all caches that are there from the start and binds all types. Untyped allocations are bound
 * to their general caches here, as a compiler does for kmalloc.
 */
int replay_types_bind(struct replay *replay);

/*
 * Before a loop, nothing being live: caches that the trace creates go, should it not have destroyed
 * them itself; older ones that it destroyed are made again.
 */
int replay_caches_reset(struct replay *replay);
int replay_caches_destroy(struct replay *replay);

#endif
