/* SPDX-License-Identifier: MIT */
/*
 * From a trace to a plan, in one pass over the events (plan_events.c). The rules are in plan.h.
 */
#include "sim/plan_internal.h"

#include "sim/array.h"
#include "sim/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_EVENTS 1024 /* few enough that they stay in a near cache until they are added */

/* ---- tables ---- */

/* What no power is left for, a trace may ask for all the same, and is refused when it is replayed.
 */
static uint64_t round_to_power(uint64_t size)
{
    if (size > (uint64_t)1 << 63)
        return size;
    return size <= 8 ? 8 : (uint64_t)1 << (64 - __builtin_clzll(size - 1));
}

static int types_note(struct builder *builder, size_t from)
{
    const struct plan *plan = builder->plan;
    struct type_note *grown;

    if (from == plan->nr_types)
        return 0;
    grown = realloc(builder->types, plan->nr_types * sizeof *grown);
    if (!grown)
        return -ENOMEM;
    builder->types = grown;
    for (size_t i = from; i < plan->nr_types; i++) {
        uint32_t cache = plan->types[i].cache;

        grown[i] = (struct type_note){
            .size = plan->types[i].size,
            .rounded = round_to_power(plan->types[i].size),
            .cache_row = cache == TRACE_UNTYPED ? 0 : cache + 1,
            .kept = builder->cache_kept[cache == TRACE_UNTYPED ? plan->nr_caches : cache]};
    }
    return 0;
}

/* Copies the definitions that the reader has learnt since the last call. */
static int tables_follow(struct builder *builder, struct error *error)
{
    struct plan *plan = builder->plan;
    size_t old_types = plan->nr_types;
    size_t nr_caches, nr_types;
    const struct trace_cache *caches = trace_caches(builder->reader, &nr_caches);
    const struct trace_type *types = trace_types(builder->reader, &nr_types);

    if (nr_types > (size_t)PLAN_TYPE_MAX + 1)
        return error_set(error, EINVAL,
                         "the trace has %zu kinds of allocation (cache, size, node, flags); a plan "
                         "holds %u",
                         nr_types, PLAN_TYPE_MAX + 1);
    if (nr_types > plan->nr_types) {
        struct trace_type *grown = realloc(plan->types, nr_types * sizeof *grown);

        plan->types = grown ? grown : plan->types;
        if (!grown)
            return -ENOMEM;
        memcpy(grown + plan->nr_types, types + plan->nr_types,
               (nr_types - plan->nr_types) * sizeof *grown);
        old_types = plan->nr_types;
        plan->nr_types = nr_types;
    }
    if (nr_caches > plan->nr_caches || !builder->cache_kept) {
        size_t old = plan->nr_caches, groups = plan->nr_groups;
        struct plan_cache *grown = realloc(plan->caches, (nr_caches + 1) * sizeof *grown);
        bool *kept = realloc(builder->cache_kept, (nr_caches + 1) * sizeof *kept);
        size_t *positions =
            realloc(builder->cache_positions, (nr_caches + 1) * groups * sizeof *positions);

        plan->caches = grown ? grown : plan->caches;
        builder->cache_kept = kept ? kept : builder->cache_kept;
        builder->cache_positions = positions ? positions : builder->cache_positions;
        if (!grown || !kept || !positions)
            return -ENOMEM;
        memset(positions + old * groups, 0, (nr_caches + 1 - old) * groups * sizeof *positions);
        for (size_t i = old; i < nr_caches; i++) {
            grown[i] = (struct plan_cache){.name = strdup(caches[i].name),
                                           .object_size = caches[i].object_size,
                                           .align = caches[i].align,
                                           .flags = caches[i].flags};
            if (!grown[i].name)
                return -ENOMEM;
            plan->nr_caches = i + 1;
            kept[i] = plan_cache_kept(builder->config, caches[i].name);
        }
        kept[nr_caches] = plan_cache_kept(builder->config, "(untyped)");
    }
    return types_note(builder, old_types);
}

/* ---- reading ---- */

static int read_events(struct builder *builder, struct error *error)
{
    struct trace_event *events = malloc(READ_EVENTS * sizeof *events);
    ssize_t count = -ENOMEM;
    int code = 0;

    if (!events)
        return -ENOMEM;
    while (code == 0 && (count = trace_read(builder->reader, events, READ_EVENTS, error)) > 0) {
        code = tables_follow(builder, error);
        if (code == 0)
            code = plan_streams_follow(builder);
        if (code == 0)
            code = plan_events_add(builder, events, (size_t)count);
    }
    free(events);
    return code ? code : (int)count;
}

