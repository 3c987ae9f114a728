/* SPDX-License-Identifier: MIT */
/* Whose turn it is, against looking at all of them. */
#include "sim/virtual/turns.h"

#include "sim/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MOST 1024

static uint64_t all[MOST];

static uint64_t first_but(unsigned cpus, unsigned but)
{
    uint64_t first = TURN_NEVER;

    for (unsigned i = 0; i < cpus; i++) {
        if (i != but && all[i] < first)
            first = all[i];
    }
    return first;
}

static void set(struct turns *turns, unsigned cpu, uint64_t turn)
{
    all[cpu] = turn;
    turns_set(turns, cpu, turn);
}

static void nobody_comes_first_until_somebody_is_set(void **state)
{
    struct turns turns;

    (void)state;
    assert_int_equal(turns_init(&turns, 3), 0);
    assert_int_equal(turns_first(&turns), TURN_NEVER);
    assert_int_equal(turns_first_but(&turns, 1), TURN_NEVER);
    turns_set(&turns, 1, turn_of(7, 1));
    assert_int_equal(turn_cpu(turns_first(&turns)), 1);
    assert_int_equal(turns_first_but(&turns, 1), TURN_NEVER);
    turns_cleanup(&turns);
}

static void of_equal_clocks_the_lowest_number_comes_first(void **state)
{
    struct turns turns;

    (void)state;
    assert_int_equal(turns_init(&turns, MOST), 0);
    for (unsigned i = MOST; i-- > 0;) {
        turns_set(&turns, i, turn_of(UINT64_C(1) << 53, i));
        assert_int_equal(turn_cpu(turns_first(&turns)), i);
        assert_int_equal(turn_clock(turns_first(&turns)), UINT64_C(1) << 53);
    }
    for (unsigned i = 0; i + 1 < MOST; i++) {
        turns_set(&turns, i, TURN_NEVER);
        assert_int_equal(turn_cpu(turns_first(&turns)), i + 1);
    }
    turns_cleanup(&turns);
}

/* Few different clocks, so that many are alike; one in eight is nobody's turn. */
static void the_first_is_the_least_of_all(void **state)
{
    static const unsigned sizes[] = {1, 2, 3, 5, 8, 63, 64, 65, 1000, 1024};
    uint64_t seed = 1;

    (void)state;
    for (unsigned s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        unsigned cpus = sizes[s];
        struct turns turns;

        assert_int_equal(turns_init(&turns, cpus), 0);
        for (unsigned i = 0; i < cpus; i++)
            all[i] = TURN_NEVER;
        for (unsigned step = 0; step < 3000; step++) {
            unsigned cpu = (unsigned)(random_next(&seed) % cpus);
            unsigned other = (unsigned)(random_next(&seed) % cpus);
            uint64_t draw = random_next(&seed);

            set(&turns, cpu, draw % 8 ? turn_of(draw >> 32 & 15, cpu) : TURN_NEVER);
            assert_int_equal(turns_first(&turns), first_but(cpus, cpus));
            assert_int_equal(turns_first_but(&turns, other), first_but(cpus, other));
        }
        turns_cleanup(&turns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_comes_first_until_somebody_is_set),
        cmocka_unit_test(of_equal_clocks_the_lowest_number_comes_first),
        cmocka_unit_test(the_first_is_the_least_of_all),
    };

    return cmocka_run_group_tests_name("turns", tests, NULL, NULL);
}
