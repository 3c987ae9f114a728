/* SPDX-License-Identifier: MIT */
/* Verify mode of design x15: what it puts around buffers, and that it finds every misuse it names.
 */
#include "allocators/x15.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void *objects[2];

static struct binding_of_cache bind_size(size_t size)
{
    struct binding_of_cache binding;
    struct error error;

    if (allocator_bind_size(scene, size, 8, &binding, &error) != 0)
        fail_msg("%s", error.text);
    return binding;
}

/* ---- what buffers look like ---- */

#define open_verified() scene_open(1, 0, "x15", "verify=on", NULL)

enum { BUFCTL_AT = 64, BUFTAG_AT = 72 }; /* of 64-byte objects */

static void verified_buffers_have_a_bufctl_and_a_buftag_behind_them(void **state)
{
    (void)state;
    open_verified();
    assert_count(scene_cache(64, 8), "object_bytes", 64 + 16);
    assert_count(scene_cache(61, 8), "object_bytes", 64 + 16);
    assert_count(scene_cache(64, 64), "object_bytes", 128);
    assert_count(scene_cache(250, 8), "pool_size", 64); /* 272 bytes now */
    scene_close();
}

static void assert_bytes(const unsigned char *bytes, unsigned n, uint64_t pattern)
{
    for (unsigned i = 0; i < n; i += 8)
        assert_memory_equal(bytes + i, &pattern, 8);
}

static void verified_buffers_hold_a_pattern_when_fresh_and_when_free(void **state)
{
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_verified();
    cache = scene_cache(61, 8);
    object = scene_alloc(cache);
    assert_bytes(object, 56, 0xbaddcafebaddcafe);
    for (unsigned i = 61; i < 64; i++)
        assert_int_equal(object[i], 0xbb);
    assert_bytes(object + BUFCTL_AT, 8, 0xfeedfacefeedface);
    /* Fresh, and not yet handed out: the one below. */
    assert_bytes(object - 80, 64, 0xdeadbeefdeadbeef);

    memset(object, 7, 61);
    scene_free(cache, object);
    assert_count(cache, "pool_objects", 1);
    assert_bytes(object, 64, 0xdeadbeefdeadbeef);
    assert_ptr_equal(scene_alloc(cache), object);
    assert_bytes(object, 56, 0xbaddcafebaddcafe);
    scene_free(cache, object);
    scene_close();
}

struct tally {
    int constructed;
    bool fail;
};

static int construct(void *object, size_t size, void *context)
{
    struct tally *tally = context;

    if (tally->fail)
        return -1;
    tally->constructed++;
    assert_false(lock_any_held());
    memset(object, 0x5a, size);
    return 0;
}

static void verified_objects_are_constructed_at_every_allocation_and_not_by_a_fill(void **state)
{
    struct tally tally = {0};
    const struct cache_params params = {
        .name = "built", .size = 64, .construct = construct, .context = &tally};
    struct cache *cache;

    (void)state;
    open_verified();
    cache = scene_cache_of(&params);
    objects[0] = scene_alloc(cache);
    for (int i = 0; i < 10; i++) {
        scene_free(cache, objects[0]);
        objects[0] = scene_alloc(cache);
    }
    assert_int_equal(tally.constructed, 11);
    objects[1] = scene_alloc(cache);
    assert_count(cache, "pool_fills", 1);
    assert_int_equal(tally.constructed, 12);
    scene_free_all(cache, 2, objects);
    scene_close();
}

static void what_cannot_be_constructed_is_free_again(void **state)
{
    struct tally tally = {.fail = true};
    const struct cache_params params = {
        .name = "built", .size = 64, .construct = construct, .context = &tally};
    struct cache *cache;

    (void)state;
    open_verified();
    cache = scene_cache_of(&params);
    assert_null(scene_alloc(cache)); /* straight from the slab, and there again */
    assert_count(cache, "live", 0);
    tally.fail = false;
    objects[0] = scene_alloc(cache);
    scene_free(cache, objects[0]);

    tally.fail = true;
    assert_null(scene_alloc(cache));
    assert_count(cache, "pool_objects", 1);
    tally.fail = false;
    assert_ptr_equal(scene_alloc(cache), objects[0]);
    scene_free(cache, objects[0]);
    scene_close();
}

