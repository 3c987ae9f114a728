/* SPDX-License-Identifier: MIT */
/*
 * Replay against designs made for the purpose: `probe` notes and checks every call, `liar` breaks
 * its promises. Real threads throughout.
 */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/topology.h"
#include "tests/replay_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the design that watches ---- */

enum { PROBE_OBJECT_BYTES = 256, PROBE_OBJECTS = 1 << 16 };

static struct {
    /* What the test asks for. */
    unsigned fail_every; /* each n-th allocation fails; 0: none */
    unsigned slow_every; /* each n-th allocation gives the processor away first */
    bool lie;            /* hand out one address again and again */
    const char *refuse_cache;
    /* What the test looks at. */
    _Atomic unsigned calls, allocs, frees, bulk_allocs, bulk_frees, wild_frees;
    _Atomic unsigned creates, destroys;
    _Atomic unsigned sequence;
    unsigned char order[PROBE_OBJECTS]; /* CPU of the n-th call */
    uint64_t latest_timer_ns;
    uint64_t addresses; /* all that were handed out, in order, hashed */
    _Atomic(struct cache *) last_created;
    struct cache_params created; /* of the last cache made; its name is gone with the plan */
} probe;

struct probe_object {
    struct probe_object *next;
    _Atomic unsigned live;
    char body[PROBE_OBJECT_BYTES - 16] __attribute__((aligned(16)));
};

struct cache {
    _Atomic int live;
    char name[32];
};

static struct probe_object *probe_memory;
static struct probe_object *probe_free;
static pthread_mutex_t probe_mutex = PTHREAD_MUTEX_INITIALIZER;

static int probe_start(const void *options, void **instance, struct error *error)
{
    (void)options;
    (void)error;
    probe_memory = calloc(PROBE_OBJECTS, sizeof *probe_memory);
    probe_free = NULL;
    for (size_t i = PROBE_OBJECTS; i-- > 0;) {
        probe_memory[i].next = probe_free;
        probe_free = &probe_memory[i];
    }
    *instance = probe_memory;
    return 0;
}

static void probe_stop(void *instance)
{
    free(instance);
}

static int probe_cache_create(void *instance, const struct cache_params *params,
                              struct cache **cache, struct error *error)
{
    (void)instance;
    if (probe.refuse_cache && strcmp(params->name, probe.refuse_cache) == 0)
        return error_set(error, ENOMEM, "refused");
    probe.created = *params;
    *cache = calloc(1, sizeof **cache);
    snprintf((*cache)->name, sizeof(*cache)->name, "%s", params->name);
    atomic_fetch_add(&probe.creates, 1);
    return 0;
}

static int probe_cache_destroy(void *instance, struct cache *cache, struct error *error)
{
    (void)instance;
    if (atomic_load(&cache->live))
        return error_set(error, EBUSY, "cache %s: objects are live", cache->name);
    free(cache);
    atomic_fetch_add(&probe.destroys, 1);
    return 0;
}

static void probe_note(void)
{
    unsigned number = atomic_fetch_add(&probe.sequence, 1);

    if (number < PROBE_OBJECTS)
        probe.order[number] = (unsigned char)cpu_id();
}

static void *probe_alloc(struct cache *cache, const struct request *request)
{
    unsigned call = atomic_fetch_add(&probe.calls, 1) + 1;
    struct probe_object *object;

    (void)request;
    if (probe.slow_every && call % probe.slow_every == 0)
        sched_yield();
    if (probe.fail_every && call % probe.fail_every == 0)
        return NULL;
    probe_note();
    pthread_mutex_lock(&probe_mutex);
    object = probe.lie ? probe_memory : probe_free;
    if (!probe.lie && object)
        probe_free = object->next;
    probe.latest_timer_ns = timer_now_ns();
    probe.addresses = probe.addresses * 31 + (uint64_t)(object - probe_memory) * 4 + cpu_id();
    pthread_mutex_unlock(&probe_mutex);
    if (!object)
        return NULL;
    atomic_fetch_add(&object->live, 1);
    atomic_fetch_add(&cache->live, 1);
    atomic_fetch_add(&probe.allocs, 1);
    return object->body;
}

