/* SPDX-License-Identifier: MIT */
/*
 * The known answers of design spl. One thread plays the CPUs, but where a growth must be held up:
 * without workers a growth runs when the CPU that waits for it comes to a safe point, so with a
 * timeout of 0, which is over before that, the test says when.
 */
#include "allocators/spl.h"
#include "sim/page_internal.h"
#include "tests/scene.h"

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 2000

static void *objects[MANY];

static void open_usual(unsigned nr_cpus)
{
    scene_open(nr_cpus, 0, "spl", NULL);
}

static void *alloc_no_wait(struct cache *cache)
{
    const struct request request = {.node = -1, .flags = REQUEST_NO_WAIT};

    return allocator_design(scene)->alloc(cache, &request);
}

static size_t pages_beyond(size_t before)
{
    return (fixture_held_bytes() - before) / PAGE_SIZE;
}

/* ---- layout ---- */

static void an_object_of_128_bytes_has_a_slot_of_168(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(1);
    cache = scene_cache(128, 8);
    assert_count(cache, "slot_bytes", 168);
    assert_count(cache, "objects_per_slab", 8);
    assert_count(cache, "slab_pages", 1);
    assert_count(cache, "array_size", 256);
    assert_count(cache, "array_refill", 128);
    scene_close();
}

static void header_slots_and_objects_keep_the_alignment(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=2", NULL);
    cache = scene_cache(100, 256);
    assert_count(cache, "slot_bytes", 256 + 256);
    assert_count(cache, "slab_pages", 2); /* 256 + 8 * 512 = 4352 */
    scene_alloc_all(cache, 8, objects);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal((uintptr_t)objects[i] % PAGE_SIZE, (256 + i * 512) % PAGE_SIZE);
    scene_free_all(cache, 8, objects);

    cache = scene_cache(8, PAGE_SIZE);
    assert_count(cache, "slot_bytes", 2 * PAGE_SIZE);
    assert_count(cache, "slab_pages", 1 + 16);
    scene_close();
}

/* An array of two refills by one: so every allocation shows what the slab gives next. */
static void slabs_hand_out_ascending_from_behind_their_header(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=2", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 16, objects);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal((uintptr_t)objects[i] % PAGE_SIZE, 64 + i % 8 * 168);
        assert_ptr_equal(page_of(objects[i]), page_of(objects[i / 8 * 8]));
    }
    assert_ptr_not_equal(page_of(objects[0]), page_of(objects[8]));
    scene_free_all(cache, 16, objects);
    scene_close();
}

static void assert_automatic(size_t slot_bytes, unsigned array_size)
{
    struct cache *cache = scene_cache(slot_bytes - sizeof(struct spl_header), 8);

    assert_count(cache, "slot_bytes", slot_bytes);
    assert_count(cache, "array_size", array_size);
    scene_cache_destroy(cache);
}

static void the_size_of_a_slot_decides_the_size_of_the_arrays(void **state)
{
    (void)state;
    open_usual(2);
    assert_automatic(48, 256);
    assert_automatic(PAGE_SIZE / 4, 256);
    assert_automatic(PAGE_SIZE / 4 + 8, 128);
    assert_automatic(PAGE_SIZE, 128);
    assert_automatic(PAGE_SIZE + 8, 64);
    assert_automatic(32 * PAGE_SIZE, 64);
    assert_automatic(32 * PAGE_SIZE + 8, 16);
    assert_automatic(256 * PAGE_SIZE, 16);
    assert_automatic(256 * PAGE_SIZE + 8, 4);
    scene_close();
}

static void assert_set(const char *option, unsigned size, unsigned refill)
{
    struct cache *cache;

    scene_open(1, 0, "spl", option, NULL);
    cache = scene_cache(128, 8);
    assert_count(cache, "array_size", size);
    assert_count(cache, "array_refill", refill);
    scene_alloc_all(cache, MANY, objects);
    scene_free_all(cache, MANY, objects);
    assert_in_range(scene_count(cache, "avail"), 1, size);
    scene_close();
}

static void a_set_size_of_the_arrays_is_clamped(void **state)
{
    (void)state;
    assert_set("magazine_size=1", 2, 1);
    assert_set("magazine_size=2", 2, 1);
    assert_set("magazine_size=3", 3, 2);
    assert_set("magazine_size=256", 256, 128);
    assert_set("magazine_size=257", 256, 128);
    assert_set("magazine_size=4294967295", 256, 128);
}

static void a_magazine_size_that_cannot_be_had_is_refused(void **state)
{
    struct allocator_instance *instance;
    struct error error;
    char text[32];

    (void)state;
    assert_int_equal(allocator_create("spl", &instance, &error), 0);
    assert_int_equal(allocator_set_magazine_size(instance, 1, &error), -ERANGE);
    assert_int_equal(allocator_set_magazine_size(instance, 257, &error), -ERANGE);
    assert_non_null(strstr(error.text, "2 to 256"));
    assert_int_equal(allocator_set_magazine_size(instance, 2, &error), 0);
    assert_int_equal(allocator_set_magazine_size(instance, 256, &error), 0);
    assert_string_equal(allocator_get(instance, "magazine_size", text, sizeof text), "256");
    allocator_destroy(instance);
}

