/* SPDX-License-Identifier: MIT */
/* The side file of a result: what is too long for its line. */
#include "sim/driver.h"
#include "sim/lock.h"
#include "sim/result_accounts.h"
#include "sim/result_json.h"

#include <stddef.h>

/* Columns of the samples that are members of the ledger. */
static const struct {
    const char *name;
    size_t offset;
} columns[] = {
    {"requested", offsetof(struct ledger, requested)},
    {"rounding", offsetof(struct ledger, rounding)},
    {"slab_tail", offsetof(struct ledger, slab_tail)},
    {"metadata", offsetof(struct ledger, metadata)},
    {"partial_free", offsetof(struct ledger, partial_free)},
    {"empty_slabs", offsetof(struct ledger, empty_slabs)},
    {"cpu_cached", offsetof(struct ledger, cpu_cached)},
    {"depot_cached", offsetof(struct ledger, depot_cached)},
    {"emergency", offsetof(struct ledger, emergency)},
    {"grace", offsetof(struct ledger, grace)},
    {"page_bytes", offsetof(struct ledger, page_bytes)},
    {"live_objects", offsetof(struct ledger, live_objects)},
    {"slabs", offsetof(struct ledger, slabs)},
};

static json_t *ledger_column(const struct replay_result *replay, size_t offset)
{
    json_t *column = json_array();

    for (size_t i = 0; i < replay->nr_samples; i++) {
        const char *ledger = (const char *)&replay->samples[i].ledger;

        json_array_append_new(column,
                              json_integer((json_int_t) * (const uint64_t *)(ledger + offset)));
    }
    return column;
}

static json_t *samples_section(const struct replay_result *replay)
{
    json_t *object = json_object(), *events = json_array(), *times = json_array();
    json_t *unusable = json_array(), *listed = json_array(), *occupancy = json_array();

    for (size_t i = 0; i < replay->nr_samples; i++) {
        const struct replay_sample *sample = &replay->samples[i];

        json_array_append_new(events, json_integer((json_int_t)sample->event));
        json_array_append_new(times, json_integer((json_int_t)sample->time_ns));
        json_array_append_new(unusable, result_unusable(sample));
        json_array_append_new(listed, json_integer((json_int_t)sample->listed_bytes));
        json_array_append_new(occupancy, result_occupancy(&sample->ledger));
    }
    json_object_set_new(object, "event", events);
    json_object_set_new(object, "time_ns", times);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        json_object_set_new(object, columns[i].name, ledger_column(replay, columns[i].offset));
    json_object_set_new(object, "listed_bytes", listed);
    json_object_set_new(object, "occupancy", occupancy);
    json_object_set_new(object, "unusable_free_index", unusable);
    return object;
}

/* Buckets that hold something: [lower bound in ns, count]. */
static json_t *buckets(const struct histogram *histogram, double hz)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->buckets[i])
            json_array_append_new(array, json_pack("[o, I]", result_ns(histogram_bucket_low(i), hz),
                                                   (json_int_t)histogram->buckets[i]));
    }
    return array;
}

static json_t *latency_section(const struct replay_result *replay)
{
    static const char *const ops[REPLAY_OPS] = {"alloc", "free"};
    json_t *object = json_object();

    for (unsigned op = 0; op < REPLAY_OPS; op++) {
        json_t *layers = json_object();

        for (unsigned layer = 0; layer < LAYERS; layer++) {
            const struct histogram *histogram = &replay->latency[op * LAYERS + layer];

            if (histogram->count)
                json_object_set_new(layers, layer_name(layer),
                                    buckets(histogram, replay->machine.clock.hz));
        }
        json_object_set_new(object, ops[op], layers);
    }
    return object;
}

static json_t *locks_section(const struct account *account, double hz)
{
    json_t *array = json_array();

    for (unsigned i = 0; i < account->nr_locks; i++) {
        const struct lock_account *lock = &account->locks[i];
        const char *owner = account_lock_owner((uint16_t)i);
        json_t *object;

        if (lock->acquisitions == 0)
            continue;
        object = json_pack("{s:s}", "class", lock_class_name(account_lock_class((uint16_t)i)));
        if (owner)
            json_object_set_new(object, "cache", json_string(owner));
        json_object_set_new(object, "acquisitions", json_integer((json_int_t)lock->acquisitions));
        json_object_set_new(object, "contended", json_integer((json_int_t)lock->contended));
        json_object_set_new(object, "wait", buckets(&lock->times->wait, hz));
        json_object_set_new(object, "hold", buckets(&lock->times->hold, hz));
        json_array_append_new(array, object);
    }
    return array;
}

json_t *result_series(const json_t *record, const struct run_report *report)
{
    static const char *const copied[] = {"run", "allocator", "magazine_size", "threads", "repeat"};
    const struct replay_result *replay = &report->replay;
    json_t *object = json_pack("{s:s}", "schema", RESULT_SERIES_SCHEMA);

    for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++) {
        json_t *value = json_object_get(record, copied[i]);

        if (value)
            json_object_set(object, copied[i], value);
    }
    if (replay->nr_samples)
        json_object_set_new(object, "samples", samples_section(replay));
    if (replay->latency)
        json_object_set_new(object, "latency_ns", latency_section(replay));
    if (replay->account && replay->layered)
        json_object_set_new(object, "locks",
                            locks_section(replay->account, replay->machine.clock.hz));
    return object;
}
