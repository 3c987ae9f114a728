/* SPDX-License-Identifier: MIT */
/* Pictures of what is in a trace, made as those of a sweep are (plot_writer.h). */
#include "sim/error.h"
#include "tools/info.h"
#include "tools/plot_draw.h"
#include "tools/plot_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEAT_CELLS = 64 }; /* a side; of more streams neighbors share a cell */

/* For titles. */
static void bytes_say(char text[16], double bytes)
{
    static const char *const units[] = {" bytes", " KiB", " MiB", " GiB", " TiB", NULL};

    info_scale(text, bytes, 1024, units);
}

static void time_say(char text[16], double time_ns)
{
    static const char *const units[] = {" ns", " µs", " ms", " s", NULL};

    info_scale(text, time_ns, 1000, units);
}

/* ---- sizes ---- */

/* Rows: size, share of the allocations of that size, share of those up to it, the same of bytes. */
static void size_rows(struct picture *picture, const struct histogram *sizes)
{
    double allocs = 0, bytes = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double count = (double)sizes->buckets[i];
        double middle = (double)(histogram_bucket_low(i) + histogram_bucket_high(i) - 1) / 2;

        if (!sizes->buckets[i])
            continue;
        middle = middle < (double)sizes->max ? middle : (double)sizes->max;
        allocs += count;
        bytes += count * middle;
        fprintf(picture->data, "%.9g %.6g %.6g %.6g\n", middle > 1 ? middle : 1,
                100 * count / (double)sizes->count, 100 * allocs / (double)sizes->count,
                sizes->sum ? 100 * bytes / (double)sizes->sum : 0);
    }
}

static int plot_sizes(struct plot_writer *writer, const struct plot_trace *trace,
                      const struct profile *profile)
{
    char middle[16], mean[16], title[256];
    struct picture picture;
    int code = picture_open(writer, trace, "sizes", 0, &picture);

    if (code)
        return code;
    if (!profile->sizes.count)
        return picture_leave(&picture, "no allocation was recorded");
    picture_block(&picture, "sizes");
    size_rows(&picture, &profile->sizes);
    bytes_say(middle, (double)histogram_percentile(&profile->sizes, 0.5));
    bytes_say(mean, (double)profile->sizes.sum / (double)profile->sizes.count);
    snprintf(title, sizeof title,
             "Sizes: half of the allocations are of up to about %s; the mean is %s", middle, mean);
    return picture_commit(&picture, "trace-sizes.gp", title,
                          "sizes as requested, of recorded allocations");
}

/* ---- lifetimes ---- */

/* Rows: a life, and what share of all recorded allocations was freed by then. */
static void life_rows(struct picture *picture, const struct histogram *lives, uint64_t allocs)
{
    uint64_t freed = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t high = histogram_bucket_high(i) - 1;

        if (!lives->buckets[i])
            continue;
        freed += lives->buckets[i];
        fprintf(picture->data, "%llu %.6g\n",
                (unsigned long long)(high < lives->max ? high : lives->max),
                100 * (double)freed / (double)allocs);
    }
}

static void life_blocks(struct picture *picture, const struct histogram by_death[PROFILE_DEATHS],
                        uint64_t allocs)
{
    struct histogram all;

    info_lives(by_death, &all);
    picture_block(picture, "freed");
    life_rows(picture, &all, allocs);
    if (!by_death[PROFILE_OTHER_STREAM].count)
        return;
    picture_block(picture, "by its own stream");
    life_rows(picture, &by_death[PROFILE_SAME_STREAM], allocs);
    picture_block(picture, "by another stream");
    life_rows(picture, &by_death[PROFILE_OTHER_STREAM], allocs);
}

static int plot_lifetimes(struct plot_writer *writer, const struct plot_trace *trace,
                          const struct profile *profile)
{
    uint64_t allocs = profile->sizes.count;
    char middle[16], title[256];
    struct picture picture;
    struct histogram all;
    int code = picture_open(writer, trace, "lifetimes", 0, &picture);

    if (code)
        return code;
    info_lives(profile->lives_ns, &all);
    if (!all.count)
        return picture_leave(&picture, "no object was seen from birth to death");
    life_blocks(&picture, profile->lives_ns, allocs);
    picture_set(&picture, "curves = %zu", picture.blocks);
    life_blocks(&picture, profile->lives_events, allocs);
    time_say(middle, (double)histogram_percentile(&all, 0.5));
    snprintf(title, sizeof title,
             "Lifetimes: %.1f%% of the allocated objects are freed, half of those within %s",
             100 * (double)all.count / (double)allocs, middle);
    return picture_commit(&picture, "trace-lifetimes.gp", title,
                          "recorded allocations; events are those of all streams");
}

/* ---- the live set ---- */

