/* SPDX-License-Identifier: MIT */
/* The state of a trace that is being generated: private to generate.c, calls.c, clock.c. */
#ifndef SLABLAB_TRACES_GEN_STATE_H
#define SLABLAB_TRACES_GEN_STATE_H

#include "traces/gen/gen.h"

/* When a CPU makes its next step. */
struct gen_clock {
    uint64_t time_ns;
    uint32_t cpu;
};

struct generator {
    const struct workload *workload;
    const struct gen_common *common;
    struct trace_writer *writer;
    struct error *error;
    uint64_t random;
    uint64_t left; /* events to write */

    struct gen_clock
        *clocks; /* a heap of the nr_clocks CPUs that do not wait, the next one first */
    size_t nr_clocks;
    bool *waiting; /* by CPU: for another */

    uint64_t now_ns;   /* of the step that is made */
    uint64_t spent_ns; /* on its call */
    uint32_t cpu;      /* that makes it */

    uint32_t next_object; /* never used so far */
    struct gen_deque free_objects;
    uint32_t batch[TRACE_MAX_BATCH]; /* of the call that is made */
};

/* No CPU is twice among the clocks, and there is room for all. */
void gen_clock_push(struct generator *generator, struct gen_clock clock);
struct gen_clock gen_clock_pop(struct generator *generator);
/* A random time for this many events, at least 1 ns. */
uint64_t gen_interval_ns(struct generator *generator, size_t events);

#endif
