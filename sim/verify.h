/* SPDX-License-Identifier: MIT */
/*
 * Does an allocator keep its word? A shadow map, one bit per 8-byte granule, finds objects that
 * overlap or are handed out twice; a stamp of its identity at both ends of each object finds
 * content that somebody else wrote. Any number of threads; the map's words are atomic.
 */
#ifndef SLABLAB_SIM_VERIFY_H
#define SLABLAB_SIM_VERIFY_H

#include <stddef.h>
#include <stdint.h>

struct error;
struct verifier;

int verifier_create(struct verifier **verifier, struct error *error);
void verifier_destroy(struct verifier *verifier);

/*
 * An object of `size` bytes was handed out: its granules must be free; they are taken and the
 * object is stamped with `identity`. Objects are at least 8-byte aligned, so none shares a granule.
 */
void verifier_birth(struct verifier *verifier, void *object, size_t size, uint64_t identity);

/* The object is about to be freed: its stamps must be there; its granules are given up. */
void verifier_death(struct verifier *verifier, void *object, size_t size, uint64_t identity);

/* How many promises were broken; `first` gets the sentence about the first. */
uint64_t verifier_violations(const struct verifier *verifier, const char **first);

#endif
