/* SPDX-License-Identifier: MIT */
/*
 * Slabs of one cache: small ones hold their record and the links of free objects themselves, large
 * ones have records and bufctls beside them and a hash from address to bufctl.
 */
#include "allocators/slab.h"

#include "allocators/invariant.h"

#include <errno.h>

/* ---- init, cleanup ---- */

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static void layout_small(struct slab_cache *cache)
{
    size_t usable = PAGE_SIZE - sizeof(struct slab);

    cache->slab_bytes = PAGE_SIZE;
    cache->objects_per_slab = (uint32_t)(usable / cache->object_bytes);
    cache->slack = usable - cache->objects_per_slab * cache->object_bytes;
}

static int layout_large(struct slab_cache *cache, const struct slab_config *config,
                        struct error *error)
{
    size_t wanted, objects;

    if (__builtin_mul_overflow(cache->object_bytes, config->options->objects_per_slab, &wanted) ||
        wanted > SIZE_MAX / 2)
        return error_set(error, EINVAL, "cache '%s': no slab holds %llu objects of %zu bytes",
                         cache->params.name, (unsigned long long)config->options->objects_per_slab,
                         cache->object_bytes);
    cache->slab_bytes = round_up(wanted, PAGE_SIZE);
    objects = cache->slab_bytes / cache->object_bytes;
    cache->objects_per_slab = (uint32_t)objects;
    cache->slack = cache->slab_bytes - objects * cache->object_bytes;
    cache->sources = *config->sources;
    if (slab_hash_init(&cache->hash, config->options->hash_lists) != 0)
        return error_set(error, ENOMEM, "cache '%s': no memory for its hash", cache->params.name);
    return 0;
}

int slab_cache_init(struct slab_cache *cache, const struct slab_config *config,
                    const struct cache_params *params, struct error *error)
{
    *cache = (struct slab_cache){
        .params = *params,
        .design = config->design,
        .object_bytes = round_up(params->size, params->align),
        .color = config->options->color,
    };
    /* A free object of the small layout holds a pointer, which no-touch forbids. */
    cache->large = config->sources &&
                   (cache->object_bytes > config->options->large_cutoff ||
                    cache->object_bytes < sizeof(void *) || (params->flags & CACHE_NO_TOUCH));
    if (cache->large) {
        int code = layout_large(cache, config, error);

        if (code)
            return code;
    } else {
        layout_small(cache);
    }
    lock_init(&cache->lock, LOCK_CLASS_CACHE, config->rank, params->name);
    CDS_INIT_LIST_HEAD(&cache->full);
    CDS_INIT_LIST_HEAD(&cache->partial);
    CDS_INIT_LIST_HEAD(&cache->empty);
    CDS_INIT_LIST_HEAD(&cache->waiting);
    return 0;
}

/* ---- slabs: made and given back with the cache lock held ---- */

static void *import(const struct slab_cache *cache)
{
    if (cache->slab_bytes == PAGE_SIZE)
        return page_alloc(0, PAGE_ANY_NODE);
    return range_alloc(cache->slab_bytes >> PAGE_SHIFT, PAGE_ANY_NODE);
}

static void export(const struct slab_cache *cache, void *base)
{
    if (cache->slab_bytes == PAGE_SIZE)
        page_free(base, 0);
    else
        range_free(base, cache->slab_bytes >> PAGE_SHIFT);
}

/* Colors go 0, align, 2 align ... up to the slack and begin again (Bonwick 1994, 4.3). */
static size_t color_take(struct slab_cache *cache)
{
    size_t color = cache->next_color;

    if (!cache->color)
        return 0;
    cache->next_color = color + cache->params.align;
    if (cache->next_color > cache->slack)
        cache->next_color = 0;
    return color;
}

static struct slab *small_record(const void *object)
{
    uintptr_t page = (uintptr_t)object & ~(uintptr_t)PAGE_MASK;

    return (struct slab *)(page + PAGE_SIZE - sizeof(struct slab));
}

/* Chains the objects in order of address, so that they are handed out ascending. */
static struct slab *small_slab_create(struct slab_cache *cache)
{
    char *base = import(cache);
    struct slab *slab;
    char *object;

    if (!base)
        return NULL;
    slab = small_record(base);
    machine_memory_is(slab, sizeof *slab, MEMORY_SLAB_RECORD);
    slab->base = base;
    slab->color = (uint32_t)color_take(cache);
    object = base + slab->color;
    slab->free.objects = object;
    for (uint32_t i = 1; i < cache->objects_per_slab; i++) {
        *(void **)object = object + cache->object_bytes;
        object += cache->object_bytes;
    }
    *(void **)object = NULL;
    return slab;
}

/* The bufctls of a slab that is wholly free, and then its own record. */
static void large_records_free(struct slab_cache *cache, struct slab *slab)
{
    struct slab_source *bufctls = &cache->sources.bufctls;
    struct slab_source *slabs = &cache->sources.slabs;
    struct bufctl *bufctl, *next;

    cds_hlist_for_each_entry_safe_2(bufctl, next, &slab->free.bufctls, link)
        bufctls->free(bufctls->source, bufctl);
    slabs->free(slabs->source, slab);
}

