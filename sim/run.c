/* SPDX-License-Identifier: MIT */
/* One run, from nothing to nothing. */
#include "sim/run.h"

#include "allocators/allocator.h"
#include "sim/driver.h"
#include "sim/error.h"
#include "sim/page.h"
#include "sim/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Memory to touch before the clock starts: twice what lives at the peak, each object rounded up to
 * a power of two, and room for what every CPU and cache keeps; and as much of ranges. What a design
 * needs beyond that is populated while it runs, and counted.
 */
#define POPULATE_FACTOR  2
#define POPULATE_SLACK   ((size_t)8 << 20)
#define POPULATE_MAXIMUM ((size_t)4 << 30)

/* Addresses cost next to nothing. */
#define RESERVE_FACTOR 64
#define RESERVE_LEAST  2 /* even if the arena then lies anywhere */
#define RESERVE_SLACK  ((size_t)1 << 30)

/* Which CPU and node each worker stands for. */
struct placement {
    unsigned *cpus;      /* [threads] logical CPU of the topology */
    unsigned *nodes;     /* [threads] */
    int *os_nodes;       /* [nr_nodes] */
    unsigned *distances; /* [nr_nodes * nr_nodes] */
};

static void placement_cleanup(struct placement *placement)
{
    free(placement->cpus);
    free(placement->nodes);
    free(placement->os_nodes);
    free(placement->distances);
}

static int placement_make(const struct topology *topology, const struct run_config *config,
                          struct placement *placement, struct error *error)
{
    unsigned nodes = topology_nr_nodes(topology);
    int code;

    *placement = (struct placement){.cpus = calloc(config->threads, sizeof(unsigned)),
                                    .nodes = calloc(config->threads, sizeof(unsigned)),
                                    .os_nodes = calloc(nodes, sizeof(int)),
                                    .distances = calloc(nodes * nodes, sizeof(unsigned))};
    if (!placement->cpus || !placement->nodes || !placement->os_nodes || !placement->distances)
        return error_set(error, ENOMEM, "no memory to place %u threads", config->threads);
    code = topology_place(topology, config->binding, config->threads, config->oversubscribe,
                          placement->cpus, error);
    if (code)
        return code;
    for (unsigned i = 0; i < config->threads; i++)
        placement->nodes[i] = topology_cpu(topology, placement->cpus[i])->node;
    for (unsigned i = 0; i < nodes; i++)
        placement->os_nodes[i] = (int)topology_node_os_index(topology, i);
    for (unsigned i = 0; i < nodes * nodes; i++)
        placement->distances[i] = topology_distance(topology, i / nodes, i % nodes);
    return 0;
}

/* Do two workers share a CPU? */
static bool placement_shared(const struct placement *placement, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (placement->cpus[i] == placement->cpus[j])
                return true;
        }
    }
    return false;
}

/* Half of the memory that is free now: the rest is for what runs beside. */
static uint64_t memory_at_hand(void)
{
    long pages = sysconf(_SC_AVPHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);

    return pages > 0 && bytes > 0 ? (uint64_t)pages * (uint64_t)bytes / 2 : UINT64_MAX;
}

/*
 * Addresses for each node's blocks, and again for its ranges: far more than any design should come
 * to need, but no more than lie between arena and page records, which else would come to lie
 * anywhere; and of a virtual machine no more than its model of caches can number (2^32 lines).
 */
#define VIRTUAL_ARENA_BYTES ((uint64_t)128 << 30)
#define FIXED_ARENA_BYTES   ((uint64_t)(PAGE_MAP_BASE - PAGE_ARENA_BASE))

