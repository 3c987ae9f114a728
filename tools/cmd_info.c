/* SPDX-License-Identifier: MIT */
/* slablab info: what is in a trace. */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/info.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *trace;
    bool json;
    const char *plots; /* folder */
    const char *format;
};

enum key { KEY_JSON = 0x100, KEY_PLOT, KEY_FORMAT };

static const struct argp_option option_table[] = {
    {"json", KEY_JSON, NULL, 0,
     "as one JSON object: all caches, all pairs of streams, whole distributions", 0},
    {"plot", KEY_PLOT, "DIR", 0, "draw it with gnuplot too, into DIR", 0},
    {"format", KEY_FORMAT, "svg|png", 0, "of the pictures (default svg)", 0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case KEY_PLOT:
        arguments->plots = text;
        return 0;
    case KEY_FORMAT:
        if (strcmp(text, "svg") != 0 && strcmp(text, "png") != 0)
            argp_error(state, "--format: '%s': expected svg or png", text);
        arguments->format = text;
        return 0;
    case ARGP_KEY_SUCCESS:
        if (arguments->format && !arguments->plots)
            argp_error(state, "--format is of the pictures; say --plot DIR too");
        return 0;
    }
    return command_one_trace(key, text, state, &arguments->trace);
}

static const struct argp argp = {
    option_table,
    parse_option,
    "TRACE",
    "Says what is in TRACE (- is standard input): streams, who frees what was allocated by whom, "
    "sizes, "
    "lifetimes, the live set over time, what the importer had to mend, the busiest caches.\v"
    "Counts, sizes, lifetimes and gaps are of what was recorded; events in the file and the live "
    "set include what the importer inserted. A life in events is counted in allocations and frees "
    "of all streams.\n\n"
    "With --plot, DIR gets these pictures, named TRACE-PICTURE, each with its data and script:\n"
    "  sizes      how many allocations, and bytes of them, are of up to which size\n"
    "  lifetimes  how long objects live, by whether their own stream frees them\n"
    "  live       objects and bytes over time\n"
    "  frees      by which stream, of what was allocated by which\n\n"
    "Examples:\n"
    "  slablab info traces/samples/hackbench.slt\n"
    "  slablab info --json hackbench.slt | jq '.caches[] | select(.allocs > 1000) | .name'\n"
    "  slablab info hackbench.slt --plot pictures",
    NULL,
    NULL,
    NULL};

/* Busiest first; name breaks ties. */
static int compare_caches(const void *a, const void *b)
{
    const struct trace_cache_summary *x = a, *y = b;
    uint64_t busy_x = x->allocs + x->frees, busy_y = y->allocs + y->frees;

    return busy_x != busy_y ? (busy_x < busy_y) - (busy_x > busy_y) : strcmp(x->name, y->name);
}

int cmd_info(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct trace_summary summary;
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    code = trace_summary_read(arguments.trace, &summary, &error);
    if (code)
        return command_failed(code, &error);
    qsort(summary.caches, summary.nr_caches, sizeof *summary.caches, compare_caches);
    if (arguments.json)
        code = info_print_json(&summary, stdout);
    else
        info_print_text(arguments.trace, &summary, stdout);
    if (code)
        error_set(&error, -code, "standard output: could not write all of it");
    else if (arguments.plots)
        code = info_plot(arguments.trace, &summary, arguments.plots,
                         arguments.format ? arguments.format : "svg",
                         arguments.json ? stderr : stdout, &error);
    trace_summary_cleanup(&summary);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
