/* SPDX-License-Identifier: MIT */
/* Samples by the events they are of: see perf_attr.h. Numbers as in linux/perf_event.h. */
#include "traces/import/perf_attr.h"

#include "sim/error.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>

enum {
    PERF_READ_LOST = 1 << 4, /* PERF_FORMAT_LOST, newer than some headers */
    PERF_MOST_ATTRS = 1 << 16,
    PERF_MOST_IDS = 1 << 24,
};

void perf_attrs_cleanup(struct perf_attrs *attrs)
{
    free(attrs->layouts);
    free(attrs->ids);
    *attrs = (struct perf_attrs){0};
}

/* ---- events ---- */

/* The fields of fixed size, in their order. */
static void perf_layout_fill(struct perf_layout *layout, uint64_t type)
{
    const struct {
        uint64_t bit;
        uint16_t *place;
    } fields[] = {
        {PERF_SAMPLE_IDENTIFIER, &layout->identifier},
        {PERF_SAMPLE_IP, NULL},
        {PERF_SAMPLE_TID, NULL},
        {PERF_SAMPLE_TIME, &layout->time},
        {PERF_SAMPLE_ADDR, NULL},
        {PERF_SAMPLE_ID, &layout->id},
        {PERF_SAMPLE_STREAM_ID, NULL},
        {PERF_SAMPLE_CPU, &layout->cpu},
        {PERF_SAMPLE_PERIOD, NULL},
    };
    uint16_t at = sizeof(struct perf_event_header);

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (!(type & fields[i].bit))
            continue;
        if (fields[i].place)
            *fields[i].place = at;
        at += 8;
    }
    layout->rest = at;
    layout->has_read = type & PERF_SAMPLE_READ;
    layout->has_callchain = type & PERF_SAMPLE_CALLCHAIN;
}

static int perf_attrs_need(uint64_t type, struct error *error)
{
    static const struct {
        uint64_t bit;
        const char *what, *option;
    } needed[] = {
        {PERF_SAMPLE_TIME, "no time", "-T"},
        {PERF_SAMPLE_CPU, "no CPU", "--sample-cpu"},
        {PERF_SAMPLE_RAW, "no fields of the event", "-R"},
    };

    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (!(type & needed[i].bit))
            return error_set(error, EINVAL,
                             "samples of a tracepoint have %s; record with perf record %s",
                             needed[i].what, needed[i].option);
    }
    return 0;
}

/* The place of an id, or the empty one where it would go. */
static struct perf_id *perf_attrs_id(const struct perf_attrs *attrs, uint64_t id)
{
    size_t at = (id * 0x9e3779b97f4a7c15u) >> 32; /* Fibonacci hashing */

    for (;; at++) {
        struct perf_id *place = &attrs->ids[at & (attrs->room_ids - 1)];

        if (!place->layout || place->id == id)
            return place;
    }
}

static int perf_attrs_grow_ids(struct perf_attrs *attrs, size_t count)
{
    struct perf_attrs grown = {.room_ids = 64};

    while (grown.room_ids < 2 * count)
        grown.room_ids *= 2;
    if (grown.room_ids <= attrs->room_ids)
        return 0;
    grown.ids = calloc(grown.room_ids, sizeof *grown.ids);
    if (!grown.ids)
        return -ENOMEM;
    for (size_t i = 0; i < attrs->room_ids; i++) {
        if (attrs->ids[i].layout)
            *perf_attrs_id(&grown, attrs->ids[i].id) = attrs->ids[i];
    }
    free(attrs->ids);
    attrs->ids = grown.ids;
    attrs->room_ids = grown.room_ids;
    return 0;
}

