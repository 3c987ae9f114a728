/* SPDX-License-Identifier: MIT */
/* Two sets of runs against each other. */
#include "tools/difference.h"

#include "tools/significance.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define INTERVAL_SEED 1

/* ---- one set ---- */

int measured_create(const struct point *point, const struct figure *figure,
                    struct measured *measured)
{
    *measured = (struct measured){
        .values = calloc(point->nr_runs ? point->nr_runs : 1, sizeof *measured->values),
        .exact = point_is_simulated(point),
        .spread = {NAN, NAN, NAN},
        .interval = {NAN, NAN}};
    if (!measured->values)
        return -ENOMEM;
    measured->count = point_figures(point, figure->of, measured->values);
    if (measured->count == 0)
        return 0;
    measured->spread = spread_of(measured->values, measured->count);
    measured->interval = median_interval(measured->values, measured->count, INTERVAL_SEED);
    measured->fences = outlier_fences(measured->values, measured->count);
    measured->outliers = outliers_count(measured->values, measured->count);
    return 0;
}

void measured_cleanup(struct measured *measured)
{
    free(measured->values);
    *measured = (struct measured){0};
}

/* ---- two sets ---- */

/* As the model has it: what is not equal differs. */
static void exact_measure(const struct measured *base, const struct measured *other,
                          struct difference *difference)
{
    double before = base->spread.median, after = other->spread.median;

    difference->exact = true;
    difference->is_range = false;
    difference->verdict = before == after ? VERDICT_NONE : VERDICT_NO_RATIO;
    if (!(before > 0 && after > 0))
        return;
    difference->ratio = after / before;
    difference->interval = (struct interval){difference->ratio, difference->ratio};
    if (before != after)
        difference->verdict = VERDICT_DIFFERENT;
}

void difference_measure(const struct measured *base, const struct measured *other,
                        struct difference *difference)
{
    *difference = (struct difference){.ratio = NAN,
                                      .interval = {NAN, NAN},
                                      .is_range = base->count < INTERVAL_MIN_COUNT ||
                                                  other->count < INTERVAL_MIN_COUNT,
                                      .p = NAN,
                                      .corrected = NAN,
                                      .least_p = NAN,
                                      .choices = 1,
                                      .verdict = VERDICT_UNKNOWN};
    if (base->count == 0 || other->count == 0)
        return;
    if (base->exact && other->exact) {
        exact_measure(base, other, difference);
        return;
    }
    difference->p = rank_test(base->values, base->count, other->values, other->count).p;
    difference->least_p = rank_test_least_p(base->count, other->count);
    /* A ratio is drawn of any two values, so none may be zero. */
    if (!(base->values[0] > 0 && other->values[0] > 0))
        return;
    difference->ratio = other->spread.median / base->spread.median;
    difference->interval =
        ratio_interval(other->values, other->count, base->values, base->count, INTERVAL_SEED);
}

double choices_of(size_t candidates, size_t points)
{
    return fmax(1, candidates < points ? (double)candidates : (double)points / 2);
}

size_t differences_runs_needed(const struct difference *difference, size_t tests)
{
    return runs_needed((size_t)ceil((double)tests * difference->choices));
}

double ratio_distance(double ratio)
{
    return fmax(ratio, 1 / ratio) - 1;
}

static enum verdict verdict_of(const struct difference *difference, size_t tests, double floor)
{
    const struct interval *interval = &difference->interval;

    if (difference->exact)
        return difference->verdict;
    if (isnan(difference->corrected))
        return VERDICT_UNKNOWN;
    if (difference->corrected > SIGNIFICANCE_LEVEL)
        return difference->least_p * difference->choices * (double)tests > SIGNIFICANCE_LEVEL
                   ? VERDICT_TOO_FEW
                   : VERDICT_NONE;
    if (isnan(difference->ratio))
        return VERDICT_NO_RATIO;
    if (interval->low <= 1 && interval->high >= 1)
        return VERDICT_NONE;
    if (ratio_distance(difference->ratio) <= floor)
        return VERDICT_BELOW_FLOOR;
    return VERDICT_DIFFERENT;
}

int differences_judge(struct difference *const *list, size_t count, double floor)
{
    double *p = calloc(count ? count : 1, sizeof *p);
    size_t tests = 0;

    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        /* fmin() would take the 1 for a NAN. */
        p[i] = list[i]->p * list[i]->choices;
        p[i] = p[i] > 1 ? 1 : p[i];
        tests += !isnan(p[i]);
    }
    if (holm_correct(p, count) != 0) {
        free(p);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        list[i]->corrected = p[i];
        list[i]->verdict = verdict_of(list[i], tests, floor);
    }
    free(p);
    return 0;
}

/* ---- words ---- */

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {
        [VERDICT_DIFFERENT] = "different",     [VERDICT_NONE] = "none",
        [VERDICT_BELOW_FLOOR] = "below_floor", [VERDICT_TOO_FEW] = "too_few",
        [VERDICT_NO_RATIO] = "no_ratio",       [VERDICT_UNKNOWN] = "unknown",
    };

    return names[verdict];
}

/* Near 1 a third decimal says something, and so it does far below it. */
static int decimals_of(double ratio)
{
    if (ratio >= 100)
        return 0;
    if (ratio < 0.01)
        return 4;
    if (ratio < 0.1)
        return 3;
    return ratio_distance(ratio) < 0.1 ? 3 : 2;
}

/* What was seen is said, though it shows nothing. */
static void too_few_words(const struct difference *difference, int decimals, char *text,
                          size_t size)
{
    const struct interval *interval = &difference->interval;
    int used = snprintf(text, size, "too few runs to show a difference");

    if (isnan(difference->ratio) || used < 0 || (size_t)used >= size)
        return;
    if (interval->low == interval->high)
        snprintf(text + used, size - (size_t)used, " (%.*f in all runs)", decimals, interval->low);
    else
        snprintf(text + used, size - (size_t)used, " (%.*f to %.*f%s)", decimals, interval->low,
                 decimals, interval->high, difference->is_range ? ", least to most" : "");
}

void difference_words(const struct difference *difference, const struct figure *figure, char *text,
                      size_t size)
{
    int decimals = isnan(difference->ratio) ? 2 : decimals_of(difference->ratio);

    switch (difference->verdict) {
    case VERDICT_DIFFERENT:
        if (difference->exact) {
            snprintf(text, size, "%.*f %s", decimals, difference->ratio, figure->times);
            return;
        }
        snprintf(text, size, "%.*f %s (%.*f to %.*f%s)", decimals, difference->ratio, figure->times,
                 decimals, difference->interval.low, decimals, difference->interval.high,
                 difference->is_range ? ", least to most" : "");
        return;
    case VERDICT_BELOW_FLOOR:
        snprintf(text, size, "no difference shown above the noise floor");
        return;
    case VERDICT_TOO_FEW:
        too_few_words(difference, decimals, text, size);
        return;
    case VERDICT_NO_RATIO:
        snprintf(text, size, "different; no ratio, as there are zeros");
        return;
    case VERDICT_NONE:
        snprintf(text, size, difference->exact ? "the same" : "no difference shown");
        return;
    case VERDICT_UNKNOWN:
        break;
    }
    snprintf(text, size, "not measured");
}
