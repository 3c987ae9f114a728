/* SPDX-License-Identifier: MIT */
/* From records to points. */
#include "tools/series.h"

#include "sim/error.h"
#include "sim/result.h"
#include "tools/record.h"
#include "tools/runs_file.h"
#include "tools/sweep_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct series *series;
    json_t *last; /* number of each cell's last record */
    size_t number;
    int code;
};

/* ---- points ---- */

/* In the record's order. */
static char *tunables_of(const json_t *record)
{
    const json_t *value;
    const char *key;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    json_object_foreach((json_t *)record_at(record, "tunables"), key, value)
    {
        char *printed = json_dumps(value, JSON_ENCODE_ANY);

        fprintf(stream, "%s=%s\n", key, printed ? printed : "");
        free(printed);
    }
    return fclose(stream) == 0 ? text : NULL;
}

/* What one record is of; its strings are owned. False: no memory. */
static bool point_of(const json_t *record, struct point *point)
{
    *point = (struct point){
        .trace = strdup(record_text(record, "trace.path")),
        .allocator = strdup(record_text(record, "allocator")),
        .magazine_size = record_count(record, "magazine_size"),
        .threads = record_count(record, "threads"),
        .replicas = record_count(record, "replicas") ?: 1,
        .lock = strdup(record_text(record, "lock")),
        .binding = strdup(record_text(record, "machine.binding")),
        .machine = strdup(strcmp(record_text(record, "machine.kind"), "virtual") == 0
                              ? record_text(record, "machine.name")
                              : ""),
        .tunables = tunables_of(record),
        .digest = strdup(record_text(record, "trace.digest")),
        .harness =
            record_at(record, "harness") || strcmp(record_text(record, "allocator"), "null") == 0,
        .second = strcmp(record_text(record, "arm"), "b") == 0,
        .peak_page_bytes = -1,
    };
    return point->trace && point->allocator && point->lock && point->binding && point->machine &&
           point->tunables && point->digest;
}

static void point_cleanup(struct point *point)
{
    for (size_t i = 0; i < point->nr_runs; i++)
        json_decref(point->runs[i]);
    free(point->runs);
    free(point->trace);
    free(point->allocator);
    free(point->lock);
    free(point->binding);
    free(point->machine);
    free(point->digest);
    free(point->tunables);
    free(point->settings);
    free(point->label);
    free(point->name);
}

/* All but the arm. */
static bool same_combination(const struct point *a, const struct point *b)
{
    /* A design's size is a tunable too, so these tell sizes apart; not so of an old record. */
    return a->magazine_size == b->magazine_size && a->threads == b->threads &&
           a->replicas == b->replicas && strcmp(a->trace, b->trace) == 0 &&
           strcmp(a->digest, b->digest) == 0 && strcmp(a->allocator, b->allocator) == 0 &&
           strcmp(a->lock, b->lock) == 0 && strcmp(a->binding, b->binding) == 0 &&
           strcmp(a->machine, b->machine) == 0 && strcmp(a->tunables, b->tunables) == 0;
}

static struct point *point_find(struct series *series, const json_t *record)
{
    struct point *grown, wanted;
    bool made = point_of(record, &wanted);

    for (size_t i = 0; made && i < series->count; i++) {
        if (series->points[i].second == wanted.second &&
            same_combination(&series->points[i], &wanted)) {
            point_cleanup(&wanted);
            return &series->points[i];
        }
    }
    grown = made ? realloc(series->points, (series->count + 1) * sizeof *grown) : NULL;
    if (!grown) {
        point_cleanup(&wanted);
        return NULL;
    }
    series->points = grown;
    grown[series->count] = wanted;
    return &grown[series->count++];
}

/* ---- what was varied ---- */

/* Does a line of settings differ between points of one design and one magazine size? */
static bool setting_varies(const struct series *series, const struct point *point, const char *line,
                           size_t length)
{
    for (size_t i = 0; i < series->count; i++) {
        const struct point *other = &series->points[i];
        const char *found = other->tunables;

        if (strcmp(other->allocator, point->allocator) != 0 ||
            other->magazine_size != point->magazine_size)
            continue;
        while (*found && strncmp(found, line, length) != 0)
            found += strcspn(found, "\n") + 1;
        if (!*found)
            return true;
    }
    return false;
}

static char *settings_that_vary(const struct series *series, const struct point *point)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    bool some = false;

    if (!stream)
        return NULL;
    for (const char *line = point->tunables; *line;) {
        size_t length = strcspn(line, "\n") + 1;

        if (setting_varies(series, point, line, length)) {
            fprintf(stream, "%s%.*s", some ? "," : "", (int)length - 1, line);
            some = true;
        }
        line += length;
    }
    return fclose(stream) == 0 ? text : NULL;
}

