/* SPDX-License-Identifier: MIT */
/* The known answers of design helenos; where a scenario has several CPUs, one thread plays them. */
#include "sim/machine.h"
#include "sim/page.h"
#include "tests/scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MANY 4000

/* 64-byte objects, and the magazines of four rounds, which have 64 bytes too: 63 a page. */
#define A_SLAB 63

static void *objects[MANY];
static size_t opened_bytes; /* pages held with nothing out */

static struct cache *open_with_cache(unsigned nr_cpus, size_t limit_pages, size_t size)
{
    struct cache *cache;

    scene_open(nr_cpus, limit_pages * PAGE_SIZE, "helenos", NULL);
    cache = scene_cache(size, 8);
    opened_bytes = fixture_held_bytes();
    return cache;
}

/* Pages of slabs of all kinds. */
static size_t pages_held(void)
{
    return (fixture_held_bytes() - opened_bytes) / PAGE_SIZE;
}

/* ---- a hog: takes what pages there are ---- */

static void *hogged[1024];
static unsigned nr_hogged;

static void hog(void)
{
    void *page;

    while ((page = page_alloc(0, PAGE_ANY_NODE)))
        hogged[nr_hogged++] = page;
}

static void unhog(void)
{
    while (nr_hogged)
        page_free(hogged[--nr_hogged], 0);
}

/* ---- known answers: one CPU, magazines of four ---- */

static void ten_out_ten_in_ten_out(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 64);

    (void)state;
    scene_alloc_all(cache, 10, objects);
    assert_count(cache, "slab_allocs", 10);
    assert_count(cache, "magazines", 0);
    assert_count(cache, "live", 10);

    scene_free_all(cache, 10, objects);
    assert_count(cache, "depot_magazines", 1);
    assert_count(cache, "depot_rounds", 4);
    assert_count(cache, "last_rounds", 4);
    assert_count(cache, "current_rounds", 2);
    assert_count(cache, "magazines_made", 3);
    assert_count(cache, "magazine_cache_live", 3);
    assert_count(cache, "live", 0);
    assert_count(cache, "resting", 10);

    scene_alloc_all(cache, 10, objects);
    assert_count(cache, "slab_allocs", 10);
    assert_count(cache, "magazines", 2);
    assert_count(cache, "magazine_cache_live", 2);
    assert_count(cache, "current_rounds", 0);
    assert_count(cache, "last_rounds", 0);
    assert_count(cache, "depot_magazines", 0);
    assert_count(cache, "resting", 0);

    scene_free_all(cache, 10, objects);
    scene_close();
}

static void objects_come_back_last_in_first_out(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 64);

    (void)state;
    scene_alloc_all(cache, 40, objects);
    scene_free_all(cache, 40, objects);
    for (unsigned i = 40; i-- > 0;)
        assert_ptr_equal(scene_alloc(cache), objects[i]);
    scene_free_all(cache, 40, objects);
    scene_close();
}

/* Without `last` every pair here would make or destroy a magazine. */
static void two_out_two_in_at_a_magazines_edge_make_no_magazine(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 64);
    uint64_t made;

    (void)state;
    scene_alloc_all(cache, 30, objects);
    scene_free_all(cache, 22, objects);
    for (unsigned edge = 0; edge < 8; edge++) {
        scene_free(cache, objects[22 + edge]);
        scene_alloc_all(cache, 2, objects);
        scene_free_all(cache, 2, objects);
        made = scene_count(cache, "magazines_made");
        for (int i = 0; i < 50; i++) {
            scene_alloc_all(cache, 2, objects);
            scene_free_all(cache, 2, objects);
        }
        assert_count(cache, "magazines_made", made);
    }
    scene_close();
}

/* An empty last magazine is no room for another empty one: its memory goes back at once. */
static void an_allocation_that_takes_a_listed_magazine_destroys_the_empty_last(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 64);

    (void)state;
    scene_alloc_all(cache, 12, objects);
    scene_free_all(cache, 12, objects);
    assert_count(cache, "magazine_cache_live", 3);
    scene_alloc_all(cache, 8, objects);
    assert_count(cache, "magazine_cache_live", 3); /* 4 listed, two empty */
    objects[8] = scene_alloc(cache);
    assert_count(cache, "magazine_cache_live", 2);
    assert_count(cache, "depot_magazines", 0);
    assert_count(cache, "current_rounds", 3);
    scene_free_all(cache, 9, objects);
    scene_close();
}

/* ---- geometry ---- */

static void orders_objects_and_places_of_records_are_those_described(void **state)
{
    static const struct {
        size_t size, pages, objects;
        bool inside;
    } known[] = {
        {8, 1, 506, true},   /* (4096 - 48) / 8 */
        {64, 1, 63, true},   /* the record costs one object */
        {504, 1, 8, true},   /* the last that counts its record */
        {512, 1, 8, false},  /* nothing is wasted, so the record is elsewhere */
        {520, 1, 7, true},   /* counted as if outside; 456 wasted bytes take it in */
        {1024, 1, 4, false}, /* as all powers of two from here on */
        {2016, 1, 2, true},  /* 64 wasted */
        {2024, 1, 2, false}, /* 48 wasted are not above 48 */
        {3072, 1, 1, true},  /* exactly a quarter wasted */
        {3080, 1, 1, true},  /* less */
        {3064, 4, 5, true},  /* order 0 wastes 1032, order 1 wastes 2064 */
        {4096, 1, 1, false}, /* no waste at all */
        {4104, 4, 3, true},  /* order 1 would waste nearly half */
        {8192, 2, 1, false},
        {12288, 4, 1, true}, /* a quarter of 4 pages */
        {131072, 32, 1, false},
        {(size_t)3 << 20, 1024, 1, true}, /* the largest block, a quarter wasted */
    };

    (void)state;
    scene_open(1, 0, "helenos", NULL);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct cache *cache = scene_cache(known[i].size, 8);

        assert_count(cache, "slab_bytes", known[i].pages * PAGE_SIZE);
        assert_count(cache, "objects_per_slab", known[i].objects);
        assert_count(cache, "slab_record_inside", known[i].inside);
        scene_cache_destroy(cache);
    }
    scene_close();
}

