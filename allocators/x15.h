/* SPDX-License-Identifier: MIT */
/*
 * What a cache of design x15 is, layer by layer, and how its parts call each other: x15.c
 * (caches), x15_pool.c (CPU pools), x15_slab.c (slabs), x15_verify.c (verify mode). Private to them
 * and to their tests.
 */
#ifndef SLABLAB_ALLOCATORS_X15_H
#define SLABLAB_ALLOCATORS_X15_H

#include "allocators/allocator.h"
#include "sim/machine.h"

#define X15_COLD __attribute__((noinline, cold))

/*
 * Stands for a buffer: next in its slab's chain while it is free there; in verify mode the
 * redzone's last word while it is allocated.
 */
union x15_bufctl {
    union x15_bufctl *next;
    uint64_t redzone;
};

/* Verify mode: the word behind the bufctl. */
struct x15_buftag {
    uint32_t state; /* enum x15_buftag_state of x15_verify.c; nothing else is sound */
    uint32_t cut;   /* allocated: bytes of the object that were not asked for, encoded */
};
_Static_assert(sizeof(union x15_bufctl) == 8 && sizeof(struct x15_buftag) == 8,
               "verify mode puts two words behind a buffer");

/*
 * One slab. The last 40 bytes of its memory, or a buffer of the slab-record cache. `busy`, `link`
 * and `first_free` are under the lock of its cache, the rest is constant.
 */
struct x15_slab {
    struct cds_list_head link;    /* partial or free list; a full slab is on none */
    uint32_t busy;                /* buffers out; 0 <= busy <= objects_per_slab */
    uint32_t cache;               /* x15_tag: whose it is */
    union x15_bufctl *first_free; /* chain of objects_per_slab - busy */
    char *buffers;                /* the first: the slab's first byte + its color */
};
_Static_assert(sizeof(struct x15_slab) == 40, "the design's slab record is 40 bytes on 64-bit");

/* How large the pools of caches of some buffer size are, and where their arrays come from. */
struct x15_pool_type {
    size_t above; /* buffers of more bytes than this */
    uint32_t size;
    uint32_t array_align;
    struct cache *arrays; /* cache of arrays of `size` pointers */
};

/*
 * One CPU's pool: one line. Only its owner takes the lock, on every operation, so that none but
 * threads of one CPU can meet there. It is built once, by its CPU's first free; until then all is
 * 0. Buffers in it are constructed (in verify mode: tagged free).
 */
struct x15_pool {
    struct lock lock; /* class `cpu` */
    void **array;     /* [size]; array[0 .. count - 1] are in; NULL: not built */
    uint32_t count;   /* 0 <= count <= size */
    uint32_t size;
    uint32_t transfer_size; /* ceil(size / transfer_ratio): moved by a fill or a drain at most */
    bool verify;            /* as the cache's, here for the fast path */
    uint64_t allocs;        /* served by popping */
} __attribute__((aligned(CACHE_LINE)));
_Static_assert(sizeof(struct x15_pool) == CACHE_LINE, "a pool is one line");

/*
 * A cache by its layers. At rest:
 *
 *   live == objects the callers hold + sum of pools[].count
 *   slabs * objects_per_slab - live == sum of (objects_per_slab - busy) over partial and free
 *   0 < busy < objects_per_slab on partial; busy == 0 on free, whose length is free_slabs
 *   first_pages has slabs pages
 *
 * x15_slabs_check holds the slab layer to all but the first; x15_pools_count sees to it that the
 * first leaves the callers no less than nothing.
 */
struct cache {
    /* Constant while the cache lives. */
    struct cache_params params;
    const struct x15_pool_type *pool_type;
    struct cache *slab_records; /* where slab records come from; NULL: embedded in the slabs */
    size_t object_bytes;        /* of a buffer with all that belongs to it */
    size_t bufctl_offset;       /* in a buffer */
    size_t usable_bytes;        /* of a buffer: what its user may write to */
    size_t slab_bytes;
    size_t slack; /* bytes that no buffer needs: the range of colors */
    uint32_t objects_per_slab;
    uint32_t transfer_ratio;
    bool color;
    bool registered; /* the page records say which slab a page belongs to */
    bool verify;
    bool patterns; /* verify: free buffers may be written, so they are filled with patterns */

