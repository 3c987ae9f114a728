/* SPDX-License-Identifier: MIT */
/*
 * The slab layer of design helenos: slabs of 2^order pages, free objects chained by index, nothing
 * kept that is empty.
 *
 * Objects are raw memory inside the layer and constructed outside it, both without its lock.
 */
#include "allocators/helenos_cache.h"

#include <errno.h>
#include <urcu/compiler.h>

#define RECORD_BYTES        sizeof(struct slab)
#define RECORD_INSIDE_BELOW (PAGE_SIZE / 8)

static size_t slab_bytes(const struct cache *cache)
{
    return PAGE_SIZE << cache->order;
}

/* ---- geometry ---- */

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* The index of the next free object lies in the object, or behind one that may not be written. */
static void object_layout(struct cache *cache)
{
    const struct cache_params *params = &cache->params;
    size_t end = params->size;

    cache->index_offset = 0;
    if (params->flags & CACHE_NO_TOUCH) {
        cache->index_offset = round_up(end, sizeof(int32_t));
        end = cache->index_offset + sizeof(int32_t);
    }
    cache->object_bytes = round_up(end, params->align);
}

/*
 * The smallest order that wastes at most a quarter. A record that is not inside from the start is
 * not counted; when the waste can hold it, it moves in and the objects stay as many.
 */
static int slab_layout(struct cache *cache, bool record_inside, struct error *error)
{
    size_t record = record_inside ? RECORD_BYTES : 0;
    size_t waste;

    for (cache->order = 0; cache->order <= PAGE_MAX_ORDER; cache->order++) {
        size_t usable = slab_bytes(cache) - record;

        cache->objects = usable / cache->object_bytes;
        waste = usable % cache->object_bytes;
        if (waste <= slab_bytes(cache) / 4) {
            cache->record_inside = record_inside || waste > RECORD_BYTES;
            return 0;
        }
    }
    return error_set(error, EINVAL,
                     "cache '%s': %zu bytes an object waste more than a quarter of every slab of "
                     "up to %zu bytes",
                     cache->params.name, cache->object_bytes, PAGE_SIZE << PAGE_MAX_ORDER);
}

int helenos_slab_init(struct cache *cache, bool record_inside, unsigned rank, struct error *error)
{
    int code;

    object_layout(cache);
    code = slab_layout(cache, record_inside || cache->object_bytes < RECORD_INSIDE_BELOW, error);
    if (code)
        return code;
    lock_init(&cache->slab_lock, LOCK_CLASS_SLAB, rank, cache->params.name);
    CDS_INIT_LIST_HEAD(&cache->full);
    CDS_INIT_LIST_HEAD(&cache->partial);
    CDS_INIT_LIST_HEAD(&cache->grace_now);
    CDS_INIT_LIST_HEAD(&cache->grace_next);
    return 0;
}

void helenos_slab_cleanup(struct cache *cache)
{
    if (cache->params.flags & CACHE_RCU)
        grace_barrier();
    if (!cds_list_empty(&cache->full) || !cds_list_empty(&cache->partial))
        helenos_broken(cache, "torn down with objects out");
    lock_cleanup(&cache->slab_lock);
}

/* ---- slabs ---- */

static int32_t *index_of_next(const struct cache *cache, void *object)
{
    return (int32_t *)((char *)object + cache->index_offset);
}

/*
 * When there are none: a light pass, then a brutal one, another try after each. What a pass frees
 * page by page rests on this CPU's page list, where no larger block can be made of it.
 */
static void *pages_alloc(struct cache *cache)
{
    void *pages = page_alloc(cache->order, PAGE_ANY_NODE);

    if (!cache->reclaims)
        return pages;
    for (unsigned level = HELENOS_LIGHT; !pages && level <= HELENOS_BRUTAL; level++) {
        helenos_reclaim(cache->instance, level);
        if (cache->order > 0)
            page_drain();
        pages = page_alloc(cache->order, PAGE_ANY_NODE);
    }
    return pages;
}

static struct slab *record_alloc(struct cache *cache, char *pages)
{
    if (cache->record_inside)
        return (struct slab *)(pages + slab_bytes(cache) - RECORD_BYTES);
    return helenos_alloc(cache->instance->slab_records, NULL);
}

/* Calls fn, the debug layer's if there is one, for each buffer of the slab. */
static void each_buffer(const struct cache *cache, const struct slab *slab,
                        void (*fn)(void *buffer, void *context))
{
    for (size_t i = 0; fn && i < cache->objects; i++)
        fn(slab->start + i * cache->object_bytes, cache->params.context);
}

