/* SPDX-License-Identifier: MIT */
/* What a person sees after `replay`: one row a cell: over its repetitions the median of
 * times and stalls, the largest peak, the sum of failed allocations. */
#ifndef SLABLAB_TOOLS_REPLAY_TABLE_H
#define SLABLAB_TOOLS_REPLAY_TABLE_H

#include "sim/run.h"

#include <stdio.h>

struct replay_table;

int replay_table_create(struct replay_table **table);
void replay_table_destroy(struct replay_table *table);

/* Notes one run; runs of the same design, magazine size and threads share a row. */
int replay_table_add(struct replay_table *table, const struct run_config *config,
                     const struct run_report *report);
void replay_table_print(const struct replay_table *table, FILE *stream, const char *trace);

#endif
