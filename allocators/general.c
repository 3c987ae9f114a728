/* SPDX-License-Identifier: MIT */
/*
 * Untyped allocations: general caches of powers of two, whole pages beyond the largest.
 *
 * A general cache of 2^k bytes has the alignment of its size, up to a page: natural alignment, as
 * kmalloc promises it. So an alignment above the size's own is served by the cache of that size.
 *
 * External designs get untyped allocations as they are: rounding malloc(33) up to 64 would measure
 * our rounding and not theirs. They see caches of size 0, one per alignment.
 */
#include "allocators/instance.h"

#include "allocators/invariant.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GENERAL_MIN_SHIFT 3
#define GENERAL_MAX_SHIFT 17

/* ---- whole pages ---- */

/*
 * What stands in the binding where a design's cache would: frees are sized, so it only has to know
 * its size. Touched at every allocation, hence boot memory, at a fixed address. The record of a
 * block's or range's first page names it as owner, so that the ledger finds them.
 */
struct cache {
    struct cache *next;
    const char *design; /* for messages */
    size_t pages;
    unsigned order;
};

static void *owned(struct cache *cache, void *pages)
{
    if (pages)
        page_of(pages)->owner = cache;
    return pages;
}

/* A named node is a wish here, as in kmalloc_node: any other is better than failing. */
static void *buddy_alloc(struct cache *cache, const struct request *request)
{
    void *block = page_alloc(cache->order, request->node);

    if (!block && request->node != PAGE_ANY_NODE)
        block = page_alloc(cache->order, PAGE_ANY_NODE);
    return owned(cache, block);
}

static void buddy_free(struct cache *cache, void *block)
{
    page_of(block)->owner = NULL;
    page_free(block, cache->order);
}

static void *pages_alloc(struct cache *cache, const struct request *request)
{
    void *range = range_alloc(cache->pages, request->node);

    if (!range && request->node != PAGE_ANY_NODE)
        range = range_alloc(cache->pages, PAGE_ANY_NODE);
    return owned(cache, range);
}

static void pages_free(struct cache *cache, void *range)
{
    page_of(range)->owner = NULL;
    range_free(range, cache->pages);
}

/* In a design's debug mode: does an allocation of that size begin there? */
static void check_free(const struct cache *cache, const void *pages)
{
    if (page_in_arena(pages) && ((uintptr_t)pages & PAGE_MASK) == 0 &&
        page_of(pages)->owner == cache)
        return;
    invariant_broken(cache->design, "whole pages",
                     "bad free of %p: no allocation of %zu pages begins there", pages,
                     cache->pages);
}

static void buddy_free_checked(struct cache *cache, void *block)
{
    check_free(cache, block);
    buddy_free(cache, block);
}

static void pages_free_checked(struct cache *cache, void *range)
{
    check_free(cache, range);
    pages_free(cache, range);
}

static bool in_debug_mode(const struct allocator_instance *instance)
{
    const char *key = instance->design->debug_key;
    char value[8];

    return key && strcmp(allocator_get(instance, key, value, sizeof value), "on") == 0;
}

static struct cache *whole_pages_of(struct allocator_instance *instance, size_t pages)
{
    struct cache *found = instance->general.whole_pages;

    while (found && found->pages != pages)
        found = found->next;
    if (found)
        return found;
    found = boot_alloc(sizeof *found, PAGE_ANY_NODE);
    if (!found)
        return NULL;
    *found = (struct cache){
        .next = instance->general.whole_pages,
        .design = instance->design->name,
        .pages = pages,
        .order = (unsigned)__builtin_ctzll(pages),
    };
    instance->general.whole_pages = found;
    return found;
}

static int bind_whole_pages(struct allocator_instance *instance, size_t size,
                            struct binding_of_cache *binding, struct error *error)
{
    size_t pages = (size + PAGE_SIZE - 1) >> PAGE_SHIFT;
    bool buddy = (pages & (pages - 1)) == 0 && pages <= (size_t)1 << PAGE_MAX_ORDER;
    struct cache *cache = whole_pages_of(instance, pages);
    bool debug = in_debug_mode(instance);

