/* SPDX-License-Identifier: MIT */
/* See the header. */
#include "tests/replay_fixture.h"

#include "sim/error.h"
#include "sim/topology.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* ---- a run ---- */

struct topology *replay_host;
static const struct binding unbound = {.policy = BINDING_NONE};

int replay_host_open(void **state)
{
    (void)state;
    return topology_create_host(&replay_host, NULL);
}

int replay_host_close(void **state)
{
    (void)state;
    topology_destroy(replay_host);
    return 0;
}

struct run_config replay_config_of(const char *allocator, unsigned threads)
{
    return (struct run_config){
        .allocator = allocator,
        .threads = threads,
        .oversubscribe = true,
        .binding = &unbound,
        .trace_timers = true,
        .replay = {.replicas = 1, .loops = 1, .cold = true, .seed = 7},
    };
}

struct plan *replay_plan_of(const char *trace, const struct run_config *config,
                            const struct plan_config *cuts)
{
    const struct plan_config planned = {
        .workers = config->threads,
        .total_order = config->replay.order == REPLAY_ORDER_TRACE,
        .event_times = config->replay.pace > 0,
        .samples = cuts ? cuts->samples : 0,
        .sample_events = cuts ? cuts->sample_events : 0,
        .sample_ns = cuts ? cuts->sample_ns : 0,
        .max_events = cuts ? cuts->max_events : 0,
    };
    struct error error = {""};
    struct plan *plan;

    if (plan_create(trace, &planned, &plan, &error) != 0)
        fail_msg("%s", error.text);
    return plan;
}

void replay_plan_run(const struct plan *plan, const struct topology *topology,
                     const struct run_config *config, struct run_report *report)
{
    struct error error = {""};

    if (run_execute(plan, topology, config, report, &error) != 0)
        fail_msg("%s: %s", config->allocator, error.text);
}

void replay_trace_run(const struct trace_fixture *fixture, const struct run_config *config,
                      struct run_report *report)
{
    struct plan *plan = replay_plan_of(fixture->path, config, NULL);

    replay_plan_run(plan, replay_host, config, report);
    plan_destroy(plan);
}

/* ---- traces ---- */

void trace_fixture_tangle(struct trace_fixture *fixture, unsigned streams, unsigned objects,
                          unsigned events)
{
    unsigned seed = 12345;

    trace_fixture_begin(fixture, streams);
    for (unsigned i = 0; i < objects; i++)
        trace_fixture_alloc(fixture, i % streams, i);
    for (unsigned i = 0; i < events; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no load is of no object */
        unsigned object = (unsigned)rand_r(&seed) % objects;

        trace_fixture_free(fixture, (unsigned)rand_r(&seed) % streams, object);
        trace_fixture_alloc(fixture, (unsigned)rand_r(&seed) % streams, object);
        trace_fixture_wait(fixture, 100);
    }
    trace_fixture_end(fixture);
}

void trace_fixture_consumer(struct trace_fixture *fixture, unsigned objects)
{
    trace_fixture_begin(fixture, 2);
    for (unsigned i = 0; i < objects; i++) {
        trace_fixture_alloc(fixture, 0, 0);
        trace_fixture_free(fixture, 1, 0);
    }
    trace_fixture_end(fixture);
}

void trace_fixture_passing_cache(struct trace_fixture *fixture, unsigned streams)
{
    uint32_t cache;

    trace_fixture_begin(fixture, streams);
    cache = trace_fixture_cache(fixture, "passing", 32);
    trace_fixture_alloc(fixture, 0, 0);
    trace_fixture_create(fixture, 0, cache);
    for (uint32_t i = 1; i < streams; i++)
        trace_fixture_alloc_from(fixture, i, i, cache, 32);
    for (uint32_t i = 1; i < streams; i++)
        trace_fixture_free(fixture, streams - i, i);
    trace_fixture_destroy(fixture, 0, cache);
    trace_fixture_free(fixture, streams - 1, 0);
    trace_fixture_end(fixture);
}
