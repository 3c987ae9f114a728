/* SPDX-License-Identifier: MIT */
/* Summaries of repeated measurements. */
#include "tools/statistics.h"

#include "sim/random.h"
#include "tools/no_memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median_of_sorted(const double *values, size_t count)
{
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

struct spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return (struct spread){
        .median = median_of_sorted(values, count),
        .minimum = values[0],
        .maximum = values[count - 1],
    };
}

/* Room for so many, which is zeroed; without memory a figure would be missing and nobody told. */
static void *room_for(size_t count, size_t size)
{
    void *room = calloc(count, size);

    if (!room)
        memory_missing("a summary of runs");
    return room;
}

/* A sorted copy; NULL: nothing to copy. */
static double *sorted_copy(const double *values, size_t count)
{
    double *copy = count ? room_for(count, sizeof *copy) : NULL;

    if (!copy)
        return NULL;
    memcpy(copy, values, count * sizeof *copy);
    qsort(copy, count, sizeof *copy, compare_doubles);
    return copy;
}

/* ---- bootstrap ---- */

/* One sample: values that can be drawn from again and again. */
struct sample {
    double *sorted;
    size_t *drawn; /* how often each value is in the resample at hand */
    size_t count;
};

/* False: there is no value to draw. */
static bool sample_create(struct sample *sample, const double *values, size_t count)
{
    sample->count = count;
    sample->sorted = sorted_copy(values, count);
    sample->drawn = count ? room_for(count, sizeof *sample->drawn) : NULL;
    return count > 0;
}

static void sample_cleanup(struct sample *sample)
{
    free(sample->sorted);
    free(sample->drawn);
}

/* The value at `place` of the resample in ascending order. */
static double drawn_at(const struct sample *sample, size_t place)
{
    size_t i = 0;

    for (size_t seen = sample->drawn[0]; seen <= place; seen += sample->drawn[i])
        i++;
    return sample->sorted[i];
}

/* The median of as many values as there are, drawn with replacement. */
static double median_drawn(struct sample *sample, uint64_t *state)
{
    memset(sample->drawn, 0, sample->count * sizeof *sample->drawn);
    for (size_t i = 0; i < sample->count; i++)
        sample->drawn[random_below(state, sample->count)]++;
    return (drawn_at(sample, (sample->count - 1) / 2) + drawn_at(sample, sample->count / 2)) / 2;
}

/* Leaves 2.5% of the draws outside at either end. */
static struct interval middle_of_draws(double *draws)
{
    const size_t outside = INTERVAL_RESAMPLES / 40;

    qsort(draws, INTERVAL_RESAMPLES, sizeof *draws, compare_doubles);
    return (struct interval){draws[outside], draws[INTERVAL_RESAMPLES - 1 - outside]};
}

struct interval median_interval(const double *values, size_t count, uint64_t seed)
{
    struct interval interval = {NAN, NAN};
    double draws[INTERVAL_RESAMPLES];
    struct sample sample;

    if (sample_create(&sample, values, count)) {
        if (count < INTERVAL_MIN_COUNT) {
            interval = (struct interval){sample.sorted[0], sample.sorted[count - 1]};
        } else {
            for (size_t i = 0; i < INTERVAL_RESAMPLES; i++)
                draws[i] = median_drawn(&sample, &seed);
            interval = middle_of_draws(draws);
        }
    }
    sample_cleanup(&sample);
    return interval;
}

struct interval ratio_interval(const double *above, size_t nr_above, const double *below,
                               size_t nr_below, uint64_t seed)
{
    struct interval interval = {NAN, NAN};
    double draws[INTERVAL_RESAMPLES];
    struct sample over = {0}, under = {0};

    if (sample_create(&over, above, nr_above) && sample_create(&under, below, nr_below)) {
        if (nr_above < INTERVAL_MIN_COUNT || nr_below < INTERVAL_MIN_COUNT) {
            interval.low = over.sorted[0] / under.sorted[nr_below - 1];
            interval.high = over.sorted[nr_above - 1] / under.sorted[0];
        } else {
            for (size_t i = 0; i < INTERVAL_RESAMPLES; i++)
                draws[i] = median_drawn(&over, &seed) / median_drawn(&under, &seed);
            interval = middle_of_draws(draws);
        }
    }
    sample_cleanup(&over);
    sample_cleanup(&under);
    return interval;
}

/* ---- outliers ---- */

struct interval outlier_fences(const double *values, size_t count)
{
    struct interval fences = {-INFINITY, INFINITY};
    double *sorted = count < 4 ? NULL : sorted_copy(values, count);
    size_t half = (count + 1) / 2; /* an odd count's median is in both halves */
    double low, high;

    if (!sorted)
        return fences;
    low = median_of_sorted(sorted, half);
    high = median_of_sorted(sorted + count - half, half);
    fences.low = low - 1.5 * (high - low);
    fences.high = high + 1.5 * (high - low);
    free(sorted);
    return fences;
}

size_t outliers_count(const double *values, size_t count)
{
    struct interval fences = outlier_fences(values, count);
    size_t outside = 0;

    for (size_t i = 0; i < count; i++)
        outside += values[i] < fences.low || values[i] > fences.high;
    return outside;
}
