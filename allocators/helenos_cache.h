/* SPDX-License-Identifier: MIT */
/*
 * What a cache of design helenos is, and how its two layers call each other; private to it. The
 * design's own story is in helenos.c.
 */
#ifndef SLABLAB_ALLOCATORS_HELENOS_CACHE_H
#define SLABLAB_ALLOCATORS_HELENOS_CACHE_H

#include "allocators/allocator.h"
#include "sim/machine.h"

#include <stddef.h>
#include <urcu/list.h>

/*
 * One slab, 2^order pages: the last 48 bytes of it, or an object of the slab-record cache. Every
 * one of its pages' records has it as its owner. `cache` and `start` are constant, the rest is its
 * cache's slab lock's.
 */
struct slab {
    struct cache *cache;
    struct cds_list_head link; /* full or partial list; a grace list when it is on its way out */
    char *start;               /* first byte of the pages, and of the first object */
    size_t available;          /* free objects; 0 on full, 1 .. objects - 1 on partial */
    size_t next;               /* index of the first free object; each names the next */
};
_Static_assert(sizeof(struct slab) == 48, "the design's slab record is 48 bytes on 64-bit");

/* Objects at rest, last in first out. Its holder's: a CPU, the depot, or who destroys it. */
struct magazine {
    struct cds_list_head link; /* in the depot */
    size_t rounds;             /* objects[0 .. rounds - 1] are in; rounds <= size */
    size_t size;
    void *objects[];
};

static inline size_t magazine_bytes(size_t size)
{
    return sizeof(struct magazine) + size * sizeof(void *);
}

/* Packed one behind the other: that CPUs share their lines is part of the design's cost. */
struct helenos_cpu {
    struct lock lock; /* class `cpu`: guards both; its owner's, but for brutal reclaim */
    struct magazine *current, *last; /* either may be NULL; no current: no last */
};
_Static_assert(sizeof(struct helenos_cpu) == 40, "the records of the CPUs are packed");

/*
 * A cache by its layers, as upstream orders and packs them. At rest:
 *
 *   live + resting == sum over full and partial of (objects - available)
 *   resting        == rounds in the depot + in every current + in every last
 *   listed         == magazines in the depot
 *   slabs          == full + partial + waiting for a grace period
 *
 * helenos_slab_inspect and helenos_magazine_inspect hold it to them.
 */
struct cache {
    /* Constant from creation to destruction. */
    struct helenos *instance;
    struct cache *magazines; /* where its magazines come from; NULL: it has none */
    struct cache_params params;
    size_t object_bytes; /* size rounded up to the alignment */
    size_t index_offset; /* from a free object to the int32_t that names the next */
    size_t objects;      /* of one slab */
    unsigned order;      /* a slab is 2^order pages */
    bool record_inside;
    bool reclaims; /* when pages run out; false for caches of magazines */

    struct cds_list_head link; /* in the instance's list, under its lock */

    /*
     * CACHE_RCU, under the slab lock: slabs that wait. Those of grace_now wait for the period that
     * runs now, begun when the first of them came; later ones, in grace_next, for the one after.
     */
    struct grace grace;
    struct cds_list_head grace_now, grace_next;

    /*
     * Written by all CPUs under no common lock, each other's partners; relaxed, since they only
     * count. Shared on purpose, and in one line, as upstream's are: part of the design's cost.
     */
    _Atomic uint64_t slabs;
    _Atomic uint64_t live;    /* objects the callers hold: every alloc and free */
    _Atomic uint64_t resting; /* objects in magazines: every pop and push */
    _Atomic uint64_t listed;  /* magazines in the depot */
    _Atomic uint64_t magazines_made;

    struct cds_list_head full, partial;
    struct lock slab_lock; /* class `slab`: guards lists, slabs and the two counts */
    uint64_t slab_allocs;  /* objects the slab layer ever handed out */
    uint64_t slab_grows;   /* slabs ever made */

    struct cds_list_head depot; /* full and part-full magazines, newest first */
    struct lock depot_lock;     /* class `depot`: guards the list; a leaf */

    struct helenos_cpu cpus[]; /* [nr_cpus()], none in a cache without magazines */
};
/* Every operation writes two of them: in two lines CPUs that fight for them take half the time. */
_Static_assert(offsetof(struct cache, slabs) % CACHE_LINE == 0,
               "the counts begin a line, as 64 bytes into upstream's descriptor");

struct helenos_options {
    uint64_t magazine_size;
    uint64_t cached_magazines;
};

struct helenos {
    struct helenos_options options;
    struct cache *magazines;        /* all memory of magazines, but where there are cached ones */
    struct cache *cached_magazines; /* the layer over it, or NULL */
    struct cache *slab_records;

    struct lock lock;            /* class `caches`: guards the list; outermost */
    struct cds_list_head caches; /* ordinary ones by age, then those of metadata */
};

enum helenos_level { HELENOS_LIGHT = 1, HELENOS_BRUTAL = 2 };

/* One pass over all caches. Takes the list's lock; the caller holds none. */
void helenos_reclaim(void *running, unsigned level);

_Noreturn void helenos_broken(const struct cache *cache, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* ---- slab layer (helenos_slab.c) ---- */

/* Finds order, objects and place of the record. -EINVAL: no slab holds such an object. */
int helenos_slab_init(struct cache *cache, bool record_inside, unsigned rank, struct error *error);
/* Aborts if an object is still out. May wait for a grace period; the caller holds no lock. */
void helenos_slab_cleanup(struct cache *cache);

/* A constructed object, or NULL. The caller holds no lock if the cache reclaims. */
void *helenos_slab_alloc(struct cache *cache);
/* Destroys the object and takes it back; returns the pages that its slab gave up for it. */
size_t helenos_slab_free(struct cache *cache, void *object);

/* Holds the layer to its equations and tells its counts; only when no CPU runs. */
void helenos_slab_inspect(struct cache *cache, inspect_fn emit, void *context);

/* ---- magazine layer (helenos_magazine.c) ---- */

void helenos_magazine_init(struct cache *cache, unsigned cpu_rank, unsigned depot_rank);
void helenos_magazine_cleanup(struct cache *cache); /* nothing may rest */

/* The hooks of struct allocator; `request` is not read. Metadata goes the same way. */
void *helenos_alloc(struct cache *cache, const struct request *request);
void helenos_free(struct cache *cache, void *object);

/* One cache's part of a pass. The caller holds no lock but the list's. */
void helenos_magazine_reclaim(struct cache *cache, enum helenos_level level);

/* As helenos_slab_inspect. */
void helenos_magazine_inspect(struct cache *cache, inspect_fn emit, void *context);

/* ---- helenos_ledger.c ---- */

/* The hooks of struct allocator. */
void helenos_ledger(struct cache *cache, struct ledger *ledger);
void helenos_shared_ledger(void *running, struct ledger *ledger);

#endif
