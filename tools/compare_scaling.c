/* SPDX-License-Identifier: MIT */
/* The scalability law of each design and size whose threads were varied. */
#include "tools/compare.h"
#include "tools/no_memory.h"
#include "tools/scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One design over its thread counts. */
struct row {
    const struct point *point; /* the first of them */
    size_t counts;
    double most_threads;
    struct scaling scaling;
};

static bool same_row(const struct point *a, const struct point *b)
{
    return !a->second && !b->second && strcmp(a->trace, b->trace) == 0 &&
           strcmp(a->digest, b->digest) == 0 && strcmp(a->name, b->name) == 0;
}

/* The fit of the row that begins at `start`; false: too few counts of threads. */
static bool row_fit(const struct series *series, size_t start, struct row *row)
{
    double *threads = calloc(series->count, sizeof *threads);
    double *throughput = calloc(series->count, sizeof *throughput);
    bool fitted = false;

    *row = (struct row){.point = &series->points[start]};
    for (size_t i = start; threads && throughput && i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!same_row(point, row->point))
            continue;
        threads[row->counts] = point->threads;
        throughput[row->counts++] = point->throughput.median;
        row->most_threads = fmax(row->most_threads, point->threads);
    }
    if (threads && throughput)
        fitted = scaling_fit(threads, throughput, row->counts, &row->scaling);
    free(threads);
    free(throughput);
    return fitted;
}

/* Calls visit for each design that has enough; returns how many. */
static size_t rows_visit(const struct series *series,
                         void (*visit)(void *context, const struct row *row), void *context)
{
    size_t found = 0;

    for (size_t i = 0; i < series->count; i++) {
        struct row row;
        size_t j = 0;

        while (j < i && !same_row(&series->points[j], &series->points[i]))
            j++;
        if (j == i && !series->points[i].second && row_fit(series, i, &row)) {
            visit(context, &row);
            found++;
        }
    }
    return found;
}

static void row_print(void *context, const struct row *row)
{
    const char *slash = strrchr(row->point->trace, '/');
    FILE *stream = context;

    fprintf(stream, "  %-20s %-28s %8.4f %10.6f", slash ? slash + 1 : row->point->trace,
            row->point->name, row->scaling.sigma, row->scaling.kappa);
    if (isinf(row->scaling.peak))
        fprintf(stream, " %18s", "none");
    else
        fprintf(stream, " %.*f threads%s", row->scaling.peak < 100 ? 1 : 0, row->scaling.peak,
                row->scaling.peak > row->most_threads ? " (beyond those measured)" : "");
    if (row->counts > SCALING_MIN_COUNT)
        fprintf(stream, "; off by up to %.1f%%\n", row->scaling.error * 100);
    else
        fprintf(stream, "; met exactly, as there are only %d counts\n", SCALING_MIN_COUNT);
}

size_t scaling_print(const struct series *series, FILE *stream)
{
    char *text = NULL;
    size_t size = 0, found;
    FILE *rows = text_open(&text, &size);

    found = rows_visit(series, row_print, rows);
    text_close(rows, &text);
    if (found)
        fprintf(stream,
                "Scaling (Gunther's universal scalability law)\n  %-20s %-28s %8s %10s %s\n%s", "",
                "", "sigma", "kappa", "peak", text);
    free(text);
    return found;
}

static void row_append(void *context, const struct row *row)
{
    json_t *object = point_json(row->point);

    json_object_del(object, "threads");
    json_object_del(object, "replicas");
    json_object_set_new(object, "thread_counts", json_integer((json_int_t)row->counts));
    json_object_set_new(object, "lambda", json_real(row->scaling.lambda));
    json_object_set_new(object, "sigma", json_real(row->scaling.sigma));
    json_object_set_new(object, "kappa", json_real(row->scaling.kappa));
    if (isfinite(row->scaling.peak))
        json_object_set_new(object, "peak_threads", json_real(row->scaling.peak));
    json_object_set_new(object, "largest_error", json_real(row->scaling.error));
    json_array_append_new(context, object);
}

json_t *scaling_json(const struct series *series)
{
    json_t *rows = json_array();

    if (rows)
        rows_visit(series, row_append, rows);
    return rows;
}
