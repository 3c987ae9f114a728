/* SPDX-License-Identifier: MIT */
/* Log-linear histograms: the parts that are not on a measured path. */
#include "sim/histogram.h"

#include <float.h>
#include <math.h>

uint64_t histogram_bucket_low(unsigned bucket)
{
    unsigned octave;

    if (bucket < HISTOGRAM_LINEAR)
        return bucket;
    octave = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    return ((uint64_t)(bucket & ((1u << HISTOGRAM_SUB_BITS) - 1)) + (1u << HISTOGRAM_SUB_BITS))
           << octave;
}

uint64_t histogram_bucket_high(unsigned bucket)
{
    return bucket + 1 == HISTOGRAM_BUCKETS ? UINT64_MAX : histogram_bucket_low(bucket + 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->sum += from->sum;
    if (from->max > into->max)
        into->max = from->max;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

/*
 * ceil(rank * count), at least 1. A rank such as 0.07 is no binary number, and 0.07 * 100 comes out
 * a little above 7: what so little is above a whole number is that number.
 */
static uint64_t place_of(double rank, uint64_t count)
{
    double place = ceil(rank * (double)count * (1 - 4 * DBL_EPSILON));

    return place < 1 ? 1 : (uint64_t)place;
}

uint64_t histogram_percentile(const struct histogram *histogram, double rank)
{
    uint64_t wanted = place_of(rank, histogram->count);
    uint64_t seen = 0;

    if (histogram->count == 0)
        return 0;
    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t low = histogram_bucket_low(i);
            uint64_t middle = low + (histogram_bucket_high(i) - 1 - low) / 2;

            return middle < histogram->max ? middle : histogram->max;
        }
    }
    return histogram->max;
}

double histogram_mean_below(const struct histogram *histogram, uint64_t limit)
{
    double sum = 0, count = 0;

    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS && histogram_bucket_low(i) < limit; i++) {
        double low = (double)histogram_bucket_low(i);
        double high = (double)histogram_bucket_high(i) - 1;

        sum += (double)histogram->buckets[i] * (low + high) / 2;
        count += (double)histogram->buckets[i];
    }
    return count > 0 ? sum / count : 0;
}
