/* SPDX-License-Identifier: MIT */
/*
 * Around the event loop: lists dealt to workers, loops of the trace, and what is counted. The loop
 * itself is replay_events.c; caches and types are replay_caches.c.
 */
#include "sim/error.h"
#include "sim/replay_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Replicas start up to this much apart, so that copies of one trace do not march in step. */
#define REPLICA_OFFSET_NS 100000

#define MAX_LOOPS 1000000

/* ---- one loop of one worker ---- */

static uint64_t cursor_position(const struct cursor *cursor)
{
    return (uint64_t)(cursor->next - cursor->group->events.words);
}

static void cursor_rewind(struct cursor *cursor)
{
    cursor->next = cursor->group->events.words;
    cursor->end = cursor->next + cursor->group->events.count;
    cursor->holds_turn = false;
    atomic_store_explicit(&cursor->progress, 0, memory_order_relaxed);
}

/* Runs at most one chunk; false when not a single event could run. */
static bool cursor_step(struct worker *worker, struct cursor *cursor)
{
    const struct plan_words *events = &cursor->group->events;
    size_t position = cursor_position(cursor);
    size_t chunk_end = (position / PLAN_CHUNK + 1) * PLAN_CHUNK;
    const uint64_t *before = cursor->next;
    size_t time = worker->replay->plan->event_times ? position : position / PLAN_CHUNK;

    if (chunk_end > events->count)
        chunk_end = events->count;
    machine_set_timer(worker->replay->timer_base_ns + cursor->group->times.words[time]);
    cursor->next = replay_run_words(worker, cursor, before, events->words + chunk_end);
    atomic_store_explicit(&cursor->progress, cursor_position(cursor), memory_order_release);
    if (cursor->next == cursor->end && cursor->holds_turn) {
        atomic_fetch_add_explicit(cursor->turn, 1, memory_order_release);
        cursor->holds_turn = false;
    }
    return cursor->next != before;
}

/* All lists of this worker in turn, chunk by chunk, to their ends. */
static void run_lists(struct worker *worker)
{
    uint64_t stalled_since = 0;
    unsigned left = 0, spins = 0;

    for (unsigned i = 0; i < worker->nr_cursors; i++)
        left += worker->cursors[i]->next != worker->cursors[i]->end;
    while (left) {
        uint64_t now = stalled_since ? now_cycles() : 0; /* before the attempt that may succeed */
        bool moved = false, early = false;

        for (unsigned i = 0; i < worker->nr_cursors; i++) {
            struct cursor *cursor = worker->cursors[i];

            if (cursor->next == cursor->end)
                continue;
            cursor->early = false;
            moved |= cursor_step(worker, cursor);
            early |= cursor->early;
            left -= cursor->next == cursor->end;
            machine_safe_point();
        }
        if (moved) {
            if (stalled_since)
                worker->stall_cycles += now - stalled_since;
            stalled_since = 0;
            spins = 0;
        } else {
            if (!stalled_since && !early)
                stalled_since = now_cycles();
            machine_wait_step(&spins);
        }
    }
}

/* Spreads the replicas' starts; a generator of one multiplication will do (Steele & Vigna 2021). */
static uint64_t replica_offset_ns(const struct replay *replay, unsigned replica)
{
    uint64_t x = (replay->config->seed + replica + 1) * 0xd1342543de82ef95u;

    x = (x ^ x >> 32) * 0xd1342543de82ef95u;
    return replica ? (x >> 32) % REPLICA_OFFSET_NS : 0;
}

static void wait_for_offset(struct worker *worker)
{
    uint64_t from = now_cycles();
    unsigned spins = 0;

    while (machine_cycles_to_ns(now_cycles() - from) <
           replica_offset_ns(worker->replay, worker->cursors[0]->replica))
        machine_wait_step(&spins);
}

static void worker_prepare(struct worker *worker)
{
    const struct replay *replay = worker->replay;

    worker->failed_allocs = worker->skipped_frees = worker->refused_destroys = 0;
    worker->stall_cycles = 0;
    for (unsigned i = 0; i < worker->nr_cursors; i++) {
        struct cursor *cursor = worker->cursors[i];

        cursor_rewind(cursor);
        /* Tags begin anew each loop; this also touches the slots before the clock does. */
        if (cursor->group_number == 0) {
            for (size_t slot = 0; slot < replay->plan->nr_slots; slot++)
                atomic_store_explicit(&cursor->slots[slot], 0, memory_order_relaxed);
            atomic_store_explicit(cursor->turn, 0, memory_order_relaxed);
        }
    }
}

static void run_words_of(struct worker *worker, struct cursor *cursor,
                         const struct plan_words *words)
{
    const uint64_t *end = words->words + words->count;
    const uint64_t *stopped = replay_run_words(worker, cursor, words->words, end);

    if (stopped != end) {
        fprintf(stderr, "slablab: an event outside the clock waits for one inside\n");
        abort();
    }
}

