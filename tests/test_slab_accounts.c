/* SPDX-License-Identifier: MIT */
/*
 * What designs bufctl and magazine tell the accounts, to the byte: a ledger of known geometry, the
 * layers that operations reach, trips to the depot.
 */
#include "allocators/slab.h"
#include "sim/machine.h"
#include "tests/accounts_scene.h"
#include "tests/ledger_load.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* A page has room for 63 buffers of 64 bytes beside its record, and 24 bytes more. */
#define RECORD   sizeof(struct slab)
#define PER_SLAB 63
#define TAIL     24

static void *objects[200];

static void open_magazines_of_8(unsigned nr_cpus)
{
    scene_open(nr_cpus, 0, "magazine", "magazine_size=8", "resize=off", NULL);
}

/* ---- ledger: bufctl ---- */

static void small_slabs_hold_records_tails_and_free_buffers(void **state)
{
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    cache = scene_cache(60, 8);
    scene_alloc_all(cache, 100, objects);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.live_objects, 100);
    assert_int_equal(part.live_bytes, 100 * 64);
    assert_int_equal(part.metadata, 2 * RECORD);
    assert_int_equal(part.slab_tail, 2 * TAIL);
    assert_int_equal(part.partial_free, (2 * PER_SLAB - 100) * 64);
    assert_int_equal(part.empty_slabs, 0);
    assert_int_equal(part.slabs, 2);
    assert_int_equal(part.occupancy[LEDGER_OCCUPANCIES - 1], 1);
    assert_int_equal(part.occupancy[6], 1); /* 37 of 63: over a half, at most 60% */

    scene_ledger(&all, 100 * 60, 100);
    assert_int_equal(all.requested, 100 * 60);
    assert_int_equal(all.rounding, 100 * 4);
    assert_int_equal(all.page_bytes, fixture_held_bytes());
    scene_free_all(cache, 100, objects);
    scene_close();
}

static void a_slab_without_objects_out_is_empty_as_a_whole(void **state)
{
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 100, objects);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.empty_slabs, 2 * PAGE_SIZE);
    assert_int_equal(ledger_sum(&part), 2 * PAGE_SIZE);
    assert_int_equal(part.live_bytes, 0);
    scene_ledger(&all, 0, 0);

    allocator_reclaim(scene, 1);
    scene_ledger_part(&part, cache);
    assert_int_equal(ledger_sum(&part), 0);
    assert_int_equal(part.slabs, 0);
    scene_ledger(&all, 0, 0);
    scene_close();
}

/* 8 objects of 1,000 bytes a slab of two pages; a record for each slab and a bufctl for each. */
static void records_and_bufctls_of_large_slabs_are_metadata_of_nobody(void **state)
{
    const size_t records = (PAGE_SIZE - RECORD) / sizeof(struct slab),
                 bufctls = (PAGE_SIZE - RECORD) / sizeof(struct bufctl);
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    cache = scene_cache(1000, 8);
    scene_alloc_all(cache, 10, objects);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.metadata, 0);
    assert_int_equal(part.live_bytes, 10 * 1000);
    assert_int_equal(part.partial_free, 6 * 1000);
    assert_int_equal(part.slab_tail, 2 * (8192 - 8 * 1000));

    scene_ledger_part(&part, NULL);
    assert_int_equal(part.slabs, 2);
    assert_int_equal(part.live_objects, 0);
    assert_int_equal(part.metadata, 2 * RECORD + 2 * sizeof(struct slab) + 16 * 32);
    assert_int_equal(part.partial_free,
                     (records - 2) * sizeof(struct slab) + (bufctls - 16) * sizeof(struct bufctl));
    assert_int_equal(part.slab_tail, 16 + 24);
    scene_ledger(&all, 10 * 1000, 10);
    scene_free_all(cache, 10, objects);
    scene_close();
}

static void slabs_that_wait_for_readers_are_in_grace(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 64, .flags = CACHE_RCU};
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    cache = scene_cache_of(&params);
    scene_free(cache, scene_alloc(cache));
    rcu_read_begin();
    allocator_reclaim(scene, 1);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.grace, PAGE_SIZE);
    assert_int_equal(ledger_sum(&part), PAGE_SIZE);
    assert_int_equal(part.slabs, 0);
    scene_ledger(&all, 0, 0);
    rcu_read_end();
    grace_barrier();
    scene_ledger(&all, 0, 0);
    assert_int_equal(all.grace, 0);
    scene_close();
}

