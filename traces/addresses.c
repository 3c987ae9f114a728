/* SPDX-License-Identifier: MIT */
/* The addresses of an import: see addresses.h. */
#include "traces/addresses.h"

#include <stdlib.h>

/* The place of the address, or the empty one where it would go. */
static struct address *addresses_place(const struct addresses *addresses, uint64_t address)
{
    size_t mask = addresses->size - 1;
    size_t at = (address * 0x9e3779b97f4a7c15u) >> 32 & mask; /* Fibonacci hashing */

    while (addresses->table[at].address && addresses->table[at].address != address)
        at = (at + 1) & mask;
    return &addresses->table[at];
}

struct address *addresses_find(const struct addresses *addresses, uint64_t address)
{
    struct address *place = addresses->size ? addresses_place(addresses, address) : NULL;

    return place && place->address ? place : NULL;
}

static int addresses_grow(struct addresses *addresses)
{
    struct addresses grown = {.size = addresses->size ? 2 * addresses->size : 1024,
                              .count = addresses->count};

    grown.table = calloc(grown.size, sizeof *grown.table);
    if (!grown.table)
        return -1;
    for (size_t at = 0; at < addresses->size; at++) {
        const struct address *old = &addresses->table[at];

        if (old->address)
            *addresses_place(&grown, old->address) = *old;
    }
    free(addresses->table);
    *addresses = grown;
    return 0;
}

struct address *addresses_get(struct addresses *addresses, uint64_t address)
{
    struct address *place = addresses_find(addresses, address);

    if (place)
        return place;
    if (2 * addresses->count >= addresses->size && addresses_grow(addresses))
        return NULL;
    place = addresses_place(addresses, address);
    *place = (struct address){.address = address,
                              .type = ADDRESS_NO_TYPE,
                              .first_type = ADDRESS_NO_TYPE,
                              .object = ADDRESS_FREE};
    addresses->count++;
    return place;
}

void addresses_cleanup(struct addresses *addresses)
{
    free(addresses->table);
    *addresses = (struct addresses){0};
}