/* A bufctl for every buffer in order of address, each at the head: handed out descending. */
static bool large_bufctls_create(struct slab_cache *cache, struct slab *slab)
{
    struct slab_source *bufctls = &cache->sources.bufctls;
    char *buffer = (char *)slab->base + slab->color;

    for (uint32_t i = 0; i < cache->objects_per_slab; i++) {
        struct bufctl *bufctl = bufctls->alloc(bufctls->source);

        if (!bufctl)
            return false;
        machine_memory_is(bufctl, sizeof *bufctl, MEMORY_SLAB_RECORD);
        bufctl->buffer = buffer;
        bufctl->slab = slab;
        cds_hlist_add_head(&bufctl->link, &slab->free.bufctls);
        buffer += cache->object_bytes;
    }
    return true;
}

static struct slab *large_slab_create(struct slab_cache *cache)
{
    struct slab *slab = cache->sources.slabs.alloc(cache->sources.slabs.source);

    if (!slab)
        return NULL;
    machine_memory_is(slab, sizeof *slab, MEMORY_SLAB_RECORD);
    CDS_INIT_HLIST_HEAD(&slab->free.bufctls);
    slab->base = import(cache);
    if (!slab->base)
        goto no_import;
    slab->color = (uint32_t)color_take(cache);
    if (large_bufctls_create(cache, slab))
        return slab;
    export(cache, slab->base);
no_import:
    large_records_free(cache, slab);
    return NULL;
}

/* Calls fn, the debug layer's if there is one, for each buffer of the slab. */
static void each_buffer(const struct slab_cache *cache, const struct slab *slab,
                        void (*fn)(void *buffer, void *context))
{
    char *buffer = (char *)slab->base + slab->color;

    for (uint32_t i = 0; fn && i < cache->objects_per_slab; i++, buffer += cache->object_bytes)
        fn(buffer, cache->params.context);
}

static struct slab *slab_create(struct slab_cache *cache)
{
    struct slab *slab = cache->large ? large_slab_create(cache) : small_slab_create(cache);

    if (!slab)
        return NULL;
    each_buffer(cache, slab, cache->params.buffer_made);
    slab->busy = 0;
    cds_list_add(&slab->link, &cache->empty);
    cache->grows++;
    return slab;
}

static void slab_destroy(struct slab_cache *cache, struct slab *slab)
{
    void *base = slab->base; /* the record goes first, and in the small layout with the page */

    cds_list_del(&slab->link);
    each_buffer(cache, slab, cache->params.buffer_gone);
    if (cache->large)
        large_records_free(cache, slab);
    export(cache, base);
}

static void slabs_destroy(struct slab_cache *cache, struct cds_list_head *list)
{
    struct slab *slab, *next;

    cds_list_for_each_entry_safe(slab, next, list, link)
        slab_destroy(cache, slab);
}

static void empty_slabs_destroy(struct slab_cache *cache)
{
    lock_acquire(&cache->lock);
    slabs_destroy(cache, &cache->empty);
    lock_release(&cache->lock);
}

/* The grace period of the batch is over: no read side can look at its objects any more. */
static void batch_destroy(struct grace *grace)
{
    struct slab_cache *cache = caa_container_of(grace, struct slab_cache, grace);

    lock_acquire(&cache->lock);
    slabs_destroy(cache, &cache->waiting);
    cache->retiring = false;
    lock_release(&cache->lock);
}

/*
 * Empty slabs leave the lists now, so that nothing is taken from them, and memory later. True: they
 * have to stay.
 */
static bool empty_slabs_retire(struct slab_cache *cache)
{
    bool any, begin;

    lock_acquire(&cache->lock);
    any = !cds_list_empty(&cache->empty);
    begin = any && !cache->retiring;
    if (begin) {
        cds_list_splice(&cache->empty, &cache->waiting);
        CDS_INIT_LIST_HEAD(&cache->empty);
        cache->retiring = true;
    }
    lock_release(&cache->lock);
    if (begin)
        grace_call(&cache->grace, batch_destroy);
    return any && !begin;
}

bool slab_cache_reap(struct slab_cache *cache)
{
    account_layer(LAYER_SLAB);
    if (cache->params.flags & CACHE_RCU)
        return empty_slabs_retire(cache);
    empty_slabs_destroy(cache);
    return false;
}

void slab_cache_cleanup(struct slab_cache *cache)
{
    if (cache->live)
        invariant_broken(cache->design, cache->params.name, "torn down with %llu live objects",
                         (unsigned long long)cache->live);
    /* The batch in flight; the rest may go at once: who destroys a cache has no readers left. */
    if (cache->params.flags & CACHE_RCU)
        grace_barrier();
    empty_slabs_destroy(cache);
    lock_cleanup(&cache->lock);
    if (cache->large)
        slab_hash_cleanup(&cache->hash);
}

