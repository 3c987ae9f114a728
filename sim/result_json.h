/* SPDX-License-Identifier: MIT */
/* Pieces of JSON that the parts of a record share. All return new references; NULL: no memory. */
#ifndef SLABLAB_SIM_RESULT_JSON_H
#define SLABLAB_SIM_RESULT_JSON_H

#include "sim/replay.h"

#include <jansson.h>

/* Cycles of a clock of `hz` as ns, to a tenth. */
json_t *result_ns(uint64_t cycles, double hz);

/* Of a histogram of cycles: samples, mean, p50, p90, p99, p999, p9999, max; in ns. */
json_t *result_times(const struct histogram *histogram, double hz);

json_t *result_layers(const uint64_t layers[REPLAY_OPS][LAYERS]);
void result_set_lock(json_t *object, const struct lock_account *lock, double hz);

/* The parts, without page_bytes. */
json_t *result_ledger(const struct ledger *ledger);

/* Slabs by their share of objects out. */
json_t *result_occupancy(const struct ledger *ledger);

/* Of a sample, for each order. */
json_t *result_unusable(const struct replay_sample *sample);

/*
 * Zeroed memory for making a part, and its end. It is JSON's (json_set_alloc_funcs), so that a
 * program which does not go on without memory for a value does not for a whole part either. NULL:
 * no memory.
 */
void *result_scratch(size_t count, size_t size);
void result_scratch_free(void *scratch);

#endif
