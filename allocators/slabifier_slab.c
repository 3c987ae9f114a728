/* SPDX-License-Identifier: MIT */
/* Slabs of design slabifier between the page allocator and the partial list. */
#include "allocators/slabifier_slab.h"

#include <errno.h>

/* ---- layout ---- */

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* The smallest order from `least` on whose block holds `bytes`, as if there were no largest one. */
static unsigned order_of(size_t bytes, unsigned least)
{
    unsigned order = least;

    while (PAGE_SIZE << order < bytes)
        order++;
    return order;
}

int slabifier_layout(struct cache *cache, unsigned least_order, bool behind, struct error *error)
{
    const struct cache_params *params = &cache->params;
    size_t payload, size;
    unsigned order;

    if (params->size > UINT32_MAX - 2 * PAGE_SIZE)
        return error_set(error, EINVAL, "cache '%s': no slab holds an object of %zu bytes",
                         params->name, params->size);
    payload = round_up(params->size, sizeof(void *));
    size = round_up(payload + (behind ? sizeof(void *) : 0), params->align);
    order = order_of(size, least_order);
    cache->objects = (uint32_t)((PAGE_SIZE << order) / size);
    /* A slab of one has no freelist, and the word for its link might cost as much again. */
    if (behind && cache->objects == 1) {
        behind = false;
        size = round_up(payload, params->align);
        order = order_of(size, least_order);
    }
    cache->size = (uint32_t)size;
    cache->offset = behind ? (uint32_t)payload : 0;
    cache->order = (uint8_t)order;
    cache->range = order > PAGE_MAX_ORDER;
    if (cache->range)
        cache->objects = 1; /* whatever the order above them would hold, ranges are not aligned */
    cache->slab_bytes = cache->range ? round_up(size, PAGE_SIZE) : PAGE_SIZE << order;
    cache->slab_mask = ~(cache->range ? PAGE_MASK : cache->slab_bytes - 1);
    return 0;
}

/* ---- pages ---- */

static void *pages_get(const struct cache *cache, int node)
{
    if (cache->range)
        return range_alloc(cache->slab_bytes >> PAGE_SHIFT, node);
    return page_alloc(cache->order, node);
}

static void pages_put(const struct cache *cache, void *base)
{
    if (cache->range)
        range_free(base, cache->slab_bytes >> PAGE_SHIFT);
    else
        page_free(base, cache->order);
}

/* ---- objects of a slab that is nobody else's ---- */

static void objects_destroy(const struct cache *cache, char *base, uint32_t count)
{
    const struct cache_params *params = &cache->params;

    for (uint32_t i = 0; params->destruct && i < count; i++)
        params->destruct(base + (size_t)i * cache->size, params->size, params->context);
}

/* All or none. */
static bool objects_create(const struct cache *cache, char *base)
{
    const struct cache_params *params = &cache->params;

    for (uint32_t i = 0; params->construct && i < cache->objects; i++) {
        if (params->construct(base + (size_t)i * cache->size, params->size, params->context) != 0) {
            objects_destroy(cache, base, i);
            return false;
        }
    }
    return true;
}

/* Ascending. */
static void objects_chain(const struct cache *cache, char *base)
{
    char *last = base + (size_t)(cache->objects - 1) * cache->size;

    for (char *object = base; object < last; object += cache->size)
        *slab_link(cache, object) = object + cache->size;
    *slab_link(cache, last) = NULL;
}

/* ---- slabs ---- */

struct page *slabifier_slab_create(struct cache *cache, int node)
{
    bool single = cache->objects == 1;
    char *base = pages_get(cache, node);
    struct page *page;

    account_layer(LAYER_SLAB);
    if (!base)
        return NULL;
    if (!objects_create(cache, base)) {
        pages_put(cache, base);
        return NULL;
    }
    page = page_of(base);
    page->owner = cache;
    page->freelist = single ? NULL : base;
    page->inuse = single;
    atomic_store_explicit(&page->flags, single ? SLAB_SINGLE : 0, memory_order_relaxed);
    if (!single)
        objects_chain(cache, base);
    atomic_fetch_add_explicit(&cache->slabs, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cache->grows, 1, memory_order_relaxed);
    return page;
}

static void slab_destroy(const struct cache *cache, struct page *page)
{
    void *base = page_address(page);

    objects_destroy(cache, base, cache->objects);
    pages_put(cache, base);
}

static void grace_add(struct cache *cache, struct page *page);

void slabifier_slab_discard(struct cache *cache, struct page *page)
{
    account_layer(LAYER_SLAB);
    atomic_fetch_sub_explicit(&cache->slabs, 1, memory_order_relaxed);
    page->owner = NULL; /* what is freed into it from now on is a bad free */
    if (cache->graces)
        grace_add(cache, page);
    else
        slab_destroy(cache, page);
}

