/* SPDX-License-Identifier: MIT */
/* The known answers of design magazine; where a scenario has several CPUs, one thread plays them.
 */
#include "allocators/depot.h"
#include "sim/page.h"
#include "tests/scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MANY   2000
#define SECOND UINT64_C(1000000000)

static void *objects[MANY];

static void open_fixed(unsigned nr_cpus)
{
    scene_open(nr_cpus, 0, "magazine", "magazine_size=8", "resize=off", NULL);
}

/* ---- one CPU ---- */

static void a_magazine_of_62_rounds_has_512_bytes(void **state)
{
    (void)state;
    assert_int_equal(magazine_bytes(62), 512);
}

static void a_hundred_out_a_hundred_in_a_hundred_out(void **state)
{
    struct cache *cache;

    (void)state;
    open_fixed(1);
    cache = scene_cache(64, 8);

    scene_alloc_all(cache, 100, objects);
    assert_count(cache, "slab_allocs", 100);
    assert_count(cache, "magazine_allocs", 0);
    assert_count(cache, "depot_acquisitions", 100);

    scene_free_all(cache, 100, objects);
    assert_count(cache, "loaded_rounds", 4);
    assert_count(cache, "previous_rounds", 8);
    assert_count(cache, "depot_not_empty", 11);
    assert_count(cache, "depot_rounds", 88);
    assert_count(cache, "depot_empty", 0);
    assert_count(cache, "magazines_made", 11);
    assert_count(cache, "depot_acquisitions", 100 + 33);
    assert_count(cache, "live", 100); /* resting is outside the slab layer */

    scene_alloc_all(cache, 100, objects);
    assert_count(cache, "slab_allocs", 100);
    assert_count(cache, "magazine_allocs", 100);
    assert_count(cache, "depot_not_empty", 0);
    assert_count(cache, "depot_empty", 11);
    assert_count(cache, "depot_acquisitions", 100 + 33 + 11);

    scene_free_all(cache, 100, objects);
    assert_count(cache, "magazines_made", 11);
    scene_close();
}

static void objects_come_back_last_in_first_out(void **state)
{
    struct cache *cache;

    (void)state;
    open_fixed(1);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 40, objects);
    scene_free_all(cache, 40, objects);
    for (unsigned i = 40; i-- > 0;)
        assert_ptr_equal(scene_alloc(cache), objects[i]);
    scene_free_all(cache, 40, objects);
    scene_close();
}

/* Without `previous` this would go to the depot at every other operation. */
static void two_out_two_in_at_a_magazines_edge_stay_away_from_the_depot(void **state)
{
    struct cache *cache;
    uint64_t before;

    (void)state;
    open_fixed(1);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 30, objects);
    scene_free_all(cache, 25, objects); /* loaded 1 or 8, whatever: walk over all edges */
    for (unsigned edge = 0; edge < 5; edge++) {
        scene_free(cache, objects[25 + edge]);
        scene_alloc_all(cache, 2, objects);
        scene_free_all(cache, 2, objects);
        before = scene_count(cache, "depot_acquisitions");
        for (int i = 0; i < 100; i++) {
            scene_alloc_all(cache, 2, objects);
            scene_free_all(cache, 2, objects);
        }
        assert_count(cache, "depot_acquisitions", before);
    }
    scene_close();
}

/* ---- producer and consumer ---- */

static void a_producer_and_a_consumer_exchange_once_in_magazine_size_operations(void **state)
{
    enum { OBJECTS = 8000 };
    uint64_t visits, slab_allocs, made;
    struct cache *cache;

    (void)state;
    open_fixed(2);
    cache = scene_cache(64, 8);
    scene_pass_on(cache, 1000);
    visits = scene_count(cache, "depot_acquisitions");
    slab_allocs = scene_count(cache, "slab_allocs");
    made = scene_count(cache, "magazines_made");

    scene_pass_on(cache, OBJECTS);
    assert_count(cache, "depot_acquisitions", visits + 2 * OBJECTS / 8);
    assert_count(cache, "slab_allocs", slab_allocs);
    assert_count(cache, "magazines_made", made);
    scene_close();
}

