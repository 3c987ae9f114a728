/* SPDX-License-Identifier: MIT */
/*
 * Who holds a line, and who saw it coming: what the parts of the model of caches (and its tests)
 * ask of each other.
 */
#ifndef SLABLAB_SIM_VIRTUAL_COHERENCE_INTERNAL_H
#define SLABLAB_SIM_VIRTUAL_COHERENCE_INTERNAL_H

#include "sim/virtual/coherence.h"

/* What one flush looks at or passes over: 64 KiB of addresses, 24 KiB of directory. */
#define COHERENCE_CHUNK 1024

/* The region of an address; of one in none, the first. Without a branch: regions alternate. */
static inline const struct coherence_mapped *coherence_mapped_at(const struct coherence *coherence,
                                                                 uintptr_t address)
{
    const struct coherence_mapped *regions = coherence->regions;
    size_t second = address - regions[1].base < regions[1].bytes;
    size_t third = address - regions[2].base < regions[2].bytes;

    return &regions[second + 2 * third];
}

/* ---- hits known beforehand: see coherence.h ---- */

/* Where a line of the directory lies, in lines. */
static inline uint64_t coherence_line_address(const struct coherence *coherence, uint32_t number)
{
    const struct coherence_mapped *region = &coherence->regions[COHERENCE_REGIONS - 1];

    while (region->bytes == 0 || number < (region->base - region->origin) / COHERENCE_LINE)
        region--;
    return number + region->origin / COHERENCE_LINE;
}

static inline void known_forget(struct coherence *coherence, unsigned cpu, uint64_t line)
{
    uint64_t *known = &coherence->cpus[cpu].known[line % COHERENCE_KNOWN];

    if (*known >> 16 == line)
        *known = 0;
}

/* ---- coherence_prefetch.c ---- */

/* Did the CPU's prefetcher bring the line of an address that it now misses in L1 and L2? */
bool prefetch_brought(struct coherence_cpu *cpu, const struct cost_table *costs, uintptr_t address);

/* ---- coherence_holders.c ---- */

bool holders_have(const struct coherence *coherence, const struct coherence_line *line,
                  unsigned cpu);
/* Of a CPU that is none; it is owner if it is the first. */
void holders_add(struct coherence *coherence, struct coherence_line *line, unsigned cpu);
/* Of a CPU that is one; false: it was not the owner. */
bool holders_remove(struct coherence *coherence, struct coherence_line *line, unsigned cpu);
void holders_clear(struct coherence *coherence, struct coherence_line *line);

/* Who held it first of those who do; of a line in M, E or O whose it is. */
unsigned holders_owner(const struct coherence *coherence, const struct coherence_line *line);

/* The nearest to `cpu`, which is none; of equals in a block that with the lowest number, else the
 * one that came first. There must be one. */
unsigned holders_nearest(const struct coherence *coherence, const struct coherence_line *line,
                         unsigned cpu);
/* How far the farthest is; SELF: there is no other than `cpu`. */
enum distance holders_farthest(const struct coherence *coherence, const struct coherence_line *line,
                               unsigned cpu);

/* All of them: how many. cpus[COHERENCE_MAX_CPUS]; a block's in order of number. */
unsigned holders_list(const struct coherence *coherence, const struct coherence_line *line,
                      uint16_t *cpus);

#endif
