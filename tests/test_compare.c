/* SPDX-License-Identifier: MIT */
/* slablab compare on made-up sweeps, whose truth is known; fronts and knees on made-up curves. */
#include "sim/error.h"
#include "tests/cli.h"
#include "tests/draws.h"
#include "tools/pareto.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* ---- fronts ---- */

static struct pareto_point made_up(double bytes, double speed)
{
    return (struct pareto_point){.bytes.spread.median = bytes, .throughput.spread.median = speed};
}

/* By hand: heights above the line from (0, 0) to (100, 100) are 0, 50, 55, 30, 0. */
static void the_knee_is_the_point_farthest_above_the_line(void **state)
{
    struct pareto_point points[] = {made_up(100, 100), made_up(10, 60),     made_up(50, 80),
                                    made_up(0, 0),     made_up(25, 80.001), made_up(60, 70)};

    (void)state;
    assert_int_equal(pareto_mark(points, 6), 2);
    assert_float_equal(points[2].bytes.spread.median, 25, 0);
    assert_true(points[0].front && points[1].front && points[2].front && points[5].front);
    assert_false(points[3].front || points[4].front); /* 80 at 50 and 70 at 60 are bettered */
    assert_true(points[2].knee && !points[1].knee);
}

static void a_front_without_a_bend_has_no_knee(void **state)
{
    struct pareto_point line[] = {made_up(1, 1), made_up(2, 2), made_up(3, 3)};
    struct pareto_point below[] = {made_up(0, 0), made_up(5, 1), made_up(10, 10)};
    struct pareto_point two[] = {made_up(1, 1), made_up(2, 5)};
    struct pareto_point same[] = {made_up(1, 1), made_up(1, 1)};

    (void)state;
    assert_int_equal(pareto_mark(line, 3), 3);
    assert_int_equal(pareto_mark(below, 3), 3);
    assert_int_equal(pareto_mark(two, 2), 2);
    assert_int_equal(pareto_mark(same, 2), 2);
    assert_true(same[0].front && same[1].front);
}

/* ---- made-up sweeps ---- */

struct combination {
    const char *allocator;
    unsigned size, threads;
    double throughput, resting;
    const char *arm; /* NULL: none */
};

#define VALID     "\"valid\":true"
#define INVALID   "\"valid\":false"
#define DISTURBED "\"valid\":true,\"disturbed\":true"

static void record_print(FILE *file, const struct combination *made, double throughput,
                         const char *marks)
{
    fprintf(file,
            "{\"schema\":\"slablab.run/1\",\"allocator\":\"%s\",\"tunables\":{\"color\":true},"
            "\"magazine_size\":%u,\"lock\":\"ticket\",\"trace\":{\"path\":\"made/up.slt\","
            "\"digest\":\"abc\"},\"threads\":%u,\"replicas\":1,%s,"
            "\"machine\":{\"binding\":\"compact\"},"
            "\"events_per_second\":%.6f,\"ns_per_event\":%.6f,\"peak_page_bytes\":%.0f,"
            "\"ledger\":{\"most_live\":{\"page_bytes\":%.0f,\"requested\":100000,\"rounding\":0}},"
            "\"latency_ns\":{\"alloc\":{\"p50\":%.6f,\"p99\":%.6f}}",
            made->allocator, made->size, made->threads, marks, throughput, 1e9 / throughput,
            made->resting + 200000, made->resting + 100000, 1e9 / throughput, 3e9 / throughput);
    if (made->arm)
        fprintf(file, ",\"arm\":\"%s\"", made->arm);
    fprintf(file, "}\n");
}

/* A sweep's folder in the test's: `runs` of each with `noise`, relative. */
static void sweep_write(const char *name, const struct combination *list, size_t count,
                        unsigned runs, double noise, unsigned seed)
{
    struct draws draws = {.state = seed};
    char path[160];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/runs.jsonl", cli_folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        for (unsigned run = 0; run < runs; run++) {
            double throughput;

            draws_normal(&draws, list[i].throughput, noise * list[i].throughput, &throughput, 1);
            record_print(file, &list[i], throughput, VALID);
        }
    }
    fclose(file);
}

static json_t *compared(const char *arguments)
{
    char command[256];
    json_t *result;

    snprintf(command, sizeof command, "compare %s --json -", arguments);
    cli_run(command);
    assert_status(0);
    result = json_loads(cli_last.output, 0, NULL);
    assert_true(json_is_object(result));
    return result;
}

