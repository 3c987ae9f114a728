/* SPDX-License-Identifier: MIT */
/*
 * What the processor and the system count of one thread while it is measured: cycles, cache misses,
 * page faults ... A worker opens its own, runs them around each measured loop and reads them at its
 * end; whoever has all workers' values adds them up. What cannot be counted is absent, never zero.
 *
 * Only what the thread does in user space is counted (context switches apart, which have no such
 * distinction): so perf_event_paranoid 2, the usual setting, suffices.
 */
#ifndef SLABLAB_SIM_COUNTERS_H
#define SLABLAB_SIM_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

enum counter {
    COUNTER_CYCLES,
    COUNTER_INSTRUCTIONS,
    COUNTER_BRANCH_MISSES,
    COUNTER_CACHE_REFERENCES,
    COUNTER_CACHE_MISSES,
    COUNTER_LLC_LOAD_MISSES,
    COUNTER_DTLB_LOAD_MISSES,
    COUNTER_HITM_LOADS, /* that found the line modified in another core's cache, this package's */
    COUNTER_PAGE_FAULTS,
    COUNTER_CONTEXT_SWITCHES, /* voluntary ones and others */
    COUNTERS
};
const char *counter_name(enum counter counter); /* "cycles", "cache_misses", ... */

/* One thread's; its own alone. */
struct counters {
    int files[COUNTERS];        /* -1: there is none */
    bool leads[COUNTERS];       /* of each group of events that count together, the first */
    bool has_run;               /* was started and stopped */
    uint64_t switches_at_start; /* context switches of the thread so far */
    uint64_t switches;          /* of them, while running */
};

/*
 * Opens what there is for the calling thread, not yet running; there may be nothing, which is no
 * error. counters_close by any thread.
 */
void counters_open(struct counters *counters);
void counters_close(struct counters *counters);

/*
 * By the thread that opened them, in turn; what is counted adds up. They cost a system call for
 * each group of events, of which there are at most four, and one for context switches.
 */
void counters_start(struct counters *counters);
void counters_stop(struct counters *counters);

/* Bit 1 << COUNTER of `present`: values[COUNTER] was counted. Else it is 0. */
struct counter_values {
    uint32_t present;
    uint64_t values[COUNTERS];
};

/*
 * What was counted so far, while stopped. An event that had to share the processor's counters with
 * others is scaled up to the whole time, and is absent when it never had its turn.
 */
void counters_read(const struct counters *counters, struct counter_values *values);

/* The sum of no threads: begin with this. */
#define COUNTER_SUM_INIT                                                                           \
    {                                                                                              \
        .present = (1u << COUNTERS) - 1                                                            \
    }

/* Adds a thread's values: the sum has a counter only if all that were added have it. */
void counter_values_add(struct counter_values *sum, const struct counter_values *thread);

/* Calls emit for each counter that is present. */
void counter_values_each(const struct counter_values *values,
                         void (*emit)(void *context, const char *name, uint64_t value),
                         void *context);

/* ---- for tests ---- */

/*
 * `value` that was counted for `running_ns` of `enabled_ns`, scaled to all of them. False when it
 * never ran.
 */
bool counter_scale(uint64_t value, uint64_t enabled_ns, uint64_t running_ns, uint64_t *scaled);

/*
 * perf's raw event of COUNTER_HITM_LOADS on an Intel processor by its signature (CPUID leaf 1,
 * EAX), or 0 where none is known.
 */
uint64_t counter_hitm_event(uint32_t signature);

#endif
