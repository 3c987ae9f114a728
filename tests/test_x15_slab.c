/* SPDX-License-Identifier: MIT */
/* The known answers of design x15's slab layer: layout, lists, growth, what goes back and when. */
#include "allocators/x15.h"
#include "tests/scene.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY      2000
#define RECORD    sizeof(struct x15_slab)
#define open_it() scene_open(1, 0, "x15", NULL)

static void *objects[MANY];

static uintptr_t offset_in_page(const void *address)
{
    return (uintptr_t)address & PAGE_MASK;
}

static size_t pages_beyond(size_t before)
{
    return (fixture_held_bytes() - before) / PAGE_SIZE;
}

static void assert_slabs(struct cache *cache, unsigned full, unsigned partial, unsigned empty)
{
    assert_count(cache, "slabs_full", full);
    assert_count(cache, "slabs_partial", partial);
    assert_count(cache, "slabs_empty", empty);
}

/* One buffer straight from the slab layer, past the pools. */
static void *take(struct cache *cache)
{
    void *buffer;

    lock_acquire(&cache->lock);
    buffer = x15_slab_take(cache);
    lock_release(&cache->lock);
    return buffer;
}

/* ---- layout ---- */

struct layout {
    size_t slab_bytes, objects, slack;
    bool embedded;
};

/* The description, word by word. */
static struct layout layout_of(size_t size, size_t align)
{
    size_t buffer = (size + align - 1) / align * align, usable;
    struct layout layout = {.slab_bytes = PAGE_SIZE};

    for (;; layout.slab_bytes += PAGE_SIZE) {
        layout.embedded = buffer < PAGE_SIZE / 8 || layout.slab_bytes % buffer >= 40;
        usable = layout.slab_bytes - (layout.embedded ? 40 : 0);
        if (usable >= buffer)
            break;
    }
    layout.objects = usable / buffer;
    layout.slack = usable % buffer;
    if (layout.slack >= PAGE_SIZE)
        layout.slack = 0;
    return layout;
}

static void slabs_have_the_layout_of_the_description(void **state)
{
    (void)state;
    open_it();
    for (size_t align = 8; align <= PAGE_SIZE; align *= 2) {
        for (size_t size = 1; size < 300000; size += 1 + size / 37) {
            struct layout expected = layout_of(size, align);
            struct cache *cache = scene_cache(size, align);

            assert_count(cache, "slab_bytes", expected.slab_bytes);
            assert_count(cache, "objects_per_slab", expected.objects);
            assert_count(cache, "slack", expected.slack);
            assert_count(cache, "slab_embedded", expected.embedded);
            scene_cache_destroy(cache);
        }
    }
    scene_close();
}

static void assert_layout(size_t size, size_t slab_bytes, unsigned objects_per_slab, size_t slack,
                          bool embedded)
{
    struct cache *cache = scene_cache(size, 8);

    assert_count(cache, "slab_bytes", slab_bytes);
    assert_count(cache, "objects_per_slab", objects_per_slab);
    assert_count(cache, "slack", slack);
    assert_count(cache, "slab_embedded", embedded);
}

static void records_are_embedded_below_512_bytes_or_where_the_waste_holds_them(void **state)
{
    (void)state;
    assert_int_equal(RECORD, 40);
    open_it();
    assert_layout(64, PAGE_SIZE, 63, 24, true);
    assert_layout(504, PAGE_SIZE, 8, 24, true);
    assert_layout(512, PAGE_SIZE, 8, 0, false);
    assert_layout(520, PAGE_SIZE, 7, 416, true);
    assert_layout(1000, PAGE_SIZE, 4, 56, true);
    assert_layout(1024, PAGE_SIZE, 4, 0, false);
    assert_layout(4056, PAGE_SIZE, 1, 0, true);
    assert_layout(4064, PAGE_SIZE, 1, 32, false);
    assert_layout(4096, PAGE_SIZE, 1, 0, false);
    assert_layout(5000, 2 * PAGE_SIZE, 1, 2 * PAGE_SIZE - 40 - 5000, true);
    assert_layout(1 << 17, 1 << 17, 1, 0, false);
    scene_close();
}

