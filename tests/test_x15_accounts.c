/* SPDX-License-Identifier: MIT */
/*
 * What design x15 tells the accounts, to the byte: a ledger of known geometry, the layers that
 * operations reach, fills and drains as trips.
 */
#include "allocators/x15.h"
#include "tests/accounts_scene.h"
#include "tests/ledger_load.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A page has room for 63 buffers of 64 bytes beside its record, and 24 bytes more. */
#define RECORD   sizeof(struct x15_slab)
#define PER_SLAB 63
#define TAIL     24

static void *objects[400];

/* ---- ledger ---- */

static void assert_first_object(struct cache *cache, size_t usable, size_t stride, unsigned buffers)
{
    struct ledger part;
    void *object = scene_alloc(cache);

    scene_ledger_part(&part, cache);
    assert_int_equal(part.live_objects, 1);
    assert_int_equal(part.live_bytes, usable);
    assert_int_equal(part.metadata, RECORD + buffers * (stride - usable));
    assert_int_equal(part.partial_free, (buffers - 1) * usable);
    assert_int_equal(part.slab_tail, PAGE_SIZE - RECORD - buffers * stride);
    scene_free(cache, object);
}

static void a_free_buffers_bufctl_lies_inside_of_it_and_costs_nothing(void **state)
{
    struct ledger all;
    struct cache *cache;
    void *object;

    (void)state;
    scene_open(1, 0, "x15", NULL);
    cache = scene_cache(60, 8);
    assert_first_object(cache, 64, 64, PER_SLAB);
    object = scene_alloc(cache);
    scene_ledger(&all, 60, 1);
    assert_int_equal(all.rounding, 4);
    scene_free(cache, object);
    scene_close();
}

static void words_behind_objects_are_metadata(void **state)
{
    struct cache_params params = {.name = "behind", .size = 64, .flags = CACHE_RCU};

    (void)state;
    scene_open(1, 0, "x15", NULL);
    assert_first_object(scene_cache_of(&params), 64, 72, 56);
    /* 20 bytes and a word fit into 64 aligned ones: all but the word may be used. */
    params.size = 20;
    params.align = 64;
    params.flags = CACHE_NO_TOUCH;
    assert_first_object(scene_cache_of(&params), 56, 64, PER_SLAB);
    /* 60 and a word do not. */
    params.size = 60;
    assert_first_object(scene_cache_of(&params), 64, 128, 31);
    scene_close();
    scene_open(1, 0, "x15", "verify=on", NULL);
    assert_first_object(scene_cache(60, 8), 64, 80, 50); /* bufctl and buftag */
    scene_close();
}

static void buffers_rest_in_pools_and_full_slabs_are_found(void **state)
{
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    scene_open(2, 0, "x15", NULL);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 2 * PER_SLAB, objects);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.occupancy[LEDGER_OCCUPANCIES - 1], 2);
    assert_int_equal(part.metadata, 2 * RECORD);
    assert_int_equal(part.slab_tail, 2 * TAIL);
    assert_int_equal(part.live_bytes, 2 * PER_SLAB * 64);
    scene_ledger(&all, 2 * PER_SLAB * 64, 2 * PER_SLAB);

    scene_free_all(cache, 10, objects);
    fixture_become(1);
    scene_free_all(cache, 20, objects + 10);
    fixture_become(0);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.cpu_cached, 30 * 64);
    assert_int_equal(part.live_objects, 2 * PER_SLAB - 30);
    assert_int_equal(part.partial_free, 0);
    scene_ledger(&all, (2 * PER_SLAB - 30) * 64, 2 * PER_SLAB - 30);
    scene_free_all(cache, 2 * PER_SLAB - 30, objects + 30);
    scene_close();
}

static void free_slabs_are_empty_and_stay(void **state)
{
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "x15", "magazine_size=1", NULL);
    cache = scene_cache(PAGE_SIZE, 8); /* one buffer a slab */
    scene_alloc_all(cache, 3, objects);
    scene_free_all(cache, 3, objects);
    allocator_reclaim(scene, 2);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.empty_slabs, 2 * PAGE_SIZE);
    assert_int_equal(part.cpu_cached, PAGE_SIZE);
    assert_int_equal(ledger_sum(&part), 3 * PAGE_SIZE);
    assert_int_equal(part.occupancy[0], 2);
    scene_ledger(&all, 0, 0);
    scene_close();
}

