/* SPDX-License-Identifier: MIT */
/*
 * A kernel's mix of sizes over a long run. Each allocation is of a kind drawn by weight; weights
 * drift from one profile to the next and round again. Lifetimes have a heavy tail: most objects die
 * soon, a few live for most of the run, so that pages that were filled under one profile are still
 * held, partly, under the next. A share is freed by another CPU than allocated.
 *
 * The profiles are the samples: the kinds with at least 5 of 10,000 recorded allocations in one of
 * them. Caches: `slablab info --json traces/samples/X.slt`, allocs of each of .caches over .allocs.
 * Untyped sizes: recorded allocations of each size, counted over the events of the same files.
 */
#include "sim/error.h"
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum mixed_profile { MIXED_HACKBENCH, MIXED_FIND, MIXED_GCC, MIXED_PROFILES };

struct mixed_kind {
    const char *cache; /* NULL: untyped */
    uint32_t size;
    uint32_t weight[MIXED_PROFILES]; /* of 10,000 allocations */
};

/* hackbench, find, gcc */
static const struct mixed_kind mixed_kinds[] = {
    {"buffer_head", 104, {0, 693, 4504}},
    {"skbuff_head_cache", 224, {4067, 0, 14}},
    {"names_cache", 4096, {4, 1098, 2653}},
    {"vm_area_struct", 192, {716, 541, 423}},
    {"lsm_file_cache", 24, {8, 828, 556}},
    {"filp", 184, {8, 828, 556}},
    {"anon_vma_chain", 64, {552, 268, 190}},
    {"maple_node", 256, {84, 456, 425}},
    {"extent_status", 40, {0, 909, 11}},
    {"bio-184", 184, {0, 586, 8}},
    {"anon_vma", 96, {274, 146, 102}},
    {"dentry", 192, {4, 475, 13}},
    {"lsm_inode_cache", 32, {4, 474, 12}},
    {"ext4_inode_cache", 1120, {0, 455, 4}},
    {"radix_tree_node", 576, {0, 165, 72}},
    {"key_jar", 256, {0, 63, 1}},
    {"pid", 184, {8, 16, 15}},
    {"mm_struct", 1568, {4, 11, 7}},
    {"signal_cache", 1152, {8, 5, 7}},
    {"proc_inode_cache", 688, {0, 14, 3}},
    {"iommu_iova_magazine", 1024, {0, 17, 0}},
    {"files_cache", 704, {4, 5, 5}},
    {"sighand_cache", 2080, {4, 5, 5}},
    {"task_struct", 5840, {4, 5, 5}},
    {"inode_cache", 616, {0, 5, 3}},
    {"seq_file", 120, {0, 5, 1}},
    {"biovec-128", 2048, {0, 5, 0}},
    {NULL, 512, {4075, 0, 0}},
    {NULL, 96, {0, 455, 7}},
    {NULL, 4096, {8, 200, 212}},
    {NULL, 64, {0, 154, 11}},
    {NULL, 58, {0, 138, 0}},
    {NULL, 51, {0, 122, 0}},
    {NULL, 50, {0, 121, 0}},
    {NULL, 312, {7, 0, 94}},
    {NULL, 61, {0, 98, 0}},
    {NULL, 68, {0, 93, 0}},
    {NULL, 128, {93, 0, 0}},
    {NULL, 59, {0, 58, 0}},
    {NULL, 60, {0, 54, 0}},
    {NULL, 168, {31, 21, 0}},
    {NULL, 112, {0, 44, 4}},
    {NULL, 56, {4, 39, 4}},
    {NULL, 63, {0, 40, 0}},
    {NULL, 62, {0, 36, 0}},
    {NULL, 57, {0, 35, 0}},
    {NULL, 11, {4, 16, 11}},
    {NULL, 72, {8, 11, 6}},
    {NULL, 55, {0, 19, 0}},
    {NULL, 65, {0, 17, 0}},
    {NULL, 2048, {4, 5, 4}},
    {NULL, 66, {0, 12, 0}},
    {NULL, 67, {0, 11, 0}},
    {NULL, 28, {0, 5, 5}},
    {NULL, 53, {0, 10, 0}},
    {NULL, 74, {0, 10, 0}},
    {NULL, 408, {0, 5, 5}},
    {NULL, 504, {0, 5, 5}},
    {NULL, 69, {0, 8, 0}},
    {NULL, 71, {0, 8, 0}},
    {NULL, 176, {0, 5, 3}},
    {NULL, 640, {0, 5, 3}},
    {NULL, 728, {0, 5, 3}},
    {NULL, 54, {0, 7, 0}},
    {NULL, 70, {0, 7, 0}},
    {NULL, 52, {0, 5, 0}},
    {NULL, 73, {0, 5, 0}},
    {NULL, 144, {0, 5, 0}},
};

