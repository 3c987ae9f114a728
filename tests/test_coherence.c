/* SPDX-License-Identifier: MIT */
/* The model of caches: its transitions one by one with exact costs, and who waits for whom. */
#include "tests/coherence_model.h"

#include "sim/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const unsigned others[] = {SIBLING, SAME_LLC, SAME_NODE, SAME_PACKAGE, OTHER_PACKAGE};
#define OTHERS (sizeof others / sizeof others[0])

static const enum cost_op writes[] = {COST_STORE, COST_ATOMIC};

/* ---- one transition each ---- */

static void a_line_of_nobody_comes_from_its_memory_near_or_far(void **state)
{
    struct model *model = *state;

    for (unsigned node = 0; node < NODES; node++) {
        for (enum cost_op op = 0; op < COST_OPS; op++) {
            uintptr_t line = fresh_line(node);
            uint64_t wanted = model_memory_cost(model, 0, op, node);

            assert_int_equal(model_access(model, 0, line, op), wanted);
            assert_int_equal(model_state(model, line),
                             op == COST_LOAD ? LINE_EXCLUSIVE : LINE_MODIFIED);
        }
    }
    assert_int_equal(coherence_counts(model->coherence, 0)->memory, NODES * COST_OPS);
}

static void what_is_this_cpus_costs_l1_and_an_atomic_its_extra(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);

    model_access(model, 0, line, COST_LOAD);
    assert_int_equal(model_access(model, 0, line, COST_LOAD), model->costs.l1_cycles);
    assert_int_equal(model_state(model, line), LINE_EXCLUSIVE);
    assert_int_equal(model_access(model, 0, line, COST_STORE), model->costs.l1_cycles);
    assert_int_equal(model_state(model, line), LINE_MODIFIED);
    assert_int_equal(model_access(model, 0, line, COST_ATOMIC),
                     model->costs.l1_cycles + model->costs.atomic_cycles);
    assert_int_equal(model_access(model, 0, line + 56, COST_LOAD), model->costs.l1_cycles);
    assert_int_equal(coherence_counts(model->coherence, 0)->hits_l1, 4);
}

static void an_atomic_on_an_exclusive_line_modifies_it_without_a_word(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);

    model_access(model, 0, line, COST_LOAD);
    assert_int_equal(model_access(model, 0, line, COST_ATOMIC),
                     model->costs.l1_cycles + model->costs.atomic_cycles);
    assert_int_equal(model_state(model, line), LINE_MODIFIED);
}

static void a_load_from_modified_or_exclusive_costs_by_distance_and_home(void **state)
{
    struct model *model = *state;

    for (size_t i = 0; i < OTHERS; i++) {
        for (unsigned node = 0; node < NODES; node++) {
            enum distance distance = model_distance(model, 0, others[i]);
            uintptr_t line = fresh_line(node);

            model_access(model, others[i], line, COST_STORE);
            assert_int_equal(model_access(model, 0, line, COST_LOAD),
                             model_cost(model, 0, COST_LOAD, LINE_MODIFIED, distance, node));
            line = fresh_line(node);
            model_access(model, others[i], line, COST_LOAD);
            assert_int_equal(model_access(model, 0, line, COST_LOAD),
                             model_cost(model, 0, COST_LOAD, LINE_EXCLUSIVE, distance, node));
            assert_int_equal(model_state(model, line), LINE_SHARED);
            assert_true(model_holds(model, 0, line) && model_holds(model, others[i], line));
        }
        assert_int_equal(
            coherence_counts(model->coherence, 0)->transfers[model_distance(model, 0, others[i])],
            2 * NODES);
    }
}

static void mesi_shares_what_another_reads_of_a_modified_line(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);

    model_access(model, SELF, line, COST_STORE);
    model_access(model, SAME_LLC, line, COST_LOAD);
    assert_int_equal(model_state(model, line), LINE_SHARED);
    assert_int_equal(model_access(model, SAME_NODE, line, COST_LOAD),
                     model_cost(model, SAME_NODE, COST_LOAD, LINE_SHARED, DISTANCE_NODE, 0));
}

