/* SPDX-License-Identifier: MIT */
/*
 * Comparisons: the designs of one sweep against each other, or the same combinations of two sweeps,
 * before and after. One comparison is of one figure and is corrected as a whole.
 */
#ifndef SLABLAB_TOOLS_COMPARE_H
#define SLABLAB_TOOLS_COMPARE_H

#include "tools/difference.h"
#include "tools/noise.h"

#include <jansson.h>
#include <stdio.h>

struct error;

/* A point against what it is compared with; base == other: the baseline itself. */
struct pairing {
    const struct point *base, *other;
    struct measured base_measured, other_measured;
    struct difference difference;
};

struct comparison {
    const struct figure *figure;
    const struct series *before; /* of two sources the first; NULL: there is one */
    const struct series *series;
    bool baseline_named; /* and not chosen for its median */
    struct noise noise, before_noise;
    double floor;          /* the larger of the two; NAN: neither has one */
    struct pairing *pairs; /* those of one load (trace, threads, replicas) together */
    size_t count, tests;   /* tests: pairs that were judged */
};

/*
 * Each point against the baseline of its load: the best median of the figure among those whose
 * name, label or allocator `baseline` is; NULL: among all. Harnesses are baselines and are compared
 * only when they are named. A load without one that is named is left out. -EINVAL: no load has it.
 */
int compare_designs(const struct series *series, const struct figure *figure, const char *baseline,
                    struct comparison *comparison, struct error *error);

/*
 * Each point of `after` against that of `before` of the same combination (counterpart.h), trace by
 * content. -ENODATA: nothing is in both.
 */
int compare_sources(const struct series *before, const struct series *after,
                    const struct figure *figure, struct comparison *comparison,
                    struct error *error);
void comparison_cleanup(struct comparison *comparison);

/* Are both of one load, and so in one table? */
bool pairs_same_load(const struct pairing *a, const struct pairing *b);

/* How a load reads: "hackbench.slt, 2 threads". */
void load_print(const struct point *point, FILE *stream);

/* Tables for a person; the noise floor and what it is of first. */
void comparison_print(const struct comparison *comparison, FILE *stream);

/* As results/FORMAT.md says. NULL: no memory. */
json_t *comparison_json(const struct comparison *comparison);

/* Parts of such objects that others have too. */
json_t *point_json(const struct point *point);
json_t *interval_json(struct interval interval);
json_t *measured_json(const struct measured *measured);
json_t *difference_json(const struct difference *difference, const struct figure *figure);

/* The scalability law of each design with enough thread counts; returns how many there were. */
size_t scaling_print(const struct series *series, FILE *stream);
json_t *scaling_json(const struct series *series);

#endif
