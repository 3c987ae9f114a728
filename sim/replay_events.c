/* SPDX-License-Identifier: MIT */
/*
 * The event loop: words in, calls out. It never waits: where an event cannot run yet it stops, and
 * the worker tries another list or waits. Plain allocs and frees run here; what is rare is below.
 */
#include "sim/replay_notes.h"

#include <assert.h>
#include <string.h>

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

/* ---- slots ---- */

#define TAG_SHIFT 55 /* in a slot's value */

/* Of a group's own object: no other looks there. */
static inline void slot_set_own(replay_slot *slots, uint64_t word, void *object)
{
    atomic_store_explicit(&slots[plan_slot(word)], (uintptr_t)object, memory_order_relaxed);
}

static inline void *slot_get_own(const replay_slot *slots, uint64_t word)
{
    return (void *)(uintptr_t)atomic_load_explicit(&slots[plan_slot(word)], memory_order_relaxed);
}

/* The word's alloc has run. */
static inline void slot_set(replay_slot *slots, uint64_t word, void *object)
{
    uint64_t tag = plan_is_shared(word) ? (uint64_t)plan_tag(word) << TAG_SHIFT : 0;

    atomic_store_explicit(&slots[plan_slot(word)], tag | (uintptr_t)object, memory_order_release);
}

/* Is the object there that the word frees? A failed allocation's is, and NULL. */
static inline bool slot_get(const replay_slot *slots, uint64_t word, void **object)
{
    uint64_t value = atomic_load_explicit(&slots[plan_slot(word)], memory_order_acquire);

    *object = (void *)(uintptr_t)(value & (((uint64_t)1 << TAG_SHIFT) - 1));
    return !plan_is_shared(word) || value >> TAG_SHIFT == plan_tag(word);
}

/* ---- what the careful loop adds: pace, touching, verification ---- */

/* An object's identity: replica, slot and the tag of its life. Never 0. */
static uint64_t identity_of(const struct cursor *cursor, uint64_t word)
{
    return (uint64_t)(cursor->replica + 1) << 41 | (uint64_t)plan_slot(word) << 9 | plan_tag(word);
}

static void touch(void *object, size_t size)
{
    memset(object, 0x5a, size);
    machine_touch(object, size);
}

/*
 * Are objects watched? It takes its time, and a design that looks into its users' objects does so
 * in the first loop. A loop frees all that it allocates and is of one kind until it has: so no
 * object is guarded, or let go, by half.
 */
static bool guards_objects(const struct replay *replay)
{
    /* null hands out the same memory again and again */
    return replay->layered && (!replay->kind.measured || replay->config->verify);
}

static void object_born(struct worker *worker, const struct cursor *cursor, uint64_t word,
                        void *object)
{
    const struct replay *replay = worker->replay;
    size_t size = replay->types[plan_type(word)].request.size;

    if (replay->config->touch == REPLAY_TOUCH_ALL)
        touch(object, size);
    else if (replay->config->touch == REPLAY_TOUCH_FIRST)
        touch(object, size < 8 ? size : 8);
    machine_memory_is(object, size, MEMORY_OBJECT);
    if (guards_objects(replay))
        machine_object_is_users(object, size, true);
    if (replay->verifier)
        verifier_birth(replay->verifier, object, size, identity_of(cursor, word));
}

static void object_dies(struct worker *worker, const struct cursor *cursor, uint64_t word,
                        void *object)
{
    const struct replay *replay = worker->replay;

    if (guards_objects(replay))
        machine_object_is_users(object, replay->types[plan_type(word)].request.size, false);
    if (replay->verifier)
        verifier_death(replay->verifier, object, replay->types[plan_type(word)].request.size,
                       identity_of(cursor, word));
}

