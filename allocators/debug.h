/* SPDX-License-Identifier: MIT */
/*
 * The debug layer: one debug mode for all designs that have none of their own. It stands between
 * the front end and a design, and makes each of its buffers larger:
 *
 *      the design's | header | red zone | object | red zone
 *      0            16       64         lead
 *
 * `lead` is a multiple of the alignment, so that objects keep theirs: with 8 it is 80 bytes, with a
 * page's a page. The red zone behind begins where what was asked for ends. All but the design's and
 * the header is poison while a buffer is free, and is looked at when it is handed out and when its
 * slab goes; objects with a constructor, that may not be touched or that are still read (RCU) keep
 * their content, as in SLUB, and only their red zones are looked at.
 *
 * The design has the first bytes of a free buffer for a link or an index (allocator.h says so), and
 * tells the layer of every buffer as it comes and as it goes, without which memory that is fresh
 * could not be told from memory that was written over.
 */
#ifndef SLABLAB_ALLOCATORS_DEBUG_H
#define SLABLAB_ALLOCATORS_DEBUG_H

#include "allocators/allocator.h"

#define DEBUG_KEY     "debug"
#define DEBUG_SUMMARY "red zones, poison, and a check of every free: report and abort"

/* One cache of a design under the layer: what callers have instead of the design's own. */
struct cache {
    uint64_t mark; /* debug_cache_mark of it; 0 once it is destroyed */
    const struct allocator *design;
    struct cache *inner;        /* the design's */
    struct cache_params params; /* as the caller gave them */
    size_t lead;                /* bytes before the object */
    size_t bytes;               /* of a buffer, as the design is asked for it */
    bool poisoned;              /* free objects may be written over */
};

/* Its address alone would do for an empty list's head, too. */
static inline uint64_t debug_cache_mark(const struct cache *cache)
{
    return (uintptr_t)cache ^ UINT64_C(0xcac4e15de6096ed1);
}

/* ---- marks of one buffer; each aborts, naming what is wrong ---- */

/* A slab was made, or is about to go: `buffer` of `context`, a struct cache. */
void debug_buffer_made(void *buffer, void *context);
void debug_buffer_gone(void *buffer, void *context);

/* Before anything is asked of a cache: it is there, and serves such a request (NULL: a free). */
void debug_cache_check(const struct cache *cache, const struct request *request);

/* The design handed out `buffer`, of which `asked` bytes will be used (0: all); the object. */
void *debug_object_arm(const struct cache *cache, void *buffer, size_t asked);
/* `object` is freed by a caller; the buffer that the design gets back. */
void *debug_object_disarm(const struct cache *cache, void *object);

/* ---- the layer ---- */

/* Puts the layer's functions in place of those of `design` into *layered, its copy. */
void debug_layer(struct allocator *layered);

/* In place of the design's start; the instance made is for the layered functions. */
int debug_start(const struct allocator *design, const void *options, void **instance,
                struct error *error);

#endif
