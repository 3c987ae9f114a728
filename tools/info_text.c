/* SPDX-License-Identifier: MIT */
/* What is in a trace, for people: one screen of each thing, the whole of it is in the JSON. */
#include "tools/command.h"
#include "tools/info.h"
#include "tools/repairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CACHES_SHOWN = 15,
    STREAMS_SHOWN = 32,
    MATRIX_STREAMS = 5, /* as many columns fit a terminal of 80 */
    PAIRS_SHOWN = 12,
    SPARKS = 64 /* characters of a series */
};

typedef unsigned long long count;

void info_lives(const struct histogram by_death[PROFILE_DEATHS], struct histogram *all)
{
    *all = (struct histogram){0};
    for (size_t i = 0; i < PROFILE_DEATHS; i++)
        histogram_merge(all, &by_death[i]);
}

/* ---- numbers ---- */

const char *info_scale(char text[16], double value, double step, const char *const *units)
{
    while (value >= step * 0.9995 && units[1])
        value /= step, units++;
    if (value == floor(value) || value >= 999.5) /* 1010 B is below one KiB */
        snprintf(text, 16, "%.0f%s", value, *units);
    else
        snprintf(text, 16, "%.3g%s", value, *units);
    return text;
}

static const char *as_time(char text[16], double value_ns)
{
    static const char *const units[] = {" ns", " us", " ms", " s", NULL};

    return info_scale(text, value_ns, 1000, units);
}

static const char *as_bytes(char text[16], double bytes)
{
    static const char *const units[] = {" B", " KiB", " MiB", " GiB", " TiB", NULL};

    return info_scale(text, bytes, 1024, units);
}

static const char *as_count(char text[16], double value)
{
    static const char *const units[] = {"", "k", "M", "G", "T", NULL};

    return info_scale(text, value, 1000, units);
}

/* ---- sizes and times ---- */

/* A line for each power of two that sizes are up to, as classes of allocators are. */
static void print_sizes(const struct profile *profile, FILE *stream)
{
    static const char bar[] = "########################################";
    const struct histogram *sizes = &profile->sizes;
    char middle[16], mean[16], most[16];
    uint64_t highest = 0;

    if (!sizes->count)
        return;
    for (size_t i = 0; i <= 64; i++)
        highest = profile->sizes_upto[i] > highest ? profile->sizes_upto[i] : highest;
    fprintf(stream, "\nsizes requested: about %s in the middle, %s on average, %s at most\n",
            as_bytes(middle, (double)histogram_percentile(sizes, 0.5)),
            as_bytes(mean, (double)sizes->sum / (double)sizes->count),
            as_bytes(most, (double)sizes->max));
    for (size_t i = 0; i <= 64; i++) {
        double allocs = (double)profile->sizes_upto[i];

        if (profile->sizes_upto[i])
            fprintf(stream, "  up to %8s %10llu %5.1f%% %.*s\n", as_bytes(most, ldexp(1, (int)i)),
                    (count)profile->sizes_upto[i], 100 * allocs / (double)sizes->count,
                    (int)((double)(sizeof bar - 1) * allocs / (double)highest + 0.5), bar);
    }
}

static void print_percentiles(const char *what, const struct histogram *histogram,
                              const char *(*say)(char text[16], double value), FILE *stream)
{
    static const double ranks[] = {0.01, 0.1, 0.5, 0.9, 0.99, 0.999};
    char text[16];

    if (!histogram->count)
        return;
    fprintf(stream, "%-24s", what);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        fprintf(stream, " %8s", say(text, (double)histogram_percentile(histogram, ranks[i])));
    fprintf(stream, " %8s\n", say(text, (double)histogram->max));
}

static void print_times(const struct profile *profile, FILE *stream)
{
    struct histogram lives_ns, lives_events;

    info_lives(profile->lives_ns, &lives_ns);
    info_lives(profile->lives_events, &lives_events);
    fprintf(stream, "\n%-24s %8s %8s %8s %8s %8s %8s %8s\n", "times", "p1", "p10", "p50", "p90",
            "p99", "p99.9", "max");
    print_percentiles("  life", &lives_ns, as_time, stream);
    print_percentiles("    freed by its stream", &profile->lives_ns[PROFILE_SAME_STREAM], as_time,
                      stream);
    print_percentiles("    freed by another", &profile->lives_ns[PROFILE_OTHER_STREAM], as_time,
                      stream);
    print_percentiles("  life in events", &lives_events, as_count, stream);
    print_percentiles("  between events", &profile->gaps_ns, as_time, stream);
    print_percentiles("    of one stream", &profile->stream_gaps_ns, as_time, stream);
}

/* ---- the live set ---- */

/* Of each character's part of the series the peak; the lowest block is the lowest eighth. */
static void print_sparks(const struct live_series *series, bool bytes, uint64_t peak, FILE *stream)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    size_t sparks = series->count < SPARKS ? series->count : SPARKS;

    for (size_t spark = 0; spark < sparks; spark++) {
        uint64_t highest = 0;

        for (size_t i = spark * series->count / sparks; i < (spark + 1) * series->count / sparks;
             i++) {
            const struct live_interval *interval = &series->intervals[i];
            uint64_t value = bytes ? interval->peak_bytes : interval->peak_objects;

            highest = value > highest ? value : highest;
        }
        fputs(highest ? blocks[(size_t)(7.999 * (double)highest / (double)peak)] : " ", stream);
    }
}

