/* SPDX-License-Identifier: MIT */
/*
 * The page layer's beginning and end: laying out the arena, populating it, checking that memory is
 * where it should be, and summing up what the layer counted.
 *
 * Layout, each part a multiple of 4 MiB:
 *   arena: node 0's blocks, node 0's ranges, node 1's blocks, ...
 *   map:   a record for each page of the arena, then struct page_layer
 */
#include "sim/page_internal.h"

#include "sim/error.h"

#include <errno.h>
#include <string.h>

/* Addresses for blocks, and again for ranges, over all nodes: more than a replay will hold. */
#define DEFAULT_ARENA_BYTES ((size_t)64 << 30)

#define PLACEMENT_SAMPLES 16 /* pages looked at in each part of a node */

static size_t block_round(size_t bytes)
{
    return (bytes + PAGE_BLOCK_BYTES - 1) & ~(PAGE_BLOCK_BYTES - 1);
}

static int config_check(const struct page_config *config, struct error *error)
{
    if (page_layer)
        return error_set(error, EBUSY, "page arena: there is one already");
    if (config->nr_nodes == 0 || config->nr_nodes > PAGE_MAX_NODES)
        return error_set(error, EINVAL, "page arena: %u nodes; it can have 1 to %d",
                         config->nr_nodes, PAGE_MAX_NODES);
    if (config->nr_cpus == 0)
        return error_set(error, EINVAL, "page arena: no CPU; it needs one at least");
    for (unsigned cpu = 0; cpu < config->nr_cpus; cpu++)
        if (config->cpu_node[cpu] >= config->nr_nodes)
            return error_set(error, EINVAL, "page arena: CPU %u is on node %u; nodes are 0 to %u",
                             cpu, config->cpu_node[cpu], config->nr_nodes - 1);
    return 0;
}

/* Addresses for one node's blocks. */
static size_t config_node_bytes(const struct page_config *config)
{
    size_t share = DEFAULT_ARENA_BYTES / config->nr_nodes & ~(PAGE_BLOCK_BYTES - 1);

    return config->node_bytes ? block_round(config->node_bytes) : share;
}

/* ---- building ---- */

/* Orders all nodes by their distance from `node`; equals keep the order of their numbers. */
static void order_nodes(uint8_t *nearest, const struct page_config *config, unsigned node)
{
    const unsigned *distance =
        config->distance ? config->distance + (size_t)node * config->nr_nodes : NULL;
    unsigned count = 0;

    nearest[count++] = (uint8_t)node;
    for (unsigned other = 0; other < config->nr_nodes; other++) {
        unsigned at = count;

        if (other == node)
            continue;
        while (distance && at > 1 && distance[nearest[at - 1]] > distance[other]) {
            nearest[at] = nearest[at - 1];
            at--;
        }
        nearest[at] = (uint8_t)other;
        count++;
    }
}

static struct page *node_first_page(unsigned node)
{
    return page_map + (size_t)node * 2 * (page_layer->node_bytes >> PAGE_SHIFT);
}

static void layer_init(struct page_layer *layer, const struct page_config *config)
{
    size_t pages = layer->node_bytes >> PAGE_SHIFT;

    machine_memory_is(layer, sizeof *layer + config->nr_cpus * sizeof layer->cpus[0],
                      MEMORY_PAGE_LAYER);
    layer->nr_nodes = config->nr_nodes;
    layer->nr_cpus = config->nr_cpus;
    layer->account.limit_bytes = config->limit_bytes ? config->limit_bytes : SIZE_MAX;
    lock_init(&layer->vmem_lock, LOCK_CLASS_VMEM, LOCK_RANK_VMEM, NULL);
    lock_init(&layer->boot_lock, LOCK_CLASS_BOOT, LOCK_RANK_BOOT, NULL);
    for (unsigned node = 0; node < config->nr_nodes; node++) {
        struct page *first = node_first_page(node);

        layer->os_node[node] = config->os_node ? config->os_node[node] : -1;
        order_nodes(layer->nearest[node], config, node);
        page_zone_init(&layer->zones[node], first, pages);
        page_ranges_init(&layer->ranges[node], first + pages, pages);
        CDS_INIT_LIST_HEAD(&layer->boot_pools[node].pages);
    }
    for (unsigned cpu = 0; cpu < config->nr_cpus; cpu++) {
        CDS_INIT_LIST_HEAD(&layer->cpus[cpu].pages);
        layer->cpus[cpu].node = config->cpu_node[cpu];
    }
}

