/* SPDX-License-Identifier: MIT */
/*
 * magazine: per-CPU magazines over a depot over the slab layer. Bonwick & Adams, "Magazines and
 * Vmem: Extending the Slab Allocator to Many CPUs and Arbitrary Resources", USENIX 2001; Akaros
 * kern/src/slab.c.
 *
 * Objects in magazines are constructed: constructors run where objects leave the slab layer.
 *
 * Locks, in order (nothing is ever taken under a depot lock):
 *
 *      caches              the list of caches
 *      depot  -> cache     of ordinary caches
 *      depot  -> cache     of the magazine cache
 *      depot  -> cache     of the slab-record cache
 *      depot  -> cache     of the bufctl cache
 *
 * An ordinary cache takes those of the metadata caches inside its cache lock when it grows and
 * reaps; free step 4 of a record takes those of the magazine cache there too. The magazine cache
 * itself, which has the large layout above 62 rounds, goes straight to the slab layers of the
 * records, or a reap of it could come back to its own lock by way of that step 4.
 *
 * Deviations:
 * - times are compared signed;
 * - reclaim and destruction drain magazines on behalf of whoever calls; upstream has no reclaim;
 * - the surplus of a working set is freed by the CPU whose depot visit ends the interval, and that
 *   ends in a reap of the cache, or no page would be seen to come back; working sets are tracked
 *   for ordinary caches only;
 * - a bulk allocation looks into the depot until it is empty, and takes the rest from the slab
 *   layer without looking again;
 * - those of bufctl (allocators/bufctl.c).
 */
#include "allocators/magazine_cpu.h"

#include <errno.h>

#define MAGAZINE_ROUNDS 62 /* a magazine of 512 bytes, 7 of which fit a page with its record */
#define MAGAZINE_LIMIT  65536

struct magazine_options {
    struct slab_options slab;
    uint64_t magazine_size;
    uint64_t magazine_max;
    uint64_t resize;
    uint64_t resize_timeout_ns;
    uint64_t resize_threshold;
    uint64_t depot; /* enum depot_kind */
    uint64_t working_set;
    uint64_t working_set_interval_ns;
};

enum depot_kind { DEPOT_LOCK, DEPOT_STEAL };
static const char *const depot_kinds[] = {"lock", "steal", NULL};

static const struct tunable magazine_tunables[] = {
    TUNABLE_NUMBER("magazine_size", struct magazine_options, magazine_size, 8, 1, MAGAZINE_LIMIT,
                   "rounds of a magazine at first and at least"),
    TUNABLE_NUMBER("magazine_max", struct magazine_options, magazine_max, MAGAZINE_ROUNDS, 1,
                   MAGAZINE_LIMIT, "rounds that a magazine has room for"),
    TUNABLE_SWITCH("resize", struct magazine_options, resize, true,
                   "let magazines grow when the depot's lock is contended"),
    TUNABLE_NUMBER("resize_timeout_ns", struct magazine_options, resize_timeout_ns, 1000000000, 0,
                   INT64_MAX, "window in which contention is counted, ns"),
    TUNABLE_NUMBER("resize_threshold", struct magazine_options, resize_threshold, 1, 0, INT64_MAX,
                   "contended acquisitions in a window that do not yet make magazines grow"),
    TUNABLE_WORD("depot", struct magazine_options, depot, DEPOT_LOCK, depot_kinds,
                 "one list under a lock, or a stripe per 4 CPUs, tried without waiting"),
    TUNABLE_SWITCH("working_set", struct magazine_options, working_set, false,
                   "free the magazines that an interval left untouched in the depot"),
    TUNABLE_NUMBER("working_set_interval_ns", struct magazine_options, working_set_interval_ns,
                   15000000000, 1, INT64_MAX, "interval of the working set, ns"),
    SLAB_TUNABLES(struct magazine_options, slab),
    {.key = NULL},
};

struct magazine_instance {
    struct magazine_options options;
    struct cache *magazines;
    struct cache *slab_records;
    struct cache *bufctls;
    struct slab_sources sources;          /* of ordinary caches: with magazines */
    struct slab_sources magazine_sources; /* of the magazine cache: slab layers alone */

    struct lock lock; /* class `caches`: guards the list; outermost */
    struct cds_list_head caches;
};

