/* SPDX-License-Identifier: MIT */
/* The table after `replay`. */
#include "tools/command.h"
#include "tools/record.h"
#include "tools/replay_table_internal.h"
#include "tools/series.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What stands for a row's repetitions, and what is best in a column. */
enum summary { MEDIAN, LARGEST, SUM };
enum best { NONE, LOW, HIGH };

static const struct {
    const char *title;
    const char *explanation;
    int width, decimals;
    const char *unit; /* behind each figure */
    enum summary summary;
    enum best best;
} columns[COLUMNS] = {
    [COLUMN_TIME] = {"ns/event", "one thread's time", 9, 2, "", MEDIAN, LOW},
    [COLUMN_THROUGHPUT] = {"M ev/s", NULL, 7, 1, "", MEDIAN, HIGH},
    [COLUMN_STALLED] = {"stalled", "time in which workers wait for each other's objects", 7, 1, "%",
                        MEDIAN, NONE},
    [COLUMN_WAITING] = {"waiting", "time in which they wait for locks", 7, 1, "%", MEDIAN, LOW},
    [COLUMN_SHARED] = {"beyond", "operations that went beyond the CPU's own layer", 7, 1, "%",
                       MEDIAN, LOW},
    [COLUMN_TRIPS] = {"trips/k", "trips to a shared layer in 1,000 operations", 7, 1, "", MEDIAN,
                      LOW},
    [COLUMN_REMOTE] = {"remote", "frees of what another CPU allocated", 7, 1, "%", MEDIAN, NONE},
    [COLUMN_ALLOC_P99] = {"alloc p99", "ns that one allocation in a hundred exceeds", 9, 0, "",
                          MEDIAN, LOW},
    [COLUMN_FREE_P99] = {"free p99", "likewise", 8, 0, "", MEDIAN, LOW},
    [COLUMN_PEAK] = {"peak KiB", "most pages ever held, metadata included", 9, 0, "", LARGEST, LOW},
    [COLUMN_OVERHEAD] = {"unasked", "of the pages when most is live, what nobody asked for", 7, 1,
                         "%", MEDIAN, LOW},
    [COLUMN_FAILED] = {"failed", "allocations that found no memory, of all measured passes", 6, 0,
                       "", SUM, NONE},
};

int replay_table_create(struct replay_table **table)
{
    *table = calloc(1, sizeof **table);
    return *table ? 0 : -ENOMEM;
}

void replay_table_destroy(struct replay_table *table)
{
    for (size_t i = 0; table && i < table->count; i++) {
        for (unsigned column = 0; column < COLUMNS; column++)
            free(table->rows[i].figures[column]);
        free(table->rows[i].allocator);
        free(table->rows[i].machine);
        json_decref(table->rows[i].last);
        json_decref(table->rows[i].disturbances);
    }
    if (table)
        free(table->rows);
    free(table);
}

/* ---- from a record ---- */

static void figures_of(const json_t *record, double figures[COLUMNS])
{
    double threads = record_number(record, "threads");
    double time = record_number(record, "elapsed_ns") * threads;

    figures[COLUMN_TIME] = record_number(record, "ns_per_event");
    figures[COLUMN_THROUGHPUT] = record_number(record, "events_per_second") * 1e-6;
    figures[COLUMN_STALLED] = 100 * record_number(record, "stall_ns") / time;
    figures[COLUMN_WAITING] = 100 * figure_waiting_share(record);
    figures[COLUMN_SHARED] = 100 * figure_beyond_share(record);
    figures[COLUMN_TRIPS] = figure_beyond_share(record) < 1
                                ? 1e3 * record_number(record, "trips_per_operation")
                                : NAN; /* a design without a layer of the CPU's makes none */
    figures[COLUMN_REMOTE] = 100 * figure_remote_share(record);
    figures[COLUMN_ALLOC_P99] = record_number(record, "latency_ns.alloc.p99");
    figures[COLUMN_FREE_P99] = record_number(record, "latency_ns.free.p99");
    figures[COLUMN_PEAK] = figure_peak_bytes(record) / 1024;
    figures[COLUMN_OVERHEAD] = 100 * figure_overhead_share(record);
    figures[COLUMN_FAILED] = record_number(record, "failed_allocs");
}

