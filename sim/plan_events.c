/* SPDX-License-Identifier: MIT */
/*
 * From events to the words of a plan, one after the other. Nearly all of them allocate or free one
 * object: these take a way of their own, of the same parts as the others, that asks little.
 */
#include "sim/array.h"
#include "sim/plan_internal.h"

#include <stdlib.h>
#include <string.h>

/* Events between asking for what is known of an object and using it, which lies anywhere. */
enum { LOOK_AHEAD = 16 };

#define unlikely(condition) __builtin_expect(!!(condition), 0)
#define always_inline       inline __attribute__((always_inline))

/* ---- lists of words ---- */

static inline int words_add(struct plan_words *words, uint64_t word)
{
    if (unlikely(words->count == words->capacity)) {
        int code =
            array_room((void **)&words->words, &words->capacity, words->count + 1, sizeof word);

        if (code)
            return code;
    }
    words->words[words->count++] = word;
    return 0;
}

/* Appends a word to the group's list and, where one is due, its time. */
static inline int group_add(const struct builder *builder, struct plan_group *list, uint64_t word,
                            uint64_t time_ns)
{
    if (unlikely(!(list->events.count & builder->times_mask))) {
        int code = words_add(&list->times, time_ns);

        if (code)
            return code;
    }
    return words_add(&list->events, word);
}

/* In total order a group's turn ends where another group's event comes next. */
static inline int turn_take(struct builder *builder, unsigned group, uint64_t time_ns)
{
    if (!unlikely(builder->config->total_order) || builder->last_group == group)
        return 0;
    if (builder->plan->nr_turns > PLAN_SLOT_MAX)
        return -EOVERFLOW;
    builder->last_group = group;
    return group_add(builder, &builder->plan->groups[group],
                     plan_word(PLAN_TURN, 0, 0, builder->plan->nr_turns++), time_ns);
}

/*
 * A bulk event becomes a header word and one word an object. A filter may leave some of the objects
 * out (a bulk free of objects of several caches), so the header counts those that were written.
 */
static int bulk_begin(struct builder *builder, struct plan_group *list,
                      const struct trace_event *event)
{
    enum plan_op op = event->op == TRACE_ALLOC ? PLAN_ALLOC_BULK : PLAN_FREE_BULK;

    if (builder->bulk_header != SIZE_MAX || (event->batch <= 1 && !builder->bulk_left))
        return 0;
    builder->bulk_header = list->events.count;
    return group_add(builder, list, plan_word(op, 0, event->type, 0), event->time_ns);
}

static void bulk_count(const struct builder *builder, struct plan_group *list)
{
    if (builder->bulk_header != SIZE_MAX)
        list->events.words[builder->bulk_header] += (uint64_t)1 << PLAN_SLOT_SHIFT;
}

/* ---- what lives ---- */

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
}

static inline void live_shrink(struct builder *builder, const struct type_note *type)
{
    builder->live_objects--;
    builder->live_bytes -= type->size;
    builder->rounded_bytes -= type->rounded;
}

/* An object's number that has not been seen, for the caller to fill; what it skips is not live. */
static int live_add(struct builder *builder, uint32_t number)
{
    int code = array_room((void **)&builder->live, &builder->live_capacity, (size_t)number + 1,
                          sizeof *builder->live);

    if (code == 0) {
        for (; builder->nr_live < number; builder->nr_live++)
            builder->live[builder->nr_live] = (struct live){0};
        builder->nr_live++;
    }
    return code;
}

/* Notes that `group` has an event on the type's cache here; for destructions to wait for. */
static inline void cache_touch(struct builder *builder, unsigned group,
                               const struct type_note *type, size_t position)
{
    builder->cache_positions[(size_t)type->cache_row * builder->plan->nr_groups + group] = position;
}

/* ---- events ---- */

