/* SPDX-License-Identifier: MIT */
/* The machine made of real cores: its CPUs, and the pinned threads that act as them. */
#include "sim/clock.h"
#include "sim/error.h"
#include "sim/native_internal.h"
#include "sim/spin.h"
#include "sim/topology.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct native native;

_Thread_local struct machine_cpu *machine_self __attribute__((tls_model("initial-exec")));
unsigned machine_nr_cpus;
unsigned machine_nr_nodes;

const struct machine_traits machine_traits = {0};

/* ---- what only a virtual machine need be told ---- */

void machine_step(void)
{
}

void machine_measure(bool on)
{
    (void)on;
}

void machine_touch(void *object, size_t bytes)
{
    (void)object;
    (void)bytes;
}

void machine_object_is_users(void *object, size_t bytes, bool users)
{
    (void)object;
    (void)bytes;
    (void)users;
}

void machine_memory_is(const void *address, size_t bytes, enum memory_kind kind)
{
    (void)address, (void)bytes, (void)kind;
}

void machine_pages_are_held(const void *address, size_t bytes, bool held)
{
    (void)address;
    (void)bytes;
    (void)held;
}

uint64_t timer_now_ns(void)
{
    return native.trace_timers ? atomic_load_explicit(&machine_self->timer_ns, memory_order_relaxed)
                               : machine_cycles_to_ns(now_cycles());
}

/* ---- CPUs ---- */

int machine_start(const struct machine_config *config, struct error *error)
{
    if (config->nr_cpus == 0 || config->nr_nodes == 0)
        return error_set(error, EINVAL, "a machine needs a CPU and a node");
    native.cpus = aligned_alloc(CACHE_LINE, config->nr_cpus * sizeof *native.cpus);
    if (!native.cpus)
        return error_set(error, ENOMEM, "no memory for %u CPUs", config->nr_cpus);
    memset(native.cpus, 0, config->nr_cpus * sizeof *native.cpus);
    for (unsigned i = 0; i < config->nr_cpus; i++)
        machine_cpu_init(&native.cpus[i].self, i, config->cpu_node[i]);
    native.topology = config->topology;
    native.place = config->place;
    native.trace_timers = config->trace_timers;
    machine_nr_cpus = config->nr_cpus;
    machine_nr_nodes = config->nr_nodes;
    clock_start();
    rcu_register_thread();
    machine_adopt(0);
    return 0;
}

void machine_stop(void)
{
    grace_barrier();
    rcu_unregister_thread();
    machine_self = NULL;
    free(native.cpus);
    native.cpus = NULL;
    machine_nr_cpus = machine_nr_nodes = 0;
}

void machine_adopt(unsigned cpu)
{
    assert(cpu < machine_nr_cpus);
    machine_self = &native.cpus[cpu].self;
}

unsigned machine_node_of(unsigned cpu)
{
    return native.cpus[cpu].self.node;
}

static void *native_thread(void *argument)
{
    struct native_cpu *cpu = argument;
    struct rusage before, after;
    unsigned spins = 0;

    machine_self = &cpu->self;
    rcu_register_thread();
    cpu->bound = native.topology &&
                 topology_bind_thread(native.topology, native.place[cpu->self.id], NULL) == 0;
    clock_read(&cpu->clock[0]);
    while (atomic_load_explicit(&native.gate, memory_order_acquire) == 0)
        spin_step(&spins);
    if (atomic_load_explicit(&native.gate, memory_order_relaxed) == 2) {
        rcu_unregister_thread();
        return NULL;
    }
    getrusage(RUSAGE_THREAD, &before);
    native.worker(cpu->self.id, native.argument);
    clock_read(&cpu->clock[1]);
    native_close();
    getrusage(RUSAGE_THREAD, &after);
    cpu->preempted = (unsigned long)(after.ru_nivcsw - before.ru_nivcsw);
    if (cpu->bound)
        cpu->migrated = topology_last_cpu(native.topology) != (int)native.place[cpu->self.id];
    rcu_unregister_thread();
    return NULL;
}

/* How far the workers' counters are apart in their first readings (0) or in their last (1). */
static uint64_t clock_skew_ns(const struct clock_reading *start, const struct clock_reading *end,
                              unsigned which)
{
    double behind = INFINITY, ahead = -INFINITY;

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        double off = clock_off_ns(start, end, &native.cpus[i].clock[which]);

        behind = fmin(behind, off);
        ahead = fmax(ahead, off);
    }
    return (uint64_t)(ahead - behind + 0.5);
}

/* After a run that began at `start`. A short one is waited out, or its rate could not be told. */
static void clock_report(const struct clock_reading *start, struct machine_run_report *report)
{
    struct clock_reading end;
    uint64_t first_ns, last_ns;

    clock_wait_base(start);
    clock_read(&end);
    first_ns = clock_skew_ns(start, &end, 0);
    last_ns = clock_skew_ns(start, &end, 1);
    report->clock_drift = clock_drift(clock_base(), start, &end);
    report->clock_skew_ns = first_ns > last_ns ? first_ns : last_ns;
}

int machine_run(void (*worker)(unsigned cpu, void *argument), void *argument,
                struct machine_run_report *report, struct error *error)
{
    struct machine_cpu *caller = machine_self;
    struct clock_reading start;
    unsigned started, code = 0;

    native.worker = worker;
    native.argument = argument;
    atomic_store(&native.arrived, 0);
    atomic_store(&native.closed, 0);
    atomic_store(&native.gate, 0);
    native.running = true;
    for (started = 0; started < machine_nr_cpus; started++) {
        struct native_cpu *cpu = &native.cpus[started];

        code = (unsigned)pthread_create(&cpu->thread, NULL, native_thread, cpu);
        if (code)
            break;
    }
    machine_self = NULL;
    clock_read(&start);
    atomic_store_explicit(&native.gate, code ? 2 : 1, memory_order_release);
    *report = (struct machine_run_report){.bound = true};
    for (unsigned i = 0; i < started; i++) {
        pthread_join(native.cpus[i].thread, NULL);
        report->bound &= native.cpus[i].bound;
        report->migrated += native.cpus[i].migrated;
        report->preempted += native.cpus[i].preempted;
        if (!code && native.cpus[i].clock[1].ns - start.ns > report->run_ns)
            report->run_ns = native.cpus[i].clock[1].ns - start.ns;
    }
    native.running = false;
    machine_self = caller;
    if (code)
        return error_set(error, EIO, "could not start thread %u of %u: %s", started + 1,
                         machine_nr_cpus, strerror((int)code));
    clock_report(&start, report);
    clock_calibrate();
    report->clock = *machine_clock();
    return 0;
}
