/* SPDX-License-Identifier: MIT */
/* slablab gen as a user meets it: workloads, parameters, refusals, files. */
#include "tests/cli.h"
#include "traces/gen/generate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void every_workload_can_be_generated_and_checked(void **state)
{
    size_t count;
    const struct workload *const *all = workload_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        char arguments[128];

        snprintf(arguments, sizeof arguments, "gen %s -o @/load.slt --events 3000", all[i]->name);
        cli_run(arguments);
        assert_status(0);
        assert_non_null(strstr(cli_last.messages, "3000 events"));
        cli_run("check @/load.slt");
        assert_status(0);
        assert_non_null(strstr(cli_last.output, "whole, 3000 events"));
    }
}

static void a_generated_trace_can_be_replayed(void **state)
{
    (void)state;
    cli_run("gen burst -o @/burst.slt --events 20000 --objects 1000 --bulk 16 --cpus 2");
    cli_run("replay @/burst.slt -a magazine,slabifier,null -t 1,2 --oversubscribe --loops 1 --cold "
            "--verify --json -");
    assert_status(0);
    cli_run("gen network-receive -o @/receive.slt --events 20000 --cpus 2");
    cli_run("replay @/receive.slt -a helenos,x15 -t 2 --oversubscribe --loops 1 --cold --verify "
            "--json -");
    assert_status(0);
}

static void the_trace_says_what_made_it(void **state)
{
    json_t *info;
    const json_t *provenance, *parameters;

    (void)state;
    cli_run("gen pairs -o @/pairs.slt --events 100 --hold 3 --size 1K");
    cli_run("info --json @/pairs.slt");
    info = json_loads(cli_last.output, 0, NULL);
    provenance = json_object_get(info, "provenance");
    parameters = json_object_get(provenance, "parameters");
    assert_string_equal(json_string_value(json_object_get(provenance, "workload")), "pairs");
    assert_string_equal(json_string_value(json_object_get(parameters, "hold")), "3");
    assert_string_equal(json_string_value(json_object_get(parameters, "size")), "1024");
    assert_string_equal(json_string_value(json_object_get(parameters, "order")), "lifo");
    json_decref(info);
}

static void help_names_every_workload_and_each_its_parameters(void **state)
{
    size_t count;
    const struct workload *const *all = workload_all(&count);
    char *readme = cli_read_file("README.md");

    (void)state;
    cli_run("gen --help");
    assert_status(0);
    for (size_t i = 0; i < count; i++) {
        char quoted[64];

        assert_non_null(strstr(cli_last.output, all[i]->name));
        assert_non_null(strstr(cli_last.output, all[i]->summary));
        snprintf(quoted, sizeof quoted, "`%s`", all[i]->name);
        if (!strstr(readme, quoted))
            fail_msg("the README does not name %s", quoted);
    }
    free(readme);
    for (size_t i = 0; i < count; i++) {
        char arguments[64], option[64];

        snprintf(arguments, sizeof arguments, "gen %s --help", all[i]->name);
        cli_run(arguments);
        assert_status(0);
        assert_non_null(strstr(cli_last.output, "Example"));
        for (const struct tunable *row = all[i]->parameters; row->key; row++) {
            snprintf(option, sizeof option, "--%s=", row->key);
            assert_non_null(strstr(cli_last.output, option));
        }
    }
}

static void the_list_of_workloads_has_their_parameters(void **state)
{
    json_t *list;
    size_t count;

    (void)state;
    workload_all(&count);
    cli_run("list workloads --json");
    assert_status(0);
    list = json_loads(cli_last.output, 0, NULL);
    assert_int_equal(json_array_size(list), count);
    for (size_t i = 0; i < count; i++) {
        const json_t *parameters = json_object_get(json_array_get(list, i), "parameters");

        assert_true(json_array_size(parameters) > 4);
        assert_string_equal(
            json_string_value(json_object_get(json_array_get(parameters, 0), "name")), "cpus");
    }
    json_decref(list);
    cli_run("list workloads");
    assert_non_null(strstr(cli_last.output, "Larson & Krishnan"));
}

