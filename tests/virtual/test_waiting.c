/* SPDX-License-Identifier: MIT */
/* Virtual CPUs that wait: meeting, posts, deferred work, work for whoever is free, grace periods.
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

#define CPUS 4

/*
 * What workers find wrong is counted: a failing assertion jumps out of its stack, which may not be
 * a coroutine's.
 */
static unsigned wrong;

#define EXPECT(condition) ((void)((condition) || (print_message("%s\n", #condition), wrong++)))

static void start_toy(unsigned cpus)
{
    wrong = 0;
    virtual_fixture_set(virtual_fixture_toy());
    fixture_start(cpus, 0);
}

static void stop(void)
{
    fixture_stop();
    assert_int_equal(wrong, 0);
}

static void spend(uint64_t cycles)
{
    virtual_spend(cycles);
    virtual_synchronise();
}

/* ---- meeting ---- */

static void meet(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 1; i <= 10; i++) {
        spend(i % CPUS == cpu ? 1000 : 10);
        machine_barrier();
        EXPECT(now_cycles() == i * 1000);
    }
}

static void all_leave_a_barrier_when_the_last_has_come(void **state)
{
    (void)state;
    start_toy(CPUS);
    fixture_run(meet, NULL);
    stop();
}

static char *words;
static unsigned stood;

static void look_around(void *unused)
{
    uint64_t now = now_cycles();

    (void)unused;
    EXPECT(cpu_id() == 0);
    virtual_access((uintptr_t)words, 64, COST_STORE, NULL);
    EXPECT(now_cycles() == now);
    for (unsigned i = 0; i < nr_cpus(); i++)
        EXPECT(virtual_machine.cpus[i].clock <= now);
    stood++;
}

static void stand(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 1; i <= 5; i++) {
        spend(100 * (cpu + 1));
        machine_stand_still(look_around, NULL);
        EXPECT(now_cycles() == i * 100 * CPUS);
        EXPECT(stood == i);
    }
}

static void time_stands_while_all_stand_still(void **state)
{
    (void)state;
    start_toy(CPUS);
    words = boot_alloc(4096, PAGE_ANY_NODE);
    stood = 0;
    fixture_run(stand, NULL);
    boot_free(words, 4096);
    stop();
}

/* ---- posts ---- */

static unsigned visits[VIRTUAL_MAX_CPUS];
static uint64_t visited_at[VIRTUAL_MAX_CPUS];

static void visit(void *unused)
{
    (void)unused;
    visits[cpu_id()]++;
    visited_at[cpu_id()] = now_cycles();
}

/* CPU 1 is at rest, CPU 2 comes to a safe point every 100 cycles, CPU 3 at 10000 only. */
static void visit_all(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 0) {
        spend(5000);
        on_each_cpu(visit, NULL);
        EXPECT(now_cycles() >= 10000);
    }
    for (unsigned i = 0; cpu == 2 && i < 200; i++) {
        spend(100);
        fixture_safe_point();
    }
    if (cpu == 3) {
        spend(10000);
        fixture_safe_point();
    }
}

static void who_rests_is_interrupted_and_who_works_comes_by_itself(void **state)
{
    (void)state;
    start_toy(CPUS);
    memset(visits, 0, sizeof visits);
    fixture_run(visit_all, NULL);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(visits[i], 1);
    assert_int_equal(visited_at[0], 5000);
    assert_int_equal(visited_at[1], 5000 + INTERRUPT);
    assert_in_range(visited_at[2], 5000, 5100);
    assert_int_equal(visited_at[3], 10000);
    stop();
}

static struct lock lock;

/* CPU 1 waits for the lock while CPU 2 asks all: it answers when it has had the lock. */
static void ask_who_waits_for_a_lock(unsigned cpu, void *holders)
{
    unsigned *inside = holders;

    if (cpu == 2) {
        spend(1000);
        on_each_cpu(visit, NULL);
        return;
    }
    spend(cpu * 100);
    lock_acquire(&lock);
    EXPECT(++*inside == 1);
    spend(cpu == 0 ? 5000 : 10);
    EXPECT(--*inside == 0);
    lock_release(&lock);
    EXPECT(visits[cpu] == 0);
    fixture_safe_point();
}

