/* SPDX-License-Identifier: MIT */
/* The plan that the options of a run ask for. */
#ifndef SLABLAB_TOOLS_REPLAY_PLAN_H
#define SLABLAB_TOOLS_REPLAY_PLAN_H

#include "tools/replay_options.h"

struct plan;

/* To be freed with plan_destroy. Errors: those of plan_create. */
int replay_plan_create(const struct replay_options *options, const char *trace, unsigned workers,
                       struct plan **plan, struct error *error);

/* What a cell comes to, where it says `auto`. */
struct workload {
    unsigned threads;
    uint64_t replicas;
};

/*
 * As many threads as there are CPUs for them (`nr_dealt`, see topology_nr_dealt) and streams to
 * run, as many replicas as threads need. `nr_streams` of the trace, as filtered.
 */
struct workload cell_workload(const struct cell *cell, unsigned nr_dealt, unsigned nr_streams);

/* Does the cell say `auto` and come to what another choice of the options says in numbers? */
bool cell_is_repeated(const struct replay_options *options, const struct cell *cell,
                      unsigned nr_dealt, unsigned nr_streams);

#endif