static const struct combination designs[] = {
    {"magazine", 8, 1, 1e6, 50000, "a"},  {"magazine", 8, 1, 1e6, 50000, "b"},
    {"bufctl", 0, 1, 0.5e6, 10000, NULL}, {"x15", 8, 1, 1e6, 20000, NULL},
    {"null", 0, 1, 9e6, 0, NULL},
};

static const json_t *cell_of(const json_t *result, const char *name)
{
    const json_t *cells =
        json_object_get(json_array_get(json_object_get(result, "comparisons"), 0), "cells");
    const json_t *cell;
    size_t i;

    json_array_foreach(cells, i, cell)
    {
        if (strcmp(json_string_value(json_object_get(cell, "name")), name) == 0)
            return cell;
    }
    return NULL;
}

static const char *verdict_of(const json_t *result, const char *name)
{
    return json_string_value(
        json_object_get(json_object_get(cell_of(result, name), "difference"), "verdict"));
}

static void designs_are_compared_with_a_baseline(void **state)
{
    json_t *result;

    (void)state;
    sweep_write("designs", designs, 5, 10, 0.01, 5);
    result = compared("@/designs --baseline magazine --figure throughput");
    assert_string_equal(verdict_of(result, "bufctl"), "different");
    assert_string_not_equal(verdict_of(result, "x15 size 8"), "different");
    assert_null(cell_of(result, "null")); /* no design, and no baseline unless named */
    assert_true(
        json_number_value(json_object_get(json_array_get(json_object_get(result, "comparisons"), 0),
                                          "noise_floor")) < 0.02);
    json_decref(result);
    cli_run("compare @/designs --baseline magazine");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "Noise floor of throughput: 0."));
    assert_non_null(strstr(cli_last.output, "the baseline"));
    assert_non_null(strstr(cli_last.output, "times as fast (0."));
    assert_non_null(strstr(cli_last.output, "no difference shown"));
    assert_non_null(strstr(cli_last.output, "3 or more thread counts"));
    cli_run("compare @/designs --baseline null");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "against null (as asked)"));
}

static void few_runs_say_how_many_it_takes(void **state)
{
    (void)state;
    sweep_write("few", designs, 5, 3, 0.01, 6);
    cli_run("compare @/few");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "too few runs to show a difference"));
    assert_non_null(strstr(cli_last.output, "takes 5 runs of each"));
    assert_non_null(strstr(cli_last.output, "from least to most"));
    cli_run("compare --pareto @/few");
    assert_status(0);
}

static void before_and_after_are_compared_where_both_are(void **state)
{
    static const struct combination before[] = {{"magazine", 8, 1, 1e6, 50000, NULL},
                                                {"bufctl", 0, 1, 1e6, 50000, NULL},
                                                {"x15", 4, 1, 1e6, 50000, NULL}};
    static const struct combination after[] = {{"magazine", 8, 1, 1.1e6, 50000, NULL},
                                               {"bufctl", 0, 1, 1e6, 50000, NULL},
                                               {"x15", 8, 1, 1e6, 50000, NULL}};
    json_t *result;

    (void)state;
    sweep_write("before", before, 3, 10, 0.01, 7);
    sweep_write("after", after, 3, 10, 0.01, 8);
    result = compared("@/before @/after");
    assert_string_equal(verdict_of(result, "magazine size 8"), "different");
    assert_string_equal(verdict_of(result, "bufctl"), "none");
    assert_int_equal(json_array_size(json_object_get(result, "only_in_a")), 1);
    assert_int_equal(json_array_size(json_object_get(result, "only_in_b")), 1);
    json_decref(result);
    cli_run("compare @/before @/after");
    assert_non_null(strstr(cli_last.output, "Only in A:\n  x15 size 4, up.slt, 1 thread"));
    assert_non_null(strstr(cli_last.output, "Only in B:\n  x15 size 8, up.slt, 1 thread"));
    assert_non_null(strstr(cli_last.output, "not known"));
    sweep_write("other", &before[2], 1, 10, 0.01, 7);
    sweep_write("another", &after[2], 1, 10, 0.01, 7);
    cli_run("compare @/other @/another");
    assert_refused("A has x15 size 4 on up.slt (1 thread, 1 replica), B has x15 size 8 on");
}

