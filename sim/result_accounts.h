/* SPDX-License-Identifier: MIT */
/* What the recorders found, as parts of a run's record, and as its side file. */
#ifndef SLABLAB_SIM_RESULT_ACCOUNTS_H
#define SLABLAB_SIM_RESULT_ACCOUNTS_H

#include "sim/run.h"

#include <jansson.h>

/* What was recorded, and what recording it cost. */
json_t *result_recorded(const struct run_config *config, const struct run_report *report);

/* Adds layers, locks, failed exchanges and trips, if contention was recorded. */
void result_add_contention(json_t *record, const struct run_report *report);

/* Adds the counters of the measured loops that there are. */
void result_add_counters(json_t *record, const struct run_report *report);

/* Adds latency_ns, if it was recorded. */
void result_add_latency(json_t *record, const struct run_report *report);

/* Adds the ledger and the measures of fragmentation; not of an external design. */
void result_add_memory(json_t *record, const struct run_config *config,
                       const struct run_report *report);

/* Of a simulated run: adds to `machine` what its figures follow from; the lines that moved. */
void result_add_virtual_machine(json_t *machine, const struct run_config *config);
json_t *result_coherence(const struct run_report *report);

json_t *result_locality(const struct run_config *config, const struct run_report *report);

/* The busiest caches: the ten first by events, by waits and by bytes. */
json_t *result_caches(const struct run_report *report);

#define RESULT_SERIES_SCHEMA "slablab.series/1"

/*
 * The side file's line: samples of memory over time, a column a part, and the histograms, as pairs
 * of a bucket's lower bound in ns and its count. `run` names the record it belongs to. NULL: no
 * memory.
 */
json_t *result_series(const json_t *run, const struct run_report *report);

#endif
