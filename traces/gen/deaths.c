/* SPDX-License-Identifier: MIT */
/* The objects that a CPU of a generated load holds until their time: a binary heap. See gen.h. */
#include "traces/gen/gen.h"

#include <errno.h>
#include <stdlib.h>

int gen_deaths_add(struct gen_deaths *deaths, struct gen_death death)
{
    size_t at = deaths->count;

    if (deaths->count == deaths->room) {
        size_t room = deaths->room ? 2 * deaths->room : 1024;
        struct gen_death *heap = reallocarray(deaths->heap, room, sizeof *heap);

        if (!heap)
            return -ENOMEM;
        deaths->heap = heap;
        deaths->room = room;
    }
    deaths->count++;
    for (; at && death.time < deaths->heap[(at - 1) / 2].time; at = (at - 1) / 2)
        deaths->heap[at] = deaths->heap[(at - 1) / 2];
    deaths->heap[at] = death;
    return 0;
}

struct gen_death gen_deaths_take(struct gen_deaths *deaths)
{
    struct gen_death *heap = deaths->heap, first = heap[0], last = heap[--deaths->count];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < deaths->count) {
        child += child + 1 < deaths->count && heap[child + 1].time < heap[child].time;
        if (last.time <= heap[child].time)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

void gen_deaths_cleanup(struct gen_deaths *deaths)
{
    free(deaths->heap);
    *deaths = (struct gen_deaths){0};
}
