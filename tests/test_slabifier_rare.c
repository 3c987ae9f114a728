/* SPDX-License-Identifier: MIT */
/*
 * The rare paths of design slabifier: constructors, shrinking, type-safe memory, debug mode, and
 * all of it under threads.
 */
#include "allocators/slabifier.h"
#include "tests/slabifier_scene.h"

#include <sched.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

/* ---- constructors ---- */

struct tally {
    int constructed, destructed;
    int fail_at;               /* the n-th construction fails, 0: none */
    struct cache *nested_into; /* allocated from once, by the first construction */
    void *nested;
};

static int construct(void *object, size_t size, void *context)
{
    struct tally *tally = context;
    struct cache *cache = tally->nested_into;

    if (tally->constructed + 1 == tally->fail_at) {
        tally->fail_at = 0;
        return -1;
    }
    tally->constructed++;
    memset(object, 0x5a, size);
    tally->nested_into = NULL;
    if (cache)
        tally->nested = scene_alloc(cache);
    return 0;
}

static void destruct(void *object, size_t size, void *context)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(((unsigned char *)object)[i], 0x5a);
    ((struct tally *)context)->destructed++;
}

static struct cache *built_cache(struct tally *tally, unsigned flags)
{
    const struct cache_params params = {.name = "built",
                                        .size = 256,
                                        .flags = flags,
                                        .construct = construct,
                                        .destruct = destruct,
                                        .context = tally};

    return scene_cache_of(&params);
}

static void objects_are_constructed_with_their_slab_and_destroyed_with_its_pages(void **state)
{
    struct tally tally = {0};
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = built_cache(&tally, 0);
    scene_alloc_all(cache, 1, objects);
    assert_int_equal(tally.constructed, 15);
    for (int i = 0; i < 100; i++)
        scene_free(cache, scene_alloc(cache));
    assert_int_equal(tally.constructed, 15);
    assert_int_equal(tally.destructed, 0);
    scene_alloc_all(cache, 15, objects + 1);
    assert_int_equal(tally.constructed, 30);
    free_all(cache, 0, 15);
    assert_int_equal(tally.destructed, 15);
    free_all(cache, 15, 16);
    allocator_reclaim(scene, 1);
    assert_int_equal(tally.destructed, 30);
    scene_close();
}

static void a_constructor_that_fails_half_way_undoes_the_slab(void **state)
{
    struct tally tally = {.fail_at = 8};
    struct cache *cache;
    size_t before;

    (void)state;
    open_it(1);
    cache = built_cache(&tally, 0);
    before = fixture_held_bytes();
    assert_null(scene_alloc(cache));
    assert_int_equal(tally.constructed, 7);
    assert_int_equal(tally.destructed, 7);
    assert_slabs(cache, 0, 0, 0);
    assert_int_equal(fixture_held_bytes(), before);
    objects[0] = scene_alloc(cache);
    assert_non_null(objects[0]);
    scene_free(cache, objects[0]);
    scene_close();
    assert_int_equal(tally.destructed, tally.constructed);
}

/* The outer allocation finds that its CPU has an active slab now, and has no use for its own. */
static void a_new_slab_is_put_back_when_the_cpu_got_one_meanwhile(void **state)
{
    struct tally tally = {0};
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = built_cache(&tally, 0);
    tally.nested_into = cache;
    objects[0] = scene_alloc(cache);
    assert_ptr_equal(objects[0], (char *)tally.nested + scene_count(cache, "object_bytes"));
    assert_slabs(cache, 1, 1, 0);
    assert_count(cache, "slab_grows", 2);
    assert_int_equal(tally.constructed, 30);
    assert_int_equal(tally.destructed, 15);
    scene_free(cache, objects[0]);
    scene_free(cache, tally.nested);
    scene_close();
}

/* ---- shrink ---- */

