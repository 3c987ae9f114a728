/* SPDX-License-Identifier: MIT */
/* The per-CPU layer of design magazine, and what a cache of that design is; private to it. */
#ifndef SLABLAB_ALLOCATORS_MAGAZINE_CPU_H
#define SLABLAB_ALLOCATORS_MAGAZINE_CPU_H

#include "allocators/depot.h"
#include "allocators/slab.h"

/*
 * A cache by its layers. At rest: slabs.live = objects the callers hold + depot_rounds +
 * magazine_cpus_rounds.
 */
struct cache {
    struct slab_cache slabs;
    struct depot depot;
    struct cache *magazines;         /* where magazines come from; its own are from itself */
    struct cds_list_head link;       /* ordinary caches: in the instance's list */
    _Atomic uint64_t magazines_made; /* by free step 4, beyond the first two of each CPU */
    struct magazine_cpu cpus[];      /* [nr_cpus()] */
};

/* Two empty magazines for each CPU, straight from the slab layer. -ENOMEM. */
int magazine_cpus_init(struct cache *cache, struct error *error);
/* Drains and destroys them. The magazines that are given back may fill the magazines' depot. */
void magazine_cpus_cleanup(struct cache *cache);

/* As the hooks of struct allocator; `request` is not read. */
void *magazine_alloc(struct cache *cache, const struct request *request);
void magazine_free(struct cache *cache, void *object);
unsigned magazine_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                             void **objects);
void magazine_free_bulk(struct cache *cache, unsigned n, void *const *objects);

/* Returns the rounds of the calling CPU's magazines to the slab layer. */
void magazine_cpu_drain(struct cache *cache);
/* Returns the rounds of the depot's magazines to the slab layer, and frees the magazines. */
void magazine_depot_drain(struct cache *cache);

/* Rounds of all CPUs' magazines; only when none of them uses the cache. */
uint64_t magazine_cpus_rounds(const struct cache *cache);

#endif