static void a_slab_has_fewer_objects_when_it_would_be_too_large(void **state)
{
    const struct cache_params params = {.name = "giants", .size = (1 << 20) - 100};
    struct cache *cache;
    struct error error;

    (void)state;
    scene_open(1, 0, "spl", "max_slab_mb=1", NULL);
    cache = scene_cache(200000, 8);
    assert_count(cache, "objects_per_slab", 5);
    assert_count(cache, "slab_pages", 245); /* 64 + 5 * 200040 bytes */
    cache = scene_cache((1 << 20) - 64 - 40, 8);
    assert_count(cache, "objects_per_slab", 1);
    assert_count(cache, "slab_pages", 256);
    scene_free(cache, scene_alloc(cache));

    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'giants'"));
    assert_non_null(strstr(error.text, "max_slab_mb"));
    scene_close();
}

/* ---- allocate and free ---- */

static void the_first_allocation_makes_two_slabs_and_the_ninth_a_third(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(1);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 1, objects);
    assert_count(cache, "slabs_total", 2);
    assert_count(cache, "slabs_in_use", 1);
    assert_count(cache, "slabs_empty", 1);
    assert_count(cache, "avail", 7);

    scene_alloc_all(cache, 7, objects + 1);
    assert_count(cache, "slabs_total", 2);
    assert_count(cache, "avail", 0);
    scene_alloc_all(cache, 1, objects + 8);
    assert_count(cache, "slabs_total", 3);
    assert_count(cache, "avail", 7);
    scene_free_all(cache, 9, objects);
    scene_close();
}

static void six_hundred_out_make_76_slabs_and_six_hundred_in_leave_27(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_usual(1);
    cache = scene_cache(128, 8);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 600, objects);
    assert_count(cache, "slabs_total", 76);
    assert_count(cache, "slabs_in_use", 75);
    assert_count(cache, "objects_total", 76 * 8);
    assert_count(cache, "objects_in_use", 600);
    assert_int_equal(pages_beyond(before), 76);

    scene_free_all(cache, 600, objects);
    assert_count(cache, "flushes", 3);
    assert_count(cache, "slabs_total", 27);
    assert_count(cache, "avail", 216);
    assert_count(cache, "objects_in_use", 216);
    assert_count(cache, "live", 0);
    assert_count(cache, "slabs_max", 75);
    assert_count(cache, "objects_max", 600);
    assert_count(cache, "growths", 76);
    assert_int_equal(pages_beyond(before), 27);
    scene_close();
}

/* Each refill is of 2; one that finds no slab ends with a growth, and is followed by another. */
static void an_array_of_four_refills_at_every_second_allocation(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=4", NULL);
    cache = scene_cache(128, 8);
    for (unsigned i = 0; i < 24; i++) {
        uint64_t refills = scene_count(cache, "refills");

        objects[i] = scene_alloc(cache);
        if (i % 8 == 0)
            assert_count(cache, "refills", refills + 2);
        else
            assert_count(cache, "refills", refills + (i % 2 == 0));
        assert_count(cache, "avail", (i + 1) % 2);
        assert_count(cache, "slabs_total", i / 8 + 1);
    }
    scene_free_all(cache, 24, objects);
    scene_close();
}

static void an_array_of_four_flushes_the_two_that_rest_longest(void **state)
{
    void **o = objects;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=4", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 6, o);
    scene_free_all(cache, 4, o);
    assert_count(cache, "flushes", 0);
    assert_count(cache, "avail", 4);
    scene_free(cache, o[4]);
    assert_count(cache, "flushes", 1);
    assert_count(cache, "avail", 3);
    assert_count(cache, "objects_in_use", 4);

    assert_ptr_equal(scene_alloc(cache), o[4]);
    assert_ptr_equal(scene_alloc(cache), o[3]);
    assert_ptr_equal(scene_alloc(cache), o[2]);
    /* The slab has them last in first out: o[1], o[0]; and so does the array. */
    assert_ptr_equal(scene_alloc(cache), o[0]);
    assert_ptr_equal(scene_alloc(cache), o[1]);
    scene_free_all(cache, 6, o);
    scene_close();
}

static void frees_beyond_four_flush_at_every_second(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=4", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 100, objects);
    for (unsigned i = 0; i < 100; i++) {
        scene_free(cache, objects[i]);
        assert_count(cache, "flushes", i < 4 ? 0 : (i - 4) / 2 + 1);
    }
    scene_close();
}

static void objects_freed_on_another_cpu_rest_there(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(2);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 200, objects);
    fixture_become(1);
    scene_free_all(cache, 200, objects);
    assert_count(cache, "flushes", 0);
    for (unsigned i = 200; i-- > 0;)
        assert_ptr_equal(scene_alloc(cache), objects[i]);
    scene_free_all(cache, 200, objects);
    fixture_become(0);
    assert_count(cache, "live", 0);
    scene_close();
}

/* ---- lists of slabs ---- */

static void a_slab_no_longer_full_goes_to_the_head_of_partial(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=2", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 24, objects); /* slabs of 0..7, 8..15, 16..23 */
    assert_count(cache, "slabs_complete", 3);
    scene_free(cache, objects[3]);
    allocator_reclaim(scene, 1);
    scene_free(cache, objects[19]);
    allocator_reclaim(scene, 1);
    scene_free(cache, objects[2]); /* its slab is on partial already and stays where it is */
    allocator_reclaim(scene, 1);
    assert_count(cache, "slabs_complete", 1);
    assert_count(cache, "slabs_partial", 2);

    assert_ptr_equal(scene_alloc(cache), objects[19]);
    assert_ptr_equal(scene_alloc(cache), objects[2]);
    assert_ptr_equal(scene_alloc(cache), objects[3]);
    assert_count(cache, "slabs_complete", 3);
    scene_free_all(cache, 24, objects);
    scene_close();
}

