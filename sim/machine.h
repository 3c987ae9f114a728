/* SPDX-License-Identifier: MIT */
/*
 * All that an allocator may ask of a machine: who am I, what time is it, locks, pages, and work
 * for other CPUs. An allocator includes this and its own room's headers, nothing else of sim/.
 *
 * One worker owns one CPU. What a kernel does by disabling interrupts is ownership here: per-CPU
 * state is touched by its owner only, and what must reach another CPU is posted to it and run at
 * its next safe point (on_each_cpu). No bare spin loop, no thread-local variable, no inline
 * assembly in an allocator; atomics are C11's.
 */
#ifndef SLABLAB_SIM_MACHINE_H
#define SLABLAB_SIM_MACHINE_H

#include "sim/lock.h"
#include "sim/page.h"

#include <stdatomic.h>
#include <stdint.h>

#define CACHE_LINE 64

/*
 * The part of a CPU that the inline functions below read; the machine's own record begins with
 * it. Written before the CPU runs, then only by its owner.
 */
struct machine_cpu {
    unsigned id;
    unsigned node;
    uint64_t timer_ns; /* recorded time at the CPU's position in the trace; see timer_now_ns */
};

extern _Thread_local struct machine_cpu *machine_self __attribute__((tls_model("initial-exec")));
extern unsigned machine_nr_cpus;
extern unsigned machine_nr_nodes;

/* The CPU this code runs on: 0 .. nr_cpus() - 1. */
static inline unsigned cpu_id(void)
{
    return machine_self->id;
}

static inline unsigned cpu_node(void)
{
    return machine_self->node;
}

static inline unsigned nr_cpus(void)
{
    return machine_nr_cpus;
}

static inline unsigned nr_nodes(void)
{
    return machine_nr_nodes;
}

/* Node of any CPU. */
unsigned machine_node_of(unsigned cpu);

/* The machine's clock in cycles: for measuring, not for policy. Not serialising. */
uint64_t now_cycles(void);
uint64_t machine_cycles_to_ns(uint64_t cycles);

/*
 * The clock of the designs' timers (resize windows, flush intervals), in ns: recorded time at the
 * CPU's position in the trace, or the machine's clock (`--timers trace|machine`). Monotonic on
 * one CPU; CPUs may differ by as far as they are apart in the trace, so compare signed.
 */
uint64_t timer_now_ns(void);

/*
 * Runs fn(argument) once on every CPU, each as its owner, and returns when all have run it. CPUs
 * that work run it at their next safe point, waiting and finished ones too. The caller holds no
 * lock (asserted) and runs what others post to it while it waits. When no worker runs, the caller
 * acts as every CPU in turn.
 */
void on_each_cpu(void (*fn)(void *argument), void *argument);

#endif
