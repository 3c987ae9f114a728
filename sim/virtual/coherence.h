/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine's caches: a directory of all lines, what each CPU's caches have room for, and
 * so what every access costs. Called for each load, store and atomic of an allocator, by one OS
 * thread.
 *
 * What is modelled and what is not: see the head of coherence.c.
 */
#ifndef SLABLAB_SIM_VIRTUAL_COHERENCE_H
#define SLABLAB_SIM_VIRTUAL_COHERENCE_H

#include "sim/virtual/cache_filter.h"
#include "sim/virtual/cost_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct coherence;

#define COHERENCE_LINE     64 /* bytes */
#define COHERENCE_MAX_CPUS 1024

/*
 * Addresses that are looked at; all others cost nothing and are nobody's business. The home of an
 * address is node (address - base) / home_bytes; beyond the last node, node 0. Regions begin at a
 * line and do not overlap; all together have less than 2^32 lines (256 GiB). What is not touched
 * of them costs addresses, and no memory.
 */
struct coherence_region {
    uintptr_t base;
    size_t bytes;
    size_t home_bytes;
    bool guarded; /* pages and objects are watched: see coherence_guard */
    /* What lines of label 0 are counted under: a region that has one label takes no labelling. */
    uint8_t label;
};
#define COHERENCE_REGIONS 3

#define COHERENCE_LABELS 32

struct coherence_violation {
    uintptr_t address; /* the first byte of the access that it must not touch */
    unsigned cpu;
    enum cost_op op;
    bool page;        /* of a page that nobody holds; else of an object that is its user's */
    const void *code; /* the access's place */
};

struct coherence_config {
    const struct cost_table *costs; /* outlives the model */
    unsigned nr_cpus, nr_nodes, nr_llcs;
    const uint8_t *cpu_distances;  /* [nr_cpus * nr_cpus] enum distance; SELF to itself alone */
    const uint8_t *node_distances; /* [nr_nodes * nr_nodes], NODE to itself and more to others */
    const unsigned *cpu_node, *cpu_llc;
    struct coherence_region regions[COHERENCE_REGIONS];
    unsigned nr_regions;
    /* Once a line. May end the process or come back; then the access goes on. NULL: nobody asks. */
    void (*violation)(void *context, const struct coherence_violation *violation);
    void *context;
};

/* The arrays are copied. -ENOMEM, -EINVAL, each with a sentence that says what would be right. */
int coherence_create(const struct coherence_config *config, struct coherence **result,
                     struct error *error);
void coherence_destroy(struct coherence *coherence);

/*
 * One access of `bytes` at `address` (it may cross lines, which then are had one after the other)
 * by `cpu` at its time `now`: the cycles it takes, waiting for the line included. 0 outside of the
 * regions, and for what reaches beyond the one it begins in. `code` is whose access it is, for
 * violations.
 */
static inline uint64_t coherence_access(struct coherence *coherence, unsigned cpu,
                                        uintptr_t address, size_t bytes, enum cost_op op,
                                        uint64_t now, const void *code);

/* ---- who owns what: costs nothing, and outside of the regions is nothing ---- */

/*
 * Pages are held or not; in guarded regions they begin as not held. Either way nothing in them is
 * the user's any more, and labels are 0.
 */
void coherence_page(struct coherence *coherence, uintptr_t address, size_t bytes, bool held);
/* Whole 8-byte granules inside of [address, address + bytes) are the user's, or no longer. */
void coherence_guard(struct coherence *coherence, uintptr_t address, size_t bytes, bool users);
/* What the lines that [address, address + bytes) touches are counted under; 0 .. 31, 0 at first. */
void coherence_label(struct coherence *coherence, uintptr_t address, size_t bytes, unsigned label);

/* ---- what was counted ---- */

/*
 * Of each line that an access touches, exactly one of the levels, transfers and upgrades:
 * sum of accesses == hits_l1 + hits_l2 + hits_llc + memory + sum of transfers + upgrades, and
 * sum of by_label == sum of transfers.
 */
struct coherence_counts {
    uint64_t accesses[COST_OPS];
    uint64_t hits_l1, hits_l2, hits_llc, memory; /* of lines that were this CPU's, or nobody's */
    uint64_t prefetched; /* of hits_llc and memory: those that the prefetcher had brought nearer */
    uint64_t upgrades;   /* stores and atomics to a line that this CPU had and shared with others */
    uint64_t transfers[DISTANCES]; /* lines that came from another CPU's caches, by its distance */
    uint64_t invalidations;        /* copies of others that stores and atomics took away */
    uint64_t queued_cycles;        /* waiting for a line that others were getting */
    uint64_t by_label[COHERENCE_LABELS];       /* of the transfers */
    uint64_t false_by_label[COHERENCE_LABELS]; /* of these: the two CPUs touched different bytes */
};
const struct coherence_counts *coherence_counts(const struct coherence *coherence, unsigned cpu);
/* Transfers from before it may be found false after it: at most one of a line. */
void coherence_counts_reset(struct coherence *coherence);

/* All lines leave all caches and nobody waits for any; owners, labels and counts stay. */
void coherence_flush(struct coherence *coherence);

/* ---- private: what coherence_access has to see so that a hit takes no call ---- */

