/* SPDX-License-Identifier: MIT */
/* From what the recorders found to parts of a record. Keys are a contract: see README.md. */
#include "sim/result_accounts.h"

#include "sim/driver.h"
#include "sim/fragmentation.h"
#include "sim/lock.h"
#include "sim/result_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Hottest locks that are told one by one. */
#define HOT_LOCKS 10

/* Measured loops have this median; how much longer is one that records? */
static double slowdown(const struct replay_loops *loops, const struct replay_result *replay)
{
    return replay->loop_median_ns ? (double)loops->median_ns / (double)replay->loop_median_ns : 0;
}

static json_t *recorded_loops(const struct run_config *config, const struct replay_loops *loops,
                              const struct replay_result *replay)
{
    json_t *object =
        json_pack("{s:I, s:I, s:I}", "loops", (json_int_t)loops->count, "events",
                  (json_int_t)loops->events, "elapsed_ns", (json_int_t)loops->elapsed_ns);

    /* A cold run has no loop without the recorder to compare with. */
    if (!config->replay.cold)
        json_object_set_new(object, "slowdown", json_real(slowdown(loops, replay)));
    return object;
}

json_t *result_recorded(const struct run_config *config, const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;
    unsigned record = config->replay.record;
    json_t *object = json_object(), *latency;

    if (replay->account)
        json_object_set_new(object, "contention", recorded_loops(config, &replay->counted, replay));
    if (replay->nr_samples)
        json_object_set_new(object, "memory",
                            json_pack("{s:I, s:I}", "samples", (json_int_t)replay->nr_samples,
                                      "standing_ns", (json_int_t)replay->sampling_ns));
    if (replay->latency) {
        latency = recorded_loops(config, &replay->timed, replay);
        json_object_set_new(latency, "every",
                            json_integer(config->replay.latency_every
                                             ? (json_int_t)config->replay.latency_every
                                             : 1));
        json_object_set_new(latency, "interrupted", json_integer((json_int_t)replay->interrupted));
        json_object_set_new(object, "latency", latency);
    }
    /* On one node nothing need be looked at: then no loop was spent on it. */
    if (record & RECORD_LOCALITY)
        json_object_set_new(object, "locality",
                            replay->counted.count ? recorded_loops(config, &replay->counted, replay)
                                                  : json_object());
    if (replay->counters.present)
        json_object_set_new(object, "counters", json_true());
    json_object_set_new(object, "clock_cost_ns", json_real(replay->machine.clock.cost_ns));
    return object;
}

/* ---- contention ---- */

static void set_by_layer(json_t *object, const char *op, const uint64_t counts[LAYERS])
{
    json_t *layers = json_object();

    for (unsigned layer = 0; layer < LAYERS; layer++)
        json_object_set_new(layers, layer_name(layer), json_integer((json_int_t)counts[layer]));
    json_object_set_new(object, op, layers);
}

json_t *result_layers(const uint64_t layers[REPLAY_OPS][LAYERS])
{
    json_t *object = json_object();

    set_by_layer(object, "alloc", layers[REPLAY_ALLOC]);
    set_by_layer(object, "free", layers[REPLAY_FREE]);
    return object;
}

void result_set_lock(json_t *object, const struct lock_account *lock, double hz)
{
    json_object_set_new(object, "acquisitions", json_integer((json_int_t)lock->acquisitions));
    json_object_set_new(object, "contended", json_integer((json_int_t)lock->contended));
    json_object_set_new(object, "wait_ns", result_ns(lock->times->wait.sum, hz));
    /* Holds are sampled: the sum is the sampled mean times the acquisitions. A holder that was
     * interrupted would outweigh all others, and stands for no others. */
    if (lock->times->hold.count)
        json_object_set_new(
            object, "hold_ns",
            result_ns(
                (uint64_t)(histogram_mean_below(&lock->times->hold, replay_interrupted_cycles(hz)) *
                           (double)lock->acquisitions),
                hz));
    json_object_set_new(object, "trylock_failures",
                        json_integer((json_int_t)lock->trylock_failures));
    json_object_set_new(object, "handoffs",
                        json_pack("{s:I, s:I, s:I}", "same_cpu",
                                  (json_int_t)lock->handoffs[HANDOFF_SAME_CPU], "same_node",
                                  (json_int_t)lock->handoffs[HANDOFF_SAME_NODE], "other_node",
                                  (json_int_t)lock->handoffs[HANDOFF_OTHER_NODE]));
    if (lock->times->wait.count)
        json_object_set_new(object, "wait", result_times(&lock->times->wait, hz));
    if (lock->times->hold.count)
        json_object_set_new(object, "hold", result_times(&lock->times->hold, hz));
}

