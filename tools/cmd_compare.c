/* SPDX-License-Identifier: MIT */
/*
 * slablab compare: what a sweep shows and what it does not. The designs of one against each other,
 * two sweeps as before and after, or throughput against memory over magazine size.
 */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/compare.h"
#include "tools/counterpart.h"
#include "tools/list_option.h"
#include "tools/pareto.h"
#include "tools/record.h"
#include "traces/outfile.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPARE_SCHEMA "slablab.compare/1"
#define SOURCES_MAX    2

struct arguments {
    const char *sources[SOURCES_MAX];
    size_t nr_sources;
    struct word_list figures;
    const char *baseline, *json;
    const struct figure *memory; /* of --pareto */
    unsigned with;               /* enum series_with */
    bool pareto;
};

enum key {
    KEY_BASELINE = 0x100,
    KEY_FIGURE,
    KEY_JSON,
    KEY_INVALID,
    KEY_DISTURBED,
    KEY_PARETO,
    KEY_MEMORY
};

static const struct argp_option option_table[] = {
    {"baseline", KEY_BASELINE, "NAME", 0,
     "compare with this design, label or 'label size N' (default: the best median)", 0},
    {"figure", KEY_FIGURE, "LIST", 0,
     "throughput, ns_per_event, peak_bytes, resting_bytes, waiting, beyond, overhead, remote, and "
     "of alloc and of free latency_ns.alloc.p50, .p90, .p99, .p999 "
     "(default throughput,peak_bytes)",
     0},
    {"include-invalid", KEY_INVALID, NULL, 0, "take runs that were marked invalid too", 0},
    {"include-disturbed", KEY_DISTURBED, NULL, 0,
     "take runs too that were marked disturbed: something else ran beside them", 0},
    {"json", KEY_JSON, "FILE", 0, "write everything as one object to FILE (- is standard output)",
     0},
    {"pareto", KEY_PARETO, NULL, 0,
     "throughput against memory over magazine size, and what to take", 0},
    {"memory", KEY_MEMORY, "resting|peak", 0,
     "of --pareto: what is held beyond live objects when most is live, or the most pages ever held "
     "(default resting)",
     0},
    {0}};

/* Options that say nothing in the kind of comparison asked for are refused, not passed over. */
static void arguments_check(const struct arguments *arguments, struct argp_state *state)
{
    if (arguments->nr_sources == 0)
        argp_error(state, "which sweep? Name its folder, or two");
    if (arguments->pareto && arguments->nr_sources > 1)
        argp_error(state, "--pareto is of one sweep");
    if (arguments->pareto && (arguments->baseline || arguments->figures.count))
        argp_error(state, "--pareto has its own figures and no baseline");
    if (!arguments->pareto && arguments->memory)
        argp_error(state, "--memory is of --pareto");
    if (arguments->baseline && arguments->nr_sources > 1)
        argp_error(state, "of two sources the first is the baseline");
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct error error;

    switch (key) {
    case KEY_BASELINE:
        arguments->baseline = text;
        return 0;
    case KEY_FIGURE:
        if (figures_parse(text, &arguments->figures, &error) != 0)
            argp_error(state, "--figure: %s", error.text);
        return 0;
    case KEY_JSON:
        arguments->json = text;
        return 0;
    case KEY_INVALID:
        arguments->with |= SERIES_WITH_INVALID;
        return 0;
    case KEY_DISTURBED:
        arguments->with |= SERIES_WITH_DISTURBED;
        return 0;
    case KEY_PARETO:
        arguments->pareto = true;
        return 0;
    case KEY_MEMORY:
        if (strcmp(text, "resting") != 0 && strcmp(text, "peak") != 0)
            argp_error(state, "--memory: '%s': expected resting or peak", text);
        arguments->memory = figure_find(strcmp(text, "peak") == 0 ? "peak_bytes" : "resting_bytes");
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->nr_sources == SOURCES_MAX)
            argp_error(state, "more than two sources: '%s'", text);
        arguments->sources[arguments->nr_sources++] = text;
        return 0;
    case ARGP_KEY_END:
        arguments_check(arguments, state);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    option_table,
    parse_option,
    "DIR|FILE [DIR|FILE]",
    "Compares the designs of a sweep with each other, or two sweeps, A and B, as before and after: "
    "ratios of medians with 95% intervals, and whether a difference is shown at all.\v"
    "Examples:\n"
    "  slablab compare out\n"
    "  slablab compare out --baseline magazine --figure throughput,waiting\n"
    "  slablab compare before after --json changes.json\n"
    "  slablab compare --pareto out\n\n"
    "Two sweeps may differ in an option, --lock, --bind or --set, of which each has one value: "
    "that is "
    "said, and compared. "
    "A difference is called one if Mann and Whitney's test says so (5%, Holm's correction over all "
    "cells of a figure), if the interval leaves out 1, and if it is larger than the noise floor: "
    "what the sweep's A-against-A arms, the same combination run twice over, differ by. Few runs "
    "show little: -n 10 is a good number. Disturbed runs are left out, but of combinations that "
    "have "
    "no others. Choosing the best median as "
    "baseline has a price in p, as it is probably a lucky one; naming one has none.",
    NULL,
    NULL,
    NULL};

