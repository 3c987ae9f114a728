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
 * - freeing surplus ends in a reap of that cache, or no page would ever be seen to come back;
 *   working sets are tracked for ordinary caches only;
 * - those of bufctl (allocators/bufctl.c).
 */
#include "allocators/depot.h"
#include "allocators/slab.h"

#include <errno.h>

#define MAGAZINE_ROUNDS 62 /* a magazine of 512 bytes, 7 of which fit a page with its record */
#define MAGAZINE_LIMIT  65536

#define COLD __attribute__((noinline, cold))

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
    {.key = "magazine_size",
     .summary = "rounds of a magazine at first and at least",
     .kind = TUNABLE_UINT,
     .offset = offsetof(struct magazine_options, magazine_size),
     .minimum = 1,
     .maximum = MAGAZINE_LIMIT,
     .initial = 8},
    {.key = "magazine_max",
     .summary = "rounds that a magazine has room for",
     .kind = TUNABLE_UINT,
     .offset = offsetof(struct magazine_options, magazine_max),
     .minimum = 1,
     .maximum = MAGAZINE_LIMIT,
     .initial = MAGAZINE_ROUNDS},
    {.key = "resize",
     .summary = "let magazines grow when the depot's lock is contended",
     .kind = TUNABLE_BOOL,
     .offset = offsetof(struct magazine_options, resize),
     .initial = true},
    {.key = "resize_timeout_ns",
     .summary = "window in which contention is counted, ns",
     .kind = TUNABLE_UINT,
     .offset = offsetof(struct magazine_options, resize_timeout_ns),
     .maximum = INT64_MAX,
     .initial = 1000000000},
    {.key = "resize_threshold",
     .summary = "contended acquisitions in a window that do not yet make magazines grow",
     .kind = TUNABLE_UINT,
     .offset = offsetof(struct magazine_options, resize_threshold),
     .maximum = INT64_MAX,
     .initial = 1},
    {.key = "depot",
     .summary = "one list under a lock, or a stripe per 4 CPUs, tried without waiting",
     .kind = TUNABLE_CHOICE,
     .offset = offsetof(struct magazine_options, depot),
     .choices = depot_kinds,
     .initial = DEPOT_LOCK},
    {.key = "working_set",
     .summary = "free the magazines that an interval left untouched in the depot",
     .kind = TUNABLE_BOOL,
     .offset = offsetof(struct magazine_options, working_set)},
    {.key = "working_set_interval_ns",
     .summary = "interval of the working set, ns",
     .kind = TUNABLE_UINT,
     .offset = offsetof(struct magazine_options, working_set_interval_ns),
     .maximum = INT64_MAX,
     .initial = 15000000000},
    SLAB_TUNABLES(struct magazine_options, slab),
    {.key = NULL},
};

/*
 * A cache by its layers. At rest: slabs.live = objects the callers hold + depot_rounds + rounds of
 * every CPU's loaded and previous.
 */
struct cache {
    struct slab_cache slabs;
    struct depot depot;
    struct magazine_instance *instance;
    struct cds_list_head link;
    _Atomic uint64_t magazines_made; /* by free step 4, beyond the first two of each CPU */
    struct magazine_cpu cpus[];      /* [nr_cpus()] */
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

enum {
    RANK_MAGAZINES_DEPOT = LOCK_RANK_CACHE + 1,
    RANK_MAGAZINES,
    RANK_SLAB_RECORDS_DEPOT,
    RANK_SLAB_RECORDS,
    RANK_BUFCTLS_DEPOT,
    RANK_BUFCTLS
};

/* ---- between magazines and the slab layer ---- */

static struct magazine *magazine_create(struct magazine_instance *instance)
{
    struct magazine *magazine = slab_cache_alloc(&instance->magazines->slabs);