static void moesi_leaves_it_to_its_owner_who_answers_for_it(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);

    model_access(model, OTHER_PACKAGE, line, COST_STORE);
    model_access(model, SAME_LLC, line, COST_LOAD);
    assert_int_equal(model_state(model, line), LINE_OWNED);
    /* From the owner, though a sharer is nearer. */
    assert_int_equal(model_access(model, SELF, line, COST_LOAD),
                     model_cost(model, SELF, COST_LOAD, LINE_OWNED, DISTANCE_HOP1, 0));
    assert_int_equal(model_state(model, line), LINE_OWNED);
    assert_int_equal(model_nr_holders(model, line), 3);
    /* The owner's own store takes the copies back, from as far as the farthest. */
    assert_int_equal(model_access(model, OTHER_PACKAGE, line, COST_STORE),
                     model_cost(model, OTHER_PACKAGE, COST_STORE, LINE_OWNED, DISTANCE_HOP1, 0));
    assert_int_equal(model_state(model, line), LINE_MODIFIED);
    assert_int_equal(model_nr_holders(model, line), 1);
}

static void a_store_to_an_owned_line_by_a_third_takes_it_from_all(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);

    model_access(model, SAME_LLC, line, COST_STORE);
    model_access(model, OTHER_PACKAGE, line, COST_LOAD);
    assert_int_equal(model_access(model, SELF, line, COST_ATOMIC),
                     model_cost(model, SELF, COST_ATOMIC, LINE_OWNED, DISTANCE_HOP1, 0));
    assert_int_equal(coherence_counts(model->coherence, SELF)->invalidations, 2);
    assert_int_equal(model_nr_holders(model, line), 1);
}

static void a_load_from_shared_comes_from_the_nearest(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(2);

    model_access(model, OTHER_PACKAGE, line, COST_LOAD);
    model_access(model, SAME_PACKAGE, line, COST_LOAD);
    assert_int_equal(model_access(model, SAME_NODE, line, COST_LOAD),
                     model_cost(model, SAME_NODE, COST_LOAD, LINE_SHARED, DISTANCE_PACKAGE, 2));
    assert_int_equal(model_access(model, SELF, line, COST_LOAD),
                     model_cost(model, SELF, COST_LOAD, LINE_SHARED, DISTANCE_NODE, 2));
    assert_int_equal(model_access(model, SIBLING, line, COST_LOAD),
                     model_cost(model, SIBLING, COST_LOAD, LINE_SHARED, DISTANCE_CORE, 2));
}

static void a_write_takes_a_modified_or_exclusive_line_from_its_owner(void **state)
{
    struct model *model = *state;

    for (size_t i = 0; i < OTHERS; i++) {
        enum distance distance = model_distance(model, 0, others[i]);

        for (unsigned write = 0; write < 2; write++) {
            uintptr_t line = fresh_line(1);

            model_access(model, others[i], line, COST_STORE);
            assert_int_equal(model_access(model, 0, line, writes[write]),
                             model_cost(model, 0, writes[write], LINE_MODIFIED, distance, 1));
            line = fresh_line(1);
            model_access(model, others[i], line, COST_LOAD);
            assert_int_equal(model_access(model, 0, line, writes[write]),
                             model_cost(model, 0, writes[write], LINE_EXCLUSIVE, distance, 1));
            assert_int_equal(model_state(model, line), LINE_MODIFIED);
            assert_false(model_holds(model, others[i], line));
        }
    }
    assert_int_equal(coherence_counts(model->coherence, 0)->invalidations, 4 * OTHERS);
}

