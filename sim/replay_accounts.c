/* SPDX-License-Identifier: MIT */
/*
 * What a replay counts beside time: each worker notes for itself, and when all are quiet the notes
 * are summed into the result.
 */
#include "sim/array.h"
#include "sim/error.h"
#include "sim/replay_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- which account a kind of allocation belongs to ---- */

struct name_search {
    const struct cache *cache;
    char *name;
};

static void name_match(void *context, struct cache *cache, const char *name, size_t size)
{
    struct name_search *search = context;

    (void)size;
    if (cache == search->cache && !search->name)
        search->name = strdup(name);
}

/* Of a general cache; allocations beyond the largest are whole pages, and in no cache at all. */
static char *general_name(const struct replay *replay, const struct cache *cache)
{
    struct name_search search = {.cache = cache};

    allocator_each_cache(replay->allocator, name_match, &search);
    return search.name ? search.name : strdup("(pages)");
}

/* By name, so that whole pages of all sizes are one account. -ENOMEM. */
static int account_of_general(struct replay *replay, size_t type, uint32_t *account)
{
    struct replay_result *result = replay->result;
    char *name = general_name(replay, replay->types[type].bound.cache);

    if (!name)
        return -ENOMEM;
    *account = (uint32_t)replay->plan->nr_caches;
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): each has a name */
    while (*account < result->nr_caches && strcmp(result->caches[*account].name, name) != 0)
        ++*account;
    if (*account < result->nr_caches)
        free(name);
    else
        result->caches[result->nr_caches++].name = name;
    return 0;
}

/* The trace's caches first, by their numbers; then the general ones that are used. */
static int accounts_name(struct replay *replay)
{
    const struct plan *plan = replay->plan;
    struct replay_result *result = replay->result;

    result->caches = calloc(plan->nr_caches + plan->nr_types + 1, sizeof *result->caches);
    if (!result->caches)
        return -ENOMEM;
    for (size_t i = 0; i < plan->nr_caches; i++) {
        result->caches[i].name = strdup(plan->caches[i].name);
        if (!result->caches[i].name)
            return -ENOMEM;
        result->nr_caches++;
    }
    for (size_t i = 0; i < plan->nr_types; i++) {
        uint32_t account = plan->types[i].cache;
        int code = account == TRACE_UNTYPED ? account_of_general(replay, i, &account) : 0;

        if (code)
            return code;
        replay->types[i].account = account;
        result->caches[account].operations[REPLAY_ALLOC] +=
            plan->type_allocs[i] * replay->config->replicas;
        result->caches[account].operations[REPLAY_FREE] +=
            plan->type_frees[i] * replay->config->replicas;
    }
    return 0;
}

/* Lock classes that a cache made inside the clock may bring. */
#define LOCKS_A_CACHE 4

static int notes_create(struct replay *replay, unsigned cpu)
{
    struct worker *worker = &replay->workers[cpu];
    unsigned more = 0;

    worker->notes = replay_lines_alloc(1, sizeof *worker->notes);
    if (!worker->notes)
        return -ENOMEM;
    worker->notes->caches =
        replay_lines_alloc(replay->result->nr_caches + 1, sizeof *worker->notes->caches);
    if (!worker->notes->caches)
        return -ENOMEM;
    worker->notes->sampler =
        sampler_seeded(replay->config->latency_every ? replay->config->latency_every : 1,
                       replay->config->seed + cpu);
    if (!(replay->config->record & RECORD_CONTENTION) || !replay->layered)
        return 0;
    for (size_t i = 0; i < replay->plan->nr_caches; i++)
        more += replay->plan->caches[i].created ? LOCKS_A_CACHE : 0;
    worker->account = account_create(cpu, more, replay->config->seed);
    return worker->account ? 0 : -ENOMEM;
}

