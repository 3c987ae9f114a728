/* SPDX-License-Identifier: MIT */
/* Fronts, knees and what to take: for a person, and as an object. */
#include "tools/command.h"
#include "tools/compare.h"
#include "tools/no_memory.h"
#include "tools/pareto.h"
#include "tools/size_note.h"

#include <math.h>
#include <stdlib.h>

static double bytes_share(const struct pareto_point *point, const struct pareto_point *of)
{
    return point->bytes.spread.median / of->bytes.spread.median;
}

static double speed_share(const struct pareto_point *point, const struct pareto_point *of)
{
    return point->throughput.spread.median / of->throughput.spread.median;
}

/* Is it shown to be slower than the fastest? */
static bool is_slower(const struct pareto_curve *curve, size_t i)
{
    return i != curve->fastest && curve->points[i].difference.verdict == VERDICT_DIFFERENT;
}

/* ---- words ---- */

static void size_print(const struct pareto_point *point, FILE *stream)
{
    fprintf(stream, "size %llu", (unsigned long long)point->point->magazine_size);
}

static const char *memory_words(const struct pareto *pareto)
{
    return pareto->memory->of == figure_resting_bytes ? "resting memory" : "peak memory";
}

static void floor_words(const struct pareto *pareto, FILE *stream)
{
    if (isnan(pareto->floor))
        fprintf(stream, "noise floor not known");
    else
        fprintf(stream, "noise floor %.1f%%", pareto->floor * 100);
}

/* "97% of the best throughput (size 62) with 40% of its resting memory" */
static void shares_print(const struct pareto *pareto, const struct pareto_curve *curve, size_t i,
                         FILE *stream)
{
    const struct pareto_point *fastest = &curve->points[curve->fastest];

    size_print(&curve->points[i], stream);
    fprintf(stream, ": %.0f%% of the best throughput",
            100 * speed_share(&curve->points[i], fastest));
    if (i == curve->fastest) {
        fprintf(stream, ", as it is the fastest");
        return;
    }
    fprintf(stream, " (");
    size_print(fastest, stream);
    fprintf(stream, ")");
    if (fastest->bytes.spread.median > 0)
        fprintf(stream, " with %.0f%% of its %s", 100 * bytes_share(&curve->points[i], fastest),
                memory_words(pareto));
}

/* What the sizes above the one taken bring. */
static void beyond_print(const struct pareto *pareto, const struct pareto_curve *curve,
                         size_t taken, FILE *stream)
{
    if (taken == curve->fastest) {
        fprintf(stream,
                taken == 0 ? " and holds least %s" : "; less %s is shown to cost throughput",
                memory_words(pareto));
    } else if (is_slower(curve, taken)) {
        fprintf(stream, "; the fastest gains %.1f%% more for the rest",
                100 * (1 / curve->points[taken].difference.ratio - 1));
    } else {
        fprintf(stream, "; no gain beyond it is shown (");
        floor_words(pareto, stream);
        fprintf(stream, ")");
    }
}

/* No size is shown to be slower than the fastest: nothing to choose by but memory. */
static void nothing_shown(const struct pareto *pareto, const struct pareto_curve *curve,
                          bool too_few, FILE *stream)
{
    fprintf(stream, "no size is shown to be better: ");
    if (too_few) {
        fprintf(stream, "%zu run%s of each cannot show it, %zu could",
                curve->points[curve->fastest].throughput.count,
                command_plural(curve->points[curve->fastest].throughput.count),
                differences_runs_needed(&curve->points[0].difference, pareto->tests));
        return;
    }
    fprintf(stream, "their throughputs are not told apart (");
    floor_words(pareto, stream);
    fprintf(stream, "); ");
    size_print(&curve->points[0], stream);
    fprintf(stream, " holds least %s", memory_words(pareto));
}

static void take_print(const struct pareto *pareto, const struct pareto_curve *curve, FILE *stream)
{
    bool some_slower = false, too_few = false;
    size_t least = curve->count;

    for (size_t i = 0; i < curve->count; i++) {
        some_slower |= is_slower(curve, i);
        too_few |= i != curve->fastest && curve->points[i].difference.verdict == VERDICT_TOO_FEW;
        if (least == curve->count && !is_slower(curve, i))
            least = i; /* they are in the order of memory */
    }
    if (!some_slower) {
        nothing_shown(pareto, curve, too_few, stream);
        return;
    }
    /* The least memory that is not shown to be slower is worth more than a knee beyond it. */
    if (curve->knee < least) {
        shares_print(pareto, curve, curve->knee, stream);
        fprintf(stream, ", the knee");
        beyond_print(pareto, curve, curve->knee, stream);
        fprintf(stream, "; where that counts, ");
    }
    shares_print(pareto, curve, least, stream);
    beyond_print(pareto, curve, least, stream);
}

void pareto_advice(const struct pareto *pareto, const struct pareto_curve *curve, FILE *stream)
{
    const char *note = size_note(curve->points[0].point->allocator);

    take_print(pareto, curve, stream);
    if (note)
        fprintf(stream, "; %s", note);
}