static bool lock_used(const struct lock_account *lock)
{
    return lock->acquisitions || lock->trylock_failures;
}

/* All locks of a class, in the order of the classes. NULL: no memory. */
static json_t *locks_by_class(const struct account *account, double hz)
{
    struct lock_account sums[LOCK_CLASSES] = {0};
    struct lock_times *times = result_scratch(LOCK_CLASSES, sizeof *times);
    json_t *array = times ? json_array() : NULL;

    for (unsigned class = 0; class < LOCK_CLASSES; class ++)
        sums[class].times = &times[class];
    for (unsigned i = 0; times && i < account->nr_locks; i++)
        account_merge_lock(&sums[account_lock_class((uint16_t)i)], &account->locks[i]);
    for (unsigned class = 0; times && class < LOCK_CLASSES; class ++) {
        json_t *object;

        if (!lock_used(&sums[class]))
            continue;
        object = json_pack("{s:s}", "class", lock_class_name(class));
        result_set_lock(object, &sums[class], hz);
        json_array_append_new(array, object);
    }
    result_scratch_free(times);
    return array;
}

/* Longest waiting first, then most acquisitions. */
static int hotter(const void *a, const void *b, void *context)
{
    const struct account *account = context;
    const struct lock_account *x = &account->locks[*(const uint16_t *)a];
    const struct lock_account *y = &account->locks[*(const uint16_t *)b];

    if (x->times->wait.sum != y->times->wait.sum)
        return x->times->wait.sum < y->times->wait.sum ? 1 : -1;
    return (x->acquisitions < y->acquisitions) - (x->acquisitions > y->acquisitions);
}

static json_t *hot_locks(const struct account *account, double hz)
{
    uint16_t *ids = result_scratch(account->nr_locks, sizeof *ids);
    json_t *array = ids ? json_array() : NULL;
    size_t count = 0;

    for (unsigned i = 0; ids && i < account->nr_locks; i++) {
        if (lock_used(&account->locks[i]))
            ids[count++] = (uint16_t)i;
    }
    if (ids)
        qsort_r(ids, count, sizeof *ids, hotter, (void *)account);
    for (size_t i = 0; i < count && i < HOT_LOCKS; i++) {
        json_t *object = json_pack("{s:s}", "class", lock_class_name(account_lock_class(ids[i])));
        const char *owner = account_lock_owner(ids[i]);

        if (owner)
            json_object_set_new(object, "cache", json_string(owner));
        result_set_lock(object, &account->locks[ids[i]], hz);
        json_array_append_new(array, object);
    }
    result_scratch_free(ids);
    return array;
}

void result_add_contention(json_t *record, const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;
    const struct account *account = replay->account;
    json_t *exchanges;

    /* A foreign malloc has locks and layers too, but it does not tell. */
    if (!account || !replay->layered)
        return;
    exchanges = json_object();
    json_object_set_new(record, "layers", result_layers(replay->layers));
    json_object_set_new(record, "trips", json_integer((json_int_t)account->trips));
    if (replay->counted.events)
        json_object_set_new(record, "trips_per_operation",
                            json_real((double)account->trips / (double)replay->counted.events));
    json_object_set_new(record, "locks", locks_by_class(account, replay->machine.clock.hz));
    json_object_set_new(record, "hot_locks", hot_locks(account, replay->machine.clock.hz));
    for (unsigned i = 0; i < EXCHANGE_SITES; i++)
        json_object_set_new(exchanges, exchange_site_name(i),
                            json_integer((json_int_t)account->failed_exchanges[i]));
    json_object_set_new(record, "failed_exchanges", exchanges);
}

/* ---- counters ---- */

static void set_counter(void *context, const char *name, uint64_t value)
{
    json_object_set_new(context, name, json_integer((json_int_t)value));
}

