/* SPDX-License-Identifier: MIT */
/*
 * The known answers of design slabifier: slabs, CPUs, nodes, the flusher, errors. Where a scenario
 * has several CPUs, one thread plays them.
 */
#include "tests/slabifier_scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

static size_t offset_in_page(const void *address)
{
    return (uintptr_t)address & PAGE_MASK;
}

static void *alloc_on(struct cache *cache, int node)
{
    const struct request request = {.size = 1, .node = (int16_t)node};

    return allocator_design(scene)->alloc(cache, &request);
}

/* ---- layout ---- */

static void sixteen_objects_of_256_ascend_from_the_first_byte_of_the_slab(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    assert_count(cache, "objects_per_slab", 16);
    assert_count(cache, "link_offset", 0);
    scene_alloc_all(cache, 16, objects);
    assert_int_equal(offset_in_page(objects[0]), 0);
    for (unsigned i = 1; i < 16; i++)
        assert_ptr_equal(objects[i], (char *)objects[0] + 256 * i);
    free_all(cache, 0, 16);
    scene_close();
}

static void sizes_are_rounded_up_to_a_pointer(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(1, 8);
    assert_count(cache, "object_bytes", 8);
    assert_count(cache, "objects_per_slab", 512);
    cache = scene_cache(250, 8);
    assert_count(cache, "objects_per_slab", 16);
    scene_close();
}

static void a_link_behind_the_payload_costs_a_word_and_spares_the_content(void **state)
{
    unsigned char *object;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "slabifier", "offset=behind", NULL);
    cache = scene_cache(256, 8);
    assert_count(cache, "objects_per_slab", 15);
    assert_count(cache, "link_offset", 256);
    object = scene_alloc(cache);
    memset(object, 0xa5, 256);
    scene_free(cache, object);
    for (unsigned i = 0; i < 256; i++)
        assert_int_equal(object[i], 0xa5);
    assert_ptr_equal(scene_alloc(cache), object);
    scene_free(cache, object);
    scene_close();
}

static void content_that_must_survive_puts_the_link_behind_by_itself(void **state)
{
    const struct cache_params rcu = {.name = "typesafe", .size = 256, .flags = CACHE_RCU};
    const struct cache_params untouched = {
        .name = "untouched", .size = 256, .flags = CACHE_NO_TOUCH};

    (void)state;
    open_it(1);
    assert_count(scene_cache_of(&rcu), "link_offset", 256);
    assert_count(scene_cache_of(&untouched), "link_offset", 256);
    scene_close();
}

static void an_order_makes_slabs_of_as_many_pages_and_tails_find_their_head(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    scene_open(1, 0, "slabifier", "order=2", NULL);
    cache = scene_cache(256, 8);
    before = fixture_held_bytes();
    assert_count(cache, "objects_per_slab", 64);
    scene_alloc_all(cache, 65, objects);
    assert_int_equal(fixture_held_bytes() - before, 8 * PAGE_SIZE);
    free_all(cache, 0, 64); /* of all its four pages */
    assert_slabs(cache, 1, 1, 0);
    assert_int_equal(fixture_held_bytes() - before, 4 * PAGE_SIZE);
    free_all(cache, 64, 65);
    scene_close();
}

static void the_largest_order_holds_half_a_million_of_the_smallest_objects(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "slabifier", "order=10", "flush_interval_ms=86400000", NULL);
    cache = scene_cache(1, 8);
    assert_count(cache, "objects_per_slab", 1 << 19);
    scene_alloc_all(cache, MANY, objects);
    assert_slabs(cache, 1, 1, 0);
    free_all(cache, 0, MANY);
    cache = scene_cache(100, 4096);
    assert_count(cache, "objects_per_slab", 1024);
    scene_alloc_all(cache, 1025, objects);
    free_all(cache, 0, 1025);
    scene_close();
}

