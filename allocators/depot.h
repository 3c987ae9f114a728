/* SPDX-License-Identifier: MIT */
/*
 * The depot of one cache: the magazines that no CPU holds, shared by all CPUs (Bonwick & Adams,
 * "Magazines and Vmem", USENIX 2001, section 3). It knows magazines, not objects.
 *
 * "Not empty" rather than "full": after a resize a magazine may hold fewer or more rounds than the
 * current size, and both are legal.
 */
#ifndef SLABLAB_ALLOCATORS_DEPOT_H
#define SLABLAB_ALLOCATORS_DEPOT_H

#include "allocators/allocator.h"
#include "sim/machine.h"

/* An array of constructed objects, last in first out. Its holder's: a CPU, or the depot's lock. */
struct magazine {
    struct magazine *next; /* in the depot's list */
    size_t rounds;         /* objects[0 .. rounds - 1] are in */
    void *objects[];
};

static inline size_t magazine_bytes(size_t capacity)
{
    return sizeof(struct magazine) + capacity * sizeof(void *);
}

/*
 * The magazines of one CPU, its owner's alone. loaded and previous exist from creation to
 * destruction of the cache.
 */
struct magazine_cpu {
    struct magazine *loaded;
    struct magazine *previous;
    size_t magsize;           /* rounds up to which this CPU fills */
    uint64_t allocs;          /* allocations served from magazines */
    struct magazine *surplus; /* what a depot visit found to be beyond the working set */
} __attribute__((aligned(CACHE_LINE)));

struct depot_options {
    bool resize;
    bool steal; /* stripes, tried without waiting; else one that is waited for */
    bool working_set;
    size_t magsize, magsize_max;
    uint64_t resize_timeout_ns;
    uint64_t resize_threshold;
    uint64_t interval_ns; /* of the working set */
};

/* Last in, first out; so what a list never shrank below has lain untouched at its bottom. */
struct magazine_list {
    struct magazine *first;
    size_t length;
    size_t minimum; /* of length in the current interval; 0 <= minimum <= length */
};

/* A depot of its own for some CPUs; there is one for all unless `steal`. */
struct depot_stripe {
    struct lock lock; /* class `depot`: guards all below */
    struct magazine_list not_empty;
    struct magazine_list empty;
    size_t magsize; /* never shrinks; magsize <= magsize_max */
    uint64_t busy_count;
    uint64_t busy_start;     /* timer_now_ns */
    uint64_t interval_start; /* timer_now_ns */

    uint64_t acquisitions;
    uint64_t contended; /* of them: those that had to wait, or to pass a stripe by */
} __attribute__((aligned(CACHE_LINE)));

#define DEPOT_CPUS_PER_STRIPE 4

struct depot {
    struct depot_options options;
    unsigned nr_stripes;
    struct depot_stripe *stripes; /* [nr_stripes], boot memory */
};

/* Works for nr_cpus() CPUs; `owner` names its locks in the accounts. -ENOMEM. */
int depot_init(struct depot *depot, const struct depot_options *options, unsigned rank,
               const char *owner);
/* The depot must hold no magazine. */
void depot_cleanup(struct depot *depot);

/*
 * A not-empty magazine becomes loaded, loaded becomes previous, and previous goes to the depot, to
 * the list that its fill says. False: there is none (or, with `steal`, none without waiting).
 */
bool depot_get_rounds(struct depot *depot, struct magazine_cpu *cpu);

/* The same with an empty magazine. The one place where a CPU learns of a resize. */
bool depot_get_empty(struct depot *depot, struct magazine_cpu *cpu);

/* Takes in a new, empty magazine. */
void depot_put_empty(struct depot *depot, struct magazine_cpu *cpu, struct magazine *magazine);

/* Takes out all magazines, the empty ones too, as one chain. */
struct magazine *depot_take_all(struct depot *depot);

/* Rounds in the depot's magazines; only when no CPU uses it. */
uint64_t depot_rounds(const struct depot *depot);
void depot_inspect(const struct depot *depot, inspect_fn emit, void *context);

#endif
