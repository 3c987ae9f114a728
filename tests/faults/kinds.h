/* SPDX-License-Identifier: MIT */
/* Kinds of system calls, and the ways in which each can fail. */
#ifndef SLABLAB_TESTS_FAULTS_KINDS_H
#define SLABLAB_TESTS_FAULTS_KINDS_H

#include <stdbool.h>
#include <stddef.h>

/* How a call fails. */
enum fault {
    FAULT_REFUSE, /* not made; an error is returned */
    FAULT_LOSE,   /* made, and an error is returned (close, which closes whatever it says) */
    FAULT_SHORT,  /* made with half of the bytes */
};

struct way {
    const char *name;
    enum fault fault;
    int code;    /* errno; 0 with FAULT_SHORT */
    bool onward; /* may also hold from then on: not for EINTR, after which callers try again */
};

#define KIND_CALLS 8
#define KIND_WAYS  5

struct kind {
    const char *name;
    int calls[KIND_CALLS];      /* system call numbers; -1 ends */
    struct way ways[KIND_WAYS]; /* name NULL ends */
};

extern const struct kind kinds[];
extern const size_t kinds_count;

/* Index in kinds[], or -1. */
int kind_of_call(long number);

#endif
