/* SPDX-License-Identifier: MIT */
/* The memory account: what each thing counts as, and books that do not balance. */
#include "sim/error.h"
#include "sim/ledger.h"
#include "sim/page.h"
#include "tests/machine_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ledger ledger;

static int set_up(void **state)
{
    (void)state;
    fixture_start(1, 0);
    ledger = (struct ledger){.keeps_claims = true};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ledger_cleanup(&ledger);
    fixture_stop();
    return 0;
}

/* A page with a record of 32 bytes and 63 buffers of 64, of which 60 may be used. */
static struct ledger_slab slab_at(const void *base, unsigned out)
{
    return (struct ledger_slab){.base = base,
                                .bytes = PAGE_SIZE,
                                .record_bytes = 32,
                                .object_bytes = 60,
                                .stride = 64,
                                .objects = 63,
                                .out = out};
}

static void assert_balances(uint64_t requested, uint64_t live)
{
    struct error error;

    if (ledger_balance(&ledger, requested, live, &error) != 0)
        fail_msg("%s", error.text);
    assert_int_equal(ledger_sum(&ledger), ledger.page_bytes);
}

static void assert_does_not_balance(uint64_t requested, uint64_t live, const char *words)
{
    struct error error = {""};

    assert_int_equal(ledger_balance(&ledger, requested, live, &error), -EPROTO);
    if (!strstr(error.text, words))
        fail_msg("'%s' is not in: %s", words, error.text);
}

static void a_slab_divides_into_its_parts(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);
    const struct ledger_slab slab = slab_at(page, 10);

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    assert_balances(500, 10);
    assert_int_equal(ledger.requested, 500);
    assert_int_equal(ledger.rounding, 10 * 60 - 500);
    assert_int_equal(ledger.partial_free, 53 * 60);
    assert_int_equal(ledger.metadata, 32 + 63 * 4);
    assert_int_equal(ledger.slab_tail, PAGE_SIZE - 32 - 63 * 64);
    assert_int_equal(ledger.empty_slabs, 0);
    page_free(page, 0);
}

static void an_empty_slab_is_one_part(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);
    const struct ledger_slab slab = slab_at(page, 0);

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    assert_balances(0, 0);
    assert_int_equal(ledger.empty_slabs, PAGE_SIZE);
    assert_int_equal(ledger.metadata, 0);
    page_free(page, 0);
}

static void slabs_that_are_alike_count_as_each_of_them_does(void **state)
{
    void *pages[3];
    struct ledger_slab slab = slab_at(NULL, 63);

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        pages[i] = page_alloc(0, PAGE_ANY_NODE);
    ledger_add_slabs(&ledger, &slab, 2, LEDGER_OBJECTS);
    ledger_claim(&ledger, pages[0], PAGE_SIZE);
    ledger_claim(&ledger, pages[1], PAGE_SIZE);
    slab.base = pages[2];
    slab.out = 10;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    assert_balances(0, 2 * 63 + 10);
    assert_int_equal(ledger.slabs, 3);
    assert_int_equal(ledger.occupancy[LEDGER_OCCUPANCIES - 1], 2);
    assert_int_equal(ledger.partial_free, 53 * 60);
    assert_int_equal(ledger.metadata, 3 * (32 + 63 * 4));
    assert_int_equal(ledger.slab_tail, 3 * (PAGE_SIZE - 32 - 63 * 64));
    for (unsigned i = 0; i < 3; i++)
        page_free(pages[i], 0);
}

static void what_rests_above_slabs_is_not_live(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);
    const struct ledger_slab slab = slab_at(page, 20);

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    ledger_rest_in_cpus(&ledger, 5, 60, LEDGER_OBJECTS);
    ledger_rest_in_depot(&ledger, 8, 60, LEDGER_OBJECTS);
    assert_balances(7 * 60, 7);
    assert_int_equal(ledger.cpu_cached, 5 * 60);
    assert_int_equal(ledger.depot_cached, 8 * 60);
    assert_int_equal(ledger.rounding, 0);
    page_free(page, 0);
}

static void objects_of_metadata_are_metadata_until_they_rest(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);
    const struct ledger_slab slab = slab_at(page, 20);

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_METADATA);
    ledger_rest_in_cpus(&ledger, 5, 60, LEDGER_METADATA);
    assert_balances(0, 0);
    assert_int_equal(ledger.metadata, 32 + 63 * 4 + 15 * 60);
    assert_int_equal(ledger.cpu_cached, 5 * 60);
    page_free(page, 0);
}

