/* SPDX-License-Identifier: MIT */
/* Distributions of a trace against small ones that can be counted by hand. */
#include "sim/error.h"
#include "tests/trace_fixture.h"
#include "traces/summary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct trace_fixture fixture;
static struct trace_summary summary;
static const struct profile *const profile = &summary.profile;

static void end_and_read(void)
{
    struct error error = {""};
    int code;

    trace_fixture_end(&fixture);
    code = trace_summary_read(fixture.path, &summary, &error);
    trace_fixture_remove(&fixture);
    if (code)
        fail_msg("%s", error.text);
}

static int forget(void **state)
{
    (void)state;
    trace_summary_cleanup(&summary);
    return 0;
}

static void lives_are_counted_in_time_and_in_events(void **state)
{
    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_wait(&fixture, 30);
    trace_fixture_alloc(&fixture, 0, 1);
    trace_fixture_wait(&fixture, 20);
    trace_fixture_free(&fixture, 1, 0);
    trace_fixture_wait(&fixture, 10);
    trace_fixture_free(&fixture, 0, 1);
    trace_fixture_alloc(&fixture, 1, 0); /* lives on */
    end_and_read();
    assert_int_equal(profile->lives_ns[PROFILE_SAME_STREAM].count, 1);
    assert_int_equal(profile->lives_ns[PROFILE_SAME_STREAM].sum, 30);
    assert_int_equal(profile->lives_events[PROFILE_SAME_STREAM].sum, 2);
    assert_int_equal(profile->lives_ns[PROFILE_OTHER_STREAM].count, 1);
    assert_int_equal(profile->lives_ns[PROFILE_OTHER_STREAM].sum, 50);
    assert_int_equal(profile->lives_events[PROFILE_OTHER_STREAM].sum, 2);
    assert_int_equal(profile->gaps_ns.count, 4);
    assert_int_equal(profile->gaps_ns.max, 30);
    assert_int_equal(profile->stream_gaps_ns.count, 3);
    assert_int_equal(profile->stream_gaps_ns.sum, 30 + 30 + 10);
    /* One object for 30 ns, two for 20, one for 10. */
    assert_true(profile->live_objects_ns == 30 + 2 * 20 + 10);
    assert_true(profile->live_bytes_ns == 64 * (30 + 2 * 20 + 10));
}

static void what_was_mended_has_no_life_and_no_size(void **state)
{
    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_preload(&fixture, 0, 0);
    trace_fixture_wait(&fixture, 10);
    trace_fixture_free(&fixture, 1, 0);
    end_and_read();
    assert_int_equal(profile->sizes.count, 0);
    assert_int_equal(profile->lives_ns[PROFILE_OTHER_STREAM].count, 0);
    assert_int_equal(profile->nr_pairs, 0);
    assert_int_equal(profile->gaps_ns.count, 0);
    /* It did live. */
    assert_int_equal(profile->series.intervals[0].peak_objects, 1);
    assert_int_equal(profile->series.intervals[profile->series.count - 1].objects, 0);
}

static void sizes_are_told_by_powers_of_two(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 64, 65, 4096, 4097};
    static const unsigned upto[] = {0, 1, 2, 2, 3, 6, 7, 12, 13};

    (void)state;
    trace_fixture_begin(&fixture, 1);
    for (uint32_t i = 0; i < 9; i++)
        trace_fixture_alloc_from(&fixture, 0, i, TRACE_UNTYPED, sizes[i]);
    end_and_read();
    for (unsigned power = 0; power <= 64; power++) {
        uint64_t expected = 0;

        for (size_t i = 0; i < 9; i++)
            expected += upto[i] == power;
        assert_int_equal(profile->sizes_upto[power], expected);
    }
    assert_int_equal(profile->sizes.count, 9);
}

