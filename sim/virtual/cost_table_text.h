/* SPDX-License-Identifier: MIT */
/*
 * What the reader and the writer of a machine's text have in common; for sim/cost_table*.c only.
 * The format: sim/MACHINES.md.
 */
#ifndef SLABLAB_SIM_VIRTUAL_COST_TABLE_TEXT_H
#define SLABLAB_SIM_VIRTUAL_COST_TABLE_TEXT_H

#include "sim/virtual/cost_table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct error;

enum cost_key_kind {
    COST_KEY_TEXT,   /* char *; indented lines that follow belong to it */
    COST_KEY_HZ,     /* double */
    COST_KEY_YES_NO, /* bool */
    COST_KEY_CACHE,  /* struct cost_cache and, at cycles_offset, its latency */
    COST_KEY_CYCLES  /* uint32_t */
};

/* A line "KEY VALUE...", in the order in which the writer has them. */
struct cost_key {
    const char *name;
    enum cost_key_kind kind;
    size_t offset, cycles_offset; /* in struct cost_table */
    bool optional;
};
#define COST_KEYS 20
extern const struct cost_key cost_keys[COST_KEYS];

/* Sizes are bytes, or end in K or M: powers of 1,024. */
#define COST_SIZE_K 1024u
#define COST_SIZE_M (1024u * 1024u)

/*
 * `name` stands in messages. `load_topology`: hwloc is asked whether the description is one, and
 * whether it has as many nodes as the links.
 */
int cost_table_read_stream(FILE *stream, const char *name, bool load_topology,
                           struct cost_table **table, struct error *error);

#endif
