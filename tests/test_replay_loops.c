/* SPDX-License-Identifier: MIT */
/*
 * Loops that measure and loops that record: how many of each there are, what each adds to the
 * result, what is timed in them, and that one thread finds the same every time. `meter` is a design
 * that counts its calls.
 */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "tests/replay_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* ---- the design that counts ---- */

enum { SIZE_THAT_FAILS = 13, SIZE_THAT_TAKES_LONG = 77, LONG_MS = 60 };

static struct {
    _Atomic unsigned allocs, frees;
} meter;

struct cache {
    _Atomic int live;
};

static int meter_cache_create(void *instance, const struct cache_params *params,
                              struct cache **cache, struct error *error)
{
    (void)instance;
    (void)params;
    *cache = calloc(1, sizeof **cache);
    return *cache ? 0 : error_set(error, ENOMEM, "no memory");
}

static int meter_cache_destroy(void *instance, struct cache *cache, struct error *error)
{
    (void)instance;
    if (cache->live)
        return error_set(error, EBUSY, "objects are live");
    free(cache);
    return 0;
}

static void *meter_alloc(struct cache *cache, const struct request *request)
{
    const struct timespec long_time = {.tv_nsec = LONG_MS * 1000000};

    if (request->size == SIZE_THAT_FAILS)
        return NULL;
    if (request->size == SIZE_THAT_TAKES_LONG)
        nanosleep(&long_time, NULL);
    atomic_fetch_add(&meter.allocs, 1);
    atomic_fetch_add(&cache->live, 1);
    return aligned_alloc(16, (request->size + 15) / 16 * 16);
}

static void meter_free(struct cache *cache, void *object)
{
    atomic_fetch_add(&meter.frees, 1);
    atomic_fetch_sub(&cache->live, 1);
    free(object);
}

static const struct tunable no_tunables[] = {{.key = NULL}};

static const struct allocator meter_design = {
    .name = "meter",
    .summary = "counts its calls",
    .source = "tests/test_replay_loops.c",
    .layers = "libc",
    .tunables = no_tunables,
    .cache_create = meter_cache_create,
    .cache_destroy = meter_cache_destroy,
    .alloc = meter_alloc,
    .free = meter_free,
};
ALLOCATOR_REGISTER(meter_design);

/* ---- runs ---- */

static struct run_config config_of(const char *design, unsigned threads, unsigned loops,
                                   unsigned record)
{
    struct run_config config = replay_config_of(design, threads);

    config.replay.cold = false;
    config.replay.loops = loops;
    config.replay.record = record;
    config.replay.latency_every = 1;
    return config;
}

/* The figures of a run of `meter`, whose calls begin at none. */
static struct replay_result run_meter(const struct trace_fixture *fixture,
                                      const struct run_config *config)
{
    struct run_report report;

    meter.allocs = meter.frees = 0;
    replay_trace_run(fixture, config, &report);
    run_report_cleanup(&report);
    return report.replay;
}

/* ---- how many of each kind ---- */

enum { ALLOCS = 40 + 300, FREES = 300 };

static void assert_loops(const struct trace_fixture *fixture, const struct run_config *config,
                         unsigned counted, unsigned timed)
{
    struct replay_result result = run_meter(fixture, config);
    unsigned warmup = !config->replay.cold, both = config->replay.cold ? 0 : counted + timed;

    if (config->replay.loops)
        assert_int_equal(result.loops, config->replay.loops);
    assert_int_equal(result.warmup_loops, warmup);
    assert_int_equal(result.counted.count, counted);
    assert_int_equal(result.timed.count, timed);
    assert_int_equal(meter.allocs, (warmup + result.loops + both) * ALLOCS);
    assert_int_equal(meter.frees, meter.allocs);
    assert_int_equal(result.events, result.loops * (ALLOCS + FREES));
    assert_int_equal(result.counted.events, counted * (ALLOCS + FREES));
    assert_int_equal(result.timed.events, timed * (ALLOCS + FREES));
    assert_true(result.loop_min_ns <= result.loop_median_ns);
    assert_true(result.loop_median_ns <= result.loop_max_ns);
}

static void of_four_measured_loops_one_is_recorded_by_each(void **state)
{
    static const struct {
        unsigned measured, recorded;
    } loops[] = {{1, 1}, {4, 1}, {5, 2}, {8, 2}, {9, 3}};
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_tangle(&fixture, 2, 40, 300);
    for (size_t i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        unsigned measured = loops[i].measured, recorded = loops[i].recorded;
        struct run_config config = config_of("meter", 2, measured, RECORD_ALL);

        assert_loops(&fixture, &config, recorded, recorded);
        config.replay.record = 0;
        assert_loops(&fixture, &config, 0, 0);
        config.replay.record = RECORD_MEMORY | RECORD_COUNTERS;
        assert_loops(&fixture, &config, 0, 0);
        config.replay.record = RECORD_CONTENTION;
        assert_loops(&fixture, &config, recorded, 0);
        config.replay.record = RECORD_LOCALITY; /* one node: nothing to look at */
        assert_loops(&fixture, &config, 0, 0);
        config.replay.record = RECORD_LATENCY;
        assert_loops(&fixture, &config, 0, recorded);
    }
    trace_fixture_remove(&fixture);
}

