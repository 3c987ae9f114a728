/* SPDX-License-Identifier: MIT */
/*
 * Recording the running kernel for a while: one reader for each CPU, pinned to it, moves the pages
 * of its ring buffer into a temporary file. They are decoded later: so the recorder takes as little
 * as it can of what it watches, and no memory beyond the ring buffers.
 */
#ifndef SLABLAB_TOOLS_KERNEL_RUN_H
#define SLABLAB_TOOLS_KERNEL_RUN_H

#include "tools/kernel_instance.h"
#include "traces/kernel/record.h"

struct kernel_run {
    /* Asked for. */
    uint64_t buffer_bytes; /* of each CPU */
    double seconds;        /* 0: until the command ends, or a signal comes */
    char *const *command;  /* NULL: none is run */
    void (*started)(const struct kernel_run *run);
    /* What came of it. */
    struct kernel_instance instance; /* gone from the kernel */
    struct kernel_record_cpu *cpus;  /* with their pages */
    int32_t *own;                    /* threads that recorded */
    int status;                      /* of the command, as wait gives it */
    bool left;                       /* the instance could not be removed: somebody looks into it */
    double elapsed;                  /* seconds */
};

/* Whatever comes of it, the kernel's tracing is as it was before, or `left` says that it is not. */
int kernel_run(struct kernel_run *run, struct error *error);
void kernel_run_cleanup(struct kernel_run *run);

#endif
