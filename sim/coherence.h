/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine's caches: a directory of all lines, what each CPU's caches have room for, and
 * so what every access costs. Called for each load, store and atomic of an allocator, by one OS
 * thread.
 *
 * What is modelled and what is not: see the head of coherence.c.
 */
#ifndef SLABLAB_SIM_COHERENCE_H
#define SLABLAB_SIM_COHERENCE_H

#include "sim/cost_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct coherence;

/*
 * Addresses that are looked at; all others cost nothing and are nobody's business. The home of an
 * address is node (address - base) / home_bytes; beyond the last node, node 0.
 */
struct coherence_region {
    uintptr_t base;
    size_t bytes;
    size_t home_bytes;
    bool guarded; /* pages and objects are watched: see coherence_guard */
};
#define COHERENCE_REGIONS 3

#define COHERENCE_LABELS 32

struct coherence_violation {
    uintptr_t address;
    unsigned cpu;
    enum cost_op op;
    bool page;        /* of a page that nobody holds; else of an object that is its user's */
    const void *code; /* the access's place */
};

struct coherence_config {
    const struct cost_table *costs; /* outlives the model */
    unsigned nr_cpus, nr_nodes, nr_llcs;
    const uint8_t *cpu_distances;  /* [nr_cpus * nr_cpus] enum distance */
    const uint8_t *node_distances; /* [nr_nodes * nr_nodes] */
    const unsigned *cpu_node, *cpu_llc;
    struct coherence_region regions[COHERENCE_REGIONS];
    unsigned nr_regions;
    /* May end the process or come back; then the access goes on. */
    void (*violation)(void *context, const struct coherence_violation *violation);
    void *context;
};

/* The arrays are copied. -ENOMEM, -EINVAL. */
int coherence_create(const struct coherence_config *config, struct coherence **result,
                     struct error *error);
void coherence_destroy(struct coherence *coherence);

/*
 * One access of `bytes` at `address` (it may cross lines) by `cpu` at its time `now`: the cycles it
 * takes, waiting for the line included. 0 outside of the regions. `code` is whose access it is, for
 * violations.
 */
uint64_t coherence_access(struct coherence *coherence, unsigned cpu, uintptr_t address,
                          size_t bytes, enum cost_op op, uint64_t now, const void *code);

/* ---- who owns what: costs nothing ---- */

/* Pages begin as not held. */
void coherence_page(struct coherence *coherence, uintptr_t address, size_t bytes, bool held);
/* Whole 8-byte granules inside of [address, address + bytes) are the user's, or no longer. */
void coherence_guard(struct coherence *coherence, uintptr_t address, size_t bytes, bool users);
/* What the lines that [address, address + bytes) touches are counted under; 0 .. 31, 0 at first. */
void coherence_label(struct coherence *coherence, uintptr_t address, size_t bytes, unsigned label);

/* ---- what was counted ---- */

struct coherence_counts {
    uint64_t accesses[COST_OPS];
    uint64_t hits_l1, hits_l2, hits_llc, memory; /* of lines that were this CPU's, or nobody's */
    uint64_t transfers[DISTANCES]; /* lines that came from another CPU's caches, by its distance */
    uint64_t invalidations;        /* copies of others that stores and atomics took away */
    uint64_t queued_cycles;        /* waiting for a line that others were getting */
    uint64_t by_label[COHERENCE_LABELS];       /* of the transfers */
    uint64_t false_by_label[COHERENCE_LABELS]; /* of these: the two CPUs touched different bytes */
};
const struct coherence_counts *coherence_counts(const struct coherence *coherence, unsigned cpu);
void coherence_counts_reset(struct coherence *coherence);

/* All lines leave all caches. */
void coherence_flush(struct coherence *coherence);

#endif
