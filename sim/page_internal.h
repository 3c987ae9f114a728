/* SPDX-License-Identifier: MIT */
/*
 * What the files of the page layer share, and nobody else may see: page.c (CPU lists, accounts),
 * page_zone.c (buddy), page_range.c, page_boot.c, page_setup.c, page_check.c. Those are plain C
 * without system calls, so that they can be compiled for either machine; page_arena.c makes all
 * system calls for them and knows none of these structs but its own.
 */
#ifndef SLABLAB_SIM_PAGE_INTERNAL_H
#define SLABLAB_SIM_PAGE_INTERNAL_H

#include "sim/lock.h"
#include "sim/machine.h"
#include "sim/page.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A whole block: the unit in which memory is populated. */
#define PAGE_BLOCK_PAGES ((size_t)1 << PAGE_MAX_ORDER)
#define PAGE_BLOCK_BYTES (PAGE_BLOCK_PAGES << PAGE_SHIFT)

/* ---- page_arena.c: mappings ---- */

struct page_arena {
    uintptr_t base; /* of the pages; aligned to PAGE_BLOCK_BYTES */
    size_t bytes;
    uintptr_t map; /* of the page records and what follows them */
    size_t map_bytes;
    bool fixed_address;
    bool huge; /* asked for */
};

/* Reserves addresses, no memory. -ENOMEM. */
int page_arena_reserve(struct page_arena *arena, size_t bytes, size_t map_bytes, bool huge,
                       struct error *error);
void page_arena_release(struct page_arena *arena);

/* Binds memory not yet populated. 0 also where there is one node only; -errno of the system. */
int page_arena_bind(uintptr_t address, size_t bytes, int os_node);

/* Puts zeroed memory behind addresses that have none yet. -errno of the system. */
int page_arena_populate(uintptr_t address, size_t bytes);

/* How much more memory can be bound to a node and be found there; SIZE_MAX where nothing is bound.
 */
size_t page_arena_room(int os_node);

/* The system's number of the node on which a populated page lies, or -errno. */
int page_arena_node_at(uintptr_t address);
/* The same of `count` pages by one system call; where it fails as a whole, -errno. */
int page_arena_nodes_at(void **pages, size_t count, int *nodes);

/* Bytes of the arena that the system backs by huge pages now. */
size_t page_arena_huge_bytes(const struct page_arena *arena);

/* ---- the parts of the layer ---- */

/*
 * Every byte handed out, counted at one place, so that the peak is the true one: counts kept per
 * CPU have no common moment at which to look for a maximum. The price is one line that all CPUs
 * write. It is bearable because designs ask for single pages by the page but for objects by the
 * hundred; and Linux pays alike for its memory control groups. Peak and limit lie on the same
 * line, which a CPU owns already when it looks at them.
 */
struct page_account {
    _Alignas(CACHE_LINE) _Atomic size_t held_bytes; /* partners: all in page.c */
    _Atomic size_t peak_bytes;
    size_t limit_bytes; /* SIZE_MAX: none; constant */
    _Atomic size_t limit_failures;
    _Atomic size_t arena_failures;
};

/* One node's buddy. All under `lock` but what is constant. */
struct page_zone {
    _Alignas(CACHE_LINE) struct lock lock;
    struct page *first, *end; /* constant */
    struct page *fresh;       /* blocks from here on were never taken */
    struct page *populated;   /* pages from here on have no memory yet */
    size_t out_pages;         /* held or listed */
    size_t late_bytes;
    bool full; /* the node had no more memory: not asked again, since each time takes long */
    struct cds_list_head free[PAGE_MAX_ORDER + 1]; /* last freed first */
    size_t free_blocks[PAGE_MAX_ORDER + 1];
};

/* Single pages of a CPU's own node, last freed first. The owner's alone. */
struct page_cpu {
    _Alignas(CACHE_LINE) struct cds_list_head pages;
    unsigned count;
    unsigned node; /* constant */
};

/* List i holds free extents of 2^i to 2^(i + 1) - 1 pages; a page's `extent` has 32 bits. */
#define PAGE_RANGE_LISTS 32

