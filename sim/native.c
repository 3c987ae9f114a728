/* SPDX-License-Identifier: MIT */
/* The machine made of real cores: pinned threads, the time-stamp clock, work posted to CPUs. */
#include "sim/native.h"

#include "sim/error.h"
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

/* Work that one CPU asks another to run; lives in the asker's on_each_cpu. */
struct post {
    struct post *next;
    void (*fn)(void *argument);
    void *argument;
    _Atomic unsigned *left; /* CPUs that have not run it yet; partner: the asker's load */
};

struct native_cpu {
    struct machine_cpu self; /* first: machine_self points here */
    _Atomic(struct post *) posts __attribute__((aligned(CACHE_LINE))); /* any CPU pushes */
    pthread_t thread;
    unsigned long preempted;
    bool bound;
    bool migrated;
} __attribute__((aligned(CACHE_LINE)));

static struct {
    struct native_cpu *cpus;
    const struct topology *topology;
    const unsigned *place;
    bool trace_timers;
    bool running; /* workers run: written by the starter before and after */
    void (*worker)(unsigned cpu, void *argument);
    void *argument;
    /* Barrier of a run: the last to arrive advances the phase. */
    _Atomic unsigned arrived __attribute__((aligned(CACHE_LINE)));
    _Atomic unsigned phase;
    /* Start gate: 0 wait, 1 go, 2 give up. */
    _Atomic unsigned gate;
} native;

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

/* The longer the base, the better the rate: the first is 2 ms, each run makes it longer. */
static void clock_calibrate(void)
{
    if (!clock_state.ready) {
        clock_state.tsc = tsc_invariant();
        clock_state.start_ns = monotonic_ns();
        clock_state.start_cycles = now_cycles();
        clock_state.ready = true;
    }
    if (!clock_state.tsc) {
        clock_state.ns_per_cycle = 1.0;
        return;
    }
    while (monotonic_ns() - clock_state.start_ns < 2000000)
        spin_pause();
    clock_state.ns_per_cycle = (double)(monotonic_ns() - clock_state.start_ns) /
                               (double)(now_cycles() - clock_state.start_cycles);
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
    return native.trace_timers ? machine_self->timer_ns : machine_cycles_to_ns(now_cycles());
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
    }
    native.topology = config->topology;
    native.place = config->place;
    native.trace_timers = config->trace_timers;
    machine_nr_cpus = config->nr_cpus;
    machine_nr_nodes = config->nr_nodes;
    clock_calibrate();
    machine_adopt(0);
    return 0;
}

void native_stop(void)
{
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

static struct native_cpu *native_self(void)
{
    return (struct native_cpu *)machine_self;
}

static void *native_thread(void *argument)
{
    struct native_cpu *cpu = argument;
    struct rusage before, after;
    unsigned spins = 0;

    machine_self = &cpu->self;
    cpu->bound = native.topology &&
                 topology_bind_thread(native.topology, native.place[cpu->self.id], NULL) == 0;
    while (atomic_load_explicit(&native.gate, memory_order_acquire) == 0)
        spin_step(&spins);
    if (atomic_load_explicit(&native.gate, memory_order_relaxed) == 2)
        return NULL;
    getrusage(RUSAGE_THREAD, &before);
    native.worker(cpu->self.id, native.argument);
    getrusage(RUSAGE_THREAD, &after);
    cpu->preempted = (unsigned long)(after.ru_nivcsw - before.ru_nivcsw);
    if (cpu->bound)
        cpu->migrated = topology_last_cpu(native.topology) != (int)native.place[cpu->self.id];
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
        return error_set(error, EAGAIN, "could not start thread %u of %u: %s", started + 1,
                         machine_nr_cpus, strerror((int)code));
    return 0;
}

/* ---- work for other CPUs ---- */

static void posts_run(struct native_cpu *cpu)
{
    struct post *post = atomic_exchange_explicit(&cpu->posts, NULL, memory_order_acquire);

    while (post) {
        /* The asker may be gone, and the post with it, as soon as it is counted. */
        struct post *next = post->next;

        post->fn(post->argument);
        atomic_fetch_sub_explicit(post->left, 1, memory_order_release);
        post = next;
    }
}

void machine_safe_point(void)
{
    struct native_cpu *cpu = native_self();

    if (__builtin_expect(atomic_load_explicit(&cpu->posts, memory_order_relaxed) != NULL, 0))
        posts_run(cpu);
}

void machine_wait_step(unsigned *spins)
{
    machine_safe_point();
    spin_step(spins);
}

void machine_barrier(void)
{
    unsigned phase = atomic_load_explicit(&native.phase, memory_order_relaxed);
    unsigned spins = 0;

    if (atomic_fetch_add_explicit(&native.arrived, 1, memory_order_acq_rel) + 1 ==
        machine_nr_cpus) {
        atomic_store_explicit(&native.arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&native.phase, phase + 1, memory_order_release);
        return;
    }
    while (atomic_load_explicit(&native.phase, memory_order_acquire) == phase)
        machine_wait_step(&spins);
}

static void on_each_cpu_serially(void (*fn)(void *argument), void *argument)
{
    struct machine_cpu *caller = machine_self;

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        machine_adopt(i);
        fn(argument);
    }
    machine_self = caller;
}

static void post_push(struct native_cpu *cpu, struct post *post)
{
    struct post *first = atomic_load_explicit(&cpu->posts, memory_order_relaxed);

    do
        post->next = first;
    while (!atomic_compare_exchange_weak_explicit(&cpu->posts, &first, post, memory_order_release,
                                                  memory_order_relaxed));
}

void on_each_cpu(void (*fn)(void *argument), void *argument)
{
    unsigned self = cpu_id(), spins = 0;
    _Atomic unsigned left = machine_nr_cpus - 1;

    assert(!lock_any_held());
    if (!native.running) {
        on_each_cpu_serially(fn, argument);
        return;
    }

    struct post posts[machine_nr_cpus];

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        if (i == self)
            continue;
        posts[i] = (struct post){.fn = fn, .argument = argument, .left = &left};
        post_push(&native.cpus[i], &posts[i]);
    }
    fn(argument);
    while (atomic_load_explicit(&left, memory_order_acquire) != 0)
        machine_wait_step(&spins);
}
