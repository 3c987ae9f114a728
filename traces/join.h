/* SPDX-License-Identifier: MIT */
/*
 * From events that name addresses to a trace whose events name objects. Importers of recordings
 * that know addresses only (perf, tracefs) add what they read, in any order of time; join_finish
 * orders it, joins each free with its allocation, mends what the recording missed and counts how
 * often:
 *
 *   an allocation returns an address that is live   an implied free goes just before it
 *   a free of an address never seen                 the object is older than the recording: a
 *                                                   preloaded allocation goes before everything
 *   a free of an address that is free               an inferred allocation goes half-way between
 *                                                   the two frees
 *   a process ends (join_end) with objects live   implied frees go there
 *   an allocation names no cache (Linux 6.1, older) its free does; else other objects of its call
 *                                                   site and size do; else the cache "size-N"
 *   allocation and free name different caches       the allocation is right, both are marked merged
 *
 * What an unseen object was is told by its free, if that names a cache of which an allocation was
 * seen or the size is known; by the objects its address held; or not at all, then its free is
 * dropped. Memory grows with the distinct addresses, not with the events (those are in a spill
 * file).
 */
#ifndef SLABLAB_TRACES_JOIN_H
#define SLABLAB_TRACES_JOIN_H

#include "traces/import/import.h"
#include "traces/spill.h"

#define JOIN_UNKNOWN (TRACE_UNTYPED - 1) /* trace_type.cache: of a cache that was not named */
#define JOIN_NO_NAME UINT32_MAX          /* join_event.cache: the event names none */

struct join;

struct join_event {
    uint64_t time_ns;
    uint64_t address; /* 0 and 16 are the kernel's null objects: such a free is counted, no more */
    uint32_t stream;
    uint32_t type;  /* of an allocation, from join_type */
    uint32_t cache; /* of a free, from join_cache, or JOIN_NO_NAME */
    uint32_t site;  /* from join_site */
};

int join_create(struct join **join, const struct import_options *options);
void join_destroy(struct join *join);

/* Numbers for names, equal for equal ones; negative errno. In the trace streams go by `os_id`. */
int64_t join_stream(struct join *join, const char *name, uint64_t os_id);
int64_t join_cache(struct join *join, const char *name, size_t length);
int64_t join_site(struct join *join, const char *name, size_t length);
int64_t join_type(struct join *join, const struct trace_type *type);

/* What the recorded system says of its caches, besides what their events tell. */
struct join_cache_facts {
    uint64_t object_size; /* 0: not known; counts where no allocation was seen */
    uint32_t align;       /* 0: not known */
    uint32_t flags;       /* enum trace_cache_flags */
};
/* The names seen so far, by number; NULL beyond. Good until the next is added. */
const char *join_cache_name(const struct join *join, uint32_t cache);
void join_describe_cache(struct join *join, uint32_t cache, const struct join_cache_facts *facts);

int join_add(struct join *join, enum spill_kind kind, const struct join_event *event);
/*
 * These addresses are those of a process that ended: what is live there is freed then, implied. No
 * event of them is later. Told in ascending order of addresses.
 */
struct join_end {
    uint64_t first, last; /* addresses */
    uint64_t time_ns;
    uint32_t stream;
};
int join_end(struct join *join, const struct join_end *end);
/* What the recorder says it lost, and what in the input is no event. */
void join_lost(struct join *join, uint64_t events);
void join_skipped(struct join *join, uint64_t records);
uint64_t join_count(const struct join *join); /* events added */
/* Their clock at the trace's time 0. */
uint64_t join_base_ns(const struct join *join);

/* Writes all; `repairs` are set in the writer too. A failure of writing is in `error`, any other
 * (memory, temporary file) only in the errno. */
int join_finish(struct join *join, struct trace_writer *writer, struct trace_repairs *repairs,
                struct error *error);
/* The same into the trace `output`, which is there when all went well; `events` were written. */
int join_write_trace(struct join *join, const char *output, const char *provenance,
                     struct trace_repairs *repairs, uint64_t *events, struct error *error);

#endif
