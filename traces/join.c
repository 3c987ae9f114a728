/* SPDX-License-Identifier: MIT */
/*
 * Addresses to objects, in two passes over the events in order of time. The survey learns what
 * only later events tell: the caches of allocations that name none, what an address held first,
 * which objects are older than the recording, which allocations were missed. The second pass
 * writes. See join.h for the repairs.
 */
#include "traces/join.h"

#include "traces/addresses.h"
#include "traces/intern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_LIVE (ADDRESS_FREE - 1) /* address.object in the survey, which numbers no objects */

struct join_cache {
    uint64_t object_size; /* the largest of its objects */
    uint32_t first_type;
    uint32_t flags;
    struct trace_repairs repairs;
};

/* The first free of an address that was never seen. */
struct join_preload {
    uint64_t address;
    uint32_t cache; /* as the free names it */
    uint32_t stream;
};

struct join_stream {
    uint64_t os_id;
    uint32_t number; /* in the trace */
};

/* What tells the cache of an allocation whose free was not seen. */
struct join_site_key {
    uint64_t size, recorded_size;
    uint64_t site;
};

struct join {
    enum import_unmatched unmatched;
    bool call_sites;
    bool coarse; /* all times are whole microseconds, so that made-up ones should be */
    struct spill events, inferred;
    struct addresses addresses;
    struct join_preload *preloads;
    size_t nr_preloads, room_preloads;

    struct intern stream_names, cache_names, sites, types, site_keys;
    struct join_stream *streams; /* by number */
    struct join_cache *caches;
    uint32_t *site_caches; /* by number of the key */
    size_t room_streams, room_caches, room_site_caches;
    struct join_cache untyped;
    struct trace_repairs repairs;

    struct trace_writer *writer;
    uint32_t *written_types; /* number in the trace + 1, or 0, by type */
    uint32_t *written_sites;
    size_t room_written_types;
    uint32_t *free_objects; /* numbers to use again */
    size_t nr_free_objects, room_free_objects;
    uint32_t nr_objects;
    uint64_t base_ns; /* the trace's time 0 */
};

/* Room for `count` zeroed entries; 0 or -ENOMEM. */
static int join_grow(void *table, size_t count, size_t *room, size_t size)
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
    join->untyped.first_type = ADDRESS_NO_TYPE;
    join->inferred.fd = -1;
    code = spill_init(&join->events);
    if (!code)
        code = spill_init(&join->inferred);
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

