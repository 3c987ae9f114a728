/* SPDX-License-Identifier: MIT */
/* slablab import: somebody else's recording becomes a trace. */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/repairs.h"
#include "traces/import/import.h"
#include "traces/outfile.h"

#include <argp.h>
#include <stdio.h>
#include <string.h>

struct arguments {
    const char *input;
    const char *output;
    struct import_options options;
};

enum key { KEY_UNMATCHED = 0x100, KEY_CALL_SITES, KEY_KALLSYMS };

static const struct argp_option option_table[] = {
    {"format", 'f', "FORMAT", 0, "of the input (default: found by looking at it)", 0},
    {"output", 'o', "OUT.slt", 0,
     "the trace to write, another file than is read (- is standard output)", 0},
    {"unmatched", KEY_UNMATCHED, "preload|drop", 0,
     "frees of objects older than the recording: allocate these before the clock starts (default), "
     "or drop the frees",
     0},
    {"call-sites", KEY_CALL_SITES, NULL, 0, "keep the call site of each allocation", 0},
    {"kallsyms", KEY_KALLSYMS, "FILE", 0,
     "name the call sites of a perf.data by FILE, /proc/kallsyms of the kernel recorded or a copy "
     "of it",
     0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'f':
        arguments->options.format = text;
        return 0;
    case 'o':
        arguments->output = text;
        return 0;
    case KEY_UNMATCHED:
        if (strcmp(text, "preload") != 0 && strcmp(text, "drop") != 0)
            argp_error(state, "--unmatched: '%s': expected preload or drop", text);
        arguments->options.unmatched = *text == 'p' ? IMPORT_PRELOAD : IMPORT_DROP;
        return 0;
    case KEY_CALL_SITES:
        arguments->options.call_sites = true;
        return 0;
    case KEY_KALLSYMS:
        arguments->options.kallsyms = text;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->input)
            argp_error(state, "more than one input: '%s' and '%s'", arguments->input, text);
        arguments->input = text;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->input)
            argp_error(state, "which input?");
        if (!arguments->output)
            argp_error(state, "where to? Name the trace with -o OUT.slt");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    option_table,
    parse_option,
    "INPUT -o OUT.slt",
    "Turns a recording into a trace. INPUT (- is standard input) may be compressed (.zst, .gz, "
    ".xz, "
    ".zip). What the recording lost is mended where it can be, counted by cause, and said.\v"
    "Examples:\n"
    "  perf record -a -e kmem:kmalloc,kmem:kfree,kmem:kmem_cache_alloc,kmem:kmem_cache_free -- "
    "make\n"
    "  slablab import perf.data -o make.slt\n"
    "  slablab import perf.data --call-sites --kallsyms /proc/kallsyms -o make.slt\n"
    "  slablab import hackbench.perf-script.txt.zst -o hackbench.slt\n\n"
    "`slablab list importers` lists the formats.",
    NULL,
    NULL,
    NULL};

static void show_progress(void *context, uint64_t bytes)
{
    command_progress("%s: %llu MB", (const char *)context, (unsigned long long)(bytes / 1000000));
}

int cmd_import(int argc, char **argv)
{
    struct arguments arguments = {.options.progress = show_progress};
    struct import_report report;
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    arguments.options.progress_context = (void *)arguments.input;
    code = outfile_spares(arguments.output, arguments.input, &error);
    if (!code && arguments.options.kallsyms)
        code = outfile_spares(arguments.output, arguments.options.kallsyms, &error);
    if (!code)
        code = import_trace(arguments.input, arguments.output, &arguments.options, &report, &error);
    if (code)
        return command_failed(code, &error);
    command_progress_clear();
    fprintf(stderr, "%s: %s, %llu bytes, %llu event%s written to %s\n", arguments.input,
            report.format, (unsigned long long)report.input_bytes,
            (unsigned long long)report.events, command_plural(report.events), arguments.output);
    repairs_print(&report.repairs, repairs_recorded(&report.repairs, report.events), NULL, stderr);
    return STATUS_DONE;
}
