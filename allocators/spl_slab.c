/* SPDX-License-Identifier: MIT */
/*
 * The slab layer of design spl: slabs cut from ranges, two lists under the cache's lock, growth by
 * workers, reclaim from the tail of partial.
 */
#include "allocators/invariant.h"
#include "allocators/spl.h"

#include <errno.h>

#define COLD __attribute__((noinline, cold))

#define SLAB_MAGIC   0x736c6162u /* "slab" */
#define HEADER_MAGIC 0x6f626a73u /* "objs" */

/* Objects ahead of the one that is put back. */
#define PREFETCH_AHEAD 8

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* ---- layout ---- */

int spl_slabs_init(struct cache *cache, uint64_t objects_per_slab, size_t slab_bytes_max,
                   struct error *error)
{
    size_t align = cache->params.align, room, fitting = 0;

    cache->first_offset = round_up(sizeof(struct spl_slab), align);
    room = slab_bytes_max - cache->first_offset;
    if (cache->params.size <= room) { /* so that nothing below overflows */
        cache->header_offset = round_up(cache->params.size, align);
        cache->slot_bytes = cache->header_offset + round_up(sizeof(struct spl_header), align);
        fitting = room / cache->slot_bytes;
    }
    if (fitting == 0)
        return error_set(error, EINVAL,
                         "cache '%s': an object of %zu bytes does not fit a slab of %zu (tunable "
                         "max_slab_mb)",
                         cache->params.name, cache->params.size, slab_bytes_max);
    cache->objects_per_slab = (uint32_t)(objects_per_slab < fitting ? objects_per_slab : fitting);
    cache->slab_pages =
        round_up(cache->first_offset + cache->objects_per_slab * cache->slot_bytes, PAGE_SIZE) >>
        PAGE_SHIFT;
    lock_init(&cache->lock, LOCK_CLASS_CACHE, LOCK_RANK_CACHE, cache->params.name);
    CDS_INIT_LIST_HEAD(&cache->complete);
    CDS_INIT_LIST_HEAD(&cache->partial);
    CDS_INIT_LIST_HEAD(&cache->ghosts.waiting);
    CDS_INIT_LIST_HEAD(&cache->ghosts.next);
    RB_INIT(&cache->emergencies);
    return 0;
}

void spl_slabs_cleanup(struct cache *cache)
{
    spl_slabs_reclaim(cache);
    spl_ghosts_wait(cache);
    if (cache->counts.objects_total)
        invariant_broken("spl", cache->params.name, "torn down with %llu objects in its slabs",
                         (unsigned long long)cache->counts.objects_total);
    lock_cleanup(&cache->lock);
}

static struct spl_header *header_of(const struct cache *cache, const void *object)
{
    return (struct spl_header *)((uintptr_t)object + cache->header_offset);
}

/* Calls fn, the debug layer's if there is one, for each buffer of the slab. */
static void each_buffer(const struct cache *cache, const struct spl_slab *slab,
                        void (*fn)(void *buffer, void *context))
{
    char *buffer = (char *)slab + cache->first_offset;

    for (uint32_t i = 0; fn && i < slab->objects; i++, buffer += cache->slot_bytes)
        fn(buffer, cache->params.context);
}

/* Objects are free in order of address, so that they are handed out ascending. */
static struct spl_slab *slab_create(struct cache *cache)
{
    struct spl_slab *slab = range_alloc(cache->slab_pages, PAGE_ANY_NODE);
    char *object;

    if (!slab)
        return NULL;
    *slab =
        (struct spl_slab){.magic = SLAB_MAGIC, .objects = cache->objects_per_slab, .cache = cache};
    CDS_INIT_LIST_HEAD(&slab->free);
    object = (char *)slab + cache->first_offset;
    for (uint32_t i = 0; i < slab->objects; i++) {
        struct spl_header *header = header_of(cache, object);

        header->magic = HEADER_MAGIC;
        header->object = object;
        header->slab = slab;
        cds_list_add_tail(&header->link, &slab->free);
        object += cache->slot_bytes;
    }
    each_buffer(cache, slab, cache->params.buffer_made);
    return slab;
}

static void slabs_destroy(struct cache *cache, struct cds_list_head *slabs)
{
    struct spl_slab *slab, *next;

    cds_list_for_each_entry_safe(slab, next, slabs, link) {
        each_buffer(cache, slab, cache->params.buffer_gone);
        range_free(slab, cache->slab_pages);
    }
}