/* ---- objects ---- */

static _Noreturn __attribute__((noinline)) void bad_free(const struct slab_cache *cache,
                                                         const void *object, const char *what)
{
    invariant_broken(cache->design, cache->params.name, "bad free of %p: %s", object, what);
}

/* Takes an object of a slab that has one. */
static void *slab_take(struct slab_cache *cache, struct slab *slab)
{
    void *object;

    slab->busy++;
    if (cache->large) {
        struct bufctl *bufctl = cds_hlist_entry(slab->free.bufctls.next, struct bufctl, link);

        cds_hlist_del(&bufctl->link);
        slab_hash_insert(&cache->hash, bufctl);
        return bufctl->buffer;
    }
    object = slab->free.objects;
    slab->free.objects = *(void **)object;
    return object;
}

/* The raw object, under the lock: first partial slab, else an empty one, else a new one. */
static void *take_locked(struct slab_cache *cache)
{
    struct slab *slab;
    void *object;

    if (!cds_list_empty(&cache->partial)) {
        slab = cds_list_first_entry(&cache->partial, struct slab, link);
    } else {
        if (cds_list_empty(&cache->empty) && !slab_create(cache))
            return NULL;
        slab = cds_list_first_entry(&cache->empty, struct slab, link);
        cds_list_move(&slab->link, &cache->partial);
    }
    object = slab_take(cache, slab);
    if (slab->busy == cache->objects_per_slab)
        cds_list_move(&slab->link, &cache->full);
    cache->live++;
    cache->allocs++;
    return object;
}

/* Puts the object back and says whose slab it was. */
static struct slab *slab_put(struct slab_cache *cache, void *object)
{
    struct bufctl *bufctl;
    struct slab *slab;

    if (!cache->large) {
        slab = small_record(object);
        if (slab->busy == 0)
            bad_free(cache, object, "nothing of its slab is allocated");
        *(void **)object = slab->free.objects;
        slab->free.objects = object;
        return slab;
    }
    bufctl = slab_hash_remove(&cache->hash, object);
    if (!bufctl)
        bad_free(cache, object, "the hash does not hold it");
    slab = bufctl->slab;
    cds_hlist_add_head(&bufctl->link, &slab->free.bufctls);
    return slab;
}

static void put_locked(struct slab_cache *cache, void *object)
{
    struct slab *slab = slab_put(cache, object);
    bool was_full = slab->busy == cache->objects_per_slab;

    slab->busy--;
    cache->live--;
    /* Empty before partial: a slab of one object goes straight from full to empty. */
    if (slab->busy == 0)
        cds_list_move(&slab->link, &cache->empty);
    else if (was_full)
        cds_list_move(&slab->link, &cache->partial);
}

static void put(struct slab_cache *cache, void *object)
{
    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    put_locked(cache, object);
    lock_release(&cache->lock);
}

/* The object, or NULL when it could not be constructed and went back. */
static void *constructed(struct slab_cache *cache, void *object)
{
    const struct cache_params *params = &cache->params;

    if (object && params->construct &&
        params->construct(object, params->size, params->context) != 0) {
        put(cache, object);
        return NULL;
    }
    return object;
}

static void destroy_checked(struct slab_cache *cache, void *object)
{
    const struct cache_params *params = &cache->params;

    if (!page_in_arena(object))
        bad_free(cache, object, "it is not in the arena");
    if (params->destruct)
        params->destruct(object, params->size, params->context);
}

void *slab_cache_alloc(struct slab_cache *cache)
{
    void *object;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    object = take_locked(cache);
    lock_release(&cache->lock);
    return constructed(cache, object);
}

void slab_cache_free(struct slab_cache *cache, void *object)
{
    destroy_checked(cache, object);
    put(cache, object);
}

unsigned slab_cache_alloc_bulk(struct slab_cache *cache, unsigned n, void **objects)
{
    unsigned taken = 0, good = 0;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    while (taken < n && (objects[taken] = take_locked(cache)))
        taken++;
    lock_release(&cache->lock);
    for (unsigned i = 0; i < taken; i++) {
        void *object = constructed(cache, objects[i]);

        if (object)
            objects[good++] = object;
    }
    return good;
}

void slab_cache_free_bulk(struct slab_cache *cache, unsigned n, void *const *objects)
{
    for (unsigned i = 0; i < n; i++)
        destroy_checked(cache, objects[i]);
    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    for (unsigned i = 0; i < n; i++)
        put_locked(cache, objects[i]);
    lock_release(&cache->lock);
}

int slab_cache_refuse_live(const struct slab_cache *cache, uint64_t live, struct error *error)
{
    if (live == 0)
        return 0;
    return error_set(error, EBUSY, "cache '%s' cannot be destroyed: %llu of its objects are live",
                     cache->params.name, (unsigned long long)live);
}