static char *label_of(const struct series *series, const struct point *point, const char *settings)
{
    bool locks = false, bindings = false, replicas = false;
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    for (size_t i = 0; i < series->count; i++) {
        locks |= strcmp(series->points[i].lock, point->lock) != 0;
        bindings |= strcmp(series->points[i].binding, point->binding) != 0;
        replicas |= series->points[i].replicas != point->replicas &&
                    series->points[i].threads == point->threads;
    }
    fprintf(stream, "%s%s%s", point->allocator, *settings ? " " : "", settings);
    if (locks)
        fprintf(stream, " %s", point->lock);
    if (bindings)
        fprintf(stream, " %s", point->binding);
    if (replicas)
        fprintf(stream, " x%u", point->replicas);
    return fclose(stream) == 0 ? text : NULL;
}

static int points_label(struct series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        struct point *point = &series->points[i];
        int length;

        point->settings = settings_that_vary(series, point);
        if (point->settings)
            point->label = label_of(series, point, point->settings);
        if (!point->label)
            return -ENOMEM;
        length = point->magazine_size ? asprintf(&point->name, "%s size %llu", point->label,
                                                 (unsigned long long)point->magazine_size)
                                      : asprintf(&point->name, "%s", point->label);
        if (length < 0)
            return -ENOMEM;
    }
    return 0;
}

bool point_is_simulated(const struct point *point)
{
    return *point->machine;
}

bool points_same_load(const struct point *a, const struct point *b)
{
    bool content = *a->digest && *b->digest;

    return a->threads == b->threads && a->replicas == b->replicas &&
           strcmp(a->machine, b->machine) == 0 &&
           strcmp(content ? a->digest : a->trace, content ? b->digest : b->trace) == 0;
}

const struct point *point_first_arm(const struct series *series, const struct point *second)
{
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!point->second && same_combination(point, second))
            return point;
    }
    return NULL;
}

/* ---- figures ---- */

size_t point_figures(const struct point *point, run_figure *figure, double *values)
{
    size_t count = 0;

    for (size_t i = 0; i < point->nr_runs; i++) {
        double value = figure(point->runs[i]);

        if (!isnan(value))
            values[count++] = value;
    }
    return count;
}

static int point_summarise(struct point *point)
{
    double *values = calloc(point->nr_runs, sizeof *values);
    size_t count;

    if (!values)
        return -ENOMEM;
    count = point_figures(point, figure_peak_bytes, values);
    if (count)
        point->peak_page_bytes = spread_of(values, count).median;
    count = point_figures(point, figure_throughput, values);
    if (count)
        point->throughput = spread_of(values, count);
    free(values);
    return 0;
}

/* ---- reading ---- */

/* "simulated on A, B", where some was. */
static int machines_note(struct series *series)
{
    char *text = NULL;
    size_t size = 0, machines = 0;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return -ENOMEM;
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];
        size_t j = 0;

        while (j < i && strcmp(series->points[j].machine, point->machine) != 0)
            j++;
        if (j == i && point_is_simulated(point))
            fprintf(stream, "%s%s", machines++ ? ", " : "simulated on ", point->machine);
    }
    if (fclose(stream) != 0)
        return -ENOMEM;
    if (machines) {
        free(series->machine);
        series->machine = text;
    } else {
        free(text);
    }
    return 0;
}

static int machine_note(struct series *series, const json_t *record)
{
    if (series->machine)
        return 0;
    return asprintf(&series->machine, "%s, %s", record_text(record, "provenance.cpu"),
                    record_text(record, "provenance.topology")) < 0
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
    struct point *point;
    json_t **grown;

    if (reading->code || !is_last(reading, record, number))
        return;
    if (strcmp(record_text(record, "schema"), RESULT_SCHEMA) != 0) {
        reading->series->failed++;
        return;
    }
    if (!result_valid(record)) {
        reading->series->invalid++;
        if (!(reading->series->with & SERIES_WITH_INVALID))
            return;
    }
    point = point_find(reading->series, record);
    grown = point ? realloc(point->runs, (point->nr_runs + 1) * sizeof *grown) : NULL;
    if (grown)
        point->runs = grown;
    if (!grown || machine_note(reading->series, record) != 0) {
        reading->code = -ENOMEM;
        return;
    }
    grown[point->nr_runs++] = json_incref((json_t *)record);
}

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    int order = strcmp(x->trace, y->trace);

    if (order == 0)
        order = strcmp(x->machine, y->machine);
    if (order == 0)
        order = strcmp(x->label, y->label);
    if (order == 0)
        order = (x->magazine_size > y->magazine_size) - (x->magazine_size < y->magazine_size);
    if (order == 0)
        order = (x->threads > y->threads) - (x->threads < y->threads);
    if (order == 0)
        order = x->second - y->second;
    return order;
}

