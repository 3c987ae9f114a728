/* SPDX-License-Identifier: MIT */
/*
 * Which slot an object's address is kept in, while a plan is made: one of its group's own, each of
 * whose lives has a tag, or one for an object that another group frees; sim/plan.h says why.
 */
#ifndef SLABLAB_SIM_PLAN_SLOTS_H
#define SLABLAB_SIM_PLAN_SLOTS_H

#include "sim/plan.h"

#include <stddef.h>
#include <stdint.h>

#define PLAN_SLOTS_A_LINE 8 /* slots come by the cache line, so that no two uses share one */

/* A group's own slots that are free, last freed first. */
struct slot_pool {
    uint32_t *slots;
    size_t count;
    size_t capacity;
};

struct plan_slots {
    struct slot_pool *pools; /* [nr_groups] */
    unsigned nr_groups;
    uint16_t *tags; /* last tag given, by slot */
    size_t capacity;
    size_t count;     /* slots there are */
    uint32_t *shared; /* [from * nr_groups + by]: the next; a line's first: a line is to be taken */
};

/* A cache line of slots that have never been used, lowest on top. -ENOMEM, -EOVERFLOW. */
int plan_slots_add_fresh(struct plan_slots *slots, struct slot_pool *pool);
/* The first of such a line. */
int plan_slots_take_line(struct plan_slots *slots, uint32_t *first);

/* -ENOMEM. */
int plan_slots_init(struct plan_slots *slots, unsigned nr_groups);
void plan_slots_cleanup(struct plan_slots *slots);

/*
 * Takes one of `group`'s own slots and begins its next life, of which *tag is the tag. -ENOMEM;
 * -EOVERFLOW: a word cannot tell so many apart.
 */
static inline int plan_slots_take(struct plan_slots *slots, unsigned group, uint32_t *slot,
                                  uint16_t *tag)
{
    struct slot_pool *pool = &slots->pools[group];

    if (__builtin_expect(pool->count == 0, 0)) {
        int code = plan_slots_add_fresh(slots, pool);

        if (code)
            return code;
    }
    *slot = pool->slots[--pool->count];
    *tag = ++slots->tags[*slot];
    return 0;
}

/* A slot for what group `from` allocates and group `by` frees; it is used once. Errors as above. */
static inline int plan_slots_take_shared(struct plan_slots *slots, unsigned from, unsigned by,
                                         uint32_t *slot)
{
    uint32_t *next = &slots->shared[(size_t)from * slots->nr_groups + by];

    if (*next % PLAN_SLOTS_A_LINE == 0) {
        int code = plan_slots_take_line(slots, next);

        if (code)
            return code;
    }
    *slot = (*next)++;
    return 0;
}

/* Room for one more in the pool. -ENOMEM. */
int plan_slots_grow(struct slot_pool *pool);

static inline int plan_slots_put(struct slot_pool *pool, uint32_t slot)
{
    if (__builtin_expect(pool->count == pool->capacity, 0)) {
        int code = plan_slots_grow(pool);

        if (code)
            return code;
    }
    pool->slots[pool->count++] = slot;
    return 0;
}

/*
 * The slot, `group`'s own, is free again after the life that had this tag. A slot whose tags are
 * used up is retired: one more life would repeat a tag. -ENOMEM.
 */
static inline int plan_slots_give(struct plan_slots *slots, unsigned group, uint32_t slot,
                                  unsigned tag)
{
    return tag == PLAN_TAG_MAX ? 0 : plan_slots_put(&slots->pools[group], slot);
}

#endif
