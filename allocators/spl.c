/* SPDX-License-Identifier: MIT */
/*
 * spl: one array of objects per CPU over slabs from virtual memory. OpenZFS,
 * module/os/linux/spl/spl-kmem-cache.c (Solaris Porting Layer), as of 2.x: nothing ages by itself.
 *
 * Layers, each in its file:
 *      spl_cpu.c        array of each CPU: pop, refill by half, push, flush by half
 *      spl_slab.c       slabs from ranges: complete and partial lists, growth by workers, reclaim
 *      spl_emergency.c  single blocks of pages for who cannot wait, or waited in vain
 *      spl.c            options, caches, reap
 *
 * Locks, in order; nothing of the page layer is asked for or given back under a cache's lock:
 *
 *      caches              the list of caches
 *      cache               a cache's slab layer and emergency objects
 *
 * and, taken with none but `caches` held: vmem (slabs), boot and zone (emergency objects).
 *
 * A slab is a range: header of 64 bytes rounded up to the alignment, then objects_per_slab slots of
 * object and header of 40 bytes, each rounded up to the alignment. What is left of the last page
 * is waste. Equations: struct spl_counts, checked whenever a cache is inspected; and
 *
 *      live = objects_in_use - sum of avail + emergency + passed
 *
 * Accounts: the arrays are the CPU's layer, and there is no depot. An allocation that waits for a
 * growth has come down to the pages, whichever CPU's worker asks for them. A trip is a refill that
 * brought something, or a flush; emergency objects never come near an array. In memory, a buffer is
 * its object rounded up to the alignment, wherever it lies; headers behind objects and of slabs are
 * metadata. Of a cache that passes through, all accounts are the slabifier's.
 *
 * Constructors run on every allocation, destructors on every free; what a constructor returns is
 * ignored. There is no bulk hook: the original has no such call, and its arrays spread the cost of
 * the lock already.
 *
 * Deviations:
 * - an allocation whose growth failed returns NULL when its array is still empty, and at once:
 *   upstream sleeps out the timeout and tries again, for ever, and before a NULL the sleep would
 *   buy nothing (a replay short of memory took hours for it). Likewise when it is given no
 *   emergency object, and when the design below a cache that passes through has no memory;
 * - a no-wait allocation whose refill got all it wanted takes from the array; upstream returns
 *   NULL there, and succeeds only the next time;
 * - each success of a growth wakes its waiters, even when the next has begun by then; upstream
 *   they would sleep on. And a growth that succeeds just as its waiter times out leaves no mark
 *   `deadlocked` behind;
 * - a free looks for emergency objects first and at the address then, and a stray address is fatal
 *   (upstream keeps it in its array until a flush trips over it);
 * - reap walks all caches under the lock of their list, so of two callers the second waits, where
 *   upstream's goes away. Level 2 has every CPU flush its arrays first: upstream leaves those of
 *   other CPUs alone;
 * - slabs and emergency objects of a CACHE_RCU cache go back after a grace period; upstream has no
 *   such caches;
 * - slab_limit is 0 unless set: with upstream's 16384 there would be little of this design to see.
 *   What passes through goes to design slabifier, where upstream has Linux's allocator of the day;
 * - general caches have natural alignment, as the house promises for all designs, and the header
 *   behind each object is rounded up to that too: they need up to twice what upstream's would;
 * - the records of emergency objects are boot memory, which goes back with the last of it; upstream
 *   has Linux's allocator for them;
 * - a magazine size asked of a whole sweep is refused outside 2 to 256, so that no result names a
 *   size that it did not have; the tunable clamps, as upstream's parameter does;
 * - a wanted node is not heeded: slabs come from where the worker is that makes them;
 * - a flush asks for the header behind an object before it needs it. Nothing comes in another
 * order; real cores gain a few per cent by it, simulated ones, which do not overlap accesses,
 * nothing.
 */
#include "allocators/spl_cpu.h"

#include <errno.h>

#define ARRAY_SIZE_MIN 2
#define ARRAY_SIZE_MAX 256

struct spl_options {
    uint64_t magazine_size;
    uint64_t objects_per_slab;
    uint64_t max_slab_mb;
    uint64_t grow_threads;
    uint64_t grow_timeout_ms;
    uint64_t slab_limit;
};

