/* SPDX-License-Identifier: MIT */
/* A program run to its end, what it says kept. */
#ifndef SLABLAB_TOOLS_CHILD_H
#define SLABLAB_TOOLS_CHILD_H

#include <stddef.h>

struct error;

struct child_result {
    int status;   /* exit status, or 128 + signal */
    char *output; /* what it wrote to standard output; owned: child_result_cleanup */
    size_t output_size;
    char *messages; /* standard error, as much as fits in 64 KiB */
};

/*
 * Runs `program` with `argv`; waits for it. It does not outlive the calling thread, however that
 * ends. Errors: it could not be started, or no memory.
 */
int child_run(const char *program, char *const argv[], struct child_result *result,
              struct error *error);
void child_result_cleanup(struct child_result *result);

#endif
