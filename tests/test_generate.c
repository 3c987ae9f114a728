/* SPDX-License-Identifier: MIT */
/* Generated loads: each is a trace by the format's rules, repeatable, and what its source says. */
#include "traces/gen/generate.h"

#include "sim/error.h"
#include "traces/summary.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/slablab-generate-XXXXXX";
static struct error error;
static struct trace_summary summary;
static struct trace_event *events;
static size_t nr_events;

static int make_file(void **state)
{
    int file = mkstemp(path);

    (void)state;
    return file < 0 ? -1 : close(file);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static int forget(void **state)
{
    (void)state;
    trace_summary_cleanup(&summary);
    summary = (struct trace_summary){0};
    free(events);
    events = NULL;
    return 0;
}

/* ---- making and reading ---- */

/* Generates `name` with "key=value key=value ..."; the errno. */
static int try_generate(const char *name, const char *settings)
{
    const struct workload *workload;
    char words[256];
    void *options;
    int code;

    assert_int_equal(workload_find(name, &workload, &error), 0);
    options = workload_options(workload);
    snprintf(words, sizeof words, "%s", settings);
    code = 0;
    for (char *word = strtok(words, " "); word && !code; word = strtok(NULL, " ")) {
        char *value = strchr(word, '=');

        *value++ = '\0';
        code = tunable_set(workload->name, workload->parameters, options, word, value, &error);
    }
    if (!code)
        code = generate_trace(workload, options, path, NULL, NULL, &error);
    free(options);
    return code;
}

static void read_events(void)
{
    struct trace_reader *reader;
    ssize_t count;

    events = malloc(summary.events * sizeof *events);
    nr_events = 0;
    assert_int_equal(trace_open(path, &reader, &error), 0);
    while ((count = trace_read(reader, events + nr_events, summary.events - nr_events, &error)) > 0)
        nr_events += (size_t)count;
    assert_int_equal(count, 0);
    trace_close(reader);
}

/* What `name` makes of the settings: in `summary` and `events`. */
static void generate(const char *name, const char *settings)
{
    forget(NULL);
    if (try_generate(name, settings) || trace_summary_read(path, &summary, &error))
        fail_msg("%s %s: %s", name, settings, error.text);
    read_events();
}

static void assert_refused(const char *name, const char *settings, const char *words)
{
    assert_true(try_generate(name, settings) < 0);
    if (!strstr(error.text, words))
        fail_msg("'%s' is not in: %s", words, error.text);
}

/* ---- all of them ---- */

static void every_workload_keeps_the_rules_and_the_count(void **state)
{
    static const char *const cpus[] = {"2", "4", "16"};
    static const char *const counts[] = {"1", "777", "20000"};
    size_t count;
    const struct workload *const *all = workload_all(&count);

    (void)state;
    assert_int_equal(count, 16);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < 3; k++) {
            char settings[64];

            snprintf(settings, sizeof settings, "cpus=%s events=%s", cpus[k], counts[k]);
            generate(all[i]->name, settings);
            assert_int_equal(summary.events, strtoull(counts[k], NULL, 10));
            assert_int_equal(summary.allocs + summary.frees, summary.events);
            assert_int_equal(summary.unmatched_frees, 0);
            assert_int_equal(summary.streams, strtoull(cpus[k], NULL, 10));
        }
    }
}

static void a_seed_says_every_byte(void **state)
{
    size_t count;
    const struct workload *const *all = workload_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        char first[33], second[33];

        generate(all[i]->name, "events=5000 seed=7");
        strcpy(first, summary.digest);
        generate(all[i]->name, "events=5000 seed=7");
        strcpy(second, summary.digest);
        assert_string_equal(first, second);
        generate(all[i]->name, "events=5000 seed=8");
        assert_string_not_equal(first, summary.digest);
    }
}

/* Times come of integers only, so they are these on every machine and with every C library. */
static void the_bytes_are_the_same_everywhere(void **state)
{
    (void)state;
    generate("mixed", "events=1000 seed=1");
    assert_int_equal(events[0].time_ns, 0);
    assert_int_equal(summary.duration_ns, 464178);
    assert_int_equal(summary.requested_bytes, 182728);
}

static void the_rate_is_the_mean_between_events_of_a_cpu(void **state)
{
    (void)state;
    generate("pairs", "events=100000 cpus=4 rate=500");
    assert_in_range(summary.duration_ns, 100000 / 4 * 490, 100000 / 4 * 510);
}

