/* SPDX-License-Identifier: MIT */
/*
 * Shares as stacked bars: which locks are waited for, which layers serve, whose objects are freed.
 * A bar shows one run, that of the median total, so that its parts sum; a whisker spans all runs.
 */
#include "tools/plot_writer.h"
#include "tools/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* More bars than this are too many to read: only the size that stands for a design is drawn. */
#define BARS_MAX 40

/* A part's share of a run in percent; NAN: not recorded. */
typedef double share_function(const json_t *run, const char *part);

struct stack {
    const char *const *parts; /* names of the records */
    size_t nr_parts;
    size_t first_counted; /* parts from here on make the total */
    share_function *share;
};

/* ---- shares ---- */

static const char *const lock_classes[] = {"cpu",     "depot",  "cache", "slab", "page",
                                           "partial", "caches", "vmem",  "boot", "zone"};
static const char *const layer_names[] = {"cpu", "depot", "slab", "page"};
static const char *const distances[] = {"same_cpu", "remote_cpu", "remote_node"};

/* Sum of one key of the locks of one class; NULL: of all. */
static double locks_sum(const json_t *run, const char *class, const char *key)
{
    const json_t *lock;
    double sum = 0;
    size_t i;

    json_array_foreach(record_at(run, "locks"), i, lock)
    {
        double value = record_number(lock, key);

        if ((!class || strcmp(record_text(lock, "class"), class) == 0) && !isnan(value))
            sum += value;
    }
    return sum;
}

static double contended_share(const json_t *run, const char *class)
{
    double all = locks_sum(run, NULL, "acquisitions");

    if (!record_at(run, "locks"))
        return NAN;
    return all > 0 ? 100 * locks_sum(run, class, "contended") / all : 0;
}

static double waiting_share(const json_t *run, const char *class)
{
    /* NAN where contention was not recorded. */
    return 100 * locks_sum(run, class, "wait_ns") /
           (record_number(run, "recorded.contention.elapsed_ns") * record_number(run, "threads"));
}

static double layer_share(const json_t *run, const char *operation, const char *layer)
{
    const json_t *layers = record_at(run, operation), *value;
    double all = 0;
    const char *key;

    json_object_foreach((json_t *)layers, key, value) all += json_number_value(value);
    return layers && all > 0 ? 100 * record_number(layers, layer) / all : NAN;
}

static double alloc_share(const json_t *run, const char *layer)
{
    return layer_share(run, "layers.alloc", layer);
}

static double free_share(const json_t *run, const char *layer)
{
    return layer_share(run, "layers.free", layer);
}

static double distance_share(const json_t *run, const char *distance)
{
    double frees = record_number(run, "trace.frees") * record_number(run, "replicas") *
                   record_number(run, "loops");
    double cpu = record_number(run, "locality.remote_cpu_frees") / frees;
    double node = record_number(run, "locality.remote_node_frees") / frees;

    if (strcmp(distance, "same_cpu") == 0)
        return 100 * (1 - cpu);
    return 100 * (strcmp(distance, "remote_node") == 0 ? node : cpu - node);
}

static const struct stack contended = {lock_classes, 10, 0, contended_share};
static const struct stack waiting = {lock_classes, 10, 0, waiting_share};
static const struct stack allocs = {layer_names, 4, 1, alloc_share};
static const struct stack frees = {layer_names, 4, 1, free_share};
static const struct stack remote = {distances, 3, 1, distance_share};

static double stack_total(const struct stack *stack, const json_t *run)
{
    double total = 0;

    for (size_t i = stack->first_counted; i < stack->nr_parts; i++)
        total += stack->share(run, stack->parts[i]);
    return total;
}

