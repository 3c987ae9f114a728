/* SPDX-License-Identifier: MIT */
/*
 * Slabs of design slabifier: their state in the page record, the cache they belong to, the way from
 * pages to slabs and back, and the partial list. Private to the design's files; what a slab's life
 * means is told in allocators/slabifier.c.
 *
 * Fields of a slab's page record (that of its first page), under the page lock:
 *
 *      owner       the cache; NULL once the slab is given back
 *      freelist    first free object, linked through the word at cache->offset of each
 *      inuse       objects handed out
 *      flags       enum slab_flags, and the lock's own notes (BIT_LOCK_FLAGS)
 *      link        partial list (under list_lock), or the slabs that wait for a grace period
 */
#ifndef SLABLAB_ALLOCATORS_SLABIFIER_SLAB_H
#define SLABLAB_ALLOCATORS_SLABIFIER_SLAB_H

#include "allocators/allocator.h"
#include "sim/machine.h"

#define COLD __attribute__((noinline, cold))

enum { SLAB_LOCK_BIT = 0 };

enum slab_flags {
    SLAB_LOCKED = 1 << SLAB_LOCK_BIT,
    SLAB_ACTIVE = 1 << 1,     /* some CPU's active slab, or pinned by a shrink: on no list */
    SLAB_REFERENCED = 1 << 2, /* allocated from since the flusher came by */
    SLAB_SINGLE = 1 << 3      /* holds one object and is that object */
};

/*
 * Slabs of a CACHE_RCU cache that one CPU gave back, linked through their records: their memory may
 * be read until the grace period is over, so it cannot hold a struct grace. The owner CPU's alone.
 */
struct slabifier_grace {
    struct grace grace; /* given to the machine while `waiting` is not empty */
    struct cache *cache;
    struct cds_list_head waiting;   /* return when the grace period under way is over */
    struct cds_list_head gathering; /* came since: they wait for the next one */
} __attribute__((aligned(CACHE_LINE)));

/*
 * The flusher's one word says where it is, and on which CPU its timer is set. Partners: all
 * accesses are in slabifier_flush.c.
 */
enum flusher_state {
    FLUSHER_IDLE,    /* no slab was active when it last looked */
    FLUSHER_AT_WORK, /* the timer has run off: it waits its turn, or visits the CPUs */
    FLUSHER_AGAIN,   /* at work, and a CPU has an active slab */
    FLUSHER_ARMED    /* + CPU: its timer is set there */
};

struct slabifier_flusher {
    _Atomic uint32_t state;
    struct deferred timer; /* of the CPU that `state` names */
    struct work work;
    struct work_queue *queue; /* the instance's, which runs one flusher at a time */
    uint64_t interval_ns;
};

struct cache {
    /* ---- constant from creation to destruction; what a free reads comes first ---- */
    uintptr_t slab_mask; /* address of an object -> address of its slab */
    bool debug;
    bool range;       /* beyond the largest block: a slab is a range, and single */
    uint8_t order;    /* of a slab that is none */
    uint16_t lock_id; /* of its slabs' page locks, in the accounts */
    size_t slab_bytes;
    struct cache_params params;
    struct slabifier_grace *graces; /* [nr_cpus()] of a CACHE_RCU cache, else NULL */

    struct cds_list_head link; /* the instance's list of caches, under its lock */
    struct slabifier_flusher flusher;

    /* ---- counted by all CPUs, relaxed: nothing hangs on their order ---- */
    _Atomic uint64_t slabs __attribute__((aligned(CACHE_LINE))); /* with pages, none in grace */
    _Atomic uint64_t grows;                                      /* slabs ever made */
    _Atomic uint64_t flushes;                                    /* rounds of the flusher */
    _Atomic uint64_t debug_reports; /* bad frees and broken freelists that debug spoke of */
    /* Pages in grace. What takes them off (grace_over) does it with its last access to the cache, a
     * release; partner: the acquire in slabifier_grace_cleanup. */
    _Atomic uint64_t grace_pages;

    /*
     * ---- what the paths use, side by side as in the source: whoever takes list_lock takes this
     * line away from every CPU, since all read `offset`; that is part of the design's cost ----
     */
    uint32_t size __attribute__((aligned(CACHE_LINE))); /* bytes from object to object */
    uint32_t offset;                                    /* of the freelist link in a free object */
    uint32_t objects;                                   /* of a slab; 1: single */
    _Atomic uint32_t nr_partial;  /* written under list_lock; partner: a glance without it */
    struct lock list_lock;        /* class `partial`: guards the rest of the line */
    struct cds_list_head partial; /* 0 < inuse < objects, not active; length nr_partial */
    uint64_t list_lock_acquisitions;
    struct page *active[]; /* [nr_cpus()], packed; each its CPU's alone */
};
_Static_assert(offsetof(struct cache, active) - offsetof(struct cache, size) == CACHE_LINE,
               "one line, and the active slabs follow it");

