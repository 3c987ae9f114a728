/* SPDX-License-Identifier: MIT */
/* What is called a difference, and what is not, on made-up runs whose truth is known. */
#include "tools/difference.h"

#include "tests/draws.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RUNS        10
#define COMPARISONS 200

static struct measured measured_of(double *values, size_t count)
{
    return (struct measured){.values = values, .count = count, .spread = spread_of(values, count)};
}

/* `runs` of 100 with 1% noise against as many of `mean`. */
static void compare_made_up(struct draws *draws, double mean, size_t runs, double floor,
                            struct difference *difference)
{
    double base[RUNS], other[RUNS];
    struct measured one, two;

    draws_normal(draws, 100, 1, base, runs);
    draws_normal(draws, mean, mean / 100, other, runs);
    one = measured_of(base, runs);
    two = measured_of(other, runs);
    difference_measure(&one, &two, difference);
    assert_int_equal(differences_judge(&difference, 1, floor), 0);
}

static void the_same_thing_is_no_difference_in_95_of_100(void **state)
{
    struct draws draws = {.state = 1};
    unsigned none = 0;

    (void)state;
    for (unsigned i = 0; i < COMPARISONS; i++) {
        struct difference difference;

        compare_made_up(&draws, 100, RUNS, NAN, &difference);
        none += difference.verdict == VERDICT_NONE;
    }
    assert_true(none >= COMPARISONS * 95 / 100);
}

static void a_planted_difference_of_5_percent_is_always_found(void **state)
{
    struct difference differences[COMPARISONS], *list[COMPARISONS];
    struct draws draws = {.state = 2};
    unsigned inside = 0;

    (void)state;
    for (unsigned i = 0; i < COMPARISONS; i++) {
        compare_made_up(&draws, 105, RUNS, 0.012, &differences[i]);
        assert_int_equal(differences[i].verdict, VERDICT_DIFFERENT);
        inside += differences[i].interval.low <= 1.05 && differences[i].interval.high >= 1.05;
        list[i] = &differences[i];
    }
    assert_true(inside >= COMPARISONS * 90 / 100);
    /* Also as one comparison of 200. */
    assert_int_equal(differences_judge(list, COMPARISONS, 0.012), 0);
    for (unsigned i = 0; i < COMPARISONS; i++)
        assert_int_equal(differences[i].verdict, VERDICT_DIFFERENT);
}

/* The best of 12 equals was lucky; called different from any other it spoils the comparison. */
static void a_baseline_chosen_for_its_median_keeps_the_rate(void **state)
{
    enum { EQUALS = 12 };
    struct draws draws = {.state = 99};
    unsigned spoilt = 0, spoilt_without = 0;

    (void)state;
    for (unsigned i = 0; i < COMPARISONS; i++) {
        double values[EQUALS][RUNS];
        struct measured measured[EQUALS];
        struct difference differences[EQUALS], *list[EQUALS];
        size_t best = 0, count = 0;
        bool wrong[2] = {false, false};

        for (size_t j = 0; j < EQUALS; j++) {
            draws_normal(&draws, 100, 1, values[j], RUNS);
            measured[j] = measured_of(values[j], RUNS);
            best = measured[j].spread.median > measured[best].spread.median ? j : best;
        }
        for (size_t j = 0; j < EQUALS; j++) {
            difference_measure(&measured[best], &measured[j], &differences[j]);
            if (j != best)
                list[count++] = &differences[j];
        }
        for (unsigned paid = 0; paid < 2; paid++) {
            for (size_t j = 0; j < count; j++)
                list[j]->choices = paid ? choices_of(EQUALS, EQUALS) : 1;
            assert_int_equal(differences_judge(list, count, NAN), 0);
            for (size_t j = 0; j < count; j++)
                wrong[paid] |= list[j]->verdict == VERDICT_DIFFERENT;
        }
        spoilt_without += wrong[0];
        spoilt += wrong[1];
    }
    assert_in_range(spoilt, 0, COMPARISONS / 20);
    assert_true(spoilt_without > COMPARISONS / 20);
    assert_float_equal(choices_of(1, 5), 1, 0);
    assert_float_equal(choices_of(5, 5), 2.5, 0);
    assert_float_equal(choices_of(3, 5), 3, 0);
}

static void nothing_below_the_noise_floor_is_a_difference(void **state)
{
    struct draws draws = {.state = 3};
    struct difference difference;
    char words[160];

    (void)state;
    compare_made_up(&draws, 105, RUNS, 0.2, &difference);
    assert_int_equal(difference.verdict, VERDICT_BELOW_FLOOR);
    difference_words(&difference, figure_find("throughput"), words, sizeof words);
    assert_non_null(strstr(words, "no difference shown"));
    assert_float_equal(ratio_distance(0.8), 0.25, 1e-12);
    assert_float_equal(ratio_distance(1.25), 0.25, 1e-12);
}

static void three_runs_show_nothing_and_the_words_say_why(void **state)
{
    struct draws draws = {.state = 4};
    struct difference difference;
    char words[160];

    (void)state;
    compare_made_up(&draws, 200, 3, NAN, &difference);
    assert_int_equal(difference.verdict, VERDICT_TOO_FEW);
    assert_true(difference.is_range);
    difference_words(&difference, figure_find("throughput"), words, sizeof words);
    assert_non_null(strstr(words, "too few runs"));
    assert_non_null(strstr(words, "least to most"));
}

static void words_say_how_many_times_and_how_sure(void **state)
{
    double base[] = {100, 101, 99, 100, 102, 98}, other[] = {183, 184, 182, 183, 185, 181};
    double zeros[] = {0, 0, 0, 0, 0, 0};
    struct measured one = measured_of(base, 6), two = measured_of(other, 6);
    struct measured none = measured_of(zeros, 6), absent = {0};
    struct difference difference, *list = &difference;
    char words[160];

    (void)state;
    difference_measure(&one, &two, &difference);
    assert_int_equal(differences_judge(&list, 1, 0.01), 0);
    difference_words(&difference, figure_find("throughput"), words, sizeof words);
    assert_memory_equal(words, "1.83 times as fast (1.", 22);
    difference_words(&difference, figure_find("peak_bytes"), words, sizeof words);
    assert_memory_equal(words, "1.83 times the memory", 21);
    /* Zero has no ratio, and zeros against zeros are no difference. */
    difference_measure(&none, &two, &difference);
    assert_int_equal(differences_judge(&list, 1, 0.01), 0);
    assert_int_equal(difference.verdict, VERDICT_NO_RATIO);
    difference_measure(&none, &none, &difference);
    assert_int_equal(differences_judge(&list, 1, 0.01), 0);
    assert_int_equal(difference.verdict, VERDICT_NONE);
    difference_measure(&one, &absent, &difference);
    assert_int_equal(differences_judge(&list, 1, 0.01), 0);
    assert_int_equal(difference.verdict, VERDICT_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_thing_is_no_difference_in_95_of_100),
        cmocka_unit_test(a_planted_difference_of_5_percent_is_always_found),
        cmocka_unit_test(a_baseline_chosen_for_its_median_keeps_the_rate),
        cmocka_unit_test(nothing_below_the_noise_floor_is_a_difference),
        cmocka_unit_test(three_runs_show_nothing_and_the_words_say_why),
        cmocka_unit_test(words_say_how_many_times_and_how_sure),
    };

    return cmocka_run_group_tests_name("difference", tests, NULL, NULL);
}