/* The run whose total is the median, of two the lower; NULL: none recorded it. */
static const json_t *median_run(const struct plot_writer *writer, const struct stack *stack,
                                const struct point *point, struct plot_figure *total)
{
    size_t count = 0;
    double wanted;

    for (size_t i = 0; i < point->nr_runs; i++) {
        double value = stack_total(stack, point->runs[i]);

        if (!isnan(value))
            writer->values[count++] = value;
    }
    if (count == 0)
        return NULL;
    total->low = spread_of(writer->values, count).minimum; /* sorts */
    total->high = writer->values[count - 1];
    wanted = writer->values[(count - 1) / 2];
    total->median = wanted;
    for (size_t i = 0; i < point->nr_runs; i++) {
        if (stack_total(stack, point->runs[i]) == wanted)
            return point->runs[i];
    }
    return NULL;
}

/* ---- bars ---- */

/* The bar that says most. */
struct top {
    const struct point *point;
    double total;
    size_t longest; /* label of all bars, in bytes */
};

/* One line: height of the bar, its label, total, lowest, highest, and each part. */
static bool bar_write(struct picture *picture, const struct stack *stack, const struct point *point,
                      double y, const char *label, struct top *top)
{
    struct plot_figure total;
    const json_t *run = median_run(picture->writer, stack, point, &total);

    if (!run)
        return false;
    fprintf(picture->data, "%g \"%s\" %.6g %.6g %.6g", y, label, total.median, total.low,
            total.high);
    for (size_t i = 0; i < stack->nr_parts; i++)
        fprintf(picture->data, " %.6g", stack->share(run, stack->parts[i]));
    fprintf(picture->data, "\n");
    if (!point->harness && (!top->point || total.median > top->total))
        top->point = point, top->total = total.median;
    top->longest = strlen(label) > top->longest ? strlen(label) : top->longest;
    return true;
}

static size_t points_count(const struct plot_trace *trace, unsigned threads)
{
    const struct point *point;
    size_t count = 0;

    for (size_t i = 0; (point = plot_next(trace, threads, &i));)
        count += !point->harness;
    return count;
}

/* All bars of one panel, from the top down, a gap between designs; returns the height of the last.
 */
static double panel_write(struct picture *picture, const struct stack *stack, struct top *top)
{
    bool all = points_count(picture->trace, picture->threads) <= BARS_MAX;
    const struct point *before = NULL, *point;
    double y = 0;

    for (size_t i = 0; (point = plot_next(picture->trace, picture->threads, &i));) {
        bool same = before && plot_same_design(before, point);
        char label[256], size[32];

        if (point->harness || !(all || plot_stands_for_design(picture->trace, point)))
            continue;
        plot_curve_name(point, true, label, sizeof label);
        snprintf(size, sizeof size, "(%llu)", (unsigned long long)point->magazine_size);
        if (bar_write(picture, stack, point, y - (before ? same ? 1 : 1.6 : 0), same ? size : label,
                      top)) {
            y -= before ? same ? 1 : 1.6 : 0;
            before = point;
        }
    }
    return y;
}

/* Which parts are ever more than nothing, for the key; what each is called there. */
static void parts_set(struct picture *picture, const struct stack *const *stacks, size_t nr_stacks,
                      const char *const *titles)
{
    for (size_t part = 0; part < stacks[0]->nr_parts; part++) {
        const struct point *point;
        bool some = false;

        for (size_t i = 0; (point = plot_next(picture->trace, picture->threads, &i));) {
            for (size_t j = 0; j < point->nr_runs * nr_stacks; j++)
                some |= stacks[j % nr_stacks]->share(point->runs[j / nr_stacks],
                                                     stacks[0]->parts[part]) > 0;
        }
        fprintf(picture->styles_stream, " %d", some);
        picture_set(picture, "part%zu = '%s'", part + 1, titles[part]);
    }
    picture_set(picture, "parts = %zu", stacks[0]->nr_parts);
}

static void two_panels(struct picture *picture, const struct stack *left, const struct stack *right,
                       const char *const *titles, struct top tops[2])
{
    const struct stack *const stacks[] = {left, right};
    double lowest;

    picture_block(picture, "left");
    lowest = panel_write(picture, left, &tops[0]);
    picture_block(picture, "right");
    panel_write(picture, right, &tops[1]);
    parts_set(picture, stacks, 2, titles);
    picture_set(picture, "y_lowest = %g\nlongest = %zu", lowest, tops[0].longest);
}

