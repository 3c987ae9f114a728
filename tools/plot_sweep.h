/* SPDX-License-Identifier: MIT */
/* The standard pictures of a sweep, from its runs to the folder DIR/plots. */
#ifndef SLABLAB_TOOLS_PLOT_SWEEP_H
#define SLABLAB_TOOLS_PLOT_SWEEP_H

#include <stdio.h>

struct error;
struct series;
struct word_list;

#define PLOTS_FOLDER "plots"

/*
 * Draws all that the series, read from `folder`, has data for, as "svg" or "png"; over magazine
 * size also `figures` (of figures.h). `names` gets what was drawn, a path a line, and stderr what
 * was not and why; NULL: neither. Runs whose side files are missing are always said. -ENODATA:
 * there is nothing to draw.
 */
int plot_sweep(const struct series *series, const char *folder, const char *format,
               const struct word_list *figures, FILE *names, struct error *error);

#endif