/* Has the time of this event come? */
static bool pace_due(struct worker *worker, struct cursor *cursor, const uint64_t *word)
{
    const struct replay *replay = worker->replay;
    const struct plan_words *events = &cursor->group->events;
    uint64_t due_ns;

    /* A turn is taken, and the one before given up, whether or not the next event is due. */
    if (replay->config->pace == 0 || word < events->words || word >= cursor->end ||
        plan_op(*word) == PLAN_TURN)
        return true;
    due_ns =
        (uint64_t)((double)cursor->group->times.words[word - events->words] / replay->config->pace);
    cursor->early = machine_cycles_to_ns(now_cycles() - worker->pace_origin) < due_ns;
    return !cursor->early;
}

/* ---- an operation, with all that is to be noted of it ---- */

static void *alloc_noted(struct worker *worker, const struct replay_type *type)
{
    void *object;

    account_layer_reset();
    if (worker->timing && sampler_due(&worker->notes->sampler)) {
        object = replay_alloc_timed(worker, type);
    } else {
        object = type->bound.alloc(type->bound.cache, &type->request);
        if (unlikely(!object))
            object = replay_alloc_again(worker, type);
    }
    if (object) {
        replay_note_operation(worker, type, REPLAY_ALLOC, 1);
        if (worker->watches_nodes)
            replay_note_node(worker, object);
    }
    return object;
}

static __attribute__((noinline)) void *alloc_carefully(struct worker *worker,
                                                       const struct cursor *cursor, uint64_t word)
{
    void *object = alloc_noted(worker, &worker->replay->types[plan_type(word)]);

    if (object)
        object_born(worker, cursor, word, object);
    return object;
}

static __attribute__((noinline)) void
free_carefully(struct worker *worker, const struct cursor *cursor, uint64_t word, void *object)
{
    const struct replay_type *type = &worker->replay->types[plan_type(word)];

    object_dies(worker, cursor, word, object);
    account_layer_reset();
    if (worker->timing && sampler_due(&worker->notes->sampler))
        replay_free_timed(worker, type, object);
    else
        type->bound.free(type->bound.cache, object);
    replay_note_operation(worker, type, REPLAY_FREE, 1);
}

/* ---- rare events ---- */

/* Its creation may have failed: then its types are bound to nothing. */
static bool cache_there(const struct replay *replay, uint32_t cache)
{
    return cache == TRACE_UNTYPED || replay->caches[cache].cache;
}

static void *alloc_or_none(struct worker *worker, uint64_t word)
{
    const struct replay *replay = worker->replay;
    const struct replay_type *type = &replay->types[plan_type(word)];

    if (cache_there(replay, replay->plan->types[plan_type(word)].cache))
        return alloc_noted(worker, type);
    replay_alloc_missing(worker, type);
    return NULL;
}

static bool alloc_created(struct worker *worker, struct cursor *cursor, uint64_t word)
{
    struct replay *replay = worker->replay;
    uint32_t cache = replay->plan->types[plan_type(word)].cache;
    void *object;

    if (atomic_load_explicit(&replay->caches[cache].state, memory_order_acquire) < CACHE_THERE)
        return false;
    object = alloc_or_none(worker, word);
    if (replay->careful && object)
        object_born(worker, cursor, word, object);
    slot_set(cursor->slots, word, object);
    return true;
}

static bool alloc_bulk(struct worker *worker, struct cursor *cursor, const uint64_t *word)
{
    struct replay *replay = worker->replay;
    const struct replay_type *type = &replay->types[plan_type(*word)];
    uint32_t cache = replay->plan->types[plan_type(*word)].cache;
    unsigned count = plan_slot(*word);
    unsigned got;

    if (plan_op(word[1]) == PLAN_ALLOC_CREATED &&
        atomic_load_explicit(&replay->caches[cache].state, memory_order_acquire) < CACHE_THERE)
        return false;
    account_layer_reset();
    got = cache_there(replay, cache)
              ? allocator_alloc_bulk(&type->bound, &type->request, count, worker->bulk)
              : 0;
    replay_note_operation(worker, type, REPLAY_ALLOC, got);
    for (unsigned i = 0; i < count; i++) {
        uint64_t event = word[i + 1];
        void *object = i < got ? worker->bulk[i] : alloc_or_none(worker, event);

        if (i < got && worker->watches_nodes)
            replay_note_node(worker, object);
        if (replay->careful && object)
            object_born(worker, cursor, event, object);
        slot_set(cursor->slots, event, object);
    }
    return true;
}