static void probe_free_object(struct cache *cache, void *body)
{
    struct probe_object *object =
        (struct probe_object *)((char *)body - offsetof(struct probe_object, body));

    probe_note();
    if (atomic_fetch_sub(&object->live, 1) != 1 && !probe.lie)
        atomic_fetch_add(&probe.wild_frees, 1);
    atomic_fetch_sub(&cache->live, 1);
    atomic_fetch_add(&probe.frees, 1);
    if (probe.lie)
        return;
    pthread_mutex_lock(&probe_mutex);
    object->next = probe_free;
    probe_free = object;
    pthread_mutex_unlock(&probe_mutex);
}

static unsigned probe_alloc_bulk(struct cache *cache, const struct request *request, unsigned n,
                                 void **objects)
{
    atomic_fetch_add(&probe.bulk_allocs, 1);
    for (unsigned i = 0; i < n; i++) {
        objects[i] = probe_alloc(cache, request);
        if (!objects[i])
            return i;
    }
    return n;
}

static void probe_free_bulk(struct cache *cache, unsigned n, void *const *objects)
{
    atomic_fetch_add(&probe.bulk_frees, 1);
    for (unsigned i = 0; i < n; i++)
        probe_free_object(cache, objects[i]);
}

static const struct tunable no_tunables[] = {{.key = NULL}};

static const struct allocator probe_design = {
    .name = "probe",
    .summary = "notes and checks every call",
    .source = "tests/test_replay.c",
    .layers = "a list",
    .external = true,
    .tunables = no_tunables,
    .start = probe_start,
    .stop = probe_stop,
    .cache_create = probe_cache_create,
    .cache_destroy = probe_cache_destroy,
    .alloc = probe_alloc,
    .free = probe_free_object,
    .alloc_bulk = probe_alloc_bulk,
    .free_bulk = probe_free_bulk,
};
ALLOCATOR_REGISTER(probe_design);

/* ---- a run of it ---- */

static int reset_probe(void **state)
{
    (void)state;
    memset(&probe, 0, sizeof probe);
    return 0;
}

static struct run_config config_of(unsigned threads)
{
    return replay_config_of("probe", threads);
}

/* The figures of a run; all that has to be freed is. */
static struct replay_result run_plan(const struct plan *plan, const struct run_config *config)
{
    struct run_report report;

    replay_plan_run(plan, replay_host, config, &report);
    run_report_cleanup(&report);
    return report.replay;
}

static struct replay_result run_trace(const struct trace_fixture *fixture,
                                      const struct run_config *config)
{
    struct run_report report;

    replay_trace_run(fixture, config, &report);
    run_report_cleanup(&report);
    return report.replay;
}

/* ---- life and death ---- */

static void every_event_runs_once(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_tangle(&fixture, 2, 50, 5000);
    result = run_trace(&fixture, &config);
    assert_int_equal(result.events, 50 + 2 * 5000);
    assert_int_equal(probe.allocs, 5050);
    assert_int_equal(probe.frees, 5050); /* 50 of them after the clock */
    assert_int_equal(probe.wild_frees, 0);
    trace_fixture_remove(&fixture);
}

static void a_free_never_overtakes_its_alloc(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    probe.slow_every = 3;
    trace_fixture_consumer(&fixture, 20000);
    result = run_trace(&fixture, &config);
    assert_int_equal(probe.frees, 20000);
    assert_int_equal(probe.wild_frees, 0);
    assert_int_equal(result.remote_frees, 20000);
    assert_true(result.stall_ns > 0);
    trace_fixture_remove(&fixture);
}