/* The order of locks above, as ranks. */
struct magazine_ranks {
    unsigned depot, cache;
};
static const struct magazine_ranks ordinary_ranks = {LOCK_RANK_DEPOT, LOCK_RANK_CACHE};
static const struct magazine_ranks magazines_ranks = {LOCK_RANK_CACHE + 1, LOCK_RANK_CACHE + 2};
static const struct magazine_ranks slab_records_ranks = {LOCK_RANK_CACHE + 3, LOCK_RANK_CACHE + 4};
static const struct magazine_ranks bufctls_ranks = {LOCK_RANK_CACHE + 5, LOCK_RANK_CACHE + 6};

/* ---- caches ---- */

static size_t cache_bytes(void)
{
    return sizeof(struct cache) + nr_cpus() * sizeof(struct magazine_cpu);
}

static struct depot_options depot_options_of(const struct magazine_options *options,
                                             bool working_set)
{
    return (struct depot_options){
        .resize = options->resize,
        .steal = options->depot == DEPOT_STEAL,
        .working_set = working_set,
        .magsize = options->magazine_size,
        .magsize_max = options->magazine_max,
        .resize_timeout_ns = options->resize_timeout_ns,
        .resize_threshold = options->resize_threshold,
        .interval_ns = options->working_set_interval_ns,
    };
}

/* Slab layer and depot; the CPUs' magazines come after, since the magazine cache needs itself. */
static int layers_create(struct magazine_instance *instance, const struct cache_params *params,
                         const struct slab_sources *sources, const struct magazine_ranks *ranks,
                         struct cache **result, struct error *error)
{
    const struct slab_config config = {.design = "magazine",
                                       .options = &instance->options.slab,
                                       .sources = sources,
                                       .rank = ranks->cache};
    const struct depot_options depot = depot_options_of(
        &instance->options, instance->options.working_set && ranks == &ordinary_ranks);
    struct cache *cache = boot_alloc(cache_bytes(), PAGE_ANY_NODE);
    int code;

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    machine_memory_is(cache->cpus, nr_cpus() * sizeof cache->cpus[0], MEMORY_CPU_LAYER);
    cache->magazines = instance->magazines; /* of metadata caches: see metadata_init */
    code = slab_cache_init(&cache->slabs, &config, params, error);
    if (code)
        goto no_slabs;
    code = depot_init(&cache->depot, &depot, ranks->depot, params->name);
    if (code) {
        error_set(error, -code, "cache '%s': no memory for its depot", params->name);
        goto no_depot;
    }
    *result = cache;
    return 0;

no_depot:
    slab_cache_cleanup(&cache->slabs);
no_slabs:
    boot_free(cache, cache_bytes());
    return code;
}

static void layers_destroy(struct cache *cache)
{
    depot_cleanup(&cache->depot);
    slab_cache_cleanup(&cache->slabs);
    boot_free(cache, cache_bytes());
}

static int magazine_cache_create(void *running, const struct cache_params *params,
                                 struct cache **result, struct error *error)
{
    struct magazine_instance *instance = running;
    struct cache *cache;
    int code = layers_create(instance, params, &instance->sources, &ordinary_ranks, &cache, error);

    if (code)
        return code;
    code = magazine_cpus_init(cache, error);
    if (code) {
        layers_destroy(cache);
        return code;
    }
    lock_acquire(&instance->lock);
    cds_list_add_tail(&cache->link, &instance->caches);
    lock_release(&instance->lock);
    *result = cache;
    return 0;
}

/*
 * The caller vouches that no CPU uses the cache any more, so once it is off the list, where a
 * reclaim posted to another CPU could find it, its magazines are quiet on every CPU.
 */
static int magazine_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    struct magazine_instance *instance = running;
    uint64_t resting;
    int code;

    lock_acquire(&instance->lock);
    resting = magazine_cpus_rounds(cache) + depot_rounds(&cache->depot);
    code = slab_cache_refuse_live(&cache->slabs, cache->slabs.live - resting, error);
    if (code == 0)
        cds_list_del(&cache->link);
    lock_release(&instance->lock);
    if (code)
        return code;
    magazine_cpus_cleanup(cache);
    magazine_depot_drain(cache);
    layers_destroy(cache);
    return 0;
}

/* ---- start, stop ---- */

static void *record_alloc(void *source)
{
    return magazine_alloc(source, NULL);
}

static void record_free(void *source, void *record)
{
    magazine_free(source, record);
}

static void *slab_layer_alloc(void *source)
{
    return slab_cache_alloc(source);
}

static void slab_layer_free(void *source, void *record)
{
    slab_cache_free(source, record);
}

