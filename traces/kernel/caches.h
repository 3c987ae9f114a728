/* SPDX-License-Identifier: MIT */
/* What the running kernel says of its caches, told to a join that saw events of them. */
#ifndef SLABLAB_TRACES_KERNEL_CACHES_H
#define SLABLAB_TRACES_KERNEL_CACHES_H

#include <stddef.h>
#include <stdint.h>

struct join;

/* Where it is said: /sys/kernel/slab has all; /proc/slabinfo sizes only, where the former is not.
 */
struct kernel_caches_paths {
    const char *slab, *slabinfo;
};

struct kernel_caches_report {
    size_t described;
    size_t unknown;   /* nothing is said of them: gone by now, or may not be read */
    size_t merged;    /* stand for several caches */
    char example[64]; /* the name of one of these */
};

void kernel_caches_describe(struct join *join, const struct kernel_caches_paths *paths,
                            struct kernel_caches_report *report);

#endif
