/* SPDX-License-Identifier: MIT */
/* The model of caches: what each has room for, and what becomes of lines that were lost. */
#include "tests/coherence_model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- room ---- */

/* Loads of lines 0 .. lines - 1 in turn, the second time round: where they were found. */
static struct coherence_counts second_round(struct model *model, unsigned lines)
{
    struct coherence_counts counts;

    coherence_flush(model->coherence);
    for (unsigned i = 0; i < 2 * lines; i++) {
        if (i == lines)
            coherence_counts_reset(model->coherence);
        model_access(model, 0, OPEN_BASE + i % lines * COHERENCE_LINE, COST_LOAD);
    }
    counts = model_counts(model);
    return counts;
}

static void each_cache_has_room_for_its_lines_and_no_more(void **state)
{
    struct model *model = *state;

    assert_int_equal(second_round(model, 4).hits_l1, 4);
    assert_int_equal(second_round(model, 5).hits_l2, 5);
    assert_int_equal(second_round(model, 8).hits_l2, 8);
    assert_int_equal(second_round(model, 9).hits_llc, 9);
    /* What L2 has no room for goes to the LLC: both together. */
    assert_int_equal(second_round(model, 24).hits_llc, 24);
    assert_int_equal(second_round(model, 25).memory, 25);
}

static void levels_cost_what_the_table_says(void **state)
{
    struct model *model = *state;
    const unsigned lines[] = {4, 8, 24};
    const uint64_t cycles[] = {model->costs.l1_cycles, model->costs.l2_cycles,
                               model->costs.llc_cycles};

    for (unsigned i = 0; i < 3; i++) {
        for (enum cost_op op = 0; op < COST_OPS; op++) {
            second_round(model, lines[i]);
            assert_int_equal(model_access(model, 0, OPEN_BASE, op),
                             cycles[i] + (op == COST_ATOMIC ? model->costs.atomic_cycles : 0));
        }
    }
    second_round(model, 25);
    assert_int_equal(model_access(model, 0, OPEN_BASE, COST_LOAD),
                     model_memory_cost(model, 0, COST_LOAD, 0));
}

/* Modifies a line and then uses so many others that it is in the LLC only, or nowhere. */
static void lose(struct model *model, unsigned cpu, uintptr_t line, unsigned others_used)
{
    model_access(model, cpu, line, COST_STORE);
    for (unsigned i = 1; i <= others_used; i++)
        model_access(model, cpu, line + i * COHERENCE_LINE, COST_LOAD);
}

static void what_an_owner_lost_to_its_llc_is_had_from_there(void **state)
{
    struct model *model = *state;
    const uintptr_t line = OPEN_BASE;

    lose(model, 0, line, 8);
    assert_int_equal(model_access(model, SAME_LLC, line, COST_LOAD), model->costs.llc_cycles);
    assert_int_equal(model_state(model, line), LINE_EXCLUSIVE);
    assert_false(model_holds(model, 0, line));
    coherence_flush(model->coherence);
    lose(model, 0, line, 8);
    assert_int_equal(model_access(model, SAME_NODE, line, COST_LOAD),
                     model_cost(model, SAME_NODE, COST_LOAD, LINE_MODIFIED, DISTANCE_NODE, 0));
    assert_true(model_holds(model, 0, line));
}

static void what_a_sharer_lost_to_its_llc_stays_its_own_beside_the_others(void **state)
{
    struct model *model = *state;
    const uintptr_t line = OPEN_BASE;

    model_access(model, OTHER_PACKAGE, line, COST_LOAD);
    model_access(model, 0, line, COST_LOAD);
    for (unsigned i = 1; i <= 8; i++)
        model_access(model, 0, line + i * COHERENCE_LINE, COST_LOAD);
    assert_int_equal(model_access(model, SAME_LLC, line, COST_LOAD), model->costs.llc_cycles);
    assert_int_equal(model_state(model, line), LINE_SHARED);
    assert_int_equal(model_nr_holders(model, line), 3);
    assert_int_equal(model_access(model, 0, line, COST_LOAD), model->costs.llc_cycles);
}

static void what_an_owner_lost_altogether_is_had_from_memory(void **state)
{
    struct model *model = *state;
    const uintptr_t line = OPEN_BASE;

    for (enum cost_op op = 0; op < COST_OPS; op++) {
        coherence_flush(model->coherence);
        lose(model, 0, line, 24);
        assert_int_equal(model_access(model, SAME_LLC, line, op),
                         model_memory_cost(model, SAME_LLC, op, 0));
        assert_false(model_holds(model, 0, line));
        assert_int_equal(model_nr_holders(model, line), 1);
    }
}

