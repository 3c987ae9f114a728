/* SPDX-License-Identifier: MIT */
/* slablab sim and simulated sweeps as a user meets them: refusals, records that repeat, tables. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL_DESIGNS "-a bufctl,magazine,slabifier,spl,x15,helenos,null"

static int load_set_up(void **state)
{
    int code = cli_set_up(state);

    cli_run("gen pairs -o @/pairs.slt --events 4000 --hold 32 --cpus 4");
    return code ? code : cli_last.status;
}

/* ---- refusals ---- */

static void an_unknown_machine_is_refused_with_the_names_of_those_there_are(void **state)
{
    (void)state;
    cli_run("sim @/pairs.slt --machine cray-1 -a null");
    assert_refused("cray-1");
    assert_non_null(strstr(cli_last.messages, "opteron-6172x4"));
    cli_run("sweep @/pairs.slt --machine cray-1 -a null -o @/none");
    assert_refused("cray-1");
    cli_run("sim @/pairs.slt -a null");
    assert_refused("which machine?");
}

static void two_ways_to_choose_a_machine_are_refused(void **state)
{
    (void)state;
    cli_run("sim @/pairs.slt --machine generic-8 --topology 'core:2 pu:1' -a null");
    assert_refused("give one of them");
}

/* Which hwloc would take in place of the one asked for, or for the host that binds threads. */
static void no_topology_of_the_environment_takes_the_place_of_the_machine(void **state)
{
    (void)state;
    setenv("HWLOC_SYNTHETIC", "numa:1 core:2 pu:1", 1);
    setenv("HWLOC_THISSYSTEM", "1", 1);
    cli_run("sim @/pairs.slt --machine generic-8 -a null -t 8");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "simulated on generic-8: 8 CPUs on 1 node,"));
    cli_run("sim @/pairs.slt --topology 'numa:4 core:4 pu:1' -a null -t 16");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "16 CPUs on 4 nodes"));
    cli_run("sweep @/pairs.slt --machine generic-8 -a null -t 8 -o @/environment");
    unsetenv("HWLOC_SYNTHETIC");
    unsetenv("HWLOC_THISSYSTEM");
    assert_status(0);
}

static void a_foreign_malloc_cannot_be_simulated(void **state)
{
    (void)state;
    cli_run("sim @/pairs.slt --machine generic-8 -a malloc:libc");
    assert_refused("only designs of slablab's own can be simulated");
}

static void a_table_of_costs_that_is_none_is_refused_by_file_and_line(void **state)
{
    static const char text[] = "# costs\nname mine\nnonsense\n";
    char place[160];

    (void)state;
    cli_write_file("mine.machine", text, strlen(text));
    cli_run("sim @/pairs.slt --machine generic-8 --costs @/mine.machine -a null");
    snprintf(place, sizeof place, "%s/mine.machine, line 3", cli_folder);
    assert_refused(place);
    cli_run("sim @/pairs.slt --machine generic-8 --costs @/missing.machine -a null");
    assert_refused("missing.machine");
}

static void more_threads_than_the_machine_has_cpus_are_refused(void **state)
{
    (void)state;
    cli_run("sim @/pairs.slt --machine generic-8 -a null -t 9");
    assert_refused("9 workers want 9 CPUs");
    cli_run("sweep @/pairs.slt --machine generic-8 -a null -t 9 -o @/none");
    assert_refused("9 workers want 9 CPUs");
}

static void a_simulated_sweep_has_nothing_to_repeat_until(void **state)
{
    (void)state;
    cli_run("sweep @/pairs.slt --machine generic-8 -a null --until 2% -o @/none");
    assert_refused("do not scatter");
}

/* ---- records ---- */

/* A file's records without what is not of the run but of when and where it ran. */
static json_t *records_of(const char *path)
{
    json_t *records = json_array();
    char *text = cli_read_file(path), *line = text;

    while (*line) {
        json_t *record = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);

        assert_non_null(record);
        json_object_del(record, "provenance");
        json_object_del(record, "run");
        json_object_del(record, "series");
        json_array_append_new(records, record);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    free(text);
    return records;
}

static void assert_same_bytes(const json_t *one, const json_t *other)
{
    char *a = json_dumps(one, JSON_PRESERVE_ORDER), *b = json_dumps(other, JSON_PRESERVE_ORDER);

    assert_string_equal(a, b);
    free(a);
    free(b);
}

