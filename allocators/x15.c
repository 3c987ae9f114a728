/* SPDX-License-Identifier: MIT */
/*
 * x15: CPU pools over the slab layer, with half transfers. The kernel X15, kern/kmem.c: the slab
 * layer of Bonwick (USENIX Summer 1994) with the CPU layer of Bonwick & Adams (USENIX 2001) reduced
 * to one array per CPU, which trades half of its buffers at a time with the slabs.
 *
 * Here are the caches and the design's metadata; x15_pool.c has the CPU pools and the fast path,
 * x15_slab.c the slabs, x15_verify.c verify mode, x15.h the structs and the invariants.
 *
 * Metadata: one cache of slab records for slabs that do not embed theirs, and one cache of arrays
 * for each type of pool. They are caches like any other, pools included, but nothing of theirs
 * is taken or given back under a lock, so all caches have the same ranks:
 *
 *      CPU pool (class `cpu`)  ->  cache (class `cache`)
 *
 * A pool's lock is taken by its owner only, on every operation. A fill and a drain take the cache
 * lock inside it, once for the whole transfer; growing a cache and building a pool hold no lock.
 *
 * Constructors: where a buffer leaves the slab layer; in a fill that is under the cache lock, so
 * they may not allocate. No destructors: what returns to the slabs is overwritten and constructed
 * anew.
 *
 * Deviations:
 * - a CPU number is asked for once an operation: one worker owns one CPU, where X15 may have moved
 *   to another whenever it let go of the pool's lock;
 * - a constructor may fail: the buffer goes back, a fill ends with what it has, and the allocation
 *   that made it fill returns NULL;
 * - caches can be destroyed, and give all back then, records and arrays straight to the slab layers
 *   that they are from; X15 keeps its caches forever. Those of type-safe memory (CACHE_RCU) wait
 *   for a grace period first;
 * - objects of CACHE_RCU and CACHE_NO_TOUCH caches have their bufctl behind them, in a word more,
 *   and verify mode does not fill them with patterns: both would write what may not be written;
 * - a free that says no size still finds writes past the end of an untyped allocation: the buftag
 *   keeps what was not asked for, where X15 is told the size again;
 * - verify mode calls what lies in a slab's tail an invalid address; X15 lets it pass where it is a
 *   multiple of the buffer size away;
 * - a slab's record names its cache by a tag, where X15 counts its buffers in 64 bits;
 * - outside of verify mode too, a buffer that returns to the slab layer must be of a slab of its
 *   cache that has something allocated; X15 does not look;
 * - general caches have natural alignment, as the house promises for all designs; X15's have 8, and
 *   so more colors;
 * - bulk operations, which X15 has none of, take the pool's lock once for all that the pool serves;
 * - no reclaim, as in X15: free slabs are only reported (`reclaimable_bytes`);
 * - a wanted node is not heeded: the design knows no nodes;
 * - a drain and a fill ask for the lines of buffers and slab records before they need them. Nothing
 *   comes in another order; real cores gain up to a fifth by it, simulated ones, which do not
 * overlap accesses, nothing.
 */
#include "allocators/x15.h"

#include <errno.h>

#define X15_MAGAZINE_LIMIT 65536

struct x15_options {
    uint64_t magazine_size;
    uint64_t transfer_ratio;
    uint64_t color;
    uint64_t verify;
};

static const struct tunable x15_tunables[] = {
    TUNABLE_NUMBER("magazine_size", struct x15_options, magazine_size, 0, 0, X15_MAGAZINE_LIMIT,
                   "buffers that a CPU pool has room for; 0: by the buffers' size, 1 to 128"),
    TUNABLE_NUMBER("transfer_ratio", struct x15_options, transfer_ratio, 2, 1, X15_MAGAZINE_LIMIT,
                   "size of a CPU pool by what it fills or drains at once"),
    TUNABLE_SWITCH("color", struct x15_options, color, true,
                   "offset the first buffer of successive slabs by the alignment"),
    TUNABLE_SWITCH("verify", struct x15_options, verify, false,
                   "find bad frees, and writes to buffers past their end or after their free"),
    {.key = NULL},
};

