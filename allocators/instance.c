/* SPDX-License-Identifier: MIT */
/*
 * A design at work: options before the start, caches while it runs, reclaim when memory is short.
 * The front end of every allocation that finds none is here (allocator_retry); the designs
 * themselves only ever fail or succeed.
 */
#include "allocators/instance.h"

#include "allocators/tunable.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- create, options ---- */

static const struct allocator *design_find(const char *name, size_t length, struct error *error)
{
    size_t count;
    const struct allocator *const *designs = allocator_all(&count);
    char names[512] = "";

    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(names);

        if (strlen(designs[i]->name) == length && memcmp(designs[i]->name, name, length) == 0)
            return designs[i];
        snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", designs[i]->name);
    }
    error_set(error, ENOENT, "no allocator '%.*s'; there are: %s", (int)length, name, names);
    return NULL;
}

/* The part of a name behind the colon, as the design's first tunable. */
static int set_suffix(struct allocator_instance *instance, const char *suffix, struct error *error)
{
    const struct tunable *first = instance->design->tunables;

    if (!first || !first->key || first->kind != TUNABLE_STRING)
        return error_set(error, EINVAL, "'%s': allocator %s takes nothing behind a colon",
                         instance->name, instance->design->name);
    return allocator_set(instance, first->key, suffix, error);
}

int allocator_create(const char *name, struct allocator_instance **instance, struct error *error)
{
    const char *colon = strchr(name, ':');
    const struct allocator *design =
        design_find(name, colon ? (size_t)(colon - name) : strlen(name), error);
    struct allocator_instance *made;
    int code = 0;

    if (!design)
        return -ENOENT;
    made = calloc(1, sizeof *made);
    if (!made)
        return error_set(error, ENOMEM, "no memory for allocator %s", name);
    made->design = design;
    made->name = strdup(name);
    made->options = calloc(1, design->options_size ? design->options_size : 1);
    if (!made->name || !made->options) {
        code = error_set(error, ENOMEM, "no memory for the options of allocator %s", name);
    } else {
        tunable_set_initial(design->tunables, made->options);
        if (colon)
            code = set_suffix(made, colon + 1, error);
    }
    if (code) {
        allocator_destroy(made);
        return code;
    }
    *instance = made;
    return 0;
}

void allocator_destroy(struct allocator_instance *instance)
{
    if (!instance)
        return;
    if (instance->started)
        allocator_stop(instance, NULL);
    if (instance->options)
        tunable_release(instance->design->tunables, instance->options);
    free(instance->options);
    free(instance->name);
    free(instance);
}

const struct allocator *allocator_design(const struct allocator_instance *instance)
{
    return instance->design;
}

const char *allocator_name(const struct allocator_instance *instance)
{
    return instance->name;
}

int allocator_set(struct allocator_instance *instance, const char *key, const char *value,
                  struct error *error)
{
    int code = tunable_set(instance->design->name, instance->design->tunables, instance->options,
                           key, value, error);

    if (code == 0 && strcmp(key, "resize") == 0)
        instance->resizing_asked = true;
    return code;
}

int allocator_set_magazine_size(struct allocator_instance *instance, uint64_t size,
                                struct error *error)
{
    const struct allocator *design = instance->design;

    if (!design->set_magazine_size)
        return error_set(error, ENOTSUP, "allocator %s has no per-CPU capacity to set",
                         design->name);
    return design->set_magazine_size(instance->options, size, instance->resizing_asked, error);
}

const char *allocator_get(const struct allocator_instance *instance, const char *key, char *buffer,
                          size_t size)
{
    const struct tunable *tunable = tunable_find(instance->design->tunables, key);

    return tunable ? tunable_text(tunable, instance->options, buffer, size) : "";
}

/* ---- start, stop ---- */

int allocator_start(struct allocator_instance *instance, struct error *error)
{
    const struct allocator *design = instance->design;
    int code;

    if (instance->started)
        return error_set(error, EBUSY, "allocator %s runs already", instance->name);
    code = design->start(instance->options, &instance->running, error);
    if (code)
        return error_prefix(error, code, "allocator %s", instance->name);
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES);
    instance->started = true;
    return 0;
}

int allocator_stop(struct allocator_instance *instance, struct error *error)
{
    /* Backwards, so that taking one off the list moves none that is still to come. */
    for (size_t i = instance->nr_caches; i-- > 0;) {
        int code = allocator_cache_destroy(instance, instance->caches[i], error);

        if (code)
            return code;
    }
    general_cleanup(instance);
    instance->design->stop(instance->running);
    instance->running = NULL;
    instance->started = false;
    lock_cleanup(&instance->lock);
    free(instance->caches);
    instance->caches = NULL;
    instance->room = 0;
    return 0;
}

/* ---- caches ---- */