static void pages_of_other_kinds_have_their_parts(void **state)
{
    void *whole = page_alloc(1, PAGE_ANY_NODE), *grace = page_alloc(0, PAGE_ANY_NODE);
    void *table = range_alloc(3, PAGE_ANY_NODE), *emergency = page_alloc(2, PAGE_ANY_NODE);
    void *boot = boot_alloc(100, PAGE_ANY_NODE);

    (void)state;
    ledger_add_pages(&ledger, whole, 2 * PAGE_SIZE);
    ledger_add_grace(&ledger, grace, PAGE_SIZE);
    ledger_add_metadata(&ledger, table, 3 * PAGE_SIZE);
    ledger_add_emergency(&ledger, emergency, 4 * PAGE_SIZE, 10000);
    assert_balances(8000 + 9000, 2);
    assert_int_equal(ledger.rounding, 2 * PAGE_SIZE - 8000 + 1000);
    assert_int_equal(ledger.grace, PAGE_SIZE);
    assert_int_equal(ledger.metadata, 3 * PAGE_SIZE + PAGE_SIZE); /* the boot memory's page too */
    assert_int_equal(ledger.emergency, 4 * PAGE_SIZE - 10000);
    boot_free(boot, 100);
    page_free(emergency, 2);
    range_free(table, 3);
    page_free(grace, 0);
    page_free(whole, 1);
}

static void slabs_are_counted_by_their_occupancy(void **state)
{
    static const struct {
        unsigned out, occupancy;
    } cases[] = {{0, 0}, {1, 1}, {6, 1}, {7, 2}, {31, 5}, {32, 6}, {62, 10}, {63, 11}};
    struct ledger_slab slab;
    char anywhere[1];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t before = ledger.occupancy[cases[i].occupancy];

        slab = slab_at(anywhere, cases[i].out);
        ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
        assert_int_equal(ledger.occupancy[cases[i].occupancy], before + 1);
    }
    assert_int_equal(ledger.slabs, sizeof cases / sizeof cases[0]);
}

static void merging_moves_all_parts(void **state)
{
    void *pages[2] = {page_alloc(0, PAGE_ANY_NODE), page_alloc(0, PAGE_ANY_NODE)};
    struct ledger_slab slab = slab_at(pages[0], 10);
    struct ledger part = {.keeps_claims = true};

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    slab.base = pages[1];
    ledger_add_slab(&part, &slab, LEDGER_OBJECTS);
    ledger_merge(&ledger, &part);
    ledger_cleanup(&part);
    assert_int_equal(ledger.slabs, 2);
    assert_balances(1200, 20);
    assert_int_equal(ledger.partial_free, 2 * 53 * 60);
    page_free(pages[0], 0);
    page_free(pages[1], 0);
}

static void fragmentation_is_of_objects_and_of_pages(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);
    const struct ledger_slab slab = slab_at(page, 10);

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    assert_balances(450, 10);
    assert_true(ledger_internal(&ledger) == 0.25);
    assert_true(ledger_external(&ledger) == 1 - 600.0 / 4096);
    page_free(page, 0);
}

static void nothing_has_no_fragmentation(void **state)
{
    (void)state;
    assert_true(ledger_internal(&ledger) == 0);
    assert_true(ledger_external(&ledger) == 0);
}

/* ---- books that do not balance ---- */

static void an_object_too_many_is_told(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);
    const struct ledger_slab slab = slab_at(page, 10);

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    assert_does_not_balance(500, 9, "9 objects are live, but the ledger has 10");
    page_free(page, 0);
}

static void more_requested_than_there_is_is_told(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);
    const struct ledger_slab slab = slab_at(page, 10);

    (void)state;
    ledger_add_slab(&ledger, &slab, LEDGER_OBJECTS);
    assert_does_not_balance(601, 10, "live objects take 600 bytes, but 601 were asked for");
    page_free(page, 0);
}

static void a_page_that_nobody_claims_is_told(void **state)
{
    void *page = page_alloc(0, PAGE_ANY_NODE);

    (void)state;
    assert_does_not_balance(0, 0, "the parts sum to 0 bytes, but 4096 are held");
    page_free(page, 0);
}

/* The sum is right, but not a single page is. */
static void a_page_claimed_twice_is_told(void **state)
{
    void *pages[2] = {page_alloc(0, PAGE_ANY_NODE), page_alloc(0, PAGE_ANY_NODE)};

    (void)state;
    ledger_add_grace(&ledger, pages[0], PAGE_SIZE);
    ledger_add_grace(&ledger, pages[0], PAGE_SIZE);
    assert_does_not_balance(0, 0, "is in the ledger twice");
    page_free(pages[0], 0);
    page_free(pages[1], 0);
}

static void a_claim_of_another_size_is_told(void **state)
{
    void *block = page_alloc(1, PAGE_ANY_NODE);

    (void)state;
    ledger_add_grace(&ledger, block, PAGE_SIZE);
    ledger_add_grace(&ledger, (char *)block + PAGE_SIZE, PAGE_SIZE);
    assert_does_not_balance(0, 0, "2 pieces are in the ledger that are not held so");
    page_free(block, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slab_divides_into_its_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_slab_is_one_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slabs_that_are_alike_count_as_each_of_them_does, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_rests_above_slabs_is_not_live, set_up, tear_down),
        cmocka_unit_test_setup_teardown(objects_of_metadata_are_metadata_until_they_rest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(pages_of_other_kinds_have_their_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(slabs_are_counted_by_their_occupancy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(merging_moves_all_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fragmentation_is_of_objects_and_of_pages, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_has_no_fragmentation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_object_too_many_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_requested_than_there_is_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_that_nobody_claims_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_page_claimed_twice_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_claim_of_another_size_is_told, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
