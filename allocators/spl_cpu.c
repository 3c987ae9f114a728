/* SPDX-License-Identifier: MIT */
/*
 * The per-CPU layer of design spl: one array of objects a CPU, refilled and flushed by half. The
 * first lines of spl_alloc and spl_free are the fast path; everything else is out of line.
 */
#include "allocators/spl_cpu.h"

#include <errno.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))
#define COLD     __attribute__((noinline, cold))

static inline struct spl_array *this_array(struct cache *cache)
{
    return cache->arrays[cpu_id()];
}

static inline void *array_pop(struct spl_array *array)
{
    return array->objects[--array->avail];
}

static inline void array_push(struct spl_array *array, void *object)
{
    array->objects[array->avail++] = object;
}

static inline bool any_emergency(const struct cache *cache)
{
    return atomic_load_explicit(&cache->emergency, memory_order_relaxed) != 0;
}

/* ---- allocate ---- */

/*
 * For a caller whose refill saw partial empty. 0: there is an emergency object, or none and it is
 * worth while to look again; a negative errno: nothing is to be had.
 */
static int grow(struct cache *cache, bool no_wait, uint64_t growths, void **object)
{
    int code;

    if (no_wait)
        return spl_emergency_alloc(cache, object);
    if (atomic_load_explicit(&cache->reaping, memory_order_relaxed)) {
        spin_wait(&cache->reaping, 1);
        return 0;
    }
    spl_growth_submit(cache);
    if (atomic_load_explicit(&cache->deadlocked, memory_order_relaxed)) {
        code = spl_emergency_alloc(cache, object);
        return code == -EEXIST ? 0 : code;
    }
    code = spl_growth_wait(cache, growths);
    return code == -ETIMEDOUT ? 0 : code;
}

/*
 * Half an array of objects, or what the partial slabs have, and then a growth that ends the
 * refill: what it brings is for the next. Returns as grow does. While it waits, this CPU's array
 * may be flushed by what is posted to it.
 */
static int refill(struct cache *cache, struct spl_array *array, bool no_wait, void **object)
{
    uint32_t room = array->size - array->avail;
    uint32_t want = array->refill < room ? array->refill : room;
    uint64_t growths;
    uint32_t got = spl_slabs_take(cache, want, &array->objects[array->avail], &growths);

    array->avail += got;
    array->refills++;
    if (got)
        account_trip();
    return got == want ? 0 : grow(cache, no_wait, growths, object);
}

static void *through_alloc(struct cache *cache, struct spl_array *array,
                           const struct request *request)
{
    void *object = cache->through.alloc(cache->through.cache, request);

    array->passed += object != NULL;
    return object;
}

/*
 * The array is empty. Who may sleep begins again after every growth, and gives up when one failed
 * and brought the array nothing; the original never does.
 */
static COLD void *alloc_slow(struct cache *cache, struct spl_array *array,
                             const struct request *request)
{
    bool no_wait = request->flags & REQUEST_NO_WAIT;
    void *object = NULL;
    int code;

    if (cache->through.cache)
        return through_alloc(cache, array, request);
    do {
        code = refill(cache, array, no_wait, &object);
        if (object || (code && no_wait))
            return object;
        if (array->avail)
            return array_pop(array);
    } while (code == 0);
    return NULL;
}

/* With a constructor, or an empty array. The original ignores what a constructor returns. */
static NOINLINE void *alloc_rest(struct cache *cache, struct spl_array *array,
                                 const struct request *request)
{
    const struct cache_params *params = &cache->params;
    void *object = array->avail ? array_pop(array) : alloc_slow(cache, array, request);

    if (object && params->construct)
        params->construct(object, params->size, params->context);
    return object;
}

void *spl_alloc(struct cache *cache, const struct request *request)
{
    struct spl_array *array = this_array(cache);

    if (__builtin_expect(array->avail != 0 && !cache->params.construct, 1))
        return array_pop(array);
    return alloc_rest(cache, array, request);
}

/* ---- free ---- */

/* The oldest objects first: those behind them move down. */
static void flush(struct cache *cache, struct spl_array *array, uint32_t count)
{
    spl_slabs_put(cache, count, array->objects);
    array->avail -= count;
    memmove(array->objects, array->objects + count, array->avail * sizeof array->objects[0]);
    array->flushes++;
    account_trip();
}

static COLD void free_slow(struct cache *cache, struct spl_array *array, void *object)
{
    if (cache->through.cache) {
        cache->through.free(cache->through.cache, object);
        array->passed--;
        return;
    }
    flush(cache, array, array->refill);
    array_push(array, object);
    spl_slabs_reclaim(cache);
}

/* Objects of slabs lie in ranges, and are not looked up. */
static COLD bool emergency_free(struct cache *cache, void *object)
{
    if (page_in_ranges(object))
        return false;
    if (!spl_emergency_free(cache, object))
        spl_bad_free(cache, object, "it is no emergency object, and in no slab");
    return true;
}

/* With a destructor, emergency objects about, or a full array. */
static NOINLINE void free_rest(struct cache *cache, struct spl_array *array, void *object)
{
    const struct cache_params *params = &cache->params;

    if (params->destruct)
        params->destruct(object, params->size, params->context);
    if (any_emergency(cache) && emergency_free(cache, object))
        return;
    if (array->avail < array->size)
        array_push(array, object);
    else
        free_slow(cache, array, object);
}

void spl_free(struct cache *cache, void *object)
{
    struct spl_array *array = this_array(cache);

    if (__builtin_expect(
            array->avail < array->size && !any_emergency(cache) && !cache->params.destruct, 1))
        array_push(array, object);
    else
        free_rest(cache, array, object);
}

/* ---- all CPUs ---- */

static size_t array_bytes(const struct cache *cache)
{
    return sizeof(struct spl_array) + cache->array_size * sizeof(void *);
}

void spl_arrays_cleanup(struct cache *cache)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        struct spl_array *array = cache->arrays[i];

        if (!array)
            continue;
        if (array->avail)
            flush(cache, array, array->avail);
        boot_free(array, array_bytes(cache));
    }
}

int spl_arrays_init(struct cache *cache, struct error *error)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        struct spl_array *array = boot_alloc(array_bytes(cache), (int)machine_node_of(i));

        if (!array) {
            spl_arrays_cleanup(cache);
            return error_set(error, ENOMEM, "cache '%s': no memory for the arrays of %u CPUs",
                             cache->params.name, nr_cpus());
        }
        machine_memory_is(array, array_bytes(cache), MEMORY_CPU_LAYER);
        array->size = cache->array_size;
        array->refill = (cache->array_size + 1) / 2;
        cache->arrays[i] = array;
    }
    return 0;
}

void spl_array_flush(struct cache *cache)
{
    struct spl_array *array = this_array(cache);

    if (array->avail)
        flush(cache, array, array->avail);
}

struct spl_array_counts spl_arrays_count(const struct cache *cache)
{
    struct spl_array_counts sum = {0};

    for (unsigned i = 0; i < nr_cpus(); i++) {
        const struct spl_array *array = cache->arrays[i];

        sum.avail += array->avail;
        sum.refills += array->refills;
        sum.flushes += array->flushes;
        sum.passed += (uint64_t)array->passed;
    }
    return sum;
}
