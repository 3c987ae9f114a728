/* SPDX-License-Identifier: MIT */
/*
 * Picks about one in `every` of a stream of things, at random distances, so that nothing periodic
 * in the stream is always seen or never.
 */
#ifndef SLABLAB_SIM_SAMPLER_H
#define SLABLAB_SIM_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

struct sampler {
    uint64_t random; /* never 0 */
    uint32_t every;  /* 1: all */
    uint32_t left;   /* until the next one */
};

/*
 * 1 .. 2 every - 1, all alike: `every` on average (xorshift64, Marsaglia 2003; a multiplication in
 * place of the division, Lemire 2019).
 */
static inline uint32_t sampler_distance(struct sampler *sampler)
{
    uint64_t x = sampler->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    sampler->random = x;
    return 1 + (uint32_t)((x >> 32) * (2 * (uint64_t)sampler->every - 1) >> 32);
}

static inline struct sampler sampler_seeded(uint32_t every, uint64_t seed)
{
    struct sampler sampler = {.random = (seed + 1) * 0x9e3779b97f4a7c15u | 1, .every = every};

    sampler.left = sampler_distance(&sampler);
    return sampler;
}

static inline bool sampler_due(struct sampler *sampler)
{
    if (--sampler->left)
        return false;
    sampler->left = sampler_distance(sampler);
    return true;
}

#endif
