/* SPDX-License-Identifier: MIT */
/* The command lines into which faults are put, and what each does when there is none. */
#ifndef SLABLAB_TESTS_FAULTS_CASES_H
#define SLABLAB_TESTS_FAULTS_CASES_H

#include "tests/faults/files.h"
#include "tests/faults/tracer.h"

#include <stdio.h>

#define CASE_WORDS  32
#define CASE_COPIES 4

struct test_case {
    char *text;                  /* holds the words */
    char *name;                  /* the line as it stands */
    char *words[CASE_WORDS + 1]; /* the program's name first; NULL ends */
    char *copies[CASE_COPIES];   /* of in/, put into the folder first; NULL ends */
    unsigned every;              /* which allocations fail: each so many-th, and new ones */
    bool traces;                 /* it needs the kernel's tracing */
    bool varies;                 /* what it makes, though two runs may have been the same */
    size_t thin;                 /* which points there are: each so many-th */
    char *input;                 /* in the folder of inputs; NULL: /dev/null */

    /* What a run without faults makes: twice, to see what is the same each time. */
    struct outcome outcome;
    struct files before, after;
    bool *steady;       /* of each of `after` */
    struct file output; /* standard output */
    bool output_steady;
};

struct cases {
    struct test_case *list;
    size_t count;
};

/* Reads the list (see the file itself); ends the program where a line makes no sense. */
void cases_read(struct cases *cases, const char *path);

/* Where one worker runs the program. */
struct place {
    char folder[4096], inputs[4096], standard_input[4096 + 256], output[4096], messages[4096],
        shared[4096];
    struct job job;
};

/* `work` holds in/; `number` tells workers from each other. */
void place_make(struct place *place, const char *work, unsigned number, const struct job *common);

/* Sets the folder up and runs; 0 or an errno. Results are "old" before, where there are any. */
int case_run(const struct test_case *test, struct place *place, const struct point *point,
             struct outcome *outcome);
/* Fills in what a run without faults makes. False: it cannot be run or fails; says why. */
bool case_learn(struct test_case *test, struct place *place);

/* What is wrong about how a run with a fault ended; NULL: nothing. `text` may be used for it. */
const char *case_judge(const struct test_case *test, const struct place *place,
                       const struct point *point, const struct outcome *outcome, char text[512]);

#endif