/* Records of one simulation by the program behind `prefix`. */
static json_t *simulate(const char *program, const char *prefix)
{
    const char *before = cli_program;
    char path[128], command[256];
    json_t *records;

    snprintf(command, sizeof command, "%s%s", prefix, program);
    cli_program = command;
    cli_run("sim @/pairs.slt --machine generic-64 " ALL_DESIGNS
            " -t 1,6 --lock mcs --touch all --json @/records.jsonl");
    cli_program = before;
    assert_status(0);
    snprintf(path, sizeof path, "%s/records.jsonl", cli_folder);
    records = records_of(path);
    assert_int_equal(json_array_size(records), 14);
    return records;
}

static void the_same_inputs_have_the_same_record_wherever_the_program_lies_in_memory(void **state)
{
    json_t *first = simulate(cli_program, ""), *again = simulate(cli_program, "");
    json_t *fixed = simulate(cli_program, "setarch -R ");

    (void)state;
    assert_same_bytes(first, again);
    assert_same_bytes(first, fixed);
    json_decref(first);
    json_decref(again);
    json_decref(fixed);
}

/* The virtual objects have one set of flags. The other program is check-all's to name. */
static void another_configuration_of_the_program_has_the_same_record(void **state)
{
    const char *other = getenv("SLABLAB_OTHER");
    json_t *own, *theirs;

    (void)state;
    if (!other)
        skip();
    own = simulate(cli_program, "");
    theirs = simulate(other, "");
    assert_same_bytes(own, theirs);
    json_decref(own);
    json_decref(theirs);
}

static double number_at(const json_t *record, const char *section, const char *part,
                        const char *key)
{
    const json_t *object = json_object_get(json_object_get(record, section), part);

    object = key ? json_object_get(object, key) : object;
    assert_true(json_is_number(object));
    return json_number_value(object);
}

static void a_record_says_what_was_simulated_and_of_what_the_lines_were_that_moved(void **state)
{
    const json_t *machine, *provenance;
    json_t *record;

    (void)state;
    cli_run("sim @/pairs.slt --machine generic-8 -a bufctl -t 4 --lock mcs --compute 2 --operation "
            "30 --slack 40 --json -");
    assert_status(0);
    record = cli_record();
    machine = json_object_get(record, "machine");
    provenance = json_object_get(record, "provenance");
    assert_string_equal(json_string_value(json_object_get(machine, "kind")), "virtual");
    assert_string_equal(json_string_value(json_object_get(machine, "name")), "generic-8");
    assert_true(json_is_string(json_object_get(machine, "compiler")));
    assert_string_equal(json_string_value(json_object_get(machine, "costs")), "generic-8");
    assert_int_equal(json_integer_value(json_object_get(machine, "slack_cycles")), 40);
    assert_int_equal(json_integer_value(json_object_get(machine, "operation_cycles")), 30);
    assert_true(json_number_value(json_object_get(machine, "compute_cycles")) == 2);
    assert_string_equal(json_string_value(json_object_get(provenance, "clock")), "virtual");
    assert_null(json_object_get(provenance, "cpu"));
    assert_null(json_object_get(provenance, "load"));
    /* One LLC, one lock that all take. */
    assert_true(number_at(record, "coherence", "transfers", "same_llc") > 0);
    assert_true(number_at(record, "coherence", "transfers", "other_node") == 0);
    assert_true(number_at(record, "coherence", "by_structure", "lock") > 0);
    assert_true(number_at(record, "coherence", "by_structure", "queue_node") > 0);
    assert_true(number_at(record, "coherence", "by_structure", "slab_record") > 0);
    assert_true(number_at(record, "coherence", "by_structure", "magazine") == 0);
    json_decref(record);
}

/* As its original does, helenos packs the records of its CPUs; x15 gives each lines of its own. */
static void packed_records_of_cpus_are_seen_to_be_shared_falsely(void **state)
{
    json_t *record;

    (void)state;
    cli_run("sim @/pairs.slt --machine generic-8 -a helenos -t 4 --lock mcs --json -");
    record = cli_record();
    assert_true(number_at(record, "coherence", "false_sharing", "cpu_layer") > 1000);
    json_decref(record);
    cli_run("sim @/pairs.slt --machine generic-8 -a x15 -t 4 --lock mcs --json -");
    record = cli_record();
    assert_true(number_at(record, "coherence", "false_sharing", "cpu_layer") == 0);
    json_decref(record);
}

/* ---- copies of a trace ---- */

