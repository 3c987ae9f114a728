/* SPDX-License-Identifier: MIT */
/*
 * A recorded allocation trace, as programs see it: read and written event by event in global order.
 * The bytes are in FORMAT.md. Traces know nothing of allocators, threads or replay.
 *
 * A trace is a set of streams (one per recorded CPU or thread). Events come in one global order.
 * Each allocation makes an object with an identity of its own; `object` numbers the objects that
 * are live: a number is used again only after its object was freed, so it stays below the peak of
 * live objects. A type says all that allocations of one kind share (cache, size, ...), so that an
 * event is small.
 */
#ifndef SLABLAB_TRACES_TRACE_H
#define SLABLAB_TRACES_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define TRACE_UNTYPED   UINT32_MAX /* trace_type.cache of a kmalloc or malloc */
#define TRACE_ANY_NODE  (-1)
#define TRACE_MAX_BATCH 1024 /* objects in one bulk event */

enum trace_op { TRACE_ALLOC, TRACE_FREE, TRACE_CACHE_CREATE, TRACE_CACHE_DESTROY, TRACE_OPS };

/* Where an event comes from: seen, or put there by an importer to mend what was not seen. */
enum trace_origin {
    TRACE_RECORDED,
    TRACE_PRELOADED, /* alloc: the object is older than the recording; all come before the rest */
    TRACE_IMPLIED,   /* free, untraced: the address was handed out again, or its process ended */
    TRACE_INFERRED,  /* alloc: the address was freed again, so it was allocated untraced */
    TRACE_ORIGINS
};

enum trace_type_flags {
    TRACE_NO_WAIT = 1 << 0, /* may not sleep (GFP_ATOMIC, GFP_NOWAIT) */
    TRACE_ZERO = 1 << 1,    /* zeroed memory was asked for */
    TRACE_MOVED = 1 << 2 /* of a realloc: takes over the contents of the object freed beside it */
};

struct trace_type {
    uint32_t cache;         /* index of a trace_cache, or TRACE_UNTYPED */
    uint64_t size;          /* bytes requested */
    uint64_t recorded_size; /* bytes the recorded allocator gave; 0: not recorded */
    uint32_t align;         /* 0: not recorded */
    int16_t node;           /* node asked for, or TRACE_ANY_NODE */
    uint16_t flags;         /* enum trace_type_flags */
};

/* A bit that is not known is carried along and means nothing. */
enum trace_cache_flags {
    TRACE_CACHE_MERGED = 1 << 0,      /* one name for several caches, as seen or told */
    TRACE_CACHE_CONSTRUCTED = 1 << 1, /* has a constructor: objects are freed constructed */
    TRACE_CACHE_RCU = 1 << 2          /* type-safe: pages go back only past a grace period */
};

struct trace_cache {
    const char *name;
    uint64_t object_size; /* bytes a user of an object may use */
    uint32_t align;       /* 0: not recorded */
    uint32_t flags;
};

struct trace_stream {
    const char *name; /* "cpu0", "tid 4711" */
    uint64_t os_id;   /* the recorded CPU or thread number */
};

struct trace_event {
    uint64_t time_ns;   /* since the start, below 2^62; never decreasing in global order */
    uint32_t stream;    /* index of a trace_stream */
    uint32_t type;      /* of the object, for frees too; cache index for CACHE_CREATE/DESTROY */
    uint32_t object;    /* live number of the object */
    uint32_t call_site; /* index into the call-site table, 0: not recorded */
    uint16_t batch;     /* bulk: how many events of this bulk are left, this one included; else 1 */
    uint8_t op;         /* enum trace_op */
    uint8_t origin;     /* enum trace_origin */
};

/*
 * What a recording lost and an importer mended: counts by cause. See info's keys in
 * results/FORMAT.md. Of an import they add up:
 *
 *   events written == recorded - null_frees - (never_seen_frees - preloaded)
 *                     + preloaded + refreed + implied_frees
 */
struct trace_repairs {
    uint64_t null_frees;       /* dropped */
    uint64_t implied_frees;    /* inserted */
    uint64_t never_seen_frees; /* of objects older than the recording (or lost) */
    /* Of never_seen_frees: got a preloaded alloc. The rest are dropped: nothing tells what was
     * freed, or no preloads were wanted. */
    uint64_t preloaded;
    /* Freed again with no alloc between: one was inserted. Older files count dropped ones here too,
     * a summary does not. */
    uint64_t refreed;
    uint64_t lost_events;     /* as the recorder said */
    uint64_t skipped_records; /* lines or records that are no allocation event */
};

/* Frees that an importer left out; 0 where the counts, which a text can have been given, disagree.
 */
static inline uint64_t trace_repairs_dropped(const struct trace_repairs *repairs)
{
    return repairs->never_seen_frees > repairs->preloaded
               ? repairs->never_seen_frees - repairs->preloaded
               : 0;
}

