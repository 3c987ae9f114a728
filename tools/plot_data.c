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
    const char *trace;    /* path */
    const char *name;     /* trace_name.text */
    const char *template; /* "over-magazine" */
    const char *quantity; /* "throughput", "memory" */
    unsigned threads;     /* over-magazine: points of this many threads */
    const char *y_text;
    const char *title;
    const char *caption;
};

/* ---- names and texts ---- */

/* How a trace is called in names of pictures: unlike any other trace of the series. */
struct trace_name {
    const char *path; /* the series' */
    char text[128];
};

/*
 * "traces/samples/hackbench.slt" is "hackbench". Only what no shell, file system or gnuplot takes
 * for anything but a letter stays; the rest becomes '-'.
 */
static void name_make(const char *path, char *name, size_t size)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *base = strrchr(path, '/');
    size_t length;

    base = base ? base + 1 : path;
    length = strlen(base);
    if (length > 4 && strcmp(base + length - 4, ".slt") == 0)
        length -= 4;
    snprintf(name, size, "%.*s", (int)(length < size ? length : size - 1), base);
    for (char *c = name; *c; c++) {
        if (!strchr(kept, *c))
            *c = '-';
    }
    if (name[0] == '-' || name[0] == '.') /* neither an option nor hidden */
        name[0] = '_';
}

static bool name_taken(const struct trace_name *names, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i].text, text) == 0)
            return true;
    }
    return false;
}

/* The names of a series' traces, which are sorted by path; `count` gets how many. NULL: no memory.
 */
static struct trace_name *names_create(const struct series *series, size_t *count)
{
    struct trace_name *names = calloc(series->count + 1, sizeof *names);

    *count = 0;
    for (size_t i = 0; names && i < series->count; i++) {
        struct trace_name *name = &names[*count];
        char base[112];

        if (*count && strcmp(name[-1].path, series->points[i].trace) == 0)
            continue;
        name->path = series->points[i].trace;
        name_make(name->path, base, sizeof base);
        strcpy(name->text, base);
        for (unsigned number = 2; name_taken(names, *count, name->text); number++)
            snprintf(name->text, sizeof name->text, "%s-%u", base, number);
        (*count)++;
    }
    return names;
}

/* What could end a gnuplot string, or be taken for more than text within one, becomes a space. */
static void make_safe(char *text)
{
    for (char *c = text; *c; c++) {
        if (strchr("'\"`\\", *c) || (unsigned char)*c < ' ')
            *c = ' ';
    }
}

/* The line style of each curve, for gnuplot's word(): a design has one look in all pictures. */
struct styles {
    char text[1024];
};

/* From 1, in order of name among all designs of the sweep. */
static unsigned design_number(const struct series *series, const char *allocator)
{
    const char *before = "";
    unsigned number = 1;

    for (;;) {
        const char *next = allocator;

        for (size_t i = 0; i < series->count; i++) {
            const char *other = series->points[i].allocator;

            if (strcmp(other, before) > 0 && strcmp(other, next) < 0)
                next = other;
        }
        if (next == allocator)
            return number;
        before = next;
        number++;
    }
}

/* First line of a block of data: what the key calls the curve; and its style. */
static void curve_begin(const struct series *series, FILE *stream, struct styles *styles,
                        const struct point *point, bool sized)
{
    size_t used = strlen(styles->text);
    bool first = used == 0;
    char size[32] = "", title[256];

    snprintf(styles->text + used, sizeof styles->text - used, "%s%u", first ? "" : " ",
             design_number(series, point->allocator));

    if (sized && point->magazine_size)
        snprintf(size, sizeof size, " (%llu)", (unsigned long long)point->magazine_size);
    snprintf(title, sizeof title, "%s%s", point->allocator, size);
    make_safe(title);
    fprintf(stream, "%s\"%s\"\n", first ? "" : "\n\n", title);
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
                        const char *name, double ideal, const struct styles *styles)
{
    struct outfile file;
    char path[4096];
    int code;

    snprintf(path, sizeof path, "%s/%s.gp", writer->plots, name);
    code = outfile_open(&file, path, writer->error);
    if (code)
        return code;
    fprintf(file.stream,
            "# Run gnuplot %s.gp in this folder to draw the picture again.\n"
            "terminal_kind = '%s'\noutput_file = '%s.%s'\ndata_file = '%s.dat'\n"
            "style_file = 'style.gp'\ntitle_text = '%s'\ncaption_text = '%s'\ny_text = '%s'\n",
            name, writer->format, name, writer->format, name, picture->title, picture->caption,
            picture->y_text);
    fprintf(file.stream, "styles = '%s'\nideal = %.6g\n\n", styles->text, ideal);
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
    return point->harness;
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
                               FILE *stream, struct styles *styles)
{
    const char *design = NULL;
    uint64_t smallest, largest;

    magazine_range(series, picture, &smallest, &largest);
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!over_magazine_wants(picture, point))
            continue;
        if (!design || strcmp(design, point->allocator) != 0)
            curve_begin(series, stream, styles, point, false);
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

