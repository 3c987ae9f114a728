/* SPDX-License-Identifier: MIT */
/* The depot by itself: exchanges, growth under contention, working set, stripes. */
#include "allocators/depot.h"
#include "tests/machine_fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SECOND   UINT64_C(1000000000)
#define CAPACITY 62

static const struct depot_options usual = {
    .resize = true,
    .magsize = 8,
    .magsize_max = CAPACITY,
    .resize_timeout_ns = SECOND,
    .resize_threshold = 1,
    .interval_ns = 15 * SECOND,
};

static struct depot depot;

static struct magazine *magazine_of(size_t rounds)
{
    struct magazine *magazine = malloc(magazine_bytes(CAPACITY));

    magazine->rounds = rounds;
    return magazine;
}

static struct magazine_cpu cpu_with(size_t loaded, size_t previous)
{
    return (struct magazine_cpu){
        .loaded = magazine_of(loaded), .previous = magazine_of(previous), .magsize = 8};
}

static void depot_open(unsigned nr_cpus, const struct depot_options *options)
{
    fixture_start(nr_cpus, 0);
    fixture_set_time(0);
    assert_int_equal(depot_init(&depot, options, LOCK_RANK_DEPOT, NULL), 0);
}

static void depot_close(struct magazine_cpu *cpu)
{
    struct magazine *chain = depot_take_all(&depot);

    while (chain) {
        struct magazine *next = chain->next;

        free(chain);
        chain = next;
    }
    depot_cleanup(&depot);
    free(cpu->loaded);
    free(cpu->previous);
    assert_int_equal(fixture_held_bytes(), 0);
    fixture_stop();
}

/* Not-empty magazines reach the depot as a freeing CPU's previous. */
static void put_not_empty(size_t rounds)
{
    struct magazine_cpu cpu = {.loaded = NULL, .previous = magazine_of(rounds)};

    depot_put_empty(&depot, &cpu, magazine_of(0));
    assert_true(depot_get_empty(&depot, &cpu));
    free(cpu.loaded);
}

static struct depot_stripe *stripe(unsigned i)
{
    return &depot.stripes[i];
}

/* ---- exchanges ---- */

static void previous_goes_where_its_fill_says(void **state)
{
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(1, &usual);
    put_not_empty(8);
    assert_true(depot_get_rounds(&depot, &cpu));
    assert_int_equal(cpu.loaded->rounds, 8);
    assert_int_equal(stripe(0)->empty.length, 1);
    assert_int_equal(stripe(0)->not_empty.length, 0);
    cpu.previous->rounds = 3; /* not full, not empty */
    assert_true(depot_get_empty(&depot, &cpu));
    assert_int_equal(stripe(0)->empty.length, 0);
    assert_int_equal(stripe(0)->not_empty.length, 1);
    depot_close(&cpu);
}

static void an_empty_depot_changes_nothing(void **state)
{
    struct magazine_cpu cpu = cpu_with(1, 2);
    struct magazine *loaded = cpu.loaded, *previous = cpu.previous;

    (void)state;
    depot_open(1, &usual);
    assert_false(depot_get_rounds(&depot, &cpu));
    assert_false(depot_get_empty(&depot, &cpu));
    assert_ptr_equal(cpu.loaded, loaded);
    assert_ptr_equal(cpu.previous, previous);
    assert_int_equal(stripe(0)->acquisitions, 2);
    depot_close(&cpu);
}

static void magazines_come_back_last_in_first_out(void **state)
{
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(1, &usual);
    for (size_t rounds = 1; rounds <= 3; rounds++)
        put_not_empty(rounds);
    for (size_t rounds = 3; rounds >= 1; rounds--) {
        assert_true(depot_get_rounds(&depot, &cpu));
        assert_int_equal(cpu.loaded->rounds, rounds);
        cpu.loaded->rounds = 0;
    }
    depot_close(&cpu);
}

