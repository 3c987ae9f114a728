/* SPDX-License-Identifier: MIT */
/* From records to points. */
#include "tools/series.h"
#include "tools/record.h"

#include "sim/error.h"
#include "sim/result.h"
#include "tools/runs_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct series *series;
    json_t *last; /* number of each cell's last record */
    size_t number;
    int code;
};

static uint64_t integer_of(const json_t *record, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(record, key));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

static struct point *point_find(struct series *series, const json_t *record)
{
    const char *trace = text_of(json_object_get(record, "trace"), "path");
    const char *allocator = text_of(record, "allocator");
    uint64_t size = integer_of(record, "magazine_size");
    unsigned threads = (unsigned)integer_of(record, "threads");
    struct point *grown;

    for (size_t i = 0; i < series->count; i++) {
        struct point *point = &series->points[i];

        if (point->magazine_size == size && point->threads == threads &&
            strcmp(point->trace, trace) == 0 && strcmp(point->allocator, allocator) == 0)
            return point;
    }
    grown = realloc(series->points, (series->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    series->points = grown;
    grown[series->count] = (struct point){.trace = strdup(trace),
                                          .allocator = strdup(allocator),
                                          .magazine_size = size,
                                          .threads = threads,
                                          .peak_page_bytes = -1};
    series->count++;
    return grown[series->count - 1].trace && grown[series->count - 1].allocator
               ? &grown[series->count - 1]
               : NULL;
}

static int machine_note(struct series *series, const json_t *record)
{
    const json_t *provenance = json_object_get(record, "provenance");

    if (series->machine)
        return 0;
    return asprintf(&series->machine, "%s, %s", text_of(provenance, "cpu"),
                    text_of(provenance, "topology")) < 0
               ? -ENOMEM
               : 0;
}

/* First time through the file. */
static void note_last(void *context, const json_t *record)
{
    struct reading *reading = context;
    const char *cell = json_string_value(json_object_get(record, "cell"));
    json_int_t number = (json_int_t)reading->number++;

    if (cell && json_object_set_new(reading->last, cell, json_integer(number)) != 0)
        reading->code = -ENOMEM;
}

/* Records without a cell (those of `replay`) are each a run of its own. */
static bool is_last(const struct reading *reading, const json_t *record, size_t number)
{
    const char *cell = json_string_value(json_object_get(record, "cell"));
    const json_t *last = cell ? json_object_get(reading->last, cell) : NULL;

    return !last || (size_t)json_integer_value(last) == number;
}

/* Second time. */
static void visit(void *context, const json_t *record)
{
    struct reading *reading = context;
    size_t number = reading->number++;
    const json_t *peak;
    struct point *point;
    double *grown;

    if (reading->code || !is_last(reading, record, number))
        return;
    if (strcmp(text_of(record, "schema"), RESULT_SCHEMA) != 0) {
        reading->series->failed++;
        return;
    }
    if (!result_valid(record)) {
        reading->series->invalid++;
        return;
    }
    point = point_find(reading->series, record);
    grown = point ? realloc(point->events_per_second, (point->runs + 1) * sizeof *grown) : NULL;
    if (!grown || machine_note(reading->series, record) != 0) {
        reading->code = -ENOMEM;
        return;
    }
    point->events_per_second = grown;
    grown[point->runs++] = json_number_value(json_object_get(record, "events_per_second"));
    peak = json_object_get(record, "peak_page_bytes");
    if (!peak) /* records of before there was a ledger */
        peak = record_at(record, "ledger.peak.page_bytes");
    if (peak && json_number_value(peak) > point->peak_page_bytes)
        point->peak_page_bytes = json_number_value(peak);
}

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    int order = strcmp(x->trace, y->trace);

    if (order == 0)
        order = strcmp(x->allocator, y->allocator);
    if (order == 0)
        order = (x->magazine_size > y->magazine_size) - (x->magazine_size < y->magazine_size);
    if (order == 0)
        order = (x->threads > y->threads) - (x->threads < y->threads);
    return order;
}

int series_read(const char *folder, struct series *series, struct error *error)
{
    struct reading reading = {.series = series, .last = json_object()};
    int code;

    *series = (struct series){0};
    if (!reading.last)
        return error_set(error, ENOMEM, "no memory for the runs of %s", folder);
    code = runs_file_read(folder, note_last, &reading, NULL, error);
    reading.number = 0;
    if (code == 0)
        code = runs_file_read(folder, visit, &reading, NULL, error);
    json_decref(reading.last);
    if (code == 0 && reading.code)
        code = error_set(error, ENOMEM, "no memory for the runs of %s", folder);
    if (code == 0 && series->count == 0)
        code = error_set(error, ENODATA, "%s: no valid run in it", folder);
    if (code) {
        series_cleanup(series);
        return code;
    }
    qsort(series->points, series->count, sizeof *series->points, compare_points);
    for (size_t i = 0; i < series->count; i++)
        series->points[i].throughput =
            spread_of(series->points[i].events_per_second, series->points[i].runs);
    return 0;
}

void series_cleanup(struct series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        free(series->points[i].trace);
        free(series->points[i].allocator);
        free(series->points[i].events_per_second);
    }
    free(series->points);
    free(series->machine);
    *series = (struct series){0};
}
