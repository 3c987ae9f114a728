/* SPDX-License-Identifier: MIT */
/*
 * Boot memory: what must exist before the first cache does. Small pieces are cut from single
 * pages and reused by exact size; larger ones are pages of their own. It wants to be simple and
 * tight, not fast: designs take some of it when a cache is created.
 */
#include "sim/page_internal.h"

#include <string.h>

static size_t boot_round(size_t size)
{
    size_t lines = (size + CACHE_LINE - 1) / CACHE_LINE;

    return (lines ? lines : 1) * CACHE_LINE;
}

static bool boot_is_small(size_t rounded)
{
    return rounded <= BOOT_CLASSES * CACHE_LINE;
}

static void **boot_class(struct boot_pool *pool, size_t rounded)
{
    return &pool->free[rounded / CACHE_LINE - 1];
}

static void boot_put(struct boot_pool *pool, void *piece, size_t rounded)
{
    void **head = boot_class(pool, rounded);

    *(void **)piece = *head;
    *head = piece;
}

/* A new page to cut from. What is left of the last one is too small for now, not for ever. */
static bool boot_grow(struct boot_pool *pool, int node, bool *exhausted)
{
    void *address = page_try(0, node, exhausted);

    if (!address)
        return false;
    if (pool->fresh < pool->end)
        boot_put(pool, (void *)pool->fresh, pool->end - pool->fresh);
    cds_list_add(&page_of(address)->link, &pool->pages);
    pool->fresh = (uintptr_t)address;
    pool->end = pool->fresh + PAGE_SIZE;
    atomic_fetch_add_explicit(&page_layer->boot_bytes, PAGE_SIZE, memory_order_relaxed);
    return true;
}

static void *boot_take(unsigned node, size_t rounded, bool *exhausted)
{
    struct boot_pool *pool = &page_layer->boot_pools[node];
    void **head = boot_class(pool, rounded);
    void *piece = *head;

    if (piece) {
        *head = *(void **)piece;
    } else {
        if (pool->end - pool->fresh < rounded && !boot_grow(pool, (int)node, exhausted))
            return NULL;
        piece = (void *)pool->fresh;
        pool->fresh += rounded;
    }
    pool->live++;
    return piece;
}

static void boot_release_pages(struct boot_pool *pool)
{
    struct page *page, *next;

    cds_list_for_each_entry_safe(page, next, &pool->pages, link) {
        cds_list_del(&page->link);
        atomic_fetch_sub_explicit(&page_layer->boot_bytes, PAGE_SIZE, memory_order_relaxed);
        page_free(page_address(page), 0);
    }
    memset(pool->free, 0, sizeof pool->free);
    pool->fresh = pool->end = 0;
}

static void *boot_alloc_small(size_t rounded, int node)
{
    struct page_layer *layer = page_layer;
    unsigned home = layer->cpus[cpu_id()].node;
    bool exhausted = false;
    void *piece = NULL;

    lock_acquire(&layer->boot_lock);
    if (node != PAGE_ANY_NODE)
        piece = boot_take((unsigned)node, rounded, &exhausted);
    for (unsigned i = 0; node == PAGE_ANY_NODE && !piece && i < layer->nr_nodes; i++)
        piece = boot_take(layer->nearest[home][i], rounded, &exhausted);
    lock_release(&layer->boot_lock);
    if (!piece && exhausted)
        page_account_fail();
    return piece;
}

static void boot_free_small(void *address, size_t rounded)
{
    struct boot_pool *pool = &page_layer->boot_pools[page_node(address)];

    lock_acquire(&page_layer->boot_lock);
    boot_put(pool, address, rounded);
    if (--pool->live == 0)
        boot_release_pages(pool);
    lock_release(&page_layer->boot_lock);
}

/* Pages of a large piece, and whether they come as a block: only where no page is wasted. */
static size_t boot_pages(size_t rounded, bool *block)
{
    size_t pages = (rounded + PAGE_SIZE - 1) >> PAGE_SHIFT;

    *block = (pages & (pages - 1)) == 0 && pages <= PAGE_BLOCK_PAGES;
    return pages;
}

static void *boot_alloc_large(size_t rounded, int node)
{
    bool block;
    size_t pages = boot_pages(rounded, &block);
    void *address =
        block ? page_alloc((unsigned)__builtin_ctzl(pages), node) : range_alloc(pages, node);

    if (address)
        atomic_fetch_add_explicit(&page_layer->boot_bytes, pages << PAGE_SHIFT,
                                  memory_order_relaxed);
    return address;
}

static void boot_free_large(void *address, size_t rounded)
{
    bool block;
    size_t pages = boot_pages(rounded, &block);

    atomic_fetch_sub_explicit(&page_layer->boot_bytes, pages << PAGE_SHIFT, memory_order_relaxed);
    if (block)
        page_free(address, (unsigned)__builtin_ctzl(pages));
    else
        range_free(address, pages);
}

void *boot_alloc(size_t size, int node)
{
    size_t rounded = boot_round(size);
    void *address =
        boot_is_small(rounded) ? boot_alloc_small(rounded, node) : boot_alloc_large(rounded, node);

    if (!address)
        return NULL;
    memset(address, 0, rounded);
    machine_memory_is(address, rounded, MEMORY_DESCRIPTOR);
    return address;
}

void boot_free(void *address, size_t size)
{
    size_t rounded = boot_round(size);

    PAGE_ASSERT(page_in_arena(address), address, "free of an address that is not the arena's");
    PAGE_ASSERT(page_of(address)->state == PAGE_HELD, address,
                "free of boot memory that is not held");
    if (boot_is_small(rounded))
        boot_free_small(address, rounded);
    else
        boot_free_large(address, rounded);
}