static void magazines_smaller_and_larger_than_the_size_are_both_handed_out(void **state)
{
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(1, &usual);
    stripe(0)->magsize = 20;
    put_not_empty(8);
    put_not_empty(CAPACITY);
    assert_true(depot_get_rounds(&depot, &cpu));
    assert_int_equal(cpu.loaded->rounds, CAPACITY);
    assert_true(depot_get_rounds(&depot, &cpu));
    assert_int_equal(cpu.loaded->rounds, 8);
    depot_close(&cpu);
}

/* ---- growth under contention ---- */

static void *exchange_as_cpu_1(void *argument)
{
    fixture_become(1);
    depot_get_rounds(&depot, argument);
    return NULL;
}

static void *exchange_empties_as_cpu_1(void *argument)
{
    fixture_become(1);
    depot_get_empty(&depot, argument);
    return NULL;
}

static void *put_as_cpu_1(void *argument)
{
    struct magazine_cpu cpu = {.loaded = NULL};

    (void)argument;
    fixture_become(1);
    depot_put_empty(&depot, &cpu, magazine_of(0));
    return NULL;
}

/*
 * CPU 0 holds the lock, CPU 1 comes and has to wait, at time `clock`. One that was late, and so did
 * not have to, is sent again.
 */
static void contend(void *(*visit)(void *argument), void *argument, uint64_t clock)
{
    uint64_t before = stripe(0)->contended;

    fixture_set_time(clock);
    while (stripe(0)->contended == before) {
        pthread_t visitor;

        lock_acquire(&stripe(0)->lock);
        assert_int_equal(pthread_create(&visitor, NULL, visit, argument), 0);
        usleep(20000);
        lock_release(&stripe(0)->lock);
        pthread_join(visitor, NULL);
    }
}

static void more_than_the_threshold_in_a_window_make_magazines_one_round_larger(void **state)
{
    struct magazine_cpu cpu = cpu_with(1, 1);

    (void)state;
    depot_open(2, &usual);
    put_not_empty(8);
    contend(exchange_as_cpu_1, &cpu, 0);
    assert_int_equal(stripe(0)->magsize, 8);
    contend(exchange_as_cpu_1, &cpu, SECOND);
    assert_int_equal(stripe(0)->magsize, 9);
    contend(exchange_as_cpu_1, &cpu, SECOND);
    assert_int_equal(stripe(0)->magsize, 9); /* counting begins again */
    contend(exchange_as_cpu_1, &cpu, SECOND);
    assert_int_equal(stripe(0)->magsize, 10);
    depot_close(&cpu);
}

static void contention_a_window_apart_does_not_add_up(void **state)
{
    struct magazine_cpu cpu = cpu_with(1, 1);

    (void)state;
    depot_open(2, &usual);
    put_not_empty(8);
    contend(exchange_as_cpu_1, &cpu, 0);
    contend(exchange_as_cpu_1, &cpu, SECOND + 1);
    assert_int_equal(stripe(0)->busy_start, SECOND + 1);
    assert_int_equal(stripe(0)->magsize, 8);
    contend(exchange_as_cpu_1, &cpu, 2 * SECOND);
    assert_int_equal(stripe(0)->magsize, 9);
    depot_close(&cpu);
}

/* Clocks of CPUs are apart: one that is behind the window's start does not restart it. */
static void a_clock_that_is_behind_is_inside_the_window(void **state)
{
    struct magazine_cpu cpu = cpu_with(1, 1);

    (void)state;
    depot_open(2, &usual);
    put_not_empty(8);
    contend(exchange_as_cpu_1, &cpu, 5 * SECOND);
    contend(exchange_as_cpu_1, &cpu, 3 * SECOND);
    assert_int_equal(stripe(0)->busy_start, 5 * SECOND);
    assert_int_equal(stripe(0)->magsize, 9);
    depot_close(&cpu);
}

static void contention_over_supply_does_not_count(void **state)
{
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(2, &usual);
    depot_put_empty(&depot, &cpu, magazine_of(0));
    for (int i = 0; i < 3; i++)
        contend(exchange_empties_as_cpu_1, &cpu, 0);
    assert_int_equal(stripe(0)->contended, 3);
    assert_int_equal(stripe(0)->busy_count, 0);
    assert_int_equal(stripe(0)->magsize, 8);
    depot_close(&cpu);
}

