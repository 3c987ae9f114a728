/* SPDX-License-Identifier: MIT */
/* slablab record: which recorder, and what all of them do alike. */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/record_command.h"
#include "traces/outfile.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const struct command recorders[] = {
    {"kernel", "the running kernel's allocations, for a while or while a command runs",
     cmd_record_kernel},
    {"malloc", "a program's malloc, free and their kin", cmd_record_malloc},
};
enum { RECORDERS = sizeof recorders / sizeof *recorders };

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    const struct command **recorder = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        for (int i = 0; i < RECORDERS; i++) {
            if (strcmp(text, recorders[i].name) == 0)
                *recorder = &recorders[i];
        }
        if (!*recorder)
            argp_error(state, "'%s': expected kernel or malloc", text);
        state->next = state->argc; /* the rest is the recorder's */
        return 0;
    case ARGP_KEY_END:
        if (!*recorder)
            argp_error(state, "record what? There is: kernel, malloc");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    NULL,
    parse_option,
    "kernel|malloc [OPTION...]",
    "Records allocations as they happen, into a trace: of the running kernel, or of a program. "
    "`slablab record kernel --help` and `slablab record malloc --help` tell more.\v"
    "Examples:\n"
    "  slablab record kernel -o make.slt -- make -j8\n"
    "  slablab record malloc -o sort.slt -- sort -n numbers.txt",
    NULL,
    NULL,
    NULL};

int cmd_record(int argc, char **argv)
{
    const struct command *recorder = NULL;
    char name[64];

    command_parse(&argp, argc, argv, ARGP_IN_ORDER, &recorder);
    snprintf(name, sizeof name, "slablab record %s", recorder->name);
    argv[1] = name;
    return recorder->run(argc - 1, argv + 1);
}

int record_check_output(const char *path, struct error *error)
{
    struct outfile file;
    int code;

    if (strcmp(path, "-") == 0)
        return error_set(error, EINVAL, "-o -: standard output is the program's; name a file");
    code = outfile_open(&file, path, error);
    if (!code)
        outfile_discard(&file);
    return code;
}

void record_say_status(const char *program, int status)
{
    if (WIFSIGNALED(status))
        fprintf(stderr, "%s: ended by signal %d (%s)\n", program, WTERMSIG(status),
                strsignal(WTERMSIG(status)));
    else
        fprintf(stderr, "%s: ended with status %d\n", program, WEXITSTATUS(status));
}
