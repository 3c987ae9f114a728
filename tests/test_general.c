/* SPDX-License-Identifier: MIT */
/* General caches and whole pages: which size is served by what. */
#include "sim/page.h"
#include "tests/scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct binding_of_cache bind(size_t size, size_t align)
{
    struct binding_of_cache binding;
    struct error error;

    if (allocator_bind_size(scene, size, align, &binding, &error) != 0)
        fail_msg("%s", error.text);
    return binding;
}

static void *bound_alloc(const struct binding_of_cache *binding, size_t size)
{
    const struct request request = {.size = size, .node = -1};

    return binding->alloc(binding->cache, &request);
}

static void assert_served_by(size_t size, size_t align, size_t object_bytes)
{
    struct binding_of_cache binding = bind(size, align);

    assert_count(binding.cache, "object_bytes", object_bytes);
}

static void the_smallest_power_of_two_that_fits_serves(void **state)
{
    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    assert_served_by(1, 0, 8);
    assert_served_by(8, 0, 8);
    assert_served_by(9, 0, 16);
    assert_served_by(100, 0, 128);
    assert_served_by(128, 8, 128);
    assert_served_by(129, 8, 256);
    assert_served_by(1 << 17, 0, 1 << 17);
    scene_close();
}

static void size_zero_is_served_as_size_one(void **state)
{
    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    assert_served_by(0, 0, 8);
    scene_close();
}

static void a_size_is_bound_to_one_cache_however_often(void **state)
{
    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    assert_ptr_equal(bind(100, 0).cache, bind(70, 16).cache);
    assert_ptr_equal(bind(200000, 0).cache, bind(200001, 0).cache);
    assert_ptr_not_equal(bind(200000, 0).cache, bind(300000, 0).cache);
    scene_close();
}

static void nobodys_sizes_hold_no_memory(void **state)
{
    size_t before;

    (void)state;
    scene_open(1, 0, "magazine", NULL);
    before = fixture_held_bytes();
    bind(64, 0);
    assert_true(fixture_held_bytes() - before < 4 * PAGE_SIZE);
    scene_close();
}

static void an_alignment_above_the_size_is_served_by_the_cache_of_that_size(void **state)
{
    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    assert_served_by(8, 64, 64);
    assert_served_by(100, 4096, 4096);
    scene_close();
}

static void general_objects_are_naturally_aligned_up_to_a_page(void **state)
{
    (void)state;
    scene_open(1, 0, "bufctl", "color=on", NULL);
    for (size_t size = 8; size <= 1 << 20; size *= 2) {
        struct binding_of_cache binding = bind(size, 0);
        size_t align = size < PAGE_SIZE ? size : PAGE_SIZE;
        void *objects[9];

        for (unsigned i = 0; i < 9; i++) {
            objects[i] = bound_alloc(&binding, size);
            assert_int_equal((uintptr_t)objects[i] % align, 0);
        }
        for (unsigned i = 0; i < 9; i++)
            binding.free(binding.cache, objects[i]);
    }
    scene_close();
}

static void assert_holds(size_t size, size_t bytes)
{
    struct binding_of_cache binding = bind(size, 0);
    size_t before = fixture_held_bytes();
    void *object = bound_alloc(&binding, size);

    assert_non_null(object);
    assert_int_equal(fixture_held_bytes() - before, bytes);
    memset(object, 1, size);
    binding.free(binding.cache, object);
    assert_int_equal(fixture_held_bytes(), before);
}

static void beyond_the_largest_cache_whole_pages_serve(void **state)
{
    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    assert_holds((1 << 17) + 1, (1 << 17) + PAGE_SIZE);
    assert_holds(1 << 18, 1 << 18);       /* a buddy block */
    assert_holds(300000, 74 * PAGE_SIZE); /* a range */
    assert_holds(4 << 20, 4 << 20);       /* the largest buddy block */
    assert_holds(8 << 20, 8 << 20);       /* a range again */
    assert_holds(16 << 20, 16 << 20);
    scene_close();
}

static void an_alignment_that_is_none_is_refused(void **state)
{
    struct binding_of_cache binding;
    struct error error;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    assert_int_equal(allocator_bind_size(scene, 8, 24, &binding, &error), -EINVAL);
    assert_int_equal(allocator_bind_size(scene, 8, 8192, &binding, &error), -EINVAL);
    assert_non_null(strstr(error.text, "power of two up to 4096"));
    assert_int_equal(allocator_bind_size(scene, SIZE_MAX, 8, &binding, &error), -EINVAL);
    scene_close();
}

static void a_general_cache_that_was_destroyed_is_made_again(void **state)
{
    struct binding_of_cache binding;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    binding = bind(64, 0);
    scene_cache_destroy(binding.cache);
    binding = bind(64, 0);
    binding.free(binding.cache, bound_alloc(&binding, 64));
    scene_close();
}

static void bad_caches_are_refused_before_the_design_sees_them(void **state)
{
    struct cache_params params = {.name = "odd", .size = 0};
    struct cache *cache;
    struct error error;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    params = (struct cache_params){.name = "odd", .size = 8, .align = 24};
    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    assert_non_null(strstr(error.text, "'odd'"));
    params.align = 4;
    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    params.align = 8192;
    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    params = (struct cache_params){.name = "odd", .size = PTRDIFF_MAX};
    assert_int_equal(allocator_cache_create(scene, &params, &cache, &error), -EINVAL);
    scene_close();
}

static void a_retry_reclaims_what_rests_in_empty_slabs(void **state)
{
    enum { N = 400 };
    struct binding_of_cache binding;
    struct request request = {.size = 1 << 17, .node = -1};
    struct cache *hoard;
    void *objects[N], *object;

    (void)state;
    scene_open(1, 2 << 20, "bufctl", NULL);
    hoard = scene_cache(4096, 8);
    scene_alloc_all(hoard, N, objects);
    scene_free_all(hoard, N, objects);
    binding = bind(1 << 17, 0);
    assert_null(binding.alloc(binding.cache, &request));
    object = allocator_retry(scene, &binding, &request);
    assert_non_null(object);
    binding.free(binding.cache, object);
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_power_of_two_that_fits_serves),
        cmocka_unit_test(size_zero_is_served_as_size_one),
        cmocka_unit_test(a_size_is_bound_to_one_cache_however_often),
        cmocka_unit_test(nobodys_sizes_hold_no_memory),
        cmocka_unit_test(an_alignment_above_the_size_is_served_by_the_cache_of_that_size),
        cmocka_unit_test(general_objects_are_naturally_aligned_up_to_a_page),
        cmocka_unit_test(beyond_the_largest_cache_whole_pages_serve),
        cmocka_unit_test(an_alignment_that_is_none_is_refused),
        cmocka_unit_test(a_general_cache_that_was_destroyed_is_made_again),
        cmocka_unit_test(bad_caches_are_refused_before_the_design_sees_them),
        cmocka_unit_test(a_retry_reclaims_what_rests_in_empty_slabs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