/* Memory behind pages and their records. */
static int populate(struct page *first, size_t pages, unsigned node)
{
    int rc = 0;

    if (page_arena_room(page_layer->os_node[node]) < (pages << PAGE_SHIFT) + pages * sizeof *first)
        return -ENOMEM;
    if (!page_layer->lazy)
        rc = page_arena_populate((uintptr_t)page_address(first), pages << PAGE_SHIFT);
    if (!rc)
        rc = page_arena_populate((uintptr_t)first, pages * sizeof *first);
    for (size_t i = 0; !rc && i < pages; i++)
        first[i].node = (uint16_t)node;
    return rc;
}

bool page_populate(struct page *first, size_t pages, unsigned node)
{
    return populate(first, pages, node) == 0;
}

/*
 * A node's share of `bytes`. Nodes are not all of one size, so a share that is too large for one is
 * cut: blocks and ranges each take no more than a quarter of what it has free. The rest of its
 * memory comes late, or its CPUs go on to the next node.
 */
static size_t populate_share(const struct page_config *config, unsigned node, size_t bytes)
{
    size_t share = block_round(bytes / config->nr_nodes);
    size_t most = page_arena_room(page_layer->os_node[node]) / 4 & ~(PAGE_BLOCK_BYTES - 1);

    return share < most ? share : most;
}

/* As much of `bytes`, whole blocks, as the part has room for. */
static int populate_part(struct page *first, struct page *end, struct page **populated,
                         size_t bytes, unsigned node, struct error *error)
{
    size_t pages = bytes >> PAGE_SHIFT;
    int rc;

    if (pages > (size_t)(end - first))
        pages = (size_t)(end - first);
    if (pages == 0)
        return 0;
    rc = populate(first, pages, node);
    if (rc)
        return error_set(error, ENOMEM,
                         "page arena: cannot populate %zu MiB on node %u: %s; ask for less",
                         pages >> (20 - PAGE_SHIFT), node, strerror(-rc));
    *populated = first + pages;
    return 0;
}

static int populate_nodes(struct page_layer *layer, const struct page_config *config,
                          struct error *error)
{
    int rc = 0;

    for (unsigned node = 0; !rc && node < config->nr_nodes; node++) {
        struct page_zone *zone = &layer->zones[node];
        struct page_ranges *ranges = &layer->ranges[node];
        size_t block_bytes = populate_share(config, node, config->populate_bytes);
        size_t range_bytes = populate_share(config, node, config->populate_range_bytes);

        rc = populate_part(zone->first, zone->end, &zone->populated, block_bytes, node, error);
        if (!rc)
            rc = populate_part(ranges->first, ranges->end, &ranges->populated, range_bytes, node,
                               error);
    }
    return rc;
}

/* ---- placement ---- */

/*
 * Binds each node's pages and records. A system that refuses is not argued with: the sample check
 * tells whether the memory came to lie right all the same.
 */
static void bind_nodes(const struct page_config *config)
{
    size_t pages = 2 * (page_layer->node_bytes >> PAGE_SHIFT);

    for (unsigned node = 0; config->os_node && node < config->nr_nodes; node++) {
        struct page *first = node_first_page(node);

        (void)page_arena_bind((uintptr_t)page_address(first), pages << PAGE_SHIFT,
                              config->os_node[node]);
        (void)page_arena_bind((uintptr_t)first, pages * sizeof *first, config->os_node[node]);
    }
}

/* -EIO: a page lies elsewhere. *asked tells whether the system could say where any lies. */
static int check_part(const struct page *first, const struct page *populated, unsigned node,
                      int os_node, bool *asked, struct error *error)
{
    size_t pages = (size_t)(populated - first);
    size_t step = pages / PLACEMENT_SAMPLES ? pages / PLACEMENT_SAMPLES : 1;

    for (size_t i = 0; i < pages; i += step) {
        void *address = page_address(first + i);
        int there = page_arena_node_at((uintptr_t)address);

        if (there < 0)
            return 0;
        *asked = true;
        if (there != os_node)
            return error_set(error, EIO,
                             "page arena: memory of node %u should lie on the system's node %d, "
                             "but the page at %p lies on node %d",
                             node, os_node, address, there);
    }
    return 0;
}

static int check_placement(struct page_layer *layer, const struct page_config *config,
                           struct error *error)
{
    int rc = 0;

    for (unsigned node = 0; config->os_node && !rc && node < config->nr_nodes; node++) {
        struct page_zone *zone = &layer->zones[node];
        struct page_ranges *ranges = &layer->ranges[node];

        rc = check_part(zone->first, zone->populated, node, config->os_node[node],
                        &layer->placement_checked, error);
        if (!rc)
            rc = check_part(ranges->first, ranges->populated, node, config->os_node[node],
                            &layer->placement_checked, error);
    }
    return rc;
}