static void cold_loops_are_measured_and_recorded_at_once(void **state)
{
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_tangle(&fixture, 2, 40, 300);
    for (unsigned loops = 1; loops <= 5; loops += 4) {
        struct run_config config = config_of("meter", 2, loops, RECORD_ALL);

        config.replay.cold = true;
        assert_loops(&fixture, &config, loops, loops);
        config.replay.record = RECORD_LATENCY;
        assert_loops(&fixture, &config, 0, loops);
        config.replay.record = 0;
        assert_loops(&fixture, &config, 0, 0);
    }
    trace_fixture_remove(&fixture);
}

static void loops_until_enough_is_measured_are_recorded_as_often(void **state)
{
    struct run_config config = config_of("meter", 1, 0, RECORD_ALL);
    struct trace_fixture fixture;
    struct replay_result result;
    unsigned recorded;

    (void)state;
    trace_fixture_tangle(&fixture, 2, 40, 300);
    config.replay.min_measured_ns = 1000000;
    result = run_meter(&fixture, &config);
    recorded = (result.loops + REPLAY_LOOPS_A_RECORDED - 1) / REPLAY_LOOPS_A_RECORDED;
    assert_int_equal(result.counted.count, recorded);
    assert_int_equal(result.timed.count, recorded);
    assert_int_equal(meter.allocs, (1 + result.loops + 2 * recorded) * ALLOCS);
    trace_fixture_remove(&fixture);
}

/* ---- what measured loops count ---- */

static void failures_are_those_of_measured_loops(void **state)
{
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    for (uint32_t i = 0; i < 30; i++)
        trace_fixture_alloc_from(&fixture, i % 2, i, 0, i < 7 ? SIZE_THAT_FAILS : 64);
    for (uint32_t i = 0; i < 5; i++)
        trace_fixture_free(&fixture, 1, i); /* of the seven; two live on */
    trace_fixture_end(&fixture);
    for (unsigned loops = 1; loops <= 5; loops += 4) {
        struct run_config config = config_of("meter", 2, loops, RECORD_ALL);
        struct replay_result result = run_meter(&fixture, &config);

        assert_int_equal(result.failed_allocs, 7 * loops);
        assert_int_equal(result.skipped_frees, 5 * loops);
        assert_int_equal(result.events, 35 * loops);
        assert_int_equal(result.remote_frees, 3 * loops);
        assert_int_equal(meter.allocs, meter.frees);
    }
    trace_fixture_remove(&fixture);
}

static void refusals_are_those_of_measured_loops(void **state)
{
    const bool first_stream[] = {true, false};
    const struct plan_config planned = {
        .workers = 1, .streams = first_stream, .nr_stream_flags = 2};
    struct run_config config = config_of("meter", 1, 5, RECORD_ALL);
    struct trace_fixture fixture;
    struct error error = {""};
    struct run_report report;
    struct plan *plan;
    uint32_t cache;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    cache = trace_fixture_cache(&fixture, "passing", 32);
    trace_fixture_create(&fixture, 0, cache);
    trace_fixture_alloc_from(&fixture, 0, 0, cache, 32);
    trace_fixture_free(&fixture, 1, 0); /* left out by the filter */
    trace_fixture_destroy(&fixture, 0, cache);
    trace_fixture_end(&fixture);
    assert_int_equal(plan_create(fixture.path, &planned, &plan, &error), 0);
    replay_plan_run(plan, replay_host, &config, &report);
    assert_int_equal(report.replay.refused_destroys, 5);
    run_report_cleanup(&report);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

/* ---- latency ---- */

/* Two streams; four caches and a general size, used in turn. */
static void five_caches(struct trace_fixture *fixture, unsigned rounds)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    uint32_t caches[5];

    trace_fixture_begin(fixture, 2);
    for (uint32_t i = 0; i < 4; i++)
        caches[i] = trace_fixture_cache(fixture, names[i], 40 << i);
    caches[4] = TRACE_UNTYPED;
    for (unsigned i = 0; i < rounds; i++) {
        for (uint32_t j = 0; j < 50; j++)
            trace_fixture_alloc_from(fixture, j & 1, j, caches[j % 5], 40 << j % 4);
        for (uint32_t j = 0; j < 50; j++)
            trace_fixture_free(fixture, j >> 1 & 1, j);
    }
    trace_fixture_end(fixture);
}

