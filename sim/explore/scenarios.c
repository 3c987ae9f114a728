/* SPDX-License-Identifier: MIT */
/*
 * The scenarios: two or three CPUs, a few operations each, on caches so small that magazines,
 * slabs and lists meet their bounds within them.
 */
#include "sim/explore/internal.h"

#include "sim/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Magazines of two rounds, slabs of few objects, a hash that has to grow. */
#define TINY "magazine_size=2", "magazine_max=4", "hash_lists=2", "objects_per_slab=2", "resize=off"

#define SMALL  1000 /* four a page, three with a record inside */
#define LINKED 480  /* of bufctl's small layout, which has its links inside */

static void alloc_some(struct scene *scene, unsigned cache, unsigned n, void **objects)
{
    for (unsigned i = 0; i < n; i++)
        objects[i] = explore_alloc(scene, cache);
}

static void free_some(struct scene *scene, unsigned n, void *const *objects)
{
    for (unsigned i = 0; i < n; i++)
        explore_free(scene, objects[i]);
}

/* ---- each for itself, on one cache ---- */

static void own_objects(struct scene *scene, unsigned cpu)
{
    void *objects[4];

    (void)cpu;
    for (unsigned round = 0; round < 2; round++) {
        alloc_some(scene, 0, 4, objects);
        free_some(scene, 4, objects);
    }
}

/* Beyond magazines and slabs, and to and fro over their bounds. */
static void exchange(struct scene *scene, unsigned cpu)
{
    void *objects[7];

    alloc_some(scene, 0, 5, objects);
    free_some(scene, 3 + cpu, objects + 2 - cpu);
    alloc_some(scene, 0, 5, objects + 2 - cpu);
    free_some(scene, cpu ? 6 : 7, objects);
}

/* ---- from CPU to CPU ---- */

static void remote_free(struct scene *scene, unsigned cpu)
{
    void *objects[3];

    for (unsigned i = 0; i < 6; i++) {
        if (cpu == 0)
            explore_give(scene, i, explore_alloc(scene, 0));
        else
            explore_free(scene, explore_take(scene, i));
    }
    alloc_some(scene, 0, 3, objects);
    free_some(scene, 3, objects);
}

/* One slab's objects, freed by three at once; the last finds it empty. */
static void shared_slab_prepare(struct scene *scene)
{
    for (unsigned i = 0; i < 9; i++)
        explore_give(scene, i, explore_alloc(scene, 0));
}

static void shared_slab(struct scene *scene, unsigned cpu)
{
    void *object;

    for (unsigned i = cpu; i < 9; i += 3)
        explore_free(scene, explore_take(scene, i));
    object = explore_alloc(scene, 0);
    explore_free(scene, object);
}

static void bulk(struct scene *scene, unsigned cpu)
{
    void *objects[6];

    explore_alloc_bulk(scene, 0, 6, objects);
    for (unsigned i = 0; i < 6; i++)
        explore_give(scene, 6 * cpu + i, objects[i]);
    for (unsigned i = 0; i < 6; i++)
        objects[i] = explore_take(scene, 6 * (1 - cpu) + i);
    explore_free_bulk(scene, 6, objects);
}

/* ---- caches come and go ---- */

static void destroy(struct scene *scene, unsigned cpu)
{
    void *objects[4];

    if (cpu == 2) {
        own_objects(scene, cpu);
        return;
    }
    explore_step();
    explore_cache_create(scene, 1 + cpu, SMALL);
    alloc_some(scene, 1 + cpu, 3, objects);
    objects[3] = explore_alloc(scene, 0);
    free_some(scene, 4, objects);
    explore_step();
    explore_cache_destroy(scene, 1 + cpu);
}

/* ---- memory goes back ---- */

static void shrink(struct scene *scene)
{
    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS; level++) {
        explore_step();
        allocator_reclaim(scene->instance, level);
    }
}

static void reclaim(struct scene *scene, unsigned cpu)
{
    void *objects[7];

    if (cpu == 0) {
        shrink(scene);
        shrink(scene);
        return;
    }
    for (unsigned round = 0; round < 2; round++) {
        alloc_some(scene, 0, 7, objects);
        explore_give(scene, 2 * round + cpu, objects[0]);
        free_some(scene, 6, objects + 1);
        explore_free(scene, explore_take(scene, 2 * round + 3 - cpu));
    }
}

static void memory_limit_prepare(struct scene *scene)
{
    scene->may_fail = true;
}

static void memory_limit(struct scene *scene, unsigned cpu)
{
    void *objects[12];

    (void)cpu;
    for (unsigned round = 0; round < 2; round++) {
        alloc_some(scene, 0, 12, objects);
        free_some(scene, 12, objects);
    }
}

static void nothing(void *argument)
{
    (void)argument;
}

static void each_cpu(struct scene *scene, unsigned cpu)
{
    void *objects[3];

    alloc_some(scene, 0, 3, objects);
    if (cpu < 2) {
        explore_step();
        on_each_cpu(nothing, NULL);
    }
    free_some(scene, 3, objects);
    if (cpu < 2) {
        explore_step();
        allocator_reclaim(scene->instance, 1 + cpu);
    }
}

/* A reader looks at an object that may have been freed: of a type-stable cache it is still there.
 */
