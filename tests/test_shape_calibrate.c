/* SPDX-License-Identifier: MIT */
/* What `sim --calibrate` finds: known figures from exact points, and no more than points can tell.
 */
#include "tests/cli.h"
#include "tools/calibrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Designs that make 5, 20 and 60 accesses an event at 2 cycles a ns, with these figures true. */
static void points_of(struct calibrate_point points[3], double compute, double operation)
{
    static const double accesses[] = {5, 20, 60};

    for (unsigned i = 0; i < 3; i++) {
        points[i] = (struct calibrate_point){
            .base_ns = 3.0 + i, .access_ns = accesses[i] / 2, .operation_ns = 0.5};
        points[i].native_ns =
            points[i].base_ns + compute * points[i].access_ns + operation * points[i].operation_ns;
    }
}

static void assert_near(double value, double expected, double within)
{
    if (value < expected - within || value > expected + within)
        fail_msg("%g is not %g", value, expected);
}

static void both_figures_are_found_where_designs_differ(void **state)
{
    struct calibrate_point points[3];
    struct calibration fit = {.compute_cycles = 4, .operation_cycles = 100};

    (void)state;
    points_of(points, 1.25, 17);
    calibrate_fit(points, 3, &fit);
    assert_true(fit.fits_compute && fit.fits_operation);
    assert_near(fit.compute_cycles, 1.25, 0.02);
    assert_near(fit.operation_cycles, 17, 0.2);
}

static void figures_are_not_below_nothing(void **state)
{
    struct calibrate_point points[3];
    struct calibration fit = {.compute_cycles = 4, .operation_cycles = 100};

    (void)state;
    points_of(points, 0, 0);
    for (unsigned i = 0; i < 3; i++)
        points[i].native_ns /= 2;
    calibrate_fit(points, 3, &fit);
    assert_near(fit.compute_cycles, 0, 1e-3);
    assert_near(fit.operation_cycles, 0, 1e-3);
}

static void one_design_tells_one_figure(void **state)
{
    struct calibrate_point points[3];
    struct calibration fit = {.compute_cycles = 4, .operation_cycles = 17};

    (void)state;
    points_of(points, 1.25, 17);
    calibrate_fit(&points[1], 1, &fit);
    assert_true(fit.fits_compute && !fit.fits_operation);
    assert_near(fit.compute_cycles, 1.25, 0.02);
    assert_near(fit.operation_cycles, 17, 0);
}

static void a_load_without_accesses_tells_the_operations(void **state)
{
    struct calibrate_point point = {.native_ns = 6, .base_ns = 1, .operation_ns = 0.5};
    struct calibration fit = {.compute_cycles = 4, .operation_cycles = 20};

    (void)state;
    calibrate_fit(&point, 1, &fit);
    assert_true(!fit.fits_compute && fit.fits_operation);
    assert_near(fit.compute_cycles, 4, 0);
    assert_near(fit.operation_cycles, 10, 0.01);
}

static void what_was_found_is_a_table_that_can_be_read(void **state)
{
    (void)state;
    cli_run("gen pairs --cpus 1 --hold 20 --events 4000 -o @/load.slt");
    cli_run("sim @/load.slt --machine epyc-7742x2 -a bufctl,null --calibrate -o @/found.machine");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "calibrated"));
    assert_non_null(strstr(cli_last.output, "--operation"));
    cli_run("sim @/load.slt --costs @/found.machine -a bufctl -t 1 --json -");
    assert_status(0);
}

/* ns an event of the quickest of so many loops of spl, simulated. */
static double quickest_loop_ns(unsigned loops)
{
    char arguments[128];
    json_t *run;
    double ns;

    snprintf(arguments, sizeof arguments,
             "sim @/load.slt --machine epyc-7742x2 -a spl -t 1 --record none --loops %u --json -",
             loops);
    cli_run(arguments);
    assert_status(0);
    run = json_loads(cli_last.output, 0, NULL);
    assert_non_null(run);
    ns = json_number_value(json_object_get(json_object_get(run, "loop_ns"), "min")) * loops /
         json_number_value(json_object_get(run, "events"));
    json_decref(run);
    return ns;
}