static void putting_in_a_new_magazine_counts_like_any_other_visit(void **state)
{
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(2, &usual);
    put_not_empty(8);
    contend(put_as_cpu_1, NULL, 0);
    assert_int_equal(stripe(0)->busy_count, 1);
    depot_close(&cpu);
}

static void magazines_grow_up_to_the_maximum(void **state)
{
    struct depot_options options = usual;
    struct magazine_cpu cpu = cpu_with(1, 1);

    (void)state;
    options.magsize_max = 9;
    options.resize_threshold = 0;
    depot_open(2, &options);
    put_not_empty(8);
    for (int i = 0; i < 3; i++)
        contend(exchange_as_cpu_1, &cpu, 0);
    assert_int_equal(stripe(0)->magsize, 9);
    depot_close(&cpu);
}

static void without_resize_nothing_grows(void **state)
{
    struct depot_options options = usual;
    struct magazine_cpu cpu = cpu_with(1, 1);

    (void)state;
    options.resize = false;
    depot_open(2, &options);
    put_not_empty(8);
    for (int i = 0; i < 3; i++)
        contend(exchange_as_cpu_1, &cpu, 0);
    assert_int_equal(stripe(0)->magsize, 8);
    depot_close(&cpu);
}

static void a_cpu_learns_of_a_resize_where_it_asks_for_an_empty_magazine(void **state)
{
    struct magazine_cpu cpu = cpu_with(1, 1);

    (void)state;
    depot_open(1, &usual);
    stripe(0)->magsize = 12;
    put_not_empty(8);
    assert_true(depot_get_rounds(&depot, &cpu));
    depot_put_empty(&depot, &cpu, magazine_of(0));
    assert_int_equal(cpu.magsize, 8);
    assert_true(depot_get_empty(&depot, &cpu));
    assert_int_equal(cpu.magsize, 12);
    stripe(0)->magsize = 13;
    assert_false(depot_get_empty(&depot, &cpu)); /* there is none, but the news are */
    assert_int_equal(cpu.magsize, 13);
    depot_close(&cpu);
}

/* ---- working set ---- */

static unsigned surplus_length(struct magazine_cpu *cpu)
{
    unsigned length = 0;

    while (cpu->surplus) {
        struct magazine *next = cpu->surplus->next;

        free(cpu->surplus);
        cpu->surplus = next;
        length++;
    }
    return length;
}

static void a_list_that_moves_between_37_and_47_has_37_reclaimable(void **state)
{
    struct depot_options options = usual;
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    options.working_set = true;
    depot_open(1, &options);
    for (int i = 0; i < 47; i++)
        put_not_empty(8);
    /* The interval in which the list began empty has no surplus. */
    fixture_set_time(16 * SECOND);
    depot_put_empty(&depot, &cpu, magazine_of(0));
    assert_int_equal(surplus_length(&cpu), 0);

    for (int i = 0; i < 10; i++) {
        assert_true(depot_get_rounds(&depot, &cpu));
        cpu.loaded->rounds = 0;
    }
    assert_int_equal(stripe(0)->not_empty.length, 37);
    for (int i = 0; i < 10; i++) {
        cpu.previous->rounds = 8;
        assert_true(depot_get_empty(&depot, &cpu));
    }
    assert_int_equal(stripe(0)->not_empty.length, 47);
    assert_int_equal(stripe(0)->not_empty.minimum, 37);
    assert_int_equal(surplus_length(&cpu), 0);

    fixture_set_time(32 * SECOND);
    cpu.previous->rounds = 0;
    depot_put_empty(&depot, &cpu, magazine_of(0));
    assert_int_equal(stripe(0)->not_empty.length, 10);
    assert_int_equal(surplus_length(&cpu), 37 + 1); /* and an empty one that nobody wanted */
    depot_close(&cpu);
}

