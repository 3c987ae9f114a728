/* SPDX-License-Identifier: MIT */
/* Which points are compared with which, and the judgement of all of them together. */
#include "tools/compare.h"

#include "sim/error.h"
#include "tools/command.h"
#include "tools/counterpart.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool pairs_same_load(const struct pairing *a, const struct pairing *b)
{
    return points_same_load(a->other, b->other);
}

static int pair_add(struct comparison *comparison, const struct point *base,
                    const struct point *other)
{
    struct pairing *grown =
        realloc(comparison->pairs, (comparison->count + 1) * sizeof *comparison->pairs);
    struct pairing *pair;
    int code;

    if (!grown)
        return -ENOMEM;
    comparison->pairs = grown;
    pair = &grown[comparison->count++];
    *pair = (struct pairing){.base = base, .other = other};
    code = measured_create(base, comparison->figure, &pair->base_measured);
    if (code == 0)
        code = measured_create(other, comparison->figure, &pair->other_measured);
    if (code == 0)
        difference_measure(&pair->base_measured, &pair->other_measured, &pair->difference);
    return code;
}

/* All that is left when the pairs are there. */
static int comparison_judge(struct comparison *comparison)
{
    struct difference **list = calloc(comparison->count + 1, sizeof *list);
    int code =
        list ? noise_measure(comparison->series, comparison->figure, &comparison->noise) : -ENOMEM;

    comparison->before_noise.floor = NAN;
    if (code == 0 && comparison->before)
        code = noise_measure(comparison->before, comparison->figure, &comparison->before_noise);
    if (code == 0) {
        comparison->floor = fmax(comparison->noise.floor, comparison->before_noise.floor);
        for (size_t i = 0; i < comparison->count; i++) {
            struct pairing *pair = &comparison->pairs[i];

            if (pair->base != pair->other && !isnan(pair->difference.p))
                list[comparison->tests++] = &pair->difference;
        }
        code = differences_judge(list, comparison->tests, comparison->floor);
    }
    free(list);
    return code;
}

/* ---- one source ---- */

static bool is_named(const struct point *point, const char *name)
{
    return strcmp(point->name, name) == 0 || strcmp(point->label, name) == 0 ||
           strcmp(point->allocator, name) == 0;
}

/* NAN: the figure was not measured. */
static int median_of(const struct point *point, const struct figure *figure, double *median)
{
    struct measured measured;
    int code = measured_create(point, figure, &measured);

    if (code == 0)
        *median = measured.spread.median;
    measured_cleanup(&measured);
    return code;
}

/* The best of a load among those that `name` is; *best stays NULL if there is none. */
static int baseline_find(const struct series *series, const struct point *load,
                         const struct figure *figure, const char *name, const struct point **best,
                         size_t *candidates)
{
    double best_median = NAN;

    *best = NULL;
    *candidates = 0;
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];
        double median;
        int code;

        if (point->second || !points_same_load(point, load) ||
            (name ? !is_named(point, name) : point->harness))
            continue;
        code = median_of(point, figure, &median);
        if (code)
            return code;
        *candidates += !isnan(median);
        if (!isnan(median) &&
            (!*best || (figure->more_is_better ? median > best_median : median < best_median))) {
            *best = point;
            best_median = median;
        }
    }
    return 0;
}

static bool is_first_of_load(const struct series *series, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (points_same_load(&series->points[i], &series->points[index]))
            return false;
    }
    return true;
}

/* The baseline first, so that a table begins with it. */
static int load_compare(struct comparison *comparison, const struct point *load,
                        const char *baseline)
{
    const struct series *series = comparison->series;
    size_t first = comparison->count, candidates, measured = 0;
    const struct point *base;
    int code = baseline_find(series, load, comparison->figure, baseline, &base, &candidates);

    if (code || !base)
        return code;
    code = pair_add(comparison, base, base);
    for (size_t i = 0; code == 0 && i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (point != base && !point->second && !point->harness && points_same_load(point, load))
            code = pair_add(comparison, base, point);
    }
    for (size_t i = first; i < comparison->count; i++)
        measured += !isnan(comparison->pairs[i].difference.p);
    for (size_t i = first; i < comparison->count; i++)
        comparison->pairs[i].difference.choices = choices_of(candidates, measured);
    return code;
}

