/* SPDX-License-Identifier: MIT */
/* What design slabifier tells the accounts: where its memory is, layers, trips, page locks. */
#include "tests/accounts_scene.h"
#include "tests/slabifier_scene.h"

#define SECOND UINT64_C(1000000000)

/* ---- memory ---- */

static void a_hundred_objects_of_64_leave_28_free_in_a_second_slab(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 100, objects);
    scene_ledger(&ledger, 6400, 100);
    assert_int_equal(ledger.page_bytes, boot_bytes() + 2 * PAGE_SIZE);
    assert_int_equal(ledger.requested, 6400);
    assert_int_equal(ledger.rounding, 0);
    assert_int_equal(ledger.slab_tail, 0);
    assert_int_equal(ledger.metadata, boot_bytes());
    assert_int_equal(ledger.partial_free, 28 * 64);
    assert_int_equal(ledger.empty_slabs, 0);
    assert_int_equal(ledger.slabs, 2);
    assert_int_equal(ledger.occupancy[LEDGER_OCCUPANCIES - 1], 1);
    assert_int_equal(ledger.occupancy[6], 1); /* 36 of 64: 56% */
    free_all(cache, 0, 100);
    scene_close();
}

/* Nothing rests above the slabs, and of these only the active one may be empty. */
static void what_is_freed_is_free_in_slabs_and_an_active_one_stays_empty(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 100, objects);
    fixture_become(1);
    free_all(cache, 0, 63);
    free_all(cache, 64, 100);
    scene_ledger(&ledger, 64, 1);
    assert_int_equal(ledger.cpu_cached, 0);
    assert_int_equal(ledger.depot_cached, 0);
    assert_int_equal(ledger.partial_free, 63 * 64);
    assert_int_equal(ledger.empty_slabs, PAGE_SIZE);
    assert_int_equal(ledger.occupancy[0], 1);
    assert_int_equal(ledger.occupancy[1], 1);
    allocator_reclaim(scene, 1);
    free_all(cache, 63, 64);
    scene_ledger(&ledger, 0, 0);
    assert_int_equal(ledger.slabs, 0);
    assert_int_equal(ledger.page_bytes, boot_bytes());
    fixture_become(0);
    scene_close();
}

static void what_lies_behind_the_payload_for_the_link_is_metadata(void **state)
{
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "slabifier", "offset=behind", NULL);
    cache = scene_cache(250, 8); /* 256 and a link, 15 of them */
    scene_alloc_all(cache, 2, objects);
    scene_ledger(&ledger, 500, 2);
    assert_int_equal(ledger.rounding, 12);
    assert_int_equal(ledger.metadata, boot_bytes() + 15 * 8);
    assert_int_equal(ledger.slab_tail, PAGE_SIZE - 15 * 264);
    assert_int_equal(ledger.partial_free, 13 * 256);
    free_all(cache, 0, 2);
    scene_cache_destroy(cache);

    cache = scene_cache(250, 64); /* 256, and 64 for the link */
    scene_alloc_all(cache, 1, objects);
    scene_ledger(&ledger, 250, 1);
    assert_int_equal(ledger.metadata, boot_bytes() + 12 * 64);
    assert_int_equal(ledger.slab_tail, PAGE_SIZE - 12 * 320);
    free_all(cache, 0, 1);
    scene_close();
}

static void an_object_that_is_a_slab_has_a_tail(void **state)
{
    const size_t large = ((size_t)5 << 20) + 1; /* a range */
    struct cache *cache, *giants;
    struct ledger ledger;

    (void)state;
    open_it(1);
    cache = scene_cache(3000, 8);
    scene_alloc_all(cache, 2, objects);
    scene_ledger(&ledger, 6000, 2);
    assert_int_equal(ledger.slab_tail, 2 * (PAGE_SIZE - 3000));
    assert_int_equal(ledger.partial_free, 0);
    giants = scene_cache(large, 8);
    scene_alloc_all(giants, 1, objects + 2);
    scene_ledger(&ledger, 6000 + large, 3);
    assert_int_equal(ledger.rounding, 7);
    assert_int_equal(ledger.slab_tail, 2 * (PAGE_SIZE - 3000) + PAGE_SIZE - 8);
    assert_int_equal(ledger.occupancy[LEDGER_OCCUPANCIES - 1], 3);
    scene_free(giants, objects[2]);
    free_all(cache, 0, 2);
    scene_close();
}

