/* SPDX-License-Identifier: MIT */
/* What a plan decides: who runs what, what waits for what, which slots are used again. */
#include "sim/error.h"
#include "sim/plan.h"
#include "tests/trace_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct plan *plan_of(const struct trace_fixture *fixture, const struct plan_config *config)
{
    struct error error = {""};
    struct plan *plan = NULL;

    assert_int_equal(plan_create(fixture->path, config, &plan, &error), 0);
    return plan;
}

static struct plan *plan_for(const struct trace_fixture *fixture, unsigned workers)
{
    const struct plan_config config = {.workers = workers};

    return plan_of(fixture, &config);
}

/* Stream 0 allocates two objects; stream 1 frees the first, stream 0 the second. */
static void hand_over(struct trace_fixture *fixture)
{
    trace_fixture_begin(fixture, 2);
    trace_fixture_alloc(fixture, 0, 0);
    trace_fixture_alloc(fixture, 0, 1);
    trace_fixture_free(fixture, 1, 0);
    trace_fixture_free(fixture, 0, 1);
    trace_fixture_end(fixture);
}

static void a_free_by_another_worker_waits_for_slot_and_tag(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    hand_over(&fixture);
    plan = plan_for(&fixture, 2);
    assert_int_equal(plan->nr_groups, 2);
    assert_int_equal(plan->groups[0].events.count, 3);
    assert_int_equal(plan_op(plan->groups[1].events.words[0]), PLAN_FREE);
    assert_int_equal(plan_slot(plan->groups[1].events.words[0]),
                     plan_slot(plan->groups[0].events.words[0]));
    assert_int_equal(plan_tag(plan->groups[1].events.words[0]),
                     plan_tag(plan->groups[0].events.words[0]));
    assert_true(plan_is_shared(plan->groups[0].events.words[0]));
    assert_true(plan_is_shared(plan->groups[1].events.words[0]));
    assert_false(plan_is_shared(plan->groups[0].events.words[1]));
    assert_false(plan_is_shared(plan->groups[0].events.words[2]));
    assert_int_equal(plan->remote_frees, 1);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void streams_on_one_worker_wait_for_nothing(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    hand_over(&fixture);
    plan = plan_for(&fixture, 1);
    assert_int_equal(plan->nr_groups, 1);
    assert_int_equal(plan->groups[0].events.count, 4);
    assert_int_equal(plan->remote_frees, 0);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void there_are_no_more_groups_than_streams(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    hand_over(&fixture);
    plan = plan_for(&fixture, 7);
    assert_int_equal(plan->nr_groups, 2);
    assert_int_equal(plan->nr_streams, 2);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static uint32_t slot_at(const struct plan *plan, unsigned group, size_t position)
{
    return plan_slot(plan->groups[group].events.words[position]);
}

static void a_slot_of_a_group_of_its_own_is_used_again(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_free(&fixture, 0, 0);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 1);
    assert_int_equal(slot_at(plan, 0, 2), slot_at(plan, 0, 0));
    assert_int_equal(plan_tag(plan->groups[0].events.words[2]), 2);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

/* Eight slots are a line. */
static void what_is_handed_over_shares_no_line_with_anything_else(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;
    uint32_t own, to_1, to_1_later, to_2, from_1;

    (void)state;
    trace_fixture_begin(&fixture, 3);
    for (uint32_t object = 0; object < 4; object++)
        trace_fixture_alloc(&fixture, 0, object);
    trace_fixture_free(&fixture, 1, 0);
    trace_fixture_alloc(&fixture, 1, 0);
    trace_fixture_free(&fixture, 2, 1);
    trace_fixture_free(&fixture, 1, 2);
    trace_fixture_free(&fixture, 0, 0);
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 3);
    to_1 = slot_at(plan, 0, 0);
    to_2 = slot_at(plan, 0, 1);
    to_1_later = slot_at(plan, 0, 2);
    own = slot_at(plan, 0, 3);
    from_1 = slot_at(plan, 1, 1);
    assert_int_equal(to_1_later, to_1 + 1); /* a line brings both */
    assert_int_not_equal(to_1 / 8, to_2 / 8);
    assert_int_not_equal(to_1 / 8, own / 8);
    assert_int_not_equal(to_1 / 8, from_1 / 8);
    assert_int_not_equal(to_2 / 8, own / 8);
    assert_int_not_equal(from_1 / 8, own / 8);
    assert_int_equal(slot_at(plan, 1, 0), to_1);
    assert_int_equal(slot_at(plan, 2, 0), to_2);
    assert_int_equal(slot_at(plan, 1, 2), to_1_later);
    assert_int_equal(slot_at(plan, 0, 4), from_1);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void a_slot_of_what_is_handed_over_is_used_once(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    for (unsigned i = 0; i < 20; i++) {
        trace_fixture_alloc(&fixture, 0, 0);
        trace_fixture_free(&fixture, 1, 0);
    }
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 2);
    for (unsigned i = 1; i < 20; i++)
        assert_true(slot_at(plan, 0, i) > slot_at(plan, 0, i - 1));
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void a_slot_is_retired_before_its_tag_repeats(void **state)
{
    const unsigned lives = 3 * PLAN_TAG_MAX + 7;
    struct trace_fixture fixture;
    struct plan *plan;
    bool *seen;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    for (unsigned i = 0; i < lives; i++) {
        trace_fixture_alloc(&fixture, 0, 0);
        trace_fixture_free(&fixture, 0, 0);
    }
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 1);
    seen = calloc(plan->nr_slots * (PLAN_TAG_MAX + 1), sizeof *seen);
    for (size_t i = 0; i < plan->groups[0].events.count; i += 2) {
        uint64_t word = plan->groups[0].events.words[i];
        size_t life = plan_slot(word) * (size_t)(PLAN_TAG_MAX + 1) + plan_tag(word);

        assert_true(plan_tag(word) >= 1);
        assert_false(seen[life]);
        seen[life] = true;
    }
    free(seen);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void what_lives_at_the_end_is_left_over(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_preload(&fixture, 1, 0);
    trace_fixture_alloc(&fixture, 0, 1);
    trace_fixture_alloc(&fixture, 1, 2);
    trace_fixture_free(&fixture, 0, 1);
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 2);
    assert_int_equal(plan->groups[0].leftover.count, 0);
    assert_int_equal(plan->groups[1].leftover.count, 2);
    assert_int_equal(plan->groups[1].preload.count, 1);
    assert_int_equal(plan->events, 3); /* what is preloaded is no event of the trace */
    assert_int_equal(plan->peak_live_objects, 3);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void what_lived_before_or_came_in_bulk_is_shared_too(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    trace_fixture_preload(&fixture, 1, 0);
    trace_fixture_preload(&fixture, 1, 1);
    trace_fixture_bulk(&fixture, 2);
    trace_fixture_alloc(&fixture, 0, 2);
    trace_fixture_alloc(&fixture, 0, 3);
    trace_fixture_free(&fixture, 0, 1);
    trace_fixture_free(&fixture, 1, 3);
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 2);
    assert_false(plan_is_shared(plan->groups[1].preload.words[0]));
    assert_true(plan_is_shared(plan->groups[1].preload.words[1]));
    assert_false(plan_is_shared(plan->groups[0].events.words[1]));
    assert_true(plan_is_shared(plan->groups[0].events.words[2]));
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void turns_change_where_another_group_comes_next(void **state)
{
    struct plan_config config = {.workers = 2, .total_order = true};
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    hand_over(&fixture); /* 0 0 1 0 */
    plan = plan_of(&fixture, &config);
    assert_int_equal(plan->nr_turns, 3);
    assert_int_equal(plan->groups[0].events.count, 3 + 2);
    assert_int_equal(plan->groups[1].events.count, 1 + 1);
    assert_int_equal(plan_op(plan->groups[1].events.words[0]), PLAN_TURN);
    assert_int_equal(plan_slot(plan->groups[1].events.words[0]), 1);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void a_bulk_event_is_one_header_and_its_objects(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    trace_fixture_bulk(&fixture, 3);
    for (uint32_t i = 0; i < 3; i++)
        trace_fixture_alloc(&fixture, 0, i);
    trace_fixture_alloc(&fixture, 0, 3);
    trace_fixture_bulk(&fixture, 2);
    trace_fixture_free(&fixture, 0, 0);
    trace_fixture_free(&fixture, 0, 3);
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 1);
    assert_int_equal(plan->groups[0].events.count, 1 + 3 + 1 + 1 + 2);
    assert_int_equal(plan_op(plan->groups[0].events.words[0]), PLAN_ALLOC_BULK);
    assert_int_equal(plan_slot(plan->groups[0].events.words[0]), 3);
    assert_int_equal(plan_op(plan->groups[0].events.words[5]), PLAN_FREE_BULK);
    assert_int_equal(plan_slot(plan->groups[0].events.words[5]), 2);
    assert_int_equal(plan->allocs, 4);
    assert_int_equal(plan->frees, 2);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void a_filter_keeps_caches_and_streams(void **state)
{
    const char *const names[] = {"others", NULL};
    const bool streams[] = {false, true};
    struct plan_config by_cache = {.workers = 1, .caches = names};
    struct plan_config by_stream = {.workers = 1, .streams = streams, .nr_stream_flags = 2};
    struct trace_fixture fixture;
    struct plan *plan;
    uint32_t others;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    others = trace_fixture_cache(&fixture, "others", 128);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_alloc_from(&fixture, 0, 1, others, 128);
    trace_fixture_alloc(&fixture, 1, 2);
    trace_fixture_free(&fixture, 1, 0);
    trace_fixture_free(&fixture, 1, 1);
    trace_fixture_end(&fixture);
    plan = plan_of(&fixture, &by_cache);
    assert_int_equal(plan->allocs, 1);
    assert_int_equal(plan->frees, 1);
    assert_int_equal(plan->dropped_by_filter, 3);
    plan_destroy(plan);
    plan = plan_of(&fixture, &by_stream); /* frees of what stream 0 allocated go with it */
    assert_int_equal(plan->allocs, 1);
    assert_int_equal(plan->frees, 0);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void what_cannot_be_planned_is_refused_by_name(void **state)
{
    const char *const names[] = {"nobody", NULL};
    const struct plan_config all = {.workers = 1}, some = {.workers = 1, .caches = names};
    struct trace_fixture fixture;
    struct plan *plan = NULL;
    struct error error;

    (void)state;
    trace_fixture_begin(&fixture, 1);
    trace_fixture_end(&fixture);
    assert_int_equal(plan_create(fixture.path, &all, &plan, &error), -ENODATA);
    assert_non_null(strstr(error.text, fixture.path));
    assert_int_equal(plan_create(fixture.path, &some, &plan, &error), -EINVAL);
    assert_non_null(strstr(error.text, fixture.path));
    trace_fixture_remove(&fixture);
}

static void a_filter_that_drops_a_free_leaves_the_object_over(void **state)
{
    const bool streams[] = {true, false};
    struct plan_config by_stream = {.workers = 2, .streams = streams, .nr_stream_flags = 2};
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    for (unsigned i = 0; i < 5; i++) {
        trace_fixture_alloc(&fixture, 0, 0); /* the number is used again after each free */
        trace_fixture_free(&fixture, 1, 0);
        trace_fixture_alloc(&fixture, 1, 0); /* left out, and so is its free */
        trace_fixture_free(&fixture, 0, 0);
    }
    trace_fixture_end(&fixture);
    plan = plan_of(&fixture, &by_stream);
    assert_int_equal(plan->nr_streams, 1);
    assert_int_equal(plan->nr_groups, 1);
    assert_int_equal(plan->allocs, 5);
    assert_int_equal(plan->frees, 0);
    assert_int_equal(plan->groups[0].leftover.count, 5);
    assert_string_equal(plan->kept_streams, "0");
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void an_unknown_cache_or_stream_is_refused(void **state)
{
    const char *const names[] = {"nonsense", NULL};
    const bool streams[] = {true, false, true};
    struct plan_config by_cache = {.workers = 1, .caches = names};
    struct plan_config by_stream = {.workers = 1, .streams = streams, .nr_stream_flags = 3};
    struct trace_fixture fixture;
    struct error error = {""};
    struct plan *plan;

    (void)state;
    hand_over(&fixture);
    assert_int_equal(plan_create(fixture.path, &by_cache, &plan, &error), -EINVAL);
    assert_non_null(strstr(error.text, "nonsense"));
    assert_int_equal(plan_create(fixture.path, &by_stream, &plan, &error), -EINVAL);
    assert_non_null(strstr(error.text, "stream 2"));
    trace_fixture_remove(&fixture);
}

static void a_limit_keeps_the_first_events(void **state)
{
    struct plan_config config = {.workers = 2, .max_events = 3};
    struct trace_fixture fixture;
    struct plan *plan;

    (void)state;
    hand_over(&fixture);
    plan = plan_of(&fixture, &config);
    assert_int_equal(plan->events, 3);
    assert_int_equal(plan->groups[0].leftover.count, 1);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

static void a_destruction_knows_what_comes_before_it(void **state)
{
    struct trace_fixture fixture;
    struct plan *plan;
    uint32_t cache;

    (void)state;
    trace_fixture_begin(&fixture, 2);
    cache = trace_fixture_cache(&fixture, "passing", 32);
    trace_fixture_create(&fixture, 0, cache);
    trace_fixture_alloc_from(&fixture, 1, 0, cache, 32);
    trace_fixture_alloc(&fixture, 1, 1);
    trace_fixture_free(&fixture, 1, 0);
    trace_fixture_free(&fixture, 1, 1);
    trace_fixture_destroy(&fixture, 0, cache);
    trace_fixture_end(&fixture);
    plan = plan_for(&fixture, 2);
    assert_int_equal(plan->nr_destroys, 1);
    assert_int_equal(plan->destroys[0].group_positions[1], 3); /* not the free of the other cache */
    assert_int_equal(plan_op(plan->groups[1].events.words[0]), PLAN_ALLOC_CREATED);
    assert_true(plan->caches[cache].created);
    plan_destroy(plan);
    trace_fixture_remove(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_by_another_worker_waits_for_slot_and_tag),
        cmocka_unit_test(streams_on_one_worker_wait_for_nothing),
        cmocka_unit_test(there_are_no_more_groups_than_streams),
        cmocka_unit_test(a_slot_of_a_group_of_its_own_is_used_again),
        cmocka_unit_test(what_is_handed_over_shares_no_line_with_anything_else),
        cmocka_unit_test(a_slot_of_what_is_handed_over_is_used_once),
        cmocka_unit_test(a_slot_is_retired_before_its_tag_repeats),
        cmocka_unit_test(what_lives_at_the_end_is_left_over),
        cmocka_unit_test(what_lived_before_or_came_in_bulk_is_shared_too),
        cmocka_unit_test(turns_change_where_another_group_comes_next),
        cmocka_unit_test(a_bulk_event_is_one_header_and_its_objects),
        cmocka_unit_test(a_filter_keeps_caches_and_streams),
        cmocka_unit_test(what_cannot_be_planned_is_refused_by_name),
        cmocka_unit_test(a_filter_that_drops_a_free_leaves_the_object_over),
        cmocka_unit_test(an_unknown_cache_or_stream_is_refused),
        cmocka_unit_test(a_limit_keeps_the_first_events),
        cmocka_unit_test(a_destruction_knows_what_comes_before_it),
    };

    return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