/* What the counts of the types and between the groups add up to. */
static int note_totals(struct builder *builder)
{
    struct plan *plan = builder->plan;

    plan->type_allocs = calloc(plan->nr_types + 1, sizeof *plan->type_allocs);
    plan->type_frees = calloc(plan->nr_types + 1, sizeof *plan->type_frees);
    if (!plan->type_allocs || !plan->type_frees)
        return -ENOMEM;
    for (size_t i = 0; i < plan->nr_types; i++) {
        const struct type_note *type = &builder->types[i];

        plan->allocs += plan->type_allocs[i] = type->allocs;
        plan->frees += plan->type_frees[i] = type->frees;
        if ((type->allocs || type->preloaded) && type->size > plan->largest_object)
            plan->largest_object = type->size;
        if ((type->allocs || type->frees || type->preloaded) && type->cache_row)
            plan->caches[type->cache_row - 1].used = true;
    }
    plan->remote_frees = plan->frees;
    for (unsigned i = 0; i < plan->nr_groups; i++)
        plan->remote_frees -= plan->frees_between[(size_t)i * plan->frees_stride + i];
    return 0;
}

static void builder_cleanup(struct builder *builder)
{
    plan_slots_cleanup(&builder->slots);
    free(builder->live);
    free(builder->stream_groups);
    free(builder->types);
    free(builder->cache_kept);
    free(builder->cache_positions);
    trace_close(builder->reader);
}

static int builder_run(struct builder *builder, const char *trace, struct error *error)
{
    struct plan *plan = builder->plan;
    size_t streams;
    int code;

    plan->groups = calloc(plan->nr_groups, sizeof *plan->groups);
    plan->frees_stride = plan->nr_groups;
    plan->frees_between =
        calloc((size_t)plan->nr_groups * plan->nr_groups, sizeof *plan->frees_between);
    plan_cuts_begin(builder);
    builder->filtered = builder->config->caches || builder->config->streams;
    if (!plan->groups || !plan->frees_between ||
        array_room((void **)&builder->live, &builder->live_capacity, 1, sizeof *builder->live) ||
        plan_slots_init(&builder->slots, plan->nr_groups) != 0)
        return -ENOMEM;
    code = trace_open(trace, &builder->reader, error);
    if (code == 0)
        code = read_events(builder, error);
    if (code == 0)
        code = plan_cuts_end(builder);
    if (code == 0)
        code = note_totals(builder);
    if (code)
        return code;
    trace_streams(builder->reader, &streams);
    plan->nr_streams = (unsigned)streams;
    plan->nr_slots = builder->slots.count;
    memcpy(plan->digest, trace_digest(builder->reader), sizeof plan->digest);
    code = plan_filters_check(builder, error);
    if (code)
        return error_prefix(error, code, "%s", trace);
    code = plan_filters_note(builder);
    return code ? code : plan_leftovers_add(builder);
}

/*
 * There are as many groups as workers while the plan is made, since how many streams there are is
 * known only at the trace's end. Groups beyond the streams have stayed empty: s mod workers is s.
 */
int plan_create(const char *trace, const struct plan_config *config, struct plan **result,
                struct error *error)
{
    struct builder builder = {.config = config,
                              .last_group = UINT32_MAX,
                              .bulk_header = SIZE_MAX,
                              .times_mask = config->event_times ? 0 : PLAN_CHUNK - 1};
    struct plan *plan = calloc(1, sizeof *plan);
    int code;

    if (!plan)
        return error_set(error, ENOMEM, "no memory for a plan");
    builder.plan = plan;
    plan->nr_groups = config->workers;
    plan->event_times = config->event_times;
    code = builder_run(&builder, trace, error);
    builder_cleanup(&builder);
    if (code == -ENOMEM)
        error_set(error, ENOMEM, "no memory for the plan of %s", trace);
    if (code == -EOVERFLOW)
        code = error_set(
            error, EINVAL,
            "%s: more than %u objects live at once or are freed by other threads, or changes "
            "of stream in total order",
            trace, PLAN_SLOT_MAX);
    if (code) {
        plan_destroy(plan);
        return code;
    }
    if (plan->nr_streams < plan->nr_groups)
        plan->nr_groups = plan->nr_streams;
    *result = plan;
    return 0;
}

void plan_destroy(struct plan *plan)
{
    if (!plan)
        return;
    for (unsigned i = 0; plan->groups && i < plan->nr_groups; i++) {
        free(plan->groups[i].events.words);
        free(plan->groups[i].preload.words);
        free(plan->groups[i].leftover.words);
        free(plan->groups[i].times.words);
    }
    for (size_t i = 0; i < plan->nr_caches; i++)
        free(plan->caches[i].name);
    for (size_t i = 0; i < plan->nr_destroys; i++)
        free(plan->destroys[i].group_positions);
    for (size_t i = 0; i < plan->nr_cuts; i++)
        free(plan->cuts[i].group_positions);
    free(plan->cuts);
    free(plan->type_allocs);
    free(plan->type_frees);
    free(plan->frees_between);
    free(plan->groups);
    free(plan->caches);
    free(plan->types);
    free(plan->destroys);
    free(plan->kept_caches);
    free(plan->kept_streams);
    free(plan);
}
