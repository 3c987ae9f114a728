/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is: a winner tree (Knuth, TAOCP 3, 5.4.1) over the CPUs' clocks. A turn is a clock
 * above and a CPU's number below, so that the smallest turn is the earliest clock, and among equals
 * the lowest number. Setting one takes log2(n) steps without a branch that can mispredict.
 */
#ifndef SLABLAB_SIM_VIRTUAL_TURNS_H
#define SLABLAB_SIM_VIRTUAL_TURNS_H

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#define TURN_CPU_BITS 10
#define TURN_NEVER    UINT64_MAX

struct turns {
    uint64_t *nodes; /* [2 * leaves]: node n is the smaller of 2n and 2n + 1; leaves come last */
    unsigned leaves; /* a power of two */
};

static inline uint64_t turn_of(uint64_t clock, unsigned cpu)
{
    return clock << TURN_CPU_BITS | cpu;
}

static inline unsigned turn_cpu(uint64_t turn)
{
    return turn & ((1u << TURN_CPU_BITS) - 1);
}

static inline uint64_t turn_clock(uint64_t turn)
{
    return turn >> TURN_CPU_BITS;
}

/* Nobody's turn at first. -ENOMEM. */
static inline int turns_init(struct turns *turns, unsigned cpus)
{
    turns->leaves = 1;
    while (turns->leaves < cpus)
        turns->leaves *= 2;
    turns->nodes = malloc(2 * (size_t)turns->leaves * sizeof *turns->nodes);
    if (!turns->nodes)
        return -ENOMEM;
    for (unsigned i = 0; i < 2 * turns->leaves; i++)
        turns->nodes[i] = TURN_NEVER;
    return 0;
}

static inline void turns_cleanup(struct turns *turns)
{
    free(turns->nodes);
    turns->nodes = NULL;
}

static inline void turns_set(struct turns *turns, unsigned cpu, uint64_t turn)
{
    unsigned node = turns->leaves + cpu;

    turns->nodes[node] = turn;
    while (node > 1) {
        uint64_t other = turns->nodes[node ^ 1];

        turn = other < turn ? other : turn;
        node /= 2;
        turns->nodes[node] = turn;
    }
}

static inline uint64_t turns_first(const struct turns *turns)
{
    return turns->nodes[1];
}

/* The first of all CPUs but one. */
static inline uint64_t turns_first_but(const struct turns *turns, unsigned cpu)
{
    uint64_t first = TURN_NEVER;

    for (unsigned node = turns->leaves + cpu; node > 1; node /= 2) {
        uint64_t other = turns->nodes[node ^ 1];

        first = other < first ? other : first;
    }
    return first;
}

#endif
