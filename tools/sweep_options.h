/* SPDX-License-Identifier: MIT */
/* What `slablab sweep` was asked for. */
#ifndef SLABLAB_TOOLS_SWEEP_OPTIONS_H
#define SLABLAB_TOOLS_SWEEP_OPTIONS_H

#include "tools/list_option.h"
#include "tools/machine_options.h"
#include "tools/replay_options.h"
#include "tools/sweep_file.h"
#include "tools/sweep_plan.h"
#include "tools/sweep_until.h"

struct sweep_options {
    struct replay_options replay;
    struct machine_options machines;
    bool simulated; /* on those; else natively */
    struct word_list traces;
    const char *folder;
    struct sweep_request request;
    struct until until;
    struct shard shard;
    bool resume;
    bool rerun_disturbed;
    bool as_begun;          /* no more was asked for than to go on */
    struct word_list begun; /* what was asked for then, of which the rest is */
};

/*
 * From the command line, and with `--resume -o DIR` alone from what is in DIR. Wrong usage ends the
 * program. Negative errno: DIR says nothing that could be gone on with. `argv` has to stay.
 */
int sweep_options_parse(struct sweep_options *options, int argc, char **argv, struct error *error);
void sweep_options_cleanup(struct sweep_options *options);

#endif