static void tunables_out_of_range_are_refused_and_there_is_no_magazine(void **state)
{
    struct error error;

    (void)state;
    open_it(1);
    assert_int_equal(allocator_set(scene, "order", "11", &error), -ERANGE);
    assert_int_equal(allocator_set(scene, "offset", "middle", &error), -EINVAL);
    assert_int_equal(allocator_set(scene, "flush_interval_ms", "0", &error), -ERANGE);
    assert_int_equal(allocator_set_magazine_size(scene, 8, &error), -ENOTSUP);
    scene_close();
}

/* ---- a slab's life ---- */

static void seventeen_out_and_the_first_sixteen_in(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 17, objects);
    assert_slabs(cache, 2, 1, 0);
    assert_count(cache, "list_lock_acquisitions", 0);

    free_all(cache, 0, 1);
    assert_slabs(cache, 2, 1, 1);
    assert_count(cache, "list_lock_acquisitions", 1);

    free_all(cache, 1, 16);
    assert_slabs(cache, 1, 1, 0);
    assert_count(cache, "list_lock_acquisitions", 2);
    free_all(cache, 16, 17);
    assert_count(cache, "list_lock_acquisitions", 2);
    scene_close();
}

static void live_objects_are_computed_from_slabs(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 50, objects); /* full, full, full, active with 2 */
    assert_count(cache, "live", 50);
    free_all(cache, 0, 5);
    assert_slabs(cache, 4, 1, 1);
    assert_count(cache, "live", 45);
    free_all(cache, 5, 50);
    assert_count(cache, "live", 0);
    scene_close();
}

static void objects_come_back_last_in_first_out(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 10, objects);
    scene_free(cache, objects[3]);
    scene_free(cache, objects[7]);
    assert_ptr_equal(scene_alloc(cache), objects[7]);
    assert_ptr_equal(scene_alloc(cache), objects[3]);
    free_all(cache, 0, 10);
    scene_close();
}

static void an_active_slab_stays_when_it_is_empty_and_others_go_at_once(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 160, objects);
    assert_int_equal(fixture_held_bytes() - before, 10 * PAGE_SIZE);
    free_all(cache, 0, 160);
    assert_slabs(cache, 1, 1, 0);
    assert_int_equal(fixture_held_bytes() - before, PAGE_SIZE);
    for (int i = 0; i < 100; i++)
        scene_free(cache, scene_alloc(cache));
    assert_count(cache, "slab_grows", 10);
    scene_close();
}

static void
full_slabs_that_lose_an_object_queue_at_the_tail_and_are_taken_from_the_head(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 4 * 16, objects); /* A, B, C full; D active, full as well */
    scene_free(cache, objects[16]);          /* B */
    scene_free(cache, objects[0]);           /* A */
    scene_free(cache, objects[32]);          /* C */
    assert_slabs(cache, 4, 1, 3);
    assert_ptr_equal(scene_alloc(cache), objects[16]);
    assert_ptr_equal(scene_alloc(cache), objects[0]);
    assert_ptr_equal(scene_alloc(cache), objects[32]);
    assert_slabs(cache, 4, 1, 0);
    free_all(cache, 0, 64);
    scene_close();
}

static void allocating_on_any_number_of_cpus_never_takes_list_lock(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(8);
    cache = scene_cache(256, 8);
    for (unsigned i = 0; i < 1600; i++) {
        fixture_become(i % 8);
        objects[i] = scene_alloc(cache);
    }
    assert_count(cache, "list_lock_acquisitions", 0);
    assert_count(cache, "slabs", 8 * 13); /* 200 a CPU */
    assert_count(cache, "live", 1600);
    free_all(cache, 0, 1600);
    scene_close();
}

/* ---- several CPUs ---- */

static void a_free_into_another_cpus_active_slab_touches_no_list(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 16, objects);
    fixture_become(1);
    free_all(cache, 0, 16);
    assert_slabs(cache, 1, 1, 0);
    assert_count(cache, "list_lock_acquisitions", 0);
    fixture_become(0);
    assert_ptr_equal(scene_alloc(cache), objects[15]);
    scene_free(cache, objects[15]);
    scene_close();
}

