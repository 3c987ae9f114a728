/* SPDX-License-Identifier: MIT */
/* A trace as text: see DUMP.md. */
#include "traces/dump.h"

#include "sim/error.h"

#include <inttypes.h>
#include <string.h>

const char *const dump_words[TRACE_OPS][TRACE_ORIGINS] = {
    [TRACE_ALLOC] =
        {[TRACE_RECORDED] = "alloc", [TRACE_PRELOADED] = "preload", [TRACE_INFERRED] = "infer"},
    [TRACE_FREE] = {[TRACE_RECORDED] = "free", [TRACE_IMPLIED] = "imply"},
    [TRACE_CACHE_CREATE] = {[TRACE_RECORDED] = "create"},
    [TRACE_CACHE_DESTROY] = {[TRACE_RECORDED] = "destroy"},
};

struct dump {
    struct trace_reader *reader;
    FILE *out;
    size_t defined;  /* definitions written */
    uint64_t events; /* written */
    uint64_t block;  /* the first event of the block being written */
};

/* To the end of the line; what would end or hide it is \xHH. */
static void dump_text(const struct dump *dump, const char *text)
{
    putc(' ', dump->out);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte < ' ' || byte == '\\' || byte == 0x7f)
            fprintf(dump->out, "\\x%02x", byte);
        else
            putc(byte, dump->out);
    }
    putc('\n', dump->out);
}

static void dump_type(const struct dump *dump, const struct trace_type *type)
{
    if (type->cache == TRACE_UNTYPED)
        fputs("type -", dump->out);
    else
        fprintf(dump->out, "type %" PRIu32, type->cache);
    fprintf(dump->out, " %" PRIu64 " %" PRIu64 " %" PRIu32, type->size, type->recorded_size,
            type->align);
    if (type->node == TRACE_ANY_NODE)
        fputs(" -", dump->out);
    else
        fprintf(dump->out, " %d", type->node);
    fprintf(dump->out, " %u\n", type->flags);
}

static void dump_definition(const struct dump *dump, const struct trace_definition *defined)
{
    const struct trace_stream *stream;
    const struct trace_cache *cache;
    size_t count;

    switch ((enum trace_definition_kind)defined->kind) {
    case TRACE_DEFINES_STREAM:
        stream = &trace_streams(dump->reader, &count)[defined->index];
        fprintf(dump->out, "stream %" PRIu64, stream->os_id);
        dump_text(dump, stream->name);
        break;
    case TRACE_DEFINES_CACHE:
        cache = &trace_caches(dump->reader, &count)[defined->index];
        fprintf(dump->out, "cache %" PRIu64 " %" PRIu32 " %" PRIu32, cache->object_size,
                cache->align, cache->flags);
        dump_text(dump, cache->name);
        break;
    case TRACE_DEFINES_TYPE:
        dump_type(dump, &trace_types(dump->reader, &count)[defined->index]);
        break;
    case TRACE_DEFINES_CALL_SITE:
        fputs("site", dump->out);
        dump_text(dump, trace_call_sites(dump->reader, &count)[defined->index]);
    }
}

/* What was defined since, behind a mark if events went before. */
static void dump_definitions(struct dump *dump, bool ended)
{
    size_t count;
    const struct trace_definition *all = trace_definitions(dump->reader, &count);
    bool more = dump->defined < count;

    if (dump->events && (ended ? more : trace_block_start(dump->reader) != dump->block))
        fputs("block\n", dump->out);
    dump->block = trace_block_start(dump->reader);
    for (; dump->defined < count; dump->defined++)
        dump_definition(dump, &all[dump->defined]);
}

static void dump_event(const struct dump *dump, const struct trace_event *event)
{
    fprintf(dump->out, "%s %" PRIu64 " %" PRIu32 " %" PRIu32, dump_words[event->op][event->origin],
            event->time_ns, event->stream, event->op > TRACE_FREE ? event->type : event->object);
    if (event->op == TRACE_ALLOC)
        fprintf(dump->out, " %" PRIu32, event->type);
    if (event->call_site)
        fprintf(dump->out, " site=%" PRIu32, event->call_site);
    if (event->batch > 1)
        fprintf(dump->out, " bulk=%u", event->batch);
    putc('\n', dump->out);
}

static void dump_counts(const struct dump *dump, const struct trace_repairs *repairs)
{
    fprintf(dump->out,
            " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
            "\n",
            repairs->null_frees, repairs->implied_frees, repairs->never_seen_frees,
            repairs->preloaded, repairs->refreed, repairs->lost_events, repairs->skipped_records);
}

static void dump_end(const struct dump *dump)
{
    size_t caches;

    trace_caches(dump->reader, &caches);
    fputs("provenance", dump->out);
    dump_text(dump, trace_provenance(dump->reader));
    fputs("repairs", dump->out);
    dump_counts(dump, trace_get_repairs(dump->reader));
    for (uint32_t i = 0; i <= caches; i++) {
        static const struct trace_repairs none;
        const struct trace_repairs *repairs = trace_get_cache_repairs(dump->reader, i);

        if (!memcmp(repairs, &none, sizeof none))
            continue;
        if (i < caches)
            fprintf(dump->out, "repairs-of %" PRIu32, i);
        else
            fputs("repairs-of -", dump->out);
        dump_counts(dump, repairs);
    }
}

int trace_dump(const char *path, FILE *out, struct error *error)
{
    static struct trace_event events[4096];
    struct dump dump = {.out = out};
    ssize_t count;
    int code = trace_open(path, &dump.reader, error);

    if (code)
        return code;
    fputs(DUMP_HEADER "\n", out);
    while ((count = trace_read(dump.reader, events, sizeof events / sizeof *events, error)) > 0) {
        dump_definitions(&dump, false);
        for (ssize_t i = 0; i < count; i++)
            dump_event(&dump, &events[i]);
        dump.events += (uint64_t)count;
    }
    if (!count) {
        dump_definitions(&dump, true);
        dump_end(&dump);
    }
    trace_close(dump.reader);
    return (int)count;
}