static void print_live(const struct trace_summary *summary, FILE *stream)
{
    const struct profile *profile = &summary->profile;
    double duration_ns = summary->duration_ns ? (double)summary->duration_ns : 1;
    char peak[16], mean[16];

    if (!summary->peak_live_objects || profile->series.count < 2)
        return;
    fprintf(stream, "\nlive over time, 0 to %s\n", as_time(peak, (double)summary->duration_ns));
    fputs("  objects ", stream);
    print_sparks(&profile->series, false, summary->peak_live_objects, stream);
    fprintf(stream, "\n          peak %s, mean %s\n",
            as_count(peak, (double)summary->peak_live_objects),
            as_count(mean, profile->live_objects_ns / duration_ns));
    if (!summary->peak_live_bytes)
        return;
    fputs("  bytes   ", stream);
    print_sparks(&profile->series, true, summary->peak_live_bytes, stream);
    fprintf(stream, "\n          peak %s, mean %s\n",
            as_bytes(peak, (double)summary->peak_live_bytes),
            as_bytes(mean, profile->live_bytes_ns / duration_ns));
}

/* ---- streams ---- */

static void print_streams(const struct trace_summary *summary, FILE *stream)
{
    fprintf(stream, "\nstreams\n");
    for (size_t i = 0; i < summary->streams && i < STREAMS_SHOWN; i++)
        fprintf(stream, "  %-20s %10llu allocs %10llu frees\n", summary->by_stream[i].name,
                (count)summary->by_stream[i].allocs, (count)summary->by_stream[i].frees);
    if (summary->streams > STREAMS_SHOWN)
        fprintf(stream, "  ... and %llu more (--json has all)\n",
                (count)(summary->streams - STREAMS_SHOWN));
}

/* Pairs are in order of their streams. */
static void print_matrix(const struct trace_summary *summary, FILE *stream)
{
    const struct profile_pair *pairs = summary->profile.pairs; /* NULL without any */
    size_t nr_pairs = summary->profile.nr_pairs, pair = 0;

    fprintf(stream, "\n%-22s", "allocated by \\ freed by");
    for (size_t i = 0; i < summary->streams; i++)
        fprintf(stream, " %9.9s", summary->by_stream[i].name);
    for (size_t row = 0; row < summary->streams; row++) {
        fprintf(stream, "\n  %-20.20s", summary->by_stream[row].name);
        for (size_t column = 0; column < summary->streams; column++) {
            bool met = pair < nr_pairs && pairs[pair].alloc_stream == row &&
                       pairs[pair].free_stream == column;

            fprintf(stream, " %9llu", met ? (count)pairs[pair].frees : 0);
            pair += met;
        }
    }
    fputc('\n', stream);
}

static int compare_busier(const void *a, const void *b)
{
    const struct profile_pair *x = a, *y = b;

    if (x->frees != y->frees)
        return x->frees < y->frees ? 1 : -1;
    if (x->alloc_stream != y->alloc_stream)
        return x->alloc_stream < y->alloc_stream ? -1 : 1;
    return (x->free_stream > y->free_stream) - (x->free_stream < y->free_stream);
}

/* The busiest pairs of two streams. */
static void print_pairs(const struct trace_summary *summary, FILE *stream)
{
    const struct profile *profile = &summary->profile;
    struct profile_pair *pairs = calloc(profile->nr_pairs + 1, sizeof *pairs);
    size_t nr_pairs = 0;
    uint64_t frees = 0;

    if (!pairs)
        return;
    for (size_t i = 0; i < profile->nr_pairs; i++) {
        frees += profile->pairs[i].frees;
        if (profile->pairs[i].alloc_stream != profile->pairs[i].free_stream)
            pairs[nr_pairs++] = profile->pairs[i];
    }
    qsort(pairs, nr_pairs, sizeof *pairs, compare_busier);
    fprintf(stream, "\nfreed by another stream: %zu pairs met, of %llu\n", nr_pairs,
            (count)(summary->streams * (summary->streams - 1)));
    for (size_t i = 0; i < nr_pairs && i < PAIRS_SHOWN; i++)
        fprintf(stream, "  %-20.20s -> %-20.20s %10llu frees, %.1f%% of all\n",
                summary->by_stream[pairs[i].alloc_stream].name,
                summary->by_stream[pairs[i].free_stream].name, (count)pairs[i].frees,
                100 * (double)pairs[i].frees / (double)frees);
    if (nr_pairs > PAIRS_SHOWN)
        fprintf(stream, "  ... and %zu more (--json has all)\n", nr_pairs - PAIRS_SHOWN);
    free(pairs);
}

/* ---- caches ---- */