static void who_waits_for_a_lock_is_not_interrupted(void **state)
{
    (void)state;
    for (enum lock_kind kind = LOCK_TAS; kind <= LOCK_PTHREAD; kind++) {
        unsigned inside = 0;

        start_toy(3);
        memset(visits, 0, sizeof visits);
        lock_set_default_kind(kind);
        lock_init(&lock, LOCK_CLASS_DEPOT, LOCK_RANK_DEPOT, NULL);
        fixture_run(ask_who_waits_for_a_lock, &inside);
        lock_cleanup(&lock);
        for (unsigned i = 0; i < 3; i++)
            assert_int_equal(visits[i], 1);
        stop();
    }
    lock_set_default_kind(LOCK_TAS);
}

static void ask_all(unsigned cpu, void *rounds)
{
    for (unsigned i = 0; cpu != 3 && i < *(unsigned *)rounds; i++) {
        spend(cpu * 10);
        on_each_cpu(visit, NULL);
    }
}

static void workers_serve_each_other_waiting_and_finished_ones_too(void **state)
{
    unsigned rounds = 200;

    (void)state;
    start_toy(CPUS);
    memset(visits, 0, sizeof visits);
    fixture_run(ask_all, &rounds);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(visits[i], 600);
    stop();
}

static void a_thousand_cpus_answer(void **state)
{
    unsigned rounds = 1;

    (void)state;
    start_toy(VIRTUAL_MAX_CPUS);
    memset(visits, 0, sizeof visits);
    fixture_run(ask_all, &rounds);
    for (unsigned i = 0; i < VIRTUAL_MAX_CPUS; i++)
        assert_int_equal(visits[i], VIRTUAL_MAX_CPUS - 1);
    stop();
}

/* A post that comes while a CPU on its way to rest does deferred work, which gives way. */
static struct deferred slow;

static void be_slow(struct deferred *unused)
{
    (void)unused;
    spend(10000);
}

static void ask_who_is_about_to_rest(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 0) {
        defer(&slow, 0, be_slow);
        return;
    }
    spend(5000);
    on_each_cpu(visit, NULL);
}

static void who_is_asked_on_the_way_to_rest_does_not_rest(void **state)
{
    (void)state;
    start_toy(2);
    memset(visits, 0, sizeof visits);
    fixture_run(ask_who_is_about_to_rest, NULL);
    assert_int_equal(visits[0], 1);
    assert_int_equal(visited_at[0], 10000);
    stop();
}

/* ---- deferred work ---- */

static uint64_t rang_at;

static void ring(struct deferred *unused)
{
    (void)unused;
    rang_at = now_cycles();
}

/* It comes to a safe point every 10 cycles, and recorded time is 1 ns at each. */
static void defer_and_work(unsigned cpu, void *unused)
{
    static struct deferred deferred;

    (void)cpu;
    (void)unused;
    defer(&deferred, 200, ring);
    for (unsigned i = 1; i <= 1000; i++) {
        spend(10);
        fixture_set_own_time(i);
        fixture_safe_point();
    }
}

static void deferred_work_goes_by_recorded_time(void **state)
{
    (void)state;
    start_toy(1);
    rang_at = 0;
    fixture_run(defer_and_work, NULL);
    assert_int_equal(rang_at, 2000);
    stop();
}

static void deferred_work_goes_by_the_machines_time(void **state)
{
    (void)state;
    virtual_fixture_set_machine_timers();
    start_toy(1);
    rang_at = 0;
    fixture_run(defer_and_work, NULL);
    assert_int_equal(rang_at, 200); /* ns, at 1 GHz */
    stop();
}

/* CPU 0 has finished; its time is that of CPU 1. */
static void defer_and_finish(unsigned cpu, void *unused)
{
    static struct deferred deferred;

    (void)unused;
    if (cpu == 0) {
        defer(&deferred, 500, ring);
        return;
    }
    for (unsigned i = 1; i <= 1000; i++) {
        spend(1000);
        fixture_set_own_time(i);
    }
}

