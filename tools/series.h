/* SPDX-License-Identifier: MIT */
/* The runs of a sweep, gathered by what was varied: what tables, comparisons and pictures are of.
 */
#ifndef SLABLAB_TOOLS_SERIES_H
#define SLABLAB_TOOLS_SERIES_H

#include "tools/statistics.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct error;

/* All valid runs of one combination. */
struct point {
    char *trace; /* path as in the records */
    char *allocator;
    uint64_t magazine_size; /* 0: the design has none, or none was asked for */
    unsigned threads, replicas;
    char *lock, *binding;
    char *machine;  /* that was simulated; "": none, it was this one */
    char *digest;   /* of the trace; "" in old records */
    char *tunables; /* all of them, a line each: "resize=on\n" */
    char *settings; /* those that differ between points of the design, "resize=on,color=off"; "" */
    char *label;    /* allocator, and what of all but trace, threads and size was varied */
    char *name;     /* the label, and the size where there is one: "magazine size 16" */
    bool harness;   /* no allocator: what the replay itself costs */
    bool second;    /* the other arm of a combination that is compared with itself */
    json_t **runs;  /* records, in the order of the file */
    size_t nr_runs;
    double peak_page_bytes;   /* median of the runs; negative: not measured */
    struct spread throughput; /* events a second */
};

struct series {
    struct point *points; /* by trace, machine, label, magazine size, threads, arm */
    size_t count;
    unsigned with;          /* as it was read */
    size_t invalid, failed; /* runs so marked, left out; the invalid ones are in when asked for */
    size_t disturbed;       /* valid runs that something ran beside */
    size_t disturbed_left_out; /* of these, where others are there and they were not asked for */
    size_t disturbed_only;     /* points that have no others, and so keep them */
    size_t there, planned;     /* runs in the file, as the sweep has them; 0 planned: not known */
    char *machine;             /* "CPU model, topology" of the first record; "simulated on A, B" */
};

/* Runs that are left out unless they are asked for. */
enum series_with { SERIES_WITH_INVALID = 1, SERIES_WITH_DISTURBED = 2 };

/*
 * Reads a sweep's folder or file; `with` is of enum series_with. Of several records of one run
 * ("cell") the last counts: a failure that was tried again is the success that came of it.
 * -ENODATA: no valid run in it.
 */
int series_read(const char *folder, unsigned with, struct series *series, struct error *error);
/* "30 disturbed runs, which something else ran beside: 0 left out, ..."; "": there was none. */
void series_disturbed_words(const struct series *series, char *text, size_t size);
/* "15 of 32 runs are there: ..."; "": all are, or how many there are to be is not known. */
void series_unfinished_words(const struct series *series, char *text, size_t size);
/* A line each of what was left out or, marked, taken in, and of what is still to come. */
void series_left_out_print(const struct series *series, const char *folder, FILE *stream);
void series_cleanup(struct series *series);

/* Are both of the same trace (by content, where that is known), machine, threads and replicas? */
bool point_is_simulated(const struct point *point); /* so its figures are exact, the model's */
bool points_same_load(const struct point *a, const struct point *b);
/* How many of its runs something else ran beside. */
size_t point_disturbed(const struct point *point);
/* The point that a second arm repeats; NULL: it has no valid run. */
const struct point *point_first_arm(const struct series *series, const struct point *second);

/* A figure of one run; NAN: not measured. */
typedef double run_figure(const json_t *run);

/* Figures that tables, comparisons and pictures have in common. */
run_figure figure_throughput;     /* events a second */
run_figure figure_ns_per_event;   /* one thread's time */
run_figure figure_peak_bytes;     /* pages */
run_figure figure_waiting_share;  /* of all workers' time, for locks; 0 .. 1 */
run_figure figure_beyond_share;   /* of the operations, beyond the CPU's own layer; 0 .. 1 */
run_figure figure_overhead_share; /* of the pages when most is live, not asked for; 0 .. 1 */
run_figure figure_resting_bytes;  /* when most is live: what the design holds beyond live objects */
run_figure figure_remote_share;   /* of the frees, on another CPU than the allocation; 0 .. 1 */

/*
 * The figure of all runs of a point that have it, in `values` [nr_runs], in the order of the runs;
 * returns how many.
 */
size_t point_figures(const struct point *point, run_figure *figure, double *values);

#endif
