/* SPDX-License-Identifier: MIT */
/*
 * What a replay counts beside time, where the right answer is known: trips, locks, layers, nodes,
 * the memory account when allocations fail and when caches come and go.
 */
#include "allocators/allocator.h"
#include "sim/topology.h"
#include "tests/replay_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- runs ---- */

/* As a run that records everything, with cuts unless they are NULL. */
static void run_recorded(const struct trace_fixture *fixture, struct run_config config,
                         const struct plan_config *cuts, struct run_report *report)
{
    struct plan *plan = replay_plan_of(fixture->path, &config, cuts);

    config.replay.record = RECORD_ALL;
    replay_plan_run(plan, replay_host, &config, report);
    plan_destroy(plan);
}

static struct run_config warm(const char *allocator, unsigned threads, unsigned loops)
{
    struct run_config config = replay_config_of(allocator, threads);

    config.replay.cold = false;
    config.replay.loops = loops;
    return config;
}

/* Calls act for each design of ours that keeps memory: not for mallocs, nor for the harness. */
static void each_design(void (*act)(const char *design))
{
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    for (size_t i = 0; i < count; i++) {
        if (!all[i]->external && !all[i]->harness)
            act(all[i]->name);
    }
}

static uint64_t layers_sum(const uint64_t layers[LAYERS])
{
    uint64_t sum = 0;

    for (unsigned layer = 0; layer < LAYERS; layer++)
        sum += layers[layer];
    return sum;
}

/* All acquisitions of a class's locks; how many were contended. */
static uint64_t acquisitions(const struct account *account, enum lock_class class,
                             uint64_t *contended)
{
    uint64_t sum = 0;

    *contended = 0;
    for (unsigned i = 0; i < account->nr_locks; i++) {
        if (account_lock_class((uint16_t)i) != class)
            continue;
        sum += account->locks[i].acquisitions;
        *contended += account->locks[i].contended;
    }
    return sum;
}

/* ---- trips ---- */

/* Stream 0 allocates `batch` objects, then stream 1 frees them, `batches` times. */
static void hand_over(struct trace_fixture *fixture, unsigned batches, unsigned batch)
{
    trace_fixture_begin(fixture, 2);
    for (unsigned i = 0; i < batches; i++) {
        for (unsigned j = 0; j < batch; j++)
            trace_fixture_alloc(fixture, 0, j);
        for (unsigned j = 0; j < batch; j++)
            trace_fixture_free(fixture, 1, j);
    }
    trace_fixture_end(fixture);
}

static void assert_one_trip_for_each_magazine(unsigned rounds, unsigned batches, unsigned batch)
{
    struct run_config config = warm("magazine", 2, 5); /* two loops are counted */
    const uint64_t each = 2 * batches * (uint64_t)batch;
    struct trace_fixture fixture;
    struct run_report report;
    const struct replay_result *result = &report.replay;
    uint64_t contended;

    config.magazine_size = rounds;
    config.replay.order = REPLAY_ORDER_TRACE;
    hand_over(&fixture, batches, batch);
    run_recorded(&fixture, config, NULL, &report);
    assert_int_equal(result->counted.count, 2);
    assert_int_equal(result->counted.events, 2 * each);
    assert_int_equal(result->account->trips * rounds, result->counted.events);
    for (unsigned op = 0; op < REPLAY_OPS; op++) {
        assert_int_equal(result->layers[op][LAYER_DEPOT] * rounds, each);
        assert_int_equal(result->layers[op][LAYER_CPU], each - each / rounds);
        assert_int_equal(layers_sum(result->layers[op]), each);
    }
    assert_int_equal(acquisitions(result->account, LOCK_CLASS_DEPOT, &contended),
                     result->account->trips);
    assert_int_equal(contended, 0);
    assert_int_equal(acquisitions(result->account, LOCK_CLASS_CACHE, &contended), 0);
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

/*
 * Bonwick & Adams, 3.1: a CPU comes to the depot once in so many operations as a magazine has
 * rounds. What the first objects and magazines cost is over when the first loop is: the counted
 * ones come after it, and begin with the magazines as full as they end.
 */
static void one_who_allocates_and_one_who_frees_make_a_trip_for_each_magazine(void **state)
{
    static const unsigned sizes[] = {1, 2, 3, 5, 8, 31, 62};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        unsigned rounds = sizes[i];

        assert_one_trip_for_each_magazine(rounds, 8, 4 * rounds);
        assert_one_trip_for_each_magazine(rounds, 16, 4 * rounds);
        assert_one_trip_for_each_magazine(rounds, 2 * rounds, 3 * rounds + 1);
        assert_one_trip_for_each_magazine(rounds, 6 * rounds, 1);
    }
}

/* ---- nothing shared ---- */

