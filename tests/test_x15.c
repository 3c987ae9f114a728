/* SPDX-License-Identifier: MIT */
/*
 * The known answers of design x15: CPU pools, constructors, options. Where a scenario has several
 * CPUs, mostly one thread plays them.
 */
#include "allocators/x15.h"
#include "tests/scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY      2000
#define open_it() scene_open(1, 0, "x15", NULL)

static void *objects[MANY];

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

/* ---- the scenario of the design ---- */

static void a_pool_is_built_by_the_first_free_and_filled_by_half(void **state)
{
    struct cache *cache;
    void *object;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    assert_count(cache, "objects_per_slab", 63);
    assert_count(cache, "slack", 24);
    assert_count(cache, "pool_size", 128);
    assert_count(cache, "transfer_size", 64);

    object = scene_alloc(cache);
    assert_count(cache, "slab_allocs", 1);
    assert_count(cache, "pool_arrays", 0);
    assert_count(cache, "pool_allocs", 0);

    scene_free(cache, object);
    assert_count(cache, "pool_arrays", 1);
    assert_count(cache, "pool_objects", 1);
    assert_count(cache, "live", 1);

    objects[0] = scene_alloc(cache);
    assert_ptr_equal(objects[0], object);
    assert_count(cache, "pool_objects", 0);
    assert_count(cache, "pool_allocs", 1);
    assert_count(cache, "slab_allocs", 1);

    /* The 62 left in the slab: the fill stops early, and does not grow. */
    objects[1] = scene_alloc(cache);
    assert_count(cache, "pool_objects", 61);
    assert_count(cache, "slab_allocs", 63);
    assert_count(cache, "pool_fills", 1);
    assert_count(cache, "slab_grows", 1);
    assert_slabs(cache, 1, 0, 0);
    scene_free_all(cache, 2, objects);
    scene_close();
}

static void a_fill_that_finds_nothing_grows_the_cache_and_tries_again(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 63, objects);
    scene_free(cache, objects[62]);
    objects[62] = scene_alloc(cache);
    assert_slabs(cache, 1, 0, 0);

    objects[63] = scene_alloc(cache); /* all 63 of the new slab, one of them for us */
    assert_count(cache, "pool_objects", 62);
    assert_count(cache, "pool_fills", 1);
    assert_count(cache, "slab_grows", 2);
    assert_slabs(cache, 2, 0, 0);
    scene_free_all(cache, 64, objects);
    scene_close();
}

/* 253 objects of one slab, 129 of them freed: the last finds the pool full. */
static void a_full_pool_drains_half_of_it_newest_first(void **state)
{
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(16, 8);
    assert_count(cache, "objects_per_slab", 253);
    scene_alloc_all(cache, 253, objects);
    scene_free_all(cache, 128, objects);
    assert_count(cache, "pool_objects", 128);
    assert_count(cache, "pool_drains", 0);
    assert_slabs(cache, 1, 0, 0);

    scene_free(cache, objects[128]);
    assert_count(cache, "pool_drains", 1);
    assert_count(cache, "pool_objects", 65);
    assert_count(cache, "live", 253 - 64);
    assert_slabs(cache, 0, 1, 0);
    /* Drained from 127 down to 64, so 64 lies on top. */
    for (unsigned i = 64; i < 128; i++)
        assert_ptr_equal(take(cache), objects[i]);
    for (unsigned i = 64; i < 128; i++)
        x15_slabs_return(cache, objects[i]);
    assert_ptr_equal(scene_alloc(cache), objects[128]);
    assert_ptr_equal(scene_alloc(cache), objects[63]);
    scene_free(cache, objects[63]);
    scene_free_all(cache, 253 - 128, objects + 128);
    scene_close();
}

static void pools_have_the_sizes_of_the_table(void **state)
{
    static const struct {
        size_t bytes;
        unsigned size, transfer;
    } rows[] = {{8, 128, 64}, {256, 128, 64}, {257, 64, 32}, {4096, 64, 32},
                {4097, 8, 4}, {32768, 8, 4},  {32769, 1, 1}, {1 << 17, 1, 1}};

    (void)state;
    open_it();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct cache *cache = scene_cache(rows[i].bytes, 8);

        assert_count(cache, "pool_size", rows[i].size);
        assert_count(cache, "transfer_size", rows[i].transfer);
    }
    scene_close();
}