static bool same_size(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static struct row *row_find(struct replay_table *table, const json_t *record, const char *allocator)
{
    unsigned threads = record_count(record, "threads");
    double size = record_number(record, "magazine_size");
    struct row *grown;

    for (size_t i = 0; i < table->count; i++) {
        struct row *row = &table->rows[i];

        if (strcmp(row->allocator, allocator) == 0 && same_size(row->magazine_size, size) &&
            row->threads == threads &&
            strcmp(row->machine, record_text(record, "machine.name")) == 0)
            return row;
    }
    grown = realloc(table->rows, (table->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    table->rows = grown;
    grown[table->count] = (struct row){.allocator = strdup(allocator),
                                       .magazine_size = size,
                                       .threads = threads,
                                       .machine = strdup(record_text(record, "machine.name")),
                                       .harness = record_at(record, "harness") != NULL};
    if (!grown[table->count].allocator || !grown[table->count].machine) {
        free(grown[table->count].allocator);
        free(grown[table->count].machine);
        return NULL;
    }
    return &grown[table->count++];
}

int replay_table_add_as(struct replay_table *table, const json_t *record, const char *name)
{
    struct row *row = row_find(table, record, name);
    double figures[COLUMNS];

    if (!row)
        return -ENOMEM;
    figures_of(record, figures);
    for (unsigned column = 0; column < COLUMNS; column++) {
        double *grown = realloc(row->figures[column], (row->runs + 1) * sizeof *grown);

        if (!grown)
            return -ENOMEM;
        row->figures[column] = grown;
        grown[row->runs] = figures[column];
    }
    row->runs++;
    json_decref(row->last);
    row->last = json_incref((json_t *)record);
    if (json_is_true(record_at(record, "disturbed"))) {
        row->disturbed++;
        json_decref(row->disturbances);
        row->disturbances = json_incref(json_object_get(record, "disturbances"));
    }
    return 0;
}

int replay_table_add(struct replay_table *table, const json_t *record)
{
    return replay_table_add_as(table, record, record_text(record, "allocator"));
}

/* ---- to text ---- */

static double summary_of(const struct row *row, enum column column)
{
    double values[row->runs], sum = 0;
    size_t count = 0;
    struct spread spread;

    for (size_t i = 0; i < row->runs; i++) {
        if (isnan(row->figures[column][i]))
            continue;
        values[count++] = row->figures[column][i];
        sum += row->figures[column][i];
    }
    if (count == 0)
        return NAN;
    if (columns[column].summary == SUM)
        return sum;
    spread = spread_of(values, count);
    return columns[column].summary == LARGEST ? spread.maximum : spread.median;
}

static void figure_text(enum column column, double value, char *text, size_t size)
{
    snprintf(text, size, "%.*f%s", columns[column].decimals, value, columns[column].unit);
}

/* The harness is no design, and a pass in which allocations failed is not the same work. */
static bool competes(const struct row *row)
{
    return !row->harness && !(summary_of(row, COLUMN_FAILED) > 0);
}

/* Is nothing better in the column, as printed, and something worse? */
static bool is_best(const struct replay_table *table, const struct row *row, enum column column)
{
    double value = summary_of(row, column);
    char text[32];
    bool beats_one = false;

    if (columns[column].best == NONE || !competes(row) || isnan(value))
        return false;
    figure_text(column, value, text, sizeof text);
    for (size_t i = 0; i < table->count; i++) {
        const struct row *other = &table->rows[i];
        double theirs = summary_of(other, column);
        char their_text[32];

        if (other == row || other->threads != row->threads || isnan(theirs) ||
            strcmp(other->machine, row->machine) != 0 || !competes(other))
            continue;
        figure_text(column, theirs, their_text, sizeof their_text);
        if (strcmp(text, their_text) == 0)
            continue;
        if (columns[column].best == LOW ? theirs < value : theirs > value)
            return false;
        beats_one = true;
    }
    return beats_one;
}

/* Has any row a figure to show in it? Failures only where there are some. */
static bool is_shown(const struct replay_table *table, enum column column)
{
    for (size_t i = 0; i < table->count; i++) {
        double value = summary_of(&table->rows[i], column);

        if (!isnan(value) && (column != COLUMN_FAILED || value > 0))
            return true;
    }
    return false;
}

static void row_print(const struct replay_table *table, const struct row *row, int width,
                      FILE *stream)
{
    char size[24] = "-";
    const char *mark = ""; /* of the column before: no line ends in a blank */

    if (!isnan(row->magazine_size))
        snprintf(size, sizeof size, "%.0f", row->magazine_size);
    fprintf(stream, "%-*s %5s %4u", width, row->allocator, size, row->threads);
    for (unsigned column = 0; column < COLUMNS; column++) {
        double value = summary_of(row, column);
        char text[32] = "-";

        if (!is_shown(table, column))
            continue;
        if (!isnan(value))
            figure_text(column, value, text, sizeof text);
        fprintf(stream, "%s %*s", mark, columns[column].width, text);
        mark = is_best(table, row, column) ? "*" : " ";
    }
    fprintf(stream, "%s\n", mark[0] == '*' ? mark : "");
}

static bool has_repetitions(const struct replay_table *table)
{
    bool repeated = false;

    for (size_t i = 0; i < table->count; i++)
        repeated |= table->rows[i].runs > 1;
    return repeated;
}

#define LEGEND_WIDTH 110

/* Appends a sentence, on a new line when this one is full. */
static void say(FILE *stream, int *used, const char *format, ...)
{
    char sentence[256];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (*used && *used + 1 + length > LEGEND_WIDTH) {
        fprintf(stream, "\n");
        *used = 0;
    }
    *used += fprintf(stream, "%s%s", *used ? " " : "", sentence);
}

static void legend_print(const struct replay_table *table, FILE *stream)
{
    int used = 0;

    fprintf(stream, "\n");
    say(stream, &used, "* is the best with as many threads%s.",
        is_shown(table, COLUMN_FAILED) ? " of those without failures" : "");
    for (unsigned column = 0; column < COLUMNS; column++) {
        if (columns[column].explanation && is_shown(table, column))
            say(stream, &used, "%s: %s.", columns[column].title, columns[column].explanation);
    }
    if (has_repetitions(table))
        say(stream, &used, "Over repetitions: medians, the largest peak, the sum of failures.");
    fprintf(stream, "\n");
}

/* So many are named with what disturbed them, the others counted. */
#define DISTURBED_NAMED 2

/* "x15 size 8 (2 threads, 1 of 3 runs): each worker was preempted 313 times a second, ..." */
static void disturbed_row_print(const struct row *row, FILE *stream)
{
    if (isnan(row->magazine_size))
        fprintf(stream, " %s", row->allocator);
    else
        fprintf(stream, " %s size %.0f", row->allocator, row->magazine_size);
    fprintf(stream, " (%u thread%s", row->threads, row->threads == 1 ? "" : "s");
    if (row->runs > 1)
        fprintf(stream, ", %zu of %zu runs", row->disturbed, row->runs);
    fprintf(stream, "): %s;",
            json_string_value(json_array_get(row->disturbances, 0)) ?: "not said by what");
}

/*
 * What of the table may be another program's doing. One line, whatever it says, so that a table has
 * as many on a busy machine as on a quiet one; none where nothing can disturb.
 */
static void disturbed_print(const struct replay_table *table, FILE *stream)
{
    size_t disturbed = 0, named = 0, disturbable = 0;

    for (size_t i = 0; i < table->count; i++) {
        disturbed += table->rows[i].disturbed > 0;
        disturbable += record_at(table->rows[i].last, "disturbed") != NULL &&
                       strcmp(record_text(table->rows[i].last, "machine.kind"), "virtual") != 0;
    }
    if (!disturbable)
        return;
    fprintf(stream, "Disturbed by other work, %zu of %zu rows", disturbed, table->count);
    fputc(disturbed ? ':' : '.', stream);
    for (size_t i = 0; i < table->count && named < DISTURBED_NAMED; i++) {
        if (table->rows[i].disturbed && ++named)
            disturbed_row_print(&table->rows[i], stream);
    }
    if (disturbed > named)
        fprintf(stream, " and %zu more;", disturbed - named);
    fputs(disturbed ? " repeat on a quiet machine, or let `sweep` and `compare` sort such runs "
                      "out.\n"
                    : "\n",
          stream);
}

/* Replicas are as many as threads need, so a pass may have more events in one row than in another.
 */
static void pass_print(const struct replay_table *table, FILE *stream, const char *trace)
{
    double least = INFINITY, most = 0;

    for (size_t i = 0; i < table->count; i++) {
        double events = record_number(table->rows[i].last, "trace.events") *
                        record_number(table->rows[i].last, "replicas");

        least = fmin(least, events);
        most = fmax(most, events);
    }
    fprintf(stream, least < most ? "%s: %.0f to %.0f events a pass\n" : "%s: %.0f events a pass\n",
            trace, least, most);
}

/* What a reader must not take for a measurement. */
static void machines_print(const struct replay_table *table, FILE *stream)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct row *row = &table->rows[i];
        uint32_t cpus = record_count(row->last, "machine.cpus");
        uint32_t nodes = record_count(row->last, "machine.nodes");
        size_t j = 0;

        while (j < i && strcmp(table->rows[j].machine, row->machine) != 0)
            j++;
        if (j < i || strcmp(record_text(row->last, "machine.kind"), "virtual") != 0)
            continue;
        fprintf(stream,
                "simulated on %s: %u CPU%s on %u node%s, %.4g GHz, costs of %s; times are "
                "virtual\n",
                row->machine, cpus, command_plural(cpus), nodes, command_plural(nodes),
                record_number(row->last, "machine.hz") * 1e-9,
                record_text(row->last, "machine.costs"));
    }
}

void replay_table_print(const struct replay_table *table, FILE *stream, const char *trace)
{
    int width = 9;

    if (table->count == 0)
        return;
    for (size_t i = 0; i < table->count; i++) {
        int length = (int)strlen(table->rows[i].allocator);

        width = length > width ? length : width;
    }
    pass_print(table, stream, trace);
    machines_print(table, stream);
    fprintf(stream, "\n");
    fprintf(stream, "%-*s %5s %4s", width, "allocator", "size", "thr");
    for (unsigned column = 0; column < COLUMNS; column++) {
        if (is_shown(table, column))
            fprintf(stream, "%s %*s", column ? " " : "", columns[column].width,
                    columns[column].title);
    }
    fprintf(stream, "\n");
    for (size_t i = 0; i < table->count; i++)
        row_print(table, &table->rows[i], width, stream);
    legend_print(table, stream);
    disturbed_print(table, stream);
}
