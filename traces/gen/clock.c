/* SPDX-License-Identifier: MIT */
/* The CPUs' clocks: a binary heap, the least time first, and of one time the least CPU. */
#include "traces/gen/state.h"

static bool gen_clock_precedes(const struct gen_clock *a, const struct gen_clock *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->cpu < b->cpu;
}

void gen_clock_push(struct generator *generator, struct gen_clock clock)
{
    size_t at = generator->nr_clocks++;

    for (; at && gen_clock_precedes(&clock, &generator->clocks[(at - 1) / 2]); at = (at - 1) / 2)
        generator->clocks[at] = generator->clocks[(at - 1) / 2];
    generator->clocks[at] = clock;
}

struct gen_clock gen_clock_pop(struct generator *generator)
{
    struct gen_clock *heap = generator->clocks, first = heap[0];
    struct gen_clock last = heap[--generator->nr_clocks];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < generator->nr_clocks) {
        if (child + 1 < generator->nr_clocks && gen_clock_precedes(&heap[child + 1], &heap[child]))
            child++;
        if (!gen_clock_precedes(&heap[child], &last))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

/*
 * Exponentially distributed for each event, by comparing uniform numbers (von Neumann 1951), since
 * a logarithm may differ from one C library to the next.
 */
uint64_t gen_interval_ns(struct generator *generator, size_t events)
{
    uint64_t total_ns = 0;

    while (events--) {
        for (uint64_t whole = 0;; whole++) {
            uint32_t first = (uint32_t)(random_next(&generator->random) >> 32), last = first;
            uint32_t next;
            bool odd = true;

            while ((next = (uint32_t)(random_next(&generator->random) >> 32)) < last) {
                last = next;
                odd = !odd;
            }
            if (!odd)
                continue;
            total_ns +=
                whole * generator->common->rate + ((uint64_t)first * generator->common->rate >> 32);
            break;
        }
    }
    return total_ns ? total_ns : 1;
}
