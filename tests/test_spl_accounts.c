/* SPDX-License-Identifier: MIT */
/* What design spl tells the accounts: where its memory is, layers, trips. */
#include "tests/accounts_scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MANY 1000

static void *objects[MANY];

static void *alloc_no_wait(struct cache *cache)
{
    const struct request request = {.node = -1, .flags = REQUEST_NO_WAIT};

    return allocator_design(scene)->alloc(cache, &request);
}

/* ---- memory ---- */

/* Slabs of one page: 64 bytes and 8 slots of 128 + 40. */
#define SLAB_METADATA (64 + 8 * 40)
#define SLAB_TAIL     (PAGE_SIZE - 64 - 8 * 168)

static void a_hundred_objects_of_125_are_in_13_slabs(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=4", NULL);
    cache = scene_cache(125, 8);
    scene_alloc_all(cache, 100, objects);
    scene_ledger(&ledger, 12500, 100);
    assert_int_equal(ledger.page_bytes, boot_bytes() + 13 * PAGE_SIZE);
    assert_int_equal(ledger.requested, 12500);
    assert_int_equal(ledger.rounding, 300);
    assert_int_equal(ledger.metadata, boot_bytes() + 13 * SLAB_METADATA);
    assert_int_equal(ledger.slab_tail, 13 * SLAB_TAIL);
    assert_int_equal(ledger.partial_free, 4 * 128);
    assert_int_equal(ledger.cpu_cached, 0);
    assert_int_equal(ledger.occupancy[LEDGER_OCCUPANCIES - 1], 12);

    scene_alloc_all(cache, 1, objects + 100); /* with another for the array */
    scene_ledger(&ledger, 12625, 101);
    assert_int_equal(ledger.cpu_cached, 128);
    assert_int_equal(ledger.partial_free, 2 * 128);
    assert_int_equal(ledger.occupancy[8], 1); /* 6 of 8: 75% */
    assert_int_equal(ledger.depot_cached, 0);
    scene_free_all(cache, 101, objects);
    scene_close();
}

static void what_rests_in_arrays_and_slabs_that_nobody_came_for_are_told(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(2, 0, "spl", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 1, objects);
    scene_ledger(&ledger, 128, 1);
    assert_int_equal(ledger.cpu_cached, 7 * 128);
    assert_int_equal(ledger.empty_slabs, PAGE_SIZE);
    assert_int_equal(ledger.metadata, boot_bytes() + SLAB_METADATA);
    fixture_become(1);
    scene_alloc_all(cache, 599, objects + 1);
    scene_free_all(cache, 600, objects);
    fixture_become(0);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.cpu_cached, scene_count(cache, "avail") * 128);
    assert_int_equal(ledger.slabs, scene_count(cache, "slabs_total"));
    allocator_reclaim(scene, 2);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.page_bytes, boot_bytes());
    scene_close();
}

/* Header of the slab, 8 objects, and a header behind each: all in pages of their own. */
static void a_header_takes_what_the_alignment_makes_of_it(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=2", NULL);
    cache = scene_cache(100, PAGE_SIZE);
    scene_alloc_all(cache, 1, objects);
    scene_ledger(&ledger, 100, 1);
    assert_int_equal(ledger.rounding, PAGE_SIZE - 100);
    assert_int_equal(ledger.metadata, boot_bytes() + 64 + 8 * PAGE_SIZE);
    assert_int_equal(ledger.slab_tail, PAGE_SIZE - 64);
    assert_int_equal(ledger.partial_free, 7 * PAGE_SIZE);
    scene_free_all(cache, 1, objects);
    scene_close();
}

static void an_emergency_object_takes_the_rest_of_its_block(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", NULL);
    cache = scene_cache(5001, 64);
    for (unsigned i = 0; i < 3; i++)
        objects[i] = alloc_no_wait(cache);
    scene_ledger(&ledger, 3 * 5001, 3);
    assert_int_equal(ledger.slabs, 0);
    assert_int_equal(ledger.rounding, 3 * (5056 - 5001));
    assert_int_equal(ledger.emergency, 3 * (2 * PAGE_SIZE - 5056));
    assert_int_equal(ledger.metadata, boot_bytes());
    scene_free_all(cache, 3, objects);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.emergency, 0);
    scene_close();
}

static void slabs_and_emergency_objects_that_wait_for_readers_are_in_grace(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 128, .flags = CACHE_RCU};
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", NULL);
    cache = scene_cache_of(&params);
    objects[0] = alloc_no_wait(cache);
    objects[1] = alloc_no_wait(cache);
    scene_alloc_all(cache, 600, objects + 2);
    rcu_read_begin();
    scene_free(cache, objects[0]);
    scene_ledger(&ledger, 601 * 128, 601);
    assert_int_equal(ledger.emergency, PAGE_SIZE - 128);
    assert_int_equal(ledger.grace, PAGE_SIZE);
    scene_free_all(cache, 600, objects + 2); /* flushes in between */
    scene_ledger(&ledger, 128, 1);
    assert_int_equal(ledger.grace, (1 + 49) * PAGE_SIZE);
    allocator_reclaim(scene, 1); /* these wait for the next grace period */
    scene_ledger(&ledger, 128, 1);
    assert_int_equal(ledger.grace, (1 + 76) * PAGE_SIZE);
    assert_int_equal(ledger.slabs, 0);
    scene_free(cache, objects[1]);
    rcu_read_end();
    allocator_reclaim(scene, 2);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.grace, 0);
    scene_close();
}