static void a_producer_and_a_consumer_are_quieter_with_larger_magazines(void **state)
{
    enum { OBJECTS = 10000 };
    struct cache *cache;
    uint64_t visits;

    (void)state;
    scene_open(2, 0, "magazine", "magazine_size=100", "magazine_max=100", NULL);
    cache = scene_cache(64, 8);
    scene_pass_on(cache, 1000);
    visits = scene_count(cache, "depot_acquisitions");
    scene_pass_on(cache, OBJECTS);
    assert_count(cache, "depot_acquisitions", visits + 2 * OBJECTS / 100);
    scene_close();
}

/* ---- resize in the whole design ---- */

/* Two magazines out, two in: every CPU visits the depot all the time. */
static void fight(unsigned cpu, void *argument)
{
    void *mine[3];

    (void)cpu;
    for (int i = 0; i < 50000; i++) {
        scene_alloc_all(argument, 3, mine);
        scene_free_all(argument, 3, mine);
        fixture_safe_point();
    }
}

static void contention_makes_magazines_grow(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(4, 0, "magazine", "magazine_size=1", "magazine_max=4", NULL);
    cache = scene_cache(64, 8);
    for (int i = 0; i < 100 && scene_count(cache, "depot_magsize") == 1; i++)
        fixture_run(fight, cache);
    assert_in_range(scene_count(cache, "depot_magsize"), 2, 4);
    assert_true(scene_count(cache, "depot_contended") >= 2);
    scene_close();
}

/* ---- no memory for magazines ---- */

struct tally {
    int constructed, destructed;
    bool fail;
};

static int construct(void *object, size_t size, void *context)
{
    struct tally *tally = context;

    if (tally->fail)
        return -1;
    tally->constructed++;
    memset(object, 0x5a, size);
    return 0;
}

static void destruct(void *object, size_t size, void *context)
{
    assert_int_equal(((unsigned char *)object)[size - 1], 0x5a);
    ((struct tally *)context)->destructed++;
}

static struct cache *built_cache(struct tally *tally)
{
    const struct cache_params params = {.name = "built",
                                        .size = 64,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = tally};

    return scene_cache_of(&params);
}

static void a_free_without_memory_for_a_magazine_goes_to_the_slab(void **state)
{
    enum { PAGES = 512 };
    static void *pages[PAGES];
    struct tally tally = {0};
    struct cache *cache;
    unsigned nr_pages = 0;
    uint64_t made;

    (void)state;
    scene_open(1, PAGES * PAGE_SIZE, "magazine", "resize=off", NULL);
    cache = built_cache(&tally);
    scene_alloc_all(cache, 1000, objects);
    while ((pages[nr_pages] = page_alloc(0, PAGE_ANY_NODE)))
        nr_pages++;

    scene_free_all(cache, 1000, objects);
    made = scene_count(cache, "magazines_made");
    assert_true(made < 14); /* those that their slabs had left, 7 a page */
    assert_count(cache, "live", 16 + 8 * made);
    assert_int_equal(tally.destructed, 1000 - 16 - 8 * made);

    while (nr_pages)
        page_free(pages[--nr_pages], 0);
    scene_close();
    assert_int_equal(tally.destructed, tally.constructed);
}

/* ---- constructors ---- */

static void objects_rest_constructed(void **state)
{
    struct tally tally = {0};
    struct cache *cache;

    (void)state;
    open_fixed(1);
    cache = built_cache(&tally);
    for (int i = 0; i < 3; i++) {
        scene_alloc_all(cache, 100, objects);
        assert_int_equal(((unsigned char *)objects[99])[0], 0x5a);
        scene_free_all(cache, 100, objects);
    }
    assert_int_equal(tally.constructed, 100);
    assert_int_equal(tally.destructed, 0);
    allocator_reclaim(scene, 2);
    assert_int_equal(tally.destructed, 100);
    scene_close();
    assert_int_equal(tally.destructed, tally.constructed);
}