static void an_object_that_wastes_a_quarter_of_the_largest_block_is_refused(void **state)
{
    const struct cache_params params = {.name = "huge", .size = ((size_t)3 << 20) - 8};
    struct cache *cache;
    struct error error;
    size_t before;

    (void)state;
    scene_open(1, 0, "helenos", NULL);
    before = fixture_held_bytes();
    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'huge'"));
    assert_int_equal(fixture_held_bytes(), before);
    scene_close();
}

static void a_fresh_slab_is_handed_out_ascending(void **state)
{
    static const size_t sizes[] = {8, 64, 520, 1024, 4104};

    (void)state;
    scene_open(1, 0, "helenos", NULL);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct cache *cache = scene_cache(sizes[s], 8);
        unsigned n = (unsigned)scene_count(cache, "objects_per_slab");

        scene_alloc_all(cache, n, objects);
        assert_int_equal((uintptr_t)objects[0] % PAGE_SIZE, 0);
        for (unsigned i = 1; i < n; i++)
            assert_ptr_equal(objects[i], (char *)objects[0] + i * sizes[s]);
        assert_count(cache, "slabs_full", 1);
        scene_free_all(cache, n, objects);
    }
    scene_close();
}

static void every_page_of_a_slab_names_it(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 4104);
    void *owner;

    (void)state;
    scene_alloc_all(cache, 3, objects);
    owner = page_of(objects[0])->owner;
    assert_non_null(owner);
    for (size_t i = 0; i < 4; i++)
        assert_ptr_equal(page_of((char *)objects[0] + i * PAGE_SIZE)->owner, owner);
    scene_free_all(cache, 3, objects);
    scene_close();
}

/* ---- the slab layer alone: without a page no magazine can be made ---- */

static void the_slab_freed_to_last_is_allocated_from_first(void **state)
{
    struct cache *cache = open_with_cache(1, 100, 64);
    void **a = objects, **b = objects + A_SLAB, **c = objects + 2 * A_SLAB;

    (void)state;
    scene_alloc_all(cache, 3 * A_SLAB, objects);
    assert_count(cache, "slabs_full", 3);
    hog();
    scene_free(cache, a[5]); /* from full to the head of partial */
    scene_free(cache, b[7]);
    assert_count(cache, "magazines", 0);
    assert_count(cache, "slabs_partial", 2);
    scene_free(cache, a[9]); /* was partial: stays where it is */
    assert_ptr_equal(scene_alloc(cache), b[7]);
    assert_count(cache, "slabs_full", 2);
    assert_ptr_equal(scene_alloc(cache), a[9]); /* within a slab, last in first out */
    assert_ptr_equal(scene_alloc(cache), a[5]);
    scene_free(cache, c[0]);
    assert_ptr_equal(scene_alloc(cache), c[0]);
    assert_count(cache, "slabs_full", 3);
    assert_count(cache, "slab_grows", 3);

    unhog();
    scene_free_all(cache, 3 * A_SLAB, objects);
    scene_close();
}

static void a_slab_that_becomes_wholly_free_goes_at_once(void **state)
{
    struct cache *cache = open_with_cache(1, 100, 64);

    (void)state;
    scene_alloc_all(cache, 2 * A_SLAB, objects);
    hog();
    scene_free_all(cache, A_SLAB - 1, objects);
    assert_null(page_alloc(0, PAGE_ANY_NODE));
    assert_count(cache, "slabs", 2);
    scene_free(cache, objects[A_SLAB - 1]);
    assert_count(cache, "slabs", 1);
    assert_count(cache, "slabs_partial", 0);
    hogged[nr_hogged] = page_alloc(0, PAGE_ANY_NODE);
    assert_non_null(hogged[nr_hogged]);
    nr_hogged++;

    unhog();
    scene_free_all(cache, A_SLAB, objects + A_SLAB);
    scene_close();
}

static void a_slab_of_one_object_goes_from_full_to_nothing(void **state)
{
    struct cache *cache = open_with_cache(1, 20, 3072);

    (void)state;
    objects[0] = scene_alloc(cache);
    assert_count(cache, "slabs_full", 1);
    hog();
    scene_free(cache, objects[0]);
    assert_count(cache, "slabs", 0);
    unhog();
    assert_int_equal(pages_held(), 0);
    scene_close();
}

