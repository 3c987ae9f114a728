/* SPDX-License-Identifier: MIT */
/*
 * How slabs of design slabifier stop being active without an allocation that asks for another: the
 * flusher, which ends those that were not allocated from for a while, and shrink, which ends all of
 * them and then empties partial slabs by moving their objects.
 *
 * The flusher is a timer and a piece of work, as the source's is a delayed work of the events'
 * thread: one that waits for every CPU does not run inside another's wait, however many caches
 * there are. No CPU is forgotten: one that gets an active slab finds the flusher armed, or makes it
 * so, or tells it while it is at work to come again. If it finds `armed` and that was an instant
 * ago, the visit that follows has not been to this CPU yet and will see the slab.
 */
#include "allocators/slabifier.h"
#include "allocators/slabifier_slab.h"

/* ---- active slabs ---- */

void slabifier_deactivate(struct cache *cache, struct page *page)
{
    cache->active[cpu_id()] = NULL;
    slabifier_slab_putback(cache, page);
}

void slabifier_deactivate_own(struct cache *cache)
{
    struct page *page = cache->active[cpu_id()];

    if (!page)
        return;
    slab_lock(cache, page);
    slabifier_deactivate(cache, page);
    account_trip();
}

static void deactivate_visit(void *cache)
{
    slabifier_deactivate_own(cache);
}

/* ---- flusher ---- */

/* On each CPU: a slab that was not allocated from since the last visit stops being active. */
static void flusher_visit(void *argument)
{
    struct cache *cache = argument;
    struct page *page = cache->active[cpu_id()];

    if (!page)
        return;
    slab_lock(cache, page);
    if (!slab_is(page, SLAB_REFERENCED)) {
        slabifier_deactivate(cache, page);
        account_trip();
        return;
    }
    slab_change(page, SLAB_REFERENCED, 0);
    slab_unlock(cache, page);
    slabifier_flusher_want(cache);
}

static void flusher_due(struct deferred *timer);

/* `state` says already that the timer is set here. */
static void flusher_set_timer(struct slabifier_flusher *flusher)
{
    defer(&flusher->timer, flusher->interval_ns, flusher_due);
}

static void flusher_work(struct work *work)
{
    struct slabifier_flusher *flusher = caa_container_of(work, struct slabifier_flusher, work);
    struct cache *cache = caa_container_of(flusher, struct cache, flusher);
    uint32_t at_work = FLUSHER_AT_WORK;

    atomic_fetch_add_explicit(&cache->flushes, 1, memory_order_relaxed);
    on_each_cpu(flusher_visit, cache);
    /* Once it is idle, the cache may be gone. */
    if (atomic_compare_exchange_strong_explicit(&flusher->state, &at_work, FLUSHER_IDLE,
                                                memory_order_release, memory_order_relaxed))
        return;
    atomic_store_explicit(&flusher->state, FLUSHER_ARMED + cpu_id(), memory_order_release);
    flusher_set_timer(flusher);
}

static void flusher_due(struct deferred *timer)
{
    struct slabifier_flusher *flusher = caa_container_of(timer, struct slabifier_flusher, timer);

    atomic_store_explicit(&flusher->state, FLUSHER_AT_WORK, memory_order_release);
    work_submit(flusher->queue, &flusher->work, flusher_work);
}

void slabifier_flusher_want(struct cache *cache)
{
    struct slabifier_flusher *flusher = &cache->flusher;
    uint32_t state = atomic_load_explicit(&flusher->state, memory_order_relaxed);

    while (state < FLUSHER_AGAIN) {
        uint32_t wanted = state == FLUSHER_IDLE ? FLUSHER_ARMED + cpu_id() : FLUSHER_AGAIN;

        if (!atomic_compare_exchange_weak_explicit(&flusher->state, &state, wanted,
                                                   memory_order_acq_rel, memory_order_relaxed)) {
            account_exchange_failed(EXCHANGE_FLUSHER);
            continue;
        }
        if (wanted != FLUSHER_AGAIN)
            flusher_set_timer(flusher);
        return;
    }
}

void slabifier_flusher_init(struct cache *cache, struct work_queue *queue, uint64_t interval_ns)
{
    cache->flusher.queue = queue;
    cache->flusher.interval_ns = interval_ns;
}

/* On each CPU: its slab, and the timer if that is set here. */
static void leave_visit(void *argument)
{
    struct cache *cache = argument;
    struct slabifier_flusher *flusher = &cache->flusher;

    slabifier_deactivate_own(cache);
    if (atomic_load_explicit(&flusher->state, memory_order_acquire) != FLUSHER_ARMED + cpu_id())
        return;
    defer_cancel(&flusher->timer);
    atomic_store_explicit(&flusher->state, FLUSHER_IDLE, memory_order_release);
}

static bool flusher_rests(void *flusher)
{
    uint32_t state =
        atomic_load_explicit(&((struct slabifier_flusher *)flusher)->state, memory_order_acquire);

    return state == FLUSHER_IDLE || state >= FLUSHER_ARMED;
}

/* A flusher that was at work may be armed by a slab it saw earlier: but once. */
void slabifier_flusher_cleanup(struct cache *cache)
{
    struct slabifier_flusher *flusher = &cache->flusher;

    do {
        on_each_cpu(leave_visit, cache);
        wait_for(flusher_rests, flusher, UINT64_MAX);
    } while (atomic_load_explicit(&flusher->state, memory_order_acquire) != FLUSHER_IDLE);
}

/* ---- shrink ---- */

/* The slab is pinned and locked: nothing is allocated from it, and what is freed stays in it. */
static void slab_move_objects(struct cache *cache, struct page *page, slabifier_move_fn move,
                              void *context)
{
    char *base = page_address(page);

    for (uint32_t i = 0; i < cache->objects && page->inuse != 0; i++) {
        char *object = base + (size_t)i * cache->size;

        if (slabifier_freelist_holds(cache, page, object))
            continue;
        slab_unlock(cache, page);
        move(cache, object, context);
        slab_lock(cache, page);
    }
}

void slabifier_shrink(struct cache *cache, slabifier_move_fn move, void *context)
{
    uint32_t visits;

    on_each_cpu(deactivate_visit, cache);
    if (!move)
        return;
    /* What cannot be emptied goes to the tail: all that are there now but one, and none twice. */
    visits = atomic_load_explicit(&cache->nr_partial, memory_order_relaxed);
    while (visits-- > 1) {
        struct page *page = slabifier_partial_take_head(cache);

        if (!page)
            return;
        slab_change(page, 0, SLAB_ACTIVE);
        slab_move_objects(cache, page, move, context);
        slabifier_slab_putback(cache, page);
    }
}
