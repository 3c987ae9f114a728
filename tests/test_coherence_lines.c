/* SPDX-License-Identifier: MIT */
/* The model of caches: false sharing, whose the granules and pages are, and labels. */
#include "tests/coherence_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- false sharing ---- */

static void two_counters_in_one_line_are_shared_falsely(void **state)
{
    struct model *model = *state;
    struct coherence_counts counts;
    uintptr_t line = fresh_line(0);

    coherence_label(model->coherence, line, COHERENCE_LINE, 5);
    for (unsigned i = 0; i < 100; i++) {
        model_access(model, i % 2 ? SAME_LLC : SELF, line + i % 2 * 16, COST_ATOMIC);
        model_access(model, i % 2 ? SAME_LLC : SELF, line + i % 2 * 16, COST_LOAD);
    }
    counts = model_counts(model);
    assert_int_equal(counts.transfers[DISTANCE_LLC], 99);
    assert_int_equal(counts.by_label[5], 99);
    assert_int_equal(counts.false_by_label[5], 98); /* the last tenure is not over */
}

static void padded_counters_and_one_that_both_use_are_not(void **state)
{
    struct model *model = *state;
    struct coherence_counts counts;
    uintptr_t line = OPEN_BASE;

    for (unsigned i = 0; i < 100; i++) {
        unsigned cpu = i % 2 ? SAME_LLC : SELF;

        model_access(model, cpu, line + i % 2 * COHERENCE_LINE, COST_ATOMIC);
        model_access(model, cpu, line + 2 * COHERENCE_LINE, COST_ATOMIC);
    }
    counts = model_counts(model);
    assert_int_equal(counts.by_label[0], 99);
    assert_int_equal(counts.false_by_label[0], 0);
}

static void a_reader_beside_a_writer_shares_falsely_until_it_reads_what_is_written(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);

    for (unsigned i = 0; i < 10; i++) {
        model_access(model, SELF, line, COST_STORE);
        model_access(model, SAME_LLC, line + 8, COST_LOAD);
        model_access(model, SELF, line, COST_LOAD); /* not the reader's touch, in L1 ... */
        model_access(model, SELF, OPEN_BASE + HOME_BYTES, COST_LOAD);
        model_access(model, SELF, line, COST_LOAD); /* ... first of its set, or not */
    }
    assert_int_equal(model_counts(model).by_label[0], 10);
    assert_int_equal(model_counts(model).false_by_label[0], 9);
    model_access(model, SAME_LLC, line, COST_LOAD);
    model_access(model, SELF, line, COST_STORE);
    assert_int_equal(model_counts(model).false_by_label[0], 9);
}

/* ---- owners and labels ---- */

static void an_access_to_what_is_the_users_is_reported_granule_by_granule(void **state)
{
    struct model *model = *state;
    struct coherence *coherence = model->coherence;
    int here;

    coherence_page(coherence, GUARDED_BASE, 4096, true);
    coherence_guard(coherence, GUARDED_BASE + 20, 200, true); /* granules 24 .. 215 */
    model_access(model, 3, GUARDED_BASE + 16, COST_STORE);
    model_access(model, 3, GUARDED_BASE + 216, COST_STORE);
    assert_int_equal(model->violations, 0);
    coherence_access(coherence, 3, GUARDED_BASE + 16, 16, COST_ATOMIC, 9999, &here);
    assert_int_equal(model->violations, 1);
    assert_int_equal(model->last.address, GUARDED_BASE + 24);
    assert_int_equal(model->last.cpu, 3);
    assert_int_equal(model->last.op, COST_ATOMIC);
    assert_false(model->last.page);
    assert_ptr_equal(model->last.code, &here);
    coherence_access(coherence, 3, GUARDED_BASE + 213, 1, COST_LOAD, 9999, &here);
    assert_int_equal(model->last.address, GUARDED_BASE + 213);
    assert_int_equal(model->violations, 2);
    coherence_access(coherence, 3, GUARDED_BASE, 256, COST_LOAD, 9999, NULL);
    assert_int_equal(model->violations, 6); /* each of four lines */
    coherence_guard(coherence, GUARDED_BASE + 20, 200, false);
    coherence_access(coherence, 3, GUARDED_BASE, 256, COST_LOAD, 9999, NULL);
    assert_int_equal(model->violations, 6);
}

