/* SPDX-License-Identifier: MIT */
/* What design helenos tells the accounts: where its memory is, layers, trips, shared locks. */
#include "tests/accounts_scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MANY 1000

static void *objects[MANY];

/* 64-byte objects, and the magazines of four rounds, which have 64 bytes too: 63 a page. */
#define A_SLAB 63
#define RECORD 48
#define TAIL   (PAGE_SIZE - RECORD - A_SLAB * 64)

#define RECORDS_A_SLAB 84 /* of slabs that have none inside */

static struct cache *open_with_cache(unsigned nr_cpus, size_t size)
{
    scene_open(nr_cpus, 0, "helenos", NULL);
    return scene_cache(size, 8);
}

/* ---- memory ---- */

static void a_hundred_objects_of_64_take_two_slabs_of_63(void **state)
{
    struct cache *cache = open_with_cache(1, 64);
    struct ledger ledger;

    (void)state;
    scene_alloc_all(cache, 100, objects);
    scene_ledger(&ledger, 100 * 60, 100);
    assert_int_equal(ledger.page_bytes, boot_bytes() + 2 * PAGE_SIZE);
    assert_int_equal(ledger.requested, 6000);
    assert_int_equal(ledger.rounding, 400);
    assert_int_equal(ledger.slab_tail, 2 * TAIL);
    assert_int_equal(ledger.metadata, boot_bytes() + 2 * RECORD);
    assert_int_equal(ledger.partial_free, 26 * 64);
    assert_int_equal(ledger.slabs, 2);
    assert_int_equal(ledger.occupancy[LEDGER_OCCUPANCIES - 1], 1);
    assert_int_equal(ledger.occupancy[6], 1); /* 37 of 63: 59% */
    scene_free_all(cache, 100, objects);
    scene_close();
}

/* In 25 magazines: two with the CPU, 23 in the depot. */
static void a_hundred_objects_freed_rest_with_the_cpu_and_in_the_depot(void **state)
{
    struct cache *cache = open_with_cache(1, 64);
    struct ledger ledger;

    (void)state;
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 100, objects);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.cpu_cached, 8 * 64);
    assert_int_equal(ledger.depot_cached, 92 * 64);
    assert_int_equal(ledger.metadata, boot_bytes() + 3 * RECORD + 25 * 64);
    assert_int_equal(ledger.partial_free, 26 * 64 + (A_SLAB - 25) * 64);
    assert_int_equal(ledger.slab_tail, 3 * TAIL);
    assert_int_equal(ledger.empty_slabs, 0);
    allocator_reclaim(scene, 2);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.page_bytes, boot_bytes());
    scene_close();
}

/* Slabs of one object with a record elsewhere. A light pass ends the oldest of three magazines. */
static void slab_records_are_metadata_but_those_that_rest_rest(void **state)
{
    struct cache *cache = open_with_cache(1, 4096);
    struct ledger ledger;

    (void)state;
    scene_alloc_all(cache, 12, objects);
    scene_ledger(&ledger, 12 * 4096, 12);
    assert_int_equal(ledger.metadata, boot_bytes() + RECORD + 12 * RECORD);
    assert_int_equal(ledger.partial_free, (RECORDS_A_SLAB - 12) * RECORD);

    scene_free_all(cache, 12, objects);
    allocator_reclaim(scene, 1);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.cpu_cached, 8 * 4096 + 4 * RECORD);
    assert_int_equal(ledger.depot_cached, 0);
    /* Slabs of records and magazines; records of eight slabs; two magazines and the records'. */
    assert_int_equal(ledger.metadata, boot_bytes() + 2 * RECORD + 8 * RECORD + 3 * 64);
    assert_int_equal(ledger.partial_free, (RECORDS_A_SLAB - 12) * RECORD + (A_SLAB - 3) * 64);
    scene_close();
}

static void an_index_behind_the_object_is_metadata(void **state)
{
    const struct cache_params params = {.name = "untouched", .size = 10, .flags = CACHE_NO_TOUCH};
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "helenos", NULL);
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 3, objects); /* 12 bytes and an index of 4: 253 of them */
    scene_ledger(&ledger, 30, 3);
    assert_int_equal(ledger.rounding, 6);
    assert_int_equal(ledger.metadata, boot_bytes() + RECORD + 253 * 4);
    assert_int_equal(ledger.partial_free, 250 * 12);
    scene_free_all(cache, 3, objects);
    scene_close();
}

