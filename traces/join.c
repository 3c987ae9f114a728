/* SPDX-License-Identifier: MIT */
/* Addresses to objects: what is added, and what the two passes over it share. See join.h. */
#include "traces/join.h"

#include "traces/join_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int join_grow(void *table, size_t count, size_t *room, size_t size)
{
    size_t grown = count + count / 2 + 16;
    void **entries = table;
    char *bigger;

    if (count <= *room)
        return 0;
    bigger = reallocarray(*entries, grown, size);
    if (!bigger)
        return -ENOMEM;
    memset(bigger + *room * size, 0, (grown - *room) * size);
    *entries = bigger;
    *room = grown;
    return 0;
}

int join_create(struct join **created, const struct import_options *options)
{
    struct join *join = calloc(1, sizeof *join);
    int code;

    if (!join)
        return -ENOMEM;
    join->unmatched = options->unmatched;
    join->call_sites = options->call_sites;
    join->coarse = true;
    join->base_ns = UINT64_MAX;
    join->untyped.first_type = ADDRESS_NO_TYPE;
    join->inferred.fd = -1;
    code = spill_init(&join->events, options->temporary);
    if (!code)
        code = spill_init(&join->inferred, options->temporary);
    if (!code && intern_add(&join->sites, "", 0) < 0) /* site 0: not recorded */
        code = -ENOMEM;
    if (code)
        join_destroy(join);
    else
        *created = join;
    return code;
}

void join_destroy(struct join *join)
{
    if (!join)
        return;
    spill_cleanup(&join->events);
    spill_cleanup(&join->inferred);
    addresses_cleanup(&join->addresses);
    intern_cleanup(&join->stream_names);
    intern_cleanup(&join->cache_names);
    intern_cleanup(&join->sites);
    intern_cleanup(&join->types);
    intern_cleanup(&join->site_keys);
    free(join->preloads);
    free(join->ends);
    free(join->streams);
    free(join->caches);
    free(join->site_caches);
    free(join->written_types);
    free(join->written_sites);
    free(join->free_objects);
    free(join);
}

/* ---- adding ---- */

int64_t join_stream(struct join *join, const char *name, uint64_t os_id)
{
    int64_t number = intern_add(&join->stream_names, name, strlen(name));

    if (number > UINT16_MAX)
        return -ERANGE;
    if (number >= 0 &&
        join_grow(&join->streams, (size_t)number + 1, &join->room_streams, sizeof *join->streams))
        return -ENOMEM;
    if (number >= 0)
        join->streams[number].os_id = os_id;
    return number;
}

int64_t join_cache(struct join *join, const char *name, size_t length)
{
    size_t before = join->cache_names.count;
    int64_t number = intern_add(&join->cache_names, name, length);

    if (number < 0 || join->cache_names.count == before)
        return number;
    if (join_grow(&join->caches, (size_t)number + 1, &join->room_caches, sizeof *join->caches))
        return -ENOMEM;
    join->caches[number].first_type = ADDRESS_NO_TYPE;
    return number;
}

const char *join_cache_name(const struct join *join, uint32_t cache)
{
    return cache < join->cache_names.count ? intern_get(&join->cache_names, cache) : NULL;
}

void join_describe_cache(struct join *join, uint32_t cache, const struct join_cache_facts *facts)
{
    struct join_cache *described = &join->caches[cache];

    if (facts->object_size > described->object_size)
        described->object_size = facts->object_size;
    described->align = facts->align;
    described->flags |= facts->flags;
}

int64_t join_site(struct join *join, const char *name, size_t length)
{
    return intern_add(&join->sites, name, length);
}

int64_t join_type(struct join *join, const struct trace_type *type)
{
    struct trace_type key;

    memset(&key, 0, sizeof key); /* the padding too: types are compared by their bytes */
    key.cache = type->cache;
    key.size = type->size;
    key.recorded_size = type->recorded_size;
    key.align = type->align;
    key.node = type->node;
    key.flags = type->flags;
    return intern_add(&join->types, &key, sizeof key);
}

int join_add(struct join *join, enum spill_kind kind, const struct join_event *event)
{
    struct spill_record record = {
        .time_ns = event->time_ns,
        .order = 2 * join->events.count, /* the odd ones are for inferred events */
        .address = event->address,
        .type = event->type,
        .cache = kind == SPILL_FREE ? event->cache : JOIN_NO_NAME,
        .site = event->site,
        .stream = (uint16_t)event->stream,
        .kind = (uint8_t)kind,
    };

    if (!event->address || event->address == 16) {
        if (kind == SPILL_FREE) {
            join->repairs.null_frees++;
            join_get_cache(join, event->cache)->repairs.null_frees++;
        } else {
            join->repairs.skipped_records++; /* an allocation that failed, or of no bytes */
        }
        return 0;
    }
    if (event->time_ns < join->base_ns)
        join->base_ns = event->time_ns;
    join->coarse = join->coarse && event->time_ns % 1000 == 0;
    return spill_add(&join->events, &record);
}

int join_end(struct join *join, const struct join_end *end)
{
    if (join_grow(&join->ends, join->nr_ends + 1, &join->room_ends, sizeof *join->ends))
        return -ENOMEM;
    join->ends[join->nr_ends++] = *end;
    return 0;
}

void join_lost(struct join *join, uint64_t events)
{
    join->repairs.lost_events += events;
}

void join_skipped(struct join *join, uint64_t records)
{
    join->repairs.skipped_records += records;
}

uint64_t join_count(const struct join *join)
{
    return join->events.count + join->repairs.null_frees;
}

uint64_t join_base_ns(const struct join *join)
{
    return join->base_ns;
}

struct join_cache *join_get_cache(struct join *join, uint32_t cache)
{
    return cache < join->cache_names.count ? &join->caches[cache] : &join->untyped;
}

const struct trace_type *join_get_type(const struct join *join, uint32_t type)
{
    return intern_get(&join->types, type);
}

int64_t join_type_of_cache(struct join *join, uint32_t type, uint32_t cache)
{
    struct trace_type named = *join_get_type(join, type);

    named.cache = cache;
    return join_type(join, &named);
}

int join_next(struct join *join, struct spill_record *record, uint64_t *place)
{
    int more = spill_next(&join->events, record, place);
    const struct spill_record *ahead = spill_ahead(&join->events);

    if (ahead)
        addresses_prefetch(&join->addresses, ahead->address);
    return more;
}

int64_t join_site_key(struct join *join, uint32_t site, uint32_t type)
{
    const struct trace_type *sized = join_get_type(join, type);
    struct join_site_key key = {sized->size, sized->recorded_size, site};
    int64_t number = intern_add(&join->site_keys, &key, sizeof key);

    if (number >= 0 && join_grow(&join->site_caches, (size_t)number + 1, &join->room_site_caches,
                                 sizeof *join->site_caches))
        return -ENOMEM;
    return number;
}

int join_finish(struct join *join, struct trace_writer *writer, struct trace_repairs *repairs,
                struct error *error)
{
    int code;

    join->writer = writer;
    code = join_survey(join);
    if (!code)
        code = join_write(join, error);
    *repairs = join->repairs;
    return code;
}

int join_write_trace(struct join *join, const char *output, const char *provenance,
                     struct trace_repairs *repairs, uint64_t *events, struct error *error)
{
    struct trace_writer *writer;
    int code = trace_create(output, provenance, &writer, error);

    if (code)
        return code;
    code = join_finish(join, writer, repairs, error);
    *events = trace_written(writer);
    if (!code)
        return trace_commit(writer, error);
    trace_discard(writer);
    return code;
}