/* `plain`: one object, and no part of a bulk event, nor from before the clock. */
static always_inline int add_alloc(struct builder *builder, unsigned group,
                                   const struct trace_event *event, bool plain)
{
    struct plan_group *list = &builder->plan->groups[group];
    struct type_note *type = &builder->types[event->type];
    bool preloaded = !plain && event->origin == TRACE_PRELOADED;
    uint64_t word, create = 0;
    uint32_t slot;
    uint16_t tag;
    int code = 0;

    if (unlikely(event->object >= builder->nr_live))
        code = live_add(builder, event->object);
    if (code == 0)
        code = plan_slots_take(&builder->slots, group, &slot, &tag);
    if (!plain && code == 0 && !preloaded)
        code = bulk_begin(builder, list, event);
    if (unlikely(code))
        return code;
    word = plan_word(PLAN_ALLOC, tag, event->type, slot);
    builder->live[event->object] =
        (struct live){.word = word + (PLAN_FREE - PLAN_ALLOC),
                      .position = preloaded ? list->preload.count : list->events.count,
                      .group = group,
                      .preloaded = preloaded,
                      .kept = true};
    if (unlikely(builder->any_created) && type->cache_row &&
        builder->plan->caches[type->cache_row - 1].created)
        create = PLAN_ALLOC_CREATED - PLAN_ALLOC;
    live_grow(builder, type);
    if (preloaded) {
        type->preloaded = true;
        return words_add(&list->preload, word + create);
    }
    type->allocs++;
    code = group_add(builder, list, word + create, event->time_ns);
    if (!plain)
        bulk_count(builder, list);
    cache_touch(builder, group, type, list->events.count);
    return code;
}

/*
 * Another group will free it: its alloc has to publish it, in a slot for such. The slot that it had
 * so far is its group's again, as if it had never been taken.
 */
static int share(struct builder *builder, struct live *live, unsigned by)
{
    struct plan_group *group = &builder->plan->groups[live->group];
    struct plan_words *list = live->preloaded ? &group->preload : &group->events;
    uint64_t *word = &list->words[live->position];
    uint32_t slot;
    int code = plan_slots_take_shared(&builder->slots, live->group, by, &slot);

    if (code == 0)
        code = plan_slots_give(&builder->slots, live->group, plan_slot(*word), plan_tag(*word));
    if (code == 0) {
        *word = plan_word_shared(*word, slot);
        live->word = plan_word_shared(live->word, slot);
    }
    return code;
}

static always_inline int add_free(struct builder *builder, unsigned group,
                                  const struct trace_event *event, bool plain)
{
    struct plan *plan = builder->plan;
    struct plan_group *list = &plan->groups[group];
    struct live *live = &builder->live[event->object];
    struct type_note *type = &builder->types[plan_type(live->word)];
    bool shared = live->group != group;
    uint64_t word;
    int code = 0;

    type->frees++;
    plan->frees_between[live->group * plan->frees_stride + group]++;
    live->kept = false;
    if (shared) {
        plan->implied_remote_frees += event->origin == TRACE_IMPLIED;
        code = share(builder, live, group);
    }
    word = live->word;
    if (!plain && code == 0)
        code = bulk_begin(builder, list, event);
    if (code == 0)
        code = group_add(builder, list, word, event->time_ns);
    if (!plain)
        bulk_count(builder, list);
    cache_touch(builder, group, type, list->events.count);
    live_shrink(builder, type);
    if (shared || code)
        return code;
    return plan_slots_give(&builder->slots, group, plan_slot(word), plan_tag(word));
}

static int add_create(struct builder *builder, unsigned group, const struct trace_event *event)
{
    struct plan_cache *cache = &builder->plan->caches[event->type];

    builder->any_created = true;
    cache->created = true;
    cache->used = true;
    return group_add(builder, &builder->plan->groups[group],
                     plan_word(PLAN_CACHE_CREATE, 0, 0, event->type), event->time_ns);
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
           &builder->cache_positions[((size_t)event->type + 1) * plan->nr_groups], bytes);
    return group_add(builder, &plan->groups[group],
                     plan_word(PLAN_CACHE_DESTROY, 0, 0, (uint32_t)plan->nr_destroys++),
                     event->time_ns);
}

/* The group that allocated the object frees it after the clock. */
static int leave_over(struct builder *builder, struct live *live)
{
    live->kept = false;
    return words_add(&builder->plan->groups[live->group].leftover, live->word);
}

