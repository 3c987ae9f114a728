/* SPDX-License-Identifier: MIT */
/*
 * Objects allocated by some CPUs and freed by others: producers gather a batch and put it into a
 * queue, consumers take whole batches out of it. The shape says which CPUs share a queue:
 *
 *   1:1     CPU 0 to 1, 2 to 3, ...
 *   1:N     CPU 0 to each of the others, in turn
 *   N:1     each of the others to CPU 0
 *   ring    each to the next; a CPU frees what has come before it allocates more
 *   shared  the first P to all the others through one queue (xmalloc)
 */
#include "sim/error.h"
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

enum handover_kind {
    HANDOVER_ONE_TO_ONE,
    HANDOVER_ONE_TO_MANY,
    HANDOVER_MANY_TO_ONE,
    HANDOVER_RING,
    HANDOVER_SHARED
};

/* `count` numbers from `first` on. */
struct handover_span {
    uint32_t first, count;
};

struct handover_queue {
    struct gen_deque objects;
    struct handover_span from, to; /* CPUs */
};

struct handover_cpu {
    struct handover_span out, in; /* queues it puts into and takes out of */
    uint32_t next_out, next_in;   /* of them, in turn */
    struct gen_deque made, taken;
};

struct handover {
    const struct gen_sizes *sizes; /* NULL: all objects are of `type` */
    uint32_t type;
    uint64_t batch, lag, bulk;
    uint32_t nr_cpus, nr_queues;
    struct handover_cpu *cpus;
    struct handover_queue *queues;
};

/* ---- who gives to whom ---- */

/* The queues that a CPU puts into and takes out of. */
static void handover_place(const struct handover *handover, enum handover_kind kind,
                           uint32_t producers, uint32_t number)
{
    struct handover_cpu *cpu = &handover->cpus[number];
    uint32_t cpus = handover->nr_cpus;
    struct handover_span all = {0, cpus - 1}, own = {number - 1, 1};

    switch (kind) {
    case HANDOVER_ONE_TO_ONE:
        *(number % 2 ? &cpu->in : &cpu->out) = (struct handover_span){number / 2, 1};
        break;
    case HANDOVER_ONE_TO_MANY:
        *(number ? &cpu->in : &cpu->out) = number ? own : all;
        break;
    case HANDOVER_MANY_TO_ONE:
        *(number ? &cpu->out : &cpu->in) = number ? own : all;
        break;
    case HANDOVER_RING:
        cpu->out = (struct handover_span){number, 1};
        cpu->in = (struct handover_span){(number + cpus - 1) % cpus, 1};
        break;
    case HANDOVER_SHARED:
        *(number < producers ? &cpu->out : &cpu->in) = (struct handover_span){0, 1};
    }
}

/* CPUs of one queue follow each other, in every shape. */
static void handover_span_add(struct handover_span *cpus, uint32_t cpu)
{
    if (!cpus->count++)
        cpus->first = cpu;
}

static void handover_connect(struct handover *handover, enum handover_kind kind, uint32_t producers)
{
    for (uint32_t i = 0; i < handover->nr_cpus; i++) {
        struct handover_cpu *cpu = &handover->cpus[i];

        handover_place(handover, kind, producers, i);
        for (uint32_t q = 0; q < cpu->out.count; q++)
            handover_span_add(&handover->queues[cpu->out.first + q].from, i);
        for (uint32_t q = 0; q < cpu->in.count; q++)
            handover_span_add(&handover->queues[cpu->in.first + q].to, i);
    }
}

static void handover_stop(void *load)
{
    struct handover *handover = load;

    if (!handover)
        return;
    for (uint32_t i = 0; handover->cpus && i < handover->nr_cpus; i++) {
        gen_deque_cleanup(&handover->cpus[i].made);
        gen_deque_cleanup(&handover->cpus[i].taken);
    }
    for (uint32_t i = 0; handover->queues && i < handover->nr_queues; i++)
        gen_deque_cleanup(&handover->queues[i].objects);
    free(handover->cpus);
    free(handover->queues);
    free(handover);
}

