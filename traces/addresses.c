/* SPDX-License-Identifier: MIT */
/* The addresses of an import: see addresses.h. */
#include "traces/addresses.h"

#include <sys/mman.h>

/* Where a search begins. */
static inline size_t addresses_home(const struct addresses *addresses, uint64_t address)
{
    return (address * 0x9e3779b97f4a7c15u) >> 32 & (addresses->size - 1); /* Fibonacci hashing */
}

void addresses_prefetch(const struct addresses *addresses, uint64_t address)
{
    if (addresses->size)
        __builtin_prefetch(&addresses->table[addresses_home(addresses, address)], 1);
}

/* The place of the address, or the empty one where it would go. */
static struct address *addresses_place(const struct addresses *addresses, uint64_t address)
{
    size_t mask = addresses->size - 1;
    size_t at = addresses_home(addresses, address);

    while (addresses->table[at].address && addresses->table[at].address != address)
        at = (at + 1) & mask;
    return &addresses->table[at];
}

struct address *addresses_find(const struct addresses *addresses, uint64_t address)
{
    struct address *place = addresses->size ? addresses_place(addresses, address) : NULL;

    return place && place->address ? place : NULL;
}

/* Zeroed, and of huge pages where there are: a search goes anywhere, and each page that is looked
 * at for the first time, or has left the translation buffer, costs as much as the search. */
static struct address *addresses_map(size_t size)
{
    void *table = mmap(NULL, size * sizeof(struct address), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (table == MAP_FAILED)
        return NULL;
    (void)madvise(table, size * sizeof(struct address), MADV_HUGEPAGE);
    return table;
}

static int addresses_grow(struct addresses *addresses)
{
    struct addresses grown = {.size = addresses->size ? 2 * addresses->size : 1024,
                              .count = addresses->count};

    grown.table = addresses_map(grown.size);
    if (!grown.table)
        return -1;
    for (size_t at = 0; at < addresses->size; at++) {
        const struct address *old = &addresses->table[at];

        if (old->address)
            *addresses_place(&grown, old->address) = *old;
    }
    addresses_cleanup(addresses);
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
    if (addresses->table)
        munmap(addresses->table, addresses->size * sizeof *addresses->table);
    *addresses = (struct addresses){0};
}