static void a_free_without_memory_for_a_magazine_goes_to_the_slab_and_reclaims_nothing(void **state)
{
    struct cache *cache = open_with_cache(2, 200, 64);
    struct cache *other = scene_cache(1000, 8);
    void *resting[40];

    (void)state;
    scene_alloc_all(other, 40, resting);
    fixture_become(1);
    scene_free_all(other, 40, resting); /* 10 magazines of 63 in their page */
    scene_alloc_all(cache, 1000, objects);
    hog();
    fixture_become(0);
    scene_free_all(cache, 1000, objects);
    /* The other 53 are the first CPU's; the 54th was not to be had, until a slab became free. */
    assert_true(scene_count(cache, "resting") >= 53 * 4);
    assert_count(other, "resting", 40);
    assert_count(other, "depot_magazines", 8);
    assert_count(cache, "live", 0);

    unhog();
    scene_close();
}

/* ---- records outside ---- */

static void slab_records_rest_in_magazines_of_their_own(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 4096);

    (void)state;
    scene_alloc_all(cache, 20, objects);
    assert_count(cache, "slab_records_live", 20);
    assert_count(cache, "slab_record_slabs", 1);
    assert_int_equal(pages_held(), 20 + 1);
    scene_free_all(cache, 20, objects); /* 5 magazines: 3 in the depot */
    assert_count(cache, "slab_records_live", 20);
    assert_int_equal(pages_held(), 20 + 1 + 1);

    allocator_reclaim(scene, 1); /* the oldest magazine of the cache: 4 slabs */
    assert_count(cache, "depot_magazines", 2);
    assert_count(cache, "slabs", 16);
    assert_count(cache, "slab_records_live", 16);
    assert_count(cache, "slab_records_resting", 4);
    assert_int_equal(pages_held(), 16 + 1 + 1);

    allocator_reclaim(scene, 2);
    assert_count(cache, "slab_records_live", 0);
    assert_count(cache, "slab_records_resting", 0);
    assert_count(cache, "magazine_cache_live", 0);
    assert_int_equal(pages_held(), 0);
    scene_close();
}

/* ---- reclaim ---- */

/* Freed in the order of addresses, so the depot's oldest magazines are the first slab's. */
static void light_reclaim_destroys_the_oldest_magazines_until_a_page_is_free(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 64);

    (void)state;
    scene_alloc_all(cache, 3 * A_SLAB, objects);
    scene_free_all(cache, 3 * A_SLAB, objects); /* 189 = 46 * 4 + 4 + 1 */
    assert_count(cache, "depot_magazines", 46);
    assert_int_equal(pages_held(), 3 + 1);

    allocator_reclaim(scene, 1);
    assert_count(cache, "depot_magazines", 46 - 16); /* 16 * 4 is the first to reach 63 */
    assert_count(cache, "slabs", 2);
    assert_count(cache, "resting", 3 * A_SLAB - 64);
    assert_count(cache, "last_rounds", 4);
    assert_count(cache, "current_rounds", 1);
    assert_int_equal(pages_held(), 2 + 1);
    assert_ptr_equal(scene_alloc(cache),
                     objects[3 * A_SLAB - 1]); /* the youngest are still there */
    scene_free(cache, objects[3 * A_SLAB - 1]);
    scene_close();
}

static void light_reclaim_asks_every_cache_for_a_page(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 3072);
    struct cache *other = scene_cache(3080, 8);

    (void)state;
    scene_alloc_all(cache, 20, objects);
    scene_alloc_all(other, 20, objects + 20);
    scene_free_all(cache, 20, objects);
    scene_free_all(other, 20, objects + 20);
    allocator_reclaim(scene, 1);
    assert_count(cache, "slabs", 16);
    assert_count(other, "slabs", 16);
    scene_close();
}

/* Every other object stays out, so no page can become free. */
static void light_reclaim_ends_with_the_magazines_that_were_listed(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 64);

    (void)state;
    scene_alloc_all(cache, 400, objects);
    for (unsigned i = 0; i < 400; i += 2)
        scene_free(cache, objects[i]);
    assert_count(cache, "depot_magazines", 48);
    allocator_reclaim(scene, 1);
    assert_count(cache, "depot_magazines", 0);
    assert_count(cache, "resting", 8);
    assert_count(cache, "slabs", 7);
    for (unsigned i = 1; i < 400; i += 2)
        scene_free(cache, objects[i]);
    scene_close();
}

static void brutal_reclaim_empties_the_depot_and_every_cpu(void **state)
{
    struct cache *cache = open_with_cache(8, 0, 64);
    struct cache *large = scene_cache(100000, 8);

    (void)state;
    opened_bytes = fixture_held_bytes();
    for (unsigned cpu = 0; cpu < 8; cpu++) {
        fixture_become(cpu);
        scene_alloc_all(cache, 100, objects);
        scene_free_all(cache, 100, objects);
        scene_alloc_all(large, 30, objects);
        scene_free_all(large, 30, objects);
    }
    assert_true(pages_held() > 0);
    allocator_reclaim(scene, 2);
    assert_count(cache, "resting", 0);
    assert_count(cache, "magazines", 0);
    assert_count(cache, "slabs", 0);
    assert_count(large, "slabs", 0);
    assert_count(cache, "magazine_cache_slabs", 0);
    assert_count(cache, "slab_record_slabs", 0);
    assert_int_equal(pages_held(), 0);

    for (unsigned cpu = 0; cpu < 8; cpu++) { /* and all begins again */
        fixture_become(cpu);
        scene_alloc_all(cache, 10, objects);
        scene_free_all(cache, 10, objects);
        assert_count(cache, "resting", 10);
        fixture_become(0);
        allocator_reclaim(scene, 2);
    }
    scene_close();
}

