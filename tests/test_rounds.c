/* SPDX-License-Identifier: MIT */
/* Records of several ring buffers, put in order round by round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "traces/import/rounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CPUS = 7, EACH = 40 };

static uint64_t last_ns, last_place, came;
static int answer;

/* In order of time, and of one time in the order they were added in; with the bytes they had. */
static int look(void *context, const struct rounds_record *record)
{
    (void)context;
    assert_true(record->time_ns >= last_ns);
    if (came && record->time_ns == last_ns)
        assert_true(record->place > last_place);
    assert_memory_equal(record->bytes, &record->place, sizeof record->place);
    last_ns = record->time_ns;
    last_place = record->place;
    came++;
    return answer;
}

static int start(void **state)
{
    struct rounds *rounds = malloc(sizeof *rounds);

    last_ns = last_place = came = 0;
    answer = 0;
    rounds_init(rounds, look, NULL);
    *state = rounds;
    return 0;
}

static int stop(void **state)
{
    rounds_cleanup(*state);
    free(*state);
    return 0;
}

static void add(struct rounds *rounds, uint64_t time_ns, uint64_t place, uint32_t size)
{
    char bytes[1 << 16] = "";

    memcpy(bytes, &place, sizeof place);
    assert_int_equal(
        rounds_add(rounds,
                   &(struct rounds_record){
                       .time_ns = time_ns, .place = place, .bytes = bytes, .size = size},
                   false),
        0);
}

/* Each buffer is emptied after the other, so that a round's last records are younger than the next
 * round's first; many are of one time. */
static void records_of_many_buffers_come_out_in_order(void **state)
{
    struct rounds *rounds = *state;
    uint64_t place = 0, most = 0;

    for (uint64_t round = 0; round < 300; round++) {
        for (uint64_t cpu = 0; cpu < CPUS; cpu++) {
            for (uint64_t i = 0; i < EACH; i++)
                add(rounds, (round * EACH + i + cpu * EACH / CPUS) / 3, place++, 8);
        }
        assert_int_equal(rounds_turn(rounds), 0);
        if (rounds->count > most)
            most = rounds->count;
    }
    assert_true(most <= 2 * CPUS * EACH);
    assert_int_equal(rounds_end(rounds), 0);
    assert_int_equal(came, place);
    assert_int_equal(rounds->count, 0);
}

static void memory_does_not_grow_with_the_rounds(void **state)
{
    struct rounds *rounds = *state;
    size_t chunks = 0;

    for (uint64_t round = 0; round < 100; round++) {
        for (uint64_t i = 0; i < 50; i++)
            add(rounds, round * 50 + i, round * 50 + i, 60000);
        assert_int_equal(rounds_turn(rounds), 0);
        if (round == 3)
            chunks = rounds->stores[0].nr_chunks + rounds->stores[1].nr_chunks;
    }
    assert_int_equal(rounds->stores[0].nr_chunks + rounds->stores[1].nr_chunks, chunks);
    assert_int_equal(rounds_end(rounds), 0);
    assert_int_equal(came, 5000);
}

static void what_never_ends_a_round_is_not_held_for_ever(void **state)
{
    struct rounds *rounds = *state;
    static const uint64_t place;

    for (uint64_t i = 0; i < 5000000; i++)
        assert_int_equal(rounds_add(rounds,
                                    &(struct rounds_record){.time_ns = i + 1,
                                                            .bytes = (const char *)&place,
                                                            .size = sizeof place},
                                    true),
                         0);
    assert_true(came > 0);
    assert_true(rounds->count < 4000000);
    assert_int_equal(rounds_end(rounds), 0);
    assert_int_equal(came, 5000000);
}

static void what_the_taker_says_ends_it(void **state)
{
    struct rounds *rounds = *state;

    add(rounds, 1, 1, 8);
    add(rounds, 2, 2, 8);
    answer = -ENOSPC;
    assert_int_equal(rounds_end(rounds), -ENOSPC);
    assert_int_equal(came, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_of_many_buffers_come_out_in_order),
        TEST(memory_does_not_grow_with_the_rounds),
        TEST(what_never_ends_a_round_is_not_held_for_ever),
        TEST(what_the_taker_says_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
