/* SPDX-License-Identifier: MIT */
/*
 * A working set that grows and shrinks under a churn of short-lived objects. Most objects die young
 * (the weak generational hypothesis): they stay for as long as a few more are allocated. The others
 * are old: they gather while the set grows, and are freed at random while it shrinks.
 */
#include "sim/error.h"
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

struct sawtooth_options {
    struct gen_common common;
    struct gen_sizes sizes;
    uint64_t low, high, young, nursery;
};

struct sawtooth_cpu {
    struct gen_deque young, old;
    bool shrinks;
};

struct sawtooth {
    const struct sawtooth_options *options;
    struct sawtooth_cpu cpus[];
};

static const struct tunable sawtooth_parameters[] = {
    GEN_COMMON(struct sawtooth_options, 2, 1),
    GEN_SIZES(struct sawtooth_options, 16, 1024),
    TUNABLE_NUMBER("low", struct sawtooth_options, low, 500, 0, 1000000000,
                   "old objects of a CPU when the set is least"),
    TUNABLE_NUMBER("high", struct sawtooth_options, high, 10000, 1, 1000000000,
                   "old objects of a CPU when the set is largest"),
    TUNABLE_NUMBER("young", struct sawtooth_options, young, 80, 0, 99,
                   "% of the churn that is young"),
    TUNABLE_NUMBER("nursery", struct sawtooth_options, nursery, 64, 1, 1000000,
                   "young objects of a CPU that live at once"),
    {.key = NULL},
};

static int sawtooth_start(struct generator *generator, const void *options, void **load,
                          struct error *error)
{
    const struct sawtooth_options *chosen = options;
    struct sawtooth *sawtooth =
        calloc(1, sizeof *sawtooth + chosen->common.cpus * sizeof sawtooth->cpus[0]);

    (void)generator;
    *load = sawtooth;
    if (!sawtooth)
        return -ENOMEM;
    sawtooth->options = chosen;
    if (chosen->low >= chosen->high)
        return error_set(error, EINVAL, "sawtooth: high is %llu; it can be %llu to 1000000000",
                         (unsigned long long)chosen->high, (unsigned long long)chosen->low + 1);
    return gen_check_sizes(&chosen->sizes, error);
}

static int sawtooth_alloc(struct generator *generator, const struct sawtooth *sawtooth,
                          struct gen_deque *generation)
{
    int64_t type = gen_sized_type(generator, &sawtooth->options->sizes);

    return type < 0 ? (int)type : gen_alloc(generator, (uint32_t)type, 1, generation);
}

static int sawtooth_step(struct generator *generator, void *load, uint32_t number)
{
    struct sawtooth *sawtooth = load;
    const struct sawtooth_options *options = sawtooth->options;
    struct sawtooth_cpu *cpu = &sawtooth->cpus[number];
    int code;

    if (cpu->young.count == options->nursery)
        return gen_free(generator, GEN_FIFO, 1, &cpu->young);
    if (gen_chance(generator, options->young))
        return sawtooth_alloc(generator, sawtooth, &cpu->young);
    code = cpu->shrinks ? gen_free(generator, GEN_SHUFFLED, 1, &cpu->old)
                        : sawtooth_alloc(generator, sawtooth, &cpu->old);
    if (cpu->old.count == (cpu->shrinks ? options->low : options->high))
        cpu->shrinks = !cpu->shrinks;
    return code;
}

static void sawtooth_stop(void *load)
{
    struct sawtooth *sawtooth = load;

    for (uint64_t i = 0; sawtooth && i < sawtooth->options->common.cpus; i++) {
        gen_deque_cleanup(&sawtooth->cpus[i].young);
        gen_deque_cleanup(&sawtooth->cpus[i].old);
    }
    free(sawtooth);
}

const struct workload workload_sawtooth = {
    .name = "sawtooth",
    .summary = "a working set that grows and shrinks, while most objects die young",
    .source = "the weak generational hypothesis: Ungar 1984; Wilson et al. 1995 (ramps and peaks)",
    .parameters = sawtooth_parameters,
    .options_size = sizeof(struct sawtooth_options),
    .start = sawtooth_start,
    .step = sawtooth_step,
    .stop = sawtooth_stop,
};
