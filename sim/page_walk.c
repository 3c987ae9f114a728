/* SPDX-License-Identifier: MIT */
/* Going over all that is held, for those who account for it, and asking where it lies. */
#include "sim/page_internal.h"

#include <stdlib.h>

/* Free blocks and free ranges are passed over as a whole, as what is held is. */
static size_t step_over(const struct page *page)
{
    if (page->free_order)
        return (size_t)1 << (page->free_order - 1);
    return page->extent ? page->extent : 1;
}

static void each_held(const struct page *from, const struct page *to,
                      void (*visit)(void *context, const void *address, size_t bytes),
                      void *context)
{
    for (const struct page *page = from; page < to; page += step_over(page)) {
        if (page->state == PAGE_HELD && page->extent)
            visit(context, page_address(page), (size_t)page->extent << PAGE_SHIFT);
    }
}

void page_each_held(void (*visit)(void *context, const void *address, size_t bytes), void *context)
{
    for (unsigned i = 0; i < page_layer->nr_nodes; i++) {
        each_held(page_layer->zones[i].first, page_layer->zones[i].fresh, visit, context);
        each_held(page_layer->ranges[i].first, page_layer->ranges[i].wilderness, visit, context);
    }
}

/* ---- where they lie ---- */

/*
 * `count` of the `held` pages, counted through in the order of the walk: sample i is in the middle
 * of the i-th of `count` equal shares.
 */
struct samples {
    void **addresses;
    size_t count, chosen;
    size_t held, seen; /* pages */
};

static size_t sample_place(const struct samples *samples)
{
    return (2 * samples->chosen + 1) * samples->held / (2 * samples->count);
}

static void choose(void *context, const void *address, size_t bytes)
{
    struct samples *samples = context;
    size_t end = samples->seen + (bytes >> PAGE_SHIFT);

    for (; samples->chosen < samples->count && sample_place(samples) < end; samples->chosen++)
        samples->addresses[samples->chosen] =
            (char *)address + ((sample_place(samples) - samples->seen) << PAGE_SHIFT);
    samples->seen = end;
}

/* `there` is what the system says of the page: a node of its own, or -errno. */
static void place_count(struct page_placement *placement, const void *address, int there)
{
    unsigned node = page_node(address);

    if (there < 0) {
        placement->absent++;
        return;
    }
    if (page_layer->os_node[node] == there) {
        placement->right++;
    } else {
        for (node = 0; node < page_layer->nr_nodes && page_layer->os_node[node] != there;)
            node++;
    }
    if (node < page_layer->nr_nodes)
        placement->by_node[node]++;
    else
        placement->elsewhere++;
}

bool page_placement(size_t most, struct page_placement *placement)
{
    size_t held =
        atomic_load_explicit(&page_layer->account.held_bytes, memory_order_relaxed) >> PAGE_SHIFT;
    struct samples samples = {.count = most < held ? most : held, .held = held};
    int *there = calloc(samples.count + 1, sizeof *there);
    bool told = false;

    samples.addresses = calloc(samples.count + 1, sizeof *samples.addresses);
    *placement = (struct page_placement){0};
    if (there && samples.addresses && page_layer->os_node[0] >= 0) {
        page_each_held(choose, &samples);
        told = page_arena_nodes_at(samples.addresses, samples.chosen, there) == 0;
    }
    for (size_t i = 0; told && i < samples.chosen; i++)
        place_count(placement, samples.addresses[i], there[i]);
    placement->asked = told ? samples.chosen : 0;
    free(samples.addresses);
    free(there);
    return told;
}
