/* SPDX-License-Identifier: MIT */
/* malloc libraries as designs: libc always, the others where they are installed. */
#include "tests/scene.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Sizes, alignments, contents, and a constructor on every allocation. */

struct tally {
    int constructed, destructed;
};

static int construct(void *object, size_t size, void *context)
{
    memset(object, 0x5a, size);
    ((struct tally *)context)->constructed++;
    return 0;
}

static void destruct(void *object, size_t size, void *context)
{
    (void)object;
    (void)size;
    ((struct tally *)context)->destructed++;
}

static void serve_sizes(void)
{
    for (size_t size = 0; size <= 1 << 24; size = size * 3 + 1) {
        for (size_t align = 8; align <= 4096; align *= 2) {
            const struct request request = {.size = size, .node = -1};
            struct binding_of_cache binding;
            struct error error;
            char *object;

            assert_int_equal(allocator_bind_size(scene, size, align, &binding, &error), 0);
            object = binding.alloc(binding.cache, &request);
            assert_non_null(object);
            assert_int_equal((uintptr_t)object % align, 0);
            memset(object, 1, size);
            binding.free(binding.cache, object);
        }
    }
}

static void serve_a_cache(void)
{
    struct tally tally = {0};
    const struct cache_params params = {.name = "built",
                                        .size = 200,
                                        .align = 64,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = &tally};
    struct cache *cache = scene_cache_of(&params);
    void *objects[100];

    for (int round = 1; round <= 2; round++) {
        scene_alloc_all(cache, 100, objects);
        assert_int_equal((uintptr_t)objects[99] % 64, 0);
        assert_int_equal(*(unsigned char *)objects[99], 0x5a);
        scene_free_all(cache, 100, objects);
        assert_int_equal(tally.constructed, 100 * round);
        assert_int_equal(tally.destructed, 100 * round);
    }
    scene_cache_destroy(cache);
}

static void libc_serves_sizes_and_caches(void **state)
{
    (void)state;
    scene_open(1, 0, "malloc:libc", NULL);
    serve_sizes();
    serve_a_cache();
    scene_close();
}

static void a_missing_library_is_named(void **state)
{
    struct allocator_instance *instance;
    struct error error;

    (void)state;
    fixture_start(1, 0);
    assert_int_equal(allocator_create("malloc:libnosuchthing.so", &instance, &error), 0);
    assert_int_equal(allocator_start(instance, &error), -ENOENT);
    assert_non_null(strstr(error.text, "libnosuchthing.so"));
    allocator_destroy(instance);
    fixture_stop();
}

static void a_library_without_a_malloc_of_its_own_is_refused(void **state)
{
    struct allocator_instance *instance;
    struct error error;

    (void)state;
    fixture_start(1, 0);
    assert_int_equal(allocator_create("malloc:libm.so.6", &instance, &error), 0);
    assert_int_equal(allocator_start(instance, &error), -EINVAL);
    assert_non_null(strstr(error.text, "of its own"));
    allocator_destroy(instance);
    fixture_stop();
}

/* What a library allocates for itself when it is opened is not for us to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libtcmalloc_minimal";
}

/* Where it is not installed the sentence names the package; where it cannot be loaded any more,
 * the environment that would help. */
static void serve_library(const char *name, const char *package)
{
    struct error error;

    fixture_start(1, 0);
    assert_int_equal(allocator_create(name, &scene, &error), 0);
    switch (allocator_start(scene, &error)) {
    case 0:
        serve_sizes();
        serve_a_cache();
        assert_int_equal(allocator_stop(scene, &error), 0);
        break;
    case -ENOENT:
        assert_non_null(strstr(error.text, package));
        print_message("%s\n", error.text);
        break;
    case -EAGAIN:
        assert_non_null(strstr(error.text, ALLOCATOR_ENVIRONMENT_VALUE));
        print_message("%s\n", error.text);
        break;
    default:
        fail_msg("%s", error.text);
    }
    allocator_destroy(scene);
    fixture_stop();
}

static void jemalloc_serves_sizes_and_caches(void **state)
{
    (void)state;
    serve_library("malloc:jemalloc", "libjemalloc2");
}

static void mimalloc_serves_sizes_and_caches(void **state)
{
    (void)state;
    serve_library("malloc:mimalloc", "libmimalloc2.0");
}

static void tcmalloc_serves_sizes_and_caches(void **state)
{
    (void)state;
    serve_library("malloc:tcmalloc", "libtcmalloc-minimal4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(libc_serves_sizes_and_caches),
        cmocka_unit_test(a_missing_library_is_named),
        cmocka_unit_test(a_library_without_a_malloc_of_its_own_is_refused),
        cmocka_unit_test(jemalloc_serves_sizes_and_caches),
        cmocka_unit_test(mimalloc_serves_sizes_and_caches),
        cmocka_unit_test(tcmalloc_serves_sizes_and_caches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
