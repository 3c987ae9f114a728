/* SPDX-License-Identifier: MIT */
/* Machine and arena for tests. The one file of the allocators' tests that knows how they start,
 * whichever machine they are linked with. */
#include "tests/machine_fixture.h"

#include "sim/driver.h"
#include "sim/error.h"
#include "sim/page.h"

#include <stdio.h>
#include <stdlib.h>

#define CPUS_MAX 1024

static unsigned nodes[CPUS_MAX];
static unsigned nr_nodes_wanted = 1;
/* As few addresses as will do: valgrind takes seconds to note 64 GiB of them. */
#define NODE_BYTES ((size_t)1 << 30)
static size_t node_bytes_wanted = NODE_BYTES;

static void check(int code, const struct error *error)
{
    if (code == 0)
        return;
    fprintf(stderr, "fixture: %s\n", error->text);
    abort();
}

void fixture_set_nodes(unsigned nr_nodes, size_t node_bytes)
{
    nr_nodes_wanted = nr_nodes;
    node_bytes_wanted = node_bytes ? node_bytes : NODE_BYTES;
}

void fixture_start(unsigned nr_cpus, size_t limit_bytes)
{
    struct machine_config machine = {
        .nr_cpus = nr_cpus, .nr_nodes = nr_nodes_wanted, .cpu_node = nodes, .trace_timers = true};
    struct page_config pages = {.nr_cpus = nr_cpus,
                                .nr_nodes = nr_nodes_wanted,
                                .cpu_node = nodes,
                                .node_bytes = node_bytes_wanted,
                                .limit_bytes = limit_bytes,
                                .huge = true}; /* sooner there */
    struct error error = {""};

    for (unsigned i = 0; i < nr_cpus; i++)
        nodes[i] = i % nr_nodes_wanted;
    check(fixture_prepare(&machine, &pages, &error), &error);
    check(machine_start(&machine, &error), &error);
    check(page_init(&pages, &error), &error);
}

void fixture_stop(void)
{
    page_exit();
    machine_stop();
    fixture_clear();
    fixture_set_nodes(1, 0);
}

void fixture_become(unsigned cpu)
{
    machine_adopt(cpu);
}

void fixture_set_time(uint64_t ns)
{
    unsigned self = cpu_id();

    for (unsigned i = 0; i < nr_cpus(); i++) {
        machine_adopt(i);
        machine_set_timer(ns);
    }
    machine_adopt(self);
}

void fixture_set_own_time(uint64_t ns)
{
    machine_set_timer(ns);
}

static struct {
    void (*worker)(unsigned cpu, void *argument);
    void *argument;
} job;

static void work(unsigned cpu, void *unused)
{
    (void)unused;
    job.worker(cpu, job.argument);
    machine_barrier();
}

void fixture_run(void (*worker)(unsigned cpu, void *argument), void *argument)
{
    struct machine_run_report report;
    struct error error = {""};

    job.worker = worker;
    job.argument = argument;
    check(machine_run(work, NULL, &report, &error), &error);
}

void fixture_safe_point(void)
{
    machine_safe_point();
}

size_t fixture_held_bytes(void)
{
    struct page_statistics statistics;

    page_get_statistics(&statistics);
    return statistics.held_bytes;
}
