/* SPDX-License-Identifier: MIT */
/* Topologies, the placing of workers on them, and binding. */
#include "sim/error.h"
#include "sim/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <hwloc/export.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 16 CPUs: CPU i is thread i % 2 of core i / 2, cache i / 4, package and node i / 8. */
#define TWO_PACKAGES "package:2 numa:1 l3:2 core:2 pu:2"

static struct topology *synthetic(const char *description)
{
    struct topology *topology = NULL;
    struct error error;

    assert_int_equal(topology_create_synthetic(description, &topology, &error), 0);
    return topology;
}

/* Places `workers` by the policy in `text`; `cpus` has room for them. */
static int place(const struct topology *topology, const char *text, unsigned workers,
                 bool oversubscribe, unsigned *cpus, struct error *error)
{
    struct binding binding;
    int rc;

    assert_int_equal(binding_parse(text, &binding, error), 0);
    rc = topology_place(topology, &binding, workers, oversubscribe, cpus, error);
    binding_cleanup(&binding);
    return rc;
}

static void expect_placed(const char *description, const char *text, unsigned workers,
                          const unsigned *expected)
{
    struct topology *topology = synthetic(description);
    unsigned cpus[64];
    struct error error;

    assert_int_equal(place(topology, text, workers, false, cpus, &error), 0);
    assert_memory_equal(cpus, expected, workers * sizeof *expected);
    topology_destroy(topology);
}

static void a_synthetic_machine_is_numbered_from_its_description(void **state)
{
    struct topology *topology = synthetic(TWO_PACKAGES);

    (void)state;
    assert_int_equal(topology_nr_cpus(topology), 16);
    assert_int_equal(topology_nr_nodes(topology), 2);
    for (unsigned i = 0; i < 16; i++) {
        const struct topology_cpu *cpu = topology_cpu(topology, i);

        assert_int_equal(cpu->core, i / 2);
        assert_int_equal(cpu->llc, i / 4);
        assert_int_equal(cpu->package, i / 8);
        assert_int_equal(cpu->node, i / 8);
    }
    assert_string_equal(topology_describe(topology), "2 packages, 2 nodes, 4 L3, 8 cores, 16 CPUs");
    assert_false(topology_is_this_system(topology));
    topology_destroy(topology);
}

static void distances_fall_back_to_10_and_20(void **state)
{
    struct topology *topology = synthetic(TWO_PACKAGES);

    (void)state;
    assert_int_equal(topology_distance(topology, 0, 0), 10);
    assert_int_equal(topology_distance(topology, 0, 1), 20);
    assert_int_equal(topology_distance(topology, 1, 0), 20);
    topology_destroy(topology);
}

static void a_machine_can_be_described_again(void **state)
{
    struct topology *topology = synthetic(TWO_PACKAGES), *again;
    struct error error;
    char text[256];

    (void)state;
    assert_int_equal(topology_synthetic(topology, text, sizeof text, &error), 0);
    again = synthetic(text);
    assert_string_equal(topology_describe(again), topology_describe(topology));
    for (unsigned i = 0; i < 16; i++)
        assert_memory_equal(topology_cpu(again, i), topology_cpu(topology, i),
                            sizeof(struct topology_cpu));
    topology_destroy(again);
    topology_destroy(topology);
}

static void without_caches_and_packages_there_is_one_of_each(void **state)
{
    struct topology *topology = synthetic("numa:1 core:3 pu:1");

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(topology_cpu(topology, i)->llc, 0);
        assert_int_equal(topology_cpu(topology, i)->package, 0);
        assert_int_equal(topology_cpu(topology, i)->core, i);
        assert_int_equal(topology_cpu(topology, i)->node, 0);
    }
    assert_string_equal(topology_describe(topology), "1 package, 1 node, 3 cores, 3 CPUs");
    topology_destroy(topology);
}

static void compact_fills_a_core_a_cache_a_node_before_the_next(void **state)
{
    static const unsigned in_order[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};

    (void)state;
    expect_placed(TWO_PACKAGES, "compact", 10, in_order);
    expect_placed(TWO_PACKAGES, "none", 10, in_order);
}

static void scatter_goes_round_packages_then_caches_then_cores_then_siblings(void **state)
{
    static const unsigned spread[] = {0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15};

    (void)state;
    expect_placed(TWO_PACKAGES, "scatter", 16, spread);
}

