/* SPDX-License-Identifier: MIT */
/* When a combination has been repeated often enough. */
#include "tools/sweep_until.h"

#include "sim/error.h"
#include "tools/sweep_plan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONFIDENCE 0.95

struct bounds {
    double low, median, high;
};

int until_parse(const char *text, struct until *until, struct error *error)
{
    char *end;
    double percent = strtod(text, &end);
    unsigned long most = UNTIL_MOST;

    if (end == text || *end != '%' || !(percent > 0 && percent <= 100))
        return error_set(error, EINVAL, "'%s': expected a percentage of the median, such as 2%%",
                         text);
    end++;
    if (*end == ',' && end[1] >= '0' && end[1] <= '9')
        most = strtoul(end + 1, &end, 10);
    if (*end || most < UNTIL_LEAST || most > 100000)
        return error_set(error, EINVAL,
                         "'%s': behind the percentage expected nothing, or a comma and the most "
                         "repetitions, from %d to 100000",
                         text, UNTIL_LEAST);
    *until = (struct until){.share = percent / 100, .most = (unsigned)most};
    return 0;
}

static int compare_values(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/*
 * The median lies between the k-th smallest and the k-th largest of n values unless fewer than k
 * of them fall on one side of it, which is a matter of tossing n coins (David & Nagaraja, Order
 * Statistics, 7.1). The largest k that leaves 95%; 1 where none does.
 */
static size_t interval_rank(size_t n)
{
    double probability = pow(0.5, (double)n), below = probability; /* of no value on one side */
    size_t rank = 1;

    while (rank < n / 2) {
        probability *= (double)(n - rank + 1) / (double)rank;
        below += probability; /* of at most `rank` values there */
        if (1 - 2 * below < CONFIDENCE)
            break;
        rank++;
    }
    return rank;
}

/* Sorts the values. */
static struct bounds bounds_of(double *values, size_t count)
{
    size_t rank = interval_rank(count);

    qsort(values, count, sizeof *values, compare_values);
    return (struct bounds){.low = values[rank - 1],
                           .median = (values[(count - 1) / 2] + values[count / 2]) / 2,
                           .high = values[count - rank]};
}

bool until_wants(const struct combination *combination, void *context)
{
    const struct until *until = context;
    struct bounds bounds;

    if (combination->nr_values == 0 || combination->repeats >= until->most)
        return false;
    if (combination->nr_values < UNTIL_LEAST)
        return true;
    bounds = bounds_of(combination->values, combination->nr_values);
    return bounds.high - bounds.low > until->share * bounds.median;
}
