/* SPDX-License-Identifier: MIT */
/*
 * Whether two sets of measurements differ by more than chance: a test by ranks, which supposes
 * nothing of the noise but that it is alike in both, and what is left of it when many are asked.
 */
#ifndef SLABLAB_TOOLS_SIGNIFICANCE_H
#define SLABLAB_TOOLS_SIGNIFICANCE_H

#include <stdbool.h>
#include <stddef.h>

/* What is called a difference: at most this often where there is none, over a whole comparison. */
#define SIGNIFICANCE_LEVEL 0.05

/* Up to this many values on either side all ways of dealing the ranks are counted. */
#define RANK_TEST_EXACT_COUNT 20

struct rank_test {
    double u; /* pairs in which the first set's value is larger; ties are half a pair */
    double p; /* two-sided; NAN: a set is empty */
    bool exact;
};

/*
 * Mann & Whitney 1947. Exact up to RANK_TEST_EXACT_COUNT on both sides, ties and all, by the shift
 * algorithm of Streitberg & Roehmel 1986; beyond, the normal approximation with corrections for
 * ties and continuity (Hollander & Wolfe 1999, section 4.1). Without memory it ends the program
 * (no_memory.h).
 */
struct rank_test rank_test(const double *one, size_t nr_one, const double *other, size_t nr_other);

/* The smallest p that sets of these sizes can have, all of one above all of the other. */
double rank_test_least_p(size_t nr_one, size_t nr_other);

/*
 * Corrects p-values of `count` tests for their number (Holm 1979): called a difference when at most
 * SIGNIFICANCE_LEVEL, the chance that any one of them is so wrongly stays below that. A NAN is no
 * test: it stays and does not count. -ENOMEM.
 */
int holm_correct(double *p, size_t count);

/* How many runs on either side show a difference in each of `tests`, if it is large. */
size_t runs_needed(size_t tests);

#endif
