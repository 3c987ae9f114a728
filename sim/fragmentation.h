/* SPDX-License-Identifier: MIT */
/*
 * Measures of fragmentation over a run: held against live bytes, where live is what callers asked
 * for. Johnstone & Wilson, "The Memory Fragmentation Problem: Solved?", ISMM 1998, name four, each
 * as (held - live) / live; Berger et al., "Hoard", ASPLOS 2000, the ratio of the two peaks; Gorman
 * & Whitcroft, "The What, the Why and the Where To of Anti-Fragmentation", OLS 2006, the unusable
 * free index.
 */
#ifndef SLABLAB_SIM_FRAGMENTATION_H
#define SLABLAB_SIM_FRAGMENTATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* At some moment. Moments are evenly apart in events. */
struct fragmentation_moment {
    uint64_t held_bytes;
    uint64_t live_bytes;
};

struct fragmentation {
    double jw1;   /* average over the moments at which something lives */
    double jw2;   /* when most is live */
    double jw3;   /* most held, against what is live then */
    double jw4;   /* most held ever against most live ever */
    double hoard; /* most held ever / most live ever: jw4 + 1 */
};

/*
 * `peak_held_bytes` is the exact peak, at least that of any moment (for jw4 and hoard; jw3 needs to
 * know what was live then, and so has the moments' resolution, as has all that is live). False:
 * nothing ever lived, or at the moment that a measure looks at.
 */
bool fragmentation_measure(const struct fragmentation_moment *moments, size_t count,
                           uint64_t peak_held_bytes, struct fragmentation *result);

/*
 * Share 0 .. 1 of the free pages that lie in blocks too small for an allocation of 2^order pages.
 * free_blocks[i] is the number of free blocks of 2^i pages, i < nr_orders. 0 when nothing is free.
 */
double fragmentation_unusable(const size_t *free_blocks, unsigned nr_orders, unsigned order);

#endif