/* One node's ranges, under the layer's vmem lock. */
struct page_ranges {
    struct page *first, *end; /* constant */
    struct page *wilderness;  /* everything from here on is free */
    struct page *populated;   /* pages from here on have no memory yet */
    size_t held_pages;
    size_t late_bytes;
    size_t refused_pages; /* so many more the node did not have: not asked for as many again */
    struct cds_list_head free[PAGE_RANGE_LISTS]; /* last freed first */
};

/* Sizes of boot memory that share pages: multiples of a cache line up to half a page. */
#define BOOT_CLASSES (PAGE_SIZE / 2 / CACHE_LINE)

/* One node's small boot memory, under the layer's boot lock. */
struct boot_pool {
    struct cds_list_head pages;
    void *free[BOOT_CLASSES]; /* chained through their first word */
    uintptr_t fresh, end;     /* what is left of the newest page */
    size_t live;              /* pieces handed out */
};

struct page_layer {
    unsigned nr_nodes, nr_cpus; /* constant, as the next five */
    size_t node_bytes;          /* of a node's blocks; its ranges follow */
    struct page_arena arena;
    uint8_t nearest[PAGE_MAX_NODES][PAGE_MAX_NODES]; /* [node]: itself, then by distance */
    int os_node[PAGE_MAX_NODES];                     /* [node]: the system's; -1: not bound */
    bool placement_checked, lazy;

    struct page_account account;
    struct page_zone zones[PAGE_MAX_NODES];

    _Alignas(CACHE_LINE) struct lock vmem_lock;
    struct page_ranges ranges[PAGE_MAX_NODES];

    _Alignas(CACHE_LINE) struct lock boot_lock;
    struct boot_pool boot_pools[PAGE_MAX_NODES];
    _Atomic size_t boot_bytes; /* large pieces come and go without the lock */

    struct page_cpu cpus[];
};

/*
 * The layer's state, behind the page records and so at a fixed address too; NULL while there is
 * no arena.
 */
extern struct page_layer *page_layer;

/*
 * Counts `bytes` as held before they are taken; false when that would pass the limit. Exactly one
 * of page_account_keep (with what `held` got) and page_account_undo follows.
 */
bool page_account_begin(size_t bytes, size_t *held);
void page_account_keep(size_t held);
void page_account_undo(size_t bytes);

/* Counts a request that was refused as a node's addresses or memory ran out. */
void page_account_fail(void);

/* page_alloc for who has other nodes to try: *exhausted instead of a request that counts as
 * refused. */
void *page_try(unsigned order, int node, bool *exhausted);

/* Counts bytes as no longer held, before they go back. */
void page_account_end(size_t bytes);

/* Marks the pages of a block or range as handed out, or as free, without its first and last. */
void page_mark_inside(struct page *first, size_t pages, enum page_state state);

/* The machine's: it may watch who touches pages that nobody holds. */
void machine_pages_are_held(const void *address, size_t bytes, bool held);

/* Memory and a home node for pages that have none yet; false when the system refuses. */
bool page_populate(struct page *first, size_t pages, unsigned node);

void page_zone_init(struct page_zone *zone, struct page *first, size_t pages);
/* Both with the zone's lock held; they leave the pages' `state` to the caller. NULL: exhausted. */
struct page *page_zone_take(struct page_zone *zone, unsigned order);
void page_zone_give(struct page_zone *zone, struct page *page, unsigned order);

void page_ranges_init(struct page_ranges *ranges, struct page *first, size_t pages);

/* Which list a free extent belongs on: floor(log2(pages)). */
static inline unsigned page_range_list(size_t pages)
{
    return 63 - (unsigned)__builtin_clzl(pages);
}

/* ---- misuse and broken invariants ---- */

_Noreturn void page_broken(const void *address, const char *what);

#ifdef SLABLAB_CHECKED
#define PAGE_ASSERT(condition, address, what)                                                      \
    do {                                                                                           \
        if (!(condition))                                                                          \
            page_broken(address, what);                                                            \
    } while (0)
#else
#define PAGE_ASSERT(condition, address, what) ((void)0)
#endif

#endif
