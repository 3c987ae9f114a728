/* SPDX-License-Identifier: MIT */
/*
 * A plan: a trace made ready to be replayed by a number of workers. All that can be decided before
 * the clock starts is decided here: who runs which event, what waits for what, where each object's
 * address will be kept. What is left is about 8 bytes an event.
 *
 * Streams are dealt to groups: stream s (of those that a filter keeps) belongs to group s mod G,
 * where G is the smaller of streams and workers. A group is one list of events in recorded order,
 * run by one worker. Whether two streams share a worker does not depend on the replica, so all
 * replicas share one plan.
 *
 * Slots. An object's address is kept in a slot. Most objects are freed by the group that allocated
 * them: their slots are that group's, used again and again. The others are shared. The slot of a
 * shared object has one life a loop: its alloc publishes the address with a tag, and the free in
 * another group waits until the slot shows it. So reuse adds no waiting. The objects that one group
 * hands to another have slots in lines of their own, in the order of their frees, so that a line
 * which changes CPUs brings several of them; and no line of a group's own ever does.
 *
 * A tag is the number of a slot's life: slot and tag tell any two objects apart. A slot whose tag
 * has reached the last value is retired.
 *
 * Why waiting cannot deadlock. Number the events of a replica in recorded order. An event waits
 * only for events of the same replica with lower numbers: a free for its alloc, an alloc for its
 * cache's creation, a destruction for the other events on its cache, a turn for the turn before.
 * Suppose all workers wait for ever. Take any replica that is not finished, and in it the lowest
 * event that has not run. All it could wait for has run; its group runs events in recorded order,
 * so it is at the head of its group's list; and a worker that has several lists tries the head of
 * each in turn. So it runs: a contradiction.
 */
#ifndef SLABLAB_SIM_PLAN_H
#define SLABLAB_SIM_PLAN_H

#include "traces/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/*
 * A word is one event: bits 0-4 op, 5 whether its object is shared, 6-24 type, 25-33 tag, 34-63
 * slot (or count, turn, index). Type and slot stand where the event loop wants them: the one times
 * 64, the other above all else. Ops from PLAN_RARE on leave the loop.
 */
enum plan_op {
    PLAN_ALLOC,
    PLAN_FREE, /* of a shared object: waits for its alloc, should that not have run yet */
    PLAN_RARE,
    PLAN_ALLOC_CREATED = PLAN_RARE, /* cache is created in the trace, perhaps by another worker */
    PLAN_ALLOC_BULK,                /* the next `slot` words are allocs of this type */
    PLAN_FREE_BULK,                 /* the next `slot` words are frees of this type */
    PLAN_CACHE_CREATE,              /* slot: cache */
    PLAN_CACHE_DESTROY,             /* slot: index into destroys */
    PLAN_TURN                       /* total order: wait until it is turn number `slot` */
};

#define PLAN_SHARED     ((uint64_t)1 << 5)
#define PLAN_TYPE_SHIFT 6
#define PLAN_TAG_SHIFT  25
#define PLAN_SLOT_SHIFT 34
#define PLAN_TYPE_MAX   524287u
#define PLAN_SLOT_MAX   1073741823u
#define PLAN_TAG_MAX    511u

static inline unsigned plan_op(uint64_t word)
{
    return word & (PLAN_SHARED - 1);
}

/* Is the object allocated by one group and freed by another? */
static inline bool plan_is_shared(uint64_t word)
{
    return word & PLAN_SHARED;
}

static inline unsigned plan_tag(uint64_t word)
{
    return (word >> PLAN_TAG_SHIFT) & PLAN_TAG_MAX;
}

static inline uint32_t plan_type(uint64_t word)
{
    return (word >> PLAN_TYPE_SHIFT) & PLAN_TYPE_MAX;
}

static inline uint32_t plan_slot(uint64_t word)
{
    return (uint32_t)(word >> PLAN_SLOT_SHIFT);
}

/* The same event, on an object that is shared and kept in `slot`. */
static inline uint64_t plan_word_shared(uint64_t word, uint32_t slot)
{
    return (word & (((uint64_t)1 << PLAN_TAG_SHIFT) - 1)) | PLAN_SHARED |
           (uint64_t)1 << PLAN_TAG_SHIFT | (uint64_t)slot << PLAN_SLOT_SHIFT;
}

