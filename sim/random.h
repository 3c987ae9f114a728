/* SPDX-License-Identifier: MIT */
/* Random numbers from a seed, the same on every system, unlike random_r()'s and the C library's. */
#ifndef SLABLAB_SIM_RANDOM_H
#define SLABLAB_SIM_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* SplitMix64 (Steele, Lea & Flood 2014): any seed will do. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* 0 .. bound - 1, for a bound up to 2^32; its bias of 2^-32 x bound does not matter here. */
static inline size_t random_below(uint64_t *state, size_t bound)
{
    return (size_t)(((random_next(state) >> 32) * (uint64_t)bound) >> 32);
}

#endif
