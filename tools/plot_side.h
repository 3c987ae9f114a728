/* SPDX-License-Identifier: MIT */
/* Runs' side files (results/FORMAT.md): memory over time and whole histograms. */
#ifndef SLABLAB_TOOLS_PLOT_SIDE_H
#define SLABLAB_TOOLS_PLOT_SIDE_H

#include <jansson.h>

struct plot_writer;
struct point;

/*
 * The run's object of its side file; a new reference. NULL: the run has none, or it cannot be read,
 * which the list of pictures notes.
 */
json_t *plot_side_read(struct plot_writer *writer, const json_t *run);

/*
 * Of the runs of a point that have `key` in their side file, the one whose throughput is nearest to
 * the point's median, and of two such the first; a new reference, NULL: none.
 */
json_t *plot_side_of_median_run(struct plot_writer *writer, const struct point *point,
                                const char *key);

#endif
