/* SPDX-License-Identifier: MIT */
/* The slab layer's known answers, through design bufctl: one CPU, so every number is exact. */
#include "allocators/slab.h"
#include "tests/scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RECORD    sizeof(struct slab)
#define MANY      400
#define open_it() scene_open(1, 0, "bufctl", NULL)

static void *objects[MANY];

static void assert_slabs(struct cache *cache, unsigned full, unsigned partial, unsigned empty)
{
    assert_count(cache, "slabs_full", full);
    assert_count(cache, "slabs_partial", partial);
    assert_count(cache, "slabs_empty", empty);
}

static uintptr_t offset_in_page(const void *address)
{
    return (uintptr_t)address & PAGE_MASK;
}

static void records_have_the_sizes_of_the_design(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct slab), 40);
    assert_int_equal(sizeof(struct bufctl), 32);
}

static void one_slab_and_one_object_fill_a_slab_and_begin_another(void **state)
{
    unsigned per_slab = (PAGE_SIZE - RECORD) / 64;
    struct cache *cache;
    size_t before;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    before = fixture_held_bytes();
    assert_count(cache, "objects_per_slab", per_slab);

    scene_alloc_all(cache, per_slab + 1, objects);
    assert_slabs(cache, 1, 1, 0);
    assert_count(cache, "live", per_slab + 1);
    assert_int_equal(fixture_held_bytes() - before, 2 * PAGE_SIZE);

    scene_free_all(cache, per_slab + 1, objects);
    assert_slabs(cache, 0, 0, 2);
    assert_count(cache, "live", 0);
    assert_int_equal(fixture_held_bytes() - before, 2 * PAGE_SIZE);

    allocator_reclaim(scene, 1);
    assert_slabs(cache, 0, 0, 0);
    assert_int_equal(fixture_held_bytes(), before);
    scene_close();
}

static void small_slabs_hand_out_ascending_from_the_first_byte_of_the_page(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 63, objects);
    assert_int_equal(offset_in_page(objects[0]), 0);
    for (unsigned i = 1; i < 63; i++)
        assert_ptr_equal(objects[i], (char *)objects[0] + 64 * i);
    scene_free_all(cache, 63, objects);
    scene_close();
}

static void objects_come_back_last_in_first_out(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 3, objects);
    scene_free(cache, objects[0]);
    scene_free(cache, objects[2]);
    assert_ptr_equal(scene_alloc(cache), objects[2]);
    assert_ptr_equal(scene_alloc(cache), objects[0]);
    scene_free_all(cache, 3, objects);
    scene_close();
}

/* Of three full slabs, the one that lost an object last is the first to be filled. */
static void lists_of_slabs_are_last_in_first_out(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 3 * 63, objects);
    scene_free(cache, objects[0]);
    scene_free(cache, objects[63]);
    assert_slabs(cache, 1, 2, 0);
    assert_ptr_equal(scene_alloc(cache), objects[63]);
    assert_ptr_equal(scene_alloc(cache), objects[0]);
    assert_slabs(cache, 3, 0, 0);
    scene_free_all(cache, 3 * 63, objects);
    scene_close();
}

static void a_partial_slab_is_taken_before_an_empty_one(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 64, objects);
    scene_free(cache, objects[63]); /* its slab: empty */
    scene_free(cache, objects[5]);  /* its slab: partial */
    assert_slabs(cache, 0, 1, 1);
    assert_ptr_equal(scene_alloc(cache), objects[5]);
    assert_slabs(cache, 1, 0, 1);
    scene_free_all(cache, 63, objects);
    scene_close();
}

static void objects_of_1000_bytes_import_8192_and_begin_with_the_highest(void **state)
{
    struct cache *cache;
    char *base;

    (void)state;
    open_it();
    cache = scene_cache(1000, 8);
    assert_count(cache, "slab_bytes", 8192);
    assert_count(cache, "objects_per_slab", 8);
    scene_alloc_all(cache, 8, objects);
    base = (char *)objects[0] - 7000;
    assert_int_equal(offset_in_page(base), 0);
    for (unsigned i = 0; i < 8; i++)
        assert_ptr_equal(objects[i], base + 1000 * (7 - i));
    assert_slabs(cache, 1, 0, 0);
    scene_free_all(cache, 8, objects);
    assert_slabs(cache, 0, 0, 1);
    scene_close();
}

