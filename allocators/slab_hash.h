/* SPDX-License-Identifier: MIT */
/*
 * The hash that finds the bufctl of a buffer by its address: chained lists that double in number
 * when they fill, never fewer (Bonwick 1994; growth rule and multiplier as in Akaros). All of it
 * is guarded by the lock of the cache it belongs to.
 */
#ifndef SLABLAB_ALLOCATORS_SLAB_HASH_H
#define SLABLAB_ALLOCATORS_SLAB_HASH_H

#include "allocators/allocator.h"
#include "sim/machine.h"

#include <urcu/hlist.h>

struct slab;

/* Stands for one buffer: on its slab's free list, or in the hash while the buffer is out. */
struct bufctl {
    struct cds_hlist_node link;
    void *buffer;
    struct slab *slab;
};
_Static_assert(sizeof(struct bufctl) == 32, "the design's bufctl is 32 bytes on 64-bit");

struct slab_hash {
    struct cds_hlist_head *lists; /* [nr_lists], boot memory */
    size_t nr_lists;              /* power of two */
    size_t items;
    unsigned shift; /* 64 - log2(nr_lists) */

    uint64_t lookups;
    uint64_t probes;         /* entries compared in all lookups */
    uint32_t longest_lookup; /* most entries compared in one */
    uint32_t longest_chain;  /* seen by a lookup or a resize: an insert does not walk */
    uint64_t resizes;
    uint64_t failed_resizes;
    uint64_t resize_cycles; /* spent in resizes, failed ones included, the cache lock held */
};

/* `lists` is a power of two from 2. -ENOMEM. */
int slab_hash_init(struct slab_hash *hash, size_t lists);
void slab_hash_cleanup(struct slab_hash *hash);

/* Inserts, then doubles the lists if there are too many items for them and memory allows. */
void slab_hash_insert(struct slab_hash *hash, struct bufctl *bufctl);

/* Takes out the bufctl of `buffer`; NULL: there is none. */
struct bufctl *slab_hash_remove(struct slab_hash *hash, const void *buffer);

void slab_hash_inspect(const struct slab_hash *hash, inspect_fn emit, void *context);

#endif