static size_t node_addresses(const struct run_config *config, uint64_t wanted, unsigned nodes)
{
    uint64_t arena = config->virtual_machine ? VIRTUAL_ARENA_BYTES : FIXED_ARENA_BYTES;
    uint64_t block = (uint64_t)PAGE_SIZE << PAGE_MAX_ORDER;
    uint64_t most = arena / 2 / nodes / block * block;
    uint64_t bytes = wanted * RESERVE_FACTOR + RESERVE_SLACK;

    if (!config->virtual_machine && most < wanted * RESERVE_LEAST)
        most = wanted * RESERVE_LEAST;
    return bytes < most ? bytes : most;
}

static struct page_config arena_of(const struct topology *topology, const struct plan *plan,
                                   const struct run_config *config,
                                   const struct placement *placement,
                                   const struct allocator *design)
{
    uint64_t most = memory_at_hand() / 2; /* blocks and ranges each */
    uint64_t wanted = plan->peak_rounded_bytes * config->replay.replicas * POPULATE_FACTOR +
                      POPULATE_SLACK + (uint64_t)config->threads * plan->nr_caches * 4096;
    struct page_config pages = {
        .nr_nodes = topology_nr_nodes(topology),
        .nr_cpus = config->threads,
        .cpu_node = placement->nodes,
        .distance = placement->distances,
        .os_node = topology_is_this_system(topology) && !config->virtual_machine
                       ? placement->os_nodes
                       : NULL,
        .node_bytes = node_addresses(config, wanted, topology_nr_nodes(topology)),
        .limit_bytes = config->memory_limit,
        .huge = !config->small_pages && !config->virtual_machine,
        .lazy = config->virtual_machine,
    };

    if (design->external || design->harness) /* take next to nothing from the arena */
        return pages;
    most = most < POPULATE_MAXIMUM ? most : POPULATE_MAXIMUM;
    pages.populate_bytes = wanted < most ? wanted : most;
    /* How a design divides its memory between blocks and ranges is its own affair. */
    pages.populate_range_bytes = pages.populate_bytes;
    return pages;
}

static int machine_set_up(const struct topology *topology, const struct run_config *config,
                          const struct placement *placement, const struct page_config *pages,
                          struct error *error)
{
    struct page_extent arena, records;
    struct machine_config machine = {
        .nr_cpus = config->threads,
        .nr_nodes = topology_nr_nodes(topology),
        .cpu_node = placement->nodes,
        .topology =
            config->binding->policy == BINDING_NONE && !config->virtual_machine ? NULL : topology,
        .place = placement->cpus,
        .trace_timers = config->trace_timers,
        .virtual_machine = config->virtual_machine,
    };

    page_extents(pages, &arena, &records);
    machine.regions[machine.nr_regions++] =
        (struct coherence_region){arena.base, arena.bytes, arena.node_bytes, .guarded = true};
    machine.regions[machine.nr_regions++] = (struct coherence_region){
        records.base, records.bytes, records.node_bytes, false, MEMORY_PAGE_RECORD};
    lock_set_default_kind(config->lock);
    return machine_start(&machine, error);
}

/* Value of a set tunable, as text; long ones (only strings are) compare by their beginning. */
struct set_value {
    char text[64];
};

/*
 * The size comes last, since what it does (switching resizing off) depends on the settings, but it
 * may not undo one: then the run would not be what one of the two said.
 */
static int magazine_size_apply(const struct run_config *config, struct allocator_instance *instance,
                               struct error *error)
{
    struct set_value *before = calloc(config->nr_settings + 1, sizeof *before);
    int code;

    if (!before)
        return error_set(error, ENOMEM, "no memory for settings");
    for (size_t i = 0; i < config->nr_settings; i++)
        allocator_get(instance, config->settings[i].key, before[i].text, sizeof before[i].text);
    code = allocator_set_magazine_size(instance, config->magazine_size, error);
    for (size_t i = 0; code == 0 && i < config->nr_settings; i++) {
        const char *key = config->settings[i].key;
        struct set_value now = {""};

        allocator_get(instance, key, now.text, sizeof now.text);
        if (strcmp(before[i].text, now.text) != 0)
            code = error_set(error, EINVAL,
                             "%s: a magazine size of %llu makes %s %s, but it was set to %s: ask "
                             "for one of the two",
                             config->allocator, (unsigned long long)config->magazine_size, key,
                             now.text, before[i].text);
    }
    free(before);
    return code;
}

