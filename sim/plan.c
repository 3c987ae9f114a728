/* SPDX-License-Identifier: MIT */
/* From a trace to a plan, in one pass over the events. The rules are in plan.h. */
#include "sim/plan_internal.h"

#include "sim/array.h"
#include "sim/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_EVENTS 4096

/* ---- lists of words ---- */

static inline int words_add(struct plan_words *words, uint64_t word)
{
    if (__builtin_expect(words->count == words->capacity, 0)) {
        int code =
            array_grow((void **)&words->words, &words->capacity, words->count + 1, sizeof word);

        if (code)
            return code;
    }
    words->words[words->count++] = word;
    return 0;
}

/* ---- tables ---- */

/* What no power is left for, a trace may ask for all the same, and is refused when it is replayed.
 */
static uint64_t round_to_power(uint64_t size)
{
    if (size > (uint64_t)1 << 63)
        return size;
    return size <= 8 ? 8 : (uint64_t)1 << (64 - __builtin_clzll(size - 1));
}

static int type_counts_grow(struct plan *plan, size_t nr_types)
{
    size_t bytes = nr_types * sizeof(uint64_t), old = plan->nr_types * sizeof(uint64_t);
    uint64_t *allocs = realloc(plan->type_allocs, bytes);
    uint64_t *frees = realloc(plan->type_frees, bytes);

    plan->type_allocs = allocs ? allocs : plan->type_allocs;
    plan->type_frees = frees ? frees : plan->type_frees;
    if (!allocs || !frees)
        return -ENOMEM;
    memset((char *)allocs + old, 0, bytes - old);
    memset((char *)frees + old, 0, bytes - old);
    return 0;
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
            .cache = cache,
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
        if (!grown || type_counts_grow(plan, nr_types) != 0)
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

/* ---- events ---- */

/* Appends a word to the group's list and, where one is due, its time. */
static inline int group_add(struct builder *builder, unsigned group, uint64_t word,
                            uint64_t time_ns)
{
    struct plan_group *list = &builder->plan->groups[group];

    if (builder->config->event_times || list->events.count % PLAN_CHUNK == 0) {
        int code = words_add(&list->times, time_ns);

        if (code)
            return code;
    }
    return words_add(&list->events, word);
}

/* In total order a group's turn ends where another group's event comes next. */
static int turn_take(struct builder *builder, unsigned group, uint64_t time_ns)
{
    if (!builder->config->total_order || builder->last_group == group)
        return 0;
    if (builder->plan->nr_turns > PLAN_SLOT_MAX)
        return -EOVERFLOW;
    builder->last_group = group;
    return group_add(builder, group, plan_word(PLAN_TURN, 0, 0, builder->plan->nr_turns++),
                     time_ns);
}

/*
 * A bulk event becomes a header word and one word an object. A filter may leave some of the objects
 * out (a bulk free of objects of several caches), so the header counts those that were written.
 */
static int bulk_begin(struct builder *builder, unsigned group, const struct trace_event *event)
{
    enum plan_op op = event->op == TRACE_ALLOC ? PLAN_ALLOC_BULK : PLAN_FREE_BULK;

    if (builder->bulk_header != SIZE_MAX)
        return 0;
    builder->bulk_header = builder->plan->groups[group].events.count;
    return group_add(builder, group, plan_word(op, 0, event->type, 0), event->time_ns);
}

static void bulk_count(struct builder *builder, unsigned group)
{
    if (builder->bulk_header != SIZE_MAX)
        builder->plan->groups[group].events.words[builder->bulk_header] += (uint64_t)1
                                                                           << PLAN_SLOT_SHIFT;
}

static inline void live_grow(struct builder *builder, const struct type_note *type)
{
    struct plan *plan = builder->plan;

    builder->live_objects++;
    builder->live_bytes += type->size;
    builder->rounded_bytes += type->rounded;
    if (builder->live_objects > plan->peak_live_objects)
        plan->peak_live_objects = builder->live_objects;
    if (builder->live_bytes > plan->peak_live_bytes)
        plan->peak_live_bytes = builder->live_bytes;
    if (builder->rounded_bytes > plan->peak_rounded_bytes)
        plan->peak_rounded_bytes = builder->rounded_bytes;
    if (type->size > plan->largest_object)
        plan->largest_object = type->size;
}

static inline void live_shrink(struct builder *builder, const struct type_note *type)
{
    builder->live_objects--;
    builder->live_bytes -= type->size;
    builder->rounded_bytes -= type->rounded;
}

/* Notes that `group` has an event on the type's cache here; for destructions to wait for. */
static inline void cache_touch(struct builder *builder, unsigned group,
                               const struct type_note *type)
{
    uint32_t cache = type->cache;

    if (cache == TRACE_UNTYPED)
        return;
    builder->plan->caches[cache].used = true;
    builder->cache_positions[cache * builder->plan->nr_groups + group] =
        builder->plan->groups[group].events.count;
}

static int add_alloc(struct builder *builder, unsigned group, const struct trace_event *event)
{
    struct plan *plan = builder->plan;
    const struct type_note *type = &builder->types[event->type];
    uint32_t cache = type->cache;
    bool created = cache != TRACE_UNTYPED && plan->caches[cache].created;
    struct live *live;
    uint64_t word;
    int code = 0;

    if (event->object >= builder->live_capacity)
        code = array_grow((void **)&builder->live, &builder->live_capacity,
                          (size_t)event->object + 1, sizeof *builder->live);
    if (code)
        return code;
    live = &builder->live[event->object];
    *live = (struct live){.group = (uint16_t)group, .type = event->type, .kept = true};
    code = plan_slots_take(&builder->slots, group, &live->slot, &live->tag);
    if (code)
        return code;
    word = plan_word(created ? PLAN_ALLOC_CREATED : PLAN_ALLOC, live->tag, event->type, live->slot);
    live_grow(builder, type);
    live->preloaded = event->origin == TRACE_PRELOADED;
    if (live->preloaded) {
        live->position = plan->groups[group].preload.count;
        if (cache != TRACE_UNTYPED)
            plan->caches[cache].used = true;
        return words_add(&plan->groups[group].preload, word);
    }
    plan->allocs++;
    plan->type_allocs[event->type]++;
    if (event->batch > 1 || builder->bulk_left)
        code = bulk_begin(builder, group, event);
    live->position = plan->groups[group].events.count;
    if (code == 0)
        code = group_add(builder, group, word, event->time_ns);
    bulk_count(builder, group);
    cache_touch(builder, group, type);
    return code;
}

/* Another group will free it: its alloc has to publish it. */
static void share(struct builder *builder, const struct live *live)
{
    struct plan_group *group = &builder->plan->groups[live->group];
    struct plan_words *list = live->preloaded ? &group->preload : &group->events;

    list->words[live->position] |= PLAN_SHARED;
}

static int add_free(struct builder *builder, unsigned group, const struct trace_event *event)
{
    struct plan *plan = builder->plan;
    struct live *live = &builder->live[event->object];
    const struct type_note *type = &builder->types[live->type];
    bool remote = live->group != group;
    uint64_t word = plan_word(PLAN_FREE, live->tag, live->type, live->slot);
    int code = 0;

    plan->frees++;
    plan->type_frees[live->type]++;
    plan->frees_between[live->group * plan->frees_stride + group]++;
    if (remote) {
        plan->remote_frees++;
        plan->implied_remote_frees += event->origin == TRACE_IMPLIED;
        share(builder, live);
        word |= PLAN_SHARED;
    }
    if (event->batch > 1 || builder->bulk_left)
        code = bulk_begin(builder, group, event);
    if (code == 0)
        code = group_add(builder, group, word, event->time_ns);
    bulk_count(builder, group);
    cache_touch(builder, group, type);
    live_shrink(builder, type);
    live->kept = false;
    return code ? code : plan_slots_give(&builder->slots, group, live->slot);
}

static int add_create(struct builder *builder, unsigned group, const struct trace_event *event)
{
    struct plan_cache *cache = &builder->plan->caches[event->type];

    cache->created = true;
    cache->used = true;
    return group_add(builder, group, plan_word(PLAN_CACHE_CREATE, 0, 0, event->type),
                     event->time_ns);
}

static int add_destroy(struct builder *builder, unsigned group, const struct trace_event *event)
{
    struct plan *plan = builder->plan;
    struct plan_destroy *grown = realloc(plan->destroys, (plan->nr_destroys + 1) * sizeof *grown);
    size_t bytes = plan->nr_groups * sizeof(size_t);
    struct plan_destroy *destroy;

    if (!grown)
        return -ENOMEM;
    plan->destroys = grown;
    destroy = &grown[plan->nr_destroys];
    *destroy = (struct plan_destroy){.cache = event->type, .group_positions = malloc(bytes)};
    if (!destroy->group_positions)
        return -ENOMEM;
    memcpy(destroy->group_positions,
           &builder->cache_positions[event->type * (size_t)plan->nr_groups], bytes);
    return group_add(builder, group,
                     plan_word(PLAN_CACHE_DESTROY, 0, 0, (uint32_t)plan->nr_destroys++),
                     event->time_ns);
}

/* The group that allocated the object frees it after the clock. */
static int leave_over(struct builder *builder, struct live *live)
{
    live->kept = false;
    return words_add(&builder->plan->groups[live->group].leftover,
                     plan_word(PLAN_FREE, live->tag, live->type, live->slot));
}

/*
 * Left out by a filter. The reader uses an object's number again after its free, seen or not: an
 * object that was kept and whose free is left out stays to the end, and gives up its number here.
 */
static int drop_event(struct builder *builder, const struct trace_event *event)
{
    struct live *live;

    builder->plan->dropped_by_filter++;
    if (event->op > TRACE_FREE || event->object >= builder->live_capacity)
        return 0;
    live = &builder->live[event->object];
    return live->kept ? leave_over(builder, live) : 0;
}

static int add_event(struct builder *builder, const struct trace_event *event)
{
    struct plan *plan = builder->plan;
    unsigned group = builder->stream_groups[event->stream];
    bool kept =
        group != PLAN_DROPPED && (event->op > TRACE_FREE ? builder->cache_kept[event->type]
                                                         : builder->types[event->type].kept);
    int code;

    if (builder->bulk_left == 0)
        builder->bulk_header = SIZE_MAX;
    if (event->op == TRACE_FREE)
        kept = kept && event->object < builder->live_capacity && builder->live[event->object].kept;
    if (!kept) {
        builder->bulk_left = event->batch > 1 ? event->batch - 1 : 0;
        return drop_event(builder, event);
    }
    code = 0;
    if (event->origin != TRACE_PRELOADED) {
        if (plan_cut_is_due(builder, event->time_ns))
            code = plan_cut_make(builder, event->time_ns);
        if (code == 0)
            code = turn_take(builder, group, event->time_ns);
    }
    if (code)
        return code;
    switch (event->op) {
    case TRACE_ALLOC:
        code = add_alloc(builder, group, event);
        break;
    case TRACE_FREE:
        code = add_free(builder, group, event);
        break;
    case TRACE_CACHE_CREATE:
        code = add_create(builder, group, event);
        break;
    default:
        code = add_destroy(builder, group, event);
    }
    builder->bulk_left = event->batch > 1 ? event->batch - 1 : 0;
    plan->events += event->origin != TRACE_PRELOADED;
    return code;
}

/* What still lives when the trace ends is freed between loops. */
static int add_leftovers(struct builder *builder)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < builder->live_capacity; i++) {
        if (builder->live[i].kept)
            code = leave_over(builder, &builder->live[i]);
    }
    return code;
}

