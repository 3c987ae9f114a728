/* SPDX-License-Identifier: MIT */
/* Throughput and memory over what a sweep varies: magazine size, threads, both. */
#include "tools/figures.h"
#include "tools/plot_writer.h"
#include "tools/size_note.h"

#include <ctype.h>
#include <string.h>

/* What a picture's y axis has. */
struct quantity {
    const char *name; /* in the picture's */
    const char *title;
    const char *title_unit;
    char y_text[96];
    run_figure *figure;
    double unit;
    bool of_harness; /* its throughput is a bound worth seeing, its memory says nothing */
    bool most_wanted;
    const char *best; /* what who leads has */
};

static const struct quantity throughput = {"throughput",
                                           "Throughput over magazine size",
                                           "million/s",
                                           "million events a second",
                                           figure_throughput,
                                           1e6,
                                           true,
                                           true,
                                           "highest median"};
static const struct quantity memory = {"memory",
                                       "Memory over magazine size",
                                       "MiB",
                                       "most pages held at once (MiB)",
                                       figure_peak_bytes,
                                       1 << 20,
                                       false,
                                       false,
                                       "lowest peak"};

/* Of what was asked for besides. */
static struct quantity quantity_of(const struct figure *figure)
{
    struct quantity quantity = {.name = figure->name,
                                .title = figure->title,
                                .title_unit = figure->unit,
                                .figure = figure->of,
                                .unit = 1 / figure->scale,
                                .most_wanted = figure->more_is_better,
                                .best =
                                    figure->more_is_better ? "highest median" : "lowest median"};

    snprintf(quantity.y_text, sizeof quantity.y_text, "%s (%s)", figure->title, figure->unit);
    return quantity;
}

/* The design that has most of what is wanted. */
struct leader {
    const struct point *point;
    double value;
};

static void leader_try(struct leader *leader, const struct quantity *quantity,
                       const struct point *point, double value)
{
    if (point->harness)
        return;
    if (!leader->point || (quantity->most_wanted ? value > leader->value : value < leader->value))
        *leader = (struct leader){point, value};
}

static bool value_of(const struct plot_writer *writer, const struct quantity *quantity,
                     const struct point *point, struct plot_figure *value)
{
    if ((point->harness && !quantity->of_harness) ||
        !plot_figure_of(writer, point, quantity->figure, value))
        return false;
    value->median /= quantity->unit;
    value->low /= quantity->unit;
    value->high /= quantity->unit;
    return true;
}

static void row_write(FILE *stream, double x, const struct plot_figure *value)
{
    fprintf(stream, "%g %.6g %.6g %.6g\n", x, value->median, value->low, value->high);
}

/* ---- over magazine size ---- */

/* Of all points of the trace with that many threads (0: any); false: fewer than two sizes. */
static bool magazine_range(const struct plot_trace *trace, unsigned threads, uint64_t *smallest,
                           uint64_t *largest)
{
    *smallest = UINT64_MAX;
    *largest = 0;
    for (size_t i = 0; i < trace->count; i++) {
        uint64_t size = trace->points[i]->magazine_size;

        if (size == 0 || (threads && trace->points[i]->threads != threads))
            continue;
        *smallest = size < *smallest ? size : *smallest;
        *largest = size > *largest ? size : *largest;
    }
    return *smallest < *largest;
}

/* A design without magazines becomes a level line. */
static struct leader over_magazine_rows(struct picture *picture, const struct quantity *quantity,
                                        uint64_t smallest, uint64_t largest)
{
    struct leader leader = {0};
    const struct point *before = NULL, *point;
    struct plot_figure value;

    for (size_t i = 0; (point = plot_next(picture->trace, picture->threads, &i));) {
        if (!value_of(picture->writer, quantity, point, &value))
            continue;
        if (!before || !plot_same_design(before, point))
            picture_curve(picture, point, false);
        before = point;
        leader_try(&leader, quantity, point, value.median);
        row_write(picture->data, (double)(point->magazine_size ? point->magazine_size : smallest),
                  &value);
        if (point->magazine_size == 0)
            row_write(picture->data, (double)largest, &value);
    }
    return leader;
}

