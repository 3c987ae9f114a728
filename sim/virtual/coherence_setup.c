/* SPDX-License-Identifier: MIT */
/*
 * The model of caches is made, told who owns what, read, and emptied. Its directory, filters and
 * sets of holders are reserved addresses (as much as the regions could need, if all of them were
 * touched); memory is what the system gives for those that are.
 */
#include "sim/virtual/coherence_internal.h"

#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* ---- what may be asked for ---- */

static int check_regions(const struct coherence_config *config, struct error *error)
{
    size_t lines = 0;

    if (config->nr_regions == 0 || config->nr_regions > COHERENCE_REGIONS)
        return error_set(error, EINVAL, "caches: %u regions; there can be 1 to %d",
                         config->nr_regions, COHERENCE_REGIONS);
    for (unsigned i = 0; i < config->nr_regions; i++) {
        const struct coherence_region *region = &config->regions[i];

        if (region->base % COHERENCE_LINE || region->bytes == 0 || region->home_bytes == 0 ||
            region->bytes > UINTPTR_MAX - region->base)
            return error_set(error, EINVAL,
                             "caches: region %u has %zu bytes at %#zx, %zu a node; it must begin "
                             "at a multiple of %d, have bytes, and some of them on each node",
                             i, region->bytes, (size_t)region->base, region->home_bytes,
                             COHERENCE_LINE);
        for (unsigned j = 0; j < i; j++) {
            const struct coherence_region *other = &config->regions[j];

            if (region->base < other->base + other->bytes &&
                other->base < region->base + region->bytes)
                return error_set(error, EINVAL, "caches: regions %u and %u overlap", j, i);
        }
        lines += (region->bytes - 1) / COHERENCE_LINE + 1;
        if (lines >= UINT32_MAX)
            return error_set(error, EINVAL,
                             "caches: regions 0 to %u have 2^32 lines of %d bytes or more; they "
                             "must have fewer: take less memory",
                             i, COHERENCE_LINE);
    }
    return 0;
}

static int check_cache(const char *name, const struct cost_cache *cache, struct error *error)
{
    if (cache->bytes && (cache->ways == 0 || cache->bytes / COHERENCE_LINE < cache->ways))
        return error_set(error, EINVAL,
                         "caches: %s has %u bytes in %u ways; there must be 1 way at least, and "
                         "%d bytes for each",
                         name, cache->bytes, cache->ways, COHERENCE_LINE);
    return 0;
}

static int check_distances(const struct coherence_config *config, struct error *error)
{
    for (size_t i = 0; i < config->nr_cpus; i++) {
        if (config->cpu_node[i] >= config->nr_nodes || config->cpu_llc[i] >= config->nr_llcs)
            return error_set(error, EINVAL,
                             "caches: CPU %zu is on node %u at last-level cache %u; there are %u "
                             "and %u of them",
                             i, config->cpu_node[i], config->cpu_llc[i], config->nr_nodes,
                             config->nr_llcs);
        for (size_t j = 0; j < config->nr_cpus; j++) {
            unsigned distance = config->cpu_distances[i * config->nr_cpus + j];

            if (distance >= DISTANCES || (distance == DISTANCE_SELF) != (i == j))
                return error_set(error, EINVAL,
                                 "caches: distance %u from CPU %zu to CPU %zu; it must be 0 to "
                                 "itself, and 1 to %d to others",
                                 distance, i, j, DISTANCES - 1);
        }
    }
    for (size_t i = 0; i < (size_t)config->nr_nodes * config->nr_nodes; i++) {
        unsigned distance = config->node_distances[i];

        if (distance < DISTANCE_NODE || distance >= DISTANCES)
            return error_set(
                error, EINVAL, "caches: distance %u from node %zu to node %zu; it must be %d to %d",
                distance, i / config->nr_nodes, i % config->nr_nodes, DISTANCE_NODE, DISTANCES - 1);
    }
    return 0;
}