/* The array keeps the last two: so one slab in use is before those that are empty. */
static void reclaim_after_a_flush_frees_the_empty_slabs_only(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=2", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 24, objects);
    scene_free(cache, objects[16]);
    scene_free_all(cache, 8, objects);
    assert_count(cache, "slabs_total", 3); /* the object freed last still rests */
    scene_free(cache, objects[8]);
    assert_count(cache, "slabs_total", 3);
    scene_free(cache, objects[9]);
    assert_count(cache, "slabs_total", 2);
    assert_count(cache, "slabs_partial", 1);
    assert_count(cache, "slabs_complete", 1);
    scene_free_all(cache, 6, objects + 10);
    scene_free_all(cache, 7, objects + 17);
    scene_close();
}

static void a_slab_of_one_object_goes_from_complete_to_the_tail(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "objects_per_slab=1", "magazine_size=2", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 3, objects);
    assert_count(cache, "slabs_complete", 3);
    scene_free_all(cache, 3, objects);
    assert_count(cache, "slabs_complete", 2);
    assert_count(cache, "slabs_total", 2);
    allocator_reclaim(scene, 1);
    assert_count(cache, "slabs_total", 0);
    scene_close();
}

static void slabs_of_many_objects_fill_an_array_at_once(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "objects_per_slab=4096", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 1, objects);
    assert_count(cache, "objects_per_slab", 4096);
    assert_count(cache, "slabs_total", 1);
    assert_count(cache, "avail", 127);
    scene_free_all(cache, 1, objects);
    scene_close();
}

/* ---- allocations that may not wait ---- */

static void without_waiting_an_empty_cache_gives_emergency_objects(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_usual(1);
    cache = scene_cache(5000, 8);
    before = fixture_held_bytes();
    for (unsigned i = 0; i < 3; i++) {
        objects[i] = alloc_no_wait(cache);
        assert_non_null(objects[i]);
        assert_int_equal((uintptr_t)objects[i] % (2 * PAGE_SIZE), 0);
        memset(objects[i], 1, 5000);
    }
    assert_count(cache, "slabs_total", 0);
    assert_count(cache, "growing", 0);
    assert_count(cache, "emergency", 3);
    assert_count(cache, "objects_total", 3);
    assert_count(cache, "objects_in_use", 0);
    assert_count(cache, "live", 3);
    assert_in_range(pages_beyond(before), 6, 7); /* blocks of two pages, and one for records */

    scene_free_all(cache, 3, objects);
    assert_count(cache, "emergency", 0);
    assert_count(cache, "emergency_max", 3);
    assert_count(cache, "avail", 0); /* they do not rest */
    assert_int_equal(pages_beyond(before), 0);
    scene_close();
}

static void without_waiting_a_refill_that_runs_short_ends_in_an_emergency_object(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(1);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 8, objects);
    assert_count(cache, "slabs_empty", 1);
    objects[8] = alloc_no_wait(cache);
    assert_non_null(objects[8]);
    assert_count(cache, "emergency", 1);
    assert_count(cache, "avail", 8);
    assert_count(cache, "slabs_total", 2);

    objects[9] = alloc_no_wait(cache);
    assert_count(cache, "emergency", 1);
    assert_count(cache, "avail", 7);
    scene_free_all(cache, 10, objects);
    assert_count(cache, "avail", 7 + 9);
    assert_count(cache, "live", 0);
    scene_close();
}

static void without_waiting_a_whole_refill_is_served_from_the_array(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=4", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 2, objects);
    objects[2] = alloc_no_wait(cache);
    assert_non_null(objects[2]);
    assert_count(cache, "emergency_max", 0);
    assert_count(cache, "avail", 1);
    scene_free_all(cache, 3, objects);
    scene_close();
}

/* What a slab that comes between refill and emergency means: the layer says so. */
static void there_is_no_emergency_while_a_slab_is_partial(void **state)
{
    struct cache *cache;
    void *object = NULL;

    (void)state;
    open_usual(1);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 1, objects);
    assert_count(cache, "slabs_empty", 1);
    assert_int_equal(spl_emergency_alloc(cache, &object), -EEXIST);
    assert_null(object);
    assert_count(cache, "emergency_max", 0);
    scene_free_all(cache, 1, objects);
    scene_close();
}

static void without_waiting_nothing_larger_than_a_block_is_had(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "max_slab_mb=64", NULL);
    cache = scene_cache(4 << 20, 8);
    objects[0] = alloc_no_wait(cache);
    assert_non_null(objects[0]);
    scene_free(cache, objects[0]);
    cache = scene_cache((4 << 20) + 1, 8);
    assert_null(alloc_no_wait(cache));
    assert_count(cache, "live", 0);
    scene_close();
}