    if (!cache)
        return error_set(error, ENOMEM, "no memory to note allocations of %zu pages", pages);
    *binding = (struct binding_of_cache){
        .alloc = buddy ? buddy_alloc : pages_alloc,
        .free = buddy ? (debug ? buddy_free_checked : buddy_free)
                      : (debug ? pages_free_checked : pages_free),
        .cache = cache,
    };
    return 0;
}

struct whole_pages_walk {
    const struct cache *whole_pages;
    struct ledger *ledger;
};

static void whole_pages_add(void *context, const void *address, size_t bytes)
{
    const struct whole_pages_walk *walk = context;
    const void *owner = page_of(address)->owner;
    const struct cache *cache = walk->whole_pages;

    while (cache && cache != owner)
        cache = cache->next;
    if (cache)
        ledger_add_pages(walk->ledger, address, bytes);
}

void general_ledger(const struct allocator_instance *instance, struct ledger *ledger)
{
    struct whole_pages_walk walk = {instance->general.whole_pages, ledger};

    if (walk.whole_pages)
        page_each_held(whole_pages_add, &walk);
}

void general_forget(struct allocator_instance *instance, const struct cache *cache)
{
    for (unsigned i = 0; i < GENERAL_SHIFTS; i++) {
        if (instance->general.by_shift[i] == cache)
            instance->general.by_shift[i] = NULL;
    }
    for (unsigned i = 0; i < GENERAL_ALIGNMENTS; i++) {
        if (instance->general.by_align[i] == cache)
            instance->general.by_align[i] = NULL;
    }
}

void general_cleanup(struct allocator_instance *instance)
{
    struct cache *next;

    for (struct cache *cache = instance->general.whole_pages; cache; cache = next) {
        next = cache->next;
        boot_free(cache, sizeof *cache);
    }
    instance->general = (struct general){0};
}

/* ---- general caches ---- */

/* The smallest k with 2^k >= value. */
static unsigned shift_of(size_t value)
{
    return value <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(value - 1);
}

/* Names outlive their caches, and are the same whenever a program binds the same sizes. */
static const char *general_name(unsigned shift)
{
    static char names[GENERAL_SHIFTS][32];

    snprintf(names[shift], sizeof names[shift], "general-%llu", 1ull << shift);
    return names[shift];
}

static int bind_through(struct allocator_instance *instance, struct cache **slot,
                        const struct cache_params *params, struct binding_of_cache *binding,
                        struct error *error)
{
    if (!*slot) {
        int code = allocator_cache_create(instance, params, slot, error);

        if (code)
            return code;
    }
    allocator_bind_cache(instance, *slot, binding);
    return 0;
}

int allocator_bind_size(struct allocator_instance *instance, size_t size, size_t align,
                        struct binding_of_cache *binding, struct error *error)
{
    const struct allocator *design = instance->design;
    unsigned min = design->general_max_shift ? design->general_min_shift : GENERAL_MIN_SHIFT;
    unsigned max = design->general_max_shift ? design->general_max_shift : GENERAL_MAX_SHIFT;
    unsigned shift;

    if (align == 0)
        align = 8;
    if ((align & (align - 1)) || align > PAGE_SIZE)
        return error_set(error, EINVAL,
                         "an allocation of %zu bytes asks for alignment %zu; it can be a power of "
                         "two up to %zu",
                         size, align, PAGE_SIZE);
    if (size > (size_t)1 << (GENERAL_SHIFTS - 1))
        return error_set(error, EINVAL, "no allocation has %zu bytes", size);
    if (align < 8)
        align = 8;
    if (design->external) {
        struct cache_params params = {.name = "general", .align = align};

        return bind_through(instance, &instance->general.by_align[shift_of(align)], &params,
                            binding, error);
    }
    shift = shift_of(size > align ? size : align);
    if (shift < min)
        shift = min;
    if (shift > max)
        return bind_whole_pages(instance, size, binding, error);

    struct cache_params params = {
        .name = general_name(shift),
        .size = (size_t)1 << shift,
        .align = shift < PAGE_SHIFT ? (size_t)1 << shift : PAGE_SIZE,
    };
    if (params.align < 8)
        params.align = 8;
    return bind_through(instance, &instance->general.by_shift[shift], &params, binding, error);
}
