/* SPDX-License-Identifier: MIT */
/* Two sweeps, A and B: which of their combinations are the same, and what else they differ in. */
#ifndef SLABLAB_TOOLS_COUNTERPART_H
#define SLABLAB_TOOLS_COUNTERPART_H

#include "tools/series.h"

/*
 * The point of `series` that is the combination which `point` is in `from`; NULL: there is none.
 * Both are of one load, design, magazine size and arm. Of locks, bindings and tunables a source may
 * have only one value, and the other source only another: that is what is being compared, and tells
 * no combinations apart.
 */
const struct point *point_counterpart(const struct series *series, const struct series *from,
                                      const struct point *point);

/*
 * [{what, a, b}] of all conditions in which B differs from A, so that a ratio may not be the
 * design's: of machine and replay, and what point_counterpart() passes over. A value that is not
 * there is null. NULL: no memory.
 */
json_t *conditions_json(const struct series *before, const struct series *after);

#endif