static int plot_live(struct plot_writer *writer, const struct plot_trace *trace,
                     const struct trace_summary *summary)
{
    static const char *const units[] = {"ns", "µs", "ms", "s"};
    const struct live_series *series = &summary->profile.series;
    double scale = 1;
    size_t unit = 0;
    char bytes[16], title[256];
    struct picture picture;
    int code = picture_open(writer, trace, "live", 0, &picture);

    if (code)
        return code;
    if (series->count < 2)
        return picture_leave(&picture, "all events are of one time");
    for (; unit < 3 && (double)summary->duration_ns / scale >= 10000; unit++)
        scale *= 1000;
    picture_block(&picture, "live");
    for (size_t i = 0; i < series->count; i++) {
        const struct live_interval *interval = &series->intervals[i];

        fprintf(picture.data, "%.9g %llu %.9g\n", (double)i * (double)series->length / scale,
                (unsigned long long)interval->peak_objects, (double)interval->peak_bytes);
    }
    picture_set(&picture, "x_text = 'recorded time (%s)'", units[unit]);
    bytes_say(bytes, (double)summary->peak_live_bytes);
    snprintf(title, sizeof title, "The live set over time: up to %llu objects, up to %s",
             (unsigned long long)summary->peak_live_objects, bytes);
    return picture_commit(&picture, "trace-live.gp", title,
                          "the most of each interval; bytes as requested; with what the importer "
                          "inserted");
}

/* ---- who frees what ---- */

/* Rows of the filled cells: allocating, freeing, share of the frees (%). */
static double heat_rows(struct picture *picture, const struct trace_summary *summary, size_t side,
                        uint64_t *cells)
{
    const struct profile *profile = &summary->profile;
    uint64_t all = 0, away = 0;

    for (size_t i = 0; i < profile->nr_pairs; i++) {
        const struct profile_pair *pair = &profile->pairs[i];
        size_t row = pair->alloc_stream * side / summary->streams;
        size_t column = pair->free_stream * side / summary->streams;

        cells[row * side + column] += pair->frees;
        all += pair->frees;
        away += pair->alloc_stream != pair->free_stream ? pair->frees : 0;
    }
    for (size_t i = 0; i < side * side; i++) {
        if (cells[i])
            fprintf(picture->data, "%zu %zu %.6g\n", i / side, i % side,
                    100 * (double)cells[i] / (double)all);
    }
    return (double)away / (double)all;
}

/* Names of the cells' streams, while there is room for them; else their numbers do. */
static void heat_names(struct picture *picture, const struct trace_summary *summary, size_t side)
{
    picture_set(picture, "cells = %zu\nstreams = %zu\narray streams_of[%zu]", side,
                (size_t)summary->streams, side);
    for (size_t i = 0; i < side; i++) {
        char name[64];

        if (side == summary->streams)
            snprintf(name, sizeof name, "%.24s", summary->by_stream[i].name);
        else
            snprintf(name, sizeof name, "%zu", (size_t)((i * summary->streams + side - 1) / side));
        plot_make_safe(name);
        picture_set(picture, "streams_of[%zu] = '%s'", i + 1, name);
    }
}

static int plot_frees(struct plot_writer *writer, const struct plot_trace *trace,
                      const struct trace_summary *summary)
{
    size_t side = summary->streams < HEAT_CELLS ? summary->streams : HEAT_CELLS;
    uint64_t *cells;
    struct picture picture;
    char title[256];
    double away;
    int code = picture_open(writer, trace, "frees", 0, &picture);

    if (code)
        return code;
    if (summary->streams < 2)
        return picture_leave(&picture, "there is one stream only");
    if (!summary->profile.nr_pairs)
        return picture_leave(&picture, "no object was seen from birth to death");
    cells = calloc(side * side, sizeof *cells);
    if (!cells)
        return picture_discard(&picture, error_set(writer->error, ENOMEM, "no memory to draw"));
    picture_block(&picture, "frees");
    away = heat_rows(&picture, summary, side, cells);
    free(cells);
    heat_names(&picture, summary, side);
    snprintf(title, sizeof title,
             "Who frees what: %.1f%% of the frees are by another stream than the allocation",
             100 * away);
    return picture_commit(&picture, "trace-frees.gp", title,
                          side < summary->streams
                              ? "each cell is of several neighboring streams, named by the first"
                              : "numbers are percent of all frees");
}

/* ---- all of them ---- */

static int pictures_write(struct plot_writer *writer, const struct plot_trace *trace,
                          const struct trace_summary *summary)
{
    int code = plot_style_write(writer);

    if (code == 0)
        code = plot_sizes(writer, trace, &summary->profile);
    if (code == 0)
        code = plot_lifetimes(writer, trace, &summary->profile);
    if (code == 0)
        code = plot_live(writer, trace, summary);
    return code ? code : plot_frees(writer, trace, summary);
}

int info_plot(const char *path, const struct trace_summary *summary, const char *folder,
              const char *format, FILE *names, struct error *error)
{
    struct plot_trace trace = {.path = path, .machine = ""};
    char *scripts = NULL, caption[512], time[16];
    struct plot_list list = {0};
    struct plot_writer writer = {.plots = folder, .format = format, .list = &list, .error = error};
    int code = plot_scripts_find(&scripts, error);

    if (code)
        return code;
    plot_name_make(strcmp(path, "-") == 0 ? "trace" : path, trace.name, sizeof trace.name);
    time_say(time, (double)summary->duration_ns);
    snprintf(caption, sizeof caption, "trace %.128s; %llu stream%s, %llu events over %s",
             trace.name, (unsigned long long)summary->streams, summary->streams == 1 ? "" : "s",
             (unsigned long long)summary->events, time);
    trace.caption = caption;
    writer.scripts = scripts;
    code = plot_folder_make(folder, error);
    if (code == 0)
        code = pictures_write(&writer, &trace, summary);
    if (code == 0)
        code =
            plot_list_draw(&list, folder, format, &(struct plot_said){names, '\n', stderr}, error);
    plot_list_cleanup(&list);
    free(scripts);
    return code;
}
