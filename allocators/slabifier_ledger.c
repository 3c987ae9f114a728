/* SPDX-License-Identifier: MIT */
/*
 * Where the memory of a cache of design slabifier is. A full slab is on no list, but all are
 * counted, so what is neither active nor partial is full. Slabs that wait for a grace period are
 * not among them.
 */
#include "allocators/slabifier_slab.h"

/*
 * What a user may use of a buffer ends where the link behind it begins: link and padding after it
 * are metadata. Without one all up to the next object is the buffer.
 */
static size_t object_bytes(const struct cache *cache)
{
    return cache->offset ? cache->offset : cache->size;
}

static struct ledger_slab slab_as_told(const struct cache *cache)
{
    return (struct ledger_slab){
        .bytes = cache->slab_bytes,
        .object_bytes = object_bytes(cache),
        .stride = cache->size,
        .objects = cache->objects,
    };
}

static void slab_add(const struct cache *cache, const struct page *page, struct ledger *ledger)
{
    struct ledger_slab as_told = slab_as_told(cache);

    as_told.base = page_address(page);
    as_told.out = page->inuse;
    ledger_add_slab(ledger, &as_told, LEDGER_OBJECTS);
}

/* How many they are. */
static uint64_t active_and_partial_add(const struct cache *cache, struct ledger *ledger)
{
    const struct page *page;
    uint64_t count = 0;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        if (cache->active[i]) {
            slab_add(cache, cache->active[i], ledger);
            count++;
        }
    }
    cds_list_for_each_entry(page, &cache->partial, link) {
        slab_add(cache, page, ledger);
        count++;
    }
    return count;
}

struct full_walk {
    const struct cache *cache;
    struct ledger *ledger;
};

static void full_claim(void *context, const void *address, size_t bytes)
{
    const struct full_walk *walk = context;
    const struct page *page = page_of(address);

    if (page->owner == walk->cache && page->inuse == walk->cache->objects &&
        !slab_is(page, SLAB_ACTIVE))
        ledger_claim(walk->ledger, address, bytes);
}

/* Full slabs, the most of all as a rule, are all alike; to find them takes a walk over all pages.
 */
static void full_add(const struct cache *cache, uint64_t count, struct ledger *ledger)
{
    struct ledger_slab as_told = slab_as_told(cache);
    struct full_walk walk = {cache, ledger};

    as_told.out = as_told.objects;
    ledger_add_slabs(ledger, &as_told, count, LEDGER_OBJECTS);
    if (ledger->keeps_claims)
        page_each_held(full_claim, &walk);
}

static void grace_list_add(const struct cache *cache, const struct cds_list_head *list,
                           struct ledger *ledger)
{
    const struct page *page;

    cds_list_for_each_entry(page, list, link)
        ledger_add_grace(ledger, page_address(page), cache->slab_bytes);
}

void slabifier_ledger(struct cache *cache, struct ledger *ledger)
{
    uint64_t slabs = atomic_load_explicit(&cache->slabs, memory_order_relaxed);

    full_add(cache, slabs - active_and_partial_add(cache, ledger), ledger);
    for (unsigned i = 0; cache->graces && i < nr_cpus(); i++) {
        grace_list_add(cache, &cache->graces[i].waiting, ledger);
        grace_list_add(cache, &cache->graces[i].gathering, ledger);
    }
}
