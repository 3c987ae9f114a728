/* SPDX-License-Identifier: MIT */
/*
 * What an access costs on a machine: the tables of the virtual machine. One table describes one
 * machine: its topology, clock, caches, and the cycles of a load, store or atomic by the state of
 * the line, by how far away it is, and by where its home is. sim/MACHINES.md says what was
 * published, by whom, and what was extrapolated.
 */
#ifndef SLABLAB_SIM_VIRTUAL_COST_TABLE_H
#define SLABLAB_SIM_VIRTUAL_COST_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct topology;

enum cost_op { COST_LOAD, COST_STORE, COST_ATOMIC, COST_OPS };

/* Of a line, as its directory has it. OWNED: modified, and others have copies (AMD's MOESI). */
enum line_state {
    LINE_INVALID, /* in no cache */
    LINE_SHARED,
    LINE_EXCLUSIVE,
    LINE_OWNED,
    LINE_MODIFIED,
    LINE_STATES
};

/* Between two CPUs, or (from DISTANCE_NODE on) between two nodes. */
enum distance {
    DISTANCE_SELF,
    DISTANCE_CORE,    /* another thread of the core */
    DISTANCE_LLC,     /* another core at the same last-level cache */
    DISTANCE_NODE,    /* same memory node, other last-level cache; of nodes: the same */
    DISTANCE_PACKAGE, /* another node of the package */
    DISTANCE_HOP1,    /* another package, by the number of links between them */
    DISTANCE_HOP2,
    DISTANCE_HOP3,
    DISTANCES
};
const char *distance_name(enum distance distance);  /* "self", "core", "llc", "node", ... */
const char *cost_op_name(enum cost_op op);          /* "load", "store", "atomic" */
const char *line_state_name(enum line_state state); /* "invalid", "shared", ... */

/* Where the line's home memory is, seen from who asks. */
enum cost_home {
    HOME_NEAR, /* in the asker's package */
    HOME_FAR,
    COST_HOMES
};

struct cost_cache {
    uint32_t bytes; /* of one: a core's L1 and L2, a domain's LLC; 0: there is none */
    uint32_t ways;
};

#define COST_STREAMS_MAX 64

/* All costs in cycles of the machine's clock, latency as seen by who asks. */
struct cost_table {
    char *name;         /* "opteron-6172x4" */
    char *summary;      /* one line */
    char *source;       /* publications, and what each gave; may have several lines */
    char *extrapolated; /* what is not in them, and by which rule; "" : nothing; lines as above */
    char *topology;     /* hwloc synthetic description */
    double hz;
    bool has_owned; /* MOESI */
    bool migrates;  /* a modified line goes over to its reader: Cox & Fowler, ISCA 1993 */
    struct cost_cache l1, l2, llc;

    /* What this CPU has already: by where it is found. */
    uint32_t l1_cycles, l2_cycles, llc_cycles;
    uint32_t atomic_cycles; /* on a line that is this CPU's own, in L1, beyond an ordinary access */

    /*
     * The prefetcher (coherence_prefetch.c): streams that it follows (COST_STREAMS_MAX at most; 0:
     * there is none, and the others are 0 too), lines from one miss of a stream to the next at
     * most, and what a line costs that it has brought.
     */
    uint32_t prefetch_streams, prefetch_lines, prefetch_cycles;

    /*
     * Lines of others: [op][state][distance][home]. Of SHARED the distance is that of the farthest
     * sharer for stores and atomics, of the nearest for loads; of INVALID it is the distance from
     * the asker's node to the home node (NODE, PACKAGE, HOP1 ...: memory), and `home` follows from
     * it. No entry is 0 but those of DISTANCE_SELF and of INVALID nearer than NODE.
     */
    uint32_t cost[COST_OPS][LINE_STATES][DISTANCES][COST_HOMES];
    /* A store or atomic to a line that every CPU shares; 0: as the farthest sharer. */
    uint32_t store_shared_by_all;

    /*
     * Links between nodes, [nr_nodes * nr_nodes], when the topology is the table's own: 0 the same,
     * 1 .. 3; of two nodes of a package it says nothing. NULL: one between any two packages, and
     * nr_nodes is 0.
     */
    uint8_t *hops;
    unsigned nr_nodes;

    /* Instructions between accesses, in 1/256 cycles an access; see `slablab sim --calibrate`. */
    uint32_t compute_256ths;
    uint32_t operation_cycles; /* call and return of an allocation or a free */
    uint32_t interrupt_cycles; /* an idle CPU is interrupted */
    uint32_t sleep_cycles;     /* from a lock's release until its sleeping waiter runs */
};

/* The built-in ones, in order of name; NULL: no memory to read them. */
size_t cost_table_count(void);
const struct cost_table *cost_table_at(size_t index);
/* -ENOENT: the sentence lists the names. */
int cost_table_find(const char *name, const struct cost_table **table, struct error *error);

/*
 * The text format of sim/MACHINES.md. -EINVAL with file, line and reason; -errno of the file. What
 * was written reads as the same table; -EINVAL from the writer: a text that no file could hold.
 */
int cost_table_read(const char *path, struct cost_table **table, struct error *error);
int cost_table_write(const struct cost_table *table, const char *path, struct error *error);
void cost_table_destroy(struct cost_table *table); /* of what read gave */

/*
 * How far apart the CPUs `cpus[0 .. nr_cpus)` of a topology (logical numbers) are, and its nodes:
 * cpu_distances [nr_cpus * nr_cpus] and node_distances [nr_nodes * nr_nodes] get enum distance. By
 * core, last-level cache, node and package; between packages by the table's hops where the
 * topology is the table's own (`own`), else by the rank of the topology's distances: the least is
 * one hop, the next two, all others three. CPUs of two packages that share a node are one hop
 * apart. A CPU that is listed twice is at distance SELF from itself.
 */
void cost_distances(const struct topology *topology, const struct cost_table *table, bool own,
                    const unsigned *cpus, unsigned nr_cpus, uint8_t *cpu_distances,
                    uint8_t *node_distances);

#endif