static void who_lost_a_shared_line_gets_it_from_another_that_has_it(void **state)
{
    struct model *model = *state;
    const uintptr_t line = OPEN_BASE;

    model_access(model, SAME_NODE, line, COST_LOAD);
    model_access(model, 0, line, COST_LOAD);
    for (unsigned i = 1; i <= 24; i++)
        model_access(model, 0, line + i * COHERENCE_LINE, COST_LOAD);
    assert_int_equal(model_access(model, 0, line, COST_LOAD),
                     model_cost(model, 0, COST_LOAD, LINE_SHARED, DISTANCE_NODE, 0));
    assert_int_equal(model_nr_holders(model, line), 2);
}

static void an_owner_that_lost_an_owned_line_leaves_it_shared(void **state)
{
    struct model *model = *state;
    const uintptr_t line = OPEN_BASE;

    model_access(model, 0, line, COST_STORE);
    model_access(model, SAME_PACKAGE, line, COST_LOAD);
    for (unsigned i = 1; i <= 24; i++)
        model_access(model, 0, line + i * COHERENCE_LINE, COST_LOAD);
    assert_int_equal(model_state(model, line), LINE_OWNED);
    assert_int_equal(model_access(model, OTHER_PACKAGE, line, COST_LOAD),
                     model_memory_cost(model, OTHER_PACKAGE, COST_LOAD, 0));
    assert_int_equal(model_state(model, line), LINE_SHARED);
    assert_false(model_holds(model, 0, line));
    assert_int_equal(model_nr_holders(model, line), 2);
}

/* Sets are hashed, so what is a quarter of L1 is sure to fit, and twice as much not to. */
static void threads_of_a_core_have_a_part_of_its_caches_each(void **state)
{
    const unsigned caches[] = {8, 16, 32};
    struct model_shape shape = {8, 1, 8, 8, 8};

    (void)state;
    for (; shape.per_core <= 8; shape.per_core *= 2) {
        const unsigned room = caches[0] * 8 / shape.per_core;
        struct coherence_counts counts;
        struct model model;

        model_init(&model, &shape, false, caches);
        assert_int_equal(second_round(&model, room / 4).hits_l1, room / 4);
        counts = second_round(&model, 2 * room);
        assert_true(counts.hits_l1 < room && counts.hits_l2 > 0);
        model_cleanup(&model);
    }
}

static void a_flush_empties_all_caches_and_keeps_owners_labels_and_counts(void **state)
{
    struct model *model = *state;
    uintptr_t line = GUARDED_BASE;

    coherence_page(model->coherence, line, 4096, true);
    coherence_guard(model->coherence, line + 8, 8, true);
    coherence_label(model->coherence, line, 64, 9);
    for (unsigned cpu = 0; cpu < 32; cpu++)
        model_access(model, cpu, line, COST_LOAD);
    coherence_flush(model->coherence);
    assert_int_equal(model_state(model, line), LINE_INVALID);
    assert_int_equal(model_nr_holders(model, line), 0);
    assert_int_equal(coherence_access(model->coherence, 0, line, 8, COST_LOAD, 0, NULL),
                     model_memory_cost(model, 0, COST_LOAD, 0));
    assert_int_equal(model->violations, 0);
    model_access(model, 0, line + 8, COST_LOAD);
    assert_int_equal(model->violations, 1);
    assert_int_equal(model_counts(model).by_label[9], 31);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESI_TEST(each_cache_has_room_for_its_lines_and_no_more),
        MESI_TEST(levels_cost_what_the_table_says),
        MESI_TEST(what_an_owner_lost_to_its_llc_is_had_from_there),
        MESI_TEST(what_a_sharer_lost_to_its_llc_stays_its_own_beside_the_others),
        MESI_TEST(what_an_owner_lost_altogether_is_had_from_memory),
        MESI_TEST(who_lost_a_shared_line_gets_it_from_another_that_has_it),
        MOESI_TEST(an_owner_that_lost_an_owned_line_leaves_it_shared),
        cmocka_unit_test(threads_of_a_core_have_a_part_of_its_caches_each),
        MESI_TEST(a_flush_empties_all_caches_and_keeps_owners_labels_and_counts),
    };

    return cmocka_run_group_tests_name("coherence, room", tests, NULL, NULL);
}