void result_add_counters(json_t *record, const struct run_report *report)
{
    const struct counter_values *counters = &report->replay.counters;
    json_t *object;

    if (!counters->present)
        return;
    object = json_object();
    counter_values_each(counters, set_counter, object);
    json_object_set_new(record, "counters", object);
}

/* ---- latency ---- */

static json_t *latency_of(const struct histogram *layers, bool layered, double hz)
{
    struct histogram *all = result_scratch(1, sizeof *all);
    json_t *object, *by_layer;

    if (!all)
        return NULL;
    for (unsigned layer = 0; layer < LAYERS; layer++)
        histogram_merge(all, &layers[layer]);
    object = result_times(all, hz);
    result_scratch_free(all);
    if (!layered)
        return object;
    by_layer = json_object();
    for (unsigned layer = 0; layer < LAYERS; layer++) {
        if (layers[layer].count)
            json_object_set_new(by_layer, layer_name(layer), result_times(&layers[layer], hz));
    }
    json_object_set_new(object, "by_layer", by_layer);
    return object;
}

void result_add_latency(json_t *record, const struct run_report *report)
{
    const struct histogram *latency = report->replay.latency;
    bool layered = !report->external && !report->harness;
    double hz = report->replay.machine.clock.hz;
    json_t *object;

    if (!latency)
        return;
    object = json_object();
    json_object_set_new(object, "alloc", latency_of(&latency[REPLAY_ALLOC * LAYERS], layered, hz));
    json_object_set_new(object, "free", latency_of(&latency[REPLAY_FREE * LAYERS], layered, hz));
    json_object_set_new(record, "latency_ns", object);
}

/* ---- memory ---- */

json_t *result_ledger(const struct ledger *ledger)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "requested",
                     (json_int_t)ledger->requested, "rounding", (json_int_t)ledger->rounding,
                     "slab_tail", (json_int_t)ledger->slab_tail, "metadata",
                     (json_int_t)ledger->metadata, "partial_free", (json_int_t)ledger->partial_free,
                     "empty_slabs", (json_int_t)ledger->empty_slabs, "cpu_cached",
                     (json_int_t)ledger->cpu_cached, "depot_cached",
                     (json_int_t)ledger->depot_cached, "emergency", (json_int_t)ledger->emergency,
                     "grace", (json_int_t)ledger->grace);
}

json_t *result_occupancy(const struct ledger *ledger)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < LEDGER_OCCUPANCIES; i++)
        json_array_append_new(array, json_integer((json_int_t)ledger->occupancy[i]));
    return array;
}

static json_t *sample_ledger(const struct replay_sample *sample)
{
    const struct ledger *ledger = &sample->ledger;
    json_t *object = result_ledger(ledger);

    json_object_set_new(object, "page_bytes", json_integer((json_int_t)ledger->page_bytes));
    json_object_set_new(object, "event", json_integer((json_int_t)sample->event));
    json_object_set_new(object, "live_objects", json_integer((json_int_t)ledger->live_objects));
    json_object_set_new(object, "slabs", json_integer((json_int_t)ledger->slabs));
    json_object_set_new(object, "occupancy", result_occupancy(ledger));
    return object;
}

json_t *result_unusable(const struct replay_sample *sample)
{
    json_t *array = json_array();

    size_t free_blocks[PAGE_MAX_ORDER + 1];

    memcpy(free_blocks, sample->free_blocks, sizeof free_blocks);
    free_blocks[0] += sample->listed_bytes / PAGE_SIZE; /* on CPUs' lists: free, one by one */
    for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++) {
        double share = fragmentation_unusable(free_blocks, PAGE_MAX_ORDER + 1, order);

        json_array_append_new(array, json_real(round(share * 1e4) / 1e4));
    }
    return array;
}

static void set_measures(json_t *object, const struct replay_result *replay)
{
    struct fragmentation_moment *moments = result_scratch(replay->nr_samples, sizeof *moments);
    struct fragmentation measures;

    for (size_t i = 0; moments && i < replay->nr_samples; i++)
        moments[i] = (struct fragmentation_moment){replay->samples[i].ledger.page_bytes,
                                                   replay->samples[i].ledger.requested};
    if (moments && fragmentation_measure(moments, replay->nr_samples,
                                         replay->first_pages.peak_bytes, &measures)) {
        json_object_set_new(object, "jw1", json_real(measures.jw1));
        json_object_set_new(object, "jw2", json_real(measures.jw2));
        json_object_set_new(object, "jw3", json_real(measures.jw3));
        json_object_set_new(object, "jw4", json_real(measures.jw4));
        json_object_set_new(object, "hoard", json_real(measures.hoard));
    }
    result_scratch_free(moments);
}

