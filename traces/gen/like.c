/* SPDX-License-Identifier: MIT */
/*
 * A load like a recorded one. An object is drawn from those that were born at about that point of
 * the recording: it is of that one's kind, lives as long, and is freed by its own CPU or one as far
 * away. As many are live as were live there; that says when an event is a free, and a life says
 * which object is next. Events follow each other as fast as recorded. With more events of each CPU
 * than recorded it goes through the recording again and again; with fewer it goes through all of it
 * too, and only lives say when to free.
 */
#include "sim/error.h"
#include "traces/gen/gen.h"
#include "traces/gen/likeness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct like_options {
    struct gen_common common;
    const struct likeness *likeness;
};

/* "About that point": this part of the sample, but so many objects at least. */
enum { LIKE_PART = 128, LIKE_LEAST = 64 };
/* The live set may differ by this part of the recorded peak before lives are cut or drawn out. */
enum { LIKE_LEEWAY = 50 };
enum { LIKE_SENDS = 8 }; /* in one step at most: what is sent lives until the other's */

struct like_cpu {
    struct gen_deaths deaths; /* times are in events of the CPU */
    struct gen_deque sent;    /* by other CPUs, to be freed here */
    uint64_t events;
};

struct like {
    const struct likeness *likeness;
    uint32_t nr_cpus;
    uint32_t *types; /* by kind */
    uint64_t gaps_upto[HISTOGRAM_BUCKETS];
    struct like_cpu *cpus;
    uint64_t nr_events;
    uint64_t progress;   /* events since the recording was begun, or begun anew */
    bool hastens;        /* with fewer events of each CPU it goes through all of the recording */
    bool ending;         /* what outlived the recording is freed before it is begun anew */
    uint64_t held, live; /* objects in `deaths` of all CPUs; the same and those sent */
    uint64_t taken;      /* objects that were to be freed where they were allocated, and were not */
};

