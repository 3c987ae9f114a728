/* SPDX-License-Identifier: MIT */
/* The native machine: posts, deferred work, work for whoever is free, grace periods, waiting. */
#include "sim/driver.h"
#include "sim/error.h"
#include "tests/machine_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CPUS 4

static int set_up(void **state)
{
    (void)state;
    fixture_start(CPUS, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fixture_stop();
    return 0;
}

static _Atomic unsigned visits[CPUS];
static _Atomic unsigned total;

static void visit(void *unused)
{
    (void)unused;
    atomic_fetch_add(&visits[cpu_id()], 1);
}

static void visits_reset(void)
{
    for (unsigned i = 0; i < CPUS; i++)
        visits[i] = 0;
    total = 0;
}

/* ---- every CPU ---- */

static void without_workers_the_caller_acts_as_every_cpu(void **state)
{
    (void)state;
    visits_reset();
    fixture_become(2);
    on_each_cpu(visit, NULL);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(visits[i], 1);
    assert_int_equal(cpu_id(), 2);
    fixture_become(0);
}

static void ask_all(unsigned cpu, void *unused)
{
    (void)unused;
    /* CPU 3 has nothing to ask and is at the barrier at once: it serves all the same. */
    for (unsigned i = 0; cpu != 3 && i < 200; i++)
        on_each_cpu(visit, NULL);
}

static void workers_serve_each_other_waiting_and_finished_ones_too(void **state)
{
    (void)state;
    visits_reset();
    fixture_run(ask_all, NULL);
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(visits[i], 600);
}

static struct deferred asking;

static void ask(struct deferred *deferred)
{
    (void)deferred;
    on_each_cpu(visit, NULL);
}

/* CPU 0's deferred work asks all others, some of which have nothing left to do but end. */
static void defer_a_question(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 0)
        defer(&asking, 0, ask);
}

static void what_is_asked_in_the_last_barrier_is_answered(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        visits_reset();
        fixture_run(defer_a_question, NULL);
        if (asking.pending)
            fixture_safe_point();
        for (unsigned j = 0; j < CPUS; j++)
            assert_int_equal(visits[j], 1);
    }
}

/* ---- deferred work ---- */

struct alarm {
    struct deferred deferred;
    unsigned rings;
    unsigned cpu;
};

static void ring(struct deferred *deferred)
{
    struct alarm *alarm = caa_container_of(deferred, struct alarm, deferred);

    alarm->rings++;
    alarm->cpu = cpu_id();
}

static void ring_again(struct deferred *deferred)
{
    ring(deferred);
    defer(deferred, 1000, ring_again);
}

static void deferred_work_runs_when_its_time_has_come(void **state)
{
    struct alarm soon = {0}, late = {0};

    (void)state;
    defer(&late.deferred, 2000, ring);
    defer(&soon.deferred, 1000, ring);
    fixture_set_time(999);
    fixture_safe_point();
    assert_int_equal(soon.rings, 0);
    fixture_set_time(1000);
    fixture_safe_point();
    assert_int_equal(soon.rings, 1);
    assert_int_equal(late.rings, 0);
    fixture_set_time(5000);
    fixture_safe_point();
    fixture_safe_point();
    assert_int_equal(late.rings, 1);
    assert_int_equal(soon.rings, 1);
}

static void deferred_work_can_be_cancelled(void **state)
{
    struct alarm alarm = {0};

    (void)state;
    defer(&alarm.deferred, 10, ring);
    defer_cancel(&alarm.deferred);
    defer_cancel(&alarm.deferred);
    fixture_set_time(1000000);
    fixture_safe_point();
    assert_int_equal(alarm.rings, 0);
}

static struct alarm finished_alarm;

/* CPU 0 defers and is done; the others go on in recorded time. */
static void defer_and_finish(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 0) {
        defer(&finished_alarm.deferred, 500000, ring);
        return;
    }
    for (uint64_t ns = 0; atomic_load(&total) == 0 && ns < 2000; ns++)
        machine_set_timer(2000000 + ns * 1000);
}