/* ---- objects: under the lock ---- */

static void *object_take(struct cache *cache, struct spl_slab *slab)
{
    struct spl_header *header = cds_list_first_entry(&slab->free, struct spl_header, link);

    cds_list_del_init(&header->link);
    if (slab->inuse++ == 0)
        cache->counts.slabs_in_use++;
    return header->object;
}

/* A full slab goes to the head of complete. */
uint32_t spl_slabs_take(struct cache *cache, uint32_t want, void **objects, uint64_t *growths)
{
    struct spl_counts *counts = &cache->counts;
    uint32_t got = 0;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    while (got < want && !cds_list_empty(&cache->partial)) {
        struct spl_slab *slab = cds_list_first_entry(&cache->partial, struct spl_slab, link);

        while (got < want && slab->inuse < slab->objects)
            objects[got++] = object_take(cache, slab);
        if (slab->inuse == slab->objects)
            cds_list_move(&slab->link, &cache->complete);
    }
    counts->objects_in_use += got;
    if (counts->objects_in_use > counts->objects_max)
        counts->objects_max = counts->objects_in_use;
    if (counts->slabs_in_use > counts->slabs_max)
        counts->slabs_max = counts->slabs_in_use;
    *growths = atomic_load_explicit(&cache->growths, memory_order_relaxed);
    lock_release(&cache->lock);
    return got;
}

COLD void spl_bad_free(const struct cache *cache, const void *object, const char *what)
{
    invariant_broken("spl", cache->params.name, "bad free of %p: %s", object, what);
}

/* The header is about to be written, so what stands there costs little to check. */
static struct spl_header *header_checked(const struct cache *cache, const void *object)
{
    struct spl_header *header = header_of(cache, object);

    if (!page_in_arena(object))
        spl_bad_free(cache, object, "it is not in the arena");
    if (header->magic != HEADER_MAGIC || header->object != object)
        spl_bad_free(cache, object, "there is no object of this cache");
    if (header->slab->magic != SLAB_MAGIC || header->slab->cache != cache)
        spl_bad_free(cache, object, "it belongs to another cache");
    if (!cds_list_empty(&header->link))
        spl_bad_free(cache, object, "it is free already");
    return header;
}

/*
 * To the head of its slab's free list. A slab that was full goes to the head of partial, one that
 * is empty now to the tail: both, when it has but one object.
 */
static void object_put(struct cache *cache, void *object)
{
    struct spl_header *header = header_checked(cache, object);
    struct spl_slab *slab = header->slab;

    cds_list_add(&header->link, &slab->free);
    if (slab->inuse-- == slab->objects)
        cds_list_move(&slab->link, &cache->partial);
    if (slab->inuse == 0) {
        cds_list_del(&slab->link);
        cds_list_add_tail(&slab->link, &cache->partial);
        cache->counts.slabs_in_use--;
    }
}

/* Headers are cold: asked for some objects early, they come while others are put back. */
void spl_slabs_put(struct cache *cache, uint32_t count, void *const *objects)
{
    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    for (uint32_t i = 0; i < count; i++) {
        if (i + PREFETCH_AHEAD < count)
            __builtin_prefetch(header_of(cache, objects[i + PREFETCH_AHEAD]), 1);
        object_put(cache, objects[i]);
    }
    cache->counts.objects_in_use -= count;
    lock_release(&cache->lock);
}

/* ---- pages that wait for a grace period ---- */

static void ghosts_past_grace(struct grace *grace)
{
    struct spl_ghosts *ghosts = caa_container_of(grace, struct spl_ghosts, grace);
    struct cache *cache = caa_container_of(ghosts, struct cache, ghosts);
    struct cds_list_head gone, *slab;
    size_t pages = 0;
    bool again;

    CDS_INIT_LIST_HEAD(&gone);
    lock_acquire(&cache->lock);
    cds_list_splice(&ghosts->waiting, &gone);
    CDS_INIT_LIST_HEAD(&ghosts->waiting);
    cds_list_splice(&ghosts->next, &ghosts->waiting);
    CDS_INIT_LIST_HEAD(&ghosts->next);
    again = ghosts->called = !cds_list_empty(&ghosts->waiting);
    lock_release(&cache->lock);
    if (again)
        grace_call(&ghosts->grace, ghosts_past_grace);
    cds_list_for_each(slab, &gone)
        pages += cache->slab_pages;
    slabs_destroy(cache, &gone);
    atomic_fetch_sub_explicit(&ghosts->pages, pages, memory_order_release);
}

