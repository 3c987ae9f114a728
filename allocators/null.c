/* SPDX-License-Identifier: MIT */
/*
 * null: not an allocator. It hands out the same preallocated memory again and again, so what a
 * replay of it costs is the harness itself: event loop, dependencies, object slots. Its objects
 * overlap, constructors never run, and it is exempt from verification.
 *
 * Each CPU has one buffer, as large as the largest object of any cache made so far. Buffers only
 * ever grow, when a cache is made. Those outgrown stay until the end, since objects that lie in
 * them may still be written to; sizes are powers of two, so they are never more than the newest.
 */
#include "allocators/allocator.h"
#include "sim/machine.h"

#include <errno.h>

/* The buffers of all CPUs, which begin cpu_bytes apart. Constant once it is made. */
struct null_buffers {
    struct null_buffers *outgrown;
    char *memory;
    size_t cpu_bytes; /* a power of two of at least a page */
};

struct null_instance {
    struct lock lock; /* class `caches`: one cache at a time makes the buffers grow */
    struct null_buffers *newest;
};

/* By CPU, where its buffer is: one load, since what is measured here is the harness. */
struct cache {
    const struct null_buffers *buffers; /* large enough for this cache's objects */
    void *objects[];                    /* [nr_cpus()] */
};

static size_t cache_bytes(void)
{
    return sizeof(struct cache) + nr_cpus() * sizeof(void *);
}

static size_t buffers_pages(const struct null_buffers *buffers)
{
    return nr_cpus() * (buffers->cpu_bytes >> PAGE_SHIFT);
}

static int null_start(const void *options, void **result, struct error *error)
{
    struct null_instance *instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);

    (void)options;
    if (!instance)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES, NULL);
    *result = instance;
    return 0;
}

static void null_stop(void *running)
{
    struct null_instance *instance = running;
    struct null_buffers *outgrown;

    for (struct null_buffers *buffers = instance->newest; buffers; buffers = outgrown) {
        outgrown = buffers->outgrown;
        range_free(buffers->memory, buffers_pages(buffers));
        boot_free(buffers, sizeof *buffers);
    }
    lock_cleanup(&instance->lock);
    boot_free(instance, sizeof *instance);
}

static struct null_buffers *buffers_create(size_t size)
{
    struct null_buffers *buffers = boot_alloc(sizeof *buffers, PAGE_ANY_NODE);

    if (!buffers)
        return NULL;
    buffers->cpu_bytes = PAGE_SIZE;
    while (buffers->cpu_bytes < size)
        buffers->cpu_bytes *= 2;
    buffers->memory = range_alloc(buffers_pages(buffers), PAGE_ANY_NODE);
    if (!buffers->memory) {
        boot_free(buffers, sizeof *buffers);
        return NULL;
    }
    return buffers;
}

/* The newest buffers, made anew if they are too small for `size`. */
static const struct null_buffers *buffers_for(struct null_instance *instance, size_t size)
{
    struct null_buffers *buffers;

    lock_acquire(&instance->lock);
    buffers = instance->newest;
    if (!buffers || buffers->cpu_bytes < size) {
        buffers = buffers_create(size);
        if (buffers) {
            buffers->outgrown = instance->newest;
            instance->newest = buffers;
        }
    }
    lock_release(&instance->lock);
    return buffers;
}

static int null_cache_create(void *running, const struct cache_params *params,
                             struct cache **result, struct error *error)
{
    struct cache *cache = boot_alloc(cache_bytes(), PAGE_ANY_NODE);

    if (cache)
        cache->buffers = buffers_for(running, params->size);
    if (!cache || !cache->buffers) {
        if (cache)
            boot_free(cache, cache_bytes());
        return error_set(error, ENOMEM, "cache '%s': no memory for buffers of %zu bytes on %u CPUs",
                         params->name, params->size, nr_cpus());
    }
    for (unsigned i = 0; i < nr_cpus(); i++)
        cache->objects[i] = cache->buffers->memory + i * cache->buffers->cpu_bytes;
    *result = cache;
    return 0;
}

/* It does not know what is live. */
static int null_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    (void)running;
    (void)error;
    boot_free(cache, cache_bytes());
    return 0;
}

static void *null_alloc(struct cache *cache, const struct request *request)
{
    (void)request;
    return cache->objects[cpu_id()];
}

static void null_free(struct cache *cache, void *object)
{
    (void)cache;
    (void)object;
}

static const struct allocator null = {
    .name = "null",
    .summary = "hands out preallocated memory: what the harness itself costs",
    .source = "fio's null engine, which measures fio",
    .layers = "one buffer per CPU",
    .harness = true,
    .general_min_shift = 3,
    .general_max_shift = 47, /* no size is beyond it, so the page layer is never measured */
    .start = null_start,
    .stop = null_stop,
    .cache_create = null_cache_create,
    .cache_destroy = null_cache_destroy,
    .alloc = null_alloc,
    .free = null_free,
};
ALLOCATOR_REGISTER(null);