/* One waits for the grace period that runs, what came since for the next. */
static void slabs_that_wait_for_readers_are_in_grace(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 2000, .flags = CACHE_RCU};
    struct ledger ledger;
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 7, objects); /* three full slabs, one active */
    rcu_read_begin();
    free_all(cache, 0, 4);
    fixture_become(1);
    free_all(cache, 4, 6);
    scene_ledger(&ledger, 2000, 1);
    assert_int_equal(ledger.grace, 3 * PAGE_SIZE);
    assert_int_equal(ledger.slabs, 1);
    assert_int_equal(ledger.partial_free, 2000);
    fixture_become(0);
    rcu_read_end();
    allocator_reclaim(scene, 2);
    scene_ledger(&ledger, 2000, 1);
    assert_int_equal(ledger.grace, 0);
    free_all(cache, 6, 7);
    scene_close();
}

struct parts {
    struct cache *wanted;
    uint64_t live_bytes, shared_bytes;
    unsigned caches;
};

static void part_note(void *context, struct cache *cache, const char *name,
                      const struct ledger *part)
{
    struct parts *parts = context;

    (void)name;
    if (cache == parts->wanted)
        parts->live_bytes = part->live_bytes;
    if (cache)
        parts->caches++;
    else
        parts->shared_bytes = ledger_sum(part);
}

static void every_cache_is_told_its_own_part(void **state)
{
    struct ledger ledger = {.keeps_claims = true};
    struct cache *cache, *other;
    struct parts parts = {0};

    (void)state;
    open_it(1);
    cache = scene_cache(64, 8);
    other = scene_cache(512, 8);
    scene_alloc_all(cache, 3, objects);
    scene_alloc_all(other, 2, objects + 3);
    parts.wanted = other;
    assert_true(allocator_ledger(scene, &ledger, part_note, &parts));
    ledger_cleanup(&ledger);
    assert_int_equal(parts.caches, 2);
    assert_int_equal(parts.live_bytes, 1024);
    assert_int_equal(parts.shared_bytes, 0);
    scene_free_all(cache, 3, objects);
    scene_free_all(other, 2, objects + 3);
    scene_close();
}

/* ---- layers and trips ---- */

/* Slabs of 16. */
static void operations_come_down_to_the_active_slab_the_list_or_a_slab(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    accounts_open();
    assert_int_equal(layer_of_alloc(cache, &objects[0]), LAYER_PAGE);
    for (unsigned i = 1; i < 16; i++)
        assert_int_equal(layer_of_alloc(cache, &objects[i]), LAYER_CPU);
    assert_int_equal(layer_of_free(cache, objects[15]), LAYER_CPU); /* active */
    assert_int_equal(layer_of_alloc(cache, &objects[15]), LAYER_CPU);
    assert_int_equal(accounts_trips(), 1);

    assert_int_equal(layer_of_alloc(cache, &objects[16]), LAYER_PAGE);
    assert_int_equal(layer_of_free(cache, objects[0]), LAYER_SLAB); /* full: to the list */
    assert_int_equal(layer_of_free(cache, objects[1]), LAYER_SLAB); /* partial, and stays so */
    scene_alloc_all(cache, 15, objects + 17);
    assert_int_equal(accounts_trips(), 1);
    assert_int_equal(layer_of_alloc(cache, &objects[0]), LAYER_DEPOT); /* that slab again */
    assert_int_equal(accounts_trips(), 1);

    free_all(cache, 16, 31);
    assert_int_equal(layer_of_free(cache, objects[31]), LAYER_PAGE);
    fixture_become(1);
    assert_int_equal(layer_of_free(cache, objects[0]), LAYER_SLAB); /* another's active slab */
    fixture_become(0);
    assert_slabs(cache, 1, 1, 0);
    free_all(cache, 2, 16);
    assert_int_equal(accounts_trips(), 0);
    accounts_close();
    scene_close();
}

static void a_free_that_ends_in_a_grace_period_touches_no_page(void **state)
{
    const struct cache_params two_a_slab = {.name = "typesafe", .size = 2000, .flags = CACHE_RCU};
    const struct cache_params single = {.name = "single", .size = 3000, .flags = CACHE_RCU};
    struct cache *cache, *singles;

    (void)state;
    open_it(1);
    cache = scene_cache_of(&two_a_slab);
    singles = scene_cache_of(&single);
    scene_alloc_all(cache, 3, objects);
    scene_alloc_all(singles, 1, objects + 3);
    rcu_read_begin();
    assert_int_equal(layer_of_free(cache, objects[0]), LAYER_SLAB);
    assert_int_equal(layer_of_free(cache, objects[1]), LAYER_SLAB);
    assert_int_equal(layer_of_free(singles, objects[3]), LAYER_SLAB);
    rcu_read_end();
    free_all(cache, 2, 3);
    scene_close();
}

