/* SPDX-License-Identifier: MIT */
/* What the sweep of faults and the library that it loads into the program share: a mapped file. */
#ifndef SLABLAB_TESTS_FAULTS_SHARED_H
#define SLABLAB_TESTS_FAULTS_SHARED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAULTS_FILE "SLABLAB_FAULTS" /* environment: path of the mapped file */

/* A prctl(2) that the kernel does not know: "from here on, calls of this process count". */
#define FAULTS_READY 0x51ab1ab

#define FAULTS_FRAMES 24

struct faults_frame {
    char module[48];   /* file name, without its folder */
    char function[48]; /* "" where it has no dynamic symbol */
    uint64_t offset;   /* in the module */
};

struct faults_shared {
    char program[4096]; /* only processes of this program count; set before the program starts */
    uint64_t fail_at;   /* the allocation that fails, counted from 1; 0: none */
    bool onward;        /* all later ones too */
    _Atomic uint64_t allocations; /* counted over all processes of the program */
    uint32_t frames;              /* of the first allocation that failed */
    struct faults_frame frame[FAULTS_FRAMES];
};

#endif