/* The three metadata caches, as yet without magazines. */
static int metadata_init(struct magazine_instance *instance, struct error *error)
{
    const struct cache_params slab_records = {
        .name = "slab-records", .size = sizeof(struct slab), .align = sizeof(void *)};
    const struct cache_params bufctls = {
        .name = "bufctls", .size = sizeof(struct bufctl), .align = sizeof(void *)};
    const struct cache_params magazines = {.name = "magazines",
                                           .size = magazine_bytes(instance->options.magazine_max),
                                           .align = CACHE_LINE};
    int code;

    code = layers_create(instance, &slab_records, NULL, &slab_records_ranks,
                         &instance->slab_records, error);
    if (code)
        return code;
    code = layers_create(instance, &bufctls, NULL, &bufctls_ranks, &instance->bufctls, error);
    if (code)
        return code;
    instance->sources = (struct slab_sources){
        .slabs = {record_alloc, record_free, instance->slab_records},
        .bufctls = {record_alloc, record_free, instance->bufctls},
    };
    instance->magazine_sources = (struct slab_sources){
        .slabs = {slab_layer_alloc, slab_layer_free, &instance->slab_records->slabs},
        .bufctls = {slab_layer_alloc, slab_layer_free, &instance->bufctls->slabs},
    };
    code = layers_create(instance, &magazines, &instance->magazine_sources, &magazines_ranks,
                         &instance->magazines, error);
    if (code)
        return code;
    instance->slab_records->magazines = instance->magazines;
    instance->bufctls->magazines = instance->magazines;
    instance->magazines->magazines = instance->magazines;
    return 0;
}

/* Empties a metadata cache of all its magazines; its slabs stay until layers_destroy. */
static void metadata_drain(struct cache *cache)
{
    magazine_cpus_cleanup(cache);
    magazine_depot_drain(cache);
}

/* Magazines before the records that their slabs may be made of. */
static void metadata_destroy(struct magazine_instance *instance)
{
    if (instance->magazines)
        layers_destroy(instance->magazines);
    if (instance->bufctls)
        layers_destroy(instance->bufctls);
    if (instance->slab_records)
        layers_destroy(instance->slab_records);
}

static void instance_free(struct magazine_instance *instance)
{
    metadata_destroy(instance);
    lock_cleanup(&instance->lock);
    boot_free(instance, sizeof *instance);
}

static int magazine_start(const void *options, void **result, struct error *error)
{
    const struct magazine_options *asked = options;
    struct magazine_instance *instance;
    int code;

    if (asked->magazine_size > asked->magazine_max)
        return error_set(error, EINVAL,
                         "magazine_size is %llu and magazine_max %llu; the size can be 1 to the "
                         "maximum",
                         (unsigned long long)asked->magazine_size,
                         (unsigned long long)asked->magazine_max);
    instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);
    if (!instance)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    instance->options = *asked;
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES, NULL);
    CDS_INIT_LIST_HEAD(&instance->caches);
    code = metadata_init(instance, error);
    if (code)
        goto no_metadata;
    code = magazine_cpus_init(instance->magazines, error);
    if (code)
        goto no_metadata;
    code = magazine_cpus_init(instance->slab_records, error);
    if (code)
        goto no_slab_records;
    code = magazine_cpus_init(instance->bufctls, error);
    if (code)
        goto no_bufctls;
    *result = instance;
    return 0;

no_bufctls:
    metadata_drain(instance->slab_records);
no_slab_records:
    metadata_drain(instance->magazines); /* with what cleaning up gave to its depot */
no_metadata:
    instance_free(instance);
    return code;
}

static void magazine_stop(void *running)
{
    struct magazine_instance *instance = running;

    metadata_drain(instance->slab_records);
    metadata_drain(instance->bufctls);
    metadata_drain(instance->magazines);
    instance_free(instance);
}

static int magazine_set_size(void *options, uint64_t size, bool resizing_asked, struct error *error)
{
    struct magazine_options *set = options;

    if (size < 1 || size > MAGAZINE_LIMIT)
        return error_set(error, ERANGE, "magazine: a magazine of %llu rounds; it can have 1 to %d",
                         (unsigned long long)size, MAGAZINE_LIMIT);
    set->magazine_size = size;
    if (set->magazine_max < size)
        set->magazine_max = size;
    if (!resizing_asked)
        set->resize = false;
    return 0;
}

/* ---- reclaim ---- */

/* On each CPU: empties the magazines that it holds of every cache. */
static void drain_every_own(void *argument)
{
    struct magazine_instance *instance = argument;
    struct cds_list_head *link;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches)
        magazine_cpu_drain(cds_list_entry(link, struct cache, link));
    lock_release(&instance->lock);
    magazine_cpu_drain(instance->slab_records);
    magazine_cpu_drain(instance->bufctls);
    magazine_cpu_drain(instance->magazines);
}

