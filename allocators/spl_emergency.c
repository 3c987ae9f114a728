/* SPDX-License-Identifier: MIT */
/*
 * Emergency objects of design spl: for callers that may not wait for a slab, or that waited in
 * vain. Each is a block of the page allocator, in a tree by address, and goes straight back to the
 * pages. Dear to make, to find and to hold; meant to be rare.
 */
#include "allocators/spl.h"

#include <errno.h>

int spl_emergency_compare(const struct spl_emergency *a, const struct spl_emergency *b)
{
    return a->object < b->object ? -1 : a->object > b->object;
}

RB_GENERATE(spl_emergencies, spl_emergency, node, spl_emergency_compare)

/* The smallest block that holds an object; may be beyond PAGE_MAX_ORDER. */
static unsigned block_order(const struct cache *cache)
{
    size_t pages = (cache->params.size + PAGE_SIZE - 1) >> PAGE_SHIFT;

    return pages <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(pages - 1);
}

static size_t block_bytes(const struct cache *cache)
{
    return PAGE_SIZE << block_order(cache);
}

static struct spl_emergency *emergency_create(struct cache *cache)
{
    unsigned order = block_order(cache);
    struct spl_emergency *emergency;

    if (order > PAGE_MAX_ORDER)
        return NULL;
    emergency = boot_alloc(sizeof *emergency, PAGE_ANY_NODE);
    if (!emergency)
        return NULL;
    emergency->cache = cache;
    emergency->object = page_alloc(order, PAGE_ANY_NODE);
    if (!emergency->object) {
        boot_free(emergency, sizeof *emergency);
        return NULL;
    }
    if (cache->params.buffer_made)
        cache->params.buffer_made(emergency->object, cache->params.context);
    return emergency;
}

static void emergency_destroy(struct spl_emergency *emergency)
{
    const struct cache_params *params = &emergency->cache->params;

    if (params->buffer_gone)
        params->buffer_gone(emergency->object, params->context);
    page_free(emergency->object, block_order(emergency->cache));
    boot_free(emergency, sizeof *emergency);
}

static void emergency_past_grace(struct grace *grace)
{
    struct spl_emergency *emergency = caa_container_of(grace, struct spl_emergency, grace);
    struct cache *cache = emergency->cache;
    size_t pages = block_bytes(cache) >> PAGE_SHIFT;

    page_of(emergency->object)->owner = NULL;
    emergency_destroy(emergency);
    atomic_fetch_sub_explicit(&cache->ghosts.pages, pages, memory_order_release);
}

/* What waits is in no tree and on no list, but its page says whose it is, for the ledger. */
static void emergency_release(struct spl_emergency *emergency)
{
    struct cache *cache = emergency->cache;

    if (!(cache->params.flags & CACHE_RCU)) {
        emergency_destroy(emergency);
        return;
    }
    page_of(emergency->object)->owner = cache;
    atomic_fetch_add_explicit(&cache->ghosts.pages, block_bytes(cache) >> PAGE_SHIFT,
                              memory_order_relaxed);
    grace_call(&emergency->grace, emergency_past_grace);
}

static void emergency_insert(struct cache *cache, struct spl_emergency *emergency)
{
    uint64_t now;

    lock_acquire(&cache->lock);
    RB_INSERT(spl_emergencies, &cache->emergencies, emergency);
    now = atomic_fetch_add_explicit(&cache->emergency, 1, memory_order_relaxed) + 1;
    if (now > cache->counts.emergency_max)
        cache->counts.emergency_max = now;
    cache->counts.objects_total++;
    lock_release(&cache->lock);
}

int spl_emergency_alloc(struct cache *cache, void **object)
{
    struct spl_emergency *emergency;
    bool partial;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    partial = !cds_list_empty(&cache->partial);
    lock_release(&cache->lock);
    if (partial)
        return -EEXIST;
    emergency = emergency_create(cache);
    if (!emergency)
        return -ENOMEM;
    emergency_insert(cache, emergency);
    *object = emergency->object;
    return 0;
}

static struct spl_emergency *emergency_remove(struct cache *cache, void *object)
{
    struct spl_emergency wanted = {.object = object}, *emergency;

    lock_acquire(&cache->lock);
    emergency = RB_FIND(spl_emergencies, &cache->emergencies, &wanted);
    if (emergency) {
        RB_REMOVE(spl_emergencies, &cache->emergencies, emergency);
        atomic_fetch_sub_explicit(&cache->emergency, 1, memory_order_relaxed);
        cache->counts.objects_total--;
    }
    lock_release(&cache->lock);
    return emergency;
}

/* The first hold reads the count, which alone would not need one: the original pays for it too. */
bool spl_emergency_free(struct cache *cache, void *object)
{
    struct spl_emergency *emergency = NULL;
    bool any;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    any = atomic_load_explicit(&cache->emergency, memory_order_relaxed) != 0;
    lock_release(&cache->lock);
    if (any)
        emergency = emergency_remove(cache, object);
    if (!emergency)
        return false;
    emergency_release(emergency);
    return true;
}

/* ---- ledger ---- */

struct waiting_walk {
    const struct cache *cache;
    struct ledger *ledger;
};

static void waiting_add(void *context, const void *address, size_t bytes)
{
    const struct waiting_walk *walk = context;

    if (page_of(address)->owner == walk->cache)
        ledger_add_grace(walk->ledger, address, bytes);
}

void spl_emergency_ledger(struct cache *cache, struct ledger *ledger)
{
    struct waiting_walk walk = {cache, ledger};
    struct spl_emergency *it;

    RB_FOREACH(it, spl_emergencies, &cache->emergencies)
    ledger_add_emergency(ledger, it->object, block_bytes(cache), cache->header_offset);
    if (atomic_load_explicit(&cache->ghosts.pages, memory_order_relaxed) != 0)
        page_each_held(waiting_add, &walk);
}
