/* SPDX-License-Identifier: MIT */
/* Small traces made by tests. */
#include "tests/trace_fixture.h"

#include "sim/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void check(int64_t code, const struct error *error)
{
    if (code >= 0)
        return;
    fprintf(stderr, "trace fixture: %s\n", error->text);
    abort();
}

void trace_fixture_begin(struct trace_fixture *fixture, unsigned streams)
{
    struct error error = {""};
    int file;

    *fixture = (struct trace_fixture){.path = "/tmp/slablab-test-XXXXXX"};
    file = mkstemp(fixture->path);
    check(file, &error);
    close(file);
    check(trace_create(fixture->path, "{}", &fixture->writer, &error), &error);
    for (unsigned i = 0; i < streams; i++) {
        char name[32];

        snprintf(name, sizeof name, "cpu%u", i);
        check(trace_add_stream(fixture->writer, name, i), &error);
    }
    trace_fixture_cache(fixture, "objects", 64);
}

void trace_fixture_end(struct trace_fixture *fixture)
{
    struct error error = {""};

    check(trace_commit(fixture->writer, &error), &error);
    fixture->writer = NULL;
}

void trace_fixture_remove(struct trace_fixture *fixture)
{
    unlink(fixture->path);
}

void trace_fixture_wait(struct trace_fixture *fixture, uint64_t ns)
{
    fixture->time_ns += ns;
}

uint32_t trace_fixture_cache(struct trace_fixture *fixture, const char *name, uint64_t size)
{
    const struct trace_cache cache = {.name = name, .object_size = size};
    struct error error = {"could not add a cache"};
    int64_t index = trace_add_cache(fixture->writer, &cache);

    check(index, &error);
    return (uint32_t)index;
}

void trace_fixture_bulk(struct trace_fixture *fixture, unsigned count)
{
    fixture->batch_left = count;
}

static void put(struct trace_fixture *fixture, struct trace_event event)
{
    struct error error = {""};

    event.time_ns = fixture->time_ns;
    event.batch = (uint16_t)(fixture->batch_left ? fixture->batch_left-- : 1);
    check(trace_write(fixture->writer, &event, &error), &error);
}

static uint32_t type_of(struct trace_fixture *fixture, uint32_t cache, uint64_t size, int16_t node)
{
    const struct trace_type type = {.cache = cache, .size = size, .node = node};
    struct error error = {"could not add a type"};
    int64_t index = trace_add_type(fixture->writer, &type);

    check(index, &error);
    return (uint32_t)index;
}

void trace_fixture_alloc_on(struct trace_fixture *fixture, uint32_t stream, uint32_t object,
                            uint32_t cache, uint64_t size, int16_t node)
{
    put(fixture, (struct trace_event){.op = TRACE_ALLOC,
                                      .stream = stream,
                                      .object = object,
                                      .type = type_of(fixture, cache, size, node)});
}

void trace_fixture_alloc_from(struct trace_fixture *fixture, uint32_t stream, uint32_t object,
                              uint32_t cache, uint64_t size)
{
    trace_fixture_alloc_on(fixture, stream, object, cache, size, TRACE_ANY_NODE);
}

void trace_fixture_alloc(struct trace_fixture *fixture, uint32_t stream, uint32_t object)
{
    trace_fixture_alloc_from(fixture, stream, object, 0, 64);
}

void trace_fixture_preload(struct trace_fixture *fixture, uint32_t stream, uint32_t object)
{
    put(fixture, (struct trace_event){.op = TRACE_ALLOC,
                                      .origin = TRACE_PRELOADED,
                                      .stream = stream,
                                      .object = object,
                                      .type = type_of(fixture, 0, 64, TRACE_ANY_NODE)});
}

void trace_fixture_free(struct trace_fixture *fixture, uint32_t stream, uint32_t object)
{
    put(fixture, (struct trace_event){.op = TRACE_FREE, .stream = stream, .object = object});
}

void trace_fixture_create(struct trace_fixture *fixture, uint32_t stream, uint32_t cache)
{
    put(fixture, (struct trace_event){.op = TRACE_CACHE_CREATE, .stream = stream, .type = cache});
}

void trace_fixture_destroy(struct trace_fixture *fixture, uint32_t stream, uint32_t cache)
{
    put(fixture, (struct trace_event){.op = TRACE_CACHE_DESTROY, .stream = stream, .type = cache});
}