/* `objects[]` is where the objects are known from, as a kernel's hash is. */
static void relocate(struct cache *cache, void *object, void *context)
{
    unsigned *moved = context;

    for (unsigned i = 0; i < MANY; i++) {
        if (objects[i] != object)
            continue;
        objects[i] = scene_alloc(cache);
        assert_non_null(objects[i]);
        memcpy(objects[i], object, 256);
        scene_free(cache, object);
        (*moved)++;
        return;
    }
    fail_msg("%p was offered, but is not live", object);
}

/* Leaves the `keep` first of every 16, each with its number in it. */
static void scatter(struct cache *cache, unsigned slabs, unsigned keep)
{
    memset(objects, 0, sizeof objects);
    scene_alloc_all(cache, slabs * 16, objects);
    for (unsigned i = 0; i < slabs * 16; i++) {
        *(unsigned *)((char *)objects[i] + 64) = i;
        if (i % 16 >= keep) {
            scene_free(cache, objects[i]);
            objects[i] = NULL;
        }
    }
}

static unsigned gather(struct cache *cache)
{
    unsigned n = 0;

    for (unsigned i = 0; i < MANY; i++) {
        if (!objects[i])
            continue;
        assert_int_equal(*(unsigned *)((char *)objects[i] + 64), i);
        scene_free(cache, objects[i]);
        objects[i] = NULL;
        n++;
    }
    return n;
}

static void shrink_moves_objects_out_of_sparse_slabs(void **state)
{
    struct cache *cache;
    unsigned moved = 0;
    size_t before;

    (void)state;
    open_it(2);
    cache = scene_cache(256, 8);
    before = fixture_held_bytes();
    scatter(cache, 10, 1);
    assert_slabs(cache, 10, 1, 9);
    slabifier_shrink(cache, relocate, &moved);
    /* The first goes into the second, which is active then; so do the third ... ninth; one is left.
     */
    assert_int_equal(moved, 8);
    assert_slabs(cache, 2, 1, 1);
    assert_count(cache, "live", 10);
    assert_int_equal(fixture_held_bytes() - before, 2 * PAGE_SIZE);
    assert_int_equal(gather(cache), 10);
    scene_close();
}

static void count_only(struct cache *cache, void *object, void *context)
{
    (void)cache;
    (void)object;
    (*(unsigned *)context)++;
}

static void shrink_offers_what_stays_only_once_and_leaves_one_slab_alone(void **state)
{
    unsigned offered = 0;
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    scatter(cache, 5, 3);
    slabifier_shrink(cache, count_only, &offered);
    /* All five are partial, and those that were offered go to the tail. */
    assert_int_equal(offered, 4 * 3);
    assert_slabs(cache, 5, 0, 5);
    assert_int_equal(gather(cache), 15);

    scatter(cache, 1, 3);
    offered = 0;
    slabifier_shrink(cache, count_only, &offered);
    assert_int_equal(offered, 0);
    assert_slabs(cache, 1, 0, 1);
    assert_int_equal(gather(cache), 3);
    scene_close();
}

/* Frees all objects of the slab at the first call, and then looks what became of it. */
static void free_its_neighbours_too(struct cache *cache, void *object, void *context)
{
    unsigned *calls = context;
    uint64_t slabs = scene_count(cache, "slabs");

    (*calls)++;
    for (unsigned i = 0; i < MANY; i++) {
        if (objects[i] && page_of(objects[i]) == page_of(object)) {
            scene_free(cache, objects[i]);
            objects[i] = NULL;
        }
    }
    assert_count(cache, "slabs", slabs); /* pinned: it cannot go */
}

static void a_slab_that_shrink_holds_stays_until_it_is_put_back(void **state)
{
    struct cache *cache;
    unsigned calls = 0;

    (void)state;
    open_it(1);
    cache = scene_cache(256, 8);
    scatter(cache, 4, 3);
    slabifier_shrink(cache, free_its_neighbours_too, &calls);
    assert_int_equal(calls, 3);
    assert_slabs(cache, 1, 0, 1);
    assert_int_equal(gather(cache), 3);
    scene_close();
}

