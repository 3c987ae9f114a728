/* SPDX-License-Identifier: MIT */
/*
 * Where a plan can be cut, and what it counts: against a second reckoning that goes over the same
 * events in recorded order, one by one, and knows nothing of slots and words.
 */
#include "sim/error.h"
#include "tests/replay_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a trace, and what was script into it ---- */

enum { STREAMS = 3, OBJECTS = 400, PRELOADED = 50, STEPS_MAX = 8192, BULK_MAX = 60, KINDS = 2 };

static const struct {
    const char *cache;
    unsigned bytes;
} kinds[KINDS] = {{"objects", 64}, {"small", 24}};

struct step {
    uint64_t time_ns;
    unsigned stream, object, kind;
    bool free, preloaded;
    bool in_bulk; /* of several */
    bool goes_on; /* with the bulk event of the step before */
};

static struct {
    struct trace_fixture fixture;
    struct step steps[STEPS_MAX];
    size_t nr_steps;
    bool live[OBJECTS];
    unsigned kinds[OBJECTS];
    unsigned seed;
} script;

static unsigned draw(unsigned n)
{
    return (unsigned)rand_r(&script.seed) % n;
}

static void step_write(struct step step, uint32_t cache)
{
    step.time_ns = script.fixture.time_ns;
    if (step.free)
        trace_fixture_free(&script.fixture, step.stream, step.object);
    else if (step.preloaded)
        trace_fixture_preload(&script.fixture, step.stream, step.object);
    else
        trace_fixture_alloc_from(&script.fixture, step.stream, step.object, cache,
                                 kinds[step.kind].bytes);
    script.live[step.object] = !step.free;
    script.kinds[step.object] = step.kind;
    assert_true(script.nr_steps < STEPS_MAX);
    script.steps[script.nr_steps++] = step;
}

/* Up to `count` objects that live, or do not, in one event; of new ones the lowest numbers. */
static void event_write(bool free, unsigned stream, unsigned kind, unsigned count,
                        const uint32_t caches[KINDS])
{
    unsigned chosen[BULK_MAX], found = 0, first = free ? draw(OBJECTS) : 0;

    for (unsigned i = 0; i < OBJECTS && found < count; i++) {
        unsigned object = (first + i) % OBJECTS;

        if (script.live[object] == free)
            chosen[found++] = object;
    }
    if (found > 1)
        trace_fixture_bulk(&script.fixture, found);
    for (unsigned i = 0; i < found; i++)
        step_write((struct step){.stream = stream,
                                 .object = chosen[i],
                                 .kind = free ? script.kinds[chosen[i]] : kind,
                                 .free = free,
                                 .in_bulk = found > 1,
                                 .goes_on = i > 0},
                   caches[kind]);
}

/* One event in `bulk_every` is of several objects; 0: none. */
static void script_write(unsigned events, unsigned bulk_every)
{
    uint32_t caches[KINDS];

    memset(&script, 0, sizeof script);
    script.seed = 4711;
    trace_fixture_begin(&script.fixture, STREAMS);
    for (unsigned i = 0; i < KINDS; i++)
        caches[i] = trace_fixture_cache(&script.fixture, kinds[i].cache, kinds[i].bytes);
    for (unsigned i = 0; i < PRELOADED; i++)
        step_write((struct step){.stream = i % STREAMS, .object = i, .preloaded = true}, 0);
    for (unsigned i = 0; i < events; i++) {
        unsigned count = bulk_every && draw(bulk_every) == 0 ? 2 + draw(BULK_MAX - 1) : 1;

        trace_fixture_wait(&script.fixture, draw(200));
        event_write(draw(2), draw(STREAMS), draw(KINDS), count, caches);
    }
    trace_fixture_end(&script.fixture);
}

/* ---- the second reckoning ---- */

struct filter {
    const char *const *caches;
    const bool *streams;
};

/* Before an event that is kept, and at the end. */
struct moment {
    uint64_t time_ns, live_objects, live_bytes;
    size_t positions[STREAMS];
    bool mid_bulk;
};

static struct reckoning {
    unsigned groups;
    bool total_order;
    struct filter filter;
    bool kept[OBJECTS];
    unsigned owners[OBJECTS]; /* group that allocated */
    unsigned last_group;
    bool header_written;
    struct moment now;
    struct moment moments[STEPS_MAX];
    size_t nr_events;
    uint64_t allocs[KINDS], frees[KINDS], between[STREAMS][STREAMS];
} reckoned;

