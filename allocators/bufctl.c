/* SPDX-License-Identifier: MIT */
/*
 * bufctl: the slab allocator of Bonwick, "The Slab Allocator: An Object-Caching Kernel Memory
 * Allocator", USENIX Summer 1994, as it lives on beneath the magazines of Akaros
 * (kern/src/slab.c). Every allocation and every free takes its cache's one lock.
 *
 * Locks: `cache` only. Ordinary caches rank first; growing and reaping them takes the lock of the
 * slab-record cache, then that of the bufctl cache, inside theirs.
 *
 * Deviations:
 * - small or large is decided by the size rounded up to the alignment, with a lower bound of a
 *   pointer; upstream looks at the size as asked for and has no lower bound;
 * - a slab of one object goes from full to empty; upstream leaves it on partial;
 * - the slab record keeps the address of its import, where upstream searches its bufctls for the
 *   lowest: the record is as large, and color needs it;
 * - slabs of a CACHE_RCU cache wait for a grace period when they are reaped, a batch at a time;
 * - bulk operations take the cache lock once for all their objects; the sources have none;
 * - a wanted node is not heeded: the design knows no nodes, and its slabs come from where the CPU
 *   that grows the cache is.
 */
#include "allocators/slab.h"

#include <errno.h>

struct bufctl_options {
    struct slab_options slab;
};

static const struct tunable bufctl_tunables[] = {
    SLAB_TUNABLES(struct bufctl_options, slab),
    {.key = NULL},
};

struct cache {
    struct slab_cache slabs;
    struct cds_list_head link;
};

struct bufctl_instance {
    struct bufctl_options options;
    struct slab_cache slab_records, bufctls;
    struct slab_sources sources;

    struct lock lock; /* class `caches`: guards the list; outermost */
    struct cds_list_head caches;
};

enum { BUFCTL_RANK_CACHE = LOCK_RANK_CACHE, BUFCTL_RANK_SLAB_RECORDS, BUFCTL_RANK_BUFCTLS };

static void *record_alloc(void *source)
{
    return slab_cache_alloc(source);
}

static void record_free(void *source, void *record)
{
    slab_cache_free(source, record);
}

static int records_init(struct bufctl_instance *instance, struct slab_cache *cache,
                        const char *name, size_t size, unsigned rank, struct error *error)
{
    const struct slab_config config = {
        .design = "bufctl", .options = &instance->options.slab, .rank = rank};
    const struct cache_params params = {.name = name, .size = size, .align = sizeof(void *)};

    return slab_cache_init(cache, &config, &params, error);
}

static int bufctl_start(const void *options, void **result, struct error *error)
{
    struct bufctl_instance *instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);
    int code;

    if (!instance)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    instance->options = *(const struct bufctl_options *)options;
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES, NULL);
    CDS_INIT_LIST_HEAD(&instance->caches);
    code = records_init(instance, &instance->slab_records, "slab-records", sizeof(struct slab),
                        BUFCTL_RANK_SLAB_RECORDS, error);
    if (code)
        goto no_slab_records;
    code = records_init(instance, &instance->bufctls, "bufctls", sizeof(struct bufctl),
                        BUFCTL_RANK_BUFCTLS, error);
    if (code)
        goto no_bufctls;
    instance->sources = (struct slab_sources){
        .slabs = {record_alloc, record_free, &instance->slab_records},
        .bufctls = {record_alloc, record_free, &instance->bufctls},
    };
    *result = instance;
    return 0;

no_bufctls:
    slab_cache_cleanup(&instance->slab_records);
no_slab_records:
    lock_cleanup(&instance->lock);
    boot_free(instance, sizeof *instance);
    return code;
}

static void bufctl_stop(void *running)
{
    struct bufctl_instance *instance = running;

    slab_cache_cleanup(&instance->bufctls);
    slab_cache_cleanup(&instance->slab_records);
    lock_cleanup(&instance->lock);
    boot_free(instance, sizeof *instance);
}

