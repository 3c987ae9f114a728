/* SPDX-License-Identifier: MIT */
/* Live objects and caches of a trace: see live.h. */
#include "traces/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int live_init(struct live *live)
{
    *live = (struct live){.last_free = LIVE_NONE};
    live->recent = calloc(LIVE_RECENT, sizeof *live->recent);
    if (!live->recent)
        return -ENOMEM;
    if (live_reserve(live, 1) || live_reserve_caches(live, 0)) {
        live_cleanup(live);
        return -ENOMEM;
    }
    live->objects[0] = (struct live_object){0}; /* what the ring names before it is full */
    return 0;
}

void live_cleanup(struct live *live)
{
    free(live->objects);
    free(live->recent);
    free(live->caches);
    free(live->type_caches);
    *live = (struct live){0};
}

int live_reserve(struct live *live, size_t more)
{
    size_t want = (size_t)live->peak + more, capacity = live->capacity;
    struct live_object *objects;

    if (want <= capacity)
        return 0;
    if (want >= LIVE_NONE)
        return -EOVERFLOW;
    capacity = capacity * 2 > want ? capacity * 2 : want;
    objects = reallocarray(live->objects, capacity, sizeof *objects);
    if (!objects)
        return -ENOMEM;
    live->objects = objects; /* what is not below `peak` yet is never read */
    live->capacity = capacity;
    return 0;
}

int live_reserve_caches(struct live *live, size_t caches)
{
    size_t want = caches + 1, size = live->nr_caches;
    struct live_cache *grown;

    if (want <= size)
        return 0;
    size = size * 2 > want ? size * 2 : want + 15;
    grown = reallocarray(live->caches, size, sizeof *grown);
    if (!grown)
        return -ENOMEM;
    memset(grown + live->nr_caches, 0, (size - live->nr_caches) * sizeof *grown);
    live->caches = grown;
    live->nr_caches = size;
    return 0;
}

int live_add_type(struct live *live, uint32_t cache)
{
    if (live->nr_types == live->room_types) {
        size_t room = 2 * live->room_types + 16;
        uint32_t *grown = reallocarray(live->type_caches, room, sizeof *grown);

        if (!grown)
            return -ENOMEM;
        live->type_caches = grown;
        live->room_types = room;
    }
    live->type_caches[live->nr_types++] = cache + 1; /* TRACE_UNTYPED: 0 */
    return 0;
}

const char *live_create_cache(struct live *live, uint32_t cache)
{
    struct live_cache *created = &live->caches[cache];

    if (created->flags & LIVE_CACHE_CREATED)
        return "a cache is created twice";
    if (created->flags)
        return "a cache is created after an event on it";
    created->flags |= LIVE_CACHE_CREATED;
    return NULL;
}

const char *live_destroy_cache(struct live *live, uint32_t cache)
{
    struct live_cache *destroyed = &live->caches[cache];

    if (destroyed->flags & LIVE_CACHE_DESTROYED)
        return "a cache is destroyed twice";
    if (destroyed->objects)
        return "a cache is destroyed before its last object is freed";
    destroyed->flags |= LIVE_CACHE_DESTROYED;
    return NULL;
}
