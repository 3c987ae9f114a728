/* SPDX-License-Identifier: MIT */
/*
 * The first pass of a join, over the events in order of time: learns what only later events tell,
 * that is the caches of allocations that name none, what an address held first, which objects are
 * older than the recording, which allocations were missed, what was live when its process ended.
 */
#include "traces/join_state.h"

#include <errno.h>

#define JOIN_LIVE (ADDRESS_FREE - 1) /* address.object in the survey, which numbers no objects */

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
    size_t before = join->addresses.count;
    struct address *address = addresses_get(&join->addresses, record->address);
    bool known = join->addresses.count == before;
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

static const struct join_end *join_find_end(const struct join *join, uint64_t address)
{
    size_t low = 0, high = join->nr_ends;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (join->ends[middle].last < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < join->nr_ends && join->ends[low].first <= address ? &join->ends[low] : NULL;
}

/* Of what is live when the recording is over, though its process had ended, notes the free: behind
 * all recorded events of that time, in the order of the allocations. */
static int join_survey_end(struct join *join, const struct address *address)
{
    const struct join_end *end =
        address->object == JOIN_LIVE ? join_find_end(join, address->address) : NULL;
    struct spill_record implied;

    if (!end)
        return 0;
    implied = (struct spill_record){
        .time_ns = end->time_ns,
        .order = 2 * (join->events.count + address->alloc_place) + 1,
        .address = address->address,
        .type = ADDRESS_NO_TYPE,
        .cache = JOIN_NO_NAME,
        .stream = (uint16_t)end->stream,
        .kind = SPILL_FREE,
        .origin = TRACE_IMPLIED,
    };
    return spill_add(&join->inferred, &implied);
}

int join_survey(struct join *join)
{
    struct spill_record record;
    uint64_t place;
    int code = spill_rewind(&join->events);

    while (!code && (code = join_next(join, &record, &place)) == 1)
        code = join_survey_record(join, &record, place);
    /* The writing pass starts with all free, and learns again what each address last held. */
    for (size_t at = 0; at < join->addresses.size; at++) {
        if (!code)
            code = join_survey_end(join, &join->addresses.table[at]);
        join->addresses.table[at].object = ADDRESS_FREE;
        join->addresses.table[at].type = ADDRESS_NO_TYPE;
    }
    return code;
}