static void scatter_prefers_another_package_to_another_node_of_the_same(void **state)
{
    static const unsigned spread[] = {0, 4, 2, 6, 1, 5, 3, 7};

    (void)state;
    expect_placed("package:2 numa:2 core:2 pu:1", "scatter", 8, spread);
}

static void a_node_is_filled_compactly(void **state)
{
    static const unsigned second[] = {8, 9, 10, 11, 12, 13, 14, 15};

    (void)state;
    expect_placed(TWO_PACKAGES, "node:1", 8, second);
}

static void listed_cpus_keep_the_order_given(void **state)
{
    static const unsigned listed[] = {5, 0, 1, 2, 12};

    (void)state;
    expect_placed(TWO_PACKAGES, "cpus:5,0-2,12", 5, listed);
}

static void too_many_workers_are_refused_and_the_sentence_counts(void **state)
{
    struct topology *topology = synthetic(TWO_PACKAGES);
    unsigned cpus[32];
    struct error error;

    (void)state;
    assert_int_equal(place(topology, "compact", 17, false, cpus, &error), -E2BIG);
    assert_non_null(strstr(error.text, "16"));
    assert_int_equal(place(topology, "node:1", 9, false, cpus, &error), -E2BIG);
    assert_non_null(strstr(error.text, "8"));
    assert_int_equal(place(topology, "cpus:3,4", 3, false, cpus, &error), -E2BIG);
    topology_destroy(topology);
}

static void oversubscription_deals_out_again_from_the_start(void **state)
{
    static const unsigned twice[] = {3, 3, 4, 3, 3};
    struct topology *topology = synthetic(TWO_PACKAGES);
    unsigned cpus[32];
    struct error error;

    (void)state;
    assert_int_equal(place(topology, "node:1", 10, true, cpus, &error), 0);
    assert_int_equal(cpus[7], 15);
    assert_int_equal(cpus[8], 8);
    assert_int_equal(cpus[9], 9);
    assert_int_equal(place(topology, "cpus:3,3,4", 5, true, cpus, &error), 0);
    assert_memory_equal(cpus, twice, sizeof twice);
    topology_destroy(topology);
}

static void placing_refuses_what_does_not_exist_and_says_what_does(void **state)
{
    struct topology *topology = synthetic(TWO_PACKAGES);
    unsigned cpus[4];
    struct error error;

    (void)state;
    assert_int_equal(place(topology, "cpus:1,99", 2, false, cpus, &error), -EINVAL);
    assert_non_null(strstr(error.text, "99"));
    assert_non_null(strstr(error.text, "0-15"));
    assert_int_equal(place(topology, "cpus:1,1", 2, false, cpus, &error), -EINVAL);
    assert_non_null(strstr(error.text, "twice"));
    assert_int_equal(place(topology, "node:2", 1, false, cpus, &error), -EINVAL);
    assert_non_null(strstr(error.text, "0 to 1"));
    topology_destroy(topology);
}

static void a_bad_binding_is_refused_with_what_would_be_right(void **state)
{
    static const char *const bad[] = {"",        "spread",        "node:",   "node:x",   "node:-1",
                                      "cpus:",   "cpus:1,",       "cpus:,1", "cpus:3-1", "cpus:1-",
                                      "cpus:1 ", "cpus:99999999", "Compact"};
    struct binding binding;
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(binding_parse(bad[i], &binding, &error), -EINVAL);
        assert_true(strstr(error.text, "node:") || strstr(error.text, "cpus:"));
        assert_null(binding.os_cpus);
    }
    assert_int_equal(binding_parse("spread", &binding, &error), -EINVAL);
    assert_non_null(strstr(error.text, "compact, scatter, node:K, cpus:LIST"));
}

static void a_bad_source_is_refused_by_name(void **state)
{
    char path[] = "/tmp/slablab-topology-XXXXXX";
    int file = mkstemp(path);
    struct topology *topology = NULL;
    struct error error;

    (void)state;
    assert_true(file >= 0);
    assert_int_equal(write(file, "<nonsense/>", 11), 11);
    close(file);
    assert_int_equal(topology_create_xml(path, &topology, &error), -EINVAL);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(topology_create_xml(path, &topology, &error), -EINVAL);
    assert_non_null(strstr(error.text, "it is empty"));
    unlink(path);
    assert_int_equal(topology_create_xml(path, &topology, &error), -EINVAL);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(topology_create_synthetic("cabbage:2", &topology, &error), -EINVAL);
    assert_non_null(strstr(error.text, "cabbage:2"));
    assert_null(topology);
}

