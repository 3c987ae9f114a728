/* SPDX-License-Identifier: MIT */
/* Counters count what they name, of their thread alone, and are absent where they cannot. */
#include "sim/counters.h"

#include "tests/forbid.h"
#include "tests/machine_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include <cmocka.h>

#define PAGE 4096

static bool has(const struct counter_values *values, enum counter counter)
{
    return values->present >> counter & 1;
}

/* Writes to `pages` pages that nobody has touched, each a fault of its own. */
static void touch_fresh_pages(size_t pages)
{
    char *memory =
        mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    (void)madvise(memory, pages * PAGE, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < pages; i++)
        memory[i * PAGE] = 1;
    munmap(memory, pages * PAGE);
}

static void sleep_often(unsigned times)
{
    const struct timespec pause = {.tv_nsec = 200000};

    for (unsigned i = 0; i < times; i++)
        nanosleep(&pause, NULL);
}

/* ---- what is counted ---- */

static void each_fresh_page_is_a_fault(void **state)
{
    struct counters counters;
    struct counter_values values;

    (void)state;
    counters_open(&counters);
    counters_start(&counters);
    touch_fresh_pages(300);
    counters_stop(&counters);
    counters_read(&counters, &values);
    counters_close(&counters);
    if (!has(&values, COUNTER_PAGE_FAULTS))
        skip();
    /* What the first call of a function or a sanitizer touches besides is more, never less. */
    assert_in_range(values.values[COUNTER_PAGE_FAULTS], 300, 3000);
}

static void only_what_happens_between_start_and_stop_counts(void **state)
{
    struct counters counters;
    struct counter_values first, still, second;

    (void)state;
    counters_open(&counters);
    touch_fresh_pages(100);
    counters_start(&counters);
    touch_fresh_pages(50);
    counters_stop(&counters);
    counters_read(&counters, &first);
    touch_fresh_pages(200);
    sleep_often(5);
    counters_read(&counters, &still);
    assert_memory_equal(&first, &still, sizeof first);
    counters_start(&counters);
    touch_fresh_pages(70);
    counters_stop(&counters);
    counters_read(&counters, &second);
    counters_close(&counters);
    if (!has(&first, COUNTER_PAGE_FAULTS))
        skip();
    assert_true(second.values[COUNTER_PAGE_FAULTS] >= first.values[COUNTER_PAGE_FAULTS] + 70);
}

static void each_sleep_is_a_context_switch(void **state)
{
    struct counters counters;
    struct counter_values values;

    (void)state;
    counters_open(&counters);
    counters_start(&counters);
    sleep_often(20);
    counters_stop(&counters);
    counters_read(&counters, &values);
    counters_close(&counters);
    assert_true(has(&values, COUNTER_CONTEXT_SWITCHES));
    assert_true(values.values[COUNTER_CONTEXT_SWITCHES] >= 20);
}

static void cycles_and_instructions_count_where_there_are_any(void **state)
{
    struct counters counters;
    struct counter_values values;

    (void)state;
    counters_open(&counters);
    counters_start(&counters);
    for (volatile unsigned i = 0; i < 1000000; i++)
        ;
    counters_stop(&counters);
    counters_read(&counters, &values);
    counters_close(&counters);
    if (!has(&values, COUNTER_CYCLES) || !has(&values, COUNTER_INSTRUCTIONS))
        skip();
    assert_true(values.values[COUNTER_INSTRUCTIONS] >= 1000000);
    assert_true(values.values[COUNTER_CYCLES] >= 100000);
}

static struct counter_values of_worker[2];

static void touch_and_count(unsigned cpu, void *unused)
{
    struct counters counters;

    (void)unused;
    counters_open(&counters);
    counters_start(&counters);
    touch_fresh_pages(cpu ? 4000 : 50);
    counters_stop(&counters);
    counters_read(&counters, &of_worker[cpu]);
    counters_close(&counters);
}

static void a_thread_counts_its_own_only(void **state)
{
    struct counter_values sum = COUNTER_SUM_INIT;

    (void)state;
    fixture_start(2, 0);
    fixture_run(touch_and_count, NULL);
    fixture_stop();
    assert_int_equal(of_worker[0].present, of_worker[1].present);
    counter_values_add(&sum, &of_worker[0]);
    counter_values_add(&sum, &of_worker[1]);
    assert_int_equal(sum.present, of_worker[0].present);
    if (!has(&sum, COUNTER_PAGE_FAULTS))
        skip();
    assert_in_range(of_worker[0].values[COUNTER_PAGE_FAULTS], 50, 3999);
    assert_true(of_worker[1].values[COUNTER_PAGE_FAULTS] >= 4000);
    assert_int_equal(sum.values[COUNTER_PAGE_FAULTS], of_worker[0].values[COUNTER_PAGE_FAULTS] +
                                                          of_worker[1].values[COUNTER_PAGE_FAULTS]);
}

/* ---- what is absent ---- */

static void what_never_ran_is_absent(void **state)
{
    struct counters counters;
    struct counter_values values;

    (void)state;
    counters_open(&counters);
    counters_read(&counters, &values);
    counters_close(&counters);
    assert_int_equal(values.present, 0);
}

static bool perfs_events_are_absent(void)
{
    struct counters counters;
    struct counter_values values;

    counters_open(&counters);
    for (unsigned i = 0; i < 3; i++) {
        counters_start(&counters);
        sleep_often(2);
        counters_stop(&counters);
    }
    counters_read(&counters, &values);
    counters_close(&counters);
    for (unsigned i = 0; i < COUNTERS; i++) {
        if (i != COUNTER_CONTEXT_SWITCHES && values.values[i] != 0)
            return false;
    }
    return values.present == 1u << COUNTER_CONTEXT_SWITCHES &&
           values.values[COUNTER_CONTEXT_SWITCHES] >= 6;
}