int perf_attrs_add(struct perf_attrs *attrs, const char *attr, size_t size, const char *ids,
                   size_t nr_ids, struct error *error)
{
    struct perf_layout *layouts, layout = {0};
    uint64_t type;
    int code;

    if (size < PERF_ATTR_SIZE_VER0)
        return error_set(error, EINVAL, "an event of %zu bytes; expected at least %d", size,
                         PERF_ATTR_SIZE_VER0);
    if (attrs->count == PERF_MOST_ATTRS || attrs->nr_ids + nr_ids > PERF_MOST_IDS)
        return error_set(error, EINVAL, "more events than %d, or ids of them than %d",
                         PERF_MOST_ATTRS, PERF_MOST_IDS);
    type = perf_u64(attr + offsetof(struct perf_event_attr, sample_type));
    layout.tracepoint =
        perf_u32(attr + offsetof(struct perf_event_attr, type)) == PERF_TYPE_TRACEPOINT;
    layout.read_format = perf_u64(attr + offsetof(struct perf_event_attr, read_format));
    code = layout.tracepoint ? perf_attrs_need(type, error) : 0;
    if (code)
        return code;
    perf_layout_fill(&layout, type);
    layouts = reallocarray(attrs->layouts, attrs->count + 1, sizeof *layouts);
    if (!layouts)
        return -ENOMEM;
    attrs->layouts = layouts;
    layouts[attrs->count++] = layout;
    if (perf_attrs_grow_ids(attrs, attrs->nr_ids + nr_ids))
        return -ENOMEM;
    for (size_t i = 0; i < nr_ids; i++) {
        struct perf_id *place = perf_attrs_id(attrs, perf_u64(ids + 8 * i));

        attrs->nr_ids += !place->layout;
        *place = (struct perf_id){perf_u64(ids + 8 * i), (uint32_t)attrs->count};
    }
    return 0;
}

static bool perf_layout_same(const struct perf_layout *a, const struct perf_layout *b)
{
    return a->tracepoint == b->tracepoint && a->read_format == b->read_format &&
           a->has_read == b->has_read && a->has_callchain == b->has_callchain &&
           a->time == b->time && a->cpu == b->cpu && a->rest == b->rest;
}

int perf_attrs_check(const struct perf_attrs *attrs, struct error *error)
{
    if (!attrs->count)
        return error_set(error, EINVAL, "a sample before any event was named");
    for (size_t i = 1; i < attrs->count; i++) {
        const struct perf_layout *first = &attrs->layouts[0], *other = &attrs->layouts[i];

        if (first->identifier != other->identifier ||
            (!first->identifier && first->id != other->id) ||
            (!first->identifier && !first->id && !perf_layout_same(first, other)))
            return error_set(error, EINVAL,
                             "samples of several events cannot be told apart; record the kmem "
                             "events alone");
    }
    return 0;
}

/* ---- samples ---- */

static const struct perf_layout *perf_attrs_layout(const struct perf_attrs *attrs,
                                                   const char *record, size_t size)
{
    const struct perf_layout *first = &attrs->layouts[0];
    size_t at = first->identifier ? first->identifier : first->id;
    const struct perf_id *place;

    if (!at || !attrs->nr_ids)
        return first;
    if (at + 8 > size)
        return NULL;
    place = perf_attrs_id(attrs, perf_u64(record + at));
    return place->layout ? &attrs->layouts[place->layout - 1] : NULL;
}

/* Bytes of the counters' values, or more than there are. */
static size_t perf_read_size(uint64_t format, const char *at, size_t left)
{
    uint64_t entry = 1 + !!(format & PERF_FORMAT_ID) + !!(format & PERF_READ_LOST);
    uint64_t times =
        !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) + !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING);
    uint64_t members;

    if (!(format & PERF_FORMAT_GROUP))
        return 8 * (entry + times);
    members = left < 8 ? left : perf_u64(at);
    return members > left ? left + 1 : 8 * (1 + times + members * entry);
}

int perf_attrs_sample(const struct perf_attrs *attrs, const char *record, size_t size,
                      struct perf_sample *sample)
{
    const struct perf_layout *layout = perf_attrs_layout(attrs, record, size);
    size_t at;

    if (!layout || !layout->tracepoint)
        return 0;
    at = layout->rest;
    if (at > size)
        return -EINVAL;
    sample->time_ns = perf_u64(record + layout->time);
    sample->cpu = perf_u32(record + layout->cpu);
    if (layout->has_read)
        at += perf_read_size(layout->read_format, record + at, size - at);
    if (at <= size && layout->has_callchain) {
        uint64_t frames = size - at < 8 ? size : perf_u64(record + at);

        at += frames > size ? size : 8 + 8 * frames;
    }
    if (at > size || size - at < 4)
        return -EINVAL;
    sample->raw_size = perf_u32(record + at);
    sample->raw = record + at + 4;
    return sample->raw_size <= size - at - 4 ? 1 : -EINVAL;
}