static void reclaim_deactivates_every_slab_and_keeps_live_objects(void **state)
{
    struct cache *cache, *other;
    size_t before;

    (void)state;
    for (unsigned level = 1; level <= 2; level++) {
        open_it(4);
        cache = scene_cache(256, 8);
        other = scene_cache(64, 8);
        before = fixture_held_bytes();
        for (unsigned cpu = 0; cpu < 4; cpu++) {
            fixture_become(cpu);
            objects[cpu] = scene_alloc(cache);
            scene_free(other, scene_alloc(other));
        }
        scene_free(cache, objects[3]);
        assert_int_equal(fixture_held_bytes() - before, 8 * PAGE_SIZE);
        allocator_reclaim(scene, level);
        assert_slabs(other, 0, 0, 0);
        assert_slabs(cache, 3, 0, 3);
        assert_int_equal(fixture_held_bytes() - before, 3 * PAGE_SIZE);
        free_all(cache, 0, 3);
        assert_int_equal(fixture_held_bytes(), before);
        scene_close();
    }
}

/* ---- type-safe memory ---- */

static void pages_of_a_typesafe_cache_wait_for_readers(void **state)
{
    struct tally tally = {0};
    struct cache *cache;
    size_t before;

    (void)state;
    open_it(2);
    cache = built_cache(&tally, CACHE_RCU);
    before = fixture_held_bytes();
    scene_alloc_all(cache, 31, objects); /* two full slabs, one active */
    rcu_read_begin();
    free_all(cache, 0, 15);
    fixture_become(1);
    free_all(cache, 15, 30);
    fixture_become(0);
    assert_slabs(cache, 1, 1, 0);
    assert_count(cache, "grace_pages", 2);
    fixture_safe_point();
    assert_int_equal(*(unsigned char *)objects[3], 0x5a); /* free, and still what it was */
    assert_int_equal(fixture_held_bytes() - before, 3 * PAGE_SIZE);
    assert_int_equal(tally.destructed, 0);
    rcu_read_end();

    grace_barrier();
    assert_count(cache, "grace_pages", 0);
    assert_int_equal(tally.destructed, 30);
    assert_int_equal(fixture_held_bytes() - before, PAGE_SIZE);
    scene_free(cache, objects[30]);
    scene_close();
    assert_int_equal(tally.destructed, tally.constructed);
}

static void what_comes_while_slabs_wait_takes_the_next_grace_period(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 3000, .flags = CACHE_RCU};
    struct cache *cache;

    (void)state;
    open_it(1);
    cache = scene_cache_of(&params);
    scene_alloc_all(cache, 100, objects); /* single: each free is a slab's end */
    rcu_read_begin();
    free_all(cache, 0, 100);
    assert_count(cache, "grace_pages", 100);
    assert_count(cache, "live", 0);
    rcu_read_end();
    scene_cache_destroy(cache); /* waits for both */
    scene_close();
}

static void the_second_level_of_reclaim_waits_for_pages_in_grace(void **state)
{
    const struct cache_params params = {.name = "typesafe", .size = 256, .flags = CACHE_RCU};
    const struct request request = {.size = 256, .node = -1};
    struct binding_of_cache binding;
    struct cache *cache;
    unsigned n = 0;

    (void)state;
    scene_open(1, 20 * PAGE_SIZE, "slabifier", NULL);
    cache = scene_cache_of(&params);
    allocator_bind_cache(scene, cache, &binding);
    while ((objects[n] = scene_alloc(cache)))
        n++;
    free_all(cache, 0, n);
    assert_count(cache, "grace_pages", n / 15);
    objects[0] = allocator_retry(scene, &binding, &request);
    assert_non_null(objects[0]);
    scene_free(cache, objects[0]);
    scene_close();
}

/* ---- debug mode ---- */

static void open_debug(void)
{
    scene_open(2, 0, "slabifier", "debug=on", NULL);
}

