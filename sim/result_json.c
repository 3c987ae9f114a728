/* SPDX-License-Identifier: MIT */
/* Times as JSON, and memory to make it. */
#include "sim/result_json.h"

#include <math.h>
#include <string.h>

void *result_scratch(size_t count, size_t size)
{
    json_malloc_t allocate;
    json_free_t release;
    size_t bytes = count ? count * size : 1;
    void *scratch;

    json_get_alloc_funcs(&allocate, &release);
    scratch = allocate(bytes);
    return scratch ? memset(scratch, 0, bytes) : NULL;
}

void result_scratch_free(void *scratch)
{
    json_malloc_t allocate;
    json_free_t release;

    json_get_alloc_funcs(&allocate, &release);
    release(scratch);
}

static double tenths_of_ns(double cycles, double hz)
{
    return round(cycles * 1e10 / hz) / 10;
}

json_t *result_ns(uint64_t cycles, double hz)
{
    return json_real(tenths_of_ns((double)cycles, hz));
}

json_t *result_times(const struct histogram *histogram, double hz)
{
    static const struct {
        const char *key;
        double rank;
    } ranks[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}, {"p9999", 0.9999}};
    json_t *object = json_pack("{s:I}", "samples", (json_int_t)histogram->count);

    if (!object || histogram->count == 0)
        return object;
    json_object_set_new(
        object, "mean",
        json_real(tenths_of_ns((double)histogram->sum / (double)histogram->count, hz)));
    /* A percentile needs a value beyond it, or it is the maximum by another name. */
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        if ((double)histogram->count * (1 - ranks[i].rank) >= 0.999)
            json_object_set_new(object, ranks[i].key,
                                result_ns(histogram_percentile(histogram, ranks[i].rank), hz));
    }
    json_object_set_new(object, "max", result_ns(histogram->max, hz));
    return object;
}