static int handover_start(struct handover settings, enum handover_kind kind, uint32_t producers,
                          void **load)
{
    struct handover *handover = malloc(sizeof *handover);

    *load = handover;
    if (!handover)
        return -ENOMEM;
    settings.nr_queues = kind == HANDOVER_SHARED       ? 1
                         : kind == HANDOVER_ONE_TO_ONE ? settings.nr_cpus / 2
                         : kind == HANDOVER_RING       ? settings.nr_cpus
                                                       : settings.nr_cpus - 1;
    settings.cpus = calloc(settings.nr_cpus, sizeof *settings.cpus);
    settings.queues = calloc(settings.nr_queues, sizeof *settings.queues);
    *handover = settings;
    if (!settings.cpus || !settings.queues)
        return -ENOMEM;
    handover_connect(handover, kind, producers);
    return 0;
}

/* ---- the steps ---- */

static void handover_wake(struct generator *generator, struct handover_span cpus)
{
    for (uint32_t i = 0; i < cpus.count; i++)
        gen_wake(generator, cpus.first + i);
}

/* Takes a batch out of the next queue that has one. */
static int handover_take(struct generator *generator, struct handover *handover,
                         struct handover_cpu *cpu)
{
    for (uint32_t tried = 0; tried < cpu->in.count; tried++) {
        struct handover_queue *queue = &handover->queues[cpu->in.first + cpu->next_in];

        cpu->next_in = (cpu->next_in + 1) % cpu->in.count;
        if (queue->objects.count < handover->batch)
            continue;
        handover_wake(generator, queue->from);
        return gen_deque_move(&queue->objects, &cpu->taken, handover->batch);
    }
    return 0;
}

/* Puts what was made into the next queue that has room. */
static int handover_give(struct generator *generator, struct handover *handover,
                         struct handover_cpu *cpu)
{
    for (uint32_t tried = 0; tried < cpu->out.count; tried++) {
        struct handover_queue *queue = &handover->queues[cpu->out.first + cpu->next_out];

        cpu->next_out = (cpu->next_out + 1) % cpu->out.count;
        if (queue->objects.count + handover->batch > handover->lag)
            continue;
        handover_wake(generator, queue->to);
        return gen_deque_move(&cpu->made, &queue->objects, handover->batch);
    }
    return 0;
}

static int handover_make(struct generator *generator, struct handover *handover,
                         struct handover_cpu *cpu)
{
    uint64_t missing = handover->batch - cpu->made.count;
    int64_t type = handover->type;

    if (handover->sizes)
        type = gen_sized_type(generator, handover->sizes);
    if (type < 0)
        return (int)type;
    return gen_alloc(generator, (uint32_t)type, handover->bulk < missing ? handover->bulk : missing,
                     &cpu->made);
}

static int handover_step(struct generator *generator, void *load, uint32_t number)
{
    struct handover *handover = load;
    struct handover_cpu *cpu = &handover->cpus[number];
    int code = 0;

    if (!cpu->taken.count)
        code = handover_take(generator, handover, cpu);
    if (!code && cpu->taken.count)
        return gen_free(generator, GEN_FIFO, handover->bulk, &cpu->taken);
    if (!code && cpu->made.count == handover->batch)
        code = handover_give(generator, handover, cpu);
    if (!code && (!cpu->out.count || cpu->made.count == handover->batch)) {
        gen_wait(generator);
        return 0;
    }
    if (!code)
        code = handover_make(generator, handover, cpu);
    if (!code && cpu->made.count == handover->batch)
        code = handover_give(generator, handover, cpu);
    return code;
}

/* ---- producer and consumer ---- */

struct producer_options {
    struct gen_common common;
    struct gen_fixed fixed;
    uint64_t shape, batch, lag, bulk;
};

static const char *const producer_shapes[] = {"1:1", "1:N", "N:1", "ring", NULL};

static const struct tunable producer_parameters[] = {
    GEN_COMMON(struct producer_options, 2, 2),
    GEN_FIXED(struct producer_options, 256),
    TUNABLE_WORD("shape", struct producer_options, shape, 0, producer_shapes,
                 "which CPUs give to which"),
    TUNABLE_NUMBER("batch", struct producer_options, batch, 1, 1, 1000000,
                   "objects handed over at once"),
    TUNABLE_NUMBER("lag", struct producer_options, lag, 256, 1, 1000000000,
                   "objects in flight from one CPU to another, at most"),
    TUNABLE_NUMBER("bulk", struct producer_options, bulk, 1, 1, TRACE_MAX_BATCH,
                   "objects of one call"),
    {.key = NULL},
};

