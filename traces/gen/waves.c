/* SPDX-License-Identifier: MIT */
/*
 * Loads in waves, each CPU for itself: it allocates so many objects and frees them all, again and
 * again. Pairs, threadtest, active false sharing, bursts, the loop at a magazine's boundary and the
 * depot's working set differ in how many, in what order, and in what the first wave leaves behind.
 */
#include "sim/error.h"
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

struct waves_cpu {
    struct gen_deque held;
    uint64_t wave; /* objects of this wave */
    bool frees;
};

struct waves {
    uint32_t type;
    uint64_t next; /* objects of each wave after the first */
    uint64_t bulk; /* objects of a call */
    enum gen_order order;
    uint32_t nr_cpus;
    struct waves_cpu cpus[];
};

/* What a load is, in waves. */
struct waves_shape {
    uint64_t first, next, bulk;
    enum gen_order order;
};

static int waves_start(struct generator *generator, const struct gen_common *common,
                       const struct gen_fixed *fixed, struct waves_shape shape, void **load)
{
    struct waves *waves = calloc(1, sizeof *waves + common->cpus * sizeof *waves->cpus);
    int64_t type = gen_fixed_type(generator, fixed);

    *load = waves;
    if (!waves)
        return -ENOMEM;
    waves->type = (uint32_t)type;
    waves->next = shape.next;
    waves->bulk = shape.bulk;
    waves->order = shape.order;
    waves->nr_cpus = (uint32_t)common->cpus;
    for (uint32_t i = 0; i < waves->nr_cpus; i++)
        waves->cpus[i].wave = shape.first;
    return type < 0 ? (int)type : 0;
}

static int waves_step(struct generator *generator, void *load, uint32_t number)
{
    struct waves *waves = load;
    struct waves_cpu *cpu = &waves->cpus[number];
    uint64_t missing;
    int code;

    if (cpu->frees) {
        code = gen_free(generator, waves->order, waves->bulk, &cpu->held);
        if (!cpu->held.count) {
            cpu->frees = false;
            cpu->wave = waves->next;
        }
        return code;
    }
    missing = cpu->wave - cpu->held.count;
    code = gen_alloc(generator, waves->type, waves->bulk < missing ? waves->bulk : missing,
                     &cpu->held);
    cpu->frees = cpu->held.count == cpu->wave;
    return code;
}

static void waves_stop(void *load)
{
    struct waves *waves = load;

    for (uint32_t i = 0; waves && i < waves->nr_cpus; i++)
        gen_deque_cleanup(&waves->cpus[i].held);
    free(waves);
}

/* Objects held: more would not have numbers. */
#define WAVES_MOST 1000000000

/* ---- pairs ---- */

struct pairs {
    struct gen_common common;
    struct gen_fixed fixed;
    uint64_t hold, order;
};

static const struct tunable pairs_parameters[] = {
    GEN_COMMON(struct pairs, 2, 1),
    GEN_FIXED(struct pairs, 256),
    TUNABLE_NUMBER("hold", struct pairs, hold, 1, 1, WAVES_MOST,
                   "objects that a CPU allocates before it frees them"),
    TUNABLE_WORD("order", struct pairs, order, GEN_LIFO, gen_order_words,
                 "in which they are freed"),
    {.key = NULL},
};

static int pairs_start(struct generator *generator, const void *options, void **load,
                       struct error *error)
{
    const struct pairs *pairs = options;
    const struct waves_shape shape = {pairs->hold, pairs->hold, 1, (enum gen_order)pairs->order};

    (void)error;
    return waves_start(generator, &pairs->common, &pairs->fixed, shape, load);
}

const struct workload workload_pairs = {
    .name = "pairs",
    .summary = "each CPU allocates and frees at once",
    .source = "Bonwick & Adams, USENIX 2001 (their pairs of allocation and free)",
    .parameters = pairs_parameters,
    .options_size = sizeof(struct pairs),
    .start = pairs_start,
    .step = waves_step,
    .stop = waves_stop,
};

/* ---- threadtest and active false sharing ---- */

static const struct tunable threadtest_parameters[] = {
    GEN_COMMON(struct pairs, 2, 1),
    GEN_FIXED(struct pairs, 64),
    TUNABLE_NUMBER("objects", struct pairs, hold, 10000, 1, WAVES_MOST,
                   "objects that a CPU allocates, and then frees"),
    TUNABLE_WORD("order", struct pairs, order, GEN_FIFO, gen_order_words,
                 "in which they are freed"),
    {.key = NULL},
};

const struct workload workload_threadtest = {
    .name = "threadtest",
    .summary = "each CPU allocates N objects, frees N, and so on",
    .source = "Berger, McKinley, Blumofe & Wilson, ASPLOS 2000 (Hoard): threadtest",
    .parameters = threadtest_parameters,
    .options_size = sizeof(struct pairs),
    .start = pairs_start,
    .step = waves_step,
    .stop = waves_stop,
};

static const struct tunable thrash_parameters[] = {
    GEN_COMMON(struct pairs, 2, 1),
    GEN_FIXED(struct pairs, 8),
    TUNABLE_NUMBER("objects", struct pairs, hold, 1, 1, WAVES_MOST,
                   "objects that a CPU allocates, writes (replay --touch all), and frees"),
    {.key = NULL},
};

