/* SPDX-License-Identifier: MIT */
/* How long operations take: cumulative distributions, of all runs of a point together. */
#include "tools/plot_side.h"
#include "tools/plot_writer.h"
#include "tools/record.h"

#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bucket {
    double bound_ns; /* lower */
    double count;
};

struct distribution {
    struct bucket *buckets;
    size_t count;
    double samples;
};

static const char *const operations[] = {"alloc", "free"};
static const char *const layers[] = {"cpu", "depot", "slab", "page"};

static int distribution_add(struct distribution *to, const json_t *histogram)
{
    struct bucket *grown =
        realloc(to->buckets, (to->count + json_array_size(histogram) + 1) * sizeof *grown);
    const json_t *pair;
    size_t i;

    if (!grown)
        return -ENOMEM;
    to->buckets = grown;
    json_array_foreach(histogram, i, pair)
    {
        struct bucket bucket = {json_number_value(json_array_get(pair, 0)),
                                json_number_value(json_array_get(pair, 1))};

        grown[to->count++] = bucket;
        to->samples += bucket.count;
    }
    return 0;
}

static int compare_buckets(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;

    return (x->bound_ns > y->bound_ns) - (x->bound_ns < y->bound_ns);
}

/* Of one operation; `layer` NULL: of all layers. */
static int distribution_of(const struct point *point, json_t *const *sides, const char *operation,
                           const char *layer, struct distribution *distribution)
{
    int code = 0;

    *distribution = (struct distribution){0};
    for (size_t i = 0; code == 0 && i < point->nr_runs; i++) {
        const json_t *by_layer =
            json_object_get(json_object_get(sides[i], "latency_ns"), operation);

        for (size_t j = 0; code == 0 && j < sizeof layers / sizeof *layers; j++) {
            if (!layer || strcmp(layer, layers[j]) == 0)
                code = distribution_add(distribution, json_object_get(by_layer, layers[j]));
        }
    }
    if (distribution->count)
        qsort(distribution->buckets, distribution->count, sizeof *distribution->buckets,
              compare_buckets);
    return code;
}

/* The least time within which `share` of the operations were done. */
static double percentile(const struct distribution *distribution, double share)
{
    double below = 0;

    for (size_t i = 0; i < distribution->count; i++) {
        below += distribution->buckets[i].count;
        if (below >= share * distribution->samples)
            return distribution->buckets[i].bound_ns;
    }
    return 0;
}

/*
 * Rows: time, share of the operations that took longer. The last row would be zero, which no
 * logarithm has: it is left out, so a curve ends at one operation of all.
 */
static void distribution_write(FILE *stream, const struct distribution *distribution)
{
    double below = 0, left = 1;

    fprintf(stream, "%.6g 1\n", distribution->count ? distribution->buckets[0].bound_ns : 1);
    for (size_t i = 0; i < distribution->count; i++) {
        bool more = i + 1 < distribution->count &&
                    distribution->buckets[i + 1].bound_ns == distribution->buckets[i].bound_ns;

        below += distribution->buckets[i].count;
        if (more)
            continue;
        left = 1 - below / distribution->samples;
        if (below < distribution->samples)
            fprintf(stream, "%.6g %.6g\n", distribution->buckets[i].bound_ns, left);
    }
}

/* ---- a point's side files ---- */

static void sides_free(const struct point *point, json_t **sides)
{
    for (size_t i = 0; sides && i < point->nr_runs; i++)
        json_decref(sides[i]);
    free(sides);
}

/* One a run, NULL where there is none. */
static json_t **sides_of(struct plot_writer *writer, const struct point *point)
{
    json_t **sides = calloc(point->nr_runs, sizeof(json_t *));

    for (size_t i = 0; sides && i < point->nr_runs; i++) {
        if (record_at(point->runs[i], "latency_ns"))
            sides[i] = plot_side_read(writer, point->runs[i]);
    }
    return sides;
}

/* A block of an operation, and a layer, of a point; nothing where it has no samples. */
static int curve_write(struct picture *picture, const struct point *point, json_t *const *sides,
                       const char *operation, const char *layer, bool *written, double *p99)
{
    struct distribution distribution;
    int code = distribution_of(point, sides, operation, layer, &distribution);

    *written = code == 0 && distribution.samples > 0;
    if (*written) {
        if (layer)
            picture_block(picture, layer);
        else
            picture_curve(picture, point, true);
        distribution_write(picture->data, &distribution);
        *p99 = percentile(&distribution, 0.99);
    }
    free(distribution.buckets);
    return code ? error_set(picture->writer->error, ENOMEM, "no memory for a distribution") : 0;
}