int run_allocator_create(const struct run_config *config, struct allocator_instance **result,
                         struct error *error)
{
    struct allocator_instance *instance;
    int code = allocator_create(config->allocator, &instance, error);

    if (code)
        return code;
    for (size_t i = 0; code == 0 && i < config->nr_settings; i++)
        code = allocator_set(instance, config->settings[i].key, config->settings[i].value, error);
    if (code == 0 && config->magazine_size)
        code = magazine_size_apply(config, instance, error);
    if (code)
        allocator_destroy(instance);
    else
        *result = instance;
    return code;
}

static int report_tunables(const struct allocator_instance *instance, struct run_report *report)
{
    const struct tunable *tunable = allocator_design(instance)->tunables;
    size_t count = 0;

    while (tunable && tunable[count].key)
        count++;
    report->tunables = calloc(count ? count : 1, sizeof *report->tunables);
    if (!report->tunables)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        report->tunables[i].key = tunable[i].key;
        allocator_get(instance, tunable[i].key, report->tunables[i].value,
                      sizeof report->tunables[i].value);
    }
    report->nr_tunables = count;
    return 0;
}

/* A design that fails for want of memory cannot know whose doing that is. */
static void mention_limit(const struct run_config *config, struct error *error)
{
    struct page_statistics pages;

    page_get_statistics(&pages);
    if (pages.limit_failures)
        error_prefix(error, 0, "--memory-limit of %llu bytes",
                     (unsigned long long)config->memory_limit);
}

/* With machine and arena there: start, replay, stop. */
static int design_run(const struct plan *plan, struct allocator_instance *instance,
                      const struct run_config *config, struct run_report *report,
                      struct error *error)
{
    int code = allocator_start(instance, error);

    if (code)
        return code;
    code = replay_run(plan, instance, &config->replay, &report->replay, error);
    if (code)
        return code;
    report->huge_bytes = page_huge_bytes();
    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS; level++)
        allocator_reclaim(instance, level);
    grace_barrier();
    page_get_statistics(&report->reclaimed);
    return allocator_stop(instance, error);
}

int run_execute(const struct plan *plan, const struct topology *topology,
                const struct run_config *config, struct run_report *report, struct error *error)
{
    struct allocator_instance *instance;
    struct placement placement;
    struct page_config pages;
    int code;

    *report = (struct run_report){.nr_nodes = topology_nr_nodes(topology)};
    code = run_allocator_create(config, &instance, error);
    if (code)
        return code;
    report->external = allocator_design(instance)->external;
    report->harness = allocator_design(instance)->harness;
    code = report_tunables(instance, report);
    if (code)
        goto out_allocator;
    code = placement_make(topology, config, &placement, error);
    if (code)
        goto out_placement;
    report->oversubscribed = placement_shared(&placement, config->threads);
    pages = arena_of(topology, plan, config, &placement, allocator_design(instance));
    code = machine_set_up(topology, config, &placement, &pages, error);
    if (code)
        goto out_placement;
    code = page_init(&pages, error);
    if (code)
        goto out_machine;
    code = design_run(plan, instance, config, report, error);
    if (code)
        mention_limit(config, error);
    report->bound = report->replay.machine.bound;
    allocator_destroy(instance);
    instance = NULL;
    page_exit();
out_machine:
    machine_stop();
out_placement:
    placement_cleanup(&placement);
out_allocator:
    allocator_destroy(instance);
    return code;
}

void run_report_cleanup(struct run_report *report)
{
    replay_result_cleanup(&report->replay);
    free(report->tunables);
    report->tunables = NULL;
}
