/* SPDX-License-Identifier: MIT */
/* What every command is, and how it ends: one file a command, one row each in main.c. */
#ifndef SLABLAB_TOOLS_COMMAND_H
#define SLABLAB_TOOLS_COMMAND_H

#include <argp.h>
#include <stdio.h>

struct error;

enum exit_status {
    STATUS_DONE = 0,
    STATUS_FAILED = 1, /* the run failed or is invalid */
    STATUS_USAGE = 2   /* wrong usage or unreadable input */
};

struct command {
    const char *name;
    const char *summary;
    /* argv[0] is "slablab NAME"; returns an exit status. */
    int (*run)(int argc, char **argv);
};

int cmd_abuse(int argc, char **argv);
int cmd_anonymise(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_cut(int argc, char **argv);
int cmd_dump(int argc, char **argv);
int cmd_explore(int argc, char **argv);
int cmd_gen(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_measure_machine(int argc, char **argv);
int cmd_merge(int argc, char **argv);
int cmd_plot(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_sim(int argc, char **argv);
int cmd_sweep(int argc, char **argv);

/*
 * argp_parse(3), which ends the program where the usage is wrong, and here too where there is no
 * memory for the options.
 */
void command_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input);

/*
 * Of a command that takes one trace: its ARGP_KEY_ARG and ARGP_KEY_END, into *trace (NULL at
 * first). ARGP_ERR_UNKNOWN for all other keys.
 */
error_t command_one_trace(int key, char *text, struct argp_state *state, const char **trace);

/* What a help filter (argp) gives back: `text`, and if it is what follows the options, a table. */
char *command_help_table(int key, const char *text, const char *heading,
                         void (*rows)(FILE *stream));

/* "1 event", "2 events": what follows the noun. */
const char *command_plural(unsigned long long count);

/* Says on stderr what went wrong and turns a negative errno into an exit status. */
int command_failed(int code, const struct error *error);

/* One line on stderr, where stderr is a terminal; the next overwrites it. NULL: clears it. */
void command_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
void command_progress_clear(void);

#endif