/* Far from each other in order of address, and freed in another order than they came. */
static void emergency_objects_are_found_among_many(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(1);
    cache = scene_cache(128, 8);
    for (unsigned i = 0; i < 500; i++)
        objects[i] = alloc_no_wait(cache);
    scene_alloc_all(cache, 100, objects + 500);
    for (unsigned i = 0; i < 600; i++)
        scene_free(cache, objects[i * 7 % 600]);
    assert_count(cache, "emergency", 0);
    assert_count(cache, "emergency_max", 500);
    assert_count(cache, "live", 0);
    scene_close();
}

/* ---- growth that takes too long ---- */

static void a_wait_that_times_out_marks_the_cache_and_makes_emergency_objects(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "grow_timeout_ms=0", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 1, objects);
    assert_count(cache, "growing", 1);
    assert_count(cache, "deadlocked", 1);
    assert_count(cache, "deadlocks", 1);
    assert_count(cache, "emergency", 1);
    scene_alloc_all(cache, 2, objects + 1); /* without waiting any more */
    assert_count(cache, "deadlocks", 1);
    assert_count(cache, "emergency", 3);
    assert_count(cache, "slabs_total", 0);

    fixture_safe_point();
    assert_count(cache, "growing", 0);
    assert_count(cache, "deadlocked", 0);
    assert_count(cache, "slabs_total", 1);

    /* Its refill runs short and times out again, but the array has objects. */
    scene_alloc_all(cache, 1, objects + 3);
    assert_count(cache, "avail", 7);
    assert_count(cache, "emergency", 3);
    assert_count(cache, "deadlocks", 2);
    scene_free_all(cache, 4, objects);
    assert_count(cache, "avail", 8);
    assert_count(cache, "emergency", 0);
    scene_close(); /* with a growth under way */
}

static unsigned take_all_pages(void **pages, unsigned most)
{
    unsigned n = 0;

    page_drain();
    while (n < most && (pages[n] = page_alloc(0, PAGE_ANY_NODE)))
        n++;
    return n;
}

static void give_pages(void **pages, unsigned n)
{
    while (n)
        page_free(pages[--n], 0);
}

static void a_growth_that_fails_leaves_the_mark_and_the_next_one_clears_it(void **state)
{
    enum { PAGES = 64 };
    void *pages[PAGES];
    struct cache *cache;
    unsigned n;

    (void)state;
    scene_open(1, PAGES * PAGE_SIZE, "spl", "grow_timeout_ms=0", NULL);
    cache = scene_cache(128, 8);
    n = take_all_pages(pages, PAGES);
    assert_null(scene_alloc(cache)); /* it cannot have an emergency object either */
    assert_count(cache, "deadlocked", 1);
    fixture_safe_point();
    assert_count(cache, "growing", 0);
    assert_count(cache, "growth_failures", 1);
    assert_count(cache, "deadlocked", 1);

    give_pages(pages, n);
    scene_alloc_all(cache, 1, objects);
    assert_count(cache, "emergency", 1);
    assert_count(cache, "deadlocks", 1); /* it did not wait */
    assert_count(cache, "growing", 1);
    fixture_safe_point();
    assert_count(cache, "deadlocked", 0);
    scene_free_all(cache, 1, objects);
    scene_close();
}

static void a_growth_that_fails_ends_in_null_at_once(void **state)
{
    enum { PAGES = 64 };
    void *pages[PAGES];
    struct cache *cache;
    uint64_t start, took_ns;
    unsigned n;

    (void)state;
    scene_open(1, PAGES * PAGE_SIZE, "spl", "grow_timeout_ms=10000", NULL);
    cache = scene_cache(128, 8);
    n = take_all_pages(pages, PAGES);
    start = now_cycles();
    assert_null(scene_alloc(cache));
    took_ns = machine_cycles_to_ns(now_cycles() - start);
    assert_true(took_ns < 9000 * UINT64_C(1000000)); /* it would have waited 10 s */
    assert_count(cache, "growth_failures", 1);
    assert_count(cache, "deadlocked", 0); /* nothing was under way any more */
    assert_count(cache, "deadlocks", 0);
    assert_count(cache, "emergency_max", 0);

    give_pages(pages, n);
    scene_alloc_all(cache, 1, objects);
    assert_count(cache, "slabs_total", 2);
    scene_free_all(cache, 1, objects);
    scene_close();
}

static void a_growth_that_fails_does_not_hide_what_the_refill_brought(void **state)
{
    enum { PAGES = 64 };
    void *pages[PAGES];
    struct cache *cache;
    unsigned n;

    (void)state;
    scene_open(1, PAGES * PAGE_SIZE, "spl", NULL);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 8, objects);
    n = take_all_pages(pages, PAGES);
    scene_alloc_all(cache, 8, objects + 8); /* the slab that was empty */
    assert_count(cache, "growth_failures", 1);
    assert_null(scene_alloc(cache));
    assert_null(alloc_no_wait(cache));
    assert_count(cache, "live", 16);
    scene_free(cache, objects[15]);
    assert_ptr_equal(scene_alloc(cache), objects[15]);
    give_pages(pages, n);
    scene_free_all(cache, 16, objects);
    scene_close();
}

