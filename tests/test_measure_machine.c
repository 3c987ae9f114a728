/* SPDX-License-Identifier: MIT */
/* Measuring a host's cost table: what is filled in, and that the table written is one. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "sim/topology.h"
#include "tools/measure_machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is planned ---- */

static struct topology *synthetic(const char *description)
{
    struct topology *topology = NULL;
    struct error error;

    assert_int_equal(topology_create_synthetic(description, &topology, &error), 0);
    return topology;
}

static const struct cost_table *opteron(void)
{
    const struct cost_table *table;

    assert_int_equal(cost_table_find("opteron-6172x4", &table, NULL), 0);
    return table;
}

/* How many cells of a distance and state are planned between the CPUs of a machine. */
static unsigned planned(const char *description, unsigned nr_cpus, bool all_pairs,
                        enum distance distance, enum line_state state)
{
    static const unsigned cpus[] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct measure_options options = {
        .cpus = cpus, .nr_cpus = nr_cpus, .all_pairs = all_pairs, .reference = opteron()};
    struct topology *topology = synthetic(description);
    struct measurement measurement = {0};
    unsigned count = 0;

    options.topology = topology;
    assert_int_equal(measure_plan(&options, &measurement, NULL), 0);
    for (size_t i = 0; i < measurement.nr_cells; i++)
        count += measurement.cells[i].distance == distance && measurement.cells[i].state == state;
    measurement_cleanup(&measurement);
    topology_destroy(topology);
    return count;
}

static void one_pair_stands_for_a_distance_unless_all_are_asked_for(void **state)
{
    const char *small = "package:1 numa:1 l3:1 core:4 pu:1";

    (void)state;
    assert_int_equal(planned(small, 4, false, DISTANCE_LLC, LINE_MODIFIED), COST_OPS);
    assert_int_equal(planned(small, 4, true, DISTANCE_LLC, LINE_MODIFIED), COST_OPS * 12);
    assert_int_equal(planned(small, 4, false, DISTANCE_HOP1, LINE_MODIFIED), 0);
}

static void homes_near_and_far_are_measured_where_there_are_both(void **state)
{
    const char *two = "package:2 numa:1 l3:2 core:2 pu:1";

    (void)state;
    assert_int_equal(planned(two, 8, false, DISTANCE_LLC, LINE_MODIFIED), COST_OPS * COST_HOMES);
    assert_int_equal(planned(two, 8, false, DISTANCE_NODE, LINE_MODIFIED), COST_OPS * COST_HOMES);
    assert_int_equal(planned(two, 8, false, DISTANCE_HOP1, LINE_MODIFIED), COST_OPS * COST_HOMES);
    assert_int_equal(planned(two, 4, false, DISTANCE_NODE, LINE_MODIFIED), COST_OPS);
}

static void a_load_of_an_owned_line_takes_three_cpus(void **state)
{
    const char *small = "package:1 numa:1 l3:1 core:4 pu:1";

    (void)state;
    assert_int_equal(planned(small, 2, false, DISTANCE_LLC, LINE_OWNED), COST_OPS - 1);
    assert_int_equal(planned(small, 3, false, DISTANCE_LLC, LINE_OWNED), COST_OPS);
}

static void of_one_cpu_no_lines_of_others_are_planned(void **state)
{
    (void)state;
    for (enum distance distance = 0; distance < DISTANCES; distance++)
        assert_int_equal(planned("core:1 pu:1", 1, false, distance, LINE_MODIFIED), 0);
}

/* ---- what is filled in ---- */

#define LOCAL(cycles) ((struct line_figure){cycles, cycles, cycles, 1})

/* Half as many GHz as the Opteron, so to say: everything takes `times` its cycles. */
static struct measurement like_the_opteron(double times)
{
    const struct cost_table *table = opteron();

    return (struct measurement){
        .l1 = LOCAL(table->l1_cycles * times),
        .l2 = LOCAL(table->l2_cycles * times),
        .llc = LOCAL(table->llc_cycles * times),
        .store = LOCAL(table->l1_cycles * times + 50), /* the fence */
        .atomic = LOCAL((table->l1_cycles + table->atomic_cycles) * times),
    };
}

static struct measure_cell cell(enum cost_op op, enum line_state state, enum distance distance,
                                double cycles)
{
    return (struct measure_cell){.op = op,
                                 .state = state,
                                 .distance = distance,
                                 .figure = LOCAL(op == COST_STORE ? cycles + 50 : cycles)};
}

static struct cost_table filled(const struct measurement *measurement, unsigned nr_cpus)
{
    struct measure_options options = {.reference = opteron(), .nr_cpus = nr_cpus};
    struct cost_table table = {.hz = 2.1e9, .l2.bytes = 1, .llc.bytes = 1};

    measure_fill(&options, measurement, &table);
    return table;
}

