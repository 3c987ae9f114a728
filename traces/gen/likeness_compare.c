/* SPDX-License-Identifier: MIT */
/* How far the distributions of two traces are apart: see likeness.h. */
#include "traces/gen/likeness.h"

#include <math.h>
#include <string.h>

static double likeness_share(uint64_t part, uint64_t all)
{
    return all ? (double)part / (double)all : 0;
}

/* Kolmogorov and Smirnov: the largest difference of the cumulative shares, at the buckets' ends. */
static double likeness_kolmogorov(const struct histogram *a, const struct histogram *b)
{
    uint64_t sum_a = 0, sum_b = 0;
    double largest = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum_a += a->buckets[i];
        sum_b += b->buckets[i];
        largest =
            fmax(largest, fabs(likeness_share(sum_a, a->count) - likeness_share(sum_b, b->count)));
    }
    return largest;
}

/* Total variation: half the sum of the differences of the shares. */
static double likeness_variation(const struct histogram *a, const struct histogram *b)
{
    double sum = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum +=
            fabs(likeness_share(a->buckets[i], a->count) - likeness_share(b->buckets[i], b->count));
    return sum / 2;
}

static bool likeness_kinds_equal(const struct likeness *a, const struct likeness_kind *x,
                                 const struct likeness *b, const struct likeness_kind *y)
{
    const char *name = a->caches[x->cache].name, *other = b->caches[y->cache].name;

    if (x->size != y->size || x->flags != y->flags || !name != !other)
        return false;
    return !name || strcmp(name, other) == 0;
}

/* Of all allocations of `in`, the share of this kind of `of`. */
static double likeness_kind_share(const struct likeness *in, const struct likeness *of,
                                  const struct likeness_kind *kind)
{
    uint64_t allocs = 0;

    for (size_t i = 0; i < in->nr_kinds; i++) {
        if (likeness_kinds_equal(in, &in->kinds[i], of, kind))
            allocs += in->kinds[i].allocs;
    }
    return likeness_share(allocs, in->allocs);
}

/* Is there an equal kind before this one? Types that differ by node only are. */
static bool likeness_is_repeated(const struct likeness *likeness, size_t kind)
{
    for (size_t i = 0; i < kind; i++) {
        if (likeness_kinds_equal(likeness, &likeness->kinds[i], likeness, &likeness->kinds[kind]))
            return true;
    }
    return false;
}

/* The excess of one over the other, which is the total variation too. */
static double likeness_kinds_variation(const struct likeness *a, const struct likeness *b)
{
    double sum = 0;

    for (size_t i = 0; i < a->nr_kinds; i++) {
        if (!likeness_is_repeated(a, i))
            sum += fmax(0, likeness_kind_share(a, a, &a->kinds[i]) -
                               likeness_kind_share(b, a, &a->kinds[i]));
    }
    return sum;
}

static double likeness_remote(const struct likeness *likeness)
{
    return 1 - likeness_share(likeness->distances.buckets[0], likeness->distances.count);
}

static double likeness_mean_size(const struct likeness *likeness)
{
    double bytes = 0;

    for (size_t i = 0; i < likeness->nr_kinds; i++)
        bytes += (double)likeness->kinds[i].size * (double)likeness->kinds[i].allocs;
    return likeness->allocs ? bytes / (double)likeness->allocs : 0;
}

static struct likeness_distance likeness_of(const char *what, const struct histogram *recorded,
                                            const struct histogram *generated)
{
    return (struct likeness_distance){
        what, "Kolmogorov-Smirnov", likeness_kolmogorov(recorded, generated),
        (double)histogram_percentile(recorded, 0.5), (double)histogram_percentile(generated, 0.5)};
}

static struct likeness_distance likeness_ratio(const char *what, double recorded, double generated)
{
    return (struct likeness_distance){what, recorded > 0 ? "relative difference" : NULL,
                                      recorded > 0 ? fabs(generated / recorded - 1) : 0, recorded,
                                      generated};
}

/*
 * Live objects per CPU after this many events per CPU; a series says what there is in between. Its
 * last interval need not be full.
 */
static double likeness_live_at(const struct likeness *likeness, double events)
{
    const struct live_series *series = &likeness->series;
    double place, before, after, within;
    size_t interval;

    if (!series->count)
        return 0;
    place = events * (double)likeness->streams;
    interval = (size_t)(place / (double)series->length);
    if (interval >= series->count)
        interval = series->count - 1;
    before = interval ? (double)series->intervals[interval - 1].objects : 0;
    after = (double)series->intervals[interval].objects;
    within = (place - (double)interval * (double)series->length) /
             (double)series->intervals[interval].events;
    return (before + (after - before) * fmin(within, 1)) / (double)likeness->streams;
}

/*
 * How far the two live sets are apart over one time through the recording: of the area below either
 * curve, the part that is not below both. That time takes the generated load as many events of a
 * CPU as were recorded, and what follows is the recording anew; or all the events it has, if those
 * are fewer.
 */
static struct likeness_distance likeness_shapes(const struct likeness *recorded,
                                                const struct likeness *generated)
{
    enum { POINTS = 1000 };
    double a = likeness_share(recorded->events, recorded->streams);
    double b = fmin(a, likeness_share(generated->events, generated->streams));
    double either = 0, both = 0;

    for (unsigned i = 0; i < POINTS; i++) {
        double part = (i + 0.5) / POINTS;
        double was = likeness_live_at(recorded, part * a);
        double is = likeness_live_at(generated, part * b);

        either += fmax(was, is);
        both += fmin(was, is);
    }
    return (struct likeness_distance){
        "objects live over the recording (at its end)", either > 0 ? "area not shared" : NULL,
        either > 0 ? 1 - both / either : 0, likeness_live_at(recorded, a),
        likeness_live_at(generated, b)};
}

void likeness_compare(const struct likeness *recorded, const struct likeness *generated,
                      struct likeness_distance distances[LIKENESS_DISTANCES])
{
    bool rings = recorded->streams == generated->streams;

    distances[0] =
        (struct likeness_distance){"kinds: cache and size (mean bytes)", "total variation",
                                   likeness_kinds_variation(recorded, generated),
                                   likeness_mean_size(recorded), likeness_mean_size(generated)};
    distances[1] =
        likeness_of("life in events of its CPU (median)", &recorded->lives, &generated->lives);
    distances[2] = likeness_of("life in ns (median)", &recorded->lives_ns, &generated->lives_ns);
    distances[3] =
        likeness_of("ns between events of a CPU (median)", &recorded->gaps_ns, &generated->gaps_ns);
    distances[4] = (struct likeness_distance){
        "distance of alloc and free (share remote)", rings ? "total variation" : NULL,
        rings ? likeness_variation(&recorded->distances, &generated->distances) : 0,
        likeness_remote(recorded), likeness_remote(generated)};
    distances[5] =
        likeness_ratio("objects live, mean, per CPU",
                       likeness_share(recorded->live_sum, recorded->events * recorded->streams),
                       likeness_share(generated->live_sum, generated->events * generated->streams));
    distances[6] = likeness_ratio("objects live, peak, per CPU",
                                  likeness_share(recorded->peak_live, recorded->streams),
                                  likeness_share(generated->peak_live, generated->streams));
    distances[7] = likeness_shapes(recorded, generated);
    distances[8] = likeness_ratio("allocations among events (share)",
                                  likeness_share(recorded->allocs, recorded->events),
                                  likeness_share(generated->allocs, generated->events));
}