static void machines_out_of_proportion_are_refused(void **state)
{
    static const char *const many[] = {
        "package:2049 pu:1",     "package:2 numa:31 l3:2777777777 pu:2", "100 100(size=1) pu:2",
        "pac2)2)05pu:2049 pu:2", "(memory=1GB) package:2 pu:1025",       "pack(:64 pu:64"};
    static const char *const nodes[] = {"NUMANode:1025 pu:1", "package:1025 [numa] pu:1"};
    struct topology *topology;
    struct error error;

    (void)state;
    for (size_t i = 0; i < sizeof many / sizeof many[0]; i++) {
        assert_int_equal(topology_create_synthetic(many[i], &topology, &error), -EINVAL);
        assert_non_null(strstr(error.text, "more than 2048 CPUs"));
    }
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        assert_int_equal(topology_create_synthetic(nodes[i], &topology, &error), -EINVAL);
        assert_non_null(strstr(error.text, "more than 1024 nodes"));
    }
    assert_int_equal(topology_create_synthetic("package:2(indexes=1,0) [numa] l3:2(size=9999999) "
                                               "core:64 pu:2",
                                               &topology, &error),
                     0);
    assert_int_equal(topology_nr_cpus(topology), 512);
    topology_destroy(topology);
}

/* Writes what hwloc finds after `change` was made to it; the caller unlinks `path`. */
static void export_xml(const char *description, void (*change)(hwloc_topology_t), const char *path)
{
    hwloc_topology_t hwloc;

    assert_int_equal(hwloc_topology_init(&hwloc), 0);
    if (description)
        assert_int_equal(hwloc_topology_set_synthetic(hwloc, description), 0);
    assert_int_equal(hwloc_topology_load(hwloc), 0);
    if (change)
        change(hwloc);
    assert_int_equal(hwloc_topology_export_xml(hwloc, path, 0), 0);
    hwloc_topology_destroy(hwloc);
}

/* hwloc believes exports, and of many that are damaged its reading breaks off. */
static void a_damaged_export_is_read_or_refused(void **state)
{
    char path[] = "/tmp/slablab-topology-XXXXXX", good[4096];
    int file = mkstemp(path);
    unsigned refused = 0;
    ssize_t length;

    (void)state;
    assert_true(file >= 0);
    export_xml("package:2 [numa] pu:1", NULL, path);
    length = pread(file, good, sizeof good, 0);
    assert_in_range(length, 1000, sizeof good - 1);
    for (ssize_t at = 0; at < length; at += 13) {
        struct topology *topology;
        struct error error;

        assert_int_equal(pwrite(file, "z", 1, at), 1);
        if (topology_create_xml(path, &topology, &error)) {
            assert_non_null(strstr(error.text, path));
            refused++;
        } else {
            topology_destroy(topology);
        }
        assert_int_equal(pwrite(file, good + at, 1, at), 1);
    }
    close(file);
    unlink(path);
    assert_true(refused > 20);
}

static void an_export_may_come_from_a_pipe(void **state)
{
    char path[] = "/tmp/slablab-topology-XXXXXX", text[4096];
    int file = mkstemp(path), ends[2];
    struct topology *topology;
    struct error error;
    ssize_t length;

    (void)state;
    assert_true(file >= 0);
    export_xml("package:2 [numa] pu:1", NULL, path);
    length = pread(file, text, sizeof text, 0);
    close(file);
    unlink(path);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, (size_t)length), length);
    close(ends[1]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    assert_int_equal(topology_create_xml(path, &topology, &error), 0);
    assert_int_equal(topology_nr_cpus(topology), 2);
    topology_destroy(topology);
    close(ends[0]);
}

