/* SPDX-License-Identifier: MIT */
/* All designs and sizes of a trace at a glance: the data of a picture that matplotlib draws. */
#include "tools/plot_writer.h"

#include <math.h>

static const struct {
    const char *name;
    run_figure *figure;
    double unit;
} columns[] = {
    {"throughput", figure_throughput, 1e6},
    {"memory", figure_peak_bytes, 1 << 20},
    {"waiting", figure_waiting_share, 0.01},
    {"beyond", figure_beyond_share, 0.01},
};

static void row_write(struct picture *picture, const struct point *point)
{
    char name[256];

    plot_curve_name(point, false, name, sizeof name);
    fprintf(picture->data, "%s\t%u\t%llu", name, point->threads,
            (unsigned long long)point->magazine_size);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        struct plot_figure value = {NAN, NAN, NAN};

        plot_figure_of(picture->writer, point, columns[i].figure, &value);
        fprintf(picture->data, "\t%.6g\t%.6g\t%.6g", value.median / columns[i].unit,
                value.low / columns[i].unit, value.high / columns[i].unit);
    }
    fprintf(picture->data, "\n");
}

int plot_overview(struct plot_writer *writer, const struct plot_trace *trace)
{
    const struct point *point;
    struct picture picture;
    bool sizes = false;
    uint64_t first = 0;
    int code = picture_open(writer, trace, "overview", 0, &picture);

    if (code)
        return code;
    fprintf(picture.data, "design\tthreads\tsize");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        fprintf(picture.data, "\t%s\t%s_low\t%s_high", columns[i].name, columns[i].name,
                columns[i].name);
    fprintf(picture.data, "\n");
    for (size_t i = 0; (point = plot_next(trace, 0, &i));) {
        if (point->harness || point->magazine_size == 0)
            continue;
        sizes |= first && point->magazine_size != first;
        first = first ? first : point->magazine_size;
        row_write(&picture, point);
    }
    if (!sizes)
        return picture_leave(&picture, "no two magazine sizes");
    return picture_commit(&picture, "overview.py",
                          "What a larger magazine brings each design, and what it costs",
                          plot_interval_text);
}