/* Objects of one bulk free may be of several types: each run of one type is handed over at once. */
static bool free_bulk(struct worker *worker, struct cursor *cursor, const uint64_t *word)
{
    struct replay *replay = worker->replay;
    unsigned count = plan_slot(*word), gathered = 0;
    void *object;

    for (unsigned i = 1; i <= count; i++) {
        if (!slot_get(cursor->slots, word[i], &object))
            return false;
    }
    for (unsigned i = 1; i <= count; i++) {
        const struct replay_type *type = &replay->types[plan_type(word[i])];

        slot_get(cursor->slots, word[i], &object);
        if (object) {
            if (replay->careful)
                object_dies(worker, cursor, word[i], object);
            worker->bulk[gathered++] = object;
        } else {
            replay_free_missing(worker, type);
        }
        if (gathered && (i == count || plan_type(word[i + 1]) != plan_type(word[i]))) {
            account_layer_reset();
            allocator_free_bulk(&type->bound, gathered, worker->bulk);
            replay_note_operation(worker, type, REPLAY_FREE, gathered);
            gathered = 0;
        }
    }
    return true;
}

/* With replicas the first creation acts; the others find the cache there, or wait for it. */
static bool cache_create(struct worker *worker, uint64_t word)
{
    struct replay *replay = worker->replay;
    struct replay_cache *cache = &replay->caches[plan_slot(word)];
    unsigned absent = CACHE_ABSENT;

    if (atomic_compare_exchange_strong(&cache->state, &absent, CACHE_BEING_CREATED)) {
        /* Without the memory for it, allocations from it fail, and are counted. */
        if (replay_cache_create(replay, plan_slot(word), NULL) != 0)
            cache->cache = NULL;
        atomic_store_explicit(&cache->state, CACHE_THERE, memory_order_release);
    }
    return atomic_load_explicit(&cache->state, memory_order_acquire) >= CACHE_THERE;
}

static bool cache_destroy(struct worker *worker, struct cursor *cursor, uint64_t word)
{
    struct replay *replay = worker->replay;
    const struct plan *plan = replay->plan;
    const struct plan_destroy *destroy = &plan->destroys[plan_slot(word)];
    struct replay_cache *cache = &replay->caches[destroy->cache];
    const struct cursor *others = &replay->cursors[cursor->replica * plan->nr_groups];

    for (unsigned i = 0; i < plan->nr_groups; i++) {
        if (i != cursor->group_number &&
            atomic_load_explicit(&others[i].progress, memory_order_acquire) <
                destroy->group_positions[i])
            return false;
    }
    if (atomic_fetch_add(&cache->destructions, 1) + 1 < replay->config->replicas)
        return true;
    if (cache->cache) {
        if (allocator_cache_destroy(replay->allocator, cache->cache, NULL) != 0) {
            worker->refused_destroys++;
            return true;
        }
        cache->cache = NULL;
    }
    atomic_store_explicit(&cache->state, CACHE_GONE, memory_order_release);
    return true;
}

/* The turn before ends only here, when this group comes to its next: until then it was its own. */
static bool turn_wait(struct cursor *cursor, uint64_t word)
{
    if (cursor->holds_turn) {
        atomic_fetch_add_explicit(cursor->turn, 1, memory_order_release);
        cursor->holds_turn = false;
    }
    if (atomic_load_explicit(cursor->turn, memory_order_acquire) != plan_slot(word))
        return false;
    cursor->holds_turn = true;
    return true;
}

