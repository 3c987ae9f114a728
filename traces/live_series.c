/* SPDX-License-Identifier: MIT */
/* The live set in intervals: see live_series.h. */
#include "traces/live_series.h"

static void live_series_halve(struct live_series *series)
{
    for (size_t i = 0; i < series->count; i += 2) {
        struct live_interval one = series->intervals[i];

        if (i + 1 < series->count) {
            const struct live_interval *next = &series->intervals[i + 1];

            if (next->peak_objects > one.peak_objects)
                one.peak_objects = next->peak_objects;
            if (next->peak_bytes > one.peak_bytes)
                one.peak_bytes = next->peak_bytes;
            one.objects = next->objects;
            one.bytes = next->bytes;
            one.events += next->events;
        }
        series->intervals[i / 2] = one;
    }
    series->count = (series->count + 1) / 2;
    series->length *= 2;
}

/* The interval of this position; the new ones up to it begin with what lived till then. */
static struct live_interval *live_series_at(struct live_series *series, uint64_t position)
{
    struct live_interval next = {0};

    if (series->length == 0)
        series->length = 1;
    while (position / series->length >= LIVE_INTERVALS)
        live_series_halve(series);
    if (series->count) {
        const struct live_interval *last = &series->intervals[series->count - 1];

        next = (struct live_interval){last->objects, last->bytes, last->objects, last->bytes, 0};
    }
    while (series->count <= position / series->length)
        series->intervals[series->count++] = next;
    return &series->intervals[position / series->length];
}

void live_series_add(struct live_series *series, uint64_t position, uint64_t objects,
                     uint64_t bytes)
{
    struct live_interval *interval = live_series_at(series, position);

    interval->objects = objects;
    interval->bytes = bytes;
    if (objects > interval->peak_objects)
        interval->peak_objects = objects;
    if (bytes > interval->peak_bytes)
        interval->peak_bytes = bytes;
    interval->events++;
}
