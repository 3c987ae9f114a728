/* SPDX-License-Identifier: MIT */
/*
 * The interface of a design: one struct of functions, its tunables typed beside it. A design is one
 * file in this folder that ends in ALLOCATOR_REGISTER (NAME.c; a large one has layers in NAME_*.c,
 * in the order that its header gives); no other file need know it. A design sees sim/machine.h and
 * this room, never a trace, a thread or a result.
 */
#ifndef SLABLAB_ALLOCATORS_ALLOCATOR_H
#define SLABLAB_ALLOCATORS_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/error.h"
#include "sim/ledger.h"
#include "sim/tunable.h"

/* A cache of one design: each design's file completes this type for itself. */
struct cache;

enum cache_flags {
    CACHE_NO_TOUCH = 1 << 0, /* free objects may not be written (Bonwick's large layout) */
    CACHE_RCU = 1 << 1       /* type-safe memory: slabs return only past a grace period */
};

/*
 * What a cache holds. The strings and functions outlive the cache. `align` 0 means 8; it is a power
 * of two from 8 to PAGE_SIZE. (allocator_cache_create checks this and puts the 8 there, so a design
 * may rely on it.) A constructor gets raw memory of `size` bytes and returns 0, or non-zero when it
 * cannot (the object then goes back where it came from); a destructor gets it back in constructed
 * state. When they run differs by design: allocators/DESIGNS.md.
 *
 * `size` 0 is what an external design gets for untyped allocations: the size is each request's.
 *
 * buffer_made and buffer_gone are the debug layer's (debug.h) and NULL without it: a design that
 * `tells_buffers` calls them for every buffer of a slab as it is made and before its pages go. They
 * may be called with locks held. Of a free buffer such a design writes the first 16 bytes at most.
 */
struct cache_params {
    const char *name;
    size_t size;
    size_t align;
    unsigned flags;
    int (*construct)(void *object, size_t size, void *context);
    void (*destruct)(void *object, size_t size, void *context);
    void (*buffer_made)(void *buffer, void *context);
    void (*buffer_gone)(void *buffer, void *context);
    void *context;
};

enum request_flags {
    REQUEST_NO_WAIT = 1 << 0 /* may not sleep (GFP_ATOMIC, GFP_NOWAIT) */
};

/* What one allocation asks for beyond its cache. */
struct request {
    size_t size;    /* bytes the caller will use: the object's, or less from a general cache */
    uint32_t align; /* 0: the cache's */
    int16_t node;   /* wanted node, or -1 */
    uint16_t flags;
};

/* Receives one named number of a design's inner state; see allocator.inspect. */
typedef void (*inspect_fn)(void *context, const char *name, uint64_t value);

/* What a design is. All functions are called as the CPU that cpu_id() says, holding no lock. */
struct allocator {
    const char *name;
    const char *summary;    /* one line for `slablab list allocators` */
    const char *source;     /* where the design is known from */
    const char *layers;     /* "per-CPU magazines -> depot -> slabs -> pages" */
    bool external;          /* memory is not the arena's: no ledger, no limit */
    bool harness;           /* not an allocator at all (null): exempt from verification */
    bool constructs_only;   /* has constructors, but never calls a destructor */
    bool reclaims_itself;   /* an allocation that fails has reclaimed already */
    bool ignores_construct; /* what a constructor returns, as its original: it may not fail */
    bool tells_buffers;     /* see cache_params: it gets a tunable `debug`, the debug layer */
    const char *size_note;  /* what a magazine size leaves as it is, for those who compare memory */
    const char *debug_key;  /* the tunable that is its debug mode; `debug` where the layer is */
    const struct tunable *tunables; /* ends with a NULL key */
    size_t options_size;
    unsigned general_min_shift, general_max_shift; /* general caches 2^min .. 2^max; 0, 0: 3, 17 */

    /*
     * Sets the design's per-CPU capacity (magazine rounds, array or pool size) in `options`, as
     * `--magazine-size N` asks, with resizing off unless `resizing_asked`. NULL: it has none.
     * -ERANGE with a sentence when N is not possible.
     */
    int (*set_magazine_size)(void *options, uint64_t size, bool resizing_asked,
                             struct error *error);

