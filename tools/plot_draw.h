/* SPDX-License-Identifier: MIT */
/* Pictures from the data and scripts that were written for them (plot_writer.h). */
#ifndef SLABLAB_TOOLS_PLOT_DRAW_H
#define SLABLAB_TOOLS_PLOT_DRAW_H

#include "tools/plot_data.h"

#include <stdio.h>

/*
 * The folder with our gnuplot scripts: beside the sources, beside the folder of an installed
 * program (wherever the installation was moved), or where it was to be installed.
 * The caller's to free.
 */
int plot_scripts_find(char **folder, struct error *error);

/* Where pictures go; one that is there is taken. */
int plot_folder_make(const char *folder, struct error *error);

/* Who is told what; NULL: nobody. */
struct plot_said {
    FILE *drawn;   /* paths of pictures */
    char end;      /* behind each of them: '\n', or '\0' for a program that reads them */
    FILE *missing; /* what was not drawn, and why */
};

/* Runs each script of the list in the folder `plots`. */
int plot_list_draw(const struct plot_list *list, const char *plots, const char *format,
                   const struct plot_said *said, struct error *error);

#endif
