/* SPDX-License-Identifier: MIT */
/* Summaries of repeated measurements. */
#include "tools/statistics.h"

#include <stdlib.h>

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct spread spread_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return (struct spread){
        .median = (values[(count - 1) / 2] + values[count / 2]) / 2,
        .minimum = values[0],
        .maximum = values[count - 1],
    };
}