/* The first place of which the sum is above `drawn`. */
static size_t like_find(const uint64_t *upto, size_t count, uint64_t drawn)
{
    size_t low = 0, high = count - 1;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (drawn < upto[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* ---- what is drawn from ---- */

static void like_sum(const struct histogram *histogram, uint64_t *upto)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        upto[i] = sum += histogram->buckets[i];
}

/* A value from the bucket, each as likely as the next. */
static uint64_t like_value(struct generator *generator, unsigned bucket)
{
    uint64_t low = histogram_bucket_low(bucket), width = histogram_bucket_high(bucket) - low;

    return low + gen_below(generator, bucket + 1 < HISTOGRAM_BUCKETS ? width : 1);
}

/* Where in the recording the load is, in events of all streams. */
static uint64_t like_place(const struct like *like)
{
    unsigned __int128 events = (unsigned __int128)like->progress;

    if (like->hastens)
        return (uint64_t)(events * like->likeness->events / like->nr_events);
    return (uint64_t)(events * like->likeness->streams / like->nr_cpus);
}

/* An object that was born at about this place. */
static const struct likeness_life *like_draw(struct generator *generator,
                                             const struct likeness *likeness, uint64_t place)
{
    size_t low = 0, high = likeness->nr_sample, part = likeness->nr_sample / LIKE_PART, from;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (likeness->sample[middle].birth < place)
            low = middle + 1;
        else
            high = middle;
    }
    part = part < LIKE_LEAST ? LIKE_LEAST : part;
    part = part < likeness->nr_sample ? part : likeness->nr_sample;
    from = low > part / 2 ? low - part / 2 : 0;
    from = from + part < likeness->nr_sample ? from : likeness->nr_sample - part;
    return &likeness->sample[from + gen_below(generator, part)];
}

/* The CPU that frees an object: as far round the ring, in proportion to its size, either way. */
static uint32_t like_where(struct generator *generator, const struct like *like, uint64_t way,
                           uint32_t cpu)
{
    uint64_t cpus = like->nr_cpus, half = cpus / 2, recorded_half = like->likeness->streams / 2;

    if (cpus == 1 || way == 0)
        return cpu;
    if (half != recorded_half)
        way = 1 + ((way - 1) * half + gen_below(generator, half)) / recorded_half;
    return (uint32_t)((cpu + (gen_below(generator, 2) ? way : cpus - way)) % cpus);
}

/* ---- the load ---- */

static void like_stop(void *load)
{
    struct like *like = load;

    if (!like)
        return;
    for (uint32_t i = 0; like->cpus && i < like->nr_cpus; i++) {
        gen_deaths_cleanup(&like->cpus[i].deaths);
        gen_deque_cleanup(&like->cpus[i].sent);
    }
    free(like->cpus);
    free(like->types);
    free(like);
}

static int64_t like_type(struct generator *generator, const struct likeness *likeness,
                         const struct likeness_kind *kind)
{
    const struct likeness_cache *recorded = &likeness->caches[kind->cache];
    const struct trace_cache cache = {
        .name = recorded->name, .object_size = recorded->object_size, .align = recorded->align};
    const struct trace_type type = {.size = kind->size,
                                    .recorded_size = kind->recorded_size,
                                    .node = TRACE_ANY_NODE,
                                    .flags = kind->flags};

    return gen_whole_type(generator, recorded->name ? &cache : NULL, &type);
}

static int like_start(struct generator *generator, const void *options, void **load,
                      struct error *error)
{
    const struct like_options *chosen = options;
    const struct likeness *likeness = chosen->likeness;
    struct like *like = calloc(1, sizeof *like);

    (void)error;
    *load = like;
    if (!like)
        return -ENOMEM;
    like->likeness = likeness;
    like->nr_cpus = (uint32_t)chosen->common.cpus;
    like->nr_events = chosen->common.events;
    like->hastens = (unsigned __int128)like->nr_events * likeness->streams <
                    (unsigned __int128)likeness->events * like->nr_cpus;
    like->cpus = calloc(like->nr_cpus, sizeof *like->cpus);
    like->types = calloc(likeness->nr_kinds, sizeof *like->types);
    if (!like->cpus || !like->types)
        return -ENOMEM;
    for (size_t i = 0; i < likeness->nr_kinds; i++) {
        int64_t type =
            likeness->kinds[i].allocs ? like_type(generator, likeness, &likeness->kinds[i]) : 0;

        if (type < 0)
            return (int)type;
        like->types[i] = (uint32_t)type;
    }
    like_sum(&likeness->gaps_ns, like->gaps_upto);
    return 0;
}

/* One that outlived the recording dies last, when a longer load begins it anew. */
static int like_alloc(struct generator *generator, struct like *like, uint32_t number)
{
    const struct likeness *likeness = like->likeness;
    struct like_cpu *cpu = &like->cpus[number];
    const struct likeness_life *life = like_draw(generator, likeness, like_place(like));
    struct gen_death death = {
        .time = life->events == LIKENESS_OUTLIVED ? UINT64_MAX : cpu->events + life->events,
        .cpu = like_where(generator, like, life->way, number),
    };
    int code = gen_alloc_one(generator, like->types[life->kind], &death.object);

    like->held++;
    like->live++;
    return code ? code : gen_deaths_add(&cpu->deaths, death);
}

/*
 * By how much more is live than was here, times the recorded streams. CPUs count together: some
 * take few steps, with long waits.
 */
static __int128 like_excess(const struct like *like)
{
    const struct likeness *likeness = like->likeness;
    const struct live_series *series = &likeness->series;
    uint64_t place = like_place(like);
    size_t interval = place / series->length;
    int64_t before = interval ? (int64_t)series->intervals[interval - 1].objects : 0;
    int64_t after = (int64_t)series->intervals[interval].objects;
    int64_t within = (int64_t)(place % series->length), length = (int64_t)series->length;

    return (__int128)like->live * (int64_t)likeness->streams -
           (__int128)(before + (after - before) * within / length) * like->nr_cpus;
}

static __int128 like_leeway(const struct like *like)
{
    return (__int128)like->likeness->peak_live * like->nr_cpus / LIKE_LEEWAY;
}

/* Is it time to free? Lives say so, while the live set is about as large as it was. */
static bool like_must_free(const struct like *like, const struct like_cpu *cpu)
{
    bool due = gen_deaths_due(&cpu->deaths, cpu->events);
    __int128 excess;

    if (like->hastens) /* there is no time for as many to be born as were live */
        return due;
    excess = like_excess(like);
    return excess > like_leeway(like) || (due && excess >= -like_leeway(like));
}

/* Whose object a CPU frees: its own, but those of the CPU with most if it has none. */
static struct gen_deaths *like_deaths(struct like *like, uint32_t number)
{
    struct gen_deaths *deaths = &like->cpus[number].deaths;

    for (uint32_t i = 0; !like->cpus[number].deaths.count && i < like->nr_cpus; i++) {
        if (like->cpus[i].deaths.count > deaths->count)
            deaths = &like->cpus[i].deaths;
    }
    return deaths;
}

/*
 * The first object to die, freed here or sent to the CPU that frees it; 1: sent. Where a CPU frees
 * what another was to keep to itself, one that was to be sent is freed at home instead.
 */
static int like_free(struct generator *generator, struct like *like, uint32_t number)
{
    struct gen_deaths *own = &like->cpus[number].deaths, *deaths = like_deaths(like, number);
    struct gen_death death = gen_deaths_take(deaths);

    like->held--;
    if (deaths != own) {
        like->taken += &like->cpus[death.cpu].deaths == deaths;
    } else if (death.cpu != number && like->taken) {
        like->taken--;
    } else if (death.cpu != number) {
        return gen_deque_push(&like->cpus[death.cpu].sent, death.object) ? -ENOMEM : 1;
    }
    like->live--;
    return gen_free_one(generator, death.object);
}

static int like_call(struct generator *generator, struct like *like, uint32_t number)
{
    struct like_cpu *cpu = &like->cpus[number];

    if (cpu->sent.count) {
        like->live--;
        return gen_free(generator, GEN_FIFO, 1, &cpu->sent);
    }
    for (unsigned i = 0; i < LIKE_SENDS && like->held && like_must_free(like, cpu); i++) {
        int code = like_free(generator, like, number);

        if (code != 1)
            return code;
    }
    return like_alloc(generator, like, number);
}

/* A load with more events of each CPU goes through the recording again and again. */
static void like_go_on(struct like *like)
{
    if (like->ending && like_excess(like) > like_leeway(like))
        return;
    like->ending = false;
    like->progress++;
    if (!like->hastens && like_place(like) >= like->likeness->events) {
        like->progress = 0;
        like->ending = true;
    }
}

static int like_step(struct generator *generator, void *load, uint32_t number)
{
    struct like *like = load;
    uint64_t gaps = like->gaps_upto[HISTOGRAM_BUCKETS - 1];
    int code = like_call(generator, like, number);

    like->cpus[number].events++;
    like_go_on(like);
    if (gaps)
        gen_spend(generator,
                  like_value(generator, (unsigned)like_find(like->gaps_upto, HISTOGRAM_BUCKETS,
                                                            gen_below(generator, gaps))));
    return code;
}

const struct tunable likeness_parameters[] = {
    TUNABLE_NUMBER("cpus", struct likeness_options, cpus, 0, 0, 65536,
                   "CPUs, each a stream of the trace; 0: as many as the recorded streams"),
    TUNABLE_NUMBER("events", struct likeness_options, events, 0, 0, 1000000000000,
                   "events in all; 0: as many as recorded"),
    TUNABLE_NUMBER("seed", struct likeness_options, seed, 1, 0, UINT64_MAX,
                   "of all that is random"),
    {.key = NULL},
};

int generate_like(const struct likeness *likeness, const struct likeness_options *options,
                  const char *output, const struct generate_progress *progress,
                  struct generate_report *report, struct error *error)
{
    struct like_options chosen = {
        .common = {.cpus = options->cpus ? options->cpus : likeness->streams,
                   .events = options->events ? options->events : likeness->events,
                   .seed = options->seed,
                   .rate = 1000},
        .likeness = likeness,
    };
    struct workload workload = {
        .name = "like",
        .parameters = likeness_parameters, /* they are where chosen.common has them */
        .options_size = sizeof chosen,
        .start = like_start,
        .step = like_step,
        .stop = like_stop,
    };
    char source[64];

    if (!likeness->allocs)
        return error_set(error, EINVAL,
                         "there is no allocation in the trace that a load could be like");
    snprintf(source, sizeof source, "the trace of digest %s", likeness->digest);
    workload.source = source;
    return generate_trace(&workload, &chosen, output, progress, report, error);
}

_Static_assert(offsetof(struct likeness_options, cpus) == offsetof(struct gen_common, cpus) &&
                   offsetof(struct likeness_options, events) ==
                       offsetof(struct gen_common, events) &&
                   offsetof(struct likeness_options, seed) == offsetof(struct gen_common, seed),
               "likeness_parameters say what is in a gen_common too");