/* On no list, all its objects free in order of address. Called without the lock. */
static struct slab *slab_create(struct cache *cache)
{
    char *pages = pages_alloc(cache);
    struct slab *slab;
    struct page *page;

    if (!pages)
        return NULL;
    slab = record_alloc(cache, pages);
    if (!slab) {
        page_free(pages, cache->order);
        return NULL;
    }
    machine_memory_is(slab, sizeof *slab, MEMORY_SLAB_RECORD);
    page = page_of(pages);
    for (size_t i = 0; i < (size_t)1 << cache->order; i++)
        page[i].owner = slab;
    slab->cache = cache;
    slab->start = pages;
    slab->available = cache->objects;
    slab->next = 0;
    for (size_t i = 0; i < cache->objects; i++)
        *index_of_next(cache, pages + i * cache->object_bytes) = (int32_t)(i + 1);
    each_buffer(cache, slab, cache->params.buffer_made);
    atomic_fetch_add_explicit(&cache->slabs, 1, memory_order_relaxed);
    return slab;
}

/* Unlinked and wholly free, with the lock held. A record that is inside goes with its pages. */
static void slab_destroy(struct cache *cache, struct slab *slab)
{
    each_buffer(cache, slab, cache->params.buffer_gone);
    page_free(slab->start, cache->order);
    if (!cache->record_inside)
        helenos_free(cache->instance->slab_records, slab);
    atomic_fetch_sub_explicit(&cache->slabs, 1, memory_order_relaxed);
}

/* ---- type-safe memory: slabs wait for readers ---- */

static void grace_end(struct grace *grace)
{
    struct cache *cache = caa_container_of(grace, struct cache, grace);
    struct slab *slab, *after;

    lock_acquire(&cache->slab_lock);
    cds_list_for_each_entry_safe(slab, after, &cache->grace_now, link)
        slab_destroy(cache, slab);
    CDS_INIT_LIST_HEAD(&cache->grace_now);
    if (!cds_list_empty(&cache->grace_next)) {
        cds_list_splice(&cache->grace_next, &cache->grace_now);
        CDS_INIT_LIST_HEAD(&cache->grace_next);
        grace_call(&cache->grace, grace_end);
    }
    lock_release(&cache->slab_lock);
}

/* As slab_destroy, but a reader may still look at the objects: the pages stay until it is done. */
static void slab_destroy_later(struct cache *cache, struct slab *slab)
{
    if (!cds_list_empty(&cache->grace_now)) {
        cds_list_add_tail(&slab->link, &cache->grace_next);
        return;
    }
    cds_list_add_tail(&slab->link, &cache->grace_now);
    grace_call(&cache->grace, grace_end);
}

/* ---- objects, with the lock held ---- */

static struct slab *partial_take(struct cache *cache)
{
    struct slab *slab;

    if (cds_list_empty(&cache->partial))
        return NULL;
    slab = cds_list_first_entry(&cache->partial, struct slab, link);
    cds_list_del(&slab->link);
    return slab;
}

/*
 * A slab on no list that has a free object. The lock is dropped while a new one is made, and that
 * is used whatever came to be partial meanwhile. Only when there is none are the lists looked at
 * again: reclaim may have filled them.
 */
static struct slab *slab_take(struct cache *cache)
{
    struct slab *slab = partial_take(cache);

    if (slab)
        return slab;
    lock_release(&cache->slab_lock);
    slab = slab_create(cache);
    lock_acquire(&cache->slab_lock);
    if (!slab)
        return partial_take(cache);
    cache->slab_grows++;
    return slab;
}

static void *object_take(struct cache *cache, struct slab *slab)
{
    char *object = slab->start + slab->next * cache->object_bytes;

    slab->next = (size_t)*index_of_next(cache, object);
    slab->available--;
    cds_list_add(&slab->link, slab->available ? &cache->partial : &cache->full);
    cache->slab_allocs++;
    return object;
}

static _Noreturn __attribute__((noinline)) void bad_free(const struct cache *cache,
                                                         const void *object, const char *what)
{
    helenos_broken(cache, "bad free of %p: %s", object, what);
}

static struct slab *slab_of(const struct cache *cache, const void *object)
{
    struct slab *slab;

