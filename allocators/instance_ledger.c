/* SPDX-License-Identifier: MIT */
/* The memory account of a design at work: its caches', its own, and what was given as pages. */
#include "allocators/instance.h"

struct ledger_walk {
    const struct allocator *design;
    struct ledger *sum;
    void (*each)(void *context, struct cache *cache, const char *name, const struct ledger *part);
    void *context;
};

static void part_close(const struct ledger_walk *walk, struct cache *cache, const char *name,
                       struct ledger *part)
{
    if (walk->each)
        walk->each(walk->context, cache, name, part);
    ledger_merge(walk->sum, part);
    ledger_cleanup(part);
}

static void cache_add(void *context, struct cache *cache, const char *name, size_t size)
{
    const struct ledger_walk *walk = context;
    struct ledger part = {.keeps_claims = walk->sum->keeps_claims};

    (void)size;
    walk->design->ledger(cache, &part);
    part_close(walk, cache, name, &part);
}

bool allocator_ledger(struct allocator_instance *instance, struct ledger *ledger,
                      void (*each)(void *context, struct cache *cache, const char *name,
                                   const struct ledger *part),
                      void *context)
{
    const struct allocator *design = instance->design;
    struct ledger_walk walk = {design, ledger, each, context};
    struct ledger shared = {.keeps_claims = ledger->keeps_claims};

    if (!design->ledger)
        return false;
    allocator_each_cache(instance, cache_add, &walk);
    general_ledger(instance, &shared);
    if (design->shared_ledger)
        design->shared_ledger(instance->running, &shared);
    part_close(&walk, NULL, "", &shared);
    return true;
}