enum { MIXED_KINDS = sizeof mixed_kinds / sizeof *mixed_kinds };

enum mixed_caches { MIXED_RECORDED, MIXED_NAMED, MIXED_UNTYPED };
static const char *const mixed_cache_words[] = {"recorded", "named", "untyped", NULL};

struct mixed_options {
    struct gen_common common;
    uint64_t cache, drift, shortest, longest, remote;
};

struct mixed_cpu {
    struct gen_deaths deaths; /* times are in allocations of the CPU */
    uint64_t allocs;
    struct gen_deque sent; /* by other CPUs, to be freed here */
};

struct mixed {
    const struct mixed_options *options;
    uint32_t types[MIXED_KINDS];
    uint64_t upto[MIXED_KINDS]; /* sum of the weights to this kind, at this point of the drift */
    uint64_t allocs;            /* of all CPUs */
    struct mixed_cpu cpus[];
};

static const struct tunable mixed_parameters[] = {
    GEN_COMMON(struct mixed_options, 2, 1),
    TUNABLE_WORD("cache", struct mixed_options, cache, MIXED_RECORDED, mixed_cache_words,
                 "caches and kmallocs as recorded, a cache for every size, or kmallocs only"),
    TUNABLE_NUMBER("drift", struct mixed_options, drift, 100000, 0, 1000000000000,
                   "allocations from one profile to the next; 0: the first one stays"),
    TUNABLE_NUMBER("shortest", struct mixed_options, shortest, 8, 1, 1000000,
                   "shortest life, in allocations of the object's CPU"),
    TUNABLE_NUMBER("longest", struct mixed_options, longest, 200000, 1, 1000000000,
                   "longest life; between them half as many live four times as long"),
    TUNABLE_NUMBER("remote", struct mixed_options, remote, 10, 0, 100,
                   "% of the frees that another CPU makes"),
    {.key = NULL},
};

static void mixed_stop(void *load)
{
    struct mixed *mixed = load;

    for (uint64_t i = 0; mixed && i < mixed->options->common.cpus; i++) {
        gen_deaths_cleanup(&mixed->cpus[i].deaths);
        gen_deque_cleanup(&mixed->cpus[i].sent);
    }
    free(mixed);
}

static int mixed_add_types(struct generator *generator, struct mixed *mixed)
{
    for (size_t i = 0; i < MIXED_KINDS; i++) {
        const struct mixed_kind *kind = &mixed_kinds[i];
        const char *name = kind->cache;
        char size_name[32];
        int64_t type;

        snprintf(size_name, sizeof size_name, "size-%u", (unsigned)kind->size);
        if (mixed->options->cache == MIXED_NAMED && !name)
            name = size_name;
        type =
            gen_type(generator, mixed->options->cache == MIXED_UNTYPED ? NULL : name, kind->size);
        if (type < 0)
            return (int)type;
        mixed->types[i] = (uint32_t)type;
    }
    return 0;
}

static int mixed_start(struct generator *generator, const void *options, void **load,
                       struct error *error)
{
    const struct mixed_options *chosen = options;
    struct mixed *mixed = calloc(1, sizeof *mixed + chosen->common.cpus * sizeof mixed->cpus[0]);

