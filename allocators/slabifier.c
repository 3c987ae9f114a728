/* SPDX-License-Identifier: MIT */
/*
 * slabifier: freelists in the slabs, all state of a slab in its page record, no queues of objects.
 * Christoph Lameter, "The slabifier" (mm/slabifier.c of the slab allocator patches sent to
 * linux-mm, October 2006), the ancestor of SLUB.
 *
 *      CPUs' active slabs -> partial list -> pages
 *
 * An object is allocated from its CPU's active slab, and freed into the slab it is of, whosever
 * that is. A full slab is on no list and nobody looks for it; a free finds it by its address. An
 * empty slab goes back to the page allocator at once, whose per-CPU lists are the cushion.
 *
 * Locks, in order; whoever holds list_lock may only try a page lock:
 *
 *      caches              the list of caches
 *      page                a bit of the slab's page record: all of its state
 *      partial             list_lock of the cache: the partial list
 *
 * No pages are asked for or given back, and no constructor or destructor runs, under the latter
 * two.
 *
 * Invariants (slabifier_check):
 *
 *      slabs == active + partial + full    full: on no list and not active; so are single ones
 *      objects == inuse + length of the freelist        of every slab that is not single
 *      0 < inuse < objects                              of every partial slab
 *      live == inuse of active + inuse of partial + full * objects      computed, not counted
 *
 * Constructors run when a slab is made, destructors when its pages go: objects rest constructed.
 *
 * Accounts (slabifier_ledger.c has those of memory):
 *
 *      layer       cpu: an allocation from this CPU's active slab, a free into its active slab;
 *                  depot: the partial list; slab: a free into any other slab, a slab made or ended
 *      a trip      a change of active slab: to another, or to none
 *
 * Which of the two a free into an active slab is (its own, or another CPU's, which is none of its
 * layer) is looked at only while somebody observes: the free itself has no use for that line.
 * Nothing ever rests above the slabs: what is free in an active one is free in a slab.
 *
 * Deviations:
 * - an object's size is rounded up to its alignment too: the slab begins at its first byte;
 * - the freelist link lies behind the payload, whatever `offset` says, in caches with a
 *   constructor or a destructor, CACHE_RCU or CACHE_NO_TOUCH: content that must survive the free
 *   would not;
 * - what fills its slab alone has no freelist, and so no word for a link where others of its kind
 *   have one: behind the payload a page's object would take two pages for it;
 * - objects of more than 4 MiB, the largest block, are single slabs made of page ranges;
 * - a node that was wanted and has no page is given up for any: so it is with the kernel's page
 *   allocator, which goes on to other nodes by itself and here does not;
 * - bulks lock a page once for all the objects that they take from it, or free into it in a row;
 *   the source has none;
 * - the page records of a CACHE_RCU cache's slabs wait in lists of the CPU that gave them back, and
 *   a grace period serves all that came before it: there is no room for a callback in a record;
 * - cache destruction deactivates every CPU's slab before it counts what is live, also when it then
 *   refuses;
 * - a plain bad free (no slab of the cache, the same object twice in a row, more frees than
 *   allocations) ends the run; in debug mode any is reported and ignored, as in the source.
 */
#include "allocators/slabifier.h"

#include "allocators/invariant.h"
#include "allocators/slabifier_slab.h"

#include <errno.h>

struct slabifier_options {
    uint64_t order;
    uint64_t offset; /* enum link_place */
    uint64_t flush_interval_ms;
    uint64_t debug;
};

enum link_place { LINK_START, LINK_BEHIND };
static const char *const link_places[] = {"start", "behind", NULL};

static const struct tunable slabifier_tunables[] = {
    TUNABLE_NUMBER("order", struct slabifier_options, order, 0, 0, PAGE_MAX_ORDER,
                   "pages of a slab, as a power of two: at least 2^order"),
    TUNABLE_WORD("offset", struct slabifier_options, offset, LINK_START, link_places,
                 "where the freelist link of a free object lies: in its first word, or after it"),
    TUNABLE_NUMBER("flush_interval_ms", struct slabifier_options, flush_interval_ms, 2000, 1,
                   86400000, "after which the flusher comes by for slabs that rest active, ms"),
    TUNABLE_SWITCH("debug", struct slabifier_options, debug, false,
                   "check every free and walk freelists; report and carry on"),
    {.key = NULL},
};

