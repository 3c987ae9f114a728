/* SPDX-License-Identifier: MIT */
/*
 * What `replay` and `sim` do alike: a trace against the cells that the options span, on this
 * machine's cores or on virtual ones; tables, records and the side file.
 */
#ifndef SLABLAB_TOOLS_REPLAY_SESSION_H
#define SLABLAB_TOOLS_REPLAY_SESSION_H

#include "tools/machine_options.h"
#include "tools/replay_options.h"

struct session_arguments {
    struct replay_options options;
    bool simulated;
    struct machine_options machines; /* if so */
    const char *trace;
    const char *json;
    const char *series;
    char **command; /* as typed; session_run's */
};

/* TRACE, --json, --series, as an argp child; its input is a struct session_arguments. */
extern const struct argp session_argp;

/*
 * Runs all that the arguments ask for, and frees what options own. argv is the command's, `name`
 * its name; returns an exit status.
 */
int session_run(struct session_arguments *arguments, int argc, char **argv, const char *name);

#endif