/* ---- sources ---- */

static int source_read(const struct arguments *arguments, size_t i, struct series *series,
                       struct error *error)
{
    const char *path = arguments->sources[i];
    int code = series_read(path, arguments->with, series, error);

    if (code == 0)
        series_left_out_print(series, path, stderr);
    return code;
}

static json_t *source_json(const char *path, const struct series *series)
{
    size_t runs = 0;
    json_t *object;

    for (size_t i = 0; i < series->count; i++)
        runs += series->points[i].nr_runs;
    object = json_pack(
        "{s:s, s:s, s:i, s:i, s:i, s:b, s:i, s:b, s:i, s:i}", "path", path, "machine",
        series->machine, "runs", (int)runs, "invalid_runs", (int)series->invalid, "failed_runs",
        (int)series->failed, "invalid_included", (int)(series->with & SERIES_WITH_INVALID),
        "disturbed_runs", (int)series->disturbed, "disturbed_included",
        (int)(series->with & SERIES_WITH_DISTURBED), "disturbed_only", (int)series->disturbed_only,
        "disturbed_left_out", (int)series->disturbed_left_out);
    if (series->planned) {
        json_object_set_new(object, "runs_there", json_integer((json_int_t)series->there));
        json_object_set_new(object, "runs_planned", json_integer((json_int_t)series->planned));
    }
    return object ? object : json_object();
}

static void conditions_print(const json_t *conditions, FILE *stream)
{
    const json_t *condition;
    size_t i;

    json_array_foreach(conditions, i, condition)
    {
        char *a = json_dumps(json_object_get(condition, "a"), JSON_ENCODE_ANY | JSON_COMPACT);
        char *b = json_dumps(json_object_get(condition, "b"), JSON_ENCODE_ANY | JSON_COMPACT);

        fprintf(stream, "%s: %s in A, %s in B\n", record_text(condition, "what"),
                a && strcmp(a, "null") != 0 ? a : "nothing",
                b && strcmp(b, "null") != 0 ? b : "nothing");
        free(a);
        free(b);
    }
}

/* What is in `series` and not in `other` is said, and noted in an array. */
static json_t *only_in(const struct series *series, const struct series *other, const char *name,
                       FILE *stream)
{
    json_t *list = json_array();

    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];

        if (point->second || point_counterpart(other, series, point))
            continue;
        if (json_array_size(list) == 0)
            fprintf(stream, "\nOnly in %s:\n", name);
        fprintf(stream, "  %s, ", point->name);
        load_print(point, stream);
        fprintf(stream, "\n");
        json_array_append_new(list, point_json(point));
    }
    return list;
}

/* ---- kinds ---- */

static int figures_compare(const struct arguments *arguments, const struct series *series,
                           json_t *result, FILE *stream, struct error *error)
{
    json_t *list = json_array();
    int code = 0;

    json_object_set_new(result, "comparisons", list);
    for (size_t i = 0; code == 0 && i < arguments->figures.count; i++) {
        const struct figure *figure = figure_find(arguments->figures.words[i]);
        struct comparison comparison;

        code = arguments->nr_sources > 1
                   ? compare_sources(&series[0], &series[1], figure, &comparison, error)
                   : compare_designs(&series[0], figure, arguments->baseline, &comparison, error);
        if (code)
            continue;
        if (i)
            fprintf(stream, "\n");
        comparison_print(&comparison, stream);
        json_array_append_new(list, comparison_json(&comparison));
        comparison_cleanup(&comparison);
    }
    return code;
}