static void deferred_work_of_who_has_finished_goes_by_the_others_time(void **state)
{
    (void)state;
    start_toy(2);
    rang_at = 0;
    fixture_run(defer_and_finish, NULL);
    assert_in_range(rang_at, 500 * 1000, 550 * 1000); /* it looks every 20000 cycles or so */
    stop();
}

/* ---- work for whoever is free ---- */

static struct work_queue *queue;
static struct work work;
static unsigned worked_on;
static uint64_t worked_at;

static void do_work(struct work *unused)
{
    (void)unused;
    worked_on = cpu_id();
    worked_at = now_cycles();
}

static void submit(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu != 1)
        return;
    spend(3000);
    work_submit(queue, &work, do_work);
    spend(100000);
}

static void a_cpu_at_rest_is_woken_for_work(void **state)
{
    (void)state;
    start_toy(3);
    queue = work_queue_create(1);
    fixture_run(submit, NULL);
    work_queue_destroy(queue);
    assert_int_equal(worked_on, 0);
    assert_int_equal(worked_at, 3000 + INTERRUPT);
    stop();
}

static struct work many[CPUS][20];
static unsigned working, most_working, done;

static void work_slowly(struct work *unused)
{
    (void)unused;
    working++;
    most_working = working > most_working ? working : most_working;
    spend(500);
    working--;
    done++;
}

static bool all_done(void *unused)
{
    (void)unused;
    return done == CPUS * 20;
}

static void submit_and_wait(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 20; i++) {
        spend(37 * cpu);
        work_submit(queue, &many[cpu][i], work_slowly);
    }
    EXPECT(wait_for(all_done, NULL, 1000000));
}

static void at_most_so_many_work_at_once(void **state)
{
    (void)state;
    for (unsigned most = 1; most <= 3; most++) {
        working = most_working = done = 0;
        start_toy(CPUS);
        queue = work_queue_create(most);
        fixture_run(submit_and_wait, NULL);
        work_queue_destroy(queue);
        assert_int_equal(done, CPUS * 20);
        assert_int_equal(most_working, most);
        stop();
    }
}

/* ---- waiting ---- */

static bool never(void *unused)
{
    (void)unused;
    return false;
}

static _Atomic uint32_t flag;

static void wait_in_vain(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 0) {
        EXPECT(!wait_for(never, NULL, 50000));
        EXPECT(now_cycles() >= 50000 && now_cycles() < 52000);
        flag = 1;
        return;
    }
    spin_wait(&flag, 0);
    EXPECT(now_cycles() >= 50000 && now_cycles() < 54000);
}

static void waiting_ends_with_its_timeout_and_with_the_word(void **state)
{
    (void)state;
    flag = 0;
    start_toy(2);
    fixture_run(wait_in_vain, NULL);
    stop();
}

/* ---- grace periods ---- */

#define NODES 40

struct node {
    struct grace grace;
    unsigned readers; /* that began before it was given and have not ended */
    bool given, ended;
    unsigned cpu;
};

static struct node nodes[CPUS * 4][NODES];
static struct node *reading[CPUS * 4][CPUS * 4 * NODES];
static unsigned nr_reading[CPUS * 4];
static unsigned nr_ended;

static void node_ends(struct grace *grace)
{
    struct node *node = caa_container_of(grace, struct node, grace);

    EXPECT(node->given && !node->ended && node->readers == 0 && node->cpu == cpu_id());
    node->ended = true;
    nr_ended++;
}

static bool inside[CPUS * 4];

static void give(struct node *node)
{
    node->given = true;
    node->cpu = cpu_id();
    for (unsigned i = 0; i < nr_cpus(); i++) {
        if (inside[i]) {
            reading[i][nr_reading[i]++] = node;
            node->readers++;
        }
    }
    grace_call(&node->grace, node_ends);
}

static void read_for(uint64_t cycles)
{
    unsigned cpu = cpu_id();

    rcu_read_begin();
    inside[cpu] = true;
    spend(cycles / 2);
    rcu_read_begin();
    spend(cycles / 2);
    rcu_read_end();
    spend(1);
    inside[cpu] = false;
    while (nr_reading[cpu])
        reading[cpu][--nr_reading[cpu]]->readers--;
    rcu_read_end();
}

