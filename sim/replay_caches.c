/* SPDX-License-Identifier: MIT */
/* The caches of a replay, and its kinds of allocation bound to them. */
#include "sim/replay_internal.h"

int replay_cache_create(struct replay *replay, uint32_t index, struct error *error)
{
    const struct plan *plan = replay->plan;
    const struct plan_cache *described = &plan->caches[index];
    struct cache_params params = {.name = described->name,
                                  .size = described->object_size,
                                  .align = described->align,
                                  .flags = described->flags & TRACE_CACHE_RCU ? CACHE_RCU : 0};
    int code;

    if (params.align < 8)
        params.align = 8;
    code = allocator_cache_create(replay->allocator, &params, &replay->caches[index].cache, error);
    if (code)
        return code;
    for (size_t i = 0; i < plan->nr_types; i++) {
        if (plan->types[i].cache == index)
            allocator_bind_cache(replay->allocator, replay->caches[index].cache,
                                 &replay->types[i].bound);
    }
    return 0;
}

static struct request request_of(const struct trace_type *type)
{
    return (struct request){
        .size = type->size,
        .align = type->align,
        .node = (int16_t)(type->node < (int)nr_nodes() ? type->node : -1),
        .flags = type->flags & TRACE_NO_WAIT ? REQUEST_NO_WAIT : 0,
    };
}

/* Made and bound, from the start or again for the next loop. */
static int cache_ready(struct replay *replay, uint32_t cache)
{
    int code = replay_cache_create(replay, cache, replay->error);

    if (code == 0)
        atomic_store(&replay->caches[cache].state, CACHE_THERE);
    return code;
}

static int cache_gone(struct replay *replay, uint32_t index)
{
    struct replay_cache *cache = &replay->caches[index];
    int code = 0;

    if (cache->cache)
        code = allocator_cache_destroy(replay->allocator, cache->cache, replay->error);
    if (code == 0)
        cache->cache = NULL;
    atomic_store(&cache->state, CACHE_ABSENT);
    return code;
}

int replay_caches_reset(struct replay *replay)
{
    int code = 0;

    for (uint32_t i = 0; code == 0 && i < replay->plan->nr_caches; i++) {
        const struct plan_cache *described = &replay->plan->caches[i];

        atomic_store(&replay->caches[i].destructions, 0);
        if (described->created)
            code = cache_gone(replay, i);
        else if (described->used && !replay->caches[i].cache)
            code = cache_ready(replay, i);
    }
    return code;
}

int replay_caches_destroy(struct replay *replay)
{
    int code = 0;

    for (uint32_t i = 0; code == 0 && i < replay->plan->nr_caches; i++)
        code = cache_gone(replay, i);
    return code;
}

int replay_types_bind(struct replay *replay)
{
    const struct plan *plan = replay->plan;

    for (size_t i = 0; i < plan->nr_types; i++) {
        int code;

        replay->types[i].request = request_of(&plan->types[i]);
        if (plan->types[i].cache != TRACE_UNTYPED)
            continue;
        code = allocator_bind_size(replay->allocator, plan->types[i].size, plan->types[i].align,
                                   &replay->types[i].bound, replay->error);
        if (code)
            return code;
    }
    return replay_caches_reset(replay); /* all are absent: this makes those that should not be */
}
