/* SPDX-License-Identifier: MIT */
/* What is in a trace, as one JSON object: the keys are in results/FORMAT.md. */
#include "tools/info.h"

#include <errno.h>
#include <jansson.h>

static void set_count(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void add_count(json_t *array, uint64_t value)
{
    json_array_append_new(array, json_integer((json_int_t)value));
}

static void set_repairs(json_t *object, const struct trace_repairs *repairs)
{
    set_count(object, "null_frees", repairs->null_frees);
    set_count(object, "implied_frees", repairs->implied_frees);
    set_count(object, "never_seen_frees", repairs->never_seen_frees);
    set_count(object, "preloaded", repairs->preloaded);
    set_count(object, "refreed", repairs->refreed);
}

/* ---- caches and streams ---- */

static json_t *caches_json(const struct trace_summary *summary)
{
    json_t *caches = json_array();

    for (size_t i = 0; i < summary->nr_caches; i++) {
        const struct trace_cache_summary *cache = &summary->caches[i];
        json_t *object = json_object();

        json_object_set_new(object, "name", json_string(cache->name));
        set_count(object, "object_size", cache->object_size);
        set_count(object, "allocs", cache->allocs);
        set_count(object, "frees", cache->frees);
        set_count(object, "requested_bytes", cache->requested_bytes);
        set_count(object, "recorded_bytes", cache->recorded_bytes);
        set_count(object, "peak_live_objects", cache->peak_live_objects);
        set_count(object, "cross_stream_frees", cache->cross_stream_frees);
        if (cache->align)
            set_count(object, "align", cache->align);
        for (size_t mark = 0; mark < INFO_MARKS; mark++)
            json_object_set_new(object, info_marks[mark].key,
                                json_boolean(cache->flags & info_marks[mark].flag));
        set_repairs(object, &cache->repairs);
        json_array_append_new(caches, object);
    }
    return caches;
}

static json_t *streams_json(const struct trace_summary *summary)
{
    json_t *streams = json_array();

    for (size_t i = 0; i < summary->streams; i++) {
        json_t *object = json_object();

        json_object_set_new(object, "name", json_string(summary->by_stream[i].name));
        set_count(object, "allocs", summary->by_stream[i].allocs);
        set_count(object, "frees", summary->by_stream[i].frees);
        json_array_append_new(streams, object);
    }
    return streams;
}

static json_t *pairs_json(const struct profile *profile)
{
    json_t *pairs = json_array();

    for (size_t i = 0; i < profile->nr_pairs; i++) {
        const struct profile_pair *pair = &profile->pairs[i];
        json_t *object = json_object();

        set_count(object, "alloc_stream", pair->alloc_stream);
        set_count(object, "free_stream", pair->free_stream);
        set_count(object, "frees", pair->frees);
        set_count(object, "requested_bytes", pair->requested_bytes);
        json_array_append_new(pairs, object);
    }
    return pairs;
}

/* ---- distributions ---- */

static json_t *percentiles_json(const struct histogram *histogram)
{
    static const struct {
        const char *key;
        double rank;
    } ranks[] = {{"p1", 0.01},  {"p10", 0.1}, {"p25", 0.25}, {"p50", 0.5},
                 {"p75", 0.75}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    json_t *object = json_object();

    set_count(object, "count", histogram->count);
    if (!histogram->count)
        return object;
    json_object_set_new(object, "mean",
                        json_real((double)histogram->sum / (double)histogram->count));
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        set_count(object, ranks[i].key, histogram_percentile(histogram, ranks[i].rank));
    set_count(object, "max", histogram->max);
    return object;
}

/* Buckets with something in them, [low, high, count]. */
static json_t *buckets_json(const struct histogram *histogram)
{
    json_t *buckets = json_array();

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        json_t *bucket;

        if (!histogram->buckets[i])
            continue;
        bucket = json_array();
        add_count(bucket, histogram_bucket_low(i));
        add_count(bucket, histogram_bucket_high(i) - 1);
        add_count(bucket, histogram->buckets[i]);
        json_array_append_new(buckets, bucket);
    }
    return buckets;
}

static json_t *distribution_json(const struct histogram *histogram)
{
    json_t *object = percentiles_json(histogram);

    json_object_set_new(object, "buckets", buckets_json(histogram));
    return object;
}

static json_t *lives_json(const struct histogram by_death[PROFILE_DEATHS])
{
    struct histogram all;
    json_t *object;

    info_lives(by_death, &all);
    object = distribution_json(&all);
    json_object_set_new(object, "same_stream", distribution_json(&by_death[PROFILE_SAME_STREAM]));
    json_object_set_new(object, "other_stream", distribution_json(&by_death[PROFILE_OTHER_STREAM]));
    return object;
}

static json_t *series_json(const struct live_series *series)
{
    static const char *const keys[] = {"objects", "bytes", "peak_objects", "peak_bytes", "events"};
    json_t *object = json_object();

    set_count(object, "interval_ns", series->length);
    for (size_t key = 0; key < sizeof keys / sizeof *keys; key++) {
        json_t *column = json_array();

        for (size_t i = 0; i < series->count; i++) {
            const struct live_interval *interval = &series->intervals[i];
            const uint64_t values[] = {interval->objects, interval->bytes, interval->peak_objects,
                                       interval->peak_bytes, interval->events};

            add_count(column, values[key]);
        }
        json_object_set_new(object, keys[key], column);
    }
    return object;
}

static void set_profile(json_t *object, const struct trace_summary *summary)
{
    const struct profile *profile = &summary->profile;

    if (summary->duration_ns) {
        double duration_ns = (double)summary->duration_ns;

        json_object_set_new(object, "mean_live_objects",
                            json_real(profile->live_objects_ns / duration_ns));
        json_object_set_new(object, "mean_live_bytes",
                            json_real(profile->live_bytes_ns / duration_ns));
    }
    json_object_set_new(object, "size_bytes", distribution_json(&profile->sizes));
    json_object_set_new(object, "lifetime_ns", lives_json(profile->lives_ns));
    json_object_set_new(object, "lifetime_events", lives_json(profile->lives_events));
    json_object_set_new(object, "gap_ns", percentiles_json(&profile->gaps_ns));
    json_object_set_new(object, "stream_gap_ns", percentiles_json(&profile->stream_gaps_ns));
    json_object_set_new(object, "live_over_time", series_json(&profile->series));
    json_object_set_new(object, "by_stream", streams_json(summary));
    json_object_set_new(object, "stream_pairs", pairs_json(profile));
}

/* ---- all of it ---- */

int info_print_json(const struct trace_summary *summary, FILE *stream)
{
    json_t *object = json_object();
    int code;

    set_count(object, "streams", summary->streams);
    set_count(object, "events", summary->events);
    set_count(object, "allocs", summary->allocs);
    set_count(object, "frees", summary->frees);
    set_count(object, "unmatched_frees", summary->unmatched_frees);
    set_repairs(object, &summary->repairs);
    set_count(object, "lost_events", summary->repairs.lost_events);
    set_count(object, "skipped_records", summary->repairs.skipped_records);
    set_count(object, "cross_stream_frees", summary->cross_stream_frees);
    set_count(object, "peak_live_objects", summary->peak_live_objects);
    set_count(object, "peak_live_bytes", summary->peak_live_bytes);
    set_count(object, "live_at_end", summary->live_at_end);
    set_count(object, "requested_bytes", summary->requested_bytes);
    set_count(object, "recorded_bytes", summary->recorded_bytes);
    if (summary->recorded_bytes)
        json_object_set_new(
            object, "internal_fragmentation",
            json_real(1 - (double)summary->requested_bytes / (double)summary->recorded_bytes));
    set_count(object, "duration_ns", summary->duration_ns);
    json_object_set_new(object, "digest", json_string(summary->digest));
    json_object_set_new(object, "provenance", json_loads(summary->provenance, 0, NULL));
    json_object_set_new(object, "caches", caches_json(summary));
    set_profile(object, summary);
    code = json_dumpf(object, stream, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(object);
    return code || fputc('\n', stream) == EOF ? -EIO : 0;
}
