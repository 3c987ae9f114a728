/* SPDX-License-Identifier: MIT */
/*
 * The page layer's invariants, walked through one by one, and the sentence with which a broken one
 * or a misuse ends the program.
 */
#include "sim/page_internal.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const state_names[] = {
    [PAGE_UNTOUCHED] = "untouched",
    [PAGE_FREE] = "free",
    [PAGE_LISTED] = "on a CPU's list",
    [PAGE_HELD] = "held",
};

void page_broken(const void *address, const char *what)
{
    if (address && page_in_arena(address)) {
        const struct page *page = page_of(address);
        const char *state =
            page->state <= PAGE_HELD ? state_names[page->state] : "in no state that exists";

        fprintf(stderr, "slablab: page allocator: %s: address %p (node %u): %s, extent %u pages\n",
                what, address, page->node, state, page->extent);
    } else {
        fprintf(stderr, "slablab: page allocator: %s: address %p\n", what, address);
    }
    abort();
}

/* Unlike PAGE_ASSERT in every build: who calls page_check wants to know. */
static void must(bool condition, const struct page *page, const char *what)
{
    if (!condition)
        page_broken(page ? page_address(page) : NULL, what);
}

static bool is_free(const struct page *page)
{
    return page->state == PAGE_FREE || page->state == PAGE_UNTOUCHED;
}

struct zone_sums {
    size_t held, listed;
    size_t free_blocks[PAGE_MAX_ORDER + 1];
};

static size_t check_free_block(const struct page_zone *zone, const struct page *page,
                               struct zone_sums *sums)
{
    unsigned order = page->free_order - 1U;
    size_t pages = (size_t)1 << order, number = (size_t)(page - zone->first);

    must(order <= PAGE_MAX_ORDER && number % pages == 0, page, "free block out of place");
    must(order == PAGE_MAX_ORDER || zone->first[number ^ pages].free_order != order + 1, page,
         "free buddies not merged");
    for (size_t i = 0; i < pages; i++)
        must(is_free(&page[i]) && (i == 0 || page[i].free_order == 0), &page[i],
             "page of a free block is not free");
    sums->free_blocks[order]++;
    return pages;
}

/* A held block, or one page on a CPU's list. */
static size_t check_taken_block(const struct page *page, struct zone_sums *sums)
{
    size_t pages = page->extent;

    if (page->state == PAGE_LISTED) {
        sums->listed++;
        return 1;
    }
    must(page->state == PAGE_HELD, page, "page is neither free nor taken");
    must(pages > 0 && (pages & (pages - 1)) == 0 && pages <= PAGE_BLOCK_PAGES, page,
         "held block of a size that is no order");
    for (size_t i = 1; i < pages; i++)
        must(page[i].state == PAGE_HELD && page[i].extent == 0 && page[i].free_order == 0, &page[i],
             "page of a held block is not held");
    sums->held += pages;
    return pages;
}

static void check_zone(unsigned node, struct zone_sums *sums)
{
    const struct page_zone *zone = &page_layer->zones[node];
    const struct page *page;

    for (page = zone->first; page < zone->fresh;)
        page +=
            page->free_order ? check_free_block(zone, page, sums) : check_taken_block(page, sums);
    must(page == zone->fresh, page, "block reaches into fresh pages");
    for (; page < zone->populated; page++)
        must(page->state == PAGE_UNTOUCHED && page->free_order == 0, page,
             "fresh page was touched");
    for (page = zone->first; page < zone->populated; page++)
        must(page->node == node, page, "page does not know its node");
    must(zone->out_pages == sums->held + sums->listed, zone->first,
         "zone's count of taken pages is wrong");
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++) {
        size_t count = 0;

        cds_list_for_each_entry(page, &zone->free[order], link) {
            must(page->free_order == order + 1, page, "block is on another order's free list");
            count++;
        }
        must(count == sums->free_blocks[order] && count == zone->free_blocks[order], zone->first,
             "free list and records disagree");
    }
}

/* Pages on the lists of one node's CPUs. */
static size_t check_cpus(unsigned node)
{
    size_t listed = 0;

    for (unsigned i = 0; i < page_layer->nr_cpus; i++) {
        const struct page_cpu *cpu = &page_layer->cpus[i];
        const struct page *page;
        unsigned count = 0;

        if (cpu->node != node)
            continue;
        cds_list_for_each_entry(page, &cpu->pages, link) {
            must(page->state == PAGE_LISTED && page->node == node, page,
                 "page on a CPU's list is not a listed page of its node");
            count++;
        }
        must(count == cpu->count && count <= PAGE_LIST_HIGH, NULL, "CPU's list count is wrong");
        listed += count;
    }
    return listed;
}

/* One extent, free or held, and the page behind it. */
static const struct page *check_extent(const struct page *first, const struct page *wilderness,
                                       bool after_free)
{
    size_t pages = first->extent;
    bool held = first->state == PAGE_HELD;

    must(pages > 0 && pages <= (size_t)(wilderness - first), first, "extent of impossible size");
    must(held || first->state == PAGE_FREE, first, "extent is neither free nor held");
    must(held || !after_free, first, "free extents not merged");
    must(held || first[pages - 1].extent == pages, first, "free extent lacks its end tag");
    must(held || first + pages < wilderness, first, "free extent not given to the wilderness");
    for (size_t i = 0; i < pages; i++)
        must(first[i].state == first->state && (!held || i == 0 || first[i].extent == 0), &first[i],
             "page of an extent is in another state");
    return first + pages;
}

/* Held pages in ranges of one node. */
static size_t check_ranges(unsigned node)
{
    const struct page_ranges *ranges = &page_layer->ranges[node];
    const struct page *page, *next;
    size_t held = 0, free_extents = 0, listed_extents = 0;
    bool after_free = false;

    for (page = ranges->first; page < ranges->wilderness; page = next) {
        next = check_extent(page, ranges->wilderness, after_free);
        after_free = page->state == PAGE_FREE;
        free_extents += after_free;
        held += after_free ? 0 : page->extent;
    }
    for (; page < ranges->populated; page++)
        must(is_free(page), page, "page of the wilderness is not free");
    for (page = ranges->first; page < ranges->populated; page++)
        must(page->node == node, page, "page does not know its node");
    must(held == ranges->held_pages, ranges->first, "count of held range pages is wrong");
    for (unsigned list = 0; list < PAGE_RANGE_LISTS; list++) {
        cds_list_for_each_entry(page, &ranges->free[list], link) {
            must(page->state == PAGE_FREE && page_range_list(page->extent) == list, page,
                 "extent is on a list not its own");
            listed_extents++;
        }
    }
    must(free_extents == listed_extents, ranges->first, "free extents and lists disagree");
    return held;
}

void page_check(void)
{
    size_t held = 0;

    for (unsigned node = 0; node < page_layer->nr_nodes; node++) {
        struct zone_sums sums = {0};

        check_zone(node, &sums);
        must(check_cpus(node) == sums.listed, NULL, "CPU lists and records disagree");
        must((page_layer->boot_pools[node].live == 0) ==
                 cds_list_empty(&page_layer->boot_pools[node].pages),
             NULL, "boot memory has pages for nothing, or nothing for its pieces");
        held += sums.held + check_ranges(node);
    }
    must(held << PAGE_SHIFT ==
             atomic_load_explicit(&page_layer->account.held_bytes, memory_order_relaxed),
         NULL, "bytes held do not add up");
}
