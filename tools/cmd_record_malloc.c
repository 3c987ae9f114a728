/* SPDX-License-Identifier: MIT */
/* slablab record malloc: a program is run, and its allocations become a trace. */
#include "sim/clock.h"
#include "sim/driver.h"
#include "sim/error.h"
#include "tools/command.h"
#include "tools/malloc_run.h"
#include "tools/record_command.h"
#include "tools/repairs.h"
#include "traces/malloc_record.h"

#include <argp.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

struct arguments {
    const char *output;
    char **command; /* ends with NULL */
    struct malloc_run run;
};

enum key { KEY_CALL_SITES = 0x100, KEY_FOLLOW_FORKS };

static const struct argp_option option_table[] = {
    {"output", 'o', "OUT.slt", 0, "the trace to write", 0},
    {"call-sites", KEY_CALL_SITES, NULL, 0, "keep where each call came from, as module+offset", 0},
    {"follow-forks", KEY_FOLLOW_FORKS, NULL, 0,
     "record the processes that the program forks too (default: the first one only, through every "
     "exec); what a child inherited and frees is counted and left out, since it is a copy",
     0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case KEY_CALL_SITES:
        arguments->run.call_sites = true;
        return 0;
    case KEY_FOLLOW_FORKS:
        arguments->run.follow_forks = true;
        return 0;
    case ARGP_KEY_ARG:
        arguments->command = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->output)
            argp_error(state, "where to? Name the trace with -o OUT.slt");
        if (!arguments->command)
            argp_error(state, "which program? Name it after --");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    option_table,
    parse_option,
    "-o OUT.slt [--] COMMAND [ARGUMENT...]",
    "Runs a program and makes a trace of its malloc, calloc, realloc, free and their kin, of C++'s "
    "new and delete too. Each thread is a stream; a realloc is a free and an allocation. A library "
    "is loaded into the program (LD_PRELOAD), so it must be dynamically linked and not "
    "set-user-ID. "
    "However it ends, a crash or a kill, the trace has what it did until then. What it has live at "
    "its end stays live in the trace; what it had at an exec, and what a forked process had at its "
    "end, is freed there, as implied frees. The recording lies in TMPDIR meanwhile, 32 bytes an "
    "event, and ends when that is full.\v"
    "Examples:\n"
    "  slablab record malloc -o sort.slt -- sort -n numbers.txt\n"
    "  slablab record malloc -o make.slt --follow-forks -- make -j8\n"
    "  slablab record malloc -o server.slt --call-sites -- ./server --port 8080\n"
    "  slablab replay sort.slt\n\n"
    "Exit status: 0 a trace was written, whatever the program's own status, which is said; 1 "
    "nothing\nwas recorded, or, where TMPDIR was full, not all, which is said; 2 the program could "
    "not be run.",
    NULL,
    NULL,
    NULL};

static void show_progress(void *context, uint64_t events)
{
    command_progress("%s: %llu events", (const char *)context, (unsigned long long)events);
}

/* Of a recording that is not whole. */
static void say_stopped(const struct arguments *arguments,
                        const struct malloc_record_report *report)
{
    char folder[PATH_MAX];

    strcpy(folder, arguments->run.folder);
    if (report->stopped == ENOSPC || report->stopped == EDQUOT)
        fprintf(stderr, "slablab: TMPDIR %s is full: ", dirname(folder));
    else
        fprintf(stderr, "slablab: could not record on in TMPDIR %s: %s: ", dirname(folder),
                strerror(report->stopped));
    if (report->allocs)
        fprintf(stderr, "a process was not recorded to its end, and the trace is of all until "
                        "then\n");
    else
        fprintf(stderr, "nothing was recorded\n");
}

static void say_report(const struct arguments *arguments, const struct malloc_record_report *report)
{
    fprintf(
        stderr,
        "%s: %llu allocation%s and %llu free%s of %llu thread%s in %llu program%s, %llu event%s "
        "written to %s\n",
        arguments->command[0], (unsigned long long)report->allocs, command_plural(report->allocs),
        (unsigned long long)report->frees, command_plural(report->frees),
        (unsigned long long)report->threads, command_plural(report->threads),
        (unsigned long long)report->images, command_plural(report->images),
        (unsigned long long)report->events, command_plural(report->events), arguments->output);
    if (report->failed_allocs)
        fprintf(stderr, "%s: %llu allocation%s failed, left out\n", arguments->command[0],
                (unsigned long long)report->failed_allocs, command_plural(report->failed_allocs));
    repairs_print(&report->repairs, report->allocs + report->frees + report->null_frees, NULL,
                  stderr);
}

/* Ticks of a counter at its rate since it was first read; of the system's clock they are ns. */
static void set_clock(struct malloc_record_options *options, bool counter)
{
    if (!counter) {
        options->base_ticks = clock_base()->ns;
        options->ns_per_tick = 1;
        return;
    }
    clock_calibrate();
    options->base_ticks = clock_base()->cycles;
    options->ns_per_tick = 1e9 / machine_clock()->hz;
}

static int convert(const struct arguments *arguments, bool counter)
{
    struct malloc_record_options options = {.call_sites = arguments->run.call_sites,
                                            .command = (const char *const *)arguments->command,
                                            .process = arguments->run.pid,
                                            .progress = show_progress,
                                            .progress_context = arguments->command[0]};
    struct malloc_record_report report;
    struct error error;
    int code;

    set_clock(&options, counter);
    code =
        malloc_record_convert(arguments->run.folder, arguments->output, &options, &report, &error);
    command_progress_clear();
    if (code == -ENODATA && report.stopped) {
        say_stopped(arguments, &report);
        return STATUS_FAILED;
    }
    if (code == -ENODATA) {
        fprintf(stderr,
                "slablab: %s: nothing was recorded: it does not use the dynamic linker's malloc "
                "(a static program, or one that is set-user-ID), or allocated nothing\n",
                arguments->command[0]);
        return STATUS_FAILED;
    }
    if (code)
        return command_failed(code, &error);
    say_report(arguments, &report);
    if (!report.stopped)
        return STATUS_DONE;
    say_stopped(arguments, &report);
    return STATUS_FAILED;
}

int cmd_record_malloc(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error error;
    bool counter;
    int status;

    command_parse(&argp, argc, argv, ARGP_IN_ORDER, &arguments);
    status = record_check_output(arguments.output, &error);
    if (status)
        return command_failed(status, &error);
    clock_start();
    counter = strcmp(machine_clock()->name, "tsc") == 0;
    arguments.run.clock = counter ? "tsc" : "monotonic";
    status = malloc_run(&arguments.run, arguments.command, &error);
    if (status)
        return command_failed(status, &error);
    record_say_status(arguments.command[0], arguments.run.status);
    status = convert(&arguments, counter);
    malloc_run_cleanup(&arguments.run);
    return status;
}