enum outside { PRELOAD, LEFTOVER };

/*
 * What is allocated before the clock starts, or freed after. All workers at once; in total order
 * one after the other, so that where objects lie repeats from run to run.
 */
static void run_outside(struct worker *worker, unsigned cpu, enum outside which)
{
    bool in_turn = worker->replay->config->order == REPLAY_ORDER_TRACE;

    for (unsigned turn = 0; turn < (in_turn ? nr_cpus() : 1); turn++) {
        for (unsigned i = 0; (!in_turn || turn == cpu) && i < worker->nr_cursors; i++) {
            const struct plan_group *group = worker->cursors[i]->group;

            run_words_of(worker, worker->cursors[i],
                         which == PRELOAD ? &group->preload : &group->leftover);
        }
        machine_barrier();
    }
}

/* ---- loops ---- */

static int compare_cycles(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void note_loop(struct replay *replay, uint64_t cycles)
{
    struct replay_result *result = replay->result;

    if (result->loops == replay->loops_capacity) {
        size_t grown = replay->loops_capacity ? replay->loops_capacity * 2 : 64;
        uint64_t *moved = realloc(replay->loop_cycles, grown * sizeof *moved);

        if (!moved) {
            replay->code = error_set(replay->error, ENOMEM, "no memory for %zu loops", grown);
            return;
        }
        replay->loop_cycles = moved;
        replay->loops_capacity = grown;
    }
    replay->loop_cycles[result->loops++] = cycles;
}

static bool measured(const struct replay *replay)
{
    return replay->config->cold || replay->loop > 0;
}

/* Sums up what the workers counted in a loop. CPU 0, all others wait. */
static void account_loop(struct replay *replay)
{
    struct replay_result *result = replay->result;
    uint64_t start = UINT64_MAX, end = 0;

    if (replay->loop == 0)
        page_get_statistics(&result->first_pages);
    page_get_statistics(&result->pages);
    if (!measured(replay))
        return;
    for (unsigned i = 0; i < nr_cpus(); i++) {
        const struct worker *worker = &replay->workers[i];

        start = worker->start_cycles < start ? worker->start_cycles : start;
        end = worker->end_cycles > end ? worker->end_cycles : end;
        result->failed_allocs += worker->failed_allocs;
        result->skipped_frees += worker->skipped_frees;
        result->refused_destroys += worker->refused_destroys;
        replay->stall_cycles += worker->stall_cycles;
    }
    note_loop(replay, end - start);
    replay->elapsed_cycles += end - start;
    result->events += replay->plan->events * replay->config->replicas;
    result->remote_frees += replay->plan->remote_frees * replay->config->replicas;
}

static bool enough(const struct replay *replay)
{
    const struct replay_config *config = replay->config;
    const struct replay_result *result = replay->result;

    if (replay->code || result->loops >= MAX_LOOPS)
        return true;
    if (config->loops)
        return result->loops >= config->loops;
    return result->loops && (config->cold || machine_cycles_to_ns(replay->elapsed_cycles) >=
                                                 config->min_measured_ns);
}

/* Between loops: what lives is freed, what the trace created is destroyed. */
static void end_loop(struct replay *replay)
{
    if (replay->code == 0)
        replay->code = replay_caches_reset(replay);
    if (!measured(replay))
        replay->result->warmup_loops++;
    replay->timer_base_ns += replay->plan->duration_ns + 1;
    replay->finished = enough(replay);
    replay->loop++;
    if (!replay->finished && measured(replay) && replay->result->loops == 0)
        page_reset_peak();
}

static void worker_run(unsigned cpu, void *argument)
{
    struct replay *replay = argument;
    struct worker *worker = &replay->workers[cpu];

    do {
        worker_prepare(worker);
        machine_barrier();
        run_outside(worker, cpu, PRELOAD);
        wait_for_offset(worker);
        worker->start_cycles = now_cycles();
        run_lists(worker);
        worker->end_cycles = now_cycles();
        machine_barrier();
        if (cpu == 0)
            account_loop(replay);
        machine_barrier();
        run_outside(worker, cpu, LEFTOVER);
        if (cpu == 0)
            end_loop(replay);
        machine_barrier();
    } while (!replay->finished);
}

/* ---- set-up ---- */

/*
 * Lists go to workers in rounds, each round beginning one worker further, or copies of a busy
 * stream would all meet on one worker.
 */
static int deal_lists(struct replay *replay)
{
    const struct plan *plan = replay->plan;
    unsigned workers = nr_cpus();

    for (unsigned i = 0; i < workers; i++) {
        struct worker *worker = &replay->workers[i];

        worker->replay = replay;
        worker->cursors =
            calloc((replay->nr_cursors + workers - 1) / workers, sizeof *worker->cursors);
        worker->bulk = calloc(TRACE_MAX_BATCH, sizeof *worker->bulk);
        if (!worker->cursors || !worker->bulk)
            return -ENOMEM;
    }
    for (unsigned i = 0; i < replay->nr_cursors; i++) {
        struct worker *worker = &replay->workers[(i + i / workers) % workers];
        struct cursor *cursor = &replay->cursors[i];

        cursor->replica = i / plan->nr_groups;
        cursor->group_number = i % plan->nr_groups;
        cursor->group = &plan->groups[cursor->group_number];
        cursor->slots = replay->slots + (size_t)cursor->replica * plan->nr_slots;
        cursor->turn = &replay->turns[cursor->replica * TURN_STRIDE];
        worker->cursors[worker->nr_cursors++] = cursor;
    }
    return 0;
}

static void *lines_alloc(size_t count, size_t size)
{
    size_t bytes = (count * size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *memory = aligned_alloc(CACHE_LINE, bytes ? bytes : CACHE_LINE);

    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

static int replay_prepare(struct replay *replay)
{
    const struct plan *plan = replay->plan;
    unsigned replicas = replay->config->replicas;
    int code = 0;

    replay->nr_cursors = replicas * plan->nr_groups;
    if (replay->nr_cursors < nr_cpus())
        return error_set(replay->error, EINVAL,
                         "%u threads, but only %u streams to run: use fewer threads or --replicas",
                         nr_cpus(), replay->nr_cursors);
    replay->types = lines_alloc(plan->nr_types, sizeof *replay->types);
    replay->caches = lines_alloc(plan->nr_caches, sizeof *replay->caches);
    replay->cursors = lines_alloc(replay->nr_cursors, sizeof *replay->cursors);
    replay->slots = lines_alloc(replicas * plan->nr_slots, sizeof *replay->slots);
    replay->turns = lines_alloc(replicas, CACHE_LINE);
    replay->workers = lines_alloc(nr_cpus(), sizeof *replay->workers);
    if (!replay->types || !replay->caches || !replay->cursors || !replay->slots || !replay->turns ||
        !replay->workers)
        code = -ENOMEM;
    if (code == 0)
        code = deal_lists(replay);
    if (code == -ENOMEM)
        return error_set(replay->error, ENOMEM, "no memory for %u replicas", replicas);
    if (replay->config->verify && !allocator_design(replay->allocator)->harness)
        code = verifier_create(&replay->verifier, replay->error);
    replay->careful =
        replay->verifier || replay->config->touch != REPLAY_TOUCH_NONE || replay->config->pace > 0;
    return code ? code : replay_types_bind(replay);
}

static void replay_cleanup(struct replay *replay)
{
    for (unsigned i = 0; replay->workers && i < nr_cpus(); i++) {
        free(replay->workers[i].cursors);
        free(replay->workers[i].bulk);
    }
    verifier_destroy(replay->verifier);
    free(replay->loop_cycles);
    free(replay->types);
    free(replay->caches);
    free(replay->cursors);
    free((void *)replay->slots);
    free((void *)replay->turns);
    free(replay->workers);
}

static void summarise(struct replay *replay)
{
    struct replay_result *result = replay->result;
    const char *first;

    if (replay->verifier) {
        result->violations = verifier_violations(replay->verifier, &first);
        snprintf(result->first_violation, sizeof result->first_violation, "%s", first);
    }
    if (result->loops == 0)
        return;
    /* Only now: the clock's rate is known best after the run. */
    result->elapsed_ns = machine_cycles_to_ns(replay->elapsed_cycles);
    result->stall_ns = machine_cycles_to_ns(replay->stall_cycles);
    qsort(replay->loop_cycles, result->loops, sizeof *replay->loop_cycles, compare_cycles);
    result->loop_min_ns = machine_cycles_to_ns(replay->loop_cycles[0]);
    result->loop_median_ns = machine_cycles_to_ns(replay->loop_cycles[result->loops / 2]);
    result->loop_max_ns = machine_cycles_to_ns(replay->loop_cycles[result->loops - 1]);
}

int replay_run(const struct plan *plan, struct allocator_instance *allocator,
               const struct replay_config *config, struct replay_result *result,
               struct error *error)
{
    struct replay replay = {
        .plan = plan, .config = config, .allocator = allocator, .result = result, .error = error};
    int code;

    *result = (struct replay_result){0};
    code = replay_prepare(&replay);
    if (code == 0)
        code = native_run(worker_run, &replay, &result->machine, error);
    if (code == 0)
        code = replay.code;
    if (replay.caches && code == 0)
        code = replay_caches_destroy(&replay);
    if (code == 0)
        summarise(&replay);
    replay_cleanup(&replay);
    return code;
}
