/* SPDX-License-Identifier: MIT */
/* What a scenario test of a design needs: a machine, a running design, caches, objects, counts. */
#ifndef SLABLAB_TESTS_SCENE_H
#define SLABLAB_TESTS_SCENE_H

#include "allocators/allocator.h"
#include "tests/machine_fixture.h"

/* One at a time; tests read it. */
extern struct allocator_instance *scene;

/*
 * Starts a machine and design `name` with options "key=value", ended by NULL; the name may have one
 * behind a blank, "magazine debug=on".
 */
void scene_open(unsigned nr_cpus, size_t limit_bytes, const char *name, ...)
    __attribute__((sentinel));
/* Stops all of it and asserts that no page is left. */
void scene_close(void);

struct cache *scene_cache(size_t size, size_t align);
struct cache *scene_cache_of(const struct cache_params *params);
void scene_cache_destroy(struct cache *cache);

void *scene_alloc(struct cache *cache); /* may be NULL */
void scene_free(struct cache *cache, void *object);
/* n objects, all there, into the array or out of it. */
void scene_alloc_all(struct cache *cache, unsigned n, void **objects);
void scene_free_all(struct cache *cache, unsigned n, void **objects);

/* n objects, each allocated by CPU 0 and freed by CPU 1. */
void scene_pass_on(struct cache *cache, unsigned n);

/* An inner number of the design; the test fails if there is none. */
uint64_t scene_count(struct cache *cache, const char *name);

#define assert_count(cache, name, expected) assert_int_equal(scene_count(cache, name), expected)

/*
 * All memory there is, at rest: the test fails if it does not balance with what the callers know,
 * `live` objects of `requested` bytes. And the part of one cache, or with cache NULL what is
 * shared: metadata caches and whole pages, but no boot memory. Neither keeps claims.
 */
void scene_ledger(struct ledger *ledger, uint64_t requested, uint64_t live);
void scene_ledger_part(struct ledger *part, struct cache *cache);

/* Asserts that act(argument) aborts the process and that its last words hold every one of them. */
void assert_aborts(void (*act)(void *argument), void *argument, const char *const *words);
/* That freeing this to the cache, of name "objects", does, and names design, cache and address. */
void assert_free_aborts(struct cache *cache, void *object);

#endif