static void a_wrong_parameter_is_refused_with_its_range(void **state)
{
    (void)state;
    assert_refused("pairs", "hold=0", "it can be 1 to 1000000000");
    assert_refused("pairs", "order=random", "lifo or fifo or shuffled");
    assert_refused("pairs", "cpus=65537", "1 to 65536");
    assert_refused("burst", "bulk=1025", "1 to 1024");
    assert_refused("producer-consumer", "cpus=1", "2 to 65536");
    assert_refused("producer-consumer", "cpus=3", "an even number");
    assert_refused("producer-consumer", "batch=64 lag=63", "it can be 64");
    assert_refused("xmalloc", "cpus=4 producers=4", "it can be 1 to 3");
    assert_refused("larson", "min-size=100 max-size=99", "it can be 100 to 131072");
    assert_refused("sawtooth", "low=5 high=5", "it can be 6 to");
    assert_refused("working-set", "low=47 high=37", "it can be 48 to");
    assert_refused("boundary", "full=0 offset=0", "1 or more");
    assert_refused("network-receive", "cpus=4 receivers=4", "it can be 1 to 3");
    assert_refused("mixed", "shortest=10 longest=9", "it can be 10 to");
}

static void an_unknown_workload_is_refused_with_those_there_are(void **state)
{
    const struct workload *workload;

    (void)state;
    assert_int_equal(workload_find("nonsense", &workload, &error), -ENOENT);
    assert_non_null(strstr(error.text, "pairs, boundary"));
    assert_non_null(strstr(error.text, "working-set, mixed"));
}

static void a_folder_cannot_be_written(void **state)
{
    const struct workload *workload;
    void *options;

    (void)state;
    assert_int_equal(workload_find("pairs", &workload, &error), 0);
    options = workload_options(workload);
    assert_int_equal(generate_trace(workload, options, "/tmp", NULL, NULL, &error), -EISDIR);
    assert_non_null(strstr(error.text, "/tmp"));
    free(options);
}

/* ---- loads in waves ---- */

static void pairs_hold_what_they_are_told(void **state)
{
    (void)state;
    generate("pairs", "cpus=8 events=10000");
    assert_int_equal(summary.peak_live_objects, 8);
    assert_int_equal(summary.cross_stream_frees, 0);
    generate("pairs", "cpus=1 events=10000 hold=100 order=fifo");
    assert_int_equal(summary.peak_live_objects, 100);
    assert_int_equal(summary.live_at_end, 0);
    assert_int_equal(events[100].op, TRACE_FREE);
    assert_int_equal(events[100].object, events[0].object);
    generate("pairs", "cpus=1 events=10000 hold=100 order=lifo");
    assert_int_equal(events[100].object, events[99].object);
}

static void a_load_of_one_size_has_a_cache_or_none(void **state)
{
    (void)state;
    generate("pairs", "events=100 size=96");
    assert_string_equal(summary.caches[0].name, "pairs");
    assert_int_equal(summary.caches[0].object_size, 96);
    generate("pairs", "events=100 size=96 cache=untyped");
    assert_int_equal(summary.nr_caches, 1);
    assert_string_equal(summary.caches[0].name, "(untyped)");
    assert_int_equal(summary.requested_bytes, summary.allocs * 96);
}

static void a_burst_has_its_objects_live_at_once(void **state)
{
    (void)state;
    generate("burst", "objects=1234 events=50000");
    assert_int_equal(summary.peak_live_objects, 1234);
    generate("burst", "objects=1234 events=50000 cpus=3");
    assert_in_range(summary.peak_live_objects, 1234, 3 * 1234);
}

static void bulk_calls_have_the_size_asked_for(void **state)
{
    (void)state;
    generate("burst", "objects=100 bulk=16 events=1003");
    for (size_t i = 0; i < 200; i++) { /* 6 calls of 16 and one of 4, allocating and freeing */
        size_t in_wave = i % 100;

        assert_int_equal(events[i].op, i < 100 ? TRACE_ALLOC : TRACE_FREE);
        assert_int_equal(events[i].batch, in_wave < 96 ? 16 - in_wave % 16 : 100 - in_wave);
    }
    assert_int_equal(events[1002].batch, 1); /* cut off with the trace */
    assert_int_equal(events[1000].batch, 3);
    generate("burst", "objects=5000 bulk=1024 events=20000");
    assert_int_equal(events[0].batch, 1024);
}

static void threadtest_allocates_all_then_frees_all(void **state)
{
    (void)state;
    generate("threadtest", "objects=500 events=20000 cpus=1");
    for (size_t i = 0; i < nr_events; i++)
        assert_int_equal(events[i].op, i / 500 % 2 ? TRACE_FREE : TRACE_ALLOC);
}