/* One stream of few events, simulated as many times over as there are threads. */
static double time_of_copies(const char *design, unsigned threads, unsigned seed)
{
    char command[160];
    json_t *record;
    double ns;

    snprintf(command, sizeof command,
             "sim @/one.slt --machine generic-64 -a %s -t %u --seed %u --lock mcs --json -", design,
             threads, seed);
    cli_run(command);
    assert_status(0);
    record = cli_record();
    ns = json_number_value(json_object_get(record, "ns_per_event"));
    json_decref(record);
    return ns;
}

static void copies_of_a_short_trace_take_as_long_as_one_where_nothing_is_shared(void **state)
{
    static const char *const designs[] = {"null", "x15"};

    (void)state;
    cli_run("gen pairs -o @/one.slt --events 1000 --hold 100 --cpus 1");
    assert_status(0);
    for (size_t i = 0; i < 2; i++) {
        double one = time_of_copies(designs[i], 1, 1);

        assert_true(time_of_copies(designs[i], 16, 1) < 1.01 * one);
        assert_true(time_of_copies(designs[i], 64, 1) < 1.01 * one);
    }
}

/* All that the seed changes of these is when copies start. */
static void copies_of_a_trace_do_not_march_in_step(void **state)
{
    (void)state;
    cli_run("gen pairs -o @/one.slt --events 1000 --hold 100 --cpus 1");
    assert_status(0);
    assert_true(time_of_copies("bufctl", 1, 1) == time_of_copies("bufctl", 1, 2));
    assert_true(time_of_copies("bufctl", 16, 1) != time_of_copies("bufctl", 16, 2));
}

/* ---- tables ---- */

static void the_table_says_that_its_times_are_virtual_and_what_lines_moved(void **state)
{
    (void)state;
    cli_run("sim @/pairs.slt --machine generic-8,starfire-16 -a magazine,bufctl -t 4 --lock mcs");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "simulated on generic-8: 8 CPUs on 1 node, 2.65 GHz"));
    assert_non_null(strstr(cli_last.output, "simulated on starfire-16"));
    assert_non_null(strstr(cli_last.output, "times are virtual"));
    assert_non_null(strstr(cli_last.output, "Which cache lines moved between CPUs"));
    assert_non_null(strstr(cli_last.output, "% queue node"));
}

/* ---- sweeps ---- */

static void a_sweep_runs_each_cell_of_each_machine_once_and_resumes(void **state)
{
    char runs[128];
    json_t *records;

    (void)state;
    snprintf(runs, sizeof runs, "%s/swept/runs.jsonl", cli_folder);
    cli_run("sweep @/pairs.slt --machine generic-8,starfire-16 -a magazine,bufctl -t 1,4 --lock "
            "mcs -o @/swept");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "simulated on generic-8"));
    records = records_of(runs);
    assert_int_equal(json_array_size(records), 8);
    assert_null(json_object_get(json_array_get(records, 0), "arm"));
    assert_null(json_object_get(json_array_get(records, 0), "environment"));
    json_decref(records);
    cli_run("sweep @/pairs.slt --machine generic-8,starfire-16 -a magazine,bufctl -t 1,4 --lock "
            "mcs -o @/swept --resume");
    assert_status(0);
    records = records_of(runs);
    assert_int_equal(json_array_size(records), 8);
    json_decref(records);
    cli_run("sweep @/pairs.slt --machine generic-8 -a magazine,bufctl -t 1,4 --lock mcs -o @/swept "
            "--resume");
    assert_refused("was begun with --machine=generic-8,starfire-16");
}

static void a_sweep_leaves_out_what_a_machine_has_no_cpus_for_and_says_so(void **state)
{
    char path[128];
    char *text;
    json_t *records, *left_out;

    (void)state;
    cli_run("sweep @/pairs.slt --machine generic-8,starfire-16 -a magazine,null -t 4..32 -o "
            "@/fitted");
    assert_status(0);
    assert_non_null(
        strstr(cli_last.messages, "generic-8 has 8 CPUs: left out are runs of 16, 32 threads\n"));
    assert_non_null(
        strstr(cli_last.messages, "starfire-16 has 16 CPUs: left out are runs of 32 threads\n"));
    snprintf(path, sizeof path, "%s/fitted/runs.jsonl", cli_folder);
    records = records_of(path);
    assert_int_equal(json_array_size(records), 2 * 2 + 2 * 3);
    json_decref(records);
    snprintf(path, sizeof path, "%s/fitted/sweep.json", cli_folder);
    text = cli_read_file(path);
    records = json_loads(text, 0, NULL);
    free(text);
    left_out = json_object_get(records, "left_out");
    assert_int_equal(json_array_size(left_out), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(left_out, 0), "machine")),
                        "generic-8");
    assert_int_equal(json_array_size(json_object_get(json_array_get(left_out, 0), "threads")), 2);
    json_decref(records);
    cli_run("sweep @/pairs.slt --machine generic-8,starfire-16 -a magazine,null -t 4..32 -o "
            "@/fitted --resume");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, "10 runs in"));
}