/* The bottom of a last-in first-out list is what lay untouched. */
static void the_surplus_is_what_lay_longest(void **state)
{
    struct depot_options options = usual;
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    options.working_set = true;
    depot_open(1, &options);
    for (size_t rounds = 1; rounds <= 5; rounds++)
        put_not_empty(rounds);
    fixture_set_time(16 * SECOND);
    assert_false(depot_get_empty(&depot, &cpu));
    assert_true(depot_get_rounds(&depot, &cpu)); /* the fifth: the minimum is 4 */
    fixture_set_time(32 * SECOND);
    cpu.previous->rounds = 6;
    assert_true(depot_get_empty(&depot, &cpu));
    assert_int_equal(stripe(0)->not_empty.length, 1);
    assert_int_equal(stripe(0)->not_empty.first->rounds, 6);
    assert_int_equal(surplus_length(&cpu), 4);
    depot_close(&cpu);
}

/* ---- stripes ---- */

static struct depot_options stealing(void)
{
    struct depot_options options = usual;

    options.steal = true;
    return options;
}

static void there_is_a_stripe_for_every_4_cpus(void **state)
{
    const struct depot_options options = stealing();
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(9, &options);
    assert_int_equal(depot.nr_stripes, 3);
    fixture_become(7);
    put_not_empty(8);
    assert_int_equal(stripe(1)->not_empty.length, 1);
    depot_close(&cpu);
}

static void what_the_own_stripe_lacks_is_stolen_from_the_others(void **state)
{
    const struct depot_options options = stealing();
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(12, &options);
    put_not_empty(8);
    fixture_become(4);
    assert_true(depot_get_rounds(&depot, &cpu));
    assert_int_equal(stripe(0)->not_empty.length, 0);
    assert_int_equal(stripe(0)->empty.length, 1); /* previous stays where the other was */
    depot_close(&cpu);
}

static void a_stripe_that_is_held_is_passed_by(void **state)
{
    const struct depot_options options = stealing();
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(8, &options);
    put_not_empty(1);
    fixture_become(4);
    put_not_empty(2);
    fixture_become(0);
    lock_acquire(&stripe(0)->lock);
    assert_true(depot_get_rounds(&depot, &cpu));
    assert_int_equal(cpu.loaded->rounds, 2);
    assert_int_equal(stripe(1)->contended, 1);
    lock_release(&stripe(0)->lock);
    depot_close(&cpu);
}

static void who_finds_all_stripes_held_goes_without(void **state)
{
    const struct depot_options options = stealing();
    struct magazine_cpu cpu = cpu_with(0, 0);

    (void)state;
    depot_open(4, &options);
    put_not_empty(1);
    lock_acquire(&stripe(0)->lock);
    assert_false(depot_get_rounds(&depot, &cpu));
    assert_false(depot_get_empty(&depot, &cpu));
    lock_release(&stripe(0)->lock);
    depot_close(&cpu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(previous_goes_where_its_fill_says),
        cmocka_unit_test(an_empty_depot_changes_nothing),
        cmocka_unit_test(magazines_come_back_last_in_first_out),
        cmocka_unit_test(magazines_smaller_and_larger_than_the_size_are_both_handed_out),
        cmocka_unit_test(more_than_the_threshold_in_a_window_make_magazines_one_round_larger),
        cmocka_unit_test(contention_a_window_apart_does_not_add_up),
        cmocka_unit_test(a_clock_that_is_behind_is_inside_the_window),
        cmocka_unit_test(contention_over_supply_does_not_count),
        cmocka_unit_test(putting_in_a_new_magazine_counts_like_any_other_visit),
        cmocka_unit_test(magazines_grow_up_to_the_maximum),
        cmocka_unit_test(without_resize_nothing_grows),
        cmocka_unit_test(a_cpu_learns_of_a_resize_where_it_asks_for_an_empty_magazine),
        cmocka_unit_test(a_list_that_moves_between_37_and_47_has_37_reclaimable),
        cmocka_unit_test(the_surplus_is_what_lay_longest),
        cmocka_unit_test(there_is_a_stripe_for_every_4_cpus),
        cmocka_unit_test(what_the_own_stripe_lacks_is_stolen_from_the_others),
        cmocka_unit_test(a_stripe_that_is_held_is_passed_by),
        cmocka_unit_test(who_finds_all_stripes_held_goes_without),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