/* Natively hundreds of loops are run, so the first one simulated is not what to hold against them.
 */
static void what_is_predicted_is_a_loop_when_all_has_settled(void **state)
{
    double first, settled, native, predicted;
    const char *line;

    (void)state;
    cli_run("gen sawtooth --cpus 1 --high 3000 --events 20000 -o @/load.slt");
    first = quickest_loop_ns(1);
    settled = quickest_loop_ns(16);
    assert_true(settled < 0.95 * first);
    cli_run("sim @/load.slt --machine epyc-7742x2 -a spl --calibrate");
    assert_status(0);
    line = strstr(cli_last.output, "\nspl ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, " spl %lf %lf", &native, &predicted), 2);
    assert_near(predicted, settled, 0.01 * settled);
}

static void several_traces_get_a_table_each_and_one_set_of_figures(void **state)
{
    const char *figures;

    (void)state;
    cli_run("gen pairs --cpus 1 --hold 20 --events 4000 -o @/load.slt");
    cli_run("gen sawtooth --cpus 1 --events 4000 -o @/other.slt");
    cli_run("sim @/load.slt @/other.slt --machine epyc-7742x2 -a bufctl --calibrate "
            "-o @/both.machine");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "load.slt\n"));
    assert_non_null(strstr(cli_last.output, "other.slt\n"));
    figures = strstr(cli_last.output, "--operation");
    assert_non_null(figures);
    assert_null(strstr(figures + 1, "--operation"));
    cli_run("sim @/other.slt --costs @/both.machine -a bufctl -t 1 --json -");
    assert_status(0);
}

/* Of a clock this slow a hit takes less than one cycle, so all of the L1's cycles go. */
static void a_table_whose_hits_take_no_time_can_be_read_too(void **state)
{
    (void)state;
    cli_run("gen pairs --cpus 1 --hold 20 --events 4000 -o @/load.slt");
    cli_run("sim @/load.slt --machine starfire-16 -a bufctl,null --calibrate -o @/slow.machine");
    assert_status(0);
    cli_run("sim @/load.slt --costs @/slow.machine -a bufctl -t 1 --json -");
    assert_status(0);
}

static void what_cannot_be_calibrated_is_refused(void **state)
{
    (void)state;
    cli_run("gen pairs --cpus 1 --events 100 -o @/load.slt");
    cli_run("sim @/load.slt --machine starfire-16 --calibrate -t 4");
    assert_refused("one CPU");
    cli_run("sim @/load.slt --machine starfire-16,generic-8 --calibrate");
    assert_refused("one machine");
    cli_run("sim @/load.slt --machine starfire-16 --calibrate --json -");
    assert_refused("--json");
    cli_run("sim @/load.slt --machine starfire-16 -o @/found.machine");
    assert_status(2);
    cli_run("sim @/load.slt @/other.slt --machine starfire-16");
    assert_refused("more than one trace");
    cli_run("sim @/load.slt - --machine starfire-16 --calibrate");
    assert_refused("in files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_figures_are_found_where_designs_differ),
        cmocka_unit_test(figures_are_not_below_nothing),
        cmocka_unit_test(one_design_tells_one_figure),
        cmocka_unit_test(a_load_without_accesses_tells_the_operations),
        cmocka_unit_test(what_was_found_is_a_table_that_can_be_read),
        cmocka_unit_test(what_is_predicted_is_a_loop_when_all_has_settled),
        cmocka_unit_test(several_traces_get_a_table_each_and_one_set_of_figures),
        cmocka_unit_test(a_table_whose_hits_take_no_time_can_be_read_too),
        cmocka_unit_test(what_cannot_be_calibrated_is_refused),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
