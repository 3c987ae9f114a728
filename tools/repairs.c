/* SPDX-License-Identifier: MIT */
/* Repairs in words. */
#include "tools/repairs.h"

/*
 * Allocations that were not seen are rare in a whole recording (bulk allocation): in the samples at
 * most 2 in 1,000 events; in one that lost two fifths of its events, 16.
 */
#define LOSSY_PER_MILLE 5

uint64_t repairs_recorded(const struct trace_repairs *repairs, uint64_t written)
{
    uint64_t inserted = repairs->preloaded + repairs->refreed + repairs->implied_frees;

    return (written > inserted ? written - inserted : 0) + repairs->null_frees +
           trace_repairs_dropped(repairs);
}

static void warn_of_losses(const struct trace_repairs *repairs, uint64_t recorded,
                           const char *advice, FILE *stream)
{
    uint64_t lost = repairs->lost_events, all = recorded + lost;

    if (lost)
        fprintf(stream,
                "  warning: the recording is not whole: %.3g%% of all events were lost, %llu of "
                "%llu; %s\n",
                100 * (double)lost / (double)all, (unsigned long long)lost, (unsigned long long)all,
                advice);
    else if (repairs->refreed * 1000 > recorded * LOSSY_PER_MILLE)
        fprintf(stream,
                "  warning: events seem to have been lost, though the recorder counted none; %s\n",
                advice);
}

void repairs_print(const struct trace_repairs *repairs, uint64_t recorded, const char *advice,
                   FILE *stream)
{
    const struct {
        uint64_t count;
        const char *what;
    } lines[] = {
        {repairs->lost_events, "events lost by the recorder, as it says itself"},
        {repairs->null_frees, "frees of nothing (null): dropped"},
        {repairs->implied_frees,
         "frees untraced (the address was handed out again, or its process ended): inserted"},
        {repairs->preloaded, "frees of objects older than the recording: allocated beforehand"},
        {trace_repairs_dropped(repairs),
         "frees of objects never seen: dropped (kind unknown, or --unmatched drop)"},
        {repairs->refreed, "allocs untraced (the address was freed again): inserted half-way"},
        {repairs->skipped_records, "records that are no allocation event: skipped"},
    };
    bool any = false;

    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lines[i].count == 0)
            continue;
        fprintf(stream, "  %10llu  %s\n", (unsigned long long)lines[i].count, lines[i].what);
        any = true;
    }
    if (!any)
        fprintf(stream, "  nothing to mend\n");
    warn_of_losses(repairs, recorded,
                   advice ? advice
                          : "record again with larger buffers (perf record -m 64M, slablab record "
                            "kernel --buffer-size 64M)",
                   stream);
}