static void scratch_gives_each_cpu_its_objects_once(void **state)
{
    (void)state;
    generate("cache-scratch", "cpus=8 given=5 events=10000");
    assert_int_equal(summary.cross_stream_frees, 7 * 5); /* the eighth is the giver */
    for (size_t i = 0; i < 40; i++) {
        assert_int_equal(events[i].op, TRACE_ALLOC);
        assert_int_equal(events[i].stream, 0);
    }
    generate("cache-thrash", "cpus=8 events=10000");
    assert_int_equal(summary.cross_stream_frees, 0);
}

/* The magazines of one CPU and its depot, as Bonwick & Adams have them. */
struct magazines {
    unsigned rounds;
    bool has_previous;
    unsigned loaded, previous;
    uint64_t full;      /* in the depot */
    uint64_t exchanges; /* with it */
};

static void magazines_free(struct magazines *m)
{
    if (m->loaded == m->rounds) {
        if (m->has_previous && m->previous == 0) {
            m->previous = m->loaded;
        } else {
            m->full += m->has_previous ? m->previous == m->rounds : 1;
            m->previous = m->loaded;
            m->exchanges++;
        }
        m->loaded = 0;
    }
    m->loaded++;
}

static void magazines_alloc(struct magazines *m)
{
    if (m->loaded == 0) {
        if (m->has_previous && m->previous == m->rounds) {
            m->loaded = m->previous;
            m->previous = 0;
        } else if (m->full) {
            m->full--;
            m->previous = 0;
            m->loaded = m->rounds;
            m->exchanges++;
        } else {
            return; /* from the slab layer */
        }
    }
    m->loaded--;
}

static void magazines_do(struct magazines *m, const struct trace_event *event)
{
    if (event->op == TRACE_ALLOC)
        magazines_alloc(m);
    else
        magazines_free(m);
}

static void the_boundary_needs_the_previous_magazine(void **state)
{
    (void)state;
    for (int has_previous = 0; has_previous < 2; has_previous++) {
        struct magazines m = {.rounds = 8, .has_previous = has_previous};
        size_t first = 2 * (4 * 8 + 1); /* events before the loop */

        generate("boundary", "rounds=8 full=4 offset=1 events=10066");
        for (size_t i = 0; i < nr_events; i++) {
            if (i == first)
                m.exchanges = 0;
            magazines_do(&m, &events[i]);
        }
        assert_int_equal(m.exchanges, has_previous ? 0 : 5000); /* half of all, or none */
    }
}

static void the_working_set_swings_between_low_and_high(void **state)
{
    struct magazines m = {.rounds = 8, .has_previous = true};
    size_t first = 2 * (47 + 2) * 8, swing = (47 - 37 + 2) * 8;
    uint64_t low = UINT64_MAX, high = 0;

    (void)state;
    generate("working-set", "rounds=8 low=37 high=47 events=20000");
    for (size_t i = 0; i < nr_events; i++) {
        magazines_do(&m, &events[i]);
        if (i + 1 < first)
            continue;
        low = m.full < low ? m.full : low;
        high = m.full > high ? m.full : high;
        if ((i + 1 - first) % swing == 0) /* at each end of a swing */
            assert_int_equal(m.full, (i + 1 - first) / swing % 2 ? 37 : 47);
    }
    assert_int_equal(low, 37);
    assert_int_equal(high, 47);
    assert_int_equal(summary.peak_live_objects, (47 + 2) * 8);
}

/* ---- loads that hand over ---- */

static void a_producer_frees_nothing_and_a_consumer_all(void **state)
{
    static const char *const shapes[] = {"shape=1:1", "shape=1:N", "shape=N:1"};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char settings[128];

        for (unsigned batch = 1; batch <= 64; batch *= 8) {
            snprintf(settings, sizeof settings, "cpus=6 events=20000 batch=%u bulk=%u %s", batch,
                     batch, shapes[i]);
            generate("producer-consumer", settings);
            assert_true(summary.frees > 9000);
            assert_int_equal(summary.cross_stream_frees, summary.frees);
            for (unsigned cpu = 0; cpu < 6; cpu++) {
                const struct trace_stream_summary *stream = &summary.by_stream[cpu];
                bool produces = i == 0 ? cpu % 2 == 0 : (cpu == 0) == (i == 1);

                assert_int_equal((produces ? stream->frees : stream->allocs), 0);
                assert_true(stream->frees + stream->allocs > 0);
            }
        }
    }
}