/* Of the ordinary caches. True: some have more for another reap, past a grace period. */
static bool caches_reap(struct magazine_instance *instance)
{
    struct cds_list_head *link;
    bool more = false;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches) {
        struct cache *cache = cds_list_entry(link, struct cache, link);

        magazine_depot_drain(cache);
        more |= slab_cache_reap(&cache->slabs);
    }
    lock_release(&instance->lock);
    return more;
}

static void magazine_reclaim(void *running, unsigned level)
{
    struct magazine_instance *instance = running;
    struct cache *const metadata[] = {instance->slab_records, instance->bufctls,
                                      instance->magazines};
    bool more;

    if (level >= 2)
        on_each_cpu(drain_every_own, instance);
    more = caches_reap(instance);
    if (level >= 2)
        grace_barrier();
    if (level >= 2 && more) {
        caches_reap(instance);
        grace_barrier();
    }
    /* The reaps above put records, and the drains magazines, into this CPU's magazines: so these
     * caches come after the ordinary ones, and the magazine cache after the records. */
    for (unsigned i = 0; i < 3; i++) {
        if (level >= 2)
            magazine_cpu_drain(metadata[i]);
        magazine_depot_drain(metadata[i]);
    }
    slab_cache_reap(&instance->magazines->slabs);
    slab_cache_reap(&instance->slab_records->slabs);
    slab_cache_reap(&instance->bufctls->slabs);
}

/* ---- inspection, ledger ---- */

static void magazine_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    uint64_t allocs = 0, loaded = 0, previous = 0;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        allocs += cache->cpus[i].allocs;
        loaded += cache->cpus[i].loaded->rounds;
        previous += cache->cpus[i].previous->rounds;
    }
    emit(context, "magazine_allocs", allocs);
    emit(context, "loaded_rounds", loaded);
    emit(context, "previous_rounds", previous);
    emit(context, "magazines_made",
         atomic_load_explicit(&cache->magazines_made, memory_order_relaxed));
    depot_inspect(&cache->depot, emit, context);
    slab_cache_inspect(&cache->slabs, emit, context);
}

/*
 * A magazine is metadata wherever it is, in a depot and empty too, unless it is a round of another:
 * then it rests, as any object does. Surplus magazines are gone before an operation ends.
 */
static void layers_ledger(const struct cache *cache, struct ledger *ledger, enum ledger_use use)
{
    size_t object_bytes = cache->slabs.object_bytes;

    slab_cache_ledger(&cache->slabs, ledger, use);
    ledger_rest_in_cpus(ledger, magazine_cpus_rounds(cache), object_bytes, use);
    ledger_rest_in_depot(ledger, depot_rounds(&cache->depot), object_bytes, use);
}

static void magazine_ledger(struct cache *cache, struct ledger *ledger)
{
    layers_ledger(cache, ledger, LEDGER_OBJECTS);
}

static void magazine_shared_ledger(void *running, struct ledger *ledger)
{
    const struct magazine_instance *instance = running;

    layers_ledger(instance->magazines, ledger, LEDGER_METADATA);
    layers_ledger(instance->slab_records, ledger, LEDGER_METADATA);
    layers_ledger(instance->bufctls, ledger, LEDGER_METADATA);
}

static const struct allocator magazine = {
    .name = "magazine",
    .summary = "per-CPU magazines over a depot, growing under contention, over the slab layer",
    .source = "Bonwick & Adams, USENIX 2001; Akaros kern/src/slab.c",
    .layers = "per-CPU magazines -> depot -> slabs -> pages",
    .tells_buffers = true,
    .tunables = magazine_tunables,
    .options_size = sizeof(struct magazine_options),
    .size_note = "magazines have room for magazine_max rounds at every size",
    .set_magazine_size = magazine_set_size,
    .start = magazine_start,
    .stop = magazine_stop,
    .cache_create = magazine_cache_create,
    .cache_destroy = magazine_cache_destroy,
    .alloc = magazine_alloc,
    .free = magazine_free,
    .alloc_bulk = magazine_alloc_bulk,
    .free_bulk = magazine_free_bulk,
    .reclaim = magazine_reclaim,
    .inspect = magazine_inspect,
    .ledger = magazine_ledger,
    .shared_ledger = magazine_shared_ledger,
};
ALLOCATOR_REGISTER(magazine);
