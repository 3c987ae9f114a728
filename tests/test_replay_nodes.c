/* SPDX-License-Identifier: MIT */
/*
 * What a replay counts between nodes, on a machine of two that is not there: its CPUs are threads
 * bound to nothing, its nodes parts of the arena. CPUs 0 and 1 are node 0's, 2 and 3 node 1's.
 */
#include "sim/error.h"
#include "sim/topology.h"
#include "tests/replay_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct topology *one_node, *two_nodes;

static int set_up(void **state)
{
    struct error error = {""};

    (void)state;
    if (topology_create_synthetic("numa:1 core:4 pu:1", &one_node, &error) != 0 ||
        topology_create_synthetic("numa:2 core:2 pu:1", &two_nodes, &error) != 0)
        fail_msg("%s", error.text);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    topology_destroy(one_node);
    topology_destroy(two_nodes);
    return 0;
}

static struct run_config warm(const char *allocator, unsigned threads, unsigned loops)
{
    struct run_config config = replay_config_of(allocator, threads);

    config.replay.cold = false;
    config.replay.loops = loops;
    config.replay.record = RECORD_ALL;
    return config;
}

static void run_on(const struct topology *topology, const struct trace_fixture *fixture,
                   const struct run_config *config, struct run_report *report)
{
    const struct plan_config cuts = {.samples = 4};
    struct plan *plan = replay_plan_of(fixture->path, config, &cuts);

    replay_plan_run(plan, topology, config, report);
    assert_string_equal(report->replay.ledger_error, "");
    plan_destroy(plan);
}

/* ---- frees ---- */

/* `count` objects of stream `from`, freed by stream `by`. */
static const struct crossing {
    unsigned from, by, count;
} crossings[] = {{0, 0, 2}, {0, 1, 3}, {0, 2, 5}, {0, 3, 7}, {2, 3, 11}, {3, 0, 13}, {3, 3, 17}};
#define CROSSINGS (sizeof crossings / sizeof crossings[0])

static void trace_crossings(struct trace_fixture *fixture)
{
    trace_fixture_begin(fixture, 4);
    for (size_t i = 0; i < CROSSINGS; i++) {
        for (unsigned j = 0; j < crossings[i].count; j++)
            trace_fixture_alloc(fixture, crossings[i].from, j);
        for (unsigned j = 0; j < crossings[i].count; j++)
            trace_fixture_free(fixture, crossings[i].by, j);
    }
    trace_fixture_end(fixture);
}

static void assert_remote(const struct topology *topology, struct run_config config,
                          uint64_t remote, uint64_t remote_node)
{
    static const char *const designs[] = {"magazine", "null"};
    struct trace_fixture fixture;

    trace_crossings(&fixture);
    for (size_t i = 0; i < 2; i++) {
        struct run_report report;

        config.allocator = designs[i];
        run_on(topology, &fixture, &config, &report);
        assert_int_equal(report.replay.remote_frees, remote * config.replay.loops);
        assert_int_equal(report.replay.remote_node_frees, remote_node * config.replay.loops);
        run_report_cleanup(&report);
    }
    trace_fixture_remove(&fixture);
}

enum { REMOTE = 3 + 5 + 7 + 11 + 13 };

static void a_free_between_cpus_of_one_node_is_not_one_between_nodes(void **state)
{
    (void)state;
    assert_remote(two_nodes, warm("", 4, 1), REMOTE, 5 + 7 + 13);
    assert_remote(two_nodes, warm("", 4, 6), REMOTE, 5 + 7 + 13);
    assert_remote(one_node, warm("", 4, 1), REMOTE, 0);
}

static void two_threads_are_of_one_node(void **state)
{
    (void)state;
    /* Streams 0 and 2 are one worker's, 1 and 3 the other's. */
    assert_remote(two_nodes, warm("", 2, 2), 3 + 7 + 11 + 13, 0);
}

/* The lists of the second copy begin one CPU further: stream 0 is CPU 1's; of the third CPU 2's. */
static void copies_cross_nodes_where_their_streams_are_dealt_to(void **state)
{
    struct run_config config = warm("", 4, 3);

    (void)state;
    config.replay.replicas = 3;
    assert_remote(two_nodes, config, 3 * REMOTE, (5 + 7 + 13) + (3 + 5 + 11) + (5 + 7 + 13));
}

