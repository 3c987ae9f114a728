/* SPDX-License-Identifier: MIT */
/*
 * Slabs of design x15: partial and free lists, bufctls inside of free buffers, colors, growth
 * without the lock. No page goes back while the cache lives.
 */
#include "allocators/x15.h"

#include "allocators/invariant.h"

/* ---- layout ---- */

/* Buffers of fewer bytes have their slab record in the slab, whatever that wastes. */
#define EMBED_BELOW (PAGE_SIZE / 8)

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/*
 * A free buffer's bufctl is its last word, so its first bytes survive. Objects that may not be
 * written while free, or are read then, get a word more for it. Verify mode puts it behind the
 * buffer, and the buftag behind that.
 */
static void layout_buffer(struct cache *cache)
{
    const struct cache_params *params = &cache->params;
    bool untouched = params->flags & (CACHE_NO_TOUCH | CACHE_RCU);
    size_t rounded = round_up(params->size, params->align);

    if (cache->verify) {
        cache->bufctl_offset = rounded;
        cache->object_bytes =
            round_up(cache->bufctl_offset + sizeof(union x15_bufctl) + sizeof(struct x15_buftag),
                     params->align);
        cache->patterns = !untouched;
    } else {
        cache->object_bytes =
            round_up(params->size + (untouched ? sizeof(union x15_bufctl) : 0), params->align);
        cache->bufctl_offset = cache->object_bytes - sizeof(union x15_bufctl);
    }
    /* A bufctl of its own may lie in what the alignment adds. */
    cache->usable_bytes = rounded;
    if ((cache->verify || untouched) && cache->bufctl_offset < rounded)
        cache->usable_bytes = cache->bufctl_offset;
}

/*
 * "One page, and a page more until one buffer fits" comes to the pages that a buffer fills, rounded
 * up: where the record is embedded, the waste has room for it; where a buffer is below EMBED_BELOW,
 * the page has. So the slack, which the design sets to 0 when it is a page or more, never is.
 */
static void layout_slab(struct cache *cache, struct cache *slab_records)
{
    size_t usable = cache->slab_bytes = round_up(cache->object_bytes, PAGE_SIZE);
    bool embedded = cache->object_bytes < EMBED_BELOW ||
                    cache->slab_bytes % cache->object_bytes >= sizeof(struct x15_slab);

    if (embedded)
        usable -= sizeof(struct x15_slab);
    else
        cache->slab_records = slab_records;
    cache->registered = cache->verify || !embedded || cache->slab_bytes > PAGE_SIZE;
    cache->objects_per_slab = (uint32_t)(usable / cache->object_bytes);
    cache->slack = usable % cache->object_bytes;
}

void x15_slabs_init(struct cache *cache, struct cache *slab_records)
{
    layout_buffer(cache);
    layout_slab(cache, slab_records);
    lock_init(&cache->lock, LOCK_CLASS_CACHE, LOCK_RANK_CACHE, cache->params.name);
    CDS_INIT_LIST_HEAD(&cache->partial);
    CDS_INIT_LIST_HEAD(&cache->free);
    CDS_INIT_LIST_HEAD(&cache->first_pages);
}

/* ---- slabs: made and given back without the lock ---- */

static char *import(const struct cache *cache)
{
    if (cache->slab_bytes == PAGE_SIZE)
        return page_alloc(0, PAGE_ANY_NODE);
    return range_alloc(cache->slab_bytes >> PAGE_SHIFT, PAGE_ANY_NODE);
}

static void export(const struct cache *cache, char *base)
{
    if (cache->slab_bytes == PAGE_SIZE)
        page_free(base, 0);
    else
        range_free(base, cache->slab_bytes >> PAGE_SHIFT);
}

/* The record at the end of a slab that begins at `base`. */
static struct x15_slab *embedded_record(const struct cache *cache, char *base)
{
    return (struct x15_slab *)(base + cache->slab_bytes) - 1;
}

static char *page_start(const void *address)
{
    return (char *)((uintptr_t)address & ~(uintptr_t)PAGE_MASK);
}

/* A color is less than a page. */
static char *slab_base(const struct x15_slab *slab)
{
    return page_start(slab->buffers);
}

static void pages_set_owner(const struct cache *cache, char *base, struct x15_slab *owner)
{
    struct page *page = page_of(base);

    for (size_t i = 0; i < cache->slab_bytes >> PAGE_SHIFT; i++)
        page[i].owner = owner;
}

/* Chained upwards, each before the last: the highest buffer goes out first. */
static void chain_buffers(const struct cache *cache, struct x15_slab *slab)
{
    char *buffer = slab->buffers;

    slab->first_free = NULL;
    for (uint32_t i = 0; i < cache->objects_per_slab; i++, buffer += cache->object_bytes) {
        union x15_bufctl *bufctl = x15_bufctl_of(cache, buffer);

        bufctl->next = slab->first_free;
        slab->first_free = bufctl;
    }
}