static void give_and_read(unsigned cpu, void *seeds)
{
    uint64_t seed = *(uint64_t *)seeds + cpu;

    for (unsigned i = 0; i < NODES; i++) {
        uint64_t draw = random_next(&seed);

        read_for(draw % 2000);
        spend(draw >> 40 & 511);
        if (i % 16 == 9)
            machine_barrier();
        give(&nodes[cpu][i]);
        if (draw >> 50 & 1)
            fixture_safe_point();
        if ((draw >> 52 & 15) == 0)
            grace_barrier();
    }
    if (seed & 1)
        grace_barrier();
}

static void give_read_and_rest(unsigned cpu, void *seeds)
{
    uint64_t seed = *(uint64_t *)seeds;

    if (cpu % 3 == 2) {
        for (unsigned i = 0; i < 50; i++) {
            read_for(random_next(&seed) % 5000);
            fixture_safe_point();
        }
    }
    give_and_read(cpu, seeds);
}

static void a_callback_never_runs_before_all_read_sides_have_ended(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 100; seed++) {
        unsigned cpus = 1 + (unsigned)seed % (CPUS * 4);

        memset(nodes, 0, sizeof nodes);
        nr_ended = 0;
        start_toy(cpus);
        fixture_run(seed % 2 ? give_and_read : give_read_and_rest, &seed);
        grace_barrier();
        assert_int_equal(nr_ended, cpus * NODES);
        stop();
    }
}

static void without_workers_a_period_lasts_as_long_as_a_reader(void **state)
{
    struct node first = {.given = true}, second = {.given = true}, third = {.given = true};

    (void)state;
    start_toy(2);
    nr_ended = 0;
    rcu_read_begin();
    grace_call(&first.grace, node_ends);
    grace_call(&second.grace, node_ends);
    fixture_safe_point();
    assert_int_equal(nr_ended, 0);
    rcu_read_end();
    fixture_safe_point();
    grace_call(&third.grace, node_ends);
    grace_barrier();
    assert_int_equal(nr_ended, 3);
    stop();
}

/* Who ends a period by coming to a barrier begins the next, for which it need not be waited. */
static void give_again_and_rest(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 0) {
        for (unsigned i = 0; i < NODES; i++) {
            give(&nodes[0][i]);
            spend(100);
            fixture_safe_point();
        }
        grace_barrier();
    } else {
        spend(250 * cpu);
    }
}

static void who_rests_is_not_waited_for(void **state)
{
    (void)state;
    memset(nodes, 0, sizeof nodes);
    nr_ended = 0;
    start_toy(CPUS);
    fixture_run(give_again_and_rest, NULL);
    assert_int_equal(nr_ended, NODES);
    assert_in_range(virtual_machine.cpus[0].clock, NODES * 100, NODES * 100 + 5000);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_leave_a_barrier_when_the_last_has_come),
        cmocka_unit_test(time_stands_while_all_stand_still),
        cmocka_unit_test(who_rests_is_interrupted_and_who_works_comes_by_itself),
        cmocka_unit_test(who_waits_for_a_lock_is_not_interrupted),
        cmocka_unit_test(workers_serve_each_other_waiting_and_finished_ones_too),
        cmocka_unit_test(a_thousand_cpus_answer),
        cmocka_unit_test(who_is_asked_on_the_way_to_rest_does_not_rest),
        cmocka_unit_test(deferred_work_goes_by_recorded_time),
        cmocka_unit_test(deferred_work_goes_by_the_machines_time),
        cmocka_unit_test(deferred_work_of_who_has_finished_goes_by_the_others_time),
        cmocka_unit_test(a_cpu_at_rest_is_woken_for_work),
        cmocka_unit_test(at_most_so_many_work_at_once),
        cmocka_unit_test(waiting_ends_with_its_timeout_and_with_the_word),
        cmocka_unit_test(a_callback_never_runs_before_all_read_sides_have_ended),
        cmocka_unit_test(without_workers_a_period_lasts_as_long_as_a_reader),
        cmocka_unit_test(who_rests_is_not_waited_for),
    };

    return cmocka_run_group_tests_name("waiting", tests, NULL, NULL);
}
