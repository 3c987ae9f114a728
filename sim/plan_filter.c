/* SPDX-License-Identifier: MIT */
/* What of a trace goes into a plan: `--cache` and `--stream`. */
#include "sim/error.h"
#include "sim/plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool plan_cache_kept(const struct plan_config *config, const char *name)
{
    if (!config->caches)
        return true;
    for (const char *const *kept = config->caches; *kept; kept++) {
        if (strcmp(*kept, name) == 0)
            return true;
    }
    return false;
}

/* Streams are dealt to groups in the order of those that are kept. */
int plan_streams_follow(struct builder *builder)
{
    const struct plan_config *config = builder->config;
    unsigned *grown;
    size_t count;

    trace_streams(builder->reader, &count);
    if (count <= builder->nr_streams)
        return 0;
    grown = realloc(builder->stream_groups, count * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    builder->stream_groups = grown;
    for (size_t i = builder->nr_streams; i < count; i++) {
        bool kept = !config->streams || (i < config->nr_stream_flags && config->streams[i]);

        grown[i] = kept ? builder->stream_rank++ % builder->plan->nr_groups : PLAN_DROPPED;
    }
    builder->nr_streams = count;
    return 0;
}

int plan_filters_check(const struct builder *builder, struct error *error)
{
    const struct plan_config *config = builder->config;
    const struct plan *plan = builder->plan;

    for (const char *const *name = config->caches; name && *name; name++) {
        bool known = strcmp(*name, "(untyped)") == 0;

        for (size_t i = 0; i < plan->nr_caches; i++)
            known |= strcmp(plan->caches[i].name, *name) == 0;
        if (!known)
            return error_set(error, EINVAL,
                             "no cache '%s' in the trace (`slablab info` lists them; untyped "
                             "allocations are '(untyped)')",
                             *name);
    }
    for (size_t i = plan->nr_streams; i < config->nr_stream_flags; i++) {
        if (config->streams[i])
            return error_set(error, EINVAL, "no stream %zu in the trace; it has 0 to %u", i,
                             plan->nr_streams - 1);
    }
    if (plan->events == 0 && (config->caches || config->streams))
        return error_set(error, ENODATA, "no event is left to replay after filtering");
    if (plan->events == 0)
        return error_set(error, ENODATA,
                         "the trace has no events to replay; %llu objects are preloaded, which is "
                         "before the clock starts",
                         (unsigned long long)builder->live_objects);
    return 0;
}

int plan_filters_note(struct builder *builder)
{
    const struct plan_config *config = builder->config;
    struct plan *plan = builder->plan;
    FILE *text;
    size_t size;

    plan->max_events = config->max_events;
    if (config->caches) {
        text = open_memstream(&plan->kept_caches, &size);
        for (const char *const *name = config->caches; text && *name; name++)
            fprintf(text, "%s%s", name == config->caches ? "" : ",", *name);
        if (!text || fclose(text) != 0)
            return -ENOMEM;
    }
    if (config->streams) {
        text = open_memstream(&plan->kept_streams, &size);
        plan->nr_streams = 0;
        for (size_t i = 0; text && i < config->nr_stream_flags; i++) {
            if (config->streams[i])
                fprintf(text, "%s%zu", plan->nr_streams++ ? "," : "", i);
        }
        if (!text || fclose(text) != 0)
            return -ENOMEM;
    }
    return 0;
}
