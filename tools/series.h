/* SPDX-License-Identifier: MIT */
/* The runs of a sweep, gathered by what was varied: what pictures and tables are made of. */
#ifndef SLABLAB_TOOLS_SERIES_H
#define SLABLAB_TOOLS_SERIES_H

#include "tools/statistics.h"

#include <stdbool.h>
#include <stdint.h>

struct error;

/* All valid runs of one combination. */
struct point {
    char *trace; /* path as in the records */
    char *allocator;
    uint64_t magazine_size; /* 0: the design has none, or none was asked for */
    unsigned threads;
    double *events_per_second; /* of each run, sorted */
    size_t runs;
    double peak_page_bytes; /* largest of the runs; negative: not measured */
    struct spread throughput;
};

struct series {
    struct point *points; /* by trace, allocator, magazine size, threads */
    size_t count;
    size_t invalid, failed; /* runs left out */
    char *machine;          /* "CPU model, topology" of the first record */
};

/*
 * Reads a sweep's folder or file. Of several records of one run ("cell") the last counts: a failure
 * that was tried again is the success that came of it. -ENODATA: no valid run in it.
 */
int series_read(const char *folder, struct series *series, struct error *error);
void series_cleanup(struct series *series);

#endif
