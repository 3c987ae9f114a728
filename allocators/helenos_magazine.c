/* SPDX-License-Identifier: MIT */
/*
 * The magazine layer of design helenos: the way of an object between its user, this CPU's current
 * and last magazines, the cache's depot and the slab layer. helenos_alloc and helenos_free are the
 * fast path; what they do not find there is out of line.
 *
 * A CPU's lock is held while magazines are made and destroyed, and released before an allocation or
 * a free turns to the slab layer.
 */
#include "allocators/helenos_cache.h"

#define COLD         __attribute__((noinline, cold))
#define UNLIKELY(it) __builtin_expect((it) != 0, 0)

static void count_up(_Atomic uint64_t *count)
{
    atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
}

static void count_down(_Atomic uint64_t *count)
{
    atomic_fetch_sub_explicit(count, 1, memory_order_relaxed);
}

/* ---- magazines ---- */

/* A cache of magazines never reclaims, so this may be done with locks held. */
static struct magazine *magazine_create(struct cache *cache)
{
    struct magazine *magazine = helenos_alloc(cache->magazines, NULL);

    if (!magazine)
        return NULL;
    machine_memory_is(magazine, cache->magazines->object_bytes, MEMORY_MAGAZINE);
    magazine->rounds = 0;
    magazine->size = cache->instance->options.magazine_size;
    count_up(&cache->magazines_made);
    return magazine;
}

/* The slab lock once per object. Returns the pages that the cache's slabs gave up. */
static size_t magazine_destroy(struct cache *cache, struct magazine *magazine)
{
    size_t pages = 0;

    for (size_t i = 0; i < magazine->rounds; i++) {
        pages += helenos_slab_free(cache, magazine->objects[i]);
        count_down(&cache->resting);
    }
    helenos_free(cache->magazines, magazine);
    return pages;
}

/* ---- depot ---- */

static void depot_put(struct cache *cache, struct magazine *magazine)
{
    account_layer(LAYER_DEPOT);
    lock_acquire(&cache->depot_lock);
    cds_list_add(&magazine->link, &cache->depot);
    count_up(&cache->listed);
    lock_release(&cache->depot_lock);
}

enum depot_end { DEPOT_FIRST, DEPOT_LAST };

static struct magazine *depot_take(struct cache *cache, enum depot_end end)
{
    struct magazine *magazine = NULL;

    account_layer(LAYER_DEPOT);
    lock_acquire(&cache->depot_lock);
    if (!cds_list_empty(&cache->depot)) {
        magazine = cds_list_entry(end == DEPOT_FIRST ? cache->depot.next : cache->depot.prev,
                                  struct magazine, link);
        cds_list_del(&magazine->link);
        count_down(&cache->listed);
    }
    lock_release(&cache->depot_lock);
    return magazine;
}

/* ---- allocate ---- */

static inline struct helenos_cpu *this_cpu(struct cache *cache)
{
    return &cache->cpus[cpu_id()];
}

static struct magazine *magazines_swap(struct helenos_cpu *cpu)
{
    struct magazine *last = cpu->last;

    cpu->last = cpu->current;
    cpu->current = last;
    return last;
}

/* The new current, with rounds; NULL: neither last nor the depot has any. */
static COLD struct magazine *rounds_get(struct cache *cache, struct helenos_cpu *cpu)
{
    struct magazine *magazine;

    if (cpu->last && cpu->last->rounds)
        return magazines_swap(cpu);
    magazine = depot_take(cache, DEPOT_FIRST);
    if (!magazine)
        return NULL;
    account_trip();
    if (cpu->last)
        magazine_destroy(cache, cpu->last);
    cpu->last = cpu->current;
    cpu->current = magazine;
    return magazine;
}

static inline void *round_pop(struct cache *cache)
{
    struct helenos_cpu *cpu = this_cpu(cache);
    struct magazine *current;
    void *object = NULL;

    lock_acquire(&cpu->lock);
    current = cpu->current;
    if (UNLIKELY(!current || !current->rounds))
        current = rounds_get(cache, cpu);
    if (current)
        object = current->objects[--current->rounds];
    lock_release(&cpu->lock);
    if (object)
        count_down(&cache->resting);
    return object;
}

void *helenos_alloc(struct cache *cache, const struct request *request)
{
    void *object = cache->magazines ? round_pop(cache) : NULL;

    (void)request;
    if (UNLIKELY(!object)) {
        object = helenos_slab_alloc(cache);
        if (!object)
            return NULL;
    }
    count_up(&cache->live);
    return object;
}

/* ---- free ---- */