    *load = mixed;
    if (!mixed)
        return -ENOMEM;
    mixed->options = chosen;
    if (chosen->shortest > chosen->longest)
        return error_set(error, EINVAL, "mixed: longest is %llu; it can be %llu to 1000000000",
                         (unsigned long long)chosen->longest, (unsigned long long)chosen->shortest);
    return mixed_add_types(generator, mixed);
}

/* ---- kinds ---- */

enum { MIXED_RENEW = 1024 }; /* allocations between two looks at the drift */

static void mixed_drift(struct mixed *mixed)
{
    uint64_t drift = mixed->options->drift, sum = 0;
    uint64_t profile = drift ? mixed->allocs / drift % MIXED_PROFILES : 0;
    uint64_t done = drift ? mixed->allocs % drift : 0, left = drift ? drift - done : 1;

    for (size_t i = 0; i < MIXED_KINDS; i++) {
        const uint32_t *weight = mixed_kinds[i].weight;

        sum += weight[profile] * left + weight[(profile + 1) % MIXED_PROFILES] * done;
        mixed->upto[i] = sum;
    }
}

static uint32_t mixed_draw(struct generator *generator, struct mixed *mixed)
{
    size_t low = 0, high = MIXED_KINDS - 1;
    uint64_t drawn;

    if (mixed->allocs++ % MIXED_RENEW == 0)
        mixed_drift(mixed);
    drawn = gen_below(generator, mixed->upto[MIXED_KINDS - 1]);
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (drawn < mixed->upto[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return mixed->types[low];
}

/* ---- lifetimes ---- */

/* Pareto's distribution with index 1/2, cut off: shortest / u^2 for u evenly in 0 .. 1. */
static uint64_t mixed_lifetime(struct generator *generator, const struct mixed_options *options)
{
    uint64_t u = (random_next(gen_random(generator)) >> 32) + 1; /* in 2^-32 */
    uint64_t life = (options->shortest << 32) / u;

    if (life < options->longest)
        life = (life << 32) / u;
    return life < options->longest ? life : options->longest;
}

/* ---- steps ---- */

static int mixed_alloc(struct generator *generator, struct mixed *mixed, uint32_t number)
{
    struct mixed_cpu *cpu = &mixed->cpus[number];
    uint64_t cpus = mixed->options->common.cpus;
    struct gen_death death = {.cpu = number};
    int code = gen_alloc_one(generator, mixed_draw(generator, mixed), &death.object);

    death.time = ++cpu->allocs + mixed_lifetime(generator, mixed->options);
    if (cpus > 1 && gen_chance(generator, mixed->options->remote))
        death.cpu = (uint32_t)((number + 1 + random_below(gen_random(generator), cpus - 1)) % cpus);
    return code ? code : gen_deaths_add(&cpu->deaths, death);
}

static int mixed_step(struct generator *generator, void *load, uint32_t number)
{
    struct mixed *mixed = load;
    struct mixed_cpu *cpu = &mixed->cpus[number];

    if (cpu->sent.count)
        return gen_free(generator, GEN_FIFO, 1, &cpu->sent);
    while (gen_deaths_due(&cpu->deaths, cpu->allocs)) {
        struct gen_death death = gen_deaths_take(&cpu->deaths);

        if (death.cpu == number)
            return gen_free_one(generator, death.object);
        if (gen_deque_push(&mixed->cpus[death.cpu].sent, death.object))
            return -ENOMEM;
    }
    return mixed_alloc(generator, mixed, number);
}

const struct workload workload_mixed = {
    .name = "mixed",
    .summary = "a kernel's mix of sizes over a long run, drifting, with heavy-tailed lifetimes",
    .source = "Bonwick, USENIX Summer 1994 (memory wasted); weights from this project's samples",
    .parameters = mixed_parameters,
    .options_size = sizeof(struct mixed_options),
    .start = mixed_start,
    .step = mixed_step,
    .stop = mixed_stop,
};
