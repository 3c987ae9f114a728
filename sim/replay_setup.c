/* SPDX-License-Identifier: MIT */
/* From a plan to workers that can run it: lists dealt, slots, caches and types there. */
#include "sim/error.h"
#include "sim/replay_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * Replicas start apart, so that copies of one trace do not march in step and meet at every lock,
 * which on the virtual machine nothing else would change: 2 ns for each of a list's events, which
 * is less than any event takes, so that lists run beside each other nearly all the time; and at
 * most 100 us. Whoever starts late has its time counted from then: see part_account.
 */
#define REPLICA_OFFSET_NS_AN_EVENT 2
#define REPLICA_OFFSET_NS_MOST     100000

/* Spreads the replicas' starts; a generator of one multiplication will do (Steele & Vigna 2021). */
static uint64_t replica_offset_ns(const struct replay *replay, unsigned replica)
{
    const struct plan *plan = replay->plan;
    uint64_t range = plan->events / plan->nr_groups * REPLICA_OFFSET_NS_AN_EVENT + 1;
    uint64_t x = (replay->config->seed + replica + 1) * 0xd1342543de82ef95u;

    x = (x ^ x >> 32) * 0xd1342543de82ef95u;
    if (range > REPLICA_OFFSET_NS_MOST)
        range = REPLICA_OFFSET_NS_MOST;
    return replica ? (x >> 32) % range : 0;
}

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
        cursor->cpu = (unsigned)(worker - replay->workers);
        worker->cursors[worker->nr_cursors++] = cursor;
    }
    for (unsigned i = 0; i < workers; i++)
        replay->workers[i].offset_ns =
            replica_offset_ns(replay, replay->workers[i].cursors[0]->replica);
    return 0;
}

void *replay_lines_alloc(size_t count, size_t size)
{
    size_t bytes = (count * size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    void *memory = aligned_alloc(CACHE_LINE, bytes ? bytes : CACHE_LINE);

    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

int replay_prepare(struct replay *replay)
{
    const struct plan *plan = replay->plan;
    unsigned replicas = replay->config->replicas;
    int code = 0;

    replay->nr_cursors = replicas * plan->nr_groups;
    if (replay->nr_cursors < nr_cpus())
        return error_set(replay->error, EINVAL,
                         "%u threads, but only %u streams to run: use fewer threads or --replicas",
                         nr_cpus(), replay->nr_cursors);
    replay->types = replay_lines_alloc(plan->nr_types, sizeof *replay->types);
    replay->caches = replay_lines_alloc(plan->nr_caches, sizeof *replay->caches);
    replay->cursors = replay_lines_alloc(replay->nr_cursors, sizeof *replay->cursors);
    replay->slots = replay_lines_alloc(replicas * plan->nr_slots, sizeof *replay->slots);
    replay->turns = replay_lines_alloc(replicas, CACHE_LINE);
    replay->workers = replay_lines_alloc(nr_cpus(), sizeof *replay->workers);
    if (!replay->types || !replay->caches || !replay->cursors || !replay->slots || !replay->turns ||
        !replay->workers)
        code = -ENOMEM;
    if (code == 0)
        code = deal_lists(replay);
    if (code == -ENOMEM)
        return error_set(replay->error, ENOMEM, "no memory for %u replicas", replicas);
    if (replay->config->verify && !allocator_design(replay->allocator)->harness)
        code = verifier_create(&replay->verifier, replay->error);
    replay->careful = replay->verifier || replay->config->touch != REPLAY_TOUCH_NONE ||
                      replay->config->pace > 0 || machine_traits.steps;
    if (code == 0)
        code = replay_types_bind(replay);
    if (code == 0 && replay_accounts_create(replay) != 0)
        code = error_set(replay->error, ENOMEM, "no memory for the accounts of %u CPUs", nr_cpus());
    return code;
}

void replay_cleanup(struct replay *replay)
{
    for (unsigned i = 0; replay->workers && i < nr_cpus(); i++) {
        free(replay->workers[i].cursors);
        free(replay->workers[i].bulk);
    }
    replay_accounts_cleanup(replay);
    verifier_destroy(replay->verifier);
    free(replay->measured.cycles);
    free(replay->counted.cycles);
    free(replay->timed.cycles);
    free(replay->types);
    free(replay->caches);
    free(replay->cursors);
    free((void *)replay->slots);
    free((void *)replay->turns);
    free(replay->workers);
}