static void a_limit_is_met_and_what_was_freed_is_had_again(void **state)
{
    struct cache *cache;
    unsigned n = 0, again = 0;

    (void)state;
    /* Long enough that no growth times out on a slow machine: only the last allocation waits. */
    scene_open(1, 100 * PAGE_SIZE, "spl", "grow_timeout_ms=500", NULL);
    cache = scene_cache(128, 8);
    while ((objects[n] = scene_alloc(cache)))
        n++;
    assert_in_range(n, 90 * 8, 100 * 8);
    scene_free_all(cache, n, objects);
    while ((objects[again] = scene_alloc(cache)))
        again++;
    assert_int_equal(again, n);
    scene_free_all(cache, n, objects);
    scene_close();
}

/* ---- growth held up by the lock of the address space: three CPUs ---- */

struct held_up {
    struct cache *first, *second;
    _Atomic int held, release;
};

static void wait_without_safe_points(_Atomic int *flag)
{
    while (!atomic_load(flag))
        sched_yield();
}

/* Two draws of the ticket lock that were not served: its holder and one who waits. */
static void wait_until_queued(struct lock *lock)
{
    while (atomic_load(&lock->ticket.next) - atomic_load(&lock->ticket.serving) < 2)
        sched_yield();
}

/*
 * CPU 2 holds the lock of the address space; the one worker there is hangs at it, on CPU 1, and
 * the growth of the second cache waits for the worker.
 */
static void hold_up(unsigned cpu, void *argument)
{
    struct held_up *scene_of = argument;
    void *first, *second;

    if (cpu == 2) {
        lock_acquire(&page_layer->vmem_lock);
        atomic_store(&scene_of->held, 1);
        wait_without_safe_points(&scene_of->release);
        lock_release(&page_layer->vmem_lock);
        return;
    }
    wait_without_safe_points(&scene_of->held);
    if (cpu == 1) {
        first = scene_alloc(scene_of->first);
        assert_non_null(first);
        scene_free(scene_of->first, first);
        return;
    }
    wait_until_queued(&page_layer->vmem_lock);
    second = scene_alloc(scene_of->second);
    assert_non_null(second);
    assert_int_equal(atomic_load(&scene_of->second->growing), 1);
    assert_int_equal(atomic_load(&scene_of->second->deadlocked), 1);
    assert_int_equal(atomic_load(&scene_of->second->emergency), 1);
    scene_free(scene_of->second, second);
    atomic_store(&scene_of->release, 1);
    spin_wait(&scene_of->second->growing, 1);
    assert_int_equal(atomic_load(&scene_of->second->deadlocked), 0);
}

static void a_growth_behind_busy_workers_times_out_and_clears_the_mark_later(void **state)
{
    enum lock_kind usual = lock_default_kind();
    struct held_up held_up = {.held = 0};

    (void)state;
    if (!fixture_is_native()) /* it looks at the lock's native words */
        skip();
    lock_set_default_kind(LOCK_TICKET);
    scene_open(3, 0, "spl", "grow_threads=1", NULL);
    held_up.first = scene_cache(128, 8);
    held_up.second = scene_cache(256, 8);
    fixture_run(hold_up, &held_up);
    assert_count(held_up.second, "deadlocks", 1);
    assert_count(held_up.second, "emergency_max", 1);
    assert_count(held_up.second, "slabs_total", 1);
    assert_count(held_up.first, "emergency_max", 0);
    scene_close();
    lock_set_default_kind(usual);
}

/* ---- reap ---- */

static void reap_flushes_this_cpus_array_and_level_two_all(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_usual(2);
    cache = scene_cache(128, 8);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 600, objects);
    scene_free_all(cache, 300, objects); /* 1 flush: 172 rest */
    fixture_become(1);
    scene_free_all(cache, 300, objects + 300); /* likewise */
    fixture_become(0);
    assert_count(cache, "avail", 2 * 172);

    allocator_reclaim(scene, 1);
    assert_count(cache, "avail", 172);
    assert_count(cache, "slabs_total", 22); /* objects 428 to 599: the first slab only in part */
    assert_int_equal(pages_beyond(before), 22);
    allocator_reclaim(scene, 2);
    assert_count(cache, "avail", 0);
    assert_count(cache, "slabs_total", 0);
    assert_count(cache, "objects_total", 0);
    assert_int_equal(pages_beyond(before), 0);
    scene_close();
}

static void reap_leaves_what_is_in_use(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(1);
    cache = scene_cache(128, 8);
    scene_alloc_all(cache, 80, objects);
    for (unsigned i = 0; i < 80; i++) {
        if (i != 20 && i != 60)
            scene_free(cache, objects[i]);
    }
    allocator_reclaim(scene, 2);
    assert_count(cache, "slabs_total", 2);
    assert_count(cache, "slabs_partial", 2);
    assert_count(cache, "live", 2);
    scene_free(cache, objects[20]);
    scene_free(cache, objects[60]);
    scene_close();
}

static _Atomic int reap_allocated;

/* CPU 0 stands for a reap that takes its time. */
static void reap_slowly(unsigned cpu, void *argument)
{
    struct cache *cache = argument;
    uint64_t start = now_cycles();

    if (cpu == 1) {
        void *object = scene_alloc(cache);

        atomic_store(&reap_allocated, 1);
        assert_non_null(object);
        scene_free(cache, object);
        return;
    }
    while (machine_cycles_to_ns(now_cycles() - start) < 20 * UINT64_C(1000000)) {
        assert_int_equal(atomic_load(&cache->growing), 0);
        assert_int_equal(atomic_load(&cache->growths), 0);
        fixture_pause();
    }
    assert_int_equal(atomic_load(&reap_allocated), 0);
    atomic_store(&cache->reaping, 0);
}