static void each_type_of_pool_has_arrays_of_its_own(void **state)
{
    struct cache *small, *large, *alike;

    (void)state;
    open_it();
    small = scene_cache(64, 8);
    alike = scene_cache(200, 8);
    large = scene_cache(40000, 8);
    assert_ptr_equal(small->pool_type->arrays, alike->pool_type->arrays);
    assert_ptr_not_equal(small->pool_type->arrays, large->pool_type->arrays);
    scene_free(small, scene_alloc(small));
    scene_free(alike, scene_alloc(alike));
    assert_count(small->pool_type->arrays, "live", 2);
    assert_count(small->pool_type->arrays, "object_bytes", 128 * sizeof(void *));
    assert_count(large->pool_type->arrays, "live", 0);
    scene_cache_destroy(small);
    assert_count(alike->pool_type->arrays, "live", 1);
    scene_close();
}

/* ---- short of memory ---- */

/* Holds every page that is left. */
static unsigned hoard_pages(void **pages, unsigned most)
{
    unsigned n = 0;

    while (n < most && (pages[n] = page_alloc(0, PAGE_ANY_NODE)))
        n++;
    return n;
}

static void a_free_without_memory_for_an_array_goes_to_the_slab(void **state)
{
    enum { PAGES = 64 };
    static void *pages[PAGES];
    struct cache *cache;
    unsigned nr_pages;

    (void)state;
    scene_open(1, PAGES * PAGE_SIZE, "x15", NULL);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 63, objects);
    nr_pages = hoard_pages(pages, PAGES);
    scene_free(cache, objects[0]);
    assert_count(cache, "pool_arrays", 0);
    assert_count(cache, "live", 62);
    assert_ptr_equal(scene_alloc(cache), objects[0]);
    assert_null(scene_alloc(cache));

    while (nr_pages)
        page_free(pages[--nr_pages], 0);
    scene_free(cache, objects[0]);
    assert_count(cache, "pool_arrays", 1);
    assert_count(cache, "live", 63);
    scene_free_all(cache, 62, objects + 1);
    scene_close();
}

static void a_pool_that_another_thread_built_meanwhile_is_kept(void **state)
{
    struct cache *cache, *arrays;
    struct x15_pool *pool;
    void **array;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_free(cache, scene_alloc(cache));
    pool = &cache->pools[0];
    array = pool->array;
    arrays = cache->pool_type->arrays;
    assert_count(arrays, "pool_objects", 0);

    lock_acquire(&pool->lock);
    assert_true(x15_pool_build(cache, pool)); /* as by a thread that found none a moment ago */
    lock_release(&pool->lock);
    assert_ptr_equal(pool->array, array);
    assert_count(cache, "pool_objects", 1);
    assert_count(arrays, "pool_objects", 1); /* given back */
    assert_count(arrays, "live", 2);         /* that one, and the pool's */
    scene_close();
}

static unsigned alloc_all_there_are(struct cache *cache)
{
    unsigned n = 0;

    while (n < MANY && (objects[n] = scene_alloc(cache)))
        n++;
    assert_true(n < MANY);
    return n;
}

static void all_that_was_allocated_before_the_limit_is_there_again(void **state)
{
    struct cache *cache;
    unsigned first;

    (void)state;
    scene_open(1, 128 * PAGE_SIZE, "x15", NULL);
    cache = scene_cache(1000, 8);
    first = alloc_all_there_are(cache);
    assert_true(first > 4 * 100);
    assert_count(cache, "live", first);
    scene_free_all(cache, first, objects);
    assert_int_equal(alloc_all_there_are(cache), first);
    scene_free_all(cache, first, objects);
    scene_close();
}

/* ---- constructors ---- */

struct tally {
    int constructed, locked, left;
    bool limited; /* fail when none is left */
};

static int construct(void *object, size_t size, void *context)
{
    struct tally *tally = context;

    if (tally->limited && tally->left == 0)
        return -1;
    tally->left -= tally->limited;
    tally->constructed++;
    tally->locked += lock_any_held();
    memset(object, 0x5a, size);
    return 0;
}

