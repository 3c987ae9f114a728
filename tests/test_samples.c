/* SPDX-License-Identifier: MIT */
/*
 * The recorded traces that the project ships: the counts of the kernel's are those that an
 * independent script found in the recordings, the program's those that its recorder gave
 * (traces/samples/README.md), and every design replays them with
 * nothing overlapping, nothing lost and nothing overtaken, and knows where all its memory is.
 */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/run.h"
#include "sim/topology.h"
#include "traces/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct sample {
    const char *path;
    uint64_t allocs, frees, null_frees, implied_frees, unmatched_frees, cross_stream_frees,
        live_at_end;
} samples[] = {
    {"traces/samples/hackbench.slt", 196916, 197863, 14733, 202, 3008, 61217, 1859},
    {"traces/samples/find.slt", 91179, 62454, 11414, 3437, 1003, 7354, 26291},
    {"traces/samples/gcc.slt", 140351, 80653, 8100, 5137, 13012, 2020, 67573},
    {"traces/samples/python.slt", 41307, 41281, 1179, 0, 0, 9243, 26},
};
#define SAMPLES (sizeof samples / sizeof samples[0])

static void counts_are_those_of_an_independent_script(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        struct trace_summary summary;
        struct error error = {""};

        assert_int_equal(trace_summary_read(samples[i].path, &summary, &error), 0);
        assert_int_equal(summary.allocs, samples[i].allocs);
        assert_int_equal(summary.frees, samples[i].frees);
        assert_int_equal(summary.repairs.null_frees, samples[i].null_frees);
        assert_int_equal(summary.repairs.implied_frees, samples[i].implied_frees);
        assert_int_equal(summary.unmatched_frees, samples[i].unmatched_frees);
        assert_int_equal(summary.cross_stream_frees, samples[i].cross_stream_frees);
        assert_int_equal(summary.live_at_end, samples[i].live_at_end);
        trace_summary_cleanup(&summary);
    }
}

static void hackbench_asked_for_and_got_as_much_as_perf_says(void **state)
{
    struct trace_summary summary;
    struct error error = {""};

    (void)state;
    assert_int_equal(trace_summary_read(samples[0].path, &summary, &error), 0);
    assert_int_equal(summary.requested_bytes, 66062373);
    assert_int_equal(summary.recorded_bytes, 68732496);
    trace_summary_cleanup(&summary);
}

/*
 * With nothing live and all reclaimed, what is held is descriptors. Not so of magazine, whose CPUs
 * keep two magazines each, and x15, which keeps every slab: their own tests say what of them stays.
 */
static void assert_given_back(const char *allocator, const struct page_statistics *reclaimed)
{
    static const char *const keep_nothing[] = {"bufctl", "helenos", "slabifier", "spl"};

    for (size_t i = 0; i < sizeof keep_nothing / sizeof keep_nothing[0]; i++) {
        if (strcmp(allocator, keep_nothing[i]) == 0)
            assert_int_equal(reclaimed->held_bytes, reclaimed->boot_bytes);
    }
}

/*
 * Where memory has no limit only spl's may fail, before the clock too: its no-wait call is NULL
 * when another CPU has just made a slab, and so is its original's.
 */
static bool may_fail(const struct run_config *config)
{
    return config->memory_limit || strcmp(config->allocator, "spl") == 0;
}

/* Most allocations that a pass makes before its clock starts. */
static uint64_t preloads(const struct plan *plan, const struct run_config *config)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < plan->nr_groups; i++)
        most += plan->groups[i].preload.count;
    return most * config->replay.replicas;
}

/*
 * Each operation of the counted passes is in one layer, but for allocs that failed and for frees
 * of those, or of what failed to be there when the clock started.
 */
