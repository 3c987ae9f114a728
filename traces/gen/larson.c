/* SPDX-License-Identifier: MIT */
/*
 * A server's threads: each replaces random objects of its array by objects of random size, and
 * hands the array to another thread after a round. There is one array more than there are CPUs, so
 * that one always waits to be taken over, and what a CPU takes over is another's.
 */
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

struct larson_options {
    struct gen_common common;
    struct gen_sizes sizes;
    uint64_t slots, round;
};

struct larson_array {
    uint32_t *slots;
    uint64_t filled; /* slots that have had an object */
};

struct larson_cpu {
    uint32_t array;
    uint64_t hole;     /* slot whose object was freed, or LARSON_WHOLE */
    uint64_t replaced; /* in this round */
};

#define LARSON_WHOLE UINT64_MAX

struct larson {
    const struct larson_options *options;
    struct larson_array *arrays; /* one more than CPUs */
    struct larson_cpu *cpus;
    struct gen_deque handed_over; /* arrays */
};

static const struct tunable larson_parameters[] = {
    GEN_COMMON(struct larson_options, 2, 1),
    GEN_SIZES(struct larson_options, 10, 500),
    TUNABLE_NUMBER("slots", struct larson_options, slots, 1000, 1, 100000000,
                   "objects of an array"),
    TUNABLE_NUMBER("round", struct larson_options, round, 10000, 1, 1000000000,
                   "replacements until the array goes to another CPU"),
    {.key = NULL},
};

static void larson_stop(void *load)
{
    struct larson *larson = load;

    if (!larson)
        return;
    for (uint64_t i = 0; larson->arrays && i <= larson->options->common.cpus; i++)
        free(larson->arrays[i].slots);
    gen_deque_cleanup(&larson->handed_over);
    free(larson->arrays);
    free(larson->cpus);
    free(larson);
}

static int larson_start(struct generator *generator, const void *options, void **load,
                        struct error *error)
{
    struct larson *larson = calloc(1, sizeof *larson);
    uint64_t cpus = ((const struct larson_options *)options)->common.cpus;

    (void)generator;
    *load = larson;
    if (!larson)
        return -ENOMEM;
    larson->options = options;
    larson->arrays = calloc(cpus + 1, sizeof *larson->arrays);
    larson->cpus = calloc(cpus, sizeof *larson->cpus);
    if (!larson->arrays || !larson->cpus)
        return -ENOMEM;
    for (uint64_t i = 0; i <= cpus; i++) {
        larson->arrays[i].slots = calloc(larson->options->slots, sizeof *larson->arrays[i].slots);
        if (!larson->arrays[i].slots)
            return -ENOMEM;
    }
    for (uint64_t i = 0; i < cpus; i++)
        larson->cpus[i] = (struct larson_cpu){.array = (uint32_t)i, .hole = LARSON_WHOLE};
    if (gen_deque_push(&larson->handed_over, (uint32_t)cpus))
        return -ENOMEM;
    return gen_check_sizes(&larson->options->sizes, error);
}

static int larson_fill(struct generator *generator, struct larson *larson, uint32_t *slot)
{
    int64_t type = gen_sized_type(generator, &larson->options->sizes);

    return type < 0 ? (int)type : gen_alloc_one(generator, (uint32_t)type, slot);
}

/* The round is over: its array goes to whoever is next to take one. */
static int larson_hand_over(struct larson *larson, struct larson_cpu *cpu)
{
    int code = gen_deque_push(&larson->handed_over, cpu->array);

    cpu->array = gen_deque_pop(&larson->handed_over);
    cpu->replaced = 0;
    return code;
}

static int larson_step(struct generator *generator, void *load, uint32_t number)
{
    struct larson *larson = load;
    struct larson_cpu *cpu = &larson->cpus[number];
    struct larson_array *array = &larson->arrays[cpu->array];
    int code;

    if (cpu->hole != LARSON_WHOLE) {
        code = larson_fill(generator, larson, &array->slots[cpu->hole]);
        cpu->hole = LARSON_WHOLE;
        if (!code && ++cpu->replaced == larson->options->round)
            code = larson_hand_over(larson, cpu);
        return code;
    }
    if (array->filled < larson->options->slots)
        return larson_fill(generator, larson, &array->slots[array->filled++]);
    cpu->hole = random_below(gen_random(generator), larson->options->slots);
    return gen_free_one(generator, array->slots[cpu->hole]);
}

const struct workload workload_larson = {
    .name = "larson",
    .summary = "each CPU replaces random slots of an array, which then goes to another CPU",
    .source = "Larson & Krishnan, ISMM 1998",
    .parameters = larson_parameters,
    .options_size = sizeof(struct larson_options),
    .start = larson_start,
    .step = larson_step,
    .stop = larson_stop,
};
