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

#include "sim/account.h"
#include "sim/lock.h"
#include "sim/page.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <urcu/list.h>

#define CACHE_LINE 64

/* How far down the operation at some position came. */
struct layer_note {
    const void *position; /* whatever the driver tells operations apart by */
    unsigned layer;       /* enum layer */
};

/*
 * The part of a CPU that the inline functions below read; the machine's own record begins with
 * it. Written before the CPU runs, then only by its owner.
 */
struct machine_cpu {
    unsigned id;
    unsigned node;
    /*
     * Who drives the CPU says at which position the operation in hand is, and where notes go: an
     * operation that leaves the CPU's own layer writes one. So operations that do not, which should
     * be nearly all, cost the store of a position.
     */
    const void *position;
    struct layer_note *last_note; /* always there */
    struct layer_note own_note;   /* where they go while nobody keeps them */
    bool observed;                /* somebody wants to know; see account_observed */
    /* Recorded time at the CPU's position in the trace; see timer_now_ns. Others may read it. */
    _Atomic uint64_t timer_ns;
    struct cds_list_head deferred; /* work, soonest first; the owner's */
};

static inline void machine_cpu_init(struct machine_cpu *cpu, unsigned id, unsigned node)
{
    *cpu = (struct machine_cpu){.id = id, .node = node, .last_note = &cpu->own_note};
    CDS_INIT_LIST_HEAD(&cpu->deferred);
}

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

/* ---- what a design tells the accounts (account.h): nothing hangs on it but what is reported ----
 */

/* The operation in hand has come down to `layer`. The page layer says so by itself. */
static inline void account_layer(enum layer layer)
{
    struct machine_cpu *self = machine_self;
    struct layer_note *last = self->last_note;

    if (last->position != self->position) {
        self->last_note = ++last;
        *last = (struct layer_note){.position = self->position, .layer = layer};
    } else if (last->layer < layer) {
        last->layer = layer;
    }
}

/* Is it worth a look that only the accounts need? */
static inline bool account_observed(void)
{
    return machine_self->observed;
}

/* For drivers, and tests: an operation begins that has no position, and how far down it came. */
static inline void account_layer_reset(void)
{
    machine_self->position = NULL;
    if (!machine_self->last_note->position)
        machine_self->last_note->layer = LAYER_CPU;
}

static inline enum layer account_layer_reached(void)
{
    const struct layer_note *last = machine_self->last_note;

    return last->position == machine_self->position ? (enum layer)last->layer : LAYER_CPU;
}

/*
 * A trip to a shared layer: an exchange of a whole magazine, a refill or a flush of an array, a
 * change of active slab. Trips an operation is what a per-CPU layer is there to make small.
 */
static inline void account_trip(void)
{
    struct account *account = account_self;

    if (account)
        account->trips++;
}

/* An atomic exchange failed: another CPU was there first. */
static inline void account_exchange_failed(enum exchange_site site)
{
    struct account *account = account_self;

    if (account)
        account->failed_exchanges[site]++;
}

/*
 * What memory is, so that the virtual machine can say of what the lines were that moved; natively
 * nothing happens. A page that comes into use is MEMORY_SLAB; what is said last of a line counts.
 */
enum memory_kind {
    MEMORY_SLAB,        /* of slabs, when nobody said more */
    MEMORY_OBJECT,      /* was handed out, and perhaps is free again */
    MEMORY_LOCK,        /* and what shares its line */
    MEMORY_DESCRIPTOR,  /* of caches, and whatever else is boot memory */
    MEMORY_CPU_LAYER,   /* a CPU's own part, where it is apart from the descriptor */
    MEMORY_MAGAZINE,    /* magazines, arrays of pools */
    MEMORY_SLAB_RECORD, /* slab records, bufctls, hashes */
    MEMORY_PAGE_RECORD, /* struct page */
    MEMORY_PAGE_LAYER,  /* the page layer's own state */
    MEMORY_QUEUE_NODE,  /* on which who waits for an MCS lock spins */
    MEMORY_KINDS
};
void machine_memory_is(const void *address, size_t bytes, enum memory_kind kind);

/* ---- waiting: the caller holds no lock (asserted) and runs what others post to it ---- */

/* Returns when *word is no longer `value`. A machine may park the CPU until the line is written. */
void spin_wait(const _Atomic uint32_t *word, uint32_t value);

/*
 * Waits until condition(argument), or until `timeout_ns` of the machine's clock have passed
 * (recorded time stands still for who waits): then false.
 */
bool wait_for(bool (*condition)(void *argument), void *argument, uint64_t timeout_ns);

/* ---- work for later and for others, run at safe points: between events and while waiting ---- */

/*
 * Work for whoever is free: the first CPU that comes to a safe point, perhaps this one, while it
 * waits for it. What a kernel gives to a pool of threads, which too run on some CPU. The struct is
 * the submitter's until fn has begun. At most `concurrent` pieces of one queue run at once.
 */
struct work {
    struct cds_list_head link;
    void (*fn)(struct work *work);
};

struct work_queue;
struct work_queue *work_queue_create(unsigned concurrent); /* NULL: no memory */
void work_queue_destroy(struct work_queue *queue);         /* runs what is left in it */
void work_submit(struct work_queue *queue, struct work *work, void (*fn)(struct work *work));

/*
 * Runs fn(deferred) on this CPU once `delay_ns` of timer_now_ns have passed; also when this CPU has
 * finished its part by then. The struct is the caller's until fn has begun or it was cancelled.
 */
struct deferred {
    struct cds_list_head link; /* the CPU's list, soonest first */
    void (*fn)(struct deferred *deferred);
    uint64_t due_ns;
    bool pending;
};

void defer(struct deferred *deferred, uint64_t delay_ns, void (*fn)(struct deferred *deferred));
/* By the CPU that deferred it (or when no worker runs). Harmless when it is not pending. */
void defer_cancel(struct deferred *deferred);

/* ---- read-copy-update ---- */

/* Between these what was unlinked is not freed. They nest; nothing may wait inside. */
void rcu_read_begin(void);
void rcu_read_end(void);

/* No worker runs and the caller reads nothing: a grace period is over before it begins. */
bool rcu_no_readers(void);

/*
 * Runs fn(grace) on this CPU, at a safe point, after all read sides that run now have ended. The
 * caller may hold locks. The struct is the machine's until fn runs.
 */
struct grace {
    _Alignas(16) char machine[64]; /* the machine's own */
    void (*fn)(struct grace *grace);
};

void grace_call(struct grace *grace, void (*fn)(struct grace *grace));
/* Returns when everything given to grace_call so far, by any CPU, has run, and what that gave. */
void grace_barrier(void);

/*
 * Runs fn(argument) once on every CPU, each as its owner, and returns when all have run it. CPUs
 * that work run it at their next safe point, waiting and finished ones too. The caller holds no
 * lock (asserted) and runs what others post to it while it waits. When no worker runs, the caller
 * acts as every CPU in turn.
 */
void on_each_cpu(void (*fn)(void *argument), void *argument);

#endif
