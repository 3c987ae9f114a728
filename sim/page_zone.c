/* SPDX-License-Identifier: MIT */
/*
 * A node's buddy allocator (Knowlton 1965; the form is Linux's mm/page_alloc.c): a free block of
 * order k merges with its buddy, the block whose number differs in bit k only.
 *
 * Blocks that were never taken are not on the free lists; they are taken in order of address when
 * the lists have nothing that fits, so that memory already touched is used first and fresh pages
 * come in ascending order.
 */
#include "sim/page_internal.h"

static void free_block_add(struct page_zone *zone, struct page *page, unsigned order)
{
    page->free_order = (uint8_t)(order + 1);
    cds_list_add(&page->link, &zone->free[order]);
    zone->free_blocks[order]++;
}

static void free_block_remove(struct page_zone *zone, struct page *page, unsigned order)
{
    page->free_order = 0;
    cds_list_del(&page->link);
    zone->free_blocks[order]--;
}

/* The next block that was never taken, populated if it is not yet. */
static struct page *fresh_block_take(struct page_zone *zone)
{
    struct page *page = zone->fresh;

    if (page == zone->end)
        return NULL;
    if (page == zone->populated) {
        if (zone->full)
            return NULL;
        if (!page_populate(page, PAGE_BLOCK_PAGES, (unsigned)(zone - page_layer->zones))) {
            zone->full = true;
            return NULL;
        }
        zone->populated += PAGE_BLOCK_PAGES;
        zone->late_bytes += PAGE_BLOCK_BYTES;
    }
    zone->fresh += PAGE_BLOCK_PAGES;
    return page;
}

struct page *page_zone_take(struct page_zone *zone, unsigned order)
{
    struct page *page;
    unsigned found = order;

    while (found <= PAGE_MAX_ORDER && cds_list_empty(&zone->free[found]))
        found++;
    if (found <= PAGE_MAX_ORDER) {
        page = cds_list_first_entry(&zone->free[found], struct page, link);
        free_block_remove(zone, page, found);
    } else {
        page = fresh_block_take(zone);
        if (!page)
            return NULL;
        found = PAGE_MAX_ORDER;
    }
    while (found > order) {
        found--;
        free_block_add(zone, page + ((size_t)1 << found), found);
    }
    zone->out_pages += (size_t)1 << order;
    return page;
}

/*
 * The buddy's record can be trusted to start a block: were it inside of a larger one, that block
 * would hold this page too.
 */
void page_zone_give(struct page_zone *zone, struct page *page, unsigned order)
{
    size_t number = (size_t)(page - zone->first);

    zone->out_pages -= (size_t)1 << order;
    while (order < PAGE_MAX_ORDER) {
        struct page *buddy = zone->first + (number ^ ((size_t)1 << order));

        if (buddy->free_order != order + 1)
            break;
        free_block_remove(zone, buddy, order);
        number &= ~((size_t)1 << order);
        order++;
    }
    free_block_add(zone, zone->first + number, order);
}

void page_zone_init(struct page_zone *zone, struct page *first, size_t pages)
{
    lock_init(&zone->lock, LOCK_CLASS_ZONE, LOCK_RANK_ZONE, NULL);
    zone->first = zone->fresh = zone->populated = first;
    zone->end = first + pages;
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++)
        CDS_INIT_LIST_HEAD(&zone->free[order]);
}