/* ---- the whole ---- */

static size_t map_bytes(const struct page_config *config, size_t arena_bytes)
{
    size_t bytes = (arena_bytes >> PAGE_SHIFT) * sizeof(struct page) + sizeof(struct page_layer) +
                   config->nr_cpus * sizeof(struct page_cpu);

    return (bytes + PAGE_MASK) & ~PAGE_MASK;
}

void page_extents(const struct page_config *config, struct page_extent *pages,
                  struct page_extent *records)
{
    size_t node_bytes = 2 * config_node_bytes(config);

    *pages = (struct page_extent){PAGE_ARENA_BASE, node_bytes * config->nr_nodes, node_bytes};
    *records = (struct page_extent){PAGE_MAP_BASE, map_bytes(config, pages->bytes),
                                    (node_bytes >> PAGE_SHIFT) * sizeof(struct page)};
}

int page_init(const struct page_config *config, struct error *error)
{
    size_t node_bytes, arena_bytes, record_bytes;
    struct page_arena arena;
    int rc = config_check(config, error);

    if (rc)
        return rc;
    node_bytes = config_node_bytes(config);
    arena_bytes = node_bytes * 2 * config->nr_nodes;
    record_bytes = (arena_bytes >> PAGE_SHIFT) * sizeof(struct page);
    rc = page_arena_reserve(&arena, arena_bytes, map_bytes(config, arena_bytes), config->huge,
                            error);
    if (rc)
        return rc;
    page_arena_base = arena.base;
    page_map = (struct page *)arena.map;
    page_layer = (struct page_layer *)(arena.map + record_bytes);
    page_layer->arena = arena;
    page_layer->node_bytes = node_bytes;
    page_layer->lazy = config->lazy;
    layer_init(page_layer, config);
    bind_nodes(config);
    rc = populate_nodes(page_layer, config, error);
    if (!rc)
        rc = check_placement(page_layer, config, error);
    if (rc) {
        page_exit();
        return rc;
    }
    return 0;
}

void page_exit(void)
{
    struct page_arena arena;

    if (!page_layer)
        return;
    for (unsigned node = 0; node < page_layer->nr_nodes; node++)
        lock_cleanup(&page_layer->zones[node].lock);
    lock_cleanup(&page_layer->vmem_lock);
    lock_cleanup(&page_layer->boot_lock);
    arena = page_layer->arena;
    page_layer = NULL;
    page_map = NULL;
    page_arena_base = 0;
    page_arena_release(&arena);
}

/* ---- statistics ---- */

size_t page_huge_bytes(void)
{
    return page_layer->arena.huge ? page_arena_huge_bytes(&page_layer->arena) : 0;
}

void page_get_statistics(struct page_statistics *statistics)
{
    const struct page_layer *layer = page_layer;
    const struct page_account *account = &layer->account;

    *statistics = (struct page_statistics){
        .held_bytes = atomic_load_explicit(&account->held_bytes, memory_order_relaxed),
        .peak_bytes = atomic_load_explicit(&account->peak_bytes, memory_order_relaxed),
        .boot_bytes = atomic_load_explicit(&layer->boot_bytes, memory_order_relaxed),
        .limit_failures = atomic_load_explicit(&account->limit_failures, memory_order_relaxed),
        .arena_failures = atomic_load_explicit(&account->arena_failures, memory_order_relaxed),
        .fixed_address = layer->arena.fixed_address,
        .placement_checked = layer->placement_checked,
    };
    for (unsigned node = 0; node < layer->nr_nodes; node++) {
        const struct page_zone *zone = &layer->zones[node];
        const struct page_ranges *ranges = &layer->ranges[node];

        statistics->held_by_node[node] = (zone->out_pages + ranges->held_pages) << PAGE_SHIFT;
        statistics->late_bytes += zone->late_bytes + ranges->late_bytes;
        for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++)
            statistics->free_blocks[order] += zone->free_blocks[order];
    }
    for (unsigned cpu = 0; cpu < layer->nr_cpus; cpu++) {
        size_t listed = (size_t)layer->cpus[cpu].count << PAGE_SHIFT;

        statistics->listed_bytes += listed;
        statistics->held_by_node[layer->cpus[cpu].node] -= listed;
    }
}

void page_reset_peak(void)
{
    struct page_account *account = &page_layer->account;
    size_t held = atomic_load_explicit(&account->held_bytes, memory_order_relaxed);

    atomic_store_explicit(&account->peak_bytes, held, memory_order_relaxed);
}
