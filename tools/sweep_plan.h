/* SPDX-License-Identifier: MIT */
/*
 * Which runs a sweep has, and in which order: every trace with every cell, each several times,
 * interleaved and shuffled by the seed so that drift of the machine hits all alike; which of them
 * are this shard's; which are done.
 */
#ifndef SLABLAB_TOOLS_SWEEP_PLAN_H
#define SLABLAB_TOOLS_SWEEP_PLAN_H

#include "tools/list_option.h"
#include "tools/replay_options.h"

#include <jansson.h>

/* Side files of the runs, by a hash of their names. */
#define SERIES_FOLDER "series"

/* What is repeated. */
struct combination {
    const char *trace;
    const struct cell *cell;
    char arm;         /* 'a', 'b': the two of a combination that is compared with itself; or 0 */
    char *name;       /* unlike any other of the sweep */
    bool ours;        /* this shard's to repeat */
    unsigned repeats; /* planned so far */
    double *values;   /* owned: events a second of each valid run */
    size_t nr_values;
};

struct run {
    struct combination *combination;
    unsigned repeat;
    char *name;   /* what a resumed sweep knows it by */
    char *series; /* its side file, in the sweep's folder */
    bool done;    /* has a valid result */
};

struct shard {
    unsigned number, count; /* 1 of 1: all */
};

/* "2/16"; false: it is none. */
bool shard_parse(const char *text, struct shard *shard);

struct sweep_plan {
    struct combination *combinations;
    size_t nr_combinations;
    struct run *runs; /* this shard's, in order */
    size_t nr_runs;
    json_t *known; /* owned: run's name -> events a second of its last record; null: not valid */
    json_t *disturbed;    /* owned: of the runs known, those that are valid and so marked */
    bool rerun_disturbed; /* which do not count as done when they are planned */
};

/* Is the design of that name none, but what the replay itself costs? */
int design_is_harness(const char *name, bool *harness, struct error *error);

/*
 * All combinations, none of them run yet, without those in `same` [traces * cells], which would be
 * what another is; with `compare_itself` the first cell of the first
 * design that is no harness, for each trace and each choice of threads, replicas, lock and binding,
 * is there a second time.
 */
int sweep_plan_create(struct sweep_plan *plan, const struct word_list *traces,
                      const struct cell_list *cells, const bool *same, bool compare_itself,
                      struct error *error);
void sweep_plan_destroy(struct sweep_plan *plan);

/* Notes a record of this sweep; the last of a run counts. Before the run is planned, or after. */
int sweep_plan_note(struct sweep_plan *plan, const json_t *record);

/*
 * Plans each combination `repeats` times, shuffled. Of several shards the first has the runs whose
 * number in that order is 0, count, 2 x count, ...; with `whole` those are numbers of combinations:
 * a shard then has all repetitions of what it has.
 */
int sweep_plan_begin(struct sweep_plan *plan, unsigned repeats, uint64_t seed,
                     const struct shard *shard, bool whole, struct error *error);

/* How many runs that will be, not `whole`. */
size_t sweep_plan_size(const struct sweep_plan *plan, uint64_t repeats, const struct shard *shard);

/* One repetition more of each combination that `wanted` says so of, shuffled, behind the others. */
int sweep_plan_extend(struct sweep_plan *plan, bool (*wanted)(const struct combination *, void *),
                      void *context, uint64_t seed, struct error *error);

size_t sweep_plan_missing(const struct sweep_plan *plan);

#endif
