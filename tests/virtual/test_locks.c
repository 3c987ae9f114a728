/* SPDX-License-Identifier: MIT */
/* Locks of virtual CPUs: they exclude, hand over in the order and for the price of what they are.
 */
#include "sim/page.h"
#include "sim/random.h"
#include "sim/virtual/internal.h"
#include "tests/machine_fixture.h"
#include "tests/virtual/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MOST_CPUS 64

/* What waits for whom: lock_acquire of one of the kinds, or a bit. */
enum { BIT = LOCK_PTHREAD + 1, KINDS };

/* What workers find wrong: a failing assertion must not jump out of a coroutine. */
static unsigned wrong;

#define EXPECT(condition) ((void)((condition) || (print_message("%s\n", #condition), wrong++)))

static struct arena_locks {
    struct lock lock;
    _Alignas(CACHE_LINE) _Atomic uint32_t word;
} * in_arena; /* where accesses cost something */

static unsigned kind;

static void start(unsigned cpus, unsigned wanted, uint64_t slack)
{
    struct virtual_config config = *virtual_fixture_toy();

    config.slack_cycles = slack;
    wrong = 0;
    kind = wanted;
    virtual_fixture_set(&config);
    fixture_start(cpus, 0);
    in_arena = boot_alloc(4096, PAGE_ANY_NODE);
    lock_set_default_kind(kind < BIT ? (enum lock_kind)kind : LOCK_TAS);
    lock_init(&in_arena->lock, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
    in_arena->word = 0x81;
}

static void stop(void)
{
    assert_int_equal(in_arena->word & BIT_LOCK_FLAGS, 0x81);
    lock_cleanup(&in_arena->lock);
    lock_set_default_kind(LOCK_TAS);
    boot_free(in_arena, 4096);
    fixture_stop();
    assert_int_equal(wrong, 0);
}

static void acquire(void)
{
    if (kind == BIT)
        bit_lock(&in_arena->word, 5, LOCK_CLASS_PAGE);
    else
        lock_acquire(&in_arena->lock);
}

static bool try(void)
{
    return kind == BIT ? bit_try(&in_arena->word, 5, LOCK_CLASS_PAGE) : lock_try(&in_arena->lock);
}

static void release(void)
{
    if (kind == BIT)
        bit_unlock(&in_arena->word, 5, LOCK_CLASS_PAGE);
    else
        lock_release(&in_arena->lock);
}

static void until(uint64_t clock)
{
    if (now_cycles() < clock)
        virtual_spend(clock - now_cycles());
    virtual_synchronise();
}

/* ---- they exclude ---- */

static unsigned inside, entered;

static void enter_often(unsigned cpu, void *rounds)
{
    uint64_t seed = cpu;

    for (unsigned i = 0; i < *(unsigned *)rounds; i++) {
        uint64_t draw = random_next(&seed);

        if (draw % 4 == 0) {
            while (!try())
                fixture_pause();
        } else {
            acquire();
        }
        EXPECT(++inside == 1);
        for (unsigned k = 0; k < (draw >> 32) % 8; k++)
            virtual_access((uintptr_t)in_arena + 1024, 8, COST_STORE, NULL);
        until(now_cycles() + (draw >> 40) % 500);
        EXPECT(inside-- == 1);
        entered++;
        release();
        until(now_cycles() + (draw >> 50) % 1000);
        if (draw >> 60 == 0)
            fixture_safe_point();
    }
}

static void every_kind_excludes_and_lets_all_in(void **state)
{
    static const unsigned cpus[] = {2, 3, 17, 64};

    (void)state;
    for (unsigned wanted = 0; wanted < KINDS; wanted++) {
        for (unsigned i = 0; i < 4; i++) {
            for (uint64_t slack = 0; slack <= 300; slack += 100) {
                unsigned rounds = 2000 / cpus[i];

                start(cpus[i], wanted, slack);
                inside = entered = 0;
                fixture_run(enter_often, &rounds);
                assert_int_equal(entered, rounds * cpus[i]);
                assert_int_equal(inside, 0);
                stop();
            }
        }
    }
}

/* ---- exact: CPU 0 has it from the beginning and lets go at 10000, the others come later ---- */

#define HELD_UNTIL 10000
#define KEPT_FOR   1000

static uint64_t comes_at[MOST_CPUS], got_at[MOST_CPUS], left_at[MOST_CPUS];
static struct account *accounts[MOST_CPUS];

static void come(unsigned cpu, void *unused)
{
    (void)unused;
    account_self = accounts[cpu];
    until(comes_at[cpu]);
    acquire();
    got_at[cpu] = now_cycles();
    until(cpu == 0 ? HELD_UNTIL : now_cycles() + KEPT_FOR);
    release();
    left_at[cpu] = now_cycles();
    account_self = NULL;
}

static void all_come(unsigned cpus, unsigned wanted, uint64_t slack)
{
    start(cpus, wanted, slack);
    for (unsigned i = 0; i < cpus; i++)
        accounts[i] = account_create(i, 0, 1);
    fixture_run(come, NULL);
}

static const struct lock_account *account_of(unsigned cpu)
{
    return &accounts[cpu]->locks[kind == BIT ? LOCK_CLASS_PAGE : LOCK_CLASS_DEPOT];
}

static void all_gone(unsigned cpus)
{
    for (unsigned i = 0; i < cpus; i++)
        account_destroy(accounts[i]);
    stop();
}

/* CPU 1 comes at 2000. */
static void two_come(unsigned wanted, uint64_t first, uint64_t second)
{
    comes_at[0] = 0;
    comes_at[1] = 2000;
    all_come(2, wanted, 0);
    assert_int_equal(got_at[0], first);
    assert_int_equal(got_at[1], second);
    assert_int_equal(account_of(0)->contended, 0);
    assert_int_equal(account_of(1)->acquisitions, 1);
    assert_int_equal(account_of(1)->contended, 1);
    assert_int_equal(account_of(1)->handoffs[HANDOFF_SAME_NODE], 1);
    assert_int_equal(account_of(1)->handoffs[HANDOFF_SAME_CPU], 0);
}

/* Its looks, from the first that failed, at 160, 320, 640 ... cycles after the one before. */
static void test_and_set_looks_ever_more_rarely(void **state)
{
    uint64_t now = 2000 + TRANSFER, pause = 160;

    (void)state;
    while (now + pause < HELD_UNTIL) {
        now += pause + HIT;
        pause *= 2;
    }
    now += pause + 2 * TRANSFER; /* a load, and an atomic that takes the holder's copy away */
    two_come(LOCK_TAS, MEMORY + HIT, now);
    assert_int_equal(account_of(1)->times->wait.max, now - 2000 - TRANSFER);
    assert_int_equal(left_at[0], HELD_UNTIL + TRANSFER);
    all_gone(2);
}

/* The release loads its counter and writes it; then the waiter loads it. */
static void a_ticket_lock_is_handed_over_by_the_line_it_spins_on(void **state)
{
    (void)state;
    two_come(LOCK_TICKET, MEMORY + HIT, HELD_UNTIL + 3 * TRANSFER);
    assert_int_equal(account_of(1)->times->wait.max,
                     HELD_UNTIL + 3 * TRANSFER - 2000 - 2 * TRANSFER);
    assert_int_equal(left_at[0], HELD_UNTIL + 2 * TRANSFER);
    all_gone(2);
}

/* The release loads its own node, which the waiter has written to, and writes the waiter's, where
 * nobody was yet; the waiter loads it. */
static void an_mcs_lock_is_handed_over_by_a_line_of_the_waiters_own(void **state)
{
    (void)state;
    two_come(LOCK_MCS, MEMORY + HIT, HELD_UNTIL + TRANSFER + MEMORY + TRANSFER);
    assert_int_equal(account_of(1)->times->wait.max,
                     HELD_UNTIL + TRANSFER + MEMORY + TRANSFER - 2000 - TRANSFER);
    all_gone(2);
}

static void a_mutex_is_slept_for(void **state)
{
    (void)state;
    two_come(LOCK_PTHREAD, MEMORY, HELD_UNTIL + TRANSFER + SLEEP + TRANSFER);
    assert_int_equal(left_at[0], HELD_UNTIL + TRANSFER + SLEEP / 2);
    all_gone(2);
}

/* A look at every pause of 40 cycles since the first. */
static void a_bit_is_looked_at_at_every_pause(void **state)
{
    uint64_t look = 2000 + TRANSFER;

    (void)state;
    while (look <= HELD_UNTIL + TRANSFER)
        look += 40;
    two_come(BIT, MEMORY + HIT, look + 2 * TRANSFER);
    all_gone(2);
}

/* CPUs 1 and 2 wait, in this order. */
static void three_come(unsigned wanted)
{
    comes_at[0] = 0;
    comes_at[1] = 2000;
    comes_at[2] = 4000;
    all_come(3, wanted, 0);
}

/* All who wait load the line that the release wrote, in any order. */
static void of_a_ticket_lock_the_next_may_get_the_line_last(void **state)
{
    (void)state;
    three_come(LOCK_TICKET);
    assert_true(got_at[1] == HELD_UNTIL + 3 * TRANSFER || got_at[1] == HELD_UNTIL + 4 * TRANSFER);
    assert_int_equal(got_at[2], got_at[1] + KEPT_FOR + HIT + 2 * TRANSFER);
    all_gone(3);
}

static void of_an_mcs_lock_only_the_next_gets_a_line(void **state)
{
    (void)state;
    three_come(LOCK_MCS);
    assert_int_equal(got_at[1], HELD_UNTIL + 3 * TRANSFER); /* CPU 2 wrote to CPU 1's node */
    /* CPU 1 has its own node; the one of CPU 2 nobody. */
    assert_int_equal(got_at[2], got_at[1] + KEPT_FOR + HIT + MEMORY + TRANSFER);
    all_gone(3);
}

/* ---- order ---- */

static void who_comes_first_is_served_first(void **state)
{
    static const unsigned fair[] = {LOCK_TICKET, LOCK_MCS};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned cpu = 1; cpu < MOST_CPUS; cpu++)
            comes_at[cpu] = 1000 + (cpu * 37 % MOST_CPUS) * 2000 / MOST_CPUS * 100;
        comes_at[0] = 0;
        all_come(MOST_CPUS, fair[i], 0);
        for (unsigned a = 1; a < MOST_CPUS; a++) {
            for (unsigned b = 1; b < MOST_CPUS; b++) {
                if (comes_at[a] + 1000 < comes_at[b])
                    EXPECT(got_at[a] < got_at[b]);
            }
        }
        all_gone(MOST_CPUS);
    }
}

