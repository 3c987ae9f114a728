/* SPDX-License-Identifier: MIT */
/* slablab anonymise: a trace to give away. */
#include "sim/error.h"
#include "tools/command.h"
#include "traces/outfile.h"
#include "traces/transform.h"

#include <argp.h>
#include <stdbool.h>

struct arguments {
    const char *input;
    const char *output;
    bool keep_caches;
};

enum key { KEY_KEEP_CACHES = 0x100 };

static const struct argp_option option_table[] = {
    {"output", 'o', "OUT.slt", 0,
     "the trace to write, another file than is read (- is standard output)", 0},
    {"keep-caches", KEY_KEEP_CACHES, NULL, 0, "keep the names of caches", 0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case KEY_KEEP_CACHES:
        arguments->keep_caches = true;
        return 0;
    case ARGP_KEY_END:
        command_one_trace(key, text, state, &arguments->input);
        if (!arguments->output)
            argp_error(state, "where to? Name the trace with -o OUT.slt");
        return 0;
    }
    return command_one_trace(key, text, state, &arguments->input);
}

static const struct argp argp = {
    option_table,
    parse_option,
    "TRACE -o OUT.slt",
    "Writes TRACE (- is standard input) with numbers for the names of its streams, call sites and "
    "caches, and without where it is from. Sizes, times and order stay as they are.\v"
    "Example:\n"
    "  slablab anonymise mine.slt -o public.slt --keep-caches",
    NULL,
    NULL,
    NULL};

int cmd_anonymise(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    code = outfile_spares(arguments.output, arguments.input, &error);
    if (!code)
        code = trace_anonymise(arguments.input, arguments.output, arguments.keep_caches, &error);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
