/* SPDX-License-Identifier: MIT */
/* Small traces made by tests, in a temporary file that goes when the fixture does. */
#ifndef SLABLAB_TESTS_TRACE_FIXTURE_H
#define SLABLAB_TESTS_TRACE_FIXTURE_H

#include "traces/trace.h"

struct trace_fixture {
    struct trace_writer *writer;
    char path[64];
    uint64_t time_ns;
    unsigned batch_left;
};

/* A trace of `streams` streams and one cache "objects" of 64 bytes. */
void trace_fixture_begin(struct trace_fixture *fixture, unsigned streams);
void trace_fixture_end(struct trace_fixture *fixture); /* commits: `path` is readable now */
void trace_fixture_remove(struct trace_fixture *fixture);

/* The next events come this much later. */
void trace_fixture_wait(struct trace_fixture *fixture, uint64_t ns);

/* Index of a cache; made when it is new. */
uint32_t trace_fixture_cache(struct trace_fixture *fixture, const char *name, uint64_t size);

void trace_fixture_alloc(struct trace_fixture *fixture, uint32_t stream, uint32_t object);
void trace_fixture_alloc_from(struct trace_fixture *fixture, uint32_t stream, uint32_t object,
                              uint32_t cache, uint64_t size);
/* On a node that the caller of the time asked for. */
void trace_fixture_alloc_on(struct trace_fixture *fixture, uint32_t stream, uint32_t object,
                            uint32_t cache, uint64_t size, int16_t node);
void trace_fixture_preload(struct trace_fixture *fixture, uint32_t stream, uint32_t object);
void trace_fixture_free(struct trace_fixture *fixture, uint32_t stream, uint32_t object);
void trace_fixture_create(struct trace_fixture *fixture, uint32_t stream, uint32_t cache);
void trace_fixture_destroy(struct trace_fixture *fixture, uint32_t stream, uint32_t cache);

/* The next `count` allocs or frees are one bulk event. */
void trace_fixture_bulk(struct trace_fixture *fixture, unsigned count);

#endif
