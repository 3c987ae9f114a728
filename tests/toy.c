/* SPDX-License-Identifier: MIT */
/*
 * toy: a whole design, to be read (allocators/README.md) and run (the tests' programs hold it).
 * A cache is one lock over a list of free objects; ranges are carved when it is empty and go back
 * with the cache. Locks: class `cache`. Invariant: live + objects on the list = objects carved.
 * Every operation comes down to the list, which stands for slabs here: there is no layer above.
 */
#include "allocators/allocator.h"
#include "sim/machine.h"

#include <errno.h>

struct cache {
    struct cache_params params;
    size_t object_bytes, range_pages; /* a range holds 7 objects or more, and its link */
    struct lock lock;                 /* guards the rest */
    void *free, *ranges;              /* chained through their first word */
    uint64_t live;
};

static int toy_cache_create(void *instance, const struct cache_params *params, struct cache **made,
                            struct error *error)
{
    struct cache *cache = boot_alloc(sizeof *cache, PAGE_ANY_NODE);

    (void)instance;
    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory", params->name);
    cache->params = *params;
    cache->object_bytes = (params->size + params->align - 1) & ~(params->align - 1);
    cache->range_pages = (8 * cache->object_bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
    lock_init(&cache->lock, LOCK_CLASS_CACHE, LOCK_RANK_CACHE, params->name);
    *made = cache;
    return 0;
}

static int toy_cache_destroy(void *instance, struct cache *cache, struct error *error)
{
    (void)instance;
    if (cache->live)
        return error_set(error, EBUSY, "cache '%s': %llu objects are live", cache->params.name,
                         (unsigned long long)cache->live);
    for (void *range = cache->ranges, *next; range; range = next) {
        next = *(void **)range;
        range_free(range, cache->range_pages);
    }
    lock_cleanup(&cache->lock);
    boot_free(cache, sizeof *cache);
    return 0;
}

/* The place of the first object holds the range's link, so that the others keep their alignment. */
static void toy_grow(struct cache *cache)
{
    char *range = range_alloc(cache->range_pages, PAGE_ANY_NODE);

    if (!range)
        return;
    *(void **)range = cache->ranges;
    cache->ranges = range;
    for (size_t i = (cache->range_pages << PAGE_SHIFT) / cache->object_bytes; --i > 0;) {
        *(void **)(range + i * cache->object_bytes) = cache->free;
        cache->free = range + i * cache->object_bytes;
    }
}

static void toy_give(struct cache *cache, void *object)
{
    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    *(void **)object = cache->free;
    cache->free = object;
    cache->live--;
    lock_release(&cache->lock);
}

static void *toy_alloc(struct cache *cache, const struct request *request)
{
    const struct cache_params *params = &cache->params;
    void *object;

    (void)request;
    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    if (!cache->free)
        toy_grow(cache);
    object = cache->free;
    if (object) {
        cache->free = *(void **)object;
        cache->live++;
    }
    lock_release(&cache->lock);
    if (object && params->construct && params->construct(object, params->size, params->context)) {
        toy_give(cache, object);
        return NULL;
    }
    return object;
}

static void toy_free(struct cache *cache, void *object)
{
    if (cache->params.destruct)
        cache->params.destruct(object, cache->params.size, cache->params.context);
    toy_give(cache, object);
}

/* A range as the ledger sees it: the place of its link is its record; what is not free is out. */
static void toy_ledger(struct cache *cache, struct ledger *ledger)
{
    size_t bytes = cache->range_pages << PAGE_SHIFT, places = bytes / cache->object_bytes;

    for (void *range = cache->ranges; range; range = *(void **)range) {
        struct ledger_slab slab = {.base = range,
                                   .bytes = bytes,
                                   .record_bytes = cache->object_bytes,
                                   .object_bytes = cache->object_bytes,
                                   .stride = cache->object_bytes,
                                   .objects = (unsigned)places - 1,
                                   .out = (unsigned)places - 1};

        for (void *object = cache->free; object; object = *(void **)object)
            slab.out -= (uintptr_t)object - (uintptr_t)range < bytes;
        ledger_add_slab(ledger, &slab, LEDGER_OBJECTS);
    }
}

static const struct allocator toy = {
    .name = "toy",
    .summary = "one lock, one list: how a design is written",
    .source = "allocators/README.md",
    .layers = "list -> ranges",
    .cache_create = toy_cache_create,
    .cache_destroy = toy_cache_destroy,
    .alloc = toy_alloc,
    .free = toy_free,
    .ledger = toy_ledger,
};
ALLOCATOR_REGISTER(toy);
