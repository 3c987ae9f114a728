/* SPDX-License-Identifier: MIT */
/* A design at work: its options, its caches, its general caches. Private to instance.c,
 * instance_ledger.c and general.c; everybody else sees allocator.h. */
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

/* What the front end itself can be asked for. */
struct front_options {
    uint64_t debug; /* the debug layer */
};

/* A cache in the list; outlives it by a grace period. */
struct cache_entry {
    /* Release stores publish what it points at; partner: allocator_each_cache's acquire loads. */
    _Atomic(struct cache_entry *) next;
    struct cache *cache;
    char *name;
    size_t size;
    struct grace grace;
};

struct allocator_instance {
    const struct allocator *registered; /* the design as its file has it */
    /* As it is here: a copy, with tunables of the front end, and while it runs under the debug
     * layer with that layer's functions. */
    struct allocator adapted;
    const struct allocator *design; /* &adapted */
    struct tunable *tunables;       /* the design's and, if it takes the debug layer, `debug` */
    char *name;
    void *options;       /* the design's, then struct front_options */
    bool resizing_asked; /* the tunable `resize` was set by hand: a magazine size leaves it alone */
    void *running;       /* the design's own instance while it runs */
    bool started;

    /*
     * Caches alive, general ones included, youngest first. Made and destroyed on any CPU under the
     * lock, walked under rcu_read_begin by whoever looks on.
     */
    struct lock lock; /* class `caches`; never held while the design works */
    _Atomic(struct cache_entry *) caches;

    struct general general; /* bound outside the clock by one CPU at a time */
};

/* A cache was destroyed: if it was a general one, the next that binds its size makes it again. */
void general_forget(struct allocator_instance *instance, const struct cache *cache);

/* Adds what is allocated as whole pages. */
void general_ledger(const struct allocator_instance *instance, struct ledger *ledger);

/* Frees what bind_size made beyond the caches, which are in the list of caches. */
void general_cleanup(struct allocator_instance *instance);

#endif