int replay_accounts_create(struct replay *replay)
{
    const struct allocator *design = allocator_design(replay->allocator);
    const struct plan *plan = replay->plan;
    unsigned record = replay->config->record;
    int code = accounts_name(replay);

    replay->layered = !design->external && !design->harness;
    replay->keeps_ledger = (record & RECORD_MEMORY) && design->ledger && plan->nr_cuts;
    for (unsigned i = 0; code == 0 && i < nr_cpus(); i++)
        code = notes_create(replay, i);
    if (code == 0 && replay->keeps_ledger) {
        replay->result->samples = calloc(plan->nr_cuts, sizeof *replay->result->samples);
        replay->part_ledgers = calloc(replay->result->nr_caches + 1, sizeof *replay->part_ledgers);
        if (!replay->result->samples || !replay->part_ledgers)
            code = -ENOMEM;
    }
    return code;
}

void replay_accounts_cleanup(struct replay *replay)
{
    for (unsigned i = 0; replay->workers && i < nr_cpus(); i++) {
        struct worker *worker = &replay->workers[i];

        if (worker->notes)
            free(worker->notes->caches);
        free(worker->notes);
        account_destroy(worker->account);
    }
    free(replay->part_ledgers);
}

/* ---- on and off ---- */

uint64_t replay_interrupted_cycles(double hz)
{
    return (uint64_t)(REPLAY_INTERRUPTED_NS * hz * 1e-9);
}

void replay_notes_begin(struct worker *worker)
{
    const struct replay *replay = worker->replay;
    unsigned record = replay->config->record;

    worker->timing = replay->kind.timed;
    worker->notes->interrupted_cycles = replay_interrupted_cycles(machine_clock()->hz);
    worker->counting = replay->kind.counted;
    worker->watches_nodes =
        worker->counting && (record & RECORD_LOCALITY) && nr_nodes() > 1 && replay->layered;
    account_self = worker->counting ? worker->account : NULL;
    machine_self->observed = worker->counting || worker->timing;
}

void replay_notes_end(struct worker *worker)
{
    account_self = NULL;
    machine_self->observed = false;
    worker->timing = worker->counting = worker->watches_nodes = false;
}

/* ---- sums ---- */

struct inner_walk {
    struct replay *replay;
    struct replay_cache_account *account;
    size_t capacity;
    bool lost;
};

static void inner_add(void *context, const char *name, uint64_t value)
{
    struct inner_walk *walk = context;
    struct replay_cache_account *account = walk->account;

    if (array_grow((void **)&account->inner, &walk->capacity, account->nr_inner + 1,
                   sizeof *account->inner) != 0) {
        walk->lost = true;
        return;
    }
    account->inner[account->nr_inner++] = (struct replay_inner){name, value};
}

static void inner_visit(void *context, struct cache *cache, const char *name, size_t size)
{
    struct inner_walk *walk = context;
    struct replay_result *result = walk->replay->result;

    (void)size;
    for (size_t i = 0; i < result->nr_caches; i++) {
        if (strcmp(result->caches[i].name, name) != 0 || result->caches[i].nr_inner)
            continue;
        walk->account = &result->caches[i];
        walk->capacity = 0;
        allocator_design(walk->replay->allocator)->inspect(cache, inner_add, walk);
        return;
    }
}

int replay_inner_collect(struct replay *replay)
{
    struct inner_walk walk = {.replay = replay};

    if (replay->config->record && allocator_design(replay->allocator)->inspect)
        allocator_each_cache(replay->allocator, inner_visit, &walk);
    return walk.lost ? -ENOMEM : 0;
}

/* What no lower layer served was served by the CPU's own; unless it failed. */
static void cache_layers_sum(struct replay *replay, size_t account)
{
    struct replay_cache_account *cache = &replay->result->caches[account];

    for (unsigned op = 0; op < REPLAY_OPS; op++) {
        uint64_t rest = cache->operations[op] * replay->counted.count;

        for (unsigned i = 0; i < nr_cpus(); i++) {
            const struct cache_notes *notes = &replay->workers[i].notes->caches[account];

            rest -= notes->missing[op];
            for (unsigned layer = LAYER_CPU + 1; layer < LAYERS; layer++) {
                cache->layers[op][layer] += notes->layers[op][layer];
                rest -= notes->layers[op][layer];
            }
        }
        cache->layers[op][LAYER_CPU] = rest;
        for (unsigned layer = 0; layer < LAYERS; layer++)
            replay->result->layers[op][layer] += cache->layers[op][layer];
    }
}