/* ---- misuse ---- */

struct misuse {
    struct cache *cache;
    unsigned char *address;
};

static void misuse_free(void *argument)
{
    struct misuse *it = argument;

    scene_free(it->cache, it->address);
}

static void misuse_alloc(void *argument)
{
    scene_alloc(((struct misuse *)argument)->cache);
}

/* Its report names the fault, the cache, the buffer and the offset in it. */
static void assert_report(void (*act)(void *argument), struct cache *cache, void *address,
                          const char *fault, const void *buffer, size_t offset)
{
    struct misuse it = {cache, address};
    char where[64];

    snprintf(where, sizeof where, "buffer %p, offset %zu", buffer, offset);
    assert_aborts(act, &it, (const char *const[]){"x15", cache->params.name, fault, where, NULL});
}

static void an_address_that_is_no_buffer_of_the_cache_is_invalid(void **state)
{
    struct cache *cache, *other, *wide;
    unsigned char *object, *theirs, *page;

    (void)state;
    open_verified();
    cache = scene_cache(64, 8);
    other = scene_cache(64, 8);
    wide = scene_cache(12000, 8);
    object = scene_alloc(cache);
    theirs = scene_alloc(other);
    page = page_alloc(0, PAGE_ANY_NODE);

    assert_report(misuse_free, cache, objects, "invalid address", objects, 0);
    assert_report(misuse_free, cache, page, "invalid address", page, 0);
    assert_report(misuse_free, cache, theirs, "invalid address", theirs, 0);
    assert_report(misuse_free, cache, object + 8, "invalid address", object, 8);
    assert_report(misuse_free, cache, object + 79, "invalid address", object, 79);
    /* The highest buffer was the first: behind it is the tail, and the record. */
    assert_report(misuse_free, cache, object + 80, "invalid address", object + 80, 0);

    objects[0] = scene_alloc(wide);
    assert_report(misuse_free, wide, (char *)objects[0] + 9000, "invalid address", objects[0],
                  9000);
    objects[1] = scene_alloc(wide); /* begins at its color */
    assert_report(misuse_free, wide, (char *)objects[1] - 8, "invalid address",
                  (char *)objects[1] - 8, 0);
    scene_free_all(wide, 2, objects);
    scene_free(cache, object);
    scene_free(other, theirs);
    page_free(page, 0);
    scene_close();
}

static void an_object_freed_twice_is_found_in_a_pool_and_in_a_slab(void **state)
{
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_verified();
    cache = scene_cache(64, 8);
    object = scene_alloc(cache);
    scene_free(cache, object);
    assert_count(cache, "pool_objects", 1);
    assert_report(misuse_free, cache, object, "double free", object, BUFTAG_AT);
    assert_ptr_equal(scene_alloc(cache), object);
    x15_free_to_slabs(cache, object);
    assert_report(misuse_free, cache, object, "double free", object, BUFTAG_AT);
    /* One that was never handed out. */
    assert_report(misuse_free, cache, object - 80, "double free", object - 80, BUFTAG_AT);
    scene_close();
}

static void a_damaged_buftag_is_found_by_free_and_by_allocation(void **state)
{
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_verified();
    cache = scene_cache(64, 8);
    object = scene_alloc(cache);
    for (unsigned i = 0; i < 8; i++) {
        object[BUFTAG_AT + i] ^= 1;
        assert_report(misuse_free, cache, object, "damaged buftag", object, BUFTAG_AT);
        object[BUFTAG_AT + i] ^= 1;
    }
    scene_free(cache, object);
    for (unsigned i = 0; i < 8; i++) {
        object[BUFTAG_AT + i] ^= 1;
        assert_report(misuse_alloc, cache, NULL, "damaged buftag", object, BUFTAG_AT);
        object[BUFTAG_AT + i] ^= 1;
    }
    scene_close();
}