static bool stream_kept(unsigned stream)
{
    return !reckoned.filter.streams || reckoned.filter.streams[stream];
}

static unsigned group_of(unsigned stream)
{
    unsigned rank = 0;

    for (unsigned i = 0; i < stream; i++)
        rank += stream_kept(i);
    return rank % reckoned.groups;
}

static bool step_kept(const struct step *step)
{
    const char *const *caches = reckoned.filter.caches;

    if (!stream_kept(step->stream) || (step->free && !reckoned.kept[step->object]))
        return false;
    return !caches || strcmp(caches[0], kinds[step->kind].cache) == 0;
}

static void live_change(const struct step *step)
{
    unsigned group = group_of(step->stream), bytes = kinds[step->kind].bytes;

    if (step->free) {
        reckoned.now.live_objects--;
        reckoned.now.live_bytes -= bytes;
        reckoned.frees[step->kind]++;
        reckoned.between[reckoned.owners[step->object]][group]++;
    } else {
        reckoned.now.live_objects++;
        reckoned.now.live_bytes += bytes;
        reckoned.allocs[step->kind] += !step->preloaded;
        reckoned.owners[step->object] = group;
    }
    reckoned.kept[step->object] = !step->free;
}

static void step_reckon(const struct step *step)
{
    unsigned group = group_of(step->stream);

    if (!step->goes_on)
        reckoned.header_written = false;
    if (!step_kept(step)) {
        if (!step->free)
            reckoned.kept[step->object] = false;
        return;
    }
    if (!step->preloaded) {
        reckoned.now.time_ns = step->time_ns;
        reckoned.now.mid_bulk = step->goes_on;
        reckoned.moments[reckoned.nr_events++] = reckoned.now;
        /* A turn's word, a bulk event's header, the event's own word. */
        reckoned.now.positions[group] += reckoned.total_order && reckoned.last_group != group;
        reckoned.now.positions[group] += step->in_bulk && !reckoned.header_written;
        reckoned.now.positions[group]++;
        reckoned.header_written = step->in_bulk;
        reckoned.last_group = group;
    }
    live_change(step);
}

static void reckon(unsigned workers, bool total_order, struct filter filter, uint64_t max_events)
{
    unsigned streams = 0;
    size_t i;

    memset(&reckoned, 0, sizeof reckoned);
    reckoned.total_order = total_order;
    reckoned.filter = filter;
    for (unsigned stream = 0; stream < STREAMS; stream++)
        streams += stream_kept(stream);
    reckoned.groups = workers < streams ? workers : streams;
    reckoned.last_group = UINT32_MAX;
    for (i = 0; i < script.nr_steps; i++) {
        if (max_events && reckoned.nr_events >= max_events && !script.steps[i].goes_on)
            break;
        step_reckon(&script.steps[i]);
    }
    reckoned.now.time_ns = script.steps[i - 1].time_ns;
    reckoned.now.mid_bulk = false;
    reckoned.moments[reckoned.nr_events] = reckoned.now;
}

/* ---- where cuts have to be ---- */

/* Of each `step` events (or ns) the first at which there can be a cut; then the end. */
static size_t cuts_reckon(uint64_t step, bool in_ns, size_t *events)
{
    uint64_t next = 0;
    size_t count = 0;

    for (size_t i = 0; i < reckoned.nr_events; i++) {
        uint64_t here = in_ns ? reckoned.moments[i].time_ns : i;

        if (reckoned.moments[i].mid_bulk || here < next)
            continue;
        if (events)
            events[count] = i;
        count++;
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): one kind of samples is asked for */
        next = (here / step + 1) * step;
    }
    if (events)
        events[count] = reckoned.nr_events;
    return count + 1;
}

/* 16 events apart, or twice that, or twice that, until they are few enough. */
static uint64_t sample_step(unsigned samples)
{
    uint64_t step = 16;

    while (cuts_reckon(step, false, NULL) - 1 >= 2 * samples)
        step *= 2;
    return step;
}