static int check_config(const struct coherence_config *config, struct error *error)
{
    int rc;

    if (config->nr_cpus == 0 || config->nr_cpus > COHERENCE_MAX_CPUS || config->nr_nodes == 0 ||
        config->nr_llcs == 0)
        return error_set(error, EINVAL,
                         "caches: %u CPUs, %u nodes, %u last-level caches; there can be 1 to %d "
                         "CPUs, and must be 1 of the others",
                         config->nr_cpus, config->nr_nodes, config->nr_llcs, COHERENCE_MAX_CPUS);
    rc = check_regions(config, error);
    if (rc == 0)
        rc = check_cache("L1", &config->costs->l1, error);
    if (rc == 0)
        rc = check_cache("L2", &config->costs->l2, error);
    if (rc == 0)
        rc = check_cache("the last-level cache", &config->costs->llc, error);
    if (rc == 0 && config->costs->prefetch_streams > COST_STREAMS_MAX)
        rc = error_set(error, EINVAL, "caches: a prefetcher of %u streams; there can be %d",
                       config->costs->prefetch_streams, COST_STREAMS_MAX);
    return rc ? rc : check_distances(config, error);
}

/* ---- filters ---- */

/* One of `shares` equal parts of a cache. */
static struct cache_filter filter_of(const struct cost_cache *cache, unsigned shares)
{
    struct cache_filter filter = {.sets = 0, .ways = 1};

    if (cache->bytes == 0)
        return filter;
    filter.ways = cache->ways;
    /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): a core has its own thread at least */
    filter.sets = cache->bytes / COHERENCE_LINE / cache->ways / shares;
    if (filter.sets == 0)
        filter.sets = 1;
    return filter;
}

/* Its tags begin at `at`; where the next one's do. */
static size_t filter_place(struct cache_filter *filter, uint32_t *tags, size_t at)
{
    size_t count = (size_t)(filter->sets ? filter->sets : 1) * filter->ways;

    if (tags)
        filter->tags = tags + at;
    return at + (count + 15) / 16 * 16; /* a line of the host's */
}

/* Threads of this CPU's core that the model has. */
static unsigned threads_of_core(const struct coherence_config *config, unsigned cpu)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->nr_cpus; i++)
        count += config->cpu_distances[(size_t)cpu * config->nr_cpus + i] <= DISTANCE_CORE;
    return count;
}

/* All filters' tags, from `tags` on (NULL: only to count them): how many. */
static size_t filters_place(struct coherence *coherence, unsigned nr_llcs, uint32_t *tags)
{
    size_t at = 0;

    for (unsigned i = 0; i < coherence->nr_cpus; i++) {
        at = filter_place(&coherence->cpus[i].l1, tags, at);
        at = filter_place(&coherence->cpus[i].l2, tags, at);
    }
    for (unsigned i = 0; i < nr_llcs; i++)
        at = filter_place(&coherence->llcs[i], tags, at);
    return at;
}

/* ---- creation ---- */

static void *reserve(size_t bytes)
{
    void *got = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (got == MAP_FAILED)
        return NULL;
    /* Where there are huge pages: a miss here looks into several of these in any order. */
    (void)madvise(got, bytes, MADV_HUGEPAGE);
    return got;
}

static size_t blocks_bytes(const struct coherence *coherence)
{
    return coherence->nr_lines * (coherence->words + 1) * sizeof *coherence->blocks;
}

static size_t used_bytes(const struct coherence *coherence)
{
    return coherence->nr_lines / COHERENCE_CHUNK + 1;
}

static void set_regions(struct coherence *coherence, const struct coherence_config *config)
{
    for (unsigned i = 0; i < config->nr_regions; i++) {
        const struct coherence_region *region = &config->regions[i];

        coherence->regions[i] = (struct coherence_mapped){
            .base = region->base,
            .bytes = region->bytes,
            .origin = region->base - coherence->nr_lines * COHERENCE_LINE,
            .home_bytes = region->home_bytes,
            .unheld = region->guarded ? COHERENCE_HELD : 0,
            .label = region->label,
        };
        coherence->nr_lines += (region->bytes - 1) / COHERENCE_LINE + 1;
    }
}

static void set_cpus(struct coherence *coherence, const struct coherence_config *config)
{
    for (unsigned i = 0; i < config->nr_cpus; i++) {
        unsigned threads = threads_of_core(config, i);

        coherence->cpus[i].node = config->cpu_node[i];
        coherence->cpus[i].llc = config->cpu_llc[i];
        coherence->cpus[i].l1 = filter_of(&config->costs->l1, threads);
        coherence->cpus[i].l2 = filter_of(&config->costs->l2, threads);
        for (unsigned j = 0; j < config->nr_cpus; j++) {
            size_t distance = config->cpu_distances[(size_t)i * config->nr_cpus + j];
            uint64_t *set = coherence->at_distance + (i * DISTANCES + distance) * coherence->words;

            set[j / 64] |= (uint64_t)1 << j % 64;
        }
    }
    for (unsigned i = 0; i < config->nr_llcs; i++)
        coherence->llcs[i] = filter_of(&config->costs->llc, 1);
}