static void objects_of_520_bytes_import_8192_for_15(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(520, 8);
    assert_count(cache, "slab_bytes", 8192);
    assert_count(cache, "objects_per_slab", 15);
    scene_close();
}

static void the_layout_is_decided_by_the_rounded_size(void **state)
{
    struct cache *small, *large;

    (void)state;
    open_it();
    small = scene_cache(505, 8);  /* 512 rounded */
    large = scene_cache(500, 64); /* 512 too */
    assert_int_equal(allocator_inspect(scene, small, "hash_lists"), UINT64_MAX);
    assert_int_equal(allocator_inspect(scene, large, "hash_lists"), UINT64_MAX);
    large = scene_cache(513, 8);
    assert_count(large, "hash_lists", 64);
    scene_close();
}

static void objects_that_may_not_be_touched_get_the_large_layout(void **state)
{
    const struct cache_params params = {.name = "untouched", .size = 64, .flags = CACHE_NO_TOUCH};
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_it();
    cache = scene_cache_of(&params);
    assert_count(cache, "slab_bytes", PAGE_SIZE);
    assert_count(cache, "objects_per_slab", 64);
    object = scene_alloc(cache);
    memset(object, 0xa5, 64);
    scene_free(cache, object);
    for (unsigned i = 0; i < 64; i++)
        assert_int_equal(object[i], 0xa5);
    scene_close();
}

static void assert_lists_after(struct cache *cache, unsigned *live, unsigned wanted, unsigned lists)
{
    scene_alloc_all(cache, wanted - *live, objects + *live);
    *live = wanted;
    assert_count(cache, "hash_items", wanted);
    assert_count(cache, "hash_lists", lists);
}

static void the_hash_doubles_beyond_13_items_for_20_lists_and_never_shrinks(void **state)
{
    struct cache *cache;
    unsigned live = 0;

    (void)state;
    open_it();
    cache = scene_cache(1000, 8);
    assert_lists_after(cache, &live, 41, 64);
    assert_lists_after(cache, &live, 42, 128);
    assert_lists_after(cache, &live, 83, 128);
    assert_lists_after(cache, &live, 84, 256);
    assert_lists_after(cache, &live, 166, 256);
    assert_lists_after(cache, &live, 167, 512);
    assert_count(cache, "hash_resizes", 3);
    scene_free_all(cache, live, objects);
    assert_count(cache, "hash_items", 0);
    assert_count(cache, "hash_lists", 512);
    scene_close();
}

static void the_bill_of_the_hash_is_written(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", "hash_lists=2", NULL);
    cache = scene_cache(1000, 8);
    scene_alloc_all(cache, 100, objects);
    assert_count(cache, "hash_lookups", 0);
    assert_true(scene_count(cache, "hash_longest_chain") >= 1);
    scene_free_all(cache, 100, objects);
    assert_count(cache, "hash_lookups", 100);
    assert_true(scene_count(cache, "hash_probes") >= 100);
    assert_true(scene_count(cache, "hash_longest_lookup") >= 1);
    assert_true(scene_count(cache, "hash_longest_chain") >=
                scene_count(cache, "hash_longest_lookup")); /* though all are empty now */
    if (fixture_is_native()) /* elsewhere time stands still while no worker runs */
        assert_true(scene_count(cache, "hash_resize_ns") > 0);
    scene_close();
}

/* A full arena: whatever is wanted now, there is no page for it. Returns how many it took. */
static unsigned pages_use_up(void **pages, unsigned most)
{
    unsigned n = 0;

    while (n < most && (pages[n] = page_alloc(0, PAGE_ANY_NODE)))
        n++;
    assert_true(n < most);
    return n;
}

