/* SPDX-License-Identifier: MIT */
/* slablab check: every checksum and rule of the format. */
#include "sim/error.h"
#include "tools/command.h"
#include "traces/trace.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    return command_one_trace(key, text, state, state->input);
}

static const struct argp argp = {
    NULL,
    parse_option,
    "TRACE",
    "Reads all of TRACE (- is standard input) and checks every checksum and every rule of the "
    "format: frees are of live objects, time does not run backwards, caches exist.\v"
    "Example:\n"
    "  slablab check traces/samples/gcc.slt\n\n"
    "Exit status 0: it keeps them all; 2: it does not, and the message names the place.",
    NULL,
    NULL,
    NULL};

int cmd_check(int argc, char **argv)
{
    static struct trace_event events[4096];
    struct trace_reader *reader;
    const char *trace = NULL;
    unsigned long long total = 0, preloads = 0;
    struct error error;
    ssize_t count;
    int code;

    command_parse(&argp, argc, argv, 0, &trace);
    code = trace_open(trace, &reader, &error);
    if (code)
        return command_failed(code, &error);
    while ((count = trace_read(reader, events, sizeof events / sizeof events[0], &error)) > 0) {
        total += (unsigned long long)count;
        for (ssize_t i = 0; i < count; i++)
            preloads += events[i].origin == TRACE_PRELOADED;
    }
    if (count == 0) {
        printf("%s: whole, %llu event%s, ", trace, total, command_plural(total));
        if (preloads)
            printf("of them %llu preload%s before the clock starts, ", preloads,
                   command_plural(preloads));
        printf("digest %s\n", trace_digest(reader));
    }
    trace_close(reader);
    return count < 0 ? command_failed((int)count, &error) : STATUS_DONE;
}
