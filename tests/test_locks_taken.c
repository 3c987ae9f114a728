/* SPDX-License-Identifier: MIT */
/*
 * How often each design takes its locks for what it does, as the descriptions have it: this is what
 * the designs differ by when CPUs are many.
 */
#include "tests/accounts_scene.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void *objects[100];

struct taken {
    const char *owner;
    uint64_t cpu, depot, cache, slab;
};

/* What the locks of this owner were taken since `before`. */
static struct taken taken_since(const struct taken *before)
{
    const char *owner = before->owner;

    return (struct taken){
        .owner = owner,
        .cpu = accounts_acquisitions(LOCK_CLASS_CPU, owner) - before->cpu,
        .depot = accounts_acquisitions(LOCK_CLASS_DEPOT, owner) - before->depot,
        .cache = accounts_acquisitions(LOCK_CLASS_CACHE, owner) - before->cache,
        .slab = accounts_acquisitions(LOCK_CLASS_SLAB, owner) - before->slab,
    };
}

static struct taken taken_by(const char *owner)
{
    return taken_since(&(struct taken){.owner = owner});
}

/* What `operations` take of the locks of the cache `name`. */
#define assert_takes(name, nr_cpu, nr_depot, nr_cache, nr_slab, operations)                        \
    do {                                                                                           \
        struct taken before_ = taken_by(name), after_;                                             \
                                                                                                   \
        operations;                                                                                \
        after_ = taken_since(&before_);                                                            \
        assert_int_equal(after_.cpu, nr_cpu);                                                      \
        assert_int_equal(after_.depot, nr_depot);                                                  \
        assert_int_equal(after_.cache, nr_cache);                                                  \
        assert_int_equal(after_.slab, nr_slab);                                                    \
    } while (0)

static struct cache *open_design(const char *name, const char *option, size_t size)
{
    struct cache *cache;

    scene_open(1, 0, name, option, NULL);
    cache = scene_cache(size, 8);
    accounts_open();
    return cache;
}

static void close_design(void)
{
    accounts_close();
    scene_close();
}

static void
bufctl_makes_a_slab_of_large_objects_with_a_record_and_8_bufctls_in_one_hold(void **state)
{
    struct cache *cache = open_design("bufctl", NULL, 1000);

    (void)state;
    objects[0] = scene_alloc(cache);
    assert_int_equal(taken_by("objects").cache, 1);
    assert_int_equal(taken_by("slab-records").cache, 1);
    assert_int_equal(taken_by("bufctls").cache, 8);
    assert_takes("objects", 0, 0, 2, 0, {
        scene_free(cache, objects[0]);
        objects[0] = scene_alloc(cache);
    });
    scene_free(cache, objects[0]);
    close_design();
}

static void
magazine_takes_no_lock_on_its_fast_path_and_one_a_round_where_a_depot_drains(void **state)
{
    struct cache *cache = open_design("magazine", "resize=off", 64);

    (void)state;
    assert_takes("objects", 0, 100, 100, 0, { /* the depot has none: each goes on to the slabs */
                                              for (unsigned i = 0; i < 100; i++)
                                                  objects[i] = scene_alloc(cache);
    });
    scene_free_all(cache, 100, objects);
    assert_takes("objects", 0, 0, 0, 0, {
        for (unsigned i = 0; i < 8; i++)
            objects[i] = scene_alloc(cache);
    });
    scene_free_all(cache, 8, objects);
    /* 11 magazines of 8 are in the depot; then a reap. */
    assert_takes("objects", 0, 1, 88 + 1, 0, allocator_reclaim(scene, 1));
    close_design();
}

static void spl_flushes_in_one_hold_and_reclaims_in_another(void **state)
{
    const struct request no_wait = {.node = -1, .flags = REQUEST_NO_WAIT};
    struct cache *cache = open_design("spl", "magazine_size=4", 128);

    (void)state;
    scene_alloc_all(cache, 8, objects);
    scene_free_all(cache, 4, objects);
    assert_takes("objects", 0, 0, 2, 0, scene_free(cache, objects[4])); /* into a full array */
    scene_free_all(cache, 3, objects + 5);
    allocator_reclaim(scene, 2);
    /* A refill in vain, a look whether others have made a slab, the tree of emergency objects. */
    assert_takes("objects", 0, 0, 3, 0,
                 objects[0] = allocator_design(scene)->alloc(cache, &no_wait));
    assert_non_null(objects[0]);
    assert_takes("objects", 0, 0, 2, 0, scene_free(cache, objects[0]));
    close_design();
}

static void x15_takes_its_pools_lock_on_every_operation_and_the_caches_once_a_transfer(void **state)
{
    struct cache *cache = open_design("x15", NULL, 64);

    (void)state;
    /* A fill in vain, the check whether to grow, the slab, and the fill again. */
    assert_takes("objects", 1, 0, 4, 0, objects[0] = scene_alloc(cache));
    scene_free(cache, objects[0]);
    assert_takes("objects", 20, 0, 0, 0, {
        for (unsigned i = 0; i < 10; i++)
            scene_free(cache, scene_alloc(cache));
    });
    objects[0] = scene_alloc(cache);
    assert_takes("objects", 1, 0, 1, 0, objects[1] = scene_alloc(cache)); /* a fill */
    scene_free_all(cache, 2, objects);
    close_design();
}

static void
helenos_takes_its_cpus_lock_on_every_operation_and_the_slabs_once_an_object(void **state)
{
    struct cache *cache = open_design("helenos", NULL, 64);

    (void)state;
    /* No magazine is there: each goes to the slab, and the first again once one is made. */
    assert_takes("objects", 10, 10, 0, 10 + 1, {
        for (unsigned i = 0; i < 10; i++)
            objects[i] = scene_alloc(cache);
    });
    scene_free_all(cache, 10, objects);
    assert_takes("objects", 8, 0, 0, 0, { /* from the current and the last magazine */
                                          for (unsigned i = 0; i < 4; i++)
                                              scene_free(cache, scene_alloc(cache));
    });
    close_design();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            bufctl_makes_a_slab_of_large_objects_with_a_record_and_8_bufctls_in_one_hold),
        cmocka_unit_test(
            magazine_takes_no_lock_on_its_fast_path_and_one_a_round_where_a_depot_drains),
        cmocka_unit_test(spl_flushes_in_one_hold_and_reclaims_in_another),
        cmocka_unit_test(
            x15_takes_its_pools_lock_on_every_operation_and_the_caches_once_a_transfer),
        cmocka_unit_test(
            helenos_takes_its_cpus_lock_on_every_operation_and_the_slabs_once_an_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
