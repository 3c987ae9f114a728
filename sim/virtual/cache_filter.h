/* SPDX-License-Identifier: MIT */
/*
 * What a cache has room for: the numbers of its lines, set by set, most recently used first.
 * Replacement is exact LRU within a set. The set is hashed (Fibonacci hashing, then a multiply in
 * place of a division), so any number of sets will do. It holds no states: those are the
 * directory's.
 */
#ifndef SLABLAB_SIM_VIRTUAL_CACHE_FILTER_H
#define SLABLAB_SIM_VIRTUAL_CACHE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed tags: empty. Lines are 0 .. UINT32_MAX - 1; a set's holes come last. */
struct cache_filter {
    uint32_t *tags; /* [sets * ways] line + 1, 0: nothing; not the filter's own */
    uint32_t sets;  /* 0: there is no such cache, and `tags` is one empty set */
    uint32_t ways;
};

static inline uint32_t *cache_filter_set(const struct cache_filter *filter, uint32_t line)
{
    uint32_t hash = line * 0x9e3779b1u; /* 2^32 over the golden ratio */

    return filter->tags + ((uint64_t)hash * filter->sets >> 32) * filter->ways;
}

/* The line used last of its set. */
static inline bool cache_filter_is_front(const struct cache_filter *filter, uint32_t line)
{
    return *cache_filter_set(filter, line) == line + 1;
}

static inline bool cache_filter_has(const struct cache_filter *filter, uint32_t line)
{
    const uint32_t *tags = cache_filter_set(filter, line);

    for (uint32_t way = 0; way < filter->ways; way++) {
        if (tags[way] == line + 1)
            return true;
    }
    return false;
}

/*
 * Makes a line the one used last, whether it was there or not. True when another had to leave for
 * it: that is *victim.
 */
static inline bool cache_filter_use(const struct cache_filter *filter, uint32_t line,
                                    uint32_t *victim)
{
    uint32_t *tags = cache_filter_set(filter, line);
    uint32_t moved = line + 1;

    if (filter->sets == 0)
        return false;
    for (uint32_t way = 0; way < filter->ways; way++) {
        uint32_t tag = tags[way];

        tags[way] = moved;
        if (tag == 0 || tag == line + 1)
            return false;
        moved = tag;
    }
    *victim = moved - 1;
    return true;
}

static inline void cache_filter_remove(const struct cache_filter *filter, uint32_t line)
{
    uint32_t *tags = cache_filter_set(filter, line);
    uint32_t way = 0;

    while (way < filter->ways && tags[way] != line + 1)
        way++;
    if (way == filter->ways)
        return;
    for (; way + 1 < filter->ways; way++)
        tags[way] = tags[way + 1];
    tags[way] = 0;
}

#endif