static int read_events(struct builder *builder, struct error *error)
{
    struct plan *plan = builder->plan;
    uint64_t limit = builder->config->max_events ? builder->config->max_events : UINT64_MAX;
    struct trace_event *events = malloc(READ_EVENTS * sizeof *events);
    ssize_t count = -ENOMEM;
    int code = 0;

    if (!events)
        return -ENOMEM;
    while (code == 0 && (count = trace_read(builder->reader, events, READ_EVENTS, error)) > 0) {
        code = tables_follow(builder, error);
        if (code == 0)
            code = plan_streams_follow(builder);
        for (ssize_t i = 0; code == 0 && i < count; i++) {
            /* A trace that is cut short is still read to its end: its digest comes last. */
            if (plan->events >= limit && builder->bulk_left == 0)
                break;
            code = add_event(builder, &events[i]);
            plan->duration_ns = events[i].time_ns;
        }
    }
    free(events);
    return code ? code : (int)count;
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
    if (!plan->groups || !plan->frees_between ||
        plan_slots_init(&builder->slots, plan->nr_groups) != 0)
        return -ENOMEM;
    code = trace_open(trace, &builder->reader, error);
    if (code == 0)
        code = read_events(builder, error);
    if (code == 0)
        code = plan_cuts_end(builder);
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
    return code ? code : add_leftovers(builder);
}

/*
 * There are as many groups as workers while the plan is made, since how many streams there are is
 * known only at the trace's end. Groups beyond the streams have stayed empty: s mod workers is s.
 */
int plan_create(const char *trace, const struct plan_config *config, struct plan **result,
                struct error *error)
{
    struct builder builder = {.config = config, .last_group = UINT32_MAX, .bulk_header = SIZE_MAX};
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
        code =
            error_set(error, EINVAL,
                      "%s: more than %u objects live at once, or changes of stream in total order",
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