/* Each stream frees what it allocated, and never has more than `most` at once. */
static void local_load(struct trace_fixture *fixture, unsigned streams, unsigned most)
{
    trace_fixture_begin(fixture, streams);
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned j = 0; j < streams * most; j++)
            trace_fixture_alloc(fixture, j % streams, j);
        for (unsigned j = 0; j < streams * most; j++)
            trace_fixture_free(fixture, j % streams, j);
    }
    trace_fixture_end(fixture);
}

static void who_keeps_to_himself_meets_nobody(void **state)
{
    static const enum lock_class shared[] = {LOCK_CLASS_DEPOT, LOCK_CLASS_CACHE, LOCK_CLASS_ZONE,
                                             LOCK_CLASS_BOOT, LOCK_CLASS_VMEM};

    (void)state;
    for (unsigned threads = 2; threads <= 4; threads += 2) {
        struct run_config config = warm("magazine", threads, 4);
        struct trace_fixture fixture;
        struct run_report report;
        const struct replay_result *result = &report.replay;
        uint64_t contended;

        config.magazine_size = 8;
        local_load(&fixture, threads, 8);
        run_recorded(&fixture, config, NULL, &report);
        for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
            assert_int_equal(acquisitions(result->account, shared[i], &contended), 0);
        assert_int_equal(result->account->trips, 0);
        assert_int_equal(result->layers[REPLAY_ALLOC][LAYER_CPU], threads * 300 * 8);
        assert_int_equal(result->layers[REPLAY_FREE][LAYER_CPU], threads * 300 * 8);
        assert_int_equal(layers_sum(result->layers[REPLAY_ALLOC]), threads * 300 * 8);
        assert_int_equal(layers_sum(result->layers[REPLAY_FREE]), threads * 300 * 8);
        assert_int_equal(result->remote_frees, 0);
        assert_int_equal(result->remote_node_frees, 0);
        run_report_cleanup(&report);
        trace_fixture_remove(&fixture);
    }
}

/* ---- layers ---- */

static void bufctl_has_nothing_above_its_slabs(void **state)
{
    struct trace_fixture fixture;
    struct run_report report;
    const struct replay_result *result = &report.replay;

    (void)state;
    trace_fixture_tangle(&fixture, 3, 60, 1000);
    for (unsigned threads = 1; threads <= 3; threads++) {
        run_recorded(&fixture, warm("bufctl", threads, 1), NULL, &report);
        for (unsigned op = 0; op < REPLAY_OPS; op++) {
            assert_int_equal(result->layers[op][LAYER_CPU], 0);
            assert_int_equal(result->layers[op][LAYER_DEPOT], 0);
        }
        assert_int_equal(layers_sum(result->layers[REPLAY_ALLOC]), 1060);
        assert_int_equal(layers_sum(result->layers[REPLAY_FREE]), 1000);
        run_report_cleanup(&report);
    }
    trace_fixture_remove(&fixture);
}

/* By cache, too, and no more of one layer than of all. */
static void assert_layers(const struct replay_result *result, uint64_t allocs, uint64_t frees)
{
    const uint64_t expected[REPLAY_OPS] = {allocs, frees};

    for (unsigned op = 0; op < REPLAY_OPS; op++) {
        uint64_t sums[LAYERS] = {0};

        for (size_t i = 0; i < result->nr_caches; i++) {
            for (unsigned layer = 0; layer < LAYERS; layer++)
                sums[layer] += result->caches[i].layers[op][layer];
        }
        assert_memory_equal(sums, result->layers[op], sizeof sums);
        for (unsigned layer = 0; layer < LAYERS; layer++)
            assert_true(sums[layer] <= expected[op]);
        assert_int_equal(layers_sum(sums), expected[op]);
    }
}

static void layers_of_design_sum_to_its_operations(const char *design)
{
    struct trace_fixture fixture;
    struct run_report report;

    trace_fixture_tangle(&fixture, 2, 100, 2000);
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct run_config config = warm(design, threads, 5);

        config.replay.replicas = 2;
        run_recorded(&fixture, config, NULL, &report);
        assert_layers(&report.replay, 2 * 2 * 2100, 2 * 2 * 2000);
        run_report_cleanup(&report);
    }
    trace_fixture_remove(&fixture);
}

static void layers_sum_to_all_operations(void **state)
{
    (void)state;
    each_design(layers_of_design_sum_to_its_operations);
}

static void who_is_no_design_of_ours_has_no_layers(void **state)
{
    static const char *const others[] = {"null", "malloc:libc"};
    const struct plan_config cuts = {.sample_events = 100};
    struct trace_fixture fixture;
    struct run_report report;

    (void)state;
    trace_fixture_tangle(&fixture, 2, 10, 500);
    for (size_t i = 0; i < 2; i++) {
        run_recorded(&fixture, warm(others[i], 2, 1), &cuts, &report);
        assert_false(report.replay.layered);
        assert_layers(&report.replay, 0, 0);
        assert_int_equal(report.replay.nr_samples, 0);
        assert_non_null(report.replay.latency);
        run_report_cleanup(&report);
    }
    trace_fixture_remove(&fixture);
}

