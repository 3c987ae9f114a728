/* SPDX-License-Identifier: MIT */
/*
 * What tests of a design's accounts have in common: how far down an operation came, how many trips
 * were made, and a mixed load of several CPUs at whose rests the ledger balances.
 */
#ifndef SLABLAB_TESTS_ACCOUNTS_SCENE_H
#define SLABLAB_TESTS_ACCOUNTS_SCENE_H

#include "sim/machine.h"
#include "tests/scene.h"

/* The deepest layer that one operation touched. */
enum layer layer_of_alloc(struct cache *cache, void **object); /* may get NULL */
enum layer layer_of_free(struct cache *cache, void *object);

/* Asserts how deep an operation goes: one that the functions above do not do. */
#define assert_layer(expected, operation)                                                          \
    do {                                                                                           \
        account_layer_reset();                                                                     \
        (operation);                                                                               \
        assert_int_equal(account_layer_reached(), expected);                                       \
    } while (0)

/* From open to close the calling thread has an account; open it when all caches are there. */
void accounts_open(void);
void accounts_close(void);
/* Trips since this was last asked, or since it was opened. */
uint64_t accounts_trips(void);
/* Acquisitions of the locks of a class and owner. */
uint64_t accounts_acquisitions(enum lock_class class, const char *owner);

/* Boot memory, which is metadata in every ledger. */
size_t boot_bytes(void);

/* A cache that takes part in a mixed load, of objects of `size` bytes. */
struct load_cache {
    struct cache *cache;
    size_t size;
};

/*
 * All CPUs allocate and free at random, each what others allocated too: objects of `caches` (up to
 * 8) and general ones, of whole pages among them. Whenever all rest, the ledger has to balance; the
 * last time nothing is live.
 */
void mixed_load(const struct load_cache *caches, unsigned nr_caches);

#endif