/*
 * Slab headers have no room for a struct grace, so the cache has one, for all slabs that came
 * before its grace period began. Those that come while it runs wait for the next.
 */
static void ghosts_add(struct cache *cache, struct cds_list_head *slabs)
{
    struct spl_ghosts *ghosts = &cache->ghosts;
    struct cds_list_head *slab;
    size_t pages = 0;
    bool begin;

    if (cds_list_empty(slabs))
        return;
    cds_list_for_each(slab, slabs)
        pages += cache->slab_pages;
    atomic_fetch_add_explicit(&ghosts->pages, pages, memory_order_relaxed);
    lock_acquire(&cache->lock);
    begin = !ghosts->called;
    ghosts->called = true;
    cds_list_splice(slabs, begin ? &ghosts->waiting : &ghosts->next);
    lock_release(&cache->lock);
    if (begin)
        grace_call(&ghosts->grace, ghosts_past_grace);
}

void spl_ghosts_wait(struct cache *cache)
{
    while (atomic_load_explicit(&cache->ghosts.pages, memory_order_acquire) != 0)
        grace_barrier();
}

/* ---- reclaim ---- */

/* Takes the slabs off under the lock, and lets go of their memory without it. */
void spl_slabs_reclaim(struct cache *cache)
{
    struct cds_list_head empty;
    struct spl_slab *slab;

    CDS_INIT_LIST_HEAD(&empty);
    lock_acquire(&cache->lock);
    while (!cds_list_empty(&cache->partial)) {
        slab = cds_list_entry(cache->partial.prev, struct spl_slab, link);
        if (slab->inuse)
            break;
        cds_list_move(&slab->link, &empty);
        cache->counts.slabs_total--;
        cache->counts.objects_total -= slab->objects;
    }
    lock_release(&cache->lock);
    if (cache->params.flags & CACHE_RCU)
        ghosts_add(cache, &empty);
    else
        slabs_destroy(cache, &empty);
}

/* ---- growth ---- */

/*
 * By a worker. Clearing `growing` is the last thing it does with the cache: who waits for that may
 * destroy it.
 */
static void grow(struct work *work)
{
    struct cache *cache = caa_container_of(work, struct cache, growth);
    struct spl_slab *slab = slab_create(cache);

    lock_acquire(&cache->lock);
    if (slab) {
        cds_list_add_tail(&slab->link, &cache->partial);
        cache->counts.slabs_total++;
        cache->counts.objects_total += slab->objects;
        atomic_store_explicit(&cache->deadlocked, 0, memory_order_relaxed);
        atomic_fetch_add_explicit(&cache->growths, 1, memory_order_release);
    } else {
        cache->counts.growth_failures++;
    }
    lock_release(&cache->lock);
    atomic_store_explicit(&cache->growing, 0, memory_order_release);
}

void spl_growth_submit(struct cache *cache)
{
    if (atomic_exchange_explicit(&cache->growing, 1, memory_order_acquire) == 0)
        work_submit(cache->workers, &cache->growth, grow);
    else
        account_exchange_failed(EXCHANGE_GROWING);
}

struct growth_wait {
    struct cache *cache;
    uint64_t growths;
};

static bool growth_succeeded(const void *argument)
{
    const struct growth_wait *wait = argument;

    return atomic_load_explicit(&wait->cache->growths, memory_order_acquire) != wait->growths;
}

/* `growing` is cleared after success is counted, so who sees it clear sees that too. */
static bool growth_over(void *argument)
{
    const struct growth_wait *wait = argument;

    return growth_succeeded(argument) ||
           !atomic_load_explicit(&wait->cache->growing, memory_order_acquire);
}

int spl_growth_wait(struct cache *cache, uint64_t growths)
{
    struct growth_wait wait = {cache, growths};
    int code = 0;

    account_layer(LAYER_PAGE); /* by way of a worker, perhaps another CPU's */
    wait_for(growth_over, &wait, cache->grow_timeout_ns);
    if (growth_succeeded(&wait))
        return 0;
    lock_acquire(&cache->lock);
    /* The growth may have come since; a mark set now would stay until the next one. */
    if (!growth_succeeded(&wait)) {
        code = -ENOMEM;
        if (atomic_load_explicit(&cache->growing, memory_order_relaxed)) {
            code = -ETIMEDOUT;
            atomic_store_explicit(&cache->deadlocked, 1, memory_order_relaxed);
            cache->counts.deadlocks++;
        }
    }
    lock_release(&cache->lock);
    return code;
}

