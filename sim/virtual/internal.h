/* SPDX-License-Identifier: MIT */
/*
 * What the parts of the virtual machine share: virtual.c (CPUs, whose turn it is), work.c
 * (waiting, safe points), lock.c, access.c (what the compiler's instrumentation
 * calls).
 */
#ifndef SLABLAB_SIM_VIRTUAL_INTERNAL_H
#define SLABLAB_SIM_VIRTUAL_INTERNAL_H

#include "sim/account.h"
#include "sim/driver.h"
#include "sim/virtual/coherence.h"
#include "sim/virtual/coroutine.h"
#include "sim/virtual/turns.h"
#include "sim/virtual/virtual.h"

#include <stdbool.h>
#include <stdint.h>

/* Work that one CPU asks another to run; in memory of the asker's. */
struct post {
    struct post *next;
    void (*fn)(void *argument);
    void *argument;
    unsigned *left; /* those that have not run yet */
};

struct virtual_cpu {
    struct machine_cpu self; /* first: machine_self points here */
    uint64_t clock;          /* cycles */
    uint32_t fraction;       /* 1/256 cycles of compute carried over */
    struct coherence_cpu *caches;
    bool parked;     /* until somebody wakes it */
    bool resting;    /* parked where it holds and reads nothing */
    bool ended;      /* its coroutine never runs again */
    const char *why; /* it was parked last */
    unsigned held_locks;
    unsigned read_sides;      /* nested rcu_read_begin */
    uint64_t quiescent;       /* the newest grace period it was seen at rest in */
    struct post *posts;       /* last first */
    struct account *account;  /* account_self, while another CPU runs */
    struct virtual_cpu *next; /* of those that wait for one lock */
    struct coroutine coroutine;
    struct coherence_counts before; /* when it began to count */
} __attribute__((aligned(CACHE_LINE)));

/*
 * The machine. `running` is NULL, and time stands still, while no worker runs. A CPU may run on
 * until its clock is past `limit`, or, where others must not be overtaken, past `second`.
 */
struct virtual_machine {
    struct virtual_cpu *running;
    uint64_t limit;  /* cycles */
    uint64_t second; /* turn of the earliest other CPU */
    uint32_t compute_256ths;
    uint32_t hit_256ths[COST_OPS]; /* a hit in L1, and compute */
    struct coherence *coherence;
    struct turns turns;
    struct virtual_cpu *cpus;
    struct virtual_config config;
    double hz;
    bool trace_timers;

    /* Of the run in hand. */
    void (*worker)(unsigned cpu, void *argument);
    void *argument;
    unsigned left; /* workers whose coroutine has not ended */
    unsigned arrived, phase, closed;
    struct coroutine starter;
    struct coherence_counts counted;
    struct coherence_cpu nothing; /* what a CPU has in its caches where there are none */
    uint64_t changes;             /* that somebody who looks now and then may wait for */
};

extern struct virtual_machine virtual_machine;

static inline struct virtual_cpu *virtual_self(void)
{
    return (struct virtual_cpu *)machine_self;
}

/* ---- virtual.c: whose turn it is ---- */

/* Gives way to all CPUs whose turn is before this one's. */
void virtual_yield(void);

/* Where a CPU may not be ahead of another: taking and releasing locks, each event. */
static inline void virtual_synchronise(void)
{
    struct virtual_machine *machine = &virtual_machine;

    if (machine->running &&
        turn_of(machine->running->clock, machine->running->self.id) > machine->second)
        virtual_yield();
}

/* Time passes on the running CPU. */
static inline void virtual_spend(uint64_t cycles)
{
    if (virtual_machine.running)
        virtual_machine.running->clock += cycles;
}

/* Until somebody wakes it; `why` is told when nobody ever will. */
void virtual_park(const char *why);
/* Wakes a parked CPU; its clock will be `clock` at least. Harmless when it is not parked. */
void virtual_wake(struct virtual_cpu *cpu, uint64_t clock);

/* ---- explore/schedule.c: exploration, where a scheduler that looks for bugs chooses ---- */

static inline bool virtual_explores(void)
{
    return virtual_machine.config.explorer != NULL;
}

/* Who goes on where `self`, which may be parked or have ended, leaves off. */
struct virtual_cpu *explore_choose(struct virtual_cpu *self);
/* An access by the running CPU: others may come before it, and it is checked. */
void explore_access(uintptr_t address, size_t bytes, enum cost_op op, const void *code);
/* The running CPU looks again when something has changed since `changes`, or nobody else can run.
 */
void explore_wait(uint64_t changes);
void explore_object_is_users(uintptr_t object, size_t bytes, bool users);
void explore_pages_are_held(uintptr_t address, size_t bytes, bool held);

/* ---- access.c ---- */

/* An access by the running CPU; free of charge while none runs. */
void virtual_access(uintptr_t address, size_t bytes, enum cost_op op, const void *code);

/* ---- work.c ---- */

void virtual_posts_run(struct virtual_cpu *cpu);
/* A worker has returned: its CPU serves the others until all have. */
void virtual_close(void);
void virtual_work_reset(void);

/* ---- lock.c ---- */

/* Lines of the machine's own: queue nodes of MCS locks. Only names; nothing lies there. */
#define VIRTUAL_LINES_BASE  (PAGE_MAP_BASE + 0xf00000000u)
#define VIRTUAL_NODES_A_CPU 16
#define VIRTUAL_LINES_BYTES ((size_t)VIRTUAL_MAX_CPUS * VIRTUAL_NODES_A_CPU * CACHE_LINE)

#endif
