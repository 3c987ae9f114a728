/* SPDX-License-Identifier: MIT */
/* slablab merge: several traces side by side. */
#include "sim/error.h"
#include "tools/command.h"
#include "traces/outfile.h"
#include "traces/transform.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>

struct arguments {
    const char **inputs; /* as many as there can be */
    size_t nr_inputs;
    const char *output;
};

static const struct argp_option option_table[] = {
    {"output", 'o', "OUT.slt", 0,
     "the trace to write, another file than is read (- is standard output)", 0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case ARGP_KEY_ARG:
        arguments->inputs[arguments->nr_inputs++] = text;
        return 0;
    case ARGP_KEY_END:
        if (arguments->nr_inputs < 2)
            argp_error(state, "which traces? At least two");
        if (!arguments->output)
            argp_error(state, "where to? Name the trace with -o OUT.slt");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {option_table,
                                 parse_option,
                                 "TRACE TRACE... -o OUT.slt",
                                 "Writes the traces as one that begins with all of them at once: "
                                 "streams side by side, as \"1:cpu0\", "
                                 "\"2:cpu0\"; caches of one name and object size are one.\v"
                                 "Example:\n"
                                 "  slablab merge find.slt gcc.slt -o both.slt",
                                 NULL,
                                 NULL,
                                 NULL};

int cmd_merge(int argc, char **argv)
{
    struct arguments arguments = {.inputs = calloc((size_t)argc, sizeof *arguments.inputs)};
    struct error error;
    int code;

    if (!arguments.inputs) {
        code = error_set(&error, ENOMEM, "no memory for the names of the traces");
        return command_failed(code, &error);
    }
    command_parse(&argp, argc, argv, 0, &arguments);
    code = 0;
    for (size_t i = 0; !code && i < arguments.nr_inputs; i++)
        code = outfile_spares(arguments.output, arguments.inputs[i], &error);
    if (!code)
        code = trace_merge(arguments.inputs, arguments.nr_inputs, arguments.output, &error);
    free(arguments.inputs);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