/* Whether the writer had a copy (an upgrade) or not (a transfer). */
static void a_write_to_a_shared_line_pays_for_the_farthest(void **state)
{
    struct model *model = *state;

    for (unsigned write = 0; write < 2; write++) {
        for (unsigned upgrade = 0; upgrade < 2; upgrade++) {
            uintptr_t line = fresh_line(0);

            model_access(model, SIBLING, line, COST_LOAD);
            model_access(model, SAME_PACKAGE, line, COST_LOAD);
            model_access(model, SAME_LLC, line, COST_LOAD);
            if (upgrade)
                model_access(model, SELF, line, COST_LOAD);
            assert_int_equal(
                model_access(model, SELF, line, writes[write]),
                model_cost(model, SELF, writes[write], LINE_SHARED, DISTANCE_PACKAGE, 0));
            assert_int_equal(model_state(model, line), LINE_MODIFIED);
            assert_int_equal(model_nr_holders(model, line), 1);
        }
    }
    assert_int_equal(coherence_counts(model->coherence, SELF)->upgrades, 2);
    assert_int_equal(coherence_counts(model->coherence, SELF)->invalidations, 12);
    assert_int_equal(coherence_counts(model->coherence, SELF)->transfers[DISTANCE_PACKAGE], 2);
}

static void who_lost_a_copy_gets_the_line_anew(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);

    model_access(model, SELF, line, COST_LOAD);
    model_access(model, SAME_LLC, line, COST_LOAD);
    model_access(model, SAME_LLC, line, COST_STORE);
    assert_int_equal(model_access(model, SELF, line, COST_LOAD),
                     model_cost(model, SELF, COST_LOAD, LINE_MODIFIED, DISTANCE_LLC, 0));
}

static void a_line_that_all_share_may_cost_more(void **state)
{
    struct model *model = *state;

    for (unsigned sharers = 31; sharers <= 32; sharers++) {
        uintptr_t line = fresh_line(0);
        uint64_t wanted = model_cost(model, 0, COST_STORE, LINE_SHARED, DISTANCE_HOP1, 0);

        model->costs.store_shared_by_all = 100003;
        for (unsigned cpu = 0; cpu < sharers; cpu++)
            model_access(model, cpu, line, COST_LOAD);
        assert_int_equal(model_access(model, 0, line, COST_STORE), sharers == 32 ? 100003 : wanted);
    }
}

/* A thousand times as dear as the farthest is for a whole machine, not for two threads of a core.
 */
static void two_cpus_of_a_package_are_not_all_there_are(void **state)
{
    const struct model_shape core = {2, 2, 2, 2, 2};
    struct model model;

    (void)state;
    model_init(&model, &core, false, NULL);
    model.costs.store_shared_by_all = 100003;
    model_access(&model, 0, OPEN_BASE, COST_LOAD);
    model_access(&model, 1, OPEN_BASE, COST_LOAD);
    assert_int_equal(model_access(&model, 0, OPEN_BASE, COST_STORE),
                     model_cost(&model, 0, COST_STORE, LINE_SHARED, DISTANCE_CORE, 0));
    model_cleanup(&model);
}

static void what_is_beyond_the_last_node_is_at_home_on_the_first(void **state)
{
    struct model *model = *state;

    assert_int_equal(model_access(model, OTHER_PACKAGE, OPEN_BASE + NODES * HOME_BYTES, COST_LOAD),
                     model_memory_cost(model, OTHER_PACKAGE, COST_LOAD, 0));
}

static void an_access_across_lines_is_one_of_each(void **state)
{
    struct model *model = *state;
    uint64_t memory = model_memory_cost(model, 0, COST_LOAD, 0);

    assert_int_equal(coherence_access(model->coherence, 0, OPEN_BASE + 60, 8, COST_LOAD, 0, NULL),
                     2 * memory);
    assert_int_equal(
        coherence_access(model->coherence, 0, OPEN_BASE + 32, 128, COST_LOAD, 5000, NULL),
        memory + 2 * model->costs.l1_cycles);
    assert_int_equal(coherence_counts(model->coherence, 0)->accesses[COST_LOAD], 5);
}

