/* SPDX-License-Identifier: MIT */
/*
 * Replay: workers, one a CPU, run a plan against an allocator. The event loop reads words and calls
 * two functions; it decodes, allocates and asks the system for nothing.
 */
#ifndef SLABLAB_SIM_REPLAY_H
#define SLABLAB_SIM_REPLAY_H

#include "sim/account.h"
#include "sim/counters.h"
#include "sim/driver.h"
#include "sim/ledger.h"
#include "sim/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct allocator_instance;
struct error;

enum replay_order { REPLAY_ORDER_OBJECT, REPLAY_ORDER_TRACE };
enum replay_touch { REPLAY_TOUCH_NONE, REPLAY_TOUCH_FIRST, REPLAY_TOUCH_ALL };

/*
 * Recorders. What they cost, no figure of time pays for: memory is sampled in the first, untimed
 * loop; contention and latency are recorded in loops of their own, one for every
 * REPLAY_LOOPS_A_RECORDED measured ones and in between them, so that what drifts hits all alike;
 * and how much slower such a loop is than a measured one is told with what it recorded. Only under
 * `cold`, where the first loop is the one measured, is there nothing between: there the measured
 * loops record what was asked for; and so they do where recording takes no time at all, on the
 * virtual machine.
 */
enum replay_record {
    RECORD_CONTENTION = 1 << 0, /* locks, layers, trips, failed exchanges */
    RECORD_MEMORY = 1 << 1,     /* the ledger, at the plan's cuts */
    RECORD_LATENCY = 1 << 2,    /* of single operations */
    RECORD_LOCALITY = 1 << 3,   /* who frees whose objects, where pages and objects lie */
    RECORD_COUNTERS = 1 << 4,   /* the hardware's, in measured loops: they cost nothing there */
    RECORD_ALL = (1 << 5) - 1
};
#define REPLAY_LOOPS_A_RECORDED 4

/*
 * An operation that takes longer was interrupted: by the scheduler, or by a hypervisor. It is in
 * the latency histograms, but not in the times of caches, where one such would outweigh all others.
 */
#define REPLAY_INTERRUPTED_NS 100000
uint64_t replay_interrupted_cycles(double hz); /* of a clock */

struct replay_config {
    unsigned replicas;
    unsigned loops; /* 0: until min_measured_ns have been measured */
    bool cold;      /* measure the first loop; else one warm-up loop goes before */
    uint64_t min_measured_ns;
    enum replay_order order; /* as the plan was made */
    double pace;             /* 0: as fast as it goes; x: recorded time divided by x */
    enum replay_touch touch;
    bool verify;
    unsigned record;        /* enum replay_record */
    uint32_t latency_every; /* about one operation in so many is timed; 0: as 1 */
    uint64_t seed;          /* of the replicas' offsets, of what is sampled */
};

enum replay_op { REPLAY_ALLOC, REPLAY_FREE, REPLAY_OPS };

/* The loops that recorded something. */
struct replay_loops {
    unsigned count;
    uint64_t events;
    uint64_t elapsed_ns; /* summed */
    uint64_t median_ns;
};

/* A count of a design's own; see allocator.inspect. The name is the design's. */
struct replay_inner {
    const char *name;
    uint64_t value;
};

/*
 * What one cache's share was, in all loops that recorded it. Untyped allocations belong to the
 * general caches of the design. `operations` and `layers` count objects; those of a bulk event all
 * have the layer of the event.
 */
struct replay_cache_account {
    char *name;
    uint64_t operations[REPLAY_OPS];     /* of a measured pass, all replicas: from the plan */
    uint64_t layers[REPLAY_OPS][LAYERS]; /* in the counted loops; what failed is in none */
    uint64_t timed[REPLAY_OPS][LAYERS];  /* operations timed, in the timed loops, and not
                                          * interrupted */
    uint64_t timed_ns[REPLAY_OPS][LAYERS];
    struct ledger most_live;    /* in the sample in which most is live */
    struct replay_inner *inner; /* [nr_inner] the design's inner counts when all had run */
    size_t nr_inner;
};

/* A consistent cut of the first loop: no event runs. */
struct replay_sample {
    uint64_t event;   /* events run, all replicas */
    uint64_t time_ns; /* recorded time */
    struct ledger ledger;
    size_t free_blocks[PAGE_MAX_ORDER + 1]; /* of the zones */
    size_t listed_bytes;                    /* on CPUs' lists of pages */
};

struct replay_result {
    uint64_t events;     /* run in the measured loops, all replicas */
    uint64_t elapsed_ns; /* of the measured loops, first start to last end of each, summed */
    uint64_t stall_ns;   /* workers waiting for each other's objects, summed over workers */
    unsigned loops;      /* measured */
    unsigned warmup_loops;
    uint64_t loop_min_ns, loop_median_ns, loop_max_ns; /* of the measured loops */
    uint64_t failed_allocs;                            /* for good, in measured loops */
    uint64_t skipped_frees;                            /* of objects whose alloc failed */
    uint64_t refused_destroys;                         /* of caches with live objects */
    uint64_t remote_frees;                             /* freed by another CPU than allocated */
    uint64_t remote_node_frees;                        /* of these: by one of another node */
    /*
     * Pages when the last event of a loop had run. Of the first loop, which begins with nothing;
     * and of the last, with the peak of all but the first: these begin with what the end of the
     * loop before, where all that lives is freed, left resting in magazines and slabs.
     */
    struct page_statistics first_pages, pages;
    uint64_t violations; /* found by verify */
    char first_violation[256];

    /* ---- what recorders found; owned: replay_result_cleanup ---- */
    struct replay_loops counted, timed;
    struct account *account;             /* contention, all CPUs; NULL: not recorded */
    uint64_t layers[REPLAY_OPS][LAYERS]; /* in the counted loops, all caches */
    bool layered; /* the design tells its layers: not of external ones, nor null */
    struct counter_values counters; /* in the measured loops, all workers; none present: not
                                     * recorded, or not to be had */
    uint64_t counted_allocs;        /* objects that the counted loops allocated */
    uint64_t foreign_allocs;   /* in the counted loops: memory from another node than the CPU's */
    uint64_t interrupted;      /* timed operations that took longer than REPLAY_INTERRUPTED_NS */
    struct histogram *latency; /* [REPLAY_OPS * LAYERS] in cycles; NULL: not recorded */
    struct replay_cache_account *caches;
    size_t nr_caches;
    struct replay_sample *samples; /* [nr_samples], in order; NULL: not recorded */
    size_t nr_samples;
    struct page_placement placement; /* of some pages at each sample, summed; asked 0: not known */
    size_t peak_sample;              /* the one with the most pages held */
    size_t most_live_sample; /* the one in which most bytes were asked for and not yet freed */
    uint64_t sampling_ns;    /* the first loop stood still for so long */
    char ledger_error[256];  /* the first sample that did not balance; "": all did */
    struct machine_run_report machine;
};

/*
 * Runs the plan on the machine that machine_start set up (its CPUs are the workers) against a
 * started allocator, whose caches it creates before and destroys after. `replicas` times the plan's
 * groups must be at least the number of workers. Errors: -ENOMEM, -EINVAL, or what the allocator
 * says.
 */
int replay_run(const struct plan *plan, struct allocator_instance *allocator,
               const struct replay_config *config, struct replay_result *result,
               struct error *error);
void replay_result_cleanup(struct replay_result *result); /* the figures stay */

#endif