/* A release at any moment of another's coming: nobody sleeps on, and it is never had by both. */
static void nobody_sleeps_through_a_release(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < KINDS; wanted++) {
        for (uint64_t slack = 0; slack <= 150; slack += 50) {
            for (uint64_t at = HELD_UNTIL - 1000; at < HELD_UNTIL + 500; at += 13) {
                comes_at[0] = 0;
                comes_at[1] = at;
                all_come(2, wanted, slack);
                EXPECT(got_at[1] >= HELD_UNTIL);
                EXPECT(got_at[1] < HELD_UNTIL + SLEEP + 1000);
                all_gone(2);
            }
        }
    }
}

/* ---- a try ---- */

static void hold_or_try(unsigned cpu, void *unused)
{
    (void)unused;
    account_self = accounts[cpu];
    if (cpu == 0) {
        EXPECT(try());
        until(5000);
        release();
        until(5000 + 1000);
        EXPECT(try());
        release();
    } else {
        until(1000);
        EXPECT(!try());
        until(2000);
        EXPECT(!try());
        EXPECT(now_cycles() <= 2000 + 2 * TRANSFER);
        EXPECT(!lock_any_held());
    }
    account_self = NULL;
}

static void a_try_never_waits_and_counts_its_failures(void **state)
{
    (void)state;
    for (unsigned wanted = 0; wanted < KINDS; wanted++) {
        start(2, wanted, 0);
        for (unsigned i = 0; i < 2; i++)
            accounts[i] = account_create(i, 0, 1);
        fixture_run(hold_or_try, NULL);
        assert_int_equal(account_of(0)->acquisitions, 2);
        assert_int_equal(account_of(0)->handoffs[HANDOFF_SAME_CPU], 1);
        assert_int_equal(account_of(0)->trylock_failures, 0);
        assert_int_equal(account_of(1)->acquisitions, 0);
        assert_int_equal(account_of(1)->trylock_failures, 2);
        all_gone(2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_and_set_looks_ever_more_rarely),
        cmocka_unit_test(a_ticket_lock_is_handed_over_by_the_line_it_spins_on),
        cmocka_unit_test(an_mcs_lock_is_handed_over_by_a_line_of_the_waiters_own),
        cmocka_unit_test(a_mutex_is_slept_for),
        cmocka_unit_test(a_bit_is_looked_at_at_every_pause),
        cmocka_unit_test(of_a_ticket_lock_the_next_may_get_the_line_last),
        cmocka_unit_test(of_an_mcs_lock_only_the_next_gets_a_line),
        cmocka_unit_test(who_comes_first_is_served_first),
        cmocka_unit_test(nobody_sleeps_through_a_release),
        cmocka_unit_test(a_try_never_waits_and_counts_its_failures),
        cmocka_unit_test(every_kind_excludes_and_lets_all_in),
    };

    return cmocka_run_group_tests_name("locks", tests, NULL, NULL);
}
