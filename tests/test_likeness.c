/* SPDX-License-Identifier: MIT */
/* Loads like others: what they have of them, and that what they have not is said. */
#include "traces/gen/likeness.h"

#include "sim/error.h"
#include "tests/trace_fixture.h"
#include "traces/summary.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { KINDS, LIVES, LIVES_NS, GAPS, WAYS, MEAN, PEAK, SHAPE, ALLOCS };

static char source[] = "/tmp/slablab-source-XXXXXX";
static char result[] = "/tmp/slablab-result-XXXXXX";
static struct error error;
static struct likeness *recorded, *generated;
static struct likeness_distance distances[LIKENESS_DISTANCES];

static int make_files(void **state)
{
    (void)state;
    return close(mkstemp(source)) || close(mkstemp(result));
}

static int remove_files(void **state)
{
    (void)state;
    return unlink(source) || unlink(result);
}

static int forget(void **state)
{
    (void)state;
    likeness_destroy(recorded);
    likeness_destroy(generated);
    recorded = generated = NULL;
    return 0;
}

static struct likeness *read_likeness(const char *path)
{
    struct likeness *likeness = NULL;

    if (likeness_read(path, &likeness, &error))
        fail_msg("%s", error.text);
    return likeness;
}

/* Makes `result` like `path`, and compares them. */
static void imitate(const char *path, struct likeness_options options)
{
    forget(NULL);
    recorded = read_likeness(path);
    if (generate_like(recorded, &options, result, NULL, NULL, &error))
        fail_msg("%s", error.text);
    generated = read_likeness(result);
    likeness_compare(recorded, generated, distances);
}

/* The workload `name` in `source`, with one parameter set. */
static void record(const char *name, const char *key, const char *value)
{
    const struct workload *workload;
    void *options;

    assert_int_equal(workload_find(name, &workload, &error), 0);
    options = workload_options(workload);
    assert_int_equal(tunable_set(name, workload->parameters, options, "events", "100000", &error),
                     0);
    assert_int_equal(tunable_set(name, workload->parameters, options, "cpus", "8", &error), 0);
    assert_int_equal(tunable_set(name, workload->parameters, options, key, value, &error), 0);
    assert_int_equal(generate_trace(workload, options, source, NULL, NULL, &error), 0);
    free(options);
}

static void a_trace_is_like_itself(void **state)
{
    (void)state;
    recorded = read_likeness("traces/samples/gcc.slt");
    likeness_compare(recorded, recorded, distances);
    for (size_t i = 0; i < LIKENESS_DISTANCES; i++) {
        assert_true(distances[i].distance == 0);
        assert_true(distances[i].recorded == distances[i].generated);
    }
}

static void unlike_traces_are_far_apart(void **state)
{
    (void)state;
    recorded = read_likeness("traces/samples/gcc.slt");
    generated = read_likeness("traces/samples/hackbench.slt");
    likeness_compare(recorded, generated, distances);
    assert_true(distances[KINDS].distance > 0.5 && distances[KINDS].distance <= 1);
    assert_true(distances[LIVES].distance > 0.3 && distances[LIVES].distance <= 1);
    assert_true(distances[WAYS].distance > 0.1 && distances[WAYS].distance <= 1);
}

static void the_samples_can_be_imitated(void **state)
{
    static const char *const samples[] = {"traces/samples/gcc.slt", "traces/samples/find.slt",
                                          "traces/samples/hackbench.slt",
                                          "traces/samples/python.slt"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        imitate(samples[i], (struct likeness_options){.seed = 1});
        assert_int_equal(generated->events, recorded->events);
        assert_int_equal(generated->streams, recorded->streams);
        assert_true(distances[KINDS].distance < 0.05);
        assert_true(distances[LIVES].distance < 0.2);
        assert_true(distances[GAPS].distance < 0.06);
        assert_true(distances[MEAN].distance < 0.05);
        assert_true(distances[PEAK].distance < 0.05);
        assert_true(distances[SHAPE].distance < 0.05);
        /* Of python's two threads one sleeps a third of the time: the other frees what it left. */
        assert_true(fabs(distances[WAYS].generated - distances[WAYS].recorded) <
                    (i == 3 ? 0.1 : 0.05 * distances[WAYS].recorded));
    }
}

