/* SPDX-License-Identifier: MIT */
/* The native machine's clock: its choice, its rate, and what tells whether it can be believed. */
#include "sim/clock.h"

#include "sim/driver.h"
#include "sim/error.h"
#include "tests/machine_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define CPUS 2

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

/* ---- what Linux says of the time-stamp counter ---- */

static const char *objection_to(const char *text)
{
    FILE *file = fmemopen((void *)text, strlen(text), "r");
    const char *objection;

    assert_non_null(file);
    objection = clock_cpuinfo_objection(file);
    fclose(file);
    return objection;
}

static void a_counter_that_keeps_its_rate_and_never_stops_is_not_objected_to(void **state)
{
    (void)state;
    assert_null(objection_to("processor\t: 0\n"
                             "flags\t\t: fpu tsc constant_tsc rep_good nonstop_tsc cpuid\n"
                             "bugs\t\t: spectre_v1\n"));
    assert_null(objection_to("flags : nonstop_tsc tsc constant_tsc"));
}

static void a_file_without_flags_does_not_object(void **state)
{
    (void)state;
    assert_null(objection_to("processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd\n"));
}

static void either_flag_missing_is_an_objection_that_names_it(void **state)
{
    const char *objection = objection_to("flags\t\t: fpu tsc nonstop_tsc cpuid\n");

    (void)state;
    assert_non_null(objection);
    assert_non_null(strstr(objection, "constant_tsc"));
    objection = objection_to("flags\t\t: fpu tsc constant_tsc cpuid\n");
    assert_non_null(objection);
    assert_non_null(strstr(objection, "nonstop_tsc"));
}

static void flags_are_whole_words(void **state)
{
    (void)state;
    assert_non_null(objection_to("flags : unconstant_tsc constant_tsc2 nonstop_tsc\n"));
    assert_null(objection_to("flags : constant_tsc2 constant_tsc nonstop_tsc_s3 nonstop_tsc\n"));
}

static void one_cpu_without_them_is_enough(void **state)
{
    (void)state;
    assert_non_null(objection_to("processor : 0\nflags : constant_tsc nonstop_tsc\n"
                                 "processor : 1\nflags : constant_tsc\n"));
}

/* ---- the clock of this machine ---- */

static void the_clock_says_what_it_is_and_why(void **state)
{
    const char *name = machine_clock()->name;

    (void)state;
    assert_true(strcmp(name, "tsc") == 0 || strcmp(name, "cntvct") == 0 ||
                strcmp(name, "clock_gettime") == 0);
    assert_true(strlen(machine_clock()->reason) > 0);
    if (strcmp(name, "clock_gettime") == 0)
        assert_true(fabs(machine_clock()->hz - 1e9) < 1);
}

static void it_goes_forward(void **state)
{
    uint64_t before = now_cycles();

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t now = now_cycles();

        assert_true((int64_t)(now - before) >= 0);
        before = now;
    }
}

static void it_agrees_with_the_clock_of_the_system(void **state)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    struct clock_reading start, end;
    double ns, cycles_ns;

    (void)state;
    clock_read(&start);
    nanosleep(&pause, NULL);
    clock_read(&end);
    ns = (double)(end.ns - start.ns);
    cycles_ns = (double)machine_cycles_to_ns(end.cycles - start.cycles);
    assert_true(ns >= 20000000);
    assert_true(fabs(cycles_ns - ns) < ns / 100);
}

static void its_cost_is_known(void **state)
{
    (void)state;
    assert_true(machine_clock()->cost_ns > 0);
    assert_true(machine_clock()->cost_ns < 100000);
}

/* ---- drift and disagreement, of readings made up ---- */

/* A counter of 2 cycles a ns. */
static struct clock_reading at(uint64_t ns)
{
    return (struct clock_reading){.cycles = 1000000 + 2 * ns, .ns = 5000000000 + ns};
}

static void a_rate_that_stays_is_no_drift(void **state)
{
    const struct clock_reading base = at(0), start = at(2000000), end = at(900000000);

    (void)state;
    assert_true(clock_drift(&base, &start, &end) < 1e-12);
}

static void a_rate_that_changes_is_drift_either_way(void **state)
{
    const struct clock_reading base = at(0), start = at(2000000);
    struct clock_reading end = at(12000000);

    (void)state;
    end.ns += 1000000; /* 11 ms in the time of 10: each cycle takes a tenth longer */
    assert_true(fabs(clock_drift(&base, &start, &end) - 0.1) < 1e-9);
    end.ns -= 2000000;
    assert_true(fabs(clock_drift(&base, &start, &end) - 0.1) < 1e-9);
}

static void readings_of_one_counter_are_on_its_line(void **state)
{
    const struct clock_reading start = at(2000000), end = at(900000000);

    (void)state;
    for (uint64_t ns = 0; ns < 1000000000; ns += 123456789) {
        const struct clock_reading reading = at(ns);

        assert_true(fabs(clock_off_ns(&start, &end, &reading)) < 1e-3);
    }
}

static void a_counter_that_is_behind_or_ahead_is_off_by_so_much(void **state)
{
    const struct clock_reading start = at(2000000), end = at(900000000);
    struct clock_reading reading = at(2000000);

    (void)state;
    reading.cycles -= 600; /* behind, and older than the start */
    assert_true(fabs(clock_off_ns(&start, &end, &reading) - 300) < 1e-3);
    reading.cycles += 1000;
    assert_true(fabs(clock_off_ns(&start, &end, &reading) + 200) < 1e-3);
}

/* ---- what a run reports ---- */

static void nothing(unsigned cpu, void *unused)
{
    (void)cpu;
    (void)unused;
}

/* Bounds are wide: what is asserted is that it was measured, not that this machine is a good one.
 */
static void a_run_tells_drift_and_disagreement_however_short(void **state)
{
    struct machine_run_report report = {.clock_drift = -1};
    struct error error = {""};
    struct clock_reading before, after;

    (void)state;
    clock_read(&before);
    assert_int_equal(machine_run(nothing, NULL, &report, &error), 0);
    clock_read(&after);
    assert_true(after.ns - before.ns >= CLOCK_BASE_NS);
    assert_true(report.clock_drift >= 0 && report.clock_drift < 0.1);
    assert_true(report.clock_skew_ns < 1000000000);
    if (strcmp(machine_clock()->name, "clock_gettime") == 0)
        assert_true(report.clock_drift == 0 && report.clock_skew_ns == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_that_keeps_its_rate_and_never_stops_is_not_objected_to),
        cmocka_unit_test(a_file_without_flags_does_not_object),
        cmocka_unit_test(either_flag_missing_is_an_objection_that_names_it),
        cmocka_unit_test(flags_are_whole_words),
        cmocka_unit_test(one_cpu_without_them_is_enough),
        cmocka_unit_test(the_clock_says_what_it_is_and_why),
        cmocka_unit_test(it_goes_forward),
        cmocka_unit_test(it_agrees_with_the_clock_of_the_system),
        cmocka_unit_test(its_cost_is_known),
        cmocka_unit_test(a_rate_that_stays_is_no_drift),
        cmocka_unit_test(a_rate_that_changes_is_drift_either_way),
        cmocka_unit_test(readings_of_one_counter_are_on_its_line),
        cmocka_unit_test(a_counter_that_is_behind_or_ahead_is_off_by_so_much),
        cmocka_unit_test(a_run_tells_drift_and_disagreement_however_short),
    };

    return cmocka_run_group_tests_name("clock", tests, set_up, tear_down);
}
