/* SPDX-License-Identifier: MIT */
/* Front and knee of each design's sizes, and of all designs together. */
#include "tools/pareto.h"

#include "tools/noise.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static double bytes_of(const struct pareto_point *point)
{
    return point->bytes.spread.median;
}

static double speed_of(const struct pareto_point *point)
{
    return point->throughput.spread.median;
}

static int compare_points(const void *a, const void *b)
{
    const struct pareto_point *x = a, *y = b;

    if (bytes_of(x) != bytes_of(y))
        return bytes_of(x) < bytes_of(y) ? -1 : 1;
    return (speed_of(x) < speed_of(y)) - (speed_of(x) > speed_of(y));
}

/* How far above the line from the front's first to its last, each at most 1 from the other. */
static double height(const struct pareto_point *first, const struct pareto_point *last,
                     const struct pareto_point *point)
{
    return (speed_of(point) - speed_of(first)) / (speed_of(last) - speed_of(first)) -
           (bytes_of(point) - bytes_of(first)) / (bytes_of(last) - bytes_of(first));
}

size_t pareto_mark(struct pareto_point *points, size_t count)
{
    double best = -INFINITY, highest = 0;
    size_t last = 0, knee = count;

    qsort(points, count, sizeof *points, compare_points);
    for (size_t i = 0; i < count; i++) {
        bool equal =
            i > 0 && points[i - 1].front && compare_points(&points[i - 1], &points[i]) == 0;

        points[i].front = speed_of(&points[i]) > best || equal;
        points[i].knee = false;
        if (points[i].front) {
            best = speed_of(&points[i]);
            last = i;
        }
    }
    for (size_t i = 1; i < last; i++) {
        double above = points[i].front ? height(&points[0], &points[last], &points[i]) : 0;

        /* What rounding lifts above the line is on it. */
        if (above > highest + 1e-9) {
            highest = above;
            knee = i;
        }
    }
    if (knee < count)
        points[knee].knee = true;
    return knee;
}

/* ---- curves ---- */

static void curve_cleanup(struct pareto_curve *curve)
{
    for (size_t i = 0; i < curve->count; i++) {
        measured_cleanup(&curve->points[i].bytes);
        measured_cleanup(&curve->points[i].throughput);
    }
    free(curve->points);
}

static int curve_add(struct pareto_curve *curve, const struct point *point,
                     const struct figure *memory)
{
    struct pareto_point *grown, added = {.point = point};
    int code = measured_create(point, memory, &added.bytes);

    if (code == 0)
        code = measured_create(point, figure_find("throughput"), &added.throughput);
    if (code || added.bytes.count == 0 || added.throughput.count == 0) {
        measured_cleanup(&added.bytes);
        measured_cleanup(&added.throughput);
        return code;
    }
    grown = realloc(curve->points, (curve->count + 1) * sizeof *grown);
    if (!grown) {
        measured_cleanup(&added.bytes);
        measured_cleanup(&added.throughput);
        return -ENOMEM;
    }
    curve->points = grown;
    grown[curve->count++] = added;
    return 0;
}

/* Marks it and measures every point against the fastest. */
static void curve_finish(struct pareto_curve *curve)
{
    curve->knee = pareto_mark(curve->points, curve->count);
    for (size_t i = 0; i < curve->count; i++) {
        if (speed_of(&curve->points[i]) > speed_of(&curve->points[curve->fastest]))
            curve->fastest = i;
    }
    for (size_t i = 0; i < curve->count; i++)
        difference_measure(&curve->points[curve->fastest].throughput, &curve->points[i].throughput,
                           &curve->points[i].difference);
    for (size_t i = 0; i < curve->count; i++)
        curve->points[i].difference.choices = choices_of(curve->count, curve->count);
}

/* Adds the curve of a label, or of all; one of a single point is none. */
static int curve_create(struct pareto *pareto, const struct series *series,
                        const struct point *load, const char *label)
{
    struct pareto_curve curve = {.load = load, .label = label}, *grown;
    int code = 0;

    for (size_t i = 0; code == 0 && i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!point->harness && !point->second && points_same_load(point, load) &&
            (!label || (strcmp(point->label, label) == 0 && point->magazine_size)))
            code = curve_add(&curve, point, pareto->memory);
    }
    grown = code == 0 && curve.count > 1
                ? realloc(pareto->curves, (pareto->count + 1) * sizeof *grown)
                : NULL;
    if (!grown) {
        bool none = code == 0 && curve.count < 2;

        curve_cleanup(&curve);
        return none ? 0 : -ENOMEM;
    }
    pareto->curves = grown;
    curve_finish(&curve);
    grown[pareto->count++] = curve;
    return 0;
}

/* ---- all of them ---- */

/* Is this the first of the series with its load (and label, if that is asked)? */
static bool is_first(const struct series *series, size_t index, bool label)
{
    for (size_t i = 0; i < index; i++) {
        if (points_same_load(&series->points[i], &series->points[index]) &&
            (!label || strcmp(series->points[i].label, series->points[index].label) == 0))
            return false;
    }
    return true;
}

static int load_curves(struct pareto *pareto, const struct series *series, size_t load)
{
    int code = 0;

    for (size_t i = load; code == 0 && i < series->count; i++) {
        if (points_same_load(&series->points[i], &series->points[load]) &&
            is_first(series, i, true))
            code = curve_create(pareto, series, &series->points[load], series->points[i].label);
    }
    return code ?: curve_create(pareto, series, &series->points[load], NULL);
}

/* All designs' sizes against their fastest are one comparison. */
static int curves_judge(struct pareto *pareto)
{
    struct difference **list;
    size_t points = 0;
    int code;

    for (size_t i = 0; i < pareto->count; i++)
        points += pareto->curves[i].count;
    list = calloc(points + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < pareto->count; i++) {
        struct pareto_curve *curve = &pareto->curves[i];

        for (size_t j = 0; curve->label && j < curve->count; j++) {
            if (j != curve->fastest)
                list[pareto->tests++] = &curve->points[j].difference;
        }
    }
    code = differences_judge(list, pareto->tests, pareto->floor);
    free(list);
    return code;
}

int pareto_create(const struct series *series, const struct figure *memory, struct pareto *pareto)
{
    struct noise noise;
    int code = noise_measure(series, figure_find("throughput"), &noise);

    *pareto = (struct pareto){.memory = memory, .floor = NAN};
    if (code)
        return code;
    pareto->floor = noise.floor;
    noise_cleanup(&noise);
    for (size_t i = 0; code == 0 && i < series->count; i++) {
        if (is_first(series, i, false))
            code = load_curves(pareto, series, i);
    }
    if (code == 0)
        code = curves_judge(pareto);
    if (code)
        pareto_cleanup(pareto);
    return code;
}

void pareto_cleanup(struct pareto *pareto)
{
    for (size_t i = 0; i < pareto->count; i++)
        curve_cleanup(&pareto->curves[i]);
    free(pareto->curves);
    *pareto = (struct pareto){0};
}
