/* SPDX-License-Identifier: MIT */
/* The folder of a sweep: made with all that belongs there, or gone on with. */
#ifndef SLABLAB_TOOLS_SWEEP_FOLDER_H
#define SLABLAB_TOOLS_SWEEP_FOLDER_H

#include <jansson.h>
#include <stdbool.h>

struct error;

/*
 * Begins the files of the sweep that `description` (sweep_file.h) is of. With `resume` it goes on
 * with those that are there, which must be of the same sweep, and calls visit(context, record) for
 * each run in them. Returns a descriptor of the results (runs_file.h), or a negative errno: -EEXIST
 * where there are some and `resume` was not asked for, -ENOENT where it was and there are none.
 */
int sweep_folder_open(const char *folder, bool resume, const json_t *description,
                      void (*visit)(void *context, const json_t *record), void *context,
                      struct error *error);

#endif
