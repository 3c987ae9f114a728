/* SPDX-License-Identifier: MIT */
/* Repairs in words. */
#include "tools/repairs.h"

/*
 * Allocations that were not seen are rare in a whole recording (bulk allocation): in the samples at
 * most 2 in 1,000 events; in one that lost two fifths of its events, 16.
 */
#define LOSSY_PER_MILLE 5

void repairs_print(const struct trace_repairs *repairs, uint64_t events, FILE *stream)
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
        {repairs->never_seen_frees - repairs->preloaded,
         "frees of objects never seen, kind unknown: dropped"},
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
    if (repairs->lost_events || repairs->refreed * 1000 > events * LOSSY_PER_MILLE)
        fprintf(stream, "  warning: events seem to have been lost; record with larger buffers "
                        "(perf record -m 16M, slablab record kernel --buffer-size 64M)\n");
}
