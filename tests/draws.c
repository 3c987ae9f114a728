/* SPDX-License-Identifier: MIT */
/* Made-up measurements; see draws.h. */
#include "tests/draws.h"

#include <math.h>
#include <stdlib.h>

/* 0 < u < 1; POSIX says which numbers erand48() draws. */
static double uniform(struct draws *draws)
{
    unsigned short words[3] = {(unsigned short)draws->state, (unsigned short)(draws->state >> 16),
                               (unsigned short)(draws->state >> 32)};
    double drawn = erand48(words);

    draws->state = words[0] | (uint64_t)words[1] << 16 | (uint64_t)words[2] << 32;
    return drawn > 0 ? drawn : 0x1p-49;
}

/* Box and Muller 1958. */
void draws_normal(struct draws *draws, double mean, double deviation, double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double length = sqrt(-2 * log(uniform(draws)));

        values[i] = mean + deviation * length * cos(2 * M_PI * uniform(draws));
    }
}
