/* SPDX-License-Identifier: MIT */
/* The program as a user runs it, for tests: a folder of the test's own, what the last run said. */
#ifndef SLABLAB_TESTS_CLI_H
#define SLABLAB_TESTS_CLI_H

#include <jansson.h>
#include <stddef.h>

#define HACKBENCH "traces/samples/hackbench.slt"

extern char cli_folder[64];
extern const char *cli_program;

struct cli_last {
    int status;
    char *output;
    char *messages;
};
extern struct cli_last cli_last;

/* For cmocka_run_group_tests: makes and removes the folder. */
int cli_set_up(void **state);
int cli_tear_down(void **state);

/* Runs `slablab ARGUMENTS` through the shell in the sources' folder; @ is the test's folder. */
void cli_run(const char *arguments);
/*
 * What a shell command says in the sources' folder, on both outputs, @ as above; the caller's to
 * free. $SLABLAB is the program.
 */
char *cli_ask(const char *command, int *status);
/* Runs a shell command, which must succeed, in the sources' folder; @ as in cli_run(). */
void cli_shell(const char *text);
void assert_status(int expected);
/* Refused: status 2, one line that holds `words`. */
void assert_refused(const char *words);
/* The first record that was written to standard output; a new reference. */
json_t *cli_record(void);

char *cli_read_file(const char *path); /* "" when there is none; the caller's to free */
void cli_write_file(const char *name, const char *bytes, size_t size); /* in the folder */
unsigned cli_files_in(const char *path);

#endif
