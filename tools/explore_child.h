/* SPDX-License-Identifier: MIT */
/* Schedules explored in a process of their own, since a broken invariant ends it. */
#ifndef SLABLAB_TOOLS_EXPLORE_CHILD_H
#define SLABLAB_TOOLS_EXPLORE_CHILD_H

#include "sim/explore/explore.h"

struct explored {
    struct explore_progress progress; /* as the child left it */
    bool found;                       /* something is broken, in the schedule progress.seed */
    char what[1024];                  /* is broken, in one sentence or a few lines */
    double seconds;
};

/* Errors: those of virtual_explore, and the child could not be started. */
int explore_in_child(const struct explore_config *config, struct explored *explored,
                     struct error *error);

/* "depot.c:123 depot_put" of each switch, as addr2line says; where it will not, "0x1234". */
struct explore_code {
    char text[128];
};
void explore_codes(const struct explore_progress *progress,
                   struct explore_code codes[EXPLORE_SWITCHES]);

#endif