static void what_is_outside_costs_nothing(void **state)
{
    struct model *model = *state;
    const uintptr_t end = OPEN_BASE + (NODES + 1) * HOME_BYTES;

    assert_int_equal(model_memory_cost(model, 0, COST_LOAD, 0),
                     coherence_access(model->coherence, 0, end - 4, 8, COST_LOAD, 0, NULL));
    assert_int_equal(coherence_access(model->coherence, 0, end, 8, COST_STORE, 0, NULL), 0);
    assert_int_equal(coherence_access(model->coherence, 0, OPEN_BASE - 8, 8, COST_LOAD, 0, NULL),
                     0);
    assert_int_equal(coherence_access(model->coherence, 0, 64, 8, COST_LOAD, 0, NULL), 0);
    assert_int_equal(coherence_access(model->coherence, 0, OPEN_BASE, 0, COST_LOAD, 0, NULL), 0);
    coherence_label(model->coherence, end, 4096, 3);
    coherence_guard(model->coherence, end, 4096, true);
    assert_int_equal(model_counts(model).accesses[COST_LOAD], 1);
}

/* ---- queues ---- */

static void readers_of_one_line_at_once_come_one_after_the_other(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);
    uint64_t before = 0, now = 1000000;

    model_access(model, 0, line, COST_STORE);
    for (unsigned cpu = 1; cpu <= 16; cpu++) {
        enum line_state was = model_state(model, line);
        enum distance distance = DISTANCE_HOP2;

        /* An owned line comes from its owner, CPU 0; a shared one from the nearest. */
        for (unsigned other = 0; other < (was == LINE_OWNED ? 1 : cpu); other++) {
            if (model_distance(model, cpu, other) < distance)
                distance = model_distance(model, cpu, other);
        }
        before += model_cost(model, cpu, COST_LOAD, was, distance, 0);
        assert_int_equal(coherence_access(model->coherence, cpu, line, 8, COST_LOAD, now, NULL),
                         before);
    }
    assert_int_equal(coherence_access(model->coherence, 0, line, 8, COST_LOAD, now, NULL),
                     model->costs.l1_cycles);
}

static void who_comes_later_waits_only_for_the_rest(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);
    uint64_t memory = model_memory_cost(model, 0, COST_STORE, 0);
    uint64_t transfer = model_cost(model, 2, COST_STORE, LINE_MODIFIED, DISTANCE_LLC, 0);
    struct coherence *coherence = model->coherence;

    assert_int_equal(coherence_access(coherence, 0, line, 8, COST_STORE, 1000, NULL), memory);
    assert_int_equal(coherence_access(coherence, 2, line, 8, COST_STORE, 1000 + memory - 7, NULL),
                     7 + transfer);
    assert_int_equal(
        coherence_access(coherence, 0, line, 8, COST_STORE, 1000 + memory + transfer, NULL),
        transfer);
    assert_int_equal(coherence_counts(coherence, 2)->queued_cycles, 7);
    assert_int_equal(coherence_counts(coherence, 0)->queued_cycles, 0);
}

/* As if it had come with the one before it; that one's lead is not waited for. */
static void an_early_clock_does_not_wait_for_one_that_ran_ahead(void **state)
{
    struct model *model = *state;
    uintptr_t line = fresh_line(0);
    uint64_t memory = model_memory_cost(model, 0, COST_STORE, 0);
    uint64_t there = model_cost(model, 2, COST_STORE, LINE_MODIFIED, DISTANCE_LLC, 0);
    uint64_t back = model_cost(model, 0, COST_STORE, LINE_MODIFIED, DISTANCE_LLC, 0);
    struct coherence *coherence = model->coherence;

    coherence_access(coherence, 0, line, 8, COST_STORE, 5000, NULL);
    assert_int_equal(coherence_access(coherence, 2, line, 8, COST_STORE, 4500, NULL),
                     memory + there);
    /* And those behind it still come one after the other. */
    assert_int_equal(coherence_access(coherence, 0, line, 8, COST_STORE, 4000, NULL),
                     memory + there + back);
    /* The queue is over at 5000 + memory + there + back, for all. */
    assert_int_equal(
        coherence_access(coherence, 2, line, 8, COST_STORE, 5000 + memory + there + back, NULL),
        there);
    assert_int_equal(coherence_access(coherence, 0, line, 8, COST_STORE, 4000, NULL), there + back);
}