/* Runs one rare event and returns the word after it, or `word` itself when it must wait. */
static __attribute__((noinline)) const uint64_t *
run_rare(struct worker *worker, struct cursor *cursor, const uint64_t *word)
{
    switch (plan_op(*word)) {
    case PLAN_ALLOC_CREATED:
        return word + alloc_created(worker, cursor, *word);
    case PLAN_ALLOC_BULK:
        return alloc_bulk(worker, cursor, word) ? word + 1 + plan_slot(*word) : word;
    case PLAN_FREE_BULK:
        return free_bulk(worker, cursor, word) ? word + 1 + plan_slot(*word) : word;
    case PLAN_CACHE_CREATE:
        return word + cache_create(worker, *word);
    case PLAN_CACHE_DESTROY:
        return word + cache_destroy(worker, cursor, *word);
    case PLAN_TURN:
        return word + turn_wait(cursor, *word);
    }
    assert(!"a word that no plan holds");
    __builtin_unreachable();
}

/* ---- the loop ---- */

/* What the loop does beside its work; each is compiled by itself. */
enum mode {
    PLAIN,    /* nothing: run_plain */
    COUNTING, /* notes layers */
    TIMING,   /* times some operations */
    CAREFUL,  /* all that is asked for: pace, touching, verification, nodes, latency, layers */
    STEPPED   /* all that, and the machine wants to know of each event */
};

/* A word is read again behind a call rather than kept across it: registers are few. */
static inline __attribute__((always_inline)) void *
run_alloc(struct worker *worker, struct cursor *cursor, const uint64_t *word,
          const struct replay_type *types, const enum mode mode)
{
    const struct replay_type *type = &types[plan_type(*word)];
    void *object;

    if (mode >= CAREFUL)
        return alloc_carefully(worker, cursor, *word);
    if (mode == TIMING && unlikely(sampler_due(&worker->notes->sampler)))
        return replay_alloc_timed(worker, type);
    object = type->bound.alloc(type->bound.cache, &type->request);
    if (unlikely(!object))
        object = replay_alloc_again(worker, &types[plan_type(*word)]);
    return object;
}

static inline __attribute__((always_inline)) void
run_free(struct worker *worker, struct cursor *cursor, const uint64_t *word, void *object,
         const struct replay_type *types, const enum mode mode)
{
    const struct replay_type *type = &types[plan_type(*word)];

    if (unlikely(!object))
        replay_free_missing(worker, type);
    else if (mode >= CAREFUL)
        free_carefully(worker, cursor, *word, object);
    else if (mode == TIMING && unlikely(sampler_due(&worker->notes->sampler)))
        replay_free_timed(worker, type, object);
    else
        type->bound.free(type->bound.cache, object);
}

/* False: the alloc of what is to be freed has not run yet. */
static __attribute__((noinline)) bool run_shared(struct worker *worker, struct cursor *cursor,
                                                 const uint64_t *word, enum mode mode)
{
    const struct replay_type *types = worker->replay->types;
    void *object;

    if (plan_op(*word) == PLAN_ALLOC) {
        object = run_alloc(worker, cursor, word, types, mode);
        slot_set(cursor->slots, *word, object);
        return true;
    }
    if (!slot_get(cursor->slots, *word, &object))
        return false;
    run_free(worker, cursor, word, object, types, mode);
    return true;
}

/* Of a word's operation and whose its object is: PLAN_ALLOC and PLAN_FREE are of the list's own. */
static inline uint64_t kind_of(uint64_t word)
{
    return word & (PLAN_SHARED | (PLAN_SHARED - 1));
}

