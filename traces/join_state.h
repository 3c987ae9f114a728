/* SPDX-License-Identifier: MIT */
/* The state of a join and what its two passes share: private to join*.c. */
#ifndef SLABLAB_TRACES_JOIN_STATE_H
#define SLABLAB_TRACES_JOIN_STATE_H

#include "traces/addresses.h"
#include "traces/intern.h"
#include "traces/join.h"

struct join_cache {
    uint64_t object_size; /* the largest of its objects, or what was said of it */
    uint32_t align;
    uint32_t first_type;
    uint32_t flags;
    struct trace_repairs repairs;
};

/* The first free of an address that was never seen. */
struct join_preload {
    uint64_t address;
    uint32_t cache; /* as the free names it */
    uint32_t stream;
};

struct join_stream {
    uint64_t os_id;
    uint32_t number; /* in the trace */
};

/* What tells the cache of an allocation whose free was not seen. */
struct join_site_key {
    uint64_t size, recorded_size;
    uint64_t site;
};

struct join {
    enum import_unmatched unmatched;
    bool call_sites;
    bool coarse; /* all times are whole microseconds, so that made-up ones should be */
    struct spill events, inferred;
    struct addresses addresses;
    struct join_preload *preloads;
    size_t nr_preloads, room_preloads;
    struct join_end *ends; /* by address */
    size_t nr_ends, room_ends;

    struct intern stream_names, cache_names, sites, types, site_keys;
    struct join_stream *streams; /* by number */
    struct join_cache *caches;
    uint32_t *site_caches; /* by number of the key */
    size_t room_streams, room_caches, room_site_caches;
    struct join_cache untyped;
    struct trace_repairs repairs;

    struct trace_writer *writer;
    uint32_t *written_types; /* number in the trace + 1, or 0, by type */
    uint32_t *written_sites;
    size_t room_written_types;
    uint32_t *free_objects; /* numbers to use again */
    size_t nr_free_objects, room_free_objects;
    uint32_t nr_objects;
    uint64_t base_ns; /* the trace's time 0: that of the first event */
};

/* Room for `count` zeroed entries; 0 or -ENOMEM. */
int join_grow(void *table, size_t count, size_t *room, size_t size);
/* What has no cache of its own (untyped, unknown, not named) is counted in one place. */
struct join_cache *join_get_cache(struct join *join, uint32_t cache);
const struct trace_type *join_get_type(const struct join *join, uint32_t type);
/* The number of the same type, of this cache; -ENOMEM. */
int64_t join_type_of_cache(struct join *join, uint32_t type, uint32_t cache);
/* The number of what tells a cache by call site and size; -ENOMEM. */
int64_t join_site_key(struct join *join, uint32_t site, uint32_t type);

/* The next of all that was added, as spill_next gives it. */
int join_next(struct join *join, struct spill_record *record, uint64_t *place);

/* First pass: learns what only later events tell. Leaves every address free. */
int join_survey(struct join *join);
/* Second pass. */
int join_write(struct join *join, struct error *error);

#endif
