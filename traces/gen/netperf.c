/* SPDX-License-Identifier: MIT */
/*
 * Requests and responses, several at a time on each CPU: a connection's side frees the message that
 * came (data, then head), allocates the next (head, then data) and sends it to the other side. That
 * is on another CPU for a share of the requests; then both the request and its response are freed
 * far from where they were allocated.
 */
#include "traces/gen/gen.h"
#include "traces/gen/workloads.h"

#include <errno.h>
#include <stdlib.h>

struct netperf_options {
    struct gen_common common;
    uint64_t threads, remote, head, data;
};

enum netperf_turn { NETPERF_FREE_DATA, NETPERF_FREE_HEAD, NETPERF_ALLOC_HEAD, NETPERF_ALLOC_DATA };

struct netperf_connection {
    uint32_t head, data; /* of the message on its way */
    uint32_t home;       /* CPU of the client */
    enum netperf_turn turn;
    bool answers; /* it is at the server */
};

struct netperf {
    const struct netperf_options *options;
    uint32_t head_type, data_type;
    struct netperf_connection *connections;
    struct gen_deque ready[]; /* by CPU: connections that are to run there, in order */
};

static const struct tunable netperf_parameters[] = {
    GEN_COMMON(struct netperf_options, 2, 1),
    TUNABLE_NUMBER("threads", struct netperf_options, threads, 4, 1, 1024, "connections of a CPU"),
    TUNABLE_NUMBER("remote", struct netperf_options, remote, 50, 0, 100,
                   "% of the requests whose other side is on another CPU"),
    TUNABLE_BYTES("head", struct netperf_options, head, 224, 1, GEN_MAX_SIZE,
                  "bytes of a message's head, of a cache"),
    TUNABLE_BYTES("data", struct netperf_options, data, 704, 1, GEN_MAX_SIZE,
                  "bytes of its data, of another cache"),
    {.key = NULL},
};

static void netperf_stop(void *load)
{
    struct netperf *netperf = load;

    for (uint64_t i = 0; netperf && i < netperf->options->common.cpus; i++)
        gen_deque_cleanup(&netperf->ready[i]);
    if (netperf)
        free(netperf->connections);
    free(netperf);
}

static int netperf_start(struct generator *generator, const void *options, void **load,
                         struct error *error)
{
    const struct netperf_options *chosen = options;
    uint64_t cpus = chosen->common.cpus, connections = cpus * chosen->threads;
    struct netperf *netperf = calloc(1, sizeof *netperf + cpus * sizeof netperf->ready[0]);
    int64_t head = gen_type(generator, "skbuff_head", chosen->head);
    int64_t data = gen_type(generator, "skbuff_data", chosen->data);
    int code = 0;

    (void)error;
    *load = netperf;
    if (!netperf || head < 0 || data < 0)
        return !netperf ? -ENOMEM : (int)(head < 0 ? head : data);
    netperf->options = chosen;
    netperf->head_type = (uint32_t)head;
    netperf->data_type = (uint32_t)data;
    netperf->connections = calloc(connections, sizeof *netperf->connections);
    if (!netperf->connections)
        return -ENOMEM;
    for (uint64_t i = 0; !code && i < connections; i++) {
        uint32_t home = (uint32_t)(i % cpus);

        netperf->connections[i] =
            (struct netperf_connection){.home = home, .turn = NETPERF_ALLOC_HEAD};
        code = gen_deque_push(&netperf->ready[home], (uint32_t)i);
    }
    return code;
}

/* Sends the message that is whole now. */
static int netperf_send(struct generator *generator, struct netperf *netperf, uint32_t cpu)
{
    uint64_t cpus = netperf->options->common.cpus;
    uint32_t number = gen_deque_pop(&netperf->ready[cpu]), to = cpu;
    struct netperf_connection *connection = &netperf->connections[number];

    if (connection->answers)
        to = connection->home;
    else if (cpus > 1 && gen_chance(generator, netperf->options->remote))
        to = (uint32_t)((cpu + 1 + random_below(gen_random(generator), cpus - 1)) % cpus);
    connection->answers = !connection->answers;
    gen_wake(generator, to);
    return gen_deque_push(&netperf->ready[to], number);
}

/* What comes next of: free data, free head, allocate head, allocate data. */
static int netperf_step(struct generator *generator, void *load, uint32_t cpu)
{
    struct netperf *netperf = load;
    struct gen_deque *ready = &netperf->ready[cpu];
    struct netperf_connection *connection;
    int code;

    if (!ready->count) {
        gen_wait(generator);
        return 0;
    }
    connection = &netperf->connections[ready->items[ready->first]];
    switch (connection->turn++) {
    case NETPERF_FREE_DATA:
        return gen_free_one(generator, connection->data);
    case NETPERF_FREE_HEAD:
        return gen_free_one(generator, connection->head);
    case NETPERF_ALLOC_HEAD:
        return gen_alloc_one(generator, netperf->head_type, &connection->head);
    default:
        connection->turn = NETPERF_FREE_DATA;
        code = gen_alloc_one(generator, netperf->data_type, &connection->data);
        return code ? code : netperf_send(generator, netperf, cpu);
    }
}

const struct workload workload_netperf_rr = {
    .name = "netperf-rr",
    .summary = "requests and responses, allocated on one CPU and freed on another",
    .source = "netperf TCP_RR, as in the comparison of slab allocators on linux-mm, 2010",
    .parameters = netperf_parameters,
    .options_size = sizeof(struct netperf_options),
    .start = netperf_start,
    .step = netperf_step,
    .stop = netperf_stop,
};
