/* SPDX-License-Identifier: MIT */
/*
 * The debug layer, under each design that it can stand before: what it finds at every byte, what it
 * leaves alone, and that it is not there when it is off. That objects are objects all the same is
 * test_conformance.c's.
 */
#include "sim/machine.h"
#include "sim/page.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ZONE = 16, OBJECTS = 200 };

static void *objects[OBJECTS];

static void open_debug(const char *design)
{
    scene_open(2, 0, design, "debug=on", NULL);
}

struct misuse {
    struct cache *cache;
    void *address;
    unsigned n;
};

static void misuse_free(void *argument)
{
    struct misuse *it = argument;

    scene_free(it->cache, it->address);
}

static void misuse_alloc(void *argument)
{
    struct misuse *it = argument;

    for (unsigned i = 0; i < it->n; i++)
        scene_alloc(it->cache);
}

static void assert_report(void (*act)(void *argument), struct cache *cache, void *address,
                          const char *fault, const char *where)
{
    struct misuse it = {cache, address, OBJECTS};

    assert_aborts(
        act, &it,
        (const char *const[]){allocator_design(scene)->name, "objects", fault, where, NULL});
}

/* ---- around an object ---- */

static void every_byte_written_beside_an_object_is_found_at_its_free(void **state)
{
    struct cache *cache;
    unsigned char *object;

    open_debug(*state);
    cache = scene_cache(61, 8);
    object = scene_alloc(cache);
    memset(object, 7, 61);
    for (int i = -ZONE; i < 61 + ZONE; i++) {
        char where[32];

        if (i == 0)
            i = 61;
        snprintf(where, sizeof where, "offset %d, holds", i);
        object[i] ^= 0x10;
        assert_report(misuse_free, cache, object,
                      i < 0 ? "write before the object" : "write past the end", where);
        object[i] ^= 0x10;
    }
    scene_free(cache, object);
    scene_close();
}

static void a_header_that_was_written_over_is_found(void **state)
{
    struct cache *cache;
    unsigned char *object;

    open_debug(*state);
    cache = scene_cache(64, 8);
    object = scene_alloc(cache);
    for (int i = -64; i < -40; i++) { /* state, cache, object */
        object[i] ^= 1;
        assert_report(misuse_free, cache, object, "header", "");
        object[i] ^= 1;
    }
    scene_free(cache, object);
    scene_close();
}

/* Such as an empty list's head, where the header comes to name that. */
static void what_points_to_itself_is_no_cache(void **state)
{
    struct cache *cache;
    unsigned char *object;
    void **head, *own;

    open_debug(*state);
    cache = scene_cache(64, 8);
    object = scene_alloc(cache);
    head = boot_alloc(CACHE_LINE, PAGE_ANY_NODE);
    *head = head;
    memcpy(&own, object - 56, sizeof own);
    assert_ptr_equal(own, cache);
    memcpy(object - 56, &head, sizeof head);
    assert_report(misuse_free, cache, object, "header", "");
    memcpy(object - 56, &own, sizeof own);
    boot_free(head, CACHE_LINE);
    scene_free(cache, object);
    scene_close();
}

static void an_untyped_object_ends_where_what_was_asked_for_does(void **state)
{
    static const size_t sizes[] = {1, 33, 100, 1000, 70000};

    open_debug(*state);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct request request = {.size = sizes[i], .node = -1};
        struct binding_of_cache binding;
        struct misuse it;
        unsigned char *object;

        assert_int_equal(allocator_bind_size(scene, sizes[i], 8, &binding, NULL), 0);
        object = binding.alloc(binding.cache, &request);
        memset(object, 0, sizes[i]);
        object[sizes[i]] = 0;
        it = (struct misuse){binding.cache, object, 0};
        assert_aborts(misuse_free, &it,
                      (const char *const[]){"general-", "write past the end", NULL});
        object[sizes[i]] = 0xcc;
        binding.free(binding.cache, object);
    }
    scene_close();
}

/* ---- frees ---- */