static void a_write_after_free_is_found_by_the_next_allocation_at_every_byte(void **state)
{
    static const unsigned bytes[] = {0, 1, 7, 8, 31, 60, 63};
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_verified();
    cache = scene_cache(61, 8);
    object = scene_alloc(cache);
    scene_free(cache, object);
    for (unsigned i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        object[bytes[i]] ^= 0x10;
        assert_report(misuse_alloc, cache, NULL, "write after free", object, bytes[i]);
        object[bytes[i]] ^= 0x10;
    }
    scene_close();
}

static void a_write_to_a_fresh_buffer_is_found_too(void **state)
{
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_verified();
    cache = scene_cache(64, 8);
    object = scene_alloc(cache);
    object[-80] = 0;
    assert_report(misuse_alloc, cache, NULL, "write after free", object - 80, 0);
    object[-80] = 0xef;
    scene_free(cache, object);
    scene_close();
}

static void a_write_past_the_end_is_found_in_the_pad_and_in_the_bufctl(void **state)
{
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_verified();
    cache = scene_cache(61, 8);
    object = scene_alloc(cache);
    for (unsigned i = 61; i < BUFTAG_AT; i++) {
        object[i] ^= 0x80;
        assert_report(misuse_free, cache, object, "write past the end", object, i);
        object[i] ^= 0x80;
    }
    scene_free(cache, object);
    scene_close();
}

static void the_redzone_of_an_untyped_allocation_begins_at_the_size_asked_for(void **state)
{
    static const size_t sizes[] = {1, 33, 100, 1000, 70000};

    (void)state;
    open_verified();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t size = sizes[i];
        const struct request request = {.size = size, .node = -1};
        struct binding_of_cache binding = bind_size(size);
        unsigned char *object = binding.alloc(binding.cache, &request);

        memset(object, 0, size);
        object[size] = 0;
        assert_report(misuse_free, binding.cache, object, "write past the end", object, size);
        object[size] = 0xbb;
        binding.free(binding.cache, object);
    }
    scene_close();
}

static void reports_name_a_cache_of_type_safe_memory_too(void **state)
{
    const struct cache_params params = {.name = "type-safe", .size = 64, .flags = CACHE_RCU};
    struct cache *cache;
    unsigned char *object;

    (void)state;
    open_verified();
    cache = scene_cache_of(&params);
    object = scene_alloc(cache);
    object[64] ^= 1;
    assert_report(misuse_free, cache, object, "write past the end", object, 64);
    object[64] ^= 1;
    scene_free(cache, object);
    object[3] = 9; /* a reader's business */
    assert_ptr_equal(scene_alloc(cache), object);
    scene_free(cache, object);
    assert_report(misuse_free, cache, object, "double free", object, BUFTAG_AT);
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verified_buffers_have_a_bufctl_and_a_buftag_behind_them),
        cmocka_unit_test(verified_buffers_hold_a_pattern_when_fresh_and_when_free),
        cmocka_unit_test(verified_objects_are_constructed_at_every_allocation_and_not_by_a_fill),
        cmocka_unit_test(what_cannot_be_constructed_is_free_again),
        cmocka_unit_test(an_address_that_is_no_buffer_of_the_cache_is_invalid),
        cmocka_unit_test(an_object_freed_twice_is_found_in_a_pool_and_in_a_slab),
        cmocka_unit_test(a_damaged_buftag_is_found_by_free_and_by_allocation),
        cmocka_unit_test(a_write_after_free_is_found_by_the_next_allocation_at_every_byte),
        cmocka_unit_test(a_write_to_a_fresh_buffer_is_found_too),
        cmocka_unit_test(a_write_past_the_end_is_found_in_the_pad_and_in_the_bufctl),
        cmocka_unit_test(the_redzone_of_an_untyped_allocation_begins_at_the_size_asked_for),
        cmocka_unit_test(reports_name_a_cache_of_type_safe_memory_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
