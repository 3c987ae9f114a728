/* SPDX-License-Identifier: MIT */
/*
 * A network card's receive path: the CPUs that take its interrupts poll a budget of packets, each
 * of a head and data, and hand them to receivers on other CPUs, which free them. The allocating
 * CPUs never see their objects again, and the freeing ones never allocate: what a sheaf or magazine
 * caches on a CPU is of no use there, and every object goes over the shared list.
 */
#include "sim/error.h"
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

struct network_options {
    struct gen_common common;
    uint64_t receivers, remote, batch, backlog, bulk, head, data;
};

struct network_cpu {
    struct gen_deque heads, data; /* of the packets of this poll */
    struct gen_deque received;    /* to be freed here */
};

struct network {
    const struct network_options *options;
    uint32_t head_type, data_type;
    uint32_t nr_cpus, nr_interrupts; /* CPUs; the others receive */
    struct network_cpu cpus[];
};

static const struct tunable network_parameters[] = {
    GEN_COMMON(struct network_options, 2, 1),
    TUNABLE_NUMBER("receivers", struct network_options, receivers, 0, 0, 65535,
                   "CPUs that receive, the others take interrupts; 0: all but one"),
    TUNABLE_NUMBER("remote", struct network_options, remote, 100, 0, 100,
                   "% of the packets that are freed by receivers"),
    TUNABLE_NUMBER("batch", struct network_options, batch, 64, 1, TRACE_MAX_BATCH,
                   "packets of a poll (NAPI's budget is 64)"),
    TUNABLE_NUMBER("backlog", struct network_options, backlog, 1000, 1, 1000000,
                   "packets waiting at a receiver with which polls go on"),
    TUNABLE_NUMBER("bulk", struct network_options, bulk, 1, 1, TRACE_MAX_BATCH,
                   "heads, or data, of one allocating call"),
    TUNABLE_BYTES("head", struct network_options, head, 704, 1, GEN_MAX_SIZE,
                  "bytes of a packet's head, of a cache (skbuff_small_head: 704, also 640)"),
    TUNABLE_BYTES("data", struct network_options, data, 2048, 1, GEN_MAX_SIZE,
                  "bytes of its data, untyped"),
    {.key = NULL},
};

static void network_stop(void *load)
{
    struct network *network = load;

    for (uint32_t i = 0; network && i < network->nr_cpus; i++) {
        gen_deque_cleanup(&network->cpus[i].heads);
        gen_deque_cleanup(&network->cpus[i].data);
        gen_deque_cleanup(&network->cpus[i].received);
    }
    free(network);
}

static int network_start(struct generator *generator, const void *options, void **load,
                         struct error *error)
{
    const struct network_options *chosen = options;
    uint64_t cpus = chosen->common.cpus;
    uint64_t receivers = chosen->receivers ? chosen->receivers : cpus - 1;
    struct network *network = calloc(1, sizeof *network + cpus * sizeof network->cpus[0]);
    int64_t head = gen_type(generator, "skbuff_small_head", chosen->head);
    int64_t data = gen_type(generator, NULL, chosen->data);

    *load = network;
    if (!network || head < 0 || data < 0)
        return !network ? -ENOMEM : (int)(head < 0 ? head : data);
    if (receivers >= cpus)
        return error_set(
            error, EINVAL, "network-receive: receivers is %llu; of %llu CPUs it can be 1 to %llu",
            (unsigned long long)receivers, (unsigned long long)cpus, (unsigned long long)cpus - 1);
    network->options = chosen;
    network->head_type = (uint32_t)head;
    network->data_type = (uint32_t)data;
    network->nr_cpus = (uint32_t)cpus;
    network->nr_interrupts = (uint32_t)(cpus - receivers);
    return 0;
}

/* Is a receiver so far behind that no more packets are wanted? */
static bool network_is_full(const struct network *network)
{
    for (uint32_t i = network->nr_interrupts; i < network->nr_cpus; i++) {
        if (network->cpus[i].received.count > 2 * network->options->backlog)
            return true;
    }
    return false;
}

/* The poll is over: its packets go to where they are freed, data before head. */
static int network_deliver(struct generator *generator, struct network *network,
                           struct network_cpu *cpu, uint32_t number)
{
    int code = 0;

    while (!code && cpu->heads.count) {
        uint32_t to = number;

        if (gen_chance(generator, network->options->remote))
            to = network->nr_interrupts +
                 (uint32_t)random_below(gen_random(generator),
                                        network->nr_cpus - network->nr_interrupts);
        code = gen_deque_move(&cpu->data, &network->cpus[to].received, 1);
        if (!code)
            code = gen_deque_move(&cpu->heads, &network->cpus[to].received, 1);
        gen_wake(generator, to);
    }
    return code;
}

static int network_poll(struct generator *generator, struct network *network,
                        struct network_cpu *cpu, uint32_t number)
{
    uint64_t bulk = network->options->bulk, missing = network->options->batch - cpu->heads.count;
    int code;

    if (cpu->heads.count == cpu->data.count)
        return gen_alloc(generator, network->head_type, bulk < missing ? bulk : missing,
                         &cpu->heads);
    missing = cpu->heads.count - cpu->data.count;
    code = gen_alloc(generator, network->data_type, bulk < missing ? bulk : missing, &cpu->data);
    if (!code && cpu->data.count == network->options->batch)
        code = network_deliver(generator, network, cpu, number);
    return code;
}

static int network_step(struct generator *generator, void *load, uint32_t number)
{
    struct network *network = load;
    struct network_cpu *cpu = &network->cpus[number];
    bool interrupts = number < network->nr_interrupts;

    if (cpu->received.count) {
        if (!interrupts && cpu->received.count == 2 * network->options->backlog) {
            for (uint32_t i = 0; i < network->nr_interrupts; i++)
                gen_wake(generator, i);
        }
        return gen_free(generator, GEN_FIFO, 1, &cpu->received);
    }
    if (interrupts && (cpu->heads.count || !network_is_full(network)))
        return network_poll(generator, network, cpu, number);
    gen_wait(generator);
    return 0;
}

const struct workload workload_network_receive = {
    .name = "network-receive",
    .summary = "packets allocated on the interrupt's CPU, freed on the receivers'",
    .source = "the regression of sheaves under cross-CPU frees, linux-mm 2026",
    .parameters = network_parameters,
    .options_size = sizeof(struct network_options),
    .start = network_start,
    .step = network_step,
    .stop = network_stop,
};
