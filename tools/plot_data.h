/* SPDX-License-Identifier: MIT */
/* What gnuplot reads: for each picture a data file and a script that needs nothing else. */
#ifndef SLABLAB_TOOLS_PLOT_DATA_H
#define SLABLAB_TOOLS_PLOT_DATA_H

#include "tools/series.h"

struct error;

struct plot_list {
    char **names; /* of pictures, without ending */
    size_t count;
};

/*
 * Writes NAME.dat and NAME.gp into the folder `plots` for every picture that the series has data
 * for; `scripts` is where the templates are. The same series gives the same bytes.
 */
int plot_data_write(const struct series *series, const char *scripts, const char *plots,
                    const char *format, struct plot_list *list, struct error *error);
void plot_list_cleanup(struct plot_list *list);

#endif
