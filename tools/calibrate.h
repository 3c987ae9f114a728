/* SPDX-License-Identifier: MIT */
/*
 * `slablab sim --calibrate`: which cycles of instructions, an access and an operation, make the
 * virtual machine's times on one CPU those of this host.
 */
#ifndef SLABLAB_TOOLS_CALIBRATE_H
#define SLABLAB_TOOLS_CALIBRATE_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct session_arguments;
struct word_list;

/*
 * One design with one trace on one CPU; times of an event, in ns. On one CPU nothing depends on
 * when things happen, so what is predicted is base + compute * access + operation * operation
 * exactly.
 */
struct calibrate_point {
    double native_ns;
    double base_ns;      /* predicted, where instructions and hits in L1 take no time */
    double access_ns;    /* more for each cycle an access */
    double operation_ns; /* more for each cycle an operation */
};

struct calibration {
    double compute_cycles; /* an access to L1, with the instructions beside it */
    double operation_cycles;
    bool fits_compute, fits_operation; /* else it is as it was given */
};

double calibrate_predicted(const struct calibrate_point *point, const struct calibration *with);

/*
 * Least squares of log(predicted / native) over the points, neither figure below 0. On entry `best`
 * has the figures as they are. Designs that make nearly equally many accesses an operation do not
 * tell the two apart: then, and of a single one, only the cycles an access are fitted; if there are
 * no accesses only those of an operation.
 */
void calibrate_fit(const struct calibrate_point *points, size_t count, struct calibration *best);

/*
 * Runs the options' designs with each trace on one CPU of this host and simulated, fits, prints;
 * `output` (NULL: none) gets the machine's table with what was found. An exit status.
 */
int calibrate_run(struct session_arguments *arguments, const struct word_list *traces,
                  const char *output);

#endif