    if (magazine)
        magazine->rounds = 0;
    return magazine;
}

/* Each round takes the cache lock once, its destructor outside. */
static void magazine_drain(struct cache *cache, struct magazine *magazine)
{
    while (magazine->rounds)
        slab_cache_free(&cache->slabs, magazine->objects[--magazine->rounds]);
}

static void magazine_free(struct cache *cache, void *object);

/* Those of the magazine cache itself go to its slab layer: they cannot rest in themselves. */
static void magazine_destroy(struct cache *cache, struct magazine *magazine)
{
    struct cache *magazines = cache->instance->magazines;

    magazine_drain(cache, magazine);
    if (cache == magazines)
        slab_cache_free(&magazines->slabs, magazine);
    else
        magazine_free(magazines, magazine);
}

static void chain_destroy(struct cache *cache, struct magazine *chain)
{
    while (chain) {
        struct magazine *next = chain->next;

        magazine_destroy(cache, chain);
        chain = next;
    }
}

/* ---- allocate ---- */

static inline struct magazine_cpu *this_cpu(struct cache *cache)
{
    return &cache->cpus[cpu_id()];
}

static COLD void surplus_free(struct cache *cache, struct magazine_cpu *cpu)
{
    struct magazine *surplus = cpu->surplus;

    cpu->surplus = NULL;
    chain_destroy(cache, surplus);
    slab_cache_reap(&cache->slabs);
}

static inline void surplus_check(struct cache *cache, struct magazine_cpu *cpu)
{
    if (__builtin_expect(cpu->surplus != NULL, 0))
        surplus_free(cache, cpu);
}

static void magazines_swap(struct magazine_cpu *cpu)
{
    struct magazine *loaded = cpu->loaded;

    cpu->loaded = cpu->previous;
    cpu->previous = loaded;
}

/* Steps 2 and 3: a loaded magazine with rounds. False: neither previous nor the depot has one. */
static bool rounds_get(struct cache *cache, struct magazine_cpu *cpu)
{
    bool found;

    if (cpu->previous->rounds) {
        magazines_swap(cpu);
        return true;
    }
    found = depot_get_rounds(&cache->depot, cpu);
    surplus_check(cache, cpu);
    return found;
}

static inline void *round_pop(struct magazine_cpu *cpu, struct magazine *loaded)
{
    cpu->allocs++;
    return loaded->objects[--loaded->rounds];
}

static COLD void *alloc_slow(struct cache *cache, struct magazine_cpu *cpu)
{
    if (rounds_get(cache, cpu))
        return round_pop(cpu, cpu->loaded);
    return slab_cache_alloc(&cache->slabs);
}

static void *magazine_alloc(struct cache *cache, const struct request *request)
{
    struct magazine_cpu *cpu = this_cpu(cache);
    struct magazine *loaded = cpu->loaded;

    (void)request;
    if (__builtin_expect(loaded->rounds != 0, 1))
        return round_pop(cpu, loaded);
    return alloc_slow(cache, cpu);
}

/* Rounds go out a magazine at a time; the slab layer gives the rest, one lock an object. */
static unsigned magazine_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                                    void **objects)
{
    struct magazine_cpu *cpu = this_cpu(cache);
    unsigned done = 0;

    (void)request;
    do {
        struct magazine *loaded = cpu->loaded;

        while (done < n && loaded->rounds)
            objects[done++] = round_pop(cpu, loaded);
    } while (done < n && rounds_get(cache, cpu));
    while (done < n) {
        objects[done] = slab_cache_alloc(&cache->slabs);
        if (!objects[done])
            break;
        done++;
    }
    return done;
}

/* ---- free ---- */

/*
 * Steps 2 to 4: room in the loaded magazine. False: there is no memory for another magazine. The
 * new magazine of step 4 goes to the depot first, where another CPU may be quicker to take it; then
 * this one makes the next.
 */
static bool room_get(struct cache *cache, struct magazine_cpu *cpu)
{
    while (cpu->loaded->rounds >= cpu->magsize) {
        struct magazine *magazine;

        if (cpu->previous->rounds < cpu->magsize) {
            magazines_swap(cpu);
            continue;
        }
        if (depot_get_empty(&cache->depot, cpu))
            continue;
        magazine = magazine_alloc(cache->instance->magazines, NULL);
        if (!magazine)
            return false;
        magazine->rounds = 0;
        atomic_fetch_add_explicit(&cache->magazines_made, 1, memory_order_relaxed);
        depot_put_empty(&cache->depot, cpu, magazine);
    }
    return true;
}

static inline void round_push(struct magazine *loaded, void *object)
{
    loaded->objects[loaded->rounds++] = object;
}

static COLD void free_slow(struct cache *cache, struct magazine_cpu *cpu, void *object)
{
    bool room = room_get(cache, cpu);

    if (room)
        round_push(cpu->loaded, object);
    else
        slab_cache_free(&cache->slabs, object);
    surplus_check(cache, cpu);
}

