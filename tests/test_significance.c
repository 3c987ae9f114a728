/* SPDX-License-Identifier: MIT */
/* Tests by ranks against published tables, and the correction for many against its promise. */
#include "tools/significance.h"

#include "tests/draws.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Two sets without ties whose U is `u`: the first is 1 .. m with the last raised step by step. */
static double p_of(size_t m, size_t n, size_t u)
{
    double one[64], other[64];

    for (size_t i = 0; i < n; i++)
        other[i] = (double)(i + 1);
    for (size_t i = m; i-- > 0;) {
        size_t above = u < n ? u : n; /* as many of the others are below this value */

        one[i] = (double)above + 0.5 + (double)i * 0.001;
        u -= above;
    }
    return rank_test(one, m, other, n).p;
}

/* Critical values of U, two-sided 5% (Mann & Whitney 1947; Siegel 1956, table K). */
static void the_exact_test_has_the_tables_critical_values(void **state)
{
    static const struct {
        size_t m, n, critical;
    } table[] = {{4, 4, 0},    {5, 5, 2},     {6, 6, 5},    {7, 7, 8},   {8, 8, 13},
                 {9, 9, 17},   {10, 10, 23},  {5, 8, 6},    {6, 10, 11}, {12, 12, 37},
                 {15, 15, 64}, {20, 20, 127}, {10, 20, 55}, {3, 5, 0},   {19, 20, 119}};

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_true(p_of(table[i].m, table[i].n, table[i].critical) <= 0.05);
        assert_true(p_of(table[i].m, table[i].n, table[i].critical + 1) > 0.05);
    }
    assert_float_equal(p_of(3, 3, 0), 2. / 20, 1e-12);
    assert_float_equal(p_of(5, 5, 0), 2. / 252, 1e-12);
    assert_float_equal(p_of(5, 5, 25), 2. / 252, 1e-12);
    assert_float_equal(p_of(4, 4, 8), 1, 1e-12);
    assert_true(isnan(p_of(0, 4, 0)));
}

/*
 * By hand: {1,2,2} against {2,3,3} has ranks 1 3 3 | 3 5.5 5.5, sum 7 of 21; of 20 ways to deal
 * them 7 comes of {1,3,3}, 3 ways; 14, as far from 10.5 on the other side, of {3,5.5,5.5}, 3 ways.
 */
static void ties_are_counted_exactly(void **state)
{
    static const double one[] = {1, 2, 2}, other[] = {2, 3, 3}, same[] = {4, 4, 4, 4};
    struct rank_test test = rank_test(one, 3, other, 3);

    (void)state;
    assert_true(test.exact);
    assert_float_equal(test.u, 1, 0);
    assert_float_equal(test.p, 6. / 20, 1e-12);
    assert_float_equal(rank_test(same, 4, same, 4).p, 1, 1e-12);
}

/* Where both can be had, at the largest exact size, they agree. */
static void the_approximation_goes_on_where_counting_ends(void **state)
{
    double one[21], other[21], exact, normal;
    struct rank_test test;

    (void)state;
    for (size_t i = 0; i < 21; i++) {
        one[i] = (double)(2 * i);
        other[i] = (double)(2 * i) + 9; /* no ties */
    }
    exact = rank_test(one, 20, other, 20).p;
    test = rank_test(one, 21, other, 20);
    normal = test.p;
    assert_false(test.exact);
    assert_true(fabs(exact - normal) < 0.05);
    /* 21 against 21 that are all alike: nothing to tell apart, and no division by zero. */
    for (size_t i = 0; i < 21; i++)
        one[i] = other[i] = 5;
    assert_float_equal(rank_test(one, 21, other, 21).p, 1, 0);
    /*
     * Ties corrected, by hand: 11 ones and 10 twos against 10 ones and 11 twos. U = 21 x 21 / 2 -
     * 10.5, variance 441 / 12 x (43 - 2 x (9261 - 21) / (42 x 41)) = 1185.8; z = 10 / 34.44.
     */
    for (size_t i = 0; i < 21; i++) {
        one[i] = i < 11 ? 1 : 2;
        other[i] = i < 10 ? 1 : 2;
    }
    test = rank_test(one, 21, other, 21);
    assert_float_equal(test.u, 210, 1e-9);
    assert_float_equal(test.p, 0.7715, 5e-4);
}

/* Holm 1979: 0.01, 0.04, 0.03, 0.005 become 0.03, 0.06, 0.06, 0.02. */
static void holms_correction_is_that_of_the_worked_example(void **state)
{
    double p[] = {0.01, NAN, 0.04, 0.03, 0.005}, large[] = {0.9, 0.8};

    (void)state;
    assert_int_equal(holm_correct(p, 5), 0);
    assert_float_equal(p[0], 0.03, 1e-12);
    assert_true(isnan(p[1]));
    assert_float_equal(p[2], 0.06, 1e-12);
    assert_float_equal(p[3], 0.06, 1e-12);
    assert_float_equal(p[4], 0.02, 1e-12);
    assert_int_equal(holm_correct(large, 2), 0);
    assert_float_equal(large[0], 1, 0);
    assert_int_equal(holm_correct(NULL, 0), 0);
}

/* 200 comparisons of 20 pairs without a difference: any one called so spoils the comparison. */
static void holms_correction_keeps_the_rate_of_a_whole_comparison(void **state)
{
    struct draws draws = {.state = 11};
    unsigned spoilt = 0, spoilt_without = 0;

    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        double p[20];
        bool wrong = false, wrong_without = false;

        for (size_t j = 0; j < 20; j++) {
            double one[10], other[10];

            draws_normal(&draws, 100, 1, one, 10);
            draws_normal(&draws, 100, 1, other, 10);
            p[j] = rank_test(one, 10, other, 10).p;
            wrong_without |= p[j] <= SIGNIFICANCE_LEVEL;
        }
        assert_int_equal(holm_correct(p, 20), 0);
        for (size_t j = 0; j < 20; j++)
            wrong |= p[j] <= SIGNIFICANCE_LEVEL;
        spoilt += wrong;
        spoilt_without += wrong_without;
    }
    assert_in_range(spoilt, 0, 10);
    assert_in_range(spoilt_without, 80, 200);
}

static void the_runs_that_are_needed_are_known_beforehand(void **state)
{
    (void)state;
    assert_float_equal(rank_test_least_p(3, 3), 0.1, 1e-12);
    assert_float_equal(rank_test_least_p(5, 5), 2. / 252, 1e-12);
    assert_int_equal(runs_needed(1), 4); /* 2 of 70 */
    assert_int_equal(runs_needed(6), 5); /* 12 of 252 */
    assert_int_equal(runs_needed(7), 6); /* 14 of 252 are more than 5% */
    assert_int_equal(runs_needed(70), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exact_test_has_the_tables_critical_values),
        cmocka_unit_test(ties_are_counted_exactly),
        cmocka_unit_test(the_approximation_goes_on_where_counting_ends),
        cmocka_unit_test(holms_correction_is_that_of_the_worked_example),
        cmocka_unit_test(holms_correction_keeps_the_rate_of_a_whole_comparison),
        cmocka_unit_test(the_runs_that_are_needed_are_known_beforehand),
    };

    return cmocka_run_group_tests_name("significance", tests, NULL, NULL);
}
