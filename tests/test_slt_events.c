/* SPDX-License-Identifier: MIT */
/* From columns to events: that stretches join without a seam, and that errors name their event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "traces/slt_events.h"

#include <stdlib.h>
#include <string.h>

enum { COUNT = 1000, FREES = COUNT / 2, SITES = 0x01020300 + COUNT };

/* COUNT events by turns allocate and free, each with a stream, a time and a site of its own. */
struct scene {
    uint8_t time[2][COUNT], stream[2][COUNT], kind[2][COUNT], reference[2][FREES], site[4][COUNT];
    struct slt_kind kinds[3];
    struct slt_limits limits;
    struct slt_position position;
    struct trace_event events[COUNT];
};

static void put(uint8_t *planes, unsigned nr_planes, size_t count, size_t at, uint32_t value)
{
    for (unsigned plane = 0; plane < nr_planes; plane++)
        planes[plane * count + at] = (uint8_t)(value >> 8 * plane);
}

static int scene_begin(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct slt_columns *columns = &scene->position.columns;
    struct live *live = &scene->position.live;

    for (uint32_t i = 0; i < COUNT; i++) {
        put(scene->time[0], 2, COUNT, i, i * 60);
        put(scene->stream[0], 2, COUNT, i, i * 65);
        put(scene->kind[0], 2, COUNT, i, i & 1);
        put(scene->site[0], 4, COUNT, i, 0x01020300 + i);
    }
    scene->kinds[0] = (struct slt_kind){1, TRACE_ALLOC, TRACE_RECORDED, 0};
    scene->kinds[1] = (struct slt_kind){1, TRACE_FREE, TRACE_IMPLIED, 0};
    scene->kinds[2] = (struct slt_kind){1, TRACE_CACHE_DESTROY, TRACE_RECORDED, 0};
    *columns = (struct slt_columns){.count = COUNT, .references = FREES, .kinds = 3, .unit_ns = 7};
    for (unsigned plane = 0; plane < 2; plane++) {
        columns->time[plane] = scene->time[plane];
        columns->stream[plane] = scene->stream[plane];
        columns->kind[plane] = scene->kind[plane];
        columns->reference[plane] = scene->reference[plane];
    }
    for (unsigned plane = 0; plane < 4; plane++)
        columns->site[plane] = scene->site[plane];
    scene->limits = (struct slt_limits){scene->kinds, COUNT * 65, SITES};
    assert_int_equal(live_init(live), 0);
    assert_int_equal(live_reserve(live, COUNT), 0);
    assert_int_equal(live_reserve_caches(live, 1), 0);
    assert_int_equal(live_add_type(live, 0), 0);
    *state = scene;
    return 0;
}

static int scene_end(void **state)
{
    struct scene *scene = *state;

    live_cleanup(&scene->position.live);
    free(scene);
    return 0;
}

/* Reads on, `step` events at a time, until the end or what is wrong. */
static const char *read_on(struct scene *scene, uint32_t step)
{
    struct slt_position *position = &scene->position;
    const char *wrong = NULL;

    while (!wrong && position->at < COUNT) {
        uint32_t left = COUNT - position->at;

        wrong = slt_events_read(position, &scene->limits, scene->events + position->at,
                                left < step ? left : step);
    }
    return wrong;
}

static void check_events(const struct scene *scene)
{
    uint64_t time_ns = 0;

    for (uint32_t i = 0; i < COUNT; i++) {
        const struct trace_event *event = &scene->events[i];

        time_ns += (uint64_t)i * 60 * 7;
        assert_true(event->time_ns == time_ns);
        assert_int_equal(event->stream, i * 65);
        assert_int_equal(event->call_site, 0x01020300 + i);
        assert_int_equal(event->type, 0);
        assert_int_equal(event->object, 0);
        assert_int_equal(event->batch, 1);
        assert_int_equal(event->op, i & 1 ? TRACE_FREE : TRACE_ALLOC);
        assert_int_equal(event->origin, i & 1 ? TRACE_IMPLIED : TRACE_RECORDED);
    }
}

static void many_events_at_once_are_what_is_written(void **state)
{
    assert_null(read_on(*state, COUNT));
    check_events(*state);
}

