/* SPDX-License-Identifier: MIT */
/*
 * Replays on a machine whose nodes are not alike (guest `uneven` of run): node 0 has a CPU and no
 * memory, node 1 a CPU and much memory, node 2 CPUs 2 to 4 and little, nodes 3 and 4 memory and no
 * CPU. CPU 4 is switched off. From node 0 the nearest memory is node 3's, from node 2 it is node
 * 1's; node 4 is far from all.
 */
#include "sim/topology.h"
#include "tests/guest/guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static unsigned logical[5]; /* by the system's number, of nodes that have memory */

static void nodes_without_memory_and_cpus_that_are_off_are_left_out(void **state)
{
    struct topology *topology;

    (void)state;
    assert_int_equal(topology_create_host(&topology, NULL), 0);
    assert_int_equal(topology_nr_nodes(topology), 4);
    assert_int_equal(topology_nr_cpus(topology), 4);
    for (unsigned node = 0; node < 4; node++) {
        unsigned number = topology_node_os_index(topology, node);

        assert_in_range(number, 1, 4);
        logical[number] = node;
    }
    topology_destroy(topology);
}

/* Pages of the system's node in the record. */
static long long pages_on(const json_t *record, unsigned number)
{
    return guest_pages_of_node(record, logical[number]);
}

static void a_cpu_without_memory_of_its_own_takes_the_nearest(void **state)
{
    struct trace_fixture fixture;
    json_t *record;

    guest_trace_staying(&fixture, 1, 64, 4096, -1);
    record = guest_replay(&fixture, *state, "-t 1 --bind cpus:0");
    guest_assert_placed(record);
    assert_true(pages_on(record, 3) >= 64);
    assert_int_equal(pages_on(record, 1), 0);
    assert_int_equal(pages_on(record, 2), 0);
    json_decref(record);
    trace_fixture_remove(&fixture);
}

/* Half as much again as the small node has: the kernel would end a program that bound it there. */
static void what_a_small_node_cannot_hold_lies_on_the_nearest(void **state)
{
    enum { PAGES = 192 << 8 };
    struct trace_fixture fixture;
    json_t *record;

    guest_trace_staying(&fixture, 1, 4096, PAGES, -1);
    record = guest_replay(&fixture, *state, "-t 1 --bind cpus:2");
    guest_assert_placed(record);
    assert_int_equal(guest_figure(record, "failed_allocs"), 0);
    assert_true(pages_on(record, 2) > 0);
    assert_true(pages_on(record, 1) > 0);
    assert_int_equal(pages_on(record, 3) + pages_on(record, 4), 0);
    assert_true(pages_on(record, 1) + pages_on(record, 2) >= PAGES);
    json_decref(record);
    trace_fixture_remove(&fixture);
}

static void refused(const char *options, const char *words)
{
    struct trace_fixture fixture;
    char arguments[256];

    guest_trace_staying(&fixture, 5, 64, 1, -1);
    snprintf(arguments, sizeof arguments, "replay %s -a null %s", fixture.path, options);
    cli_run(arguments);
    assert_refused(words);
    trace_fixture_remove(&fixture);
}

static void binding_to_a_node_without_cpus_is_refused(void **state)
{
    char options[64];

    (void)state;
    snprintf(options, sizeof options, "-t 1 --bind node:%u", logical[4]);
    refused(options, "that node has memory but no CPU");
}

/* CPU 0 has no memory of its own: it counts as one of the node whose memory is nearest to it. */
static void binding_to_a_node_takes_the_cpus_that_are_nearest_to_it(void **state)
{
    struct topology *topology;
    struct binding binding = {.policy = BINDING_NODE, .node = logical[3]};
    unsigned cpu, count;

    (void)state;
    assert_int_equal(topology_create_host(&topology, NULL), 0);
    assert_int_equal(topology_nr_dealt(topology, &binding, false, &count, NULL), 0);
    assert_int_equal(count, 1);
    assert_int_equal(topology_place(topology, &binding, 1, false, &cpu, NULL), 0);
    assert_int_equal(topology_cpu(topology, cpu)->os_index, 0);
    topology_destroy(topology);
}

static void a_cpu_that_is_off_is_not_there(void **state)
{
    (void)state;
    refused("-t 1 --bind cpus:4", "there is no CPU 4, or we may not use it; CPUs are 0-3");
    refused("-t 5", "5 workers want 5 CPUs, but the binding allows 4");
}

int main(void)
{
    struct CMUnitTest tests[4 + 2 * GUEST_DESIGNS] = {
        cmocka_unit_test(nodes_without_memory_and_cpus_that_are_off_are_left_out),
        cmocka_unit_test(binding_to_a_node_without_cpus_is_refused),
        cmocka_unit_test(binding_to_a_node_takes_the_cpus_that_are_nearest_to_it),
        cmocka_unit_test(a_cpu_that_is_off_is_not_there),
    };
    size_t count = 4;

    guest_add(tests, &count, "a_cpu_without_memory_of_its_own_takes_the_nearest",
              a_cpu_without_memory_of_its_own_takes_the_nearest);
    guest_add(tests, &count, "what_a_small_node_cannot_hold_lies_on_the_nearest",
              what_a_small_node_cannot_hold_lies_on_the_nearest);
    return _cmocka_run_group_tests("uneven nodes", tests, count, cli_set_up, cli_tear_down);
}
