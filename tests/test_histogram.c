/* SPDX-License-Identifier: MIT */
/* Histograms against the sorted arrays of what was put into them. */
#include "sim/histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT ((uint64_t)1 << HISTOGRAM_MAX_BITS)

/* ---- numbers at random, the same every time (splitmix64, Steele et al. 2014) ---- */

static uint64_t random_state;

static uint64_t random_next(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Above 0, at most 1. */
static double random_share(void)
{
    return (double)((random_next() >> 11) + 1) * 0x1p-53;
}

static uint64_t constant(void)
{
    return 12345;
}

static uint64_t uniform(void)
{
    return random_next() % 1000000;
}

static uint64_t small(void)
{
    return random_next() % HISTOGRAM_LINEAR;
}

static uint64_t exponential(void)
{
    return (uint64_t)(-2000 * log(random_share()));
}

/* Pareto with an index below 1: a few values are as large as all the others together. */
static uint64_t heavy_tail(void)
{
    double value = 20 * pow(random_share(), -1 / 0.7);

    return value < (double)(LIMIT - 1) ? (uint64_t)value : LIMIT - 1;
}

/* Every octave alike, up to the last that is told apart. */
static uint64_t all_octaves(void)
{
    return random_next() % LIMIT >> random_next() % HISTOGRAM_MAX_BITS;
}

static const struct distribution {
    const char *name;
    uint64_t (*draw)(void);
} distributions[] = {
    {"constant", constant},       {"uniform", uniform},       {"small", small},
    {"exponential", exponential}, {"heavy tail", heavy_tail}, {"all octaves", all_octaves},
};
#define DISTRIBUTIONS (sizeof distributions / sizeof distributions[0])

/* ---- what was recorded, and what the histogram makes of it ---- */

static int value_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static uint64_t *draw(const struct distribution *distribution, size_t count,
                      struct histogram *histogram)
{
    uint64_t *values = malloc(count * sizeof *values);

    assert_non_null(values);
    *histogram = (struct histogram){0};
    random_state = count;
    for (size_t i = 0; i < count; i++) {
        values[i] = distribution->draw();
        histogram_add(histogram, values[i]);
    }
    qsort(values, count, sizeof *values, value_compare);
    return values;
}

/* The value that is ceil(rank * count)-th, at least the first; in whole numbers. */
static uint64_t exact(const uint64_t *sorted, size_t count, unsigned rank_per_mille)
{
    size_t place = (rank_per_mille * count + 999) / 1000;

    return sorted[place ? place - 1 : 0];
}

static const unsigned ranks_per_mille[] = {0, 500, 900, 990, 999, 1000};
#define RANKS (sizeof ranks_per_mille / sizeof ranks_per_mille[0])

static void assert_percentiles(const char *name, const uint64_t *sorted, size_t count,
                               const struct histogram *histogram)
{
    for (size_t i = 0; i < RANKS; i++) {
        uint64_t wanted = exact(sorted, count, ranks_per_mille[i]);
        uint64_t got = histogram_percentile(histogram, ranks_per_mille[i] / 1000.0);
        double off = got > wanted ? (double)(got - wanted) : (double)(wanted - got);

        if (off > (double)wanted * HISTOGRAM_ERROR)
            fail_msg("%s: of %zu values, %u in a thousand is %llu, not %llu", name, count,
                     ranks_per_mille[i], (unsigned long long)wanted, (unsigned long long)got);
    }
}

static void percentiles_are_within_the_error_of_exact_ones(void **state)
{
    const size_t count = 30000;
    struct histogram histogram;

    (void)state;
    for (size_t i = 0; i < DISTRIBUTIONS; i++) {
        uint64_t *sorted = draw(&distributions[i], count, &histogram);

        assert_percentiles(distributions[i].name, sorted, count, &histogram);
        free(sorted);
    }
}

static void so_they_are_of_very_few_values(void **state)
{
    struct histogram histogram;

    (void)state;
    for (size_t i = 0; i < DISTRIBUTIONS; i++) {
        for (size_t count = 1; count <= 5; count++) {
            uint64_t *sorted = draw(&distributions[i], count, &histogram);

            assert_percentiles(distributions[i].name, sorted, count, &histogram);
            free(sorted);
        }
    }
}

/* As many values as ranks of a thousand or less can tell apart: each is its own bucket. */
static void the_place_of_a_percentile_is_exact_whatever_the_count(void **state)
{
    struct histogram histogram = {0};
    uint64_t sorted[HISTOGRAM_LINEAR];

    (void)state;
    for (uint64_t count = 1; count <= HISTOGRAM_LINEAR; count++) {
        sorted[count - 1] = count - 1;
        histogram_add(&histogram, count - 1);
        for (unsigned rank = 0; rank <= 1000; rank++)
            assert_int_equal(histogram_percentile(&histogram, rank / 1000.0),
                             exact(sorted, count, rank));
    }
}

static void values_below_64_are_told_exactly(void **state)
{
    const size_t count = 10000;
    struct histogram histogram;
    uint64_t *sorted = draw(&(struct distribution){"small", small}, count, &histogram);

    (void)state;
    assert_int_equal(HISTOGRAM_LINEAR, 64);
    for (unsigned value = 0; value < HISTOGRAM_LINEAR; value++) {
        assert_int_equal(histogram_bucket(value), value);
        assert_int_equal(histogram_bucket_low(value), value);
    }
    for (size_t i = 0; i < RANKS; i++)
        assert_int_equal(histogram_percentile(&histogram, ranks_per_mille[i] / 1000.0),
                         exact(sorted, count, ranks_per_mille[i]));
    free(sorted);
}

static void count_sum_and_max_are_exact(void **state)
{
    const size_t count = 5000;
    struct histogram histogram;

    (void)state;
    for (size_t i = 0; i < DISTRIBUTIONS; i++) {
        uint64_t *sorted = draw(&distributions[i], count, &histogram);
        uint64_t sum = 0, in_buckets = 0;

        for (size_t j = 0; j < count; j++)
            sum += sorted[j];
        for (unsigned j = 0; j < HISTOGRAM_BUCKETS; j++)
            in_buckets += histogram.buckets[j];
        assert_int_equal(histogram.count, count);
        assert_int_equal(in_buckets, count);
        assert_int_equal(histogram.sum, sum);
        assert_int_equal(histogram.max, sorted[count - 1]);
        free(sorted);
    }
}

static void an_empty_one_says_nothing(void **state)
{
    const struct histogram empty = {0};

    (void)state;
    for (size_t i = 0; i < RANKS; i++)
        assert_int_equal(histogram_percentile(&empty, ranks_per_mille[i] / 1000.0), 0);
}

/* ---- buckets ---- */

static void buckets_tile_the_numbers_without_gap_or_overlap(void **state)
{
    uint64_t next = 0;

    (void)state;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t low = histogram_bucket_low(i), high = histogram_bucket_high(i);

        assert_int_equal(low, next);
        assert_true(low < high);
        assert_int_equal(histogram_bucket(low), i);
        assert_int_equal(histogram_bucket(low + (high - low) / 2), i);
        assert_int_equal(histogram_bucket(high - 1), i);
        next = high;
    }
    assert_int_equal(next, UINT64_MAX);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
}

