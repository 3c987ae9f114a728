/* SPDX-License-Identifier: MIT */
/*
 * Replays on a machine that has several nodes, as a user runs them, held against what the machine
 * was booted with (see run) and against what its kernel says of threads and memory while they run.
 * Only for guests: it wants CPU_NODES, the node of each CPU, and SCATTER, the CPUs in the order in
 * which `--bind scatter` has to deal them.
 */
#include "sim/page.h"
#include "sim/topology.h"
#include "tests/guest/guest.h"
#include "tests/guest/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the machine ---- */

static void the_machine_is_seen_as_it_was_booted(void **state)
{
    struct topology *topology;

    (void)state;
    assert_int_equal(topology_create_host(&topology, NULL), 0);
    assert_int_equal(topology_nr_cpus(topology), guest.nr_cpus);
    assert_int_equal(topology_nr_nodes(topology), guest.nr_nodes);
    for (unsigned i = 0; i < guest.nr_cpus; i++) {
        const struct topology_cpu *cpu = topology_cpu(topology, i);

        assert_int_equal(topology_node_os_index(topology, cpu->node), guest.node_of[cpu->os_index]);
    }
    topology_destroy(topology);
}

static void distances_are_those_of_the_kernel(void **state)
{
    struct topology *topology;

    (void)state;
    assert_int_equal(topology_create_host(&topology, NULL), 0);
    for (unsigned from = 0; from < guest.nr_nodes; from++) {
        unsigned distances[MACHINE_MOST];
        char path[64], *text;

        snprintf(path, sizeof path, "/sys/devices/system/node/node%u/distance", from);
        text = cli_read_file(path);
        assert_int_equal(machine_numbers(text, " \n", distances), guest.nr_nodes);
        free(text);
        for (unsigned to = 0; to < guest.nr_nodes; to++)
            assert_int_equal(topology_distance(topology, from, to), distances[to]);
    }
    topology_destroy(topology);
}

/* ---- pages ---- */

enum { OBJECTS = 4096, OBJECT_PAGES = OBJECTS * 64 / 4096 };

/*
 * Pages on which the objects of one stream may lie elsewhere: in slabs that another CPU left
 * partly filled, of 32 KiB at most. What is not objects (magazines, records, what spl takes while a
 * slab is under way) comes on top.
 */
enum { SHARED_PAGES = 8 };

static void pages_lie_on_the_node_of_the_cpu_that_asks(void **state)
{
    struct trace_fixture fixture;
    char options[64];
    json_t *record;

    guest_trace_staying(&fixture, guest.nr_cpus, 64, OBJECTS, PAGE_ANY_NODE);
    snprintf(options, sizeof options, "-t %u --order trace", guest.nr_cpus);
    record = guest_replay(&fixture, *state, options);
    guest_assert_placed(record);
    for (unsigned node = 0; node < guest.nr_nodes; node++) {
        long long objects = (long long)machine_cpus_on(node) * OBJECT_PAGES;

        assert_true(guest_pages_of_node(record, node) >= objects - SHARED_PAGES);
    }
    json_decref(record);
    trace_fixture_remove(&fixture);
}

static void a_run_on_one_node_has_all_its_pages_there(void **state)
{
    const unsigned tried[] = {0, guest.nr_nodes - 1};

    for (size_t i = 0; i < 2; i++) {
        unsigned threads = machine_cpus_on(tried[i]);
        struct trace_fixture fixture;
        char options[64];
        json_t *record;

        guest_trace_staying(&fixture, threads, 64, OBJECTS, PAGE_ANY_NODE);
        snprintf(options, sizeof options, "-t %u --bind node:%u", threads, tried[i]);
        record = guest_replay(&fixture, *state, options);
        guest_assert_placed(record);
        for (unsigned node = 0; node < guest.nr_nodes; node++)
            if (node != tried[i])
                assert_int_equal(guest_pages_of_node(record, node), 0);
        assert_true(guest_pages_of_node(record, tried[i]) >= threads * OBJECT_PAGES);
        json_decref(record);
        trace_fixture_remove(&fixture);
    }
}