static void the_live_set_goes_up_and_down_as_recorded(void **state)
{
    (void)state;
    record("sawtooth", "seed", "7");
    imitate(source, (struct likeness_options){.seed = 1});
    assert_true(distances[MEAN].distance < 0.05);
    assert_true(distances[PEAK].distance < 0.05);
    assert_true(distances[SHAPE].distance < 0.03);
}

static void of_a_long_recording_a_sample_is_kept(void **state)
{
    (void)state;
    record("mixed", "events", "700000");
    imitate(source, (struct likeness_options){.seed = 1});
    assert_true(recorded->allocs > LIKENESS_SAMPLE);
    assert_int_equal(recorded->nr_sample, LIKENESS_SAMPLE);
    for (size_t i = 1; i < LIKENESS_SAMPLE; i++)
        assert_true(recorded->sample[i - 1].birth < recorded->sample[i].birth);
    /* What was born first is as likely to be in it as what was born last. */
    assert_in_range(recorded->sample[LIKENESS_SAMPLE / 2].birth, 330000, 370000);
    assert_true(distances[KINDS].distance < 0.05);
    assert_true(distances[LIVES].distance < 0.05);
    assert_true(distances[MEAN].distance < 0.05);
    assert_true(distances[PEAK].distance < 0.05);
}

static void a_load_shorter_than_the_recording_is_of_all_of_it(void **state)
{
    (void)state;
    imitate("traces/samples/gcc.slt", (struct likeness_options){.cpus = 16, .seed = 1});
    assert_int_equal(generated->events, recorded->events);
    assert_true(distances[KINDS].distance < 0.05);
    assert_true(distances[LIVES].distance < 0.2);
    assert_true(fabs(distances[WAYS].generated - distances[WAYS].recorded) < 0.02);
}

static void the_fewer_events_there_are_the_less_like_is_the_live_set(void **state)
{
    static const uint64_t events[] = {200000, 20000, 2000, 200};
    double last = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        imitate("traces/samples/hackbench.slt",
                (struct likeness_options){.events = events[i], .seed = 1});
        assert_true(distances[SHAPE].distance > last && distances[SHAPE].distance <= 1);
        last = distances[SHAPE].distance;
        /* The numbers are those of the ends of what was compared. */
        assert_true(distances[SHAPE].recorded * 2 ==
                    recorded->series.intervals[recorded->series.count - 1].objects);
        assert_true(distances[SHAPE].generated * 2 ==
                    generated->series.intervals[generated->series.count - 1].objects);
    }
    assert_true(last > 0.95);
}

static void a_live_set_of_twice_the_size_is_half_like(void **state)
{
    struct trace_fixture fixture;

    (void)state;
    for (unsigned times = 1; times <= 2; times++) {
        trace_fixture_begin(&fixture, 1);
        for (uint32_t i = 0; i < 1000; i++) /* up and down again, by so many at a time */
            for (uint32_t j = 0; j < 4 * times; j++)
                (i < 500 ? trace_fixture_alloc : trace_fixture_free)(
                    &fixture, 0, (i < 500 ? i : 999 - i) * 4 * times + j);
        trace_fixture_end(&fixture);
        *(times == 1 ? &recorded : &generated) = read_likeness(fixture.path);
        trace_fixture_remove(&fixture);
    }
    likeness_compare(generated, recorded, distances); /* half as many events: all of both */
    assert_in_range(1000 * distances[SHAPE].distance, 490, 510);
}

static void a_load_without_phases_comes_out_the_same(void **state)
{
    (void)state;
    record("mixed", "remote", "30");
    imitate(source, (struct likeness_options){.seed = 1});
    assert_true(distances[KINDS].distance < 0.05);
    assert_true(distances[LIVES].distance < 0.05);
    assert_true(distances[LIVES_NS].distance < 0.05);
    assert_true(distances[GAPS].distance < 0.02);
    assert_true(distances[WAYS].distance < 0.02);
    assert_true(distances[MEAN].generated / distances[MEAN].recorded > 0.9);
    assert_true(distances[MEAN].generated / distances[MEAN].recorded < 1.1);
}