/* "a, b, c": what a baseline can be. */
static void labels_list(const struct series *series, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < series->count && used < size; i++) {
        size_t j = 0;

        while (j < i && strcmp(series->points[j].label, series->points[i].label) != 0)
            j++;
        if (j == i)
            used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "",
                                     series->points[i].label);
    }
}

int compare_designs(const struct series *series, const struct figure *figure, const char *baseline,
                    struct comparison *comparison, struct error *error)
{
    bool known = !baseline;
    char labels[512];
    int code = 0;

    *comparison =
        (struct comparison){.figure = figure, .series = series, .baseline_named = baseline};
    for (size_t i = 0; i < series->count && !known; i++)
        known = is_named(&series->points[i], baseline);
    if (!known) {
        labels_list(series, labels, sizeof labels);
        return error_set(error, EINVAL, "no baseline '%s'; there are: %s", baseline, labels);
    }
    for (size_t i = 0; code == 0 && i < series->count; i++) {
        if (is_first_of_load(series, i))
            code = load_compare(comparison, &series->points[i], baseline);
    }
    if (code == 0)
        code = comparison_judge(comparison);
    if (code) {
        comparison_cleanup(comparison);
        return error_set(error, ENOMEM, "no memory for a comparison");
    }
    return 0;
}

/* ---- two sources ---- */

/* All of one load of the second source. */
static int load_pair(struct comparison *comparison, const struct point *load)
{
    const struct series *series = comparison->series;
    int code = 0;

    for (size_t i = 0; code == 0 && i < series->count; i++) {
        const struct point *point = &series->points[i], *base;

        if (point->second || !points_same_load(point, load))
            continue;
        base = point_counterpart(comparison->before, series, point);
        if (base)
            code = pair_add(comparison, base, point);
    }
    return code;
}

/* "magazine size 16 on hackbench.slt, 2 threads", and how many others. */
static void example_print(const struct series *series, char *text, size_t size)
{
    const struct point *point = &series->points[0];
    char others[48] = "";

    if (series->count > 1)
        snprintf(others, sizeof others, " and %zu other%s", series->count - 1,
                 command_plural(series->count - 1));
    snprintf(text, size, "%s on %s (%u thread%s, %u replica%s)%s", point->name,
             strrchr(point->trace, '/') ? strrchr(point->trace, '/') + 1 : point->trace,
             point->threads, command_plural(point->threads), point->replicas,
             command_plural(point->replicas), others);
}

int compare_sources(const struct series *before, const struct series *after,
                    const struct figure *figure, struct comparison *comparison, struct error *error)
{
    char before_has[160], after_has[160];
    int code = 0;

    *comparison = (struct comparison){.figure = figure, .before = before, .series = after};
    example_print(before, before_has, sizeof before_has);
    example_print(after, after_has, sizeof after_has);
    for (size_t i = 0; code == 0 && i < after->count; i++) {
        if (is_first_of_load(after, i))
            code = load_pair(comparison, &after->points[i]);
    }
    if (code == 0)
        code = comparison_judge(comparison);
    if (code)
        error_set(error, ENOMEM, "no memory for a comparison");
    else if (comparison->count == 0)
        code = error_set(error, ENODATA,
                         "nothing to compare: no combination of trace, threads, replicas, design, "
                         "size and options is in both sources; A has %s, B has %s",
                         before_has, after_has);
    if (code)
        comparison_cleanup(comparison);
    return code;
}

void comparison_cleanup(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++) {
        measured_cleanup(&comparison->pairs[i].base_measured);
        measured_cleanup(&comparison->pairs[i].other_measured);
    }
    free(comparison->pairs);
    noise_cleanup(&comparison->noise);
    noise_cleanup(&comparison->before_noise);
    *comparison = (struct comparison){0};
}
