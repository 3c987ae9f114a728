/* SPDX-License-Identifier: MIT */
/* The second pass of a join: writes the events, and those that mend what was not seen. */
#include "traces/join_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int64_t join_write_cache(struct join *join, uint32_t number)
{
    const struct join_cache *cache = &join->caches[number];

    return trace_add_cache(join->writer,
                           &(struct trace_cache){.name = intern_get(&join->cache_names, number),
                                                 .object_size = cache->object_size,
                                                 .align = cache->align,
                                                 .flags = cache->flags});
}

/* "size-N": of the objects of this size of which nothing tells the cache. */
static int64_t join_size_cache(struct join *join, uint32_t type)
{
    uint64_t size = join_get_type(join, type)->size;
    size_t before = join->cache_names.count;
    char name[32];
    int length = snprintf(name, sizeof name, "size-%llu", (unsigned long long)size);
    int64_t cache = join_cache(join, name, (size_t)length), written;

    if (cache < 0 || join->cache_names.count == before)
        return cache;
    join->caches[cache].object_size = size;
    written = join_write_cache(join, (uint32_t)cache);
    return written < 0 ? written : cache;
}

/* The type with its cache settled. */
static int64_t join_settle_type(struct join *join, uint32_t type, uint32_t cache, uint32_t site)
{
    int64_t settled = cache;

    if (join_get_type(join, type)->cache != JOIN_UNKNOWN)
        return type;
    if (cache == JOIN_NO_NAME) {
        int64_t key = join_site_key(join, site, type);

        if (key < 0)
            return key;
        settled = join->site_caches[key] ? join->site_caches[key] - 1 : join_size_cache(join, type);
    }
    return settled < 0 ? settled : join_type_of_cache(join, type, (uint32_t)settled);
}

/* What an unseen object was: `cache` is what its free names. -ENOENT: nothing tells. */
static int64_t join_guess_type(struct join *join, const struct address *address, uint32_t cache)
{
    uint32_t held = address->type != ADDRESS_NO_TYPE ? address->type : address->first_type;
    int64_t type = -ENOENT;

    if (held != ADDRESS_NO_TYPE)
        type = join_settle_type(join, held, JOIN_NO_NAME, 0);
    if (cache == JOIN_NO_NAME || (type >= 0 && join_get_type(join, (uint32_t)type)->cache == cache))
        return type;
    if (join->caches[cache].first_type != ADDRESS_NO_TYPE)
        return join->caches[cache].first_type;
    if (!join->caches[cache].object_size)
        return -ENOENT;
    return join_type(join, &(struct trace_type){.cache = cache,
                                                .size = join->caches[cache].object_size,
                                                .node = TRACE_ANY_NODE});
}

static int64_t join_write_type(struct join *join, uint32_t type)
{
    struct trace_type settled = *join_get_type(join, type);
    int64_t number;

    if (join_grow(&join->written_types, (size_t)type + 1, &join->room_written_types,
                  sizeof *join->written_types))
        return -ENOMEM;
    if (join->written_types[type])
        return join->written_types[type] - 1;
    number = trace_add_type(join->writer, &settled);
    if (number >= 0)
        join->written_types[type] = (uint32_t)number + 1;
    return number;
}

static int64_t join_write_site(struct join *join, uint32_t site)
{
    int64_t number;

    if (!join->call_sites || !site)
        return 0;
    if (join->written_sites[site])
        return join->written_sites[site];
    number = trace_add_call_site(join->writer, intern_get(&join->sites, site));
    if (number >= 0)
        join->written_sites[site] = (uint32_t)number;
    return number;
}

static uint32_t join_take_object(struct join *join)
{
    return join->nr_free_objects ? join->free_objects[--join->nr_free_objects] : join->nr_objects++;
}

