/* SPDX-License-Identifier: MIT */
/* Running what a sweep has planned, a process a run; see sweep_plan.h. */
#ifndef SLABLAB_TOOLS_SWEEP_RUN_H
#define SLABLAB_TOOLS_SWEEP_RUN_H

#include <jansson.h>
#include <stddef.h>
#include <time.h>

struct error;
struct machine_options;
struct replay_options;
struct sweep_plan;

struct sweep_runner {
    const struct replay_options *options;
    const struct machine_options *machines; /* NULL: the runs are native */
    const char *folder;
    int file;                  /* of the results; see runs_file.h */
    const json_t *environment; /* goes into each record */
    size_t finished, left;     /* of the runs, for progress */
    double estimate_s;         /* of those that are left before the first of them */
    struct timespec begun;
    struct timespec synced; /* when the results last were; see RESULTS_SYNC_S */
};

/*
 * One run of each trace that has any left, not kept: the first on a machine is often slow, and its
 * time tells about how long all will take, which is said.
 */
int sweep_warm_up(struct sweep_runner *runner, const struct sweep_plan *plan, struct error *error);

/*
 * All runs that are planned and not done, in order; results are appended as they come. A run that
 * fails costs its result, and what it said is in the file; -EIO: results cannot be written.
 */
int sweep_run_all(struct sweep_runner *runner, struct sweep_plan *plan, struct error *error);

#endif
