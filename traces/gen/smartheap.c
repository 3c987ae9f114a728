/* SPDX-License-Identifier: MIT */
/*
 * MicroQuill's benchmarks of malloc, by their shape (the programs are theirs and not used): each
 * CPU fills a buffer with objects, small ones most. When it is full, a part of it (the next one
 * each time, so that objects live for several generations) is kept; what lies before is freed in
 * the order of allocation, what lies behind in reverse, and the buffer is filled again around the
 * part kept. sh8 draws sizes at random and hands a share of what is to be freed to the next CPU.
 */
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

struct smartheap_options {
    struct gen_common common;
    struct gen_sizes sizes;
    uint64_t slots, keep, handed;
};

enum smartheap_phase { SMARTHEAP_FILL, SMARTHEAP_FREE_FRONT, SMARTHEAP_FREE_BACK };

struct smartheap_cpu {
    uint32_t *slots;
    uint64_t at, keep_first, keep_end; /* slots */
    enum smartheap_phase phase;
    uint64_t base, size, repeat; /* of the series of sizes */
    struct gen_deque handed;     /* by the CPU before, to be freed */
};

struct smartheap {
    const struct smartheap_options *options;
    bool series; /* sizes in series, or at random */
    struct smartheap_cpu cpus[];
};

static void smartheap_stop(void *load)
{
    struct smartheap *heap = load;

    for (uint64_t i = 0; heap && i < heap->options->common.cpus; i++) {
        gen_deque_cleanup(&heap->cpus[i].handed);
        free(heap->cpus[i].slots);
    }
    free(heap);
}

static int smartheap_start(const struct smartheap_options *options, bool series, void **load,
                           struct error *error)
{
    struct smartheap *heap = calloc(1, sizeof *heap + options->common.cpus * sizeof heap->cpus[0]);

    *load = heap;
    if (!heap)
        return -ENOMEM;
    heap->options = options;
    heap->series = series;
    for (uint64_t i = 0; i < options->common.cpus; i++) {
        struct smartheap_cpu *cpu = &heap->cpus[i];

        cpu->slots = calloc(options->slots, sizeof *cpu->slots);
        if (!cpu->slots)
            return -ENOMEM;
        cpu->keep_first = cpu->keep_end = options->slots; /* nothing is kept of before */
        cpu->base = options->sizes.least;
    }
    return gen_check_sizes(&options->sizes, error);
}

/* ---- sizes ---- */

/*
 * Bases grow by half from the least to the most; each is halved down to the least again, and small
 * sizes are repeated more often.
 */
static uint64_t smartheap_next_size(const struct gen_sizes *sizes, struct smartheap_cpu *cpu)
{
    if (cpu->repeat) {
        cpu->repeat--;
        return cpu->size;
    }
    if (cpu->size / 2 >= sizes->least) {
        cpu->size /= 2;
    } else {
        cpu->size = cpu->base;
        cpu->base = cpu->base * 3 / 2 + 1;
        if (cpu->base > sizes->most)
            cpu->base = sizes->least;
    }
    cpu->repeat = cpu->size < 100 ? 249 : cpu->size < 1000 ? 49 : 9;
    return cpu->size;
}

/* Each power of two as often as the next, and evenly between them. */
static uint64_t smartheap_random_size(struct generator *generator, const struct gen_sizes *sizes)
{
    unsigned doublings = 0;
    uint64_t least, most;

    while (sizes->least << (doublings + 1) <= sizes->most)
        doublings++;
    least = sizes->least << random_below(gen_random(generator), doublings + 1);
    most = 2 * least - 1 < sizes->most ? 2 * least - 1 : sizes->most;
    return least + random_below(gen_random(generator), most - least + 1);
}

/* ---- steps ---- */

static int smartheap_fill(struct generator *generator, const struct smartheap *heap,
                          struct smartheap_cpu *cpu)
{
    const struct gen_sizes *sizes = &heap->options->sizes;
    int64_t type = gen_type(generator, NULL,
                            heap->series ? smartheap_next_size(sizes, cpu)
                                         : smartheap_random_size(generator, sizes));

    return type < 0 ? (int)type : gen_alloc_one(generator, (uint32_t)type, &cpu->slots[cpu->at++]);
}