/* What creation takes of the heap, and of addresses; false when there is too little. */
static bool take_memory(struct coherence *coherence, const struct coherence_config *config)
{
    size_t cpus = config->nr_cpus, nodes = config->nr_nodes;

    coherence->cpus = calloc(cpus, sizeof *coherence->cpus);
    coherence->llcs = calloc(config->nr_llcs, sizeof *coherence->llcs);
    coherence->cpu_distances = malloc(cpus * cpus);
    coherence->node_distances = malloc(nodes * nodes);
    coherence->at_distance =
        calloc(cpus * DISTANCES * coherence->words, sizeof *coherence->at_distance);
    if (!coherence->cpus || !coherence->llcs || !coherence->cpu_distances ||
        !coherence->node_distances || !coherence->at_distance)
        return false;
    memcpy(coherence->cpu_distances, config->cpu_distances, cpus * cpus);
    memcpy(coherence->node_distances, config->node_distances, nodes * nodes);
    set_cpus(coherence, config);
    coherence->tags_bytes = filters_place(coherence, config->nr_llcs, NULL) * sizeof(uint32_t);
    coherence->tags = reserve(coherence->tags_bytes);
    coherence->lines = reserve(coherence->nr_lines * sizeof *coherence->lines);
    coherence->blocks = reserve(blocks_bytes(coherence));
    coherence->used = reserve(used_bytes(coherence));
    if (!coherence->tags || !coherence->lines || !coherence->blocks || !coherence->used)
        return false;
    filters_place(coherence, config->nr_llcs, coherence->tags);
    return true;
}

int coherence_create(const struct coherence_config *config, struct coherence **result,
                     struct error *error)
{
    struct coherence *coherence;
    int rc = check_config(config, error);

    if (rc)
        return rc;
    coherence = calloc(1, sizeof *coherence);
    if (!coherence)
        return error_set(error, ENOMEM, "caches: out of memory");
    coherence->costs = config->costs;
    coherence->nr_cpus = config->nr_cpus;
    coherence->nr_nodes = config->nr_nodes;
    coherence->words = (config->nr_cpus + 63) / 64;
    coherence->violation = config->violation;
    coherence->context = config->context;
    for (unsigned op = 0; op < COST_OPS; op++)
        coherence->l1_cycles[op] =
            config->costs->l1_cycles + (op == COST_ATOMIC ? config->costs->atomic_cycles : 0);
    set_regions(coherence, config);
    if (!take_memory(coherence, config)) {
        rc = error_set(error, ENOMEM,
                       "caches: cannot reserve addresses for the directory of %zu lines of %d "
                       "bytes and the caches of %u CPUs; they cost no memory, but `ulimit -v` and "
                       "vm.overcommit_memory=2 count them (set unlimited, and 0 or 1)",
                       coherence->nr_lines, COHERENCE_LINE, config->nr_cpus);
        coherence_destroy(coherence);
        return rc;
    }
    *result = coherence;
    return 0;
}

static void release(void *mapping, size_t bytes)
{
    if (mapping)
        munmap(mapping, bytes);
}

void coherence_destroy(struct coherence *coherence)
{
    if (!coherence)
        return;
    release(coherence->used, used_bytes(coherence));
    release(coherence->blocks, blocks_bytes(coherence));
    release(coherence->lines, coherence->nr_lines * sizeof *coherence->lines);
    release(coherence->tags, coherence->tags_bytes);
    free(coherence->at_distance);
    free(coherence->node_distances);
    free(coherence->cpu_distances);
    free(coherence->llcs);
    free(coherence->cpus);
    free(coherence);
}

/* ---- who owns what ---- */

/* The lines that [address, address + bytes) touches of the region it begins in; how many. */
static size_t lines_of(struct coherence *coherence, uintptr_t address, size_t bytes,
                       struct coherence_line **first)
{
    const struct coherence_mapped *region = coherence_mapped_at(coherence, address);
    size_t rest = region->bytes - (address - region->base);

