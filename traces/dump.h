/* SPDX-License-Identifier: MIT */
/*
 * A trace as text, and text as a trace (import/dump.c): DUMP.md has the lines. The text says all
 * that is in the trace, where its blocks end too, so that the way back leads to the same digest.
 */
#ifndef SLABLAB_TRACES_DUMP_H
#define SLABLAB_TRACES_DUMP_H

#include "traces/trace.h"

#include <stdio.h>

#define DUMP_HEADER "# slablab text 1" /* the first line */

/* The words of events, by operation and origin; NULL where there is no such event. */
extern const char *const dump_words[TRACE_OPS][TRACE_ORIGINS];

/* Writes the trace `path` ("-": standard input) to `out`, whose errors are the caller's to see. */
int trace_dump(const char *path, FILE *out, struct error *error);

#endif