/* A sweep over sizes would give too many curves: the largest size of each design stands for it. */
static bool over_threads_wants(const struct series *series, const struct picture *picture,
                               const struct point *point)
{
    bool largest = true;

    if (strcmp(point->trace, picture->trace) != 0)
        return false;
    for (size_t i = 0; i < series->count; i++) {
        const struct point *other = &series->points[i];

        if (strcmp(other->trace, point->trace) != 0 ||
            strcmp(other->allocator, point->allocator) != 0)
            continue;
        largest &= other->magazine_size <= point->magazine_size;
    }
    return largest;
}

static double over_threads_rows(const struct series *series, const struct picture *picture,
                                FILE *stream, struct styles *styles)
{
    const struct point *before = NULL;
    unsigned fewest = UINT32_MAX;
    double best = 0;

    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (!over_threads_wants(series, picture, point))
            continue;
        if (!before || strcmp(before->allocator, point->allocator) != 0 ||
            before->magazine_size != point->magazine_size)
            curve_begin(series, stream, styles, point, true);
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
    struct styles styles = {""};
    char name[256], path[4096];
    struct outfile file;
    double ideal = 0;
    int code;

    snprintf(name, sizeof name, "%s-%s-%s", picture->name, picture->quantity, picture->template);
    if (picture->threads)
        snprintf(name + strlen(name), sizeof name - strlen(name), "-%u-threads", picture->threads);
    snprintf(path, sizeof path, "%s/%s.dat", writer->plots, name);
    code = outfile_open(&file, path, writer->error);
    if (code)
        return code;
    if (over_threads)
        ideal = over_threads_rows(writer->series, picture, file.stream, &styles);
    else
        over_magazine_rows(writer->series, picture, file.stream, &styles);
    code = outfile_commit(&file, writer->error);
    if (code == 0)
        code = script_write(writer, picture, name, ideal, &styles);
    return code ? code : list_add(writer, name);
}

static int over_magazine_pictures(struct writer *writer, const struct trace_name *trace,
                                  const char *caption, unsigned threads)
{
    char title[512];
    struct picture picture = {.trace = trace->path,
                              .name = trace->text,
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
             "Throughput over magazine size: %s, %u thread%s (medians, min to max)", trace->text,
             threads, threads == 1 ? "" : "s");
    code = picture_write(writer, &picture);
    if (code)
        return code;
    picture.quantity = "memory";
    picture.y_text = "most pages held at once (MiB)";
    snprintf(title, sizeof title, "Memory over magazine size: %s, %u thread%s (peak of pages held)",
             trace->text, threads, threads == 1 ? "" : "s");
    return picture_write(writer, &picture);
}

/* How many runs its points rest on. */
static void runs_span(const struct series *series, const char *trace, size_t *fewest, size_t *most)
{
    *fewest = SIZE_MAX;
    *most = 0;
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (strcmp(point->trace, trace) != 0)
            continue;
        *fewest = point->nr_runs < *fewest ? point->nr_runs : *fewest;
        *most = point->nr_runs > *most ? point->nr_runs : *most;
    }
}

static int trace_pictures(struct writer *writer, const struct trace_name *trace)
{
    const struct series *series = writer->series;
    unsigned done[64], nr_done = 0;
    char caption[1024], title[512], runs[64];
    size_t fewest, most;
    int code = 0;

    runs_span(series, trace->path, &fewest, &most);
    snprintf(runs, sizeof runs, fewest == most ? "%zu" : "%zu to %zu", fewest, most);
    snprintf(caption, sizeof caption, "trace %s; %s; %s runs a point", trace->text, series->machine,
             runs);
    make_safe(caption);
    for (size_t i = 0; code == 0 && i < series->count; i++) {
        bool seen = false;

        for (unsigned j = 0; j < nr_done; j++)
            seen |= done[j] == series->points[i].threads;
        if (strcmp(series->points[i].trace, trace->path) != 0 || seen || nr_done == 64)
            continue;
        done[nr_done++] = series->points[i].threads;
        code = over_magazine_pictures(writer, trace, caption, series->points[i].threads);
    }
    if (code || nr_done < 2)
        return code;
    snprintf(title, sizeof title, "Throughput over threads: %s (medians, min to max)", trace->text);
    return picture_write(writer, &(struct picture){.trace = trace->path,
                                                   .name = trace->text,
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
    size_t count;
    struct trace_name *names = names_create(series, &count);
    int code = names ? style_write(&writer) : error_set(error, ENOMEM, "no memory for names");

    for (size_t i = 0; code == 0 && i < count; i++)
        code = trace_pictures(&writer, &names[i]);
    free(names);
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