static int producer_start(struct generator *generator, const void *options, void **load,
                          struct error *error)
{
    const struct producer_options *chosen = options;
    int64_t type = gen_fixed_type(generator, &chosen->fixed);
    const struct handover settings = {.type = (uint32_t)type,
                                      .batch = chosen->batch,
                                      .lag = chosen->lag,
                                      .bulk = chosen->bulk,
                                      .nr_cpus = (uint32_t)chosen->common.cpus};

    if (chosen->lag < chosen->batch)
        return error_set(error, EINVAL,
                         "producer-consumer: lag is %llu; it can be %llu (batch) "
                         "to 1000000000",
                         (unsigned long long)chosen->lag, (unsigned long long)chosen->batch);
    if (chosen->shape == HANDOVER_ONE_TO_ONE && chosen->common.cpus % 2)
        return error_set(error, EINVAL,
                         "producer-consumer: cpus is %llu; with shape 1:1 it can be an even number",
                         (unsigned long long)chosen->common.cpus);
    if (type < 0)
        return (int)type;
    return handover_start(settings, (enum handover_kind)chosen->shape, 0, load);
}

const struct workload workload_producer_consumer = {
    .name = "producer-consumer",
    .summary = "some CPUs allocate, others free: 1:1, 1:N, N:1 or a ring",
    .source = "Bonwick & Adams, USENIX 2001; Berger et al., ASPLOS 2000 (blowup)",
    .parameters = producer_parameters,
    .options_size = sizeof(struct producer_options),
    .start = producer_start,
    .step = handover_step,
    .stop = handover_stop,
};

/* ---- xmalloc ---- */

struct xmalloc_options {
    struct gen_common common;
    struct gen_sizes sizes;
    uint64_t producers, batch, queue;
};

static const struct tunable xmalloc_parameters[] = {
    GEN_COMMON(struct xmalloc_options, 2, 2),
    GEN_SIZES(struct xmalloc_options, 16, 512),
    TUNABLE_NUMBER("producers", struct xmalloc_options, producers, 0, 0, 65535,
                   "CPUs that allocate, the others free; 0: half of them"),
    TUNABLE_NUMBER("batch", struct xmalloc_options, batch, 128, 1, 1000000, "objects of a batch"),
    TUNABLE_NUMBER("queue", struct xmalloc_options, queue, 16, 1, 10000,
                   "batches in the queue, at most"),
    {.key = NULL},
};

static int xmalloc_start(struct generator *generator, const void *options, void **load,
                         struct error *error)
{
    const struct xmalloc_options *chosen = options;
    uint64_t cpus = chosen->common.cpus;
    uint64_t producers = chosen->producers ? chosen->producers : cpus / 2;
    const struct handover settings = {.sizes = &chosen->sizes,
                                      .batch = chosen->batch,
                                      .lag = chosen->batch * chosen->queue,
                                      .bulk = 1,
                                      .nr_cpus = (uint32_t)cpus};
    int code = gen_check_sizes(&chosen->sizes, error);

    (void)generator;
    if (code)
        return code;
    if (producers >= cpus)
        return error_set(
            error, EINVAL, "xmalloc: producers is %llu; of %llu CPUs it can be 1 to %llu",
            (unsigned long long)producers, (unsigned long long)cpus, (unsigned long long)cpus - 1);
    return handover_start(settings, HANDOVER_SHARED, (uint32_t)producers, load);
}

const struct workload workload_xmalloc = {
    .name = "xmalloc",
    .summary = "allocating CPUs hand batches to freeing CPUs through one queue",
    .source = "Lever & Boreham, USENIX 2000 (malloc() performance in a multithreaded environment)",
    .parameters = xmalloc_parameters,
    .options_size = sizeof(struct xmalloc_options),
    .start = xmalloc_start,
    .step = handover_step,
    .stop = handover_stop,
};