static void a_ring_gives_to_the_next(void **state)
{
    uint32_t *maker;

    (void)state;
    generate("producer-consumer", "cpus=5 shape=ring batch=4 events=20000");
    maker = calloc(summary.peak_live_objects, sizeof *maker);
    for (size_t i = 0; i < nr_events; i++) {
        if (events[i].op == TRACE_ALLOC)
            maker[events[i].object] = events[i].stream;
        else
            assert_int_equal(events[i].stream, (maker[events[i].object] + 1) % 5);
    }
    free(maker);
}

static void what_is_in_flight_is_bounded_by_the_lag(void **state)
{
    (void)state;
    generate("producer-consumer", "cpus=2 lag=10 batch=5 events=20000");
    assert_true(summary.peak_live_objects <= 10 + 2 * 5); /* and a batch at either end */
    generate("producer-consumer", "cpus=2 lag=1000 batch=1 events=200000");
    assert_true(summary.peak_live_objects > 100);
}

static void xmalloc_frees_by_whom_it_was_not_allocated(void **state)
{
    (void)state;
    generate("xmalloc", "cpus=4 producers=3 batch=100 events=50000");
    assert_int_equal(summary.cross_stream_frees, summary.frees);
    assert_int_equal(summary.by_stream[3].frees, summary.frees);
    assert_true(summary.by_stream[2].allocs > 1000);
}

static void larson_frees_what_others_allocated_after_a_round(void **state)
{
    (void)state;
    generate("larson", "cpus=4 slots=100 round=500 events=100000");
    assert_true(summary.cross_stream_frees > summary.frees / 20);
    assert_true(summary.cross_stream_frees < summary.frees);
    assert_int_equal(summary.peak_live_objects, 5 * 100); /* an array waits to be taken over */
    generate("larson", "cpus=4 slots=100 round=1000000 events=100000");
    assert_int_equal(summary.cross_stream_frees, 0);
}

static void sh8_hands_over_and_sh6_does_not(void **state)
{
    (void)state;
    generate("sh6", "cpus=4 slots=500 events=100000");
    assert_int_equal(summary.cross_stream_frees, 0);
    assert_in_range(summary.peak_live_objects, 500, 4 * 500);
    generate("sh8", "cpus=4 slots=500 handed=30 events=100000");
    assert_in_range(summary.cross_stream_frees, summary.frees / 4, summary.frees * 2 / 5);
}

static void a_part_of_the_buffer_survives_each_generation(void **state)
{
    uint64_t live = 0, least = UINT64_MAX;

    (void)state;
    generate("sh6", "cpus=1 slots=1000 keep=20 events=100000");
    assert_int_equal(summary.peak_live_objects, 1000);
    for (size_t i = 0; i < nr_events; i++) {
        live += events[i].op == TRACE_ALLOC ? 1 : -1;
        if (i > 5000 && live < least)
            least = live;
    }
    assert_int_equal(least, 200);
}

static void requests_are_freed_remotely_as_often_as_asked(void **state)
{
    (void)state;
    generate("netperf-rr", "cpus=8 threads=4 remote=30 events=200000");
    assert_in_range(summary.cross_stream_frees, summary.frees * 28 / 100, summary.frees * 32 / 100);
    assert_int_equal(summary.peak_live_objects, 8 * 4 * 2);
    generate("netperf-rr", "cpus=8 remote=0 events=20000");
    assert_int_equal(summary.cross_stream_frees, 0);
}

static void packets_are_freed_where_they_are_received(void **state)
{
    (void)state;
    generate("network-receive", "cpus=8 events=100000");
    assert_int_equal(summary.by_stream[0].allocs, summary.allocs);
    assert_int_equal(summary.cross_stream_frees, summary.frees);
    generate("network-receive", "cpus=8 receivers=6 remote=60 bulk=16 events=100000");
    assert_int_equal(summary.by_stream[0].allocs + summary.by_stream[1].allocs, summary.allocs);
    assert_in_range(summary.cross_stream_frees, summary.frees * 55 / 100, summary.frees * 65 / 100);
    assert_int_equal(events[0].batch, 16);
    generate("network-receive", "cpus=2 backlog=10 batch=8 events=100000");
    assert_in_range(summary.peak_live_objects, 20, 2 * (10 + 8 + 8));
}

/* ---- sizes and lifetimes ---- */

static void the_sawtooth_reaches_low_and_high(void **state)
{
    uint64_t live = 0, least = UINT64_MAX;

    (void)state;
    generate("sawtooth", "cpus=1 low=100 high=2000 nursery=10 young=50 events=200000");
    for (size_t i = 0; i < nr_events; i++) {
        live += events[i].op == TRACE_ALLOC ? 1 : -1;
        if (i > 20000 && live < least)
            least = live;
    }
    assert_in_range(summary.peak_live_objects, 2000, 2010);
    assert_in_range(least, 100, 110);
}

