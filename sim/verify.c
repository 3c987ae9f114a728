/* SPDX-License-Identifier: MIT */
/* Shadow map and stamps. */
#include "sim/verify.h"

#include "sim/error.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* 47 bits of address: 2^22 regions of 32 MiB, each with 2^22 granules in a map of 512 KiB. */
#define GRANULE_SHIFT 3
#define REGION_SHIFT  25
#define REGIONS       ((size_t)1 << (47 - REGION_SHIFT))
#define REGION_WORDS  (((size_t)1 << (REGION_SHIFT - GRANULE_SHIFT)) / 64)

typedef _Atomic uint64_t shadow_word;

struct verifier {
    _Atomic(shadow_word *) *regions;
    _Atomic uint64_t violations;
    _Atomic uint64_t first_owner; /* who writes `first`: the one that moves it from 0 to 1 */
    char first[256];
};

static void *map_zeroed(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? NULL : memory;
}

int verifier_create(struct verifier **result, struct error *error)
{
    struct verifier *verifier = calloc(1, sizeof *verifier);

    if (verifier)
        verifier->regions = map_zeroed(REGIONS * sizeof *verifier->regions);
    if (!verifier || !verifier->regions) {
        free(verifier);
        return error_set(error, ENOMEM, "no memory for the map that --verify needs");
    }
    *result = verifier;
    return 0;
}

void verifier_destroy(struct verifier *verifier)
{
    if (!verifier)
        return;
    for (size_t i = 0; i < REGIONS; i++) {
        shadow_word *region = atomic_load_explicit(&verifier->regions[i], memory_order_relaxed);

        if (region)
            munmap(region, REGION_WORDS * sizeof *region);
    }
    munmap(verifier->regions, REGIONS * sizeof *verifier->regions);
    free(verifier);
}

uint64_t verifier_violations(const struct verifier *verifier, const char **first)
{
    *first = verifier->first;
    return atomic_load(&verifier->violations);
}

static void violation(struct verifier *verifier, const char *what, const void *object, size_t size,
                      uint64_t identity)
{
    uint64_t nobody = 0;

    atomic_fetch_add(&verifier->violations, 1);
    if (atomic_compare_exchange_strong(&verifier->first_owner, &nobody, 1))
        snprintf(verifier->first, sizeof verifier->first, "object %#llx at %p of %zu bytes %s",
                 (unsigned long long)identity, object, size, what);
}

static shadow_word *region_of(struct verifier *verifier, uintptr_t address)
{
    _Atomic(shadow_word *) *entry = &verifier->regions[address >> REGION_SHIFT];
    shadow_word *region = atomic_load_explicit(entry, memory_order_acquire);
    shadow_word *fresh;

    if (region)
        return region;
    fresh = map_zeroed(REGION_WORDS * sizeof *fresh);
    if (!fresh) {
        fprintf(stderr, "slablab: no memory for the map that --verify needs\n");
        abort();
    }
    if (atomic_compare_exchange_strong_explicit(entry, &region, fresh, memory_order_acq_rel,
                                                memory_order_acquire))
        return fresh;
    munmap(fresh, REGION_WORDS * sizeof *fresh);
    return region;
}

/*
 * Sets or clears the bits of an object's granules, a word at a time; false when some were not as
 * they should have been before.
 */
static bool shadow_change(struct verifier *verifier, uintptr_t address, size_t size, bool set)
{
    uintptr_t granule = address >> GRANULE_SHIFT;
    uintptr_t end = (address + (size ? size : 1) + 7) >> GRANULE_SHIFT;
    bool good = true;

    while (granule < end) {
        uintptr_t bit = granule % 64;
        size_t bits = end - granule < 64 - bit ? end - granule : 64 - bit;
        uint64_t mask = (bits == 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1) << bit;
        shadow_word *region = region_of(verifier, granule << GRANULE_SHIFT);
        shadow_word *word = &region[granule / 64 % REGION_WORDS];
        uint64_t before = set ? atomic_fetch_or_explicit(word, mask, memory_order_relaxed)
                              : atomic_fetch_and_explicit(word, ~mask, memory_order_relaxed);

        good &= (before & mask) == (set ? 0 : mask);
        granule += bits;
    }
    return good;
}

/* The stamp at offset `at`: eight bytes or as many as are left of the object. */
static size_t stamp_bytes(size_t size, size_t at)
{
    return size - at < sizeof(uint64_t) ? size - at : sizeof(uint64_t);
}

static bool stamp_there(const char *object, size_t size, size_t at, uint64_t identity)
{
    return memcmp(object + at, &identity, stamp_bytes(size, at)) == 0;
}

void verifier_birth(struct verifier *verifier, void *object, size_t size, uint64_t identity)
{
    if ((uintptr_t)object % 8 != 0 || (uintptr_t)object >> 47) {
        violation(verifier, "is not aligned to 8 bytes", object, size, identity);
        return;
    }
    if (!shadow_change(verifier, (uintptr_t)object, size, true))
        violation(verifier, "overlaps an object that is live", object, size, identity);
    memcpy(object, &identity, stamp_bytes(size, 0));
    if (size >= 16)
        memcpy((char *)object + size - sizeof identity, &identity, sizeof identity);
}

void verifier_death(struct verifier *verifier, void *object, size_t size, uint64_t identity)
{
    if ((uintptr_t)object % 8 != 0 || (uintptr_t)object >> 47)
        return; /* said at its birth */
    if (!stamp_there(object, size, 0, identity))
        violation(verifier, "was written over at its start", object, size, identity);
    else if (size >= 16 && !stamp_there(object, size, size - sizeof identity, identity))
        violation(verifier, "was written over at its end", object, size, identity);
    if (!shadow_change(verifier, (uintptr_t)object, size, false))
        violation(verifier, "was not known as live", object, size, identity);
}
