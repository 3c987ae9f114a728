/* SPDX-License-Identifier: MIT */
/* Events to columns and back: see slt_columns.h, and FORMAT.md for why these columns. */
#include "traces/slt_columns.h"

#include <errno.h>
#include <stdlib.h>

bool slt_origin_is_valid(enum trace_op op, enum trace_origin origin)
{
    static const uint8_t origins[TRACE_OPS] = {
        [TRACE_ALLOC] = 1 << TRACE_RECORDED | 1 << TRACE_PRELOADED | 1 << TRACE_INFERRED,
        [TRACE_FREE] = 1 << TRACE_RECORDED | 1 << TRACE_IMPLIED,
        [TRACE_CACHE_CREATE] = 1 << TRACE_RECORDED,
        [TRACE_CACHE_DESTROY] = 1 << TRACE_RECORDED,
    };

    return op < TRACE_OPS && origin < TRACE_ORIGINS && origins[op] & 1 << origin;
}

/* ---- writing ---- */

int slt_builder_init(struct slt_builder *builder)
{
    *builder = (struct slt_builder){
        .epoch = 1,
        .delta_ns = malloc(SLT_BLOCK_MOST * sizeof *builder->delta_ns),
        .stream = malloc(SLT_BLOCK_MOST * sizeof *builder->stream),
        .kind = malloc(SLT_BLOCK_MOST * sizeof *builder->kind),
        .reference = malloc(SLT_BLOCK_MOST * sizeof *builder->reference),
        .site = malloc(SLT_BLOCK_MOST * sizeof *builder->site),
    };
    if (builder->delta_ns && builder->stream && builder->kind && builder->reference &&
        builder->site)
        return 0;
    slt_builder_cleanup(builder);
    return -ENOMEM;
}

void slt_builder_cleanup(struct slt_builder *builder)
{
    free(builder->delta_ns);
    free(builder->stream);
    free(builder->kind);
    free(builder->reference);
    free(builder->site);
    free(builder->alloc_kinds);
    bytes_cleanup(&builder->kind_table);
    bytes_cleanup(&builder->wide_references);
    bytes_cleanup(&builder->batches);
    *builder = (struct slt_builder){0};
}

/* Where the number of this event's kind is kept; NULL: not at all, or no memory (kinds_failed). */
static uint64_t *slt_builder_kind_place(struct slt_builder *builder,
                                        const struct trace_event *event)
{
    size_t place = (size_t)event->type * TRACE_ORIGINS + event->origin;

    if (event->op == TRACE_FREE)
        return &builder->free_kinds[event->origin];
    if (event->op != TRACE_ALLOC)
        return NULL;
    if (place >= builder->nr_alloc_kinds) {
        size_t grown = 2 * place + 64;
        uint64_t *kinds = reallocarray(builder->alloc_kinds, grown, sizeof *kinds);

        if (!kinds) {
            builder->kinds_failed = true;
            return NULL;
        }
        memset(kinds + builder->nr_alloc_kinds, 0,
               (grown - builder->nr_alloc_kinds) * sizeof *kinds);
        builder->alloc_kinds = kinds;
        builder->nr_alloc_kinds = grown;
    }
    return &builder->alloc_kinds[place];
}

static uint16_t slt_builder_kind(struct slt_builder *builder, const struct trace_event *event)
{
    uint64_t *place = slt_builder_kind_place(builder, event);
    uint8_t entry[SLT_KIND_BYTES] = {event->op, event->origin};

    if (place && *place >> 32 == builder->epoch)
        return (uint16_t)*place;
    if (place)
        *place = (uint64_t)builder->epoch << 32 | builder->kinds;
    store_u32(entry + 4, event->op == TRACE_FREE ? 0 : event->type);
    bytes_put(&builder->kind_table, entry, sizeof entry);
    return (uint16_t)builder->kinds++;
}

int slt_builder_add(struct slt_builder *builder, const struct trace_event *event, uint32_t age,
                    uint32_t number)
{
    uint32_t at = builder->count;

    if (!at)
        builder->first_time_ns = builder->last_time_ns = event->time_ns;
    if (!builder->batch_left && event->batch > 1) {
        bytes_put_u32(&builder->batches, at);
        bytes_put_u32(&builder->batches, event->batch);
    }
    builder->batch_left = event->batch - 1;
    builder->delta_ns[at] = event->time_ns - builder->last_time_ns;
    builder->last_time_ns = event->time_ns;
    builder->stream[at] = (uint16_t)event->stream;
    builder->kind[at] = slt_builder_kind(builder, event);
    builder->site[at] = event->call_site;
    builder->sites |= event->call_site != 0;
    if (event->op == TRACE_FREE) {
        builder->reference[builder->references++] = age < SLT_WIDE ? (uint16_t)age : SLT_WIDE;
        if (age >= SLT_WIDE)
            bytes_put_u32(&builder->wide_references, number);
    }
    builder->count++;
    return builder->kinds_failed || builder->kind_table.failed || builder->wide_references.failed ||
                   builder->batches.failed
               ? -ENOMEM
               : 0;
}

