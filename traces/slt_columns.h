/* SPDX-License-Identifier: MIT */
/*
 * The payload of an events block: up to SLT_MAX_EVENTS events, column by column, because the bytes
 * of one column resemble each other more than the bytes of one event do. A column of 16-bit values
 * is two planes, all low bytes and then all high bytes.
 */
#ifndef SLABLAB_TRACES_SLT_COLUMNS_H
#define SLABLAB_TRACES_SLT_COLUMNS_H

#include "traces/bytes.h"
#include "traces/slt_format.h"
#include "traces/trace.h"

/* All that events have in common but stream, time and object: an event names one by number. */
struct slt_kind {
    uint16_t batch; /* 1; these three as they lie in struct trace_event, to be copied as one */
    uint8_t op;     /* enum trace_op */
    uint8_t origin; /* enum trace_origin */
    uint32_t type;  /* alloc: type; create, destroy: cache; free: 0 */
};

/* Only an allocation can be preloaded, and so on. */
bool slt_origin_is_valid(enum trace_op op, enum trace_origin origin);

/* ---- writing ---- */

enum { SLT_CUTS = 6 };

/* Events of a block that is written. With SLABLAB_SMALL (tests/fuzz) inputs of a few thousand bytes
 * fill several blocks and buffers, here and where else it is asked for. */
#ifdef SLABLAB_SMALL
enum { SLT_BLOCK_MOST = TRACE_MAX_BATCH };
#else
enum { SLT_BLOCK_MOST = SLT_MAX_EVENTS };
#endif

struct slt_builder {
    uint32_t count;
    uint32_t references;
    uint32_t kinds;
    uint32_t batch_left; /* events of the open bulk operation */
    uint64_t first_time_ns, last_time_ns;
    bool sites;         /* some event has a call site */
    uint64_t *delta_ns; /* these five: SLT_BLOCK_MOST each */
    uint16_t *stream;
    uint16_t *kind;
    uint16_t *reference;
    uint32_t *site;
    struct bytes kind_table, wide_references, batches;
    uint32_t epoch;        /* blocks so far */
    uint64_t *alloc_kinds; /* epoch << 32 | kind, at [type * TRACE_ORIGINS + origin] */
    size_t nr_alloc_kinds;
    bool kinds_failed;                  /* no memory for alloc_kinds */
    uint64_t free_kinds[TRACE_ORIGINS]; /* the same for frees */
};

int slt_builder_init(struct slt_builder *builder);
void slt_builder_cleanup(struct slt_builder *builder);
/* `age` of a free's object, and its number in case the age is too large to be named. */
int slt_builder_add(struct slt_builder *builder, const struct trace_event *event, uint32_t age,
                    uint32_t number);
/* Appends the payload and begins anew; `cuts` gets the offsets where a column begins. */
void slt_builder_finish(struct slt_builder *builder, struct bytes *payload, size_t cuts[SLT_CUTS]);

/* ---- reading ---- */

struct slt_columns {
    uint32_t count, references, kinds, wide_times, wide_references, batches;
    uint64_t unit_ns;
    const uint8_t *kind_table;
    const uint8_t *time[2], *stream[2], *kind[2], *reference[2]; /* low and high plane */
    const uint8_t *site[4];                                      /* NULL: no event has one */
    const uint8_t *wide_time, *wide_reference, *batch;
};

/*
 * Finds the columns in a payload and checks all but what a loop over the events finds as cheaply:
 * that kinds, streams and call sites are in their tables, and that escapes and wide values, frees
 * and references are as many. NULL, or what is wrong.
 */
const char *slt_columns_map(struct slt_columns *columns, const uint8_t *payload, size_t length,
                            uint64_t start_ns);

static inline uint32_t slt_u16(const uint8_t *const planes[2], uint32_t at)
{
    return planes[0][at] | (uint32_t)planes[1][at] << 8;
}

static inline struct slt_kind slt_columns_kind(const struct slt_columns *columns, uint32_t kind)
{
    const uint8_t *at = columns->kind_table + (size_t)kind * SLT_KIND_BYTES;

    return (struct slt_kind){1, at[0], at[1], load_u32(at + 4)};
}

#endif
