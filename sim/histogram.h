/* SPDX-License-Identifier: MIT */
/*
 * Log-linear histograms of cycles or any other count: exact below 64, then 32 buckets an octave.
 * A bucket speaks by its middle, so what it says is within 1/64 of every value it holds. The layout
 * is that of HdrHistogram (G. Tene), with the precision fixed.
 */
#ifndef SLABLAB_SIM_HISTOGRAM_H
#define SLABLAB_SIM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_LINEAR   (2u << HISTOGRAM_SUB_BITS) /* values below are told apart exactly */
#define HISTOGRAM_MAX_BITS 42 /* values from 2^42 on, and only they, share the last bucket */
#define HISTOGRAM_BUCKETS                                                                          \
    (HISTOGRAM_LINEAR + ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS - 1) << HISTOGRAM_SUB_BITS) + 1)
#define HISTOGRAM_ERROR (1.0 / 64) /* at most, relative, below 2^42 */

/* Zeroed: empty. count == sum of buckets; sum and max are exact. */
struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
    unsigned octave;

    if (value < HISTOGRAM_LINEAR)
        return (unsigned)value;
    if (value >> HISTOGRAM_MAX_BITS)
        return HISTOGRAM_BUCKETS - 1;
    octave = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return (octave << HISTOGRAM_SUB_BITS) + (unsigned)(value >> octave);
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    if (value > histogram->max)
        histogram->max = value;
    histogram->buckets[histogram_bucket(value)]++;
}

/* The smallest value that falls into a bucket, and the first that no longer does. */
uint64_t histogram_bucket_low(unsigned bucket);
uint64_t histogram_bucket_high(unsigned bucket);

void histogram_merge(struct histogram *into, const struct histogram *from);

/*
 * The value that a share `rank` (0 .. 1) of all values does not exceed: the middle of the bucket in
 * which the ceil(rank * count)-th value lies, but never more than max; max itself where that bucket
 * is the last. 0 of an empty histogram.
 */
uint64_t histogram_percentile(const struct histogram *histogram, double rank);

/* Mean of the values below `limit`, to within HISTOGRAM_ERROR; 0 when there are none. */
double histogram_mean_below(const struct histogram *histogram, uint64_t limit);

#endif
