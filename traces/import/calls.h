/* SPDX-License-Identifier: MIT */
/*
 * Recorded calls of malloc and its kin, as several tools write them, on their way to a join. All
 * are of no cache. Most recordings hold no time: then the n-th call is at n microseconds, so that
 * what is drawn over time is drawn over calls.
 *
 * realloc is two events: the allocation, with TRACE_MOVED since the contents come along, and the
 * free of the old object. Where the address stays, the free goes first: an address holds one
 * object.
 */
#ifndef SLABLAB_TRACES_IMPORT_CALLS_H
#define SLABLAB_TRACES_IMPORT_CALLS_H

#include "traces/import/source.h"
#include "traces/import/text.h"

enum { CALLS_THREADS = 1 << 10, CALLS_TYPES = 1 << 12 }; /* places, powers of two */

struct calls_thread {
    uint64_t process, thread;
    uint32_t stream; /* its number + 1, or 0 */
};

struct calls_type {
    uint64_t size;
    uint32_t align;
    uint16_t flags;
    uint32_t type; /* its number + 1, or 0 */
};

struct calls {
    struct import_source *source;
    struct join *join;
    struct error *error;
    struct join_event event;                    /* time, stream and site of the calls to come */
    uint64_t count;                             /* calls so far */
    struct calls_thread threads[CALLS_THREADS]; /* seen last, so that names are rarely looked up */
    struct calls_type types[CALLS_TYPES];
};

struct calls_block {
    uint64_t address; /* 0: the call failed */
    uint64_t size;
    uint64_t align; /* 0: not said */
    uint16_t flags; /* enum trace_type_flags */
};

/* A state for one import, or NULL without memory. free() is enough to end it. */
struct calls *calls_create(struct import_source *source, struct join *join, struct error *error);

/* The next call: the n-th microsecond, of this stream. `process` may be 0: it is not said. */
int calls_begin(struct calls *calls, uint64_t process, uint64_t thread);

int calls_alloc(struct calls *calls, const struct calls_block *block);
int calls_free(struct calls *calls, uint64_t address);
/* From `old` (0: nothing) to the block; a block of size 0 at address 0 is a free. */
int calls_realloc(struct calls *calls, uint64_t old, const struct calls_block *block);

/* The error that ends an import: what is wrong with the line given last. */
int calls_wrong(const struct calls *calls, const char *what, struct text found,
                const char *expected);

/* Every line through `read_line`; an input without a single call is an error that says `none`. */
int calls_read(struct calls *calls, int (*read_line)(struct calls *calls, struct text line),
               const char *none);

#endif