/* ---- ledger: magazine ---- */

static void rounds_rest_in_cpus_and_in_the_depot(void **state)
{
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    open_magazines_of_8(1);
    cache = scene_cache(60, 8);
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 100, objects);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.cpu_cached, (8 + 4) * 64);
    assert_int_equal(part.depot_cached, 88 * 64);
    assert_int_equal(part.live_bytes, 0);
    assert_int_equal(part.live_objects, 0);
    assert_int_equal(part.metadata, 2 * RECORD);
    assert_int_equal(part.slab_tail, 2 * TAIL);
    assert_int_equal(part.partial_free, (2 * PER_SLAB - 100) * 64);
    assert_int_equal(ledger_sum(&part), 2 * PAGE_SIZE);
    scene_ledger(&all, 0, 0);

    /* What comes out of the depot is live, and what stays behind rests. */
    scene_alloc_all(cache, 20, objects);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.live_bytes, 20 * 64);
    assert_int_equal(part.cpu_cached, 0);
    assert_int_equal(part.depot_cached, 80 * 64);
    scene_ledger(&all, 20 * 60, 20);
    assert_int_equal(all.rounding, 20 * 4);
    scene_free_all(cache, 20, objects);
    scene_close();
}

/* 7 magazines of 512 bytes a slab; each of four caches has two, and 100 frees made 11 more. */
static void magazines_are_metadata_in_depots_and_rest_in_magazines(void **state)
{
    const size_t tail = PAGE_SIZE - RECORD - 7 * 512;
    struct ledger part, all;
    struct cache *cache;

    (void)state;
    open_magazines_of_8(1);
    cache = scene_cache(64, 8);
    scene_alloc_all(cache, 100, objects);
    scene_free_all(cache, 100, objects);
    scene_ledger_part(&part, NULL);
    assert_int_equal(part.slabs, 3);
    assert_int_equal(part.metadata, 3 * RECORD + (4 * 2 + 11) * 512);
    assert_int_equal(part.partial_free, 2 * 512);
    assert_int_equal(part.slab_tail, 3 * tail);
    assert_int_equal(part.cpu_cached, 0);

    allocator_reclaim(scene, 1); /* the depot's 11 go where magazines rest */
    scene_ledger_part(&part, NULL);
    assert_int_equal(part.cpu_cached, 11 * 512);
    assert_int_equal(part.metadata, 3 * RECORD + 8 * 512);
    scene_ledger_part(&part, cache);
    assert_int_equal(part.cpu_cached, 12 * 64);
    assert_int_equal(part.depot_cached, 0);
    scene_ledger(&all, 0, 0);

    allocator_reclaim(scene, 2);
    scene_ledger_part(&part, NULL);
    assert_int_equal(part.cpu_cached, 0);
    assert_int_equal(part.metadata, 2 * RECORD + 8 * 512);
    scene_ledger_part(&part, cache);
    assert_int_equal(ledger_sum(&part), 0);
    scene_ledger(&all, 0, 0);
    scene_close();
}

/* ---- ledger: under loads ---- */

static void load_bufctl(const char *first, const char *second)
{
    scene_open(3, 0, "bufctl", first, second, NULL);
    ledger_load();
    scene_close();
}

static void the_books_of_bufctl_balance_under_its_options(void **state)
{
    (void)state;
    load_bufctl("color=on", "objects_per_slab=3");
    load_bufctl("large_cutoff=0", "hash_lists=2");
    load_bufctl("large_cutoff=4056", NULL);
}

static void load_magazine(unsigned nr_cpus, const char *first, const char *second)
{
    scene_open(nr_cpus, 0, "magazine", first, second, NULL);
    ledger_load();
    scene_close();
}

static void the_books_of_magazine_balance_under_its_options(void **state)
{
    (void)state;
    load_magazine(4, "magazine_size=1", "magazine_max=4");
    load_magazine(4, "magazine_max=1000", "color=on"); /* magazines in large slabs */
    load_magazine(2, "working_set=on", "working_set_interval_ns=1000000000");
    load_magazine(8, "depot=steal", "large_cutoff=0");
}

/* ---- layers ---- */

