/* SPDX-License-Identifier: MIT */
/*
 * The set of CPUs that hold a line. Up to 4 lie in the line's entry, the first one the owner. More
 * have a block of a pool: a set of bits, then the owner's number. Blocks go back to the pool when
 * the last holder goes; a free one begins with the number + 1 of the next. There are addresses for
 * a block for each line, so the pool cannot run dry.
 */
#include "sim/virtual/coherence_internal.h"

#include <string.h>

#define INLINE_HOLDERS 4
#define HOLDER_BITS    10
#define HOLDER_MASK    ((uint64_t)(1 << HOLDER_BITS) - 1)
_Static_assert(COHERENCE_MAX_CPUS == 1 << HOLDER_BITS, "a number of each CPU fits");

static bool is_pooled(const struct coherence_line *line)
{
    return line->guard & COHERENCE_POOLED;
}

static unsigned inline_holder(const struct coherence_line *line, unsigned index)
{
    uint64_t holders = line->holders; /* gcc shifts a field in the field's width */

    return (unsigned)(holders >> (index * HOLDER_BITS) & HOLDER_MASK);
}

static unsigned inline_index(const struct coherence_line *line, unsigned cpu)
{
    unsigned index = 0;

    while (index < line->nr_holders && inline_holder(line, index) != cpu)
        index++;
    return index;
}

/* ---- blocks ---- */

static uint64_t *block_of(const struct coherence *coherence, const struct coherence_line *line)
{
    return coherence->blocks + (size_t)line->holders * (coherence->words + 1);
}

static size_t block_get(struct coherence *coherence)
{
    size_t number;
    uint64_t *block;

    if (coherence->free_block == 0)
        return coherence->nr_blocks++;
    number = coherence->free_block - 1;
    block = coherence->blocks + number * (coherence->words + 1);
    coherence->free_block = block[0];
    block[0] = 0;
    return number;
}

static void block_put(struct coherence *coherence, struct coherence_line *line)
{
    uint64_t *block = block_of(coherence, line);

    memset(block, 0, (coherence->words + 1) * sizeof *block);
    block[0] = coherence->free_block;
    coherence->free_block = (size_t)line->holders + 1;
}

static void move_to_block(struct coherence *coherence, struct coherence_line *line)
{
    uint16_t cpus[INLINE_HOLDERS];
    uint64_t *block;

    for (unsigned i = 0; i < INLINE_HOLDERS; i++)
        cpus[i] = (uint16_t)inline_holder(line, i);
    line->holders = block_get(coherence);
    line->guard |= COHERENCE_POOLED;
    block = block_of(coherence, line);
    for (unsigned i = 0; i < INLINE_HOLDERS; i++)
        block[cpus[i] / 64] |= (uint64_t)1 << cpus[i] % 64;
    block[coherence->words] = cpus[0];
}

/* ---- one CPU ---- */

bool holders_have(const struct coherence *coherence, const struct coherence_line *line,
                  unsigned cpu)
{
    if (is_pooled(line))
        return block_of(coherence, line)[cpu / 64] >> cpu % 64 & 1;
    return inline_index(line, cpu) < line->nr_holders;
}

void holders_add(struct coherence *coherence, struct coherence_line *line, unsigned cpu)
{
    if (!is_pooled(line) && line->nr_holders == INLINE_HOLDERS)
        move_to_block(coherence, line);
    if (is_pooled(line))
        block_of(coherence, line)[cpu / 64] |= (uint64_t)1 << cpu % 64;
    else
        line->holders |= (uint64_t)cpu << (line->nr_holders * HOLDER_BITS);
    line->nr_holders++;
}

bool holders_remove(struct coherence *coherence, struct coherence_line *line, unsigned cpu)
{
    bool owned = holders_owner(coherence, line) == cpu;

    if (line->nr_holders == 1) {
        holders_clear(coherence, line);
        return owned;
    }
    line->nr_holders--;
    if (is_pooled(line)) {
        block_of(coherence, line)[cpu / 64] &= ~((uint64_t)1 << cpu % 64);
    } else {
        unsigned shift = inline_index(line, cpu) * HOLDER_BITS;
        uint64_t holders = line->holders, below = ((uint64_t)1 << shift) - 1;

        line->holders = holders >> (shift + HOLDER_BITS) << shift | (holders & below);
    }
    return owned;
}

void holders_clear(struct coherence *coherence, struct coherence_line *line)
{
    if (is_pooled(line))
        block_put(coherence, line);
    line->guard &= (uint16_t)~COHERENCE_POOLED;
    line->holders = 0;
    line->nr_holders = 0;
}

/* ---- all of them ---- */

unsigned holders_owner(const struct coherence *coherence, const struct coherence_line *line)
{
    if (is_pooled(line))
        return (unsigned)block_of(coherence, line)[coherence->words];
    return inline_holder(line, 0);
}

/* Some holder of a block at just that distance from `cpu`: its number + 1, or 0. */
static unsigned block_at_distance(const struct coherence *coherence,
                                  const struct coherence_line *line, unsigned cpu,
                                  unsigned distance)
{
    const uint64_t *block = block_of(coherence, line);
    const uint64_t *there =
        coherence->at_distance + ((size_t)cpu * DISTANCES + distance) * coherence->words;

    for (unsigned word = 0; word < coherence->words; word++) {
        if (block[word] & there[word])
            return word * 64 + (unsigned)__builtin_ctzll(block[word] & there[word]) + 1;
    }
    return 0;
}

unsigned holders_nearest(const struct coherence *coherence, const struct coherence_line *line,
                         unsigned cpu)
{
    const uint8_t *distances = coherence->cpu_distances + (size_t)cpu * coherence->nr_cpus;
    unsigned found = 0;

    if (is_pooled(line)) {
        for (unsigned distance = 0; found == 0; distance++)
            found = block_at_distance(coherence, line, cpu, distance);
        return found - 1;
    }
    for (unsigned i = 1; i < line->nr_holders; i++) {
        if (distances[inline_holder(line, i)] < distances[inline_holder(line, found)])
            found = i;
    }
    return inline_holder(line, found);
}

enum distance holders_farthest(const struct coherence *coherence, const struct coherence_line *line,
                               unsigned cpu)
{
    const uint8_t *distances = coherence->cpu_distances + (size_t)cpu * coherence->nr_cpus;
    unsigned farthest = DISTANCE_SELF;

    if (is_pooled(line)) {
        farthest = DISTANCES - 1;
        while (farthest > DISTANCE_SELF && !block_at_distance(coherence, line, cpu, farthest))
            farthest--;
        return farthest;
    }
    for (unsigned i = 0; i < line->nr_holders; i++) {
        if (distances[inline_holder(line, i)] > farthest)
            farthest = distances[inline_holder(line, i)];
    }
    return farthest;
}

unsigned holders_list(const struct coherence *coherence, const struct coherence_line *line,
                      uint16_t *cpus)
{
    unsigned count = 0;

    if (!is_pooled(line)) {
        for (; count < line->nr_holders; count++)
            cpus[count] = (uint16_t)inline_holder(line, count);
        return count;
    }
    for (unsigned word = 0; word < coherence->words; word++) {
        uint64_t bits = block_of(coherence, line)[word];

        for (; bits; bits &= bits - 1)
            cpus[count++] = (uint16_t)(word * 64 + (unsigned)__builtin_ctzll(bits));
    }
    return count;
}