static void magazine_free(struct cache *cache, void *object)
{
    struct magazine_cpu *cpu = this_cpu(cache);
    struct magazine *loaded = cpu->loaded;

    if (__builtin_expect(loaded->rounds < cpu->magsize, 1))
        round_push(loaded, object);
    else
        free_slow(cache, cpu, object);
}

static void magazine_free_bulk(struct cache *cache, unsigned n, void *const *objects)
{
    struct magazine_cpu *cpu = this_cpu(cache);
    unsigned done = 0;

    while (done < n && room_get(cache, cpu)) {
        struct magazine *loaded = cpu->loaded;

        while (done < n && loaded->rounds < cpu->magsize)
            round_push(loaded, objects[done++]);
    }
    while (done < n)
        slab_cache_free(&cache->slabs, objects[done++]);
    surplus_check(cache, cpu);
}

/* ---- caches ---- */

static size_t cache_bytes(void)
{
    return sizeof(struct cache) + nr_cpus() * sizeof(struct magazine_cpu);
}

static void cpus_cleanup(struct cache *cache)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        struct magazine_cpu *cpu = &cache->cpus[i];

        if (cpu->loaded)
            magazine_destroy(cache, cpu->loaded);
        if (cpu->previous)
            magazine_destroy(cache, cpu->previous);
    }
}