static void another_cpu_takes_the_partial_slab_and_the_first_allocates_elsewhere(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 17, objects);
    scene_free(cache, objects[4]);
    fixture_become(1);
    assert_ptr_equal(scene_alloc(cache), objects[4]);
    assert_slabs(cache, 2, 2, 0);
    assert_count(cache, "list_lock_acquisitions", 2);
    free_all(cache, 0, 17);
    assert_slabs(cache, 2, 2, 0);
    scene_close();
}

/* The holder of its lock may be waiting for list_lock: it is passed over, not waited for. */
static void a_partial_slab_whose_lock_is_held_is_passed_over(void **state)
{
    struct cache *cache;
    struct page *page;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 48, objects);
    page = page_of(objects[0]);
    scene_free(cache, objects[0]);
    scene_free(cache, objects[16]);
    assert_slabs(cache, 3, 1, 2);

    atomic_fetch_or(&page->flags, 1);
    fixture_become(1);
    objects[48] = scene_alloc(cache);
    assert_ptr_equal(objects[48], objects[16]);
    objects[49] = scene_alloc(cache); /* the rest of the list is locked: a new slab */
    assert_slabs(cache, 4, 2, 1);
    atomic_fetch_and(&page->flags, ~1u);

    free_all(cache, 1, 16);
    free_all(cache, 17, 50);
    scene_close();
}

/* ---- nodes: CPU 0 on node 0, CPU 1 on node 1 ---- */

static void open_nodes(size_t node_bytes)
{
    fixture_set_nodes(2, node_bytes);
    open_it(2);
}

static void a_wanted_node_replaces_the_active_slab_of_another(void **state)
{
    struct cache *cache;

    (void)state;
    open_nodes(0);
    cache = scene_cache(256, 8);
    objects[0] = scene_alloc(cache);
    assert_int_equal(page_node(objects[0]), 0);
    objects[1] = alloc_on(cache, 1);
    assert_int_equal(page_node(objects[1]), 1);
    assert_slabs(cache, 2, 1, 1);    /* the first is partial now */
    objects[2] = scene_alloc(cache); /* any: the active one will do */
    assert_int_equal(page_node(objects[2]), 1);
    objects[3] = alloc_on(cache, 0); /* the first comes back */
    assert_ptr_equal(objects[3], (char *)objects[0] + 256);
    assert_slabs(cache, 2, 1, 1);
    free_all(cache, 0, 4);
    scene_close();
}

static void any_node_means_the_cpus_own_first_and_then_whichever_is_partial(void **state)
{
    struct cache *cache;

    (void)state;
    open_nodes(0);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 17, objects); /* on node 0 */
    fixture_become(1);
    scene_alloc_all(cache, 17, objects + 17); /* on node 1 */
    scene_free(cache, objects[0]);
    scene_free(cache, objects[17]);
    assert_slabs(cache, 4, 2, 2);

    scene_alloc_all(cache, 15, objects + 34); /* fills what CPU 1 has active */
    assert_slabs(cache, 4, 2, 2);
    assert_ptr_equal(scene_alloc(cache), objects[17]); /* though node 0's is at the head */
    assert_ptr_equal(scene_alloc(cache), objects[0]);
    free_all(cache, 0, 49);
    scene_close();
}

static void a_wanted_node_passes_partial_slabs_of_others_by(void **state)
{
    struct cache *cache;

    (void)state;
    open_nodes(0);
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 17, objects);
    scene_free(cache, objects[0]);
    fixture_become(1);
    objects[0] = alloc_on(cache, 1);
    assert_int_equal(page_node(objects[0]), 1);
    assert_slabs(cache, 3, 2, 1);
    free_all(cache, 0, 17);
    scene_close();
}