static void destruct(void *object, size_t size, void *context)
{
    (void)object;
    (void)size;
    (void)context;
    fail_msg("x15 has no destructors");
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

/* Only checked builds know whether a lock is held. */
static bool locks_are_counted(struct cache *cache)
{
    bool held;

    lock_acquire(&cache->lock);
    held = lock_any_held();
    lock_release(&cache->lock);
    return held;
}

static void a_fill_constructs_under_the_cache_lock_and_a_lone_allocation_does_not(void **state)
{
    struct tally tally = {0};
    struct cache *cache;

    (void)state;
    open_it();
    cache = built_cache(&tally);
    objects[0] = scene_alloc(cache);
    assert_int_equal(tally.constructed, 1);
    assert_int_equal(tally.locked, 0);
    scene_free(cache, objects[0]);
    scene_alloc_all(cache, 2, objects);
    assert_int_equal(tally.constructed, 63);
    assert_int_equal(tally.locked, locks_are_counted(cache) ? 62 : 0);
    scene_free_all(cache, 2, objects);
    scene_close();
}

static void objects_rest_constructed_in_pools_and_raw_in_slabs(void **state)
{
    struct tally tally = {0};
    struct cache *cache;

    (void)state;
    open_it();
    cache = built_cache(&tally);
    scene_alloc_all(cache, 63, objects);
    assert_int_equal(tally.constructed, 63);
    for (int i = 0; i < 10; i++) {
        scene_free_all(cache, 63, objects);
        scene_alloc_all(cache, 63, objects);
    }
    assert_int_equal(tally.constructed, 63);
    x15_slabs_return(cache, objects[0]);
    objects[0] = scene_alloc(cache);
    assert_int_equal(tally.constructed, 64);
    assert_int_equal(((unsigned char *)objects[0])[63], 0x5a);
    scene_free_all(cache, 63, objects);
    scene_close();
}

static void an_object_that_cannot_be_constructed_goes_back_to_the_slab(void **state)
{
    struct tally tally = {.limited = true};
    struct cache *cache;

    (void)state;
    open_it();
    cache = built_cache(&tally);
    assert_null(scene_alloc(cache));
    assert_count(cache, "live", 0);

    tally.limited = false;
    objects[0] = scene_alloc(cache);
    scene_free(cache, objects[0]);
    objects[0] = scene_alloc(cache);

    /* A fill ends there: what it has rests in the pool, for those that ask next. */
    tally.limited = true;
    tally.left = 10;
    assert_null(scene_alloc(cache));
    assert_count(cache, "pool_objects", 10);
    assert_count(cache, "live", 11);
    scene_alloc_all(cache, 10, objects + 1);
    scene_free_all(cache, 11, objects);
    scene_close();
}

/* ---- bulk ---- */

static void a_bulk_is_served_a_fill_at_a_time(void **state)
{
    const struct request request = {.size = 64, .node = -1};
    struct binding_of_cache binding;
    struct cache *cache;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    allocator_bind_cache(scene, cache, &binding);
    assert_int_equal(allocator_alloc_bulk(&binding, &request, 200, objects), 200);
    assert_count(cache, "slab_allocs", 200); /* no array, so one by one */
    assert_count(cache, "pool_fills", 0);
    allocator_free_bulk(&binding, 200, objects);
    assert_count(cache, "pool_drains", 2); /* at 128, and 64 later */
    assert_count(cache, "pool_objects", 72);
    assert_int_equal(allocator_alloc_bulk(&binding, &request, 200, objects), 200);
    assert_count(cache, "slab_grows", 4);
    assert_count(cache, "pool_fills", 2);
    assert_count(cache, "pool_objects", 0);
    allocator_free_bulk(&binding, 200, objects);
    scene_close();
}

static void a_bulk_without_memory_returns_what_there_is(void **state)
{
    const struct request request = {.size = 1000, .node = -1};
    struct binding_of_cache binding;
    unsigned n;

    (void)state;
    scene_open(1, 64 * PAGE_SIZE, "x15", NULL);
    allocator_bind_cache(scene, scene_cache(1000, 8), &binding);
    n = allocator_alloc_bulk(&binding, &request, MANY, objects);
    assert_in_range(n, 200, 256);
    allocator_free_bulk(&binding, n, objects);
    assert_int_equal(allocator_alloc_bulk(&binding, &request, MANY, objects), n);
    allocator_free_bulk(&binding, n, objects);
    scene_close();
}

static void a_bulk_ends_where_construction_fails(void **state)
{
    const struct request request = {.size = 64, .node = -1};
    struct tally tally = {0};
    struct binding_of_cache binding;
    struct cache *cache;

    (void)state;
    open_it();
    cache = built_cache(&tally);
    allocator_bind_cache(scene, cache, &binding);
    scene_free(cache, scene_alloc(cache)); /* 1 in the pool, and room for more */
    tally.limited = true;
    tally.left = 5;
    assert_int_equal(allocator_alloc_bulk(&binding, &request, 100, objects), 1);
    assert_int_equal(allocator_alloc_bulk(&binding, &request, 5, objects + 1), 5);
    allocator_free_bulk(&binding, 6, objects);
    scene_close();
}

/* ---- several CPUs ---- */

static void a_producer_and_a_consumer_meet_in_the_slabs_every_64_objects(void **state)
{
    enum { OBJECTS = 6400 };
    uint64_t grows, drains, fills;
    struct cache *cache;

    (void)state;
    scene_open(2, 0, "x15", NULL);
    cache = scene_cache(64, 8);
    scene_free(cache, scene_alloc(cache)); /* CPU 0 has a pool */
    scene_pass_on(cache, 1280);
    grows = scene_count(cache, "slab_grows");
    drains = scene_count(cache, "pool_drains");
    fills = scene_count(cache, "pool_fills");
    scene_pass_on(cache, OBJECTS);
    assert_count(cache, "slab_grows", grows);
    assert_count(cache, "pool_drains", drains + OBJECTS / 64);
    assert_count(cache, "pool_fills", fills + OBJECTS / 64);
    scene_close();
}

static void a_cpu_that_never_frees_has_no_pool(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(2, 0, "x15", NULL);
    cache = scene_cache(64, 8);
    scene_pass_on(cache, 1000);
    assert_count(cache, "pool_arrays", 1);
    assert_count(cache, "pool_fills", 0);
    assert_count(cache, "slab_allocs", 1000);
    assert_null(cache->pools[0].array);
    scene_close();
}

struct traffic {
    struct cache *caches[3];
    _Atomic(void *) slots[256];
};

/* Each CPU puts new objects where all may fetch them, and frees what lay there. */
static void drive(unsigned cpu, void *argument)
{
    static const size_t sizes[] = {24, 600, 9000};
    struct traffic *traffic = argument;
    uint64_t random = cpu + 1;

    /* Verification goes through all of an object, which takes the virtual machine its time. */
    for (int step = 0; step < (fixture_is_native() ? 20000 : 4000); step++) {
        struct cache **kind;
        unsigned char *object;

        random = random * 6364136223846793005u + 1442695040888963407u;
        kind = &traffic->caches[(random >> 33) % 3];
        object = scene_alloc(*kind);
        if (!object)
            abort();
        memset(object, (int)cpu, sizes[kind - traffic->caches]);
        memcpy(object, &kind, sizeof kind);
        object = atomic_exchange(&traffic->slots[(random >> 40) % 256], object);
        if (object) {
            memcpy(&kind, object, sizeof kind);
            scene_free(*kind, object);
        }
        fixture_safe_point();
    }
}

static void drive_all(const char *verify)
{
    static struct traffic traffic;

    memset(&traffic, 0, sizeof traffic);
    scene_open(4, 0, "x15", verify, NULL);
    traffic.caches[0] = scene_cache(24, 8);
    traffic.caches[1] = scene_cache(600, 8);
    traffic.caches[2] = scene_cache(9000, 8);
    fixture_run(drive, &traffic);
    for (unsigned i = 0; i < 256; i++) {
        void *object = traffic.slots[i];
        struct cache **kind;

        if (object) {
            memcpy(&kind, object, sizeof kind);
            scene_free(*kind, object);
        }
    }
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(scene_count(traffic.caches[i], "live"),
                         scene_count(traffic.caches[i], "pool_objects"));
    scene_close();
}

static void threads_pass_objects_to_each_other(void **state)
{
    (void)state;
    drive_all("verify=off");
}

static void threads_that_keep_the_rules_pass_verification(void **state)
{
    (void)state;
    drive_all("verify=on");
}

/* ---- destruction ---- */

static void a_cache_with_live_objects_is_left_as_it_was(void **state)
{
    struct cache *cache;
    struct error error;

    (void)state;
    open_it();
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 5, objects);
    scene_free_all(cache, 2, objects);
    assert_int_equal(allocator_cache_destroy(scene, cache, &error), -EBUSY);
    assert_non_null(strstr(error.text, "cache 'objects'"));
    assert_non_null(strstr(error.text, "3 of its objects are live"));
    assert_count(cache, "pool_objects", 2);
    assert_ptr_equal(scene_alloc(cache), objects[1]);
    scene_free_all(cache, 4, objects + 1);
    scene_close();
}

