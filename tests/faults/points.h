/* SPDX-License-Identifier: MIT */
/* Which calls of which command lines fail: all, but those of which enough others are alike. */
#ifndef SLABLAB_TESTS_FAULTS_POINTS_H
#define SLABLAB_TESTS_FAULTS_POINTS_H

#include "tests/faults/cases.h"

struct trial {
    size_t test; /* index in the list of cases */
    struct point point;
};

struct trials {
    const char *kind; /* of this one alone, "memory" or one of kinds[]; NULL: all */
    uint64_t number;  /* of this one alone; 0: all */
    struct trial *list;
    size_t count, room;
    bool discovered; /* of a case each point of the machine's discovery is among them */
};

/*
 * Adds those of a case that was learned just now: `shared` has the stacks of its allocations. The
 * calls by which hwloc looks at the machine are the same in all that do; those of the first case
 * all fail, of each other one in ten.
 */
void trials_add_case(struct trials *trials, size_t number, const struct test_case *test,
                     const struct faults_shared *shared);

/* Keeps one of each `every`: number `first` of them, from 0. */
void trials_thin_out(struct trials *trials, size_t first, size_t every);

#endif