static struct join_cache *join_get_cache(struct join *join, uint32_t cache)
{
    return cache < join->cache_names.count ? &join->caches[cache] : &join->untyped;
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
    join->coarse = join->coarse && event->time_ns % 1000 == 0;
    return spill_add(&join->events, &record);
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

/* ---- the survey ---- */

static const struct trace_type *join_get_type(const struct join *join, uint32_t type)
{
    return intern_get(&join->types, type);
}

/* The same type, of this cache. */
static int64_t join_type_of_cache(struct join *join, uint32_t type, uint32_t cache)
{
    struct trace_type named = *join_get_type(join, type);

    named.cache = cache;
    return join_type(join, &named);
}

static void join_learn_type(struct join *join, uint32_t type)
{
    const struct trace_type *learned = join_get_type(join, type);
    struct join_cache *cache = join_get_cache(join, learned->cache);

    if (cache == &join->untyped)
        return;
    if (cache->first_type == ADDRESS_NO_TYPE)
        cache->first_type = type;
    if (learned->size > cache->object_size)
        cache->object_size = learned->size;
}

/* Number of what tells a cache by call site and size. */
static int64_t join_site_key(struct join *join, uint32_t site, uint32_t type)
{
    const struct trace_type *sized = join_get_type(join, type);
    struct join_site_key key = {sized->size, sized->recorded_size, site};
    int64_t number = intern_add(&join->site_keys, &key, sizeof key);

    if (number >= 0 && join_grow(&join->site_caches, (size_t)number + 1, &join->room_site_caches,
                                 sizeof *join->site_caches))
        return -ENOMEM;
    return number;
}

static void join_survey_alloc(struct join *join, struct address *address,
                              const struct spill_record *record, uint64_t place)
{
    address->first_life = address->first_type == ADDRESS_NO_TYPE;
    if (address->first_life)
        address->first_type = record->type;
    address->type = record->type;
    address->alloc_place = place;
    address->object = JOIN_LIVE;
    join_learn_type(join, record->type);
}

/* The free of an object whose allocation named no cache names it. */
static int join_survey_name(struct join *join, struct address *address,
                            const struct spill_record *record)
{
    int64_t type = join_type_of_cache(join, address->type, record->cache);
    struct spill_record alloc;
    int64_t key;
    int code = spill_get(&join->events, address->alloc_place, &alloc);

    if (code || type < 0)
        return code ? code : (int)type;
    key = join_site_key(join, alloc.site, address->type);
    if (key < 0)
        return (int)key;
    if (!join->site_caches[key])
        join->site_caches[key] = record->cache + 1;
    address->type = (uint32_t)type;
    if (address->first_life)
        address->first_type = (uint32_t)type;
    join_learn_type(join, (uint32_t)type);
    return spill_set_cache(&join->events, address->alloc_place, record->cache);
}

static int join_survey_live_free(struct join *join, struct address *address,
                                 const struct spill_record *record)
{
    uint32_t cache = join_get_type(join, address->type)->cache;

    if (record->cache == JOIN_NO_NAME || cache == record->cache || cache == TRACE_UNTYPED)
        return 0;
    if (cache == JOIN_UNKNOWN)
        return join_survey_name(join, address, record);
    join->caches[cache].flags |= TRACE_CACHE_MERGED;
    join->caches[record->cache].flags |= TRACE_CACHE_MERGED;
    return 0;
}

static int join_survey_first_free(struct join *join, const struct spill_record *record)
{
    if (join_grow(&join->preloads, join->nr_preloads + 1, &join->room_preloads,
                  sizeof *join->preloads))
        return -ENOMEM;
    join->preloads[join->nr_preloads++] =
        (struct join_preload){record->address, record->cache, record->stream};
    return 0;
}

/* A free of what is free: notes an allocation half-way between the two, right after the first in
 * the order of events if the times are the same. */
static int join_survey_again(struct join *join, const struct address *address,
                             const struct spill_record *record)
{
    uint64_t half_ns = address->freed_ns + (record->time_ns - address->freed_ns) / 2;
    struct spill_record inferred = *record;

    inferred.time_ns = join->coarse ? half_ns - half_ns % 1000 : half_ns;
    inferred.order = address->freed_order + 1;
    inferred.kind = SPILL_ALLOC;
    inferred.origin = TRACE_INFERRED;
    inferred.type = ADDRESS_NO_TYPE;
    inferred.site = 0;
    return spill_add(&join->inferred, &inferred);
}

static int join_survey_record(struct join *join, const struct spill_record *record, uint64_t place)
{
    bool known = addresses_find(&join->addresses, record->address);
    struct address *address = addresses_get(&join->addresses, record->address);
    int code;

    if (!address)
        return -ENOMEM;
    if (record->kind == SPILL_ALLOC) {
        join_survey_alloc(join, address, record, place);
        return 0;
    }
    if (address->object == JOIN_LIVE)
        code = join_survey_live_free(join, address, record);
    else if (known)
        code = join_survey_again(join, address, record);
    else
        code = join_survey_first_free(join, record);
    address->object = ADDRESS_FREE;
    address->freed_ns = record->time_ns;
    address->freed_order = record->order;
    return code;
}

static int join_survey(struct join *join)
{
    struct spill_record record;
    uint64_t place;
    int code = spill_rewind(&join->events);

    join->base_ns = UINT64_MAX;
    while (!code && (code = spill_next(&join->events, &record, &place)) == 1) {
        if (record.time_ns < join->base_ns)
            join->base_ns = record.time_ns;
        code = join_survey_record(join, &record, place);
    }
    /* The writing pass starts with all free, and learns again what each address last held. */
    for (size_t at = 0; at < join->addresses.size; at++) {
        join->addresses.table[at].object = ADDRESS_FREE;
        join->addresses.table[at].type = ADDRESS_NO_TYPE;
    }
    return code;
}

/* ---- writing ---- */

static int64_t join_write_cache(struct join *join, uint32_t number)
{
    const struct join_cache *cache = &join->caches[number];

    return trace_add_cache(join->writer,
                           &(struct trace_cache){.name = intern_get(&join->cache_names, number),
                                                 .object_size = cache->object_size,
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
    if (join->caches[cache].first_type == ADDRESS_NO_TYPE)
        return -ENOENT;
    return join->caches[cache].first_type;
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

static int join_write_inferred(struct join *join, struct address *address,
                               const struct spill_record *record, struct error *error)
{
    int64_t type = join_guess_type(join, address, record->cache);

    if (type < 0 && type != -ENOENT)
        return (int)type;
    join->repairs.refreed++;
    join_repairs_of(join, record->cache, type)->refreed++;
    return type < 0 ? 0 : join_write_alloc(join, address, record, (uint32_t)type, error);
}

static int join_write_record(struct join *join, const struct spill_record *record,
                             struct error *error)
{
    struct address *address = addresses_find(&join->addresses, record->address);
    int64_t type;
    int code = 0;

    if (record->origin == TRACE_INFERRED)
        return join_write_inferred(join, address, record, error);
    if (record->kind == SPILL_FREE) /* one of what is not live was counted where it was surveyed */
        return address->object == ADDRESS_FREE
                   ? 0
                   : join_write_free(join, address, record, TRACE_RECORDED, error);
    if (address->object != ADDRESS_FREE) {
        join->repairs.implied_frees++;
        join_repairs_of(join, JOIN_NO_NAME, address->type)->implied_frees++;
        code = join_write_free(join, address, record, TRACE_IMPLIED, error);
    }
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
    more_seen = spill_next(&join->events, &seen, &place);
    more_inferred = spill_next(&join->inferred, &inferred, &place);
    while (more_seen > 0) {
        if (more_inferred > 0 && spill_precedes(&inferred, &seen)) {
            code = join_write_record(join, &inferred, error);
            more_inferred = spill_next(&join->inferred, &inferred, &place);
        } else {
            code = join_write_record(join, &seen, error);
            more_seen = spill_next(&join->events, &seen, &place);
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

int join_finish(struct join *join, struct trace_writer *writer, struct trace_repairs *repairs,
                struct error *error)
{
    int code;

    join->writer = writer;
    code = join_survey(join);
    if (!code)
        code = join_write_definitions(join);
    if (!code)
        code = join_write_preloads(join, error);
    if (!code)
        code = join_write_events(join, error);
    if (!code)
        code = join_write_repairs(join);
    *repairs = join->repairs;
    return code;
}