const struct info_mark info_marks[INFO_MARKS] = {
    {TRACE_CACHE_MERGED, '*', "merged",
     "several caches of the recorded kernel under one name (merged): it freed objects of\n  this "
     "cache under another's name; boot with slab_nomerge to tell them apart"},
    {TRACE_CACHE_CONSTRUCTED, 'c', "constructed", "its objects are constructed, and kept so"},
    {TRACE_CACHE_RCU, 'r', "rcu_type_safe",
     "type-safe under RCU: its pages go back only past a grace period"},
};

/* Half of its frees and more went unseen, so that it seems to hold its objects longer than it does.
 */
static bool frees_are_inferred(const struct trace_cache_summary *cache)
{
    return cache->repairs.implied_frees >= 10 && cache->repairs.implied_frees >= cache->frees;
}

static void print_inferred(const struct trace_summary *summary, FILE *stream)
{
    for (size_t i = 0; i < summary->nr_caches && i < CACHES_SHOWN; i++) {
        const struct trace_cache_summary *cache = &summary->caches[i];

        if (frees_are_inferred(cache))
            fprintf(stream,
                    "~ %s: beside the %llu frees that were recorded %llu were inferred, when an "
                    "address was\n  handed out again (kmem_cache_free_bulk and RCU's own frees are "
                    "no events): read its lives\n  and live objects as upper bounds\n",
                    cache->name, (count)cache->frees, (count)cache->repairs.implied_frees);
    }
}

static void print_caches(const struct trace_summary *summary, FILE *stream)
{
    uint32_t flags = 0;

    fprintf(stream, "\n%-28s %8s %10s %10s %10s %10s\n", "cache", "size", "allocs", "frees",
            "peak live", "cross");
    for (size_t i = 0; i < summary->nr_caches && i < CACHES_SHOWN; i++) {
        const struct trace_cache_summary *cache = &summary->caches[i];
        char size[24] = "any", marks[INFO_MARKS + 2] = "";

        if (cache->object_size)
            snprintf(size, sizeof size, "%llu", (count)cache->object_size);
        for (size_t mark = 0; mark < INFO_MARKS; mark++) {
            if (cache->flags & info_marks[mark].flag)
                marks[strlen(marks)] = info_marks[mark].mark;
        }
        if (frees_are_inferred(cache))
            marks[strlen(marks)] = '~';
        fprintf(stream, "%-*s%s %8s %10llu %10llu %10llu %10llu\n", (int)(28 - strlen(marks)),
                cache->name, marks, size, (count)cache->allocs, (count)cache->frees,
                (count)cache->peak_live_objects, (count)cache->cross_stream_frees);
        flags |= cache->flags;
    }
    if (summary->nr_caches > CACHES_SHOWN)
        fprintf(stream, "... and %zu more (--json has all)\n", summary->nr_caches - CACHES_SHOWN);
    for (size_t mark = 0; mark < INFO_MARKS; mark++) {
        if (flags & info_marks[mark].flag)
            fprintf(stream, "%c %s\n", info_marks[mark].mark, info_marks[mark].meaning);
    }
    print_inferred(summary, stream);
}

/* ---- all of it ---- */

static void print_counts(const char *trace, const struct trace_summary *summary, FILE *stream)
{
    fprintf(stream, "%s\n", trace);
    fprintf(stream, "  %llu stream%s, %llu event%s over %.3f s; digest %s\n",
            (count)summary->streams, command_plural(summary->streams), (count)summary->events,
            command_plural(summary->events), (double)summary->duration_ns * 1e-9, summary->digest);
    if (summary->preloads)
        fprintf(
            stream,
            "  of the events %llu preload objects, before the clock starts; --events of cut and "
            "replay counts the other %llu\n",
            (count)summary->preloads, (count)(summary->events - summary->preloads));
    fprintf(stream,
            "  recorded: %llu allocs, %llu frees, of these %llu from another stream than the "
            "alloc\n",
            (count)summary->allocs, (count)summary->frees, (count)summary->cross_stream_frees);
    fprintf(stream, "  live: %llu objects at the peak (%.1f KiB requested), %llu at the end\n",
            (count)summary->peak_live_objects, (double)summary->peak_live_bytes / 1024,
            (count)summary->live_at_end);
    fprintf(stream, "  requested %llu bytes in all", (count)summary->requested_bytes);
    if (summary->recorded_bytes)
        fprintf(stream, "; the recorded allocator gave %llu (internal fragmentation %.2f%%)",
                (count)summary->recorded_bytes,
                100 * (1 - (double)summary->requested_bytes / (double)summary->recorded_bytes));
    fputc('\n', stream);
}

void info_print_text(const char *trace, const struct trace_summary *summary, FILE *stream)
{
    print_counts(trace, summary, stream);
    print_streams(summary, stream);
    if (summary->streams > 1 && summary->streams <= MATRIX_STREAMS)
        print_matrix(summary, stream);
    else if (summary->streams > 1)
        print_pairs(summary, stream);
    print_sizes(&summary->profile, stream);
    print_times(&summary->profile, stream);
    print_live(summary, stream);
    fprintf(stream, "\nmended by the importer\n");
    repairs_print(&summary->repairs, summary->allocs + summary->frees + summary->repairs.null_frees,
                  NULL, stream);
    print_caches(summary, stream);
}