static void debug_reports_bad_frees_and_carries_on(void **state)
{
    struct cache *cache, *other, *large;
    int on_the_stack = 0;

    (void)state;
    open_debug();
    cache = scene_cache(256, 8);
    other = scene_cache(256, 8);
    large = scene_cache(8000, 8);
    scene_alloc_all(cache, 3, objects);
    objects[3] = scene_alloc(large);

    scene_free(cache, &on_the_stack);
    assert_count(cache, "debug_reports", 1);
    scene_free(other, objects[0]);
    assert_count(other, "debug_reports", 1);
    scene_free(cache, (char *)objects[0] + 8);
    assert_count(cache, "debug_reports", 2);
    scene_free(large, (char *)objects[3] + PAGE_SIZE);
    assert_count(large, "debug_reports", 1);
    assert_count(cache, "live", 3);

    scene_free(cache, objects[0]);
    scene_free(cache, objects[1]);
    scene_free(cache, objects[0]); /* deep in the freelist */
    assert_count(cache, "debug_reports", 3);
    scene_free(cache, objects[2]);
    scene_free(cache, objects[2]);
    assert_count(cache, "debug_reports", 4);
    assert_count(cache, "live", 0);
    scene_free(large, objects[3]);
    scene_free(large, objects[3]);
    assert_count(large, "debug_reports", 2);
    scene_close();
}

/* Somebody writes to an object that it has freed. */
static void write_over_link(void *object)
{
    memset(object, 0xff, sizeof(void *));
}

static void a_broken_freelist_of_an_active_slab_is_leaked_aloud(void **state)
{
    struct cache *cache;

    (void)state;
    open_debug();
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 4, objects);
    scene_free(cache, objects[2]);
    write_over_link(objects[2]);
    objects[16] = scene_alloc(cache); /* sees it, and goes elsewhere */
    assert_count(cache, "debug_reports", 1);
    assert_true(page_of(objects[16]) != page_of(objects[0]));
    assert_slabs(cache, 2, 1, 0); /* the broken one counts as full */
    assert_count(cache, "live", 16 + 1);

    scene_free(cache, objects[0]); /* its live objects are freed as ever */
    assert_slabs(cache, 2, 1, 1);
    assert_count(cache, "debug_reports", 1);
    for (unsigned i = 1; i < 16; i++) /* and the leaked ones may be, now that they are used */
        scene_free(cache, (char *)objects[0] + 256 * i);
    scene_free(cache, objects[16]);
    assert_count(cache, "live", 0);
    scene_close();
}

static void a_broken_freelist_of_a_partial_slab_is_found_by_a_free(void **state)
{
    struct cache *cache;

    (void)state;
    open_debug();
    cache = scene_cache(256, 8);
    scene_alloc_all(cache, 17, objects);
    scene_free(cache, objects[0]);
    scene_free(cache, objects[1]);
    assert_slabs(cache, 2, 1, 1);
    *(void **)objects[1] = objects[5]; /* of the slab, but live */
    *(void **)objects[5] = objects[1]; /* and round and round */
    scene_free(cache, objects[2]);
    assert_count(cache, "debug_reports", 1);
    assert_slabs(cache, 2, 1, 1); /* off the list and on it again */
    assert_count(cache, "live", 15 + 1);
    assert_ptr_equal(page_of(objects[2])->freelist, objects[2]);
    scene_free(cache, objects[0]);
    scene_free(cache, objects[1]);
    free_all(cache, 3, 17);
    assert_count(cache, "debug_reports", 1);
    scene_close();
}

static void debug_finds_nothing_where_nothing_is_wrong(void **state)
{
    const struct request request = {.size = 256, .node = -1};
    struct binding_of_cache binding;
    unsigned moved = 0;
    struct cache *cache;

    (void)state;
    scene_open(2, 0, "slabifier", "debug=on", "offset=behind", "order=1", NULL);
    cache = scene_cache(256, 8);
    allocator_bind_cache(scene, cache, &binding);
    for (unsigned round = 1; round < 40; round++) {
        assert_int_equal(allocator_alloc_bulk(&binding, &request, 10 * round, objects), 10 * round);
        fixture_become(round % 2);
        allocator_free_bulk(&binding, 10 * round, objects);
    }
    scatter(cache, 20, 5);
    slabifier_shrink(cache, relocate, &moved);
    assert_true(moved > 0);
    assert_int_equal(gather(cache), 100);
    assert_count(cache, "debug_reports", 0);
    scene_close();
}