static void a_fresh_slab_hands_out_the_highest_buffer_first(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 63, objects);
    for (unsigned i = 0; i < 63; i++)
        assert_int_equal(offset_in_page(objects[i]), 64 * (62 - i));
    scene_free_all(cache, 63, objects);
    scene_close();
}

/* Colors of the first slabs: the lowest buffer, which is the last to go out, begins there. */
static void assert_colors(size_t align, unsigned slabs, const size_t *colors)
{
    struct cache *cache = scene_cache(64, align);
    unsigned n = 63 * slabs;

    scene_alloc_all(cache, n, objects);
    for (unsigned i = 0; i < slabs; i++)
        assert_int_equal(offset_in_page(objects[63 * i + 62]), colors[i]);
    scene_free_all(cache, n, objects);
    scene_cache_destroy(cache);
}

static void colors_advance_by_the_alignment_and_wrap(void **state)
{
    (void)state;
    open_it();
    assert_colors(8, 5, (const size_t[]){0, 8, 16, 24, 0});
    assert_colors(16, 3, (const size_t[]){0, 16, 0});
    assert_colors(64, 2, (const size_t[]){0, 0});
    scene_close();
}

static void without_color_slabs_begin_with_a_buffer(void **state)
{
    (void)state;
    scene_open(1, 0, "x15", "color=off", NULL);
    assert_colors(8, 3, (const size_t[]){0, 0, 0});
    scene_close();
}

static void the_records_of_a_slabs_pages_name_it_unless_it_can_be_computed(void **state)
{
    static const struct {
        size_t bytes, pages;
        bool registered;
    } rows[] = {{64, 1, false}, {512, 1, true}, {5000, 2, true}, {12000, 3, true}};

    (void)state;
    open_it();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cache *cache = scene_cache(rows[i].bytes, 8);
        size_t before = fixture_held_bytes();
        char *object = scene_alloc(cache);
        struct page *page;

        /* The highest buffer of a slab of one, or of a page. */
        page = page_of(object);
        assert_true(pages_beyond(before) == rows[i].pages || rows[i].bytes == 512);
        for (size_t p = 0; p < rows[i].pages; p++)
            assert_int_equal(page[p].owner != NULL, rows[i].registered);
        scene_free(cache, object);
        scene_cache_destroy(cache);
        for (size_t p = 0; p < rows[i].pages; p++)
            assert_null(page[p].owner);
    }
    scene_close();
}

static void the_first_bytes_of_a_free_object_survive(void **state)
{
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    object = take(cache);
    assert_null(object);
    object = scene_alloc(cache);
    memset(object, 0xa5, 64);
    x15_slabs_return(cache, object);
    for (unsigned i = 0; i < 56; i++)
        assert_int_equal(object[i], 0xa5);
    assert_ptr_equal(take(cache), object);
    x15_slabs_return(cache, object);
    scene_close();
}

static void objects_that_may_not_be_touched_while_free_are_not(void **state)
{
    static const unsigned flags[] = {CACHE_NO_TOUCH, CACHE_RCU};
    static const char *const modes[] = {"verify=off", "verify=on"};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        const struct cache_params params = {.name = "untouched", .size = 64, .flags = flags[i / 2]};
        struct cache *cache;
        unsigned char *object;

        scene_open(1, 0, "x15", modes[i % 2], NULL);
        cache = scene_cache_of(&params);
        object = scene_alloc(cache);
        memset(object, 0xa5, 64);
        scene_free(cache, object);
        for (unsigned b = 0; b < 64; b++)
            assert_int_equal(object[b], 0xa5);
        /* Through the slab, too. */
        assert_ptr_equal(scene_alloc(cache), object);
        x15_free_to_slabs(cache, object);
        for (unsigned b = 0; b < 64; b++)
            assert_int_equal(object[b], 0xa5);
        scene_close();
    }
}

