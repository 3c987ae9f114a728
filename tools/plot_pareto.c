/* SPDX-License-Identifier: MIT */
/* Throughput against memory: what each design and size gives, and for how much. */
#include "sim/error.h"
#include "tools/pareto.h"
#include "tools/plot_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct place {
    const struct point *point;
    struct plot_figure throughput, memory; /* million events a second, MiB */
    bool front;
};

static void scale(struct plot_figure *figure, double unit)
{
    figure->median /= unit;
    figure->low /= unit;
    figure->high /= unit;
}

/* The places by memory, and which of them are on the front. NULL: no memory. */
static struct pareto_point *front_create(struct place *places, size_t count)
{
    struct pareto_point *marks = calloc(count, sizeof *marks);

    for (size_t i = 0; marks && i < count; i++) {
        marks[i].point = places[i].point;
        marks[i].bytes.spread.median = places[i].memory.median;
        marks[i].throughput.spread.median = places[i].throughput.median;
    }
    if (marks)
        pareto_mark(marks, count);
    for (size_t i = 0; marks && i < count; i++) {
        for (size_t j = 0; j < count; j++)
            places[i].front |= marks[j].front && marks[j].point == places[i].point;
    }
    return marks;
}

/* First block; the title names who is on it. */
static int front_write(struct picture *picture, struct place *places, size_t count, char *title,
                       size_t size)
{
    struct pareto_point *marks = front_create(places, count);
    bool first = true;
    size_t used;

    if (!marks)
        return error_set(picture->writer->error, ENOMEM, "no memory for a picture");
    picture_block(picture, "best for its memory");
    snprintf(title, size,
             "Throughput against memory, %u thread%s; best for their memory:", picture->threads,
             picture->threads == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++) {
        char name[256];

        if (!marks[i].front)
            continue;
        fprintf(picture->data, "%.6g %.6g\n", marks[i].bytes.spread.median,
                marks[i].throughput.spread.median);
        plot_curve_name(marks[i].point, true, name, sizeof name);
        used = strlen(title);
        if (used + 60 < size && used < 100)
            snprintf(title + used, size - used, "%s %.50s", first ? "" : ",", name);
        else if (used + 8 < size && title[used - 1] != '.')
            snprintf(title + used, size - used, ", ...");
        first = false;
    }
    free(marks);
    return 0;
}

/* A block a design: memory, throughput, their ranges, and the size where a label is worth it. */
static void designs_write(struct picture *picture, const struct place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct place *at = &places[i];
        bool first = i == 0 || !plot_same_design(at[-1].point, at->point);
        bool last = i + 1 == count || !plot_same_design(at[1].point, at->point);
        char text[32] = "";

        if (first)
            picture_curve(picture, at->point, false);
        if (at->point->magazine_size && (first || last || at->front))
            snprintf(text, sizeof text, "%llu", (unsigned long long)at->point->magazine_size);
        fprintf(picture->data, "%.6g %.6g %.6g %.6g %.6g %.6g \"%s\"\n", at->memory.median,
                at->throughput.median, at->memory.low, at->memory.high, at->throughput.low,
                at->throughput.high, text);
    }
}

static int places_draw(struct picture *picture, struct place *places, size_t count)
{
    char title[256];
    int code;

    if (count < 2)
        return picture_leave(picture, "no two points whose memory was measured");
    code = front_write(picture, places, count, title, sizeof title);
    if (code)
        return picture_discard(picture, code);
    designs_write(picture, places, count);
    return picture_commit(picture, "against-memory.gp", title, plot_interval_text);
}

int plot_against_memory(struct plot_writer *writer, const struct plot_trace *trace,
                        unsigned threads)
{
    struct place *places = calloc(trace->count, sizeof *places);
    const struct point *point;
    struct picture picture;
    size_t count = 0;
    int code;

    if (!places)
        return error_set(writer->error, ENOMEM, "no memory for a picture");
    for (size_t i = 0; (point = plot_next(trace, threads, &i));) {
        struct place *place = &places[count];

        if (point->harness || !plot_figure_of(writer, point, figure_peak_bytes, &place->memory) ||
            !plot_figure_of(writer, point, figure_throughput, &place->throughput))
            continue;
        scale(&place->memory, 1 << 20);
        scale(&place->throughput, 1e6);
        place->point = point;
        count++;
    }
    code = picture_open(writer, trace, "throughput-against-memory", threads, &picture);
    if (code == 0)
        code = places_draw(&picture, places, count);
    free(places);
    return code;
}
