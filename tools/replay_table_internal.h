/* SPDX-License-Identifier: MIT */
/* What the table (replay_table.c) and what is told below it (replay_details.c) share. */
#ifndef SLABLAB_TOOLS_REPLAY_TABLE_INTERNAL_H
#define SLABLAB_TOOLS_REPLAY_TABLE_INTERNAL_H

#include "tools/replay_table.h"

#include <stdbool.h>

enum column {
    COLUMN_TIME,
    COLUMN_THROUGHPUT,
    COLUMN_STALLED,
    COLUMN_WAITING,
    COLUMN_SHARED,
    COLUMN_TRIPS,
    COLUMN_REMOTE,
    COLUMN_ALLOC_P99,
    COLUMN_FREE_P99,
    COLUMN_PEAK,
    COLUMN_OVERHEAD,
    COLUMN_FAILED,
    COLUMNS
};

struct row {
    char *allocator;      /* and what else tells it from other rows of the design */
    double magazine_size; /* NAN: none asked for */
    unsigned threads;
    char *machine; /* its name */
    bool harness;
    double *figures[COLUMNS]; /* of each repetition; NAN: not measured */
    size_t runs;
    json_t *last;         /* record of the last repetition */
    size_t disturbed;     /* repetitions that something ran beside */
    json_t *disturbances; /* of the last of those, in words; NULL: there is none */
};

struct replay_table {
    struct row *rows;
    size_t count;
};

#endif
