/* SPDX-License-Identifier: MIT */
/*
 * helenos: small magazines, nothing kept that is empty. HelenOS generic/src/mm/slab.c as of 2006,
 * after Bonwick & Adams, "Magazines and Vmem", USENIX 2001, without its resizing and its list of
 * empty magazines.
 *
 * Layers: a current and a last magazine of each CPU (helenos_magazine.c) over one list of magazines
 * a cache, the depot, over slabs that go back to the page allocator the moment they are wholly free
 * (helenos_slab.c). Objects rest constructed in magazines: this revision calls neither constructors
 * nor destructors, its successors do where objects leave and enter the slab layer, and so does it
 * here. The invariants stand beside struct cache (helenos_cache.h).
 *
 * Reclaim is the design's own: a slab allocation that finds no pages makes a light pass over all
 * caches, then a brutal one, and tries again after each.
 *
 * Locks, in order; all of a cache's depot locks are leaves:
 *
 *      caches                          the list of caches, held for a whole pass
 *      cpu -> depot; cpu -> slab       of ordinary caches
 *      cpu -> depot; cpu -> slab       of the slab-record cache
 *      cpu -> depot; cpu -> slab       of the cached magazines
 *      slab                            of the magazine cache, which every cache shares (cached
 *                                      magazines lie between, where they are asked for)
 *
 * A slab that goes gives its record back under its cache's slab lock, and with that comes the CPU
 * lock of the record cache. Nothing is held where a slab is made, but for those of magazines: they
 * are made with a CPU lock held, and so never reclaim. A brutal pass takes the CPU locks of all
 * CPUs itself, one after the other; destructors run under them.
 *
 * Accounts: a magazine that comes from the depot has an empty one destroyed, and one that goes
 * there has another made; so where magazines are exchanged, operations come down to the slabs of
 * the magazine cache, and all meet at its one lock. A trip is a magazine from the depot or a new
 * one, each with what becomes of the one in its place, or a CPU drained. Metadata makes trips too.
 *
 * Deviations:
 * - the record cache, and the cached magazines after it, come last in a pass; upstream has it
 *   first, so that the records of the slabs that a pass frees outlive the pass;
 * - an allocation that finds no pages after both passes looks at the partial slabs once more, since
 *   the passes may have put objects there; upstream begins again, until there are pages;
 * - when a larger block is wanted, the CPU's list of single pages is drained after each pass, or
 *   what the pass freed could not merge; upstream's page allocator has no such lists;
 * - slabs of CACHE_RCU wait for a grace period; a light pass counts them as freed, and an
 *   allocation may fail while they wait;
 * - objects of CACHE_NO_TOUCH have the index of the next free object behind them;
 * - the records of the magazine caches are inside whatever magazine_size says: one from the record
 *   cache would come back for a magazine. Upstream's four rounds never come near;
 * - an object that could not be constructed goes back to its slab without a destructor;
 * - a brutal pass, too, takes no more magazines off the list than there were when it began: others
 *   may be putting new ones there all the while;
 * - cache descriptors are boot memory, which does not reclaim; upstream has a cache of them;
 * - an object that wastes more than a quarter even of the largest block is refused;
 * - a wanted node is not heeded, and REQUEST_NO_WAIT means nothing: reclaim never sleeps;
 * - there are no bulk hooks: the CPU lock is taken on every operation.
 */
#include "allocators/helenos_cache.h"
#include "allocators/invariant.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#define MAGAZINE_SIZE  4
#define MAGAZINE_LIMIT 65536 /* such a magazine is half a megabyte */

/* The order of locks above, as ranks. */
enum helenos_rank {
    HELENOS_RANK_CPU = LOCK_RANK_CPU,
    HELENOS_RANK_DEPOT = LOCK_RANK_DEPOT,
    HELENOS_RANK_SLAB = LOCK_RANK_CACHE,
    HELENOS_RANK_RECORDS_CPU,
    HELENOS_RANK_RECORDS_DEPOT,
    HELENOS_RANK_RECORDS_SLAB,
    HELENOS_RANK_CACHED_CPU,
    HELENOS_RANK_CACHED_DEPOT,
    HELENOS_RANK_CACHED_SLAB,
    HELENOS_RANK_MAGAZINES_SLAB
};

/* What kinds of caches differ in. */
struct helenos_kind {
    enum helenos_rank cpu, depot, slab;
    bool of_magazines; /* never reclaims; records inside */
};

