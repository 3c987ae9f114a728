/* SPDX-License-Identifier: MIT */
/* One run as one JSON object on one line: inputs, provenance, validity, figures. */
#ifndef SLABLAB_SIM_RESULT_H
#define SLABLAB_SIM_RESULT_H

#include "sim/run.h"

#include <jansson.h>

#define RESULT_SCHEMA "slablab.run/1"

/* What a result says beyond the run itself. */
struct result_context {
    const char *run; /* names the run, here and in the side file */
    const char *trace_path;
    const struct plan *plan;
    const struct topology *topology;
    const char *machine_name;
    unsigned repeat; /* which repetition, from 0 */
    char **command;  /* argv, NULL-terminated */
    const char *binding;
    const char *started; /* ISO 8601, UTC */
};

/*
 * A new reference; NULL: no memory. What was not measured is absent, never zero.
 *
 * Beyond the keys of the command line's contract: `ns_per_event` is one thread's time for one
 * event (elapsed_ns x threads / events), so that perfect scaling is a flat line.
 */
json_t *result_create(const struct run_config *config, const struct run_report *report,
                      const struct result_context *context);

/* Is the record of a run that counts? (`valid`) */
bool result_valid(const json_t *record);

#endif
