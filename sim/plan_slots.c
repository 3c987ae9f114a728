/* SPDX-License-Identifier: MIT */
/* Slots and their lives, while a plan is made. */
#include "sim/plan_slots.h"

#include "sim/array.h"
#include "sim/plan.h"

#define SLOTS_A_LINE 8 /* fresh slots come by the cache line, so that groups do not share one */

int plan_slots_init(struct plan_slots *slots, unsigned nr_groups)
{
    *slots = (struct plan_slots){.pools = calloc(nr_groups, sizeof(struct slot_pool)),
                                 .nr_groups = nr_groups};
    return slots->pools ? 0 : -ENOMEM;
}

void plan_slots_cleanup(struct plan_slots *slots)
{
    for (unsigned i = 0; slots->pools && i < slots->nr_groups; i++)
        free(slots->pools[i].slots);
    free(slots->pools);
    free(slots->tags);
}

static int pool_put(struct slot_pool *pool, uint32_t slot)
{
    int code = array_grow((void **)&pool->slots, &pool->capacity, pool->count + 1, sizeof slot);

    if (code == 0)
        pool->slots[pool->count++] = slot;
    return code;
}

int plan_slots_add_fresh(struct plan_slots *slots, struct slot_pool *pool)
{
    size_t first = slots->count;
    int code = array_grow((void **)&slots->tags, &slots->capacity, first + SLOTS_A_LINE,
                          sizeof *slots->tags);

    if (first + SLOTS_A_LINE > PLAN_SLOT_MAX)
        return -EOVERFLOW;
    for (size_t i = SLOTS_A_LINE; code == 0 && i-- > 0;)
        code = pool_put(pool, (uint32_t)(first + i));
    slots->count += SLOTS_A_LINE;
    return code;
}

int plan_slots_give(struct plan_slots *slots, unsigned group, uint32_t slot)
{
    if (slots->tags[slot] == PLAN_TAG_MAX)
        return 0; /* one more life would repeat a tag */
    return pool_put(&slots->pools[group], slot);
}
