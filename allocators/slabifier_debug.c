/* SPDX-License-Identifier: MIT */
/*
 * What design slabifier checks when a caller may have broken its promises: bad frees, and freelists
 * that somebody wrote over. In debug mode it says so and carries on; without, it aborts where a
 * cheap look suffices.
 */
#include "allocators/invariant.h"
#include "allocators/slabifier_slab.h"

static const char design[] = "slabifier";

static bool is_object(const struct cache *cache, const struct page *page, const void *address)
{
    uintptr_t distance = (uintptr_t)address - (uintptr_t)page_address(page);

    return distance % cache->size == 0 && distance / cache->size < cache->objects;
}

/* What a walk along a freelist saw before its end, a pointer to no object, or one too many. */
struct freelist_walk {
    uint32_t length;
    bool ended;
    bool found;
};

static struct freelist_walk freelist_walk(const struct cache *cache, const struct page *page,
                                          const void *wanted)
{
    struct freelist_walk walk = {0};
    void *object = page->freelist;

    while (object && walk.length <= cache->objects && is_object(cache, page, object)) {
        walk.found |= object == wanted;
        walk.length++;
        object = *slab_link(cache, object);
    }
    walk.ended = object == NULL;
    return walk;
}

bool slabifier_freelist_holds(const struct cache *cache, const struct page *page,
                              const void *object)
{
    return freelist_walk(cache, page, object).found;
}

static bool walk_is_sound(const struct cache *cache, const struct page *page,
                          struct freelist_walk walk)
{
    return walk.ended && page->inuse + walk.length == cache->objects;
}

bool slabifier_freelist_sound(const struct cache *cache, const struct page *page)
{
    return walk_is_sound(cache, page, freelist_walk(cache, page, NULL));
}

void slabifier_debug_slab(struct cache *cache, struct page *page)
{
    struct freelist_walk walk = freelist_walk(cache, page, NULL);

    if (walk_is_sound(cache, page, walk))
        return;
    atomic_fetch_add_explicit(&cache->debug_reports, 1, memory_order_relaxed);
    invariant_report(design, cache->params.name,
                     "slab %p: %u of %u objects are in use, but its freelist holds %u%s; now all "
                     "of them are marked used, which leaks the others",
                     page_address(page), page->inuse, cache->objects, walk.length,
                     walk.ended ? "" : " and does not end there");
    /* Full from now on, so on no list. */
    if (!slab_is(page, SLAB_ACTIVE) && page->inuse < cache->objects)
        slabifier_partial_remove(cache, page);
    page->inuse = cache->objects;
    page->freelist = NULL;
}

void slabifier_bad_free(struct cache *cache, const struct page *page, const void *object,
                        const char *what)
{
    void *slab = page ? page_address(page) : NULL;

    if (!cache->debug)
        invariant_broken(design, cache->params.name, "bad free of %p (slab %p): %s", object, slab,
                         what);
    atomic_fetch_add_explicit(&cache->debug_reports, 1, memory_order_relaxed);
    invariant_report(design, cache->params.name, "bad free of %p (slab %p), ignored: %s", object,
                     slab, what);
}

bool slabifier_debug_free(struct cache *cache, struct page *page, void *object)
{
    if (!is_object(cache, page, object)) {
        slabifier_bad_free(cache, page, object, "no object begins there");
        return false;
    }
    slabifier_debug_slab(cache, page);
    if (slabifier_freelist_holds(cache, page, object)) {
        slabifier_bad_free(cache, page, object, "it is free already");
        return false;
    }
    return true;
}