/* How many of the allocations from `first` on, 5,000 of them, are from the cache `name`. */
static uint64_t allocs_from(const char *name, uint64_t first)
{
    struct trace_reader *reader;
    struct trace_event event;
    uint64_t allocs = 0, found = 0;

    assert_int_equal(trace_open(path, &reader, &error), 0);
    while (trace_read(reader, &event, 1, &error) > 0) {
        size_t count;
        uint32_t cache = trace_types(reader, &count)[event.type].cache;

        if (event.op != TRACE_ALLOC || allocs++ < first || allocs > first + 5000)
            continue;
        if (cache != TRACE_UNTYPED)
            found += strcmp(trace_caches(reader, &count)[cache].name, name) == 0;
    }
    trace_close(reader);
    return found;
}

/* skbuff_head_cache is hackbench's, buffer_head gcc's: the first profile and the third. */
static void the_mix_has_the_samples_caches_and_drifts(void **state)
{
    (void)state;
    generate("mixed", "events=200000 drift=25000 cpus=1");
    assert_true(summary.nr_caches > 20);
    assert_in_range(allocs_from("skbuff_head_cache", 0), 1500, 2500);
    assert_in_range(allocs_from("skbuff_head_cache", 50000), 50, 500);
    assert_in_range(allocs_from("buffer_head", 0), 5, 500);
    assert_in_range(allocs_from("buffer_head", 50000), 1700, 2700);
    generate("mixed", "events=20000 cache=untyped");
    assert_int_equal(summary.nr_caches, 1);
    generate("mixed", "events=20000 cache=named");
    assert_int_equal(summary.caches[summary.nr_caches - 1].allocs, 0); /* nothing untyped */
}

static void lifetimes_of_the_mix_have_a_heavy_tail(void **state)
{
    uint64_t *born, allocs = 0, shorter = 0, longer = 0, died = 0;

    (void)state;
    generate("mixed", "events=400000 cpus=1 shortest=8 longest=50000");
    born = calloc(summary.peak_live_objects, sizeof *born);
    for (size_t i = 0; i < nr_events; i++) {
        uint64_t life;

        if (events[i].op == TRACE_ALLOC) {
            born[events[i].object] = ++allocs;
            continue;
        }
        life = allocs - born[events[i].object];
        assert_in_range(life, 8, 50000);
        died++;
        shorter += life < 32;
        longer += life >= 800;
    }
    free(born);
    /* P(life >= x) = sqrt(8 / x) */
    assert_in_range(shorter, died * 47 / 100, died * 53 / 100);
    assert_in_range(longer, died * 8 / 100, died * 12 / 100);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_workload_keeps_the_rules_and_the_count),
        TEST(a_seed_says_every_byte),
        TEST(the_bytes_are_the_same_everywhere),
        TEST(the_rate_is_the_mean_between_events_of_a_cpu),
        TEST(a_wrong_parameter_is_refused_with_its_range),
        TEST(an_unknown_workload_is_refused_with_those_there_are),
        TEST(a_folder_cannot_be_written),
        TEST(pairs_hold_what_they_are_told),
        TEST(a_load_of_one_size_has_a_cache_or_none),
        TEST(a_burst_has_its_objects_live_at_once),
        TEST(bulk_calls_have_the_size_asked_for),
        TEST(threadtest_allocates_all_then_frees_all),
        TEST(scratch_gives_each_cpu_its_objects_once),
        TEST(the_boundary_needs_the_previous_magazine),
        TEST(the_working_set_swings_between_low_and_high),
        TEST(a_producer_frees_nothing_and_a_consumer_all),
        TEST(a_ring_gives_to_the_next),
        TEST(what_is_in_flight_is_bounded_by_the_lag),
        TEST(xmalloc_frees_by_whom_it_was_not_allocated),
        TEST(larson_frees_what_others_allocated_after_a_round),
        TEST(sh8_hands_over_and_sh6_does_not),
        TEST(a_part_of_the_buffer_survives_each_generation),
        TEST(requests_are_freed_remotely_as_often_as_asked),
        TEST(packets_are_freed_where_they_are_received),
        TEST(the_sawtooth_reaches_low_and_high),
        TEST(the_mix_has_the_samples_caches_and_drifts),
        TEST(lifetimes_of_the_mix_have_a_heavy_tail),
    };

    return cmocka_run_group_tests_name("generate", tests, make_file, remove_file);
}
