/* SPDX-License-Identifier: MIT */
/*
 * What a cache of design spl is, and the layers below its arrays: slabs from ranges
 * (spl_slab.c) and emergency objects (spl_emergency.c). Private to allocators/spl*.c; the design
 * as a whole is described in spl.c.
 */
#ifndef SLABLAB_ALLOCATORS_SPL_H
#define SLABLAB_ALLOCATORS_SPL_H

#include "allocators/allocator.h"
#include "sim/machine.h"

#include <bsd/sys/tree.h>
#include <urcu/list.h>

struct spl_slab;

/* Directly behind its object, so that from object to slab is one add and one load. */
struct spl_header {
    uint32_t magic;
    void *object;
    struct spl_slab *slab;
    struct cds_list_head link; /* slab's free list; linked to itself while the object is out */
};
_Static_assert(sizeof(struct spl_header) == 40, "the object header is 40 bytes on 64-bit");

/* The head of its range. Under the lock of its cache from the moment it is on a list. */
struct spl_slab {
    uint32_t magic;
    uint32_t objects; /* constant */
    struct cache *cache;
    struct cds_list_head link; /* complete or partial list; a private one on its way out */
    struct cds_list_head free; /* headers of free objects, last freed first */
    uint64_t age;              /* room of the original's time stamp, which nothing reads */
    uint32_t inuse;            /* 0 <= inuse <= objects */
};
_Static_assert(sizeof(struct spl_slab) == 64, "the slab header is 64 bytes");

/* The record beside an emergency object, which is a block of pages. */
struct spl_emergency {
    RB_ENTRY(spl_emergency) node;
    void *object;
    struct cache *cache; /* for the grace period of a CACHE_RCU cache */
    struct grace grace;
};
RB_HEAD(spl_emergencies, spl_emergency); /* by address */
int spl_emergency_compare(const struct spl_emergency *a, const struct spl_emergency *b);
RB_PROTOTYPE(spl_emergencies, spl_emergency, node, spl_emergency_compare)

/* The objects that rest with one CPU; that CPU's alone. */
struct spl_array {
    uint32_t avail; /* objects[0 .. avail - 1] rest, oldest first; avail <= size */
    uint32_t size;  /* constant; 0 in a cache that passes through */
    uint32_t refill;
    uint64_t refills, flushes;
    int64_t passed; /* allocations less frees that went to the design below */
    void *objects[];
};

/* Slabs of a CACHE_RCU cache on their way out. Lists and `called` under the cache's lock. */
struct spl_ghosts {
    struct grace grace;           /* in use while `called` */
    struct cds_list_head waiting; /* for the grace period that runs */
    struct cds_list_head next;    /* too late for it: for the one after */
    bool called;
    _Atomic size_t pages; /* given back last of all; partner: spl_ghosts_wait; emergencies too */
};

/*
 * At rest, and held to by spl_slabs_check:
 *   slabs_total    = slabs on complete + slabs on partial
 *   slabs_in_use   = of them: those with inuse > 0
 *   objects_in_use = sum of inuse = objects with callers, emergencies apart + sum of avail
 *   objects_total  = sum of slabs' objects + emergency
 */
struct spl_counts {
    uint64_t slabs_total, slabs_in_use, slabs_max; /* maximum of those in use */
    uint64_t objects_total, objects_in_use, objects_max;
    uint64_t emergency_max;
    uint64_t deadlocks; /* waits for a growth that timed out while it ran */
    uint64_t growth_failures;
};

struct cache {
    /* Constant, as all up to the slab layer but for `emergency`. */
    struct cache_params params;
    /*
     * Emergency objects that exist, in the line that every free reads. Written under the lock;
     * without it a free only asks whether there are any: who brings one sees at least that one.
     */
    _Atomic uint64_t emergency;
    size_t slot_bytes;    /* object and header, each rounded up to the alignment */
    size_t header_offset; /* from an object to its header */
    size_t first_offset;  /* from a slab to its first object */
    size_t slab_pages;
    uint32_t objects_per_slab;
    uint32_t array_size;
    uint64_t grow_timeout_ns;
    struct work_queue *workers;      /* of all caches */
    struct binding_of_cache through; /* .cache: the cache below, of one that passes through */
    const struct allocator *below;   /* the design of that */

