/* SPDX-License-Identifier: MIT */
/*
 * The CPU pools of design x15: the way of a buffer between its user, this CPU's pool and the slabs.
 * x15_alloc and x15_free are the fast path; what they end in is out of line.
 *
 * A trip, as the accounts count them, is a fill that found something in the slabs, or a drain. The
 * lone buffers of a CPU that has no pool make none.
 */
#include "allocators/x15.h"

#include "allocators/invariant.h"

/* Buffers ahead of the one that is put back. */
#define PREFETCH_AHEAD 8

/* ---- between a pool and the slabs; the caller holds the pool's lock ---- */

static inline struct x15_pool *this_pool(struct cache *cache)
{
    return &cache->pools[cpu_id()];
}

static inline void *pool_pop(struct x15_pool *pool)
{
    pool->allocs++;
    return pool->array[--pool->count];
}

static inline void pool_push(struct x15_pool *pool, void *buffer)
{
    pool->array[pool->count++] = buffer;
}

static int construct(const struct cache *cache, void *buffer)
{
    const struct cache_params *params = &cache->params;

    return params->construct ? params->construct(buffer, params->size, params->context) : 0;
}

enum fill { FILL_SOME, FILL_NONE, FILL_NOT_CONSTRUCTED };

/* Up to transfer_size buffers; fewer when the slabs run dry: it does not grow. */
static enum fill pool_fill(struct cache *cache, struct x15_pool *pool)
{
    enum fill result = FILL_NONE;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    for (uint32_t i = 0; i < pool->transfer_size; i++) {
        void *buffer = x15_slab_take(cache);

        if (!buffer)
            break;
        /* Verify mode constructs when it hands out. */
        if (!pool->verify && construct(cache, buffer) != 0) {
            x15_slab_put(cache, buffer);
            result = FILL_NOT_CONSTRUCTED;
            break;
        }
        pool_push(pool, buffer);
        result = FILL_SOME;
    }
    if (result != FILL_NONE) {
        cache->fills++;
        account_trip();
    }
    lock_release(&cache->lock);
    return result;
}

/*
 * Newest first. What a buffer's return touches is cold: asked for some buffers early, its lines
 * come while others are put back.
 */
static void pool_drain(struct cache *cache, struct x15_pool *pool)
{
    account_layer(LAYER_SLAB);
    account_trip();
    lock_acquire(&cache->lock);
    for (uint32_t i = 0; i < pool->transfer_size; i++) {
        if (pool->count > PREFETCH_AHEAD)
            x15_slab_prefetch(cache, pool->array[pool->count - 1 - PREFETCH_AHEAD]);
        x15_slab_put(cache, pool->array[--pool->count]);
    }
    cache->drains++;
    lock_release(&cache->lock);
}

bool x15_pool_build(struct cache *cache, struct x15_pool *pool)
{
    const struct x15_pool_type *type = cache->pool_type;
    void **array;

    lock_release(&pool->lock);
    array = x15_alloc(type->arrays, NULL);
    if (!array)
        return false;
    machine_memory_is(array, type->size * sizeof *array, MEMORY_MAGAZINE);
    lock_acquire(&pool->lock);
    if (pool->array) {
        lock_release(&pool->lock);
        x15_free(type->arrays, array);
        lock_acquire(&pool->lock);
        return true;
    }
    pool->size = type->size;
    pool->transfer_size = (type->size + cache->transfer_ratio - 1) / cache->transfer_ratio;
    pool->array = array;
    return true;
}

/* ---- allocate ---- */

/* Verify mode: what the pool gave is checked and constructed, every time. */
static X15_COLD void *verified(struct cache *cache, const struct request *request, void *buffer)
{
    x15_verify_alloc(cache, buffer, request ? request->size : 0);
    if (construct(cache, buffer) == 0)
        return buffer;
    x15_free(cache, buffer);
    return NULL;
}

/* Of a CPU without an array: one buffer, constructed holding no lock. */
static void *alloc_from_slabs(struct cache *cache, const struct request *request)
{
    void *buffer;

    account_layer(LAYER_SLAB);
    for (;;) {
        lock_acquire(&cache->lock);
        buffer = x15_slab_take(cache);
        lock_release(&cache->lock);
        if (buffer)
            break;
        if (!x15_grow(cache))
            return NULL;
    }
    if (cache->verify)
        x15_verify_alloc(cache, buffer, request ? request->size : 0);
    if (construct(cache, buffer) == 0)
        return buffer;
    x15_free_to_slabs(cache, buffer);
    return NULL;
}

/* Holds the lock of the empty pool, and lets go of it. */
static X15_COLD void *alloc_slow(struct cache *cache, struct x15_pool *pool,
                                 const struct request *request)
{
    void *buffer;

    while (pool->count == 0) {
        enum fill fill;

        if (!pool->array) {
            lock_release(&pool->lock);
            return alloc_from_slabs(cache, request);
        }
        fill = pool_fill(cache, pool);
        if (fill == FILL_SOME)
            break;
        lock_release(&pool->lock);
        if (fill == FILL_NOT_CONSTRUCTED || !x15_grow(cache))
            return NULL;
        lock_acquire(&pool->lock);
    }
    buffer = pool_pop(pool);
    lock_release(&pool->lock);
    return pool->verify ? verified(cache, request, buffer) : buffer;
}