static void a_load_can_have_more_cpus_and_events(void **state)
{
    (void)state;
    record("mixed", "remote", "30");
    imitate(source, (struct likeness_options){.cpus = 32, .events = 400000, .seed = 1});
    assert_int_equal(generated->streams, 32);
    assert_int_equal(generated->events, 400000);
    assert_true(distances[LIVES].distance < 0.05);
    assert_null(distances[WAYS].measure); /* the rings differ, so only the shares are compared */
    assert_true(distances[WAYS].recorded - distances[WAYS].generated < 0.02);
    assert_true(generated->distances.max == 16); /* all round the larger ring */
    imitate(source, (struct likeness_options){.cpus = 1, .seed = 1});
    assert_true(distances[WAYS].generated == 0);
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
    char first[33];

    (void)state;
    record("netperf-rr", "threads", "2");
    imitate(source, (struct likeness_options){.seed = 3});
    strcpy(first, generated->digest);
    imitate(source, (struct likeness_options){.seed = 3});
    assert_string_equal(first, generated->digest);
    imitate(source, (struct likeness_options){.seed = 4});
    assert_string_not_equal(first, generated->digest);
}

static void what_is_older_than_the_recording_is_left_out_and_counted(void **state)
{
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_preload(&fixture, 0, 0);
    trace_fixture_alloc(&fixture, 0, 1);
    trace_fixture_free(&fixture, 1, 0);
    trace_fixture_wait(&fixture, 100);
    trace_fixture_free(&fixture, 1, 1);
    trace_fixture_end(&fixture);
    recorded = read_likeness(fixture.path);
    trace_fixture_remove(&fixture);
    assert_int_equal(recorded->left_out, 2);
    assert_int_equal(recorded->events, 2);
    assert_int_equal(recorded->lives.count, 1);
    assert_int_equal(recorded->lives_ns.max, 100);
    assert_int_equal(recorded->distances.max, 1);
    assert_int_equal(recorded->peak_live, 1);
}

static void what_outlives_the_recording_lives_till_it_is_begun_anew(void **state)
{
    struct trace_fixture fixture;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    for (uint32_t i = 0; i < 100; i++)
        trace_fixture_alloc(&fixture, 0, i);
    trace_fixture_end(&fixture);
    imitate(fixture.path, (struct likeness_options){.seed = 1});
    assert_int_equal(generated->allocs, 100);
    assert_int_equal(generated->peak_live, 100);
    imitate(fixture.path, (struct likeness_options){.seed = 1, .events = 1000});
    trace_fixture_remove(&fixture);
    assert_int_equal(generated->events, 1000);
    assert_in_range(generated->allocs, 490, 600); /* up 100, down 100, and up again */
    assert_in_range(generated->peak_live, 98, 102);
}

static void there_must_be_something_to_be_like(void **state)
{
    struct trace_fixture fixture;
    const struct likeness_options options = {.seed = 1};

    (void)state;
    trace_fixture_begin(&fixture, 1);
    trace_fixture_end(&fixture);
    recorded = read_likeness(fixture.path);
    trace_fixture_remove(&fixture);
    assert_int_equal(generate_like(recorded, &options, result, NULL, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.text, "no allocation"));
    assert_true(likeness_read("/nowhere", &generated, &error) < 0);
    assert_non_null(strstr(error.text, "/nowhere"));
    generated = NULL;
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_trace_is_like_itself),
        TEST(unlike_traces_are_far_apart),
        TEST(the_samples_can_be_imitated),
        TEST(the_live_set_goes_up_and_down_as_recorded),
        TEST(of_a_long_recording_a_sample_is_kept),
        TEST(a_load_shorter_than_the_recording_is_of_all_of_it),
        TEST(the_fewer_events_there_are_the_less_like_is_the_live_set),
        TEST(a_live_set_of_twice_the_size_is_half_like),
        TEST(a_load_without_phases_comes_out_the_same),
        TEST(a_load_can_have_more_cpus_and_events),
        TEST(the_same_seed_gives_the_same_bytes),
        TEST(what_is_older_than_the_recording_is_left_out_and_counted),
        TEST(what_outlives_the_recording_lives_till_it_is_begun_anew),
        TEST(there_must_be_something_to_be_like),
    };

    return cmocka_run_group_tests_name("likeness", tests, make_files, remove_files);
}