static bool is_disturbed(const json_t *record)
{
    return json_is_true(json_object_get(record, "disturbed"));
}

size_t point_disturbed(const struct point *point)
{
    size_t disturbed = 0;

    for (size_t i = 0; i < point->nr_runs; i++)
        disturbed += is_disturbed(point->runs[i]);
    return disturbed;
}

/* On a machine that is never quiet all runs may be disturbed, and are better than none. */
static void disturbed_leave_out(struct series *series, struct point *point)
{
    size_t disturbed = point_disturbed(point), kept = 0;

    series->disturbed += disturbed;
    if (disturbed == point->nr_runs)
        series->disturbed_only++;
    if (disturbed == point->nr_runs || (series->with & SERIES_WITH_DISTURBED))
        return;
    for (size_t i = 0; i < point->nr_runs; i++) {
        if (is_disturbed(point->runs[i]))
            json_decref(point->runs[i]);
        else
            point->runs[kept++] = point->runs[i];
    }
    series->disturbed_left_out += disturbed;
    point->nr_runs = kept;
}

/* How many runs the sweep has when it is done; 0: nothing there says it. */
static int runs_planned(const char *folder, size_t *planned, struct error *error)
{
    json_t *description;
    json_int_t runs;
    int code = sweep_file_read(folder, &description, error);

    *planned = 0;
    if (code)
        return code == -ENOENT ? 0 : code;
    runs = json_integer_value(json_object_get(description, "runs"));
    json_decref(description);
    *planned = runs > 0 ? (size_t)runs : 0;
    return 0;
}

int series_read(const char *folder, unsigned with, struct series *series, struct error *error)
{
    struct reading reading = {.series = series, .last = json_object()};
    int code;

    *series = (struct series){.with = with};
    if (!reading.last)
        return error_set(error, ENOMEM, "no memory for the runs of %s", folder);
    code = runs_file_read(folder, note_last, &reading, NULL, error);
    reading.number = 0;
    series->there = json_object_size(reading.last);
    if (code == 0)
        code = runs_planned(folder, &series->planned, error);
    if (code == 0)
        code = runs_file_read(folder, visit, &reading, NULL, error);
    json_decref(reading.last);
    if (code == 0 && reading.code)
        code = error_set(error, ENOMEM, "no memory for the runs of %s", folder);
    if (code == 0 && series->count == 0)
        code = error_set(error, ENODATA, "%s: no valid run in it", folder);
    if (code == 0 && (points_label(series) != 0 || machines_note(series) != 0))
        code = error_set(error, ENOMEM, "no memory for the runs of %s", folder);
    for (size_t i = 0; code == 0 && i < series->count; i++) {
        disturbed_leave_out(series, &series->points[i]);
        if (point_summarise(&series->points[i]) != 0)
            code = error_set(error, ENOMEM, "no memory for the runs of %s", folder);
    }
    if (code) {
        series_cleanup(series);
        return code;
    }
    qsort(series->points, series->count, sizeof *series->points, compare_points);
    return 0;
}

void series_disturbed_words(const struct series *series, char *text, size_t size)
{
    size_t left_out = series->disturbed_left_out, kept = series->disturbed - left_out;
    char others[96] = "";

    if (kept)
        snprintf(others, sizeof others, ", %zu kept, since their combinations (%zu) have no others",
                 kept, series->disturbed_only);
    if (!series->disturbed)
        *text = '\0';
    else if (series->with & SERIES_WITH_DISTURBED)
        snprintf(text, size, "%zu disturbed runs, which something else ran beside: taken in",
                 series->disturbed);
    else
        snprintf(text, size, "%zu disturbed runs, which something else ran beside: %zu left out%s",
                 series->disturbed, left_out, others);
}

void series_unfinished_words(const struct series *series, char *text, size_t size)
{
    *text = '\0';
    if (series->there < series->planned)
        snprintf(text, size,
                 "%zu of %zu runs are there: the sweep still runs, or was broken off and goes on "
                 "with --resume",
                 series->there, series->planned);
}

void series_left_out_print(const struct series *series, const char *folder, FILE *stream)
{
    char words[256];

    if (series->invalid || series->failed)
        fprintf(stream, "%s: %zu invalid runs %s, %zu that failed left out\n", folder,
                series->invalid, series->with & SERIES_WITH_INVALID ? "taken in" : "left out",
                series->failed);
    series_disturbed_words(series, words, sizeof words);
    if (*words)
        fprintf(stream, "%s: %s\n", folder, words);
    series_unfinished_words(series, words, sizeof words);
    if (*words)
        fprintf(stream, "%s: %s\n", folder, words);
}

void series_cleanup(struct series *series)
{
    for (size_t i = 0; i < series->count; i++)
        point_cleanup(&series->points[i]);
    free(series->points);
    free(series->machine);
    *series = (struct series){0};
}
