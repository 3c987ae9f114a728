/* SPDX-License-Identifier: MIT */
/* A part of a trace: see transform.h. */
#include "traces/copy.h"
#include "traces/transform.h"

#include "sim/error.h"
#include "traces/join_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct cut_object {
    struct trace_event alloc;
    uint64_t birth; /* allocations before it, + 1; 0: not live */
    bool preloaded; /* in the input */
};

struct cut {
    struct copy copy;
    struct copy_numbers numbers;
    const struct cut_range *range;
    struct cut_report *report;
    struct cut_object *objects; /* by number */
    size_t nr_objects, room_objects;
    uint64_t births, position; /* allocations, and events that are no preloads, so far */
    uint64_t preloads;         /* in the input */
    uint64_t base_ns;
    bool begun;
    struct trace_repairs repairs, *by_cache; /* untyped first, then by cache + 1 */
    size_t room_by_cache;
};

/* What is preloaded comes before all events, in no range; what lives of it is preloaded again. */
static bool cut_is_before(const struct cut *cut, const struct trace_event *event)
{
    if (event->origin == TRACE_PRELOADED)
        return true;
    return (cut->range->unit == CUT_EVENTS ? cut->position : event->time_ns) < cut->range->first;
}

static bool cut_is_after(const struct cut *cut, const struct trace_event *event)
{
    if (event->origin == TRACE_PRELOADED)
        return false;
    return (cut->range->unit == CUT_EVENTS ? cut->position : event->time_ns) >= cut->range->after;
}

/* Who lives, before the range and in it. */
static int cut_follow(struct cut *cut, const struct trace_event *event)
{
    struct cut_object *object;

    if (event->op > TRACE_FREE)
        return 0;
    if (join_grow(&cut->objects, (size_t)event->object + 1, &cut->room_objects,
                  sizeof *cut->objects))
        return -ENOMEM;
    if (event->object >= cut->nr_objects)
        cut->nr_objects = (size_t)event->object + 1;
    object = &cut->objects[event->object];
    object->birth = event->op == TRACE_ALLOC ? ++cut->births : 0;
    if (event->op == TRACE_ALLOC) {
        object->alloc = *event;
        object->preloaded = event->origin == TRACE_PRELOADED;
    }
    return 0;
}

static int cut_compare(const void *a, const void *b)
{
    const struct cut_object *const *left = a, *const *right = b;

    return ((*left)->birth > (*right)->birth) - ((*left)->birth < (*right)->birth);
}

/* What lives where the range begins. */
static int cut_preload(struct cut *cut, struct error *error)
{
    struct cut_object **living = calloc(cut->nr_objects + 1, sizeof(*living));
    size_t count = 0;
    int code = 0;

    if (!living)
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    for (size_t i = 0; i < cut->nr_objects; i++) {
        if (cut->objects[i].birth)
            living[count++] = &cut->objects[i];
    }
    qsort(living, count, sizeof(*living), cut_compare);
    for (size_t i = 0; !code && i < count; i++) {
        struct trace_event event = living[i]->alloc;

        event.time_ns = 0;
        event.batch = 1;
        event.origin = TRACE_PRELOADED;
        code = copy_event(&cut->copy, &event, error);
    }
    cut->report->preloaded = count;
    free(living);
    return code;
}

static void cut_count_repair(const struct cut *cut, const struct trace_event *event,
                             struct trace_repairs *repairs)
{
    bool old = event->op == TRACE_FREE && cut->objects[event->object].preloaded;

    repairs->implied_frees += event->origin == TRACE_IMPLIED;
    repairs->refreed += event->origin == TRACE_INFERRED;
    repairs->never_seen_frees += old && event->origin == TRACE_RECORDED;
    repairs->preloaded += old && event->origin == TRACE_RECORDED;
}

/* A repair that an event in the range is, in all and by cache. */
static int cut_repair(struct cut *cut, const struct trace_event *event)
{
    size_t caches, types;
    const struct trace_type *type;

    if (event->op > TRACE_FREE)
        return 0;
    trace_caches(cut->copy.reader, &caches);
    type = &trace_types(cut->copy.reader, &types)[event->type];
    if (join_grow(&cut->by_cache, caches + 1, &cut->room_by_cache, sizeof *cut->by_cache))
        return -ENOMEM;
    cut_count_repair(cut, event, &cut->repairs);
    cut_count_repair(cut, event, &cut->by_cache[(uint32_t)(type->cache + 1)]); /* untyped: 0 */
    return 0;
}