/* ---- tables ---- */

static void point_print(const struct pareto *pareto, const struct pareto_point *point, FILE *stream)
{
    const struct figure *memory = pareto->memory, *speed = figure_find("throughput");
    char bytes[64], throughput[64];

    snprintf(bytes, sizeof bytes, "%.0f (%.0f to %.0f)", point->bytes.spread.median * memory->scale,
             point->bytes.interval.low * memory->scale, point->bytes.interval.high * memory->scale);
    snprintf(throughput, sizeof throughput, "%.2f (%.2f to %.2f)",
             point->throughput.spread.median * speed->scale,
             point->throughput.interval.low * speed->scale,
             point->throughput.interval.high * speed->scale);
    fprintf(stream, "  %-32s %6zu %26s %24s  %s%s\n", point->point->name, point->throughput.count,
            bytes, throughput, point->front ? "front" : "", point->knee ? ", knee" : "");
}

static void curve_print(const struct pareto *pareto, const struct pareto_curve *curve, FILE *stream)
{
    fprintf(stream, "\n");
    load_print(curve->load, stream);
    fprintf(stream, ", %s\n", curve->label ? curve->label : "all designs: the common front");
    fprintf(stream, "  %-32s %6s %26s %24s\n", "", "runs",
            pareto->memory->of == figure_resting_bytes ? "resting KiB" : "peak KiB", "M events/s");
    for (size_t i = 0; i < curve->count; i++) {
        if (curve->label || curve->points[i].front)
            point_print(pareto, &curve->points[i], stream);
    }
    if (!curve->label)
        return;
    fprintf(stream, "  ");
    pareto_advice(pareto, curve, stream);
    fprintf(stream, "\n");
}

void pareto_print(const struct pareto *pareto, FILE *stream)
{
    bool range = false;

    fprintf(stream, "Throughput against %s: ", memory_words(pareto));
    floor_words(pareto, stream);
    fprintf(stream, "\n");
    for (size_t i = 0; i < pareto->count; i++) {
        const struct pareto_curve *curve = &pareto->curves[i];

        curve_print(pareto, curve, stream);
        for (size_t j = 0; j < curve->count; j++)
            range |= curve->points[j].throughput.count < INTERVAL_MIN_COUNT;
    }
    if (pareto->count == 0)
        fprintf(stream,
                "  nothing to choose from: it takes two sizes or designs with both "
                "measured%s\n",
                pareto->memory->of == figure_resting_bytes ? " (--memory peak may have been)" : "");
    if (range)
        fprintf(stream, "\n  of fewer than %d runs the interval is from least to most\n",
                INTERVAL_MIN_COUNT);
    if (pareto->tests)
        fprintf(stream,
                "\n  front and knee are of medians (95%% intervals in brackets); what is called "
                "slower is shown so\n  by Mann-Whitney, corrected for %zu comparisons (Holm)\n",
                pareto->tests);
}

/* ---- as an object ---- */

static json_t *curve_json(const struct pareto *pareto, const struct pareto_curve *curve)
{
    json_t *object = json_pack("{s:s, s:i, s:i}", "trace", curve->load->trace, "threads",
                               (int)curve->load->threads, "replicas", (int)curve->load->replicas);
    json_t *points = json_array();
    char *text = NULL;
    size_t size = 0;
    FILE *stream = curve->label ? text_open(&text, &size) : NULL;

    if (curve->label)
        json_object_set_new(object, "label", json_string(curve->label));
    for (size_t i = 0; i < curve->count; i++) {
        const struct pareto_point *point = &curve->points[i];
        json_t *row = point_json(point->point);

        json_object_set_new(row, pareto->memory->name, measured_json(&point->bytes));
        json_object_set_new(row, "throughput", measured_json(&point->throughput));
        json_object_set_new(row, "front", json_boolean(point->front));
        json_object_set_new(row, "knee", json_boolean(point->knee));
        json_object_set_new(row, "fastest", json_boolean(i == curve->fastest));
        if (curve->label && i != curve->fastest)
            json_object_set_new(row, "difference",
                                difference_json(&point->difference, figure_find("throughput")));
        json_array_append_new(points, row);
    }
    json_object_set_new(object, "points", points);
    if (stream) {
        pareto_advice(pareto, curve, stream);
        text_close(stream, &text);
        json_object_set_new(object, "advice", json_string(text));
    }
    free(text);
    return object;
}

json_t *pareto_json(const struct pareto *pareto)
{
    json_t *object =
        json_pack("{s:s, s:i}", "memory", pareto->memory->name, "tests", (int)pareto->tests);
    json_t *curves = json_array();

    if (!object || !curves) {
        json_decref(object);
        json_decref(curves);
        return NULL;
    }
    if (!isnan(pareto->floor))
        json_object_set_new(object, "noise_floor", json_real(pareto->floor));
    for (size_t i = 0; i < pareto->count; i++)
        json_array_append_new(curves, curve_json(pareto, &pareto->curves[i]));
    json_object_set_new(object, "curves", curves);
    return object;
}
