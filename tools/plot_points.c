/* SPDX-License-Identifier: MIT */
/* Points as pictures want them: their figures, which stand for a design, how they look. */
#include "tools/plot_writer.h"

#include <string.h>

const char plot_interval_text[] =
    "points are medians, bars their 95% intervals (of fewer than 5 runs: least to most)";

bool plot_figure_of(const struct plot_writer *writer, const struct point *point, run_figure *figure,
                    struct plot_figure *result)
{
    size_t count = point_figures(point, figure, writer->values);
    struct interval interval;

    if (count == 0)
        return false;
    interval = median_interval(writer->values, count, 1);
    *result = (struct plot_figure){.median = spread_of(writer->values, count).median,
                                   .low = interval.low,
                                   .high = interval.high};
    return true;
}

bool plot_same_design(const struct point *a, const struct point *b)
{
    return strcmp(a->label, b->label) == 0;
}

const struct point *plot_next(const struct plot_trace *trace, unsigned threads, size_t *position)
{
    while (*position < trace->count) {
        const struct point *point = trace->points[(*position)++];

        if (threads == 0 || point->threads == threads)
            return point;
    }
    return NULL;
}

bool plot_stands_for_design(const struct plot_trace *trace, const struct point *point)
{
    const struct point *best = NULL;

    for (size_t i = 0; i < trace->count; i++) {
        const struct point *other = trace->points[i];

        if (!plot_same_design(other, point))
            continue;
        if (!best || other->threads > best->threads ||
            (other->threads == best->threads && other->throughput.median > best->throughput.median))
            best = other;
    }
    return best && best->magazine_size == point->magazine_size;
}

void plot_make_safe(char *text)
{
    for (char *c = text; *c; c++) {
        if (strchr("'\"`\\", *c) || (unsigned char)*c < ' ')
            *c = ' ';
    }
}

void plot_curve_name(const struct point *point, bool sized, char *name, size_t size)
{
    if (sized && point->magazine_size)
        snprintf(name, size, "%s (%llu)", point->label, (unsigned long long)point->magazine_size);
    else
        snprintf(name, size, "%s", point->label);
    plot_make_safe(name);
}

unsigned plot_line_type(const struct series *series, const struct point *point)
{
    const char *before = "";
    unsigned number = 1;

    while (!point->harness) {
        const char *next = point->label;

        for (size_t i = 0; i < series->count; i++) {
            const struct point *other = &series->points[i];

            if (!other->harness && strcmp(other->label, before) > 0 &&
                strcmp(other->label, next) < 0)
                next = other->label;
        }
        if (next == point->label)
            return number;
        before = next;
        number++;
    }
    return PLOT_HARNESS_TYPE;
}