/* Writes the event and says in the address what it now holds. `record` gives stream and time. */
static int join_write_alloc(struct join *join, struct address *address,
                            const struct spill_record *record, uint32_t type, struct error *error)
{
    int64_t written = join_write_type(join, type);
    int64_t site = join_write_site(join, record->site);
    struct trace_event event = {
        .time_ns = record->time_ns - join->base_ns,
        .stream = join->streams[record->stream].number,
        .type = (uint32_t)written,
        .call_site = (uint32_t)site,
        .batch = 1,
        .op = TRACE_ALLOC,
        .origin = record->origin,
    };

    if (written < 0 || site < 0)
        return (int)(written < 0 ? written : site);
    event.object = join_take_object(join);
    address->object = event.object;
    address->type = type;
    return trace_write(join->writer, &event, error);
}

static int join_write_free(struct join *join, struct address *address,
                           const struct spill_record *record, enum trace_origin origin,
                           struct error *error)
{
    int64_t site = origin == TRACE_RECORDED ? join_write_site(join, record->site) : 0;
    struct trace_event event = {
        .time_ns = record->time_ns - join->base_ns,
        .stream = join->streams[record->stream].number,
        .object = address->object,
        .call_site = (uint32_t)site,
        .batch = 1,
        .op = TRACE_FREE,
        .origin = (uint8_t)origin,
    };

    if (site < 0)
        return (int)site;
    if (join_grow(&join->free_objects, join->nr_free_objects + 1, &join->room_free_objects,
                  sizeof *join->free_objects))
        return -ENOMEM;
    join->free_objects[join->nr_free_objects++] = address->object;
    address->object = ADDRESS_FREE;
    return trace_write(join->writer, &event, error);
}

/* The cache that a repair is counted at: as named, else as guessed, else untyped. */
static struct trace_repairs *join_repairs_of(struct join *join, uint32_t named, int64_t type)
{
    if (named == JOIN_NO_NAME && type >= 0)
        named = join_get_type(join, (uint32_t)type)->cache;
    return &join_get_cache(join, named)->repairs;
}

static int join_write_preloads(struct join *join, struct error *error)
{
    int code = 0;

    for (size_t i = 0; !code && i < join->nr_preloads; i++) {
        const struct join_preload *preload = &join->preloads[i];
        struct address *address = addresses_find(&join->addresses, preload->address);
        struct spill_record record = {.time_ns = join->base_ns,
                                      .stream = (uint16_t)preload->stream,
                                      .origin = TRACE_PRELOADED};
        int64_t type = join_guess_type(join, address, preload->cache);
        struct trace_repairs *repairs = join_repairs_of(join, preload->cache, type);

        if (type < 0 && type != -ENOENT)
            return (int)type;
        join->repairs.never_seen_frees++;
        repairs->never_seen_frees++;
        if (type < 0 || join->unmatched == IMPORT_DROP)
            continue;
        join->repairs.preloaded++;
        repairs->preloaded++;
        code = join_write_alloc(join, address, &record, (uint32_t)type, error);
    }
    return code;
}

/* Where nothing tells what was freed again, that free is dropped too, and counted as such. */
static int join_write_inferred(struct join *join, struct address *address,
                               const struct spill_record *record, struct error *error)
{
    int64_t type = join_guess_type(join, address, record->cache);
    struct trace_repairs *repairs;

    if (type < 0 && type != -ENOENT)
        return (int)type;
    repairs = join_repairs_of(join, record->cache, type);
    if (type < 0) {
        join->repairs.never_seen_frees++;
        repairs->never_seen_frees++;
        return 0;
    }
    join->repairs.refreed++;
    repairs->refreed++;
    return join_write_alloc(join, address, record, (uint32_t)type, error);
}

static int join_write_implied(struct join *join, struct address *address,
                              const struct spill_record *record, struct error *error)
{
    join->repairs.implied_frees++;
    join_repairs_of(join, JOIN_NO_NAME, address->type)->implied_frees++;
    return join_write_free(join, address, record, TRACE_IMPLIED, error);
}