/* ---- too little memory ---- */

/* Two streams fill 3 MB, each frees the other's, and again. */
static void glut(struct trace_fixture *fixture)
{
    enum { OBJECTS = 3000, BYTES = 1000 };
    uint32_t cache;

    trace_fixture_begin(fixture, 2);
    cache = trace_fixture_cache(fixture, "large", BYTES);
    for (unsigned i = 0; i < 2; i++) {
        for (uint32_t j = 0; j < OBJECTS; j++)
            trace_fixture_alloc_from(fixture, j % 2, j, cache, BYTES);
        for (uint32_t j = 0; j < OBJECTS; j++)
            trace_fixture_free(fixture, 1 - j % 2, j);
    }
    trace_fixture_end(fixture);
}

/* Cold: there what failed in measured loops failed in the counted ones. */
static void design_accounts_for_what_failed(const char *design)
{
    const struct plan_config cuts = {.samples = 16};
    struct trace_fixture fixture;

    glut(&fixture);
    for (unsigned touch = REPLAY_TOUCH_NONE; touch <= REPLAY_TOUCH_FIRST; touch++) {
        struct run_config config = replay_config_of(design, 2);
        struct run_report report;
        const struct replay_result *result = &report.replay;

        config.memory_limit = 2 << 20;
        config.replay.loops = 3;
        config.replay.touch = touch;
        run_recorded(&fixture, config, &cuts, &report);
        assert_true(result->failed_allocs > 0);
        assert_int_equal(result->skipped_frees, result->failed_allocs);
        assert_layers(result, 3 * 6000 - result->failed_allocs, 3 * 6000 - result->skipped_frees);
        if (strcmp(design, "bufctl") == 0) {
            assert_int_equal(result->layers[REPLAY_ALLOC][LAYER_CPU], 0);
            assert_int_equal(result->layers[REPLAY_FREE][LAYER_CPU], 0);
        }
        assert_string_equal(result->ledger_error, "");
        assert_true(result->samples[result->most_live_sample].ledger.live_objects < 3000);
        run_report_cleanup(&report);
    }
    trace_fixture_remove(&fixture);
}

static void what_failed_is_in_no_layer_and_in_no_ledger(void **state)
{
    (void)state;
    each_design(design_accounts_for_what_failed);
}

/* Empty slabs of one cache have to go before another's objects have room: no layer is forgotten. */
static void what_a_bulk_event_gets_after_a_reclaim_has_its_layer(void **state)
{
    enum { BATCH = 64, BATCHES = 24, BYTES = 1000 };
    struct run_config config = replay_config_of("bufctl", 1);
    struct trace_fixture fixture;
    struct run_report report;
    const struct replay_result *result = &report.replay;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t cache = trace_fixture_cache(&fixture, i ? "second" : "first", BYTES + 8 * i);

        for (uint32_t j = 0; j < BATCHES * BATCH; j++) {
            if (j % BATCH == 0)
                trace_fixture_bulk(&fixture, BATCH);
            trace_fixture_alloc_from(&fixture, 0, j, cache, BYTES + 8 * i);
        }
        for (uint32_t j = 0; j < BATCHES * BATCH; j++)
            trace_fixture_free(&fixture, 0, j);
    }
    trace_fixture_end(&fixture);
    config.memory_limit = 2 << 20;
    config.replay.loops = 1;
    run_recorded(&fixture, config, NULL, &report);
    assert_int_equal(result->failed_allocs, 0);
    assert_int_equal(result->layers[REPLAY_ALLOC][LAYER_CPU], 0);
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

/* ---- caches that come and go ---- */

/* Twice in a trace one passes, while another, older one is there all the time. */
static void passing_caches(struct trace_fixture *fixture)
{
    static const char *const names[] = {"first", "second"};

    trace_fixture_begin(fixture, 3);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t cache = trace_fixture_cache(fixture, names[i], 100 + 200 * i);

        trace_fixture_create(fixture, i, cache);
        for (uint32_t j = 0; j < 200; j++) {
            trace_fixture_alloc_from(fixture, j % 3, 2 * j, cache, 100 + 200 * i);
            trace_fixture_alloc(fixture, j % 3, 2 * j + 1);
        }
        for (uint32_t j = 0; j < 400; j++)
            trace_fixture_free(fixture, (j + 1) % 3, j);
        trace_fixture_destroy(fixture, 1 - i, cache);
    }
    trace_fixture_end(fixture);
}

