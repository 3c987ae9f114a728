/* SPDX-License-Identifier: MIT */
/*
 * slablab plot: the standard pictures of a sweep. For each picture DIR/plots gets the data, a
 * script that `gnuplot NAME.gp` there runs again, and the picture itself.
 */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/figures.h"
#include "tools/list_option.h"
#include "tools/plot_sweep.h"
#include "tools/series.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct arguments {
    const char *folder;
    const char *format;
    struct word_list figures; /* to draw besides */
    unsigned with;            /* enum series_with */
};

enum key { KEY_FORMAT = 0x100, KEY_FIGURE, KEY_DISTURBED };

static const struct argp_option option_table[] = {
    {"format", KEY_FORMAT, "svg|png", 0, "of the pictures (default svg)", 0},
    {"figure", KEY_FIGURE, "LIST", 0,
     "draw these over magazine size besides; `slablab list figures` says which there are", 0},
    {"include-disturbed", KEY_DISTURBED, NULL, 0,
     "take runs too that were marked disturbed: something else ran beside them", 0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct error error;

    switch (key) {
    case KEY_FORMAT:
        if (strcmp(text, "svg") != 0 && strcmp(text, "png") != 0)
            argp_error(state, "--format: '%s': expected svg or png", text);
        arguments->format = text;
        return 0;
    case KEY_FIGURE:
        if (figures_parse(text, &arguments->figures, &error) != 0)
            argp_error(state, "--figure: %s", error.text);
        return 0;
    case KEY_DISTURBED:
        arguments->with |= SERIES_WITH_DISTURBED;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->folder)
            argp_error(state, "more than one folder: '%s' and '%s'", arguments->folder, text);
        arguments->folder = text;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->folder)
            argp_error(state, "which sweep? Name its folder");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    option_table,
    parse_option,
    "DIR",
    "Draws the sweep in DIR with gnuplot. Pictures, their data and their scripts go to DIR/plots, "
    "named TRACE-PICTURE, with -N-threads where they are of one number of threads:\v"
    "  throughput-over-magazine   a curve a design\n"
    "  memory-over-magazine       the same for the peak of pages held\n"
    "  FIGURE-over-magazine       the same for each of --figure\n"
    "  throughput-over-threads    with perfect scaling\n"
    "  memory-over-threads        the peak of pages held: what grows with CPUs\n"
    "  throughput-heat-map        over magazine size and threads, a panel a design\n"
    "  throughput-against-memory  every design and size, and the Pareto front\n"
    "  locks                      contended and waiting shares by class of lock\n"
    "  layers                     allocations and frees by the deepest layer they touched\n"
    "  remote-frees               on another CPU, or node, than the allocation\n"
    "  latency                    cumulative distributions, a curve a design\n"
    "  latency-by-layer           the same, a panel a design\n"
    "  ledger-DESIGN              where the memory is, over time\n"
    "  fragmentation              pages held over bytes that are live, over time\n"
    "  overview                   all of it small; wants python3 with matplotlib\n\n"
    "Pictures with room for one magazine size of a design show its fastest with the most threads. "
    "What is not there to be drawn is said on standard error.\n\n"
    "Example:\n"
    "  slablab sweep hackbench.slt --magazine-size 2..62 -t 1,2 -o out && slablab plot out\n\n"
    "To change a picture, edit its .gp or .dat in DIR/plots and run gnuplot there.",
    NULL,
    NULL,
    NULL};

static bool is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

int cmd_plot(int argc, char **argv)
{
    struct arguments arguments = {.format = "svg"};
    struct series series;
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    if (!is_folder(arguments.folder)) {
        error_set(&error, ENOTDIR, "%s is no folder of a sweep", arguments.folder);
        return command_failed(-ENOTDIR, &error);
    }
    code = series_read(arguments.folder, arguments.with, &series, &error);
    if (code)
        return command_failed(code, &error);
    code = plot_sweep(&series, arguments.folder, arguments.format, &arguments.figures,
                      &(struct plot_said){stdout, '\n', stderr}, &error);
    series_left_out_print(&series, arguments.folder, stderr);
    series_cleanup(&series);
    word_list_cleanup(&arguments.figures);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
