/* SPDX-License-Identifier: MIT */
/* Memory over the recorded time: where it is, and how much of it nobody asked for. */
#include "tools/plot_side.h"
#include "tools/plot_writer.h"
#include "tools/record.h"

#include <math.h>
#include <string.h>

/* Parts of a ledger (results/FORMAT.md) from the bottom up, as the key says them. */
static const struct {
    const char *key, *title;
} parts[] = {
    {"requested", "requested"},
    {"rounding", "rounding"},
    {"slab_tail", "tails of slabs"},
    {"metadata", "metadata"},
    {"partial_free", "free in partial slabs"},
    {"empty_slabs", "empty slabs"},
    {"cpu_cached", "CPU caches"},
    {"depot_cached", "depot"},
    {"emergency", "emergency"},
    {"grace", "grace periods"},
};
#define NR_PARTS (sizeof parts / sizeof *parts)

/* Recorded time where there is any: a trace that was made up may have none. */
static bool has_time(const json_t *samples)
{
    const json_t *times = json_object_get(samples, "time_ns");
    size_t count = json_array_size(times);

    return count && json_number_value(json_array_get(times, count - 1)) >
                        json_number_value(json_array_get(times, 0));
}

/* Seconds, or million events. */
static double x_of(const json_t *samples, bool time, size_t i)
{
    return time ? json_number_value(json_array_get(json_object_get(samples, "time_ns"), i)) * 1e-9
                : json_number_value(json_array_get(json_object_get(samples, "event"), i)) * 1e-6;
}

static double sample_of(const json_t *samples, const char *key, size_t i)
{
    return json_number_value(json_array_get(json_object_get(samples, key), i));
}

static size_t samples_count(const json_t *samples)
{
    return json_array_size(json_object_get(samples, "page_bytes"));
}

static void x_text_set(struct picture *picture, bool time)
{
    picture_set(picture, "x_text = '%s'", time ? "recorded time (s)" : "million events");
}

/* ---- the ledger ---- */

/* Rows: x, then the parts in MiB. The sample with most live gives the title. */
static void ledger_rows(struct picture *picture, const json_t *samples, char *finding, size_t size)
{
    double most = -1, requested = 0, pages = 0;
    bool time = has_time(samples);

    for (size_t i = 0; i < samples_count(samples); i++) {
        double live = sample_of(samples, "requested", i);

        if (live > most) {
            most = live;
            requested = live;
            pages = sample_of(samples, "page_bytes", i);
        }
        fprintf(picture->data, "%.9g", x_of(samples, time, i));
        for (size_t part = 0; part < NR_PARTS; part++)
            fprintf(picture->data, " %.6g", sample_of(samples, parts[part].key, i) / (1 << 20));
        fprintf(picture->data, "\n");
    }
    x_text_set(picture, time);
    snprintf(finding, size, "of %.3g MiB held when most is live, %.0f%% were asked for",
             pages / (1 << 20), pages > 0 ? 100 * requested / pages : 0);
}

/* Columns that are zero throughout are in the data, and not in the key. */
static void ledger_columns(struct picture *picture, const json_t *samples)
{
    for (size_t part = 0; part < NR_PARTS; part++) {
        bool some = part == 0;

        for (size_t i = 0; i < samples_count(samples); i++)
            some |= sample_of(samples, parts[part].key, i) > 0;
        fprintf(picture->styles_stream, " %d", some);
        picture_set(picture, "part%zu = '%s'", part + 1, parts[part].title);
    }
}

static int ledger_picture(struct plot_writer *writer, const struct plot_trace *trace,
                          const struct point *point)
{
    json_t *side = record_at(point->runs[0], "ledger")
                       ? plot_side_of_median_run(writer, point, "samples.page_bytes")
                       : NULL;
    const json_t *samples = record_at(side, "samples");
    char kind[96], label[64], name[256], finding[128], title[512];
    struct picture picture;
    int code;

    plot_name_make(point->label, label, sizeof label);
    snprintf(kind, sizeof kind, "ledger-%s", label);
    code = picture_open(writer, trace, kind, point->threads, &picture);
    if (code == 0 && samples_count(samples) < 2) {
        code = picture_leave(&picture, "no samples of memory over time");
    } else if (code == 0) {
        plot_curve_name(point, true, name, sizeof name);
        picture_block(&picture, name);
        ledger_rows(&picture, samples, finding, sizeof finding);
        ledger_columns(&picture, samples);
        snprintf(title, sizeof title, "Memory of %s, %u thread%s: %s", name, point->threads,
                 point->threads == 1 ? "" : "s", finding);
        code = picture_commit(&picture, "ledger.gp", title, "the run of median throughput");
    }
    json_decref(side);
    return code;
}

int plot_ledgers(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads)
{
    const struct point *point;
    int code = 0;

    for (size_t i = 0; code == 0 && (point = plot_next(trace, threads, &i));) {
        if (!point->harness && plot_stands_for_design(trace, point))
            code = ledger_picture(writer, trace, point);
    }
    return code;
}

/* ---- fragmentation ---- */

/* Rows: x, pages held over bytes that are live; samples with nothing live have no such ratio. */
static double fragmentation_rows(struct picture *picture, const json_t *samples)
{
    bool time = has_time(samples);
    double held = 0, live = 0;

    for (size_t i = 0; i < samples_count(samples); i++) {
        double pages = sample_of(samples, "page_bytes", i);
        double requested = sample_of(samples, "requested", i);

        if (requested <= 0)
            continue;
        held += pages;
        live += requested;
        fprintf(picture->data, "%.9g %.6g\n", x_of(samples, time, i), pages / requested);
    }
    return held / live;
}

static bool has_ratio(const json_t *samples)
{
    for (size_t i = 0; i < samples_count(samples); i++) {
        if (sample_of(samples, "requested", i) > 0)
            return true;
    }
    return false;
}

int plot_fragmentation(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads)
{
    const struct point *best = NULL, *point;
    double least = 0;
    struct picture picture;
    char title[512], name[256];
    bool time = false;
    int code = picture_open(writer, trace, "fragmentation", threads, &picture);

    if (code)
        return code;
    for (size_t i = 0; (point = plot_next(trace, threads, &i));) {
        json_t *side = NULL;

        if (!point->harness && plot_stands_for_design(trace, point) &&
            record_at(point->runs[0], "ledger"))
            side = plot_side_of_median_run(writer, point, "samples.page_bytes");
        if (has_ratio(record_at(side, "samples"))) {
            double mean;

            time |= has_time(record_at(side, "samples"));
            picture_curve(&picture, point, true);
            mean = fragmentation_rows(&picture, record_at(side, "samples"));
            if (!best || mean < least)
                best = point, least = mean;
        }
        json_decref(side);
    }
    if (!best)
        return picture_leave(&picture, "no samples of memory over time");
    plot_curve_name(best, true, name, sizeof name);
    snprintf(title, sizeof title,
             "Fragmentation over time, %u thread%s: %s holds least, %.2f times what is live",
             threads, threads == 1 ? "" : "s", name, least);
    x_text_set(&picture, time);
    return picture_commit(
        &picture, "fragmentation.gp", title,
        "runs of median throughput; in the title, mean of held over mean of live");
}
