/* SPDX-License-Identifier: MIT */
/*
 * The debug layer's marks in and around one object, and what is said when they are not as they
 * should be. A state is exchanged atomically, so that of two CPUs that free one object at once one
 * is told so; all else of a buffer belongs to whoever holds it.
 */
#include "allocators/debug.h"

#include "allocators/invariant.h"
#include "sim/machine.h"

#include <stdio.h>
#include <string.h>

#define DESIGN_BYTES 16

/* As SLUB has them. */
#define POISON_FREE   0x6b
#define POISON_UNUSED 0x5a
#define ZONE          0xcc

#define STATE_FREE      UINT64_C(0xf4eeb10cf4eeb10c)
#define STATE_ALLOCATED UINT64_C(0xa110c8eda110c8ed)
#define STATE_LOOKED_AT UINT64_C(0xf4ee1496f4ee1496) /* is being freed */

struct debug_header {
    _Atomic uint64_t state;    /* partner of each access: that of whoever has the buffer next */
    const struct cache *cache; /* object and cache say that this is a header */
    const void *object;
    uint32_t alloc_cpu, free_cpu;
    uint64_t asked;    /* bytes that may be used */
    uint64_t event_ns; /* timer_now_ns of the last allocation or free */
};
_Static_assert(DESIGN_BYTES + sizeof(struct debug_header) == 64, "the red zone begins at 64");

#define ZONE_START 64

static struct debug_header *header_of(const struct cache *cache, const void *object)
{
    return (struct debug_header *)((uintptr_t)object - cache->lead + DESIGN_BYTES);
}

static uint64_t state_of(const struct debug_header *header)
{
    return atomic_load_explicit(&header->state, memory_order_acquire);
}

/* ---- reports ---- */

/* The header's last words, which may be worth something even where it is damaged. */
static void history(const struct cache *cache, const void *object, char *text, size_t size)
{
    const struct debug_header *header = header_of(cache, object);

    if (state_of(header) == STATE_ALLOCATED || state_of(header) == STATE_LOOKED_AT)
        snprintf(text, size, "allocated by CPU %u at %llu ns", header->alloc_cpu,
                 (unsigned long long)header->event_ns);
    else if (state_of(header) == STATE_FREE && header->event_ns != UINT64_MAX)
        snprintf(text, size, "allocated by CPU %u, freed by CPU %u at %llu ns", header->alloc_cpu,
                 header->free_cpu, (unsigned long long)header->event_ns);
    else if (state_of(header) == STATE_FREE)
        snprintf(text, size, "never allocated");
    else
        snprintf(text, size, "neither allocated nor free");
}

static _Noreturn __attribute__((cold, noinline)) void report(const struct cache *cache,
                                                             const void *object, const char *what)
{
    char text[128];

    history(cache, object, text, sizeof text);
    invariant_broken(cache->design->name, cache->params.name, "%s: object %p (%s)", what, object,
                     text);
}

/* `at` is where in the buffer, told as an offset in the object. */
static _Noreturn __attribute__((cold, noinline)) void
report_byte(const struct cache *cache, const char *buffer, size_t at, const char *what)
{
    const void *object = buffer + cache->lead;
    char text[128];

    history(cache, object, text, sizeof text);
    invariant_broken(cache->design->name, cache->params.name,
                     "%s: object %p, offset %td, holds %02x (%s)", what, object,
                     (ptrdiff_t)at - (ptrdiff_t)cache->lead, (unsigned char)buffer[at], text);
}

static _Noreturn __attribute__((cold, noinline)) void
report_free(const struct cache *cache, const void *object, const char *what)
{
    invariant_broken(cache->design->name, cache->params.name, "bad free of %p: %s", object, what);
}

/* ---- bytes ---- */

/* First of buffer[from, to) that is not `byte`; `to` if all are. Words as long as there are any. */
static size_t first_other(const char *buffer, size_t from, size_t to, unsigned char byte)
{
    const uint64_t wanted = byte * UINT64_C(0x0101010101010101);
    uint64_t word;

    for (; from + sizeof word <= to; from += sizeof word) {
        memcpy(&word, buffer + from, sizeof word);
        if (word != wanted)
            break;
    }
    while (from < to && (unsigned char)buffer[from] == byte)
        from++;
    return from;
}