static int cut_event(struct cut *cut, const struct trace_event *event, struct error *error)
{
    struct trace_event copied = *event;
    uint64_t left = cut->range->after - cut->position;
    int code = 0;

    if (!cut->begun) {
        cut->begun = true;
        cut->base_ns = cut->range->unit == CUT_TIME_NS ? cut->range->first : event->time_ns;
        code = cut_preload(cut, error);
    }
    if (code)
        return code;
    if (cut->range->unit == CUT_EVENTS && copied.batch > left)
        copied.batch = (uint16_t)left;
    copied.time_ns -= cut->base_ns;
    cut->report->events++;
    if (cut_repair(cut, event))
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    return copy_event(&cut->copy, &copied, error);
}

/* Reads on behind the range: for the digest, and since damage there is damage. */
static int cut_events(struct cut *cut, struct error *error)
{
    static struct trace_event events[4096];
    ssize_t count;
    int code = 0;

    do {
        count = trace_read(cut->copy.reader, events, sizeof events / sizeof *events, error);
        code = count < 0 ? (int)count : copy_definitions(&cut->copy, error);
        for (ssize_t i = 0; !code && i < count; i++) {
            bool preload = events[i].origin == TRACE_PRELOADED;

            if (!cut_is_before(cut, &events[i]) && !cut_is_after(cut, &events[i]))
                code = cut_event(cut, &events[i], error);
            if (!code && !cut_is_after(cut, &events[i]) && cut_follow(cut, &events[i]))
                code = error_set(error, ENOMEM, "%s", strerror(ENOMEM));
            cut->preloads += preload;
            cut->position += !preload;
        }
    } while (!code && count > 0);
    return code;
}

static int cut_end(struct cut *cut, const char *input, struct error *error)
{
    const struct cut_range *range = cut->range;
    json_t *asked;
    size_t caches;

    if (!cut->begun && cut->preloads)
        return error_set(error, EINVAL,
                         "%s: none of its %llu events is in the range asked for; the %llu objects "
                         "that it preloads are not counted",
                         input, (unsigned long long)cut->position,
                         (unsigned long long)cut->preloads);
    if (!cut->begun)
        return error_set(error, EINVAL, "%s: none of its %llu events is in the range asked for",
                         input, (unsigned long long)cut->position);
    trace_caches(cut->copy.reader, &caches);
    if (join_grow(&cut->by_cache, caches + 1, &cut->room_by_cache, sizeof *cut->by_cache))
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    copy_set_repairs(cut->copy.writer, &cut->repairs, cut->by_cache, caches);
    asked = json_pack("{s:s, s:I, s:o}", "unit", range->unit == CUT_EVENTS ? "events" : "ns",
                      "first", (json_int_t)range->first, "input", copy_input(cut->copy.reader));
    if (asked && range->after != UINT64_MAX)
        json_object_set_new(asked, "after", json_integer((json_int_t)range->after));
    return copy_set_provenance(cut->copy.writer, "slablab cut", asked, error);
}

int trace_cut(const char *input, const char *output, const struct cut_range *range,
              struct cut_report *report, struct error *error)
{
    struct cut cut = {.range = range, .report = report, .copy.numbers = &cut.numbers};
    int code = copy_begin(&cut.copy, input, error);

    *report = (struct cut_report){0};
    if (code)
        return code;
    code = trace_create(output, "{}", &cut.copy.writer, error);
    if (!code) {
        code = cut_events(&cut, error);
        if (!code)
            code = cut_end(&cut, input, error);
        if (code)
            trace_discard(cut.copy.writer);
        else
            code = trace_commit(cut.copy.writer, error);
    }
    copy_end(&cut.copy);
    copy_numbers_cleanup(&cut.numbers);
    free(cut.objects);
    free(cut.by_cache);
    return code;
}
