/* SPDX-License-Identifier: MIT */
/*
 * Bonwick's slab layer (USENIX Summer 1994; layouts and lists as in Akaros' kern/src/slab.c): the
 * whole of design `bufctl` and the ground floor of `magazine`.
 *
 * Objects are raw memory inside the layer and constructed outside it: slab_cache_alloc constructs
 * what it hands out, slab_cache_free destroys what comes back, both without the lock.
 */
#ifndef SLABLAB_ALLOCATORS_SLAB_H
#define SLABLAB_ALLOCATORS_SLAB_H

#include "allocators/allocator.h"
#include "allocators/slab_hash.h"
#include "sim/machine.h"

#include <urcu/list.h>

/*
 * One slab. Small layout: the last 40 bytes of its page. Large layout: an object of the slab-record
 * cache. Guarded by its cache's lock.
 */
struct slab {
    struct cds_list_head link; /* full, partial or empty list of the cache */
    uint32_t busy;             /* objects out; 0 <= busy <= objects_per_slab */
    uint32_t color;            /* bytes from `base` to the first object */
    union {
        void *objects;                 /* small: chained through their first word */
        struct cds_hlist_head bufctls; /* large: of the free buffers */
    } free;
    void *base; /* first byte of the import */
};
_Static_assert(sizeof(struct slab) == 40, "the design's slab record is 40 bytes on 64-bit");

/* Tunables of the layer; a design that stands on it has one of these in its options. */
struct slab_options {
    uint64_t color;
    uint64_t hash_lists;
    uint64_t objects_per_slab;
    uint64_t large_cutoff;
};

#define SLAB_LARGE_CUTOFF (PAGE_SIZE / 8)

/* The rows of a design's tunables: `member` is the struct slab_options in the options `type`. */
#define SLAB_TUNABLES(type, member)                                                                \
    TUNABLE_SWITCH("color", type, member.color, false,                                             \
                   "offset the first object of successive slabs by the alignment"),                \
        TUNABLE_POWER("hash_lists", type, member.hash_lists, 64, 2, 1 << 20,                       \
                      "lists of a cache's address hash at first"),                                 \
        TUNABLE_NUMBER("objects_per_slab", type, member.objects_per_slab, 8, 1, 4096,              \
                       "objects that a slab of the large layout is made for"),                     \
        TUNABLE_BYTES("large_cutoff", type, member.large_cutoff, SLAB_LARGE_CUTOFF, 0,             \
                      PAGE_SIZE - sizeof(struct slab),                                             \
                      "largest object of the small layout, bytes")

/*
 * Where the large layout gets its records from and gives them back to: a design decides whether
 * that is a slab layer as it stands or one with magazines over it. Both functions are called with
 * the lock of the cache that grows or reaps held, so `source` ranks below it.
 */
struct slab_source {
    void *(*alloc)(void *source);
    void (*free)(void *source, void *record);
    void *source;
};

struct slab_sources {
    struct slab_source slabs;   /* records of sizeof(struct slab) */
    struct slab_source bufctls; /* records of sizeof(struct bufctl) */
};

/* What a design decides about a cache beyond its parameters. */
struct slab_config {
    const char *design; /* for the sentences */
    const struct slab_options *options;
    const struct slab_sources *sources; /* NULL: small layout only, for the records themselves */
    unsigned rank;                      /* of the cache lock */
};

struct slab_cache {
    /* Constant from init to cleanup. */
    struct cache_params params;
    const char *design;
    size_t object_bytes; /* size rounded up to the alignment */
    size_t slab_bytes;   /* import of one slab */
    size_t slack;        /* bytes of a slab that no object needs: the range of colors */
    uint32_t objects_per_slab;
    bool large;
    bool color;
    struct slab_sources sources; /* large layout */

    /*
     * Under the lock. Every slab is on one list: busy = objects_per_slab on full, 0 on empty,
     * between on partial. live = sum of busy; large layout: hash.items = live. slab_cache_check
     * holds the layer to it.
     */
    struct lock lock __attribute__((aligned(CACHE_LINE)));
    struct cds_list_head full, partial, empty;
    uint64_t live;   /* objects outside the layer, resting in magazines included */
    uint64_t allocs; /* objects ever handed out */
    uint64_t grows;  /* slabs ever made */
    size_t next_color;
    struct slab_hash hash; /* large layout */

    /*
     * CACHE_RCU: empty slabs that a reap has given up wait here for the end of a grace period, a
     * batch at a time. `waiting` and `retiring` are under the lock, `grace` belongs to the batch.
     */
    struct cds_list_head waiting;
    bool retiring;
    struct grace grace;
};

/*
 * -EINVAL: an object that no slab can hold, -ENOMEM. `params` as allocator_cache_create leaves
 * them; `config` is not kept.
 */
int slab_cache_init(struct slab_cache *cache, const struct slab_config *config,
                    const struct cache_params *params, struct error *error);
/* Nothing may be live, and no lock held (it may wait for a grace period). Gives every page back. */
void slab_cache_cleanup(struct slab_cache *cache);

/* One constructed object, NULL when there is no memory or the constructor fails. */
void *slab_cache_alloc(struct slab_cache *cache);
/*
 * Up to n of them under one hold of the lock; returns how many. What could not be constructed is
 * not among them.
 */
unsigned slab_cache_alloc_bulk(struct slab_cache *cache, unsigned n, void **objects);
void slab_cache_free_bulk(struct slab_cache *cache, unsigned n, void *const *objects);
/* Destroys the object and takes it back. Aborts when it is none of the cache's. */
void slab_cache_free(struct slab_cache *cache, void *object);

/*
 * Frees all empty slabs; those of a CACHE_RCU cache when a grace period has passed, and none while
 * an earlier batch still waits: then it returns true, as there are more for a later reap.
 */
bool slab_cache_reap(struct slab_cache *cache);

/* -EBUSY and the sentence when `live` objects are; 0 when there are none. */
int slab_cache_refuse_live(const struct slab_cache *cache, uint64_t live, struct error *error);

/* Aborts unless lists, counts and hash agree. Takes the lock. */
void slab_cache_check(struct slab_cache *cache);

void slab_cache_inspect(struct slab_cache *cache, inspect_fn emit, void *context);

/* Adds all slabs; what rests above the layer counts as out of them. Only when no CPU runs. */
void slab_cache_ledger(const struct slab_cache *cache, struct ledger *ledger, enum ledger_use use);

#endif