const struct workload workload_cache_thrash = {
    .name = "cache-thrash",
    .summary = "active false sharing: small objects allocated at once by several CPUs",
    .source = "Berger, McKinley, Blumofe & Wilson, ASPLOS 2000 (Hoard): Active-false",
    .parameters = thrash_parameters,
    .options_size = sizeof(struct pairs),
    .start = pairs_start,
    .step = waves_step,
    .stop = waves_stop,
};

/* ---- burst ---- */

struct burst {
    struct gen_common common;
    struct gen_fixed fixed;
    uint64_t objects, order, bulk;
};

static const struct tunable burst_parameters[] = {
    GEN_COMMON(struct burst, 1, 1),
    GEN_FIXED(struct burst, 256),
    TUNABLE_NUMBER("objects", struct burst, objects, 10000, 1, WAVES_MOST,
                   "objects that a CPU allocates, and then frees"),
    TUNABLE_WORD("order", struct burst, order, GEN_SHUFFLED, gen_order_words,
                 "in which they are freed"),
    TUNABLE_NUMBER("bulk", struct burst, bulk, 1, 1, TRACE_MAX_BATCH, "objects of one call"),
    {.key = NULL},
};

static int burst_start(struct generator *generator, const void *options, void **load,
                       struct error *error)
{
    const struct burst *burst = options;
    const struct waves_shape shape = {burst->objects, burst->objects, burst->bulk,
                                      (enum gen_order)burst->order};

    (void)error;
    return waves_start(generator, &burst->common, &burst->fixed, shape, load);
}

const struct workload workload_burst = {
    .name = "burst",
    .summary = "allocates N objects, frees N shuffled or in order, singly or in bulk",
    .source = "the bulk calls of the kernel's slab allocators, linux-mm 2015 and 2016",
    .parameters = burst_parameters,
    .options_size = sizeof(struct burst),
    .start = burst_start,
    .step = waves_step,
    .stop = waves_stop,
};

/* ---- the boundary of a magazine ---- */

struct boundary {
    struct gen_common common;
    struct gen_fixed fixed;
    uint64_t rounds, full, offset, objects;
};

static const struct tunable boundary_parameters[] = {
    GEN_COMMON(struct boundary, 1, 1),
    GEN_FIXED(struct boundary, 256),
    TUNABLE_NUMBER("rounds", struct boundary, rounds, 8, 1, 65536, "rounds of a magazine"),
    TUNABLE_NUMBER("full", struct boundary, full, 4, 0, 10000,
                   "full magazines that the first frees make"),
    TUNABLE_NUMBER("offset", struct boundary, offset, 1, 0, 65536,
                   "rounds in the next one, in which the loop begins"),
    TUNABLE_NUMBER("objects", struct boundary, objects, 2, 1, 65536,
                   "objects that the loop allocates, and then frees"),
    {.key = NULL},
};

static int boundary_start(struct generator *generator, const void *options, void **load,
                          struct error *error)
{
    const struct boundary *boundary = options;
    uint64_t first = boundary->full * boundary->rounds + boundary->offset;
    const struct waves_shape shape = {first, boundary->objects, 1, GEN_LIFO};

    if (!first)
        return error_set(error, EINVAL,
                         "boundary: full and offset are both 0; one of them can be 1 or more");
    return waves_start(generator, &boundary->common, &boundary->fixed, shape, load);
}

const struct workload workload_boundary = {
    .name = "boundary",
    .summary = "alloc, alloc, free, free at a magazine's boundary: what `previous` is for",
    .source = "Bonwick & Adams, USENIX 2001 (why a CPU has two magazines)",
    .parameters = boundary_parameters,
    .options_size = sizeof(struct boundary),
    .start = boundary_start,
    .step = waves_step,
    .stop = waves_stop,
};

/* ---- the depot's working set ---- */

struct working_set {
    struct gen_common common;
    struct gen_fixed fixed;
    uint64_t low, high, rounds;
};

static const struct tunable working_set_parameters[] = {
    GEN_COMMON(struct working_set, 1, 1),
    GEN_FIXED(struct working_set, 256),
    TUNABLE_NUMBER("low", struct working_set, low, 37, 0, 10000,
                   "full magazines in the depot, at least"),
    TUNABLE_NUMBER("high", struct working_set, high, 47, 1, 10000, "the same, at most"),
    TUNABLE_NUMBER("rounds", struct working_set, rounds, 8, 1, 65536, "rounds of a magazine"),
    {.key = NULL},
};

/*
 * A CPU keeps two magazines, loaded and previous, so the depot has `high` full ones when `high` + 2
 * are full, and `low` when `high` - `low` + 2 were emptied.
 */
static int working_set_start(struct generator *generator, const void *options, void **load,
                             struct error *error)
{
    const struct working_set *set = options;
    const struct waves_shape shape = {(set->high + 2) * set->rounds,
                                      (set->high - set->low + 2) * set->rounds, 1, GEN_LIFO};

    if (set->low >= set->high)
        return error_set(error, EINVAL, "working-set: high is %llu; it can be %llu to 10000",
                         (unsigned long long)set->high, (unsigned long long)set->low + 1);
    return waves_start(generator, &set->common, &set->fixed, shape, load);
}

const struct workload workload_working_set = {
    .name = "working-set",
    .summary = "the depot's full magazines swing between low and high (on one CPU, exactly)",
    .source = "Bonwick & Adams, USENIX 2001 (37 to 47 full magazines, 37 reclaimable)",
    .parameters = working_set_parameters,
    .options_size = sizeof(struct working_set),
    .start = working_set_start,
    .step = waves_step,
    .stop = waves_stop,
};