static void pages_are_not_held_at_first_nor_when_given_back(void **state)
{
    struct model *model = *state;
    struct coherence *coherence = model->coherence;
    uintptr_t page = GUARDED_BASE + 4096;

    model_access(model, 0, page, COST_LOAD);
    assert_int_equal(model->violations, 1);
    assert_true(model->last.page);
    assert_int_equal(model->last.address, page);
    coherence_page(coherence, page, 4096, true);
    model_access(model, 0, page, COST_LOAD);
    model_access(model, 0, page + 4088, COST_LOAD);
    assert_int_equal(model->violations, 1);
    model_access(model, 0, page + 4096, COST_LOAD);
    model_access(model, 0, page - 8, COST_LOAD);
    assert_int_equal(model->violations, 3);
    coherence_guard(coherence, page, 4096, true);
    coherence_page(coherence, page, 4096, false);
    model_access(model, 0, page, COST_LOAD);
    assert_int_equal(model->violations, 4);
    coherence_page(coherence, page, 4096, true); /* with nothing of a user's in it */
    model_access(model, 0, page, COST_LOAD);
    assert_int_equal(model->violations, 4);
}

/* In L1 and modified: the shortest way there is. */
static void an_owner_is_asked_on_every_hit(void **state)
{
    struct model *model = *state;

    model_access(model, 0, OPEN_BASE, COST_STORE);
    model_access(model, 0, OPEN_BASE, COST_STORE);
    assert_int_equal(model->violations, 0);
    coherence_guard(model->coherence, OPEN_BASE, 8, true);
    assert_int_equal(model_access(model, 0, OPEN_BASE, COST_STORE), model->costs.l1_cycles);
    assert_int_equal(model->violations, 1);
    assert_int_equal(model_access(model, 0, OPEN_BASE + 8, COST_STORE), model->costs.l1_cycles);
    assert_int_equal(model->violations, 1);
}

static void labels_say_of_what_the_lines_were_that_moved(void **state)
{
    struct model *model = *state;
    struct coherence_counts counts;

    coherence_label(model->coherence, OPEN_BASE + 100, 60, 31); /* lines 1 and 2 */
    coherence_label(model->coherence, OPEN_BASE + 192, 64, 7);
    for (unsigned line = 0; line < 5; line++) {
        model_access(model, 0, OPEN_BASE + line * COHERENCE_LINE, COST_STORE);
        model_access(model, 4, OPEN_BASE + line * COHERENCE_LINE, COST_STORE);
    }
    counts = model_counts(model);
    assert_int_equal(counts.by_label[0], 2);
    assert_int_equal(counts.by_label[31], 2);
    assert_int_equal(counts.by_label[7], 1);
    coherence_label(model->coherence, OPEN_BASE + 64, 64, 0);
    model_access(model, 0, OPEN_BASE + 64, COST_STORE);
    assert_int_equal(model_counts(model).by_label[0], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESI_TEST(two_counters_in_one_line_are_shared_falsely),
        MESI_TEST(padded_counters_and_one_that_both_use_are_not),
        MESI_TEST(a_reader_beside_a_writer_shares_falsely_until_it_reads_what_is_written),
        MOESI_TEST(a_reader_beside_a_writer_shares_falsely_until_it_reads_what_is_written),
        MESI_TEST(an_access_to_what_is_the_users_is_reported_granule_by_granule),
        MESI_TEST(pages_are_not_held_at_first_nor_when_given_back),
        MESI_TEST(an_owner_is_asked_on_every_hit),
        MESI_TEST(labels_say_of_what_the_lines_were_that_moved),
    };

    return cmocka_run_group_tests_name("coherence, lines", tests, NULL, NULL);
}