static void scaling_report(const struct arguments *arguments, const struct series *series,
                           json_t *result, FILE *stream)
{
    json_t *list = json_array();

    for (size_t i = 0; i < arguments->nr_sources; i++) {
        fprintf(stream, "\n");
        if (arguments->nr_sources > 1)
            fprintf(stream, "%s: ", i ? "B" : "A");
        if (scaling_print(&series[i], stream) == 0)
            fprintf(stream,
                    "Scaling: not fitted, which takes 3 or more thread counts of a design\n");
        json_array_append_new(list, scaling_json(&series[i]));
    }
    json_object_set_new(result, "scaling", list);
}

static int compare(const struct arguments *arguments, const struct series *series, json_t *result,
                   FILE *stream, struct error *error)
{
    bool two = arguments->nr_sources > 1;
    int code;

    if (two) {
        json_t *conditions = conditions_json(&series[0], &series[1]);

        conditions_print(conditions, stream);
        json_object_set_new(result, "conditions", conditions);
    }
    code = figures_compare(arguments, series, result, stream, error);
    if (code)
        return code;
    scaling_report(arguments, series, result, stream);
    if (two) {
        json_object_set_new(result, "only_in_a", only_in(&series[0], &series[1], "A", stream));
        json_object_set_new(result, "only_in_b", only_in(&series[1], &series[0], "B", stream));
    }
    return 0;
}

static int pareto(const struct arguments *arguments, const struct series *series, json_t *result,
                  FILE *stream, struct error *error)
{
    const struct figure *memory =
        arguments->memory ? arguments->memory : figure_find("resting_bytes");
    struct pareto front;

    if (pareto_create(series, memory, &front) != 0)
        return error_set(error, ENOMEM, "no memory for a front");
    pareto_print(&front, stream);
    json_object_set_new(result, "pareto", pareto_json(&front));
    pareto_cleanup(&front);
    return 0;
}

/* ---- the command ---- */

static int json_write(const json_t *result, const char *path, struct error *error)
{
    struct outfile file;
    int code = outfile_open(&file, path, error);

    if (code)
        return code;
    if (json_dumpf(result, file.stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER) != 0) {
        outfile_discard(&file);
        return error_set(error, EIO, "%s: could not write the comparison", path);
    }
    fputc('\n', file.stream);
    return outfile_commit(&file, error);
}

/* With the sources read. */
static int report(const struct arguments *arguments, const struct series *series,
                  struct error *error)
{
    bool to_stdout = arguments->json && strcmp(arguments->json, "-") == 0;
    FILE *stream = to_stdout ? fopen("/dev/null", "we") : stdout;
    json_t *result = json_pack("{s:s}", "schema", COMPARE_SCHEMA), *sources = json_array();
    int code;

    if (!stream || !result || !sources) {
        code = error_set(error, ENOMEM, "no memory for a comparison");
    } else {
        for (size_t i = 0; i < arguments->nr_sources; i++)
            json_array_append_new(sources, source_json(arguments->sources[i], &series[i]));
        json_object_set(result, "sources", sources);
        code = arguments->pareto ? pareto(arguments, series, result, stream, error)
                                 : compare(arguments, series, result, stream, error);
        if (code == 0 && arguments->json)
            code = json_write(result, arguments->json, error);
    }
    if (to_stdout && stream)
        fclose(stream);
    json_decref(sources);
    json_decref(result);
    return code;
}

int cmd_compare(int argc, char **argv)
{
    struct series series[SOURCES_MAX] = {0};
    struct arguments arguments = {0};
    struct error error;
    int code = 0;

    command_parse(&argp, argc, argv, 0, &arguments);
    if (arguments.figures.count == 0)
        code = word_list_parse("throughput,peak_bytes", &arguments.figures, &error);
    for (size_t i = 0; code == 0 && i < arguments.nr_sources; i++)
        code = source_read(&arguments, i, &series[i], &error);
    if (code == 0)
        code = report(&arguments, series, &error);
    for (size_t i = 0; i < SOURCES_MAX; i++)
        series_cleanup(&series[i]);
    word_list_cleanup(&arguments.figures);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