/* What the end of a file says about all of it. */
struct trace_totals {
    uint64_t events, allocs, frees; /* inserted ones too */
    uint64_t peak_live_objects;
    uint64_t duration_ns;
    uint64_t streams, caches, types;
    uint64_t call_sites; /* entry 0 not among them */
    char digest[33];
};

/* Totals and digest from the end of a regular file, without reading (or checking) its events. */
int trace_read_totals(const char *path, struct trace_totals *totals, struct error *error);

/* ---- reading ---- */

struct trace_reader;

/* "-" reads standard input. -EINVAL: not a trace, or damaged: file, byte offset, reason. */
int trace_open(const char *path, struct trace_reader **reader, struct error *error);
void trace_close(struct trace_reader *reader);

/*
 * The next events in global order, at most `capacity`; 0 at the end of a whole trace. A trace that
 * breaks off or fails a checksum is an error, never a short success. Every rule of the format
 * that later code relies on is checked here: frees are of live objects, indices are in range, time
 * does not run backwards.
 */
ssize_t trace_read(struct trace_reader *reader, struct trace_event *events, size_t capacity,
                   struct error *error);

/*
 * Tables, complete for all events read so far (they grow as definitions come before first use);
 * pointers stay good until the next trace_read.
 */
const struct trace_stream *trace_streams(const struct trace_reader *reader, size_t *count);
const struct trace_cache *trace_caches(const struct trace_reader *reader, size_t *count);
const struct trace_type *trace_types(const struct trace_reader *reader, size_t *count);
/* Entry 0 is "": not recorded. */
const char *const *trace_call_sites(const struct trace_reader *reader, size_t *count);

/* What was defined so far, in the order of the file: each kind has its own indices. */
enum trace_definition_kind {
    TRACE_DEFINES_STREAM,
    TRACE_DEFINES_CACHE,
    TRACE_DEFINES_TYPE,
    TRACE_DEFINES_CALL_SITE
};
struct trace_definition {
    uint8_t kind; /* enum trace_definition_kind */
    uint32_t index;
};
const struct trace_definition *trace_definitions(const struct trace_reader *reader, size_t *count);

/* The first event of the block that the events read last are of; a read gives those of one block.
 */
uint64_t trace_block_start(const struct trace_reader *reader);

/* After the last event: repairs, per-cache repairs, and the digest of the content. */
const struct trace_repairs *trace_get_repairs(const struct trace_reader *reader);
/* Same, of one cache; the last index + 1 is untyped; NULL beyond. */
const struct trace_repairs *trace_get_cache_repairs(const struct trace_reader *reader,
                                                    uint32_t cache);
/* 32 hex digits over all the content of the file; known after the last event. */
const char *trace_digest(const struct trace_reader *reader);
/* Provenance as a JSON object text: what was imported, by which version. No clock, no host name:
 * importing the same input again gives the same bytes. */
const char *trace_provenance(const struct trace_reader *reader);

/* ---- writing ---- */

struct trace_writer;

/*
 * Writes to a temporary file beside `path`; trace_commit finishes, syncs and renames it;
 * trace_discard leaves no trace of it. "-" is standard output. `provenance` is a JSON object.
 */
int trace_create(const char *path, const char *provenance, struct trace_writer **writer,
                 struct error *error);
int trace_commit(struct trace_writer *writer, struct error *error); /* frees the writer, always */
void trace_discard(struct trace_writer *writer);

/*
 * Each returns the new index (equal definitions get one index) or a negative errno: -EINVAL when a
 * name is longer than 4096 bytes or holds no text, or a type's cache is not defined; -ERANGE at the
 * 65,537th stream.
 */
int64_t trace_add_stream(struct trace_writer *writer, const char *name, uint64_t os_id);
int64_t trace_add_cache(struct trace_writer *writer, const struct trace_cache *cache);
int64_t trace_add_type(struct trace_writer *writer, const struct trace_type *type);
int64_t trace_add_call_site(struct trace_writer *writer, const char *name);

/*
 * Appends one event. `object` is the caller's own live number under the rule above (the writer
 * renumbers); `type` of a free is ignored. -EINVAL when the event breaks a rule of the format.
 */
int trace_write(struct trace_writer *writer, const struct trace_event *event, struct error *error);

/*
 * What comes now is in another block than what was written. The writer ends blocks by itself; this
 * is for a copy that is to have the same digest as the original.
 */
int trace_end_block(struct trace_writer *writer);

/*
 * In place of that of trace_create, for what is known only at the end; before commit. -EINVAL: it
 * is empty, or longer than 1 MiB.
 */
int trace_set_provenance(struct trace_writer *writer, const char *provenance);

/* Events written so far. */
uint64_t trace_written(const struct trace_writer *writer);

/* Totals and per-cache (indexed as trace_get_cache_repairs; may be NULL); before commit. */
void trace_set_repairs(struct trace_writer *writer, const struct trace_repairs *total,
                       const struct trace_repairs *by_cache, size_t nr_by_cache);

#endif
