/* SPDX-License-Identifier: MIT */
/* The objects that a CPU of a generated load holds: see gen.h. */
#include "traces/gen/gen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int gen_deque_grow(struct gen_deque *deque)
{
    size_t room = deque->room ? 2 * deque->room : 16;
    uint32_t *items = reallocarray(deque->items, room, sizeof *items);

    if (!items)
        return -ENOMEM;
    /* What had gone round to the beginning goes behind the old end. */
    if (deque->first + deque->count > deque->room)
        memcpy(items + deque->room, items,
               (deque->first + deque->count - deque->room) * sizeof *items);
    deque->items = items;
    deque->room = room;
    return 0;
}

int gen_deque_push(struct gen_deque *deque, uint32_t item)
{
    if (deque->count == deque->room && gen_deque_grow(deque))
        return -ENOMEM;
    deque->items[(deque->first + deque->count++) & (deque->room - 1)] = item;
    return 0;
}

uint32_t gen_deque_pop(struct gen_deque *deque)
{
    uint32_t item = deque->items[deque->first];

    deque->first = (deque->first + 1) & (deque->room - 1);
    deque->count--;
    return item;
}

int gen_deque_move(struct gen_deque *from, struct gen_deque *to, size_t count)
{
    int code = 0;

    while (!code && count-- && from->count)
        code = gen_deque_push(to, gen_deque_pop(from));
    return code;
}

void gen_deque_cleanup(struct gen_deque *deque)
{
    free(deque->items);
    *deque = (struct gen_deque){0};
}