void slabifier_slab_putback(struct cache *cache, struct page *page)
{
    slab_change(page, SLAB_ACTIVE | SLAB_REFERENCED, 0);
    if (page->inuse == 0) {
        slab_unlock(cache, page);
        slabifier_slab_discard(cache, page);
        return;
    }
    if (page->inuse < cache->objects)
        slabifier_partial_add(cache, page);
    slab_unlock(cache, page);
}

/* ---- slabs that wait for a grace period ---- */

static void grace_over(struct grace *grace);

static void grace_begin(struct slabifier_grace *own)
{
    cds_list_splice(&own->gathering, &own->waiting);
    CDS_INIT_LIST_HEAD(&own->gathering);
    grace_call(&own->grace, grace_over);
}

static void grace_add(struct cache *cache, struct page *page)
{
    struct slabifier_grace *own = &cache->graces[cpu_id()];

    atomic_fetch_add_explicit(&cache->grace_pages, cache->slab_bytes >> PAGE_SHIFT,
                              memory_order_relaxed);
    cds_list_add_tail(&page->link, &own->gathering);
    if (cds_list_empty(&own->waiting))
        grace_begin(own);
}

/* On the CPU that gave the slabs back. */
static void grace_over(struct grace *grace)
{
    struct slabifier_grace *own = caa_container_of(grace, struct slabifier_grace, grace);
    struct cache *cache = own->cache;
    struct page *page, *next;
    uint64_t pages = 0;

    cds_list_for_each_entry_safe(page, next, &own->waiting, link) {
        slab_destroy(cache, page);
        pages += cache->slab_bytes >> PAGE_SHIFT;
    }
    CDS_INIT_LIST_HEAD(&own->waiting);
    if (!cds_list_empty(&own->gathering))
        grace_begin(own);
    atomic_fetch_sub_explicit(&cache->grace_pages, pages, memory_order_release);
}

int slabifier_grace_init(struct cache *cache)
{
    cache->graces = boot_alloc(nr_cpus() * sizeof *cache->graces, PAGE_ANY_NODE);
    if (!cache->graces)
        return -ENOMEM;
    for (unsigned i = 0; i < nr_cpus(); i++) {
        cache->graces[i].cache = cache;
        CDS_INIT_LIST_HEAD(&cache->graces[i].waiting);
        CDS_INIT_LIST_HEAD(&cache->graces[i].gathering);
    }
    return 0;
}

void slabifier_grace_cleanup(struct cache *cache)
{
    while (atomic_load_explicit(&cache->grace_pages, memory_order_acquire) != 0)
        grace_barrier();
    boot_free(cache->graces, nr_cpus() * sizeof *cache->graces);
}

/* ---- the partial list ---- */

static void list_acquire(struct cache *cache)
{
    account_layer(LAYER_DEPOT);
    lock_acquire(&cache->list_lock);
    cache->list_lock_acquisitions++;
}

static uint32_t nr_partial(const struct cache *cache)
{
    return atomic_load_explicit(&cache->nr_partial, memory_order_relaxed);
}

static void nr_partial_set(struct cache *cache, uint32_t count)
{
    atomic_store_explicit(&cache->nr_partial, count, memory_order_relaxed);
}

static void unlink_locked(struct cache *cache, struct page *page)
{
    cds_list_del(&page->link);
    nr_partial_set(cache, nr_partial(cache) - 1);
}

void slabifier_partial_add(struct cache *cache, struct page *page)
{
    list_acquire(cache);
    cds_list_add_tail(&page->link, &cache->partial);
    nr_partial_set(cache, nr_partial(cache) + 1);
    lock_release(&cache->list_lock);
}

void slabifier_partial_remove(struct cache *cache, struct page *page)
{
    list_acquire(cache);
    unlink_locked(cache, page);
    lock_release(&cache->list_lock);
}

/* The first on `node` whose lock is free; its holder may wait for list_lock, so it is only tried.
 */
static struct page *find_and_lock(struct cache *cache, int node)
{
    struct page *page;

    cds_list_for_each_entry(page, &cache->partial, link) {
        if ((node == PAGE_ANY_NODE || page->node == node) && slab_try(cache, page))
            return page;
    }
    return NULL;
}

struct page *slabifier_partial_take(struct cache *cache, int node)
{
    struct page *page;

    /* Seen wrongly as none, it costs a new slab; seen wrongly as some, a look. */
    if (nr_partial(cache) == 0)
        return NULL;
    list_acquire(cache);
    page = find_and_lock(cache, node == PAGE_ANY_NODE ? (int)cpu_node() : node);
    if (!page && node == PAGE_ANY_NODE)
        page = find_and_lock(cache, PAGE_ANY_NODE);
    if (page)
        unlink_locked(cache, page);
    lock_release(&cache->list_lock);
    return page;
}

struct page *slabifier_partial_take_head(struct cache *cache)
{
    struct page *page = NULL;

    list_acquire(cache);
    if (nr_partial(cache) > 1)
        page = find_and_lock(cache, PAGE_ANY_NODE);
    if (page)
        unlink_locked(cache, page);
    lock_release(&cache->list_lock);
    return page;
}
