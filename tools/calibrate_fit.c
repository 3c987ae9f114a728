/* SPDX-License-Identifier: MIT */
/* Two figures by least squares: see calibrate.h. */
#include "tools/calibrate.h"

#include <math.h>

/* Accesses an operation of the designs must differ by this factor to tell the two apart. */
#define TOLD_APART 1.2

/* A grid of so many steps a side, around the best so far, ever narrower. */
#define GRID_STEPS  40
#define GRID_ROUNDS 24
#define GRID_NARROW 0.5

double calibrate_predicted(const struct calibrate_point *point, const struct calibration *with)
{
    return point->base_ns + with->compute_cycles * point->access_ns +
           with->operation_cycles * point->operation_ns;
}

static double squares(const struct calibrate_point *points, size_t count,
                      const struct calibration *with)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        double off = log(calibrate_predicted(&points[i], with) / points[i].native_ns);

        sum += off * off;
    }
    return sum;
}

/* What is to be fitted, and the most that each should be: all of a native time. */
static void bounds(const struct calibrate_point *points, size_t count, struct calibration *fit,
                   struct calibration *most)
{
    double least_ratio = INFINITY, most_ratio = 0;

    *most = (struct calibration){0};
    for (size_t i = 0; i < count; i++) {
        const struct calibrate_point *point = &points[i];
        double ratio = point->operation_ns > 0 ? point->access_ns / point->operation_ns : INFINITY;

        least_ratio = fmin(least_ratio, ratio);
        most_ratio = fmax(most_ratio, ratio);
        if (point->access_ns > 0)
            most->compute_cycles = fmax(most->compute_cycles, point->native_ns / point->access_ns);
        if (point->operation_ns > 0)
            most->operation_cycles =
                fmax(most->operation_cycles, point->native_ns / point->operation_ns);
    }
    fit->fits_compute = most_ratio > 0;
    fit->fits_operation = !fit->fits_compute || most_ratio > TOLD_APART * least_ratio;
}

/* Step `i` of the grid around `middle`. */
static double step(double middle, double width, unsigned i)
{
    return fmax(0, middle + width * (2.0 * i / GRID_STEPS - 1));
}

void calibrate_fit(const struct calibrate_point *points, size_t count, struct calibration *best)
{
    struct calibration most;
    double compute_width, operation_width, least;

    bounds(points, count, best, &most);
    compute_width = best->fits_compute ? fmax(most.compute_cycles, best->compute_cycles) : 0;
    operation_width =
        best->fits_operation ? fmax(most.operation_cycles, best->operation_cycles) : 0;
    least = squares(points, count, best);
    for (unsigned round = 0; round < GRID_ROUNDS; round++) {
        const struct calibration middle = *best;

        for (unsigned i = 0; i <= GRID_STEPS * GRID_STEPS + 2 * GRID_STEPS; i++) {
            struct calibration tried = middle;
            double sum;

            tried.compute_cycles = step(middle.compute_cycles, compute_width, i % (GRID_STEPS + 1));
            tried.operation_cycles =
                step(middle.operation_cycles, operation_width, i / (GRID_STEPS + 1));
            sum = squares(points, count, &tried);
            if (sum < least) {
                least = sum;
                *best = tried;
            }
        }
        compute_width *= GRID_NARROW;
        operation_width *= GRID_NARROW;
    }
}
