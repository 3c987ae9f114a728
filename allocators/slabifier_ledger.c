/* SPDX-License-Identifier: MIT */
/*
 * Where the memory of a cache of design slabifier is. A full slab is on no list, so slabs are found
 * by their page records, among those of all that is held; only those that wait for a grace period
 * have no owner any more, and are on lists.
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

struct slabs_walk {
    const struct cache *cache;
    struct ledger *ledger;
};

static void slab_add(void *context, const void *address, size_t bytes)
{
    const struct slabs_walk *walk = context;
    const struct cache *cache = walk->cache;
    const struct page *page = page_of(address);
    const struct ledger_slab slab = {
        .base = address,
        .bytes = bytes,
        .object_bytes = object_bytes(cache),
        .stride = cache->size,
        .objects = cache->objects,
        .out = page->inuse,
    };

    if (page->owner == cache)
        ledger_add_slab(walk->ledger, &slab, LEDGER_OBJECTS);
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
    struct slabs_walk walk = {cache, ledger};

    page_each_held(slab_add, &walk);
    for (unsigned i = 0; cache->graces && i < nr_cpus(); i++) {
        grace_list_add(cache, &cache->graces[i].waiting, ledger);
        grace_list_add(cache, &cache->graces[i].gathering, ledger);
    }
}
