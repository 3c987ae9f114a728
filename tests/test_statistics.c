/* SPDX-License-Identifier: MIT */
/* Medians, intervals, outliers: against values worked out by hand and published ones. */
#include "tools/statistics.h"

#include "tests/draws.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void a_median_is_the_middle_or_the_mean_of_the_middle_two(void **state)
{
    double odd[] = {5, 1, 9}, even[] = {7, 1, 3, 4}, one[] = {6};
    struct spread spread = spread_of(odd, COUNT(odd));

    (void)state;
    assert_float_equal(spread.median, 5, 0);
    assert_float_equal(spread.minimum, 1, 0);
    assert_float_equal(spread.maximum, 9, 0);
    assert_float_equal(spread_of(even, COUNT(even)).median, 3.5, 0);
    assert_float_equal(spread_of(one, COUNT(one)).median, 6, 0);
}

static void few_values_have_their_range_for_an_interval(void **state)
{
    static const double four[] = {4, 1, 3, 2}, six[] = {10, 12, 11, 10, 13, 12};
    struct interval interval = median_interval(four, COUNT(four), 1);

    (void)state;
    assert_float_equal(interval.low, 1, 0);
    assert_float_equal(interval.high, 4, 0);
    interval = ratio_interval(six, COUNT(six), four, COUNT(four), 1);
    assert_float_equal(interval.low, 10. / 4, 1e-12);
    assert_float_equal(interval.high, 13. / 1, 1e-12);
    interval = median_interval(NULL, 0, 1);
    assert_true(isnan(interval.low) && isnan(interval.high));
}

/*
 * The exact bootstrap distribution of an odd count's median is binomial: of 5 values the median
 * drawn is the least if 3 or more of 5 draws are it: 181/3125 = 5.8% > 2.5%, so that is the end.
 * Of 9 it is at most the second with 3.0%, the first with 0.14%: the ends are second and eighth.
 */
static void ends_of_an_interval_are_those_of_the_exact_bootstrap(void **state)
{
    static const double five[] = {3, 5, 1, 4, 2}, nine[] = {9, 8, 7, 6, 5, 4, 3, 2, 1};
    struct interval interval = median_interval(five, COUNT(five), 1);

    (void)state;
    assert_float_equal(interval.low, 1, 0);
    assert_float_equal(interval.high, 5, 0);
    interval = median_interval(nine, COUNT(nine), 1);
    assert_float_equal(interval.low, 2, 0);
    assert_float_equal(interval.high, 8, 0);
}

static void an_interval_is_the_same_every_time_and_in_any_order(void **state)
{
    static const double one[] = {3, 5, 1, 4, 2, 9, 7}, other[] = {9, 7, 5, 4, 3, 2, 1};
    struct interval a = median_interval(one, COUNT(one), 42);
    struct interval b = median_interval(other, COUNT(other), 42);

    (void)state;
    assert_memory_equal(&a, &b, sizeof a);
    a = ratio_interval(one, COUNT(one), other, COUNT(other), 42);
    b = ratio_interval(other, COUNT(other), one, COUNT(one), 42);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.low <= 1 && a.high >= 1);
}

/* A percentile interval of few values is a little narrow or wide; far off it is not. */
static void intervals_hold_the_true_value_about_as_often_as_they_say(void **state)
{
    struct draws draws = {.state = 7};
    unsigned medians = 0, ratios = 0;

    (void)state;
    for (unsigned i = 0; i < 500; i++) {
        double above[10], below[10];
        struct interval interval;

        draws_normal(&draws, 100, 1, above, 10);
        draws_normal(&draws, 50, 0.5, below, 10);
        interval = median_interval(above, 10, i);
        medians += interval.low <= 100 && interval.high >= 100;
        interval = ratio_interval(above, 10, below, 10, i);
        ratios += interval.low <= 2 && interval.high >= 2;
    }
    assert_in_range(medians, 455, 495);
    assert_in_range(ratios, 455, 495);
}

/* Hinges 2.75 and 5.75: each half has the median of the odd count. */
static void values_beyond_tukeys_fences_stand_apart(void **state)
{
    static const double values[] = {12, 1, 5, 3, 2, 6, 4, 7, 2.5, 3.5, 5.5};
    static const double even[] = {1, 2, 3, 4, 5, 6, 7, 100};
    struct interval fences;

    (void)state;
    fences = outlier_fences(values, COUNT(values));
    assert_float_equal(fences.low, 2.75 - 1.5 * 3, 1e-12);
    assert_float_equal(fences.high, 5.75 + 1.5 * 3, 1e-12);
    assert_int_equal(outliers_count(values, COUNT(values)), 1);
    fences = outlier_fences(even, COUNT(even)); /* hinges 2.5 and 6.5 */
    assert_float_equal(fences.low, -3.5, 1e-12);
    assert_float_equal(fences.high, 12.5, 1e-12);
    assert_int_equal(outliers_count(even, COUNT(even)), 1);
    assert_int_equal(outliers_count(even, 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_median_is_the_middle_or_the_mean_of_the_middle_two),
        cmocka_unit_test(few_values_have_their_range_for_an_interval),
        cmocka_unit_test(ends_of_an_interval_are_those_of_the_exact_bootstrap),
        cmocka_unit_test(an_interval_is_the_same_every_time_and_in_any_order),
        cmocka_unit_test(intervals_hold_the_true_value_about_as_often_as_they_say),
        cmocka_unit_test(values_beyond_tukeys_fences_stand_apart),
    };

    return cmocka_run_group_tests_name("statistics", tests, NULL, NULL);
}
