/* SPDX-License-Identifier: MIT */
/* Records to tables: see slt_tables.h, and FORMAT.md for the records. */
#include "traces/slt_tables.h"

#include "traces/slt_format.h"

#include <errno.h>
#include <stdlib.h>

static const char no_memory[] = "out of memory";

/* Room for one more entry of `size` bytes; 0 or -ENOMEM. */
static int slt_grow(void *table, size_t count, size_t *room, size_t size)
{
    void **entries = table;
    size_t grown = *room ? 2 * *room : 16;
    void *bigger;

    if (count < *room)
        return 0;
    bigger = reallocarray(*entries, grown, size);
    if (!bigger)
        return -ENOMEM;
    *entries = bigger;
    *room = grown;
    return 0;
}

/* A text of 1 to `most` bytes, the caller's to free; NULL sets the cursor's `failed`. */
static char *slt_take_text(struct cursor *body, size_t most)
{
    uint64_t length = cursor_varint(body);
    const uint8_t *bytes = cursor_bytes(body, length);
    char *text = NULL;

    if (bytes && length && length <= most && !memchr(bytes, '\0', length))
        text = strndup((const char *)bytes, length);
    body->failed |= !text;
    return text;
}

static uint64_t slt_take_at_most(struct cursor *body, uint64_t most)
{
    uint64_t value = cursor_varint(body);

    body->failed |= value > most;
    return value;
}

static const char *slt_take_stream(struct slt_tables *tables, struct cursor *body)
{
    struct trace_stream *stream;

    if (tables->nr_streams >= SLT_MAX_STREAMS)
        return "more streams than the format allows";
    if (slt_grow(&tables->streams, tables->nr_streams, &tables->room_streams, sizeof *stream))
        return no_memory;
    stream = &tables->streams[tables->nr_streams];
    stream->name = slt_take_text(body, SLT_MAX_NAME);
    stream->os_id = cursor_varint(body);
    tables->nr_streams += stream->name != NULL;
    return NULL;
}

static const char *slt_take_cache(struct slt_tables *tables, struct cursor *body)
{
    struct trace_cache *cache;

    if (tables->nr_caches >= TRACE_UNTYPED - 1)
        return "more caches than the format allows";
    if (slt_grow(&tables->caches, tables->nr_caches, &tables->room_caches, sizeof *cache))
        return no_memory;
    cache = &tables->caches[tables->nr_caches];
    cache->name = slt_take_text(body, SLT_MAX_NAME);
    cache->object_size = cursor_varint(body);
    cache->align = (uint32_t)slt_take_at_most(body, UINT32_MAX);
    cache->flags = (uint32_t)slt_take_at_most(body, UINT32_MAX);
    tables->nr_caches += cache->name != NULL;
    return NULL;
}

static const char *slt_take_type(struct slt_tables *tables, struct cursor *body)
{
    struct trace_type *type;
    uint64_t cache;

    if (slt_grow(&tables->types, tables->nr_types, &tables->room_types, sizeof *type))
        return no_memory;
    type = &tables->types[tables->nr_types++];
    cache = cursor_varint(body);
    if (cache > tables->nr_caches)
        return "a type's cache is not defined before it";
    type->cache = (uint32_t)cache - 1; /* TRACE_UNTYPED for 0 */
    type->size = cursor_varint(body);
    type->recorded_size = cursor_varint(body);
    type->align = (uint32_t)slt_take_at_most(body, UINT32_MAX);
    type->node = (int16_t)((int)slt_take_at_most(body, INT16_MAX + 1) - 1);
    type->flags = (uint16_t)slt_take_at_most(body, UINT16_MAX);
    return NULL;
}

static const char *slt_take_call_site(struct slt_tables *tables, struct cursor *body)
{
    if (slt_grow(&tables->call_sites, tables->nr_call_sites + 1, &tables->room_call_sites,
                 sizeof *tables->call_sites))
        return no_memory;
    if (!tables->nr_call_sites) {
        tables->call_sites[0] = strdup("");
        if (!tables->call_sites[0])
            return no_memory;
        tables->nr_call_sites = 1;
    }
    tables->call_sites[tables->nr_call_sites] = slt_take_text(body, SLT_MAX_NAME);
    tables->nr_call_sites += tables->call_sites[tables->nr_call_sites] != NULL;
    return NULL;
}

static void slt_take_counts(struct cursor *body, struct trace_repairs *repairs)
{
    repairs->null_frees = cursor_varint(body);
    repairs->implied_frees = cursor_varint(body);
    repairs->never_seen_frees = cursor_varint(body);
    repairs->preloaded = cursor_varint(body);
    repairs->refreed = cursor_varint(body);
    repairs->lost_events = cursor_varint(body);
    repairs->skipped_records = cursor_varint(body);
}