/* Largest buffers first; the last type is for all that are left. */
static const struct x15_pool_type x15_pool_types[] = {
    {.above = 32768, .size = 1, .array_align = 8},
    {.above = 4096, .size = 8, .array_align = CACHE_LINE},
    {.above = 256, .size = 64, .array_align = CACHE_LINE},
    {.above = 0, .size = 128, .array_align = CACHE_LINE},
};
#define X15_POOL_TYPES (sizeof x15_pool_types / sizeof x15_pool_types[0])

struct x15_instance {
    struct x15_options options;
    struct cache *slab_records;
    unsigned nr_types; /* 1 when magazine_size is set */
    struct x15_pool_type types[X15_POOL_TYPES];
};

/* ---- caches ---- */

static size_t cache_bytes(void)
{
    return sizeof(struct cache) + nr_cpus() * sizeof(struct x15_pool);
}

static int x15_cache_create(void *running, const struct cache_params *params, struct cache **result,
                            struct error *error)
{
    struct x15_instance *instance = running;
    struct cache *cache = boot_alloc(cache_bytes(), PAGE_ANY_NODE);

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    cache->params = *params;
    cache->color = instance->options.color;
    cache->verify = instance->options.verify;
    cache->transfer_ratio = (uint32_t)instance->options.transfer_ratio;
    x15_slabs_init(cache, instance->slab_records);
    x15_pools_init(cache, instance->types);
    *result = cache;
    return 0;
}

static int x15_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    uint64_t live = cache->live - x15_pools_count(cache);

    (void)running;
    if (live)
        return error_set(error, EBUSY,
                         "cache '%s' cannot be destroyed: %llu of its objects are live",
                         cache->params.name, (unsigned long long)live);
    x15_pools_cleanup(cache);
    x15_slabs_cleanup(cache);
    boot_free(cache, cache_bytes());
    return 0;
}

/* ---- start, stop ---- */

/*
 * The pools of all metadata first, since their arrays lie in caches among it; then the arrays'
 * slabs before the records that these may be made of. What a failed start never made is NULL.
 */
static void metadata_destroy(struct x15_instance *instance)
{
    struct cache *metadata[X15_POOL_TYPES + 1];
    unsigned n = 0;

    for (unsigned i = 0; i < instance->nr_types; i++) {
        if (instance->types[i].arrays)
            metadata[n++] = instance->types[i].arrays;
    }
    if (instance->slab_records)
        metadata[n++] = instance->slab_records;
    for (unsigned i = 0; i < n; i++)
        x15_pools_cleanup(metadata[i]);
    for (unsigned i = 0; i < n; i++) {
        x15_slabs_cleanup(metadata[i]);
        boot_free(metadata[i], cache_bytes());
    }
}

static void x15_stop(void *running)
{
    struct x15_instance *instance = running;

    metadata_destroy(instance);
    boot_free(instance, sizeof *instance);
}

static void types_init(struct x15_instance *instance)
{
    if (instance->options.magazine_size) {
        instance->nr_types = 1;
        instance->types[0] =
            (struct x15_pool_type){.above = 0,
                                   .size = (uint32_t)instance->options.magazine_size,
                                   .array_align = CACHE_LINE};
        return;
    }
    instance->nr_types = X15_POOL_TYPES;
    for (unsigned i = 0; i < X15_POOL_TYPES; i++)
        instance->types[i] = x15_pool_types[i];
}

/* Records first: the slabs of arrays may need them. */
static int metadata_create(struct x15_instance *instance, struct error *error)
{
    static const char *const names[X15_POOL_TYPES] = {"cpu-arrays-0", "cpu-arrays-1",
                                                      "cpu-arrays-2", "cpu-arrays-3"};
    const struct cache_params records = {
        .name = "slab-records", .size = sizeof(struct x15_slab), .align = sizeof(void *)};
    int code = x15_cache_create(instance, &records, &instance->slab_records, error);

    for (unsigned i = 0; i < instance->nr_types && code == 0; i++) {
        struct x15_pool_type *type = &instance->types[i];
        const struct cache_params arrays = {
            .name = names[i], .size = type->size * sizeof(void *), .align = type->array_align};

        code = x15_cache_create(instance, &arrays, &type->arrays, error);
    }
    return code;
}

