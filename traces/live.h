/* SPDX-License-Identifier: MIT */
/*
 * What is live at a point of a trace: the writer and the reader both step through it, so that they
 * give objects the same numbers and enforce the same rules.
 *
 * A number is given to an allocation by taking the number that was freed last, or the next new one
 * when none is free; so numbers stay below the peak of live objects, and a reader needs no more
 * than this. A free names its object by its age, in allocations: those of the last LIVE_RECENT are
 * in a ring, an older one is named by its number.
 */
#ifndef SLABLAB_TRACES_LIVE_H
#define SLABLAB_TRACES_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LIVE_RECENT = 1 << 16 };
#define LIVE_NONE UINT32_MAX

struct live_object {
    uint64_t birth; /* allocations up to and including its own; 0: not live */
    uint32_t type;  /* not live: the number freed before this one, or LIVE_NONE */
    uint32_t cache; /* index into `caches`: 0 untyped, else the cache's index + 1 */
};

/* What was seen of a cache, besides its live objects. */
enum live_cache_flags {
    LIVE_CACHE_USED = 1 << 0,
    LIVE_CACHE_CREATED = 1 << 1,
    LIVE_CACHE_DESTROYED = 1 << 2
};

struct live_cache {
    uint64_t objects;
    uint32_t flags;
};

struct live {
    struct live_object *objects; /* by number; the first `peak` are in use */
    size_t capacity;
    uint32_t peak;      /* live objects at most so far, so also the next new number */
    uint32_t last_free; /* the number freed last, or LIVE_NONE */
    uint64_t count;     /* live objects */
    uint64_t births;    /* allocations so far */
    uint32_t *recent;   /* number of the allocation with birth b at [b % LIVE_RECENT] */
    struct live_cache *caches;
    size_t nr_caches; /* untyped included */
};

int live_init(struct live *live);
void live_cleanup(struct live *live);
/* Room for `more` allocations; live_alloc relies on it. */
int live_reserve(struct live *live, size_t more);
/* Room for caches with indices below `caches`; the rest of live relies on it. */
int live_reserve_caches(struct live *live, size_t caches);

/* NULL, or the rule that a creation or destruction of this cache (index + 1) would break. */
const char *live_create_cache(struct live *live, uint32_t cache);
const char *live_destroy_cache(struct live *live, uint32_t cache);

/* A new object's number, or LIVE_NONE if its cache is destroyed. */
static inline uint32_t live_alloc(struct live *live, uint32_t type, uint32_t cache)
{
    struct live_cache *owner = &live->caches[cache];
    uint32_t number = live->last_free;
    struct live_object *object;

    if (__builtin_expect(owner->flags & LIVE_CACHE_DESTROYED, 0))
        return LIVE_NONE;
    owner->flags |= LIVE_CACHE_USED;
    owner->objects++;
    if (number == LIVE_NONE) {
        number = live->peak++;
        object = &live->objects[number];
    } else {
        object = &live->objects[number];
        live->last_free = object->type;
    }
    live->count++;
    *object = (struct live_object){++live->births, type, cache};
    live->recent[live->births % LIVE_RECENT] = number;
    return number;
}

/* Of a live object: the births since its own, which name it in a free if below LIVE_RECENT. */
static inline uint64_t live_age(const struct live *live, uint32_t number)
{
    return live->births - live->objects[number].birth;
}

/* The live object of this age, or LIVE_NONE. */
static inline uint32_t live_find(const struct live *live, uint32_t age)
{
    uint64_t birth = live->births - age;
    uint32_t number = live->recent[birth % LIVE_RECENT];

    if (__builtin_expect(age >= live->births || live->objects[number].birth != birth, 0))
        return LIVE_NONE;
    return number;
}

static inline bool live_is(const struct live *live, uint32_t number)
{
    return number < live->peak && live->objects[number].birth;
}

/* Frees a live object; its type is what it was. */
static inline uint32_t live_free(struct live *live, uint32_t number)
{
    struct live_object *object = &live->objects[number];
    uint32_t type = object->type;

    live->caches[object->cache].objects--;
    live->count--;
    object->birth = 0;
    object->type = live->last_free;
    live->last_free = number;
    return type;
}

#endif