/* ---- the page lock, and what it guards ---- */

static inline void slab_lock(const struct cache *cache, struct page *page)
{
    bit_lock(&page->flags, SLAB_LOCK_BIT, cache->lock_id);
}

static inline bool slab_try(const struct cache *cache, struct page *page)
{
    return bit_try(&page->flags, SLAB_LOCK_BIT, cache->lock_id);
}

static inline void slab_unlock(const struct cache *cache, struct page *page)
{
    bit_unlock(&page->flags, SLAB_LOCK_BIT, cache->lock_id);
}

static inline bool slab_is(const struct page *page, enum slab_flags flag)
{
    return atomic_load_explicit(&page->flags, memory_order_relaxed) & flag;
}

/*
 * With the page lock held. Others only ever add the lock's bit, which is there already, so a load
 * and a store lose nothing.
 */
static inline void slab_change(struct page *page, uint32_t clear, uint32_t set)
{
    uint32_t flags = atomic_load_explicit(&page->flags, memory_order_relaxed);

    if ((flags & (clear | set)) != set)
        atomic_store_explicit(&page->flags, (flags & ~clear) | set, memory_order_relaxed);
}

static inline void **slab_link(const struct cache *cache, void *object)
{
    return (void **)((char *)object + cache->offset);
}

/* ---- slabifier_slab.c ---- */

/*
 * Sizes of objects and slabs from cache->params: of slabs of at least `least_order`, with the link
 * `behind` the payload. -EINVAL: the object is too large.
 */
int slabifier_layout(struct cache *cache, unsigned least_order, bool behind, struct error *error);

/*
 * A new slab on `node` with all its objects constructed and free (a single one: handed out), which
 * nobody else knows and nobody has locked. NULL: no memory, or a constructor failed.
 */
struct page *slabifier_slab_create(struct cache *cache, int node);

/* Gives back a slab that is on no list and not locked, now or when a grace period has passed. */
void slabifier_slab_discard(struct cache *cache, struct page *page);

/* Of a CACHE_RCU cache. -ENOMEM. */
int slabifier_grace_init(struct cache *cache);
/* Returns when every slab that waits for a grace period was given back; nobody adds any more. */
void slabifier_grace_cleanup(struct cache *cache);

/* To the tail of the partial list, off it; with the page lock held. */
void slabifier_partial_add(struct cache *cache, struct page *page);
void slabifier_partial_remove(struct cache *cache, struct page *page);

/*
 * Takes a partial slab off the list, from the head, with its page lock held: one on `node`; for
 * PAGE_ANY_NODE one on this CPU's node, else any. NULL: none whose lock is free.
 */
struct page *slabifier_partial_take(struct cache *cache, int node);

/* Takes the first of the partial list that is to be had, unless it is the last. */
struct page *slabifier_partial_take_head(struct cache *cache);

/* Ends the time of a slab as active or pinned: page lock held, released on return. */
void slabifier_slab_putback(struct cache *cache, struct page *page);

/* ---- slabifier_debug.c ---- */

/* `object` is on the slab's freelist; page lock held. */
bool slabifier_freelist_holds(const struct cache *cache, const struct page *page,
                              const void *object);
/* objects == inuse + length of the freelist. */
bool slabifier_freelist_sound(const struct cache *cache, const struct page *page);

/*
 * Debug mode, page lock held: a freelist whose length disagrees with inuse is reported, and the
 * slab's objects are marked used.
 */
void slabifier_debug_slab(struct cache *cache, struct page *page);
/* Debug mode, page lock held: false (and a report) when `object` may not be freed. */
bool slabifier_debug_free(struct cache *cache, struct page *page, void *object);

/* Aborts; in debug mode reports and returns. */
void slabifier_bad_free(struct cache *cache, const struct page *page, const void *object,
                        const char *what);

/* ---- slabifier_flush.c ---- */

/* This CPU has an active slab: sees to it that the flusher comes. */
void slabifier_flusher_want(struct cache *cache);

void slabifier_flusher_init(struct cache *cache, struct work_queue *queue, uint64_t interval_ns);
/* Deactivates every CPU's slab and ends the flusher. Nobody uses the cache any more. */
void slabifier_flusher_cleanup(struct cache *cache);

/* Ends this CPU's active slab, whose page lock is held, and releases that. */
void slabifier_deactivate(struct cache *cache, struct page *page);
/* The same, if it has one; it is not locked. */
void slabifier_deactivate_own(struct cache *cache);

/* ---- slabifier_ledger.c ---- */

/* The hook of struct allocator. */
void slabifier_ledger(struct cache *cache, struct ledger *ledger);

#endif
