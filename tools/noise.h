/* SPDX-License-Identifier: MIT */
/*
 * What the same thing differs by from itself: a sweep runs one combination of each load twice over,
 * as if it were two designs, and nothing smaller than what these two differ by is a difference.
 */
#ifndef SLABLAB_TOOLS_NOISE_H
#define SLABLAB_TOOLS_NOISE_H

#include "tools/difference.h"

struct noise_arm {
    const struct point *first, *second; /* of the series, which must outlive this */
    struct difference difference;       /* second / first; no correction, no verdict */
};

struct noise {
    struct noise_arm *arms; /* those that have the figure on both sides */
    size_t count;
    double floor; /* the largest distance from 1 of an arm's ratio; NAN: there is no arm */
};

/* -ENOMEM. */
int noise_measure(const struct series *series, const struct figure *figure, struct noise *noise);
void noise_cleanup(struct noise *noise);

#endif