/* On a CPU of node 0, all for the last node: `heeded` says whether that is where they lie. */
static void assert_named_node(const char *design, uint64_t size, uint32_t objects, bool heeded)
{
    long long pages = (long long)(size * objects / 4096);
    unsigned there = heeded ? guest.nr_nodes - 1 : 0;
    struct trace_fixture fixture;
    json_t *record;

    guest_trace_staying(&fixture, 1, size, objects, (int16_t)(guest.nr_nodes - 1));
    record = guest_replay(&fixture, design, "-t 1 --bind node:0");
    guest_assert_placed(record);
    assert_true(guest_pages_of_node(record, there) >= pages);
    assert_true(guest_pages_of_node(record, heeded ? 0 : guest.nr_nodes - 1) < pages);
    assert_int_equal(guest_figure(record, "locality.foreign_node_allocs"),
                     heeded ? guest_figure(record, "locality.foreign_node_allocs_of") : 0);
    json_decref(record);
    trace_fixture_remove(&fixture);
}

/* Of the six only slabifier knows nodes; allocations of whole pages are the machine's for all. */
static void a_named_node_is_heeded_where_the_design_says_so(void **state)
{
    assert_named_node(*state, 64, OBJECTS, strcmp(*state, "slabifier") == 0);
    assert_named_node(*state, GUEST_WHOLE_PAGES, 8, true);
}

/* ---- frees ---- */

/* CPU `by` frees so many of what CPU `from` allocated: another number for each pair. */
static unsigned crossing(unsigned from, unsigned by)
{
    return 1 + from + 3 * by;
}

static void trace_crossings(struct trace_fixture *fixture)
{
    trace_fixture_begin(fixture, guest.nr_cpus);
    for (unsigned from = 0; from < guest.nr_cpus; from++) {
        for (unsigned by = 0; by < guest.nr_cpus; by++) {
            for (unsigned i = 0; i < crossing(from, by); i++)
                trace_fixture_alloc(fixture, from, i);
            for (unsigned i = 0; i < crossing(from, by); i++)
                trace_fixture_free(fixture, by, i);
        }
    }
    trace_fixture_end(fixture);
}

/* The i-th stream runs on cpus[i]. */
static void assert_crossings(const struct trace_fixture *fixture, const char *design,
                             const char *binding, const unsigned *cpus)
{
    long long other_cpu = 0, other_node = 0;
    char options[128];
    json_t *record;

    for (unsigned from = 0; from < guest.nr_cpus; from++) {
        for (unsigned by = 0; by < guest.nr_cpus; by++) {
            if (from != by)
                other_cpu += crossing(from, by);
            if (guest.node_of[cpus[from]] != guest.node_of[cpus[by]])
                other_node += crossing(from, by);
        }
    }
    snprintf(options, sizeof options, "-t %u --bind %s", guest.nr_cpus, binding);
    record = guest_replay(fixture, design, options);
    assert_int_equal(guest_figure(record, "locality.remote_cpu_frees"), other_cpu);
    assert_int_equal(guest_figure(record, "locality.remote_node_frees"), other_node);
    json_decref(record);
}

static void frees_of_other_cpus_and_nodes_are_counted(void **state)
{
    struct trace_fixture fixture;

    trace_crossings(&fixture);
    assert_crossings(&fixture, *state, "compact", guest.compact);
    assert_crossings(&fixture, *state, "scatter", guest.scatter);
    trace_fixture_remove(&fixture);
}

/* ---- binding ---- */

/* Threads run on the CPUs that the binding names, and on no others. */
static void assert_bound(const char *binding, unsigned threads, const unsigned *expected)
{
    struct trace_fixture fixture;
    struct machine_run run;
    char options[128];

    trace_crossings(&fixture);
    snprintf(options, sizeof options, "-a magazine -t %u --bind %s", threads, binding);
    machine_run_start(&run, fixture.path, options);
    machine_run_wait(&run, threads);
    for (unsigned i = 0; i < threads; i++) {
        bool found = false;

        for (unsigned j = 0; j < threads; j++)
            found |= run.cpus[j] == expected[i];
        if (!found)
            fail_msg("--bind %s: no thread is bound to CPU %u", binding, expected[i]);
    }
    machine_run_end(&run);
    trace_fixture_remove(&fixture);
}

