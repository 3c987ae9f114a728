/* SPDX-License-Identifier: MIT */
/* The standard pictures of a sweep, from its runs to the folder DIR/plots. */
#ifndef SLABLAB_TOOLS_PLOT_SWEEP_H
#define SLABLAB_TOOLS_PLOT_SWEEP_H

#include "tools/plot_draw.h"

struct error;
struct series;
struct word_list;

#define PLOTS_FOLDER "plots"

/*
 * Draws all that the series, read from `folder`, has data for, as "svg" or "png"; over magazine
 * size also `figures` (of figures.h). What is said is in plot_draw.h; that runs' side files are
 * missing is always said on stderr. -ENODATA: there is nothing to draw.
 */
int plot_sweep(const struct series *series, const char *folder, const char *format,
               const struct word_list *figures, const struct plot_said *said, struct error *error);

#endif