static inline uint64_t plan_word(enum plan_op op, unsigned tag, uint32_t type, uint32_t slot)
{
    return (uint64_t)tag << PLAN_TAG_SHIFT | (uint64_t)slot << PLAN_SLOT_SHIFT |
           (uint64_t)type << PLAN_TYPE_SHIFT | op;
}

/*
 * Events between two looks at the world outside (posted work, timers, progress). A look takes about
 * 25 ns: of 64 events that was 0.4 ns each.
 */
#define PLAN_CHUNK 1024

struct plan_words {
    uint64_t *words;
    size_t count;
    size_t capacity;
};

struct plan_group {
    struct plan_words events;
    struct plan_words preload;  /* allocs before the clock starts, in recorded order */
    struct plan_words leftover; /* frees of what this group allocated and nobody freed */
    struct plan_words times;    /* ns: of each event's word, or of each chunk's first */
};

/*
 * A place where all workers can stop at once: all events before number `event` of a replica have
 * run, none after. Whatever an event before it waits for is before it too, so every worker comes
 * to its position without waiting for one that has stopped.
 */
struct plan_cut {
    uint64_t event;
    uint64_t time_ns;
    uint64_t live_objects, live_bytes; /* of one replica, here; bytes as requested */
    size_t *group_positions;           /* [groups] first word of each list that has not run */
};

/* A destruction waits until each group has run its events on the cache: position in its list. */
struct plan_destroy {
    uint32_t cache;
    size_t *group_positions; /* [nr_groups] */
};

struct plan_cache {
    char *name;
    uint64_t object_size;
    uint32_t align;
    uint32_t flags; /* enum trace_cache_flags */
    bool used;      /* some event of the plan is on it */
    bool created;   /* by an event of the trace, so not before the clock */
};

struct plan {
    struct plan_group *groups;
    unsigned nr_groups;
    unsigned nr_streams; /* of the trace, or those the filter keeps */
    struct plan_cache *caches;
    size_t nr_caches;
    struct trace_type *types;
    size_t nr_types;
    uint64_t *type_allocs, *type_frees; /* [nr_types] events of each; what lived before not among */
    struct plan_destroy *destroys;
    size_t nr_destroys;
    struct plan_cut *cuts; /* in order of event; the last after all events. None unless asked for */
    size_t nr_cuts;
    size_t nr_slots; /* a replica needs */
    uint32_t nr_turns;
    bool event_times; /* times are per event */

    uint64_t events; /* one replica, one loop: allocs + frees + creations and destructions */
    uint64_t allocs, frees;
    uint64_t remote_frees;   /* freed by another group than allocated */
    uint64_t *frees_between; /* [from * frees_stride + by]: of what group `from`
                              * allocated, freed by group `by` */
    unsigned frees_stride;
    uint64_t implied_remote_frees;               /* of these: put there by the importer */
    uint64_t dropped_by_filter;                  /* events that `--cache` and `--stream` left out */
    uint64_t max_events;                         /* as asked; 0: all */
    char *kept_caches;                           /* "a,b", or NULL: no filter */
    char *kept_streams;                          /* "0,2", or NULL: no filter */
    uint64_t peak_live_objects, peak_live_bytes; /* in recorded order; bytes as requested */
    uint64_t peak_rounded_bytes;                 /* each object rounded up to a power of two */
    uint64_t largest_object;
    uint64_t duration_ns;
    char digest[33]; /* of the trace */
};

struct plan_config {
    unsigned workers;
    uint64_t max_events;       /* 0: all */
    unsigned samples;          /* make cuts: at least this many if there are events for them, and
                                * fewer than twice as many; evenly apart in events */
    uint64_t sample_events;    /* else a cut every so many events; 0: none */
    uint64_t sample_ns;        /* else a cut every so much recorded time; 0: none */
    bool total_order;          /* put turns between groups */
    bool event_times;          /* keep the time of each event, for --pace */
    const char *const *caches; /* names to keep, NULL-terminated; "(untyped)"; NULL: all */
    const bool *streams;       /* streams to keep, [nr_streams_kept]; NULL: all */
    size_t nr_stream_flags;
};

/*
 * Reads the trace and makes a plan that plan_destroy frees. -EINVAL: the trace is damaged, names no
 * such cache or stream, or has more types or live objects than a
 * word can tell apart; -ENODATA: nothing is left to replay.
 */
int plan_create(const char *trace, const struct plan_config *config, struct plan **plan,
                struct error *error);
void plan_destroy(struct plan *plan);

#endif