/* Where the bytes of a free buffer that keep their content begin and end; nowhere if none do. */
static size_t kept_start(const struct cache *cache)
{
    return cache->poisoned ? cache->bytes : cache->lead;
}

static size_t kept_end(const struct cache *cache)
{
    return cache->poisoned ? cache->bytes : cache->lead + cache->params.size;
}

static void poison(const struct cache *cache, char *buffer)
{
    memset(buffer + ZONE_START, POISON_FREE, kept_start(cache) - ZONE_START);
    memset(buffer + kept_end(cache), POISON_FREE, cache->bytes - kept_end(cache));
}

static void check_poison(const struct cache *cache, const char *buffer)
{
    size_t end = kept_end(cache);
    size_t at = first_other(buffer, ZONE_START, kept_start(cache), POISON_FREE);

    if (at < kept_start(cache))
        report_byte(cache, buffer, at, "write after free");
    at = first_other(buffer, end, cache->bytes, POISON_FREE);
    if (at < cache->bytes)
        report_byte(cache, buffer, at, "write after free");
}

static void zones_set(const struct cache *cache, char *buffer, size_t asked)
{
    size_t end = cache->lead + asked;

    memset(buffer, ZONE, DESIGN_BYTES);
    memset(buffer + ZONE_START, ZONE, cache->lead - ZONE_START);
    memset(buffer + end, ZONE, cache->bytes - end);
}

static void check_zone(const struct cache *cache, const char *buffer, size_t from, size_t to)
{
    size_t at = first_other(buffer, from, to, ZONE);

    if (at < to)
        report_byte(cache, buffer, at,
                    at < cache->lead ? "write before the object" : "write past the end");
}

/* ---- headers ---- */

static bool header_is(const struct debug_header *header, const struct cache *cache,
                      const void *object)
{
    return header->cache == cache && header->object == object;
}

/* A buffer that the design holds: its header has to say that it is free. */
static struct debug_header *header_of_free(const struct cache *cache, const char *buffer)
{
    const void *object = buffer + cache->lead;
    struct debug_header *header = header_of(cache, object);

    if (!page_in_arena(buffer) || ((uintptr_t)buffer & 7))
        invariant_broken(cache->design->name, cache->params.name,
                         "damaged freelist: it gave %p, where no object can be", buffer);
    if (!header_is(header, cache, object))
        invariant_broken(cache->design->name, cache->params.name,
                         "damaged freelist or header: at %p there is no object of this cache",
                         object);
    if (state_of(header) == STATE_ALLOCATED)
        report(cache, object, "handed out twice");
    if (state_of(header) != STATE_FREE)
        report(cache, object, "damaged header of a free object");
    return header;
}

void debug_cache_check(const struct cache *cache, const struct request *request)
{
    const char *name = cache->params.name;

    if (cache->mark != debug_cache_mark(cache))
        invariant_broken("debug", "?", "the cache at %p was destroyed, or is none",
                         (const void *)cache);
    if (!request)
        return;
    if (request->flags & ~REQUEST_NO_WAIT)
        invariant_broken(cache->design->name, name,
                         "bad request: flags %#x, of which %#x are known", request->flags,
                         REQUEST_NO_WAIT);
    if (request->size > cache->params.size)
        invariant_broken(cache->design->name, name, "bad request: %zu bytes of objects of %zu",
                         request->size, cache->params.size);
    if (request->node != PAGE_ANY_NODE && (unsigned)request->node >= nr_nodes())
        invariant_broken(cache->design->name, name, "bad request: node %d of %u", request->node,
                         nr_nodes());
}

void debug_buffer_made(void *buffer, void *context)
{
    const struct cache *cache = context;
    char *object = (char *)buffer + cache->lead;
    struct debug_header *header = header_of(cache, object);

    *header = (struct debug_header){.cache = cache, .object = object, .event_ns = UINT64_MAX};
    atomic_store_explicit(&header->state, STATE_FREE, memory_order_relaxed);
    poison(cache, buffer);
}

void debug_buffer_gone(void *buffer, void *context)
{
    const struct cache *cache = context;
    struct debug_header *header = header_of_free(cache, buffer);

    check_poison(cache, buffer);
    header->object = NULL;
    atomic_store_explicit(&header->state, 0, memory_order_relaxed);
}