static void of_what_passes_through_the_slabifier_tells(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "slab_limit=256", NULL);
    cache = scene_cache(256, 8);
    accounts_open();
    assert_int_equal(layer_of_alloc(cache, &objects[0]), LAYER_PAGE);
    assert_int_equal(layer_of_alloc(cache, &objects[1]), LAYER_CPU);
    scene_alloc_all(cache, 18, objects + 2);
    assert_int_equal(accounts_trips(), 2);
    scene_ledger(&ledger, 20 * 256, 20);
    assert_int_equal(ledger.slabs, 2);
    assert_int_equal(ledger.partial_free, 12 * 256);
    assert_int_equal(ledger.metadata, boot_bytes());
    scene_free_all(cache, 20, objects);
    accounts_close();
    scene_close();
}

/* ---- layers and trips ---- */

/* Arrays of four, refilled and flushed by two; slabs of eight. */
static void operations_come_down_to_the_array_the_slabs_or_the_pages(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=4", NULL);
    cache = scene_cache(128, 8);
    accounts_open();
    for (unsigned i = 0; i < 9; i++) {
        enum layer miss = i % 8 == 0 ? LAYER_PAGE : LAYER_SLAB;

        assert_int_equal(layer_of_alloc(cache, &objects[i]), i % 2 == 0 ? miss : LAYER_CPU);
        /* A refill that finds no slab brings nothing; the one after the growth does. */
        assert_int_equal(accounts_trips(), i % 2 == 0);
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(layer_of_free(cache, objects[i]), LAYER_CPU);
    assert_int_equal(accounts_trips(), 0);
    assert_int_equal(layer_of_free(cache, objects[3]), LAYER_SLAB);
    assert_int_equal(accounts_trips(), 1);
    assert_int_equal(layer_of_free(cache, objects[4]), LAYER_CPU);
    assert_int_equal(accounts_trips(), 0);
    scene_free_all(cache, 4, objects + 5);
    accounts_trips();
    allocator_reclaim(scene, 1); /* flushes this array, once */
    allocator_reclaim(scene, 1);
    assert_int_equal(accounts_trips(), 1);
    accounts_close();
    scene_close();
}

static void an_emergency_object_is_no_trip(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", NULL);
    cache = scene_cache(128, 8);
    accounts_open();
    account_layer_reset();
    objects[0] = alloc_no_wait(cache);
    assert_int_equal(account_layer_reached(), LAYER_PAGE);
    assert_int_equal(layer_of_free(cache, objects[0]), LAYER_PAGE);
    assert_int_equal(accounts_trips(), 0);
    accounts_close();
    scene_close();
}

static void a_growth_that_fails_is_no_trip_but_asked_for_pages(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 64 * PAGE_SIZE, "spl", NULL);
    cache = scene_cache(64 * PAGE_SIZE, 8);
    accounts_open();
    assert_int_equal(layer_of_alloc(cache, &objects[0]), LAYER_PAGE);
    assert_null(objects[0]);
    assert_int_equal(accounts_trips(), 0);
    accounts_close();
    scene_close();
}

/*
 * With a timeout of 0 the wait is over before a worker, here this CPU at its next safe point, gets
 * to it; and no block holds such an object, so that none is asked for in an emergency.
 */
static void who_waits_for_a_growth_came_down_to_pages_whoever_gets_them(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "grow_timeout_ms=0", NULL);
    cache = scene_cache((PAGE_SIZE << PAGE_MAX_ORDER) + 1, 8);
    assert_int_equal(layer_of_alloc(cache, &objects[0]), LAYER_PAGE);
    assert_null(objects[0]);
    assert_count(cache, "slabs_total", 0);
    fixture_safe_point();
    assert_count(cache, "slabs_total", 1);
    scene_close();
}

/* ---- many CPUs ---- */

static void load_with(const char *option, const char *other)
{
    const struct cache_params typesafe = {.name = "typesafe", .size = 128, .flags = CACHE_RCU};
    struct load_cache caches[5];

    scene_open(4, 0, "spl", option, other, NULL);
    caches[0] = (struct load_cache){scene_cache(64, 8), 64};
    caches[1] = (struct load_cache){scene_cache(250, 64), 250};
    caches[2] = (struct load_cache){scene_cache(3000, 8), 3000};
    caches[3] = (struct load_cache){scene_cache(9000, PAGE_SIZE), 9000};
    caches[4] = (struct load_cache){scene_cache_of(&typesafe), 128};
    mixed_load(caches, 5);
    scene_close();
}

static void the_ledger_balances_whenever_all_cpus_rest(void **state)
{
    (void)state;
    load_with("magazine_size=4", "grow_threads=1");
    load_with("magazine_size=0", "objects_per_slab=64");
    load_with("magazine_size=2", "slab_limit=256");
}

static void the_ledger_balances_where_emergencies_are_many(void **state)
{
    (void)state;
    load_with("grow_timeout_ms=0", "objects_per_slab=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_objects_of_125_are_in_13_slabs),
        cmocka_unit_test(what_rests_in_arrays_and_slabs_that_nobody_came_for_are_told),
        cmocka_unit_test(a_header_takes_what_the_alignment_makes_of_it),
        cmocka_unit_test(an_emergency_object_takes_the_rest_of_its_block),
        cmocka_unit_test(slabs_and_emergency_objects_that_wait_for_readers_are_in_grace),
        cmocka_unit_test(of_what_passes_through_the_slabifier_tells),
        cmocka_unit_test(operations_come_down_to_the_array_the_slabs_or_the_pages),
        cmocka_unit_test(an_emergency_object_is_no_trip),
        cmocka_unit_test(a_growth_that_fails_is_no_trip_but_asked_for_pages),
        cmocka_unit_test(who_waits_for_a_growth_came_down_to_pages_whoever_gets_them),
        cmocka_unit_test(the_ledger_balances_whenever_all_cpus_rest),
        cmocka_unit_test(the_ledger_balances_where_emergencies_are_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