static void what_is_no_live_object_of_the_cache_cannot_be_freed(void **state)
{
    const struct cache_params params = {.name = "theirs", .size = 64};
    struct cache *cache, *other;
    unsigned char *object, *theirs, *page;

    open_debug(*state);
    cache = scene_cache(64, 8);
    other = scene_cache_of(&params);
    object = scene_alloc(cache);
    theirs = scene_alloc(other);
    page = page_alloc(0, PAGE_ANY_NODE);
    memset(page, 0, PAGE_SIZE);

    assert_report(misuse_free, cache, NULL, "bad free", "it is NULL");
    assert_report(misuse_free, cache, objects, "bad free", "not in the arena");
    assert_report(misuse_free, cache, page, "bad free", "no object of this cache");
    assert_report(misuse_free, cache, page + 1024, "bad free", "no object of this cache");
    assert_report(misuse_free, cache, theirs, "bad free", "it belongs to cache 'theirs'");
    assert_report(misuse_free, cache, object + 1, "it is inside of", "offset 1");
    assert_report(misuse_free, cache, object + 8, "it is inside of", "offset 8");
    assert_report(misuse_free, cache, object + 63, "it is inside of", "offset 63");

    page_free(page, 0);
    scene_free(cache, object);
    scene_free(other, theirs);
    assert_report(misuse_free, cache, object, "double free", "freed by CPU 0");
    scene_close();
}

static void a_double_free_is_found_on_another_cpu_and_when_the_slab_has_gone(void **state)
{
    struct cache *cache;

    open_debug(*state);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, OBJECTS, objects);
    scene_free(cache, objects[50]);
    fixture_become(1);
    assert_report(misuse_free, cache, objects[50], "double free", "freed by CPU 0");
    scene_free(cache, objects[51]);
    fixture_become(0);
    assert_report(misuse_free, cache, objects[51], "double free", "freed by CPU 1");
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (i != 50 && i != 51)
            scene_free(cache, objects[i]);
    }
    allocator_reclaim(scene, 2);
    assert_report(misuse_free, cache, objects[50], "", "");
    scene_close();
}

/* ---- free objects ---- */

static void a_write_to_a_free_object_is_found_at_every_byte(void **state)
{
    struct cache *cache;
    unsigned char *object;

    open_debug(*state);
    cache = scene_cache(61, 8);
    object = scene_alloc(cache);
    scene_free(cache, object);
    for (int i = -ZONE; i < 61 + ZONE; i += 7) {
        char where[32];

        snprintf(where, sizeof where, "offset %d, holds", i);
        object[i] ^= 0x10;
        assert_report(misuse_alloc, cache, NULL, "write after free", where);
        object[i] ^= 0x10;
    }
    scene_close();
}

static void reclaim_now(void *argument)
{
    (void)argument;
    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS; level++)
        allocator_reclaim(scene, level);
}

static void a_write_to_a_free_object_is_found_when_its_slab_goes(void **state)
{
    struct cache *cache;
    unsigned char *object;

    open_debug(*state);
    cache = scene_cache(64, 8);
    object = scene_alloc(cache);
    scene_free(cache, object);
    object[20] ^= 0x10;
    assert_aborts(reclaim_now, NULL, (const char *const[]){"write after free", "offset 20", NULL});
    object[20] ^= 0x10;
    scene_close();
}

/* A fresh object is not what the last owner left. */
static void an_object_is_handed_out_full_of_a_pattern(void **state)
{
    struct cache *cache;
    unsigned char *object;

    open_debug(*state);
    cache = scene_cache(64, 64);
    for (unsigned round = 0; round < 2; round++) {
        object = scene_alloc(cache);
        assert_int_equal((uintptr_t)object % 64, 0);
        for (unsigned i = 0; i < 64; i++)
            assert_int_equal(object[i], 0x5a);
        scene_free(cache, object);
    }
    scene_close();
}

static int construct(void *object, size_t size, void *context)
{
    (void)context;
    memset(object, 0x77, size);
    return 0;
}

