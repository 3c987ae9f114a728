/* SPDX-License-Identifier: MIT */
/* Machine and arena for tests. The one file of the allocators' tests that knows how they start. */
#include "tests/machine_fixture.h"

#include "sim/error.h"
#include "sim/native.h"
#include "sim/page.h"

#include <stdio.h>
#include <stdlib.h>

#define CPUS_MAX 64

static const unsigned nodes[CPUS_MAX]; /* all on node 0 */

static void check(int code, const struct error *error)
{
    if (code == 0)
        return;
    fprintf(stderr, "fixture: %s\n", error->text);
    abort();
}

void fixture_start(unsigned nr_cpus, size_t limit_bytes)
{
    const struct native_config machine = {
        .nr_cpus = nr_cpus, .nr_nodes = 1, .cpu_node = nodes, .trace_timers = true};
    /* As few addresses as will do: valgrind takes seconds to note 64 GiB of them. */
    const struct page_config pages = {.nr_cpus = nr_cpus,
                                      .nr_nodes = 1,
                                      .cpu_node = nodes,
                                      .node_bytes = (size_t)1 << 30,
                                      .limit_bytes = limit_bytes};
    struct error error = {""};

    check(native_start(&machine, &error), &error);
    check(page_init(&pages, &error), &error);
}

void fixture_stop(void)
{
    page_exit();
    native_stop();
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
    struct native_run_report report;
    struct error error = {""};

    job.worker = worker;
    job.argument = argument;
    check(native_run(work, NULL, &report, &error), &error);
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
