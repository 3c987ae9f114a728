/* SPDX-License-Identifier: MIT */
/*
 * Which slot an object's address is kept in, while a plan is made. Only the group that freed a slot
 * may use it again, and each life of a slot has a tag of its own; sim/plan.h says why.
 */
#ifndef SLABLAB_SIM_PLAN_SLOTS_H
#define SLABLAB_SIM_PLAN_SLOTS_H

#include "sim/plan.h"

#include <stddef.h>
#include <stdint.h>

/* Slots that a group may use, last freed first. */
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
    size_t count; /* slots there are */
};

/* A cache line of slots that have never been used, lowest on top. -ENOMEM, -EOVERFLOW. */
int plan_slots_add_fresh(struct plan_slots *slots, struct slot_pool *pool);

/* -ENOMEM. */
int plan_slots_init(struct plan_slots *slots, unsigned nr_groups);
void plan_slots_cleanup(struct plan_slots *slots);

/*
 * Takes a slot for `group` and begins its next life, of which *tag is the tag. -ENOMEM; -EOVERFLOW:
 * a word cannot tell so many apart.
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
 * `group` freed the object in `slot`, whose life had this tag. A slot whose tags are used up is
 * retired: one more life would repeat a tag. -ENOMEM.
 */
static inline int plan_slots_give(struct plan_slots *slots, unsigned group, uint32_t slot,
                                  unsigned tag)
{
    return tag == PLAN_TAG_MAX ? 0 : plan_slots_put(&slots->pools[group], slot);
}

#endif
