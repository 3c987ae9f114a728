/* SPDX-License-Identifier: MIT */
/* What can go wrong with runs, found before the first of them: many may take hours. */
#ifndef SLABLAB_TOOLS_TRIAL_H
#define SLABLAB_TOOLS_TRIAL_H

struct cell_list;
struct error;
struct replay_options;
struct topology;

/*
 * Places the threads of each cell, and starts and stops each cell's design. Errors: as
 * topology_place and allocator_start; -EAGAIN means start_anew.
 */
int trial_run(const struct replay_options *options, const struct cell_list *cells,
              const struct topology *topology, struct error *error);

/*
 * Some malloc libraries want a place among the C library's own thread-local variables, of which
 * there is little unless it is asked for before the process starts. Executes this program again
 * with `command`, asking for it; returns when that was in vain, or done already.
 */
void start_anew(char *const command[]);

#endif