static void cache_times_sum(struct replay *replay, size_t account)
{
    struct replay_cache_account *cache = &replay->result->caches[account];

    for (unsigned op = 0; op < REPLAY_OPS; op++) {
        for (unsigned layer = 0; layer < LAYERS; layer++) {
            uint64_t cycles = 0;

            for (unsigned i = 0; i < nr_cpus(); i++) {
                const struct cache_notes *notes = &replay->workers[i].notes->caches[account];

                cache->timed[op][layer] += notes->timed[op][layer];
                cycles += notes->timed_cycles[op][layer];
            }
            cache->timed_ns[op][layer] = machine_cycles_to_ns(cycles);
        }
    }
}

static int latency_sum(struct replay *replay)
{
    struct histogram *sums = calloc(REPLAY_OPS * LAYERS, sizeof *sums);

    if (!sums)
        return -ENOMEM;
    for (unsigned i = 0; i < nr_cpus(); i++) {
        for (unsigned op = 0; op < REPLAY_OPS; op++) {
            for (unsigned layer = 0; layer < LAYERS; layer++)
                histogram_merge(&sums[op * LAYERS + layer],
                                &replay->workers[i].notes->latency[op][layer]);
        }
    }
    replay->result->latency = sums;
    return 0;
}

/* Of all objects freed by another CPU, whose CPU has another node: the plan knows the groups. */
static void remote_node_frees_sum(struct replay *replay)
{
    const struct plan *plan = replay->plan;
    uint64_t pass = 0;

    for (unsigned i = 0; i < replay->nr_cursors; i++) {
        const struct cursor *from = &replay->cursors[i];
        const struct cursor *replica = &replay->cursors[from->replica * plan->nr_groups];

        for (unsigned by = 0; by < plan->nr_groups; by++) {
            if (machine_node_of(from->cpu) != machine_node_of(replica[by].cpu))
                pass += plan->frees_between[from->group_number * plan->frees_stride + by];
        }
    }
    replay->result->remote_node_frees = pass * replay->result->loops;
}

static void counters_sum(struct replay *replay)
{
    struct counter_values sum = COUNTER_SUM_INIT;

    if (!(replay->config->record & RECORD_COUNTERS))
        return;
    for (unsigned i = 0; i < nr_cpus(); i++)
        counter_values_add(&sum, &replay->workers[i].counted);
    replay->result->counters = sum;
}

int replay_accounts_collect(struct replay *replay)
{
    struct replay_result *result = replay->result;
    int code = 0;

    result->layered = replay->layered && (replay->config->record & RECORD_CONTENTION);
    result->counted_allocs =
        replay->plan->allocs * replay->config->replicas * replay->counted.count;
    for (size_t i = 0; i < result->nr_caches; i++) {
        if (result->layered)
            cache_layers_sum(replay, i);
        cache_times_sum(replay, i);
    }
    for (unsigned i = 0; i < nr_cpus(); i++) {
        result->foreign_allocs += replay->workers[i].notes->foreign_allocs;
        for (size_t j = 0; j < result->nr_caches; j++)
            result->counted_allocs -= replay->workers[i].notes->caches[j].missing[REPLAY_ALLOC];
        result->interrupted += replay->workers[i].notes->interrupted;
    }
    remote_node_frees_sum(replay);
    counters_sum(replay);
    if (replay->timed.count)
        code = latency_sum(replay);
    if (replay->workers[0].account) {
        result->account = replay->workers[0].account;
        replay->workers[0].account = NULL;
        for (unsigned i = 1; i < nr_cpus(); i++)
            account_merge(result->account, replay->workers[i].account);
    }
    return code;
}

void replay_result_cleanup(struct replay_result *result)
{
    for (size_t i = 0; i < result->nr_caches; i++) {
        free(result->caches[i].name);
        free(result->caches[i].inner);
    }
    free(result->caches);
    free(result->samples);
    free(result->latency);
    account_destroy(result->account);
    result->caches = NULL;
    result->nr_caches = 0;
    result->samples = NULL;
    result->nr_samples = 0;
    result->latency = NULL;
    result->account = NULL;
}
