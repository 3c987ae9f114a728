/* SPDX-License-Identifier: MIT */
/* Throughput against memory: what each design and size gives, and for how much. */
#include "tools/plot_writer.h"

#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>

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

/* Is none as good in both by its medians, and better in one? */
static void front_mark(struct place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool beaten = false;

        for (size_t j = 0; j < count; j++) {
            const struct place *a = &places[i], *b = &places[j];

            beaten |= b->throughput.median >= a->throughput.median &&
                      b->memory.median <= a->memory.median &&
                      (b->throughput.median > a->throughput.median ||
                       b->memory.median < a->memory.median);
        }
        places[i].front = !beaten;
    }
}

static int compare_memory(const void *a, const void *b)
{
    const struct place *x = *(const struct place *const *)a, *y = *(const struct place *const *)b;
    int order = (x->memory.median > y->memory.median) - (x->memory.median < y->memory.median);

    return order ? order : (x > y) - (x < y);
}

/* First block; the title names who is on it. */
static int front_write(struct picture *picture, const struct place *places, size_t count,
                       char *title, size_t size)
{
    const struct place **front = calloc(count, sizeof(struct place *));
    size_t on = 0, used;

    if (!front)
        return error_set(picture->writer->error, ENOMEM, "no memory for a picture");
    for (size_t i = 0; i < count; i++) {
        if (places[i].front)
            front[on++] = &places[i];
    }
    qsort(front, on, sizeof(struct place *), compare_memory);
    picture_block(picture, "best for its memory");
    snprintf(title, size,
             "Throughput against memory, %u thread%s; best for their memory:", picture->threads,
             picture->threads == 1 ? "" : "s");
    for (size_t i = 0; i < on; i++) {
        char name[256];

        fprintf(picture->data, "%.6g %.6g\n", front[i]->memory.median, front[i]->throughput.median);
        plot_curve_name(front[i]->point, true, name, sizeof name);
        used = snprintf(NULL, 0, "%s", title);
        if (used + 60 < size && used < 100)
            snprintf(title + used, size - used, "%s %.50s", i ? "," : "", name);
        else if (used + 8 < size && title[used - 1] != '.')
            snprintf(title + used, size - used, ", ...");
    }
    free(front);
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
    front_mark(places, count);
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
