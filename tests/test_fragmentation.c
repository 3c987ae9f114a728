/* SPDX-License-Identifier: MIT */
/* The measures of fragmentation against figures that were worked out by hand. */
#include "sim/fragmentation.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define assert_share(value, expected) assert_float_equal(value, expected, 1e-12)

/* ---- held against live ---- */

/* Most is live at the third moment, most held at the fourth; between moments it was 1000. */
static void measures_are_those_worked_out_by_hand(void **state)
{
    static const struct fragmentation_moment moments[] = {
        {100, 0}, {200, 100}, {600, 400}, {900, 300}, {800, 200},
    };
    struct fragmentation measures;

    (void)state;
    assert_true(fragmentation_measure(moments, COUNT(moments), 1000, &measures));
    assert_share(measures.jw1, (1.0 + 0.5 + 2.0 + 3.0) / 4); /* nothing lives at the first */
    assert_share(measures.jw2, 0.5);
    assert_share(measures.jw3, 2.0);
    assert_share(measures.jw4, 1.5);
    assert_share(measures.hoard, 2.5);
}

static void the_first_of_equal_moments_counts(void **state)
{
    static const struct fragmentation_moment moments[] = {{800, 400}, {600, 400}, {800, 200}};
    struct fragmentation measures;

    (void)state;
    assert_true(fragmentation_measure(moments, COUNT(moments), 800, &measures));
    assert_share(measures.jw2, 1.0);
    assert_share(measures.jw3, 1.0);
    assert_share(measures.jw4, 1.0);
    assert_share(measures.hoard, 2.0);
}

static void without_waste_nothing_is_in_excess(void **state)
{
    static const struct fragmentation_moment moments[] = {{4096, 4096}, {8192, 8192}};
    struct fragmentation measures;

    (void)state;
    assert_true(fragmentation_measure(moments, COUNT(moments), 8192, &measures));
    assert_share(measures.jw1, 0);
    assert_share(measures.jw2, 0);
    assert_share(measures.jw3, 0);
    assert_share(measures.jw4, 0);
    assert_share(measures.hoard, 1);
}

/* A design that is not asked where its memory is may seem to hold less than lives. */
static void less_held_than_live_is_negative(void **state)
{
    static const struct fragmentation_moment moments[] = {{50, 100}};
    struct fragmentation measures;

    (void)state;
    assert_true(fragmentation_measure(moments, COUNT(moments), 50, &measures));
    assert_share(measures.jw1, -0.5);
    assert_share(measures.jw4, -0.5);
    assert_share(measures.hoard, 0.5);
}

static void where_nothing_ever_lives_there_is_no_measure(void **state)
{
    static const struct fragmentation_moment moments[] = {{100, 0}, {200, 0}};
    struct fragmentation measures;

    (void)state;
    assert_false(fragmentation_measure(moments, COUNT(moments), 200, &measures));
    assert_false(fragmentation_measure(moments, 0, 200, &measures));
}

static void where_nothing_lives_when_most_is_held_there_is_no_measure(void **state)
{
    static const struct fragmentation_moment moments[] = {{100, 100}, {200, 0}};
    struct fragmentation measures;

    (void)state;
    assert_false(fragmentation_measure(moments, COUNT(moments), 200, &measures));
    /* Of moments at which equally much is held the first counts, and there something lives. */
    assert_true(fragmentation_measure((const struct fragmentation_moment[]){{200, 100}, {200, 0}},
                                      2, 200, &measures));
    assert_share(measures.jw3, 1.0);
}

/* ---- free blocks ---- */

/* 3 blocks of one page, 2 of two, 1 of eight: 15 free pages. */
static void what_lies_in_smaller_blocks_is_unusable(void **state)
{
    static const size_t blocks[] = {3, 2, 0, 1};

    (void)state;
    assert_share(fragmentation_unusable(blocks, COUNT(blocks), 0), 0);
    assert_share(fragmentation_unusable(blocks, COUNT(blocks), 1), 3.0 / 15);
    assert_share(fragmentation_unusable(blocks, COUNT(blocks), 2), 7.0 / 15);
    assert_share(fragmentation_unusable(blocks, COUNT(blocks), 3), 7.0 / 15);
}

static void no_block_serves_an_order_beyond_the_largest(void **state)
{
    static const size_t blocks[] = {0, 5, 1};

    (void)state;
    assert_share(fragmentation_unusable(blocks, COUNT(blocks), 3), 1);
}

static void where_nothing_is_free_nothing_is_unusable(void **state)
{
    static const size_t blocks[] = {0, 0, 0};

    (void)state;
    for (unsigned order = 0; order <= COUNT(blocks); order++)
        assert_share(fragmentation_unusable(blocks, COUNT(blocks), order), 0);
    assert_share(fragmentation_unusable(blocks, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_are_those_worked_out_by_hand),
        cmocka_unit_test(the_first_of_equal_moments_counts),
        cmocka_unit_test(without_waste_nothing_is_in_excess),
        cmocka_unit_test(less_held_than_live_is_negative),
        cmocka_unit_test(where_nothing_ever_lives_there_is_no_measure),
        cmocka_unit_test(where_nothing_lives_when_most_is_held_there_is_no_measure),
        cmocka_unit_test(what_lies_in_smaller_blocks_is_unusable),
        cmocka_unit_test(no_block_serves_an_order_beyond_the_largest),
        cmocka_unit_test(where_nothing_is_free_nothing_is_unusable),
    };

    return cmocka_run_group_tests_name("fragmentation", tests, NULL, NULL);
}
