/* SPDX-License-Identifier: MIT */
/* The table that a sweep ends with. */
#ifndef SLABLAB_TOOLS_SWEEP_TABLE_H
#define SLABLAB_TOOLS_SWEEP_TABLE_H

struct error;

/* A row a combination of the sweep in the folder: medians, as the pictures show them. */
int sweep_table_print(const char *folder, struct error *error);

#endif