static const struct helenos_kind ordinary_kind = {
    .cpu = HELENOS_RANK_CPU, .depot = HELENOS_RANK_DEPOT, .slab = HELENOS_RANK_SLAB};
static const struct helenos_kind records_kind = {.cpu = HELENOS_RANK_RECORDS_CPU,
                                                 .depot = HELENOS_RANK_RECORDS_DEPOT,
                                                 .slab = HELENOS_RANK_RECORDS_SLAB};
static const struct helenos_kind cached_kind = {.cpu = HELENOS_RANK_CACHED_CPU,
                                                .depot = HELENOS_RANK_CACHED_DEPOT,
                                                .slab = HELENOS_RANK_CACHED_SLAB,
                                                .of_magazines = true};
static const struct helenos_kind magazines_kind = {.slab = HELENOS_RANK_MAGAZINES_SLAB,
                                                   .of_magazines = true};

static const struct tunable helenos_tunables[] = {
    TUNABLE_NUMBER("magazine_size", struct helenos_options, magazine_size, MAGAZINE_SIZE, 1,
                   MAGAZINE_LIMIT, "rounds of a magazine"),
    TUNABLE_SWITCH("cached_magazines", struct helenos_options, cached_magazines, false,
                   "put magazines of magazines over the magazine cache (upstream's to-do)"),
    {.key = NULL},
};

void helenos_broken(const struct cache *cache, const char *format, ...)
{
    char sentence[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    invariant_broken("helenos", cache->params.name, "%s", sentence);
}

/* ---- caches ---- */

static size_t cache_bytes(const struct cache *magazines)
{
    return sizeof(struct cache) + (magazines ? nr_cpus() * sizeof(struct helenos_cpu) : 0);
}

/* `magazines`: where its magazines come from, or NULL. Not yet in the list. */
static int cache_make(struct helenos *instance, const struct cache_params *params,
                      const struct helenos_kind *kind, struct cache *magazines,
                      struct cache **result, struct error *error)
{
    struct cache *cache = boot_alloc(cache_bytes(magazines), PAGE_ANY_NODE);
    int code;

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    cache->instance = instance;
    cache->magazines = magazines;
    cache->params = *params;
    cache->reclaims = !kind->of_magazines;
    code = helenos_slab_init(cache, kind->of_magazines, kind->slab, error);
    if (code) {
        boot_free(cache, cache_bytes(magazines));
        return code;
    }
    if (magazines)
        helenos_magazine_init(cache, kind->cpu, kind->depot);
    *result = cache;
    return 0;
}

/* The cache is off the list, so that no pass is at work on it, and no CPU uses it any more. */
static void cache_unmake(struct cache *cache)
{
    if (cache->magazines) {
        helenos_magazine_reclaim(cache, HELENOS_BRUTAL);
        helenos_magazine_cleanup(cache);
    }
    helenos_slab_cleanup(cache);
    boot_free(cache, cache_bytes(cache->magazines));
}

static struct cache *magazines_of(const struct helenos *instance)
{
    return instance->cached_magazines ? instance->cached_magazines : instance->magazines;
}

static int helenos_cache_create(void *running, const struct cache_params *params,
                                struct cache **result, struct error *error)
{
    struct helenos *instance = running;
    struct cache *cache;
    int code = cache_make(instance, params, &ordinary_kind, magazines_of(instance), &cache, error);

    if (code)
        return code;
    lock_acquire(&instance->lock);
    cds_list_add_tail(&cache->link, &instance->slab_records->link); /* just before it */
    lock_release(&instance->lock);
    *result = cache;
    return 0;
}

static int helenos_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    struct helenos *instance = running;
    uint64_t live;

    lock_acquire(&instance->lock);
    live = atomic_load_explicit(&cache->live, memory_order_relaxed);
    if (live == 0)
        cds_list_del(&cache->link);
    lock_release(&instance->lock);
    if (live)
        return error_set(error, EBUSY,
                         "cache '%s' cannot be destroyed: %llu of its objects are live",
                         cache->params.name, (unsigned long long)live);
    cache_unmake(cache);
    return 0;
}

/* ---- start, stop ---- */

