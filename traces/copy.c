/* SPDX-License-Identifier: MIT */
/* Copying from trace to trace: see copy.h. */
#include "traces/copy.h"

#include "sim/error.h"
#include "traces/join_state.h"
#include "version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int copy_begin(struct copy *copy, const char *path, struct error *error)
{
    return trace_open(path, &copy->reader, error);
}

void copy_end(struct copy *copy)
{
    trace_close(copy->reader);
    free(copy->streams);
    free(copy->caches);
    free(copy->types);
    free(copy->sites);
    free(copy->objects);
    *copy = (struct copy){0};
}

void copy_numbers_cleanup(struct copy_numbers *numbers)
{
    free(numbers->free);
    *numbers = (struct copy_numbers){0};
}

/* ---- definitions ---- */

static int copy_map(uint32_t **map, size_t *room, uint32_t index, int64_t number)
{
    if (number < 0)
        return (int)number;
    if (join_grow(map, (size_t)index + 1, room, sizeof **map))
        return -ENOMEM;
    (*map)[index] = (uint32_t)number;
    return 0;
}

static int copy_stream(struct copy *copy, uint32_t index)
{
    size_t count;
    struct trace_stream stream = trace_streams(copy->reader, &count)[index];
    char hidden[32], *name = NULL;
    int64_t number;

    if (copy->rules.hide) {
        snprintf(hidden, sizeof hidden, "stream-%u", index);
        stream = (struct trace_stream){hidden, index};
    } else if (copy->rules.prefix) {
        if (asprintf(&name, "%u:%s", copy->rules.prefix, stream.name) < 0)
            return -ENOMEM;
        stream.name = name;
    }
    number = trace_add_stream(copy->writer, stream.name, stream.os_id);
    free(name);
    return copy_map(&copy->streams, &copy->room_streams, index, number);
}

int64_t copy_intern_cache(struct intern *caches, const struct trace_cache *cache)
{
    size_t length = strlen(cache->name);
    char *key = malloc(length + 1 + sizeof cache->object_size);
    int64_t number;

    if (!key)
        return -ENOMEM;
    memcpy(key, cache->name, length + 1);
    memcpy(key + length + 1, &cache->object_size, sizeof cache->object_size);
    number = intern_add(caches, key, length + 1 + sizeof cache->object_size);
    free(key);
    return number;
}

/* Caches of the copy have the order in which their names and sizes were new. */
static int64_t copy_cache_by_name(struct copy *copy, const struct trace_cache *cache)
{
    size_t before = copy->rules.caches->count;
    int64_t number = copy_intern_cache(copy->rules.caches, cache);

    return number < 0 || copy->rules.caches->count == before ? number
                                                             : trace_add_cache(copy->writer, cache);
}

static int copy_cache(struct copy *copy, uint32_t index)
{
    size_t count;
    struct trace_cache cache = trace_caches(copy->reader, &count)[index];
    char hidden[32];

    if (copy->rules.hide_caches) {
        snprintf(hidden, sizeof hidden, "cache-%u", index);
        cache.name = hidden;
    }
    return copy_map(&copy->caches, &copy->room_caches, index,
                    copy->rules.caches ? copy_cache_by_name(copy, &cache)
                                       : trace_add_cache(copy->writer, &cache));
}

static int copy_type(struct copy *copy, uint32_t index)
{
    size_t count;
    struct trace_type type = trace_types(copy->reader, &count)[index];

    if (type.cache != TRACE_UNTYPED)
        type.cache = copy->caches[type.cache];
    return copy_map(&copy->types, &copy->room_types, index, trace_add_type(copy->writer, &type));
}

static int copy_site(struct copy *copy, uint32_t index)
{
    size_t count;
    const char *name = trace_call_sites(copy->reader, &count)[index];
    char hidden[32];

    if (copy->rules.hide) {
        snprintf(hidden, sizeof hidden, "site-%u", index);
        name = hidden;
    }
    return copy_map(&copy->sites, &copy->room_sites, index,
                    trace_add_call_site(copy->writer, name));
}

