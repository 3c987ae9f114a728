/* SPDX-License-Identifier: MIT */
/*
 * A list of threads meets machines of different sizes: what a simulated machine of a sweep has no
 * CPUs for is left out, and said.
 */
#ifndef SLABLAB_TOOLS_SWEEP_FIT_H
#define SLABLAB_TOOLS_SWEEP_FIT_H

#include <jansson.h>

struct cell_list;
struct error;
struct replay_options;

/*
 * Takes the cells away whose machine is simulated and has fewer CPUs, by their binding, than they
 * have threads; none when nothing would remain, which trial_run then refuses. *left_out gets what
 * was taken, [{machine, bind, cpus, threads[]}], a new reference. The native machine's cells are
 * not its: which runs a sweep has may not hang on the host, or its shards would not fit together.
 */
int sweep_fit(const struct replay_options *options, struct cell_list *cells, json_t **left_out,
              struct error *error);

/* A line for each on stderr. */
void sweep_fit_print(const json_t *left_out);

#endif