static void a_grow_during_a_reap_waits_for_the_reap(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(2);
    cache = scene_cache(128, 8);
    atomic_store(&cache->reaping, 1);
    atomic_store(&reap_allocated, 0);
    fixture_run(reap_slowly, cache);
    assert_count(cache, "slabs_total", 2);
    scene_close();
}

/* ---- constructors ---- */

struct tally {
    int constructed, destructed;
    int result;
};

static int construct(void *object, size_t size, void *context)
{
    struct tally *tally = context;

    memset(object, 0x5a, size);
    tally->constructed++;
    return tally->result;
}

static void destruct(void *object, size_t size, void *context)
{
    assert_int_equal(((unsigned char *)object)[size - 1], 0x5a);
    ((struct tally *)context)->destructed++;
}

static void objects_are_constructed_on_every_allocation_and_destroyed_on_every_free(void **state)
{
    struct tally tally = {0};
    const struct cache_params params = {.name = "built",
                                        .size = 64,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = &tally};
    struct cache *cache;

    (void)state;
    open_usual(1);
    cache = scene_cache_of(&params);
    for (int i = 1; i <= 5; i++) {
        objects[0] = i == 3 ? alloc_no_wait(cache) : scene_alloc(cache);
        assert_int_equal(((unsigned char *)objects[0])[0], 0x5a);
        assert_int_equal(tally.constructed, i);
        scene_free(cache, objects[0]);
        assert_int_equal(tally.destructed, i);
    }
    tally.result = -1; /* of no account */
    objects[0] = scene_alloc(cache);
    assert_non_null(objects[0]);
    scene_free(cache, objects[0]);
    assert_int_equal(tally.destructed, 6);
    scene_close();
    assert_int_equal(tally.destructed, 6);
}

/* ---- type-safe memory ---- */

static struct cache *type_safe_cache(void)
{
    const struct cache_params params = {.name = "typesafe", .size = 128, .flags = CACHE_RCU};

    return scene_cache_of(&params);
}

static void type_safe_slabs_wait_for_the_readers(void **state)
{
    struct cache *cache;
    size_t before;

    (void)state;
    open_usual(1);
    cache = type_safe_cache();
    before = fixture_held_bytes();
    scene_alloc_all(cache, 600, objects);
    rcu_read_begin();
    memset(objects[0], 0x77, 128);
    scene_free_all(cache, 600, objects);
    assert_count(cache, "slabs_total", 27);
    assert_count(cache, "grace_pages", 49);
    assert_int_equal(((unsigned char *)objects[0])[127], 0x77);
    allocator_reclaim(scene, 1);
    assert_count(cache, "slabs_total", 0);
    assert_count(cache, "grace_pages", 76);
    assert_int_equal(pages_beyond(before), 76);
    rcu_read_end();
    grace_barrier();
    assert_count(cache, "grace_pages", 0);
    assert_int_equal(pages_beyond(before), 0);
    scene_close();
}

static void type_safe_emergency_objects_wait_for_the_readers(void **state)
{
    struct cache *cache;
    void *object;
    size_t before;

    (void)state;
    open_usual(1);
    cache = type_safe_cache();
    before = fixture_held_bytes();
    object = alloc_no_wait(cache);
    rcu_read_begin();
    memset(object, 0x77, 128);
    scene_free(cache, object);
    assert_count(cache, "emergency", 0);
    assert_count(cache, "grace_pages", 1);
    assert_int_equal(((unsigned char *)object)[127], 0x77);
    rcu_read_end();
    allocator_reclaim(scene, 2);
    assert_count(cache, "grace_pages", 0);
    assert_int_equal(pages_beyond(before), 0);
    scene_close();
}

static void a_type_safe_cache_goes_when_its_slabs_have_gone(void **state)
{
    struct cache *cache;

    (void)state;
    open_usual(3);
    for (int i = 0; i < 20; i++) {
        cache = type_safe_cache();
        fixture_become((unsigned)i % 3);
        scene_alloc_all(cache, 500, objects);
        fixture_become((unsigned)(i + 1) % 3);
        scene_free_all(cache, 500, objects);
        objects[0] = alloc_no_wait(cache);
        scene_free(cache, objects[0]);
        scene_cache_destroy(cache);
    }
    fixture_become(0);
    scene_close();
}

/* ---- destruction ---- */

static void a_cache_with_live_objects_is_left_as_it_was(void **state)
{
    const struct cache_params params = {.name = "inodes", .size = 128};
    struct cache *cache;
    struct error error;

    (void)state;
    open_usual(2);
    cache = scene_cache_of(&params);
    objects[0] = alloc_no_wait(cache);
    scene_alloc_all(cache, 99, objects + 1);
    scene_free_all(cache, 93, objects + 7);
    fixture_become(1);
    assert_int_equal(allocator_cache_destroy(scene, cache, &error), -EBUSY);
    assert_non_null(strstr(error.text, "'inodes'"));
    assert_non_null(strstr(error.text, " 7 "));
    assert_count(cache, "emergency", 1);
    assert_count(cache, "avail", 93 + 5); /* of 104 that left the slabs */
    scene_free_all(cache, 7, objects);
    fixture_become(0);
    scene_cache_destroy(cache);
    scene_close();
}

