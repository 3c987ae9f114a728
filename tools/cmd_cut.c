/* SPDX-License-Identifier: MIT */
/* slablab cut: a part of a trace. */
#include "sim/error.h"
#include "tools/command.h"
#include "traces/outfile.h"
#include "traces/transform.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *input;
    const char *output;
    struct cut_range range;
    bool ranged;
};

enum key { KEY_EVENTS = 0x100, KEY_TIME };

static const struct argp_option option_table[] = {
    {"output", 'o', "OUT.slt", 0,
     "the trace to write, another file than is read (- is standard output)", 0},
    {"events", KEY_EVENTS, "A..B", 0,
     "events A to before B, counted from 0, as `replay --events` does: objects that TRACE preloads "
     "come before event 0",
     0},
    {"time", KEY_TIME, "A..B", 0,
     "from A to before B after the start; each with ns, us, ms or s (default)", 0},
    {0}};

/* One end of a range; `rest` is what follows. */
static bool parse_end(enum cut_unit unit, const char *text, char **rest, uint64_t *value)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"", 1e9}};
    char number[32];
    size_t digits = strspn(text, "0123456789"), length = digits;
    double ns;

    if (unit == CUT_TIME_NS && text[length] == '.' && text[length + 1] != '.')
        length += 1 + strspn(text + length + 1, "0123456789");
    if (!digits || length >= sizeof number)
        return false;
    errno = 0;
    *rest = (char *)text + length;
    if (unit == CUT_EVENTS) {
        *value = strtoull(text, NULL, 10);
        return !errno;
    }
    memcpy(number, text, length);
    number[length] = '\0';
    ns = strtod(number, NULL);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t name = strlen(units[i].name);

        if (strncmp(*rest, units[i].name, name) != 0)
            continue;
        *rest += name;
        ns *= units[i].ns;
        *value = (uint64_t)llround(ns);
        return ns < 4e18;
    }
    return false;
}

/* "A..B", "A.." or "..B". */
static bool parse_range(enum cut_unit unit, const char *text, struct cut_range *range)
{
    char *rest = (char *)text;

    *range = (struct cut_range){unit, 0, UINT64_MAX};
    if (strncmp(text, "..", 2) != 0 && !parse_end(unit, text, &rest, &range->first))
        return false;
    if (strncmp(rest, "..", 2) != 0)
        return false;
    rest += 2;
    if (*rest && !parse_end(unit, rest, &rest, &range->after))
        return false;
    return !*rest && range->first < range->after;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case KEY_EVENTS:
    case KEY_TIME:
        if (arguments->ranged)
            argp_error(state, "one range at a time: --events or --time");
        if (!parse_range(key == KEY_EVENTS ? CUT_EVENTS : CUT_TIME_NS, text, &arguments->range))
            argp_error(state,
                       "'%s' is no range; expected A..B with A below B, such as %s, A.. or "
                       "..B",
                       text, key == KEY_EVENTS ? "0..100000" : "10ms..1.5s");
        arguments->ranged = true;
        return 0;
    case ARGP_KEY_END:
        command_one_trace(key, text, state, &arguments->input);
        if (!arguments->output)
            argp_error(state, "where to? Name the trace with -o OUT.slt");
        if (!arguments->ranged)
            argp_error(state, "which part? Say --events A..B or --time A..B");
        return 0;
    }
    return command_one_trace(key, text, state, &arguments->input);
}

static const struct argp argp = {
    option_table,
    parse_option,
    "TRACE -o OUT.slt --events A..B|--time A..B",
    "Writes a part of TRACE (- is standard input) as a trace of its own. What lives where it "
    "begins "
    "is preloaded, in the order in which it was allocated: beforehand, when the clock of a replay "
    "has "
    "not started.\v"
    "Examples:\n"
    "  slablab cut gcc.slt -o begin.slt --events 0..500\n"
    "  slablab cut hackbench.slt -o middle.slt --events 100000..200000\n"
    "  slablab cut hackbench.slt -o later.slt --time 250ms..",
    NULL,
    NULL,
    NULL};

int cmd_cut(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct cut_report report;
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    code = outfile_spares(arguments.output, arguments.input, &error);
    if (!code)
        code = trace_cut(arguments.input, arguments.output, &arguments.range, &report, &error);
    if (code)
        return command_failed(code, &error);
    fprintf(stderr, "%s: %llu event%s written to %s, and %llu object%s live where it begins\n",
            arguments.input, (unsigned long long)report.events, command_plural(report.events),
            arguments.output, (unsigned long long)report.preloaded,
            report.preloaded == 1 ? " that is" : "s that are");
    return STATUS_DONE;
}
