/* SPDX-License-Identifier: MIT */
/*
 * What a person sees after `replay`: one row a cell. Over its repetitions a row has the median of
 * times and shares, the largest peak and the sum of failed allocations. The best of each column is
 * marked among the rows with as many threads; the harness (null) is shown, but does not compete,
 * nor does a row with failed allocations, which did less. Which rows were disturbed is said below.
 */
#ifndef SLABLAB_TOOLS_REPLAY_TABLE_H
#define SLABLAB_TOOLS_REPLAY_TABLE_H

#include <jansson.h>
#include <stdio.h>

struct replay_table;

int replay_table_create(struct replay_table **table);
void replay_table_destroy(struct replay_table *table);

/* Notes one run by its record; runs of one design, magazine size and threads share a row. -ENOMEM.
 */
int replay_table_add(struct replay_table *table, const json_t *record);
/* Likewise, of a run that is called `name`: what else was varied is in it. */
int replay_table_add_as(struct replay_table *table, const json_t *record, const char *name);

/* The table; columns of which no row has a figure are left out. */
void replay_table_print(const struct replay_table *table, FILE *stream, const char *trace);

/* Below it: where the memory is, and which caches take the time, of the rows with most threads. */
void replay_details_print(const struct replay_table *table, FILE *stream);

#endif
