/* SPDX-License-Identifier: MIT */
/* The per-CPU layer of design spl, on top of spl.h; private to allocators/spl*.c. */
#ifndef SLABLAB_ALLOCATORS_SPL_CPU_H
#define SLABLAB_ALLOCATORS_SPL_CPU_H

#include "allocators/spl.h"

/* As the hooks of struct allocator. */
void *spl_alloc(struct cache *cache, const struct request *request);
void spl_free(struct cache *cache, void *object);

/* An array of cache->array_size for each CPU, on its node. -ENOMEM. */
int spl_arrays_init(struct cache *cache, struct error *error);
/* Flushes and frees them; no CPU uses the cache any more. */
void spl_arrays_cleanup(struct cache *cache);

/* Flushes the calling CPU's array wholly. */
void spl_array_flush(struct cache *cache);

/* Sums over all CPUs' arrays; only when none of them uses the cache. */
struct spl_array_counts {
    uint64_t avail, refills, flushes;
    uint64_t passed; /* objects that the design below has out */
};
struct spl_array_counts spl_arrays_count(const struct cache *cache);

#endif