struct slabifier_instance {
    struct slabifier_options options;
    struct work_queue *flushers; /* of all caches, one at a time */

    struct lock lock; /* class `caches`: guards the list; outermost */
    struct cds_list_head caches;
};

/* ---- allocate ---- */

/* The slab, which is locked, has a free object on a node that will do. */
static inline bool slab_serves(struct cache *cache, struct page *page, int node)
{
    if (__builtin_expect(cache->debug, 0))
        slabifier_debug_slab(cache, page);
    return page->freelist && (node == PAGE_ANY_NODE || page->node == node);
}

static inline void *object_take(const struct cache *cache, struct page *page)
{
    void *object = page->freelist;

    page->freelist = *slab_link(cache, object);
    page->inuse++;
    return object;
}

/*
 * A slab that is now this CPU's active one, and locked: a partial or a new one. NULL: no memory. A
 * constructor that allocates from its own cache may have got one meanwhile; that is used then.
 */
static struct page *active_get(struct cache *cache, int node)
{
    struct page **active = &cache->active[cpu_id()];
    struct page *page = slabifier_partial_take(cache, node);

    if (!page) {
        page = slabifier_slab_create(cache, node);
        if (!page)
            return NULL;
        if (*active) {
            slabifier_slab_discard(cache, page);
            slab_lock(cache, *active);
            return *active;
        }
        slab_lock(cache, page);
    }
    slab_change(page, 0, SLAB_ACTIVE);
    *active = page;
    account_trip(); /* with the way back of the slab before, if there was one */
    slabifier_flusher_want(cache);
    return page;
}

/* In the place of `page`, locked, which does not serve (NULL: there is none): one that does. */
static COLD struct page *active_replace(struct cache *cache, struct page *page, int node)
{
    do {
        if (page)
            slabifier_deactivate(cache, page);
        page = active_get(cache, node);
        if (!page && node != PAGE_ANY_NODE) {
            node = PAGE_ANY_NODE;
            page = active_get(cache, node);
        }
    } while (page && !slab_serves(cache, page, node));
    return page;
}

/* Locked. NULL: no memory. */
static inline struct page *active_lock(struct cache *cache, int node)
{
    struct page *page = cache->active[cpu_id()];

    if (__builtin_expect(page != NULL, 1)) {
        slab_lock(cache, page);
        if (__builtin_expect(slab_serves(cache, page, node), 1))
            return page;
    }
    return active_replace(cache, page, node);
}

static COLD void *single_alloc(struct cache *cache, int node)
{
    struct page *page = slabifier_slab_create(cache, node);

    if (!page && node != PAGE_ANY_NODE)
        page = slabifier_slab_create(cache, PAGE_ANY_NODE);
    return page ? page_address(page) : NULL;
}

static void *slabifier_alloc(struct cache *cache, const struct request *request)
{
    struct page *page;
    void *object;

    if (__builtin_expect(cache->objects == 1, 0))
        return single_alloc(cache, request->node);
    page = active_lock(cache, request->node);
    if (__builtin_expect(!page, 0))
        return NULL;
    object = object_take(cache, page);
    slab_change(page, 0, SLAB_REFERENCED);
    slab_unlock(cache, page);
    return object;
}

static unsigned slabifier_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                                     void **objects)
{
    unsigned done = 0;

    while (done < n && cache->objects == 1) {
        objects[done] = single_alloc(cache, request->node);
        if (!objects[done])
            return done;
        done++;
    }
    while (done < n) {
        struct page *page = active_lock(cache, request->node);

        if (!page)
            break;
        do
            objects[done++] = object_take(cache, page);
        while (done < n && page->freelist && !cache->debug); /* that looks before each */
        slab_change(page, 0, SLAB_REFERENCED);
        slab_unlock(cache, page);
    }
    return done;
}

/* ---- free ---- */

static COLD void single_free(struct cache *cache, struct page *page, const void *object)
{
    if (object == page_address(page))
        slabifier_slab_discard(cache, page);
    else
        slabifier_bad_free(cache, page, object, "no object begins there");
}

