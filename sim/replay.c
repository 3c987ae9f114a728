/* SPDX-License-Identifier: MIT */
/*
 * Around the event loop: loops of the trace, what each is for, and when all stand still. The event
 * loop itself is replay_events.c.
 */
#include "sim/array.h"
#include "sim/error.h"
#include "sim/replay_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LOOPS 1000000

/* ---- one loop of one worker ---- */

static uint64_t cursor_position(const struct cursor *cursor)
{
    return (uint64_t)(cursor->next - cursor->group->events.words);
}

static void cursor_rewind(struct cursor *cursor)
{
    cursor->next = cursor->end = cursor->group->events.words;
    cursor->holds_turn = false;
    atomic_store_explicit(&cursor->progress, 0, memory_order_relaxed);
}

/* At its end, or where the next turn begins beyond a cut, nobody need wait for this list's turn. */
static void turn_give_up(struct cursor *cursor)
{
    const uint64_t *last = cursor->group->events.words + cursor->group->events.count;

    if (cursor->next != cursor->end || !cursor->holds_turn)
        return;
    if (cursor->next == last || plan_op(*cursor->next) == PLAN_TURN) {
        atomic_fetch_add_explicit(cursor->turn, 1, memory_order_release);
        cursor->holds_turn = false;
    }
}

/* Runs at most one chunk; false when not a single event could run. */
static bool cursor_step(struct worker *worker, struct cursor *cursor)
{
    const struct plan_words *events = &cursor->group->events;
    size_t position = cursor_position(cursor);
    size_t chunk_end = (position / PLAN_CHUNK + 1) * PLAN_CHUNK;
    const uint64_t *before = cursor->next;
    const uint64_t *end = events->words + chunk_end;
    size_t time = worker->replay->plan->event_times ? position : position / PLAN_CHUNK;

    machine_set_timer(worker->replay->timer_base_ns + cursor->group->times.words[time]);
    cursor->next = replay_run_words(worker, cursor, before, end < cursor->end ? end : cursor->end);
    atomic_store_explicit(&cursor->progress, cursor_position(cursor), memory_order_release);
    turn_give_up(cursor);
    return cursor->next != before;
}

/* All lists of this worker in turn, chunk by chunk, to where they are to end. */
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

static void wait_for_offset(struct worker *worker)
{
    uint64_t from = now_cycles();
    unsigned spins = 0;

    while (machine_cycles_to_ns(now_cycles() - from) < worker->offset_ns)
        machine_wait_step(&spins);
    worker->late_cycles = now_cycles() - from;
}

static void worker_prepare(struct worker *worker)
{
    const struct replay *replay = worker->replay;

    worker->failed_allocs = worker->skipped_frees = worker->refused_destroys = 0;
    worker->missing_objects = worker->missing_bytes = 0;
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

static void note_loop(struct replay *replay, struct loop_times *times, uint64_t cycles)
{
    if (array_grow((void **)&times->cycles, &times->capacity, times->count + 1,
                   sizeof *times->cycles) != 0) {
        replay->code = error_set(replay->error, ENOMEM, "no memory for %zu loops", times->count);
        return;
    }
    times->cycles[times->count++] = cycles;
    times->sum += cycles;
}

/* Sums up what the workers counted in a measured loop. */
static void account_workers(struct replay *replay)
{
    struct replay_result *result = replay->result;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        const struct worker *worker = &replay->workers[i];

        result->failed_allocs += worker->failed_allocs;
        result->skipped_frees += worker->skipped_frees;
        result->refused_destroys += worker->refused_destroys;
        replay->stall_cycles += worker->stall_cycles;
    }
    result->events += replay->plan->events * replay->config->replicas;
    result->remote_frees += replay->plan->remote_frees * replay->config->replicas;
}

/* A loop has run. */
static void account_loop(struct replay *replay)
{
    struct replay_result *result = replay->result;

    if (replay->loop == 0)
        page_get_statistics(&result->first_pages);
    page_get_statistics(&result->pages);
    if (replay->kind.counted)
        note_loop(replay, &replay->counted, replay->part_cycles);
    if (replay->kind.timed)
        note_loop(replay, &replay->timed, replay->part_cycles);
    if (replay->kind.measured) {
        note_loop(replay, &replay->measured, replay->part_cycles);
        account_workers(replay);
    }
}

/* ---- what loops are for ---- */

