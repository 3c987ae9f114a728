/* SPDX-License-Identifier: MIT */
/* Data and scripts of the pictures. */
#include "tools/plot_data.h"

#include "sim/error.h"
#include "traces/outfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct series *series;
    const char *scripts;
    const char *plots;
    const char *format;
    struct plot_list *list;
    struct error *error;
};

/* What a picture shows of a trace's points. */
struct picture {
    const char *trace;
    const char *template; /* "over-magazine" */
    const char *quantity; /* "throughput", "memory" */
    unsigned threads;     /* over-magazine: points of this many threads */
    const char *y_text;
    const char *title;
    const char *caption;
};

/* "traces/samples/hackbench.slt" is "hackbench". */
static void trace_name(const char *path, char *name, size_t size)
{
    const char *base = strrchr(path, '/');

    base = base ? base + 1 : path;
    snprintf(name, size, "%.*s", (int)strcspn(base, "."), base);
}

static int list_add(struct writer *writer, const char *name)
{
    struct plot_list *list = writer->list;
    char **grown = realloc(list->names, (list->count + 1) * sizeof *grown);

    if (!grown)
        return -ENOMEM;
    list->names = grown;
    grown[list->count] = strdup(name);
    return grown[list->count++] ? 0 : -ENOMEM;
}

/* Copies a template into the script, so that the script is all there is to change. */
static int template_copy(const struct writer *writer, const char *template, FILE *to)
{
    char path[4096], block[4096];
    size_t count;
    FILE *from;

    snprintf(path, sizeof path, "%s/%s.gp", writer->scripts, template);
    from = fopen(path, "re");
    if (!from)
        return error_set(writer->error, EIO, "%s: %s", path, strerror(errno));
    while ((count = fread(block, 1, sizeof block, from)) > 0)
        fwrite(block, 1, count, to);
    fclose(from);
    return 0;
}

static int script_write(const struct writer *writer, const struct picture *picture,
                        const char *name, double ideal)
{
    struct outfile file;
    char path[4096];
    int code;

    snprintf(path, sizeof path, "%s/%s.gp", writer->plots, name);
    code = outfile_open(&file, path, writer->error);
    if (code)
        return code;
    fprintf(file.stream,
            "# Run `gnuplot %s.gp` in this folder to draw the picture again.\n"
            "terminal_kind = '%s'\noutput_file = '%s.%s'\ndata_file = '%s.dat'\n"
            "style_file = 'style.gp'\ntitle_text = '%s'\ncaption_text = '%s'\ny_text = '%s'\n",
            name, writer->format, name, writer->format, name, picture->title, picture->caption,
            picture->y_text);
    fprintf(file.stream, "ideal = %.6g\n\n", ideal);
    code = template_copy(writer, picture->template, file.stream);
    if (code) {
        outfile_discard(&file);
        return code;
    }
    return outfile_commit(&file, writer->error);
}

static int style_write(const struct writer *writer)
{
    struct outfile file;
    char path[4096];
    int code;

    snprintf(path, sizeof path, "%s/style.gp", writer->plots);
    code = outfile_open(&file, path, writer->error);
    if (code)
        return code;
    code = template_copy(writer, "style", file.stream);
    if (code) {
        outfile_discard(&file);
        return code;
    }
    return outfile_commit(&file, writer->error);
}

/* One line of data, in millions of events a second or in MiB. */
static void row_write(FILE *stream, double x, const struct point *point, const char *quantity)
{
    if (strcmp(quantity, "memory") == 0) {
        double mebibytes = point->peak_page_bytes / (1 << 20);

        fprintf(stream, "%g %.6g %.6g %.6g\n", x, mebibytes, mebibytes, mebibytes);
        return;
    }
    fprintf(stream, "%g %.6g %.6g %.6g\n", x, point->throughput.median * 1e-6,
            point->throughput.minimum * 1e-6, point->throughput.maximum * 1e-6);
}

