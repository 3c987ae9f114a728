/* SPDX-License-Identifier: MIT */
/* Tests by ranks, and their correction. */
#include "tools/significance.h"

#include "tools/no_memory.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* ---- ranks ---- */

struct ranked {
    double value;
    unsigned twice_rank; /* ties share the mean of their ranks: twice that is whole */
    bool first;
};

static int compare_ranked(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;

    return (x > y) - (x < y);
}

/* All values in order, with ranks from 1. */
static struct ranked *rank_all(const double *one, size_t nr_one, const double *other,
                               size_t nr_other)
{
    size_t count = nr_one + nr_other;
    struct ranked *all = calloc(count, sizeof *all);

    if (!all)
        memory_missing("ranks of runs");
    for (size_t i = 0; i < count; i++)
        all[i] =
            (struct ranked){.value = i < nr_one ? one[i] : other[i - nr_one], .first = i < nr_one};
    qsort(all, count, sizeof *all, compare_ranked);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && all[end].value == all[i].value;)
            end++;
        for (size_t j = i; j < end; j++)
            all[j].twice_rank = (unsigned)(i + 1 + end);
    }
    return all;
}

/* Sums of ranks, twice: from 0 to that of all ranks of two sets of 20, 2 (1 + 2 + ... + 40). */
#define RANKS_MAX ((size_t)2 * RANK_TEST_EXACT_COUNT)
#define SUMS_MAX  (RANKS_MAX * (RANKS_MAX + 1) + 1)

/*
 * In how many of all ways to deal the ranks the first set's sum is as far from its mean as `sum`,
 * or further. ways[k][s]: choices of k ranks so far that sum to s; up to C(40, 20), exact in a
 * double.
 */
static double exact_p(const struct ranked *all, size_t nr_one, size_t nr_other, size_t sum)
{
    double(*ways)[SUMS_MAX] = calloc(nr_one + 1, sizeof *ways);
    size_t count = nr_one + nr_other, highest = 0;
    double mean = (double)nr_one * (double)(count + 1), total = 0, far = 0;

    if (!ways)
        memory_missing("ranks of runs");
    ways[0][0] = 1;
    for (size_t i = 0; i < count; i++) {
        size_t rank = all[i].twice_rank;

        highest += rank;
        for (size_t k = i + 1 < nr_one ? i + 1 : nr_one; k > 0; k--) {
            for (size_t s = highest; s >= rank; s--)
                ways[k][s] += ways[k - 1][s - rank];
        }
    }
    for (size_t s = 0; s <= highest; s++) {
        total += ways[nr_one][s];
        if (fabs((double)s - mean) >= fabs((double)sum - mean))
            far += ways[nr_one][s];
    }
    free(ways);
    return far / total;
}

static double normal_p(const struct ranked *all, size_t nr_one, size_t nr_other, double u)
{
    double m = (double)nr_one, n = (double)nr_other, count = m + n, ties = 0, variance, off;

    for (size_t i = 0, end; i < nr_one + nr_other; i = end) {
        double tied;

        for (end = i + 1; end < nr_one + nr_other && all[end].value == all[i].value;)
            end++;
        tied = (double)(end - i);
        ties += tied * tied * tied - tied;
    }
    variance = m * n / 12 * (count + 1 - ties / (count * (count - 1)));
    off = fabs(u - m * n / 2) - 0.5;
    if (variance <= 0 || off <= 0)
        return 1;
    return erfc(off / sqrt(2 * variance));
}

struct rank_test rank_test(const double *one, size_t nr_one, const double *other, size_t nr_other)
{
    struct rank_test test = {.u = NAN, .p = NAN};
    size_t sum = 0;
    struct ranked *all = nr_one && nr_other ? rank_all(one, nr_one, other, nr_other) : NULL;

    if (!all)
        return test;
    for (size_t i = 0; i < nr_one + nr_other; i++)
        sum += all[i].first ? all[i].twice_rank : 0;
    test.u = (double)sum / 2 - (double)(nr_one * (nr_one + 1)) / 2;
    test.exact = nr_one <= RANK_TEST_EXACT_COUNT && nr_other <= RANK_TEST_EXACT_COUNT;
    test.p =
        test.exact ? exact_p(all, nr_one, nr_other, sum) : normal_p(all, nr_one, nr_other, test.u);
    free(all);
    return test;
}

double rank_test_least_p(size_t nr_one, size_t nr_other)
{
    double ways = 1;

    for (size_t i = 1; i <= nr_one; i++)
        ways *= (double)(nr_other + i) / (double)i;
    return fmin(1, 2 / ways);
}

/* ---- many tests ---- */

static int compare_p(const void *a, const void *b)
{
    double x = **(double *const *)a, y = **(double *const *)b;

    return (x > y) - (x < y);
}

int holm_correct(double *p, size_t count)
{
    double **order = calloc(count ? count : 1, sizeof *order), least = 0;
    size_t tests = 0;

    if (!order)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(p[i]))
            order[tests++] = &p[i];
    }
    qsort(order, tests, sizeof *order, compare_p);
    for (size_t i = 0; i < tests; i++) {
        least = fmax(least, fmin(1, *order[i] * (double)(tests - i)));
        *order[i] = least;
    }
    free(order);
    return 0;
}

size_t runs_needed(size_t tests)
{
    size_t runs = 1;

    while (rank_test_least_p(runs, runs) * (double)tests > SIGNIFICANCE_LEVEL)
        runs++;
    return runs;
}