static json_t *fragmentation_section(const struct run_config *config,
                                     const struct replay_result *replay)
{
    const struct replay_sample *live = &replay->samples[replay->most_live_sample];
    json_t *object = json_pack("{s:f, s:f}", "internal", ledger_internal(&live->ledger), "external",
                               ledger_external(&live->ledger));

    set_measures(object, replay);
    if (config->one_cpu_peak_bytes)
        json_object_set_new(
            object, "blowup",
            json_real((double)replay->first_pages.peak_bytes / (double)config->one_cpu_peak_bytes));
    json_object_set_new(object, "unusable_free_index", result_unusable(live));
    return object;
}

void result_add_memory(json_t *record, const struct run_config *config,
                       const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;
    const struct page_statistics *first = &replay->first_pages;

    json_object_set_new(record, "peak_page_bytes", json_integer((json_int_t)first->peak_bytes));
    if (replay->nr_samples) {
        json_object_set_new(
            record, "ledger",
            json_pack("{s:o, s:o, s:o}", "peak",
                      sample_ledger(&replay->samples[replay->peak_sample]), "most_live",
                      sample_ledger(&replay->samples[replay->most_live_sample]), "end",
                      sample_ledger(&replay->samples[replay->nr_samples - 1])));
        json_object_set_new(record, "fragmentation", fragmentation_section(config, replay));
    } else {
        json_object_set_new(record, "ledger",
                            json_pack("{s:{s:I}, s:{s:I}}", "peak", "page_bytes",
                                      (json_int_t)first->peak_bytes, "end", "page_bytes",
                                      (json_int_t)first->held_bytes));
    }
    if (replay->loops + replay->warmup_loops > 1)
        json_object_set_new(record, "warm_peak_page_bytes",
                            json_integer((json_int_t)replay->pages.peak_bytes));
    json_object_set_new(record, "late_populated_bytes",
                        json_integer((json_int_t)replay->pages.late_bytes));
    json_object_set_new(record, "reclaimed_page_bytes",
                        json_integer((json_int_t)report->reclaimed.held_bytes));
}

/* ---- locality ---- */

/* Where pages were found to lie, of those that the system was asked for at the samples. */
static json_t *placement_section(const struct page_placement *placement, unsigned nr_nodes)
{
    json_t *by_node = json_array();

    for (unsigned i = 0; i < nr_nodes; i++)
        json_array_append_new(by_node, json_integer((json_int_t)placement->by_node[i]));
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "asked", (json_int_t)placement->asked, "right",
                     (json_int_t)placement->right, "absent", (json_int_t)placement->absent,
                     "elsewhere", (json_int_t)placement->elsewhere, "by_node", by_node);
}

json_t *result_locality(const struct run_config *config, const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;
    json_t *object = json_pack("{s:I, s:I}", "remote_cpu_frees", (json_int_t)replay->remote_frees,
                               "remote_node_frees", (json_int_t)replay->remote_node_frees);
    json_t *by_node;

    if (report->external)
        return object;
    by_node = json_array();
    for (unsigned i = 0; i < report->nr_nodes; i++)
        json_array_append_new(
            by_node, json_integer((json_int_t)(replay->first_pages.held_by_node[i] / PAGE_SIZE)));
    json_object_set_new(object, "pages_by_node", by_node);
    if (replay->placement.asked)
        json_object_set_new(object, "placement",
                            placement_section(&replay->placement, report->nr_nodes));
    /* On one node there is nothing to look at: no allocation can come from another. */
    if ((config->replay.record & RECORD_LOCALITY) && !report->harness) {
        json_object_set_new(object, "foreign_node_allocs",
                            json_integer((json_int_t)replay->foreign_allocs));
        json_object_set_new(object, "foreign_node_allocs_of",
                            json_integer((json_int_t)replay->counted_allocs));
    }
    return object;
}
