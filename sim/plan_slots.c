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

int plan_slots_grow(struct slot_pool *pool)
{
    return array_room((void **)&pool->slots, &pool->capacity, pool->count + 1, sizeof *pool->slots);
}

int plan_slots_add_fresh(struct plan_slots *slots, struct slot_pool *pool)
{
    size_t first = slots->count;
    int code = array_room((void **)&slots->tags, &slots->capacity, first + SLOTS_A_LINE,
                          sizeof *slots->tags);

    if (first + SLOTS_A_LINE > PLAN_SLOT_MAX)
        return -EOVERFLOW;
    for (size_t i = SLOTS_A_LINE; code == 0 && i-- > 0;) {
        slots->tags[first + i] = 0;
        code = plan_slots_put(pool, (uint32_t)(first + i));
    }
    slots->count += SLOTS_A_LINE;
    return code;
}