static void assert_like_the_opteron(const struct cost_table *table, double times)
{
    for (unsigned i = 0; i < COST_OPS * LINE_STATES * DISTANCES * COST_HOMES; i++) {
        uint32_t found = (&table->cost[0][0][0][0])[i];
        double expected = (&opteron()->cost[0][0][0][0])[i] * times;

        if (found < expected - 0.51 || found > expected + 0.51)
            fail_msg("cell %u: %u, expected %.1f", i, found, expected);
    }
}

static void one_figure_and_the_ratios_make_the_whole_table(void **state)
{
    struct measurement measurement = like_the_opteron(3);
    struct measure_cell known = cell(COST_LOAD, LINE_MODIFIED, DISTANCE_LLC, 3 * 81);
    struct cost_table table;

    (void)state;
    measurement.cells = &known;
    measurement.nr_cells = 1;
    table = filled(&measurement, 2);
    assert_like_the_opteron(&table, 3);
    assert_int_equal(table.l1_cycles, 9);
    assert_int_equal(table.atomic_cycles, 3 * opteron()->atomic_cycles);
    assert_int_equal(table.sleep_cycles, opteron()->sleep_cycles);
}

static void one_cpu_and_the_ratios_make_the_whole_table(void **state)
{
    struct measurement measurement = like_the_opteron(2);
    struct cost_table table = filled(&measurement, 1);

    (void)state;
    assert_like_the_opteron(&table, 2);
    assert_int_equal(table.llc_cycles, 80);
}

static void a_stores_figure_is_taken_without_the_fence(void **state)
{
    struct measurement measurement = like_the_opteron(1);
    struct measure_cell known = cell(COST_STORE, LINE_EXCLUSIVE, DISTANCE_HOP1, 400);

    (void)state;
    measurement.cells = &known;
    measurement.nr_cells = 1;
    assert_int_equal(filled(&measurement, 2).cost[COST_STORE][LINE_EXCLUSIVE][DISTANCE_HOP1][0],
                     400);
}

static void the_median_of_pairs_stands_for_a_distance(void **state)
{
    struct measurement measurement = like_the_opteron(1);
    struct measure_cell known[] = {
        cell(COST_LOAD, LINE_MODIFIED, DISTANCE_LLC, 90),
        cell(COST_LOAD, LINE_MODIFIED, DISTANCE_LLC, 300),
        cell(COST_LOAD, LINE_MODIFIED, DISTANCE_LLC, 70),
    };

    (void)state;
    measurement.cells = known;
    measurement.nr_cells = 3;
    assert_int_equal(filled(&measurement, 3).cost[COST_LOAD][LINE_MODIFIED][DISTANCE_LLC][0], 90);
}

static void what_was_not_in_its_state_is_not_used(void **state)
{
    struct measurement measurement = like_the_opteron(1);
    struct measure_cell known[] = {
        cell(COST_ATOMIC, LINE_SHARED, DISTANCE_LLC, 280),
        cell(COST_ATOMIC, LINE_OWNED, DISTANCE_LLC, 7),
    };
    struct cost_table table;

    (void)state;
    known[1].not_set_up = true;
    measurement.cells = known;
    measurement.nr_cells = 2;
    table = filled(&measurement, 2);
    assert_true(table.migrates);
    assert_int_equal(table.cost[COST_ATOMIC][LINE_SHARED][DISTANCE_LLC][HOME_FAR], 280);
    assert_int_equal(table.cost[COST_ATOMIC][LINE_OWNED][DISTANCE_LLC][HOME_NEAR], 280);
    known[1].not_set_up = false;
    assert_false(filled(&measurement, 2).migrates);
}

static void farther_is_never_left_cheaper(void **state)
{
    struct measurement measurement = like_the_opteron(1);
    struct measure_cell known[] = {
        cell(COST_LOAD, LINE_MODIFIED, DISTANCE_LLC, 500),
        cell(COST_LOAD, LINE_MODIFIED, DISTANCE_HOP1, 60),
        cell(COST_LOAD, LINE_INVALID, DISTANCE_HOP1, 1),
    };
    struct cost_table table;

    (void)state;
    measurement.cells = known;
    measurement.nr_cells = 3;
    table = filled(&measurement, 2);
    for (unsigned i = 0; i < COST_OPS * LINE_STATES * COST_HOMES; i++) {
        enum line_state line = i / COST_HOMES % LINE_STATES;

        for (enum distance distance = DISTANCE_CORE; distance < DISTANCES; distance++) {
            uint32_t(*costs)[COST_HOMES] = table.cost[i / (LINE_STATES * COST_HOMES)][line];

            assert_true(costs[distance][i % COST_HOMES] >= costs[distance - 1][i % COST_HOMES]);
            assert_true(costs[distance][i % COST_HOMES] > 0 ||
                        (line == LINE_INVALID && distance < DISTANCE_NODE));
        }
    }
}

