/* SPDX-License-Identifier: MIT */
/* The machine made of real cores: pinned threads and the time-stamp clock. */
#include "sim/error.h"
#include "sim/native_internal.h"
#include "sim/spin.h"
#include "sim/topology.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

struct native native;

_Thread_local struct machine_cpu *machine_self __attribute__((tls_model("initial-exec")));
unsigned machine_nr_cpus;
unsigned machine_nr_nodes;

/* ---- clock ---- */

static struct {
    bool ready;
    bool tsc;
    uint64_t start_cycles;
    uint64_t start_ns;
    double ns_per_cycle;
} clock_state;

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Does the time-stamp counter run at one rate in all states of the processor? */
static bool tsc_invariant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
#else
    return false;
#endif
}

uint64_t now_cycles(void)
{
#if defined(__x86_64__)
    if (clock_state.tsc)
        return __rdtsc();
#endif
    return monotonic_ns();
}

/* Both clocks at one moment, as nearly as can be: the tightest of several readings. */
static void clocks_read(uint64_t *cycles, uint64_t *ns)
{
    uint64_t tightest = UINT64_MAX;

    for (int i = 0; i < 8; i++) {
        uint64_t before = now_cycles();
        uint64_t between = monotonic_ns();
        uint64_t after = now_cycles();

        if (after - before < tightest) {
            tightest = after - before;
            *cycles = before + (after - before) / 2;
            *ns = between;
        }
    }
}

/* The longer the base, the better the rate: the first is 2 ms, each run makes it longer. */
static void clock_calibrate(void)
{
    uint64_t cycles, ns;

    if (!clock_state.ready) {
        clock_state.tsc = tsc_invariant();
        clocks_read(&clock_state.start_cycles, &clock_state.start_ns);
        clock_state.ready = true;
    }
    if (!clock_state.tsc) {
        clock_state.ns_per_cycle = 1.0;
        return;
    }
    while (monotonic_ns() - clock_state.start_ns < 2000000)
        spin_pause();
    clocks_read(&cycles, &ns);
    clock_state.ns_per_cycle =
        (double)(ns - clock_state.start_ns) / (double)(cycles - clock_state.start_cycles);
}

uint64_t machine_cycles_to_ns(uint64_t cycles)
{
    return (uint64_t)((double)cycles * clock_state.ns_per_cycle + 0.5);
}

const char *native_clock_name(void)
{
    return clock_state.tsc ? "tsc" : "clock_gettime";
}

double native_clock_hz(void)
{
    return 1e9 / clock_state.ns_per_cycle;
}

uint64_t timer_now_ns(void)
{
    return native.trace_timers ? atomic_load_explicit(&machine_self->timer_ns, memory_order_relaxed)
                               : machine_cycles_to_ns(now_cycles());
}

/* ---- CPUs ---- */

int native_start(const struct native_config *config, struct error *error)
{
    if (config->nr_cpus == 0 || config->nr_nodes == 0)
        return error_set(error, EINVAL, "a machine needs a CPU and a node");
    native.cpus = aligned_alloc(CACHE_LINE, config->nr_cpus * sizeof *native.cpus);
    if (!native.cpus)
        return error_set(error, ENOMEM, "no memory for %u CPUs", config->nr_cpus);
    memset(native.cpus, 0, config->nr_cpus * sizeof *native.cpus);
    for (unsigned i = 0; i < config->nr_cpus; i++) {
        native.cpus[i].self.id = i;
        native.cpus[i].self.node = config->cpu_node[i];
        CDS_INIT_LIST_HEAD(&native.cpus[i].deferred);
    }
    native.topology = config->topology;
    native.place = config->place;
    native.trace_timers = config->trace_timers;
    machine_nr_cpus = config->nr_cpus;
    machine_nr_nodes = config->nr_nodes;
    clock_calibrate();
    rcu_register_thread();
    machine_adopt(0);
    return 0;
}

void native_stop(void)
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
    while (atomic_load_explicit(&native.gate, memory_order_acquire) == 0)
        spin_step(&spins);
    if (atomic_load_explicit(&native.gate, memory_order_relaxed) == 2) {
        rcu_unregister_thread();
        return NULL;
    }
    getrusage(RUSAGE_THREAD, &before);
    native.worker(cpu->self.id, native.argument);
    native_close();
    getrusage(RUSAGE_THREAD, &after);
    cpu->preempted = (unsigned long)(after.ru_nivcsw - before.ru_nivcsw);
    if (cpu->bound)
        cpu->migrated = topology_last_cpu(native.topology) != (int)native.place[cpu->self.id];
    rcu_unregister_thread();
    return NULL;
}

int native_run(void (*worker)(unsigned cpu, void *argument), void *argument,
               struct native_run_report *report, struct error *error)
{
    struct machine_cpu *caller = machine_self;
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
    atomic_store_explicit(&native.gate, code ? 2 : 1, memory_order_release);
    *report = (struct native_run_report){.bound = true};
    for (unsigned i = 0; i < started; i++) {
        pthread_join(native.cpus[i].thread, NULL);
        report->bound &= native.cpus[i].bound;
        report->migrated += native.cpus[i].migrated;
        report->preempted += native.cpus[i].preempted;
    }
    native.running = false;
    machine_self = caller;
    clock_calibrate();
    if (code)
        return error_set(error, EIO, "could not start thread %u of %u: %s", started + 1,
                         machine_nr_cpus, strerror((int)code));
    return 0;
}