static void no_bucket_is_wider_than_its_error_allows(void **state)
{
    (void)state;
    for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
        uint64_t low = histogram_bucket_low(i), high = histogram_bucket_high(i);
        uint64_t middle = low + (high - 1 - low) / 2;

        assert_true((double)(middle - low) <= (double)low * HISTOGRAM_ERROR);
        assert_true((double)(high - 1 - middle) <= (double)(high - 1) * HISTOGRAM_ERROR);
    }
}

/* ---- what is too large to be told apart ---- */

static void from_2_to_the_42_on_values_count_but_only_the_largest_is_told(void **state)
{
    const uint64_t large[] = {LIMIT, LIMIT + 1, LIMIT * 5, (uint64_t)1 << 60};
    struct histogram histogram = {0};

    (void)state;
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        assert_int_equal(histogram_bucket(large[i]), HISTOGRAM_BUCKETS - 1);
        histogram_add(&histogram, large[i]);
    }
    assert_int_equal(histogram_bucket_low(HISTOGRAM_BUCKETS - 1), LIMIT);
    assert_int_equal(histogram.count, 4);
    assert_int_equal(histogram.sum, LIMIT * 7 + 1 + large[3]);
    assert_int_equal(histogram.max, large[3]);
    assert_int_equal(histogram_percentile(&histogram, 0), large[3]);
}

static void a_value_just_below_2_to_the_42_keeps_its_error_beside_larger_ones(void **state)
{
    struct histogram histogram = {0};
    uint64_t got;

    (void)state;
    histogram_add(&histogram, LIMIT - 1);
    histogram_add(&histogram, (uint64_t)1 << 60);
    got = histogram_percentile(&histogram, 0.5);
    assert_true(got < LIMIT);
    assert_true((double)(LIMIT - 1 - got) <= (double)LIMIT * HISTOGRAM_ERROR);
    assert_int_equal(histogram_percentile(&histogram, 1), (uint64_t)1 << 60);
}

/* ---- merging ---- */

static void merging_is_adding_all(void **state)
{
    struct histogram all = {0}, merged = {0};

    (void)state;
    random_state = 7;
    for (size_t i = 0; i < DISTRIBUTIONS; i++) {
        struct histogram part = {0};

        for (unsigned j = 0; j < 1000; j++) {
            uint64_t value = distributions[i].draw();

            histogram_add(&part, value);
            histogram_add(&all, value);
        }
        histogram_merge(&merged, &part);
    }
    assert_memory_equal(&merged, &all, sizeof all);
    histogram_merge(&merged, &(struct histogram){0});
    assert_memory_equal(&merged, &all, sizeof all);
}

static void a_mean_below_a_limit_leaves_out_the_rest(void **state)
{
    struct histogram *few = calloc(1, sizeof *few);

    (void)state;
    assert_non_null(few);
    assert_true(histogram_mean_below(few, 1000) == 0);
    for (uint64_t value = 10; value <= 30; value++)
        histogram_add(few, value);
    assert_true(histogram_mean_below(few, 1000) == 20);
    histogram_add(few, 5000000);
    assert_true(histogram_mean_below(few, 1000) == 20);
    free(few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mean_below_a_limit_leaves_out_the_rest),
        cmocka_unit_test(percentiles_are_within_the_error_of_exact_ones),
        cmocka_unit_test(so_they_are_of_very_few_values),
        cmocka_unit_test(the_place_of_a_percentile_is_exact_whatever_the_count),
        cmocka_unit_test(values_below_64_are_told_exactly),
        cmocka_unit_test(count_sum_and_max_are_exact),
        cmocka_unit_test(an_empty_one_says_nothing),
        cmocka_unit_test(buckets_tile_the_numbers_without_gap_or_overlap),
        cmocka_unit_test(no_bucket_is_wider_than_its_error_allows),
        cmocka_unit_test(from_2_to_the_42_on_values_count_but_only_the_largest_is_told),
        cmocka_unit_test(a_value_just_below_2_to_the_42_keeps_its_error_beside_larger_ones),
        cmocka_unit_test(merging_is_adding_all),
    };

    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