/* What all of A have alike, and all of B otherwise, is what somebody wants to know of. */
static void an_option_that_two_sweeps_differ_in_is_compared_and_named(void **state)
{
    static const struct combination slow[] = {{"magazine", 8, 1, 1e6, 50000, NULL}};
    static const struct combination fast[] = {{"magazine", 8, 1, 2e6, 50000, NULL}};
    json_t *result;

    (void)state;
    sweep_write("ticket", slow, 1, 10, 0.01, 7);
    sweep_write("mcs", fast, 1, 10, 0.01, 8);
    cli_shell("sed -i 's/\"lock\":\"ticket\"/\"lock\":\"mcs\"/; s/\"color\":true/\"color\":false/' "
              "@/mcs/runs.jsonl; mkdir @/both; cat @/ticket/runs.jsonl @/mcs/runs.jsonl "
              ">@/both/runs.jsonl");
    result = compared("@/ticket @/mcs");
    assert_string_equal(verdict_of(result, "magazine size 8"), "different");
    assert_int_equal(json_array_size(json_object_get(result, "only_in_a")), 0);
    assert_int_equal(json_array_size(json_object_get(result, "conditions")), 2);
    json_decref(result);
    cli_run("compare @/ticket @/mcs");
    assert_non_null(strstr(cli_last.output, "lock: \"ticket\" in A, \"mcs\" in B\n"));
    assert_non_null(strstr(cli_last.output, "magazine.color: \"true\" in A, \"false\" in B\n"));
    /* Where A has both, each is a combination of its own. */
    result = compared("@/both @/mcs");
    assert_int_equal(json_array_size(json_object_get(result, "only_in_a")), 1);
    assert_int_equal(json_array_size(json_object_get(result, "conditions")), 0);
    json_decref(result);
}

/* X(2) and X(4) of sigma 0.1 and kappa 0.05, worked out by hand. */
static void thread_counts_are_fitted(void **state)
{
    static const struct combination scaled[] = {{"bufctl", 0, 1, 1e6, 1000, NULL},
                                                {"bufctl", 0, 2, 2e6 / 1.2, 1000, NULL},
                                                {"bufctl", 0, 4, 4e6 / 1.9, 1000, NULL}};
    json_t *result;
    const json_t *row;

    (void)state;
    sweep_write("scaled", scaled, 3, 1, 0, 9);
    result = compared("@/scaled");
    row = json_array_get(json_array_get(json_object_get(result, "scaling"), 0), 0);
    assert_float_equal(json_number_value(json_object_get(row, "sigma")), 0.1, 1e-3);
    assert_float_equal(json_number_value(json_object_get(row, "kappa")), 0.05, 1e-3);
    assert_float_equal(json_number_value(json_object_get(row, "peak_threads")), 4.243, 1e-2);
    json_decref(result);
    cli_run("compare @/scaled");
    assert_non_null(strstr(cli_last.output, "4.2 threads (beyond those measured)"));
}

static void a_size_is_recommended_as_far_as_it_is_shown(void **state)
{
    static const struct combination sizes[] = {
        {"magazine", 2, 1, 0.4e6, 10000, NULL},  {"magazine", 4, 1, 0.7e6, 12000, NULL},
        {"magazine", 8, 1, 0.96e6, 20000, NULL}, {"magazine", 16, 1, 1e6, 50000, "a"},
        {"magazine", 16, 1, 1e6, 50000, "b"},    {"magazine", 32, 1, 1e6, 90000, NULL},
        {"bufctl", 0, 1, 0.3e6, 5000, NULL},
    };
    static const struct combination flat[] = {{"magazine", 2, 1, 1e6, 10000, NULL},
                                              {"magazine", 4, 1, 1e6, 20000, NULL},
                                              {"magazine", 8, 1, 1e6, 30000, NULL}};
    static const struct combination both[] = {{"magazine", 2, 1, 1e6, 20000, NULL},
                                              {"magazine", 4, 1, 2e6, 10000, NULL}};
    json_t *result;

    (void)state;
    sweep_write("sizes", sizes, 7, 10, 0.002, 10);
    cli_run("compare --pareto @/sizes");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "size 8: 96% of the best throughput"));
    assert_non_null(strstr(cli_last.output, ", the knee"));
    assert_non_null(strstr(cli_last.output, "size 16: 100% of the best throughput"));
    assert_non_null(strstr(cli_last.output, "common front"));
    result = compared("--pareto @/sizes --memory peak");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(result, "pareto"), "memory")),
        "peak_bytes");
    assert_int_equal(json_array_size(json_object_get(json_object_get(result, "pareto"), "curves")),
                     2);
    json_decref(result);
    sweep_write("flat", flat, 3, 10, 0.01, 15);
    cli_run("compare --pareto @/flat");
    assert_non_null(strstr(cli_last.output, "no size is shown to be better"));
    assert_non_null(strstr(cli_last.output,
                           "size 2 holds least resting memory; magazines have room "
                           "for magazine_max rounds at every size\n"));
    sweep_write("both", both, 2, 10, 0.01, 16);
    cli_run("compare --pareto @/both");
    assert_non_null(strstr(cli_last.output, "it is the fastest and holds least resting memory"));
    sweep_write("short", sizes, 7, 3, 0.002, 12);
    cli_run("compare --pareto @/short");
    assert_non_null(strstr(cli_last.output, "no size is shown to be better: 3 runs"));
}