static int metadata_make(struct helenos *instance, struct error *error)
{
    const struct cache_params records = {
        .name = "slab-records", .size = sizeof(struct slab), .align = sizeof(void *)};
    struct cache_params magazines = {.name = "magazines",
                                     .size = magazine_bytes(instance->options.magazine_size),
                                     .align = sizeof(void *)};
    int code = cache_make(instance, &magazines, &magazines_kind, NULL, &instance->magazines, error);

    if (code)
        return code;
    if (instance->options.cached_magazines) {
        magazines.name = "cached-magazines";
        code = cache_make(instance, &magazines, &cached_kind, instance->magazines,
                          &instance->cached_magazines, error);
        if (code)
            return code;
        cds_list_add(&instance->cached_magazines->link, &instance->caches);
    }
    code = cache_make(instance, &records, &records_kind, magazines_of(instance),
                      &instance->slab_records, error);
    if (code)
        return code;
    cds_list_add(&instance->slab_records->link, &instance->caches);
    return 0;
}

/* In the order of a pass, so that each gives what it has to one that is still there. */
static void metadata_unmake(struct helenos *instance)
{
    if (instance->slab_records)
        cache_unmake(instance->slab_records);
    if (instance->cached_magazines)
        cache_unmake(instance->cached_magazines);
    if (instance->magazines)
        cache_unmake(instance->magazines);
}

static void helenos_stop(void *running)
{
    struct helenos *instance = running;

    metadata_unmake(instance);
    lock_cleanup(&instance->lock);
    boot_free(instance, sizeof *instance);
}

static int helenos_start(const void *options, void **result, struct error *error)
{
    struct helenos *instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);
    int code;

    if (!instance)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    instance->options = *(const struct helenos_options *)options;
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES, NULL);
    CDS_INIT_LIST_HEAD(&instance->caches);
    code = metadata_make(instance, error);
    if (code) {
        helenos_stop(instance);
        return code;
    }
    *result = instance;
    return 0;
}

/* Nothing here resizes, so there is no resizing to be turned off. */
static int helenos_set_size(void *options, uint64_t size, bool resizing_asked, struct error *error)
{
    (void)resizing_asked;
    if (size < 1 || size > MAGAZINE_LIMIT)
        return error_set(error, ERANGE, "helenos: a magazine of %llu rounds; it can have 1 to %d",
                         (unsigned long long)size, MAGAZINE_LIMIT);
    ((struct helenos_options *)options)->magazine_size = size;
    return 0;
}

/* ---- reclaim ---- */

void helenos_reclaim(void *running, unsigned level)
{
    struct helenos *instance = running;
    struct cds_list_head *link;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches)
        helenos_magazine_reclaim(cds_list_entry(link, struct cache, link),
                                 level >= HELENOS_BRUTAL ? HELENOS_BRUTAL : HELENOS_LIGHT);
    lock_release(&instance->lock);
}

/* ---- inspection ---- */

static void helenos_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    const struct helenos *instance = cache->instance;

    emit(context, "live", cache->live);
    emit(context, "resting", cache->resting);
    helenos_magazine_inspect(cache, emit, context);
    helenos_slab_inspect(cache, emit, context);
    /* What all caches share. */
    emit(context, "slab_records_live", instance->slab_records->live);
    emit(context, "slab_records_resting", instance->slab_records->resting);
    emit(context, "slab_record_slabs", instance->slab_records->slabs);
    emit(context, "magazine_cache_live", instance->magazines->live);
    emit(context, "magazine_cache_allocs", instance->magazines->slab_allocs);
    emit(context, "magazine_cache_slabs", instance->magazines->slabs);
    if (instance->cached_magazines) {
        emit(context, "cached_magazines_live", instance->cached_magazines->live);
        emit(context, "cached_magazines_resting", instance->cached_magazines->resting);
        emit(context, "cached_magazines_slabs", instance->cached_magazines->slabs);
    }
}

static const struct allocator helenos = {
    .name = "helenos",
    .summary = "small magazines over slabs that go back when empty; light and brutal reclaim",
    .source = "HelenOS slab.c, 2006; after Bonwick & Adams, USENIX 2001",
    .layers = "per-CPU magazines -> depot -> slabs -> pages",
    .tells_buffers = true,
    .tunables = helenos_tunables,
    .options_size = sizeof(struct helenos_options),
    .general_min_shift = 3,
    .general_max_shift = 17,
    .set_magazine_size = helenos_set_size,
    .start = helenos_start,
    .stop = helenos_stop,
    .cache_create = helenos_cache_create,
    .cache_destroy = helenos_cache_destroy,
    .alloc = helenos_alloc,
    .free = helenos_free,
    .reclaims_itself = true,
    .reclaim = helenos_reclaim,
    .inspect = helenos_inspect,
    .ledger = helenos_ledger,
    .shared_ledger = helenos_shared_ledger,
};
ALLOCATOR_REGISTER(helenos);
