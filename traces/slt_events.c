/* SPDX-License-Identifier: MIT */
/* From columns to events: see slt_events.h. */
#include "traces/slt_events.h"

#define unlikely(condition) __builtin_expect(!!(condition), 0)

enum { SLT_STRETCH = 256 };

/* Of one stretch of events, the planes put together. */
struct slt_stretch {
    uint16_t time[SLT_STRETCH], stream[SLT_STRETCH], kind[SLT_STRETCH];
    uint16_t reference[SLT_STRETCH]; /* of the frees among them: the first ones */
    uint32_t site[SLT_STRETCH];
};

/* ---- columns ---- */

/* As wide as what every processor of the kind has; the double is two of these. */
typedef uint8_t slt_16_bytes __attribute__((vector_size(16)));
typedef uint16_t slt_8_pairs __attribute__((vector_size(16)));
typedef uint16_t slt_16_pairs __attribute__((vector_size(32)));
typedef uint32_t slt_8_quads __attribute__((vector_size(32)));

static void slt_join_planes(uint16_t *to, const uint8_t *low, const uint8_t *high, uint32_t count)
{
    uint32_t at = 0;

    for (; at + 16 <= count; at += 16) {
        slt_16_bytes lows, highs;
        slt_16_pairs joined;

        memcpy(&lows, low + at, sizeof lows);
        memcpy(&highs, high + at, sizeof highs);
        joined = __builtin_convertvector(lows, slt_16_pairs) |
                 __builtin_convertvector(highs, slt_16_pairs) << 8;
        memcpy(to + at, &joined, sizeof joined);
    }
    for (; at < count; at++)
        to[at] = (uint16_t)(low[at] | high[at] << 8);
}

static void slt_join_sites(uint32_t *to, const uint8_t *const planes[4], uint32_t from,
                           uint32_t count)
{
    uint16_t low[SLT_STRETCH], high[SLT_STRETCH];
    uint32_t at = 0;

    slt_join_planes(low, planes[0] + from, planes[1] + from, count);
    slt_join_planes(high, planes[2] + from, planes[3] + from, count);
    for (; at + 8 <= count; at += 8) {
        slt_8_pairs lows, highs;
        slt_8_quads joined;

        memcpy(&lows, low + at, sizeof lows);
        memcpy(&highs, high + at, sizeof highs);
        joined = __builtin_convertvector(lows, slt_8_quads) |
                 __builtin_convertvector(highs, slt_8_quads) << 16;
        memcpy(to + at, &joined, sizeof joined);
    }
    for (; at < count; at++)
        to[at] = low[at] | (uint32_t)high[at] << 16;
}

/* The next `count` events; sites only if the block has some. */
static void slt_join(struct slt_stretch *stretch, const struct slt_position *position,
                     uint32_t count)
{
    const struct slt_columns *columns = &position->columns;
    uint32_t from = position->at, reference = position->reference;
    uint32_t references = columns->references - reference;

    slt_join_planes(stretch->time, columns->time[0] + from, columns->time[1] + from, count);
    slt_join_planes(stretch->stream, columns->stream[0] + from, columns->stream[1] + from, count);
    slt_join_planes(stretch->kind, columns->kind[0] + from, columns->kind[1] + from, count);
    slt_join_planes(stretch->reference, columns->reference[0] + reference,
                    columns->reference[1] + reference, references < count ? references : count);
    if (columns->site[0])
        slt_join_sites(stretch->site, columns->site, from, count);
}

/* ---- events ---- */

/* Ticks of an event whose time column says SLT_WIDE; false when there are none left. */
static inline bool slt_take_wide_time(struct slt_position *position, uint64_t *ticks)
{
    const uint8_t *at = position->columns.wide_time;

    if (position->wide_time == position->columns.wide_times)
        return false;
    *ticks = load_u64(at + (size_t)position->wide_time++ * SLT_WIDE_TIME_BYTES);
    return true;
}

/* The object that the next wide reference names, or LIVE_NONE. */
static inline uint32_t slt_take_wide_reference(struct slt_position *position,
                                               const struct live *live)
{
    const struct slt_columns *columns = &position->columns;
    uint32_t number;

    if (position->wide_reference == columns->wide_references)
        return LIVE_NONE;
    number = load_u32(columns->wide_reference +
                      (size_t)position->wide_reference++ * SLT_WIDE_REFERENCE_BYTES);
    return live_is(live, number) ? number : LIVE_NONE;
}

