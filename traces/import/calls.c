/* SPDX-License-Identifier: MIT */
/* Calls of malloc to what a join takes: see calls.h. */
#include "traces/import/calls.h"

#include "sim/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct calls *calls_create(struct import_source *source, struct join *join, struct error *error)
{
    struct calls *calls = calloc(1, sizeof *calls);

    if (calls) {
        calls->source = source;
        calls->join = join;
        calls->error = error;
    }
    return calls;
}

int calls_begin(struct calls *calls, uint64_t process, uint64_t thread)
{
    struct calls_thread *seen =
        &calls->threads[(thread ^ thread >> 12 ^ process) % CALLS_THREADS]; /* pthread_t: aligned */
    char name[64];
    int64_t stream;

    calls->event.time_ns = 1000 * calls->count++;
    if (!seen->stream || seen->process != process || seen->thread != thread) {
        if (process)
            snprintf(name, sizeof name, "pid %llu tid %llu", (unsigned long long)process,
                     (unsigned long long)thread);
        else
            snprintf(name, sizeof name, "tid %llu", (unsigned long long)thread);
        stream = join_stream(calls->join, name, thread);
        if (stream < 0)
            return stream == -ERANGE ? import_source_wrong(calls->source, calls->error,
                                                           "more threads than the 65536 a trace "
                                                           "can hold")
                                     : (int)stream;
        *seen = (struct calls_thread){process, thread, (uint32_t)stream + 1};
    }
    calls->event.stream = seen->stream - 1;
    return 0;
}

static int64_t calls_type(struct calls *calls, const struct calls_block *block)
{
    struct calls_type *seen =
        &calls->types[(block->size ^ block->size >> 12 ^ block->align ^ block->flags << 5) %
                      CALLS_TYPES];
    int64_t type;

    if (seen->type && seen->size == block->size && seen->align == block->align &&
        seen->flags == block->flags)
        return seen->type - 1;
    type = join_type(calls->join, &(struct trace_type){.cache = TRACE_UNTYPED,
                                                       .size = block->size,
                                                       .align = (uint32_t)block->align,
                                                       .node = TRACE_ANY_NODE,
                                                       .flags = block->flags});
    if (type >= 0)
        *seen = (struct calls_type){block->size, (uint32_t)block->align, block->flags,
                                    (uint32_t)type + 1};
    return type;
}

int calls_alloc(struct calls *calls, const struct calls_block *block)
{
    int64_t type;

    if (block->align > UINT32_MAX || (block->align & (block->align - 1)))
        return import_source_wrong(calls->source, calls->error,
                                   "an alignment of %llu; expected a power of two below 2^32",
                                   (unsigned long long)block->align);
    type = calls_type(calls, block);
    if (type < 0)
        return (int)type;
    calls->event.address = block->address;
    calls->event.type = (uint32_t)type;
    return join_add(calls->join, SPILL_ALLOC, &calls->event);
}

int calls_free(struct calls *calls, uint64_t address)
{
    calls->event.address = address;
    calls->event.cache = JOIN_NO_NAME;
    return join_add(calls->join, SPILL_FREE, &calls->event);
}

int calls_realloc(struct calls *calls, uint64_t old, const struct calls_block *block)
{
    struct calls_block moved = *block;
    int code = 0;

    if (!old)
        return calls_alloc(calls, block);
    if (!block->address && block->size) { /* it failed: the old object stays */
        join_skipped(calls->join, 1);
        return 0;
    }
    if (!block->address)
        return calls_free(calls, old);
    moved.flags |= TRACE_MOVED;
    if (old == block->address)
        code = calls_free(calls, old);
    if (!code)
        code = calls_alloc(calls, &moved);
    if (!code && old != block->address)
        code = calls_free(calls, old);
    return code;
}

int calls_wrong(const struct calls *calls, const char *what, struct text found,
                const char *expected)
{
    bool missing = !found.at || found.at == found.end;

    return import_source_wrong(calls->source, calls->error, "%s '%.*s'; expected %s", what,
                               missing ? 9 : (int)text_length(found),
                               missing ? "(missing)" : found.at, expected);
}

int calls_read(struct calls *calls, int (*read_line)(struct calls *calls, struct text line),
               const char *none)
{
    const char *line;
    size_t length;
    int code;

    while ((code = import_source_line(calls->source, &line, &length, calls->error)) == 1) {
        code = read_line(calls, (struct text){line, line + length});
        if (code)
            return code;
    }
    if (!code && !join_count(calls->join))
        code = import_source_wrong(calls->source, calls->error,
                                   "the input ends without an allocation; expected %s", none);
    return code;
}