/* The slab of an object that is this cache's, as far as a glance can tell; else NULL, or the end.
 */
static inline struct page *slab_of(struct cache *cache, void *object)
{
    struct page *page;

    if (__builtin_expect(!page_in_arena(object), 0)) {
        slabifier_bad_free(cache, NULL, object, "it is not in the arena");
        return NULL;
    }
    page = page_of((void *)((uintptr_t)object & cache->slab_mask));
    if (__builtin_expect(page->owner != cache, 0)) {
        slabifier_bad_free(cache, page, object, "no slab of this cache is there");
        return NULL;
    }
    return page;
}

/* Links the object in. The page is locked; false: it may not be freed. */
static inline bool object_put(struct cache *cache, struct page *page, void *object)
{
    if (__builtin_expect(cache->debug, 0) && !slabifier_debug_free(cache, page, object))
        return false;
    if (__builtin_expect(page->inuse == 0 || page->freelist == object, 0)) {
        slabifier_bad_free(cache, page, object, "it is free already");
        return false;
    }
    *slab_link(cache, object) = page->freelist;
    page->freelist = object;
    page->inuse--;
    return true;
}

/* A slab that is not active was full, or is empty now, or both: page lock held, then released. */
static COLD void slab_moves(struct cache *cache, struct page *page, bool was_full)
{
    if (page->inuse == 0) {
        if (!was_full)
            slabifier_partial_remove(cache, page);
        slab_unlock(cache, page);
        slabifier_slab_discard(cache, page);
        return;
    }
    slabifier_partial_add(cache, page);
    slab_unlock(cache, page);
}

static inline void slab_settle(struct cache *cache, struct page *page, bool was_full)
{
    if (__builtin_expect(slab_is(page, SLAB_ACTIVE), 1)) {
        slab_unlock(cache, page);
        if (account_observed() && cache->active[cpu_id()] != page)
            account_layer(LAYER_SLAB); /* active, but another CPU's */
        return;
    }
    if (__builtin_expect(page->inuse > 0 && !was_full, 1))
        slab_unlock(cache, page);
    else
        slab_moves(cache, page, was_full);
    account_layer(LAYER_SLAB);
}

static void slabifier_free(struct cache *cache, void *object)
{
    struct page *page = slab_of(cache, object);
    bool was_full;

    if (__builtin_expect(!page, 0))
        return;
    if (__builtin_expect(slab_is(page, SLAB_SINGLE), 0)) {
        single_free(cache, page, object);
        return;
    }
    slab_lock(cache, page);
    if (__builtin_expect(!object_put(cache, page, object), 0)) {
        slab_unlock(cache, page);
        return;
    }
    was_full = *slab_link(cache, object) == NULL;
    slab_settle(cache, page, was_full);
}

/*
 * Objects of one slab in a row go under one lock, and the slab moves once. Debug mode, in which the
 * slab may change lists in between, frees them one by one.
 */
static void slabifier_free_bulk(struct cache *cache, unsigned n, void *const *objects)
{
    unsigned done = 0;

    while (done < n) {
        struct page *page = cache->debug ? NULL : slab_of(cache, objects[done]);
        bool was_full;

        if (!page || slab_is(page, SLAB_SINGLE)) {
            slabifier_free(cache, objects[done++]);
            continue;
        }
        slab_lock(cache, page);
        was_full = page->freelist == NULL;
        do
            object_put(cache, page, objects[done++]);
        while (done < n && slab_of(cache, objects[done]) == page);
        slab_settle(cache, page, was_full);
    }
}

/* ---- caches ---- */

static size_t cache_bytes(void)
{
    return sizeof(struct cache) + nr_cpus() * sizeof(struct page *);
}

/* What lies in a free object must survive there. */
static bool content_survives(const struct cache_params *params)
{
    return params->construct || params->destruct || (params->flags & (CACHE_RCU | CACHE_NO_TOUCH));
}

