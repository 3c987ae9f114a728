/* SPDX-License-Identifier: MIT */
/* The cuts of a plan: where all workers can stop at one event number, evenly apart. */
#include "sim/array.h"
#include "sim/plan_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Events between cuts while there are few: a list that is thinned out again and again ends evenly.
 */
#define CUT_STEP 16

void plan_cuts_begin(struct builder *builder)
{
    const struct plan_config *config = builder->config;

    if (config->samples)
        builder->cut_step = CUT_STEP;
    else if (config->sample_events)
        builder->cut_step = config->sample_events;
    else
        builder->cut_step = config->sample_ns;
    builder->next_cut = builder->cut_step ? 0 : UINT64_MAX;
}

/* There is one cut at most in each stretch of so many events, or of so much time. */
static uint64_t stretch_end(const struct builder *builder, uint64_t here)
{
    return here - here % builder->cut_step + builder->cut_step;
}

/* Here, before whatever comes next. */
static int cut_add(struct builder *builder, uint64_t time_ns)
{
    struct plan *plan = builder->plan;
    struct plan_cut *cut;
    int code = array_grow((void **)&plan->cuts, &builder->cuts_capacity, plan->nr_cuts + 1,
                          sizeof *plan->cuts);

    if (code)
        return code;
    cut = &plan->cuts[plan->nr_cuts];
    *cut = (struct plan_cut){.event = plan->events,
                             .time_ns = time_ns,
                             .live_objects = builder->live_objects,
                             .live_bytes = builder->live_bytes,
                             .group_positions = malloc(plan->nr_groups * sizeof(size_t))};
    if (!cut->group_positions)
        return -ENOMEM;
    for (unsigned i = 0; i < plan->nr_groups; i++)
        cut->group_positions[i] = plan->groups[i].events.count;
    plan->nr_cuts++;
    return 0;
}

/*
 * Twice as many as were asked for: the first in every stretch of twice as many events stays. That
 * is half of them or more: stretches that a bulk event covers have no cut, and where all of them
 * are like that none goes, and stretches grow again. Taking every second cut instead would leave
 * the first ones farther apart than those to come.
 */
static void cuts_thin_out(struct builder *builder)
{
    struct plan *plan = builder->plan;

    while (plan->nr_cuts >= 2 * builder->config->samples) {
        size_t kept = 0;

        builder->cut_step *= 2;
        builder->next_cut = 0;
        for (size_t i = 0; i < plan->nr_cuts; i++) {
            if (plan->cuts[i].event < builder->next_cut) {
                free(plan->cuts[i].group_positions);
                continue;
            }
            builder->next_cut = stretch_end(builder, plan->cuts[i].event);
            plan->cuts[kept++] = plan->cuts[i];
        }
        plan->nr_cuts = kept;
    }
}

int plan_cut_make(struct builder *builder, uint64_t time_ns)
{
    const struct plan_config *config = builder->config;
    uint64_t here = config->sample_ns ? time_ns : builder->plan->events;
    int code;

    code = cut_add(builder, time_ns);
    builder->next_cut = stretch_end(builder, here);
    if (code == 0 && config->samples)
        cuts_thin_out(builder);
    return code;
}

int plan_cuts_end(struct builder *builder)
{
    return builder->cut_step ? cut_add(builder, builder->plan->duration_ns) : 0;
}
