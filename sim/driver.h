/* SPDX-License-Identifier: MIT */
/*
 * A machine as its drivers (replay, tests) see it: CPUs, each with a worker. There are two, and a
 * driver is linked with one of them: real cores, a pinned thread each (native*.c), and virtual CPUs
 * in virtual time (virtual*.c). What an allocator sees of either is machine.h.
 */
#ifndef SLABLAB_SIM_DRIVER_H
#define SLABLAB_SIM_DRIVER_H

#include "sim/machine.h"
#include "sim/virtual/coherence.h"

#include <stdbool.h>

struct error;
struct topology;
struct virtual_config;

/* What a driver has to know of the machine that it is linked with. */
struct machine_traits {
    bool records_freely; /* recording takes none of its time */
    bool steps;          /* machine_step must be called before each event */
};
extern const struct machine_traits machine_traits;

struct machine_config {
    unsigned nr_cpus;
    unsigned nr_nodes;
    const unsigned *cpu_node;        /* [nr_cpus] */
    const struct topology *topology; /* for binding; NULL: threads are not bound */
    const unsigned *place;           /* [nr_cpus] CPU of the topology for each of ours */
    bool trace_timers;               /* timer_now_ns is recorded time (machine_set_timer) */
    /* Of the virtual one; then a topology there is. */
    const struct virtual_config *virtual_machine;
    struct coherence_region regions[COHERENCE_REGIONS - 1];
    unsigned nr_regions;
};

/*
 * Sets the machine up; one at a time a process. The calling thread becomes its CPU 0 while no
 * worker runs. Errors: -EINVAL, -ENOMEM.
 */
int machine_start(const struct machine_config *config, struct error *error);
void machine_stop(void);

/* Makes the calling thread CPU `cpu`. For set-up and tests; the caller sees to it that no two are
 * the same CPU at once. */
void machine_adopt(unsigned cpu);

/* The strings are constants. */
struct machine_clock {
    const char *name;   /* "tsc" (x86), "cntvct" (ARM), "clock_gettime", "virtual" */
    const char *reason; /* why it is that one, in a few words */
    double hz;
    double cost_ns; /* of one reading: the median of many in a row */
};

struct machine_run_report {
    struct machine_clock clock;   /* as it was known best, after the run */
    bool bound;                   /* every worker was bound and the system confirmed it */
    unsigned migrated;            /* workers last seen on another CPU than theirs */
    unsigned long long preempted; /* involuntary context switches of all workers */
    uint64_t run_ns;              /* in which they happened: until the last worker was done */
    /*
     * Can the clock be believed? By how much, relative, the system's clock says that the rate
     * during the run was another than before it: a run of 2 ms (a shorter one is waited out) tells
     * that to about 1e-4, one of a second to 1e-6.
     */
    double clock_drift;
    /*
     * By how much the clocks of any two workers disagreed as they began or when they had returned,
     * both measured against the system's clock: some tens of ns are the measuring itself.
     */
    uint64_t clock_skew_ns;

    /* Of the virtual machine. */
    bool simulated;
    struct coherence_counts coherence; /* while measured, all CPUs */
};

/*
 * Runs worker(cpu, argument) on one thread a CPU and returns when all have returned; until then
 * those that have returned still serve the others' on_each_cpu. A thread that cannot be bound is no
 * error here: the report says so. -EIO: a thread could not be started, and no worker ran.
 */
int machine_run(void (*worker)(unsigned cpu, void *argument), void *argument,
                struct machine_run_report *report, struct error *error);

/* Where a CPU that holds no lock runs what others posted to it. Cheap when there is nothing. */
void machine_safe_point(void);

/* One step of waiting for another worker: pauses, serves safe points; *spins starts at 0. */
void machine_wait_step(unsigned *spins);

/* ---- what the virtual machine wants to know; natively nothing happens ---- */

/* An event begins. */
void machine_step(void);

/* What the calling CPU does from now on, or did until now, is measured. */
void machine_measure(bool on);

/* The owner writes to its object: what memset does natively. */
void machine_touch(void *object, size_t bytes);

/* The bytes are their user's from now on, or no longer: no design may look at them meanwhile. */
void machine_object_is_users(void *object, size_t bytes, bool users);

/* ---- meeting ---- */

/* All workers of a run meet; waiting ones serve safe points. */
void machine_barrier(void);

/*
 * All workers of a run meet, and when none of them does anything, not even for the machine (posted
 * work, timers, grace periods), CPU 0 runs fn(argument), which may ask nothing of the others; then
 * all go on.
 */
void machine_stand_still(void (*fn)(void *argument), void *argument);

/* The calling CPU's position in recorded time. Earlier than before is passed over: a worker that
 * has lists of several replicas goes back and forth between them, its clock does not. */
static inline void machine_set_timer(uint64_t ns)
{
    if (ns > atomic_load_explicit(&machine_self->timer_ns, memory_order_relaxed))
        atomic_store_explicit(&machine_self->timer_ns, ns, memory_order_relaxed);
}

/* The machine's clock, after machine_start. */
const struct machine_clock *machine_clock(void);

#endif