static int slabifier_cache_create(void *running, const struct cache_params *params,
                                  struct cache **result, struct error *error)
{
    struct slabifier_instance *instance = running;
    const struct slabifier_options *options = &instance->options;
    struct cache *cache = boot_alloc(cache_bytes(), PAGE_ANY_NODE);
    int code;

    if (!cache)
        return error_set(error, ENOMEM, "cache '%s': no memory for its descriptor", params->name);
    cache->params = *params;
    cache->debug = options->debug;
    code = slabifier_layout(cache, (unsigned)options->order,
                            options->offset == LINK_BEHIND || content_survives(params), error);
    if (code == 0 && (params->flags & CACHE_RCU) && slabifier_grace_init(cache) != 0)
        code =
            error_set(error, ENOMEM, "cache '%s': no memory for its grace periods", params->name);
    if (code) {
        boot_free(cache, cache_bytes());
        return code;
    }
    cache->lock_id = account_lock_id(LOCK_CLASS_PAGE, params->name);
    lock_init(&cache->list_lock, LOCK_CLASS_PARTIAL, LOCK_RANK_PARTIAL, params->name);
    CDS_INIT_LIST_HEAD(&cache->partial);
    slabifier_flusher_init(cache, instance->flushers, options->flush_interval_ms * 1000000);
    lock_acquire(&instance->lock);
    cds_list_add_tail(&cache->link, &instance->caches);
    lock_release(&instance->lock);
    *result = cache;
    return 0;
}

static uint64_t live_objects(const struct cache *cache)
{
    uint64_t others = atomic_load_explicit(&cache->slabs, memory_order_relaxed);
    struct page *page;
    uint64_t live = 0;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        if (cache->active[i]) {
            live += cache->active[i]->inuse;
            others--;
        }
    }
    cds_list_for_each_entry(page, &cache->partial, link) {
        live += page->inuse;
        others--;
    }
    return live + others * cache->objects;
}

/* Off the list, no reclaim can be at work on it; and the flusher is ended. */
static int slabifier_cache_destroy(void *running, struct cache *cache, struct error *error)
{
    struct slabifier_instance *instance = running;
    uint64_t live;

    lock_acquire(&instance->lock);
    cds_list_del(&cache->link);
    lock_release(&instance->lock);
    slabifier_flusher_cleanup(cache);
    live = live_objects(cache);
    if (live) {
        lock_acquire(&instance->lock);
        cds_list_add_tail(&cache->link, &instance->caches);
        lock_release(&instance->lock);
        return error_set(error, EBUSY,
                         "cache '%s' cannot be destroyed: %llu of its objects are live",
                         cache->params.name, (unsigned long long)live);
    }
    if (cache->graces)
        slabifier_grace_cleanup(cache);
    lock_cleanup(&cache->list_lock);
    boot_free(cache, cache_bytes());
    return 0;
}

/* ---- start, stop, reclaim ---- */

static int slabifier_start(const void *options, void **result, struct error *error)
{
    struct slabifier_instance *instance = boot_alloc(sizeof *instance, PAGE_ANY_NODE);

    if (!instance)
        return error_set(error, ENOMEM, "no memory for its descriptor");
    instance->options = *(const struct slabifier_options *)options;
    instance->flushers = work_queue_create(1);
    if (!instance->flushers) {
        boot_free(instance, sizeof *instance);
        return error_set(error, ENOMEM, "no memory for the queue of its flushers");
    }
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES, NULL);
    CDS_INIT_LIST_HEAD(&instance->caches);
    *result = instance;
    return 0;
}

static void slabifier_stop(void *running)
{
    struct slabifier_instance *instance = running;

    work_queue_destroy(instance->flushers);
    lock_cleanup(&instance->lock);
    boot_free(instance, sizeof *instance);
}

static void deactivate_every_own(void *argument)
{
    struct slabifier_instance *instance = argument;
    struct cds_list_head *link;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches)
        slabifier_deactivate_own(cds_list_entry(link, struct cache, link));
    lock_release(&instance->lock);
}

static bool any_in_grace(struct slabifier_instance *instance)
{
    struct cds_list_head *link;
    bool any = false;

    lock_acquire(&instance->lock);
    cds_list_for_each(link, &instance->caches) {
        const struct cache *cache = cds_list_entry(link, struct cache, link);

        any |= atomic_load_explicit(&cache->grace_pages, memory_order_relaxed) != 0;
    }
    lock_release(&instance->lock);
    return any;
}