/* ---- what cannot be made ---- */

static void what_makes_no_sense_is_refused_with_a_reason(void **state)
{
    const uint8_t self = DISTANCE_SELF, node = DISTANCE_NODE;
    const unsigned zero = 0, one = 1;
    struct cost_table costs = {.l1 = {4096, 4}}, no_ways = {.l2 = {4096, 0}};
    const struct coherence_config good = {
        .costs = &costs,
        .nr_cpus = 1,
        .nr_nodes = 1,
        .nr_llcs = 1,
        .cpu_distances = &self,
        .node_distances = &node,
        .cpu_node = &zero,
        .cpu_llc = &zero,
        .regions = {{4096, 4096, 4096, false, 0}, {8192, 4096, 4096, false, 0}},
        .nr_regions = 2,
    };
    struct coherence_config bad[10];
    const char *reasons[10] = {"0 CPUs",  "1025 CPUs", "0 ways",    "on node 1",  "distance 3",
                               "overlap", "region 1",  "4 regions", "2^32 lines", "from node 0"};
    struct coherence *coherence = NULL;
    struct error error;

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        bad[i] = good;
    bad[0].nr_cpus = 0;
    bad[1].nr_cpus = COHERENCE_MAX_CPUS + 1;
    bad[2].costs = &no_ways;
    bad[3].cpu_node = &one;
    bad[4].cpu_distances = &node;
    bad[5].regions[1].base = 4096 + 64;
    bad[6].regions[1].base = 8192 + 8;
    bad[7].nr_regions = COHERENCE_REGIONS + 1;
    bad[8].regions[1].bytes = (size_t)1 << 38;
    bad[9].node_distances = &self;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(coherence_create(&bad[i], &coherence, &error), -EINVAL);
        if (!strstr(error.text, reasons[i]))
            fail_msg("'%s' does not say '%s'", error.text, reasons[i]);
    }
    assert_int_equal(coherence_create(&good, &coherence, &error), 0);
    coherence_destroy(coherence);
    coherence_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        MESI_TEST(a_line_of_nobody_comes_from_its_memory_near_or_far),
        MESI_TEST(what_is_this_cpus_costs_l1_and_an_atomic_its_extra),
        MESI_TEST(an_atomic_on_an_exclusive_line_modifies_it_without_a_word),
        MESI_TEST(a_load_from_modified_or_exclusive_costs_by_distance_and_home),
        MOESI_TEST(a_load_from_modified_or_exclusive_costs_by_distance_and_home),
        MESI_TEST(mesi_shares_what_another_reads_of_a_modified_line),
        MOESI_TEST(moesi_leaves_it_to_its_owner_who_answers_for_it),
        MOESI_TEST(a_store_to_an_owned_line_by_a_third_takes_it_from_all),
        MESI_TEST(a_load_from_shared_comes_from_the_nearest),
        MESI_TEST(a_write_takes_a_modified_or_exclusive_line_from_its_owner),
        MESI_TEST(a_write_to_a_shared_line_pays_for_the_farthest),
        MESI_TEST(who_lost_a_copy_gets_the_line_anew),
        MESI_TEST(a_line_that_all_share_may_cost_more),
        cmocka_unit_test(two_cpus_of_a_package_are_not_all_there_are),
        MESI_TEST(what_is_beyond_the_last_node_is_at_home_on_the_first),
        MESI_TEST(an_access_across_lines_is_one_of_each),
        MESI_TEST(what_is_outside_costs_nothing),
        MESI_TEST(readers_of_one_line_at_once_come_one_after_the_other),
        MOESI_TEST(readers_of_one_line_at_once_come_one_after_the_other),
        MESI_TEST(who_comes_later_waits_only_for_the_rest),
        MESI_TEST(an_early_clock_does_not_wait_for_one_that_ran_ahead),
        cmocka_unit_test(what_makes_no_sense_is_refused_with_a_reason),
    };

    return cmocka_run_group_tests_name("coherence", tests, NULL, NULL);
}