static int bufctl_cache_create(void *running, const struct cache_params *params,
                               struct cache **result, struct error *error)
{
    struct bufctl_instance *instance = running;
    const struct slab_config config = {
        .design = "bufctl",
        .options = &instance->options.slab,
        .sources = &instance->sources,
        .rank = BUFCTL_RANK_CACHE,
    };
    struct cache *cache = boot_alloc(sizeof *cache, PAGE_ANY_NODE);
    int code;

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    code = slab_cache_init(&cache->slabs, &config, params, error);
    if (code) {
        boot_free(cache, sizeof *cache);
        return code;
    }
    lock_acquire(&instance->lock);
    cds_list_add_tail(&cache->link, &instance->caches);
    lock_release(&instance->lock);
    *result = cache;
    return 0;
}

static int bufctl_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    struct bufctl_instance *instance = running;
    int code = slab_cache_refuse_live(&cache->slabs, cache->slabs.live, error);

    if (code)
        return code;
    /* Off the list, no reclaim can be at work on it. */
    lock_acquire(&instance->lock);
    cds_list_del(&cache->link);
    lock_release(&instance->lock);
    slab_cache_cleanup(&cache->slabs);
    boot_free(cache, sizeof *cache);
    return 0;
}

static void *bufctl_alloc(struct cache *cache, const struct request *request)
{
    (void)request;
    return slab_cache_alloc(&cache->slabs);
}

static void bufctl_free(struct cache *cache, void *object)
{
    slab_cache_free(&cache->slabs, object);
}

static unsigned bufctl_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                                  void **objects)
{
    (void)request;
    return slab_cache_alloc_bulk(&cache->slabs, n, objects);
}

static void bufctl_free_bulk(struct cache *cache, unsigned n, void *const *objects)
{
    slab_cache_free_bulk(&cache->slabs, n, objects);
}

/* True: some have more for another reap, past a grace period. */
static bool caches_reap(struct bufctl_instance *instance)
{
    struct cds_list_head *link;
    bool more = false;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches)
        more |= slab_cache_reap(&cds_list_entry(link, struct cache, link)->slabs);
    lock_release(&instance->lock);
    return more;
}

/* Nothing rests anywhere but in empty slabs; level 2 also waits for those past a grace period. */
static void bufctl_reclaim(void *running, unsigned level)
{
    struct bufctl_instance *instance = running;
    bool more = caches_reap(instance);

    if (level >= 2)
        grace_barrier();
    if (level >= 2 && more) {
        caches_reap(instance);
        grace_barrier();
    }
    /* Last, since the reaps above gave records back. */
    slab_cache_reap(&instance->slab_records);
    slab_cache_reap(&instance->bufctls);
}

static void bufctl_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    slab_cache_inspect(&cache->slabs, emit, context);
}

static void bufctl_ledger(struct cache *cache, struct ledger *ledger)
{
    slab_cache_ledger(&cache->slabs, ledger, LEDGER_OBJECTS);
}

static void bufctl_shared_ledger(void *running, struct ledger *ledger)
{
    const struct bufctl_instance *instance = running;

    slab_cache_ledger(&instance->slab_records, ledger, LEDGER_METADATA);
    slab_cache_ledger(&instance->bufctls, ledger, LEDGER_METADATA);
}

static const struct allocator bufctl = {
    .name = "bufctl",
    .summary = "the classic slab layer: bufctls and an address hash under one lock a cache",
    .source = "Bonwick, USENIX Summer 1994; Akaros kern/src/slab.c",
    .layers = "slabs -> pages",
    .tells_buffers = true,
    .tunables = bufctl_tunables,
    .options_size = sizeof(struct bufctl_options),
    .start = bufctl_start,
    .stop = bufctl_stop,
    .cache_create = bufctl_cache_create,
    .cache_destroy = bufctl_cache_destroy,
    .alloc = bufctl_alloc,
    .free = bufctl_free,
    .alloc_bulk = bufctl_alloc_bulk,
    .free_bulk = bufctl_free_bulk,
    .reclaim = bufctl_reclaim,
    .inspect = bufctl_inspect,
    .ledger = bufctl_ledger,
    .shared_ledger = bufctl_shared_ledger,
};
ALLOCATOR_REGISTER(bufctl);