void *x15_alloc(struct cache *cache, const struct request *request)
{
    struct x15_pool *pool = this_pool(cache);
    void *buffer;

    lock_acquire(&pool->lock);
    if (__builtin_expect(pool->count == 0, 0))
        return alloc_slow(cache, pool, request);
    buffer = pool_pop(pool);
    lock_release(&pool->lock);
    if (__builtin_expect(pool->verify, 0))
        return verified(cache, request, buffer);
    return buffer;
}

/* ---- free ---- */

/* Holds the lock of the pool, which is full or not built, and lets go of it. */
static X15_COLD void free_slow(struct cache *cache, struct x15_pool *pool, void *buffer)
{
    while (pool->count == pool->size) {
        if (pool->array) {
            pool_drain(cache, pool);
        } else if (!x15_pool_build(cache, pool)) {
            x15_slabs_return(cache, buffer);
            return;
        }
    }
    pool_push(pool, buffer);
    lock_release(&pool->lock);
}

void x15_free(struct cache *cache, void *buffer)
{
    struct x15_pool *pool = this_pool(cache);

    if (__builtin_expect(pool->verify, 0))
        x15_verify_free(cache, buffer);
    lock_acquire(&pool->lock);
    if (__builtin_expect(pool->count == pool->size, 0)) {
        free_slow(cache, pool, buffer);
        return;
    }
    pool_push(pool, buffer);
    lock_release(&pool->lock);
}

/* ---- bulk ---- */

/* What the pool and its fills give, under one hold of its lock. */
static unsigned pool_pop_many(struct cache *cache, struct x15_pool *pool, unsigned n,
                              void **objects, enum fill *fill)
{
    unsigned done = 0;

    *fill = FILL_SOME;
    lock_acquire(&pool->lock);
    while (done < n && *fill == FILL_SOME) {
        while (done < n && pool->count)
            objects[done++] = pool_pop(pool);
        if (done < n)
            *fill = pool->array ? pool_fill(cache, pool) : FILL_NONE;
    }
    lock_release(&pool->lock);
    return done;
}

unsigned x15_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                        void **objects)
{
    struct x15_pool *pool = this_pool(cache);
    unsigned done = 0;

    while (done < n) {
        if (!pool->verify) {
            enum fill fill;

            done += pool_pop_many(cache, pool, n - done, objects + done, &fill);
            if (fill == FILL_NOT_CONSTRUCTED)
                break;
        }
        if (done < n) { /* grows the cache; or there is no array, and it is the only one */
            objects[done] = x15_alloc(cache, request);
            if (!objects[done])
                break;
            done++;
        }
    }
    return done;
}

void x15_free_bulk(struct cache *cache, unsigned n, void *const *objects)
{
    struct x15_pool *pool = this_pool(cache);
    unsigned done = 0;

    while (done < n) {
        if (!pool->verify) {
            lock_acquire(&pool->lock);
            while (done < n && pool->array) {
                if (pool->count == pool->size)
                    pool_drain(cache, pool);
                pool_push(pool, objects[done++]);
            }
            lock_release(&pool->lock);
        }
        if (done < n) /* builds the pool, or there is no memory for it */
            x15_free(cache, objects[done++]);
    }
}

/* ---- all CPUs ---- */

void x15_pools_init(struct cache *cache, const struct x15_pool_type *type)
{
    while (cache->object_bytes <= type->above)
        type++;
    cache->pool_type = type;
    machine_memory_is(cache->pools, nr_cpus() * sizeof cache->pools[0], MEMORY_CPU_LAYER);
    for (unsigned i = 0; i < nr_cpus(); i++) {
        lock_init(&cache->pools[i].lock, LOCK_CLASS_CPU, LOCK_RANK_CPU, cache->params.name);
        cache->pools[i].verify = cache->verify;
    }
}

/* Past the locks: no CPU uses the cache any more, and only its owner takes a pool's. */
void x15_pools_cleanup(struct cache *cache)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        struct x15_pool *pool = &cache->pools[i];

        lock_acquire(&cache->lock);
        while (pool->count)
            x15_slab_put(cache, pool->array[--pool->count]);
        lock_release(&cache->lock);
        if (pool->array)
            x15_free_to_slabs(cache->pool_type->arrays, pool->array);
        pool->array = NULL;
        pool->size = 0;
        lock_cleanup(&pool->lock);
    }
}

uint64_t x15_pools_count(const struct cache *cache)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < nr_cpus(); i++)
        count += cache->pools[i].count;
    if (count > cache->live)
        invariant_broken("x15", cache->params.name,
                         "%llu objects in CPU pools, but only %llu left the slabs: some were freed "
                         "twice",
                         (unsigned long long)count, (unsigned long long)cache->live);
    return count;
}