/*
 * Left out by a filter. The reader uses an object's number again after its free, seen or not: an
 * object that was kept and whose free is left out stays to the end, and gives up its number here.
 */
static int drop_event(struct builder *builder, const struct trace_event *event)
{
    struct live *live;

    builder->plan->dropped_by_filter++;
    if (event->op > TRACE_FREE || event->object >= builder->nr_live)
        return 0;
    live = &builder->live[event->object];
    return live->kept ? leave_over(builder, live) : 0;
}

/* Is the event, of this group, part of the plan? Without a filter all are. */
static bool event_is_kept(const struct builder *builder, unsigned group,
                          const struct trace_event *event)
{
    if (group == PLAN_DROPPED)
        return false;
    if (event->op > TRACE_FREE)
        return builder->cache_kept[event->type];
    if (event->op == TRACE_FREE &&
        (event->object >= builder->nr_live || !builder->live[event->object].kept))
        return false;
    return builder->types[event->type].kept;
}

/* Whatever is before an event of the plan that is not from before the clock. */
static inline int event_begin(struct builder *builder, unsigned group,
                              const struct trace_event *event)
{
    int code = 0;

    if (unlikely(plan_cut_is_due(builder, event->time_ns)))
        code = plan_cut_make(builder, event->time_ns);
    return code ? code : turn_take(builder, group, event->time_ns);
}

static __attribute__((noinline)) int add_rare_event(struct builder *builder,
                                                    const struct trace_event *event)
{
    unsigned group = builder->stream_groups[event->stream];
    bool kept = event_is_kept(builder, group, event);
    int code = 0;

    if (builder->bulk_left == 0)
        builder->bulk_header = SIZE_MAX;
    if (kept && event->origin != TRACE_PRELOADED)
        code = event_begin(builder, group, event);
    if (code)
        return code;
    if (!kept)
        code = drop_event(builder, event);
    else if (event->op == TRACE_ALLOC)
        code = add_alloc(builder, group, event, false);
    else if (event->op == TRACE_FREE)
        code = add_free(builder, group, event, false);
    else if (event->op == TRACE_CACHE_CREATE)
        code = add_create(builder, group, event);
    else
        code = add_destroy(builder, group, event);
    builder->bulk_left = event->batch > 1 ? event->batch - 1 : 0;
    builder->plan->events += kept && event->origin != TRACE_PRELOADED;
    return code;
}

static always_inline int add_event(struct builder *builder, const struct trace_event *event)
{
    unsigned group = builder->stream_groups[event->stream];
    int code;

    if (event->batch > 1 || builder->bulk_left || event->op > TRACE_FREE ||
        event->origin == TRACE_PRELOADED ||
        (unlikely(builder->filtered) && !event_is_kept(builder, group, event)))
        return add_rare_event(builder, event);
    code = event_begin(builder, group, event);
    if (unlikely(code))
        return code;
    builder->plan->events++;
    return event->op == TRACE_ALLOC ? add_alloc(builder, group, event, true)
                                    : add_free(builder, group, event, true);
}

int plan_events_add(struct builder *builder, const struct trace_event *events, size_t count)
{
    const struct plan *plan = builder->plan;
    uint64_t limit = builder->config->max_events ? builder->config->max_events : UINT64_MAX;
    size_t added = 0;
    int code = 0;

    /* A trace that is cut short is still read to its end: its digest comes last. */
    while (code == 0 && added < count && (plan->events < limit || builder->bulk_left)) {
        uint64_t room = plan->events < limit ? limit - plan->events : 1;
        size_t end = count - added < room ? count : added + room;

        while (added < end && code == 0) {
            size_t ahead = added + LOOK_AHEAD < count ? added + LOOK_AHEAD : added;

            __builtin_prefetch(&builder->live[events[ahead].object], 1);
            code = add_event(builder, &events[added++]);
        }
    }
    if (added)
        builder->plan->duration_ns = events[added - 1].time_ns;
    return code;
}

/* What still lives when the trace ends is freed between loops. */
int plan_leftovers_add(struct builder *builder)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < builder->nr_live; i++) {
        if (builder->live[i].kept)
            code = leave_over(builder, &builder->live[i]);
    }
    return code;
}