    /*
     * One instance at a time a process. `options` is the design's options struct, copied if kept.
     * stop is called when no cache is left and gives every page back. Both NULL: caches share
     * nothing.
     */
    int (*start)(const void *options, void **instance, struct error *error);
    void (*stop)(void *instance);

    /* -ENOMEM, or -EINVAL for a size or alignment that the design cannot serve. */
    int (*cache_create)(void *instance, const struct cache_params *params, struct cache **cache,
                        struct error *error);
    /* -EBUSY and the sentence names cache and count when objects are live; then it is as it was. */
    int (*cache_destroy)(void *instance, struct cache *cache, struct error *error);

    /* NULL: no memory. It may not reclaim by itself unless its description says so. */
    void *(*alloc)(struct cache *cache, const struct request *request);
    void (*free)(struct cache *cache, void *object);

    /*
     * Up to n objects at once; returns how many. A design that cannot serve many at once leaves
     * these NULL: allocator_alloc_bulk and allocator_free_bulk then loop.
     */
    unsigned (*alloc_bulk)(struct cache *cache, const struct request *request, unsigned n,
                           void **objects);
    void (*free_bulk)(struct cache *cache, unsigned n, void *const *objects);

    /*
     * Gives memory back to the page allocator, level 1 gently, level 2 all it can. Called by the
     * front end when an allocation failed, holding no lock, and at the end of a run. May be NULL.
     */
    void (*reclaim)(void *instance, unsigned level);

    /* Tells its inner counts, named by the field's terms; only when no CPU runs. May be NULL. */
    void (*inspect)(struct cache *cache, inspect_fn emit, void *context);

    /*
     * Says where the memory of a cache is, and shared_ledger where that of no cache of the caller's
     * is (metadata caches; boot memory is known); only when no CPU runs. NULL: no ledger is kept of
     * this design; shared_ledger alone: it has no such memory.
     */
    void (*ledger)(struct cache *cache, struct ledger *ledger);
    void (*shared_ledger)(void *instance, struct ledger *ledger);
};

#define ALLOCATOR_RECLAIM_LEVELS 2

/* Registers a design, a `static const struct allocator`. */
#define ALLOCATOR_REGISTER(design)                                                                 \
    static const struct allocator *const design##_registration                                     \
        __attribute__((used, retain, section("slablab_allocators"))) = &design

/* All registered designs in order of name; `count` gets their number. */
const struct allocator *const *allocator_all(size_t *count);

/* ---- running instance: a design, its options, and its general caches ---- */

/*
 * A design by name with its options at their defaults, not yet started. What follows a colon is the
 * value of the design's first tunable, if that is a string: "malloc:libc" is design `malloc` with
 * option library=libc. -ENOENT: the sentence lists the names that exist.
 */
struct allocator_instance;
int allocator_create(const char *name, struct allocator_instance **instance, struct error *error);
void allocator_destroy(struct allocator_instance *instance); /* stops it if it runs */

/* The design as it is here: with the front end's tunables, and with the debug layer once started.
 */
const struct allocator *allocator_design(const struct allocator_instance *instance);
const char *allocator_name(const struct allocator_instance *instance); /* as given to create */

/* Before start. -ENOENT (lists tunables), -EINVAL, -ERANGE (says what is allowed). */
int allocator_set(struct allocator_instance *instance, const char *key, const char *value,
                  struct error *error);
/* -ENOTSUP: this design has no per-CPU capacity. */
int allocator_set_magazine_size(struct allocator_instance *instance, uint64_t size,
                                struct error *error);
/* Value of a tunable as text, "" if there is no such; the buffer is the caller's. */
const char *allocator_get(const struct allocator_instance *instance, const char *key, char *buffer,
                          size_t size);

/*
 * Needs a machine, and a page arena (page_init) unless the design is external. -EINVAL, -ENOMEM;
 * -ENOENT: a library that is not there; -EAGAIN: it is there, but wants more static thread-local
 * space than this process has left: run the program again with ALLOCATOR_ENVIRONMENT_NAME set
 * to ALLOCATOR_ENVIRONMENT_VALUE.
 */
