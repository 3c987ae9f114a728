/* SPDX-License-Identifier: MIT */
/*
 * A load with the distributions of a recorded one: each CPU allocates kinds as often as recorded,
 * each object lives as long as those of its cache did, its free is made by another CPU as often and
 * as far away, and events follow each other as fast. How long objects live that were not freed is
 * estimated by Kaplan & Meier (1958): an age at the end is a life of at least that.
 */
#include "sim/error.h"
#include "traces/gen/gen.h"
#include "traces/gen/likeness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct like_options {
    struct gen_common common;
    const struct likeness *likeness;
};

/* Of a cache: in 2^-32, how likely a life ends in this bucket or before. */
struct like_cache {
    uint32_t upto[HISTOGRAM_BUCKETS];
};

struct like_cpu {
    struct gen_deaths deaths; /* times are in events of the CPU */
    struct gen_deque sent;    /* by other CPUs, to be freed here */
    uint64_t events;
};

struct like {
    const struct likeness *likeness;
    uint32_t nr_cpus;
    uint32_t *types;      /* by kind */
    uint64_t *kinds_upto; /* sum of allocations to this kind */
    struct like_cache *caches;
    uint64_t gaps_upto[HISTOGRAM_BUCKETS], ways_upto[HISTOGRAM_BUCKETS];
    struct like_cpu *cpus;
};