static int x15_start(const void *options, void **result, struct error *error)
{
    struct x15_instance *instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);
    int code;

    if (!instance)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    instance->options = *(const struct x15_options *)options;
    types_init(instance);
    code = metadata_create(instance, error);
    if (code) {
        x15_stop(instance);
        return code;
    }
    *result = instance;
    return 0;
}

static int x15_set_magazine_size(void *options, uint64_t size, bool resizing_asked,
                                 struct error *error)
{
    (void)resizing_asked; /* pools never change their size */
    if (size < 1 || size > X15_MAGAZINE_LIMIT)
        return error_set(error, ERANGE, "x15: a CPU pool of %llu buffers; it can have 1 to %d",
                         (unsigned long long)size, X15_MAGAZINE_LIMIT);
    ((struct x15_options *)options)->magazine_size = size;
    return 0;
}

/* ---- inspection ---- */

static void inspect_pools(const struct cache *cache, inspect_fn emit, void *context)
{
    uint32_t size = cache->pool_type->size;
    uint64_t allocs = 0, built = 0;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        allocs += cache->pools[i].allocs;
        built += cache->pools[i].array != NULL;
    }
    emit(context, "pool_size", size);
    emit(context, "transfer_size", (size + cache->transfer_ratio - 1) / cache->transfer_ratio);
    emit(context, "pool_arrays", built);
    emit(context, "pool_objects", x15_pools_count(cache));
    emit(context, "pool_allocs", allocs);
    emit(context, "pool_fills", cache->fills);
    emit(context, "pool_drains", cache->drains);
}

static void x15_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    uint64_t partial = x15_slabs_check(cache);

    inspect_pools(cache, emit, context);
    emit(context, "object_bytes", cache->object_bytes);
    emit(context, "objects_per_slab", cache->objects_per_slab);
    emit(context, "slab_bytes", cache->slab_bytes);
    emit(context, "slab_embedded", cache->slab_records == NULL);
    emit(context, "slack", cache->slack);
    emit(context, "next_color", cache->next_color);
    emit(context, "live", cache->live);
    emit(context, "slab_allocs", cache->allocs);
    emit(context, "slab_grows", cache->grows);
    emit(context, "slabs_full", cache->slabs - partial - cache->free_slabs);
    emit(context, "slabs_partial", partial);
    emit(context, "slabs_empty", cache->free_slabs);
    emit(context, "reclaimable_bytes", cache->free_slabs * cache->slab_bytes);
    emit(context, "grace_pages", cache->grace_pages);
}

/* ---- ledger ---- */

static void cache_ledger(const struct cache *cache, struct ledger *ledger, enum ledger_use use)
{
    x15_slabs_ledger(cache, ledger, use);
    ledger_rest_in_cpus(ledger, x15_pools_count(cache), cache->usable_bytes, use);
}

static void x15_ledger(struct cache *cache, struct ledger *ledger)
{
    cache_ledger(cache, ledger, LEDGER_OBJECTS);
}

static void x15_shared_ledger(void *running, struct ledger *ledger)
{
    const struct x15_instance *instance = running;

    cache_ledger(instance->slab_records, ledger, LEDGER_METADATA);
    for (unsigned i = 0; i < instance->nr_types; i++)
        cache_ledger(instance->types[i].arrays, ledger, LEDGER_METADATA);
}

static const struct allocator x15 = {
    .name = "x15",
    .summary = "CPU pools built on the first free, half a pool traded at a time with the slabs",
    .source = "X15 kern/kmem.c",
    .layers = "CPU pools -> slabs -> pages",
    .constructs_only = true,
    .debug_key = "verify",
    .tunables = x15_tunables,
    .options_size = sizeof(struct x15_options),
    .general_min_shift = 5,
    .general_max_shift = 17,
    .set_magazine_size = x15_set_magazine_size,
    .start = x15_start,
    .stop = x15_stop,
    .cache_create = x15_cache_create,
    .cache_destroy = x15_cache_destroy,
    .alloc = x15_alloc,
    .free = x15_free,
    .alloc_bulk = x15_alloc_bulk,
    .free_bulk = x15_free_bulk,
    .inspect = x15_inspect,
    .ledger = x15_ledger,
    .shared_ledger = x15_shared_ledger,
};
ALLOCATOR_REGISTER(x15);