/* ---- threads ---- */

#define SHARED 256

struct traffic {
    struct cache *cache;
    _Atomic(uint64_t *) slots[SHARED];
    bool readers;
    _Atomic unsigned wrong;
};

#define TYPE UINT64_C(0x74797065)

static int construct_typed(void *object, size_t size, void *context)
{
    (void)size;
    (void)context;
    *(uint64_t *)object = TYPE;
    return 0;
}

static void destruct_typed(void *object, size_t size, void *context)
{
    (void)size;
    (void)context;
    *(uint64_t *)object = 0;
}

/* A reader may find its object free, or another's by now; but never of another type. */
static void look_at(struct traffic *traffic, unsigned slot)
{
    uint64_t *object;

    rcu_read_begin();
    object = atomic_load_explicit(&traffic->slots[slot], memory_order_acquire);
    if (slot % 4 == 0)
        sched_yield(); /* meanwhile others free it, and all of its slab */
    if (object && *object != TYPE)
        atomic_fetch_add(&traffic->wrong, 1);
    rcu_read_end();
}

static void drive(unsigned cpu, void *argument)
{
    struct traffic *traffic = argument;
    uint64_t seed = cpu + 1;

    for (unsigned step = 0; step < 20000; step++) {
        uint64_t *object = NULL;
        unsigned slot;

        seed = seed * 6364136223846793005 + 1442695040888963407;
        slot = (unsigned)(seed >> 33) % SHARED;
        if (seed >> 63)
            object = scene_alloc(traffic->cache);
        if (object && traffic->readers)
            object[1] = (uintptr_t)object ^ step;
        object = atomic_exchange_explicit(&traffic->slots[slot], object, memory_order_acq_rel);
        if (object)
            scene_free(traffic->cache, object);
        if (traffic->readers)
            look_at(traffic, slot / 2);
        /* A thousand intervals of the flusher, and reclaims amid all this. */
        fixture_set_own_time(step * SECOND / 20);
        if (step % 4096 == cpu)
            allocator_reclaim(scene, 1 + step / 4096 % 2);
        fixture_safe_point();
    }
}

static void drive_cache(struct cache *cache, bool readers)
{
    static struct traffic traffic;

    memset(&traffic, 0, sizeof traffic);
    traffic.cache = cache;
    traffic.readers = readers;
    fixture_run(drive, &traffic);
    assert_int_equal(traffic.wrong, 0);
    assert_true(scene_count(cache, "flushes") > 0);
    for (unsigned i = 0; i < SHARED; i++) {
        if (traffic.slots[i])
            scene_free(cache, traffic.slots[i]);
    }
    assert_count(cache, "live", 0);
}

static void threads_free_into_each_others_slabs_while_these_are_flushed(void **state)
{
    (void)state;
    open_it(4);
    drive_cache(scene_cache(256, 8), false);
    scene_close();
    scene_open(4, 0, "slabifier", "debug=on", "offset=behind", NULL);
    drive_cache(scene_cache(1000, 8), false);
    scene_close();
}

static void readers_of_a_typesafe_cache_never_see_another_type(void **state)
{
    const struct cache_params params = {
        .name = "typesafe",
        .size = 2000, /* two a slab, so that slabs come and go */
        .flags = CACHE_RCU,
        .construct = construct_typed,
        .destruct = destruct_typed,
    };

    (void)state;
    open_it(4);
    drive_cache(scene_cache_of(&params), true);
    scene_close();
}

