/* SPDX-License-Identifier: MIT */
/* From traces to a trace: a part of one, several as one, one without its names. */
#ifndef SLABLAB_TRACES_TRANSFORM_H
#define SLABLAB_TRACES_TRANSFORM_H

#include "traces/trace.h"

enum cut_unit { CUT_EVENTS, CUT_TIME_NS };

/*
 * From `first` to before `after`, counted in events from 0 or in ns from the start. As a replay
 * counts them: preloads come before the clock starts, and are no events.
 */
struct cut_range {
    enum cut_unit unit;
    uint64_t first, after; /* UINT64_MAX: to the end */
};

struct cut_report {
    uint64_t preloaded; /* objects that were live at the beginning */
    uint64_t events;    /* in the range */
};

/*
 * All return 0, or a negative errno with file and reason and no output. Times begin at 0; "-" is
 * standard input or output.
 *
 * A cut begins with what is live there, preloaded in the order of its allocation. Its repairs are
 * those that can be seen in the range; of what was dropped or lost nothing says when.
 */
int trace_cut(const char *input, const char *output, const struct cut_range *range,
              struct cut_report *report, struct error *error);

/*
 * Streams side by side ("N:" and their names, N being the input's number from 1), events in order
 * of time, then of inputs. Caches of one name and object size are one, and what else the first says
 * of it holds; one is created and destroyed if all inputs that have it say so, by the first
 * creation and the last destruction. Reads each input twice, so none may be standard input.
 */
int trace_merge(const char *const *inputs, size_t count, const char *output, struct error *error);

/* Numbers for the names of streams, call sites and caches (unless they are kept), and nothing of
 * where the trace is from. */
int trace_anonymise(const char *input, const char *output, bool keep_caches, struct error *error);

#endif