/* What bars are, and of memory what the first design that has a note says of its sizes. */
static void note_write(const struct plot_trace *trace, const struct quantity *quantity, char *text,
                       size_t size)
{
    bool of_memory = quantity->figure == figure_peak_bytes ||
                     quantity->figure == figure_resting_bytes ||
                     quantity->figure == figure_overhead_share;
    const char *note = NULL;
    size_t at = 0;

    while (of_memory && !note && at < trace->count)
        note = size_note(trace->points[at++]->allocator);
    if (note)
        snprintf(text, size, "%s; %s", plot_interval_text, note);
    else
        snprintf(text, size, "%s", plot_interval_text);
}

static int over_magazine_picture(struct plot_writer *writer, const struct plot_trace *trace,
                                 unsigned threads, const struct quantity *quantity)
{
    struct picture picture;
    uint64_t smallest, largest;
    struct leader leader;
    char kind[64], title[512], name[256], note[512];
    int code;

    snprintf(kind, sizeof kind, "%s-over-magazine", quantity->name);
    code = picture_open(writer, trace, kind, threads, &picture);
    if (code)
        return code;
    if (!magazine_range(trace, threads, &smallest, &largest))
        return picture_leave(&picture, "no two magazine sizes");
    leader = over_magazine_rows(&picture, quantity, smallest, largest);
    if (!leader.point)
        return picture_leave(&picture, "not measured of any design");
    plot_curve_name(leader.point, true, name, sizeof name);
    snprintf(title, sizeof title, "%s, %u thread%s: %s has the %s, %.3g %s", quantity->title,
             threads, threads == 1 ? "" : "s", name, quantity->best, leader.value,
             quantity->title_unit);
    title[0] = (char)toupper((unsigned char)title[0]);
    picture_set(&picture, "y_text = \"%s\"", quantity->y_text);
    note_write(trace, quantity, note, sizeof note);
    return picture_commit(&picture, "over-magazine.gp", title, note);
}

int plot_over_magazine(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads)
{
    int code = over_magazine_picture(writer, trace, threads, &throughput);

    if (code == 0)
        code = over_magazine_picture(writer, trace, threads, &memory);
    for (size_t i = 0; code == 0 && i < writer->figures->count; i++) {
        const struct quantity quantity = quantity_of(figure_find(writer->figures->words[i]));

        code = over_magazine_picture(writer, trace, threads, &quantity);
    }
    return code;
}

/* ---- over threads ---- */

/* Of the design that is best with the fewest threads, a thread; 0: no design ran with those. */
static double ideal_of(const struct plot_trace *trace)
{
    const struct point *point;
    double best = 0;

    for (size_t i = 0; (point = plot_next(trace, trace->threads[0], &i));) {
        double value = point->throughput.median * 1e-6 / point->threads;

        if (!point->harness && plot_stands_for_design(trace, point) && value > best)
            best = value;
    }
    return best;
}

/* How many times as much a design does with the most threads as with the fewest; 0: not run. */
static double gain_of(const struct plot_trace *trace, const struct point *most)
{
    const struct point *point;

    for (size_t i = 0; (point = plot_next(trace, trace->threads[0], &i));) {
        if (plot_same_design(point, most) && point->magazine_size == most->magazine_size &&
            point->throughput.median > 0)
            return most->throughput.median / point->throughput.median;
    }
    return 0;
}

static void over_threads_title(const struct plot_trace *trace, char *title, size_t size)
{
    unsigned few = trace->threads[0], many = trace->threads[trace->nr_threads - 1];
    const struct point *best = NULL, *worst = NULL, *point;
    double highest = 0, lowest = 0;

    for (size_t i = 0; (point = plot_next(trace, many, &i));) {
        double gain = gain_of(trace, point);

        if (point->harness || !plot_stands_for_design(trace, point) || gain <= 0)
            continue;
        if (!best || gain > highest)
            best = point, highest = gain;
        if (!worst || gain < lowest)
            worst = point, lowest = gain;
    }
    if (best && best != worst)
        snprintf(title, size,
                 "Throughput from %u to %u threads: %s scales best (%.2f times), %s worst (%.2f)",
                 few, many, best->label, highest, worst->label, lowest);
    else if (best)
        snprintf(title, size, "Throughput from %u to %u threads: %s does %.2f times as much", few,
                 many, best->label, highest);
    else
        snprintf(title, size, "Throughput over threads");
}

