/* SPDX-License-Identifier: MIT */
/*
 * Where the memory of design helenos is: slabs by their lists (full ones by their number), and
 * what rests in magazines. The magazines themselves, and slab records that are not inside their
 * slabs, are objects of the design's own caches, which no caller knows.
 */
#include "allocators/helenos_cache.h"

/* A user may use what lies before the index, where that is behind; it and the padding are not his.
 */
static size_t object_bytes(const struct cache *cache)
{
    return cache->index_offset ? cache->index_offset : cache->object_bytes;
}

static struct ledger_slab slab_as_told(const struct cache *cache)
{
    return (struct ledger_slab){
        .bytes = PAGE_SIZE << cache->order,
        .record_bytes = cache->record_inside ? sizeof(struct slab) : 0,
        .object_bytes = object_bytes(cache),
        .stride = cache->object_bytes,
        .objects = (unsigned)cache->objects,
    };
}

/* How many they are. */
static uint64_t partial_add(const struct cache *cache, struct ledger *ledger, enum ledger_use use)
{
    struct ledger_slab as_told = slab_as_told(cache);
    const struct slab *slab;
    uint64_t count = 0;

    cds_list_for_each_entry(slab, &cache->partial, link) {
        as_told.base = slab->start;
        as_told.out = (unsigned)(cache->objects - slab->available);
        ledger_add_slab(ledger, &as_told, use);
        count++;
    }
    return count;
}

/* Full slabs, the most of all as a rule, are all alike. */
static void full_add(const struct cache *cache, uint64_t count, struct ledger *ledger,
                     enum ledger_use use)
{
    struct ledger_slab as_told = slab_as_told(cache);
    const struct slab *slab;

    as_told.out = as_told.objects;
    ledger_add_slabs(ledger, &as_told, count, use);
    if (ledger->keeps_claims)
        cds_list_for_each_entry(slab, &cache->full, link)
            ledger_claim(ledger, slab->start, PAGE_SIZE << cache->order);
}

/* Records that are not inside stay metadata until their slabs have gone. */
static uint64_t grace_list_add(const struct cache *cache, const struct cds_list_head *list,
                               struct ledger *ledger)
{
    const struct slab *slab;
    uint64_t count = 0;

    cds_list_for_each_entry(slab, list, link) {
        ledger_add_grace(ledger, slab->start, PAGE_SIZE << cache->order);
        count++;
    }
    return count;
}

static void resting_add(const struct cache *cache, struct ledger *ledger, enum ledger_use use)
{
    const struct magazine *magazine;
    uint64_t rounds = 0;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        const struct helenos_cpu *cpu = &cache->cpus[i];

        rounds += cpu->current ? cpu->current->rounds : 0;
        rounds += cpu->last ? cpu->last->rounds : 0;
    }
    ledger_rest_in_cpus(ledger, rounds, object_bytes(cache), use);
    rounds = 0;
    cds_list_for_each_entry(magazine, &cache->depot, link)
        rounds += magazine->rounds;
    ledger_rest_in_depot(ledger, rounds, object_bytes(cache), use);
}

static void cache_add(const struct cache *cache, struct ledger *ledger, enum ledger_use use)
{
    uint64_t others = partial_add(cache, ledger, use) +
                      grace_list_add(cache, &cache->grace_now, ledger) +
                      grace_list_add(cache, &cache->grace_next, ledger);
    uint64_t slabs = atomic_load_explicit(&cache->slabs, memory_order_relaxed);

    full_add(cache, slabs - others, ledger, use);
    if (cache->magazines)
        resting_add(cache, ledger, use);
}

void helenos_ledger(struct cache *cache, struct ledger *ledger)
{
    cache_add(cache, ledger, LEDGER_OBJECTS);
}

void helenos_shared_ledger(void *running, struct ledger *ledger)
{
    const struct helenos *instance = running;

    cache_add(instance->slab_records, ledger, LEDGER_METADATA);
    cache_add(instance->magazines, ledger, LEDGER_METADATA);
    if (instance->cached_magazines)
        cache_add(instance->cached_magazines, ledger, LEDGER_METADATA);
}