enum {
    SLT_KIND_AT = offsetof(struct trace_event, batch),
    SLT_KIND_COPIED = offsetof(struct slt_kind, type)
};
_Static_assert(offsetof(struct trace_event, op) - SLT_KIND_AT == offsetof(struct slt_kind, op) &&
                   offsetof(struct trace_event, origin) - SLT_KIND_AT ==
                       offsetof(struct slt_kind, origin),
               "a kind begins as an event ends");

/*
 * All of the events that depends on none before them but for the time. Returns how many: after them
 * comes one that is wrong, or none.
 */
static uint32_t slt_read_fields(struct slt_position *position, const struct slt_limits *limits,
                                const struct slt_stretch *stretch, struct trace_event *events,
                                uint32_t count, const char **wrong)
{
    const struct slt_columns *columns = &position->columns;
    const uint32_t nr_kinds = columns->kinds, nr_streams = (uint32_t)limits->streams;
    const uint32_t nr_sites = limits->call_sites ? (uint32_t)limits->call_sites : 1;
    const struct slt_kind *kinds = limits->kinds;
    const uint64_t unit_ns = columns->unit_ns;
    uint64_t time_ns = position->time_ns;
    uint32_t at;

    for (at = 0; at < count; at++) {
        uint64_t ticks = stretch->time[at];

        *wrong = "an event's stream or kind is not defined before it";
        if (unlikely(stretch->stream[at] >= nr_streams || stretch->kind[at] >= nr_kinds))
            break;
        *wrong = "an event's call site is not defined before it";
        if (unlikely(stretch->site[at] >= nr_sites))
            break;
        *wrong = "a wide time is missing";
        if (unlikely(ticks == SLT_WIDE) && !slt_take_wide_time(position, &ticks))
            break;
        time_ns += ticks * unit_ns;
        memcpy((char *)&events[at] + SLT_KIND_AT, &kinds[stretch->kind[at]], SLT_KIND_COPIED);
        events[at].time_ns = time_ns;
        events[at].stream = stretch->stream[at];
        events[at].call_site = stretch->site[at];
    }
    position->time_ns = time_ns;
    return at;
}

/* Which objects they are of, and which types these have. Returns as above. */
static uint32_t slt_read_objects(struct slt_position *position, const struct slt_kind *kinds,
                                 const struct slt_stretch *stretch, struct trace_event *events,
                                 uint32_t count, const char **wrong)
{
    const uint32_t references = position->columns.references - position->reference;
    struct live live = position->live; /* a copy whose address stays here: in registers */
    uint32_t reference = 0, at;

    for (at = 0; at < count; at++) {
        /* slt_join has filled `count` of each. */
        /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.*) */
        const struct slt_kind *kind = &kinds[stretch->kind[at]];
        uint32_t type = kind->type, number = 0;

        if (kind->op == TRACE_ALLOC) {
            *wrong = "an object is allocated from a destroyed cache";
            number = live_alloc(&live, type);
            if (unlikely(number == LIVE_NONE))
                break;
        } else if (kind->op == TRACE_FREE) {
            *wrong = "an object is freed that is not live";
            if (unlikely(reference == references))
                break;
            /* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.*) */
            number = stretch->reference[reference++];
            number = unlikely(number == SLT_WIDE) ? slt_take_wide_reference(position, &live)
                                                  : live_find(&live, number);
            if (unlikely(number == LIVE_NONE))
                break;
            type = live_free(&live, number);
        } else {
            *wrong = kind->op == TRACE_CACHE_CREATE ? live_create_cache(&position->live, type + 1)
                                                    : live_destroy_cache(&position->live, type + 1);
            if (*wrong)
                break;
        }
        events[at].type = type;
        events[at].object = number;
    }
    position->live = live;
    position->reference += reference;
    return at;
}

const char *slt_events_read(struct slt_position *position, const struct slt_limits *limits,
                            struct trace_event *events, uint32_t count)
{
    struct slt_stretch stretch;
    uint32_t some;

    if (!position->columns.site[0])
        memset(stretch.site, 0, sizeof stretch.site);
    for (; count; count -= some, events += some) {
        const char *wrong_field = NULL, *wrong_object = NULL;
        uint32_t fields, objects;

        some = count < SLT_STRETCH ? count : SLT_STRETCH;
        slt_join(&stretch, position, some);
        fields = slt_read_fields(position, limits, &stretch, events, some, &wrong_field);
        objects =
            slt_read_objects(position, limits->kinds, &stretch, events, fields, &wrong_object);
        position->at += objects;
        if (objects < fields)
            return wrong_object;
        if (fields < some)
            return wrong_field;
    }
    return NULL;
}