static void a_few_events_at_a_time_are_the_same(void **state)
{
    assert_null(read_on(*state, 37));
    check_events(*state);
}

static void events_without_sites_have_site_0(void **state)
{
    struct scene *scene = *state;

    memset(scene->position.columns.site, 0, sizeof scene->position.columns.site);
    scene->limits.call_sites = 0;
    assert_null(read_on(scene, COUNT));
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(scene->events[i].call_site, 0);
}

/* Spoils one event of the scene and says so. */
static void check_wrong(struct scene *scene, uint32_t at, const char *part)
{
    const char *wrong = read_on(scene, COUNT);

    assert_non_null(wrong);
    assert_non_null(strstr(wrong, part));
    assert_int_equal(scene->position.at, at);
}

static void a_wrong_stream_is_found_at_its_event(void **state)
{
    struct scene *scene = *state;

    put(scene->stream[0], 2, COUNT, 700, COUNT * 65);
    check_wrong(scene, 700, "stream or kind");
}

static void a_wrong_kind_is_found_at_its_event(void **state)
{
    struct scene *scene = *state;

    put(scene->kind[0], 2, COUNT, 300, 3);
    check_wrong(scene, 300, "stream or kind");
}

static void a_wrong_site_is_found_at_its_event(void **state)
{
    struct scene *scene = *state;

    put(scene->site[0], 4, COUNT, 999, SITES);
    check_wrong(scene, 999, "call site");
}

static void a_missing_wide_time_is_found_at_its_event(void **state)
{
    struct scene *scene = *state;

    put(scene->time[0], 2, COUNT, 513, SLT_WIDE);
    check_wrong(scene, 513, "wide time");
}

static void a_free_of_nothing_is_found_before_a_wrong_event_behind_it(void **state)
{
    struct scene *scene = *state;

    put(scene->reference[0], 2, FREES, 130, 1);
    put(scene->stream[0], 2, COUNT, 270, COUNT * 65);
    check_wrong(scene, 261, "not live");
}

static void a_free_without_a_reference_is_found_at_its_event(void **state)
{
    struct scene *scene = *state;

    scene->position.columns.references = 100;
    check_wrong(scene, 201, "not live");
}

static void nothing_is_allocated_once_the_cache_is_destroyed(void **state)
{
    struct scene *scene = *state;

    put(scene->kind[0], 2, COUNT, 400, 2);
    put(scene->kind[0], 2, COUNT, 401, 0);
    check_wrong(scene, 401, "destroyed cache");
}

/* Births have halves from 1 on: the one that would be 0 is left out, and no object has it. */
static void no_age_leads_to_a_birth_that_was_left_out(void **state)
{
    struct scene *scene = *state;
    struct live *live = &scene->position.live;
    uint32_t first, second;

    assert_int_equal(live_find(live, 0), LIVE_NONE);
    assert_int_equal(live_find(live, 5), LIVE_NONE);
    live->births = UINT32_MAX - 1;
    first = live_alloc(live, 0);
    second = live_alloc(live, 0);
    assert_true(live->births == (UINT64_C(1) << 32) + 1);
    assert_int_equal(live_find(live, 0), second);
    assert_int_equal(live_find(live, 2), first);
    live_free(live, first);
    assert_int_equal(live_find(live, 1), LIVE_NONE);
    assert_int_equal(live_find(live, 2), LIVE_NONE);
}

#define scene_test(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        scene_test(many_events_at_once_are_what_is_written),
        scene_test(a_few_events_at_a_time_are_the_same),
        scene_test(events_without_sites_have_site_0),
        scene_test(a_wrong_stream_is_found_at_its_event),
        scene_test(a_wrong_kind_is_found_at_its_event),
        scene_test(a_wrong_site_is_found_at_its_event),
        scene_test(a_missing_wide_time_is_found_at_its_event),
        scene_test(a_free_of_nothing_is_found_before_a_wrong_event_behind_it),
        scene_test(a_free_without_a_reference_is_found_at_its_event),
        scene_test(nothing_is_allocated_once_the_cache_is_destroyed),
        scene_test(no_age_leads_to_a_birth_that_was_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