static void an_xml_export_of_the_host_has_the_hosts_cpus(void **state)
{
    char path[] = "/tmp/slablab-topology-XXXXXX";
    int file = mkstemp(path);
    struct topology *host, *copy;
    struct error error;

    (void)state;
    assert_true(file >= 0);
    close(file);
    export_xml(NULL, NULL, path);
    assert_int_equal(topology_create_host(&host, &error), 0);
    assert_int_equal(topology_create_xml(path, &copy, &error), 0);
    unlink(path);
    assert_true(topology_is_this_system(host));
    assert_false(topology_is_this_system(copy));
    assert_true(topology_nr_cpus(host) <= topology_nr_cpus(copy));
    if (topology_nr_cpus(host) == topology_nr_cpus(copy)) {
        assert_string_equal(topology_describe(host), topology_describe(copy));
        for (unsigned i = 0; i < topology_nr_cpus(host); i++)
            assert_memory_equal(topology_cpu(host, i), topology_cpu(copy, i),
                                sizeof(struct topology_cpu));
    }
    topology_destroy(copy);
    topology_destroy(host);
}

static void assert_same_host(const struct topology *host)
{
    struct topology *again;
    struct error error;

    assert_int_equal(topology_create_host(&again, &error), 0);
    assert_true(topology_is_this_system(again));
    assert_string_equal(topology_describe(host), topology_describe(again));
    for (unsigned i = 0; i < topology_nr_cpus(host); i++)
        assert_memory_equal(topology_cpu(host, i), topology_cpu(again, i),
                            sizeof(struct topology_cpu));
    topology_destroy(again);
}

static void what_was_asked_for_is_not_overridden_by_the_environment(void **state)
{
    static const char *const variables[][2] = {{"HWLOC_SYNTHETIC", "numa:1 core:1 pu:1"},
                                               {"HWLOC_THISSYSTEM", "1"},
                                               {"HWLOC_COMPONENTS", "-synthetic,stop"},
                                               {"HWLOC_XMLFILE", "/nonexistent"}};
    struct topology *topology;

    (void)state;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        setenv(variables[i][0], variables[i][1], 1);
        topology = synthetic("package:2 numa:1 core:64 pu:4");
        assert_int_equal(topology_nr_cpus(topology), 512);
        assert_false(topology_is_this_system(topology));
        topology_destroy(topology);
        assert_string_equal(getenv(variables[i][0]), variables[i][1]);
        unsetenv(variables[i][0]);
    }
}

static void a_topology_that_is_handed_down_is_that_of_this_host(void **state)
{
    struct topology *host, *other;
    struct error error;

    (void)state;
    assert_int_equal(topology_create_host(&host, &error), 0);
    assert_int_equal(topology_create_synthetic("core:64 pu:4", &other, &error), 0);
    assert_int_equal(topology_hand_down(other, &error), 0);
    assert_null(getenv("HWLOC_XMLFILE"));
    assert_int_equal(topology_hand_down(host, &error), 0);
    assert_non_null(getenv("HWLOC_XMLFILE"));
    assert_same_host(host);
    unsetenv("HWLOC_XMLFILE");
    unsetenv("HWLOC_THISSYSTEM");
    assert_same_host(host);
    topology_destroy(other);
    topology_destroy(host);
}

static void add_distances(hwloc_topology_t hwloc)
{
    hwloc_uint64_t values[] = {10, 21, 17, 21, 10, 28, 17, 28, 10};
    hwloc_distances_add_handle_t handle = hwloc_distances_add_create(
        hwloc, "NUMALatency", HWLOC_DISTANCES_KIND_FROM_USER | HWLOC_DISTANCES_KIND_MEANS_LATENCY,
        0);
    hwloc_obj_t nodes[3];

    for (unsigned i = 0; i < 3; i++)
        nodes[i] = hwloc_get_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, i);
    assert_non_null(handle);
    assert_int_equal(hwloc_distances_add_values(hwloc, handle, 3, nodes, values, 0), 0);
    assert_int_equal(hwloc_distances_add_commit(hwloc, handle, 0), 0);
}

/* The same, and node 1 (of CPU 1) is empty: its nearest memory is node 0. */
static void add_distances_and_empty_node(hwloc_topology_t hwloc)
{
    add_distances(hwloc);
    hwloc_get_obj_by_type(hwloc, HWLOC_OBJ_NUMANODE, 1)->attr->numanode.local_memory = 0;
}

static struct topology *changed(void (*change)(hwloc_topology_t))
{
    char path[] = "/tmp/slablab-topology-XXXXXX";
    int file = mkstemp(path);
    struct topology *topology;
    struct error error;

    assert_true(file >= 0);
    close(file);
    export_xml("numa:3 pu:1", change, path);
    assert_int_equal(topology_create_xml(path, &topology, &error), 0);
    unlink(path);
    return topology;
}