static void
threads_beyond_the_cpus_are_refused_where_nothing_remains_and_counted_by_binding(void **state)
{
    (void)state;
    cli_run("sweep @/pairs.slt --machine generic-8,starfire-16 -a null -t 32,64 -o @/nothing");
    assert_refused("32 workers want 32 CPUs, but the binding allows 8");
    cli_run("sim @/pairs.slt --machine generic-8,starfire-16 -a null -t 8,16");
    assert_refused("16 workers want 16 CPUs, but the binding allows 8");
    cli_run("sweep @/pairs.slt --machine generic-64 --bind node:1 --bind scatter -a null -t 32,64 "
            "-o @/bound");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages,
                           "generic-64 has 32 CPUs (--bind node:1): left out are runs of 64 "
                           "threads\n"));
    assert_non_null(strstr(cli_last.messages, "3 runs in"));
}

static void comparisons_of_simulated_runs_are_exact_and_stay_on_one_machine(void **state)
{
    (void)state;
    cli_run("sweep @/pairs.slt --machine generic-8,starfire-16 -a magazine,bufctl -t 4 --lock mcs "
            "-o @/compared");
    cli_run("compare @/compared --baseline magazine");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "Simulated: the same inputs give the same figures"));
    assert_non_null(strstr(cli_last.output, "4 threads, simulated on generic-8:"));
    assert_non_null(strstr(cli_last.output, "4 threads, simulated on starfire-16:"));
    assert_null(strstr(cli_last.output, "too few runs"));
    cli_run("compare @/compared @/compared");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "the same"));
}

static void help_says_how_a_machine_is_chosen(void **state)
{
    (void)state;
    cli_run("sim --help");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "--machine=LIST"));
    assert_non_null(strstr(cli_last.output, "--slack=CYCLES"));
    cli_run("sweep --help");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "--machine=LIST"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_machine_is_refused_with_the_names_of_those_there_are),
        cmocka_unit_test(two_ways_to_choose_a_machine_are_refused),
        cmocka_unit_test(no_topology_of_the_environment_takes_the_place_of_the_machine),
        cmocka_unit_test(a_foreign_malloc_cannot_be_simulated),
        cmocka_unit_test(a_table_of_costs_that_is_none_is_refused_by_file_and_line),
        cmocka_unit_test(more_threads_than_the_machine_has_cpus_are_refused),
        cmocka_unit_test(a_simulated_sweep_has_nothing_to_repeat_until),
        cmocka_unit_test(the_same_inputs_have_the_same_record_wherever_the_program_lies_in_memory),
        cmocka_unit_test(another_configuration_of_the_program_has_the_same_record),
        cmocka_unit_test(a_record_says_what_was_simulated_and_of_what_the_lines_were_that_moved),
        cmocka_unit_test(packed_records_of_cpus_are_seen_to_be_shared_falsely),
        cmocka_unit_test(copies_of_a_short_trace_take_as_long_as_one_where_nothing_is_shared),
        cmocka_unit_test(copies_of_a_trace_do_not_march_in_step),
        cmocka_unit_test(the_table_says_that_its_times_are_virtual_and_what_lines_moved),
        cmocka_unit_test(a_sweep_runs_each_cell_of_each_machine_once_and_resumes),
        cmocka_unit_test(a_sweep_leaves_out_what_a_machine_has_no_cpus_for_and_says_so),
        cmocka_unit_test(
            threads_beyond_the_cpus_are_refused_where_nothing_remains_and_counted_by_binding),
        cmocka_unit_test(comparisons_of_simulated_runs_are_exact_and_stay_on_one_machine),
        cmocka_unit_test(help_says_how_a_machine_is_chosen),
    };

    return cmocka_run_group_tests(tests, load_set_up, cli_tear_down);
}