static void a_hash_that_cannot_grow_stays_and_tries_again_at_the_next_allocation(void **state)
{
    enum { LIVE = 3000, PAGES = 4096 };
    static void *live[LIVE], *pages[PAGES];
    struct cache *cache;
    unsigned nr_pages;

    (void)state;
    scene_open(1, PAGES * PAGE_SIZE, "bufctl", "hash_lists=4096", NULL);
    cache = scene_cache(1000, 8);
    /* 4096 x 13/20 = 2,662 items: the slab for the first two too many is there already. */
    scene_alloc_all(cache, 2657, live);
    nr_pages = pages_use_up(pages, PAGES);
    scene_alloc_all(cache, 7, live + 2657);
    assert_count(cache, "hash_lists", 4096);
    assert_count(cache, "hash_failed_resizes", 2);
    while (nr_pages)
        page_free(pages[--nr_pages], 0);
    assert_count(cache, "hash_lists", 4096);
    scene_alloc_all(cache, 1, live + 2664);
    assert_count(cache, "hash_lists", 8192);
    scene_free_all(cache, 2665, live);
    scene_close();
}

static void successive_slabs_have_successive_colors(void **state)
{
    /*
     * Bonwick 1994 has a slab record of 32 bytes: 20 objects of 200 bytes leave 64 bytes, colors 0,
     * 8 ... 64. Ours has 40: 4,056 - 20 x 200 = 56 bytes, colors 0, 8 ... 56, and then 0 again.
     */
    enum { PER_SLAB = 20, COLORS = 56 / 8 + 1 };
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", "color=on", NULL);
    cache = scene_cache(200, 8);
    assert_count(cache, "objects_per_slab", PER_SLAB);
    scene_alloc_all(cache, PER_SLAB * (COLORS + 2), objects);
    for (unsigned slab = 0; slab < COLORS + 2; slab++)
        assert_int_equal(offset_in_page(objects[slab * PER_SLAB]), slab % COLORS * 8);
    scene_free_all(cache, PER_SLAB * (COLORS + 2), objects);
    scene_close();
}

static void large_slabs_are_colored_too(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", "color=on", NULL);
    cache = scene_cache(1000, 64); /* 1,024 rounded: no slack, so no color */
    scene_alloc_all(cache, 16, objects);
    assert_int_equal(offset_in_page(objects[7]), 0);
    assert_int_equal(offset_in_page(objects[15]), 0);
    scene_free_all(cache, 16, objects);
    cache = scene_cache(1000, 8); /* 192 bytes of slack */
    scene_alloc_all(cache, 16, objects);
    assert_int_equal(offset_in_page(objects[7]), 0);
    assert_int_equal(offset_in_page(objects[15]), 8);
    scene_free_all(cache, 16, objects);
    scene_close();
}

static void a_slab_of_one_object_goes_from_full_to_empty(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", "objects_per_slab=1", NULL);
    cache = scene_cache(8192, 8);
    objects[0] = scene_alloc(cache);
    assert_slabs(cache, 1, 0, 0);
    scene_free(cache, objects[0]);
    assert_slabs(cache, 0, 0, 1);
    scene_close();
}

static void a_large_cutoff_moves_the_border_between_the_layouts(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", "large_cutoff=4056", NULL);
    cache = scene_cache(2000, 8);
    assert_count(cache, "slab_bytes", PAGE_SIZE);
    assert_count(cache, "objects_per_slab", 2);
    scene_close();
}

/* ---- constructors ---- */

struct tally {
    int constructed, destructed;
    int fail_from; /* the n-th construction and all later ones fail */
};

static int construct(void *object, size_t size, void *context)
{
    struct tally *tally = context;

    if (tally->fail_from && tally->constructed + 1 >= tally->fail_from)
        return -1;
    tally->constructed++;
    memset(object, 0x5a, size);
    return 0;
}

static void destruct(void *object, size_t size, void *context)
{
    (void)size;
    assert_int_equal(*(unsigned char *)object, 0x5a);
    ((struct tally *)context)->destructed++;
}

static void objects_are_constructed_when_they_leave_and_destroyed_when_they_return(void **state)
{
    struct tally tally = {0};
    const struct cache_params params = {.name = "built",
                                        .size = 100,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = &tally};
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 10, objects);
    assert_int_equal(tally.constructed, 10); /* not the whole slab */
    scene_free_all(cache, 10, objects);
    assert_int_equal(tally.destructed, 10);
    scene_close();
    assert_int_equal(tally.destructed, tally.constructed);
}