static void slabs_that_wait_for_readers_are_in_grace(void **state)
{
    static const struct cache_params inside = {.name = "inside", .size = 3072, .flags = CACHE_RCU};
    static const struct cache_params outside = {
        .name = "outside", .size = 4096, .flags = CACHE_RCU};
    struct cache *cache, *other;
    struct ledger ledger;

    (void)state;
    scene_open(1, 0, "helenos", NULL);
    cache = scene_cache_of(&inside);
    other = scene_cache_of(&outside);
    scene_alloc_all(cache, 20, objects);
    rcu_read_begin();
    scene_free_all(cache, 20, objects);
    allocator_reclaim(scene, 1);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.grace, 4 * PAGE_SIZE);
    assert_int_equal(ledger.cpu_cached, 8 * 3072);
    assert_int_equal(ledger.depot_cached, 8 * 3072);
    allocator_reclaim(scene, 2); /* these wait for the period after */
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.grace, 20 * PAGE_SIZE);
    assert_int_equal(ledger.slabs, 0);

    scene_alloc_all(other, 5, objects);
    scene_free_all(other, 5, objects);
    allocator_reclaim(scene, 2);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.grace, 25 * PAGE_SIZE);
    assert_int_equal(ledger.metadata, boot_bytes() + RECORD + 5 * RECORD);
    rcu_read_end();
    grace_barrier();
    allocator_reclaim(scene, 2);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.page_bytes, boot_bytes());
    scene_close();
}

/* Ten out, in, and out again leave two magazines with the CPU, and one in a magazine itself. */
static void cached_magazines_rest_too(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "helenos", "cached_magazines=on", NULL);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 10, objects);
    scene_free_all(cache, 10, objects);
    scene_alloc_all(cache, 10, objects);
    scene_ledger(&ledger, 640, 10);
    assert_int_equal(ledger.cpu_cached, 64);
    assert_int_equal(ledger.metadata, boot_bytes() + 3 * RECORD + 2 * 64 + 64);
    assert_int_equal(ledger.partial_free, (3 * A_SLAB - 10 - 3 - 1) * 64);
    scene_free_all(cache, 10, objects);
    scene_close();
}

/* ---- layers and trips ---- */

static void magazines_are_made_and_destroyed_in_slabs(void **state)
{
    struct cache *cache = open_with_cache(1, 64);

    (void)state;
    accounts_open();
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(layer_of_alloc(cache, &objects[i]), i == 0 ? LAYER_PAGE : LAYER_SLAB);
    assert_int_equal(accounts_trips(), 0);
    for (unsigned i = 0; i < 10; i++) { /* every fourth free wants a magazine */
        enum layer wanted = i == 0 ? LAYER_PAGE : LAYER_SLAB;

        assert_int_equal(layer_of_free(cache, objects[i]), i % 4 == 0 ? wanted : LAYER_CPU);
        assert_int_equal(accounts_trips(), i % 4 == 0);
    }
    for (unsigned i = 0; i < 10; i++) { /* two, and four, are there; four come from the depot */
        assert_int_equal(layer_of_alloc(cache, &objects[i]), i == 6 ? LAYER_SLAB : LAYER_CPU);
        assert_int_equal(accounts_trips(), i == 6);
    }
    scene_free_all(cache, 10, objects); /* one magazine is made anew */
    assert_int_equal(accounts_trips(), 1);
    allocator_reclaim(scene, 2); /* both of the CPU's at once */
    assert_int_equal(accounts_trips(), 1);
    allocator_reclaim(scene, 2);
    assert_int_equal(accounts_trips(), 0);
    accounts_close();
    scene_close();
}

static void with_cached_magazines_exchanges_come_no_further_than_the_depot(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "helenos", "cached_magazines=on", NULL);
    cache = scene_cache(64, 8);
    accounts_open();
    scene_alloc_all(cache, 10, objects);
    scene_free_all(cache, 10, objects);
    scene_alloc_all(cache, 10, objects);
    accounts_trips();
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(layer_of_free(cache, objects[i]), i == 8 ? LAYER_DEPOT : LAYER_CPU);
    assert_int_equal(accounts_trips(), 1);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(layer_of_alloc(cache, &objects[i]), i == 6 ? LAYER_DEPOT : LAYER_CPU);
    assert_int_equal(accounts_trips(), 1);
    scene_free_all(cache, 10, objects);
    accounts_close();
    scene_close();
}