/* ---- all designs ---- */

struct lowest {
    const struct point *point;
    double p99_ns;
};

/* All curves of one operation; `count` gets how many. */
static int operation_write(struct picture *picture, const char *operation, size_t *count,
                           struct lowest *lowest)
{
    const struct point *point;
    int code = 0;

    *count = 0;
    for (size_t i = 0; code == 0 && (point = plot_next(picture->trace, picture->threads, &i));) {
        json_t **sides;
        bool written = false;
        double p99 = 0;

        if (!plot_stands_for_design(picture->trace, point))
            continue;
        sides = sides_of(picture->writer, point);
        if (!sides)
            return error_set(picture->writer->error, ENOMEM, "no memory for histograms");
        code = curve_write(picture, point, sides, operation, NULL, &written, &p99);
        sides_free(point, sides);
        *count += written;
        if (written && !point->harness && (!lowest->point || p99 < lowest->p99_ns))
            *lowest = (struct lowest){point, p99};
    }
    return code;
}

int plot_latency(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads)
{
    struct lowest lowest[2] = {{0}};
    char title[768], name[256] = "";
    struct picture picture;
    size_t counts[2] = {0};
    int code = picture_open(writer, trace, "latency", threads, &picture);

    if (code)
        return code;
    for (size_t i = 0; code == 0 && i < 2; i++)
        code = operation_write(&picture, operations[i], &counts[i], &lowest[i]);
    if (code)
        return picture_discard(&picture, code);
    if (!lowest[0].point)
        return picture_leave(&picture, "no histograms of any design's latency");
    plot_curve_name(lowest[0].point, true, name, sizeof name);
    snprintf(title, sizeof title,
             "Latency, %u thread%s: %s has the lowest 99th percentile of allocations, %.2g ns",
             threads, threads == 1 ? "" : "s", name, lowest[0].p99_ns);
    picture_set(&picture, "allocs = %zu\nfrees = %zu", counts[0], counts[1]);
    return picture_commit(&picture, "latency.gp", title,
                          "all runs together; times include one reading of the clock");
}

/* ---- by layer ---- */

/* Here `styles` has a word a block: number of its panel, operation (one digit), layer (one digit).
 */
static int panel_write(struct picture *picture, const struct point *point, size_t *panels)
{
    json_t **sides = sides_of(picture->writer, point);
    char name[256];
    size_t curves = 0;
    int code = 0;

    if (!sides)
        return error_set(picture->writer->error, ENOMEM, "no memory for histograms");
    for (size_t i = 0; code == 0 && i < 2 * sizeof layers / sizeof *layers; i++) {
        size_t layer = i % (sizeof layers / sizeof *layers);
        size_t operation = i / (sizeof layers / sizeof *layers);
        bool written = false;
        double p99 = 0;

        code = curve_write(picture, point, sides, operations[operation], layers[layer], &written,
                           &p99);
        if (written) {
            fprintf(picture->styles_stream, " %zu%zu%zu", *panels + 1, operation, layer);
            curves++;
        }
    }
    sides_free(point, sides);
    if (curves == 0)
        return code;
    plot_curve_name(point, true, name, sizeof name);
    (*panels)++;
    picture_set(picture, "panel%zu = '%s'", *panels, name);
    return code;
}

int plot_latency_by_layer(struct plot_writer *writer, const struct plot_trace *trace,
                          unsigned threads)
{
    const struct point *point;
    struct picture picture;
    char title[256];
    size_t panels = 0;
    int code = picture_open(writer, trace, "latency-by-layer", threads, &picture);

    if (code)
        return code;
    for (size_t i = 0; code == 0 && (point = plot_next(trace, threads, &i));) {
        if (!point->harness && plot_stands_for_design(trace, point))
            code = panel_write(&picture, point, &panels);
    }
    if (code)
        return picture_discard(&picture, code);
    if (panels == 0)
        return picture_leave(&picture, "no histograms of any design's latency");
    snprintf(title, sizeof title,
             "Latency by the deepest layer that an operation reached, %u thread%s", threads,
             threads == 1 ? "" : "s");
    picture_set(&picture, "panels = %zu", panels);
    return picture_commit(&picture, "latency-by-layer.gp", title,
                          "all runs together; times include one reading of the clock");
}