static void where_perf_is_forbidden_all_works_and_its_events_are_absent(void **state)
{
    (void)state;
    assert_where_forbidden(SYS_perf_event_open, ENOSYS, perfs_events_are_absent);
    assert_where_forbidden(SYS_perf_event_open, EACCES, perfs_events_are_absent);
    assert_where_forbidden(SYS_perf_event_open, EPERM, perfs_events_are_absent);
}

static void a_sum_has_only_what_every_thread_has(void **state)
{
    const struct counter_values one = {
        .present = 1u << COUNTER_CYCLES | 1u << COUNTER_PAGE_FAULTS,
        .values = {[COUNTER_CYCLES] = 10, [COUNTER_PAGE_FAULTS] = 3},
    };
    const struct counter_values other = {
        .present = 1u << COUNTER_CYCLES | 1u << COUNTER_CACHE_MISSES,
        .values = {[COUNTER_CYCLES] = 5, [COUNTER_CACHE_MISSES] = 8},
    };
    struct counter_values sum = COUNTER_SUM_INIT;

    (void)state;
    counter_values_add(&sum, &one);
    assert_memory_equal(&sum, &one, sizeof sum);
    counter_values_add(&sum, &other);
    assert_int_equal(sum.present, 1u << COUNTER_CYCLES);
    assert_int_equal(sum.values[COUNTER_CYCLES], 15);
    assert_int_equal(sum.values[COUNTER_PAGE_FAULTS], 0);
    assert_int_equal(sum.values[COUNTER_CACHE_MISSES], 0);
    counter_values_add(&sum, &one);
    assert_int_equal(sum.present, 1u << COUNTER_CYCLES);
    assert_int_equal(sum.values[COUNTER_CYCLES], 25);
}

struct told {
    const struct counter_values *values;
    unsigned count;
};

static void told(void *context, const char *name, uint64_t value)
{
    struct told *so_far = context;

    for (unsigned i = 0; i < COUNTERS; i++) {
        if (strcmp(counter_name(i), name) == 0) {
            assert_true(has(so_far->values, i));
            assert_int_equal(value, so_far->values->values[i]);
            so_far->count++;
            return;
        }
    }
    fail_msg("no counter is named '%s'", name);
}

static void each_names_those_that_are_present(void **state)
{
    const struct counter_values some = {
        .present = 1u << COUNTER_INSTRUCTIONS | 1u << COUNTER_HITM_LOADS,
        .values = {[COUNTER_INSTRUCTIONS] = 77}, /* and no HITM load: counted, and zero */
    };
    struct counter_values all = COUNTER_SUM_INIT;
    struct told so_far = {.values = &some};

    (void)state;
    counter_values_each(&some, told, &so_far);
    assert_int_equal(so_far.count, 2);
    so_far = (struct told){.values = &all};
    counter_values_each(&all, told, &so_far);
    assert_int_equal(so_far.count, COUNTERS);
}

/* ---- multiplexing, and the raw event ---- */

static void a_share_of_the_time_is_scaled_to_all_of_it(void **state)
{
    uint64_t scaled = 1;

    (void)state;
    assert_true(counter_scale(1000, 500, 500, &scaled));
    assert_int_equal(scaled, 1000);
    assert_true(counter_scale(1000, 600, 200, &scaled));
    assert_int_equal(scaled, 3000);
    assert_true(counter_scale(0, 600, 200, &scaled));
    assert_int_equal(scaled, 0);
    /* An hour at a third of the time, and a count that times ns would not fit 64 bits. */
    assert_true(counter_scale(12000000000000, 3600000000000, 1200000000000, &scaled));
    assert_int_equal(scaled, 36000000000000);
    assert_false(counter_scale(0, 600, 0, &scaled));
}

static void hitm_loads_are_known_by_model(void **state)
{
    (void)state;
    assert_int_equal(counter_hitm_event(0x506e3), 0x04d2); /* Skylake, client */
    assert_int_equal(counter_hitm_event(0x50654), 0x04d2); /* Skylake, server */
    assert_int_equal(counter_hitm_event(0x50657), 0x04d2); /* Cascade Lake */
    assert_int_equal(counter_hitm_event(0x606a6), 0x04d2); /* Ice Lake, server */
    assert_int_equal(counter_hitm_event(0x806f8), 0x04d2); /* Sapphire Rapids */
    assert_int_equal(counter_hitm_event(0x306f2), 0);      /* Haswell: another event */
    assert_int_equal(counter_hitm_event(0x90672), 0);      /* Alder Lake: two kinds of cores */
    assert_int_equal(counter_hitm_event(0xa20f10), 0);     /* Zen 3 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fresh_page_is_a_fault),
        cmocka_unit_test(only_what_happens_between_start_and_stop_counts),
        cmocka_unit_test(each_sleep_is_a_context_switch),
        cmocka_unit_test(cycles_and_instructions_count_where_there_are_any),
        cmocka_unit_test(a_thread_counts_its_own_only),
        cmocka_unit_test(what_never_ran_is_absent),
        cmocka_unit_test(where_perf_is_forbidden_all_works_and_its_events_are_absent),
        cmocka_unit_test(a_sum_has_only_what_every_thread_has),
        cmocka_unit_test(each_names_those_that_are_present),
        cmocka_unit_test(a_share_of_the_time_is_scaled_to_all_of_it),
        cmocka_unit_test(hitm_loads_are_known_by_model),
    };

    return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}