static void an_object_that_is_a_slab_makes_no_trip(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(3000, 8);
    accounts_open();
    assert_int_equal(layer_of_alloc(cache, &objects[0]), LAYER_PAGE);
    assert_int_equal(layer_of_free(cache, objects[0]), LAYER_PAGE);
    assert_int_equal(accounts_trips(), 0);
    accounts_close();
    scene_close();
}

static void a_slab_that_stops_being_active_is_a_trip(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    accounts_open();
    scene_alloc_all(cache, 1, objects);
    fixture_become(1);
    scene_alloc_all(cache, 1, objects + 1);
    assert_int_equal(accounts_trips(), 2);
    allocator_reclaim(scene, 1); /* from both CPUs */
    assert_int_equal(accounts_trips(), 2);
    allocator_reclaim(scene, 1);
    assert_int_equal(accounts_trips(), 0);

    fixture_become(0);
    scene_alloc_all(cache, 1, objects + 2); /* one of the partial slabs */
    assert_int_equal(accounts_trips(), 1);
    for (unsigned i = 1; i <= 3; i++) { /* the flusher's intervals are of 2 s */
        fixture_set_time(2 * i * SECOND);
        fixture_safe_point();
    }
    assert_slabs(cache, 2, 0, 2);
    assert_int_equal(accounts_trips(), 1);
    free_all(cache, 0, 3);
    accounts_close();
    scene_close();
}

/* ---- page locks ---- */

static void the_page_locks_of_each_cache_have_a_row_of_their_own(void **state)
{
    const struct cache_params many = {.name = "page-locks-many", .size = 256};
    const struct cache_params few = {.name = "page-locks-few", .size = 256};
    struct cache *a, *b;

    (void)state;
    open_it(1);
    a = scene_cache_of(&many);
    b = scene_cache_of(&few);
    accounts_open();
    scene_alloc_all(a, 17, objects); /* each takes one once */
    scene_alloc_all(b, 2, objects + 17);
    scene_free_all(a, 16, objects);
    assert_int_equal(accounts_acquisitions(LOCK_CLASS_PAGE, many.name), 17 + 1 + 16);
    assert_int_equal(accounts_acquisitions(LOCK_CLASS_PAGE, few.name), 2);
    assert_int_equal(accounts_acquisitions(LOCK_CLASS_PAGE, NULL), 0);
    scene_free_all(a, 1, objects + 16);
    scene_free_all(b, 2, objects + 17);
    assert_slabs(a, 1, 1, 0); /* what the locks note does not show in the slabs' flags */
    assert_slabs(b, 1, 1, 0);
    accounts_close();
    scene_close();
}

/* ---- many CPUs ---- */

static void load_with(const char *option)
{
    const struct cache_params typesafe = {.name = "typesafe", .size = 1000, .flags = CACHE_RCU};
    struct load_cache caches[5];

    scene_open(4, 0, "slabifier", "flush_interval_ms=100", option, NULL);
    caches[0] = (struct load_cache){scene_cache(64, 8), 64};
    caches[1] = (struct load_cache){scene_cache(250, 64), 250};
    caches[2] = (struct load_cache){scene_cache(3000, 8), 3000};
    caches[3] = (struct load_cache){scene_cache(9000, 8), 9000};
    caches[4] = (struct load_cache){scene_cache_of(&typesafe), 1000};
    mixed_load(caches, 5);
    scene_close();
}

static void the_ledger_balances_whenever_all_cpus_rest(void **state)
{
    (void)state;
    load_with("order=0");
    load_with("order=3");
    load_with("offset=behind");
    load_with("debug=on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hundred_objects_of_64_leave_28_free_in_a_second_slab),
        cmocka_unit_test(what_is_freed_is_free_in_slabs_and_an_active_one_stays_empty),
        cmocka_unit_test(what_lies_behind_the_payload_for_the_link_is_metadata),
        cmocka_unit_test(an_object_that_is_a_slab_has_a_tail),
        cmocka_unit_test(slabs_that_wait_for_readers_are_in_grace),
        cmocka_unit_test(every_cache_is_told_its_own_part),
        cmocka_unit_test(operations_come_down_to_the_active_slab_the_list_or_a_slab),
        cmocka_unit_test(a_free_that_ends_in_a_grace_period_touches_no_page),
        cmocka_unit_test(an_object_that_is_a_slab_makes_no_trip),
        cmocka_unit_test(a_slab_that_stops_being_active_is_a_trip),
        cmocka_unit_test(the_page_locks_of_each_cache_have_a_row_of_their_own),
        cmocka_unit_test(the_ledger_balances_whenever_all_cpus_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