    /* Slab layer: under the lock. */
    struct lock lock __attribute__((aligned(CACHE_LINE))); /* class `cache` */
    struct cds_list_head partial, free;
    uint64_t live;  /* buffers outside the slab layer, resting in pools included */
    uint64_t slabs; /* full ones too, which are on no list but the next */
    /* All slabs, by the records of their first pages: the ledger and x15_slabs_check go over them.
     */
    struct cds_list_head first_pages;
    uint64_t free_slabs;
    size_t next_color;
    uint64_t allocs; /* buffers ever handed out */
    uint64_t grows;  /* slabs ever made */
    uint64_t fills, drains;
    uint64_t grace_pages; /* of slabs that wait for a grace period */
    struct grace grace;

    /* CPU layer. */
    struct x15_pool pools[]; /* [nr_cpus()] */
};

/* A cache's name in its slab records: apart for any two descriptors within 256 GiB. */
static inline uint32_t x15_tag(const struct cache *cache)
{
    return (uint32_t)((uintptr_t)cache / CACHE_LINE);
}

static inline union x15_bufctl *x15_bufctl_of(const struct cache *cache, void *buffer)
{
    return (union x15_bufctl *)((char *)buffer + cache->bufctl_offset);
}

/* ---- x15_slab.c ---- */

/* Layout and empty lists; params, slab_records, color and verify are set. */
void x15_slabs_init(struct cache *cache, struct cache *slab_records);
/* Nothing may be live. Gives every page back: of a CACHE_RCU cache past a grace period, waiting. */
void x15_slabs_cleanup(struct cache *cache);

/* The caller holds the cache lock. Raw buffers: NULL when partial and free are empty. */
void *x15_slab_take(struct cache *cache);
void x15_slab_put(struct cache *cache, void *buffer);
/* Asks for the lines that putting it will touch. */
void x15_slab_prefetch(const struct cache *cache, void *buffer);
/* The same by a caller that does not hold the lock. */
void x15_slabs_return(struct cache *cache, void *buffer);
/* As x15_free, past the pool: what could not be constructed, and what dying caches give back. */
void x15_free_to_slabs(struct cache *cache, void *buffer);

/*
 * Adds a slab unless buffers have come back meanwhile; holds no lock while it makes it, so that
 * several CPUs may each add one. False: there is none, and no memory.
 */
bool x15_grow(struct cache *cache);

/* Aborts unless the equations hold; returns the length of partial. Only when no CPU runs. */
uint64_t x15_slabs_check(struct cache *cache);

/* Adds all slabs; what rests in pools counts as out of them. Only when no CPU runs. */
void x15_slabs_ledger(const struct cache *cache, struct ledger *ledger, enum ledger_use use);

/* ---- x15_verify.c: aborts, naming what is wrong, cache, buffer and offset ---- */

/* The free pattern and the tag, of all buffers of a new slab. */
void x15_verify_slab(const struct cache *cache, const struct x15_slab *slab);
/* On the way out, before construction; `size` bytes are asked for, 0 or more than it has: all. */
void x15_verify_alloc(const struct cache *cache, void *buffer, size_t size);
/* On the way back. */
void x15_verify_free(const struct cache *cache, void *buffer);

/* ---- x15_pool.c ---- */

/* As the hooks of struct allocator; a NULL request is one for all of the object. */
void *x15_alloc(struct cache *cache, const struct request *request);
void x15_free(struct cache *cache, void *buffer);
unsigned x15_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                        void **objects);
void x15_free_bulk(struct cache *cache, unsigned n, void *const *objects);

/*
 * Makes the array of a pool that has none. The caller holds the pool's lock, which is dropped
 * meanwhile; held again when it returns true (the pool is built, perhaps by another thread), not
 * held when false (no memory).
 */
bool x15_pool_build(struct cache *cache, struct x15_pool *pool);

/* A pool for each CPU, not built, of the first of `types` that the buffers are large enough for. */
void x15_pools_init(struct cache *cache, const struct x15_pool_type *types);
/*
 * Drains all pools, and gives each array back to the cache it is from, which for a cache of arrays
 * may be that cache itself.
 */
void x15_pools_cleanup(struct cache *cache);
/* Buffers resting in all of them; aborts if they are more than live. Only when no CPU uses it. */
uint64_t x15_pools_count(const struct cache *cache);

#endif
