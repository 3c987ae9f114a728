/* SPDX-License-Identifier: MIT */
/*
 * How long accesses to cache lines take on this host, by the state the lines are in and by who had
 * them before. The idea is ccbench's (David, Guerraoui, Trigonakis, SOSP 2013): threads on CPUs of
 * their own bring lines into a state one after the other, then one of them times its accesses.
 */
#ifndef SLABLAB_TOOLS_LINE_TIMING_H
#define SLABLAB_TOOLS_LINE_TIMING_H

#include "sim/virtual/cost_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct topology;

enum line_actor {
    ACTOR_ASKER, /* who is timed */
    ACTOR_OWNER,
    ACTOR_SHARER,
    LINE_ACTORS
};

enum line_act { ACT_LOAD, ACT_STORE, ACT_FLUSH /* out of all caches */, ACT_TIME };

struct line_step {
    enum line_actor actor;
    enum line_act act;
};
#define LINE_STEPS 4

struct line_timing {
    const struct topology *topology;
    unsigned cpus[LINE_ACTORS]; /* logical; of actors that have steps */
    unsigned home_cpu;          /* touches the lines first, so their memory is near it */
    struct line_step steps[LINE_STEPS];
    unsigned nr_steps; /* the last one is the asker's ACT_TIME */
    enum cost_op op;   /* what is timed */
    size_t nr_lines, stride;
    uint64_t budget_ns;
};

/* Of one access, in cycles of the machine's clock (clock_start has run). */
struct line_figure {
    double median, low, high; /* 5% and 95% of the rounds' means */
    unsigned rounds;
};

/* Can ACT_FLUSH be done here? */
bool line_can_flush(void);

/*
 * At least LINE_ROUNDS_MIN rounds, then as many as the budget allows, to LINE_ROUNDS_MAX. Loads and
 * atomics depend on each other, after a store its end is waited for: it is latency in all cases.
 * The figure of stores has that waiting (a fence) in it. -EIO: a thread could not be bound or
 * started. -ENOMEM.
 */
#define LINE_ROUNDS_MIN 5
#define LINE_ROUNDS_MAX 10000
int line_time(const struct line_timing *timing, struct line_figure *figure, struct error *error);

#endif