static void an_object_that_cannot_be_constructed_goes_back_to_the_slab(void **state)
{
    struct tally tally = {.fail = true};
    struct cache *cache;

    (void)state;
    open_fixed(1);
    cache = built_cache(&tally);
    assert_null(scene_alloc(cache));
    assert_count(cache, "live", 0);
    tally.fail = false;
    scene_free(cache, scene_alloc(cache));
    tally.fail = true;
    objects[0] = scene_alloc(cache); /* it rests constructed, so nothing can fail */
    assert_non_null(objects[0]);
    scene_free(cache, objects[0]);
    scene_close();
    assert_int_equal(tally.destructed, tally.constructed);
}

/* ---- bulk ---- */

static void a_bulk_is_served_a_magazine_at_a_time(void **state)
{
    struct binding_of_cache binding;
    struct request request = {.size = 64, .node = -1};
    struct cache *cache;
    void *again[100];

    (void)state;
    open_fixed(1);
    cache = scene_cache(64, 8);
    allocator_bind_cache(scene, cache, &binding);
    assert_non_null(binding.alloc_bulk);
    assert_int_equal(allocator_alloc_bulk(&binding, &request, 100, objects), 100);
    assert_count(cache, "depot_acquisitions", 1); /* one look, and the slabs give all */
    allocator_free_bulk(&binding, 100, objects);
    assert_count(cache, "depot_acquisitions", 1 + 33);
    assert_count(cache, "depot_rounds", 88);
    assert_int_equal(allocator_alloc_bulk(&binding, &request, 100, again), 100);
    assert_count(cache, "depot_acquisitions", 1 + 33 + 11);
    assert_count(cache, "magazine_allocs", 100);
    for (unsigned i = 0; i < 100; i++)
        assert_ptr_equal(again[i], objects[99 - i]);
    allocator_free_bulk(&binding, 100, again);
    scene_close();
}

static void a_bulk_without_memory_returns_what_there_is(void **state)
{
    struct binding_of_cache binding;
    struct request request = {.size = 64, .node = -1};
    struct cache *cache;
    unsigned got;

    (void)state;
    scene_open(1, 16 * PAGE_SIZE, "magazine", NULL);
    cache = scene_cache(64, 8);
    allocator_bind_cache(scene, cache, &binding);
    got = allocator_alloc_bulk(&binding, &request, MANY, objects);
    assert_in_range(got, 63, MANY - 1);
    assert_count(cache, "live", got);
    allocator_free_bulk(&binding, got, objects);
    scene_close();
}

/* ---- destruction ---- */

static void a_cache_with_live_objects_is_left_as_it_was(void **state)
{
    const struct cache_params params = {.name = "inodes", .size = 64};
    struct cache *cache;
    struct error error;

    (void)state;
    open_fixed(2);
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 93, objects);
    fixture_become(1);
    assert_int_equal(allocator_cache_destroy(scene, cache, &error), -EBUSY);
    assert_non_null(strstr(error.text, "'inodes'"));
    assert_non_null(strstr(error.text, " 7 "));
    fixture_become(0);
    assert_count(cache, "depot_not_empty", 10);
    assert_count(cache, "live", 100);
    scene_free_all(cache, 7, objects + 93);
    scene_cache_destroy(cache);
    scene_close();
}

/* ---- reclaim ---- */

static size_t beyond(size_t before)
{
    return (fixture_held_bytes() - before) / PAGE_SIZE;
}

/*
 * 64-byte objects, 63 a slab: 100 of them are in two slabs, and the 12 that rest last are all of
 * the second. Magazines, 7 a page: 6 of the metadata caches and the cache's 2 in two slabs, the
 * 11 beyond in what is left of the second (6) and in a third.
 */
static void reclaim_gives_back_the_depot_first_and_then_the_cpus(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_fixed(1);
    cache = scene_cache(64, 8);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 100, objects);
    assert_int_equal(beyond(before), 2 + 1);

    allocator_reclaim(scene, 1);
    assert_count(cache, "depot_not_empty", 0);
    assert_count(cache, "depot_empty", 0);
    assert_count(cache, "loaded_rounds", 4);
    assert_count(cache, "previous_rounds", 8);
    assert_count(cache, "live", 12);
    /* The second slab, and the third of the magazines, which rest in the CPU's magazines of them.
     */
    assert_int_equal(beyond(before), 1 + 1);

    allocator_reclaim(scene, 2);
    assert_count(cache, "live", 0);
    assert_count(cache, "loaded_rounds", 0);
    assert_count(cache, "previous_rounds", 0);
    assert_int_equal(beyond(before), 0);
    scene_close();
}

