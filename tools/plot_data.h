/* SPDX-License-Identifier: MIT */
/*
 * What gnuplot and Python read: for each picture a data file and a script that needs nothing else
 * but the common style.
 */
#ifndef SLABLAB_TOOLS_PLOT_DATA_H
#define SLABLAB_TOOLS_PLOT_DATA_H

#include "tools/list_option.h"
#include "tools/series.h"

#include <stdbool.h>

struct error;

struct plot_entry {
    char *name;    /* of the picture, without ending */
    bool python;   /* its script ends in .py, and wants matplotlib */
    char *missing; /* why there is nothing to draw; NULL: there is */
};

struct plot_list {
    struct plot_entry *entries; /* in the order of the pictures */
    size_t count;
    size_t sides_missing; /* runs that recorded a side file, which cannot be read */
    char *side_missing;   /* the first of them, and what is wrong with it */
    int side_failure;     /* errno of one that is there and could not be read */
};

/* All is borrowed. */
struct plot_request {
    const char *folder;              /* of the sweep */
    const char *scripts;             /* where the templates are */
    const char *plots;               /* the folder to write to */
    const char *format;              /* "svg", "png" */
    const struct word_list *figures; /* to draw besides, of figures.h */
};

/*
 * Writes NAME.dat and NAME.gp (.py) for every picture that the series, read from the folder, has
 * data for. The same series gives the same bytes. -ENODATA: for none.
 */
int plot_data_write(const struct series *series, const struct plot_request *request,
                    struct plot_list *list, struct error *error);
void plot_list_cleanup(struct plot_list *list);

#endif