static void assert_layers(const struct plan *plan, const struct run_config *config,
                          const struct replay_result *replay)
{
    const uint64_t passes = replay->counted.count, copies = passes * config->replay.replicas;
    const uint64_t failed = plan->allocs * copies - replay->counted_allocs;
    uint64_t sums[REPLAY_OPS] = {0};

    assert_true(failed <= plan->allocs * copies);
    for (unsigned layer = 0; layer < LAYERS; layer++) {
        assert_true(replay->layers[REPLAY_ALLOC][layer] <= plan->allocs * copies);
        assert_true(replay->layers[REPLAY_FREE][layer] <= plan->frees * copies);
        sums[REPLAY_ALLOC] += replay->layers[REPLAY_ALLOC][layer];
        sums[REPLAY_FREE] += replay->layers[REPLAY_FREE][layer];
    }
    assert_int_equal(sums[REPLAY_ALLOC], replay->counted_allocs);
    assert_true(sums[REPLAY_FREE] <= plan->frees * copies);
    assert_true(plan->frees * copies - sums[REPLAY_FREE] <=
                failed + passes * preloads(plan, config));
    if (!may_fail(config)) {
        assert_int_equal(failed, 0);
        assert_int_equal(sums[REPLAY_FREE], plan->frees * copies);
    }
}

/* What every recording of a design comes to; mallocs and the harness keep no such accounts. */
static void assert_accounts(const struct plan *plan, const struct run_config *config,
                            const struct run_report *report)
{
    const struct replay_result *replay = &report->replay;

    if (replay->ledger_error[0])
        fail_msg("%s, %u threads: %s", config->allocator, config->threads, replay->ledger_error);
    assert_true(replay->skipped_frees <=
                replay->failed_allocs + replay->loops * preloads(plan, config));
    if (!may_fail(config)) {
        assert_int_equal(replay->failed_allocs, 0);
        assert_int_equal(replay->skipped_frees, 0);
    }
    if (report->external || report->harness)
        return;
    if (config->replay.record & RECORD_MEMORY)
        assert_int_equal(replay->nr_samples, plan->nr_cuts);
    assert_layers(plan, config, replay);
}

/* Records everything. The toy's ledger walks all free objects for every range: not in this. */
static struct run_config recorded_run(const struct plan *plan, const char *allocator,
                                      unsigned threads)
{
    static const struct binding unbound = {.policy = BINDING_NONE};

    return (struct run_config){
        .allocator = allocator,
        .threads = threads,
        .oversubscribe = true,
        .binding = &unbound,
        .trace_timers = true,
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): each plan has a group */
        .replay = {.replicas = threads > plan->nr_groups ? threads / plan->nr_groups : 1,
                   .loops = 1,
                   .record = strcmp(allocator, "toy") ? RECORD_ALL : RECORD_ALL & ~RECORD_MEMORY},
    };
}

static void replay_checked(const struct plan *plan, const struct topology *host,
                           const struct run_config *config)
{
    struct run_report report;
    struct error error = {""};

    if (run_execute(plan, host, config, &report, &error) != 0)
        fail_msg("%s: %s", config->allocator, error.text);
    if (report.replay.violations)
        fail_msg("%s, %u threads: %s", config->allocator, config->threads,
                 report.replay.first_violation);
    assert_int_equal(report.replay.events, plan->events * config->replay.replicas);
    assert_accounts(plan, config, &report);
    assert_given_back(config->allocator, &report.reclaimed);
    run_report_cleanup(&report);
}

/* One cold pass of a design over a plan, everything checked. */
static void replay_verified(const struct plan *plan, const struct topology *host,
                            const char *allocator, unsigned threads)
{
    struct run_config config = recorded_run(plan, allocator, threads);

    config.replay.cold = true;
    config.replay.verify = true;
    config.replay.touch = threads == 2 ? REPLAY_TOUCH_ALL : REPLAY_TOUCH_FIRST; /* it takes time */
    replay_checked(plan, host, &config);
}

