/* SPDX-License-Identifier: MIT */
/*
 * What a workload's steps are made of: private to this room.
 *
 * Each CPU has a clock of virtual time. The CPU whose clock is least makes one step: it makes one
 * call (an allocation or a free, single or bulk), or waits for another CPU. So events come in the
 * order of time as they are made, an object is handed over after it was allocated, and nothing is
 * kept but what is live.
 */
#ifndef SLABLAB_TRACES_GEN_GEN_H
#define SLABLAB_TRACES_GEN_GEN_H

#include "sim/random.h"
#include "traces/gen/generate.h"
#include "traces/trace.h"

#define GEN_NONE     UINT32_MAX /* no object */
#define GEN_MAX_SIZE 131072     /* bytes: the largest size that designs have a general cache for */

/* ---- parameters that several workloads have ---- */

struct gen_common {
    uint64_t cpus, events, seed, rate;
};

/* The first rows of every table: `type` has a `struct gen_common common` first. */
#define GEN_COMMON(type, initial_cpus, least_cpus)                                                 \
    TUNABLE_NUMBER("cpus", type, common.cpus, initial_cpus, least_cpus, 65536,                     \
                   "CPUs, each a stream of the trace"),                                            \
        TUNABLE_NUMBER("events", type, common.events, 1000000, 1, 1000000000000,                   \
                       "events in all, each object of a bulk call one"),                           \
        TUNABLE_NUMBER("seed", type, common.seed, 1, 0, UINT64_MAX, "of all that is random"),      \
        TUNABLE_NUMBER("rate", type, common.rate, 1000, 1, 1000000000,                             \
                       "ns between two events of a CPU, mean of an exponential distribution")

/* Objects of one size. */
struct gen_fixed {
    uint64_t size, cache; /* cache: index of gen_cache_words */
};
extern const char *const gen_cache_words[]; /* named, untyped */

#define GEN_FIXED(type, initial)                                                                   \
    TUNABLE_BYTES("size", type, fixed.size, initial, 1, GEN_MAX_SIZE, "bytes of an object"),       \
        TUNABLE_WORD("cache", type, fixed.cache, 0, gen_cache_words,                               \
                     "from a cache of the load's own, or untyped as by kmalloc")

/* Untyped objects of sizes between two, all alike. */
struct gen_sizes {
    uint64_t least, most;
};

#define GEN_SIZES(type, initial_least, initial_most)                                               \
    TUNABLE_BYTES("min-size", type, sizes.least, initial_least, 1, GEN_MAX_SIZE,                   \
                  "bytes of the smallest object"),                                                 \
        TUNABLE_BYTES("max-size", type, sizes.most, initial_most, 1, GEN_MAX_SIZE,                 \
                      "bytes of the largest object")

/* Which of the objects held is freed next. */
enum gen_order { GEN_LIFO, GEN_FIFO, GEN_SHUFFLED };
extern const char *const gen_order_words[];

/* ---- objects held, in the order of their allocation ---- */

struct gen_deque {
    uint32_t *items;
    size_t first, count, room; /* a ring; room is 0 or a power of two */
};

int gen_deque_push(struct gen_deque *deque, uint32_t item);
uint32_t gen_deque_pop(struct gen_deque *deque); /* the oldest; not from an empty one */
/* Moves the oldest `count` to the end of another. */
int gen_deque_move(struct gen_deque *from, struct gen_deque *to, size_t count);
void gen_deque_cleanup(struct gen_deque *deque);

/* ---- objects held, in the order of their deaths ---- */

struct gen_death {
    uint64_t time; /* by a clock of the load's own */
    uint32_t object;
    uint32_t cpu; /* that frees it */
};

struct gen_deaths {
    struct gen_death *heap; /* the first to die first */
    size_t count, room;
};

int gen_deaths_add(struct gen_deaths *deaths, struct gen_death death);
static inline bool gen_deaths_due(const struct gen_deaths *deaths, uint64_t time)
{
    return deaths->count && deaths->heap[0].time <= time;
}
struct gen_death gen_deaths_take(struct gen_deaths *deaths); /* the first; not of none */
void gen_deaths_cleanup(struct gen_deaths *deaths);

/* ---- what a step may do ---- */

struct generator; /* see generate.c */

/* All that can fail return 0 (or what is said) or a negative errno; the reason is kept. */

/* A type of objects of this size from the cache `name`, of which all are of this size; NULL:
 * untyped. */
int64_t gen_type(struct generator *generator, const char *name, uint64_t size);
/* The type of all that is said; of `cache`, or untyped if that is NULL. */
int64_t gen_whole_type(struct generator *generator, const struct trace_cache *cache,
                       const struct trace_type *type);
/* The same, of objects of one size, in a cache called after the workload. */
int64_t gen_fixed_type(struct generator *generator, const struct gen_fixed *fixed);
/* The type of an object of random size. */
int64_t gen_sized_type(struct generator *generator, const struct gen_sizes *sizes);
int gen_check_sizes(const struct gen_sizes *sizes, struct error *error);

/*
 * One call a step. `count` objects at once, at most TRACE_MAX_BATCH, go to the end of `deque`, or
 * leave it. At the end of the trace fewer do, or none.
 */
int gen_alloc(struct generator *generator, uint32_t type, size_t count, struct gen_deque *deque);
int gen_free(struct generator *generator, enum gen_order order, size_t count,
             struct gen_deque *deque);
int gen_alloc_one(struct generator *generator, uint32_t type, uint32_t *object);
int gen_free_one(struct generator *generator, uint32_t object);

/* After a call: the CPU's next step is so much later, in place of a time drawn by the rate. */
void gen_spend(struct generator *generator, uint64_t ns);

/* Instead of a call: this CPU makes its next step when another has woken it. */
void gen_wait(struct generator *generator);
/* A CPU that does not wait is not disturbed. */
void gen_wake(struct generator *generator, uint32_t cpu);

uint64_t *gen_random(struct generator *generator); /* for random_next and random_below */
/* 0 .. bound - 1. */
uint64_t gen_below(struct generator *generator, uint64_t bound);
/* True in `percent` of 100 cases. */
bool gen_chance(struct generator *generator, uint64_t percent);

#endif