/* ---- general caches ---- */

static struct binding_of_cache bind_size(size_t size)
{
    struct binding_of_cache binding;
    struct error error;

    if (allocator_bind_size(scene, size, 8, &binding, &error) != 0)
        fail_msg("%s", error.text);
    return binding;
}

static void general_caches_are_13_from_32_bytes_to_128_kib(void **state)
{
    struct cache *last = NULL;
    struct binding_of_cache beyond;
    unsigned caches = 0;

    (void)state;
    open_it();
    for (size_t size = 1; size <= 1 << 17; size += 1 + size / 3) {
        struct cache *cache = bind_size(size).cache;
        size_t bytes = scene_count(cache, "object_bytes");

        assert_true(bytes >= size && (bytes == 32 || bytes / 2 < size));
        caches += cache != last;
        last = cache;
    }
    caches += bind_size(1 << 17).cache != last;
    assert_int_equal(caches, 13);
    beyond = bind_size((1 << 17) + 1);
    assert_ptr_not_equal(beyond.alloc, allocator_design(scene)->alloc);
    scene_close();
}

/* ---- options ---- */

static void pools_of_one_buffer_work(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "x15", "magazine_size=1", "transfer_ratio=65536", NULL);
    cache = scene_cache(64, 8);
    assert_count(cache, "pool_size", 1);
    assert_count(cache, "transfer_size", 1);
    for (int i = 0; i < 3; i++) {
        scene_alloc_all(cache, 100, objects);
        scene_free_all(cache, 100, objects);
    }
    assert_count(cache, "pool_objects", 1);
    assert_count(cache, "slab_grows", 2);
    assert_count(cache, "pool_drains", 3 * 99);
    assert_count(cache, "pool_fills", 2 * 99);
    scene_close();
}

