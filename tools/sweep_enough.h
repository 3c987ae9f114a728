/* SPDX-License-Identifier: MIT */
/* Whether a sweep's repetitions are enough for `compare` to show anything. */
#ifndef SLABLAB_TOOLS_SWEEP_ENOUGH_H
#define SLABLAB_TOOLS_SWEEP_ENOUGH_H

#include "tools/sweep_plan.h"

#include <stdio.h>

/*
 * A line, if `compare`, which takes the best median of each load for its baseline, will show no
 * difference between designs however large it is, and how many repetitions could. Of native runs;
 * simulated ones do not scatter.
 */
int sweep_enough_print(const struct sweep_plan *plan, uint64_t repeats, FILE *stream,
                       struct error *error);

#endif
