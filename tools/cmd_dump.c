/* SPDX-License-Identifier: MIT */
/* slablab dump: a trace as text. */
#include "sim/error.h"
#include "tools/command.h"
#include "traces/dump.h"
#include "traces/outfile.h"

#include <argp.h>
#include <stdio.h>

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    return command_one_trace(key, text, state, state->input);
}

static const struct argp argp = {
    NULL,
    parse_option,
    "TRACE",
    "Writes TRACE (- is standard input) to standard output as text, one event a line, with all "
    "that "
    "the trace holds. `slablab import` makes the same trace of it again.\v"
    "Examples:\n"
    "  slablab dump traces/samples/gcc.slt | grep ^alloc | head\n"
    "  slablab dump gcc.slt | slablab import - -o same.slt\n\n"
    "traces/DUMP.md says what the lines mean.",
    NULL,
    NULL,
    NULL};

int cmd_dump(int argc, char **argv)
{
    const char *trace = NULL;
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &trace);
    code = outfile_spares("-", trace, &error);
    if (!code)
        code = trace_dump(trace, stdout, &error);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