/* What lives before the clock is freed from node to node as any. */
static void preloaded_objects_cross_nodes_too(void **state)
{
    struct run_config config = warm("magazine", 4, 2);
    struct trace_fixture fixture;
    struct run_report report;

    (void)state;
    trace_fixture_begin(&fixture, 4);
    for (uint32_t i = 0; i < 9; i++)
        trace_fixture_preload(&fixture, 0, i);
    for (uint32_t i = 0; i < 9; i++)
        trace_fixture_free(&fixture, i < 5 ? 3 : 1, i);
    trace_fixture_end(&fixture);
    run_on(two_nodes, &fixture, &config, &report);
    assert_int_equal(report.replay.remote_frees, 2 * 9);
    assert_int_equal(report.replay.remote_node_frees, 2 * 5);
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

/* ---- allocations ---- */

enum { WHOLE_PAGES = 1 << 18, ASKED = 20 };

/* Each stream asks for whole pages of node 0, of node 1 and of any node, ASKED times each. */
static void trace_of_pages(struct trace_fixture *fixture)
{
    trace_fixture_begin(fixture, 4);
    for (unsigned i = 0; i < 3 * ASKED * 4; i++) {
        trace_fixture_alloc_on(fixture, i % 4, 0, TRACE_UNTYPED, WHOLE_PAGES,
                               (int16_t)((int)(i / 4 % 3) - 1));
        trace_fixture_free(fixture, i % 4, 0);
    }
    trace_fixture_end(fixture);
}

/* Each asks for objects of either node in turn, ASKED times each. */
static void trace_of_objects(struct trace_fixture *fixture)
{
    trace_fixture_begin(fixture, 4);
    for (unsigned i = 0; i < 2 * ASKED * 4; i++)
        trace_fixture_alloc_on(fixture, i % 4, i, 0, 64, (int16_t)(i / 4 % 2));
    trace_fixture_end(fixture);
}

/* One that names the other node is foreign; one that names none comes from the CPU's own. */
static void assert_foreign(const char *design, const struct trace_fixture *fixture,
                           const struct topology *topology, uint64_t foreign)
{
    for (unsigned touch = REPLAY_TOUCH_NONE; touch <= REPLAY_TOUCH_FIRST; touch++) {
        struct run_config config = warm(design, 4, 5); /* two loops are counted */
        struct run_report report;

        config.replay.touch = touch;
        run_on(topology, fixture, &config, &report);
        assert_int_equal(report.replay.counted.count, 2);
        assert_int_equal(report.replay.foreign_allocs, 2 * foreign);
        run_report_cleanup(&report);
    }
}

static void memory_of_the_other_node_is_foreign(void **state)
{
    struct trace_fixture fixture;

    (void)state;
    trace_of_pages(&fixture);
    assert_foreign("bufctl", &fixture, two_nodes, 4 * ASKED);
    assert_foreign("bufctl", &fixture, one_node, 0);
    trace_fixture_remove(&fixture);
}

static void slabifier_heeds_the_node_that_is_asked_for(void **state)
{
    struct trace_fixture fixture;

    (void)state;
    trace_of_objects(&fixture);
    assert_foreign("slabifier", &fixture, two_nodes, 4 * ASKED);
    assert_foreign("slabifier", &fixture, one_node, 0);
    trace_fixture_remove(&fixture);
}

static void without_the_recorder_nobody_looks_where_objects_lie(void **state)
{
    struct run_config config = warm("bufctl", 4, 1);
    struct trace_fixture fixture;
    struct run_report report;

    (void)state;
    trace_of_pages(&fixture);
    config.replay.record = RECORD_CONTENTION;
    run_on(two_nodes, &fixture, &config, &report);
    assert_int_equal(report.replay.foreign_allocs, 0);
    run_report_cleanup(&report);
    config.replay.record = RECORD_LOCALITY;
    run_on(two_nodes, &fixture, &config, &report);
    assert_int_equal(report.replay.foreign_allocs, 4 * ASKED);
    assert_null(report.replay.account);
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_between_cpus_of_one_node_is_not_one_between_nodes),
        cmocka_unit_test(two_threads_are_of_one_node),
        cmocka_unit_test(copies_cross_nodes_where_their_streams_are_dealt_to),
        cmocka_unit_test(preloaded_objects_cross_nodes_too),
        cmocka_unit_test(memory_of_the_other_node_is_foreign),
        cmocka_unit_test(slabifier_heeds_the_node_that_is_asked_for),
        cmocka_unit_test(without_the_recorder_nobody_looks_where_objects_lie),
    };

    return cmocka_run_group_tests_name("nodes of a replay", tests, set_up, tear_down);
}
