/* SPDX-License-Identifier: MIT */
/* A program run with the recording library (tools/recorder) loaded into it. */
#ifndef SLABLAB_TOOLS_MALLOC_RUN_H
#define SLABLAB_TOOLS_MALLOC_RUN_H

#include <limits.h>
#include <stdbool.h>

struct error;

struct malloc_run {
    bool follow_forks; /* record what the program forks too */
    bool call_sites;
    const char *clock;     /* as MALLOC_RAW_CLOCK says */
    char folder[PATH_MAX]; /* what is recorded, once it ran */
    void *listing;         /* of the folder, open while it is there: DIR */
    int pid;               /* the program's, once it ran */
    int status;            /* as wait gives it */
};

/*
 * Makes the folder, below TMPDIR, and runs `argv` to its end, with standard streams as they are.
 * Meanwhile an interrupt is the program's alone, and SIGTERM and SIGHUP are passed on to it.
 * -ENOENT or so: it cannot be run, or the library is not there.
 */
int malloc_run(struct malloc_run *run, char *const argv[], struct error *error);
/* Removes the folder and what is in it; so does exit(3). */
void malloc_run_cleanup(struct malloc_run *run);

#endif
