/* SPDX-License-Identifier: MIT */
/*
 * Ranges of whole pages: vmem in brief (Bonwick & Adams, "Magazines and Vmem", USENIX 2001).
 * Boundary tags let a freed extent find its free neighbours at once; power-of-two lists let a
 * request take the first extent of the first list on which everything is large enough (instant
 * fit).
 *
 * Deviations: the tags are the page records of an extent's first and last page. Where no list
 * serves instantly, the request's own list is searched for the best fit, and only then is the
 * wilderness cut, all that lies above the highest range in use; vmem keeps that as a segment like
 * others. So memory already touched is used first. No quantum caches: caching is the designs' own.
 */
#include "sim/page_internal.h"

static void extent_add(struct page_ranges *ranges, struct page *first, size_t pages)
{
    first->extent = first[pages - 1].extent = (uint32_t)pages;
    first->state = first[pages - 1].state = PAGE_FREE;
    cds_list_add(&first->link, &ranges->free[page_range_list(pages)]);
}

/* An extent of at least `pages` from lists that hold no smaller ones, or NULL. */
static struct page *fit_instantly(struct page_ranges *ranges, size_t pages)
{
    unsigned list = page_range_list(pages);

    if (pages & (pages - 1))
        list++;
    for (; list < PAGE_RANGE_LISTS; list++)
        if (!cds_list_empty(&ranges->free[list]))
            return cds_list_first_entry(&ranges->free[list], struct page, link);
    return NULL;
}

/* The smallest extent of at least `pages` on the list that also holds smaller ones, or NULL. */
static struct page *fit_best(struct page_ranges *ranges, size_t pages)
{
    struct page *best = NULL, *page;

    cds_list_for_each_entry(page, &ranges->free[page_range_list(pages)], link) {
        if (page->extent == pages)
            return page;
        if (page->extent > pages && (!best || page->extent < best->extent))
            best = page;
    }
    return best;
}

static struct page *wilderness_cut(struct page_ranges *ranges, size_t pages)
{
    struct page *first = ranges->wilderness;

    if (pages > (size_t)(ranges->end - first))
        return NULL;
    if (first + pages > ranges->populated) {
        size_t more = (size_t)(first + pages - ranges->populated);

        more = (more + PAGE_BLOCK_PAGES - 1) & ~(PAGE_BLOCK_PAGES - 1);
        if (more >= ranges->refused_pages)
            return NULL;
        if (!page_populate(ranges->populated, more, (unsigned)(ranges - page_layer->ranges))) {
            ranges->refused_pages = more;
            return NULL;
        }
        ranges->populated += more;
        ranges->late_bytes += more << PAGE_SHIFT;
    }
    ranges->wilderness += pages;
    return first;
}

/* With the vmem lock held. */
static struct page *range_take(struct page_ranges *ranges, size_t pages)
{
    struct page *first;

    if (pages > (size_t)(ranges->end - ranges->first))
        return NULL;
    first = fit_instantly(ranges, pages);
    if (!first)
        first = fit_best(ranges, pages);
    if (first) {
        size_t found = first->extent;

        cds_list_del(&first->link);
        if (found > pages)
            extent_add(ranges, first + pages, found - pages);
    } else {
        first = wilderness_cut(ranges, pages);
        if (!first)
            return NULL;
    }
    first[pages - 1].state = PAGE_HELD;
    first[pages - 1].extent = 0;
    first->state = PAGE_HELD;
    first->extent = (uint32_t)pages;
    ranges->held_pages += pages;
    return first;
}

/* With the vmem lock held. */
static void range_give(struct page_ranges *ranges, struct page *first, size_t pages)
{
    struct page *end = first + pages;

    ranges->held_pages -= pages;
    if (end < ranges->wilderness && end->state == PAGE_FREE) {
        cds_list_del(&end->link);
        pages += end->extent;
    }
    if (first > ranges->first && first[-1].state == PAGE_FREE) {
        size_t before = first[-1].extent;

        first -= before;
        cds_list_del(&first->link);
        pages += before;
    }
    if (first + pages == ranges->wilderness)
        ranges->wilderness = first;
    else
        extent_add(ranges, first, pages);
}

/*
 * Records inside a range are marked without the lock, which is all the shorter held: others look
 * at the first and the last page of their neighbours only.
 */
void *range_alloc(size_t pages, int node)
{
    struct page_layer *layer = page_layer;
    unsigned home = layer->cpus[cpu_id()].node;
    size_t bytes = pages << PAGE_SHIFT;
    struct page *first = NULL;
    size_t held;

    PAGE_ASSERT(pages > 0, NULL, "a range of no pages was asked for");
    PAGE_ASSERT(node >= PAGE_ANY_NODE && node < (int)layer->nr_nodes, NULL,
                "a range was asked for on a node that is not");
    if (!page_account_begin(bytes, &held))
        return NULL;
    lock_acquire(&layer->vmem_lock);
    if (node != PAGE_ANY_NODE)
        first = range_take(&layer->ranges[node], pages);
    for (unsigned i = 0; node == PAGE_ANY_NODE && !first && i < layer->nr_nodes; i++)
        first = range_take(&layer->ranges[layer->nearest[home][i]], pages);
    lock_release(&layer->vmem_lock);
    if (!first) {
        page_account_undo(bytes);
        page_account_fail();
        return NULL;
    }
    page_account_keep(held);
    page_mark_inside(first, pages, PAGE_HELD);
    machine_pages_are_held(page_address(first), bytes, true);
    return page_address(first);
}

void range_free(void *address, size_t pages)
{
    struct page_layer *layer = page_layer;
    struct page *first = page_of(address);
    struct page_ranges *ranges;

    PAGE_ASSERT(page_in_arena(address), address, "free of an address that is not the arena's");
    ranges = &layer->ranges[first->node];
    PAGE_ASSERT(((uintptr_t)address & PAGE_MASK) == 0, address, "free of part of a page");
    PAGE_ASSERT(first >= ranges->first && first < ranges->end, address,
                "free of a block as a range");
    PAGE_ASSERT(first->state == PAGE_HELD, address, "free of a range that is not held");
    PAGE_ASSERT(first->extent == pages, address, "free of a range in another size than it has");
    page_account_end(pages << PAGE_SHIFT);
    machine_pages_are_held(address, pages << PAGE_SHIFT, false);
    page_mark_inside(first, pages, PAGE_FREE);
    lock_acquire(&layer->vmem_lock);
    first->state = first[pages - 1].state = PAGE_FREE;
    first->extent = first[pages - 1].extent = 0;
    range_give(ranges, first, pages);
    lock_release(&layer->vmem_lock);
}

void page_ranges_init(struct page_ranges *ranges, struct page *first, size_t pages)
{
    ranges->first = ranges->wilderness = ranges->populated = first;
    ranges->end = first + pages;
    ranges->refused_pages = SIZE_MAX;
    for (unsigned list = 0; list < PAGE_RANGE_LISTS; list++)
        CDS_INIT_LIST_HEAD(&ranges->free[list]);
}