#define ALLOCATOR_ENVIRONMENT_NAME  "GLIBC_TUNABLES"
#define ALLOCATOR_ENVIRONMENT_VALUE "glibc.rtld.optional_static_tls=65536"
int allocator_start(struct allocator_instance *instance, struct error *error);
/*
 * Destroys the caches that are left, the general ones too, and stops the design. -EBUSY as
 * cache_destroy when something is still live; then what could not be destroyed stays, and the
 * design runs on.
 */
int allocator_stop(struct allocator_instance *instance, struct error *error);

int allocator_cache_create(struct allocator_instance *instance, const struct cache_params *params,
                           struct cache **cache, struct error *error);
int allocator_cache_destroy(struct allocator_instance *instance, struct cache *cache,
                            struct error *error);

/*
 * Calls visit for each cache there is, general ones included, youngest first, while others may come
 * and go; visit may not wait. Name and size are good in any case; the cache itself may be looked
 * into only where nobody destroys caches meanwhile.
 */
void allocator_each_cache(struct allocator_instance *instance,
                          void (*visit)(void *context, struct cache *cache, const char *name,
                                        size_t size),
                          void *context);

/*
 * How an untyped allocation of `size` bytes is served: by a general cache (the smallest that fits)
 * or, beyond the largest, as whole pages. The binding is what a caller with a constant size has
 * after compilation: two functions and a cache. Frees are sized: a free goes through the binding
 * of its allocation, since not every design can tell a cache from an address.
 */
struct binding_of_cache {
    void *(*alloc)(struct cache *cache, const struct request *request);
    void (*free)(struct cache *cache, void *object);
    struct cache *cache;
    /* NULL: the design has none; see allocator_alloc_bulk. */
    unsigned (*alloc_bulk)(struct cache *cache, const struct request *request, unsigned n,
                           void **objects);
    void (*free_bulk)(struct cache *cache, unsigned n, void *const *objects);
};

/*
 * Size 0 is served as size 1; `align` is a power of two up to PAGE_SIZE (0: 8). General caches are
 * made when the first size is bound to them, so that a size nobody uses holds no memory: bind
 * outside the clock, one CPU at a time. -EINVAL, -ENOMEM.
 */
int allocator_bind_size(struct allocator_instance *instance, size_t size, size_t align,
                        struct binding_of_cache *binding, struct error *error);
void allocator_bind_cache(struct allocator_instance *instance, struct cache *cache,
                          struct binding_of_cache *binding);

/* n objects at once, by the design's hook or one by one; returns how many there are. */
unsigned allocator_alloc_bulk(const struct binding_of_cache *binding, const struct request *request,
                              unsigned n, void **objects);
void allocator_free_bulk(const struct binding_of_cache *binding, unsigned n, void *const *objects);

/*
 * The slow path of an allocation that got NULL, holding no lock: lets the design reclaim, level by
 * level, trying again after each. NULL: failed for good; at once where the request may not wait,
 * since reclaim may, and where the design has reclaimed by itself.
 */
void *allocator_retry(struct allocator_instance *instance, const struct binding_of_cache *binding,
                      const struct request *request);
void allocator_reclaim(struct allocator_instance *instance, unsigned level);

/*
 * Adds up where all memory is; ledger_balance completes it. `each`, unless NULL, is called for
 * every cache with its own part before that moves into the sum, and last for the design's shared
 * memory with cache NULL and name "". False: the design keeps no ledger. Only when no CPU runs.
 */
bool allocator_ledger(struct allocator_instance *instance, struct ledger *ledger,
                      void (*each)(void *context, struct cache *cache, const char *name,
                                   const struct ledger *part),
                      void *context);

/* The design's inner number `name` of a cache (see inspect); UINT64_MAX when it has none such. */
uint64_t allocator_inspect(struct allocator_instance *instance, struct cache *cache,
                           const char *name);

#endif