static bool enough(const struct replay *replay)
{
    const struct replay_config *config = replay->config;
    size_t measured = replay->measured.count;

    if (replay->code || measured >= MAX_LOOPS)
        return true;
    if (config->loops)
        return measured >= config->loops;
    return measured &&
           (config->cold || machine_cycles_to_ns(replay->measured.sum) >= config->min_measured_ns);
}

/*
 * On one node nothing is local or not, and foreign mallocs do not tell: no loop need be spent
 * there.
 */
static unsigned counted_records(const struct replay *replay)
{
    if (!replay->layered)
        return 0;
    return RECORD_CONTENTION | (nr_nodes() > 1 ? RECORD_LOCALITY : 0);
}

static struct loop_kind measured_loop(const struct replay *replay)
{
    const struct replay_config *config = replay->config;
    bool together = config->cold || machine_traits.records_freely;

    return (struct loop_kind){
        .measured = true,
        .counted = together && (config->record & counted_records(replay)),
        .timed = together && (config->record & RECORD_LATENCY),
    };
}

static struct loop_kind first_loop(const struct replay *replay)
{
    struct loop_kind kind = {0};

    if (replay->config->cold)
        kind = measured_loop(replay);
    kind.sampled = replay->keeps_ledger;
    return kind;
}

/* Is a loop of a kind due that goes with every so many measured ones? */
static bool due(const struct replay *replay, unsigned record, const struct loop_times *times)
{
    return (replay->config->record & record) &&
           times->count * REPLAY_LOOPS_A_RECORDED < replay->measured.count;
}

/* See enum replay_record. False: that was the last one. */
static bool next_loop(struct replay *replay)
{
    bool cold = replay->config->cold;
    bool together = cold || machine_traits.records_freely;

    replay->loop++;
    if (!replay->code && !together && due(replay, counted_records(replay), &replay->counted))
        replay->kind = (struct loop_kind){.counted = true};
    else if (!replay->code && !together && due(replay, RECORD_LATENCY, &replay->timed))
        replay->kind = (struct loop_kind){.timed = true};
    else if (enough(replay))
        return false;
    else
        replay->kind = measured_loop(replay);
    return true;
}

/* Between loops: what lives is freed, what the trace created is destroyed. */
static void end_loop(struct replay *replay)
{
    bool first = replay->loop == 0;

    if (replay->code == 0)
        replay->code = replay_caches_reset(replay);
    replay->timer_base_ns += replay->plan->duration_ns + 1;
    replay->finished = !next_loop(replay);
    if (!replay->finished && first && !replay->config->cold)
        page_reset_peak();
}

/* ---- one loop, all workers ---- */

/*
 * From the barrier that all have left to that where all have come: time that counts. Who was to
 * start late is taken as if it had started, and ended, by so much earlier: else a short load on
 * many CPUs would take as long as its starts are apart.
 */
static void part_account(struct replay *replay)
{
    uint64_t start = UINT64_MAX, end = 0;

    for (unsigned i = 0; i < nr_cpus(); i++) {
        const struct worker *worker = &replay->workers[i];

        uint64_t started = worker->start_cycles - worker->late_cycles;
        uint64_t ended = worker->end_cycles - worker->late_cycles;

        start = started < start ? started : start;
        end = ended > end ? ended : end;
    }
    replay->part_cycles += end - start;
}

static void counters_run(struct worker *worker, void (*act)(struct counters *counters))
{
    if (worker->replay->kind.measured && (worker->replay->config->record & RECORD_COUNTERS))
        act(&worker->counters);
}

/* Runs all lists of this worker up to a cut, or to their ends. */
static void run_part(struct worker *worker, const struct plan_cut *cut)
{
    for (unsigned i = 0; i < worker->nr_cursors; i++) {
        struct cursor *cursor = worker->cursors[i];
        const struct plan_words *events = &cursor->group->events;

        cursor->end =
            events->words + (cut ? cut->group_positions[cursor->group_number] : events->count);
    }
    counters_run(worker, counters_start);
    if (worker->replay->kind.measured)
        machine_measure(true);
    worker->start_cycles = now_cycles();
    worker->pace_origin += worker->start_cycles - worker->end_cycles; /* it stood since then */
    run_lists(worker);
    worker->end_cycles = now_cycles();
    if (worker->replay->kind.measured)
        machine_measure(false);
    counters_run(worker, counters_stop);
}