/*
 * A line's entry in the directory; zeroed: in no cache, never touched. Up to 4 holders are numbers
 * of 10 bits, the owner first; of more `holders` is the number of a block (coherence_holders.c).
 * M or E: nr_holders == 1 and keeper is the holder. I: nr_holders == 0.
 */
struct coherence_line {
    uint64_t busy_until; /* the end of the last transfer ... */
    uint32_t backlog;    /* ... less the latest time at which any of them was asked for */
    uint16_t guard;      /* COHERENCE_HELD and so on; low byte: granules that are the user's */
    uint8_t touched;     /* granules that `keeper` touched since it became that */
    uint8_t former;      /* and those of the keeper before it */
    uint64_t holders : 40, nr_holders : 11;
    uint64_t keeper : 10; /* whose tenure it is: see tenure() in coherence.c */
    uint64_t state : 3;   /* enum line_state */
};
_Static_assert(sizeof(struct coherence_line) == 24, "1 GiB of lines has 384 MiB of directory");

#define COHERENCE_HELD        0x0100u
#define COHERENCE_ARRIVED     0x0200u /* the tenure began with a transfer */
#define COHERENCE_POOLED      0x0400u /* `holders` is a block */
#define COHERENCE_LABEL_SHIFT 11

struct coherence_mapped {
    uintptr_t base;
    size_t bytes;     /* 0: no region */
    uintptr_t origin; /* where line 0 of the directory would lie */
    size_t home_bytes;
    uint16_t unheld; /* COHERENCE_HELD where that bit must be set, else 0 */
    uint8_t label;   /* see coherence_region */
};

/*
 * Hits known beforehand: what a CPU's accesses to some of its lines take that change nothing but
 * counts. The line is the one used last of its set in L1; the granules may be touched and need no
 * note; for stores and atomics it is modified. An entry is the line's address above 16 bits: the
 * granules that may be stored to, then those that may be loaded. Who changes any of that forgets
 * the entry (known_forget in coherence_internal.h).
 */
#define COHERENCE_KNOWN 64

/* What a CPU's prefetcher remembers of a page: see coherence_prefetch.c. */
struct coherence_stream {
    uintptr_t line; /* that was missed last: its address / COHERENCE_LINE */
    intptr_t step;  /* to it from the one before, in lines; 0: no stream yet */
};

struct coherence_cpu {
    uint64_t known[COHERENCE_KNOWN];
    struct cache_filter l1, l2;
    unsigned node, llc;
    struct coherence_counts counts;
    struct coherence_stream streams[COST_STREAMS_MAX]; /* the one used last first */
};

struct coherence {
    struct coherence_mapped regions[COHERENCE_REGIONS];
    struct coherence_line *lines; /* of all regions, one after the other */
    struct coherence_cpu *cpus;
    uint64_t l1_cycles[COST_OPS];

    /* From here on as of creation, and never looked at by a hit. */
    const struct cost_table *costs;
    unsigned nr_cpus, nr_nodes;
    uint8_t *cpu_distances, *node_distances;
    uint64_t *at_distance; /* [nr_cpus * DISTANCES * words] sets of CPUs */
    unsigned words;        /* of 64 CPUs each, in a set of CPUs */
    struct cache_filter *llcs;
    void (*violation)(void *context, const struct coherence_violation *violation);
    void *context;

    /* Reserved addresses; see coherence_setup.c. */
    size_t nr_lines, tags_bytes;
    uint32_t *tags;    /* of all filters */
    uint64_t *blocks;  /* of holders, see coherence_holders.c */
    uint8_t *used;     /* [nr_lines / COHERENCE_CHUNK] some line of it was in a cache */
    size_t nr_blocks;  /* that were ever handed out */
    size_t free_block; /* number + 1 of the first given back; 0: none */
};

/* All but what is known beforehand. */
uint64_t coherence_access_lines(struct coherence *coherence, unsigned cpu, uintptr_t address,
                                size_t bytes, enum cost_op op, uint64_t now, const void *code);

/* Of `bytes` (not 0) in one line: a bit for each granule of 8. */
static inline unsigned coherence_granules(uintptr_t address, size_t bytes)
{
    size_t first = address / 8 % 8, last = first + (address % 8 + bytes - 1) / 8;

    return (2u << last) - (1u << first);
}

/* An access to `granules` of one line is a hit that changes nothing: it is counted. */
static inline bool coherence_hit(struct coherence_cpu *self, uintptr_t address, unsigned granules,
                                 enum cost_op op)
{
    const uint64_t masks = 0xffff;
    uint64_t line = address / COHERENCE_LINE;
    uint64_t wanted = op == COST_LOAD ? granules : granules << 8;
    uint64_t entry = self->known[line % COHERENCE_KNOWN] ^ line << 16;

    if (__builtin_expect((entry & (wanted | ~masks)) != wanted, 0))
        return false;
    self->counts.accesses[op]++;
    self->counts.hits_l1++;
    return true;
}

static inline uint64_t coherence_access(struct coherence *coherence, unsigned cpu,
                                        uintptr_t address, size_t bytes, enum cost_op op,
                                        uint64_t now, const void *code)
{
    if (bytes != 0 && address % COHERENCE_LINE + bytes <= COHERENCE_LINE &&
        coherence_hit(&coherence->cpus[cpu], address, coherence_granules(address, bytes), op))
        return coherence->l1_cycles[op];
    return coherence_access_lines(coherence, cpu, address, bytes, op, now, code);
}

#endif