static void every_design_replays_every_sample(void **state)
{
    static const unsigned threads[] = {1, 2, 8}; /* 8: four copies, more threads than CPUs */
    /* Under valgrind a whole pass of everything would take an hour. */
    const char *wrapper = getenv("TEST_WRAPPER");
    uint64_t max_events = wrapper && *wrapper ? 20000 : 0;
    struct topology *host;
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    (void)state;
    assert_int_equal(topology_create_host(&host, NULL), 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t j = 0; j < sizeof threads / sizeof threads[0]; j++) {
            const struct plan_config config = {
                .workers = threads[j], .max_events = max_events, .samples = 3};
            struct error error = {""};
            struct plan *plan;

            assert_int_equal(plan_create(samples[i].path, &config, &plan, &error), 0);
            /* What crosses streams in the trace crosses workers, one to a stream. */
            if (threads[j] > 1 && !max_events)
                assert_int_equal(plan->remote_frees - plan->implied_remote_frees,
                                 samples[i].cross_stream_frees);
            for (size_t k = 0; k < count; k++)
                replay_verified(plan, host, all[k]->external ? "malloc:libc" : all[k]->name,
                                threads[j]);
            plan_destroy(plan);
        }
    }
    topology_destroy(host);
}

/* As runs are that are measured: nothing is checked but by what is recorded. */
static void every_design_accounts_for_warm_loops_of_every_sample(void **state)
{
    static const unsigned threads[] = {1, 2, 4};
    struct topology *host;
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    (void)state;
    assert_int_equal(topology_create_host(&host, NULL), 0);
    for (size_t i = 0; i < SAMPLES * 3; i++) {
        const struct plan_config config = {
            .workers = threads[i % 3], .max_events = 5000, .samples = 10};
        struct error error = {""};
        struct plan *plan;

        assert_int_equal(plan_create(samples[i / 3].path, &config, &plan, &error), 0);
        for (size_t j = 0; j < count; j++) {
            struct run_config run = recorded_run(plan, all[j]->name, threads[i % 3]);

            run.replay.replicas = 2;
            if (!all[j]->external)
                replay_checked(plan, host, &run);
        }
        plan_destroy(plan);
    }
    topology_destroy(host);
}

/* A quarter of what the trace needs: each design's own answer runs, and the trace goes on. */
static void every_design_gets_by_on_too_little_memory(void **state)
{
    const struct plan_config planned = {.workers = 2, .max_events = 100000, .samples = 6};
    struct error error = {""};
    struct topology *host;
    struct plan *plan;
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    (void)state;
    assert_int_equal(topology_create_host(&host, NULL), 0);
    assert_int_equal(plan_create(samples[0].path, &planned, &plan, &error), 0);
    for (size_t i = 0; i < count; i++) {
        struct run_config config = recorded_run(plan, all[i]->name, 2);
        struct run_report report;

        if (all[i]->external || all[i]->harness)
            continue;
        config.memory_limit = 2 << 20;
        config.replay.loops = 2;
        config.replay.cold = config.replay.verify = true;
        if (run_execute(plan, host, &config, &report, &error) != 0)
            fail_msg("%s: %s", all[i]->name, error.text);
        if (report.replay.violations)
            fail_msg("%s: %s", all[i]->name, report.replay.first_violation);
        assert_true(report.replay.failed_allocs > 0);
        assert_accounts(plan, &config, &report);
        assert_true(report.replay.pages.peak_bytes <= config.memory_limit);
        assert_given_back(all[i]->name, &report.reclaimed);
        run_report_cleanup(&report);
    }
    plan_destroy(plan);
    topology_destroy(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_those_of_an_independent_script),
        cmocka_unit_test(hackbench_asked_for_and_got_as_much_as_perf_says),
        cmocka_unit_test(every_design_replays_every_sample),
        cmocka_unit_test(every_design_accounts_for_warm_loops_of_every_sample),
        cmocka_unit_test(every_design_gets_by_on_too_little_memory),
    };

    return cmocka_run_group_tests_name("samples", tests, NULL, NULL);
}