static void design_accounts_for_passing_caches(const char *design)
{
    const struct plan_config cuts = {.sample_events = 50};
    struct trace_fixture fixture;

    passing_caches(&fixture);
    for (unsigned cold = 0; cold < 2; cold++) {
        struct run_config config = warm(design, 3, 4);
        struct run_report report;
        const struct replay_result *result = &report.replay;

        config.replay.cold = cold;
        config.replay.replicas = 2;
        run_recorded(&fixture, config, &cuts, &report);
        assert_string_equal(result->ledger_error, "");
        assert_int_equal(result->refused_destroys, 0);
        assert_layers(result, result->counted.count * 2 * 800, result->counted.count * 2 * 800);
        for (size_t i = 0; i < result->nr_caches; i++) {
            unsigned share = strcmp(result->caches[i].name, "objects") == 0 ? 400 : 200;

            assert_int_equal(result->caches[i].operations[REPLAY_ALLOC], 2 * share);
            assert_int_equal(result->caches[i].operations[REPLAY_FREE], 2 * share);
        }
        run_report_cleanup(&report);
    }
    trace_fixture_remove(&fixture);
}

static void caches_that_come_and_go_are_accounted_for(void **state)
{
    (void)state;
    each_design(design_accounts_for_passing_caches);
}

/* One CPU, whose magazines suffice: what a cache's making and end take is no operation's layer. */
static void what_a_cache_touches_as_it_comes_and_goes_is_nobodys_layer(void **state)
{
    struct run_config config = warm("magazine", 1, 4);
    struct trace_fixture fixture;
    struct run_report report;
    const struct replay_result *result = &report.replay;
    uint32_t cache;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    cache = trace_fixture_cache(&fixture, "passing", 100);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_create(&fixture, 0, cache);
    trace_fixture_alloc(&fixture, 0, 1);
    trace_fixture_alloc_from(&fixture, 0, 2, cache, 100);
    trace_fixture_alloc(&fixture, 0, 3);
    trace_fixture_free(&fixture, 0, 2);
    trace_fixture_destroy(&fixture, 0, cache);
    trace_fixture_free(&fixture, 0, 0);
    trace_fixture_free(&fixture, 0, 1);
    trace_fixture_free(&fixture, 0, 3);
    trace_fixture_end(&fixture);
    run_recorded(&fixture, config, NULL, &report);
    for (size_t i = 0; i < result->nr_caches; i++) {
        if (strcmp(result->caches[i].name, "objects") != 0)
            continue;
        assert_int_equal(result->caches[i].layers[REPLAY_ALLOC][LAYER_CPU], 3);
        assert_int_equal(result->caches[i].layers[REPLAY_FREE][LAYER_CPU], 3);
    }
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

/* ---- samples ---- */

/* What caches had when most was live is that sample's, divided. */
static void design_divides_what_is_live(const char *design)
{
    const struct plan_config cuts = {.samples = 10};
    struct trace_fixture fixture;
    struct run_report report;
    const struct replay_result *result = &report.replay;
    const struct replay_sample *most;
    uint64_t live = 0;

    passing_caches(&fixture);
    run_recorded(&fixture, warm(design, 2, 1), &cuts, &report);
    most = &result->samples[result->most_live_sample];
    for (size_t i = 0; i < result->nr_caches; i++)
        live += result->caches[i].most_live.live_objects;
    assert_int_equal(live, most->ledger.live_objects);
    for (size_t i = 0; i < result->nr_samples; i++) {
        assert_true(result->samples[i].ledger.requested <= most->ledger.requested);
        assert_true(result->samples[i].ledger.page_bytes <=
                    result->samples[result->peak_sample].ledger.page_bytes);
        assert_true(result->samples[i].ledger.page_bytes <= result->first_pages.peak_bytes);
    }
    run_report_cleanup(&report);
    trace_fixture_remove(&fixture);
}

static void of_the_moment_with_most_live_each_cache_knows_its_part(void **state)
{
    (void)state;
    each_design(design_divides_what_is_live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_who_allocates_and_one_who_frees_make_a_trip_for_each_magazine),
        cmocka_unit_test(who_keeps_to_himself_meets_nobody),
        cmocka_unit_test(bufctl_has_nothing_above_its_slabs),
        cmocka_unit_test(layers_sum_to_all_operations),
        cmocka_unit_test(who_is_no_design_of_ours_has_no_layers),
        cmocka_unit_test(what_failed_is_in_no_layer_and_in_no_ledger),
        cmocka_unit_test(what_a_bulk_event_gets_after_a_reclaim_has_its_layer),
        cmocka_unit_test(caches_that_come_and_go_are_accounted_for),
        cmocka_unit_test(what_a_cache_touches_as_it_comes_and_goes_is_nobodys_layer),
        cmocka_unit_test(of_the_moment_with_most_live_each_cache_knows_its_part),
    };

    return cmocka_run_group_tests_name("accounts of a replay", tests, replay_host_open,
                                       replay_host_close);
}