/* Two empty magazines a CPU, straight from the slab layer. */
static int cpus_init(struct cache *cache, struct error *error)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        struct magazine_cpu *cpu = &cache->cpus[i];

        cpu->magsize = cache->depot.options.magsize;
        cpu->loaded = magazine_create(cache->instance);
        cpu->previous = magazine_create(cache->instance);
        if (!cpu->loaded || !cpu->previous) {
            cpus_cleanup(cache);
            return error_set(error, ENOMEM, "cache '%s': no memory for the magazines of %u CPUs",
                             cache->slabs.params.name, nr_cpus());
        }
    }
    return 0;
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
static struct cache *layers_create(struct magazine_instance *instance,
                                   const struct cache_params *params,
                                   const struct slab_sources *sources, unsigned depot_rank,
                                   unsigned rank, int *code, struct error *error)
{
    const struct slab_config config = {
        .design = "magazine", .options = &instance->options.slab, .sources = sources, .rank = rank};
    bool ordinary = depot_rank == LOCK_RANK_DEPOT;
    const struct depot_options depot =
        depot_options_of(&instance->options, ordinary && instance->options.working_set);
    struct cache *cache = boot_alloc(cache_bytes(), PAGE_ANY_NODE);

    if (!cache) {
        *code = error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
        return NULL;
    }
    cache->instance = instance;
    *code = slab_cache_init(&cache->slabs, &config, params, error);
    if (*code)
        goto no_slabs;
    if (depot_init(&cache->depot, &depot, depot_rank) != 0) {
        *code = error_set(error, ENOMEM, "cache '%s': no memory for its depot", params->name);
        goto no_depot;
    }
    return cache;

no_depot:
    slab_cache_cleanup(&cache->slabs);
no_slabs:
    boot_free(cache, cache_bytes());
    return NULL;
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
    int code;
    struct cache *cache = layers_create(instance, params, &instance->sources, LOCK_RANK_DEPOT,
                                        LOCK_RANK_CACHE, &code, error);

    if (!cache)
        return code;
    code = cpus_init(cache, error);
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

/* Rounds of all CPUs; only when none of them uses the cache. */
static uint64_t cpu_rounds(const struct cache *cache)
{
    uint64_t rounds = 0;

    for (unsigned i = 0; i < nr_cpus(); i++)
        rounds += cache->cpus[i].loaded->rounds + cache->cpus[i].previous->rounds;
    return rounds;
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
    resting = cpu_rounds(cache) + depot_rounds(&cache->depot);
    code = slab_cache_refuse_live(&cache->slabs, cache->slabs.live - resting, error);
    if (code == 0)
        cds_list_del(&cache->link);
    lock_release(&instance->lock);
    if (code)
        return code;
    cpus_cleanup(cache);
    chain_destroy(cache, depot_take_all(&cache->depot));
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

static struct cache *metadata_create(struct magazine_instance *instance, const char *name,
                                     size_t size, size_t align, unsigned depot_rank, int *code,
                                     struct error *error)
{
    const struct cache_params params = {.name = name, .size = size, .align = align};
    const struct slab_sources *sources =
        depot_rank == RANK_MAGAZINES_DEPOT ? &instance->magazine_sources : NULL;

    return layers_create(instance, &params, sources, depot_rank, depot_rank + 1, code, error);
}

/* The three metadata caches without magazines. */
static int metadata_init(struct magazine_instance *instance, struct error *error)
{
    int code;

    instance->slab_records = metadata_create(instance, "slab-records", sizeof(struct slab),
                                             sizeof(void *), RANK_SLAB_RECORDS_DEPOT, &code, error);
    if (!instance->slab_records)
        return code;
    instance->bufctls = metadata_create(instance, "bufctls", sizeof(struct bufctl), sizeof(void *),
                                        RANK_BUFCTLS_DEPOT, &code, error);
    if (!instance->bufctls)
        return code;
    instance->sources = (struct slab_sources){
        .slabs = {record_alloc, record_free, instance->slab_records},
        .bufctls = {record_alloc, record_free, instance->bufctls},
    };
    instance->magazine_sources = (struct slab_sources){
        .slabs = {slab_layer_alloc, slab_layer_free, &instance->slab_records->slabs},
        .bufctls = {slab_layer_alloc, slab_layer_free, &instance->bufctls->slabs},
    };
    instance->magazines =
        metadata_create(instance, "magazines", magazine_bytes(instance->options.magazine_max),
                        CACHE_LINE, RANK_MAGAZINES_DEPOT, &code, error);
    return instance->magazines ? 0 : code;
}

/* Empties a metadata cache of all its magazines; its slabs stay until layers_destroy. */
static void metadata_drain(struct cache *cache)
{
    cpus_cleanup(cache);
    chain_destroy(cache, depot_take_all(&cache->depot));
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
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES);
    CDS_INIT_LIST_HEAD(&instance->caches);
    code = metadata_init(instance, error);
    if (code)
        goto no_metadata;
    code = cpus_init(instance->magazines, error);
    if (code)
        goto no_metadata;
    code = cpus_init(instance->slab_records, error);
    if (code)
        goto no_slab_records;
    code = cpus_init(instance->bufctls, error);
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

static void drain_own(struct cache *cache)
{
    struct magazine_cpu *cpu = this_cpu(cache);

    magazine_drain(cache, cpu->loaded);
    magazine_drain(cache, cpu->previous);
}

/* On each CPU: empties the magazines that it holds of every cache. */
static void drain_every_own(void *argument)
{
    struct magazine_instance *instance = argument;
    struct cds_list_head *link;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches)
        drain_own(cds_list_entry(link, struct cache, link));
    lock_release(&instance->lock);
    drain_own(instance->slab_records);
    drain_own(instance->bufctls);
    drain_own(instance->magazines);
}

static void magazine_reclaim(void *running, unsigned level)
{
    struct magazine_instance *instance = running;
    struct cache *const metadata[] = {instance->slab_records, instance->bufctls,
                                      instance->magazines};
    struct cds_list_head *link;

    if (level >= 2)
        on_each_cpu(drain_every_own, instance);
    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches) {
        struct cache *cache = cds_list_entry(link, struct cache, link);

        chain_destroy(cache, depot_take_all(&cache->depot));
        slab_cache_reap(&cache->slabs);
    }
    lock_release(&instance->lock);
    /* The reaps above put records, and the drains magazines, into this CPU's magazines: so these
     * caches come after the ordinary ones, and the magazine cache after the records. */
    for (unsigned i = 0; i < 3; i++) {
        if (level >= 2)
            drain_own(metadata[i]);
        chain_destroy(metadata[i], depot_take_all(&metadata[i]->depot));
    }
    slab_cache_reap(&instance->magazines->slabs);
    slab_cache_reap(&instance->slab_records->slabs);
    slab_cache_reap(&instance->bufctls->slabs);
}

/* ---- inspection ---- */

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

static const struct allocator magazine = {
    .name = "magazine",
    .summary = "per-CPU magazines over a depot, growing under contention, over the slab layer",
    .source = "Bonwick & Adams, USENIX 2001; Akaros kern/src/slab.c",
    .layers = "per-CPU magazines -> depot -> slabs -> pages",
    .tunables = magazine_tunables,
    .options_size = sizeof(struct magazine_options),
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
};
ALLOCATOR_REGISTER(magazine);