static void brutal_reclaim_leaves_what_is_live(void **state)
{
    struct cache *cache = open_with_cache(2, 0, 64);

    (void)state;
    scene_alloc_all(cache, 5 * A_SLAB, objects);
    scene_free_all(cache, 3 * A_SLAB + 1, objects);
    allocator_reclaim(scene, 2);
    assert_count(cache, "live", 2 * A_SLAB - 1);
    assert_count(cache, "resting", 0);
    assert_int_equal(pages_held(), 2);
    scene_free_all(cache, 2 * A_SLAB - 1, objects + 3 * A_SLAB + 1);
    scene_close();
}

/* ---- out of pages: the design reclaims by itself ---- */

static void an_allocation_out_of_pages_makes_a_light_pass_first(void **state)
{
    struct cache *cache = open_with_cache(2, 100, 64);
    struct cache *hoard = scene_cache(3072, 8);

    (void)state;
    scene_alloc_all(hoard, 24, objects);
    fixture_become(1);
    scene_free_all(hoard, 24, objects);
    assert_count(hoard, "depot_magazines", 4);
    hog();
    fixture_become(0);
    objects[0] = scene_alloc(cache);
    assert_non_null(objects[0]);
    assert_count(hoard, "depot_magazines", 3); /* its last four objects were enough */
    assert_count(hoard, "last_rounds", 4);
    assert_count(hoard, "current_rounds", 4);
    scene_free(cache, objects[0]);
    unhog();
    scene_close();
}

static void an_allocation_that_a_light_pass_does_not_help_makes_a_brutal_one(void **state)
{
    struct cache *cache = open_with_cache(4, 100, 64);
    struct cache *hoard = scene_cache(3072, 8);

    (void)state;
    scene_alloc_all(hoard, 7, objects);
    fixture_become(3);
    scene_free_all(hoard, 7, objects); /* all in the magazines of that CPU */
    assert_count(hoard, "depot_magazines", 0);
    hog();
    fixture_become(0);
    objects[0] = scene_alloc(cache);
    assert_non_null(objects[0]);
    assert_count(hoard, "resting", 0);
    assert_count(hoard, "slabs", 0);
    scene_free(cache, objects[0]);
    unhog();
    scene_close();
}

/* The hoard's pages come back one by one to the CPU's page list, where they cannot merge. */
static void single_pages_reclaimed_serve_a_larger_slab(void **state)
{
    struct cache *cache = open_with_cache(2, 200, 12288);
    struct cache *hoard = scene_cache(3072, 8);
    struct page_statistics statistics;

    (void)state;
    scene_alloc_all(hoard, 150, objects);
    fixture_become(1);
    scene_free_all(hoard, 150, objects);
    hog();
    page_drain();
    fixture_become(0);
    objects[0] = scene_alloc(cache);
    assert_non_null(objects[0]);
    page_get_statistics(&statistics);
    assert_int_equal(statistics.listed_bytes, 0);
    scene_free(cache, objects[0]);
    unhog();
    scene_close();
}

/*
 * CPU 1 keeps objects of one of the cache's slabs in its magazines, and the hoard, which gives up
 * the pages. So the reclaim that a new slab is made with leaves a partial slab behind.
 */
static void a_slab_made_with_reclaim_is_used_though_another_came_to_be_partial(void **state)
{
    struct cache *cache = open_with_cache(2, 100, 64);
    struct cache *hoard = scene_cache(3072, 8);
    void *fresh;

    (void)state;
    scene_alloc_all(cache, A_SLAB, objects);
    scene_alloc_all(hoard, 7, objects + A_SLAB);
    fixture_become(1);
    scene_free_all(cache, 5, objects);
    scene_free_all(hoard, 7, objects + A_SLAB);
    hog();
    fixture_become(0);
    fresh = scene_alloc(cache);
    assert_count(cache, "slab_grows", 2);
    assert_count(cache, "slabs_partial", 2);
    assert_int_equal((uintptr_t)fresh % PAGE_SIZE, 0);
    assert_ptr_equal(scene_alloc(cache), (char *)fresh + 64); /* and it leads the list */

    unhog();
    scene_free(cache, fresh);
    scene_free(cache, (char *)fresh + 64);
    scene_free_all(cache, A_SLAB - 5, objects + 5);
    scene_close();
}

/* All that becomes free is the magazines' one page, and a slab here has four. */
static void objects_that_reclaim_put_back_are_found_when_there_is_no_page(void **state)
{
    struct cache *cache = open_with_cache(2, 100, 4104);

    (void)state;
    scene_alloc_all(cache, 3, objects);
    fixture_become(1);
    scene_free_all(cache, 2, objects);
    hog();
    fixture_become(0);
    assert_ptr_equal(scene_alloc(cache), objects[1]); /* the magazine's last round was put last */
    assert_count(cache, "resting", 0);
    assert_count(cache, "magazines", 0);
    assert_count(cache, "slab_grows", 1);
    unhog();
    scene_free_all(cache, 2, objects + 1);
    scene_close();
}

static unsigned exhaust(struct cache *cache, void **all, unsigned most)
{
    unsigned n = 0;

    while (n < most && (all[n] = scene_alloc(cache)))
        n++;
    assert_true(n < most);
    return n;
}