static void the_firmwares_distances_are_used(void **state)
{
    struct topology *topology = changed(add_distances);

    (void)state;
    assert_int_equal(topology_distance(topology, 0, 1), 21);
    assert_int_equal(topology_distance(topology, 1, 2), 28);
    assert_int_equal(topology_distance(topology, 2, 2), 10);
    topology_destroy(topology);
}

static void a_cpu_of_an_empty_node_gets_the_nearest_node_with_memory(void **state)
{
    struct topology *topology = changed(add_distances_and_empty_node);

    (void)state;
    assert_int_equal(topology_nr_cpus(topology), 3);
    assert_int_equal(topology_nr_nodes(topology), 2);
    assert_int_equal(topology_node_os_index(topology, 1), 2);
    assert_int_equal(topology_cpu(topology, 1)->node, 0);
    assert_int_equal(topology_cpu(topology, 2)->node, 1);
    assert_int_equal(topology_distance(topology, 0, 1), 17);
    topology_destroy(topology);
}

/* In a thread of its own, since a binding outlives the test. */
static void *bind_to_every_cpu(void *argument)
{
    const struct topology *host = argument;
    struct error error;

    for (unsigned cpu = 0; cpu < topology_nr_cpus(host); cpu++) {
        struct topology *seen;

        assert_int_equal(topology_bind_thread(host, cpu, &error), 0);
        assert_int_equal(topology_last_cpu(host), cpu);
        assert_int_equal(topology_create_host(&seen, &error), 0);
        assert_int_equal(topology_nr_cpus(seen), 1);
        assert_int_equal(topology_cpu(seen, 0)->os_index, topology_cpu(host, cpu)->os_index);
        topology_destroy(seen);
    }
    return NULL;
}

static void binding_on_this_host_holds_and_limits_what_is_seen(void **state)
{
    struct topology *host;
    struct error error;
    pthread_t thread;

    (void)state;
    assert_int_equal(topology_create_host(&host, &error), 0);
    assert_int_equal(pthread_create(&thread, NULL, bind_to_every_cpu, host), 0);
    pthread_join(thread, NULL);
    topology_destroy(host);
}

static void binding_to_another_machine_is_refused(void **state)
{
    struct topology *topology = synthetic(TWO_PACKAGES);
    struct error error;

    (void)state;
    assert_int_equal(topology_bind_thread(topology, 0, &error), -ENOSYS);
    assert_int_equal(topology_last_cpu(topology), -1);
    topology_destroy(topology);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_synthetic_machine_is_numbered_from_its_description),
        cmocka_unit_test(distances_fall_back_to_10_and_20),
        cmocka_unit_test(a_machine_can_be_described_again),
        cmocka_unit_test(without_caches_and_packages_there_is_one_of_each),
        cmocka_unit_test(compact_fills_a_core_a_cache_a_node_before_the_next),
        cmocka_unit_test(scatter_goes_round_packages_then_caches_then_cores_then_siblings),
        cmocka_unit_test(scatter_prefers_another_package_to_another_node_of_the_same),
        cmocka_unit_test(a_node_is_filled_compactly),
        cmocka_unit_test(listed_cpus_keep_the_order_given),
        cmocka_unit_test(too_many_workers_are_refused_and_the_sentence_counts),
        cmocka_unit_test(oversubscription_deals_out_again_from_the_start),
        cmocka_unit_test(placing_refuses_what_does_not_exist_and_says_what_does),
        cmocka_unit_test(a_bad_binding_is_refused_with_what_would_be_right),
        cmocka_unit_test(a_bad_source_is_refused_by_name),
        cmocka_unit_test(a_damaged_export_is_read_or_refused),
        cmocka_unit_test(an_export_may_come_from_a_pipe),
        cmocka_unit_test(an_xml_export_of_the_host_has_the_hosts_cpus),
        cmocka_unit_test(what_was_asked_for_is_not_overridden_by_the_environment),
        cmocka_unit_test(a_topology_that_is_handed_down_is_that_of_this_host),
        cmocka_unit_test(the_firmwares_distances_are_used),
        cmocka_unit_test(machines_out_of_proportion_are_refused),
        cmocka_unit_test(a_cpu_of_an_empty_node_gets_the_nearest_node_with_memory),
        cmocka_unit_test(binding_on_this_host_holds_and_limits_what_is_seen),
        cmocka_unit_test(binding_to_another_machine_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
