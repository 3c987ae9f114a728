/* SPDX-License-Identifier: MIT */
/* Runs a program once with one fault in it, or with none to count where there could be some. */
#ifndef SLABLAB_TESTS_FAULTS_TRACER_H
#define SLABLAB_TESTS_FAULTS_TRACER_H

#include "tests/faults/shared.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KINDS_MAX 32

#define KIND_MEMORY (-1) /* allocations, which the library in the program counts */
#define KIND_NONE   (-2)

/* Call `number` of a kind, counted from 1, fails; all later ones too if `onward`. */
struct point {
    int kind; /* index in kinds[], or KIND_... */
    int way;  /* index in its ways */
    uint64_t number;
    bool onward;
    bool discovery; /* counted among the calls by which hwloc looks at the machine */
};

struct job {
    const char *program; /* whose processes are counted and fail; by its real path */
    char *const *argv;
    const char *folder;                    /* to run in */
    const char *input, *output, *messages; /* files for the standard streams */
    const char *library;                   /* inject.so */
    const char *tracefs;                   /* where it is mounted; NULL: not for us */
    const char *shared_path;               /* of `shared` */
    struct faults_shared *shared;
    unsigned seconds; /* then it is killed */
};

struct outcome {
    int status;                   /* as wait(2) has it */
    bool late;                    /* was killed for the time it took */
    bool left;                    /* processes of its own outlived it */
    pid_t pid;                    /* the program's */
    uint64_t calls[2][KINDS_MAX]; /* made, by kind; [1] while hwloc looked at the machine */
    uint64_t allocations;
    char where[384]; /* the call that failed first, and what of it is known */
    char fell[64];   /* in whose code it was ended by a signal */
};

/* 0, or an errno: it could not be run or traced. */
int tracer_run(const struct job *job, const struct point *point, struct outcome *outcome);

#endif
