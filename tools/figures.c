/* SPDX-License-Identifier: MIT */
/* Figures of a run, some of which take more than a look at one key of its record. */
#include "tools/figures.h"

#include "sim/error.h"
#include "tools/list_option.h"
#include "tools/record.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LATENCY_FIGURE(op, value)                                                                  \
    static double latency_##op##_##value(const json_t *run)                                        \
    {                                                                                              \
        return record_number(run, "latency_ns." #op "." #value);                                   \
    }
#define LATENCY_ENTRY(op, value, words)                                                            \
    {                                                                                              \
        "latency_ns." #op "." #value, words, "ns", 1, false, "times the latency",                  \
            latency_##op##_##value                                                                 \
    }

LATENCY_FIGURE(alloc, p50)
LATENCY_FIGURE(alloc, p90)
LATENCY_FIGURE(alloc, p99)
LATENCY_FIGURE(alloc, p999)
LATENCY_FIGURE(free, p50)
LATENCY_FIGURE(free, p90)
LATENCY_FIGURE(free, p99)
LATENCY_FIGURE(free, p999)

static const struct figure figures[] = {
    {"throughput", "throughput", "M events/s", 1e-6, true, "times as fast", figure_throughput},
    {"ns_per_event", "one thread's time for an event", "ns", 1, false, "times the time",
     figure_ns_per_event},
    {"peak_bytes", "most memory ever held", "KiB", 1. / 1024, false, "times the memory",
     figure_peak_bytes},
    {"resting_bytes", "memory held beyond live objects when most is live", "KiB", 1. / 1024, false,
     "times the resting memory", figure_resting_bytes},
    {"waiting", "time spent waiting for locks", "%", 100, false, "times the share",
     figure_waiting_share},
    {"beyond", "operations beyond the CPU's own layer", "%", 100, false, "times the share",
     figure_beyond_share},
    {"overhead", "memory not asked for when most is live", "%", 100, false, "times the share",
     figure_overhead_share},
    {"remote", "frees on another CPU than the allocation", "%", 100, false, "times the share",
     figure_remote_share},
    LATENCY_ENTRY(alloc, p50, "median time of an allocation"),
    LATENCY_ENTRY(alloc, p90, "time within which 90% of allocations end"),
    LATENCY_ENTRY(alloc, p99, "time within which 99% of allocations end"),
    LATENCY_ENTRY(alloc, p999, "time within which 99.9% of allocations end"),
    LATENCY_ENTRY(free, p50, "median time of a free"),
    LATENCY_ENTRY(free, p90, "time within which 90% of frees end"),
    LATENCY_ENTRY(free, p99, "time within which 99% of frees end"),
    LATENCY_ENTRY(free, p999, "time within which 99.9% of frees end"),
};
#define FIGURES (sizeof figures / sizeof figures[0])

const struct figure *figure_at(size_t i)
{
    return i < FIGURES ? &figures[i] : NULL;
}

const struct figure *figure_find(const char *name)
{
    for (size_t i = 0; i < FIGURES; i++) {
        if (strcmp(figures[i].name, name) == 0)
            return &figures[i];
    }
    return NULL;
}

int figures_parse(const char *text, struct word_list *names, struct error *error)
{
    size_t before = names->count;
    int code = word_list_parse(text, names, error);

    for (size_t i = before; code == 0 && i < names->count; i++) {
        char known[512] = "";

        for (size_t j = 0; figure_at(j); j++)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", j ? ", " : "",
                     figure_at(j)->name);
        if (!figure_find(names->words[i]))
            code =
                error_set(error, EINVAL, "no figure '%s'; there are: %s", names->words[i], known);
    }
    return code;
}

double figure_throughput(const json_t *run)
{
    return record_number(run, "events_per_second");
}

double figure_ns_per_event(const json_t *run)
{
    return record_number(run, "ns_per_event");
}

double figure_peak_bytes(const json_t *run)
{
    double bytes = record_number(run, "peak_page_bytes");

    /* Records of before there was a ledger say it there. */
    return isnan(bytes) ? record_number(run, "ledger.peak.page_bytes") : bytes;
}

/* In the loops that recorded it. */
double figure_waiting_share(const json_t *run)
{
    double time =
        record_number(run, "recorded.contention.elapsed_ns") * record_number(run, "threads");
    const json_t *locks = record_at(run, "locks"), *lock;
    double waited = 0;
    size_t i;

    if (!locks)
        return NAN;
    json_array_foreach(locks, i, lock) waited += record_number(lock, "wait_ns");
    return waited / time;
}

double figure_beyond_share(const json_t *run)
{
    static const char *const ops[] = {"layers.alloc", "layers.free"};
    double own = 0, all = 0;

    for (size_t i = 0; i < 2; i++) {
        const json_t *layers = record_at(run, ops[i]), *value;
        const char *key;

        if (!layers)
            return NAN;
        own += record_number(layers, "cpu");
        json_object_foreach((json_t *)layers, key, value) all += json_number_value(value);
    }
    return all > 0 ? 1 - own / all : NAN;
}

double figure_overhead_share(const json_t *run)
{
    return 1 - record_number(run, "ledger.most_live.requested") /
                   record_number(run, "ledger.most_live.page_bytes");
}

double figure_resting_bytes(const json_t *run)
{
    return record_number(run, "ledger.most_live.page_bytes") -
           record_number(run, "ledger.most_live.requested") -
           record_number(run, "ledger.most_live.rounding");
}

double figure_remote_share(const json_t *run)
{
    return record_number(run, "locality.remote_cpu_frees") /
           (record_number(run, "trace.frees") * record_number(run, "replicas") *
            record_number(run, "loops"));
}
