/* SPDX-License-Identifier: MIT */
/* The program: finds the command and runs it. */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/no_memory.h"
#include "traces/outfile.h"
#include "version.h"

#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command commands[] = {
    {"list", "what there is: allocators, tunables, locks, machines, importers, workloads",
     cmd_list},
    {"import", "turn somebody else's recording into a trace", cmd_import},
    {"record", "record the allocations of the kernel, or of a program", cmd_record},
    {"gen", "make a trace of one of the literature's workloads", cmd_gen},
    {"info", "what is in a trace", cmd_info},
    {"dump", "a trace as text, which import reads", cmd_dump},
    {"cut", "a part of a trace", cmd_cut},
    {"merge", "several traces as one", cmd_merge},
    {"anonymise", "a trace without its names", cmd_anonymise},
    {"check", "does a trace keep every rule of the format", cmd_check},
    {"replay", "run a trace against allocators on this machine's cores", cmd_replay},
    {"sim", "run a trace against allocators on a simulated machine", cmd_sim},
    {"explore", "look for schedules in which a design breaks, and replay them", cmd_explore},
    {"abuse", "what designs notice of callers' mistakes: a matrix of planted ones", cmd_abuse},
    {"sweep", "many replays over lists of options, into a folder", cmd_sweep},
    {"compare", "what a sweep shows, and what two show: differences beyond noise", cmd_compare},
    {"plot", "pictures of a sweep", cmd_plot},
    {"measure-machine", "what accesses cost on this machine: a table for virtual ones",
     cmd_measure_machine},
    {"report", "a sweep as one page: findings, tables, pictures, provenance", cmd_report},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void usage(FILE *stream)
{
    fprintf(stream, "usage: slablab COMMAND [ARGUMENT...]\n"
                    "       slablab --version\n\n"
                    "Replays recorded allocation traces against slab allocator designs.\n\n"
                    "Commands:\n");
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stream, "  %-16s %s\n", commands[i].name, commands[i].summary);
    fprintf(stream,
            "\n`slablab COMMAND --help` tells more, with examples; so does slablab-COMMAND(1).\n\n"
            "Exit status: 0 done; 1 the run failed or is invalid; 2 wrong usage or unreadable "
            "input.\n");
}

static int run_command(const struct command *command, int argc, char **argv)
{
    char name[64];

    snprintf(name, sizeof name, "slablab %s", command->name);
    argv[0] = name;
    argp_err_exit_status = STATUS_USAGE;
    if (setenv("ARGP_HELP_FMT", "rmargin=110", 0) != 0) /* or it would wrap the examples */
        memory_missing("the environment");
    outfile_unlink_on_signals();
    json_memory_insist();
    return command->run(argc, argv);
}

/* However the program ends, argp's help too: failure where not all reached standard output. */
static void output_end(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return;
    fprintf(stderr, "slablab: standard output: could not write all of it\n");
    _exit(STATUS_FAILED);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : NULL;

    if (atexit(output_end) != 0)
        memory_missing("the end");
    if (!name) {
        usage(stderr);
        return STATUS_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        usage(stdout);
        return STATUS_DONE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("slablab %s (%s; %s)\n", SLABLAB_VERSION, SLABLAB_COMMIT, SLABLAB_BUILD);
        return STATUS_DONE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0)
            return run_command(&commands[i], argc - 1, argv + 1);
    }
    fprintf(stderr, "slablab: no command '%s'; there are:", name);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(stderr, "%s %s", i ? "," : "", commands[i].name);
    fprintf(stderr, "\n");
    return STATUS_USAGE;
}