static const struct tunable spl_tunables[] = {
    TUNABLE_NUMBER("magazine_size", struct spl_options, magazine_size, 0, 0, UINT32_MAX,
                   "objects of a CPU's array, clamped to 2 to 256; 0: by the size of a slot"),
    TUNABLE_NUMBER("objects_per_slab", struct spl_options, objects_per_slab, 8, 1, 65536,
                   "objects of a slab, as far as max_slab_mb allows"),
    TUNABLE_NUMBER("max_slab_mb", struct spl_options, max_slab_mb, 32, 1, 4096,
                   "largest slab, MiB"),
    TUNABLE_NUMBER("grow_threads", struct spl_options, grow_threads, 4, 1, 1024,
                   "slabs that may be in the making at once, of all caches"),
    TUNABLE_NUMBER("grow_timeout_ms", struct spl_options, grow_timeout_ms, 100, 0, 3600000,
                   "longest wait for a new slab before emergency objects are used, ms"),
    TUNABLE_BYTES("slab_limit", struct spl_options, slab_limit, 0, 0, (uint64_t)1 << 30,
                  "objects up to this size pass through to design slabifier, bytes; 0: none"),
    {.key = NULL},
};

struct spl_instance {
    struct spl_options options;
    struct work_queue *workers;
    struct allocator_instance *below; /* the slabifier; NULL without slab_limit */

    struct lock lock; /* class `caches`: guards the list; outermost */
    struct cds_list_head caches;
};

/* ---- caches ---- */

static size_t cache_bytes(void)
{
    return sizeof(struct cache) + nr_cpus() * sizeof(struct spl_array *);
}

static uint32_t array_size_of(uint64_t magazine_size, size_t slot_bytes)
{
    if (magazine_size > ARRAY_SIZE_MAX)
        return ARRAY_SIZE_MAX;
    if (magazine_size)
        return magazine_size < ARRAY_SIZE_MIN ? ARRAY_SIZE_MIN : (uint32_t)magazine_size;
    if (slot_bytes > 256 * PAGE_SIZE)
        return 4;
    if (slot_bytes > 32 * PAGE_SIZE)
        return 16;
    if (slot_bytes > PAGE_SIZE)
        return 64;
    if (slot_bytes > PAGE_SIZE / 4)
        return 128;
    return 256;
}

/* Constructors stay here: they run on every allocation, wherever that comes from. */
static int through_create(struct spl_instance *instance, struct cache *cache, struct error *error)
{
    struct cache_params params = cache->params;
    struct cache *below;
    int code;

    params.construct = NULL;
    params.destruct = NULL;
    code = allocator_cache_create(instance->below, &params, &below, error);
    if (code)
        return code;
    allocator_bind_cache(instance->below, below, &cache->through);
    cache->below = allocator_design(instance->below);
    return 0;
}

/* All but the arrays. */
static int layers_init(struct spl_instance *instance, struct cache *cache, struct error *error)
{
    const struct spl_options *options = &instance->options;
    int code = spl_slabs_init(cache, options->objects_per_slab, options->max_slab_mb << 20, error);

    if (code)
        return code;
    /* The slabifier tells of no buffers, so under the debug layer nothing passes through to it. */
    if (cache->params.size <= options->slab_limit && !cache->params.buffer_made) {
        code = through_create(instance, cache, error);
        if (code)
            spl_slabs_cleanup(cache);
        return code;
    }
    cache->array_size = array_size_of(options->magazine_size, cache->slot_bytes);
    return 0;
}

static void layers_cleanup(struct spl_instance *instance, struct cache *cache)
{
    if (cache->through.cache)
        allocator_cache_destroy(instance->below, cache->through.cache, NULL);
    spl_slabs_cleanup(cache);
}

