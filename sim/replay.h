/* SPDX-License-Identifier: MIT */
/*
 * Replay: workers, one a CPU, run a plan against an allocator. The event loop reads words and calls
 * two functions; it decodes, allocates and asks the system for nothing.
 */
#ifndef SLABLAB_SIM_REPLAY_H
#define SLABLAB_SIM_REPLAY_H

#include "sim/native.h"
#include "sim/plan.h"

#include <stdbool.h>
#include <stdint.h>

struct allocator_instance;
struct error;

enum replay_order { REPLAY_ORDER_OBJECT, REPLAY_ORDER_TRACE };
enum replay_touch { REPLAY_TOUCH_NONE, REPLAY_TOUCH_FIRST, REPLAY_TOUCH_ALL };

struct replay_config {
    unsigned replicas;
    unsigned loops; /* 0: until min_measured_ns have been measured */
    bool cold;      /* measure the first loop; else one warm-up loop goes before */
    uint64_t min_measured_ns;
    enum replay_order order; /* as the plan was made */
    double pace;             /* 0: as fast as it goes; x: recorded time divided by x */
    enum replay_touch touch;
    bool verify;
    uint64_t seed; /* of the replicas' offsets */
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
    uint64_t remote_frees;                             /* freed by another worker than allocated */
    /*
     * Pages when the last event of a loop had run. Of the first loop, which begins with nothing;
     * and of the last, with the peak of all measured ones: these begin with what the end of the
     * loop before, where all that lives is freed, left resting in magazines and slabs.
     */
    struct page_statistics first_pages, pages;
    uint64_t violations; /* found by verify */
    char first_violation[256];
    struct native_run_report machine;
};

/*
 * Runs the plan on the machine that native_start set up (its CPUs are the workers) against a
 * started allocator, whose caches it creates before and destroys after. `replicas` times the plan's
 * groups must be at least the number of workers. Errors: -ENOMEM, -EINVAL, or what the allocator
 * says.
 */
int replay_run(const struct plan *plan, struct allocator_instance *allocator,
               const struct replay_config *config, struct replay_result *result,
               struct error *error);

#endif