static void invalid_runs_are_taken_in_when_asked(void **state)
{
    char path[160];
    FILE *file;

    (void)state;
    sweep_write("doubtful", designs, 5, 4, 0.01, 13);
    snprintf(path, sizeof path, "%s/doubtful/runs.jsonl", cli_folder);
    file = fopen(path, "a");
    record_print(file, &designs[2], 1, INVALID);
    fclose(file);
    cli_run("compare @/doubtful");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, "1 invalid runs left out"));
    cli_run("compare @/doubtful --include-invalid");
    assert_non_null(strstr(cli_last.messages, "1 invalid runs taken in"));
    snprintf(path, sizeof path, "%s/doubtful/runs.jsonl", cli_folder);
    file = fopen(path, "w");
    record_print(file, &designs[0], 1e6, INVALID);
    fclose(file);
    cli_run("compare @/doubtful");
    assert_refused("no valid run");
    cli_run("compare @/doubtful/runs.jsonl --include-invalid");
    assert_status(0);
}

/* What the table at the end of a sweep shows. */
static void a_combinations_peak_is_the_median_of_its_runs(void **state)
{
    struct combination made = {"bufctl", 0, 1, 1e6, 0, NULL};
    struct series series;
    struct error error;
    char path[160];
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/peaks.jsonl", cli_folder);
    file = fopen(path, "w");
    assert_non_null(file);
    for (unsigned i = 0; i < 3; i++) {
        made.resting = (double[]){20000, 900000, 30000}[i];
        record_print(file, &made, 1e6, VALID);
    }
    fclose(file);
    assert_int_equal(series_read(path, 0, &series, &error), 0);
    assert_int_equal(series.count, 1);
    assert_float_equal(series.points[0].peak_page_bytes, 230000, 0);
    series_cleanup(&series);
}

static double runs_in(const char *arguments)
{
    json_t *result = compared(arguments);
    double runs = json_number_value(
        json_object_get(json_array_get(json_object_get(result, "sources"), 0), "runs"));

    json_decref(result);
    return runs;
}

static void disturbed_runs_are_left_out_where_there_are_others(void **state)
{
    const struct combination *alone = &designs[2];
    char path[160];
    FILE *file;

    (void)state;
    sweep_write("beside", designs, 2, 4, 0.01, 13);
    snprintf(path, sizeof path, "%s/beside/runs.jsonl", cli_folder);
    file = fopen(path, "a");
    record_print(file, &designs[0], 1, DISTURBED);
    record_print(file, alone, 1e6, DISTURBED);
    record_print(file, alone, 1e6, DISTURBED);
    fclose(file);
    assert_true(runs_in("@/beside") == 2 * 4 + 2);
    assert_non_null(strstr(cli_last.messages, "3 disturbed runs"));
    assert_non_null(strstr(cli_last.messages, "1 left out, 2 kept, since their combinations (1) "));
    assert_true(runs_in("@/beside --include-disturbed") == 2 * 4 + 3);
    assert_non_null(strstr(cli_last.messages, "taken in"));
}

static double of_source(const json_t *result, const char *key)
{
    const json_t *source = json_array_get(json_object_get(result, "sources"), 0);

    return json_number_value(json_object_get(source, key));
}

static void assert_page_says(const char *path, const char *words)
{
    char *page = cli_read_file(path);

    if (!strstr(page, words))
        fail_msg("%s does not say '%s'", path, words);
    free(page);
}