/* How memory grows with threads: which design takes most with the most, over the fewest. */
static void memory_over_threads_title(const struct plot_writer *writer,
                                      const struct plot_trace *trace, char *title, size_t size)
{
    struct leader leader = {0};
    const struct point *point;
    struct plot_figure value;

    for (size_t i = 0; (point = plot_next(trace, trace->threads[trace->nr_threads - 1], &i));) {
        if (plot_stands_for_design(trace, point) && value_of(writer, &memory, point, &value))
            leader_try(&leader, &memory, point, value.median);
    }
    if (leader.point)
        snprintf(title, size, "Memory over threads: %s has the lowest peak with %u, %.3g MiB",
                 leader.point->label, leader.point->threads, leader.value);
    else
        snprintf(title, size, "Memory over threads");
}

/* A curve a design, at its fastest size. */
static size_t over_threads_rows(struct picture *picture, const struct quantity *quantity)
{
    const struct plot_trace *trace = picture->trace;
    const struct point *before = NULL, *point;
    struct plot_figure value;

    for (size_t i = 0; (point = plot_next(trace, 0, &i));) {
        if (!plot_stands_for_design(trace, point) ||
            !value_of(picture->writer, quantity, point, &value))
            continue;
        if (!before || !plot_same_design(before, point))
            picture_curve(picture, point, true);
        before = point;
        row_write(picture->data, point->threads, &value);
    }
    return picture->blocks;
}

static int over_threads_picture(struct plot_writer *writer, const struct plot_trace *trace,
                                const struct quantity *quantity)
{
    bool of_memory = quantity == &memory;
    struct picture picture;
    char title[768], kind[64];
    int code;

    snprintf(kind, sizeof kind, "%s-over-threads", quantity->name);
    code = picture_open(writer, trace, kind, 0, &picture);
    if (code)
        return code;
    if (trace->nr_threads < 2)
        return picture_leave(&picture, "only one number of threads");
    if (over_threads_rows(&picture, quantity) == 0)
        return picture_leave(&picture, "not measured of any design");
    if (of_memory)
        memory_over_threads_title(writer, trace, title, sizeof title);
    else
        over_threads_title(trace, title, sizeof title);
    picture_set(&picture, "y_text = '%s'\nideal = %.6g", quantity->y_text,
                of_memory ? 0 : ideal_of(trace));
    return picture_commit(&picture, "over-threads.gp", title,
                          *trace->machine
                              ? "each design at its fastest size, in brackets"
                              : "each design at its fastest size, in brackets; bars are 95% "
                                "intervals");
}

int plot_over_threads(struct plot_writer *writer, const struct plot_trace *trace)
{
    int code = over_threads_picture(writer, trace, &throughput);

    return code ? code : over_threads_picture(writer, trace, &memory);
}

/* ---- over both ---- */

static bool varies_both(const struct plot_trace *trace, const struct point *point)
{
    bool sizes = false, threads = false;

    for (size_t i = 0; i < trace->count; i++) {
        const struct point *other = trace->points[i];

        if (!plot_same_design(other, point) || other->magazine_size == 0)
            continue;
        sizes |= other->magazine_size != point->magazine_size;
        threads |= other->threads != point->threads;
    }
    return point->magazine_size && sizes && threads;
}

int plot_heat_map(struct plot_writer *writer, const struct plot_trace *trace)
{
    const struct point *before = NULL, *point;
    struct leader leader = {0};
    struct plot_figure value;
    struct picture picture;
    char title[512], name[256];
    int code = picture_open(writer, trace, "throughput-heat-map", 0, &picture);

    if (code)
        return code;
    for (size_t i = 0; (point = plot_next(trace, 0, &i));) {
        if (!varies_both(trace, point) || !value_of(writer, &throughput, point, &value))
            continue;
        if (!before || !plot_same_design(before, point))
            picture_curve(&picture, point, false);
        before = point;
        leader_try(&leader, &throughput, point, value.median);
        fprintf(picture.data, "%llu %u %.6g\n", (unsigned long long)point->magazine_size,
                point->threads, value.median);
    }
    if (!leader.point)
        return picture_leave(&picture,
                             "no design with two magazine sizes and two numbers of threads");
    plot_curve_name(leader.point, true, name, sizeof name);
    snprintf(title, sizeof title,
             "Throughput over magazine size and threads: %s with %u thread%s has the most, %.3g "
             "million/s",
             name, leader.point->threads, leader.point->threads == 1 ? "" : "s", leader.value);
    picture_set(&picture, "panels = %zu", picture.blocks);
    return picture_commit(&picture, "heat-map.gp", title,
                          "medians, in million events a second; one scale of colors for all");
}
