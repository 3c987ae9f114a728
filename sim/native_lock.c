/* SPDX-License-Identifier: MIT */
/*
 * Locks of the native machine. Each algorithm has two parts: a first try, and the wait when that
 * failed; the seam between them (lock_acquire) is where contention is seen.
 */
#include "sim/lock.h"

#include "sim/account.h"
#include "sim/machine.h"
#include "sim/spin.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A place in an MCS queue. A CPU nests few locks; each held one occupies a node of its own. */
struct mcs_node {
    _Atomic(struct mcs_node *) next; /* partner: the successor's store in mcs_wait */
    _Atomic uint32_t waiting;        /* partner: the predecessor's store in lock_release */
    bool used;                       /* the owner CPU's alone */
};

#define MCS_NESTING 16
static _Thread_local struct mcs_node mcs_nodes[MCS_NESTING] __attribute__((aligned(64)));

/* ---- the order of locks, asserted in checked builds ---- */

#ifdef SLABLAB_CHECKED
#define HELD_MAX 32

struct held_lock {
    const void *lock;
    uint8_t class;
    uint8_t rank;
};

static _Thread_local struct {
    struct held_lock locks[HELD_MAX];
    unsigned count;
} held;

static _Noreturn void lock_broken(struct held_lock lock, const char *what)
{
    fprintf(stderr, "slablab: lock of class %s, rank %u: %s\n", lock_class_name(lock.class),
            lock.rank, what);
    for (unsigned i = 0; i < held.count; i++)
        fprintf(stderr, "  held: class %s, rank %u\n", lock_class_name(held.locks[i].class),
                held.locks[i].rank);
    abort();
}

/* A lock that is only tried cannot deadlock, so its rank may be any. */
static void rank_check(struct held_lock lock)
{
    for (unsigned i = 0; i < held.count; i++) {
        if (held.locks[i].rank >= lock.rank)
            lock_broken(lock, "taken out of order");
    }
}

static void rank_push(struct held_lock lock)
{
    if (held.count == HELD_MAX)
        lock_broken(lock, "too many locks held");
    held.locks[held.count++] = lock;
}

static void rank_pop(struct held_lock lock)
{
    for (unsigned i = held.count; i-- > 0;) {
        if (held.locks[i].lock == lock.lock) {
            memmove(&held.locks[i], &held.locks[i + 1],
                    (held.count - i - 1) * sizeof held.locks[0]);
            held.count--;
            return;
        }
    }
    lock_broken(lock, "released but not held");
}

static struct held_lock as_held(const struct lock *lock)
{
    const struct held_lock as = {.lock = lock, .class = lock->class, .rank = lock->rank};

    if (!lock->initialised)
        lock_broken(as, "used before lock_init");
    return as;
}

/* Two bits of one word are told apart by an address inside the word. */
static struct held_lock bit_as_held(const _Atomic uint32_t *word, unsigned bit, uint16_t id)
{
    return (struct held_lock){.lock = (const char *)word + bit % sizeof *word,
                              .class = (uint8_t)account_lock_class(id),
                              .rank = LOCK_RANK_PAGE};
}

bool lock_any_held(void)
{
    return held.count != 0;
}
#else
#define rank_check(lock) ((void)0)
#define rank_push(lock)  ((void)0)
#define rank_pop(lock)   ((void)0)

bool lock_any_held(void)
{
    return false;
}
#endif

/* ---- test-and-test-and-set ---- */

static bool tas_try(struct lock *lock)
{
    return atomic_load_explicit(&lock->word, memory_order_relaxed) == 0 &&
           atomic_exchange_explicit(&lock->word, 1, memory_order_acquire) == 0;
}

/* Back-off doubles from 4 to 1,024 pauses: Anderson 1990 shows why it must grow, and be bounded. */
static void tas_wait(struct lock *lock)
{
    unsigned spins = 0;

    for (unsigned backoff = 4;; backoff = backoff < 1024 ? backoff * 2 : 1024) {
        for (unsigned i = 0; i < backoff; i++)
            spin_step(&spins);
        if (tas_try(lock))
            return;
    }
}

/* ---- ticket ---- */