/* Every size, with records inside and outside, on whatever CPU the rest is. */
static void what_the_design_cannot_find_the_front_end_cannot_either(void **state)
{
    static const size_t sizes[] = {16, 64, 512, 3072, 4096, 4104};
    static void *all[40000];

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const struct request request = {.size = sizes[s], .node = -1};
        struct cache *cache = open_with_cache(4, 150, sizes[s]);
        struct cache *hoard = scene_cache(4096, 8), *crumbs = scene_cache(24, 8);
        struct binding_of_cache binding;
        unsigned n;

        allocator_bind_cache(scene, cache, &binding);
        scene_alloc_all(hoard, 90, objects);
        scene_alloc_all(crumbs, 1000, objects + 90);
        for (unsigned i = 0; i < 1090; i++) {
            fixture_become(i % 4);
            if (i % 7)
                scene_free(i < 90 ? hoard : crumbs, objects[i]);
        }
        fixture_become(2);
        n = exhaust(cache, all, 40000);
        assert_null(allocator_retry(scene, &binding, &request));
        for (unsigned i = 0; i < n; i += 3) { /* and with the rest in its own magazines */
            fixture_become(i % 4);
            scene_free(cache, all[i]);
        }
        fixture_become(1);
        for (unsigned i = 0; i < n; i += 3)
            assert_non_null(all[i] = scene_alloc(cache));
        assert_null(scene_alloc(cache));
        assert_null(allocator_retry(scene, &binding, &request));
        scene_free_all(cache, n, all);
        for (unsigned i = 0; i < 1090; i += 7)
            scene_free(i < 90 ? hoard : crumbs, objects[i]);
        scene_close();
    }
}

/* ---- producer and consumer ---- */

/* Nothing keeps an empty magazine, so each full one is made by the one and destroyed by the other.
 */
static void a_producer_and_a_consumer_make_a_magazine_for_every_four_objects(void **state)
{
    struct cache *cache = open_with_cache(2, 0, 64);
    uint64_t made, allocs, magazines;

    (void)state;
    scene_pass_on(cache, 100);
    made = scene_count(cache, "magazines_made");
    allocs = scene_count(cache, "magazine_cache_allocs");
    magazines = scene_count(cache, "magazines");
    scene_pass_on(cache, 800);
    assert_count(cache, "magazines_made", made + 200);
    assert_count(cache, "magazine_cache_allocs", allocs + 200);
    assert_count(cache, "magazines", magazines);
    assert_count(cache, "slabs", 1);
    scene_close();
}

static void cached_magazines_spare_them_the_magazine_cache(void **state)
{
    struct cache *cache;
    uint64_t made, allocs;

    (void)state;
    scene_open(2, 0, "helenos", "cached_magazines=on", NULL);
    cache = scene_cache(64, 8);
    opened_bytes = fixture_held_bytes();
    scene_pass_on(cache, 200);
    made = scene_count(cache, "magazines_made");
    allocs = scene_count(cache, "magazine_cache_allocs");
    scene_pass_on(cache, 800);
    assert_count(cache, "magazines_made", made + 200);
    assert_count(cache, "magazine_cache_allocs", allocs + 50); /* one for every four magazines */
    assert_true(scene_count(cache, "cached_magazines_resting") > 0);

    allocator_reclaim(scene, 2);
    assert_count(cache, "cached_magazines_live", 0);
    assert_count(cache, "cached_magazines_resting", 0);
    assert_count(cache, "cached_magazines_slabs", 0);
    assert_count(cache, "magazine_cache_slabs", 0);
    assert_int_equal(pages_held(), 0);
    scene_close();
}

static void cached_magazines_leave_the_known_answers_alone(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "helenos", "cached_magazines=on", NULL);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 10, objects);
    scene_free_all(cache, 10, objects);
    assert_count(cache, "depot_magazines", 1);
    assert_count(cache, "last_rounds", 4);
    assert_count(cache, "current_rounds", 2);
    assert_count(cache, "magazines_made", 3);
    scene_alloc_all(cache, 10, objects);
    assert_count(cache, "slab_allocs", 10);
    assert_count(cache, "magazines", 2);
    assert_count(cache, "cached_magazines_live", 2);
    assert_count(cache, "cached_magazines_resting", 1);
    scene_free_all(cache, 10, objects);
    scene_close();
}

/* ---- constructors ---- */

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
    assert_int_equal(((unsigned char *)object)[0], 0x5a);
    assert_int_equal(((unsigned char *)object)[size - 1], 0x5a);
    ((struct tally *)context)->destructed++;
}

static struct cache *built_cache(struct tally *tally, unsigned flags)
{
    const struct cache_params params = {.name = "built",
                                        .size = 64,
                                        .flags = flags,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = tally};

    return scene_cache_of(&params);
}

static void objects_rest_constructed(void **state)
{
    struct tally tally = {0};
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "helenos", NULL);
    cache = built_cache(&tally, 0);
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
    scene_open(1, 0, "helenos", NULL);
    cache = built_cache(&tally, 0);
    assert_null(scene_alloc(cache));
    assert_count(cache, "live", 0);
    assert_count(cache, "slabs", 0);
    tally.fail = false;
    scene_free(cache, scene_alloc(cache));
    tally.fail = true;
    objects[0] = scene_alloc(cache); /* it rests constructed, so nothing can fail */
    assert_non_null(objects[0]);
    assert_null(scene_alloc(cache));
    assert_count(cache, "live", 1);
    scene_free(cache, objects[0]);
    scene_close();
    assert_int_equal(tally.destructed, tally.constructed);
}