static void content_that_has_to_stay_does_and_its_zones_are_watched(void **state)
{
    const struct cache_params params[] = {{.name = "objects", .size = 60, .construct = construct},
                                          {.name = "objects", .size = 60, .flags = CACHE_RCU},
                                          {.name = "objects", .size = 60, .flags = CACHE_NO_TOUCH}};

    for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
        struct cache *cache;
        unsigned char *object, *again;

        open_debug(*state);
        cache = scene_cache_of(&params[i]);
        object = scene_alloc(cache);
        memset(object, 0x77, 60);
        again = scene_alloc(cache); /* so that the slab stays */
        scene_free(cache, object);
        object[60] ^= 1;
        assert_report(misuse_alloc, cache, NULL, "write after free", "offset 60");
        object[60] ^= 1;
        for (unsigned j = 0; j < 60; j++)
            assert_int_equal(object[j], 0x77);
        object[3] = 0x78; /* readers' or the constructor's business */
        object[3] = 0x77;
        memset(again, 0x77, 60);
        scene_free(cache, again);
        assert_report(misuse_free, cache, again, "", "");
        scene_close();
    }
}

/* ---- bulk, requests, caches ---- */

static void misuse_bulk(void *argument)
{
    struct misuse *it = argument;
    struct binding_of_cache binding;

    allocator_bind_cache(scene, it->cache, &binding);
    allocator_free_bulk(&binding, it->n, objects);
}

static void a_bulk_is_checked_object_by_object(void **state)
{
    struct cache *cache;
    void *last;
    struct misuse it;

    open_debug(*state);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, OBJECTS, objects);
    it = (struct misuse){cache, NULL, OBJECTS};
    last = objects[OBJECTS - 1];
    objects[OBJECTS - 1] = objects[70];
    assert_aborts(misuse_bulk, &it, (const char *const[]){"double free", NULL});
    objects[OBJECTS - 1] = last;
    misuse_bulk(&it);
    scene_close();
}

static void misuse_request(void *argument)
{
    struct misuse *it = argument;

    allocator_design(scene)->alloc(it->cache, it->address);
}

static void a_request_that_makes_no_sense_is_refused(void **state)
{
    struct request requests[] = {
        {.node = -1, .flags = 1 << 9}, {.node = 7}, {.node = -1, .size = 65}};
    struct cache *cache;

    open_debug(*state);
    cache = scene_cache(64, 8);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        struct misuse it = {cache, &requests[i], 0};

        assert_aborts(misuse_request, &it, (const char *const[]){"bad request", NULL});
    }
    scene_close();
}

static void a_cache_that_was_destroyed_serves_nobody(void **state)
{
    struct cache *cache;
    struct misuse it;

    open_debug(*state);
    cache = scene_cache(64, 8);
    scene_cache_destroy(cache);
    it = (struct misuse){cache, objects, 1};
    assert_aborts(misuse_alloc, &it, (const char *const[]){"was destroyed", NULL});
    assert_aborts(misuse_free, &it, (const char *const[]){"was destroyed", NULL});
    scene_close();
}

static struct binding_of_cache pages_binding;

static void misuse_pages(void *argument)
{
    pages_binding.free(pages_binding.cache, argument);
}

static void assert_pages_refused(void *address)
{
    assert_aborts(misuse_pages, address,
                  (const char *const[]){"whole pages", "bad free", "begins there", NULL});
}

static void whole_pages_are_freed_once_where_they_begin_and_in_their_size(void **state)
{
    const struct request request = {.size = 1 << 20, .node = -1};
    struct binding_of_cache binding;
    char *pages;

    open_debug(*state);
    assert_int_equal(allocator_bind_size(scene, 1 << 20, 8, &binding, NULL), 0);
    pages = binding.alloc(binding.cache, &request);
    pages_binding = binding;
    assert_pages_refused(pages + PAGE_SIZE);
    assert_pages_refused(objects);
    assert_int_equal(allocator_bind_size(scene, 1 << 19, 8, &pages_binding, NULL), 0);
    assert_pages_refused(pages);
    pages_binding = binding;
    binding.free(binding.cache, pages);
    assert_pages_refused(pages);
    scene_close();
}

/* ---- off ---- */

static void off_callers_are_bound_to_the_design_itself(void **state)
{
    size_t count;
    const struct allocator *const *designs = allocator_all(&count);
    struct binding_of_cache binding;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(designs[i]->name, *state) != 0)
            continue;
        scene_open(1, 0, *state, NULL);
        allocator_bind_cache(scene, scene_cache(64, 8), &binding);
        assert_ptr_equal(binding.alloc, designs[i]->alloc);
        assert_ptr_equal(binding.free, designs[i]->free);
        scene_close();
        open_debug(*state);
        allocator_bind_cache(scene, scene_cache(64, 8), &binding);
        assert_ptr_not_equal(binding.alloc, designs[i]->alloc);
        scene_close();
    }
}