int plot_locks(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads)
{
    static const char *const titles[] = {"CPU",     "depot",  "cache", "slab", "page records",
                                         "partial", "caches", "vmem",  "boot", "zone"};
    struct top tops[2] = {{0}};
    char title[512], name[256];
    struct picture picture;
    int code = picture_open(writer, trace, "locks", threads, &picture);

    if (code)
        return code;
    two_panels(&picture, &contended, &waiting, titles, tops);
    if (!tops[0].point || !tops[1].point)
        return picture_leave(&picture, "contention was not recorded");
    if (tops[0].total <= 0)
        return picture_leave(&picture, "no lock was contended");
    plot_curve_name(tops[1].point, true, name, sizeof name);
    snprintf(title, sizeof title, "Locks, %u thread%s: %s waits most, %.3g%% of the time", threads,
             threads == 1 ? "" : "s", name, tops[1].total);
    picture_set(&picture, "left_text = '%s'\nright_text = '%s'\nwhole = 0",
                "contended acquisitions, % of all of the design",
                "waiting, % of the time of all threads");
    return picture_commit(&picture, "bars.gp", title,
                          "by class of lock; bars are median runs, whiskers span all runs");
}

int plot_layers(struct plot_writer *writer, const struct plot_trace *trace, unsigned threads)
{
    static const char *const titles[] = {"CPU layer", "shared store", "slabs", "pages"};
    struct top tops[2] = {{0}};
    char title[512], name[256];
    struct picture picture;
    int code = picture_open(writer, trace, "layers", threads, &picture);

    if (code)
        return code;
    two_panels(&picture, &allocs, &frees, titles, tops);
    if (!tops[0].point || !tops[1].point)
        return picture_leave(&picture, "layers were not recorded");
    plot_curve_name(tops[0].point, true, name, sizeof name);
    snprintf(title, sizeof title,
             "Layers, %u thread%s: %s goes beyond the CPU layer in %.3g%% of allocations", threads,
             threads == 1 ? "" : "s", name, tops[0].total);
    picture_set(&picture, "left_text = '%s'\nright_text = '%s'\nwhole = 1",
                "allocations, % by the deepest layer", "frees, % by the deepest layer");
    return picture_commit(&picture, "bars.gp", title,
                          "numbers: % beyond the CPU layer; bars are median runs");
}

/* ---- remote frees ---- */

/*
 * Which CPU frees is the plan's, not the design's, so any point will do for its number of threads:
 * the first that recorded it.
 */
int plot_remote_frees(struct plot_writer *writer, const struct plot_trace *trace)
{
    static const char *const titles[] = {"same CPU", "another CPU", "another node"};
    const struct stack *const stacks[] = {&remote};
    struct top top = {0};
    struct picture picture;
    char title[256];
    double y = 0;
    int code = picture_open(writer, trace, "remote-frees", 0, &picture);

    if (code)
        return code;
    picture_block(&picture, "left");
    for (size_t i = 0; i < trace->nr_threads; i++) {
        const struct point *point;
        char label[32];

        snprintf(label, sizeof label, "%u thread%s", trace->threads[i],
                 trace->threads[i] == 1 ? "" : "s");
        for (size_t j = 0; (point = plot_next(trace, trace->threads[i], &j));) {
            if (!point->harness && bar_write(&picture, &remote, point, y, label, &top))
                break;
        }
        y -= point != NULL;
    }
    if (!top.point || top.total <= 0)
        return picture_leave(&picture, top.point ? "no object was freed on another CPU"
                                                 : "locality was not recorded");
    parts_set(&picture, stacks, 1, titles);
    snprintf(title, sizeof title,
             "Remote frees: with %u threads, %.3g%% of the frees are on another CPU",
             top.point->threads, top.total);
    picture_set(&picture, "left_text = '%s'\nwhole = 1\ny_lowest = %g\nlongest = %zu", "frees, %",
                y + 1, top.longest);
    return picture_commit(
        &picture, "bars.gp", title,
        "numbers: % on another CPU than the allocation; the same for all designs");
}