/* ---- ledger ---- */

/* The slab header's rounding up to the alignment is as good as color: no object fits there. */
static struct ledger_slab slab_as_told(const struct cache *cache)
{
    return (struct ledger_slab){
        .bytes = cache->slab_pages << PAGE_SHIFT,
        .record_bytes = sizeof(struct spl_slab),
        .object_bytes = cache->header_offset,
        .stride = cache->slot_bytes,
        .objects = cache->objects_per_slab,
    };
}

/* How many they are. */
static uint64_t partial_ledger(const struct cache *cache, struct ledger *ledger)
{
    struct ledger_slab as_told = slab_as_told(cache);
    const struct spl_slab *slab;
    uint64_t count = 0;

    cds_list_for_each_entry(slab, &cache->partial, link) {
        as_told.base = slab;
        as_told.out = slab->inuse;
        ledger_add_slab(ledger, &as_told, LEDGER_OBJECTS);
        count++;
    }
    return count;
}

/* Complete slabs, the most of all as a rule, are all alike. */
static void complete_ledger(const struct cache *cache, uint64_t count, struct ledger *ledger)
{
    struct ledger_slab as_told = slab_as_told(cache);
    const struct spl_slab *slab;

    as_told.out = as_told.objects;
    ledger_add_slabs(ledger, &as_told, count, LEDGER_OBJECTS);
    if (ledger->keeps_claims)
        cds_list_for_each_entry(slab, &cache->complete, link)
            ledger_claim(ledger, slab, as_told.bytes);
}

static void ghosts_ledger(const struct cache *cache, const struct cds_list_head *slabs,
                          struct ledger *ledger)
{
    const struct spl_slab *slab;

    cds_list_for_each_entry(slab, slabs, link)
        ledger_add_grace(ledger, slab, cache->slab_pages << PAGE_SHIFT);
}

void spl_slabs_ledger(struct cache *cache, struct ledger *ledger)
{
    complete_ledger(cache, cache->counts.slabs_total - partial_ledger(cache, ledger), ledger);
    ghosts_ledger(cache, &cache->ghosts.waiting, ledger);
    ghosts_ledger(cache, &cache->ghosts.next, ledger);
}

/* ---- checks ---- */

static _Noreturn COLD void miscounted(const struct cache *cache, const char *what, uint64_t count,
                                      uint64_t found)
{
    invariant_broken("spl", cache->params.name, "%s is %llu, but there are %llu", what,
                     (unsigned long long)count, (unsigned long long)found);
}

static void check_count(const struct cache *cache, const char *what, uint64_t count, uint64_t found)
{
    if (count != found)
        miscounted(cache, what, count, found);
}

struct spl_lists spl_slabs_check(struct cache *cache)
{
    uint64_t objects = 0, inuse = 0, emergency = 0;
    struct spl_emergency *it;
    struct spl_lists lists = {0};
    struct spl_slab *slab;

    lock_acquire(&cache->lock);
    cds_list_for_each_entry(slab, &cache->complete, link) {
        check_count(cache, "objects in use of a slab on the complete list", slab->inuse,
                    slab->objects);
        lists.complete++;
        objects += slab->objects;
        inuse += slab->inuse;
    }
    cds_list_for_each_entry(slab, &cache->partial, link) {
        if (slab->inuse >= slab->objects)
            miscounted(cache, "objects in use of a slab on the partial list", slab->inuse,
                       slab->objects);
        *(slab->inuse ? &lists.partial : &lists.empty) += 1;
        objects += slab->objects;
        inuse += slab->inuse;
    }
    RB_FOREACH(it, spl_emergencies, &cache->emergencies)
    emergency++;
    check_count(cache, "emergency", atomic_load(&cache->emergency), emergency);
    check_count(cache, "slabs_total", cache->counts.slabs_total,
                lists.complete + lists.partial + lists.empty);
    check_count(cache, "slabs_in_use", cache->counts.slabs_in_use, lists.complete + lists.partial);
    check_count(cache, "objects_in_use", cache->counts.objects_in_use, inuse);
    check_count(cache, "objects_total", cache->counts.objects_total, objects + emergency);
    lock_release(&cache->lock);
    return lists;
}
