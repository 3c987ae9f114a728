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

/* Twice as many as were asked for: every second one goes, and from now on they lie twice as far. */
static void cuts_thin_out(struct builder *builder)
{
    struct plan *plan = builder->plan;

    for (size_t i = 0; i < plan->nr_cuts; i++) {
        if (i % 2)
            free(plan->cuts[i].group_positions);
        else
            plan->cuts[i / 2] = plan->cuts[i];
    }
    plan->nr_cuts = (plan->nr_cuts + 1) / 2;
    builder->cut_step *= 2;
    builder->next_cut = plan->nr_cuts * builder->cut_step;
}

/* Never inside a bulk event. */
int plan_cut_consider(struct builder *builder, uint64_t time_ns)
{
    const struct plan_config *config = builder->config;
    uint64_t here = config->sample_ns ? time_ns : builder->plan->events;
    int code;

    if (builder->cut_step == 0 || builder->bulk_left || here < builder->next_cut)
        return 0;
    code = cut_add(builder, time_ns);
    builder->next_cut = here - here % builder->cut_step + builder->cut_step;
    if (code == 0 && config->samples && builder->plan->nr_cuts == 2 * config->samples)
        cuts_thin_out(builder);
    return code;
}

int plan_cuts_end(struct builder *builder)
{
    return builder->cut_step ? cut_add(builder, builder->plan->duration_ns) : 0;
}