static void deferred_work_runs_on_a_cpu_that_has_finished(void **state)
{
    (void)state;
    memset(&finished_alarm, 0, sizeof finished_alarm);
    fixture_run(defer_and_finish, NULL);
    if (!finished_alarm.rings)
        fixture_safe_point(); /* the barrier may have ended first */
    fixture_set_time(10000000);
    fixture_safe_point();
    assert_int_equal(finished_alarm.rings, 1);
    assert_int_equal(finished_alarm.cpu, 0);
}

static void ring_at_once(struct deferred *deferred)
{
    ring(deferred);
    defer(deferred, 0, ring_at_once);
}

static void work_deferred_by_nothing_waits_for_the_next_safe_point(void **state)
{
    struct alarm alarm = {0};

    (void)state;
    defer(&alarm.deferred, 0, ring_at_once);
    fixture_safe_point();
    assert_int_equal(alarm.rings, 1);
    fixture_safe_point();
    assert_int_equal(alarm.rings, 2);
    defer_cancel(&alarm.deferred);
}

static void deferred_work_may_defer_itself_again(void **state)
{
    struct alarm alarm = {0};

    (void)state;
    defer(&alarm.deferred, 1000, ring_again);
    for (unsigned i = 1; i <= 5; i++) {
        fixture_set_time(20000000 + i * 1000);
        fixture_safe_point();
    }
    assert_int_equal(alarm.rings, 5);
    defer_cancel(&alarm.deferred);
}

/* ---- work for whoever is free ---- */

static _Atomic unsigned working, most_working, worked;

static void piece(struct work *work)
{
    unsigned now = atomic_fetch_add(&working, 1) + 1;
    unsigned most = atomic_load(&most_working);

    (void)work;
    while (now > most && !atomic_compare_exchange_weak(&most_working, &most, now))
        ;
    for (volatile unsigned i = 0; i < 2000; i++)
        ;
    atomic_fetch_sub(&working, 1);
    atomic_fetch_add(&worked, 1);
}

static struct work_queue *queue;
static struct work pieces[CPUS][50];

static bool all_worked(void *unused)
{
    (void)unused;
    return atomic_load(&worked) == CPUS * 50;
}

static void submit_and_wait(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 50; i++)
        work_submit(queue, &pieces[cpu][i], piece);
    atomic_fetch_add(&total, wait_for(all_worked, NULL, 20000000000));
}

static void work_is_done_by_who_waits_at_most_so_many_at_once(void **state)
{
    (void)state;
    worked = most_working = total = 0;
    queue = work_queue_create(2);
    fixture_run(submit_and_wait, NULL);
    work_queue_destroy(queue);
    assert_int_equal(total, CPUS);
    assert_int_equal(worked, CPUS * 50);
    assert_in_range(most_working, 1, 2);
}

static bool never(void *unused)
{
    (void)unused;
    return false;
}

static void waiting_ends_with_its_timeout(void **state)
{
    uint64_t start = now_cycles();

    (void)state;
    assert_false(wait_for(never, NULL, 3000000));
    assert_true(machine_cycles_to_ns(now_cycles() - start) >= 3000000);
}

static _Atomic uint32_t word;

static void wait_or_write(unsigned cpu, void *unused)
{
    (void)unused;
    if (cpu == 1)
        atomic_store(&word, 7);
    else
        spin_wait(&word, 0);
}

static void spin_wait_ends_when_the_word_changes(void **state)
{
    (void)state;
    word = 0;
    fixture_run(wait_or_write, NULL);
    assert_int_equal(word, 7);
}

/* ---- read-copy-update ---- */

struct node {
    struct grace grace;
    _Atomic unsigned value; /* 0: given back */
};

static _Atomic(struct node *) shared_node;
static _Atomic unsigned stale_reads, reclaimed;

static void node_reclaim(struct grace *grace)
{
    struct node *node = caa_container_of(grace, struct node, grace);

    node->value = 0;
    free(node);
    atomic_fetch_add(&reclaimed, 1);
}

