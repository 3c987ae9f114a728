/* SPDX-License-Identifier: MIT */
/* Measures of fragmentation; sources in the header. */
#include "sim/fragmentation.h"

static double excess(uint64_t held, uint64_t live)
{
    return ((double)held - (double)live) / (double)live;
}

bool fragmentation_measure(const struct fragmentation_moment *moments, size_t count,
                           uint64_t peak_held_bytes, struct fragmentation *result)
{
    size_t most_live = 0, most_held = 0, living = 0;
    double sum = 0;

    for (size_t i = 0; i < count; i++) {
        if (moments[i].live_bytes > moments[most_live].live_bytes)
            most_live = i;
        if (moments[i].held_bytes > moments[most_held].held_bytes)
            most_held = i;
        if (moments[i].live_bytes) {
            sum += excess(moments[i].held_bytes, moments[i].live_bytes);
            living++;
        }
    }
    if (living == 0 || moments[most_held].live_bytes == 0)
        return false;
    *result = (struct fragmentation){
        .jw1 = sum / (double)living,
        .jw2 = excess(moments[most_live].held_bytes, moments[most_live].live_bytes),
        .jw3 = excess(moments[most_held].held_bytes, moments[most_held].live_bytes),
        .jw4 = excess(peak_held_bytes, moments[most_live].live_bytes),
        .hoard = (double)peak_held_bytes / (double)moments[most_live].live_bytes,
    };
    return true;
}

double fragmentation_unusable(const size_t *free_blocks, unsigned nr_orders, unsigned order)
{
    double free_pages = 0, usable = 0;

    for (unsigned i = 0; i < nr_orders; i++) {
        double pages = (double)free_blocks[i] * (double)((size_t)1 << i);

        free_pages += pages;
        if (i >= order)
            usable += pages;
    }
    return free_pages > 0 ? (free_pages - usable) / free_pages : 0;
}