static void reclaim_reaches_the_magazines_of_every_cpu(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_fixed(8);
    cache = scene_cache(64, 8);
    before = fixture_held_bytes();
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        fixture_become(cpu);
        scene_alloc_all(cache, 100, objects);
        scene_free_all(cache, 100, objects);
    }
    allocator_reclaim(scene, 2);
    assert_count(cache, "live", 0);
    assert_count(cache, "slabs_empty", 0);
    /* The CPUs' 16 magazines are not those they began with, and may keep a slab of theirs each. */
    assert_true(beyond(before) < 16);
    scene_close();
}

/* Slabs of the large layout give their records back to magazines: those must be drained as well. */
static void reclaim_gives_back_the_records_of_large_slabs(void **state)
{
    size_t before, hash;
    struct cache *cache;

    (void)state;
    scene_open(2, 0, "magazine", "magazine_size=80", "magazine_max=80", "hash_lists=4096", NULL);
    cache = scene_cache(1000, 8);
    before = fixture_held_bytes();
    hash = scene_count(cache, "hash_lists");
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fixture_become(cpu);
        scene_alloc_all(cache, MANY, objects);
        scene_free_all(cache, MANY, objects);
    }
    assert_count(cache, "hash_lists", hash);
    assert_true(beyond(before) >= MANY / 8 * 2);
    allocator_reclaim(scene, 2);
    assert_count(cache, "live", 0);
    assert_count(cache, "slabs_empty", 0);
    /* As above: the CPUs' 16 magazines may keep as many slabs of two pages. */
    assert_true(beyond(before) < 2 * 16);
    scene_close();
}

static void reclaim_finds_room_for_an_allocation_that_failed(void **state)
{
    const struct request request = {.size = 64, .node = -1};
    static void *small[64 * 63];
    struct binding_of_cache binding;
    struct cache *hoard, *cache;
    unsigned n = 0, nr_small = 0;

    (void)state;
    scene_open(2, 64 * PAGE_SIZE, "magazine", NULL);
    hoard = scene_cache(1024, 8);
    cache = scene_cache(64, 8);
    allocator_bind_cache(scene, cache, &binding);
    while ((objects[n] = scene_alloc(hoard)))
        n++;
    fixture_become(1);
    scene_free_all(hoard, n, objects); /* all of it rests with CPU 1, the depot, the slabs */
    fixture_become(0);
    while ((small[nr_small] = scene_alloc(cache)))
        nr_small++;

    small[nr_small] = allocator_retry(scene, &binding, &request);
    assert_non_null(small[nr_small++]);
    scene_free_all(cache, nr_small, small);
    scene_close();
}

/* ---- working set ---- */

static void what_an_interval_leaves_untouched_is_freed_at_its_end(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    scene_open(1, 0, "magazine", "working_set=on", "resize=off", NULL);
    cache = scene_cache(64, 8);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 1000, objects);
    scene_free_all(cache, 1000, objects);
    assert_count(cache, "depot_not_empty", 123);

    fixture_set_time(16 * SECOND); /* began empty: nothing is surplus yet */
    scene_alloc_all(cache, 32, objects);
    scene_free_all(cache, 32, objects);
    assert_count(cache, "depot_not_empty", 123);

    fixture_set_time(32 * SECOND); /* of 123, 3 were in use: 120 were not */
    scene_alloc_all(cache, 32, objects);
    scene_free_all(cache, 32, objects);
    assert_true(scene_count(cache, "depot_not_empty") <= 4);
    assert_true(scene_count(cache, "live") <= 50);
    assert_true(beyond(before) <= 2 + 18 /* magazines resting in magazines */);
    scene_close();
}

/* ---- steal ---- */

static void cpus_of_another_stripe_find_what_was_freed(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(8, 0, "magazine", "depot=steal", "resize=off", NULL);
    cache = scene_cache(64, 8);
    assert_count(cache, "depot_stripes", 2);
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 100, objects);
    fixture_become(4);
    scene_alloc_all(cache, 88, objects);
    assert_count(cache, "slab_allocs", 100);
    scene_free_all(cache, 88, objects);
    scene_close();
}