static struct node *node_new(void)
{
    struct node *node = aligned_alloc(64, (sizeof *node + 63) / 64 * 64);

    node->value = 1;
    return node;
}

static void read_or_replace(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 300; i++) {
        if (cpu == 0) {
            struct node *old = atomic_exchange(&shared_node, node_new());

            grace_call(&old->grace, node_reclaim);
            fixture_safe_point();
            continue;
        }
        rcu_read_begin();
        if (atomic_load(&atomic_load(&shared_node)->value) != 1)
            atomic_fetch_add(&stale_reads, 1);
        rcu_read_end();
    }
}

static void what_a_reader_sees_is_not_freed_under_it(void **state)
{
    (void)state;
    stale_reads = reclaimed = 0;
    shared_node = node_new();
    fixture_run(read_or_replace, NULL);
    grace_barrier();
    assert_int_equal(stale_reads, 0);
    assert_int_equal(reclaimed, 300);
    free(shared_node);
}

/* ---- standing still ---- */

enum { STILL_CPUS = CPUS, STILL_ROUNDS = 200 };

static struct {
    struct work_queue *queue;
    struct work works[STILL_CPUS];
    unsigned done;    /* by works, one at a time, without any lock or order but the queue's */
    unsigned visits;  /* likewise, each CPU of each work in turn: posts inside of works */
    unsigned changed; /* times that something went on while all stood */
    unsigned stood;
} still;

static void visit_cpu(void *unused)
{
    (void)unused;
    __atomic_fetch_add(&still.visits, 1, __ATOMIC_RELAXED);
}

static void work_for_long(struct work *work)
{
    (void)work;
    on_each_cpu(visit_cpu, NULL);
    for (unsigned i = 0; i < 200; i++)
        still.done++;
}

static void look_twice(void *unused)
{
    unsigned before = still.done;
    uint64_t since = now_cycles();

    (void)unused;
    while (machine_cycles_to_ns(now_cycles() - since) < 2000)
        continue;
    still.changed += still.done != before || before % 200 != 0;
    still.stood++;
}

static void work_and_stand(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < STILL_ROUNDS; i++) {
        work_submit(still.queue, &still.works[cpu], work_for_long);
        machine_stand_still(look_twice, NULL);
        machine_barrier();
        while (cpu == 0 &&
               __atomic_load_n(&still.visits, __ATOMIC_RELAXED) < (i + 1) * STILL_CPUS * STILL_CPUS)
            machine_safe_point();
        machine_barrier();
    }
}

static void who_stands_still_does_nothing_for_the_machine_either(void **state)
{
    (void)state;
    memset(&still, 0, sizeof still);
    still.queue = work_queue_create(1);
    fixture_run(work_and_stand, NULL);
    work_queue_destroy(still.queue);
    assert_int_equal(still.stood, STILL_ROUNDS);
    assert_int_equal(still.changed, 0);
    assert_int_equal(still.done, STILL_ROUNDS * STILL_CPUS * 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_stands_still_does_nothing_for_the_machine_either),
        cmocka_unit_test(without_workers_the_caller_acts_as_every_cpu),
        cmocka_unit_test(workers_serve_each_other_waiting_and_finished_ones_too),
        cmocka_unit_test(what_is_asked_in_the_last_barrier_is_answered),
        cmocka_unit_test(deferred_work_runs_when_its_time_has_come),
        cmocka_unit_test(deferred_work_can_be_cancelled),
        cmocka_unit_test(deferred_work_runs_on_a_cpu_that_has_finished),
        cmocka_unit_test(work_deferred_by_nothing_waits_for_the_next_safe_point),
        cmocka_unit_test(deferred_work_may_defer_itself_again),
        cmocka_unit_test(work_is_done_by_who_waits_at_most_so_many_at_once),
        cmocka_unit_test(waiting_ends_with_its_timeout),
        cmocka_unit_test(spin_wait_ends_when_the_word_changes),
        cmocka_unit_test(what_a_reader_sees_is_not_freed_under_it),
    };

    return cmocka_run_group_tests_name("machine", tests, set_up, tear_down);
}