static void tags_about_to_wrap_do_no_harm(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;

    (void)state;
    /* One object goes back and forth: its slots are used up and retired over and over. */
    trace_fixture_begin(&fixture, 2);
    for (unsigned i = 0; i < 10 * PLAN_TAG_MAX; i++) {
        trace_fixture_alloc(&fixture, i % 2, 0);
        trace_fixture_free(&fixture, (i + 1) % 2, 0);
    }
    trace_fixture_end(&fixture);
    config.replay.loops = 5;
    run_trace(&fixture, &config);
    assert_int_equal(probe.frees, 50 * PLAN_TAG_MAX);
    assert_int_equal(probe.wild_frees, 0);
    trace_fixture_remove(&fixture);
}

static void the_free_of_a_failed_allocation_is_skipped(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    probe.fail_every = 7; /* a retry after it succeeds: so fail in a row */
    trace_fixture_consumer(&fixture, 7000);
    result = run_trace(&fixture, &config);
    assert_int_equal(result.failed_allocs + probe.allocs, 7000);
    assert_int_equal(result.skipped_frees, result.failed_allocs);
    assert_int_equal(probe.frees, probe.allocs);
    assert_int_equal(probe.wild_frees, 0);
    trace_fixture_remove(&fixture);
}

static void all_may_fail_and_nobody_waits_for_ever(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    probe.fail_every = 1;
    trace_fixture_consumer(&fixture, 1000);
    result = run_trace(&fixture, &config);
    assert_int_equal(result.failed_allocs, 1000);
    assert_int_equal(result.skipped_frees, 1000);
    trace_fixture_remove(&fixture);
}

static void many_tangled_workers_do_not_deadlock(void **state)
{
    static const unsigned threads[] = {1, 3, 16, 64};
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_tangle(&fixture, 64, 200, 4000);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        struct run_config config = config_of(threads[i]);

        reset_probe(NULL);
        run_trace(&fixture, &config);
        assert_int_equal(probe.frees, 4200);
        assert_int_equal(probe.wild_frees, 0);
    }
    trace_fixture_remove(&fixture);
}

static void replicas_run_beside_each_other(void **state)
{
    /* Fewer workers than lists, and not a divisor of them: workers take turns with their lists. */
    static const unsigned threads[] = {1, 3, 5, 14};
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_tangle(&fixture, 2, 30, 1500);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        struct run_config config = config_of(threads[i]);
        struct replay_result result;

        reset_probe(NULL);
        config.replay.replicas = 7;
        result = run_trace(&fixture, &config);
        assert_int_equal(result.events, 7 * (30 + 3000));
        assert_int_equal(probe.allocs, 7 * 1530);
        assert_int_equal(probe.frees, 7 * 1530);
        assert_int_equal(probe.wild_frees, 0);
    }
    trace_fixture_remove(&fixture);
}