/* At a cut of a sampled loop. */
static void cut_account(void *argument)
{
    struct replay *replay = argument;
    uint64_t since = now_cycles();

    part_account(replay);
    replay_sample_take(replay);
    replay->sampling_cycles += now_cycles() - since;
}

/* At the end of a loop. */
static void end_account(void *argument)
{
    struct replay *replay = argument;

    part_account(replay);
    account_loop(replay);
}

/* The whole loop; a sampled one stands still at every cut. */
static void run_parts(struct worker *worker)
{
    struct replay *replay = worker->replay;
    size_t cuts = replay->kind.sampled ? replay->plan->nr_cuts : 0;

    worker->pace_origin = worker->end_cycles = 0; /* the first part begins it */
    for (size_t i = 0; i < cuts; i++) {
        run_part(worker, &replay->plan->cuts[i]);
        replay_notes_end(worker);
        machine_stand_still(cut_account, replay);
        worker->late_cycles = 0; /* from a cut all go on together */
        replay_notes_begin(worker);
    }
    run_part(worker, NULL);
}

static void worker_run(unsigned cpu, void *argument)
{
    struct replay *replay = argument;
    struct worker *worker = &replay->workers[cpu];

    if (replay->config->record & RECORD_COUNTERS)
        counters_open(&worker->counters);
    do {
        worker_prepare(worker);
        if (cpu == 0)
            replay->part_cycles = 0;
        machine_barrier();
        run_outside(worker, cpu, PRELOAD);
        worker->failed_allocs = 0; /* those that the clock sees are counted */
        wait_for_offset(worker);
        replay_notes_begin(worker);
        run_parts(worker);
        machine_barrier(); /* who has finished still counts what he does for others */
        replay_notes_end(worker);
        machine_stand_still(end_account, replay);
        run_outside(worker, cpu, LEFTOVER);
        if (cpu == 0)
            end_loop(replay);
        machine_barrier();
    } while (!replay->finished);
    if (replay->config->record & RECORD_COUNTERS) {
        counters_read(&worker->counters, &worker->counted);
        counters_close(&worker->counters);
    }
}

/* ---- the run ---- */

/* Sorts the loops of a kind. */
static struct replay_loops summarise_loops(const struct replay *replay, struct loop_times *times)
{
    struct replay_loops loops = {.count = (unsigned)times->count};

    if (times->count == 0)
        return loops;
    qsort(times->cycles, times->count, sizeof *times->cycles, compare_cycles);
    loops.events = replay->plan->events * replay->config->replicas * times->count;
    loops.elapsed_ns = machine_cycles_to_ns(times->sum);
    loops.median_ns = machine_cycles_to_ns(times->cycles[times->count / 2]);
    return loops;
}

/* Only after the run: the clock's rate is known best then. */
static void summarise(struct replay *replay)
{
    struct replay_result *result = replay->result;
    struct replay_loops measured = summarise_loops(replay, &replay->measured);
    const char *first;

    if (replay->verifier) {
        result->violations = verifier_violations(replay->verifier, &first);
        snprintf(result->first_violation, sizeof result->first_violation, "%s", first);
    }
    result->counted = summarise_loops(replay, &replay->counted);
    result->timed = summarise_loops(replay, &replay->timed);
    result->sampling_ns = machine_cycles_to_ns(replay->sampling_cycles);
    result->loops = measured.count;
    result->warmup_loops = !replay->config->cold;
    if (measured.count == 0)
        return;
    result->elapsed_ns = measured.elapsed_ns;
    result->stall_ns = machine_cycles_to_ns(replay->stall_cycles);
    result->loop_min_ns = machine_cycles_to_ns(replay->measured.cycles[0]);
    result->loop_median_ns = measured.median_ns;
    result->loop_max_ns = machine_cycles_to_ns(replay->measured.cycles[measured.count - 1]);
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
    replay.kind = first_loop(&replay);
    if (code == 0)
        code = machine_run(worker_run, &replay, &result->machine, error);
    if (code == 0)
        code = replay.code;
    if (code == 0) {
        summarise(&replay);
        if (replay_inner_collect(&replay) != 0 || replay_accounts_collect(&replay) != 0)
            code = error_set(error, ENOMEM, "no memory to sum the accounts of %u CPUs", nr_cpus());
    }
    if (replay.caches && code == 0)
        code = replay_caches_destroy(&replay);
    replay_cleanup(&replay);
    if (code)
        replay_result_cleanup(result);
    return code;
}
