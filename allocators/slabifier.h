/* SPDX-License-Identifier: MIT */
/* What design slabifier offers beyond allocator.h: defragmentation by moving objects. */
#ifndef SLABLAB_ALLOCATORS_SLABIFIER_H
#define SLABLAB_ALLOCATORS_SLABIFIER_H

#include "allocators/allocator.h"

/*
 * Gets a live object of a cache that is being shrunk, and holds no lock. It may allocate a new
 * place in the same cache, copy, and free this one; or leave it where it is. The object was live a
 * moment ago: where others may free it meanwhile, the callback has to find out (as type-safe memory
 * allows).
 */
typedef void (*slabifier_move_fn)(struct cache *cache, void *object, void *context);

/*
 * Deactivates every CPU's slab; then takes each partial slab but one, from the head of the list,
 * and offers its live objects to `move` (NULL: no slab is taken, as in reclaim). No slab is visited
 * twice. The caller holds no lock. Every object of a visited slab is looked for on its freelist, so
 * a slab costs objects x free steps.
 */
void slabifier_shrink(struct cache *cache, slabifier_move_fn move, void *context);

#endif