/*
 * A shrink of every cache, without moving anything: both levels are one, but that the second waits
 * for the pages in grace. Partial slabs keep their live objects.
 */
static void slabifier_reclaim(void *running, unsigned level)
{
    struct slabifier_instance *instance = running;

    on_each_cpu(deactivate_every_own, instance);
    if (level >= 2 && any_in_grace(instance))
        grace_barrier();
}

/* ---- inspection ---- */

static void slab_check(const struct cache *cache, const struct page *page, bool active)
{
    uint32_t least = active ? 0 : 1, most = cache->objects - !active;

    if (page->owner != cache || slab_is(page, SLAB_ACTIVE) != active || page->inuse < least ||
        page->inuse > most || !slabifier_freelist_sound(cache, page))
        invariant_broken("slabifier", cache->params.name,
                         "%s slab %p: %u of %u objects in use, flags %x, freelist %s",
                         active ? "active" : "partial", page_address(page), page->inuse,
                         cache->objects, (unsigned)page->flags & BIT_LOCK_FLAGS,
                         slabifier_freelist_sound(cache, page) ? "sound" : "broken");
}

struct slab_counts {
    uint64_t slabs, active, partial, full;
};

/* Aborts unless the equations above hold. Only when no CPU runs. */
static struct slab_counts slabifier_check(const struct cache *cache)
{
    struct slab_counts counts = {.slabs = cache->slabs};
    struct page *page;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        if (!cache->active[i])
            continue;
        slab_check(cache, cache->active[i], true);
        counts.active++;
    }
    cds_list_for_each_entry(page, &cache->partial, link) {
        slab_check(cache, page, false);
        counts.partial++;
    }
    if (counts.partial != cache->nr_partial || counts.slabs < counts.active + counts.partial)
        invariant_broken("slabifier", cache->params.name,
                         "%llu slabs, %llu active, %llu on the partial list that counts %u",
                         (unsigned long long)counts.slabs, (unsigned long long)counts.active,
                         (unsigned long long)counts.partial, (unsigned)cache->nr_partial);
    counts.full = counts.slabs - counts.active - counts.partial;
    return counts;
}

static void slabifier_inspect(struct cache *cache, inspect_fn emit, void *context)
{
    struct slab_counts counts = slabifier_check(cache);

    emit(context, "object_bytes", cache->size);
    emit(context, "objects_per_slab", cache->objects);
    emit(context, "slab_bytes", cache->slab_bytes);
    emit(context, "link_offset", cache->offset);
    emit(context, "live", live_objects(cache));
    emit(context, "slabs", counts.slabs);
    emit(context, "slabs_active", counts.active);
    emit(context, "slabs_partial", counts.partial);
    emit(context, "slabs_full", counts.full);
    emit(context, "slab_grows", cache->grows);
    emit(context, "list_lock_acquisitions", cache->list_lock_acquisitions);
    emit(context, "flushes", cache->flushes);
    emit(context, "debug_reports", cache->debug_reports);
    emit(context, "grace_pages", cache->grace_pages);
}

static const struct allocator slabifier = {
    .name = "slabifier",
    .summary = "per-page freelists: one active slab a CPU, one partial list, no object queues",
    .source = "Lameter, the slabifier patch, linux-mm, October 2006",
    .layers = "per-CPU active slabs -> partial list -> pages",
    .debug_key = "debug",
    .tunables = slabifier_tunables,
    .options_size = sizeof(struct slabifier_options),
    .start = slabifier_start,
    .stop = slabifier_stop,
    .cache_create = slabifier_cache_create,
    .cache_destroy = slabifier_cache_destroy,
    .alloc = slabifier_alloc,
    .free = slabifier_free,
    .alloc_bulk = slabifier_alloc_bulk,
    .free_bulk = slabifier_free_bulk,
    .reclaim = slabifier_reclaim,
    .inspect = slabifier_inspect,
    .ledger = slabifier_ledger,
};
ALLOCATOR_REGISTER(slabifier);