/* ---- what all caches share ---- */

static void all_caches_meet_at_the_magazine_caches_lock_which_has_its_own_row(void **state)
{
    const struct cache_params params[] = {{.name = "passed-on", .size = 64},
                                          {.name = "passed-on-too", .size = 128}};
    struct cache *caches[2];
    uint64_t shared, own[2];

    (void)state;
    scene_open(2, 0, "helenos", NULL);
    for (unsigned i = 0; i < 2; i++)
        caches[i] = scene_cache_of(&params[i]);
    accounts_open();
    for (unsigned i = 0; i < 2; i++) {
        scene_pass_on(caches[i], 100);
        own[i] = accounts_acquisitions(LOCK_CLASS_SLAB, params[i].name);
        assert_true(own[i] > 0);
    }
    shared = accounts_acquisitions(LOCK_CLASS_SLAB, "magazines");
    accounts_trips();
    for (unsigned i = 0; i < 2; i++) {
        scene_pass_on(caches[i], 400);
        assert_int_equal(accounts_trips(), 200);
        assert_int_equal(accounts_acquisitions(LOCK_CLASS_SLAB, params[i].name), own[i]);
    }
    assert_int_equal(accounts_acquisitions(LOCK_CLASS_SLAB, "magazines"), shared + 400);
    assert_int_equal(accounts_acquisitions(LOCK_CLASS_SLAB, NULL), 0);
    accounts_close();
    scene_close();
}

/* ---- many CPUs ---- */

static void load_with(size_t limit_bytes, const char *option)
{
    const struct cache_params typesafe = {.name = "typesafe", .size = 3072, .flags = CACHE_RCU};
    const struct cache_params untouched = {
        .name = "untouched", .size = 100, .flags = CACHE_NO_TOUCH};
    struct page_statistics pages;
    struct load_cache caches[6];

    scene_open(4, limit_bytes, "helenos", option, NULL);
    caches[0] = (struct load_cache){scene_cache(64, 8), 64};
    caches[1] = (struct load_cache){scene_cache(250, 64), 250};
    caches[2] = (struct load_cache){scene_cache(4096, 8), 4096};
    caches[3] = (struct load_cache){scene_cache(9000, 8), 9000};
    caches[4] = (struct load_cache){scene_cache_of(&typesafe), 3072};
    caches[5] = (struct load_cache){scene_cache_of(&untouched), 100};
    mixed_load(caches, 6);
    page_get_statistics(&pages);
    assert_int_equal(pages.limit_failures > 0, limit_bytes > 0);
    scene_close();
}

static void the_ledger_balances_whenever_all_cpus_rest(void **state)
{
    (void)state;
    load_with(0, "magazine_size=4");
    load_with(0, "magazine_size=1");
    load_with(0, "cached_magazines=on");
}

static void the_ledger_balances_where_pages_run_short(void **state)
{
    (void)state;
    load_with(512 * PAGE_SIZE, "magazine_size=4");
    load_with(512 * PAGE_SIZE, "cached_magazines=on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_objects_of_64_take_two_slabs_of_63),
        cmocka_unit_test(a_hundred_objects_freed_rest_with_the_cpu_and_in_the_depot),
        cmocka_unit_test(slab_records_are_metadata_but_those_that_rest_rest),
        cmocka_unit_test(an_index_behind_the_object_is_metadata),
        cmocka_unit_test(slabs_that_wait_for_readers_are_in_grace),
        cmocka_unit_test(cached_magazines_rest_too),
        cmocka_unit_test(magazines_are_made_and_destroyed_in_slabs),
        cmocka_unit_test(with_cached_magazines_exchanges_come_no_further_than_the_depot),
        cmocka_unit_test(all_caches_meet_at_the_magazine_caches_lock_which_has_its_own_row),
        cmocka_unit_test(the_ledger_balances_whenever_all_cpus_rest),
        cmocka_unit_test(the_ledger_balances_where_pages_run_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