static void more_threads_than_streams_is_an_error(void **state)
{
    struct run_config config = config_of(3);
    struct plan_config planned = {.workers = 3};
    struct trace_fixture fixture;
    struct error error = {""};
    struct run_report report;
    struct plan *plan;

    (void)state;
    trace_fixture_consumer(&fixture, 10);
    assert_int_equal(plan_create(fixture.path, &planned, &plan, &error), 0);
    assert_int_equal(run_execute(plan, replay_host, &config, &report, &error), -EINVAL);
    assert_non_null(strstr(error.text, "--replicas"));
    run_report_cleanup(&report);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

/* ---- order and time ---- */

static void trace_order_is_the_recorded_order(void **state)
{
    struct run_config config = config_of(4);
    struct trace_fixture fixture;
    unsigned seed = 99, events = 3000;
    unsigned char expected[3000];

    (void)state;
    trace_fixture_begin(&fixture, 4);
    for (unsigned i = 0; i < events; i++) {
        expected[i] = (unsigned char)((unsigned)rand_r(&seed) % 4);
        if (i % 2 == 0)
            trace_fixture_alloc(&fixture, expected[i], 0);
        else
            trace_fixture_free(&fixture, expected[i], 0);
    }
    trace_fixture_end(&fixture);
    config.replay.order = REPLAY_ORDER_TRACE;
    run_trace(&fixture, &config);
    assert_memory_equal(probe.order, expected, events);
    trace_fixture_remove(&fixture);
}

static void pace_keeps_to_recorded_time(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    for (unsigned i = 0; i < 50; i++) {
        trace_fixture_alloc(&fixture, 0, 0);
        trace_fixture_free(&fixture, 1, 0);
        trace_fixture_wait(&fixture, 1000000);
    }
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_end(&fixture);
    config.replay.pace = 2;
    result = run_trace(&fixture, &config);
    /* 50 ms recorded, twice as fast; never earlier, but the clock's rate is known best at the end.
     */
    assert_true(result.elapsed_ns >= 25000000 / 100 * 99);
    trace_fixture_remove(&fixture);
}

static void timers_run_on_recorded_time(void **state)
{
    struct run_config config = config_of(1);
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    for (unsigned i = 0; i < 1000; i++) {
        trace_fixture_alloc(&fixture, 0, 0);
        trace_fixture_free(&fixture, 0, 0);
        trace_fixture_wait(&fixture, 1000000);
    }
    trace_fixture_end(&fixture);
    config.replay.loops = 3;
    run_trace(&fixture, &config);
    /* The third loop's last chunk begins within PLAN_CHUNK events, two a millisecond, of its end.
     */
    assert_in_range(probe.latest_timer_ns, 2997000000 - PLAN_CHUNK / 2 * 1000000, 2999000000);
    trace_fixture_remove(&fixture);
}

static void loops_free_what_lives_and_preload_again(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_preload(&fixture, 1, 0);
    trace_fixture_alloc(&fixture, 0, 1);
    trace_fixture_alloc(&fixture, 1, 2);
    trace_fixture_free(&fixture, 0, 0);
    trace_fixture_end(&fixture);
    config.replay.loops = 4;
    config.replay.cold = false;
    result = run_trace(&fixture, &config);
    assert_int_equal(result.loops, 4);
    assert_int_equal(result.warmup_loops, 1);
    assert_int_equal(result.events, 4 * 3);
    assert_int_equal(probe.allocs, 5 * 3);
    assert_int_equal(probe.frees, 5 * 3);
    trace_fixture_remove(&fixture);
}

static void loops_go_on_until_enough_is_measured(void **state)
{
    struct run_config config = config_of(1);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_consumer(&fixture, 100);
    config.replay.loops = 0;
    config.replay.cold = false;
    config.replay.min_measured_ns = 2000000;
    result = run_trace(&fixture, &config);
    assert_true(result.elapsed_ns >= 2000000 / 100 * 99); /* the rate is known best at the end */
    /* Two microseconds a loop, unless the system took the CPU away for all that was asked for. */
    assert_true(result.loops > 1 || result.loop_max_ns >= 2000000 / 100 * 99);
    assert_true(result.loop_min_ns <= result.loop_median_ns);
    assert_true(result.loop_median_ns <= result.loop_max_ns);
    trace_fixture_remove(&fixture);
}

/* ---- rare events ---- */

static void bulk_events_reach_the_design_at_once(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    for (unsigned i = 0; i < 100; i++) {
        trace_fixture_bulk(&fixture, 16);
        for (uint32_t j = 0; j < 16; j++)
            trace_fixture_alloc(&fixture, 0, j);
        trace_fixture_bulk(&fixture, 16);
        for (uint32_t j = 0; j < 16; j++)
            trace_fixture_free(&fixture, 1, j);
    }
    trace_fixture_end(&fixture);
    run_trace(&fixture, &config);
    assert_int_equal(probe.bulk_allocs, 100);
    assert_int_equal(probe.bulk_frees, 100);
    assert_int_equal(probe.allocs, 1600);
    assert_int_equal(probe.wild_frees, 0);
    trace_fixture_remove(&fixture);
}

static void what_a_bulk_allocation_lacks_is_asked_for_singly(void **state)
{
    struct run_config config = config_of(1);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    probe.fail_every = 10;
    trace_fixture_begin(&fixture, 1);
    trace_fixture_bulk(&fixture, 16);
    for (uint32_t j = 0; j < 16; j++)
        trace_fixture_alloc(&fixture, 0, j);
    trace_fixture_end(&fixture);
    result = run_trace(&fixture, &config);
    assert_int_equal(result.failed_allocs + probe.allocs, 16);
    assert_int_equal(probe.frees, probe.allocs);
    trace_fixture_remove(&fixture);
}

static void a_cache_comes_and_goes_in_mid_trace(void **state)
{
    struct run_config config = config_of(5);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_passing_cache(&fixture, 5);
    config.replay.loops = 20;
    result = run_trace(&fixture, &config);
    assert_int_equal(result.refused_destroys, 0);
    assert_int_equal(probe.creates, 1 + 20); /* "objects" lives all through */
    assert_int_equal(probe.destroys, 1 + 20);
    assert_int_equal(probe.wild_frees, 0);
    trace_fixture_remove(&fixture);
}

static void a_cache_is_made_as_the_trace_describes_it(void **state)
{
    const struct trace_cache described = {
        .name = "typesafe", .object_size = 192, .align = 64, .flags = TRACE_CACHE_RCU};
    struct run_config config = config_of(1);
    struct trace_fixture fixture;
    int64_t cache;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    cache = trace_add_cache(fixture.writer, &described);
    trace_fixture_alloc_from(&fixture, 0, 0, (uint32_t)cache, 192);
    trace_fixture_end(&fixture);
    run_trace(&fixture, &config);
    assert_int_equal(probe.created.size, 192);
    assert_int_equal(probe.created.align, 64);
    assert_int_equal(probe.created.flags, CACHE_RCU);
    trace_fixture_remove(&fixture);
}

static void with_replicas_the_last_destruction_acts(void **state)
{
    struct run_config config = config_of(6);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_passing_cache(&fixture, 3);
    config.replay.replicas = 4;
    config.replay.loops = 20;
    result = run_trace(&fixture, &config);
    assert_int_equal(result.refused_destroys, 0);
    assert_int_equal(probe.creates, 1 + 20);
    assert_int_equal(probe.destroys, 1 + 20);
    trace_fixture_remove(&fixture);
}

static void destroying_with_live_objects_is_refused_and_counted(void **state)
{
    const bool first_stream[] = {true, false};
    struct plan_config planned = {.workers = 1, .streams = first_stream, .nr_stream_flags = 2};
    struct run_config config = config_of(1);
    struct trace_fixture fixture;
    struct replay_result result;
    struct error error = {""};
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
    result = run_plan(plan, &config);
    assert_int_equal(result.refused_destroys, 1);
    assert_int_equal(probe.destroys, 1); /* after the clock, when what lived had been freed */
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void an_older_cache_that_is_destroyed_comes_back_for_the_next_loop(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_free(&fixture, 1, 0);
    trace_fixture_destroy(&fixture, 0, 0);
    trace_fixture_end(&fixture);
    config.replay.loops = 3;
    config.replay.replicas = 2;
    result = run_trace(&fixture, &config);
    assert_int_equal(result.refused_destroys, 0);
    assert_int_equal(probe.allocs, 6);
    assert_int_equal(probe.creates, 3 + 1); /* once more for a fourth loop that never was */
    assert_int_equal(probe.destroys, probe.creates);
    trace_fixture_remove(&fixture);
}

static void what_is_allocated_from_a_cache_that_could_not_be_made_fails(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;
    uint32_t cache;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    cache = trace_fixture_cache(&fixture, "refused", 32);
    trace_fixture_create(&fixture, 0, cache);
    trace_fixture_bulk(&fixture, 4);
    for (uint32_t i = 0; i < 4; i++)
        trace_fixture_alloc_from(&fixture, 1, i, cache, 32);
    trace_fixture_alloc_from(&fixture, 0, 4, cache, 32);
    trace_fixture_bulk(&fixture, 4);
    for (uint32_t i = 0; i < 4; i++)
        trace_fixture_free(&fixture, 0, i);
    trace_fixture_end(&fixture);
    probe.refuse_cache = "refused";
    config.replay.loops = 2;
    result = run_trace(&fixture, &config);
    assert_int_equal(result.failed_allocs, 2 * 5);
    assert_int_equal(result.skipped_frees, 2 * 4);
    assert_int_equal(probe.allocs, 0);
    trace_fixture_remove(&fixture);
}

/* ---- combinations ---- */

/* Whatever is asked for at once, each object that is allocated is freed, and only once. */
static void every_combination_balances(void **state)
{
    static const double paces[] = {0, 1000};
    static const bool kept[][4] = {{true, true, true, true}, {true, false, true, false}};
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_tangle(&fixture, 4, 40, 2000);
    for (unsigned i = 0; i < 16; i++) {
        struct run_config config = config_of(i & 8 ? 2 : 3);
        struct plan_config planned = {
            .workers = config.threads,
            .total_order = i & 1,
            .event_times = paces[i / 2 % 2] > 0,
            .streams = kept[i / 4 % 2],
            .nr_stream_flags = 4,
        };
        struct error error = {""};
        struct plan *plan;

        if (i & 4) /* two streams are left: no more workers than that */
            planned.workers = config.threads = 2;
        reset_probe(NULL);
        assert_int_equal(plan_create(fixture.path, &planned, &plan, &error), 0);
        config.replay.order = planned.total_order ? REPLAY_ORDER_TRACE : REPLAY_ORDER_OBJECT;
        config.replay.pace = paces[i / 2 % 2];
        config.replay.loops = 2;
        config.replay.cold = i & 8;
        run_plan(plan, &config);
        assert_true(probe.allocs > 1000);
        assert_int_equal(probe.allocs, probe.frees);
        assert_int_equal(probe.wild_frees, 0);
        assert_int_equal(probe.destroys, probe.creates);
        plan_destroy(plan);
    }
    trace_fixture_remove(&fixture);
}

static void a_turn_does_not_wait_for_the_next_event_of_its_own(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    uint64_t stall_ns = UINT64_MAX;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_wait(&fixture, 5000000);
    trace_fixture_alloc(&fixture, 1, 1); /* due at 5 ms, not when stream 0 goes on */
    trace_fixture_wait(&fixture, 400000000);
    trace_fixture_alloc(&fixture, 0, 2);
    trace_fixture_end(&fixture);
    config.replay.order = REPLAY_ORDER_TRACE;
    config.replay.pace = 1;
    /* A busy system may keep a worker waiting too, but not each time. */
    for (unsigned attempt = 0; attempt < 20 && stall_ns >= 200000000; attempt++)
        stall_ns = run_trace(&fixture, &config).stall_ns;
    assert_true(stall_ns < 200000000);
    trace_fixture_remove(&fixture);
}

/* Where objects lie says who ran before whom: the probe's list is one for all CPUs. */
static uint64_t addresses_of_a_run(const struct trace_fixture *fixture)
{
    struct run_config config = config_of(4);

    reset_probe(NULL);
    config.replay.order = REPLAY_ORDER_TRACE;
    run_trace(fixture, &config);
    return probe.addresses;
}

static void trace_order_repeats_outside_the_clock_too(void **state)
{
    struct trace_fixture fixture;
    uint64_t first;

    (void)state;
    trace_fixture_begin(&fixture, 4);
    for (uint32_t i = 0; i < 400; i++)
        trace_fixture_preload(&fixture, i % 4, i);
    for (uint32_t i = 0; i < 100; i++)
        trace_fixture_free(&fixture, i % 3, i);
    trace_fixture_end(&fixture);
    first = addresses_of_a_run(&fixture);
    for (int i = 0; i < 5; i++)
        assert_int_equal(addresses_of_a_run(&fixture), first);
    trace_fixture_remove(&fixture);
}

/* ---- verification ---- */

static void verification_is_silent_about_an_honest_design(void **state)
{
    struct run_config config = config_of(2);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_tangle(&fixture, 2, 50, 3000);
    config.replay.verify = true;
    config.replay.touch = REPLAY_TOUCH_ALL;
    result = run_trace(&fixture, &config);
    assert_int_equal(result.violations, 0);
    trace_fixture_remove(&fixture);
}

static void verification_finds_an_object_handed_out_twice(void **state)
{
    struct run_config config = config_of(1);
    struct trace_fixture fixture;
    struct replay_result result;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_alloc(&fixture, 0, 1);
    trace_fixture_end(&fixture);
    probe.lie = true;
    config.replay.verify = true;
    result = run_trace(&fixture, &config);
    assert_true(result.violations >= 2); /* the overlap, and the first object's lost stamp */
    assert_non_null(strstr(result.first_violation, "overlaps"));
    trace_fixture_remove(&fixture);
}

/* ---- binding ---- */

static void a_topology_that_is_not_this_system_binds_nothing_and_says_so(void **state)
{
    struct binding compact = {.policy = BINDING_COMPACT};
    struct run_config config = config_of(2);
    struct plan_config planned = {.workers = 2};
    struct trace_fixture fixture;
    struct topology *elsewhere;
    struct error error = {""};
    struct run_report report;
    struct plan *plan;

    (void)state;
    trace_fixture_consumer(&fixture, 10);
    assert_int_equal(topology_create_synthetic("numa:2 core:4 pu:1", &elsewhere, &error), 0);
    assert_int_equal(plan_create(fixture.path, &planned, &plan, &error), 0);
    config.binding = &compact;
    assert_int_equal(run_execute(plan, elsewhere, &config, &report, &error), 0);
    assert_false(report.bound);
    run_report_cleanup(&report);
    plan_destroy(plan);
    topology_destroy(elsewhere);
    trace_fixture_remove(&fixture);
}

#define replay_test(test) cmocka_unit_test_setup(test, reset_probe)

int main(void)
{
    const struct CMUnitTest tests[] = {
        replay_test(every_event_runs_once),
        replay_test(a_free_never_overtakes_its_alloc),
        replay_test(tags_about_to_wrap_do_no_harm),
        replay_test(the_free_of_a_failed_allocation_is_skipped),
        replay_test(all_may_fail_and_nobody_waits_for_ever),
        replay_test(many_tangled_workers_do_not_deadlock),
        replay_test(replicas_run_beside_each_other),
        replay_test(more_threads_than_streams_is_an_error),
        replay_test(trace_order_is_the_recorded_order),
        replay_test(pace_keeps_to_recorded_time),
        replay_test(timers_run_on_recorded_time),
        replay_test(loops_free_what_lives_and_preload_again),
        replay_test(loops_go_on_until_enough_is_measured),
        replay_test(bulk_events_reach_the_design_at_once),
        replay_test(what_a_bulk_allocation_lacks_is_asked_for_singly),
        replay_test(a_cache_comes_and_goes_in_mid_trace),
        replay_test(a_cache_is_made_as_the_trace_describes_it),
        replay_test(with_replicas_the_last_destruction_acts),
        replay_test(destroying_with_live_objects_is_refused_and_counted),
        replay_test(an_older_cache_that_is_destroyed_comes_back_for_the_next_loop),
        replay_test(what_is_allocated_from_a_cache_that_could_not_be_made_fails),
        replay_test(every_combination_balances),
        replay_test(a_turn_does_not_wait_for_the_next_event_of_its_own),
        replay_test(trace_order_repeats_outside_the_clock_too),
        replay_test(verification_is_silent_about_an_honest_design),
        replay_test(verification_finds_an_object_handed_out_twice),
        replay_test(a_topology_that_is_not_this_system_binds_nothing_and_says_so),
    };

    return cmocka_run_group_tests_name("replay", tests, replay_host_open, replay_host_close);
}
