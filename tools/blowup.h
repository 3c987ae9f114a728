/* SPDX-License-Identifier: MIT */
/* For --blowup: what each design holds at most on one CPU, found out once for all its cells. */
#ifndef SLABLAB_TOOLS_BLOWUP_H
#define SLABLAB_TOOLS_BLOWUP_H

#include "tools/replay_options.h"

struct one_cpu_peak {
    struct run_config config; /* of the cell that asked first; its strings are the cells' */
    uint64_t bytes;
};

/* Begins with its first three members set; the rest is its own. */
struct blowup {
    const struct replay_options *options;
    const struct topology *topology;
    const char *trace;
    struct one_cpu_peak *peaks;
    size_t nr_peaks;
};

/*
 * Sets config->one_cpu_peak_bytes if the options ask for the blowup and the cell runs on several
 * CPUs; 0 of a design whose pages are not ours. Errors: those of run_execute.
 */
int blowup_prepare(struct blowup *blowup, struct run_config *config, struct error *error);
void blowup_cleanup(struct blowup *blowup);

#endif