static void assert_cuts(const struct plan *plan, const struct plan_config *config)
{
    static size_t expected[STEPS_MAX + 1];
    uint64_t step = config->samples         ? sample_step(config->samples)
                    : config->sample_events ? config->sample_events
                                            : config->sample_ns;
    size_t count = cuts_reckon(step, config->sample_ns, expected);

    assert_int_equal(plan->nr_groups, reckoned.groups);
    assert_int_equal(plan->nr_cuts, count);
    for (size_t i = 0; i < count; i++) {
        const struct plan_cut *cut = &plan->cuts[i];
        const struct moment *moment = &reckoned.moments[expected[i]];

        assert_int_equal(cut->event, expected[i]);
        assert_int_equal(cut->time_ns, moment->time_ns);
        assert_int_equal(cut->live_objects, moment->live_objects);
        assert_int_equal(cut->live_bytes, moment->live_bytes);
        for (unsigned group = 0; group < plan->nr_groups; group++)
            assert_int_equal(cut->group_positions[group], moment->positions[group]);
    }
    for (unsigned group = 0; group < plan->nr_groups; group++)
        assert_int_equal(plan->cuts[count - 1].group_positions[group],
                         plan->groups[group].events.count);
}

static void assert_totals(const struct plan *plan)
{
    uint64_t allocs = 0, frees = 0, between = 0, remote = 0;

    assert_int_equal(plan->nr_types, KINDS);
    for (size_t i = 0; i < KINDS; i++) {
        unsigned kind = plan->types[i].size == kinds[1].bytes;

        assert_int_equal(plan->type_allocs[i], reckoned.allocs[kind]);
        assert_int_equal(plan->type_frees[i], reckoned.frees[kind]);
        allocs += plan->type_allocs[i];
        frees += plan->type_frees[i];
    }
    for (unsigned from = 0; from < plan->nr_groups; from++) {
        for (unsigned by = 0; by < plan->nr_groups; by++) {
            uint64_t count = plan->frees_between[from * plan->frees_stride + by];

            assert_int_equal(count, reckoned.between[from][by]);
            between += count;
            remote += from == by ? 0 : count;
        }
    }
    assert_int_equal(plan->allocs, allocs);
    assert_int_equal(plan->frees, frees);
    assert_int_equal(plan->frees, between);
    assert_int_equal(plan->remote_frees, remote);
    assert_int_equal(plan->events, allocs + frees);
    assert_int_equal(plan->events, reckoned.nr_events);
}

/* ---- what is asked for ---- */

static const struct plan_config cut_modes[] = {
    {.samples = 1},       {.samples = 3},         {.samples = 64},    {.sample_events = 1},
    {.sample_events = 7}, {.sample_events = 100}, {.sample_ns = 500}, {.sample_ns = 10000},
};
#define CUT_MODES (sizeof cut_modes / sizeof cut_modes[0])

/* All that can be cut in any way, by workers, order, filter and limit. */
static void every_plan_agrees(void)
{
    static const unsigned workers[] = {1, 2, 3, 5};
    static const char *const small[] = {"small", NULL};
    static const bool two_streams[STREAMS] = {true, false, true};
    static const struct filter filters[] = {{0}, {small, NULL}, {NULL, two_streams}};

    for (unsigned i = 0; i < 4 * 3 * 2 * 2 * CUT_MODES; i++) {
        struct plan_config config = cut_modes[i / 48];
        struct filter filter = filters[i / 4 % 3];
        struct error error = {""};
        struct plan *plan;

        config.workers = workers[i % 4];
        config.total_order = i / 12 % 2;
        config.max_events = i / 24 % 2 ? 700 : 0;
        config.caches = filter.caches;
        config.streams = filter.streams;
        config.nr_stream_flags = filter.streams ? STREAMS : 0;
        reckon(config.workers, config.total_order, filter, config.max_events);
        if (plan_create(script.fixture.path, &config, &plan, &error) != 0)
            fail_msg("%s", error.text);
        assert_totals(plan);
        assert_cuts(plan, &config);
        plan_destroy(plan);
    }
    trace_fixture_remove(&script.fixture);
}

static void cuts_lie_where_the_recorded_order_says(void **state)
{
    (void)state;
    script_write(3000, 0);
    every_plan_agrees();
}

static void no_cut_is_inside_a_bulk_event(void **state)
{
    (void)state;
    script_write(1200, 12);
    every_plan_agrees();
}

static void cuts_are_even_where_bulk_events_are_longer_than_their_distance(void **state)
{
    (void)state;
    script_write(200, 1);
    every_plan_agrees();
}