/* ---- over magazine size ---- */

/* The harness is no design: its throughput is a bound worth seeing, its memory says nothing. */
static bool is_harness(const struct point *point)
{
    return strcmp(point->allocator, "null") == 0;
}

static bool over_magazine_wants(const struct picture *picture, const struct point *point)
{
    if (strcmp(point->trace, picture->trace) != 0 || point->threads != picture->threads)
        return false;
    return strcmp(picture->quantity, "memory") != 0 ||
           (point->peak_page_bytes >= 0 && !is_harness(point));
}

static void magazine_range(const struct series *series, const struct picture *picture,
                           uint64_t *smallest, uint64_t *largest)
{
    *smallest = UINT64_MAX;
    *largest = 0;
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!over_magazine_wants(picture, point) || point->magazine_size == 0)
            continue;
        *smallest = point->magazine_size < *smallest ? point->magazine_size : *smallest;
        *largest = point->magazine_size > *largest ? point->magazine_size : *largest;
    }
}

/* Blocks are told apart by two blank lines; a design without magazines becomes a level line. */
static void over_magazine_rows(const struct series *series, const struct picture *picture,
                               FILE *stream)
{
    const char *design = NULL;
    uint64_t smallest, largest;

    magazine_range(series, picture, &smallest, &largest);
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!over_magazine_wants(picture, point))
            continue;
        if (!design || strcmp(design, point->allocator) != 0)
            fprintf(stream, "%s\"%s\"\n", design ? "\n\n" : "", point->allocator);
        design = point->allocator;
        if (point->magazine_size) {
            row_write(stream, (double)point->magazine_size, point, picture->quantity);
        } else {
            row_write(stream, (double)smallest, point, picture->quantity);
            row_write(stream, (double)largest, point, picture->quantity);
        }
    }
}

/* ---- over threads ---- */

/* A sweep over sizes would give too many curves: the smallest and the largest size of each design.
 */
static bool over_threads_wants(const struct series *series, const struct picture *picture,
                               const struct point *point)
{
    bool smallest = true, largest = true;

    if (strcmp(point->trace, picture->trace) != 0)
        return false;
    for (size_t i = 0; i < series->count; i++) {
        const struct point *other = &series->points[i];

        if (strcmp(other->trace, point->trace) != 0 ||
            strcmp(other->allocator, point->allocator) != 0)
            continue;
        smallest &= other->magazine_size >= point->magazine_size;
        largest &= other->magazine_size <= point->magazine_size;
    }
    return smallest || largest;
}

static double over_threads_rows(const struct series *series, const struct picture *picture,
                                FILE *stream)
{
    const struct point *before = NULL;
    unsigned fewest = UINT32_MAX;
    double best = 0;

    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!over_threads_wants(series, picture, point))
            continue;
        if (!before || strcmp(before->allocator, point->allocator) != 0 ||
            before->magazine_size != point->magazine_size) {
            fprintf(stream, "%s\"%s", before ? "\n\n" : "", point->allocator);
            if (point->magazine_size)
                fprintf(stream, " (%llu)", (unsigned long long)point->magazine_size);
            fprintf(stream, "\"\n");
        }
        before = point;
        row_write(stream, point->threads, point, picture->quantity);
        if (is_harness(point))
            continue;
        if (point->threads < fewest) {
            fewest = point->threads;
            best = 0;
        }
        if (point->threads == fewest && point->throughput.median * 1e-6 / fewest > best)
            best = point->throughput.median * 1e-6 / fewest;
    }
    return best;
}

/* ---- pictures ---- */