    if (!page_in_arena(object))
        bad_free(cache, object, "it is not in the arena");
    slab = page_of(object)->owner;
    if (!slab || slab->cache != cache)
        bad_free(cache, object, "its page is no slab of this cache");
    return slab;
}

static size_t index_of(const struct cache *cache, const struct slab *slab, const void *object)
{
    size_t index = (size_t)((const char *)object - slab->start) / cache->object_bytes;

    if (index >= cache->objects || slab->start + index * cache->object_bytes != object)
        bad_free(cache, object, "no object begins there");
    return index;
}

/* Returns the pages given up. */
static size_t object_put(struct cache *cache, struct slab *slab, void *object)
{
    size_t index = index_of(cache, slab, object);

    if (slab->available == cache->objects)
        bad_free(cache, object, "nothing of its slab is allocated");
    *index_of_next(cache, object) = (int32_t)slab->next;
    slab->next = index;
    slab->available++;
    if (slab->available == cache->objects) {
        cds_list_del(&slab->link);
        if (cache->params.flags & CACHE_RCU)
            slab_destroy_later(cache, slab);
        else
            slab_destroy(cache, slab);
        return (size_t)1 << cache->order;
    }
    if (slab->available == 1)
        cds_list_move(&slab->link, &cache->partial);
    return 0;
}

/* ---- objects ---- */

static size_t put(struct cache *cache, struct slab *slab, void *object)
{
    size_t pages;

    lock_acquire(&cache->slab_lock);
    pages = object_put(cache, slab, object);
    lock_release(&cache->slab_lock);
    return pages;
}

void *helenos_slab_alloc(struct cache *cache)
{
    const struct cache_params *params = &cache->params;
    struct slab *slab;
    void *object = NULL;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->slab_lock);
    slab = slab_take(cache);
    if (slab)
        object = object_take(cache, slab);
    lock_release(&cache->slab_lock);
    if (object && params->construct &&
        params->construct(object, params->size, params->context) != 0) {
        put(cache, slab, object);
        return NULL;
    }
    return object;
}

size_t helenos_slab_free(struct cache *cache, void *object)
{
    const struct cache_params *params = &cache->params;
    struct slab *slab = slab_of(cache, object);

    account_layer(LAYER_SLAB);
    if (params->destruct)
        params->destruct(object, params->size, params->context);
    return put(cache, slab, object);
}

/* ---- inspection ---- */

static uint64_t length_of(const struct cds_list_head *list)
{
    const struct cds_list_head *link;
    uint64_t length = 0;

    cds_list_for_each(link, list)
        length++;
    return length;
}

static uint64_t objects_out(struct cache *cache, struct cds_list_head *list, size_t least,
                            size_t most)
{
    struct slab *slab;
    uint64_t out = 0;

    cds_list_for_each_entry(slab, list, link) {
        if (slab->available < least || slab->available > most)
            helenos_broken(cache, "slab %p with %zu of %zu objects free is on a wrong list",
                           (void *)slab, slab->available, cache->objects);
        out += cache->objects - slab->available;
    }
    return out;
}

/* No CPU runs, so no lock is taken: nor is one that may be counted. */
void helenos_slab_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    uint64_t full = length_of(&cache->full), partial = length_of(&cache->partial);
    uint64_t waiting = length_of(&cache->grace_now) + length_of(&cache->grace_next);
    uint64_t out = objects_out(cache, &cache->full, 0, 0) +
                   objects_out(cache, &cache->partial, 1, cache->objects - 1);

    if (out != cache->live + cache->resting)
        helenos_broken(cache, "%llu objects live and %llu resting, but %llu out",
                       (unsigned long long)cache->live, (unsigned long long)cache->resting,
                       (unsigned long long)out);
    if (cache->slabs != full + partial + waiting)
        helenos_broken(cache, "%llu slabs, but %llu on the lists", (unsigned long long)cache->slabs,
                       (unsigned long long)(full + partial + waiting));
    emit(context, "object_bytes", cache->object_bytes);
    emit(context, "objects_per_slab", cache->objects);
    emit(context, "slab_bytes", slab_bytes(cache));
    emit(context, "slab_record_inside", cache->record_inside);
    emit(context, "slab_allocs", cache->slab_allocs);
    emit(context, "slab_grows", cache->slab_grows);
    emit(context, "slabs", cache->slabs);
    emit(context, "slabs_full", full);
    emit(context, "slabs_partial", partial);
    emit(context, "grace_pages", waiting << cache->order);
}
