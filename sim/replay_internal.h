/* SPDX-License-Identifier: MIT */
/* What the parts of replay share: replay.c (loops, workers), replay_setup.c (from a plan to
 * workers), replay_events.c (the event loop), replay_caches.c (caches, types), replay_accounts.c
 * (what is counted), replay_samples.c (the memory's account). */
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
    uint32_t account;                   /* index of its cache in the accounts */
} __attribute__((aligned(CACHE_LINE))); /* found by a shift, and never across two lines */

enum cache_state { CACHE_ABSENT, CACHE_BEING_CREATED, CACHE_THERE, CACHE_GONE };

struct replay_cache {
    struct cache *cache;
    _Atomic unsigned state;        /* enum cache_state; partner: waits in replay_events.c */
    _Atomic unsigned destructions; /* of this loop's replicas; the last acts */
};

/*
 * A slot's value is the object's address, and above it, of a shared one, the tag of its life;
 * address 0: the allocation failed. A release store publishes both; its partner is the acquire load
 * of a free that waits.
 */
typedef _Atomic uint64_t replay_slot;

/* One group's list in one replica. */
struct cursor {
    const struct plan_group *group;
    replay_slot *slots;     /* of the replica */
    const uint64_t *next;   /* first word that has not run */
    const uint64_t *end;    /* of the part in hand */
    _Atomic uint32_t *turn; /* of the replica: whose turn it is, in total order */
    unsigned replica;
    unsigned group_number;
    unsigned cpu; /* of its worker */
    bool holds_turn;
    bool early;              /* stopped since the next event's time has not come (pace) */
    _Atomic size_t progress; /* words run, published at chunk ends and stalls */
} __attribute__((aligned(CACHE_LINE)));

struct replay;

/* What one worker notes of one cache, in loops that record. */
struct cache_notes {
    uint64_t layers[REPLAY_OPS][LAYERS]; /* those of LAYER_CPU are the rest, and not counted */
    uint64_t missing[REPLAY_OPS];        /* allocs that failed, frees skipped */
    uint64_t timed[REPLAY_OPS][LAYERS];
    uint64_t timed_cycles[REPLAY_OPS][LAYERS];
} __attribute__((aligned(CACHE_LINE)));

/* All that one worker notes, its own alone. */
struct worker_notes {
    struct cache_notes *caches; /* [result->nr_caches] */
    uint64_t foreign_allocs;
    uint64_t interrupted;
    uint64_t interrupted_cycles; /* REPLAY_INTERRUPTED_NS */
    struct sampler sampler;
    /* Of the chunk in hand, with one in front that is of no position: an event makes one at most.
     */
    struct layer_note layers[PLAN_CHUNK + 2];
    struct histogram latency[REPLAY_OPS][LAYERS]; /* cycles */
};

struct worker {
    struct replay *replay;
    struct cursor **cursors;
    unsigned nr_cursors;
    bool counting, timing; /* on while the clock runs in a loop that does */
    bool watches_nodes;    /* and there is more than one */
    struct worker_notes *notes;
    struct counters counters;      /* while the worker runs, when they are recorded */
    struct counter_values counted; /* of them, when it has run */
    struct account *account;
    /* Counts of the loop in hand. */
    uint64_t failed_allocs, skipped_frees, refused_destroys;
    uint64_t missing_objects, missing_bytes; /* that would live, had their allocs not failed */
    uint64_t stall_cycles;
    uint64_t start_cycles, end_cycles; /* of the part in hand: from cut to cut in a sampled loop */
    uint64_t offset_ns;                /* when it is to start; see replica_offset_ns */
    uint64_t late_cycles;              /* of its first part: what the offset came to */
    uint64_t pace_origin;              /* start of the loop, moved on by what it stood still */
    void **bulk;                       /* [TRACE_MAX_BATCH] */
} __attribute__((aligned(CACHE_LINE)));

/* What a loop is for. */
struct loop_kind {
    bool measured; /* its time counts */
    bool sampled;  /* memory */
    bool counted;  /* contention, layers, nodes */
    bool timed;    /* latency */
};

/* Times of all loops of one kind. */
struct loop_times {
    uint64_t *cycles;
    size_t count, capacity;
    uint64_t sum;
};

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
    bool keeps_ledger;         /* memory is recorded, and the design can say where it is */
    bool layered;              /* the design says how deep operations go */
    unsigned loop;
    struct loop_kind kind;  /* of the loop in hand */
    uint64_t part_cycles;   /* of the loop in hand: its parts so far */
    uint64_t timer_base_ns; /* recorded time of the loops before this one */
    bool finished;
    struct replay_result *result;
    uint64_t stall_cycles; /* of measured loops */
    struct loop_times measured, counted, timed;
    uint64_t sampling_cycles;
    struct replay_sample *samples; /* [plan->nr_cuts], of them result->nr_samples taken */
    struct ledger *part_ledgers;   /* [result->nr_caches] of the sample in hand */
    size_t part_hint;              /* where the next part of a ledger is likely to be noted */
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

/* ---- replay_setup.c ---- */

/* Zeroed, of whole lines. NULL: no memory. */
void *replay_lines_alloc(size_t count, size_t size);

/* Workers, slots, caches and types, from the plan. Errors as replay_run. */
int replay_prepare(struct replay *replay);
void replay_cleanup(struct replay *replay);

/* ---- replay_accounts.c ---- */

/* After types were bound: which cache's account each belongs to; what workers note. -ENOMEM. */
int replay_accounts_create(struct replay *replay);
/* Before the clock starts on this worker, and when all have stopped. */
void replay_notes_begin(struct worker *worker);
void replay_notes_end(struct worker *worker);
/* After the last loop, all quiet: the designs' inner counts, while there are caches; the rest into
 * the result. -ENOMEM. */
int replay_inner_collect(struct replay *replay);
int replay_accounts_collect(struct replay *replay);
void replay_accounts_cleanup(struct replay *replay);

/* ---- replay_samples.c ---- */

/* At the next cut, all workers standing. */
void replay_sample_take(struct replay *replay);

/* ---- replay_caches.c ---- */

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