/* The new current, with room; NULL: there is no memory for another magazine. */
static COLD struct magazine *room_get(struct cache *cache, struct helenos_cpu *cpu)
{
    struct magazine *magazine;

    if (cpu->last && cpu->last->rounds < cpu->last->size)
        return magazines_swap(cpu);
    magazine = magazine_create(cache);
    if (!magazine)
        return NULL;
    account_trip(); /* empty ones are not in the depot, so this is what an exchange for one is */
    if (cpu->last)
        depot_put(cache, cpu->last);
    cpu->last = cpu->current;
    cpu->current = magazine;
    return magazine;
}

static inline bool round_push(struct cache *cache, void *object)
{
    struct helenos_cpu *cpu = this_cpu(cache);
    struct magazine *current;

    lock_acquire(&cpu->lock);
    current = cpu->current;
    if (UNLIKELY(!current || current->rounds == current->size))
        current = room_get(cache, cpu);
    if (current)
        current->objects[current->rounds++] = object;
    lock_release(&cpu->lock);
    if (!current)
        return false;
    count_up(&cache->resting);
    return true;
}

void helenos_free(struct cache *cache, void *object)
{
    if (UNLIKELY(!cache->magazines || !round_push(cache, object)))
        helenos_slab_free(cache, object);
    count_down(&cache->live);
}

/* ---- reclaim ---- */

static void cpu_drain(struct cache *cache, struct helenos_cpu *cpu)
{
    lock_acquire(&cpu->lock);
    if (cpu->current) {
        account_trip(); /* both at once */
        magazine_destroy(cache, cpu->current);
    }
    if (cpu->last)
        magazine_destroy(cache, cpu->last);
    cpu->current = cpu->last = NULL;
    lock_release(&cpu->lock);
}

/*
 * No more magazines than were listed at the start, or others could keep it busy for ever. Light
 * goes from the oldest on, and only until the cache has given up a page.
 */
void helenos_magazine_reclaim(struct cache *cache, enum helenos_level level)
{
    uint64_t listed = atomic_load_explicit(&cache->listed, memory_order_relaxed);
    size_t pages = 0;

    while (listed-- > 0 && (level == HELENOS_BRUTAL || pages == 0)) {
        struct magazine *magazine = depot_take(cache, DEPOT_LAST);

        if (!magazine)
            break;
        pages += magazine_destroy(cache, magazine);
    }
    if (level != HELENOS_BRUTAL)
        return;
    for (unsigned i = 0; i < nr_cpus(); i++)
        cpu_drain(cache, &cache->cpus[i]);
}

/* ---- init, cleanup, inspection ---- */

void helenos_magazine_init(struct cache *cache, unsigned cpu_rank, unsigned depot_rank)
{
    CDS_INIT_LIST_HEAD(&cache->depot);
    lock_init(&cache->depot_lock, LOCK_CLASS_DEPOT, depot_rank, cache->params.name);
    for (unsigned i = 0; i < nr_cpus(); i++)
        lock_init(&cache->cpus[i].lock, LOCK_CLASS_CPU, cpu_rank, cache->params.name);
    machine_memory_is(cache->cpus, nr_cpus() * sizeof cache->cpus[0], MEMORY_CPU_LAYER);
}

void helenos_magazine_cleanup(struct cache *cache)
{
    for (unsigned i = 0; i < nr_cpus(); i++)
        lock_cleanup(&cache->cpus[i].lock);
    lock_cleanup(&cache->depot_lock);
}

void helenos_magazine_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    uint64_t currents = 0, current_rounds = 0, lasts = 0, last_rounds = 0, listed = 0, rounds = 0;
    struct magazine *magazine;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        const struct helenos_cpu *cpu = &cache->cpus[i];

        currents += cpu->current != NULL;
        current_rounds += cpu->current ? cpu->current->rounds : 0;
        lasts += cpu->last != NULL;
        last_rounds += cpu->last ? cpu->last->rounds : 0;
    }
    cds_list_for_each_entry(magazine, &cache->depot, link) {
        listed++;
        rounds += magazine->rounds;
    }
    if (listed != cache->listed)
        helenos_broken(cache, "%llu magazines listed, but %llu on the list",
                       (unsigned long long)cache->listed, (unsigned long long)listed);
    if (rounds + current_rounds + last_rounds != cache->resting)
        helenos_broken(cache, "%llu objects resting, but %llu in magazines",
                       (unsigned long long)cache->resting,
                       (unsigned long long)(rounds + current_rounds + last_rounds));
    emit(context, "current_rounds", current_rounds);
    emit(context, "last_rounds", last_rounds);
    emit(context, "depot_magazines", listed);
    emit(context, "depot_rounds", rounds);
    emit(context, "magazines", listed + currents + lasts);
    emit(context, "magazines_made", cache->magazines_made);
}