/* ---- on this host ---- */

static struct cost_table *read_back(const char *name)
{
    struct cost_table *table = NULL;
    struct error error;
    char path[128];

    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    if (cost_table_read(path, &table, &error) != 0)
        fail_msg("%s", error.text);
    return table;
}

static void a_measured_table_is_one_that_can_be_read(void **state)
{
    struct cost_table *table;

    (void)state;
    cli_run("measure-machine --seconds 0.1 -o @/host.machine");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "host.machine: "));
    table = read_back("host.machine");
    assert_string_equal(table->name, "measured");
    assert_int_equal(table->prefetch_cycles, table->prefetch_streams ? table->l2_cycles : 0);
    assert_true(table->l1_cycles >= 1 && table->l1.bytes >= 4096 && table->hz > 1e6);
    assert_non_null(strstr(table->source, "\nl1: "));
    assert_non_null(strstr(table->extrapolated, "by the ratios of"));
    cost_table_destroy(table);
}

static void one_cpu_will_do_and_the_table_says_so(void **state)
{
    struct cost_table *table;
    struct topology *host;
    char arguments[128];

    (void)state;
    assert_int_equal(topology_create_host(&host, NULL), 0);
    snprintf(arguments, sizeof arguments,
             "measure-machine --seconds 0.05 --like xeon-e7-8867lx8 --cpus %u",
             topology_cpu(host, topology_nr_cpus(host) - 1)->os_index);
    topology_destroy(host);
    cli_run(arguments);
    assert_status(0);
    cli_write_file("one.machine", cli_last.output, strlen(cli_last.output));
    table = read_back("one.machine");
    assert_non_null(strstr(table->extrapolated, "One CPU"));
    assert_non_null(strstr(table->extrapolated, "xeon-e7-8867lx8"));
    assert_null(strstr(table->source, "load modified"));
    assert_false(table->has_owned);
    cost_table_destroy(table);
}

static void wrong_wishes_are_refused(void **state)
{
    (void)state;
    cli_run("measure-machine --seconds 0");
    assert_refused("--seconds: '0'");
    cli_run("measure-machine --seconds 1x");
    assert_refused("--seconds: '1x'");
    cli_run("measure-machine --cpus 0-");
    assert_refused("cpus:0-");
    cli_run("measure-machine --cpus 4000");
    assert_refused("there is no CPU 4000");
    cli_run("measure-machine --like pdp-11");
    assert_refused("no machine 'pdp-11'");
    cli_run("measure-machine host.machine");
    assert_refused("-o FILE");
    cli_run("measure-machine --seconds 0.01 -o @/missing/host.machine");
    assert_refused("missing");
}

static void machines_are_listed_with_what_they_are_from(void **state)
{
    json_t *list, *machine;
    bool found = false;
    size_t i;

    (void)state;
    cli_run("list machines");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "opteron-6172x4"));
    assert_non_null(strstr(cli_last.output, "SOSP 2013"));
    cli_run("list machines --json");
    assert_status(0);
    list = json_loads(cli_last.output, 0, NULL);
    assert_int_equal(json_array_size(list), cost_table_count() + 1); /* and this host */
    json_array_foreach(list, i, machine)
    {
        if (strcmp(json_string_value(json_object_get(machine, "name")), "generic-1024") != 0)
            continue;
        found = true;
        assert_int_equal(json_integer_value(json_object_get(machine, "cpus")), 1024);
        assert_int_equal(json_integer_value(json_object_get(machine, "nodes")), 16);
        assert_true(json_real_value(json_object_get(machine, "ghz")) == 2.65);
        assert_non_null(json_string_value(json_object_get(machine, "source")));
        assert_non_null(json_string_value(json_object_get(machine, "extrapolated")));
    }
    assert_true(found);
    json_decref(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pair_stands_for_a_distance_unless_all_are_asked_for),
        cmocka_unit_test(homes_near_and_far_are_measured_where_there_are_both),
        cmocka_unit_test(a_load_of_an_owned_line_takes_three_cpus),
        cmocka_unit_test(of_one_cpu_no_lines_of_others_are_planned),
        cmocka_unit_test(one_figure_and_the_ratios_make_the_whole_table),
        cmocka_unit_test(one_cpu_and_the_ratios_make_the_whole_table),
        cmocka_unit_test(a_stores_figure_is_taken_without_the_fence),
        cmocka_unit_test(the_median_of_pairs_stands_for_a_distance),
        cmocka_unit_test(what_was_not_in_its_state_is_not_used),
        cmocka_unit_test(farther_is_never_left_cheaper),
        cmocka_unit_test(a_measured_table_is_one_that_can_be_read),
        cmocka_unit_test(one_cpu_will_do_and_the_table_says_so),
        cmocka_unit_test(wrong_wishes_are_refused),
        cmocka_unit_test(machines_are_listed_with_what_they_are_from),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