static int params_check(const struct allocator *design, const struct cache_params *params,
                        struct error *error)
{
    if (params->size == 0 && !design->external)
        return error_set(error, EINVAL, "cache '%s': an object has at least one byte",
                         params->name);
    if (params->size > PTRDIFF_MAX)
        return error_set(error, EINVAL, "cache '%s': no object has %zu bytes", params->name,
                         params->size);
    if (params->align < 8 || params->align > PAGE_SIZE || (params->align & (params->align - 1)))
        return error_set(error, EINVAL,
                         "cache '%s': alignment %zu; it can be a power of two from 8 to %zu",
                         params->name, params->align, PAGE_SIZE);
    return 0;
}

static bool list_add(struct allocator_instance *instance, struct cache *cache)
{
    bool added = true;

    lock_acquire(&instance->lock);
    if (instance->nr_caches == instance->room) {
        size_t room = instance->room ? 2 * instance->room : 64;
        struct cache **caches = realloc(instance->caches, room * sizeof *caches);

        added = caches != NULL;
        if (added) {
            instance->caches = caches;
            instance->room = room;
        }
    }
    if (added)
        instance->caches[instance->nr_caches++] = cache;
    lock_release(&instance->lock);
    return added;
}

/* Searched from the end: what is created and destroyed all the time is young. */
static void list_remove(struct allocator_instance *instance, const struct cache *cache)
{
    lock_acquire(&instance->lock);
    for (size_t i = instance->nr_caches; i-- > 0;) {
        if (instance->caches[i] == cache) {
            instance->caches[i] = instance->caches[--instance->nr_caches];
            break;
        }
    }
    lock_release(&instance->lock);
}

int allocator_cache_create(struct allocator_instance *instance, const struct cache_params *params,
                           struct cache **cache, struct error *error)
{
    struct cache_params checked = *params;
    int code;

    if (checked.align == 0)
        checked.align = 8;
    code = params_check(instance->design, &checked, error);
    if (code)
        return code;
    code = instance->design->cache_create(instance->running, &checked, cache, error);
    if (code)
        return code;
    if (list_add(instance, *cache))
        return 0;
    instance->design->cache_destroy(instance->running, *cache, NULL);
    return error_set(error, ENOMEM, "cache '%s': no memory for the list of caches", params->name);
}

int allocator_cache_destroy(struct allocator_instance *instance, struct cache *cache,
                            struct error *error)
{
    int code;

    /* Off the list first: once destroyed, its address may at once be another cache's. */
    list_remove(instance, cache);
    code = instance->design->cache_destroy(instance->running, cache, error);
    if (code == 0)
        general_forget(instance, cache);
    else
        list_add(instance, cache); /* there is room: its place was free a moment ago */
    return code;
}

void allocator_bind_cache(struct allocator_instance *instance, struct cache *cache,
                          struct binding_of_cache *binding)
{
    const struct allocator *design = instance->design;

    *binding = (struct binding_of_cache){
        .alloc = design->alloc,
        .free = design->free,
        .cache = cache,
        .alloc_bulk = design->alloc_bulk,
        .free_bulk = design->free_bulk,
    };
}

/* ---- objects ---- */

unsigned allocator_alloc_bulk(const struct binding_of_cache *binding, const struct request *request,
                              unsigned n, void **objects)
{
    if (binding->alloc_bulk)
        return binding->alloc_bulk(binding->cache, request, n, objects);
    for (unsigned i = 0; i < n; i++) {
        objects[i] = binding->alloc(binding->cache, request);
        if (!objects[i])
            return i;
    }
    return n;
}

void allocator_free_bulk(const struct binding_of_cache *binding, unsigned n, void *const *objects)
{
    if (binding->free_bulk) {
        binding->free_bulk(binding->cache, n, objects);
        return;
    }
    for (unsigned i = 0; i < n; i++)
        binding->free(binding->cache, objects[i]);
}

void allocator_reclaim(struct allocator_instance *instance, unsigned level)
{
    if (instance->design->reclaim)
        instance->design->reclaim(instance->running, level);
}

void *allocator_retry(struct allocator_instance *instance, const struct binding_of_cache *binding,
                      const struct request *request)
{
    void *object = NULL;

    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS && !object; level++) {
        allocator_reclaim(instance, level);
        object = binding->alloc(binding->cache, request);
    }
    return object;
}

/* ---- inspection ---- */

struct wanted {
    const char *name;
    uint64_t value;
};

static void wanted_compare(void *context, const char *name, uint64_t value)
{
    struct wanted *wanted = context;

    if (strcmp(name, wanted->name) == 0)
        wanted->value = value;
}

uint64_t allocator_inspect(struct allocator_instance *instance, struct cache *cache,
                           const char *name)
{
    struct wanted wanted = {.name = name, .value = UINT64_MAX};

    if (instance->design->inspect)
        instance->design->inspect(cache, wanted_compare, &wanted);
    return wanted.value;
}
