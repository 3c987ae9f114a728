/* SPDX-License-Identifier: MIT */
/* slablab info: what is in a trace. */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/repairs.h"
#include "traces/summary.h"

#include <argp.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHES_SHOWN 15

struct arguments {
    const char *trace;
    bool json;
};

enum key { KEY_JSON = 0x100 };

static const struct argp_option option_table[] = {
    {"json", KEY_JSON, NULL, 0, "as one JSON object, all caches in it", 0}, {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_JSON:
        arguments->json = true;
        return 0;
    }
    return command_one_trace(key, text, state, &arguments->trace);
}

static const struct argp argp = {
    option_table,
    parse_option,
    "TRACE",
    "Says what is in TRACE (- is standard input): streams, events, caches, the live set, and what "
    "the importer had to mend.\v"
    "Examples:\n"
    "  slablab info traces/samples/hackbench.slt\n"
    "  slablab info --json hackbench.slt | jq '.caches[] | select(.allocs > 1000) | .name'\n\n"
    "Counts are of what was recorded; events in the file include those that the importer inserted.",
    NULL,
    NULL,
    NULL};

/* Busiest first; name breaks ties. */
static int compare_caches(const void *a, const void *b)
{
    const struct trace_cache_summary *x = a, *y = b;
    uint64_t busy_x = x->allocs + x->frees, busy_y = y->allocs + y->frees;

    return busy_x != busy_y ? (busy_x < busy_y) - (busy_x > busy_y) : strcmp(x->name, y->name);
}

static void set_count(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

static void set_repairs(json_t *object, const struct trace_repairs *repairs)
{
    set_count(object, "null_frees", repairs->null_frees);
    set_count(object, "implied_frees", repairs->implied_frees);
    set_count(object, "never_seen_frees", repairs->never_seen_frees);
    set_count(object, "preloaded", repairs->preloaded);
    set_count(object, "refreed", repairs->refreed);
}

/* What a flag of a cache is called: in JSON, behind the cache's name, and below the table. */
static const struct {
    uint32_t flag;
    char mark;
    const char *key, *meaning;
} cache_marks[] = {
    {TRACE_CACHE_MERGED, '*', "merged",
     "several caches of the recorded kernel under one name (merged);\n  boot with slab_nomerge to "
     "tell them apart"},
    {TRACE_CACHE_CONSTRUCTED, 'c', "constructed", "its objects are constructed, and kept so"},
    {TRACE_CACHE_RCU, 'r', "rcu_type_safe",
     "type-safe under RCU: its pages go back only past a grace period"},
};
enum { CACHE_MARKS = sizeof cache_marks / sizeof *cache_marks };

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
        for (size_t mark = 0; mark < CACHE_MARKS; mark++)
            json_object_set_new(object, cache_marks[mark].key,
                                json_boolean(cache->flags & cache_marks[mark].flag));
        set_repairs(object, &cache->repairs);
        json_array_append_new(caches, object);
    }
    return caches;
}

static int print_json(const struct trace_summary *summary)
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
    code = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
    json_decref(object);
    return code ? STATUS_FAILED : STATUS_DONE;
}

static void print_caches(const struct trace_summary *summary)
{
    uint32_t flags = 0;

    printf("\n%-28s %8s %10s %10s %10s %10s\n", "cache", "size", "allocs", "frees", "peak live",
           "cross");
    for (size_t i = 0; i < summary->nr_caches && i < CACHES_SHOWN; i++) {
        const struct trace_cache_summary *cache = &summary->caches[i];
        char size[24] = "any", marks[CACHE_MARKS + 1] = "";

        if (cache->object_size)
            snprintf(size, sizeof size, "%llu", (unsigned long long)cache->object_size);
        for (size_t mark = 0; mark < CACHE_MARKS; mark++) {
            if (cache->flags & cache_marks[mark].flag)
                strncat(marks, &cache_marks[mark].mark, 1);
        }
        printf("%-*s%s %8s %10llu %10llu %10llu %10llu\n", (int)(28 - strlen(marks)), cache->name,
               marks, size, (unsigned long long)cache->allocs, (unsigned long long)cache->frees,
               (unsigned long long)cache->peak_live_objects,
               (unsigned long long)cache->cross_stream_frees);
        flags |= cache->flags;
    }
    if (summary->nr_caches > CACHES_SHOWN)
        printf("... and %zu more (--json has all)\n", summary->nr_caches - CACHES_SHOWN);
    for (size_t mark = 0; mark < CACHE_MARKS; mark++) {
        if (flags & cache_marks[mark].flag)
            printf("%c %s\n", cache_marks[mark].mark, cache_marks[mark].meaning);
    }
}

static void print_text(const char *trace, const struct trace_summary *summary)
{
    printf("%s\n", trace);
    printf("  %llu streams, %llu events over %.3f s; digest %s\n",
           (unsigned long long)summary->streams, (unsigned long long)summary->events,
           (double)summary->duration_ns * 1e-9, summary->digest);
    printf(
        "  recorded: %llu allocs, %llu frees, of these %llu from another stream than the alloc\n",
        (unsigned long long)summary->allocs, (unsigned long long)summary->frees,
        (unsigned long long)summary->cross_stream_frees);
    printf("  live: %llu objects at the peak (%.1f KiB requested), %llu at the end\n",
           (unsigned long long)summary->peak_live_objects, (double)summary->peak_live_bytes / 1024,
           (unsigned long long)summary->live_at_end);
    printf("  requested %llu bytes in all", (unsigned long long)summary->requested_bytes);
    if (summary->recorded_bytes)
        printf("; the recorded allocator gave %llu (internal fragmentation %.2f%%)",
               (unsigned long long)summary->recorded_bytes,
               100 * (1 - (double)summary->requested_bytes / (double)summary->recorded_bytes));
    printf("\n\nstreams\n");
    for (size_t i = 0; i < summary->streams; i++)
        printf("  %-12s %10llu allocs %10llu frees\n", summary->by_stream[i].name,
               (unsigned long long)summary->by_stream[i].allocs,
               (unsigned long long)summary->by_stream[i].frees);
    printf("\nmended by the importer\n");
    repairs_print(&summary->repairs, summary->events, stdout);
    print_caches(summary);
}

int cmd_info(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct trace_summary summary;
    struct error error;
    int code, status = STATUS_DONE;

    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    code = trace_summary_read(arguments.trace, &summary, &error);
    if (code)
        return command_failed(code, &error);
    qsort(summary.caches, summary.nr_caches, sizeof *summary.caches, compare_caches);
    if (arguments.json)
        status = print_json(&summary);
    else
        print_text(arguments.trace, &summary);
    trace_summary_cleanup(&summary);
    return status;
}
