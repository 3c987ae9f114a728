/* SPDX-License-Identifier: MIT */
/*
 * What the CPUs of a scenario do, and what is checked as they do it: no object overlaps one that
 * lives, each holds from birth to death what its user wrote, an allocation succeeds where memory is
 * at hand, the books balance at the end, and all pages are given back.
 */
#include "sim/explore/internal.h"

#include <errno.h>
#include <string.h>

/* ---- objects ---- */

static struct explore_object *live_find(struct scene *scene, const void *address)
{
    for (unsigned i = 0; i < SCENE_LIVE; i++) {
        if (scene->live[i].address == address)
            return &scene->live[i];
    }
    return NULL;
}

bool explore_lives(struct scene *scene, const void *object)
{
    return live_find(scene, object) != NULL;
}

static void born(struct scene *scene, unsigned cache, void *address)
{
    uintptr_t base = (uintptr_t)address;
    size_t size = scene->sizes[cache];
    struct explore_object *object;

    for (unsigned i = 0; i < SCENE_LIVE; i++) {
        uintptr_t other = (uintptr_t)scene->live[i].address;

        if (other && base < other + scene->live[i].size && other < base + size)
            explore_found("CPU %u was given %p, which overlaps the live object %p of %zu bytes",
                          cpu_id(), address, scene->live[i].address, scene->live[i].size);
    }
    if (base - PAGE_ARENA_BASE >= EXPLORE_ARENA_BYTES || !explore_page_held(base) ||
        !explore_page_held(base + size - 1))
        explore_found("CPU %u was given %p, which lies in no page that is held", cpu_id(), address);
    object = live_find(scene, NULL);
    *object = (struct explore_object){address, size, ++scene->stamps, cache};
    for (size_t i = 0; i < size / sizeof object->stamp; i++)
        ((uint64_t *)address)[i] = object->stamp * 0x9e3779b97f4a7c15u;
    machine_object_is_users(address, size, true);
}

/* Returns whose it was. */
static unsigned died(struct scene *scene, void *address)
{
    struct explore_object *object = live_find(scene, address);

    machine_object_is_users(address, object->size, false);
    for (size_t i = 0; i < object->size / sizeof object->stamp; i++) {
        if (((uint64_t *)address)[i] != object->stamp * 0x9e3779b97f4a7c15u)
            explore_found("the object %p of %zu bytes was damaged at byte %zu while it lived",
                          address, object->size, i * sizeof object->stamp);
    }
    object->address = NULL;
    return object->cache;
}

void *explore_alloc(struct scene *scene, unsigned cache)
{
    const struct binding_of_cache *binding = &scene->bindings[cache];
    struct request request = {.size = scene->sizes[cache], .node = -1};
    void *object;

    explore_step();
    object = binding->alloc(binding->cache, &request);
    if (!object)
        object = allocator_retry(scene->instance, binding, &request);
    if (object)
        born(scene, cache, object);
    else if (!scene->may_fail)
        explore_found("CPU %u: an allocation failed with memory at hand", cpu_id());
    return object;
}

void explore_free(struct scene *scene, void *object)
{
    const struct binding_of_cache *binding;

    explore_step();
    if (!object)
        return;
    binding = &scene->bindings[died(scene, object)];
    binding->free(binding->cache, object);
}

unsigned explore_alloc_bulk(struct scene *scene, unsigned cache, unsigned n, void **objects)
{
    struct request request = {.size = scene->sizes[cache], .node = -1};
    unsigned got;

    explore_step();
    got = allocator_alloc_bulk(&scene->bindings[cache], &request, n, objects);
    for (unsigned i = 0; i < got; i++)
        born(scene, cache, objects[i]);
    for (; got < n; got++) { /* one by one, as the replay does */
        objects[got] = explore_alloc(scene, cache);
        if (!objects[got])
            break;
    }
    return got;
}

