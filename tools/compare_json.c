/* SPDX-License-Identifier: MIT */
/* Comparisons as objects; results/FORMAT.md says each key. What is not known is absent. */
#include "tools/compare.h"

#include <math.h>

/* Nothing is set for a NAN or an infinity. */
static void set_real(json_t *object, const char *key, double value)
{
    if (isfinite(value))
        json_object_set_new(object, key, json_real(value));
}

json_t *interval_json(struct interval interval)
{
    return isfinite(interval.low) && isfinite(interval.high)
               ? json_pack("[f, f]", interval.low, interval.high)
               : NULL;
}

json_t *point_json(const struct point *point)
{
    json_t *object = json_pack("{s:s, s:s, s:s, s:s, s:i, s:i}", "name", point->name, "label",
                               point->label, "allocator", point->allocator, "trace", point->trace,
                               "threads", (int)point->threads, "replicas", (int)point->replicas);

    if (object && point_is_simulated(point))
        json_object_set_new(object, "machine", json_string(point->machine));
    if (object && point->magazine_size)
        json_object_set_new(object, "magazine_size",
                            json_integer((json_int_t)point->magazine_size));
    return object;
}

json_t *measured_json(const struct measured *measured)
{
    json_t *object = json_object(), *outliers = json_array();

    json_object_set_new(object, "runs", json_integer((json_int_t)measured->count));
    set_real(object, "median", measured->spread.median);
    json_object_set_new(object, "interval", interval_json(measured->interval));
    if (measured->count && measured->count < INTERVAL_MIN_COUNT && !measured->exact)
        json_object_set_new(object, "interval_is_range", json_true());
    set_real(object, "minimum", measured->spread.minimum);
    set_real(object, "maximum", measured->spread.maximum);
    for (size_t i = 0; i < measured->count; i++) {
        if (measured->values[i] < measured->fences.low ||
            measured->values[i] > measured->fences.high)
            json_array_append_new(outliers, json_real(measured->values[i]));
    }
    json_object_set_new(object, "outliers", outliers);
    return object;
}

json_t *difference_json(const struct difference *difference, const struct figure *figure)
{
    json_t *object = json_object();
    char words[160];

    difference_words(difference, figure, words, sizeof words);
    set_real(object, "ratio", difference->ratio);
    json_object_set_new(object, "interval", interval_json(difference->interval));
    if (difference->is_range)
        json_object_set_new(object, "interval_is_range", json_true());
    if (difference->exact)
        json_object_set_new(object, "exact", json_true());
    set_real(object, "p", difference->p);
    set_real(object, "p_corrected", difference->corrected);
    json_object_set_new(object, "verdict", json_string(verdict_name(difference->verdict)));
    json_object_set_new(object, "words", json_string(words));
    return object;
}

static void arms_append(json_t *arms, const struct noise *noise, const char *source)
{
    for (size_t i = 0; i < noise->count; i++) {
        const struct noise_arm *arm = &noise->arms[i];
        json_t *object = point_json(arm->first);

        if (source)
            json_object_set_new(object, "source", json_string(source));
        set_real(object, "ratio", arm->difference.ratio);
        json_object_set_new(object, "interval", interval_json(arm->difference.interval));
        if (arm->difference.is_range)
            json_object_set_new(object, "interval_is_range", json_true());
        json_array_append_new(arms, object);
    }
}

static json_t *pair_json(const struct comparison *comparison, const struct pairing *pair)
{
    json_t *object = point_json(pair->other);

    if (comparison->before)
        json_object_set_new(object, "before", measured_json(&pair->base_measured));
    json_object_set_new(object, comparison->before ? "after" : "measured",
                        measured_json(&pair->other_measured));
    if (!comparison->before)
        json_object_set_new(object, "baseline", json_string(pair->base->name));
    if (pair->base != pair->other)
        json_object_set_new(object, "difference",
                            difference_json(&pair->difference, comparison->figure));
    return object;
}

json_t *comparison_json(const struct comparison *comparison)
{
    const struct figure *figure = comparison->figure;
    json_t *object = json_pack("{s:s, s:b, s:i}", "figure", figure->name, "more_is_better",
                               figure->more_is_better, "tests", (int)comparison->tests);
    json_t *arms = json_array(), *cells = json_array();

    if (!object || !arms || !cells) {
        json_decref(object);
        json_decref(arms);
        json_decref(cells);
        return NULL;
    }
    set_real(object, "noise_floor", comparison->floor);
    arms_append(arms, &comparison->before_noise, "A");
    arms_append(arms, &comparison->noise, comparison->before ? "B" : NULL);
    json_object_set_new(object, "arms", arms);
    for (size_t i = 0; i < comparison->count; i++)
        json_array_append_new(cells, pair_json(comparison, &comparison->pairs[i]));
    json_object_set_new(object, "cells", cells);
    return object;
}
