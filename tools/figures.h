/* SPDX-License-Identifier: MIT */
/* The figures of series.h by name, with what a person needs to read them. */
#ifndef SLABLAB_TOOLS_FIGURES_H
#define SLABLAB_TOOLS_FIGURES_H

#include "tools/series.h"

struct error;
struct word_list;

struct figure {
    const char *name; /* in options and results: "throughput" */
    const char *title;
    const char *unit;
    double scale; /* times this it is in the unit */
    bool more_is_better;
    const char *times; /* what a ratio is: "times as fast" */
    run_figure *of;
};

/* NULL: there is none of that name. */
const struct figure *figure_find(const char *name);

/* The i-th, NULL behind the last: for lists of what there is. */
const struct figure *figure_at(size_t i);

/* Adds the names in a list "waiting,overhead". -EINVAL: one is no figure's; says which there are.
 */
int figures_parse(const char *text, struct word_list *names, struct error *error);

#endif