static int picture_write(struct writer *writer, const struct picture *picture)
{
    bool over_threads = strcmp(picture->template, "over-threads") == 0;
    char trace[128], name[256], path[4096];
    struct outfile file;
    double ideal = 0;
    int code;

    trace_name(picture->trace, trace, sizeof trace);
    snprintf(name, sizeof name, "%s-%s-%s", trace, picture->quantity, picture->template);
    if (picture->threads)
        snprintf(name + strlen(name), sizeof name - strlen(name), "-%u-threads", picture->threads);
    snprintf(path, sizeof path, "%s/%s.dat", writer->plots, name);
    code = outfile_open(&file, path, writer->error);
    if (code)
        return code;
    if (over_threads)
        ideal = over_threads_rows(writer->series, picture, file.stream);
    else
        over_magazine_rows(writer->series, picture, file.stream);
    code = outfile_commit(&file, writer->error);
    if (code == 0)
        code = script_write(writer, picture, name, ideal);
    return code ? code : list_add(writer, name);
}

/* Quotes end a gnuplot string: a name that has any is shown without. */
static void drop_quotes(char *text)
{
    for (char *c = text; *c; c++) {
        if (*c == '\'' || *c == '\n')
            *c = ' ';
    }
}

static int over_magazine_pictures(struct writer *writer, const char *path, const char *trace,
                                  const char *caption, unsigned threads)
{
    char title[512];
    struct picture picture = {.trace = path,
                              .template = "over-magazine",
                              .quantity = "throughput",
                              .threads = threads,
                              .y_text = "million events a second",
                              .title = title,
                              .caption = caption};
    uint64_t smallest, largest;
    int code;

    magazine_range(writer->series, &picture, &smallest, &largest);
    if (smallest >= largest)
        return 0;
    snprintf(title, sizeof title,
             "Throughput over magazine size: %s, %u thread%s (medians, min to max)", trace, threads,
             threads == 1 ? "" : "s");
    code = picture_write(writer, &picture);
    if (code)
        return code;
    picture.quantity = "memory";
    picture.y_text = "most pages held at once (MiB)";
    snprintf(title, sizeof title, "Memory over magazine size: %s, %u thread%s (peak of pages held)",
             trace, threads, threads == 1 ? "" : "s");
    return picture_write(writer, &picture);
}

static int trace_pictures(struct writer *writer, const char *path)
{
    const struct series *series = writer->series;
    unsigned done[64], nr_done = 0;
    char trace[128], caption[1024], title[512];
    int code = 0;

    trace_name(path, trace, sizeof trace);
    drop_quotes(trace);
    snprintf(caption, sizeof caption, "trace %s; %s", trace, series->machine);
    drop_quotes(caption);
    for (size_t i = 0; code == 0 && i < series->count; i++) {
        bool seen = false;

        for (unsigned j = 0; j < nr_done; j++)
            seen |= done[j] == series->points[i].threads;
        if (strcmp(series->points[i].trace, path) != 0 || seen || nr_done == 64)
            continue;
        done[nr_done++] = series->points[i].threads;
        code = over_magazine_pictures(writer, path, trace, caption, series->points[i].threads);
    }
    if (code || nr_done < 2)
        return code;
    snprintf(title, sizeof title, "Throughput over threads: %s (medians, min to max)", trace);
    return picture_write(writer, &(struct picture){.trace = path,
                                                   .template = "over-threads",
                                                   .quantity = "throughput",
                                                   .y_text = "million events a second",
                                                   .title = title,
                                                   .caption = caption});
}

int plot_data_write(const struct series *series, const char *scripts, const char *plots,
                    const char *format, struct plot_list *list, struct error *error)
{
    struct writer writer = {.series = series,
                            .scripts = scripts,
                            .plots = plots,
                            .format = format,
                            .list = list,
                            .error = error};
    int code = style_write(&writer);

    for (size_t i = 0; code == 0 && i < series->count; i++) {
        if (i == 0 || strcmp(series->points[i].trace, series->points[i - 1].trace) != 0)
            code = trace_pictures(&writer, series->points[i].trace);
    }
    if (code == 0 && list->count == 0)
        code = error_set(error, ENODATA,
                         "nothing to draw: the sweep varies neither magazine size nor threads");
    return code;
}

void plot_list_cleanup(struct plot_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
}
