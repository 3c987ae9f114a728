/* SPDX-License-Identifier: MIT */
/* What the sweep of faults and the library that it loads into the program share: a mapped file. */
#ifndef SLABLAB_TESTS_FAULTS_SHARED_H
#define SLABLAB_TESTS_FAULTS_SHARED_H

#include <linux/filter.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define FAULTS_FILE "SLABLAB_FAULTS" /* environment: path of the mapped file */

/* A prctl(2) that the kernel does not know: "from here on, calls of this process count". */
#define FAULTS_READY 0x51ab1ab

#define FAULTS_CANNOT 125 /* exit status of a process that could not be set up */

#define FAULTS_FRAMES 24
#define FAULTS_FILTER 1024      /* instructions, at two a call of kinds.c far more than there are */
#define FAULTS_STACKS (1 << 16) /* allocations of which is noted where they were called */

struct faults_frame {
    char module[48];   /* file name, without its folder */
    char function[48]; /* "" where it has no dynamic symbol */
    uint64_t offset;   /* in the module */
};

/* Set by the sweep before the program starts, but what is said to be the program's. */
struct faults_shared {
    char program[4096]; /* only processes of this program count */
    uint64_t fail_at;   /* the allocation that fails, counted from 1; 0: none */
    bool onward;        /* all later ones too */
    bool notes_stacks;  /* fill in stack[] */
    /* At which system calls to stop; the first process puts it in place, others inherit it. */
    unsigned short filter_length;
    struct sock_filter filter[FAULTS_FILTER];

    /* The program's. */
    atomic_bool filtered;
    atomic_uint discovering;      /* threads in which hwloc looks at the machine */
    _Atomic uint64_t allocations; /* counted over all processes of the program */
    uint32_t frames;              /* of the first allocation that failed */
    struct faults_frame frame[FAULTS_FRAMES];
    uint64_t stack[FAULTS_STACKS]; /* of each allocation: a digest of who called whom */
};

#endif