/* ---- spl's other ways ---- */

static void objects_of_spl_that_would_pass_through_are_checked_too(void **state)
{
    struct cache *cache;
    unsigned char *object;

    (void)state;
    scene_open(1, 0, "spl", "debug=on", "slab_limit=16384", NULL);
    cache = scene_cache(64, 8);
    object = scene_alloc(cache);
    scene_free(cache, object);
    assert_report(misuse_free, cache, object, "double free", "");
    scene_close();
}

static void an_emergency_object_of_spl_is_checked_too(void **state)
{
    const struct request request = {.node = -1, .flags = REQUEST_NO_WAIT};
    struct cache *cache;
    unsigned char *object;

    (void)state;
    scene_open(1, 0, "spl", "debug=on", NULL);
    cache = scene_cache(64, 8);
    object = allocator_design(scene)->alloc(cache, &request);
    assert_non_null(object);
    assert_count(cache, "emergency", 1);
    object[64] ^= 1;
    assert_report(misuse_free, cache, object, "write past the end", "offset 64");
    object[64] ^= 1;
    scene_free(cache, object);
    scene_close();
}

/* ---- all of them, under each design ---- */

static const struct {
    const char *fact;
    CMUnitTestFunction test;
} facts[] = {
    {"every byte written beside an object is found at its free",
     every_byte_written_beside_an_object_is_found_at_its_free},
    {"a header that was written over is found", a_header_that_was_written_over_is_found},
    {"what points to itself is no cache", what_points_to_itself_is_no_cache},
    {"an untyped object ends where what was asked for does",
     an_untyped_object_ends_where_what_was_asked_for_does},
    {"what is no live object of the cache cannot be freed",
     what_is_no_live_object_of_the_cache_cannot_be_freed},
    {"a double free is found on another cpu and when the slab has gone",
     a_double_free_is_found_on_another_cpu_and_when_the_slab_has_gone},
    {"a write to a free object is found at every byte",
     a_write_to_a_free_object_is_found_at_every_byte},
    {"a write to a free object is found when its slab goes",
     a_write_to_a_free_object_is_found_when_its_slab_goes},
    {"an object is handed out full of a pattern", an_object_is_handed_out_full_of_a_pattern},
    {"content that has to stay does and its zones are watched",
     content_that_has_to_stay_does_and_its_zones_are_watched},
    {"a bulk is checked object by object", a_bulk_is_checked_object_by_object},
    {"a request that makes no sense is refused", a_request_that_makes_no_sense_is_refused},
    {"a cache that was destroyed serves nobody", a_cache_that_was_destroyed_serves_nobody},
    {"whole pages are freed once where they begin and in their size",
     whole_pages_are_freed_once_where_they_begin_and_in_their_size},
    {"off callers are bound to the design itself", off_callers_are_bound_to_the_design_itself},
};
#define FACTS (sizeof facts / sizeof facts[0])

int main(void)
{
    size_t nr_designs, n = 0;
    const struct allocator *const *designs = allocator_all(&nr_designs);
    struct CMUnitTest *tests = calloc(nr_designs * FACTS + 2, sizeof *tests);
    int failed;

    for (size_t i = 0; i < nr_designs * FACTS; i++) {
        const struct allocator *design = designs[i / FACTS];
        char *name;

        if (!design->tells_buffers)
            continue;
        if (asprintf(&name, "%s: %s", design->name, facts[i % FACTS].fact) < 0)
            abort();
        tests[n++] = (struct CMUnitTest){.name = name,
                                         .test_func = facts[i % FACTS].test,
                                         .initial_state = (void *)(uintptr_t)design->name};
    }
    tests[n] =
        (struct CMUnitTest)cmocka_unit_test(objects_of_spl_that_would_pass_through_are_checked_too);
    tests[n + 1] = (struct CMUnitTest)cmocka_unit_test(an_emergency_object_of_spl_is_checked_too);
    failed = _cmocka_run_group_tests("debug", tests, n + 2, NULL, NULL);
    while (n)
        free((void *)(uintptr_t)tests[--n].name);
    free(tests);
    return failed;
}
