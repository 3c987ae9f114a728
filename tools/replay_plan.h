/* SPDX-License-Identifier: MIT */
/* The plan that the options of a run ask for. */
#ifndef SLABLAB_TOOLS_REPLAY_PLAN_H
#define SLABLAB_TOOLS_REPLAY_PLAN_H

#include "tools/replay_options.h"

struct plan;

/* To be freed with plan_destroy. Errors: those of plan_create. */
int replay_plan_create(const struct replay_options *options, const char *trace, unsigned workers,
                       struct plan **plan, struct error *error);

#endif