static int spl_cache_create(void *running, const struct cache_params *params, struct cache **result,
                            struct error *error)
{
    struct spl_instance *instance = running;
    struct cache *cache = boot_alloc(cache_bytes(), PAGE_ANY_NODE);
    int code;

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    cache->params = *params;
    cache->workers = instance->workers;
    cache->grow_timeout_ns = instance->options.grow_timeout_ms * 1000000;
    code = layers_init(instance, cache, error);
    if (code)
        goto no_layers;
    code = spl_arrays_init(cache, error);
    if (code)
        goto no_arrays;
    lock_acquire(&instance->lock);
    cds_list_add_tail(&cache->link, &instance->caches);
    lock_release(&instance->lock);
    *result = cache;
    return 0;

no_arrays:
    layers_cleanup(instance, cache);
no_layers:
    boot_free(cache, cache_bytes());
    return code;
}

/* Objects with callers; only when no CPU uses the cache. */
static uint64_t live_objects(const struct cache *cache)
{
    struct spl_array_counts arrays = spl_arrays_count(cache);

    return cache->counts.objects_in_use - arrays.avail +
           atomic_load_explicit(&cache->emergency, memory_order_relaxed) + arrays.passed;
}

/*
 * The caller vouches that no CPU uses the cache any more; but a growth that nobody waits for may
 * be under way still, and until the cache is off the list a reclaim may flush its arrays.
 */
static int spl_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    struct spl_instance *instance = running;
    uint64_t live;

    spin_wait(&cache->growing, 1);
    lock_acquire(&instance->lock);
    live = live_objects(cache);
    if (live == 0)
        cds_list_del(&cache->link);
    lock_release(&instance->lock);
    if (live)
        return error_set(error, EBUSY,
                         "cache '%s' cannot be destroyed: %llu of its objects are "
                         "live",
                         cache->params.name, (unsigned long long)live);
    spl_arrays_cleanup(cache);
    layers_cleanup(instance, cache);
    boot_free(cache, cache_bytes());
    return 0;
}

/* ---- start, stop ---- */

static int below_start(struct spl_instance *instance, struct error *error)
{
    int code;

    if (instance->options.slab_limit == 0)
        return 0;
    code = allocator_create("slabifier", &instance->below, error);
    if (code == 0)
        code = allocator_start(instance->below, error);
    if (code)
        return error_prefix(error, code, "slab_limit");
    return 0;
}

static void instance_free(struct spl_instance *instance)
{
    allocator_destroy(instance->below);
    lock_cleanup(&instance->lock);
    boot_free(instance, sizeof *instance);
}

static int spl_start(const void *options, void **result, struct error *error)
{
    struct spl_instance *instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);
    int code;

    if (!instance)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    instance->options = *(const struct spl_options *)options;
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES, NULL);
    CDS_INIT_LIST_HEAD(&instance->caches);
    code = below_start(instance, error);
    if (code)
        goto no_below;
    instance->workers = work_queue_create((unsigned)instance->options.grow_threads);
    if (!instance->workers) {
        code = error_set(error, ENOMEM, "no memory for its workers");
        goto no_below;
    }
    *result = instance;
    return 0;

no_below:
    instance_free(instance);
    return code;
}

static void spl_stop(void *running)
{
    struct spl_instance *instance = running;

    work_queue_destroy(instance->workers);
    instance_free(instance);
}

/* Not clamped, as the tunable is: a run that was asked for 1000 must not have had 256. */
static int spl_set_magazine_size(void *options, uint64_t size, bool resizing_asked,
                                 struct error *error)
{
    (void)resizing_asked; /* there is no resizing */
    if (size < ARRAY_SIZE_MIN || size > ARRAY_SIZE_MAX)
        return error_set(error, ERANGE, "spl: an array of %llu objects; it can have %d to %d",
                         (unsigned long long)size, ARRAY_SIZE_MIN, ARRAY_SIZE_MAX);
    ((struct spl_options *)options)->magazine_size = size;
    return 0;
}

/* ---- reap ---- */

/* On each CPU: empties the arrays that it has of every cache. */
static void flush_every_own(void *argument)
{
    struct spl_instance *instance = argument;
    struct cds_list_head *link;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches)
        spl_array_flush(cds_list_entry(link, struct cache, link));
    lock_release(&instance->lock);
}

