/* SPDX-License-Identifier: MIT */
/*
 * Passive false sharing: CPU 0 allocates objects next to each other and gives each CPU its own;
 * each frees what it was given, then allocates and frees for ever. An allocator that hands a given
 * object out again to the CPU that freed it lets CPUs share cache lines.
 */
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

struct scratch_options {
    struct gen_common common;
    struct gen_fixed fixed;
    uint64_t given;
};

struct scratch {
    uint32_t type;
    uint32_t nr_cpus;
    uint64_t given;
    uint64_t allocated;       /* by CPU 0, to be given away */
    struct gen_deque holds[]; /* by CPU */
};

static const struct tunable scratch_parameters[] = {
    GEN_COMMON(struct scratch_options, 2, 1),
    GEN_FIXED(struct scratch_options, 8),
    TUNABLE_NUMBER("given", struct scratch_options, given, 1, 1, 1000000,
                   "objects that each CPU gets from CPU 0"),
    {.key = NULL},
};

static int scratch_start(struct generator *generator, const void *options, void **load,
                         struct error *error)
{
    const struct scratch_options *chosen = options;
    struct scratch *scratch =
        calloc(1, sizeof *scratch + chosen->common.cpus * sizeof *scratch->holds);
    int64_t type = gen_fixed_type(generator, &chosen->fixed);

    (void)error;
    *load = scratch;
    if (!scratch)
        return -ENOMEM;
    scratch->type = (uint32_t)type;
    scratch->nr_cpus = (uint32_t)chosen->common.cpus;
    scratch->given = chosen->given;
    return type < 0 ? (int)type : 0;
}

/* In turn, so that neighbours in memory go to different CPUs. */
static int scratch_give(struct generator *generator, struct scratch *scratch)
{
    uint32_t cpu = (uint32_t)(scratch->allocated++ % scratch->nr_cpus);
    int code = gen_alloc(generator, scratch->type, 1, &scratch->holds[cpu]);

    if (scratch->allocated == scratch->given * scratch->nr_cpus) {
        for (uint32_t i = 1; i < scratch->nr_cpus; i++)
            gen_wake(generator, i);
    }
    return code;
}

static int scratch_step(struct generator *generator, void *load, uint32_t cpu)
{
    struct scratch *scratch = load;
    struct gen_deque *held = &scratch->holds[cpu];

    if (scratch->allocated < scratch->given * scratch->nr_cpus) {
        if (cpu == 0)
            return scratch_give(generator, scratch);
        gen_wait(generator);
        return 0;
    }
    return held->count ? gen_free(generator, GEN_FIFO, 1, held)
                       : gen_alloc(generator, scratch->type, 1, held);
}

static void scratch_stop(void *load)
{
    struct scratch *scratch = load;

    for (uint32_t i = 0; scratch && i < scratch->nr_cpus; i++)
        gen_deque_cleanup(&scratch->holds[i]);
    free(scratch);
}

const struct workload workload_cache_scratch = {
    .name = "cache-scratch",
    .summary = "passive false sharing: objects of one CPU passed to all, then pairs",
    .source = "Berger, McKinley, Blumofe & Wilson, ASPLOS 2000 (Hoard): Passive-false",
    .parameters = scratch_parameters,
    .options_size = sizeof(struct scratch_options),
    .start = scratch_start,
    .step = scratch_step,
    .stop = scratch_stop,
};
