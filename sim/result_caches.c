/* SPDX-License-Identifier: MIT */
/* The busiest caches of a run, each with all that is known of it. */
#include "sim/driver.h"
#include "sim/lock.h"
#include "sim/result_accounts.h"
#include "sim/result_json.h"

#include <stdlib.h>
#include <string.h>

#define BUSIEST 10 /* of each order */

/* A cache's account, and what its locks say. */
struct candidate {
    const struct replay_cache_account *cache;
    uint64_t events, wait_cycles, bytes;
    double time_ns; /* of all operations in the timed loops, from the sample */
    bool chosen;
};

static uint64_t ledger_bytes(const struct ledger *ledger)
{
    return ledger->live_bytes + ledger->slab_tail + ledger->metadata + ledger->partial_free +
           ledger->empty_slabs + ledger->cpu_cached + ledger->depot_cached + ledger->emergency +
           ledger->grace;
}

static bool owned_by(uint16_t lock, const char *name)
{
    const char *owner = account_lock_owner(lock);

    return owner && strcmp(owner, name) == 0;
}

static uint64_t waited(const struct account *account, const char *name)
{
    uint64_t cycles = 0;

    for (unsigned i = 0; account && i < account->nr_locks; i++) {
        if (account->locks[i].times->wait.count && owned_by((uint16_t)i, name))
            cycles += account->locks[i].times->wait.sum;
    }
    return cycles;
}

static double time_of(const struct replay_cache_account *cache)
{
    double ns = 0;

    for (unsigned op = 0; op < REPLAY_OPS; op++) {
        for (unsigned layer = 0; layer < LAYERS; layer++)
            ns += (double)cache->timed_ns[op][layer];
    }
    return ns;
}

static int by_events(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->events < y->events) - (x->events > y->events);
}

static int by_waits(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->wait_cycles < y->wait_cycles) - (x->wait_cycles > y->wait_cycles);
}

static int by_bytes(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;

    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* Marks the first of each order, and leaves all in order of events. */
static void choose(struct candidate *candidates, size_t count)
{
    qsort(candidates, count, sizeof *candidates, by_waits);
    for (size_t i = 0; i < count && i < BUSIEST; i++)
        candidates[i].chosen |= candidates[i].wait_cycles != 0;
    qsort(candidates, count, sizeof *candidates, by_bytes);
    for (size_t i = 0; i < count && i < BUSIEST; i++)
        candidates[i].chosen |= candidates[i].bytes != 0;
    qsort(candidates, count, sizeof *candidates, by_events);
    for (size_t i = 0; i < count && i < BUSIEST; i++)
        candidates[i].chosen |= candidates[i].events != 0;
}

/* Share of the time of its operations that went to each layer. */
static json_t *time_section(const struct candidate *candidate, double all_ns, bool layered)
{
    const struct replay_cache_account *cache = candidate->cache;
    json_t *object = json_pack("{s:f}", "share", all_ns > 0 ? candidate->time_ns / all_ns : 0);
    json_t *by_layer = json_object();
    uint64_t timed = 0;

    for (unsigned layer = 0; layer < LAYERS; layer++) {
        uint64_t count = cache->timed[REPLAY_ALLOC][layer] + cache->timed[REPLAY_FREE][layer];
        double ns =
            (double)(cache->timed_ns[REPLAY_ALLOC][layer] + cache->timed_ns[REPLAY_FREE][layer]);

        timed += count;
        if (count)
            json_object_set_new(by_layer, layer_name(layer), json_real(ns / candidate->time_ns));
    }
    json_object_set_new(object, "samples", json_integer((json_int_t)timed));
    json_object_set_new(object, "mean_ns", json_real(candidate->time_ns / (double)timed));
    if (layered)
        json_object_set_new(object, "by_layer", by_layer);
    else
        json_decref(by_layer);
    return object;
}

static json_t *locks_section(const struct account *account, const char *name, double hz)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < account->nr_locks; i++) {
        json_t *object;

        if (account->locks[i].acquisitions == 0 || !owned_by((uint16_t)i, name))
            continue;
        object = json_pack("{s:s}", "class", lock_class_name(account_lock_class((uint16_t)i)));
        result_set_lock(object, &account->locks[i], hz);
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *cache_section(const struct candidate *candidate, const struct replay_result *replay,
                             double all_ns, bool layered)
{
    const struct replay_cache_account *cache = candidate->cache;
    json_t *object = json_pack("{s:s, s:I, s:I}", "name", cache->name, "allocs",
                               (json_int_t)cache->operations[REPLAY_ALLOC], "frees",
                               (json_int_t)cache->operations[REPLAY_FREE]);
    json_t *inner;

    if (candidate->time_ns > 0)
        json_object_set_new(object, "time", time_section(candidate, all_ns, layered));
    if (replay->account && replay->layered) {
        json_object_set_new(object, "layers", result_layers(cache->layers));
        json_object_set_new(object, "locks",
                            locks_section(replay->account, cache->name, replay->machine.clock.hz));
    }
    if (replay->nr_samples) {
        json_t *ledger = result_ledger(&cache->most_live);

        /* What the callers asked for is known of all objects together only. */
        json_object_del(ledger, "requested");
        json_object_del(ledger, "rounding");
        json_object_set_new(ledger, "live", json_integer((json_int_t)cache->most_live.live_bytes));
        json_object_set_new(ledger, "page_bytes", json_integer((json_int_t)candidate->bytes));
        json_object_set_new(object, "ledger", ledger);
    }
    if (cache->nr_inner == 0)
        return object;
    inner = json_object();
    for (size_t i = 0; i < cache->nr_inner; i++)
        json_object_set_new(inner, cache->inner[i].name,
                            json_integer((json_int_t)cache->inner[i].value));
    json_object_set_new(object, "inner", inner);
    return object;
}

json_t *result_caches(const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;
    struct candidate *candidates = result_scratch(replay->nr_caches + 1, sizeof *candidates);
    json_t *array = candidates ? json_array() : NULL;
    double all_ns = 0;

    for (size_t i = 0; candidates && i < replay->nr_caches; i++) {
        const struct replay_cache_account *cache = &replay->caches[i];

        candidates[i] = (struct candidate){
            .cache = cache,
            .events = cache->operations[REPLAY_ALLOC] + cache->operations[REPLAY_FREE],
            .wait_cycles = waited(replay->account, cache->name),
            .bytes = ledger_bytes(&cache->most_live),
            .time_ns = time_of(cache),
        };
        all_ns += candidates[i].time_ns;
    }
    if (candidates)
        choose(candidates, replay->nr_caches);
    for (size_t i = 0; candidates && i < replay->nr_caches; i++) {
        if (candidates[i].chosen)
            json_array_append_new(array, cache_section(&candidates[i], replay, all_ns,
                                                       !report->external && !report->harness));
    }
    result_scratch_free(candidates);
    return array;
}