static uint64_t slt_gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* The largest unit allowed that every delta is a multiple of (of a large one, a common divisor). */
static uint64_t slt_builder_unit(const struct slt_builder *builder)
{
    uint64_t unit = 0;

    for (uint32_t i = 0; i < builder->count && unit != 1; i++) {
        uint64_t delta = builder->delta_ns[i];

        if (delta && (!unit || delta % unit))
            unit = slt_gcd(unit, delta);
    }
    if (unit > SLT_MAX_UNIT)
        unit = slt_gcd(unit, SLT_MAX_UNIT);
    return unit ? unit : 1;
}

static uint8_t *slt_put_u16(uint8_t *at, const uint16_t *values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        at[i] = (uint8_t)values[i];
    for (uint32_t i = 0; i < count; i++)
        at[count + i] = (uint8_t)(values[i] >> 8);
    return at + 2 * (size_t)count;
}

static uint8_t *slt_put_u32(uint8_t *at, const uint32_t *values, uint32_t count)
{
    for (unsigned shift = 0; shift < 32; shift += 8) {
        for (uint32_t i = 0; i < count; i++)
            *at++ = (uint8_t)(values[i] >> shift);
    }
    return at;
}

static uint32_t slt_put_times(uint8_t *at, const struct slt_builder *builder, uint64_t unit,
                              struct bytes *wide)
{
    uint32_t count = builder->count, nr_wide = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t ticks = builder->delta_ns[i] / unit;

        if (ticks >= SLT_WIDE) {
            bytes_put_u64(wide, ticks);
            nr_wide++;
            ticks = SLT_WIDE;
        }
        at[i] = (uint8_t)ticks;
        at[count + i] = (uint8_t)(ticks >> 8);
    }
    return nr_wide;
}

void slt_builder_finish(struct slt_builder *builder, struct bytes *payload, size_t cuts[SLT_CUTS])
{
    uint32_t count = builder->count, references = builder->references;
    uint64_t unit = slt_builder_unit(builder);
    size_t planes = (size_t)count * (6 + (builder->sites ? 4 : 0)) + 2 * (size_t)references;
    struct bytes wide_times = {0};
    uint8_t *head, *at;

    head = bytes_reserve(payload, SLT_EVENTS_BYTES + builder->kind_table.length + planes);
    if (!head)
        return;
    at = head + SLT_EVENTS_BYTES;
    memcpy(at, builder->kind_table.data, builder->kind_table.length);
    at += builder->kind_table.length;
    memset(head, 0, SLT_EVENTS_BYTES);
    store_u32(head + SLT_EVENTS_WIDE_TIMES, slt_put_times(at, builder, unit, &wide_times));
    cuts[0] = (size_t)(at - payload->data);
    at = slt_put_u16(at + 2 * (size_t)count, builder->stream, count);
    cuts[1] = cuts[0] + 2 * (size_t)count; /* streams */
    cuts[2] = (size_t)(at - payload->data);
    at = slt_put_u16(at, builder->kind, count);
    cuts[3] = (size_t)(at - payload->data);
    at = slt_put_u16(at, builder->reference, references);
    cuts[4] = cuts[3] + references; /* high bytes */
    cuts[5] = (size_t)(at - payload->data);
    if (builder->sites)
        at = slt_put_u32(at, builder->site, count);
    store_u32(head + SLT_EVENTS_COUNT, count);
    store_u32(head + SLT_EVENTS_KINDS, builder->kinds);
    store_u32(head + SLT_EVENTS_REFERENCES, references);
    store_u32(head + SLT_EVENTS_WIDE_REFERENCES,
              (uint32_t)(builder->wide_references.length / SLT_WIDE_REFERENCE_BYTES));
    store_u32(head + SLT_EVENTS_BATCHES, (uint32_t)(builder->batches.length / SLT_BATCH_BYTES));
    store_u32(head + SLT_EVENTS_SITES, builder->sites ? count : 0);
    store_u64(head + SLT_EVENTS_UNIT, unit);
    payload->length += (size_t)(at - head);
    payload->failed |= wide_times.failed;
    bytes_put(payload, wide_times.data, wide_times.length);
    bytes_put(payload, builder->wide_references.data, builder->wide_references.length);
    bytes_put(payload, builder->batches.data, builder->batches.length);
    bytes_cleanup(&wide_times);

    builder->epoch++;
    builder->count = builder->references = builder->kinds = 0;
    builder->kind_table.length = builder->wide_references.length = builder->batches.length = 0;
    builder->sites = false;
}

/* ---- reading ---- */

static const uint8_t *slt_map_planes(const uint8_t *at, const uint8_t **planes, unsigned nr_planes,
                                     uint32_t count)
{
    for (unsigned plane = 0; plane < nr_planes; plane++, at += count)
        planes[plane] = at;
    return at;
}