    if (address - region->base >= region->bytes || bytes == 0)
        return 0;
    *first = &coherence->lines[(address - region->origin) / COHERENCE_LINE];
    return (address % COHERENCE_LINE + (bytes < rest ? bytes : rest) - 1) / COHERENCE_LINE + 1;
}

/* A line that is guarded otherwise now, and what its holders know of it. */
static void guard_line(struct coherence *coherence, struct coherence_line *line, uintptr_t address,
                       unsigned guard)
{
    uint16_t cpus[COHERENCE_MAX_CPUS];
    unsigned count;

    line->guard = (uint16_t)guard;
    if (line->nr_holders == 0)
        return;
    if (line->nr_holders == 1) {
        known_forget(coherence, holders_owner(coherence, line), address / COHERENCE_LINE);
        return;
    }
    count = holders_list(coherence, line, cpus);
    while (count)
        known_forget(coherence, cpus[--count], address / COHERENCE_LINE);
}

void coherence_page(struct coherence *coherence, uintptr_t address, size_t bytes, bool held)
{
    const unsigned kept = COHERENCE_ARRIVED | COHERENCE_POOLED;
    struct coherence_line *line;

    for (size_t count = lines_of(coherence, address, bytes, &line); count; count--, line++) {
        guard_line(coherence, line, address, (line->guard & kept) | (held ? COHERENCE_HELD : 0));
        address += COHERENCE_LINE;
    }
}

void coherence_guard(struct coherence *coherence, uintptr_t address, size_t bytes, bool users)
{
    uintptr_t begin = (address + 7) / 8, end = (address + bytes) / 8; /* granules */
    struct coherence_line *line;
    size_t count;

    if (begin >= end)
        return;
    count = lines_of(coherence, begin * 8, (end - begin) * 8, &line);
    for (; count; count--, line++, begin = (begin / 8 + 1) * 8) {
        size_t first = begin % 8, in_line = end - begin < 8 - first ? end - begin : 8 - first;
        unsigned granules = ((1u << in_line) - 1) << first;

        guard_line(coherence, line, begin * 8,
                   users ? line->guard | granules : line->guard & ~granules);
    }
}

void coherence_label(struct coherence *coherence, uintptr_t address, size_t bytes, unsigned label)
{
    const unsigned others = (1u << COHERENCE_LABEL_SHIFT) - 1;
    struct coherence_line *line;

    for (size_t count = lines_of(coherence, address, bytes, &line); count; count--, line++)
        line->guard = (uint16_t)((line->guard & others) | label << COHERENCE_LABEL_SHIFT);
}

/* ---- what was counted ---- */

const struct coherence_counts *coherence_counts(const struct coherence *coherence, unsigned cpu)
{
    return &coherence->cpus[cpu].counts;
}

void coherence_counts_reset(struct coherence *coherence)
{
    for (unsigned i = 0; i < coherence->nr_cpus; i++)
        coherence->cpus[i].counts = (struct coherence_counts){0};
}

/* ---- all caches empty ---- */

static void flush_chunk(struct coherence *coherence, size_t chunk)
{
    size_t begin = chunk * COHERENCE_CHUNK, end = begin + COHERENCE_CHUNK;

    for (size_t i = begin; i < end && i < coherence->nr_lines; i++) {
        struct coherence_line *line = &coherence->lines[i];

        holders_clear(coherence, line);
        *line = (struct coherence_line){
            .guard = line->guard & (uint16_t)~COHERENCE_ARRIVED,
        };
    }
    coherence->used[chunk] = 0;
}

void coherence_flush(struct coherence *coherence)
{
    for (size_t chunk = 0; chunk < used_bytes(coherence); chunk++) {
        if (coherence->used[chunk])
            flush_chunk(coherence, chunk);
    }
    for (unsigned i = 0; i < coherence->nr_cpus; i++) {
        memset(coherence->cpus[i].known, 0, sizeof coherence->cpus[i].known);
        memset(coherence->cpus[i].streams, 0, sizeof coherence->cpus[i].streams);
    }
    /* Given back to the system, which gives zeroes; refused of memory that is locked. */
    if (madvise(coherence->tags, coherence->tags_bytes, MADV_DONTNEED))
        memset(coherence->tags, 0, coherence->tags_bytes);
}
