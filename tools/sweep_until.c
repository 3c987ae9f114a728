/* SPDX-License-Identifier: MIT */
/* When a combination has been repeated often enough. */
#include "tools/sweep_until.h"

#include "sim/error.h"
#include "tools/statistics.h"
#include "tools/sweep_plan.h"

#include <errno.h>
#include <stdlib.h>

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

bool until_wants(const struct combination *combination, void *context)
{
    const struct until *until = context;
    struct interval interval;
    double median;

    if (combination->nr_values == 0 || combination->repeats >= until->most)
        return false;
    if (combination->nr_values < UNTIL_LEAST)
        return true;
    interval = median_interval(combination->values, combination->nr_values, 1);
    median = spread_of(combination->values, combination->nr_values).median;
    return interval.high - interval.low > until->share * median;
}
