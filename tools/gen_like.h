/* SPDX-License-Identifier: MIT */
/* slablab gen --like: a load like a recorded one, and how like it came out. */
#ifndef SLABLAB_TOOLS_GEN_LIKE_H
#define SLABLAB_TOOLS_GEN_LIKE_H

#include "traces/gen/likeness.h"

/*
 * Generates `output` like the trace `input`, reads it again and says how far the two are apart: as
 * a table on stderr, with `json` as an object on standard output too.
 */
int gen_like(const char *input, const struct likeness_options *options, const char *output,
             bool json, const struct generate_progress *progress, struct generate_report *report,
             struct error *error);

#endif
