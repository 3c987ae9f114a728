/* SPDX-License-Identifier: MIT */
/*
 * What the parts of exploration share: explore.c (a schedule from beginning to end),
 * schedule.c (who goes on), guard.c (who may touch what), scene.c (what a
 * scenario's CPUs can do), scenarios.c (the scenarios).
 */
#ifndef SLABLAB_SIM_EXPLORE_INTERNAL_H
#define SLABLAB_SIM_EXPLORE_INTERNAL_H

#include "allocators/allocator.h"
#include "sim/explore/explore.h"
#include "sim/virtual/internal.h"

#define EXPLORE_CPUS 4

/* ---- schedule.c ---- */

/* What the CPU that runs is about to do. */
struct explore_place {
    uintptr_t address;
    const void *code;
    enum cost_op op;
};

/* One choice of an exhaustive search: rank 0 is to go on with who ran, if he can. */
struct explore_decision {
    uint8_t rank, ready; /* chosen, of so many */
    bool preempts;       /* any rank but 0 would be a preemption */
};
#define EXPLORE_DECISIONS (1u << 18)

struct explorer {
    const struct explore_config *config;
    struct explore_progress *progress;

    /* Of the schedule in hand. */
    uint64_t random;
    uint64_t steps;
    uint64_t now;     /* cycles, 1 ns each; stands still while anybody can go on */
    unsigned idle;    /* times in a row that time had to pass since nobody could */
    uint64_t idle_at; /* changes there had been by then */
    unsigned rarity;  /* random: of 2^rarity accesses one lets others come before it */
    struct explore_place place;
    struct {
        bool waits;     /* and looks again when something has changed */
        uint64_t since; /* changes there had been by then */
        int priority;   /* PCT: highest goes on */
    } cpus[EXPLORE_CPUS];
    uint64_t change_at[16]; /* PCT: steps */
    unsigned preempted;     /* exhaustive: times so far */

    /* Of all schedules. */
    uint64_t length; /* PCT: steps of a schedule */
    unsigned bound;  /* exhaustive: preemptions at most, for now */
    struct explore_decision *decisions;
    size_t nr_decisions, made; /* those given, and those of them made by now */
};

extern struct explorer explorer;

void explore_schedule_begin(uint64_t seed);
/* Exhaustive: the next schedule. False: there is none. */
bool explore_schedule_next(void);

/* Says what is broken and ends the process. */
_Noreturn void explore_found(const char *format, ...) __attribute__((format(printf, 1, 2), cold));

/* ---- guard.c ---- */

#define EXPLORE_ARENA_BYTES ((size_t)32 << 20)

void explore_guard_reset(void);
void explore_guard_check(uintptr_t address, size_t bytes, enum cost_op op);
bool explore_page_held(uintptr_t address);

/* ---- scene.c: what CPUs of a scenario do ---- */

#define SCENE_LIVE   96
#define SCENE_SLOTS  32
#define SCENE_CACHES 3

struct explore_object {
    void *address;
    size_t size;
    uint64_t stamp;
    unsigned cache;
};

struct scene {
    struct allocator_instance *instance;
    struct cache *caches[SCENE_CACHES];
    struct binding_of_cache bindings[SCENE_CACHES];
    size_t sizes[SCENE_CACHES];
    unsigned cache_flags;
    bool may_fail; /* allocations, for want of memory */
    struct explore_object live[SCENE_LIVE];
    void *slots[SCENE_SLOTS]; /* objects handed from CPU to CPU */
    unsigned phase;           /* that some CPU has come to */
    uint64_t stamps;
};

void explore_cache_create(struct scene *scene, unsigned cache, size_t size);
void explore_cache_destroy(struct scene *scene, unsigned cache);

/* NULL only where allocations may fail. */
void *explore_alloc(struct scene *scene, unsigned cache);
void explore_free(struct scene *scene, void *object);
/* Has nobody begun to free it? */
bool explore_lives(struct scene *scene, const void *object);
unsigned explore_alloc_bulk(struct scene *scene, unsigned cache, unsigned n, void **objects);
void explore_free_bulk(struct scene *scene, unsigned n, void *const *objects);

/* Between operations: what others posted runs, and others may go first. */
void explore_step(void);
void explore_give(struct scene *scene, unsigned slot, void *object);
void *explore_take(struct scene *scene, unsigned slot); /* waits for it */
void explore_phase(struct scene *scene, unsigned phase);
void explore_wait_phase(struct scene *scene, unsigned phase); /* until somebody has come to it */
/* For the machine's timers. */
void explore_time_passes(uint64_t ns);

/* After all workers have returned: books balance with what is live, and without. */
void explore_end(struct scene *scene);

/* ---- scenarios.c ---- */

struct explore_scenario {
    struct explore_scenario_info info;
    const char *settings[6];              /* "key=value", where the design has the key */
    size_t sizes[SCENE_CACHES];           /* of the caches that are there from the start */
    size_t limit_pages;                   /* 0: none */
    unsigned cache_flags;                 /* enum cache_flags */
    void (*prepare)(struct scene *scene); /* before the CPUs run; may be NULL */
    void (*worker)(struct scene *scene, unsigned cpu);
};
const struct explore_scenario *explore_scenario_find(const char *name, struct error *error);

#endif
