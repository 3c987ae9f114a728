/* SPDX-License-Identifier: MIT */
/* Made-up measurements: normal noise of a fixed seed. */
#ifndef SLABLAB_TESTS_DRAWS_H
#define SLABLAB_TESTS_DRAWS_H

#include <stddef.h>
#include <stdint.h>

struct draws {
    uint64_t state; /* the seed, at first */
};

/* `count` values of a normal distribution. */
void draws_normal(struct draws *draws, double mean, double deviation, double *values, size_t count);

#endif
