/* SPDX-License-Identifier: MIT */
/* What a guest was booted with, and what its kernel says of a replay that runs. */
#ifndef SLABLAB_TESTS_GUEST_MACHINE_H
#define SLABLAB_TESTS_GUEST_MACHINE_H

#include <sys/types.h>

#define MACHINE_MOST 64 /* CPUs, and nodes */

/* From CPU_NODES and SCATTER; the system's numbers. */
extern struct machine_guest {
    unsigned nr_cpus, nr_nodes;
    unsigned node_of[MACHINE_MOST];                        /* by CPU */
    unsigned compact[MACHINE_MOST], scatter[MACHINE_MOST]; /* CPUs in the order they are dealt */
} guest;

/* Fills `guest`; ends the program where this is no guest. */
void machine_read(void);
unsigned machine_cpus_on(unsigned node);

/* How many numbers `text` has, apart by any of `between`; at most MACHINE_MOST are read. */
unsigned machine_numbers(const char *text, const char *between, unsigned *numbers);

struct machine_run {
    pid_t pid;
    unsigned cpus[MACHINE_MOST]; /* of threads that may run on one CPU only */
    /* Of the arena's pages, from the kernel's account of the mappings: */
    unsigned long bound_pages[MACHINE_MOST]; /* by node: bound to it, and there */
    unsigned long misplaced_pages;           /* bound to one node, and on another */
    unsigned long loose_pages;               /* bound to none */
    char *maps;                              /* the account, as it was */
};

/* Starts `slablab replay TRACE OPTIONS`, which goes on until machine_run_end. */
void machine_run_start(struct machine_run *run, const char *trace, const char *options);
/* Until so many of its threads are bound to one CPU; fails the test if that never comes. */
void machine_run_wait(struct machine_run *run, unsigned threads);
void machine_run_look_at_memory(struct machine_run *run);
void machine_run_end(struct machine_run *run);

#endif