static void a_wanted_node_without_pages_is_given_up_for_any(void **state)
{
    static void *pages[4096];
    struct cache *cache, *large;
    unsigned nr_pages = 0;

    (void)state;
    open_nodes(4 << 20);
    cache = scene_cache(256, 8);
    large = scene_cache(4096, 8);
    while ((pages[nr_pages] = page_alloc(0, 1)))
        nr_pages++;
    objects[0] = alloc_on(cache, 1);
    objects[1] = alloc_on(large, 1);
    assert_int_equal(page_node(objects[0]), 0);
    assert_int_equal(page_node(objects[1]), 0);
    for (unsigned i = 2; i < 18; i++)
        objects[i] = alloc_on(cache, 1);
    assert_true(scene_count(cache, "slabs") <= 2); /* what was given up partial is used again */
    scene_free(large, objects[1]);
    scene_free(cache, objects[0]);
    free_all(cache, 2, 18);
    while (nr_pages)
        page_free(pages[--nr_pages], 0);
    scene_close();
}

/* ---- single objects ---- */

static void an_object_of_a_slab_for_itself_is_the_slab_and_never_active(void **state)
{
    static const size_t sizes[] = {2049, 4096, 4097, 1 << 20, 4 << 20, (4 << 20) + 1, 16 << 20};
    static const size_t pages[] = {1, 1, 2, 256, 1024, 1025, 4096};

    (void)state;
    open_it(2);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct cache *cache = scene_cache(sizes[i], 8);
        size_t before = fixture_held_bytes();

        assert_count(cache, "objects_per_slab", 1);
        scene_alloc_all(cache, 3, objects);
        assert_int_equal(fixture_held_bytes() - before, 3 * pages[i] * PAGE_SIZE);
        assert_slabs(cache, 3, 0, 0);
        assert_count(cache, "live", 3);
        memset(objects[1], 0x5a, sizes[i]);
        fixture_become(1);
        free_all(cache, 0, 3);
        fixture_become(0);
        assert_int_equal(fixture_held_bytes(), before);
        assert_count(cache, "list_lock_acquisitions", 0);
        scene_cache_destroy(cache);
    }
    scene_close();
}

static void a_single_object_has_no_link_that_could_lie_behind(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "slabifier", "offset=behind", NULL);
    cache = scene_cache(4096, 8);
    assert_count(cache, "slab_bytes", PAGE_SIZE);
    cache = scene_cache(2048, 8); /* two, were it not for the word */
    assert_count(cache, "objects_per_slab", 1);
    scene_close();
}

static void an_object_that_no_slab_holds_is_refused(void **state)
{
    const struct cache_params params = {.name = "vast", .size = (size_t)1 << 33};
    struct cache *cache;
    struct error error;

    (void)state;
    open_it(1);
    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'vast'"));
    scene_close();
}

/* ---- flusher ---- */

/* The timer is of the CPU that armed it. */
static void time_passes_to(double seconds)
{
    fixture_set_time((uint64_t)(seconds * (double)SECOND));
    for (unsigned i = 0; i < nr_cpus(); i++) {
        fixture_become(i);
        fixture_safe_point();
    }
    fixture_become(0);
}

static void a_slab_that_rests_for_two_intervals_is_deactivated(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    objects[0] = scene_alloc(cache);
    time_passes_to(1.9);
    assert_count(cache, "flushes", 0);
    time_passes_to(2.1);
    assert_count(cache, "flushes", 1);
    assert_slabs(cache, 1, 1, 0); /* it had been referenced; now it is not */
    time_passes_to(4.2);
    assert_count(cache, "flushes", 2);
    assert_slabs(cache, 1, 0, 1);
    time_passes_to(100); /* nothing is active, so it does not come again */
    assert_count(cache, "flushes", 2);

    scene_free(cache, objects[0]);
    assert_slabs(cache, 0, 0, 0);
    objects[0] = scene_alloc(cache);
    time_passes_to(103);
    assert_count(cache, "flushes", 3);
    scene_free(cache, objects[0]);
    scene_close();
}

