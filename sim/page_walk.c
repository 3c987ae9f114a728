/* SPDX-License-Identifier: MIT */
/* Going over all that is held, for those who account for it. */
#include "sim/page_internal.h"

static void each_held(const struct page *from, const struct page *to,
                      void (*visit)(void *context, const void *address, size_t bytes),
                      void *context)
{
    const struct page *page = from;

    while (page < to) {
        if (page->state == PAGE_HELD && page->extent) {
            visit(context, page_address(page), (size_t)page->extent << PAGE_SHIFT);
            page += page->extent;
        } else {
            page++;
        }
    }
}

void page_each_held(void (*visit)(void *context, const void *address, size_t bytes), void *context)
{
    for (unsigned i = 0; i < page_layer->nr_nodes; i++) {
        each_held(page_layer->zones[i].first, page_layer->zones[i].fresh, visit, context);
        each_held(page_layer->ranges[i].first, page_layer->ranges[i].wilderness, visit, context);
    }
}