/* ---- flags ---- */

static void a_free_object_that_may_not_be_touched_is_as_it_was(void **state)
{
    static const size_t sizes[] = {1, 6, 8, 64};

    (void)state;
    scene_open(1, 20 * PAGE_SIZE, "helenos", NULL);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        const struct cache_params params = {
            .name = "untouched", .size = sizes[s], .flags = CACHE_NO_TOUCH};
        struct cache *cache = scene_cache_of(&params);

        scene_alloc_all(cache, 20, objects);
        for (unsigned i = 0; i < 20; i++)
            memset(objects[i], (int)i + 1, sizes[s]);
        hog();
        scene_free_all(cache, 19, objects); /* straight to the slab, which the last one keeps */
        assert_count(cache, "resting", 0);
        for (unsigned i = 0; i < 20; i++) {
            for (size_t byte = 0; byte < sizes[s]; byte++)
                assert_int_equal(((unsigned char *)objects[i])[byte], i + 1);
        }
        unhog();
        scene_free(cache, objects[19]);
        scene_cache_destroy(cache);
    }
    scene_close();
}

static void slabs_of_type_safe_memory_wait_for_readers(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 3072, .flags = CACHE_RCU};
    struct cache *cache;
    size_t before;

    (void)state;
    scene_open(2, 0, "helenos", NULL);
    cache = scene_cache_of(&params);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 20, objects);

    rcu_read_begin();
    scene_free_all(cache, 20, objects);
    allocator_reclaim(scene, 1);
    assert_count(cache, "grace_pages", 4); /* a light pass counts them as freed */
    assert_count(cache, "resting", 16);
    allocator_reclaim(scene, 2); /* these wait for the period after */
    assert_count(cache, "grace_pages", 20);
    assert_count(cache, "slabs", 20);
    assert_true(fixture_held_bytes() >= before + 20 * PAGE_SIZE);
    rcu_read_end();

    grace_barrier();
    assert_count(cache, "grace_pages", 0);
    assert_count(cache, "slabs", 0);
    assert_int_equal(fixture_held_bytes(), before);
    scene_close();
}

static void a_type_safe_cache_is_destroyed_past_its_readers(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 4096, .flags = CACHE_RCU};
    size_t before;

    (void)state;
    scene_open(2, 0, "helenos", NULL);
    before = fixture_held_bytes();
    for (int i = 0; i < 10; i++) {
        struct cache *cache = scene_cache_of(&params);

        fixture_become((unsigned)i % 2);
        scene_alloc_all(cache, 50, objects);
        scene_free_all(cache, 50, objects);
        scene_cache_destroy(cache);
    }
    allocator_reclaim(scene, 2);
    assert_int_equal(fixture_held_bytes(), before);
    scene_close();
}

/* ---- what is not allowed ---- */

static void a_cache_with_live_objects_is_left_as_it_was(void **state)
{
    const struct cache_params params = {.name = "inodes", .size = 64};
    struct cache *cache;
    struct error error;

    (void)state;
    scene_open(2, 0, "helenos", NULL);
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 93, objects);
    fixture_become(1);
    assert_int_equal(allocator_cache_destroy(scene, cache, &error), -EBUSY);
    assert_non_null(strstr(error.text, "'inodes'"));
    assert_non_null(strstr(error.text, " 7 "));
    fixture_become(0);
    assert_count(cache, "resting", 93);
    scene_free_all(cache, 7, objects + 93);
    scene_cache_destroy(cache);
    scene_close();
}

struct bad_free {
    struct cache *cache;
    void *object;
};

/* A magazine takes anything: what is wrong with it shows when the slab layer gets it. */
static void free_and_drain(void *argument)
{
    const struct bad_free *bad = argument;

    scene_free(bad->cache, bad->object);
    allocator_reclaim(scene, 2);
}

static void assert_bad_free(struct cache *cache, void *object, const char *what)
{
    struct bad_free bad = {cache, object};
    char address[32];
    const char *words[] = {"helenos", "'objects'", address, what, NULL};

    snprintf(address, sizeof address, "%p", object);
    assert_aborts(free_and_drain, &bad, words);
}

static void bad_frees_abort_naming_allocator_cache_and_address(void **state)
{
    struct cache *cache = open_with_cache(1, 0, 64);
    struct cache *other = scene_cache(64, 8);
    long outside;

    (void)state;
    scene_alloc_all(cache, 2, objects);
    objects[2] = scene_alloc(other);
    hogged[0] = page_alloc(0, PAGE_ANY_NODE);
    assert_bad_free(cache, &outside, "not in the arena");
    assert_bad_free(cache, objects[2], "no slab of this cache");
    assert_bad_free(cache, hogged[0], "no slab of this cache");
    assert_bad_free(cache, (char *)objects[0] + 8, "no object begins there");
    assert_bad_free(cache, (char *)objects[0] + A_SLAB * 64, "no object begins there");
    page_free(hogged[0], 0);
    scene_free(other, objects[2]);
    scene_free_all(cache, 2, objects);
    assert_bad_free(cache, objects[1], "nothing of its slab is allocated"); /* a second time */
    scene_close();
}

/* ---- options ---- */

static void magazines_of_one_round_work(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "helenos", "magazine_size=1", NULL);
    cache = scene_cache(64, 8);
    for (int i = 0; i < 3; i++) {
        scene_alloc_all(cache, 100, objects);
        scene_free_all(cache, 100, objects);
    }
    assert_count(cache, "slab_allocs", 100);
    assert_count(cache, "depot_magazines", 98);
    scene_close();
}