void explore_free_bulk(struct scene *scene, unsigned n, void *const *objects)
{
    unsigned cache = 0;

    explore_step();
    for (unsigned i = 0; i < n; i++)
        cache = died(scene, objects[i]);
    allocator_free_bulk(&scene->bindings[cache], n, objects);
}

/* ---- CPUs among each other ---- */

void explore_step(void)
{
    if (!virtual_machine.running)
        return;
    machine_step();
    machine_safe_point();
}

void explore_give(struct scene *scene, unsigned slot, void *object)
{
    scene->slots[slot] = object;
    virtual_machine.changes++;
}

void *explore_take(struct scene *scene, unsigned slot)
{
    unsigned spins = 0;
    void *object;

    while (!scene->slots[slot])
        machine_wait_step(&spins);
    object = scene->slots[slot];
    scene->slots[slot] = NULL;
    return object;
}

void explore_phase(struct scene *scene, unsigned phase)
{
    scene->phase = phase;
    virtual_machine.changes++;
}

void explore_wait_phase(struct scene *scene, unsigned phase)
{
    unsigned spins = 0;

    while (scene->phase < phase)
        machine_wait_step(&spins);
}

void explore_time_passes(uint64_t ns)
{
    explorer.now += ns;
    virtual_machine.changes++;
    explore_step();
}

/* ---- caches ---- */

void explore_cache_create(struct scene *scene, unsigned cache, size_t size)
{
    static const char *const names[SCENE_CACHES] = {"first", "second", "third"};
    struct cache_params params = {.name = names[cache], .size = size, .flags = scene->cache_flags};
    struct error error;

    int code = allocator_cache_create(scene->instance, &params, &scene->caches[cache], &error);

    if (code == -ENOMEM) /* pages are limited to more than caches take: it was the host's memory */
        explorer.progress->no_memory = true;
    if (code)
        explore_found("CPU %u: %s", cpu_id(), error.text);
    scene->sizes[cache] = size;
    allocator_bind_cache(scene->instance, scene->caches[cache], &scene->bindings[cache]);
}

void explore_cache_destroy(struct scene *scene, unsigned cache)
{
    struct error error;

    if (allocator_cache_destroy(scene->instance, scene->caches[cache], &error) != 0)
        explore_found("CPU %u: nothing of it lives, but: %s", cpu_id(), error.text);
    scene->caches[cache] = NULL;
}

/* ---- the end ---- */

static void balance(struct scene *scene)
{
    uint64_t requested = 0, live = 0;
    struct ledger ledger = {.keeps_claims = true};
    struct error error;

    for (unsigned i = 0; i < SCENE_LIVE; i++) {
        if (scene->live[i].address) {
            requested += scene->live[i].size;
            live++;
        }
    }
    if (allocator_ledger(scene->instance, &ledger, NULL, NULL) &&
        ledger_balance(&ledger, requested, live, &error) != 0)
        explore_found("with %llu objects live: %s", (unsigned long long)live, error.text);
    ledger_cleanup(&ledger);
    for (unsigned i = 0; i < SCENE_CACHES; i++) {
        if (scene->caches[i]) /* no such number: a design checks itself as it tells all it has */
            allocator_inspect(scene->instance, scene->caches[i], "");
    }
    page_check();
}

void explore_end(struct scene *scene)
{
    struct page_statistics pages;
    struct error error;

    balance(scene);
    for (unsigned i = 0; i < SCENE_LIVE; i++) {
        if (scene->live[i].address)
            explore_free(scene, scene->live[i].address);
    }
    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS; level++)
        allocator_reclaim(scene->instance, level);
    grace_barrier();
    balance(scene);
    memset(scene->caches, 0, sizeof scene->caches);
    if (allocator_stop(scene->instance, &error) != 0)
        explore_found("nothing lives, but: %s", error.text);
    page_check();
    page_get_statistics(&pages);
    if (pages.held_bytes || pages.boot_bytes)
        explore_found("%zu bytes of pages are held after the end", pages.held_bytes);
}