static int join_write_record(struct join *join, const struct spill_record *record,
                             struct error *error)
{
    struct address *address = addresses_find(&join->addresses, record->address);
    int64_t type;
    int code = 0;

    if (record->origin == TRACE_INFERRED)
        return join_write_inferred(join, address, record, error);
    if (record->origin == TRACE_IMPLIED)
        return join_write_implied(join, address, record, error);
    if (record->kind == SPILL_FREE) /* one of what is not live was counted where it was surveyed */
        return address->object == ADDRESS_FREE
                   ? 0
                   : join_write_free(join, address, record, TRACE_RECORDED, error);
    if (address->object != ADDRESS_FREE)
        code = join_write_implied(join, address, record, error);
    if (code)
        return code;
    type = join_settle_type(join, record->type, record->cache, record->site);
    return type < 0 ? (int)type : join_write_alloc(join, address, record, (uint32_t)type, error);
}

/* Both spills in one order. */
static int join_write_events(struct join *join, struct error *error)
{
    struct spill_record seen, inferred;
    uint64_t place;
    int more_seen, more_inferred, code = spill_rewind(&join->events);

    if (!code)
        code = spill_rewind(&join->inferred);
    if (code)
        return code;
    more_seen = join_next(join, &seen, &place);
    more_inferred = spill_next(&join->inferred, &inferred, &place);
    while (more_seen >= 0 && more_inferred >= 0 && more_seen + more_inferred > 0) {
        if (more_inferred && (!more_seen || spill_precedes(&inferred, &seen))) {
            code = join_write_record(join, &inferred, error);
            more_inferred = spill_next(&join->inferred, &inferred, &place);
        } else {
            code = join_write_record(join, &seen, error);
            more_seen = join_next(join, &seen, &place);
        }
        if (code)
            return code;
    }
    return more_seen < 0 ? more_seen : more_inferred;
}

static int join_compare_streams(const void *a, const void *b)
{
    const struct join_stream *const *left = a, *const *right = b;

    return ((*left)->os_id > (*right)->os_id) - ((*left)->os_id < (*right)->os_id);
}

static int join_write_streams(struct join *join)
{
    size_t count = join->stream_names.count;
    struct join_stream **sorted = calloc(count + 1, sizeof(*sorted));
    int64_t number = 0;

    if (!sorted)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &join->streams[i];
    qsort(sorted, count, sizeof(*sorted), join_compare_streams);
    for (size_t i = 0; number >= 0 && i < count; i++) {
        number = trace_add_stream(
            join->writer, intern_get(&join->stream_names, (size_t)(sorted[i] - join->streams)),
            sorted[i]->os_id);
        sorted[i]->number = (uint32_t)number;
    }
    free(sorted);
    return number < 0 ? (int)number : 0;
}

static int join_write_definitions(struct join *join)
{
    int64_t number = join_write_streams(join);

    for (uint32_t cache = 0; number >= 0 && cache < join->cache_names.count; cache++)
        number = join_write_cache(join, cache);
    join->written_sites = calloc(join->sites.count, sizeof *join->written_sites);
    if (!join->written_sites)
        return -ENOMEM;
    return number < 0 ? (int)number : 0;
}

static int join_write_repairs(struct join *join)
{
    size_t count = join->cache_names.count;
    struct trace_repairs *rows = calloc(count + 1, sizeof *rows);

    if (!rows)
        return -ENOMEM;
    for (size_t cache = 0; cache < count; cache++)
        rows[cache] = join->caches[cache].repairs;
    rows[count] = join->untyped.repairs;
    trace_set_repairs(join->writer, &join->repairs, rows, count + 1);
    free(rows);
    return 0;
}

int join_write(struct join *join, struct error *error)
{
    int code = join_write_definitions(join);

    if (!code)
        code = join_write_preloads(join, error);
    if (!code)
        code = join_write_events(join, error);
    return code ? code : join_write_repairs(join);
}