static void there_are_as_many_samples_as_asked_for_and_fewer_than_twice(void **state)
{
    (void)state;
    script_write(5000, 0);
    for (unsigned samples = 1; samples <= 300; samples += samples / 7 + 1) {
        const struct plan_config config = {.workers = 2, .samples = samples};
        struct error error = {""};
        struct plan *plan;
        uint64_t apart;

        assert_int_equal(plan_create(script.fixture.path, &config, &plan, &error), 0);
        assert_in_range(plan->nr_cuts - 1, samples, 2 * samples - 1);
        assert_int_equal(plan->cuts[0].event, 0);
        apart = plan->nr_cuts > 2 ? plan->cuts[1].event : 0;
        for (size_t i = 0; i + 1 < plan->nr_cuts; i++)
            assert_int_equal(plan->cuts[i].event, i * apart);
        assert_int_equal(plan->cuts[plan->nr_cuts - 1].event, plan->events);
        plan_destroy(plan);
    }
    trace_fixture_remove(&script.fixture);
}

static void there_are_no_cuts_unless_asked_for(void **state)
{
    const struct plan_config config = {.workers = 2};
    struct error error = {""};
    struct plan *plan;

    (void)state;
    script_write(100, 0);
    assert_int_equal(plan_create(script.fixture.path, &config, &plan, &error), 0);
    assert_int_equal(plan->nr_cuts, 0);
    plan_destroy(plan);
    trace_fixture_remove(&script.fixture);
}

/* ---- standing still ---- */

static void run_with_cuts(const struct trace_fixture *fixture, const struct run_config *config,
                          unsigned sample_events)
{
    const struct plan_config cuts = {.sample_events = sample_events};
    struct plan *plan = replay_plan_of(fixture->path, config, &cuts);
    struct run_report report;

    replay_plan_run(plan, replay_host, config, &report);
    assert_string_equal(report.replay.ledger_error, "");
    assert_int_equal(report.replay.nr_samples, plan->nr_cuts);
    for (size_t i = 0; i < plan->nr_cuts; i++) {
        const struct replay_sample *sample = &report.replay.samples[i];

        assert_int_equal(sample->event, plan->cuts[i].event * config->replay.replicas);
        assert_int_equal(sample->time_ns, plan->cuts[i].time_ns);
        assert_int_equal(sample->ledger.live_objects,
                         plan->cuts[i].live_objects * config->replay.replicas);
        assert_int_equal(sample->ledger.requested,
                         plan->cuts[i].live_bytes * config->replay.replicas);
    }
    assert_int_equal(report.replay.events, plan->events * config->replay.replicas);
    run_report_cleanup(&report);
    plan_destroy(plan);
}

/* Where a turn ends at a cut, and where it goes on beyond it. */
static void in_total_order_all_come_to_every_cut(void **state)
{
    static const struct {
        unsigned threads, replicas;
        double pace;
    } shapes[] = {{1, 1, 0}, {2, 1, 0}, {3, 1, 0}, {2, 2, 0}, {3, 1, 1}};

    (void)state;
    script_write(250, 9);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct run_config config = replay_config_of("bufctl", shapes[i].threads);

        config.replay.order = REPLAY_ORDER_TRACE;
        config.replay.replicas = shapes[i].replicas;
        config.replay.pace = shapes[i].pace;
        config.replay.record = RECORD_MEMORY;
        for (unsigned every = 1; every <= 7; every++)
            run_with_cuts(&script.fixture, &config, every);
    }
    trace_fixture_remove(&script.fixture);
}

static void in_object_order_all_come_to_every_cut(void **state)
{
    struct run_config config = replay_config_of("magazine", 3);

    (void)state;
    config.replay.record = RECORD_MEMORY;
    script_write(250, 9);
    for (unsigned every = 1; every <= 7; every++)
        run_with_cuts(&script.fixture, &config, every);
    trace_fixture_remove(&script.fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_lie_where_the_recorded_order_says),
        cmocka_unit_test(no_cut_is_inside_a_bulk_event),
        cmocka_unit_test(cuts_are_even_where_bulk_events_are_longer_than_their_distance),
        cmocka_unit_test(there_are_as_many_samples_as_asked_for_and_fewer_than_twice),
        cmocka_unit_test(there_are_no_cuts_unless_asked_for),
        cmocka_unit_test(in_total_order_all_come_to_every_cut),
        cmocka_unit_test(in_object_order_all_come_to_every_cut),
    };

    return cmocka_run_group_tests_name("cuts of a plan", tests, replay_host_open,
                                       replay_host_close);
}
