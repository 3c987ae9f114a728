/* SPDX-License-Identifier: MIT */
/*
 * Summaries of repeated measurements: medians, how far they can be trusted, and values that stand
 * apart. Whether two sets of them differ is asked in significance.h.
 */
#ifndef SLABLAB_TOOLS_STATISTICS_H
#define SLABLAB_TOOLS_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct spread {
    double median, minimum, maximum;
};

/* Sorts `values` in place; count is at least 1. An even count's median is the middle two's mean. */
struct spread spread_of(double *values, size_t count);

/* Both ends belong to it. */
struct interval {
    double low, high;
};

/* Of fewer values a bootstrap says next to nothing: an interval of theirs is from least to most. */
#define INTERVAL_MIN_COUNT 5

/* Of how many drawn medians an interval is made. */
#define INTERVAL_RESAMPLES 2000

/*
 * 95% interval of the median: percentile bootstrap (Efron & Tibshirani 1993, chapter 13). The same
 * values, in any order, and seed give the same interval. Of fewer than INTERVAL_MIN_COUNT values:
 * minimum to maximum, which is no 95% interval, and whoever prints it is to say so. NAN to NAN: no
 * value. Without memory these functions end the program (no_memory.h).
 */
struct interval median_interval(const double *values, size_t count, uint64_t seed);

/*
 * 95% interval of (median of `above`) / (median of `below`), values greater than 0: both are drawn
 * anew for each ratio. If either has fewer than INTERVAL_MIN_COUNT values: from the least ratio of
 * any two values to the largest.
 */
struct interval ratio_interval(const double *above, size_t nr_above, const double *below,
                               size_t nr_below, uint64_t seed);

/*
 * Values outside of these stand apart (Tukey 1977: one and a half times the distance of the hinges
 * beyond them). They are marked, never dropped. Of fewer than 4 values: -INFINITY to INFINITY.
 */
struct interval outlier_fences(const double *values, size_t count);

/* How many values lie outside their fences. */
size_t outliers_count(const double *values, size_t count);

#endif
