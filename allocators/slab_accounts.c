/* SPDX-License-Identifier: MIT */
/*
 * What the slab layer says of itself: that its invariants hold, its inner counts, and where its
 * memory is.
 */
#include "allocators/slab.h"

#include "allocators/invariant.h"

/* ---- checks, inspection ---- */

struct slab_tally {
    uint64_t slabs;
    uint64_t busy;
};

static struct slab_tally tally(struct slab_cache *cache, const struct cds_list_head *list,
                               uint32_t least, uint32_t most)
{
    struct slab_tally sum = {0};
    struct slab *slab;

    cds_list_for_each_entry(slab, list, link) {
        if (slab->busy < least || slab->busy > most)
            invariant_broken(cache->design, cache->params.name,
                             "slab %p with %u of %u objects out is on a wrong list", (void *)slab,
                             slab->busy, cache->objects_per_slab);
        sum.slabs++;
        sum.busy += slab->busy;
    }
    return sum;
}

struct slab_tallies {
    struct slab_tally full, partial, empty, waiting;
};

static struct slab_tallies tally_all(struct slab_cache *cache)
{
    uint32_t objects = cache->objects_per_slab;
    struct slab_tallies sums;

    lock_acquire(&cache->lock);
    sums.full = tally(cache, &cache->full, objects, objects);
    sums.partial = tally(cache, &cache->partial, 1, objects - 1);
    sums.empty = tally(cache, &cache->empty, 0, 0);
    sums.waiting = tally(cache, &cache->waiting, 0, 0);
    if (sums.full.busy + sums.partial.busy != cache->live)
        invariant_broken(cache->design, cache->params.name, "%llu objects live, but %llu out",
                         (unsigned long long)cache->live,
                         (unsigned long long)(sums.full.busy + sums.partial.busy));
    if (cache->large && cache->hash.items != cache->live)
        invariant_broken(cache->design, cache->params.name,
                         "%llu objects live, but %zu in the hash", (unsigned long long)cache->live,
                         cache->hash.items);
    lock_release(&cache->lock);
    return sums;
}

void slab_cache_check(struct slab_cache *cache)
{
    tally_all(cache);
}

void slab_cache_inspect(struct slab_cache *cache, inspect_fn emit, void *context)
{
    struct slab_tallies sums = tally_all(cache);

    emit(context, "object_bytes", cache->object_bytes);
    emit(context, "objects_per_slab", cache->objects_per_slab);
    emit(context, "slab_bytes", cache->slab_bytes);
    emit(context, "live", cache->live);
    emit(context, "slab_allocs", cache->allocs);
    emit(context, "slab_grows", cache->grows);
    emit(context, "slabs_full", sums.full.slabs);
    emit(context, "slabs_partial", sums.partial.slabs);
    emit(context, "slabs_empty", sums.empty.slabs);
    emit(context, "grace_pages", sums.waiting.slabs * (cache->slab_bytes >> PAGE_SHIFT));
    if (cache->large)
        slab_hash_inspect(&cache->hash, emit, context);
}

/* ---- ledger ---- */

static struct ledger_slab slab_as_told(const struct slab_cache *cache)
{
    /* The record of a large slab is an object of the cache that it is from. */
    return (struct ledger_slab){
        .bytes = cache->slab_bytes,
        .record_bytes = cache->large ? 0 : sizeof(struct slab),
        .object_bytes = cache->object_bytes,
        .stride = cache->object_bytes,
        .objects = cache->objects_per_slab,
    };
}

/* Objects out of the slabs of the list. */
static uint64_t list_ledger(const struct slab_cache *cache, const struct cds_list_head *list,
                            struct ledger *ledger, enum ledger_use use)
{
    struct ledger_slab as_told = slab_as_told(cache);
    const struct slab *slab;
    uint64_t out = 0;

    cds_list_for_each_entry(slab, list, link) {
        as_told.base = slab->base;
        as_told.out = slab->busy;
        ledger_add_slab(ledger, &as_told, use);
        out += slab->busy;
    }
    return out;
}

/* Full slabs, the most of all as a rule, are all alike. */
static void full_ledger(const struct slab_cache *cache, uint64_t out, struct ledger *ledger,
                        enum ledger_use use)
{
    struct ledger_slab as_told = slab_as_told(cache);
    const struct slab *slab;

    as_told.out = as_told.objects;
    ledger_add_slabs(ledger, &as_told, out / as_told.objects, use);
    if (ledger->keeps_claims)
        cds_list_for_each_entry(slab, &cache->full, link)
            ledger_claim(ledger, slab->base, cache->slab_bytes);
}

void slab_cache_ledger(const struct slab_cache *cache, struct ledger *ledger, enum ledger_use use)
{
    uint64_t partial = list_ledger(cache, &cache->partial, ledger, use);
    const struct slab *slab;

    full_ledger(cache, cache->live - partial, ledger, use);
    list_ledger(cache, &cache->empty, ledger, use);
    cds_list_for_each_entry(slab, &cache->waiting, link)
        ledger_add_grace(ledger, slab->base, cache->slab_bytes);
}