static void without_a_cpu_layer_every_operation_comes_down_to_the_slabs(void **state)
{
    struct binding_of_cache binding;
    struct request request = {.size = 64, .node = -1};
    struct cache *cache;

    (void)state;
    scene_open(1, 0, "bufctl", NULL);
    cache = scene_cache(64, 8);
    allocator_bind_cache(scene, cache, &binding);
    assert_layer(LAYER_PAGE, objects[0] = scene_alloc(cache));
    assert_layer(LAYER_SLAB, objects[1] = scene_alloc(cache));
    assert_layer(LAYER_SLAB, scene_free(cache, objects[1]));
    assert_layer(LAYER_SLAB, scene_free(cache, objects[0]));
    assert_layer(LAYER_SLAB, allocator_alloc_bulk(&binding, &request, PER_SLAB, objects));
    assert_layer(LAYER_SLAB, allocator_free_bulk(&binding, PER_SLAB, objects));
    assert_layer(LAYER_PAGE, allocator_reclaim(scene, 1));
    assert_layer(LAYER_SLAB, allocator_reclaim(scene, 1));
    scene_close();
}

static void magazines_serve_until_the_depot_and_then_the_slabs_must(void **state)
{
    struct cache *cache;

    (void)state;
    open_magazines_of_8(1);
    cache = scene_cache(64, 8);
    assert_layer(LAYER_PAGE, objects[0] = scene_alloc(cache));
    for (unsigned i = 1; i < 40; i++)
        assert_layer(LAYER_SLAB, objects[i] = scene_alloc(cache));

    /* Loaded, then previous; the first magazine beyond these is carved out of a slab. */
    for (unsigned i = 0; i < 16; i++)
        assert_layer(LAYER_CPU, scene_free(cache, objects[i]));
    assert_layer(LAYER_SLAB, scene_free(cache, objects[16]));
    for (unsigned i = 17; i < 24; i++)
        assert_layer(LAYER_CPU, scene_free(cache, objects[i]));

    /* 16 out of the CPU's own, 8 by one exchange. */
    for (unsigned i = 0; i < 16; i++)
        assert_layer(LAYER_CPU, objects[i] = scene_alloc(cache));
    assert_layer(LAYER_DEPOT, objects[16] = scene_alloc(cache));
    for (unsigned i = 17; i < 24; i++)
        assert_layer(LAYER_CPU, objects[i] = scene_alloc(cache));
    assert_layer(LAYER_SLAB, objects[40] = scene_alloc(cache));

    /* The depot has an empty magazine now. */
    for (unsigned i = 0; i < 16; i++)
        assert_layer(LAYER_CPU, scene_free(cache, objects[i]));
    assert_layer(LAYER_DEPOT, scene_free(cache, objects[16]));
    scene_free_all(cache, 24, objects + 17);
    scene_close();
}

/* ---- trips ---- */

static void a_trip_is_an_exchange_of_magazines_that_came_about(void **state)
{
    struct cache *cache;

    (void)state;
    open_magazines_of_8(1);
    cache = scene_cache(64, 8);
    account_self = account_create(0, 0, 1);
    scene_alloc_all(cache, 100, objects); /* looks into an empty depot */
    assert_int_equal(account_self->trips, 0);
    scene_free_all(cache, 100, objects);
    assert_int_equal(account_self->trips, 11);
    scene_alloc_all(cache, 100, objects);
    assert_int_equal(account_self->trips, 22);
    scene_free_all(cache, 100, objects);
    assert_int_equal(account_self->trips, 33);
    for (int i = 0; i < 1000; i++)
        scene_free(cache, scene_alloc(cache));
    assert_int_equal(account_self->trips, 33);
    account_destroy(account_self);
    account_self = NULL;
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_slabs_hold_records_tails_and_free_buffers),
        cmocka_unit_test(a_slab_without_objects_out_is_empty_as_a_whole),
        cmocka_unit_test(records_and_bufctls_of_large_slabs_are_metadata_of_nobody),
        cmocka_unit_test(slabs_that_wait_for_readers_are_in_grace),
        cmocka_unit_test(rounds_rest_in_cpus_and_in_the_depot),
        cmocka_unit_test(magazines_are_metadata_in_depots_and_rest_in_magazines),
        cmocka_unit_test(the_books_of_bufctl_balance_under_its_options),
        cmocka_unit_test(the_books_of_magazine_balance_under_its_options),
        cmocka_unit_test(without_a_cpu_layer_every_operation_comes_down_to_the_slabs),
        cmocka_unit_test(magazines_serve_until_the_depot_and_then_the_slabs_must),
        cmocka_unit_test(a_trip_is_an_exchange_of_magazines_that_came_about),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
