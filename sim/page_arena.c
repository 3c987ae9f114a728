/* SPDX-License-Identifier: MIT */
/*
 * The page layer's system calls: reserving addresses, binding and populating memory, asking where
 * it lies. The only user of libnuma. What is decided with it is page_setup.c's.
 */
#include "sim/page_internal.h"

#include "sim/error.h"

#include <errno.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* Kernel headers before 5.17 lack it, kernels before 5.14 refuse it (EINVAL). */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Older kernels take the flag for a hint, so the answer has to be looked at. */
static void *reserve_at(uintptr_t wanted, size_t bytes)
{
    void *got = mmap((void *)wanted, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

    if (got != MAP_FAILED && (uintptr_t)got != wanted) {
        munmap(got, bytes);
        errno = EEXIST;
        return MAP_FAILED;
    }
    return got;
}

/* Anywhere, aligned to PAGE_BLOCK_BYTES. */
static void *reserve_anywhere(size_t bytes)
{
    size_t more = bytes + PAGE_BLOCK_BYTES;
    uintptr_t got, start;
    void *mapping = mmap(NULL, more, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (mapping == MAP_FAILED)
        return MAP_FAILED;
    got = (uintptr_t)mapping;
    start = (got + PAGE_BLOCK_BYTES - 1) & ~(PAGE_BLOCK_BYTES - 1);
    if (start > got)
        munmap(mapping, start - got);
    munmap((void *)(start + bytes), got + more - (start + bytes));
    return (void *)start;
}

/* As `wanted` when it can be had, or elsewhere; 0 when nowhere. Clears *fixed when elsewhere. */
static uintptr_t reserve(uintptr_t wanted, size_t bytes, bool huge, bool *fixed)
{
    void *got = reserve_at(wanted, bytes);

    if (got == MAP_FAILED) {
        *fixed = false;
        got = reserve_anywhere(bytes);
        if (got == MAP_FAILED)
            return 0;
    }
    /* Refused where the kernel has no huge pages; page_arena_huge_bytes sees what came of it. */
    (void)madvise(got, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    return (uintptr_t)got;
}

int page_arena_reserve(struct page_arena *arena, size_t bytes, size_t map_bytes, bool huge,
                       struct error *error)
{
    int code;

    *arena = (struct page_arena){
        .bytes = bytes, .map_bytes = map_bytes, .fixed_address = true, .huge = huge};
    arena->base = reserve(PAGE_ARENA_BASE, bytes, huge, &arena->fixed_address);
    if (arena->base)
        arena->map = reserve(PAGE_MAP_BASE, map_bytes, huge, &arena->fixed_address);
    if (arena->map)
        return 0;
    code = errno;
    if (arena->base)
        munmap((void *)arena->base, bytes);
    return error_set(error, ENOMEM,
                     "page arena: cannot reserve %zu MiB of addresses for pages and %zu MiB for "
                     "their records: %s; they cost no memory, but `ulimit -v` and "
                     "vm.overcommit_memory=2 count them (set unlimited, and 0 or 1)",
                     bytes >> 20, map_bytes >> 20, strerror(code));
}

void page_arena_release(struct page_arena *arena)
{
    munmap((void *)arena->base, arena->bytes);
    munmap((void *)arena->map, arena->map_bytes);
    *arena = (struct page_arena){0};
}

/*
 * Strictly: a page that cannot lie where it should is a failure we want to see. mbind and not
 * libnuma's numa_tonode_memory, which prints its errors and keeps them from us.
 */
int page_arena_bind(uintptr_t address, size_t bytes, int os_node)
{
    struct bitmask *nodes;
    int rc;

    if (numa_available() < 0 || numa_max_node() == 0)
        return 0;
    if (os_node < 0 || os_node > numa_max_node())
        return -EINVAL;
    nodes = numa_allocate_nodemask();
    if (!nodes)
        return -ENOMEM;
    numa_bitmask_setbit(nodes, (unsigned)os_node);
    rc = mbind((void *)address, bytes, MPOL_BIND, nodes->maskp, nodes->size + 1, 0) ? -errno : 0;
    numa_bitmask_free(nodes);
    return rc;
}

/*
 * What bound memory does not find on its node the kernel does not refuse: it ends a program, ours
 * as a rule. So we ask before. An eighth of the node stays: what the kernel calls free has its own
 * reserve in it, of which it gives us nothing (a twentieth with huge pages, mm/khugepaged.c, and
 * half as much again before it begins to reclaim), and others allocate there beside us.
 */
size_t page_arena_room(int os_node)
{
    long long size, unused;

    if (os_node < 0 || numa_available() < 0 || numa_max_node() == 0)
        return SIZE_MAX;
    size = numa_node_size64(os_node, &unused);
    if (size < 0)
        return SIZE_MAX;
    return unused > size / 8 ? (size_t)(unused - size / 8) : 0;
}

int page_arena_populate(uintptr_t address, size_t bytes)
{
    if (madvise((void *)address, bytes, MADV_POPULATE_WRITE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* Atomic, lest the compiler find that nobody reads it. */
    for (size_t offset = 0; offset < bytes; offset += PAGE_SIZE)
        atomic_store_explicit((_Atomic char *)(address + offset), 0, memory_order_relaxed);
    return 0;
}

int page_arena_nodes_at(void **pages, size_t count, int *nodes)
{
    if (numa_available() < 0)
        return -ENOSYS;
    return numa_move_pages(0, count, pages, NULL, nodes, 0) ? -errno : 0;
}

int page_arena_node_at(uintptr_t address)
{
    void *page = (void *)address;
    int node = -ENOENT;
    int rc = page_arena_nodes_at(&page, 1, &node);

    return rc ? rc : node;
}

/*
 * From the kernel's own account of our mappings, since a granted madvise does not mean a huge
 * page was found.
 */
size_t page_arena_huge_bytes(const struct page_arena *arena)
{
    FILE *smaps = fopen("/proc/self/smaps", "re");
    bool inside = false, beyond = false;
    size_t bytes = 0;
    char line[512];

    if (!smaps)
        return 0;
    /* In order of addresses: no further than ours, since the kernel takes its time over each. */
    while (!beyond && fgets(line, sizeof line, smaps)) {
        unsigned long start, end, kib;

        if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
            beyond = start >= arena->base + arena->bytes;
            inside = start >= arena->base && !beyond;
        } else if (inside && sscanf(line, "AnonHugePages: %lu kB", &kib) == 1) {
            bytes += (size_t)kib << 10;
        }
    }
    fclose(smaps);
    return bytes;
}