/* A tooth, a long rest, and a tooth at the end. */
static void the_series_stays_bounded_and_loses_no_peak(void **state)
{
    const struct live_series *series = &profile->series;
    uint64_t events = 0;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    for (uint32_t i = 0; i < 5000; i++) {
        trace_fixture_alloc(&fixture, 0, i);
        trace_fixture_wait(&fixture, 7);
    }
    for (uint32_t i = 0; i < 4000; i++)
        trace_fixture_free(&fixture, 0, i);
    trace_fixture_wait(&fixture, UINT64_C(1) << 40);
    trace_fixture_alloc(&fixture, 0, 0);
    end_and_read();
    assert_in_range(series->count, LIVE_INTERVALS / 2, LIVE_INTERVALS);
    assert_int_equal(series->intervals[0].peak_objects, 5000);
    assert_int_equal(series->intervals[0].peak_bytes, 5000 * 64);
    assert_int_equal(series->intervals[0].objects, 1000);
    assert_int_equal(series->intervals[series->count - 2].peak_objects, 1000);
    assert_int_equal(series->intervals[series->count - 1].peak_objects, 1001);
    for (size_t i = 0; i < series->count; i++)
        events += series->intervals[i].events;
    assert_int_equal(events, 5000 + 4000 + 1);
    assert_int_equal(series->count, summary.duration_ns / series->length + 1);
}

static void every_pair_of_streams_is_counted(void **state)
{
    enum { STREAMS = 40 };
    size_t place = 0;

    (void)state;
    trace_fixture_begin(&fixture, STREAMS);
    for (uint32_t i = 0; i < STREAMS; i++) {
        for (uint32_t k = 0; k < STREAMS; k += 1 + i % 3) {
            trace_fixture_alloc(&fixture, i, 0);
            trace_fixture_free(&fixture, k, 0);
        }
    }
    end_and_read();
    for (uint32_t i = 0; i < STREAMS; i++) {
        for (uint32_t k = 0; k < STREAMS; k += 1 + i % 3) {
            const struct profile_pair *pair = &profile->pairs[place++];

            assert_int_equal(pair->alloc_stream, i);
            assert_int_equal(pair->free_stream, k);
            assert_int_equal(pair->frees, 1);
            assert_int_equal(pair->requested_bytes, 64);
        }
    }
    assert_int_equal(profile->nr_pairs, place);
}

static void pairs_of_a_recording_add_up_to_its_cross_stream_frees(void **state)
{
    struct error error = {""};
    uint64_t cross = 0, all = 0;

    (void)state;
    assert_int_equal(trace_summary_read("traces/samples/hackbench.slt", &summary, &error), 0);
    for (size_t i = 0; i < profile->nr_pairs; i++) {
        const struct profile_pair *pair = &profile->pairs[i];

        all += pair->frees;
        cross += pair->alloc_stream != pair->free_stream ? pair->frees : 0;
    }
    assert_int_equal(cross, summary.cross_stream_frees);
    assert_int_equal(all, profile->lives_ns[PROFILE_SAME_STREAM].count +
                              profile->lives_ns[PROFILE_OTHER_STREAM].count);
    assert_int_equal(profile->sizes.count, summary.allocs);
    assert_int_equal(profile->sizes.sum, summary.requested_bytes);
}

static void a_trace_without_events_has_an_empty_profile(void **state)
{
    (void)state;
    trace_fixture_begin(&fixture, 1);
    end_and_read();
    assert_int_equal(profile->series.count, 0);
    assert_int_equal(profile->nr_pairs, 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lives_are_counted_in_time_and_in_events),
        TEST(what_was_mended_has_no_life_and_no_size),
        TEST(sizes_are_told_by_powers_of_two),
        TEST(the_series_stays_bounded_and_loses_no_peak),
        TEST(every_pair_of_streams_is_counted),
        TEST(pairs_of_a_recording_add_up_to_its_cross_stream_frees),
        TEST(a_trace_without_events_has_an_empty_profile),
    };

    return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
