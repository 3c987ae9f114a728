/* SPDX-License-Identifier: MIT */
/*
 * The per-CPU layer of design magazine: the way of an object between its user, this CPU's loaded
 * and previous magazines, the depot and the slab layer. The first lines of magazine_alloc and
 * magazine_free are the fast path; everything else is out of line.
 *
 * Steps are numbered in the order they are tried. Allocate: 1 pop loaded, 2 swap with previous,
 * 3 the depot's first not-empty magazine, 4 the slab layer. Free: 1 push to loaded, 2 swap with
 * previous, 3 the depot's first empty magazine, 4 a new magazine, made holding no lock of this
 * cache, 5 the slab layer. An allocation never makes a magazine.
 */
#include "allocators/magazine_cpu.h"

#include <errno.h>

#define COLD __attribute__((noinline, cold))

/* ---- between magazines and the slab layer ---- */

/* Straight from the slab layer, as the first two of each CPU are. */
static struct magazine *magazine_create(struct cache *cache)
{
    struct magazine *magazine = slab_cache_alloc(&cache->magazines->slabs);

    if (!magazine)
        return NULL;
    machine_memory_is(magazine, cache->magazines->slabs.object_bytes, MEMORY_MAGAZINE);
    magazine->rounds = 0;
    return magazine;
}

/* Each round takes the cache lock once, its destructor outside. */
static void magazine_drain(struct cache *cache, struct magazine *magazine)
{
    while (magazine->rounds)
        slab_cache_free(&cache->slabs, magazine->objects[--magazine->rounds]);
}

/* Those of the magazine cache itself go to its slab layer: they cannot rest in themselves. */
static void magazine_destroy(struct cache *cache, struct magazine *magazine)
{
    struct cache *magazines = cache->magazines;

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

void *magazine_alloc(struct cache *cache, const struct request *request)
{
    struct magazine_cpu *cpu = this_cpu(cache);
    struct magazine *loaded = cpu->loaded;

    (void)request;
    if (__builtin_expect(loaded->rounds != 0, 1))
        return round_pop(cpu, loaded);
    return alloc_slow(cache, cpu);
}

/* Rounds go out a magazine at a time; the slab layer gives the rest, one lock an object. */
unsigned magazine_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
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
        magazine = magazine_alloc(cache->magazines, NULL);
        if (!magazine)
            return false;
        machine_memory_is(magazine, cache->magazines->slabs.object_bytes, MEMORY_MAGAZINE);
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

void magazine_free(struct cache *cache, void *object)
{
    struct magazine_cpu *cpu = this_cpu(cache);
    struct magazine *loaded = cpu->loaded;

    if (__builtin_expect(loaded->rounds < cpu->magsize, 1))
        round_push(loaded, object);
    else
        free_slow(cache, cpu, object);
}

void magazine_free_bulk(struct cache *cache, unsigned n, void *const *objects)
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

/* ---- all CPUs ---- */

void magazine_cpus_cleanup(struct cache *cache)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        struct magazine_cpu *cpu = &cache->cpus[i];

        if (cpu->loaded)
            magazine_destroy(cache, cpu->loaded);
        if (cpu->previous)
            magazine_destroy(cache, cpu->previous);
    }
}

int magazine_cpus_init(struct cache *cache, struct error *error)
{
    for (unsigned i = 0; i < nr_cpus(); i++) {
        struct magazine_cpu *cpu = &cache->cpus[i];

        cpu->magsize = cache->depot.options.magsize;
        cpu->loaded = magazine_create(cache);
        cpu->previous = magazine_create(cache);
        if (!cpu->loaded || !cpu->previous) {
            magazine_cpus_cleanup(cache);
            return error_set(error, ENOMEM, "cache '%s': no memory for the magazines of %u CPUs",
                             cache->slabs.params.name, nr_cpus());
        }
    }
    return 0;
}

uint64_t magazine_cpus_rounds(const struct cache *cache)
{
    uint64_t rounds = 0;

    for (unsigned i = 0; i < nr_cpus(); i++)
        rounds += cache->cpus[i].loaded->rounds + cache->cpus[i].previous->rounds;
    return rounds;
}

void magazine_cpu_drain(struct cache *cache)
{
    struct magazine_cpu *cpu = this_cpu(cache);

    magazine_drain(cache, cpu->loaded);
    magazine_drain(cache, cpu->previous);
}

void magazine_depot_drain(struct cache *cache)
{
    chain_destroy(cache, depot_take_all(&cache->depot));
}
