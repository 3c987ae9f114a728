/* SPDX-License-Identifier: MIT */
/* A design at work: its options, its caches, its general caches. Private to instance.c and
 * general.c; everybody else sees allocator.h. */
#ifndef SLABLAB_ALLOCATORS_INSTANCE_H
#define SLABLAB_ALLOCATORS_INSTANCE_H

#include "allocators/allocator.h"
#include "sim/machine.h"

#define GENERAL_SHIFTS     48 /* more bits than any allocation has */
#define GENERAL_ALIGNMENTS (PAGE_SHIFT + 1)

struct general {
    struct cache *by_shift[GENERAL_SHIFTS];     /* size 2^shift; NULL until somebody binds one */
    struct cache *by_align[GENERAL_ALIGNMENTS]; /* external designs: align 2^i */
    struct cache *whole_pages;                  /* list of all sizes bound; see general.c */
};

struct allocator_instance {
    const struct allocator *design;
    char *name;
    void *options;
    bool resizing_asked; /* the tunable `resize` was set by hand: a magazine size leaves it alone */
    void *running;       /* the design's own instance while it runs */
    bool started;

    /* Caches alive, general ones included; caches are made and destroyed on any CPU. */
    struct lock lock; /* class `caches`; never held while the design works */
    struct cache **caches;
    size_t nr_caches, room;

    struct general general; /* bound outside the clock by one CPU at a time */
};

/* A cache was destroyed: if it was a general one, the next that binds its size makes it again. */
void general_forget(struct allocator_instance *instance, const struct cache *cache);

/* Frees what bind_size made beyond the caches, which are in the list of caches. */
void general_cleanup(struct allocator_instance *instance);

#endif