/* ---- lists ---- */

static void a_slab_that_stops_being_full_is_the_next_to_be_filled(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 3 * 63, objects);
    assert_slabs(cache, 3, 0, 0);
    x15_slabs_return(cache, objects[5]);
    x15_slabs_return(cache, objects[63 + 5]);
    assert_slabs(cache, 1, 2, 0);
    assert_ptr_equal(take(cache), objects[63 + 5]);
    assert_ptr_equal(take(cache), objects[5]);
    assert_slabs(cache, 3, 0, 0);
    scene_free_all(cache, 3 * 63, objects);
    scene_close();
}

static void the_slab_that_became_free_last_is_taken_first_and_after_partial_ones(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(512, 8); /* 8 a slab */
    scene_alloc_all(cache, 3 * 8, objects);
    for (unsigned i = 0; i < 16; i++)
        x15_slabs_return(cache, objects[i]);
    x15_slabs_return(cache, objects[23]);
    assert_slabs(cache, 0, 1, 2);
    assert_count(cache, "reclaimable_bytes", 2 * PAGE_SIZE);
    assert_ptr_equal(take(cache), objects[23]);
    assert_ptr_equal(take(cache), objects[15]); /* the second slab */
    assert_slabs(cache, 1, 1, 1);
    x15_slabs_return(cache, objects[15]);
    for (unsigned i = 16; i < 24; i++)
        x15_slabs_return(cache, objects[i]);
    scene_close();
}

static void a_slab_of_one_buffer_goes_from_free_to_full_and_back(void **state)
{
    struct cache *cache;
    void *object;

    (void)state;
    open_it();
    cache = scene_cache(4096, 8);
    object = scene_alloc(cache);
    assert_slabs(cache, 1, 0, 0);
    x15_slabs_return(cache, object);
    assert_slabs(cache, 0, 0, 1);
    assert_ptr_equal(take(cache), object);
    assert_slabs(cache, 1, 0, 0);
    scene_free(cache, object);
    scene_close();
}

/* ---- growth ---- */

static void nothing_is_grown_when_buffers_have_come_back(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    assert_true(x15_grow(cache));
    assert_true(x15_grow(cache));
    assert_count(cache, "slab_grows", 1);
    assert_slabs(cache, 0, 0, 1);
    scene_close();
}

#define RACES 1000

struct race {
    struct cache *caches[RACES];
    void *taken[2][RACES];
    _Atomic unsigned arrived;
};

/* Both CPUs, in step, allocate from one new cache after the other. */
static void allocate_at_once(unsigned cpu, void *argument)
{
    struct race *race = argument;

    for (unsigned i = 0; i < RACES; i++) {
        atomic_fetch_add(&race->arrived, 1);
        for (unsigned spins = 0; atomic_load(&race->arrived) < 2 * (i + 1); spins++) {
            if (spins % 1000 == 999 || !fixture_is_native())
                fixture_pause();
        }
        race->taken[cpu][i] = scene_alloc(race->caches[i]);
    }
}

static unsigned races_with_two_slabs(struct race *race)
{
    unsigned seen = 0;

    memset(race, 0, sizeof *race);
    for (unsigned i = 0; i < RACES; i++)
        race->caches[i] = scene_cache(64, 8);
    fixture_run(allocate_at_once, race);
    for (unsigned i = 0; i < RACES; i++) {
        uint64_t slabs = scene_count(race->caches[i], "slab_grows");

        assert_in_range(slabs, 1, 2);
        seen += slabs == 2;
        for (unsigned cpu = 0; cpu < 2; cpu++) {
            assert_non_null(race->taken[cpu][i]);
            scene_free(race->caches[i], race->taken[cpu][i]);
        }
        scene_cache_destroy(race->caches[i]);
    }
    return seen;
}

static void cpus_that_grow_at_once_add_a_slab_each(void **state)
{
    static struct race race;
    unsigned seen = 0;

    (void)state;
    scene_open(2, 0, "x15", "verify=on", NULL);
    for (int i = 0; i < 100 && !seen; i++)
        seen = races_with_two_slabs(&race);
    assert_true(seen > 0);
    scene_close();
}