/* A record from outside would come back for a magazine: see helenos.c. */
static void the_largest_magazines_keep_their_slabs_records_inside(void **state)
{
    static const char *const sizes[] = {"magazine_size=60", "magazine_size=508",
                                        "magazine_size=65536"};
    static const char *const cached[] = {"cached_magazines=off", "cached_magazines=on"};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct cache *cache;
        size_t before;

        scene_open(2, 0, "helenos", sizes[i / 2], cached[i % 2], NULL);
        cache = scene_cache(4096, 8);
        before = fixture_held_bytes();
        for (unsigned cpu = 0; cpu < 2; cpu++) {
            fixture_become(cpu);
            scene_alloc_all(cache, 2000, objects);
            scene_free_all(cache, 2000, objects);
        }
        allocator_reclaim(scene, 2);
        assert_int_equal(fixture_held_bytes(), before);
        scene_close();
    }
}

static void magazine_sizes_that_cannot_be_are_refused(void **state)
{
    struct error error;
    char text[32];

    (void)state;
    fixture_start(1, 0);
    assert_int_equal(allocator_create("helenos", &scene, &error), 0);
    assert_int_equal(allocator_set_magazine_size(scene, 0, &error), -ERANGE);
    assert_int_equal(allocator_set_magazine_size(scene, 65537, &error), -ERANGE);
    assert_non_null(strstr(error.text, "65537"));
    assert_int_equal(allocator_set(scene, "magazine_size", "0", &error), -ERANGE);
    assert_string_equal(allocator_get(scene, "magazine_size", text, sizeof text), "4");
    assert_int_equal(allocator_set_magazine_size(scene, 65536, &error), 0);
    assert_string_equal(allocator_get(scene, "magazine_size", text, sizeof text), "65536");
    allocator_destroy(scene);
    fixture_stop();
}

static void general_caches_are_those_from_2_to_the_3_to_2_to_the_17(void **state)
{
    struct binding_of_cache smallest, eight, largest, beyond;
    struct error error;

    (void)state;
    scene_open(1, 0, "helenos", NULL);
    assert_int_equal(allocator_bind_size(scene, 1, 1, &smallest, &error), 0);
    assert_int_equal(allocator_bind_size(scene, 8, 8, &eight, &error), 0);
    assert_int_equal(allocator_bind_size(scene, 65537, 8, &largest, &error), 0);
    assert_int_equal(allocator_bind_size(scene, 131073, 8, &beyond, &error), 0);
    assert_ptr_equal(smallest.cache, eight.cache);
    assert_count(smallest.cache, "object_bytes", 8);
    assert_count(largest.cache, "object_bytes", 131072);
    assert_ptr_not_equal(beyond.alloc, largest.alloc); /* whole pages */
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

        fixture_start(64, pages * PAGE_SIZE);
        assert_int_equal(allocator_create("helenos", &scene, &error), 0);
        assert_int_equal(allocator_set(scene, "cached_magazines", "on", &error), 0);
        if (allocator_start(scene, &error) == 0) {
            size_t before = fixture_held_bytes();

            done = allocator_cache_create(scene, &params, &cache, &error) == 0;
            if (!done)
                assert_int_equal(fixture_held_bytes(), before);
            assert_int_equal(allocator_stop(scene, &error), 0);
        }
        allocator_destroy(scene);
        assert_int_equal(fixture_held_bytes(), 0);
        fixture_stop();
    }
}

/* ---- threads ---- */

#define SLOTS 256
#define SORTS 3
#define TYPE  UINT64_C(0x7479706573616665)

struct resident {
    uint64_t index; /* the slab layer's while the object is free */
    _Atomic uint64_t type;
    uint64_t sort;
};

struct traffic {
    struct cache *sorts[SORTS]; /* the last is type-safe */
    _Atomic(struct resident *) slots[SLOTS];
    int steps;
};

static struct traffic traffic;

static int mark(void *object, size_t size, void *context)
{
    struct resident *resident = object;

    (void)size;
    atomic_store_explicit(&resident->type, TYPE, memory_order_relaxed);
    resident->sort = (uintptr_t)context;
    return 0;
}

/* What a reader finds may be free or another's by now, but it is of this type. */
static void look(unsigned slot)
{
    struct resident *resident;

    rcu_read_begin();
    resident = atomic_load_explicit(&traffic.slots[slot], memory_order_acquire);
    if (resident)
        assert_true(atomic_load_explicit(&resident->type, memory_order_relaxed) == TYPE);
    rcu_read_end();
}

static void drive(unsigned cpu, void *argument)
{
    uint64_t seed = cpu + 1;

    (void)argument;
    for (int step = 0; step < traffic.steps; step++) {
        unsigned slot, sort;
        struct resident *resident = NULL;

        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        slot = seed >> 33 & (SLOTS - 1);
        sort = slot % SORTS; /* so that readers know where type-safe objects are */
        if (sort == SORTS - 1)
            look(slot);
        if (seed >> 60 < 10)
            resident = scene_alloc(traffic.sorts[sort]);
        resident = atomic_exchange_explicit(&traffic.slots[slot], resident, memory_order_acq_rel);
        if (resident) {
            assert_int_equal(resident->sort, sort);
            scene_free(traffic.sorts[sort], resident);
        }
        if (seed >> 56 == 0)
            allocator_reclaim(scene, 1 + (unsigned)(seed >> 55 & 1));
        fixture_safe_point();
    }
}

