/* SPDX-License-Identifier: MIT */
/* Counters of two CPUs on the virtual machine: in one line they cost what moving it costs, and are
 * counted as what their memory is; a line apart they cost nothing. */
#include "sim/error.h"
#include "sim/page.h"
#include "sim/virtual/internal.h"
#include "tests/machine_fixture.h"
#include "tests/virtual/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNTED 1000

static struct counters {
    uint64_t *first;
    size_t apart_bytes;
} counters;

/* Each its own, nothing between two accesses but waiting for its turn. */
static void count(unsigned cpu, void *unused)
{
    uint64_t *own = (uint64_t *)((char *)counters.first + cpu * counters.apart_bytes);

    (void)unused;
    machine_measure(true);
    for (unsigned i = 0; i < COUNTED; i++) {
        virtual_access((uintptr_t)own, sizeof *own, COST_LOAD, NULL);
        virtual_access((uintptr_t)own, sizeof *own, COST_STORE, NULL);
        ++*own;
    }
    machine_measure(false);
}

/* What two CPUs do that count, their counters so far apart, in memory of one kind. */
static struct machine_run_report run(size_t apart_bytes, enum memory_kind kind)
{
    struct machine_run_report report;
    struct error error = {""};

    virtual_fixture_set(virtual_fixture_toy());
    fixture_start(2, 0);
    counters = (struct counters){boot_alloc(PAGE_SIZE, PAGE_ANY_NODE), apart_bytes};
    machine_memory_is(counters.first, PAGE_SIZE, kind);
    assert_int_equal(machine_run(count, NULL, &report, &error), 0);
    for (unsigned cpu = 0; cpu < 2; cpu++)
        assert_int_equal(*(uint64_t *)((char *)counters.first + cpu * apart_bytes), COUNTED);
    boot_free(counters.first, PAGE_SIZE);
    fixture_stop();
    return report;
}

static uint64_t sum(const uint64_t *counts)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < MEMORY_KINDS; i++)
        sum += counts[i];
    return sum;
}

static void two_counters_in_one_line_move_it_nearly_always(void **state)
{
    static const enum memory_kind kinds[] = {MEMORY_DESCRIPTOR, MEMORY_CPU_LAYER, MEMORY_OBJECT};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct machine_run_report report = run(8, kinds[i]);

        assert_true(report.coherence.by_label[kinds[i]] > COUNTED);
        assert_true(report.coherence.false_by_label[kinds[i]] > COUNTED);
        assert_int_equal(sum(report.coherence.by_label), report.coherence.by_label[kinds[i]]);
    }
}

static void a_line_apart_they_move_none(void **state)
{
    struct machine_run_report report = run(CACHE_LINE, MEMORY_CPU_LAYER);

    (void)state;
    assert_int_equal(sum(report.coherence.by_label), 0);
    assert_int_equal(sum(report.coherence.false_by_label), 0);
}

/* At 1 GHz a cycle is a ns. Whose line it is has it for a load and a store at the most. */
static void what_they_cost_is_the_moving(void **state)
{
    uint64_t packed = run(8, MEMORY_CPU_LAYER).run_ns;
    uint64_t padded = run(CACHE_LINE, MEMORY_CPU_LAYER).run_ns;

    (void)state;
    assert_int_equal(padded, MEMORY + (2 * COUNTED - 1) * HIT);
    assert_true(packed >= (uint64_t)COUNTED * TRANSFER);
}

/* A counter that both use moves as much, and is no false sharing. */
static void one_counter_of_both_is_not_shared_falsely(void **state)
{
    struct machine_run_report report;
    struct error error = {""};

    (void)state;
    virtual_fixture_set(virtual_fixture_toy());
    fixture_start(2, 0);
    counters = (struct counters){boot_alloc(PAGE_SIZE, PAGE_ANY_NODE), 0};
    machine_memory_is(counters.first, PAGE_SIZE, MEMORY_DESCRIPTOR);
    assert_int_equal(machine_run(count, NULL, &report, &error), 0);
    assert_int_equal(*counters.first, 2 * COUNTED);
    assert_true(report.coherence.by_label[MEMORY_DESCRIPTOR] > COUNTED);
    assert_int_equal(sum(report.coherence.false_by_label), 0);
    boot_free(counters.first, PAGE_SIZE);
    fixture_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_counters_in_one_line_move_it_nearly_always),
        cmocka_unit_test(a_line_apart_they_move_none),
        cmocka_unit_test(what_they_cost_is_the_moving),
        cmocka_unit_test(one_counter_of_both_is_not_shared_falsely),
    };

    return cmocka_run_group_tests_name("sharing", tests, NULL, NULL);
}