static void a_cache_that_is_growing_can_be_destroyed(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "spl", "grow_timeout_ms=0", NULL);
    cache = scene_cache(128, 8);
    scene_free(cache, scene_alloc(cache));
    assert_count(cache, "growing", 1);
    scene_cache_destroy(cache);
    scene_close();
}

/* ---- bad frees ---- */

static void free_twice(void *argument)
{
    struct cache *cache = argument;
    void *object = scene_alloc(cache);

    for (int i = 0; i < 5; i++)
        scene_free(cache, object);
}

static void free_to_another(void *argument)
{
    struct cache *other = scene_cache(128, 8);

    scene_alloc_all(argument, 5, objects);
    scene_free_all(other, 5, objects);
}

static void free_inside(void *argument)
{
    struct cache *cache = argument;
    char *object = scene_alloc(cache);

    for (int i = 0; i < 3; i++)
        scene_free(cache, object + 8);
}

static void free_foreign(void *argument)
{
    static char foreign[64];

    for (int i = 0; i < 3; i++)
        scene_free(argument, foreign);
}

static void free_block_among_emergencies(void *argument)
{
    scene_free(argument, page_alloc(0, PAGE_ANY_NODE));
}

static void emergency_freed_twice(void *argument)
{
    void *other = alloc_no_wait(argument), *object = alloc_no_wait(argument);

    scene_free(argument, object);
    scene_free(argument, object);
    scene_free(argument, other);
}

static void what_was_never_had_cannot_be_freed(void **state)
{
    const struct cache_params params = {.name = "inodes", .size = 128};
    const char *const twice[] = {"spl", "'inodes'", "bad free of 0x", "free already", NULL};
    const char *const another[] = {"spl", "'objects'", "another cache", NULL};
    const char *const inside[] = {"spl", "'inodes'", "no object", NULL};
    const char *const foreign[] = {"spl", "'inodes'", "not in the arena", NULL};
    const char *const block[] = {"spl", "'inodes'", "no emergency object", NULL};
    struct cache *cache;
    void *emergency;

    (void)state;
    scene_open(1, 0, "spl", "magazine_size=2", NULL);
    cache = scene_cache_of(&params);
    assert_aborts(free_twice, cache, twice);
    assert_aborts(free_to_another, cache, another);
    assert_aborts(free_inside, cache, inside);
    assert_aborts(free_foreign, cache, foreign);
    assert_aborts(emergency_freed_twice, cache, block);
    emergency = alloc_no_wait(cache);
    assert_aborts(free_block_among_emergencies, cache, block);
    scene_free(cache, emergency);
    scene_close();
}

/* ---- passing through ---- */

static void small_objects_pass_through_to_the_slabifier(void **state)
{
    struct tally tally = {0};
    const struct cache_params params = {.name = "through",
                                        .size = 256,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = &tally};
    struct cache *cache, *large;
    struct error error;

    (void)state;
    scene_open(2, 0, "spl", "slab_limit=256", NULL);
    cache = scene_cache_of(&params);
    large = scene_cache(257, 8);
    scene_alloc_all(large, 1, objects);
    assert_count(large, "avail", 7);
    assert_count(large, "passed", 0);
    scene_free_all(large, 1, objects);

    scene_alloc_all(cache, 1000, objects);
    assert_int_equal(tally.constructed, 1000);
    assert_count(cache, "passed", 1000);
    assert_count(cache, "live", 1000);
    assert_count(cache, "avail", 0);
    assert_count(cache, "slabs_total", 0);
    fixture_become(1);
    scene_free_all(cache, 999, objects);
    assert_int_equal(allocator_cache_destroy(scene, cache, &error), -EBUSY);
    assert_non_null(strstr(error.text, "'through'"));
    scene_free(cache, objects[999]);
    assert_int_equal(tally.destructed, 1000);
    fixture_become(0);
    allocator_reclaim(scene, 2);
    scene_close();
}

/* ---- threads ---- */

struct crowd {
    struct cache *cache;
    _Atomic(void *) slots[64];
    unsigned no_wait_in; /* one in so many allocations may not wait; 0: all may */
};

static void exchange(unsigned cpu, void *argument)
{
    struct crowd *crowd = argument;
    uint64_t seed = cpu + 1;

    for (int i = 0; i < 20000; i++) {
        void *object;

        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        object = crowd->no_wait_in && (seed >> 40) % crowd->no_wait_in == 0
                     ? alloc_no_wait(crowd->cache)
                     : scene_alloc(crowd->cache);
        if (object)
            memset(object, (int)cpu, 128);
        object = atomic_exchange(&crowd->slots[(seed >> 33) % 64], object);
        if (object)
            scene_free(crowd->cache, object);
        if (i % 1000 == 0)
            allocator_reclaim(scene, 1 + i / 1000 % 2);
        fixture_safe_point();
    }
}

static void crowd_through(unsigned flags, unsigned no_wait_in)
{
    const struct cache_params params = {.name = "crowded", .size = 128, .flags = flags};
    struct crowd crowd = {.no_wait_in = no_wait_in};

    crowd.cache = scene_cache_of(&params);
    fixture_run(exchange, &crowd);
    for (unsigned i = 0; i < 64; i++) {
        if (crowd.slots[i])
            scene_free(crowd.cache, crowd.slots[i]);
    }
    assert_count(crowd.cache, "live", 0);
    scene_close();
}

