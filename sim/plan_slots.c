/* SPDX-License-Identifier: MIT */
/* Slots and their lives, while a plan is made. */
#include "sim/plan_slots.h"

#include "sim/array.h"
#include "sim/plan.h"

int plan_slots_init(struct plan_slots *slots, unsigned nr_groups)
{
    *slots = (struct plan_slots){
        .pools = calloc(nr_groups, sizeof(struct slot_pool)),
        .nr_groups = nr_groups,
        .shared = calloc((size_t)nr_groups * nr_groups, sizeof *slots->shared),
    };
    return slots->pools && slots->shared ? 0 : -ENOMEM;
}

void plan_slots_cleanup(struct plan_slots *slots)
{
    for (unsigned i = 0; slots->pools && i < slots->nr_groups; i++)
        free(slots->pools[i].slots);
    free(slots->pools);
    free(slots->tags);
    free(slots->shared);
}

int plan_slots_grow(struct slot_pool *pool)
{
    return array_room((void **)&pool->slots, &pool->capacity, pool->count + 1, sizeof *pool->slots);
}

int plan_slots_take_line(struct plan_slots *slots, uint32_t *first)
{
    size_t count = slots->count + PLAN_SLOTS_A_LINE;

    if (count > PLAN_SLOT_MAX)
        return -EOVERFLOW;
    if (array_room((void **)&slots->tags, &slots->capacity, count, sizeof *slots->tags) != 0)
        return -ENOMEM;
    *first = (uint32_t)slots->count;
    for (; slots->count < count; slots->count++)
        slots->tags[slots->count] = 0;
    return 0;
}

int plan_slots_add_fresh(struct plan_slots *slots, struct slot_pool *pool)
{
    uint32_t first;
    int code = plan_slots_take_line(slots, &first);

    for (uint32_t i = PLAN_SLOTS_A_LINE; code == 0 && i-- > 0;)
        code = plan_slots_put(pool, first + i);
    return code;
}