/* This CPU's array and then the empty slabs. Meanwhile nobody has the cache grown. */
static void reap(struct cache *cache)
{
    atomic_store_explicit(&cache->reaping, 1, memory_order_relaxed);
    spl_array_flush(cache);
    spl_slabs_reclaim(cache);
    atomic_store_explicit(&cache->reaping, 0, memory_order_release);
}

/* Level 2 also waits for what a grace period holds back: of CACHE_RCU caches. */
static void spl_reclaim(void *running, unsigned level)
{
    struct spl_instance *instance = running;
    struct cds_list_head *link;

    if (level >= 2)
        on_each_cpu(flush_every_own, instance);
    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches)
        reap(cds_list_entry(link, struct cache, link));
    lock_release(&instance->lock);
    if (instance->below)
        allocator_reclaim(instance->below, level);
    if (level >= 2)
        grace_barrier();
}

/* ---- inspection ---- */

static void inspect_counts(struct cache *cache, inspect_fn emit, void *context)
{
    const struct spl_counts *counts = &cache->counts;

    emit(context, "slabs_total", counts->slabs_total);
    emit(context, "slabs_in_use", counts->slabs_in_use);
    emit(context, "slabs_max", counts->slabs_max);
    emit(context, "objects_total", counts->objects_total);
    emit(context, "objects_in_use", counts->objects_in_use);
    emit(context, "objects_max", counts->objects_max);
    emit(context, "emergency", atomic_load_explicit(&cache->emergency, memory_order_relaxed));
    emit(context, "emergency_max", counts->emergency_max);
    emit(context, "deadlocks", counts->deadlocks);
    emit(context, "growths", atomic_load_explicit(&cache->growths, memory_order_relaxed));
    emit(context, "growth_failures", counts->growth_failures);
}

static void spl_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    struct spl_array_counts arrays = spl_arrays_count(cache);
    struct spl_lists lists = spl_slabs_check(cache);

    emit(context, "live", live_objects(cache));
    emit(context, "passed", arrays.passed);
    emit(context, "avail", arrays.avail);
    emit(context, "array_size", cache->array_size);
    emit(context, "array_refill", (cache->array_size + 1) / 2);
    emit(context, "refills", arrays.refills);
    emit(context, "flushes", arrays.flushes);
    emit(context, "slot_bytes", cache->slot_bytes);
    emit(context, "objects_per_slab", cache->objects_per_slab);
    emit(context, "slab_pages", cache->slab_pages);
    emit(context, "slabs_complete", lists.complete);
    emit(context, "slabs_partial", lists.partial);
    emit(context, "slabs_empty", lists.empty);
    emit(context, "growing", atomic_load_explicit(&cache->growing, memory_order_relaxed));
    emit(context, "deadlocked", atomic_load_explicit(&cache->deadlocked, memory_order_relaxed));
    emit(context, "grace_pages", atomic_load_explicit(&cache->ghosts.pages, memory_order_relaxed));
    inspect_counts(cache, emit, context);
}

static void spl_ledger(struct cache *cache, struct ledger *ledger)
{
    struct spl_array_counts arrays = spl_arrays_count(cache);

    spl_slabs_ledger(cache, ledger);
    spl_emergency_ledger(cache, ledger);
    ledger_rest_in_cpus(ledger, arrays.avail, cache->header_offset, LEDGER_OBJECTS);
    if (cache->through.cache)
        cache->below->ledger(cache->through.cache, ledger);
}

static const struct allocator spl = {
    .name = "spl",
    .summary = "one array per CPU with refill and flush by half, slabs from virtual memory",
    .source = "OpenZFS module/os/linux/spl/spl-kmem-cache.c",
    .layers = "per-CPU array -> slabs -> virtual ranges",
    .ignores_construct = true,
    .tells_buffers = true,
    .tunables = spl_tunables,
    .options_size = sizeof(struct spl_options),
    .set_magazine_size = spl_set_magazine_size,
    .start = spl_start,
    .stop = spl_stop,
    .cache_create = spl_cache_create,
    .cache_destroy = spl_cache_destroy,
    .alloc = spl_alloc,
    .free = spl_free,
    .reclaim = spl_reclaim,
    .inspect = spl_inspect,
    .ledger = spl_ledger,
};
ALLOCATOR_REGISTER(spl);