static void an_object_that_cannot_be_constructed_goes_back(void **state)
{
    struct tally tally = {.fail_from = 2};
    const struct cache_params params = {.name = "built",
                                        .size = 100,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = &tally};
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache_of(&params);
    objects[0] = scene_alloc(cache);
    assert_non_null(objects[0]);
    assert_null(scene_alloc(cache));
    assert_count(cache, "live", 1);
    assert_int_equal(tally.destructed, 0);
    scene_free(cache, objects[0]);
    scene_close();
}

/* ---- errors ---- */

static void a_cache_with_live_objects_is_not_destroyed(void **state)
{
    const struct cache_params params = {.name = "inodes", .size = 64};
    struct cache *cache;
    struct error error;

    (void)state;
    open_it();
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 3, objects);
    assert_int_equal(allocator_cache_destroy(scene, cache, &error), -EBUSY);
    assert_non_null(strstr(error.text, "'inodes'"));
    assert_non_null(strstr(error.text, "3"));
    assert_int_equal(allocator_stop(scene, &error), -EBUSY);
    assert_count(cache, "live", 3);
    scene_free_all(cache, 3, objects);
    scene_close();
}

static void wrong_frees_abort_naming_allocator_cache_and_address(void **state)
{
    struct cache *large, *small;
    int on_the_stack = 0;

    (void)state;
    open_it();
    large = scene_cache(1000, 8);
    small = scene_cache(64, 8);
    objects[0] = scene_alloc(large);
    objects[1] = scene_alloc(small);
    assert_free_aborts(large, (char *)objects[0] + 8);
    assert_free_aborts(large, objects[1]);
    assert_free_aborts(large, &on_the_stack);
    assert_free_aborts(small, &on_the_stack);
    scene_free(large, objects[0]);
    assert_free_aborts(large, objects[0]);
    scene_free(small, objects[1]);
    assert_free_aborts(small, objects[1]);
    scene_close();
}

/* Grows a large slab under a limit; asserts that a failure leaves nothing behind. */
static bool growth_succeeds_under(size_t limit)
{
    const struct cache_params params = {.name = "objects", .size = 4096};
    struct cache *cache;
    struct error error;
    void *object = NULL;

    fixture_start(1, limit);
    assert_int_equal(allocator_create("bufctl", &scene, &error), 0);
    if (allocator_start(scene, &error) == 0) {
        if (allocator_cache_create(scene, &params, &cache, &error) == 0) {
            size_t before = fixture_held_bytes();

            object = scene_alloc(cache);
            if (object)
                scene_free(cache, object);
            assert_count(cache, "live", 0);
            allocator_reclaim(scene, 2);
            assert_int_equal(fixture_held_bytes(), before);
        }
        assert_int_equal(allocator_stop(scene, &error), 0);
    }
    allocator_destroy(scene);
    assert_int_equal(fixture_held_bytes(), 0);
    fixture_stop();
    return object != NULL;
}

/* With a page more each time it fails for want of descriptors, record, import, bufctls. */
static void a_growth_that_fails_half_way_gives_all_back(void **state)
{
    size_t pages = 1;

    (void)state;
    while (!growth_succeeds_under(pages * PAGE_SIZE))
        pages++;
    assert_in_range(pages, 8 + 2 + 1, 8 + 2 + 3); /* import, records, descriptors */
}

static void a_reap_frees_the_slabs_of_records_too(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_it();
    cache = scene_cache(2048, 8);
    before = fixture_held_bytes();
    scene_alloc_all(cache, MANY, objects);
    scene_free_all(cache, MANY, objects);
    assert_slabs(cache, 0, 0, MANY / 8);
    allocator_reclaim(scene, 1);
    /* All but the hash, which has grown and never shrinks. */
    assert_true(fixture_held_bytes() - before <= 1024 * sizeof(void *) + PAGE_SIZE);
    scene_close();
}