static void pools_of_65536_buffers_take_all_and_give_all_back(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(2, 0, "x15", "magazine_size=65536", "transfer_ratio=1", NULL);
    cache = scene_cache(40000, 8);
    assert_count(cache, "transfer_size", 65536);
    assert_count(cache->pool_type->arrays, "object_bytes", 65536 * sizeof(void *));
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        fixture_become(cpu);
        scene_alloc_all(cache, 100, objects);
        scene_free_all(cache, 100, objects);
    }
    assert_count(cache, "pool_objects", 200);
    assert_count(cache, "pool_drains", 0);
    fixture_become(0);
    scene_close();
}

static void a_transfer_is_rounded_up_and_a_ratio_of_one_moves_all(void **state)
{
    (void)state;
    scene_open(1, 0, "x15", "magazine_size=5", NULL);
    assert_count(scene_cache(64, 8), "transfer_size", 3);
    assert_count(scene_cache(100000, 8), "pool_size", 5);
    scene_close();

    scene_open(1, 0, "x15", "transfer_ratio=1", NULL);
    struct cache *cache = scene_cache(16, 8);

    assert_count(cache, "transfer_size", 128);
    scene_alloc_all(cache, 129, objects);
    scene_free_all(cache, 129, objects);
    assert_count(cache, "pool_objects", 1);
    scene_alloc_all(cache, 2, objects);
    assert_count(cache, "pool_objects", 127);
    scene_free_all(cache, 2, objects);
    scene_close();
}