static inline __attribute__((always_inline)) const uint64_t *
run_words(struct worker *worker, struct cursor *cursor, const uint64_t *word, const uint64_t *end,
          const enum mode mode)
{
    struct machine_cpu *const self = machine_self;
    const struct replay_type *const types = worker->replay->types;
    replay_slot *const slots = cursor->slots;

    while (word < end) {
        const uint64_t kind = kind_of(*word);
        const uint64_t *after = word + 1;

        if (mode == STEPPED)
            machine_step();
        if (mode >= CAREFUL && !pace_due(worker, cursor, word))
            return word;
        if (mode == COUNTING)
            self->position = word;
        if (kind == PLAN_ALLOC) {
            void *object = run_alloc(worker, cursor, word, types, mode);

            slot_set_own(slots, *word, object);
        } else if (kind == PLAN_FREE) {
            run_free(worker, cursor, word, slot_get_own(slots, *word), types, mode);
        } else if (plan_op(*word) < PLAN_RARE) {
            if (!run_shared(worker, cursor, word, mode))
                return word;
        } else {
            if (mode == COUNTING)
                self->position = NULL; /* these account for themselves */
            after = run_rare(worker, cursor, word);
            if (after == word)
                return word;
        }
        word = after;
    }
    return word;
}

#define NEVER(condition)  __builtin_expect_with_probability(!!(condition), 0, 0.9999)
#define EVENLY(condition) __builtin_expect_with_probability(!!(condition), 1, 0.5)

/*
 * PLAIN, the loop that is measured. What it costs is nearly all branches: so each operation looks
 * at the next event itself and goes straight there, and an allocation falls into the free behind
 * it. With one place for all to go back to, an event takes a fifth longer. Before this is changed,
 * see `make bench`: how many branches share a line of code counts for 5 percent.
 */
static __attribute__((noinline, aligned(CACHE_LINE))) const uint64_t *
run_plain(struct worker *worker, struct cursor *cursor, const uint64_t *word, const uint64_t *end)
{
    const struct replay_type *const types = worker->replay->types;
    replay_slot *const slots = cursor->slots;
    const struct replay_type *type;
    uint64_t event;
    void *object;

any:
    if (word >= end)
        return word;
    event = *word;
    if (EVENLY(kind_of(event) == PLAN_FREE))
        goto free;
    if (NEVER(kind_of(event) != PLAN_ALLOC))
        goto other;
alloc:
    type = &types[plan_type(event)];
    object = type->bound.alloc(type->bound.cache, &type->request);
    /* Read again behind the call rather than kept across it: registers are few. */
    if (NEVER(!object))
        object = replay_alloc_again(worker, &types[plan_type(*word)]);
    slot_set_own(slots, *word, object);
    if (NEVER(++word >= end))
        return word;
    event = *word;
    if (EVENLY(kind_of(event) == PLAN_ALLOC))
        goto alloc;
    if (NEVER(kind_of(event) != PLAN_FREE))
        goto other;
free:
    type = &types[plan_type(event)];
    object = slot_get_own(slots, event);
    if (NEVER(!object))
        replay_free_missing(worker, type);
    else
        type->bound.free(type->bound.cache, object);
    if (NEVER(++word >= end))
        return word;
    event = *word;
    if (EVENLY(kind_of(event) == PLAN_FREE))
        goto free;
    if (!NEVER(kind_of(event) != PLAN_ALLOC))
        goto alloc;
other:
    if (plan_op(event) < PLAN_RARE) {
        if (!run_shared(worker, cursor, word, PLAIN))
            return word;
        word++;
    } else {
        const uint64_t *after = run_rare(worker, cursor, word);

        if (after == word)
            return word;
        word = after;
    }
    goto any;
}

const uint64_t *replay_run_words(struct worker *worker, struct cursor *cursor, const uint64_t *word,
                                 const uint64_t *end)
{
    if (machine_traits.steps)
        return run_words(worker, cursor, word, end, STEPPED);
    if (worker->replay->careful || worker->watches_nodes || (worker->timing && worker->counting))
        return run_words(worker, cursor, word, end, CAREFUL);
    if (worker->timing)
        return run_words(worker, cursor, word, end, TIMING);
    if (worker->counting) {
        replay_notes_open(worker);
        word = run_words(worker, cursor, word, end, COUNTING);
        replay_notes_close(worker);
        return word;
    }
    return run_plain(worker, cursor, word, end);
}