static const char *slt_take_cache_repairs(struct slt_tables *tables, struct cursor *body)
{
    uint64_t row = cursor_varint(body);

    if (row > tables->nr_caches)
        return "repairs are of a cache that is not defined before them";
    if (row >= tables->nr_cache_repairs) {
        size_t count = 2 * tables->nr_caches + 1;
        struct trace_repairs *grown =
            reallocarray(tables->cache_repairs, count, sizeof *tables->cache_repairs);

        if (!grown)
            return no_memory;
        memset(grown + tables->nr_cache_repairs, 0,
               (count - tables->nr_cache_repairs) * sizeof *grown);
        tables->cache_repairs = grown;
        tables->nr_cache_repairs = count;
    }
    slt_take_counts(body, &tables->cache_repairs[row]);
    return NULL;
}

static const char *slt_take_provenance(struct slt_tables *tables, struct cursor *body)
{
    free(tables->provenance);
    tables->provenance = slt_take_text(body, SLT_MAX_PROVENANCE);
    return NULL;
}

/* A definition's record, and its place among all of them. */
static const char *slt_take_definition(struct slt_tables *tables, uint8_t tag, struct cursor *body)
{
    struct trace_definition *defined;
    const char *wrong;
    size_t count;

    if (slt_grow(&tables->definitions, tables->nr_definitions, &tables->room_definitions,
                 sizeof *defined))
        return no_memory;
    defined = &tables->definitions[tables->nr_definitions];
    switch ((enum slt_record)tag) {
    case SLT_RECORD_STREAM:
        wrong = slt_take_stream(tables, body);
        defined->kind = TRACE_DEFINES_STREAM;
        count = tables->nr_streams;
        break;
    case SLT_RECORD_CACHE:
        wrong = slt_take_cache(tables, body);
        defined->kind = TRACE_DEFINES_CACHE;
        count = tables->nr_caches;
        break;
    case SLT_RECORD_TYPE:
        wrong = slt_take_type(tables, body);
        defined->kind = TRACE_DEFINES_TYPE;
        count = tables->nr_types;
        break;
    default:
        wrong = slt_take_call_site(tables, body);
        defined->kind = TRACE_DEFINES_CALL_SITE;
        count = tables->nr_call_sites;
    }
    if (wrong || body->failed)
        return wrong;
    defined->index = (uint32_t)count - 1;
    tables->nr_definitions++;
    return NULL;
}

static const char *slt_take_record(struct slt_tables *tables, uint8_t tag, struct cursor *body)
{
    const char *wrong = NULL;

    switch ((enum slt_record)tag) {
    case SLT_RECORD_STREAM:
    case SLT_RECORD_CACHE:
    case SLT_RECORD_TYPE:
    case SLT_RECORD_CALL_SITE:
        wrong = slt_take_definition(tables, tag, body);
        break;
    case SLT_RECORD_REPAIRS:
        slt_take_counts(body, &tables->repairs);
        break;
    case SLT_RECORD_CACHE_REPAIRS:
        wrong = slt_take_cache_repairs(tables, body);
        break;
    case SLT_RECORD_PROVENANCE:
        wrong = slt_take_provenance(tables, body);
        break;
    default:
        return tag & SLT_RECORD_OPTIONAL ? NULL : "a record is of a kind unknown here";
    }
    if (!wrong && (body->failed || body->at != body->end))
        wrong = "a record is malformed";
    return wrong;
}

const char *slt_tables_read(struct slt_tables *tables, const struct bytes *payload)
{
    struct cursor cursor = {.at = payload->data, .end = payload->data + payload->length};

    while (cursor.at < cursor.end) {
        uint8_t tag = *cursor.at++;
        uint64_t length = cursor_varint(&cursor);
        const uint8_t *start = cursor_bytes(&cursor, length);
        struct cursor body = {.at = start, .end = start ? start + length : NULL};
        const char *wrong;

        if (cursor.failed)
            return "a record goes over the end of its block";
        wrong = slt_take_record(tables, tag, &body);
        if (wrong)
            return wrong;
    }
    return NULL;
}

void slt_tables_cleanup(struct slt_tables *tables)
{
    for (size_t i = 0; i < tables->nr_streams; i++)
        free((char *)tables->streams[i].name);
    for (size_t i = 0; i < tables->nr_caches; i++)
        free((char *)tables->caches[i].name);
    for (size_t i = 0; i < tables->nr_call_sites; i++)
        free(tables->call_sites[i]);
    free(tables->definitions);
    free(tables->streams);
    free(tables->caches);
    free(tables->types);
    free(tables->call_sites);
    free(tables->cache_repairs);
    free(tables->provenance);
    *tables = (struct slt_tables){0};
}