static struct x15_slab *slab_create(struct cache *cache, size_t color)
{
    char *base = import(cache);
    struct x15_slab *slab;

    if (!base)
        return NULL;
    if (cache->slab_records) {
        slab = x15_alloc(cache->slab_records, NULL);
        if (!slab) {
            export(cache, base);
            return NULL;
        }
    } else {
        slab = embedded_record(cache, base);
    }
    machine_memory_is(slab, sizeof *slab, MEMORY_SLAB_RECORD);
    slab->busy = 0;
    slab->cache = x15_tag(cache);
    slab->buffers = base + color;
    chain_buffers(cache, slab);
    if (cache->verify)
        x15_verify_slab(cache, slab);
    if (cache->registered)
        pages_set_owner(cache, base, slab);
    return slab;
}

static void slab_destroy(struct cache *cache, struct x15_slab *slab)
{
    char *base = slab_base(slab);

    if (cache->registered)
        pages_set_owner(cache, base, NULL);
    if (cache->slab_records)
        x15_free_to_slabs(cache->slab_records, slab);
    export(cache, base);
}

static void free_slabs_destroy(struct cache *cache)
{
    struct x15_slab *slab, *next;

    cds_list_for_each_entry_safe(slab, next, &cache->free, link)
        slab_destroy(cache, slab);
}

static void grace_over(struct grace *grace)
{
    struct cache *cache = caa_container_of(grace, struct cache, grace);

    free_slabs_destroy(cache);
    cache->grace_pages = 0;
}

/* Nobody else knows the cache any more, but readers may know its objects. */
void x15_slabs_cleanup(struct cache *cache)
{
    if (cache->live)
        invariant_broken("x15", cache->params.name, "torn down with %llu live objects",
                         (unsigned long long)cache->live);
    if ((cache->params.flags & CACHE_RCU) && cache->slabs) {
        cache->grace_pages = cache->slabs * (cache->slab_bytes >> PAGE_SHIFT);
        grace_call(&cache->grace, grace_over);
        grace_barrier();
    } else {
        free_slabs_destroy(cache);
    }
    lock_cleanup(&cache->lock);
}

/* ---- growth ---- */

/* Under the lock: does the slab layer have no buffer to give? */
static bool slabs_dry(struct cache *cache)
{
    return cds_list_empty(&cache->partial) && cds_list_empty(&cache->free);
}

/* Colors go 0, align, 2 align ... up to the slack and begin again. */
static size_t color_take(struct cache *cache)
{
    size_t color = cache->next_color;

    if (!cache->color)
        return 0;
    cache->next_color = color + cache->params.align;
    if (cache->next_color > cache->slack)
        cache->next_color = 0;
    return color;
}

bool x15_grow(struct cache *cache)
{
    struct x15_slab *slab;
    size_t color;
    bool grown;

    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    if (!slabs_dry(cache)) {
        lock_release(&cache->lock);
        return true;
    }
    color = color_take(cache);
    lock_release(&cache->lock);

    slab = slab_create(cache, color);

    lock_acquire(&cache->lock);
    if (slab) {
        cds_list_add(&slab->link, &cache->free);
        cds_list_add(&page_of(slab_base(slab))->link, &cache->first_pages);
        cache->slabs++;
        cache->free_slabs++;
        cache->grows++;
    }
    grown = !slabs_dry(cache); /* also when another CPU's slab or free came in time */
    lock_release(&cache->lock);
    return grown;
}

/* ---- buffers ---- */

void *x15_slab_take(struct cache *cache)
{
    union x15_bufctl *bufctl;
    struct x15_slab *slab;

    if (!cds_list_empty(&cache->partial))
        slab = cds_list_first_entry(&cache->partial, struct x15_slab, link);
    else if (!cds_list_empty(&cache->free))
        slab = cds_list_first_entry(&cache->free, struct x15_slab, link);
    else
        return NULL;

    bufctl = slab->first_free;
    slab->first_free = bufctl->next;
    slab->busy++;
    cache->live++;
    cache->allocs++;
    if (slab->busy == 1)
        cache->free_slabs--;
    /* Full first: a slab of one buffer goes from free to no list. */
    if (slab->busy == cache->objects_per_slab) {
        cds_list_del(&slab->link);
    } else if (slab->busy == 1) {
        /* At the tail, so that older slabs are filled before it. */
        cds_list_del(&slab->link);
        cds_list_add_tail(&slab->link, &cache->partial);
    }
    return (char *)bufctl - cache->bufctl_offset;
}

static _Noreturn X15_COLD void bad_free(const struct cache *cache, const void *buffer,
                                        const char *what)
{
    invariant_broken("x15", cache->params.name, "bad free of %p: %s", buffer, what);
}