static void come_and_go(unsigned cpu, void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 300; i++) {
        const struct cache_params params = {
            .name = "short-lived", .size = 100 + cpu, .flags = i % 3 ? 0 : CACHE_RCU};
        struct cache *cache = scene_cache_of(&params);
        void *mine[50];

        scene_alloc_all(cache, 50, mine);
        scene_free_all(cache, 50, mine);
        fixture_set_own_time(i * SECOND / 1000); /* timers run off amid destructions */
        fixture_safe_point();
        if (i % 16 == cpu)
            slabifier_shrink(cache, count_only, &(unsigned){0});
        scene_cache_destroy(cache);
    }
}

static void caches_come_and_go_while_their_flushers_run(void **state)
{
    (void)state;
    scene_open(4, 0, "slabifier", "flush_interval_ms=1", NULL);
    fixture_run(come_and_go, NULL);
    scene_close();
}

/* What the source is careful about: shrinking while others free into the slabs that it holds. */
static void shrink_amid_frees(unsigned cpu, void *argument)
{
    struct cache *cache = argument;
    void *mine[64];

    for (unsigned i = 0; i < 300; i++) {
        scene_alloc_all(cache, 64, mine);
        for (unsigned k = 0; k < 64; k += 2)
            scene_free(cache, mine[k]);
        if (i % 4 == cpu)
            slabifier_shrink(cache, count_only, &(unsigned){0});
        for (unsigned k = 1; k < 64; k += 2)
            scene_free(cache, mine[k]);
        fixture_safe_point();
    }
}

static void slabs_are_shrunk_while_others_free_into_them(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(4);
    cache = scene_cache(256, 8);
    fixture_run(shrink_amid_frees, cache);
    assert_count(cache, "live", 0);
    scene_close();
}

static void only_allocate(unsigned cpu, void *cache)
{
    for (unsigned i = 0; i < MANY / 4; i++)
        objects[cpu * (MANY / 4) + i] = scene_alloc(cache);
}

static void threads_that_only_allocate_never_take_list_lock(void **state)
{
    struct cache *cache;

    (void)state;
    open_it(4);
    cache = scene_cache(256, 8);
    fixture_run(only_allocate, cache);
    assert_count(cache, "list_lock_acquisitions", 0);
    assert_count(cache, "live", MANY);
    free_all(cache, 0, MANY);
    scene_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_constructed_with_their_slab_and_destroyed_with_its_pages),
        cmocka_unit_test(a_constructor_that_fails_half_way_undoes_the_slab),
        cmocka_unit_test(a_new_slab_is_put_back_when_the_cpu_got_one_meanwhile),
        cmocka_unit_test(shrink_moves_objects_out_of_sparse_slabs),
        cmocka_unit_test(shrink_offers_what_stays_only_once_and_leaves_one_slab_alone),
        cmocka_unit_test(a_slab_that_shrink_holds_stays_until_it_is_put_back),
        cmocka_unit_test(reclaim_deactivates_every_slab_and_keeps_live_objects),
        cmocka_unit_test(pages_of_a_typesafe_cache_wait_for_readers),
        cmocka_unit_test(what_comes_while_slabs_wait_takes_the_next_grace_period),
        cmocka_unit_test(the_second_level_of_reclaim_waits_for_pages_in_grace),
        cmocka_unit_test(debug_reports_bad_frees_and_carries_on),
        cmocka_unit_test(a_broken_freelist_of_an_active_slab_is_leaked_aloud),
        cmocka_unit_test(a_broken_freelist_of_a_partial_slab_is_found_by_a_free),
        cmocka_unit_test(debug_finds_nothing_where_nothing_is_wrong),
        cmocka_unit_test(threads_that_only_allocate_never_take_list_lock),
        cmocka_unit_test(threads_free_into_each_others_slabs_while_these_are_flushed),
        cmocka_unit_test(readers_of_a_typesafe_cache_never_see_another_type),
        cmocka_unit_test(caches_come_and_go_while_their_flushers_run),
        cmocka_unit_test(slabs_are_shrunk_while_others_free_into_them),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