static bool ticket_try(struct lock *lock)
{
    uint32_t serving = atomic_load_explicit(&lock->ticket.serving, memory_order_acquire);
    uint32_t next = serving;

    return atomic_compare_exchange_strong_explicit(&lock->ticket.next, &next, serving + 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

static void ticket_wait(struct lock *lock)
{
    uint32_t mine = atomic_fetch_add_explicit(&lock->ticket.next, 1, memory_order_relaxed);
    unsigned spins = 0;

    while (atomic_load_explicit(&lock->ticket.serving, memory_order_acquire) != mine)
        spin_step(&spins);
}

static void ticket_release(struct lock *lock)
{
    /* Only the holder writes `serving`, so no read-modify-write is needed. */
    uint32_t serving = atomic_load_explicit(&lock->ticket.serving, memory_order_relaxed);

    atomic_store_explicit(&lock->ticket.serving, serving + 1, memory_order_release);
}

/* ---- MCS ---- */

static struct mcs_node *mcs_node_get(void)
{
    for (unsigned i = 0; i < MCS_NESTING; i++) {
        if (!mcs_nodes[i].used) {
            mcs_nodes[i].used = true;
            atomic_store_explicit(&mcs_nodes[i].next, NULL, memory_order_relaxed);
            return &mcs_nodes[i];
        }
    }
    fprintf(stderr, "slablab: more than %d MCS locks held by one CPU\n", MCS_NESTING);
    abort();
}

static bool mcs_try(struct lock *lock)
{
    struct mcs_node *nobody = NULL;
    struct mcs_node *node;

    if (atomic_load_explicit(&lock->tail, memory_order_relaxed))
        return false;
    node = mcs_node_get();
    if (!atomic_compare_exchange_strong_explicit(&lock->tail, &nobody, node, memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        node->used = false;
        return false;
    }
    lock->holder = node;
    return true;
}

static void mcs_wait(struct lock *lock)
{
    struct mcs_node *node = mcs_node_get();
    struct mcs_node *before;
    unsigned spins = 0;

    atomic_store_explicit(&node->waiting, 1, memory_order_relaxed);
    before = atomic_exchange_explicit(&lock->tail, node, memory_order_acq_rel);
    if (before) {
        atomic_store_explicit(&before->next, node, memory_order_release);
        while (atomic_load_explicit(&node->waiting, memory_order_acquire))
            spin_step(&spins);
    }
    lock->holder = node;
}

static void mcs_release(struct lock *lock)
{
    struct mcs_node *node = lock->holder;
    struct mcs_node *expected = node;
    struct mcs_node *after = atomic_load_explicit(&node->next, memory_order_acquire);
    unsigned spins = 0;

    if (!after) {
        if (atomic_compare_exchange_strong_explicit(&lock->tail, &expected, NULL,
                                                    memory_order_release, memory_order_relaxed)) {
            node->used = false;
            return;
        }
        /* Somebody is between its exchange of the tail and its store of our `next`. */
        while (!(after = atomic_load_explicit(&node->next, memory_order_acquire)))
            spin_step(&spins);
    }
    atomic_store_explicit(&after->waiting, 0, memory_order_release);
    node->used = false;
}

/* ---- all of them ---- */

static inline bool lock_first_try(struct lock *lock)
{
    switch (lock->kind) {
    case LOCK_TAS:
        return tas_try(lock);
    case LOCK_TICKET:
        return ticket_try(lock);
    case LOCK_MCS:
        return mcs_try(lock);
    default:
        return pthread_mutex_trylock(lock->mutex) == 0;
    }
}

static __attribute__((noinline)) void lock_wait(struct lock *lock)
{
    switch (lock->kind) {
    case LOCK_TAS:
        tas_wait(lock);
        break;
    case LOCK_TICKET:
        ticket_wait(lock);
        break;
    case LOCK_MCS:
        mcs_wait(lock);
        break;
    default:
        pthread_mutex_lock(lock->mutex);
    }
}

/* The lock is held now: `waiting_since` is 0 when the first try had got it. */
static inline void lock_count(struct lock *lock, struct account *account, uint64_t waiting_since)
{
    unsigned previous = lock->previous;

    lock->previous = (uint16_t)(account->cpu + 1);
    account_acquired(account, lock, lock->id, previous, waiting_since);
}

/* All that is not the fast path of lock_acquire. */
static __attribute__((noinline)) void lock_acquire_rest(struct lock *lock)
{
    struct account *account = account_self;
    uint64_t waiting_since = 0;

    if (!lock_first_try(lock)) {
        if (account)
            waiting_since = now_cycles();
        lock_wait(lock);
    }
    if (account)
        lock_count(lock, account, waiting_since);
}

/* The default kind, free and uncounted: a few instructions that need no stack, as designs have them
 * on their fast paths. */
void lock_acquire(struct lock *lock)
{
    rank_check(as_held(lock));
    if (__builtin_expect(lock->kind != LOCK_TAS || account_self || !tas_try(lock), 0))
        lock_acquire_rest(lock);
    rank_push(as_held(lock));
}

bool lock_try(struct lock *lock)
{
    struct account *account = account_self;

    if (!lock_first_try(lock)) {
        if (account)
            account_try_failed(account, lock->id);
        return false;
    }
    if (account)
        lock_count(lock, account, 0);
    rank_push(as_held(lock));
    return true;
}

static __attribute__((noinline)) void lock_release_rest(struct lock *lock)
{
    account_releasing(account_self, lock);
    switch (lock->kind) {
    case LOCK_TAS:
        atomic_store_explicit(&lock->word, 0, memory_order_release);
        break;
    case LOCK_TICKET:
        ticket_release(lock);
        break;
    case LOCK_MCS:
        mcs_release(lock);
        break;
    default:
        pthread_mutex_unlock(lock->mutex);
    }
}

void lock_release(struct lock *lock)
{
    rank_pop(as_held(lock));
    if (__builtin_expect(lock->kind != LOCK_TAS || account_self, 0))
        lock_release_rest(lock);
    else
        atomic_store_explicit(&lock->word, 0, memory_order_release);
}

/* ---- a bit as a lock ---- */

static bool bit_first_try(_Atomic uint32_t *word, unsigned bit)
{
    uint32_t mask = (uint32_t)1 << bit;

    return (atomic_load_explicit(word, memory_order_relaxed) & mask) == 0 &&
           (atomic_fetch_or_explicit(word, mask, memory_order_acquire) & mask) == 0;
}

/* Who had it last, and from now on this CPU: changed together with the unlocking, by one xor. */
#define BIT_OWNER_SHIFT 16

/* A lock is known by its word here, as a struct lock is by its address. */
static void bit_count(struct account *account, const _Atomic uint32_t *word, uint16_t id,
                      uint64_t waiting_since)
{
    unsigned previous = atomic_load_explicit(word, memory_order_relaxed) >> BIT_OWNER_SHIFT;

    account_acquired(account, (const void *)word, id, previous, waiting_since);
}

void bit_lock(_Atomic uint32_t *word, unsigned bit, uint16_t id)
{
    struct account *account = account_self;
    uint64_t waiting_since = 0;
    unsigned spins = 0;

    rank_check(bit_as_held(word, bit, id));
    if (!bit_first_try(word, bit)) {
        if (account)
            waiting_since = now_cycles();
        do
            spin_step(&spins);
        while (!bit_first_try(word, bit));
    }
    if (account)
        bit_count(account, word, id, waiting_since);
    rank_push(bit_as_held(word, bit, id));
}

bool bit_try(_Atomic uint32_t *word, unsigned bit, uint16_t id)
{
    struct account *account = account_self;

    if (!bit_first_try(word, bit)) {
        if (account)
            account_try_failed(account, id);
        return false;
    }
    if (account)
        bit_count(account, word, id, 0);
    rank_push(bit_as_held(word, bit, id));
    return true;
}

void bit_unlock(_Atomic uint32_t *word, unsigned bit, uint16_t id)
{
    struct account *account = account_self;
    uint32_t change = (uint32_t)1 << bit;

    (void)id;
    rank_pop(bit_as_held(word, bit, id));
    if (account) {
        uint32_t previous = atomic_load_explicit(word, memory_order_relaxed) >> BIT_OWNER_SHIFT;

        account_releasing(account, (const void *)word);
        change |= (previous ^ (account->cpu + 1)) << BIT_OWNER_SHIFT;
    }
    atomic_fetch_xor_explicit(word, change, memory_order_release);
}