/*
 * All operations of the timed loops are in the histograms, and divided among caches but for those
 * that were interrupted, which this machine may do at any time.
 */
static void assert_timed(const struct replay_result *result, uint64_t each)
{
    uint64_t left_out = 0;

    for (unsigned op = 0; op < REPLAY_OPS; op++) {
        uint64_t all = 0;

        for (unsigned layer = 0; layer < LAYERS; layer++) {
            const struct histogram *histogram = &result->latency[op * LAYERS + layer];
            uint64_t timed = 0, ns = 0, expected = machine_cycles_to_ns(histogram->sum);

            for (size_t i = 0; i < result->nr_caches; i++) {
                timed += result->caches[i].timed[op][layer];
                ns += result->caches[i].timed_ns[op][layer];
            }
            left_out += histogram->count - timed;
            /* Each is rounded by itself. */
            if (result->interrupted == 0)
                assert_in_range(ns + result->nr_caches, expected, expected + 2 * result->nr_caches);
            all += histogram->count;
        }
        assert_int_equal(all, each * result->timed.count);
    }
    assert_int_equal(left_out, result->interrupted);
}

static void every_operation_of_a_timed_loop_is_timed(void **state)
{
    struct trace_fixture fixture;
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    (void)state;
    five_caches(&fixture, 40);
    for (size_t i = 0; i < count * 4; i++) {
        const char *design =
            strcmp(all[i / 4]->name, "malloc") == 0 ? "malloc:libc" : all[i / 4]->name;
        struct run_config config = config_of(design, 2, 5, i & 1 ? RECORD_ALL : RECORD_LATENCY);
        struct run_report report;

        config.replay.touch = i & 2 ? REPLAY_TOUCH_FIRST : REPLAY_TOUCH_NONE;
        replay_trace_run(&fixture, &config, &report);
        assert_int_equal(report.replay.timed.count, 2);
        assert_timed(&report.replay, 2000);
        run_report_cleanup(&report);
        config.replay.cold = true;
        replay_trace_run(&fixture, &config, &report);
        assert_int_equal(report.replay.timed.count, 5);
        assert_timed(&report.replay, 2000);
        run_report_cleanup(&report);
    }
    trace_fixture_remove(&fixture);
}

