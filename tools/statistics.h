/* SPDX-License-Identifier: MIT */
/* Summaries of repeated measurements. */
#ifndef SLABLAB_TOOLS_STATISTICS_H
#define SLABLAB_TOOLS_STATISTICS_H

#include <stddef.h>

struct spread {
    double median, minimum, maximum;
};

/* Sorts `values` in place; count is at least 1. An even count's median is the middle two's mean. */
struct spread spread_of(double *values, size_t count);

#endif