void *debug_object_arm(const struct cache *cache, void *buffer, size_t asked)
{
    char *object = (char *)buffer + cache->lead;
    struct debug_header *header = header_of_free(cache, buffer);

    check_poison(cache, buffer);
    /* What is constructed is used to its end. */
    if (asked == 0 || asked > cache->params.size || cache->params.construct)
        asked = cache->params.size;
    if (cache->poisoned)
        memset(object, POISON_UNUSED, asked);
    zones_set(cache, buffer, asked);
    header->asked = asked;
    header->alloc_cpu = cpu_id();
    header->event_ns = timer_now_ns();
    atomic_store_explicit(&header->state, STATE_ALLOCATED, memory_order_release);
    return object;
}

/* ---- frees ---- */

/* In the arena, with the header before it; else nothing there may be looked at. */
static bool readable(const struct cache *cache, uintptr_t object)
{
    return object % 8 == 0 && page_in_arena((const void *)object) &&
           page_in_arena((const void *)(object - cache->lead));
}

/* No header stands before it: is it inside of an object? */
static _Noreturn __attribute__((cold, noinline)) void report_foreign(const struct cache *cache,
                                                                     const void *freed)
{
    uintptr_t object = (uintptr_t)freed & ~(uintptr_t)7;
    char text[96];

    if (!freed)
        report_free(cache, freed, "it is NULL");
    if (!page_in_arena(freed))
        report_free(cache, freed, "it is not in the arena");
    for (size_t distance = 0; distance < cache->bytes && readable(cache, object);
         distance += 8, object -= 8) {
        if (!header_is(header_of(cache, (void *)object), cache, (void *)object))
            continue;
        snprintf(text, sizeof text, "it is inside of object %p, at offset %zu", (void *)object,
                 (size_t)((uintptr_t)freed - object));
        report_free(cache, freed, text);
    }
    report_free(cache, freed,
                "no object of this cache begins there, or its header was written over");
}

/* What a header says to be a cache, which may be anything. */
static bool cache_is(const struct cache *cache)
{
    return page_in_arena(cache) && (uintptr_t)cache % CACHE_LINE == 0 &&
           cache->mark == debug_cache_mark(cache);
}

/* The header's object is there, but of another cache. */
static _Noreturn __attribute__((cold, noinline)) void
report_other_cache(const struct cache *cache, const struct debug_header *header)
{
    char text[128];

    snprintf(text, sizeof text, "it belongs to cache '%.64s'", header->cache->params.name);
    report_free(cache, header->object, text);
}

/* Says why the state of an object that is freed is not "allocated". */
static _Noreturn __attribute__((cold, noinline)) void
report_state(const struct cache *cache, const void *object, uint64_t state)
{
    report(cache, object,
           state == STATE_FREE || state == STATE_LOOKED_AT
               ? "double free"
               : "write before the object, into its header");
}

void *debug_object_disarm(const struct cache *cache, void *object)
{
    struct debug_header *header;
    uint64_t state = STATE_ALLOCATED;
    char *buffer;

    debug_cache_check(cache, NULL);
    if (!readable(cache, (uintptr_t)object))
        report_foreign(cache, object);
    header = header_of(cache, object);
    if (!header_is(header, cache, object)) {
        if (header->object == object && cache_is(header->cache))
            report_other_cache(cache, header);
        report_foreign(cache, object);
    }
    buffer = (char *)object - cache->lead;
    if (!atomic_compare_exchange_strong_explicit(&header->state, &state, STATE_LOOKED_AT,
                                                 memory_order_acq_rel, memory_order_acquire))
        report_state(cache, object, state);
    if (header->asked > cache->params.size)
        report(cache, object, "write before the object, into its header");
    check_zone(cache, buffer, 0, DESIGN_BYTES);
    check_zone(cache, buffer, ZONE_START, cache->lead);
    check_zone(cache, buffer, cache->lead + header->asked, cache->bytes);
    header->free_cpu = cpu_id();
    header->event_ns = timer_now_ns();
    poison(cache, buffer);
    atomic_store_explicit(&header->state, STATE_FREE, memory_order_release);
    return buffer;
}