static void one_operation_in_eight_is_timed_where_that_is_asked(void **state)
{
    struct run_config config = config_of("meter", 1, 1, RECORD_LATENCY);
    struct trace_fixture fixture;
    struct run_report report;

    (void)state;
    five_caches(&fixture, 200);
    config.replay.latency_every = 8;
    replay_trace_run(&fixture, &config, &report);
    for (unsigned op = 0; op < REPLAY_OPS; op++)
        assert_in_range(report.replay.latency[op * LAYERS].count, 10000 / 12, 10000 / 6);
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

/* Who waits for an object that another takes long to allocate is stalled; its free is not slow. */
static void waiting_for_an_object_is_in_no_latency(void **state)
{
    struct run_config config = config_of("meter", 2, 1, RECORD_LATENCY);
    struct trace_fixture fixture;
    struct run_report report;
    const struct histogram *allocs, *frees;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    for (uint32_t i = 0; i < 3; i++) {
        trace_fixture_alloc_from(&fixture, 0, 0, 0, SIZE_THAT_TAKES_LONG);
        trace_fixture_free(&fixture, 1, 0);
    }
    trace_fixture_end(&fixture);
    config.replay.cold = true;
    replay_trace_run(&fixture, &config, &report);
    allocs = &report.replay.latency[REPLAY_ALLOC * LAYERS];
    frees = &report.replay.latency[REPLAY_FREE * LAYERS];
    assert_int_equal(allocs->count, 3);
    assert_int_equal(frees->count, 3);
    assert_true(machine_cycles_to_ns(allocs->sum) >= UINT64_C(3) * LONG_MS * 1000000 * 99 / 100);
    assert_true(machine_cycles_to_ns(frees->max) < UINT64_C(1) * LONG_MS * 1000000 / 2);
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

/* ---- again ---- */

static void assert_same_account(const struct account *a, const struct account *b)
{
    unsigned nr_locks = a->nr_locks < b->nr_locks ? a->nr_locks : b->nr_locks;

    assert_int_equal(a->trips, b->trips);
    assert_memory_equal(a->failed_exchanges, b->failed_exchanges, sizeof a->failed_exchanges);
    for (unsigned i = 0; i < nr_locks; i++) {
        const struct lock_account *x = &a->locks[i], *y = &b->locks[i];

        assert_int_equal(x->acquisitions, y->acquisitions);
        assert_int_equal(x->contended, y->contended);
        assert_int_equal(x->trylock_failures, y->trylock_failures);
        assert_memory_equal(x->handoffs, y->handoffs, sizeof x->handoffs);
    }
}

static void assert_same_ledger(const struct ledger *a, const struct ledger *b)
{
    assert_memory_equal(a, b, offsetof(struct ledger, claims));
}

static void assert_same_samples(const struct replay_result *a, const struct replay_result *b)
{
    assert_int_equal(a->nr_samples, b->nr_samples);
    assert_int_equal(a->peak_sample, b->peak_sample);
    assert_int_equal(a->most_live_sample, b->most_live_sample);
    for (size_t i = 0; i < a->nr_samples; i++) {
        const struct replay_sample *x = &a->samples[i], *y = &b->samples[i];

        assert_int_equal(x->event, y->event);
        assert_int_equal(x->time_ns, y->time_ns);
        assert_int_equal(x->listed_bytes, y->listed_bytes);
        assert_memory_equal(x->free_blocks, y->free_blocks, sizeof x->free_blocks);
        assert_same_ledger(&x->ledger, &y->ledger);
    }
}

static bool is_time(const char *name)
{
    size_t length = strlen(name);

    return length > 3 && strcmp(name + length - 3, "_ns") == 0;
}

static void assert_same_caches(const struct replay_result *a, const struct replay_result *b)
{
    assert_int_equal(a->nr_caches, b->nr_caches);
    for (size_t i = 0; i < a->nr_caches; i++) {
        const struct replay_cache_account *x = &a->caches[i], *y = &b->caches[i];

        assert_string_equal(x->name, y->name);
        assert_memory_equal(x->operations, y->operations, sizeof x->operations);
        assert_memory_equal(x->layers, y->layers, sizeof x->layers);
        if (a->interrupted == 0 && b->interrupted == 0) /* the scheduler may do that at any time */
            assert_memory_equal(x->timed, y->timed, sizeof x->timed);
        assert_same_ledger(&x->most_live, &y->most_live);
        assert_int_equal(x->nr_inner, y->nr_inner);
        for (size_t j = 0; j < x->nr_inner; j++) {
            assert_string_equal(x->inner[j].name, y->inner[j].name);
            if (!is_time(x->inner[j].name))
                assert_int_equal(x->inner[j].value, y->inner[j].value);
        }
    }
}

/* One thread: nothing but time may differ. */
static void design_finds_the_same_again(const char *design)
{
    const struct plan_config cuts = {.samples = 6, .max_events = 8000};
    struct run_config config = config_of(design, 1, 5, RECORD_ALL);
    struct plan *plan = replay_plan_of("traces/samples/gcc.slt", &config, &cuts);
    struct run_report first, again;

    config.replay.latency_every = 3;
    replay_plan_run(plan, replay_host, &config, &first);
    for (unsigned i = 0; i < 2; i++) {
        replay_plan_run(plan, replay_host, &config, &again);
        if (first.replay.account) /* null has none */
            assert_same_account(first.replay.account, again.replay.account);
        assert_memory_equal(first.replay.layers, again.replay.layers, sizeof first.replay.layers);
        for (unsigned j = 0; j < REPLAY_OPS * LAYERS; j++)
            assert_int_equal(first.replay.latency[j].count, again.replay.latency[j].count);
        assert_same_samples(&first.replay, &again.replay);
        assert_same_caches(&first.replay, &again.replay);
        assert_int_equal(first.replay.failed_allocs, again.replay.failed_allocs);
        assert_int_equal(first.replay.pages.peak_bytes, again.replay.pages.peak_bytes);
        run_report_cleanup(&again);
    }
    run_report_cleanup(&first);
    plan_destroy(plan);
}

static void one_thread_finds_the_same_every_time(void **state)
{
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        if (!all[i]->external && strcmp(all[i]->name, "meter") != 0)
            design_finds_the_same_again(all[i]->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_four_measured_loops_one_is_recorded_by_each),
        cmocka_unit_test(cold_loops_are_measured_and_recorded_at_once),
        cmocka_unit_test(loops_until_enough_is_measured_are_recorded_as_often),
        cmocka_unit_test(failures_are_those_of_measured_loops),
        cmocka_unit_test(refusals_are_those_of_measured_loops),
        cmocka_unit_test(every_operation_of_a_timed_loop_is_timed),
        cmocka_unit_test(one_operation_in_eight_is_timed_where_that_is_asked),
        cmocka_unit_test(waiting_for_an_object_is_in_no_latency),
        cmocka_unit_test(one_thread_finds_the_same_every_time),
    };

    return cmocka_run_group_tests_name("loops of a replay", tests, replay_host_open,
                                       replay_host_close);
}