static void a_slab_without_memory_for_its_record_is_not_made(void **state)
{
    struct cache *cache;
    size_t full;
    void *page;

    (void)state;
    scene_open(1, 64 * PAGE_SIZE, "x15", NULL);
    cache = scene_cache(4096, 8);
    full = 64 * PAGE_SIZE - PAGE_SIZE;
    page = NULL;
    while (fixture_held_bytes() < full) { /* one page is left */
        void *next = page_alloc(0, PAGE_ANY_NODE);

        *(void **)next = page;
        page = next;
    }
    assert_null(scene_alloc(cache));
    assert_int_equal(fixture_held_bytes(), full);
    assert_count(cache, "slab_grows", 0);

    while (page) {
        void *next = *(void **)page;

        page_free(page, 0);
        page = next;
    }
    page = scene_alloc(cache);
    assert_non_null(page);
    scene_free(cache, page);
    scene_close();
}

static void slabs_are_kept_while_the_cache_lives(void **state)
{
    struct cache *cache;
    size_t before, most;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 1000, objects);
    assert_int_equal(pages_beyond(before), 16);
    scene_free_all(cache, 1000, objects);
    most = fixture_held_bytes();
    allocator_reclaim(scene, 1);
    allocator_reclaim(scene, 2);
    assert_int_equal(fixture_held_bytes(), most);
    assert_count(cache, "reclaimable_bytes", scene_count(cache, "slabs_empty") * PAGE_SIZE);
    assert_true(scene_count(cache, "slabs_empty") >= 12);

    scene_cache_destroy(cache);
    /* A slab of arrays and one of records stay, as their caches do; the descriptor went too. */
    assert_true(fixture_held_bytes() <= before + 2 * PAGE_SIZE);
    scene_close();
}

/* ---- bad frees ---- */

struct bad_free {
    struct cache *cache;
    void *address;
};

static void free_to_slab(void *argument)
{
    struct bad_free *bad = argument;

    x15_slabs_return(bad->cache, bad->address);
}

static void assert_bad_free(struct cache *cache, void *address, const char *what)
{
    struct bad_free bad = {cache, address};
    char where[32];

    snprintf(where, sizeof where, "bad free of %p", address);
    assert_aborts(free_to_slab, &bad,
                  (const char *const[]){"x15", "cache 'objects'", where, what, NULL});
}

static void free_twice_and_destroy(void *argument)
{
    struct bad_free *bad = argument;
    struct error error;

    scene_free(bad->cache, bad->address);
    scene_free(bad->cache, bad->address);
    allocator_cache_destroy(scene, bad->cache, &error);
}

static void bad_frees_are_found_where_buffers_return_to_slabs(void **state)
{
    struct cache *cache, *large, *other;
    struct bad_free twice;
    void *there, *page;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    large = scene_cache(5000, 8);
    other = scene_cache(64, 8);
    objects[0] = scene_alloc(cache);
    objects[1] = scene_alloc(large);
    there = scene_alloc(other);
    page = page_alloc(0, PAGE_ANY_NODE);
    assert_bad_free(cache, objects, "it is not in the arena");
    assert_bad_free(cache, there, "no slab of this cache holds it");
    assert_bad_free(large, there, "no slab of this cache holds it");
    assert_bad_free(large, page, "no slab of this cache holds it");

    twice = (struct bad_free){cache, objects[0]};
    assert_aborts(free_twice_and_destroy, &twice,
                  (const char *const[]){"x15", "cache 'objects'", "2 objects in CPU pools", NULL});
    x15_slabs_return(cache, objects[0]);
    assert_bad_free(cache, objects[0], "nothing of its slab is allocated");
    scene_free(large, objects[1]);
    scene_free(other, there);
    page_free(page, 0);
    scene_close();
}

/* ---- type-safe memory ---- */

struct reading {
    struct cache *cache;
    uint64_t *object;
    _Atomic uint32_t reading;
    _Atomic bool destroyed;
};