static void a_slab_that_is_allocated_from_stays_active(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    for (unsigned i = 1; i <= 10; i++) {
        scene_free(cache, scene_alloc(cache));
        time_passes_to(2.1 * i);
        assert_count(cache, "flushes", i);
        assert_slabs(cache, 1, 1, 0);
    }
    time_passes_to(2.1 * 11); /* a free is no reference */
    assert_slabs(cache, 0, 0, 0);
    scene_close();
}

static void the_flusher_visits_every_cpu(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_it(4);
    cache = scene_cache(256, 8);
    before = fixture_held_bytes();
    for (unsigned cpu = 0; cpu < 4; cpu++) {
        fixture_become(cpu);
        scene_alloc_all(cache, 2, objects + 2 * cpu);
    }
    free_all(cache, 0, 4); /* CPUs 0 and 1: nothing is left of theirs */
    assert_slabs(cache, 4, 4, 0);
    time_passes_to(2.1);
    fixture_become(3);
    objects[8] = scene_alloc(cache);
    time_passes_to(4.2);
    assert_slabs(cache, 2, 1, 1);
    assert_int_equal(fixture_held_bytes() - before, 2 * PAGE_SIZE);
    time_passes_to(6.3);
    assert_slabs(cache, 2, 0, 2);
    free_all(cache, 4, 9);
    scene_close();
}

static void many_caches_are_flushed_each_in_its_turn(void **state)
{
    enum { CACHES = 100 };
    struct cache *caches[CACHES];

    (void)state;
    scene_open(2, 0, "slabifier", "flush_interval_ms=1", NULL);
    for (unsigned i = 0; i < CACHES; i++) {
        caches[i] = scene_cache(64, 8);
        scene_free(caches[i], scene_alloc(caches[i]));
    }
    for (unsigned i = 1; i <= CACHES; i++)
        time_passes_to(i);
    for (unsigned i = 0; i < CACHES; i++) {
        assert_slabs(caches[i], 0, 0, 0);
        assert_count(caches[i], "flushes", 2);
    }
    scene_close();
}

static void a_cache_is_destroyed_while_its_timer_is_set_elsewhere(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(3);
    cache = scene_cache(256, 8);
    fixture_become(2);
    scene_free(cache, scene_alloc(cache));
    fixture_become(1);
    scene_cache_destroy(cache);
    time_passes_to(10);
    scene_close();
}

/* ---- short of memory ---- */

static void a_limit_is_met_and_what_is_freed_serves_again(void **state)
{
    struct cache *cache, *other;
    unsigned n = 0, again = 0;

    (void)state;
    scene_open(2, 20 * PAGE_SIZE, "slabifier", NULL);
    cache = scene_cache(256, 8);
    other = scene_cache(64, 8);
    while ((objects[n] = scene_alloc(cache)))
        n++;
    assert_in_range(n, 17 * 16, 20 * 16);
    assert_int_equal(n % 16, 0);
    assert_null(scene_alloc(other));
    assert_null(scene_alloc(cache));
    assert_count(cache, "live", n);

    scene_free(cache, objects[5]);
    assert_ptr_equal(scene_alloc(cache), objects[5]);
    fixture_become(1);
    free_all(cache, 0, n);
    while ((objects[again] = scene_alloc(other)))
        again++;
    assert_int_equal(again, (n / 16 - 1) * 64); /* the sixth object's slab rests with CPU 0 */
    scene_free_all(other, again, objects);
    scene_close();
}

