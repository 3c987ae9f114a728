/* SPDX-License-Identifier: MIT */
/*
 * A design at work: options before the start, caches while it runs, reclaim when memory is short.
 * The front end of every allocation that finds none is here (allocator_retry); the designs
 * themselves only ever fail or succeed.
 */
#include "allocators/instance.h"

#include "allocators/debug.h"
#include "sim/tunable.h"

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

static size_t front_options_offset(const struct allocator *design)
{
    size_t unit = _Alignof(struct front_options);

    return (design->options_size + unit - 1) / unit * unit;
}

static const struct front_options *front_options(const struct allocator_instance *instance)
{
    return (const void *)((const char *)instance->options +
                          front_options_offset(instance->registered));
}

/* The design as it is here, now; see instance.h. */
static void design_adapt(struct allocator_instance *instance)
{
    instance->adapted = *instance->registered;
    if (instance->tunables) {
        instance->adapted.tunables = instance->tunables;
        instance->adapted.debug_key = DEBUG_KEY;
    }
    if (instance->options && front_options(instance)->debug)
        debug_layer(&instance->adapted);
}

static int tunables_make(struct allocator_instance *instance)
{
    const struct allocator *design = instance->registered;
    size_t count = 0;

    if (!design->tells_buffers)
        return 0;
    while (design->tunables && design->tunables[count].key)
        count++;
    instance->tunables = calloc(count + 2, sizeof *instance->tunables);
    if (!instance->tunables)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        instance->tunables[i] = design->tunables[i];
    instance->tunables[count] = (struct tunable)TUNABLE_SWITCH(DEBUG_KEY, struct front_options,
                                                               debug, false, DEBUG_SUMMARY);
    instance->tunables[count].offset += front_options_offset(design);
    return 0;
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
    made->registered = design;
    made->design = &made->adapted;
    code = tunables_make(made);
    design_adapt(made);
    made->name = strdup(name);
    made->options = calloc(1, front_options_offset(design) + sizeof(struct front_options));
    if (code || !made->name || !made->options) {
        code = error_set(error, ENOMEM, "no memory for the options of allocator %s", name);
    } else {
        tunable_set_initial(made->design->tunables, made->options);
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
    free(instance->tunables);
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

static struct cache_entry *list_youngest(struct allocator_instance *instance)
{
    return atomic_load_explicit(&instance->caches, memory_order_relaxed);
}

int allocator_start(struct allocator_instance *instance, struct error *error)
{
    const struct allocator *design = instance->registered;
    int code = 0;

    if (instance->started)
        return error_set(error, EBUSY, "allocator %s runs already", instance->name);
    if (front_options(instance)->debug)
        code = debug_start(design, instance->options, &instance->running, error);
    else if (design->start)
        code = design->start(instance->options, &instance->running, error);
    if (code)
        return error_prefix(error, code, "allocator %s", instance->name);
    design_adapt(instance);
    lock_init(&instance->lock, LOCK_CLASS_CACHES, LOCK_RANK_CACHES, NULL);
    atomic_store_explicit(&instance->caches, NULL, memory_order_relaxed);
    instance->started = true;
    return 0;
}

int allocator_stop(struct allocator_instance *instance, struct error *error)
{
    for (struct cache_entry *youngest; (youngest = list_youngest(instance));) {
        int code = allocator_cache_destroy(instance, youngest->cache, error);

        if (code)
            return code;
    }
    general_cleanup(instance);
    if (instance->design->stop)
        instance->design->stop(instance->running);
    instance->running = NULL;
    instance->started = false;
    lock_cleanup(&instance->lock);
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

static void entry_free(struct cache_entry *entry)
{
    free(entry->name);
    free(entry);
}

static struct cache_entry *entry_create(const struct cache_params *params)
{
    struct cache_entry *entry = calloc(1, sizeof *entry);

    if (!entry)
        return NULL;
    entry->size = params->size;
    entry->name = strdup(params->name);
    if (entry->name)
        return entry;
    free(entry);
    return NULL;
}

static void entry_unread(struct grace *grace)
{
    entry_free(caa_container_of(grace, struct cache_entry, grace));
}

static void list_add(struct allocator_instance *instance, struct cache_entry *entry)
{
    lock_acquire(&instance->lock);
    atomic_store_explicit(&entry->next, list_youngest(instance), memory_order_relaxed);
    atomic_store_explicit(&instance->caches, entry, memory_order_release);
    lock_release(&instance->lock);
}

static struct cache_entry *list_find(struct allocator_instance *instance, const struct cache *cache)
{
    struct cache_entry *entry;

    lock_acquire(&instance->lock);
    entry = list_youngest(instance);
    while (entry->cache != cache)
        entry = atomic_load_explicit(&entry->next, memory_order_relaxed);
    lock_release(&instance->lock);
    return entry;
}

/* Off the list; readers may be on the entry for a while yet, and go on from it. */
static void list_remove(struct allocator_instance *instance, struct cache_entry *entry)
{
    _Atomic(struct cache_entry *) *link = &instance->caches;
    struct cache_entry *at;

    lock_acquire(&instance->lock);
    while ((at = atomic_load_explicit(link, memory_order_relaxed)) != entry)
        link = &at->next;
    at = atomic_load_explicit(&entry->next, memory_order_relaxed);
    atomic_store_explicit(link, at, memory_order_release);
    lock_release(&instance->lock);
    if (rcu_no_readers())
        entry_free(entry);
    else
        grace_call(&entry->grace, entry_unread);
}

void allocator_each_cache(struct allocator_instance *instance,
                          void (*visit)(void *context, struct cache *cache, const char *name,
                                        size_t size),
                          void *context)
{
    const struct cache_entry *entry;

    rcu_read_begin();
    entry = atomic_load_explicit(&instance->caches, memory_order_acquire);
    while (entry) {
        visit(context, entry->cache, entry->name, entry->size);
        entry = atomic_load_explicit(&entry->next, memory_order_acquire);
    }
    rcu_read_end();
}

int allocator_cache_create(struct allocator_instance *instance, const struct cache_params *params,
                           struct cache **cache, struct error *error)
{
    struct cache_params checked = *params;
    struct cache_entry *entry;
    int code;

    if (checked.align == 0)
        checked.align = 8;
    code = params_check(instance->design, &checked, error);
    if (code)
        return code;
    entry = entry_create(&checked);
    if (!entry)
        return error_set(error, ENOMEM, "cache '%s': no memory for the list of caches",
                         params->name);
    code = instance->design->cache_create(instance->running, &checked, cache, error);
    if (code) {
        entry_free(entry);
        return code;
    }
    entry->cache = *cache;
    list_add(instance, entry);
    return 0;
}

int allocator_cache_destroy(struct allocator_instance *instance, struct cache *cache,
                            struct error *error)
{
    /* Found first: once the cache is destroyed, its address may at once be another's. */
    struct cache_entry *entry = list_find(instance, cache);
    int code = instance->design->cache_destroy(instance->running, cache, error);

    if (code)
        return code;
    list_remove(instance, entry);
    general_forget(instance, cache);
    return 0;
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

    if ((request->flags & REQUEST_NO_WAIT) || instance->design->reclaims_itself)
        return NULL;
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