static void slabs_of_rcu_caches_wait_for_a_grace_period(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 64, .flags = CACHE_RCU};
    struct cache *cache;
    size_t before;

    (void)state;
    open_it();
    cache = scene_cache_of(&params);
    before = fixture_held_bytes();
    scene_free(cache, scene_alloc(cache));
    rcu_read_begin();            /* somebody may still look at the object */
    allocator_reclaim(scene, 1); /* level 2 would wait for the reader, which is us */
    assert_slabs(cache, 0, 0, 0);
    assert_count(cache, "grace_pages", 1);
    assert_int_equal(fixture_held_bytes(), before + PAGE_SIZE);
    /* What is allocated meanwhile is another slab; it waits its turn. */
    scene_free(cache, scene_alloc(cache));
    allocator_reclaim(scene, 1);
    assert_slabs(cache, 0, 0, 1);
    assert_count(cache, "grace_pages", 1);
    rcu_read_end();
    grace_barrier();
    assert_count(cache, "grace_pages", 0);
    allocator_reclaim(scene, 2);
    assert_int_equal(fixture_held_bytes(), before); /* nothing is left, nothing waits */
    scene_close();
}

/* One batch at a time waits for readers: what has come to be empty since is for the next. */
static void a_full_reclaim_leaves_no_empty_slab_though_a_batch_was_on_its_way(void **state)
{
    static const char *const designs[] = {"bufctl", "magazine"};
    const struct cache_params params = {.name = "typesafe", .size = 64, .flags = CACHE_RCU};
    void *objects[126];

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct cache *cache;

        scene_open(1, 0, designs[i], NULL);
        cache = scene_cache_of(&params);
        scene_alloc_all(cache, 126, objects);
        scene_free_all(cache, 63, objects);
        allocator_reclaim(scene, 1);
        scene_free_all(cache, 63, objects + 63);
        allocator_reclaim(scene, 2);
        assert_count(cache, "slabs_empty", 0);
        assert_count(cache, "grace_pages", 0);
        scene_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_have_the_sizes_of_the_design),
        cmocka_unit_test(one_slab_and_one_object_fill_a_slab_and_begin_another),
        cmocka_unit_test(small_slabs_hand_out_ascending_from_the_first_byte_of_the_page),
        cmocka_unit_test(objects_come_back_last_in_first_out),
        cmocka_unit_test(lists_of_slabs_are_last_in_first_out),
        cmocka_unit_test(a_partial_slab_is_taken_before_an_empty_one),
        cmocka_unit_test(objects_of_1000_bytes_import_8192_and_begin_with_the_highest),
        cmocka_unit_test(objects_of_520_bytes_import_8192_for_15),
        cmocka_unit_test(the_layout_is_decided_by_the_rounded_size),
        cmocka_unit_test(objects_that_may_not_be_touched_get_the_large_layout),
        cmocka_unit_test(the_hash_doubles_beyond_13_items_for_20_lists_and_never_shrinks),
        cmocka_unit_test(the_bill_of_the_hash_is_written),
        cmocka_unit_test(a_hash_that_cannot_grow_stays_and_tries_again_at_the_next_allocation),
        cmocka_unit_test(successive_slabs_have_successive_colors),
        cmocka_unit_test(large_slabs_are_colored_too),
        cmocka_unit_test(a_slab_of_one_object_goes_from_full_to_empty),
        cmocka_unit_test(a_large_cutoff_moves_the_border_between_the_layouts),
        cmocka_unit_test(objects_are_constructed_when_they_leave_and_destroyed_when_they_return),
        cmocka_unit_test(an_object_that_cannot_be_constructed_goes_back),
        cmocka_unit_test(a_cache_with_live_objects_is_not_destroyed),
        cmocka_unit_test(wrong_frees_abort_naming_allocator_cache_and_address),
        cmocka_unit_test(a_growth_that_fails_half_way_gives_all_back),
        cmocka_unit_test(a_reap_frees_the_slabs_of_records_too),
        cmocka_unit_test(slabs_of_rcu_caches_wait_for_a_grace_period),
        cmocka_unit_test(a_full_reclaim_leaves_no_empty_slab_though_a_batch_was_on_its_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