static void reclaim_finds_room_in_the_active_slab_of_another_cpu(void **state)
{
    const struct request request = {.size = 64, .node = -1};
    struct binding_of_cache binding;
    struct cache *hoard, *cache;
    unsigned n = 0;

    (void)state;
    scene_open(2, 20 * PAGE_SIZE, "slabifier", NULL);
    hoard = scene_cache(256, 8);
    cache = scene_cache(64, 8);
    allocator_bind_cache(scene, cache, &binding);
    fixture_become(1);
    scene_free(hoard, scene_alloc(hoard));
    fixture_become(0);
    while ((objects[n] = scene_alloc(cache)))
        n++;
    objects[n] = allocator_retry(scene, &binding, &request);
    assert_non_null(objects[n++]);
    scene_free_all(cache, n, objects);
    scene_close();
}

/* Whatever the limit: a start or a cache that fails leaves nothing behind. */
static void a_start_that_fails_half_way_gives_all_back(void **state)
{
    const struct cache_params params = {.name = "objects", .size = 100, .flags = CACHE_RCU};
    bool done = false;

    (void)state;
    for (size_t pages = 1; !done; pages++) {
        struct cache *cache;
        struct error error;

        fixture_start(64, pages * PAGE_SIZE);
        assert_int_equal(allocator_create("slabifier", &scene, &error), 0);
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

/* ---- bulk ---- */

static void a_bulk_locks_a_slab_once_and_moves_it_once(void **state)
{
    const struct request request = {.size = 256, .node = -1};
    struct binding_of_cache binding;
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    allocator_bind_cache(scene, cache, &binding);
    assert_non_null(binding.alloc_bulk);
    assert_non_null(binding.free_bulk);
    assert_int_equal(allocator_alloc_bulk(&binding, &request, 50, objects), 50);
    assert_slabs(cache, 4, 1, 0);
    allocator_free_bulk(&binding, 32, objects); /* two full slabs, all of them: never partial */
    assert_slabs(cache, 2, 1, 0);
    assert_count(cache, "list_lock_acquisitions", 0);
    allocator_free_bulk(&binding, 15, objects + 32);
    assert_slabs(cache, 2, 1, 1);
    assert_count(cache, "list_lock_acquisitions", 1);
    allocator_free_bulk(&binding, 3, objects + 47);
    assert_slabs(cache, 1, 1, 0);
    assert_count(cache, "list_lock_acquisitions", 2);
    scene_close();
}

static void a_bulk_of_single_objects_and_one_without_memory_return_what_there_is(void **state)
{
    const struct request request = {.size = 256, .node = -1};
    static const size_t sizes[] = {256, 4096};
    struct binding_of_cache binding;

    (void)state;
    scene_open(1, 20 * PAGE_SIZE, "slabifier", NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct cache *cache = scene_cache(sizes[i], 8);
        unsigned got;

        allocator_bind_cache(scene, cache, &binding);
        got = allocator_alloc_bulk(&binding, &request, MANY, objects);
        assert_in_range(got, 17, MANY - 1);
        assert_count(cache, "live", got);
        allocator_free_bulk(&binding, got, objects);
        allocator_reclaim(scene, 1);
        assert_slabs(cache, 0, 0, 0);
    }
    scene_close();
}

/* ---- errors ---- */

static void a_cache_with_live_objects_is_not_destroyed(void **state)
{
    const struct cache_params params = {.name = "inodes", .size = 256};
    struct cache *cache;
    struct error error;

    (void)state;
    open_it(2);
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 20, objects);
    free_all(cache, 0, 3);
    fixture_become(1);
    objects[0] = scene_alloc(cache);
    assert_int_equal(allocator_cache_destroy(scene, cache, &error), -EBUSY);
    assert_non_null(strstr(error.text, "'inodes'"));
    assert_non_null(strstr(error.text, " 18 "));
    assert_count(cache, "live", 18);
    allocator_reclaim(scene, 1); /* which still knows it */
    scene_free(cache, objects[0]);
    free_all(cache, 3, 20);
    scene_close();
}

static void wrong_frees_abort_naming_allocator_cache_and_address(void **state)
{
    struct cache *cache, *other, *large;
    int on_the_stack = 0;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    other = scene_cache(256, 8);
    large = scene_cache(8000, 8);
    scene_alloc_all(cache, 2, objects);
    objects[2] = scene_alloc(large);
    assert_free_aborts(cache, &on_the_stack);
    assert_free_aborts(other, objects[0]);
    assert_free_aborts(cache, objects[2]);
    assert_free_aborts(large, objects[0]);
    assert_free_aborts(large, (char *)objects[2] + 8);
    scene_free(cache, objects[0]);
    assert_free_aborts(cache, objects[0]); /* the last that was freed */
    scene_free(cache, objects[1]);
    assert_free_aborts(cache, objects[0]); /* nothing is out */
    scene_free(large, objects[2]);
    assert_free_aborts(large, objects[2]);
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_objects_of_256_ascend_from_the_first_byte_of_the_slab),
        cmocka_unit_test(sizes_are_rounded_up_to_a_pointer),
        cmocka_unit_test(a_link_behind_the_payload_costs_a_word_and_spares_the_content),
        cmocka_unit_test(content_that_must_survive_puts_the_link_behind_by_itself),
        cmocka_unit_test(an_order_makes_slabs_of_as_many_pages_and_tails_find_their_head),
        cmocka_unit_test(the_largest_order_holds_half_a_million_of_the_smallest_objects),
        cmocka_unit_test(tunables_out_of_range_are_refused_and_there_is_no_magazine),
        cmocka_unit_test(seventeen_out_and_the_first_sixteen_in),
        cmocka_unit_test(live_objects_are_computed_from_slabs),
        cmocka_unit_test(objects_come_back_last_in_first_out),
        cmocka_unit_test(an_active_slab_stays_when_it_is_empty_and_others_go_at_once),
        cmocka_unit_test(
            full_slabs_that_lose_an_object_queue_at_the_tail_and_are_taken_from_the_head),
        cmocka_unit_test(allocating_on_any_number_of_cpus_never_takes_list_lock),
        cmocka_unit_test(a_free_into_another_cpus_active_slab_touches_no_list),
        cmocka_unit_test(another_cpu_takes_the_partial_slab_and_the_first_allocates_elsewhere),
        cmocka_unit_test(a_partial_slab_whose_lock_is_held_is_passed_over),
        cmocka_unit_test(a_wanted_node_replaces_the_active_slab_of_another),
        cmocka_unit_test(any_node_means_the_cpus_own_first_and_then_whichever_is_partial),
        cmocka_unit_test(a_wanted_node_passes_partial_slabs_of_others_by),
        cmocka_unit_test(a_wanted_node_without_pages_is_given_up_for_any),
        cmocka_unit_test(an_object_of_a_slab_for_itself_is_the_slab_and_never_active),
        cmocka_unit_test(a_single_object_has_no_link_that_could_lie_behind),
        cmocka_unit_test(an_object_that_no_slab_holds_is_refused),
        cmocka_unit_test(a_slab_that_rests_for_two_intervals_is_deactivated),
        cmocka_unit_test(a_slab_that_is_allocated_from_stays_active),
        cmocka_unit_test(the_flusher_visits_every_cpu),
        cmocka_unit_test(many_caches_are_flushed_each_in_its_turn),
        cmocka_unit_test(a_cache_is_destroyed_while_its_timer_is_set_elsewhere),
        cmocka_unit_test(a_limit_is_met_and_what_is_freed_serves_again),
        cmocka_unit_test(reclaim_finds_room_in_the_active_slab_of_another_cpu),
        cmocka_unit_test(a_start_that_fails_half_way_gives_all_back),
        cmocka_unit_test(a_bulk_locks_a_slab_once_and_moves_it_once),
        cmocka_unit_test(a_bulk_of_single_objects_and_one_without_memory_return_what_there_is),
        cmocka_unit_test(a_cache_with_live_objects_is_not_destroyed),
        cmocka_unit_test(wrong_frees_abort_naming_allocator_cache_and_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