static void a_magazine_size_sets_the_pool_within_its_limits(void **state)
{
    struct error error;
    char text[32];

    (void)state;
    fixture_start(1, 0);
    assert_int_equal(allocator_create("x15", &scene, &error), 0);
    assert_string_equal(allocator_get(scene, "magazine_size", text, sizeof text), "0");
    assert_int_equal(allocator_set_magazine_size(scene, 0, &error), -ERANGE);
    assert_int_equal(allocator_set_magazine_size(scene, 65537, &error), -ERANGE);
    assert_non_null(strstr(error.text, "65537 buffers; it can have 1 to 65536"));
    assert_int_equal(allocator_set_magazine_size(scene, 65536, &error), 0);
    assert_int_equal(allocator_set_magazine_size(scene, 16, &error), 0);
    assert_string_equal(allocator_get(scene, "magazine_size", text, sizeof text), "16");
    assert_int_equal(allocator_set(scene, "magazine_size", "65537", &error), -ERANGE);
    assert_int_equal(allocator_set(scene, "transfer_ratio", "0", &error), -ERANGE);
    assert_int_equal(allocator_start(scene, &error), 0);
    assert_count(scene_cache(64, 8), "pool_size", 16);
    scene_close();
}

/* Whatever the limit: a start or a cache that fails leaves nothing behind. */
static void a_start_that_fails_half_way_gives_all_back(void **state)
{
    const struct cache_params params = {.name = "objects", .size = 1000};
    bool done = false;
    size_t failures = 0;

    (void)state;
    for (size_t pages = 1; !done; pages++) {
        struct cache *cache;
        struct error error;

        fixture_start(64, pages * PAGE_SIZE);
        assert_int_equal(allocator_create("x15", &scene, &error), 0);
        if (allocator_start(scene, &error) == 0) {
            done = allocator_cache_create(scene, &params, &cache, &error) == 0;
            assert_int_equal(allocator_stop(scene, &error), 0);
        } else {
            failures++;
        }
        allocator_destroy(scene);
        assert_int_equal(fixture_held_bytes(), 0);
        fixture_stop();
    }
    assert_true(failures >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_is_built_by_the_first_free_and_filled_by_half),
        cmocka_unit_test(a_fill_that_finds_nothing_grows_the_cache_and_tries_again),
        cmocka_unit_test(a_full_pool_drains_half_of_it_newest_first),
        cmocka_unit_test(pools_have_the_sizes_of_the_table),
        cmocka_unit_test(each_type_of_pool_has_arrays_of_its_own),
        cmocka_unit_test(a_free_without_memory_for_an_array_goes_to_the_slab),
        cmocka_unit_test(a_pool_that_another_thread_built_meanwhile_is_kept),
        cmocka_unit_test(all_that_was_allocated_before_the_limit_is_there_again),
        cmocka_unit_test(a_fill_constructs_under_the_cache_lock_and_a_lone_allocation_does_not),
        cmocka_unit_test(objects_rest_constructed_in_pools_and_raw_in_slabs),
        cmocka_unit_test(an_object_that_cannot_be_constructed_goes_back_to_the_slab),
        cmocka_unit_test(a_bulk_is_served_a_fill_at_a_time),
        cmocka_unit_test(a_bulk_without_memory_returns_what_there_is),
        cmocka_unit_test(a_bulk_ends_where_construction_fails),
        cmocka_unit_test(a_producer_and_a_consumer_meet_in_the_slabs_every_64_objects),
        cmocka_unit_test(a_cpu_that_never_frees_has_no_pool),
        cmocka_unit_test(threads_pass_objects_to_each_other),
        cmocka_unit_test(threads_that_keep_the_rules_pass_verification),
        cmocka_unit_test(a_cache_with_live_objects_is_left_as_it_was),
        cmocka_unit_test(general_caches_are_13_from_32_bytes_to_128_kib),
        cmocka_unit_test(pools_of_one_buffer_work),
        cmocka_unit_test(pools_of_65536_buffers_take_all_and_give_all_back),
        cmocka_unit_test(a_transfer_is_rounded_up_and_a_ratio_of_one_moves_all),
        cmocka_unit_test(a_magazine_size_sets_the_pool_within_its_limits),
        cmocka_unit_test(a_start_that_fails_half_way_gives_all_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
