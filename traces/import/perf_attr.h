/* SPDX-License-Identifier: MIT */
/*
 * The events of a perf.data: what perf_event_open(2) was asked for, which says how each one's
 * samples lie.
 */
#ifndef SLABLAB_TRACES_IMPORT_PERF_ATTR_H
#define SLABLAB_TRACES_IMPORT_PERF_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct error;

/* perf writes in its own byte order; nothing in the file need be aligned. */
static inline uint16_t perf_u16(const char *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint32_t perf_u32(const char *bytes)
{
    uint32_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

static inline uint64_t perf_u64(const char *bytes)
{
    uint64_t value;

    memcpy(&value, bytes, sizeof value);
    return value;
}

/* Where in a sample the fields are, in bytes from its start; 0: it has none. */
struct perf_layout {
    bool tracepoint;
    uint64_t read_format;
    bool has_read, has_callchain;
    uint16_t time, cpu, id, identifier;
    uint16_t rest; /* what has no fixed size begins: read, callchain, raw */
};

struct perf_id {
    uint64_t id;
    uint32_t layout; /* its number + 1, or 0: an empty place */
};

struct perf_attrs {
    struct perf_layout *layouts;
    size_t count;
    struct perf_id *ids; /* by their hash, at most half full */
    size_t nr_ids, room_ids;
};

struct perf_sample {
    uint64_t time_ns;
    uint32_t cpu;
    const char *raw;
    uint32_t raw_size;
};

void perf_attrs_cleanup(struct perf_attrs *attrs);

/* One event: its struct perf_event_attr, of `size` bytes, and the ids that its samples carry, 8
 * bytes each. -EINVAL: what is wrong with it is in `error`. */
int perf_attrs_add(struct perf_attrs *attrs, const char *attr, size_t size, const char *ids,
                   size_t nr_ids, struct error *error);
/* Whether samples of different events can be told apart, once all are known. */
int perf_attrs_check(const struct perf_attrs *attrs, struct error *error);

/* 1: a sample of a tracepoint; 0: one of another event; -EINVAL: shorter than what it holds. */
int perf_attrs_sample(const struct perf_attrs *attrs, const char *record, size_t size,
                      struct perf_sample *sample);

#endif
