/* SPDX-License-Identifier: MIT */
/* An allocator that a signal handler may call while the thread is in it: it never frees. */
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define BUMP_BYTES ((size_t)64 << 30) /* of addresses; what is freed goes back to the system */

static _Atomic uintptr_t bump_next;

void *malloc(size_t size)
{
    uintptr_t none = 0, at;

    size = (size + 31) / 16 * 16;
    if (!bump_next) {
        void *room = mmap(NULL, BUMP_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        atomic_compare_exchange_strong(&bump_next, &none, (uintptr_t)room);
    }
    at = atomic_fetch_add(&bump_next, size);
    memcpy((void *)at, &size, sizeof size);
    return (void *)(at + 16);
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

void free(void *address)
{
    (void)address;
}

void *realloc(void *address, size_t size)
{
    void *moved = malloc(size);
    size_t held = 0;

    if (address)
        memcpy(&held, (char *)address - 16, sizeof held);
    return held ? memcpy(moved, address, held - 16 < size ? held - 16 : size) : moved;
}