static bool is_destroyed(void *argument)
{
    return atomic_load(&((struct reading *)argument)->destroyed);
}

static void read_or_destroy(unsigned cpu, void *argument)
{
    struct reading *it = argument;

    if (cpu == 1) {
        uint64_t start = now_cycles();

        rcu_read_begin();
        atomic_store(&it->reading, 1);
        while (machine_cycles_to_ns(now_cycles() - start) < 50000000) {
            if (atomic_load(&it->destroyed) || page_of(it->object)->state != PAGE_HELD ||
                it->object[0] != 42)
                abort();
            fixture_pause();
        }
        rcu_read_end();
        if (!wait_for(is_destroyed, it, 20000000000))
            abort();
    } else {
        struct error error;

        spin_wait(&it->reading, 0);
        if (allocator_cache_destroy(scene, it->cache, &error) != 0)
            abort();
        atomic_store(&it->destroyed, true);
    }
}

static void pages_of_type_safe_memory_outlive_the_readers_of_a_destroyed_cache(void **state)
{
    const struct cache_params params = {.name = "type-safe", .size = 64, .flags = CACHE_RCU};
    struct reading reading = {.destroyed = false};

    (void)state;
    scene_open(2, 0, "x15", NULL);
    reading.cache = scene_cache_of(&params);
    reading.object = scene_alloc(reading.cache);
    reading.object[0] = 42;
    scene_free(reading.cache, reading.object);
    assert_count(reading.cache, "grace_pages", 0);
    fixture_run(read_or_destroy, &reading);
    assert_int_not_equal(page_of(reading.object)->state, PAGE_HELD);
    scene_close();
}

static void type_safe_memory_goes_back_when_nobody_reads(void **state)
{
    const struct cache_params params = {.name = "type-safe", .size = 5000, .flags = CACHE_RCU};
    struct cache *cache;
    size_t before;

    (void)state;
    open_it();
    scene_cache(64, 8); /* the boot page of descriptors */
    before = fixture_held_bytes();
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 10, objects);
    assert_int_equal(pages_beyond(before), 20);
    for (unsigned i = 0; i < 10; i++)
        x15_slabs_return(cache, objects[i]);
    assert_int_equal(pages_beyond(before), 20);
    scene_cache_destroy(cache);
    assert_int_equal(fixture_held_bytes(), before);
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slabs_have_the_layout_of_the_description),
        cmocka_unit_test(records_are_embedded_below_512_bytes_or_where_the_waste_holds_them),
        cmocka_unit_test(a_fresh_slab_hands_out_the_highest_buffer_first),
        cmocka_unit_test(colors_advance_by_the_alignment_and_wrap),
        cmocka_unit_test(without_color_slabs_begin_with_a_buffer),
        cmocka_unit_test(the_records_of_a_slabs_pages_name_it_unless_it_can_be_computed),
        cmocka_unit_test(the_first_bytes_of_a_free_object_survive),
        cmocka_unit_test(objects_that_may_not_be_touched_while_free_are_not),
        cmocka_unit_test(a_slab_that_stops_being_full_is_the_next_to_be_filled),
        cmocka_unit_test(the_slab_that_became_free_last_is_taken_first_and_after_partial_ones),
        cmocka_unit_test(a_slab_of_one_buffer_goes_from_free_to_full_and_back),
        cmocka_unit_test(nothing_is_grown_when_buffers_have_come_back),
        cmocka_unit_test(cpus_that_grow_at_once_add_a_slab_each),
        cmocka_unit_test(a_slab_without_memory_for_its_record_is_not_made),
        cmocka_unit_test(slabs_are_kept_while_the_cache_lives),
        cmocka_unit_test(bad_frees_are_found_where_buffers_return_to_slabs),
        cmocka_unit_test(pages_of_type_safe_memory_outlive_the_readers_of_a_destroyed_cache),
        cmocka_unit_test(type_safe_memory_goes_back_when_nobody_reads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