static void disturbed_runs_that_are_all_there_is_are_not_said_to_be_left_out(void **state)
{
    char path[160];
    json_t *result;
    FILE *file;

    (void)state;
    sweep_write("all-beside", designs, 0, 0, 0, 13);
    snprintf(path, sizeof path, "%s/all-beside/runs.jsonl", cli_folder);
    file = fopen(path, "a");
    assert_non_null(file);
    for (unsigned i = 0; i < 4; i++)
        record_print(file, &designs[i % 2 ? 2 : 3], 1e6, DISTURBED);
    fclose(file);
    result = compared("@/all-beside");
    assert_non_null(
        strstr(cli_last.messages, ": 0 left out, 4 kept, since their combinations (2)"));
    assert_true(of_source(result, "disturbed_runs") == 4);
    assert_true(of_source(result, "disturbed_left_out") == 0);
    assert_true(of_source(result, "disturbed_only") == 2);
    json_decref(result);
    cli_run("report @/all-beside -o @/all-beside.html");
    assert_status(0);
    snprintf(path, sizeof path, "%s/all-beside.html", cli_folder);
    assert_page_says(path, "Of 2 of 2 combinations all runs were disturbed");
    assert_page_says(path, "0 left out, 4 kept");
    cli_run("report @/beside -o @/beside.md --format md");
    assert_status(0);
    snprintf(path, sizeof path, "%s/beside.md", cli_folder);
    assert_page_says(path, "Of 1 of 3 combinations all runs were disturbed");
}

static void latencies_are_figures_where_they_were_recorded(void **state)
{
    json_t *comparisons, *result;

    (void)state;
    sweep_write("latencies", designs, 5, 4, 0.01, 13);
    result = compared("@/latencies --figure latency_ns.alloc.p99,latency_ns.free.p99");
    comparisons = json_object_get(result, "comparisons");
    assert_int_equal(json_array_size(comparisons), 2);
    json_decref(result);
    cli_run("compare @/latencies --figure latency_ns.alloc.p99");
    assert_non_null(strstr(cli_last.output, "time within which 99% of allocations end"));
    cli_run("compare @/latencies --figure latency");
    assert_refused("no figure 'latency'; there are: throughput,");
}

static void what_cannot_be_compared_is_refused(void **state)
{
    (void)state;
    sweep_write("plain", designs, 5, 2, 0.01, 14);
    cli_write_file("text", "this is no sweep\n", 17);
    cli_run("compare");
    assert_refused("which sweep?");
    cli_run("compare @/nowhere");
    assert_refused("nowhere");
    cli_run("compare @/text");
    assert_refused("line 1");
    cli_run("compare @/plain --baseline nonsense");
    assert_refused("bufctl");
    cli_run("compare @/plain --figure nonsense");
    assert_refused("peak_bytes");
    cli_run("compare @/plain @/plain --pareto");
    assert_refused("one sweep");
    cli_run("compare @/plain @/plain --baseline bufctl");
    assert_refused("the first is the baseline");
    cli_run("compare @/plain --memory peak");
    assert_refused("--pareto");
    cli_run("compare @/plain @/plain @/plain");
    assert_refused("more than two");
    cli_run("compare @/plain --json @/nowhere/x.json");
    assert_refused("nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_knee_is_the_point_farthest_above_the_line),
        cmocka_unit_test(a_front_without_a_bend_has_no_knee),
        cmocka_unit_test(designs_are_compared_with_a_baseline),
        cmocka_unit_test(few_runs_say_how_many_it_takes),
        cmocka_unit_test(before_and_after_are_compared_where_both_are),
        cmocka_unit_test(an_option_that_two_sweeps_differ_in_is_compared_and_named),
        cmocka_unit_test(thread_counts_are_fitted),
        cmocka_unit_test(a_size_is_recommended_as_far_as_it_is_shown),
        cmocka_unit_test(invalid_runs_are_taken_in_when_asked),
        cmocka_unit_test(a_combinations_peak_is_the_median_of_its_runs),
        cmocka_unit_test(disturbed_runs_are_left_out_where_there_are_others),
        cmocka_unit_test(disturbed_runs_that_are_all_there_is_are_not_said_to_be_left_out),
        cmocka_unit_test(latencies_are_figures_where_they_were_recorded),
        cmocka_unit_test(what_cannot_be_compared_is_refused),
    };

    return cmocka_run_group_tests_name("compare", tests, cli_set_up, cli_tear_down);
}