static void grace(struct scene *scene, unsigned cpu)
{
    void *objects[6];

    if (cpu == 0) {
        alloc_some(scene, 0, 6, objects);
        explore_give(scene, 0, objects[5]);
        explore_phase(scene, 1);
        free_some(scene, 6, objects);
        shrink(scene);
        explore_step();
        grace_barrier();
        return;
    }
    explore_wait_phase(scene, 1);
    /* An object that lives as somebody begins to read may be freed, but its memory stays. */
    rcu_read_begin();
    if (explore_lives(scene, scene->slots[0])) {
        for (unsigned looks = 0; looks < 40; looks++) {
            machine_step();
            if (!explore_page_held((uintptr_t)scene->slots[0]))
                explore_found("page of %p went while a reader of a type-stable cache looked",
                              scene->slots[0]);
        }
    }
    rcu_read_end();
    alloc_some(scene, 0, 6, objects);
    free_some(scene, 6, objects);
    shrink(scene);
}

/* ---- timers ---- */

#define FLUSH_NS ((uint64_t)1100000) /* beyond the interval that the scenario sets */

static void timers(struct scene *scene, unsigned cpu)
{
    void *objects[4];

    for (unsigned round = 0; round < 2; round++) {
        alloc_some(scene, 0, 4, objects);
        explore_time_passes(FLUSH_NS);
        explore_give(scene, 2 * round + cpu, objects[0]);
        free_some(scene, 3, objects + 1);
        explore_free(scene, explore_take(scene, 2 * round + 1 - cpu));
        explore_time_passes(FLUSH_NS);
    }
}

/* ---- tables and magazines that grow ---- */

static void grow(struct scene *scene, unsigned cpu)
{
    void *objects[10];

    (void)cpu;
    alloc_some(scene, 0, 10, objects);
    free_some(scene, 10, objects);
}

/* ---- the page layer by itself ---- */

static void pages(struct scene *scene, unsigned cpu)
{
    void *blocks[3], *range, *boot[2];

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned order = 0; order < 3; order++)
            blocks[order] = page_alloc(order, PAGE_ANY_NODE);
        boot[0] = boot_alloc(100, PAGE_ANY_NODE);
        boot[1] = boot_alloc(3000, PAGE_ANY_NODE);
        range = range_alloc(3 + cpu, PAGE_ANY_NODE);
        explore_step();
        for (unsigned order = 0; order < 3; order++)
            page_free(blocks[order], order);
        boot_free(boot[0], 100);
        range_free(range, 3 + cpu);
        boot_free(boot[1], 3000);
        page_drain();
        explore_step();
    }
    (void)scene;
}

static const struct explore_scenario scenarios[] = {
    {.info = {"alloc-free", "each CPU allocates and frees its own, small enough for links inside",
              2, NULL},
     .settings = {TINY},
     .sizes = {LINKED},
     .worker = own_objects},
    {.info = {"remote-free", "one CPU allocates, the other frees", 2, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .worker = remote_free},
    {.info = {"shared-slab", "three CPUs free objects that share slabs", 3, NULL},
     .settings = {"magazine_size=1", "magazine_max=4", "hash_lists=2", "resize=off"},
     .sizes = {SMALL},
     .prepare = shared_slab_prepare,
     .worker = shared_slab},
    {.info = {"exchange", "two CPUs cross the bounds of magazines and slabs", 2, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .worker = exchange},
    {.info = {"bulk", "many at once, freed by the other CPU at once", 2, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .worker = bulk},
    {.info = {"destroy", "caches come and go beside one that is in use", 3, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .worker = destroy},
    {.info = {"reclaim", "one CPU has memory given back while two allocate", 3, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .worker = reclaim},
    {.info = {"memory-limit", "two CPUs run out of memory, reclaim and try again", 2, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .limit_pages = 20,
     .prepare = memory_limit_prepare,
     .worker = memory_limit},
    {.info = {"grace", "a reader looks at objects of a type-stable cache that are freed", 2, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .cache_flags = CACHE_RCU,
     .worker = grace},
    {.info = {"each-cpu", "two CPUs call all CPUs and shrink while three allocate", 3, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .worker = each_cpu},
    {.info = {"timers", "flushers and working sets whose time comes again and again", 2, NULL},
     .settings = {TINY, "flush_interval_ms=1"},
     .sizes = {SMALL},
     .worker = timers},
    {.info = {"resize", "hash tables and magazines grow under load", 2, NULL},
     .settings = {"magazine_size=1", "magazine_max=4", "hash_lists=2", "objects_per_slab=2",
                  "resize=on", "resize_threshold=0"},
     .sizes = {SMALL},
     .worker = grow},
    {.info = {"pages", "blocks, ranges and boot memory, with no design above them", 2, NULL},
     .settings = {TINY},
     .sizes = {SMALL},
     .worker = pages},
};
#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])

const struct explore_scenario_info *virtual_explore_scenario(unsigned index)
{
    return index < SCENARIOS ? &scenarios[index].info : NULL;
}

const struct explore_scenario *explore_scenario_find(const char *name, struct error *error)
{
    char names[512] = "";

    for (size_t i = 0; i < SCENARIOS; i++) {
        size_t used = strlen(names);

        if (strcmp(scenarios[i].info.name, name) == 0)
            return &scenarios[i];
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", scenarios[i].info.name);
    }
    error_set(error, ENOENT, "no scenario '%s'; there are: %s", name, names);
    return NULL;
}
