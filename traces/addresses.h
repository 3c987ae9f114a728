/* SPDX-License-Identifier: MIT */
/* What an import knows of every address it saw: a hash table, private to join.c. */
#ifndef SLABLAB_TRACES_ADDRESSES_H
#define SLABLAB_TRACES_ADDRESSES_H

#include <stddef.h>
#include <stdint.h>

#define ADDRESS_NO_TYPE UINT32_MAX
#define ADDRESS_FREE    UINT32_MAX

struct address {
    uint64_t address; /* 0: an empty place */
    union {
        uint64_t alloc_place; /* in the spill file, while live */
        uint64_t freed_order; /* of its last free, while free */
    };
    uint64_t freed_ns;
    uint32_t type;       /* of the object it holds or held last, or ADDRESS_NO_TYPE */
    uint32_t first_type; /* of the first object it held */
    uint32_t object;     /* number of the live object, or ADDRESS_FREE */
    uint32_t first_life; /* the object it holds is the first */
};

struct addresses {
    struct address *table;
    size_t size; /* a power of two, at least twice the count */
    size_t count;
};

/* Has the memory fetched that a search for this address will look at: a table of millions is in no
 * cache of the processor. */
void addresses_prefetch(const struct addresses *addresses, uint64_t address);
/* NULL if it was never seen. */
struct address *addresses_find(const struct addresses *addresses, uint64_t address);
/* Makes it known, free and without a type, if it was never seen; NULL without memory. */
struct address *addresses_get(struct addresses *addresses, uint64_t address);
void addresses_cleanup(struct addresses *addresses);

#endif