static void what_cannot_be_generated_is_refused_and_leaves_nothing(void **state)
{
    char path[128];

    (void)state;
    cli_run("gen");
    assert_refused("which workload?");
    cli_run("gen nonsense -o @/none.slt");
    assert_refused("pairs, boundary");
    cli_run("gen -o @/none.slt pairs");
    assert_refused("the workload comes first");
    cli_run("gen pairs larson -o @/none.slt");
    assert_refused("one workload at a time");
    cli_run("gen pairs -o @/none.slt --nonsense 3");
    assert_status(2);
    cli_run("gen pairs -o @/none.slt --hold 0");
    assert_refused("it can be 1 to");
    cli_run("gen pairs -o @/none.slt --size 1G");
    assert_refused("1 to 131072 bytes");
    cli_run("gen pairs -o @/none.slt --hold -1");
    assert_refused("it can be 1 to");
    cli_run("gen producer-consumer -o @/none.slt --shape star");
    assert_refused("1:1 or 1:N or N:1 or ring");
    cli_run("gen producer-consumer -o @/none.slt --cpus 3");
    assert_refused("an even number");
    cli_run("gen pairs -o @/nowhere/none.slt");
    assert_refused("/nowhere/none.slt");
    cli_run("gen pairs -o @ --events 10");
    assert_refused("is a folder");
    snprintf(path, sizeof path, "%s/none.slt", cli_folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void standard_output_will_do(void **state)
{
    (void)state;
    cli_run("gen producer-consumer -o - --events 1000");
    assert_status(0);
    assert_memory_equal(cli_last.output, "\x89SLT\r\n\x1a\n", 8);
}

static void a_load_like_a_recorded_one_says_how_like_it_is(void **state)
{
    json_t *object;
    const json_t *row;

    (void)state;
    cli_run("gen --like traces/samples/find.slt -o @/like.slt --cpus 4 --events 50000 --json");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, "Kolmogorov-Smirnov"));
    assert_non_null(strstr(cli_last.messages, "left out: 1942 events"));
    object = json_loads(cli_last.output, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(object, "distances")), 9);
    json_decref(object);
    cli_run("info @/like.slt");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "4 streams, 50000 events"));
    assert_non_null(strstr(cli_last.output, "names_cache"));
    cli_run("gen --like traces/samples/gcc.slt -o @/short.slt --events 200 --json");
    assert_status(0);
    object = json_loads(cli_last.output, 0, NULL);
    row = json_array_get(json_object_get(object, "distances"), 7);
    assert_non_null(strstr(json_string_value(json_object_get(row, "what")), "objects live over"));
    assert_true(json_number_value(json_object_get(row, "distance")) > 0.95);
    json_decref(object);
    cli_run("gen --like @/missing.slt -o @/never.slt");
    assert_refused("missing.slt");
    cli_run("gen --like traces/samples/find.slt -o -");
    assert_refused("name a file");
    cli_run("gen --like traces/samples/find.slt -o @/never.slt --cpus many");
    assert_refused("0 to 65536");
    cli_run("gen --like traces/samples/find.slt pairs");
    assert_refused("not both");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_workload_can_be_generated_and_checked),
        cmocka_unit_test(a_generated_trace_can_be_replayed),
        cmocka_unit_test(the_trace_says_what_made_it),
        cmocka_unit_test(help_names_every_workload_and_each_its_parameters),
        cmocka_unit_test(the_list_of_workloads_has_their_parameters),
        cmocka_unit_test(what_cannot_be_generated_is_refused_and_leaves_nothing),
        cmocka_unit_test(standard_output_will_do),
        cmocka_unit_test(a_load_like_a_recorded_one_says_how_like_it_is),
    };

    return cmocka_run_group_tests_name("cli_gen", tests, cli_set_up, cli_tear_down);
}
