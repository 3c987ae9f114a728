/* SPDX-License-Identifier: MIT */
/* Which pictures there are: for each trace, in the order in which they are listed. */
#include "tools/plot_data.h"

#include "sim/error.h"
#include "tools/plot_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- traces ---- */

static bool name_taken(const struct plot_trace *traces, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(traces[i].name, text) == 0)
            return true;
    }
    return false;
}

static bool same_trace(const struct point *a, const struct point *b)
{
    return strcmp(a->trace, b->trace) == 0 && strcmp(a->machine, b->machine) == 0;
}

/* Are there runs of the trace on as many threads with another number of replicas? */
static bool replicas_vary(const struct series *series, const struct point *first)
{
    for (size_t i = 0; i < series->count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct point *a = &series->points[i], *b = &series->points[j];

            if (same_trace(a, first) && same_trace(b, first) && a->threads == b->threads &&
                a->replicas != b->replicas)
                return true;
        }
    }
    return false;
}

static void trace_name_make(struct plot_trace *traces, size_t count, struct plot_trace *trace)
{
    char base[112];

    plot_name_make(trace->path, base, sizeof base);
    if (*trace->machine) {
        char machine[56];

        plot_name_make(trace->machine, machine, sizeof machine);
        snprintf(base + strlen(base), sizeof base - strlen(base), "-%s", machine);
    }
    if (trace->replicas)
        snprintf(base + strlen(base), sizeof base - strlen(base), "-x%u", trace->replicas);
    strcpy(trace->name, base);
    for (unsigned number = 2; name_taken(traces, count, trace->name); number++)
        snprintf(trace->name, sizeof trace->name, "%s-%u", base, number);
}

static void threads_add(struct plot_trace *trace, unsigned threads)
{
    size_t place = trace->nr_threads;

    for (size_t i = 0; i < trace->nr_threads; i++) {
        if (trace->threads[i] == threads)
            return;
    }
    for (; place > 0 && trace->threads[place - 1] > threads; place--)
        trace->threads[place] = trace->threads[place - 1];
    trace->threads[place] = threads;
    trace->nr_threads++;
}

static bool is_of_trace(const struct point *point, const struct plot_trace *trace)
{
    return strcmp(point->trace, trace->path) == 0 && strcmp(point->machine, trace->machine) == 0 &&
           (!trace->replicas || point->replicas == trace->replicas);
}

/* Points of the trace without those that a design is only compared with itself by. */
static int trace_fill(const struct series *series, struct plot_trace *trace)
{
    size_t fewest = SIZE_MAX, most = 0, runs = 0, disturbed = 0;
    int length;

    trace->points = calloc(series->count, sizeof *trace->points);
    trace->threads = calloc(series->count, sizeof *trace->threads);
    if (!trace->points || !trace->threads)
        return -ENOMEM;
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (point->second || !is_of_trace(point, trace))
            continue;
        trace->points[trace->count++] = point;
        threads_add(trace, point->threads);
        fewest = point->nr_runs < fewest ? point->nr_runs : fewest;
        most = point->nr_runs > most ? point->nr_runs : most;
        runs += point->nr_runs;
        disturbed += point_disturbed(point);
    }
    length =
        snprintf(trace->runs, sizeof trace->runs,
                 fewest == most ? "%zu runs a point" : "%zu to %zu runs a point", fewest, most);
    if (disturbed)
        snprintf(trace->runs + length, sizeof trace->runs - (size_t)length,
                 "; %zu of all %zu disturbed", disturbed, runs);
    return 0;
}

static void traces_free(struct plot_trace *traces, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(traces[i].points);
        free(traces[i].threads);
    }
    free(traces);
}

static bool is_known(const struct plot_trace *traces, size_t count, const struct point *point)
{
    for (size_t i = 0; i < count; i++) {
        if (is_of_trace(point, &traces[i]))
            return true;
    }
    return false;
}

/* The series' traces, machines and numbers of replicas, in its order. NULL: no memory. */
static struct plot_trace *traces_create(const struct series *series, size_t *count)
{
    struct plot_trace *traces = calloc(series->count, sizeof *traces);

    *count = 0;
    for (size_t i = 0; traces && i < series->count; i++) {
        const struct point *point = &series->points[i];
        struct plot_trace *trace = &traces[*count];

        if (is_known(traces, *count, point))
            continue;
        trace->machine = point->machine;
        trace->path = point->trace;
        trace->replicas = replicas_vary(series, point) ? point->replicas : 0;
        trace_name_make(traces, *count, trace);
        (*count)++;
        if (trace_fill(series, trace) != 0) {
            traces_free(traces, *count);
            return NULL;
        }
    }
    return traces;
}

/* ---- pictures ---- */

static int trace_pictures(struct plot_writer *writer, const struct plot_trace *trace)
{
    unsigned most = trace->nr_threads ? trace->threads[trace->nr_threads - 1] : 0;
    int code = 0;

    if (!most) /* nothing but second arms */
        return 0;
    for (size_t i = 0; code == 0 && i < trace->nr_threads; i++)
        code = plot_over_magazine(writer, trace, trace->threads[i]);
    if (code == 0)
        code = plot_over_threads(writer, trace);
    if (code == 0)
        code = plot_heat_map(writer, trace);
    for (size_t i = 0; code == 0 && i < trace->nr_threads; i++)
        code = plot_against_memory(writer, trace, trace->threads[i]);
    for (size_t i = 0; code == 0 && i < trace->nr_threads; i++)
        code = plot_locks(writer, trace, trace->threads[i]);
    for (size_t i = 0; code == 0 && i < trace->nr_threads; i++)
        code = plot_layers(writer, trace, trace->threads[i]);
    if (code == 0)
        code = plot_remote_frees(writer, trace);
    for (size_t i = 0; code == 0 && i < trace->nr_threads; i++)
        code = plot_latency(writer, trace, trace->threads[i]);
    if (code == 0)
        code = plot_latency_by_layer(writer, trace, most);
    if (code == 0)
        code = plot_ledgers(writer, trace, most);
    if (code == 0)
        code = plot_fragmentation(writer, trace, most);
    if (code == 0)
        code = plot_overview(writer, trace);
    return code;
}

static bool list_empty(const struct plot_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!list->entries[i].missing)
            return false;
    }
    return true;
}

static size_t most_runs(const struct series *series)
{
    size_t most = 1;

    for (size_t i = 0; i < series->count; i++)
        most = series->points[i].nr_runs > most ? series->points[i].nr_runs : most;
    return most;
}

int plot_data_write(const struct series *series, const struct plot_request *request,
                    struct plot_list *list, struct error *error)
{
    struct plot_writer writer = {.series = series,
                                 .folder = request->folder,
                                 .scripts = request->scripts,
                                 .plots = request->plots,
                                 .format = request->format,
                                 .figures = request->figures,
                                 .list = list,
                                 .error = error,
                                 .values = calloc(most_runs(series), sizeof(double))};
    size_t count = 0;
    struct plot_trace *traces = writer.values ? traces_create(series, &count) : NULL;
    int code =
        traces ? plot_style_write(&writer) : error_set(error, ENOMEM, "no memory for pictures");

    for (size_t i = 0; code == 0 && i < count; i++)
        code = trace_pictures(&writer, &traces[i]);
    if (traces)
        traces_free(traces, count);
    free(writer.values);
    if (code == 0 && list_empty(list))
        code = error_set(error, ENODATA,
                         "nothing to draw: the sweep varies neither magazine size nor threads, and "
                         "recorded nothing of one run that could be drawn");
    return code;
}