/* The array of the one pool, 1,024 bytes of a slab of four, and the record of that slab. */
static void arrays_and_slab_records_are_metadata_of_nobody(void **state)
{
    const size_t records = (PAGE_SIZE - RECORD) / RECORD;
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "x15", NULL);
    cache = scene_cache(64, 8);
    objects[0] = scene_alloc(cache);
    scene_ledger_part(&part, NULL);
    assert_int_equal(ledger_sum(&part), 0);
    scene_free(cache, objects[0]);
    scene_ledger_part(&part, NULL);
    assert_int_equal(part.slabs, 2);
    assert_int_equal(part.metadata, 1024 + RECORD + RECORD);
    assert_int_equal(part.partial_free, 3 * 1024 + (records - 1) * RECORD);
    assert_int_equal(part.slab_tail, PAGE_SIZE - RECORD - records * RECORD);
    assert_int_equal(part.live_objects, 0);
    scene_ledger(&all, 0, 0);
    assert_int_equal(all.cpu_cached, 64);
    scene_close();
}

static void load_under(unsigned nr_cpus, const char *first, const char *second)
{
    scene_open(nr_cpus, 0, "x15", first, second, NULL);
    ledger_load();
    scene_close();
}

static void the_books_balance_under_the_designs_options(void **state)
{
    (void)state;
    load_under(4, "verify=on", "transfer_ratio=1");
    load_under(3, "color=off", "magazine_size=1");
    load_under(2, "magazine_size=3000", NULL); /* arrays of several pages */
}

/* ---- layers and trips ---- */

static void pools_serve_until_a_fill_or_a_drain_must(void **state)
{
    struct cache *cache;
    unsigned resting;

    (void)state;
    scene_open(1, 0, "x15", NULL);
    cache = scene_cache(64, 8);
    assert_layer(LAYER_PAGE, objects[0] = scene_alloc(cache)); /* the first slab */
    assert_layer(LAYER_SLAB, objects[1] = scene_alloc(cache));
    assert_layer(LAYER_PAGE, scene_free(cache, objects[1])); /* the first array */
    assert_layer(LAYER_CPU, scene_free(cache, objects[0]));
    assert_layer(LAYER_CPU, objects[0] = scene_alloc(cache));
    assert_layer(LAYER_CPU, objects[1] = scene_alloc(cache));
    assert_layer(LAYER_SLAB, objects[2] = scene_alloc(cache)); /* takes the slab's other 61 */
    for (unsigned i = 3; i < PER_SLAB; i++)
        assert_layer(LAYER_CPU, objects[i] = scene_alloc(cache));
    assert_layer(LAYER_PAGE, objects[PER_SLAB] = scene_alloc(cache));
    scene_alloc_all(cache, 2 * PER_SLAB, objects + PER_SLAB + 1);
    resting = (unsigned)scene_count(cache, "pool_objects");
    for (unsigned i = resting; i < 128; i++)
        assert_layer(LAYER_CPU, scene_free(cache, objects[i]));
    assert_layer(LAYER_SLAB, scene_free(cache, objects[128])); /* drains 64 */
    scene_free_all(cache, resting, objects);
    scene_free_all(cache, 3 * PER_SLAB - 128, objects + 129);
    scene_close();
}

static void a_trip_is_a_fill_or_a_drain(void **state)
{
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "x15", NULL);
    cache = scene_cache(16, 8); /* 253 a slab */
    account_self = account_create(0, 0, 1);
    scene_alloc_all(cache, 253, objects); /* lone buffers: there is no pool */
    scene_free_all(cache, 128, objects);
    assert_int_equal(account_self->trips, 0);
    scene_free(cache, objects[128]);
    assert_int_equal(account_self->trips, 1);
    scene_alloc_all(cache, 65, objects);
    assert_int_equal(account_self->trips, 1);
    objects[65] = scene_alloc(cache); /* fills with the 64 that were drained */
    assert_int_equal(account_self->trips, 2);
    scene_alloc_all(cache, 63, objects + 66);
    objects[129 + 124] = scene_alloc(cache); /* finds nothing, grows, and then fills */
    assert_int_equal(account_self->trips, 3);
    scene_free_all(cache, 254, objects);
    account_destroy(account_self);
    account_self = NULL;
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_buffers_bufctl_lies_inside_of_it_and_costs_nothing),
        cmocka_unit_test(words_behind_objects_are_metadata),
        cmocka_unit_test(buffers_rest_in_pools_and_full_slabs_are_found),
        cmocka_unit_test(free_slabs_are_empty_and_stay),
        cmocka_unit_test(arrays_and_slab_records_are_metadata_of_nobody),
        cmocka_unit_test(the_books_balance_under_the_designs_options),
        cmocka_unit_test(pools_serve_until_a_fill_or_a_drain_must),
        cmocka_unit_test(a_trip_is_a_fill_or_a_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
