/* SPDX-License-Identifier: MIT */
/* What the parts of the native machine share: native.c (CPUs, threads), native_work.c (safe points
 * and what runs there). */
#ifndef SLABLAB_SIM_NATIVE_INTERNAL_H
#define SLABLAB_SIM_NATIVE_INTERNAL_H

#include "sim/clock.h"
#include "sim/driver.h"

#include <pthread.h>
#include <urcu.h>

struct topology;

/* Work that one CPU asks another to run; in memory of the asker's. */
struct post {
    struct post *next;
    void (*fn)(void *argument);
    void *argument;
    _Atomic unsigned *left; /* those that have not run yet; partner: the asker's load */
};

struct native_cpu {
    struct machine_cpu self; /* first: machine_self points here */
    _Atomic(struct post *) posts __attribute__((aligned(CACHE_LINE))); /* any thread pushes */
    pthread_t thread;
    unsigned long preempted;
    struct clock_reading clock[2]; /* as its worker began, and when it had returned */
    bool bound;
    bool migrated;
} __attribute__((aligned(CACHE_LINE)));

struct native {
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
    _Atomic unsigned closed; /* workers that have returned */
    /* Start gate: 0 wait, 1 go, 2 give up. */
    _Atomic unsigned gate;
};

extern struct native native;

/* Where a CPU whose worker has returned serves posts (and nothing that could post anew) until all
 * have returned. */
void native_close(void);

static inline struct native_cpu *native_self(void)
{
    return (struct native_cpu *)machine_self;
}

#endif