static struct x15_slab *slab_of(const struct cache *cache, void *buffer)
{
    struct x15_slab *slab;

    if (!page_in_arena(buffer))
        bad_free(cache, buffer, "it is not in the arena");
    if (cache->registered)
        slab = page_of(buffer)->owner;
    else
        slab = embedded_record(cache, page_start(buffer));
    if (!slab || slab->cache != x15_tag(cache))
        bad_free(cache, buffer, "no slab of this cache holds it");
    if (slab->busy == 0)
        bad_free(cache, buffer, "nothing of its slab is allocated");
    return slab;
}

void x15_slab_prefetch(const struct cache *cache, void *buffer)
{
    if (cache->registered)
        __builtin_prefetch(page_of(buffer));
    else
        __builtin_prefetch(embedded_record(cache, page_start(buffer)), 1);
    __builtin_prefetch(x15_bufctl_of(cache, buffer), 1);
}

void x15_slab_put(struct cache *cache, void *buffer)
{
    struct x15_slab *slab = slab_of(cache, buffer);
    union x15_bufctl *bufctl = x15_bufctl_of(cache, buffer);
    bool was_full = slab->busy == cache->objects_per_slab;

    bufctl->next = slab->first_free;
    slab->first_free = bufctl;
    slab->busy--;
    cache->live--;
    if (slab->busy == 0) {
        if (!was_full)
            cds_list_del(&slab->link);
        cds_list_add(&slab->link, &cache->free);
        cache->free_slabs++;
    } else if (was_full) {
        cds_list_add(&slab->link, &cache->partial);
    }
}

void x15_slabs_return(struct cache *cache, void *buffer)
{
    account_layer(LAYER_SLAB);
    lock_acquire(&cache->lock);
    x15_slab_put(cache, buffer);
    lock_release(&cache->lock);
}

void x15_free_to_slabs(struct cache *cache, void *buffer)
{
    if (cache->verify)
        x15_verify_free(cache, buffer);
    x15_slabs_return(cache, buffer);
}

/* ---- checks, ledger ---- */

/* Slabs of a list; adds up their free buffers. */
static uint64_t tally(const struct cache *cache, const struct cds_list_head *list, uint32_t least,
                      uint32_t most, uint64_t *free_buffers)
{
    struct x15_slab *slab;
    uint64_t slabs = 0;

    cds_list_for_each_entry(slab, list, link) {
        if (slab->busy < least || slab->busy > most)
            invariant_broken("x15", cache->params.name,
                             "slab %p with %u of %u objects out is on a wrong list", (void *)slab,
                             slab->busy, cache->objects_per_slab);
        slabs++;
        *free_buffers += cache->objects_per_slab - slab->busy;
    }
    return slabs;
}

uint64_t x15_slabs_check(struct cache *cache)
{
    uint64_t free_buffers = 0, slabs = 0, partial_slabs, free_slabs;
    struct cds_list_head *first_page;

    cds_list_for_each(first_page, &cache->first_pages)
        slabs++;
    if (slabs != cache->slabs)
        invariant_broken("x15", cache->params.name, "%llu slabs, but %llu in the list of all",
                         (unsigned long long)cache->slabs, (unsigned long long)slabs);
    partial_slabs = tally(cache, &cache->partial, 1, cache->objects_per_slab - 1, &free_buffers);
    free_slabs = tally(cache, &cache->free, 0, 0, &free_buffers);
    if (free_slabs != cache->free_slabs)
        invariant_broken("x15", cache->params.name, "%llu free slabs, but %llu on their list",
                         (unsigned long long)cache->free_slabs, (unsigned long long)free_slabs);
    if (cache->slabs * cache->objects_per_slab - cache->live != free_buffers)
        invariant_broken("x15", cache->params.name,
                         "%llu of %llu slabs' objects live, but %llu free",
                         (unsigned long long)cache->live, (unsigned long long)cache->slabs,
                         (unsigned long long)free_buffers);
    return partial_slabs;
}

/*
 * Slabs wait for a grace period only while their cache is being destroyed, which is over when no
 * CPU runs. A record that is not embedded is an object of the cache of slab records.
 */
void x15_slabs_ledger(const struct cache *cache, struct ledger *ledger, enum ledger_use use)
{
    struct page *page;

    cds_list_for_each_entry(page, &cache->first_pages, link) {
        char *base = page_address(page);
        const struct x15_slab *slab =
            cache->slab_records ? page->owner : embedded_record(cache, base);
        const struct ledger_slab entry = {
            .base = base,
            .bytes = cache->slab_bytes,
            .record_bytes = cache->slab_records ? 0 : sizeof *slab,
            .object_bytes = cache->usable_bytes,
            .stride = cache->object_bytes,
            .objects = cache->objects_per_slab,
            .out = slab->busy,
        };

        ledger_add_slab(ledger, &entry, use);
    }
}