/* ---- options ---- */

static void a_size_above_the_maximum_is_refused(void **state)
{
    struct error error;

    (void)state;
    fixture_start(1, 0);
    assert_int_equal(allocator_create("magazine", &scene, &error), 0);
    assert_int_equal(allocator_set(scene, "magazine_size", "63", &error), 0);
    assert_int_equal(allocator_start(scene, &error), -EINVAL);
    assert_non_null(strstr(error.text, "magazine_size is 63 and magazine_max 62"));
    allocator_destroy(scene);
    assert_int_equal(fixture_held_bytes(), 0);
    fixture_stop();
}

static void magazines_of_one_round_work(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "magazine", "magazine_size=1", "magazine_max=1", NULL);
    cache = scene_cache(64, 8);
    for (int i = 0; i < 3; i++) {
        scene_alloc_all(cache, 100, objects);
        scene_free_all(cache, 100, objects);
    }
    assert_count(cache, "slab_allocs", 100);
    assert_count(cache, "depot_not_empty", 98);
    scene_close();
}

/* Whatever the limit: a start or a cache that fails leaves nothing behind. */
static void a_start_that_fails_half_way_gives_all_back(void **state)
{
    const struct cache_params params = {.name = "objects", .size = 1000};
    bool done = false;

    (void)state;
    for (size_t pages = 1; !done; pages++) {
        struct cache *cache;
        struct error error;

        fixture_start(16, pages * PAGE_SIZE);
        assert_int_equal(allocator_create("magazine", &scene, &error), 0);
        if (allocator_start(scene, &error) == 0) {
            size_t before = fixture_held_bytes();

            done = allocator_cache_create(scene, &params, &cache, &error) == 0;
            if (!done) {
                allocator_reclaim(scene, 2);
                /* CPU 0 may hold two other magazines of magazines than before, in other slabs. */
                assert_in_range(fixture_held_bytes(), before, before + 2 * PAGE_SIZE);
            }
            assert_int_equal(allocator_stop(scene, &error), 0);
        }
        allocator_destroy(scene);
        assert_int_equal(fixture_held_bytes(), 0);
        fixture_stop();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_magazine_of_62_rounds_has_512_bytes),
        cmocka_unit_test(a_hundred_out_a_hundred_in_a_hundred_out),
        cmocka_unit_test(objects_come_back_last_in_first_out),
        cmocka_unit_test(two_out_two_in_at_a_magazines_edge_stay_away_from_the_depot),
        cmocka_unit_test(a_producer_and_a_consumer_exchange_once_in_magazine_size_operations),
        cmocka_unit_test(a_producer_and_a_consumer_are_quieter_with_larger_magazines),
        cmocka_unit_test(contention_makes_magazines_grow),
        cmocka_unit_test(a_free_without_memory_for_a_magazine_goes_to_the_slab),
        cmocka_unit_test(objects_rest_constructed),
        cmocka_unit_test(an_object_that_cannot_be_constructed_goes_back_to_the_slab),
        cmocka_unit_test(a_bulk_is_served_a_magazine_at_a_time),
        cmocka_unit_test(a_bulk_without_memory_returns_what_there_is),
        cmocka_unit_test(a_cache_with_live_objects_is_left_as_it_was),
        cmocka_unit_test(reclaim_gives_back_the_depot_first_and_then_the_cpus),
        cmocka_unit_test(reclaim_reaches_the_magazines_of_every_cpu),
        cmocka_unit_test(reclaim_gives_back_the_records_of_large_slabs),
        cmocka_unit_test(reclaim_finds_room_for_an_allocation_that_failed),
        cmocka_unit_test(what_an_interval_leaves_untouched_is_freed_at_its_end),
        cmocka_unit_test(cpus_of_another_stripe_find_what_was_freed),
        cmocka_unit_test(a_size_above_the_maximum_is_refused),
        cmocka_unit_test(magazines_of_one_round_work),
        cmocka_unit_test(a_start_that_fails_half_way_gives_all_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
