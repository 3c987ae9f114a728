/* SPDX-License-Identifier: MIT */
/*
 * Ranked locks with a class. Every lock of an allocator has a class (what it guards, as reports
 * name it) and a rank (its place in the one global order: a CPU may only take a lock of a higher
 * rank than all it holds; checked builds assert it). Which algorithm a lock is made of is a
 * property of the run (`--lock`), not of the design.
 */
#ifndef SLABLAB_SIM_LOCK_H
#define SLABLAB_SIM_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

enum lock_kind {
    LOCK_TAS,    /* test-and-test-and-set with exponential back-off */
    LOCK_TICKET, /* FIFO; everybody spins on one word */
    LOCK_MCS,    /* FIFO; each waiter spins on its own node (Mellor-Crummey & Scott 1991) */
    LOCK_PTHREAD /* pthread mutex, default type: sleeps */
};

/*
 * What a lock guards. One table for the whole house, so that a report compares like with like
 * across designs.
 */
enum lock_class {
    LOCK_CLASS_CPU,     /* a design's per-CPU layer, where its original locks it */
    LOCK_CLASS_DEPOT,   /* shared store of magazines */
    LOCK_CLASS_CACHE,   /* a cache's slab lists */
    LOCK_CLASS_SLAB,    /* helenos' slab lists */
    LOCK_CLASS_PAGE,    /* a slab's page record */
    LOCK_CLASS_PARTIAL, /* slabifier's list_lock */
    LOCK_CLASS_CACHES,  /* the list of caches */
    LOCK_CLASS_VMEM,    /* virtual ranges: one lock for the whole address space */
    LOCK_CLASS_BOOT,    /* boot memory */
    LOCK_CLASS_ZONE,    /* a node's buddy */
    LOCK_CLASSES
};

/*
 * The global order, low first. Ranks are spaced so that a design can place the same class of its
 * inner caches (those that hold its metadata) below its ordinary ones: rank + 1, rank + 2, ...
 * The page layer is below everything.
 */
enum lock_rank {
    LOCK_RANK_CACHES = 10,
    LOCK_RANK_CPU = 20,
    LOCK_RANK_DEPOT = 40,
    LOCK_RANK_CACHE = 60,
    LOCK_RANK_PAGE = 80,
    LOCK_RANK_PARTIAL = 90,
    LOCK_RANK_BOOT = 200,
    LOCK_RANK_VMEM = 210,
    LOCK_RANK_ZONE = 220
};

struct mcs_node;

/*
 * 24 bytes, so that a design can pack it beside what it guards, as its original does. A zeroed
 * lock is not a lock: see lock_init.
 */
struct lock {
    union {
        _Atomic uint32_t word; /* TAS: 0 free, 1 held */
        struct {
            _Atomic uint32_t next;    /* TICKET: next to be drawn */
            _Atomic uint32_t serving; /* partner of every waiter's load */
        } ticket;
        _Atomic(struct mcs_node *) tail; /* MCS: last in the queue */
        void *mutex;                     /* PTHREAD: out of line, or it would dwarf the record */
    };
    struct mcs_node *holder; /* MCS: the holder's node; the holder's alone */
    uint16_t id;             /* in the accounts: class and owner (account.h) */
    uint16_t previous;       /* 1 + CPU that owned it last, while it counts; the holder's alone */
    uint8_t class;
    uint8_t rank;
    uint8_t kind;
    uint8_t initialised;
};
_Static_assert(sizeof(struct lock) == 24, "as designs pack it");

/* The algorithm of all locks initialised from now on. Set before any cache exists. */
void lock_set_default_kind(enum lock_kind kind);
enum lock_kind lock_default_kind(void);

/* "tas", "ticket", "mcs", "pthread"; -EINVAL and a sentence that lists them otherwise. */
int lock_kind_parse(const char *text, enum lock_kind *kind, struct error *error);
const char *lock_kind_name(enum lock_kind kind);
const char *lock_kind_summary(enum lock_kind kind);
const char *lock_class_name(enum lock_class class);

/*
 * init/cleanup do not own the memory of the lock. `owner` is whose lock it is in the accounts: a
 * cache's name, or NULL for a lock that is its class's only one.
 */
void lock_init(struct lock *lock, enum lock_class class, unsigned rank, const char *owner);
void lock_cleanup(struct lock *lock);

void lock_acquire(struct lock *lock);
bool lock_try(struct lock *lock);
void lock_release(struct lock *lock);

/*
 * A lock inside a record that has no room for one: bit `bit` (0 .. 15) of `word`, test-and-set
 * whatever `--lock` says. `id` is the lock's in the accounts: account_lock_id(class, owner). Its
 * rank is its class's (only LOCK_CLASS_PAGE so far). Bits 16 to 31 of the word are the lock's too:
 * there it keeps who had it last while it counts, and only its holder changes them.
 */
#define BIT_LOCK_FLAGS 0xffffu /* what of the word is not the lock's own notes */
void bit_lock(_Atomic uint32_t *word, unsigned bit, uint16_t id);
bool bit_try(_Atomic uint32_t *word, unsigned bit, uint16_t id);
void bit_unlock(_Atomic uint32_t *word, unsigned bit, uint16_t id);

/* In checked builds: does this CPU hold any lock? (False in builds that do not keep count.) */
bool lock_any_held(void);

#endif
