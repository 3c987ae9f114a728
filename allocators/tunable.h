/* SPDX-License-Identifier: MIT */
/*
 * Typed tunables: between a design's options struct and text. Strings in the options are the
 * tunable's initial one or the options' own copy, which tunable_release gives back.
 */
#ifndef SLABLAB_ALLOCATORS_TUNABLE_H
#define SLABLAB_ALLOCATORS_TUNABLE_H

#include "allocators/allocator.h"

/* Every tunable of `tunables` (which may be NULL) at its initial value. */
void tunable_set_initial(const struct tunable *tunables, void *options);
void tunable_release(const struct tunable *tunables, void *options);

/* The tunable called `key`, or NULL. */
const struct tunable *tunable_find(const struct tunable *tunables, const char *key);

/*
 * Sets `key` from text: numbers in decimal or 0x..., sizes also with K, M or G (powers of 1024),
 * switches as on/off, yes/no, true/false, 1/0. `design` is for the sentences: -ENOENT lists the
 * tunables there are, -EINVAL and -ERANGE say what is allowed.
 */
int tunable_set(const char *design, const struct tunable *tunables, void *options, const char *key,
                const char *value, struct error *error);

/* The value as text that tunable_set takes back. */
const char *tunable_text(const struct tunable *tunable, const void *options, char *buffer,
                         size_t size);

#endif