/* The first place of which the sum is above `drawn`. */
static size_t like_find(const uint64_t *upto, size_t count, uint64_t drawn)
{
    size_t low = 0, high = count - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (drawn < upto[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* ---- what is drawn from ---- */

static void like_sum(const struct histogram *histogram, uint64_t *upto)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        upto[i] = sum += histogram->buckets[i];
}

/* A value from the bucket, each as likely as the next. */
static uint64_t like_value(struct generator *generator, unsigned bucket)
{
    uint64_t low = histogram_bucket_low(bucket), width = histogram_bucket_high(bucket) - low;

    return low + gen_below(generator, bucket + 1 < HISTOGRAM_BUCKETS ? width : 1);
}

/* Integers, so that it comes out the same everywhere. */
static void like_survive(const struct likeness_cache *cache, struct like_cache *like)
{
    uint64_t at_risk = cache->lives.count + cache->ages.count;
    uint64_t survive = (uint64_t)1 << 62;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (at_risk)
            survive -= (uint64_t)((unsigned __int128)survive * cache->lives.buckets[i] / at_risk);
        at_risk -= cache->lives.buckets[i] + cache->ages.buckets[i];
        like->upto[i] = UINT32_MAX - (uint32_t)((survive >> 30) - (survive >> 62));
    }
}

/* How long an object of the cache lives; UINT64_MAX: for ever. */
static uint64_t like_life(struct generator *generator, const struct like_cache *cache)
{
    uint32_t drawn = (uint32_t)(random_next(gen_random(generator)) >> 32);
    unsigned low = 0, high = HISTOGRAM_BUCKETS;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (drawn < cache->upto[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low == HISTOGRAM_BUCKETS ? UINT64_MAX : like_value(generator, low);
}

/*
 * The CPU that frees an object: as far round the ring as recorded, in proportion to its size,
 * either way.
 */
static uint32_t like_where(struct generator *generator, const struct like *like,
                           const struct likeness_cache *cache, uint32_t cpu)
{
    uint64_t cpus = like->nr_cpus, half = cpus / 2, recorded_half = like->likeness->streams / 2;
    uint64_t near = like->ways_upto[0], all = like->ways_upto[HISTOGRAM_BUCKETS - 1], way;

    if (cpus == 1 || !cache->frees || gen_below(generator, cache->frees) >= cache->remote)
        return cpu;
    way = like_value(generator, (unsigned)like_find(like->ways_upto, HISTOGRAM_BUCKETS,
                                                    near + gen_below(generator, all - near)));
    if (half != recorded_half)
        way = 1 + ((way - 1) * half + gen_below(generator, half)) / recorded_half;
    return (uint32_t)((cpu + (gen_below(generator, 2) ? way : cpus - way)) % cpus);
}

/* ---- the load ---- */

static void like_stop(void *load)
{
    struct like *like = load;

    if (!like)
        return;
    for (uint32_t i = 0; like->cpus && i < like->nr_cpus; i++) {
        gen_deaths_cleanup(&like->cpus[i].deaths);
        gen_deque_cleanup(&like->cpus[i].sent);
    }
    free(like->cpus);
    free(like->types);
    free(like->kinds_upto);
    free(like->caches);
    free(like);
}

static int64_t like_type(struct generator *generator, const struct likeness *likeness,
                         const struct likeness_kind *kind)
{
    const struct likeness_cache *recorded = &likeness->caches[kind->cache];
    const struct trace_cache cache = {
        .name = recorded->name, .object_size = recorded->object_size, .align = recorded->align};
    const struct trace_type type = {.size = kind->size,
                                    .recorded_size = kind->recorded_size,
                                    .node = TRACE_ANY_NODE,
                                    .flags = kind->flags};

    return gen_whole_type(generator, recorded->name ? &cache : NULL, &type);
}

static int like_start(struct generator *generator, const void *options, void **load,
                      struct error *error)
{
    const struct like_options *chosen = options;
    const struct likeness *likeness = chosen->likeness;
    struct like *like = calloc(1, sizeof *like);
    uint64_t sum = 0;

    (void)error;
    *load = like;
    if (!like)
        return -ENOMEM;
    like->likeness = likeness;
    like->nr_cpus = (uint32_t)chosen->common.cpus;
    like->cpus = calloc(like->nr_cpus, sizeof *like->cpus);
    like->types = calloc(likeness->nr_kinds, sizeof *like->types);
    like->kinds_upto = calloc(likeness->nr_kinds, sizeof *like->kinds_upto);
    like->caches = calloc(likeness->nr_caches, sizeof *like->caches);
    if (!like->cpus || !like->types || !like->kinds_upto || !like->caches)
        return -ENOMEM;
    for (size_t i = 0; i < likeness->nr_kinds; i++) {
        int64_t type =
            likeness->kinds[i].allocs ? like_type(generator, likeness, &likeness->kinds[i]) : 0;

        if (type < 0)
            return (int)type;
        like->types[i] = (uint32_t)type;
        like->kinds_upto[i] = sum += likeness->kinds[i].allocs;
    }
    for (size_t i = 0; i < likeness->nr_caches; i++)
        like_survive(&likeness->caches[i], &like->caches[i]);
    like_sum(&likeness->gaps_ns, like->gaps_upto);
    like_sum(&likeness->distances, like->ways_upto);
    return 0;
}

static int like_alloc(struct generator *generator, struct like *like, uint32_t number)
{
    const struct likeness *likeness = like->likeness;
    struct like_cpu *cpu = &like->cpus[number];
    size_t kind =
        like_find(like->kinds_upto, likeness->nr_kinds, gen_below(generator, likeness->allocs));
    uint32_t cache = likeness->kinds[kind].cache;
    struct gen_death death;
    int code = gen_alloc_one(generator, like->types[kind], &death.object);
    uint64_t life = like_life(generator, &like->caches[cache]);

    if (code || life == UINT64_MAX)
        return code;
    death.cpu = like_where(generator, like, &likeness->caches[cache], number);
    death.time = cpu->events + life;
    return gen_deaths_add(&cpu->deaths, death);
}

static int like_call(struct generator *generator, struct like *like, uint32_t number)
{
    struct like_cpu *cpu = &like->cpus[number];

    if (cpu->sent.count)
        return gen_free(generator, GEN_FIFO, 1, &cpu->sent);
    while (gen_deaths_due(&cpu->deaths, cpu->events)) {
        struct gen_death death = gen_deaths_take(&cpu->deaths);

        if (death.cpu == number)
            return gen_free_one(generator, death.object);
        if (gen_deque_push(&like->cpus[death.cpu].sent, death.object))
            return -ENOMEM;
    }
    return like_alloc(generator, like, number);
}

static int like_step(struct generator *generator, void *load, uint32_t number)
{
    struct like *like = load;
    uint64_t gaps = like->gaps_upto[HISTOGRAM_BUCKETS - 1];
    int code = like_call(generator, like, number);

    like->cpus[number].events++;
    if (gaps)
        gen_spend(generator,
                  like_value(generator, (unsigned)like_find(like->gaps_upto, HISTOGRAM_BUCKETS,
                                                            gen_below(generator, gaps))));
    return code;
}

const struct tunable likeness_parameters[] = {
    TUNABLE_NUMBER("cpus", struct likeness_options, cpus, 0, 0, 65536,
                   "CPUs, each a stream of the trace; 0: as many as the recorded streams"),
    TUNABLE_NUMBER("events", struct likeness_options, events, 0, 0, 1000000000000,
                   "events in all; 0: as many as recorded"),
    TUNABLE_NUMBER("seed", struct likeness_options, seed, 1, 0, UINT64_MAX,
                   "of all that is random"),
    {.key = NULL},
};

int generate_like(const struct likeness *likeness, const struct likeness_options *options,
                  const char *output, const struct generate_progress *progress,
                  struct generate_report *report, struct error *error)
{
    struct like_options chosen = {
        .common = {.cpus = options->cpus ? options->cpus : likeness->streams,
                   .events = options->events ? options->events : likeness->events,
                   .seed = options->seed,
                   .rate = 1000},
        .likeness = likeness,
    };
    struct workload workload = {
        .name = "like",
        .parameters = likeness_parameters, /* they are where chosen.common has them */
        .options_size = sizeof chosen,
        .start = like_start,
        .step = like_step,
        .stop = like_stop,
    };
    char source[64];

    if (!likeness->allocs)
        return error_set(error, EINVAL,
                         "there is no allocation in the trace that a load could be like");
    snprintf(source, sizeof source, "the trace of digest %s", likeness->digest);
    workload.source = source;
    return generate_trace(&workload, &chosen, output, progress, report, error);
}

_Static_assert(offsetof(struct likeness_options, cpus) == offsetof(struct gen_common, cpus) &&
                   offsetof(struct likeness_options, events) ==
                       offsetof(struct gen_common, events) &&
                   offsetof(struct likeness_options, seed) == offsetof(struct gen_common, seed),
               "likeness_parameters say what is in a gen_common too");
