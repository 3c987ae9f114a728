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
    uint32_t birth; /* low half of live.births at its allocation, never 0; 0: not live */
    uint32_t type;  /* not live: the number freed before this one, or LIVE_NONE */
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
    uint32_t peak;             /* live objects at most so far, so also the next new number */
    uint32_t last_free;        /* the number freed last, or LIVE_NONE */
    uint64_t count;            /* live objects */
    uint64_t births;           /* allocations so far; skips what has 0 in its low half */
    uint32_t *recent;          /* number of the allocation with birth b at [b % LIVE_RECENT] */
    struct live_cache *caches; /* 0 untyped, then by the cache's index + 1 */
    size_t nr_caches;          /* untyped included */
    uint32_t *type_caches;     /* place in `caches`, by type */
    size_t nr_types, room_types;
};

int live_init(struct live *live);
void live_cleanup(struct live *live);
/* Room for `more` allocations; live_alloc relies on it. */
int live_reserve(struct live *live, size_t more);
/* Room for caches with indices below `caches`; the rest of live relies on it. */
int live_reserve_caches(struct live *live, size_t caches);
/* The next type is of this cache (TRACE_UNTYPED or an index). */
int live_add_type(struct live *live, uint32_t cache);

/* NULL, or the rule that a creation or destruction of this cache (index + 1) would break. */
const char *live_create_cache(struct live *live, uint32_t cache);
const char *live_destroy_cache(struct live *live, uint32_t cache);

/* A new object's number, or LIVE_NONE if its cache is destroyed. */
static inline uint32_t live_alloc(struct live *live, uint32_t type)
{
    struct live_cache *cache = &live->caches[live->type_caches[type]];
    uint32_t number = live->last_free;

    if (__builtin_expect(
            (cache->flags & (LIVE_CACHE_USED | LIVE_CACHE_DESTROYED)) != LIVE_CACHE_USED, 0)) {
        if (cache->flags & LIVE_CACHE_DESTROYED)
            return LIVE_NONE;
        cache->flags |= LIVE_CACHE_USED;
    }
    cache->objects++;
    if (number == LIVE_NONE)
        number = live->peak++;
    else
        live->last_free = live->objects[number].type;
    live->count++;
    live->births++;
    if (__builtin_expect((uint32_t)live->births == 0, 0))
        live->births++;
    live->objects[number] = (struct live_object){(uint32_t)live->births, type};
    live->recent[live->births % LIVE_RECENT] = number;
    return number;
}

/*
 * The live object of this age (below LIVE_RECENT), or LIVE_NONE. Half a birth is enough: what took
 * this number after the allocation in the ring did so less than LIVE_RECENT births ago. No object
 * has a birth whose half is 0; an age that goes back before the first leads to one that is not yet.
 */
static inline uint32_t live_find(const struct live *live, uint32_t age)
{
    uint32_t birth = (uint32_t)live->births - age;
    uint32_t number = live->recent[birth % LIVE_RECENT];

    if (__builtin_expect(!birth || live->objects[number].birth != birth, 0))
        return LIVE_NONE;
    return number;
}

/* The age that names this live object in a free; LIVE_RECENT if it is too old to have one. */
static inline uint32_t live_age(const struct live *live, uint32_t number)
{
    uint32_t age = (uint32_t)live->births - live->objects[number].birth;

    return age < LIVE_RECENT && live_find(live, age) == number ? age : LIVE_RECENT;
}

static inline bool live_is(const struct live *live, uint32_t number)
{
    return number < live->peak && live->objects[number].birth;
}

/* Frees a live object; its type is what it was. */
static inline uint32_t live_free(struct live *live, uint32_t number)
{
    uint32_t type = live->objects[number].type;

    live->caches[live->type_caches[type]].objects--;
    live->count--;
    live->objects[number] = (struct live_object){0, live->last_free};
    live->last_free = number;
    return type;
}

#endif
