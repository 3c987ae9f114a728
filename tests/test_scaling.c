/* SPDX-License-Identifier: MIT */
/* The scalability law finds again what made-up measurements were made of. */
#include "tools/scaling.h"

#include "tests/draws.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const double counts[] = {1, 2, 4, 8, 16, 32};

/* lambda 1e6, sigma 0.05, kappa 0.002: X(8) = 8e6 / (1 + 0.35 + 0.112) by hand; N* = 21.8. */
static void planted_coefficients_are_found_exactly_without_noise(void **state)
{
    struct scaling planted = {.lambda = 1e6, .sigma = 0.05, .kappa = 0.002}, found;
    double throughput[COUNT(counts)];

    (void)state;
    assert_float_equal(scaling_throughput(&planted, 8), 8e6 / 1.462, 1e-6);
    for (size_t i = 0; i < COUNT(counts); i++)
        throughput[i] = scaling_throughput(&planted, counts[i]);
    assert_true(scaling_fit(counts, throughput, COUNT(counts), &found));
    assert_float_equal(found.lambda, 1e6, 1e-3);
    assert_float_equal(found.sigma, 0.05, 1e-9);
    assert_float_equal(found.kappa, 0.002, 1e-9);
    assert_float_equal(found.peak, sqrt(0.95 / 0.002), 1e-6);
    assert_true(found.error < 1e-9);
    assert_true(scaling_fit(counts, throughput, 3, &found));
    assert_float_equal(found.sigma, 0.05, 1e-9);
}

static void planted_coefficients_are_found_through_noise(void **state)
{
    struct scaling planted = {.lambda = 5e6, .sigma = 0.08, .kappa = 0.004}, found;
    struct draws draws = {.state = 3};

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        double throughput[COUNT(counts)];

        for (size_t j = 0; j < COUNT(counts); j++) {
            double ideal = scaling_throughput(&planted, counts[j]);

            draws_normal(&draws, ideal, 0.01 * ideal, &throughput[j], 1);
        }
        assert_true(scaling_fit(counts, throughput, COUNT(counts), &found));
        assert_true(fabs(found.lambda / planted.lambda - 1) < 0.04);
        assert_true(fabs(found.sigma - planted.sigma) < 0.03);
        assert_true(fabs(found.kappa - planted.kappa) < 0.001);
        assert_true(fabs(found.peak - sqrt(0.92 / 0.004)) < 2);
        assert_true(found.error < 0.05);
    }
}

/* More than linear: both coefficients would have to be negative. */
static void no_coefficient_is_negative(void **state)
{
    static const double linear[] = {1, 2, 4, 8}, more[] = {1, 2.2, 4.9, 11}, less[] = {8, 4, 2, 1};
    struct scaling found;

    (void)state;
    assert_true(scaling_fit(counts, linear, 4, &found));
    assert_float_equal(found.sigma, 0, 1e-9);
    assert_float_equal(found.kappa, 0, 1e-9);
    assert_true(scaling_fit(counts, more, 4, &found));
    assert_float_equal(found.sigma, 0, 0);
    assert_float_equal(found.kappa, 0, 0);
    assert_true(isinf(found.peak));
    assert_true(found.error > 0.05); /* the law does not describe it, and the error says so */
    assert_true(scaling_fit(counts, less, 4, &found));
    assert_true(found.sigma >= 0 && found.kappa >= 0);
    assert_float_equal(found.peak, 1, 0.2);
}

static void two_counts_of_threads_are_too_few(void **state)
{
    static const double twice[] = {1, 2, 2, 1}, throughput[] = {1, 2, 2, 1}, bad[] = {1, 0, 3, 4};
    struct scaling found;

    (void)state;
    assert_false(scaling_fit(counts, throughput, 2, &found));
    assert_false(scaling_fit(twice, throughput, 4, &found));
    assert_false(scaling_fit(counts, bad, 4, &found));
    assert_false(scaling_fit(counts, throughput, 0, &found));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_coefficients_are_found_exactly_without_noise),
        cmocka_unit_test(planted_coefficients_are_found_through_noise),
        cmocka_unit_test(no_coefficient_is_negative),
        cmocka_unit_test(two_counts_of_threads_are_too_few),
    };

    return cmocka_run_group_tests_name("scaling", tests, NULL, NULL);
}