static void threads_run_on_the_cpus_that_the_binding_names(void **state)
{
    const unsigned last = guest.nr_cpus - 1, listed[] = {last, 1}, half = guest.nr_cpus / 2;
    unsigned of_node[MACHINE_MOST], count = 0;
    char text[64];

    (void)state;
    for (unsigned cpu = 0; cpu < guest.nr_cpus; cpu++)
        if (guest.node_of[cpu] == guest.nr_nodes - 1)
            of_node[count++] = cpu;
    assert_bound("compact", half, guest.compact);
    assert_bound("scatter", half, guest.scatter);
    snprintf(text, sizeof text, "node:%u", guest.nr_nodes - 1);
    assert_bound(text, count, of_node);
    snprintf(text, sizeof text, "cpus:%u,1", last);
    assert_bound(text, 2, listed);
}

static void the_kernel_has_each_nodes_memory_bound_to_it(void **state)
{
    struct trace_fixture fixture;
    struct machine_run run;
    char options[64];

    guest_trace_staying(&fixture, guest.nr_cpus, 64, 1024, PAGE_ANY_NODE);
    snprintf(options, sizeof options, "-a %s -t %u", (const char *)*state, guest.nr_cpus);
    machine_run_start(&run, fixture.path, options);
    machine_run_wait(&run, guest.nr_cpus);
    machine_run_look_at_memory(&run);
    for (unsigned node = 0; node < guest.nr_nodes; node++) {
        if (run.bound_pages[node] == 0)
            fail_msg("no page is bound to node %u:\n%s", node, run.maps);
    }
    assert_int_equal(run.loose_pages, 0);
    assert_int_equal(run.misplaced_pages, 0);
    machine_run_end(&run);
    trace_fixture_remove(&fixture);
}

/* ---- what there is not ---- */

static void what_the_machine_does_not_have_is_refused(void **state)
{
    struct trace_fixture fixture;
    char arguments[256], words[128];

    (void)state;
    trace_crossings(&fixture);
    snprintf(arguments, sizeof arguments, "replay %s -a null --bind node:%u", fixture.path,
             guest.nr_nodes);
    snprintf(words, sizeof words, "there is no such node; nodes are 0 to %u", guest.nr_nodes - 1);
    cli_run(arguments);
    assert_refused(words);
    snprintf(arguments, sizeof arguments, "replay %s -a null --bind cpus:%u -t 1", fixture.path,
             guest.nr_cpus);
    snprintf(words, sizeof words, "CPUs are 0-%u", guest.nr_cpus - 1);
    cli_run(arguments);
    assert_refused(words);
    trace_fixture_remove(&fixture);
}

/* ---- all ---- */

int main(void)
{
    struct CMUnitTest tests[4 + 5 * GUEST_DESIGNS] = {
        cmocka_unit_test(the_machine_is_seen_as_it_was_booted),
        cmocka_unit_test(distances_are_those_of_the_kernel),
        cmocka_unit_test(threads_run_on_the_cpus_that_the_binding_names),
        cmocka_unit_test(what_the_machine_does_not_have_is_refused),
    };
    size_t count = 4;

    guest_add(tests, &count, "pages_lie_on_the_node_of_the_cpu_that_asks",
              pages_lie_on_the_node_of_the_cpu_that_asks);
    guest_add(tests, &count, "a_run_on_one_node_has_all_its_pages_there",
              a_run_on_one_node_has_all_its_pages_there);
    guest_add(tests, &count, "a_named_node_is_heeded_where_the_design_says_so",
              a_named_node_is_heeded_where_the_design_says_so);
    guest_add(tests, &count, "frees_of_other_cpus_and_nodes_are_counted",
              frees_of_other_cpus_and_nodes_are_counted);
    guest_add(tests, &count, "the_kernel_has_each_nodes_memory_bound_to_it",
              the_kernel_has_each_nodes_memory_bound_to_it);
    machine_read();
    return _cmocka_run_group_tests("nodes", tests, count, cli_set_up, cli_tear_down);
}