    /* ---- slab layer: under the lock, but for the atomics ---- */
    struct lock lock __attribute__((aligned(CACHE_LINE)));
    struct cds_list_head complete; /* full slabs */
    struct cds_list_head partial;  /* the others, roughly: fuller first, empty last */
    struct spl_emergencies emergencies;
    struct spl_counts counts;
    struct spl_ghosts ghosts;
    _Atomic uint64_t growths; /* that succeeded; partner: waiters, which each one wakes */

    /* Bits of the original's flags word; each 0 or 1. */
    _Atomic uint32_t growing;    /* one growth at a time: who sets it submits, the worker clears */
    _Atomic uint32_t deadlocked; /* changed under the lock only */
    _Atomic uint32_t reaping;    /* partner: the wait of who would grow */
    struct work growth;          /* in use while `growing` */

    /* ---- CPUs ---- */
    struct cds_list_head link; /* in the instance's list */
    /* [nr_cpus()], each on its CPU's node; constant, so in a line of their own. */
    struct spl_array *arrays[] __attribute__((aligned(CACHE_LINE)));
};

/* ---- slab layer; the caller holds no lock ---- */

/* -EINVAL: not even one object fits `slab_bytes_max`. */
int spl_slabs_init(struct cache *cache, uint64_t objects_per_slab, size_t slab_bytes_max,
                   struct error *error);
/* Nothing may be out or growing. Gives every page back. */
void spl_slabs_cleanup(struct cache *cache);

/*
 * Up to `want` objects into `objects`, from partial slabs only, under one hold of the lock. When
 * they are fewer, *growths is what cache->growths was when partial was seen empty.
 */
uint32_t spl_slabs_take(struct cache *cache, uint32_t want, void **objects, uint64_t *growths);
/* Gives objects back in order, under one hold of the lock. Aborts when one is not the cache's. */
void spl_slabs_put(struct cache *cache, uint32_t count, void *const *objects);

/* Frees the empty slabs at the tail of partial, up to the first in use. */
void spl_slabs_reclaim(struct cache *cache);

/* Has a worker make a slab, unless one is about it. */
void spl_growth_submit(struct cache *cache);
/*
 * Waits for a growth after number `growths`. -ETIMEDOUT: none came in time, and the cache is marked
 * deadlocked; -ENOMEM: none came, and none is under way.
 */
int spl_growth_wait(struct cache *cache, uint64_t growths);

/* Where the memory of its slabs is; what rests in arrays is taken for live. */
void spl_slabs_ledger(struct cache *cache, struct ledger *ledger);

/* Returns when no page of the cache waits for a grace period. */
void spl_ghosts_wait(struct cache *cache);

/* Aborts unless lists and counts agree. Only when no CPU runs. */
struct spl_lists {
    uint64_t complete, partial, empty; /* slabs; empty ones are on partial but not counted there */
} spl_slabs_check(struct cache *cache);

/* ---- emergency objects ---- */

/*
 * 0 and an object; -EEXIST: there is a partial slab after all; -ENOMEM. Takes the lock once to look
 * and once to insert.
 */
int spl_emergency_alloc(struct cache *cache, void **object);
/* False: it is none of the cache's. Takes the lock twice. */
bool spl_emergency_free(struct cache *cache, void *object);

/* Those that live, and of a CACHE_RCU cache those that wait for readers. */
void spl_emergency_ledger(struct cache *cache, struct ledger *ledger);

_Noreturn void spl_bad_free(const struct cache *cache, const void *object, const char *what);

#endif