/* That no sum of the times overflows; the sum itself is checked where it is made. */
static const char *slt_check_times(const struct slt_columns *columns, uint64_t start_ns)
{
    uint64_t ticks = 0;

    if (slt_u16(columns->time, 0))
        return "the first event's time is not the block's";
    for (uint32_t i = 0; i < columns->wide_times; i++) {
        if (__builtin_add_overflow(
                ticks, load_u64(columns->wide_time + (size_t)i * SLT_WIDE_TIME_BYTES), &ticks))
            return "a time is out of range";
    }
    return start_ns < SLT_MAX_TIME && ticks <= SLT_MAX_TIME / columns->unit_ns
               ? NULL
               : "a time is out of range";
}

static const char *slt_check_kinds(const struct slt_columns *columns)
{
    for (uint32_t i = 0; i < columns->kinds; i++) {
        struct slt_kind kind = slt_columns_kind(columns, i);

        if (kind.op >= TRACE_OPS)
            return "an event is of an unknown operation";
        if (!slt_origin_is_valid(kind.op, kind.origin))
            return "an event's origin does not go with its operation";
    }
    return NULL;
}

static const char *slt_check_batches(const struct slt_columns *columns)
{
    uint32_t end = 0, kind;

    for (uint32_t i = 0; i < columns->batches; i++) {
        const uint8_t *batch = columns->batch + (size_t)i * SLT_BATCH_BYTES;
        uint32_t first = load_u32(batch), count = load_u32(batch + 4);

        if (count < 2 || count > TRACE_MAX_BATCH || first < end || first > columns->count ||
            count > columns->count - first)
            return "a bulk operation is out of range";
        end = first + count;
        kind = slt_u16(columns->kind, first);
        if (kind >= columns->kinds || slt_columns_kind(columns, kind).op > TRACE_FREE)
            return "a bulk operation neither allocates nor frees";
        for (uint32_t j = first + 1; j < end; j++) {
            if (slt_u16(columns->time, j) ||
                slt_u16(columns->stream, j) != slt_u16(columns->stream, first) ||
                slt_u16(columns->kind, j) != kind)
                return "the events of a bulk operation differ";
        }
    }
    return NULL;
}

const char *slt_columns_map(struct slt_columns *columns, const uint8_t *payload, size_t length,
                            uint64_t start_ns)
{
    const uint8_t *at = payload + SLT_EVENTS_BYTES;
    uint64_t want = SLT_EVENTS_BYTES;
    uint32_t count, sites;
    const char *wrong;

    if (length < SLT_EVENTS_BYTES)
        return "an events block is too short";
    *columns = (struct slt_columns){
        .count = load_u32(payload + SLT_EVENTS_COUNT),
        .kinds = load_u32(payload + SLT_EVENTS_KINDS),
        .references = load_u32(payload + SLT_EVENTS_REFERENCES),
        .wide_times = load_u32(payload + SLT_EVENTS_WIDE_TIMES),
        .wide_references = load_u32(payload + SLT_EVENTS_WIDE_REFERENCES),
        .batches = load_u32(payload + SLT_EVENTS_BATCHES),
        .unit_ns = load_u64(payload + SLT_EVENTS_UNIT),
    };
    count = columns->count;
    sites = load_u32(payload + SLT_EVENTS_SITES);
    if (!count || count > SLT_MAX_EVENTS || columns->kinds > count || columns->references > count ||
        columns->wide_times > count || columns->wide_references > count ||
        columns->batches > count || (sites && sites != count) || !columns->unit_ns ||
        columns->unit_ns > SLT_MAX_UNIT)
        return "the counts of an events block are out of range";
    want += (uint64_t)columns->kinds * SLT_KIND_BYTES + 6 * (uint64_t)count +
            2 * (uint64_t)columns->references + 4 * (uint64_t)sites +
            (uint64_t)columns->wide_times * SLT_WIDE_TIME_BYTES +
            (uint64_t)columns->wide_references * SLT_WIDE_REFERENCE_BYTES +
            (uint64_t)columns->batches * SLT_BATCH_BYTES;
    if (length != want)
        return "an events block has not the size that its counts give";

    columns->kind_table = at;
    at += (size_t)columns->kinds * SLT_KIND_BYTES;
    at = slt_map_planes(at, columns->time, 2, count);
    at = slt_map_planes(at, columns->stream, 2, count);
    at = slt_map_planes(at, columns->kind, 2, count);
    at = slt_map_planes(at, columns->reference, 2, columns->references);
    if (sites)
        at = slt_map_planes(at, columns->site, 4, count);
    columns->wide_time = at;
    columns->wide_reference = at += (size_t)columns->wide_times * SLT_WIDE_TIME_BYTES;
    columns->batch = at + (size_t)columns->wide_references * SLT_WIDE_REFERENCE_BYTES;

    wrong = slt_check_times(columns, start_ns);
    if (!wrong)
        wrong = slt_check_kinds(columns);
    return wrong ? wrong : slt_check_batches(columns);
}