int copy_definitions(struct copy *copy, struct error *error)
{
    static int (*const define[])(struct copy *, uint32_t) = {
        [TRACE_DEFINES_STREAM] = copy_stream,
        [TRACE_DEFINES_CACHE] = copy_cache,
        [TRACE_DEFINES_TYPE] = copy_type,
        [TRACE_DEFINES_CALL_SITE] = copy_site,
    };
    size_t count;
    const struct trace_definition *all = trace_definitions(copy->reader, &count);

    for (; copy->defined < count; copy->defined++) {
        int code = define[all[copy->defined].kind](copy, all[copy->defined].index);

        if (code == -ERANGE)
            return error_set(error, EINVAL,
                             "the traces have more than the 65536 streams that one "
                             "can hold");
        if (code == -EINVAL)
            return error_set(error, EINVAL, "a name gets longer than a trace can hold");
        if (code)
            return error_set(error, -code, "cannot copy a definition: %s", strerror(-code));
    }
    return 0;
}

/* ---- events ---- */

/* The object's number in the copy: a new one for an allocation, given back by a free. */
static int copy_object(struct copy *copy, const struct trace_event *event, uint32_t *object)
{
    struct copy_numbers *numbers = copy->numbers;

    if (event->op == TRACE_FREE) {
        if (join_grow(&numbers->free, numbers->nr_free + 1, &numbers->room_free,
                      sizeof *numbers->free))
            return -ENOMEM;
        *object = copy->objects[event->object];
        numbers->free[numbers->nr_free++] = *object;
        return 0;
    }
    *object = numbers->nr_free ? numbers->free[--numbers->nr_free] : numbers->next++;
    return copy_map(&copy->objects, &copy->room_objects, event->object, *object);
}

int copy_event(struct copy *copy, const struct trace_event *event, struct error *error)
{
    struct trace_event copied = *event;

    if (event->op <= TRACE_FREE && copy_object(copy, event, &copied.object))
        return error_set(error, ENOMEM, "%s", strerror(ENOMEM));
    copied.stream = copy->streams[event->stream];
    copied.type = event->op > TRACE_FREE ? copy->caches[event->type] : copy->types[event->type];
    copied.call_site = event->call_site ? copy->sites[event->call_site] : 0;
    return trace_write(copy->writer, &copied, error);
}

/* ---- the end ---- */

static void copy_add_counts(struct trace_repairs *sum, const struct trace_repairs *more)
{
    sum->null_frees += more->null_frees;
    sum->implied_frees += more->implied_frees;
    sum->never_seen_frees += more->never_seen_frees;
    sum->preloaded += more->preloaded;
    sum->refreed += more->refreed;
    sum->lost_events += more->lost_events;
    sum->skipped_records += more->skipped_records;
}

void copy_add_repairs(const struct copy *copy, struct trace_repairs *total,
                      struct trace_repairs *by_cache)
{
    size_t count;

    trace_caches(copy->reader, &count);
    copy_add_counts(total, trace_get_repairs(copy->reader));
    copy_add_counts(&by_cache[0], trace_get_cache_repairs(copy->reader, (uint32_t)count));
    for (uint32_t i = 0; i < count; i++)
        copy_add_counts(&by_cache[copy->caches[i] + 1], trace_get_cache_repairs(copy->reader, i));
}

void copy_set_repairs(struct trace_writer *writer, const struct trace_repairs *total,
                      struct trace_repairs *by_cache, size_t nr_caches)
{
    struct trace_repairs untyped = by_cache[0];

    memmove(by_cache, by_cache + 1, nr_caches * sizeof *by_cache);
    by_cache[nr_caches] = untyped;
    trace_set_repairs(writer, total, by_cache, nr_caches + 1);
}

json_t *copy_input(const struct trace_reader *reader)
{
    json_t *provenance = json_loads(trace_provenance(reader), 0, NULL);

    return json_pack("{s:s, s:o}", "digest", trace_digest(reader), "provenance",
                     provenance ? provenance : json_object());
}

int copy_set_provenance(struct trace_writer *writer, const char *name, json_t *what,
                        struct error *error)
{
    json_t *json = json_pack("{s:s, s:s}", "transformation", name, "version", SLABLAB_VERSION);
    char *text;
    int code = json && what && !json_object_update(json, what) ? 0 : -ENOMEM;

    text = code ? NULL : json_dumps(json, JSON_COMPACT);
    json_decref(what);
    json_decref(json);
    code = text ? trace_set_provenance(writer, text) : -ENOMEM;
    free(text);
    if (code == -EINVAL)
        return error_set(error, EINVAL,
                         "the provenances of the inputs are longer than the 1 MiB a "
                         "trace can hold");
    return code ? error_set(error, -code, "%s", strerror(-code)) : 0;
}