/* The buffer is full: what is kept this time is the part behind what was kept last. */
static void smartheap_begin_to_free(const struct smartheap *heap, struct smartheap_cpu *cpu)
{
    uint64_t slots = heap->options->slots;

    cpu->keep_first = cpu->keep_end < slots ? cpu->keep_end : 0;
    cpu->keep_end = cpu->keep_first + slots * heap->options->keep / 100;
    if (cpu->keep_end > slots)
        cpu->keep_end = slots;
    cpu->at = 0;
    cpu->phase = SMARTHEAP_FREE_FRONT;
}

/* The slot whose object goes next; GEN_NONE: none does, and another phase has begun. */
static uint32_t smartheap_next_free(const struct smartheap *heap, struct smartheap_cpu *cpu)
{
    if (cpu->phase == SMARTHEAP_FREE_FRONT) {
        if (cpu->at < cpu->keep_first)
            return cpu->slots[cpu->at++];
        cpu->phase = SMARTHEAP_FREE_BACK;
        cpu->at = heap->options->slots;
    }
    if (cpu->at > cpu->keep_end)
        return cpu->slots[--cpu->at];
    cpu->phase = SMARTHEAP_FILL;
    cpu->at = 0;
    return GEN_NONE;
}

static int smartheap_step(struct generator *generator, void *load, uint32_t number)
{
    struct smartheap *heap = load;
    const struct smartheap_options *options = heap->options;
    struct smartheap_cpu *cpu = &heap->cpus[number];
    struct smartheap_cpu *next = &heap->cpus[(number + 1) % options->common.cpus];

    if (cpu->handed.count)
        return gen_free(generator, GEN_FIFO, 1, &cpu->handed);
    for (;;) {
        uint32_t object;

        if (cpu->phase == SMARTHEAP_FILL) {
            if (cpu->at == cpu->keep_first)
                cpu->at = cpu->keep_end;
            if (cpu->at < options->slots)
                return smartheap_fill(generator, heap, cpu);
            smartheap_begin_to_free(heap, cpu);
        }
        object = smartheap_next_free(heap, cpu);
        if (object == GEN_NONE)
            continue;
        if (next == cpu || !gen_chance(generator, options->handed))
            return gen_free_one(generator, object);
        if (gen_deque_push(&next->handed, object))
            return -ENOMEM;
    }
}

/* ---- the two of them ---- */

#define SMARTHEAP_PARAMETERS                                                                       \
    GEN_COMMON(struct smartheap_options, 2, 1), GEN_SIZES(struct smartheap_options, 1, 1000),      \
        TUNABLE_NUMBER("slots", struct smartheap_options, slots, 5000, 5, 100000000,               \
                       "objects of a CPU's buffer"),                                               \
        TUNABLE_NUMBER("keep", struct smartheap_options, keep, 20, 0, 90,                          \
                       "% of the buffer that survive each time it is full")

static const struct tunable sh6_parameters[] = {SMARTHEAP_PARAMETERS, {.key = NULL}};

static int sh6_start(struct generator *generator, const void *options, void **load,
                     struct error *error)
{
    (void)generator;
    return smartheap_start(options, true, load, error);
}

const struct workload workload_sh6 = {
    .name = "sh6",
    .summary = "mixed sizes, small ones most; freed by generations, half in reverse",
    .source = "MicroQuill SmartHeap, sh6bench (its shape)",
    .parameters = sh6_parameters,
    .options_size = sizeof(struct smartheap_options),
    .start = sh6_start,
    .step = smartheap_step,
    .stop = smartheap_stop,
};

static const struct tunable sh8_parameters[] = {
    SMARTHEAP_PARAMETERS,
    TUNABLE_NUMBER("handed", struct smartheap_options, handed, 50, 0, 100,
                   "% of the frees that the next CPU makes"),
    {.key = NULL},
};

static int sh8_start(struct generator *generator, const void *options, void **load,
                     struct error *error)
{
    (void)generator;
    return smartheap_start(options, false, load, error);
}

const struct workload workload_sh8 = {
    .name = "sh8",
    .summary = "random sizes and generations, with objects handed to the next CPU",
    .source = "MicroQuill SmartHeap, sh8bench (its shape)",
    .parameters = sh8_parameters,
    .options_size = sizeof(struct smartheap_options),
    .start = sh8_start,
    .step = smartheap_step,
    .stop = smartheap_stop,
};