static void threads_exchange_objects(void **state)
{
    (void)state;
    scene_open(4, 0, "spl", "magazine_size=4", "grow_threads=1", NULL);
    crowd_through(0, 0);
}

static void threads_exchange_objects_while_growth_is_always_late(void **state)
{
    (void)state;
    scene_open(4, 0, "spl", "magazine_size=2", "objects_per_slab=1", "grow_timeout_ms=0", NULL);
    crowd_through(0, 4);
}

static void threads_exchange_type_safe_objects(void **state)
{
    (void)state;
    scene_open(4, 0, "spl", "magazine_size=2", NULL);
    crowd_through(CACHE_RCU, 8);
}

/* ---- nodes ---- */

static void
arrays_are_on_their_cpus_nodes_and_slabs_where_the_worker_is_that_makes_them(void **state)
{
    struct cache *cache;
    unsigned node = 0;

    (void)state;
    fixture_set_nodes(2, 0);
    scene_open(2, 0, "spl", NULL);
    cache = scene_cache(128, 8);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        void *object;

        fixture_become(cpu);
        object = scene_alloc(cache);
        assert_int_equal(page_node(cache->arrays[cpu]), cpu);
        node = cpu == 0 ? page_node(object) : node;
        assert_int_equal(page_node(object), node); /* one worker makes the slabs of both */
        scene_free(cache, object);
    }
    fixture_become(0);
    scene_close();
    fixture_set_nodes(1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_of_128_bytes_has_a_slot_of_168),
        cmocka_unit_test(header_slots_and_objects_keep_the_alignment),
        cmocka_unit_test(slabs_hand_out_ascending_from_behind_their_header),
        cmocka_unit_test(the_size_of_a_slot_decides_the_size_of_the_arrays),
        cmocka_unit_test(a_set_size_of_the_arrays_is_clamped),
        cmocka_unit_test(a_magazine_size_that_cannot_be_had_is_refused),
        cmocka_unit_test(a_slab_has_fewer_objects_when_it_would_be_too_large),
        cmocka_unit_test(the_first_allocation_makes_two_slabs_and_the_ninth_a_third),
        cmocka_unit_test(six_hundred_out_make_76_slabs_and_six_hundred_in_leave_27),
        cmocka_unit_test(an_array_of_four_refills_at_every_second_allocation),
        cmocka_unit_test(an_array_of_four_flushes_the_two_that_rest_longest),
        cmocka_unit_test(frees_beyond_four_flush_at_every_second),
        cmocka_unit_test(objects_freed_on_another_cpu_rest_there),
        cmocka_unit_test(a_slab_no_longer_full_goes_to_the_head_of_partial),
        cmocka_unit_test(reclaim_after_a_flush_frees_the_empty_slabs_only),
        cmocka_unit_test(a_slab_of_one_object_goes_from_complete_to_the_tail),
        cmocka_unit_test(slabs_of_many_objects_fill_an_array_at_once),
        cmocka_unit_test(without_waiting_an_empty_cache_gives_emergency_objects),
        cmocka_unit_test(without_waiting_a_refill_that_runs_short_ends_in_an_emergency_object),
        cmocka_unit_test(without_waiting_a_whole_refill_is_served_from_the_array),
        cmocka_unit_test(there_is_no_emergency_while_a_slab_is_partial),
        cmocka_unit_test(without_waiting_nothing_larger_than_a_block_is_had),
        cmocka_unit_test(emergency_objects_are_found_among_many),
        cmocka_unit_test(a_wait_that_times_out_marks_the_cache_and_makes_emergency_objects),
        cmocka_unit_test(a_growth_that_fails_leaves_the_mark_and_the_next_one_clears_it),
        cmocka_unit_test(a_growth_that_fails_ends_in_null_at_once),
        cmocka_unit_test(a_growth_that_fails_does_not_hide_what_the_refill_brought),
        cmocka_unit_test(a_limit_is_met_and_what_was_freed_is_had_again),
        cmocka_unit_test(a_growth_behind_busy_workers_times_out_and_clears_the_mark_later),
        cmocka_unit_test(reap_flushes_this_cpus_array_and_level_two_all),
        cmocka_unit_test(reap_leaves_what_is_in_use),
        cmocka_unit_test(a_grow_during_a_reap_waits_for_the_reap),
        cmocka_unit_test(objects_are_constructed_on_every_allocation_and_destroyed_on_every_free),
        cmocka_unit_test(type_safe_slabs_wait_for_the_readers),
        cmocka_unit_test(type_safe_emergency_objects_wait_for_the_readers),
        cmocka_unit_test(a_type_safe_cache_goes_when_its_slabs_have_gone),
        cmocka_unit_test(a_cache_with_live_objects_is_left_as_it_was),
        cmocka_unit_test(a_cache_that_is_growing_can_be_destroyed),
        cmocka_unit_test(what_was_never_had_cannot_be_freed),
        cmocka_unit_test(small_objects_pass_through_to_the_slabifier),
        cmocka_unit_test(threads_exchange_objects),
        cmocka_unit_test(threads_exchange_objects_while_growth_is_always_late),
        cmocka_unit_test(threads_exchange_type_safe_objects),
        cmocka_unit_test(
            arrays_are_on_their_cpus_nodes_and_slabs_where_the_worker_is_that_makes_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