static void drive_under(unsigned nr_cpus, size_t limit, int steps, const char *cached)
{
    static const size_t sizes[SORTS] = {64, 4096, 1536};

    memset(&traffic, 0, sizeof traffic);
    traffic.steps = steps;
    scene_open(nr_cpus, limit, "helenos", cached, NULL);
    for (unsigned sort = 0; sort < SORTS; sort++) {
        const struct cache_params params = {.name = "residents",
                                            .size = sizes[sort],
                                            .flags = sort == SORTS - 1 ? CACHE_RCU : 0,
                                            .construct = mark,
                                            .context = (void *)(uintptr_t)sort};

        traffic.sorts[sort] = scene_cache_of(&params);
    }
    fixture_run(drive, NULL);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (traffic.slots[slot])
            scene_free(traffic.sorts[slot % SORTS], traffic.slots[slot]);
    }
    for (unsigned sort = 0; sort < SORTS; sort++)
        assert_count(traffic.sorts[sort], "live", 0);
    scene_close();
}

static void brutal_reclaim_comes_from_outside_while_all_cpus_work(void **state)
{
    (void)state;
    drive_under(4, 0, 20000, "cached_magazines=off");
    drive_under(4, 0, 20000, "cached_magazines=on");
}

/* 85 pages of one kind and 43 of another are out at the most. */
static void cpus_short_of_pages_reclaim_from_each_other(void **state)
{
    (void)state;
    drive_under(4, 110 * PAGE_SIZE, 10000, "cached_magazines=off");
    drive_under(4, 80 * PAGE_SIZE, 10000, "cached_magazines=on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_out_ten_in_ten_out),
        cmocka_unit_test(objects_come_back_last_in_first_out),
        cmocka_unit_test(two_out_two_in_at_a_magazines_edge_make_no_magazine),
        cmocka_unit_test(an_allocation_that_takes_a_listed_magazine_destroys_the_empty_last),
        cmocka_unit_test(orders_objects_and_places_of_records_are_those_described),
        cmocka_unit_test(an_object_that_wastes_a_quarter_of_the_largest_block_is_refused),
        cmocka_unit_test(a_fresh_slab_is_handed_out_ascending),
        cmocka_unit_test(every_page_of_a_slab_names_it),
        cmocka_unit_test(the_slab_freed_to_last_is_allocated_from_first),
        cmocka_unit_test(a_slab_that_becomes_wholly_free_goes_at_once),
        cmocka_unit_test(a_slab_of_one_object_goes_from_full_to_nothing),
        cmocka_unit_test(
            a_free_without_memory_for_a_magazine_goes_to_the_slab_and_reclaims_nothing),
        cmocka_unit_test(slab_records_rest_in_magazines_of_their_own),
        cmocka_unit_test(light_reclaim_destroys_the_oldest_magazines_until_a_page_is_free),
        cmocka_unit_test(light_reclaim_asks_every_cache_for_a_page),
        cmocka_unit_test(light_reclaim_ends_with_the_magazines_that_were_listed),
        cmocka_unit_test(brutal_reclaim_empties_the_depot_and_every_cpu),
        cmocka_unit_test(brutal_reclaim_leaves_what_is_live),
        cmocka_unit_test(an_allocation_out_of_pages_makes_a_light_pass_first),
        cmocka_unit_test(an_allocation_that_a_light_pass_does_not_help_makes_a_brutal_one),
        cmocka_unit_test(single_pages_reclaimed_serve_a_larger_slab),
        cmocka_unit_test(a_slab_made_with_reclaim_is_used_though_another_came_to_be_partial),
        cmocka_unit_test(objects_that_reclaim_put_back_are_found_when_there_is_no_page),
        cmocka_unit_test(what_the_design_cannot_find_the_front_end_cannot_either),
        cmocka_unit_test(a_producer_and_a_consumer_make_a_magazine_for_every_four_objects),
        cmocka_unit_test(cached_magazines_spare_them_the_magazine_cache),
        cmocka_unit_test(cached_magazines_leave_the_known_answers_alone),
        cmocka_unit_test(objects_rest_constructed),
        cmocka_unit_test(an_object_that_cannot_be_constructed_goes_back_to_the_slab),
        cmocka_unit_test(a_free_object_that_may_not_be_touched_is_as_it_was),
        cmocka_unit_test(slabs_of_type_safe_memory_wait_for_readers),
        cmocka_unit_test(a_type_safe_cache_is_destroyed_past_its_readers),
        cmocka_unit_test(a_cache_with_live_objects_is_left_as_it_was),
        cmocka_unit_test(bad_frees_abort_naming_allocator_cache_and_address),
        cmocka_unit_test(magazines_of_one_round_work),
        cmocka_unit_test(the_largest_magazines_keep_their_slabs_records_inside),
        cmocka_unit_test(magazine_sizes_that_cannot_be_are_refused),
        cmocka_unit_test(general_caches_are_those_from_2_to_the_3_to_2_to_the_17),
        cmocka_unit_test(a_start_that_fails_half_way_gives_all_back),
        cmocka_unit_test(brutal_reclaim_comes_from_outside_while_all_cpus_work),
        cmocka_unit_test(cpus_short_of_pages_reclaim_from_each_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
