/* SPDX-License-Identifier: MIT */
/*
 * A cost table of this host: what can be set up here is timed, the rest has the ratios of a
 * published machine; and the table says which is which.
 */
#ifndef SLABLAB_TOOLS_MEASURE_MACHINE_H
#define SLABLAB_TOOLS_MEASURE_MACHINE_H

#include "sim/virtual/cost_table.h"
#include "tools/line_timing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct topology;

struct measure_options {
    const struct topology *topology; /* this host */
    const unsigned *cpus;            /* logical; at least one */
    unsigned nr_cpus;
    bool all_pairs;                     /* else one pair a class of distance */
    double seconds;                     /* for all of it, about */
    const struct cost_table *reference; /* whose ratios fill what cannot be measured */
};

/* A cell of the table and who it is to be measured between. */
struct measure_cell {
    enum cost_op op;
    enum line_state state;
    enum distance distance;
    enum cost_home home;
    unsigned cpus[LINE_ACTORS];
    unsigned home_cpu;
    bool has_sharer; /* cpus[ACTOR_SHARER] is one */
    struct line_figure figure;
    /* It cost what a line of the asker's own costs: the state was not that (see measure_run). */
    bool not_set_up;
};

struct measurement {
    struct line_figure l1, l2, llc;   /* rounds 0: not measured */
    struct line_figure store, atomic; /* on a line of one's own in L1 */
    struct measure_cell *cells;
    size_t nr_cells;
    size_t capacity;
};

/* Which cells this host has CPUs for, not yet measured. -ENOMEM. */
int measure_plan(const struct measure_options *options, struct measurement *measurement,
                 struct error *error);
/*
 * Fills the figures. `table` has the caches' sizes. Some processors hand a modified line over to
 * whoever reads it, and then there is no shared or owned line to store to: what is found to cost no
 * more than this CPU's own L2, though another core has it, is marked and not used.
 */
int measure_run(const struct measure_options *options, const struct cost_table *table,
                struct measurement *measurement, struct error *error);
void measurement_cleanup(struct measurement *measurement);

/* The published machine most like this host's processors: MOESI or not. */
const char *measure_reference(void);

/* Caches of the CPU as the system has them; bytes 0: there is none, or it does not say. */
void measure_caches(unsigned os_cpu, struct cost_table *table);

/*
 * Puts what was measured into `table`, whose caches are known, and extrapolates the rest from the
 * reference: see sim/MACHINES.md. A farther distance is never left cheaper than a nearer one.
 */
void measure_fill(const struct measure_options *options, const struct measurement *measurement,
                  struct cost_table *table);

#endif
