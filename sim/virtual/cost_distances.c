/* SPDX-License-Identifier: MIT */
/* How far apart the CPUs and nodes of any topology are, in the classes that a cost table knows. */
#include "sim/topology.h"
#include "sim/virtual/cost_table.h"

#include <stdlib.h>
#include <string.h>

#define NO_PACKAGE UINT32_MAX

/* Package of the node's first CPU; NO_PACKAGE: memory without CPUs. */
static unsigned node_package(const struct topology *topology, unsigned node)
{
    for (unsigned i = 0; i < topology_nr_cpus(topology); i++) {
        if (topology_cpu(topology, i)->node == node)
            return topology_cpu(topology, i)->package;
    }
    return NO_PACKAGE;
}

/* The larger of both ways: firmware tables need not be symmetric, classes are. */
static unsigned distance_between(const struct topology *topology, unsigned a, unsigned b)
{
    unsigned there = topology_distance(topology, a, b), back = topology_distance(topology, b, a);

    return there > back ? there : back;
}

/*
 * Of all distances between nodes of different packages the least is one hop, the next two, all
 * others three: firmware tables rank, their numbers are no latencies.
 */
struct ranks {
    unsigned least, next; /* UINT32_MAX: there is none */
};

static struct ranks ranks_find(const struct topology *topology, const unsigned *packages)
{
    unsigned nodes = topology_nr_nodes(topology);
    struct ranks ranks = {UINT32_MAX, UINT32_MAX};

    for (unsigned a = 0; a < nodes; a++) {
        for (unsigned b = 0; b < a; b++) {
            unsigned distance = distance_between(topology, a, b);

            /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): all is set */
            if (packages[a] == packages[b] && packages[a] != NO_PACKAGE)
                continue;
            if (distance < ranks.least) {
                ranks.next = ranks.least;
                ranks.least = distance;
            } else if (distance > ranks.least && distance < ranks.next) {
                ranks.next = distance;
            }
        }
    }
    return ranks;
}

static enum distance rank_of(const struct ranks *ranks, unsigned distance)
{
    if (distance <= ranks->least)
        return DISTANCE_HOP1;
    return distance <= ranks->next ? DISTANCE_HOP2 : DISTANCE_HOP3;
}

/* `hops`: the table's, or NULL. */
static void nodes_fill(const struct topology *topology, const unsigned *packages, bool own,
                       const uint8_t *hops, uint8_t *node_distances)
{
    unsigned nodes = topology_nr_nodes(topology);
    struct ranks ranks = ranks_find(topology, packages);

    for (unsigned a = 0; a < nodes; a++) {
        for (unsigned b = 0; b < nodes; b++) {
            size_t at = (size_t)a * nodes + b;

            if (a == b)
                node_distances[at] = DISTANCE_NODE;
            /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): all is set */
            else if (packages[a] == packages[b] && packages[a] != NO_PACKAGE)
                node_distances[at] = DISTANCE_PACKAGE;
            else if (!own)
                node_distances[at] = rank_of(&ranks, distance_between(topology, a, b));
            else
                node_distances[at] = hops ? DISTANCE_HOP1 + hops[at] - 1 : DISTANCE_HOP1;
        }
    }
}

static enum distance cpus_apart(const struct topology_cpu *a, const struct topology_cpu *b,
                                enum distance nodes_apart)
{
    if (a->os_index == b->os_index)
        return DISTANCE_SELF;
    if (a->core == b->core)
        return DISTANCE_CORE;
    if (a->llc == b->llc)
        return DISTANCE_LLC;
    /* Packages may share a node (interleaved memory, buses): a link is crossed all the same. */
    if (a->package != b->package)
        return nodes_apart > DISTANCE_HOP1 ? nodes_apart : DISTANCE_HOP1;
    return nodes_apart;
}

void cost_distances(const struct topology *topology, const struct cost_table *table, bool own,
                    const unsigned *cpus, unsigned nr_cpus, uint8_t *cpu_distances,
                    uint8_t *node_distances)
{
    unsigned nodes = topology_nr_nodes(topology), packages[nodes];

    for (unsigned node = 0; node < nodes; node++)
        packages[node] = node_package(topology, node);
    nodes_fill(topology, packages, own, table->nr_nodes == nodes ? table->hops : NULL,
               node_distances);
    for (unsigned i = 0; i < nr_cpus; i++) {
        const struct topology_cpu *a = topology_cpu(topology, cpus[i]);

        for (unsigned j = 0; j < nr_cpus; j++) {
            const struct topology_cpu *b = topology_cpu(topology, cpus[j]);
            size_t at = (size_t)i * nr_cpus + j;

            cpu_distances[at] =
                (uint8_t)cpus_apart(a, b, node_distances[(size_t)a->node * nodes + b->node]);
        }
    }
}
