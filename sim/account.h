/* SPDX-License-Identifier: MIT */
/*
 * The accounts of contention: what each CPU counts of locks, failed atomic exchanges and trips to
 * shared layers. One account a CPU, its owner's alone while it runs, summed when all are quiet, so
 * that counting does not itself contend. Locks count here by themselves; what a design has to say
 * are the calls of machine.h (account_layer, account_trip, account_exchange_failed).
 *
 * While a CPU has no account (account_self is NULL) nothing is counted.
 */
#ifndef SLABLAB_SIM_ACCOUNT_H
#define SLABLAB_SIM_ACCOUNT_H

#include "sim/histogram.h"
#include "sim/sampler.h"

#include <stdbool.h>
#include <stdint.h>

/* How far down an operation came: the deepest layer that it touched, nested ones included. */
enum layer {
    LAYER_CPU,   /* this CPU's own objects, or its active slab */
    LAYER_DEPOT, /* a store that CPUs share: depot, list of magazines, partial slabs */
    LAYER_SLAB,  /* slabs: where buffers are carved, found and put back */
    LAYER_PAGE,  /* the page allocator */
    LAYERS
};
const char *layer_name(enum layer layer); /* "cpu", "depot", "slab", "page" */

/* Places where an atomic exchange may fail, since another CPU was there first. One table for all.
 */
enum exchange_site {
    EXCHANGE_PAGES_HELD, /* the page layer's count of bytes held */
    EXCHANGE_PAGES_PEAK, /* its peak */
    EXCHANGE_FLUSHER,    /* slabifier: who sets the flusher's timer */
    EXCHANGE_GROWING,    /* spl: somebody grows the cache already */
    EXCHANGE_SITES
};
const char *exchange_site_name(enum exchange_site site);

/*
 * ---- lock ids: a class and an owner (a cache's name), told apart in the accounts ----
 *
 * All locks of one class and owner share an id: the CPU locks of one cache, say. Ids live as long
 * as the process. The first LOCK_CLASSES ids are those of classes without an owner, which also
 * stand for all owners beyond ACCOUNT_LOCK_IDS.
 */
#define ACCOUNT_LOCK_IDS 8192

uint16_t account_lock_id(unsigned class, const char *owner); /* `owner` may be NULL; copied */
unsigned account_nr_lock_ids(void);
unsigned account_lock_class(uint16_t id);
const char *account_lock_owner(uint16_t id); /* NULL: none */

/* ---- accounts ---- */

enum handoff { HANDOFF_SAME_CPU, HANDOFF_SAME_NODE, HANDOFF_OTHER_NODE, HANDOFFS };

/* Of one lock id, in cycles. Apart from the counts, since they are large and rarely written. */
struct lock_times {
    struct histogram wait; /* of contended acquisitions */
    struct histogram hold; /* of about one acquisition in ACCOUNT_HOLD_EVERY */
};

/*
 * Of one lock id: a line, so that counting costs the CPU one. acquisitions >= contended ==
 * times->wait.count.
 */
struct lock_account {
    uint64_t acquisitions;       /* lock_acquire and successful lock_try */
    uint64_t contended;          /* of them: the first try failed */
    uint64_t trylock_failures;   /* of lock_try */
    uint64_t handoffs[HANDOFFS]; /* by where the owner before was; the first owner has none */
    struct lock_times *times;    /* constant */
} __attribute__((aligned(64)));

/*
 * Holding times are sampled, at random distances: two readings of the clock cost more than most
 * critical sections take, and they would be taken inside of them.
 */
#define ACCOUNT_HOLD_EVERY 16

struct account {
    uint64_t trips;                            /* between a CPU's objects and a shared layer */
    uint64_t failed_exchanges[EXCHANGE_SITES]; /* failed exchanges */

    unsigned cpu;
    unsigned nr_cpus, nr_locks;
    const uint8_t *distances; /* [nr_cpus] enum handoff, from this CPU */
    struct lock_times *times; /* [nr_locks] what the locks' point at */
    /* The hold that is being timed; NULL: none. */
    const void *timed;
    uint64_t timed_since; /* cycles */
    uint16_t timed_id;
    struct sampler holds;
    struct lock_account locks[]; /* [nr_locks], by id */
} __attribute__((aligned(64)));

extern _Thread_local struct account *account_self __attribute__((tls_model("initial-exec")));

/*
 * An empty account of CPU `cpu` with room for the lock ids there are and `more`; what has an id
 * beyond is counted under its class. `seed` decides which holds are timed. NULL: no memory.
 */
struct account *account_create(unsigned cpu, unsigned more_locks, uint64_t seed);
void account_destroy(struct account *account);

/* Adds `from` to `into`, which must have room for as many lock ids. Both quiet. */
void account_merge(struct account *into, const struct account *from);
void account_merge_lock(struct lock_account *into, const struct lock_account *from);

/*
 * What locks report. `previous` is 1 + the CPU that owned the lock before, 0: nobody or unknown;
 * `waiting_since` is when the first try had failed, 0: it had not.
 */
void account_acquired(struct account *account, const void *lock, uint16_t id, unsigned previous,
                      uint64_t waiting_since);
void account_try_failed(struct account *account, uint16_t id);

/* Before the lock is released. */
void account_hold_ends(struct account *account);
static inline void account_releasing(struct account *account, const void *lock)
{
    if (account && account->timed == lock)
        account_hold_ends(account);
}

#endif
