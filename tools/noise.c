/* SPDX-License-Identifier: MIT */
/* The noise floor of a sweep, from its A-against-A arms. */
#include "tools/noise.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static int arm_measure(const struct point *first, const struct point *second,
                       const struct figure *figure, struct noise_arm *arm)
{
    struct measured one = {0}, other = {0};
    int code = measured_create(first, figure, &one);

    if (code == 0)
        code = measured_create(second, figure, &other);
    *arm = (struct noise_arm){.first = first, .second = second};
    if (code == 0)
        difference_measure(&one, &other, &arm->difference);
    measured_cleanup(&one);
    measured_cleanup(&other);
    return code;
}

int noise_measure(const struct series *series, const struct figure *figure, struct noise *noise)
{
    int code = 0;

    *noise = (struct noise){.floor = NAN,
                            .arms = calloc(series->count ? series->count : 1, sizeof *noise->arms)};
    if (!noise->arms)
        return -ENOMEM;
    for (size_t i = 0; code == 0 && i < series->count; i++) {
        const struct point *second = &series->points[i];
        const struct point *first = second->second ? point_first_arm(series, second) : NULL;
        struct noise_arm *arm = &noise->arms[noise->count];

        if (!first)
            continue;
        code = arm_measure(first, second, figure, arm);
        if (code == 0 && !isnan(arm->difference.ratio)) {
            noise->floor = fmax(noise->floor, ratio_distance(arm->difference.ratio));
            noise->count++;
        }
    }
    if (code)
        noise_cleanup(noise);
    return code;
}

void noise_cleanup(struct noise *noise)
{
    free(noise->arms);
    *noise = (struct noise){.floor = NAN};
}
