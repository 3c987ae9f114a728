/* SPDX-License-Identifier: MIT */
/*
 * Lines of kmem events to what a join takes. A command name may hold anything, so a line is
 * recognised from its "[cpu] seconds.fraction:" on. Fields are found by name: kernels differ in
 * which there are and in which order.
 */
#include "traces/import/kmem.h"

#include "sim/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What a line says; absent fields have at == NULL. */
struct kmem_line {
    uint32_t cpu;
    uint64_t time_ns;
    struct text event; /* "kmalloc" */
    struct text site, pointer, name, requested, allocated, flags, node;
};

static const struct kmem_event_kind kmem_event_kinds[] = {
    {"kmalloc", SPILL_ALLOC, true},
    {"kmalloc_node", SPILL_ALLOC, true},
    {"kmem_cache_alloc", SPILL_ALLOC, false},
    {"kmem_cache_alloc_node", SPILL_ALLOC, false},
    {"kfree", SPILL_FREE, true},
    {"kmem_cache_free", SPILL_FREE, false},
};

struct kmem {
    struct import_source *source;
    struct join *join;
    const struct kmem_dialect *dialect;
    struct error *error;
    int32_t streams[KMEM_MAX_CPUS]; /* number + 1 of each CPU's, or 0 */
};

/* ---- one line ---- */

/* A word before the time: of letters, dots and digits, but unlike the time with no colon after. */
static const char *kmem_skip_flags(const char *at, const char *end)
{
    const char *after = at;

    while (after < end && *after != ' ')
        after++;
    return after > at && after[-1] == ':' ? at : text_spaces(after, end);
}

/* "[001]  1785.549261: " or "[001] d..2. 1785.549261: " at `at`; gives what follows, or NULL. */
static const char *kmem_parse_stamp(const struct kmem_dialect *dialect, const char *at,
                                    const char *end, struct kmem_line *line)
{
    uint64_t cpu, seconds, fraction;
    unsigned digits;

    at = text_digits(at + 1, end, 6, &cpu, &digits);
    if (!at || at == end || *at != ']')
        return NULL;
    at = text_spaces(at + 1, end);
    if (dialect->flags)
        at = kmem_skip_flags(at, end);
    at = text_digits(at, end, 10, &seconds, &digits);
    if (!at || at == end || *at != '.')
        return NULL;
    at = text_digits(at + 1, end, 9, &fraction, &digits);
    if (!at || at == end || *at != ':')
        return NULL;
    for (; digits < 9; digits++)
        fraction *= 10;
    line->cpu = (uint32_t)cpu;
    line->time_ns = seconds * 1000000000 + fraction;
    return text_spaces(at + 1, end);
}

/* From the stamp on: the event's name and what follows it, or NULL. */
static const char *kmem_parse_head(const struct kmem_dialect *dialect, const char *at,
                                   const char *end, struct kmem_line *line)
{
    for (; at && at < end; at++) {
        const char *rest;

        at = memchr(at, '[', (size_t)(end - at));
        if (!at)
            break;
        rest = kmem_parse_stamp(dialect, at, end, line);
        if (!rest)
            continue;
        line->event.at = rest;
        while (rest < end && *rest != ' ')
            rest++;
        line->event.end = rest > line->event.at && rest[-1] == ':' ? rest - 1 : rest;
        return rest;
    }
    return NULL;
}

static struct text *kmem_field(struct kmem_line *line, struct text key)
{
    switch (key.at[0]) {
    case 'c':
        return text_is(key, "call_site") ? &line->site : NULL;
    case 'p':
        return text_is(key, "ptr") ? &line->pointer : NULL;
    case 'n':
        return text_is(key, "name") ? &line->name : text_is(key, "node") ? &line->node : NULL;
    case 'b':
        return text_is(key, "bytes_req")     ? &line->requested
               : text_is(key, "bytes_alloc") ? &line->allocated
                                             : NULL;
    case 'g':
        return text_is(key, "gfp_flags") ? &line->flags : NULL;
    default:
        return NULL;
    }
}

/* A word without "=" belongs to the value before it: cache names may hold spaces. */
static void kmem_parse_fields(const char *at, const char *end, struct kmem_line *line)
{
    struct text *field = NULL;

    while ((at = text_spaces(at, end)) < end) {
        const char *word = at, *equals = NULL;

        for (; at < end && *at != ' ' && *at != '\t'; at++) {
            if (*at == '=' && !equals)
                equals = at;
        }
        if (equals && equals > word) {
            field = kmem_field(line, (struct text){word, equals});
            if (field && !field->at)
                *field = (struct text){equals + 1, at};
            else
                field = NULL;
        } else if (field) {
            field->end = at;
        }
    }
}

uint16_t kmem_type_flags(struct text flags)
{
    uint16_t found = 0;

    if (text_contains(flags, "GFP_ATOMIC") || text_contains(flags, "GFP_NOWAIT"))
        found |= TRACE_NO_WAIT;
    if (text_contains(flags, "GFP_ZERO"))
        found |= TRACE_ZERO;
    return found;
}

/* ---- lines to events ---- */

static int kmem_wrong_field(const struct kmem *kmem, const char *field, struct text text,
                            const char *expected)
{
    return import_source_wrong(kmem->source, kmem->error, "%s=%.*s; expected %s", field,
                               text.at ? (int)(text.end - text.at) : 9,
                               text.at ? text.at : "(missing)", expected);
}

int64_t kmem_cpu_stream(struct join *join, int32_t streams[KMEM_MAX_CPUS], uint32_t cpu)
{
    char name[16];
    int64_t number;

    if (streams[cpu])
        return streams[cpu] - 1;
    snprintf(name, sizeof name, "cpu%u", cpu);
    number = join_stream(join, name, cpu);
    if (number >= 0)
        streams[cpu] = (int32_t)number + 1;
    return number;
}

static int64_t kmem_stream(struct kmem *kmem, uint32_t cpu)
{
    if (cpu >= KMEM_MAX_CPUS)
        return import_source_wrong(kmem->source, kmem->error, "CPU %u; expected one below %d", cpu,
                                   KMEM_MAX_CPUS);
    return kmem_cpu_stream(kmem->join, kmem->streams, cpu);
}

static int kmem_node(const struct kmem *kmem, struct text text, int16_t *node)
{
    uint64_t value;

    *node = TRACE_ANY_NODE;
    if (!text.at || text_is(text, "-1"))
        return 0;
    if (!text_number(text, &value) || value > INT16_MAX)
        return kmem_wrong_field(kmem, "node", text, "-1 or the number of a node");
    *node = (int16_t)value;
    return 0;
}

static int64_t kmem_cache(struct kmem *kmem, struct text name)
{
    size_t length = (size_t)(name.end - name.at);

    if (!length || length > KMEM_MAX_NAME || memchr(name.at, '\0', length))
        return kmem_wrong_field(kmem, "name", name, "the name of a cache");
    return join_cache(kmem->join, name.at, length);
}

static int64_t kmem_type(struct kmem *kmem, const struct kmem_event_kind *kind,
                         const struct kmem_line *line)
{
    struct trace_type type = {.cache = TRACE_UNTYPED, .flags = kmem_type_flags(line->flags)};
    int64_t cache = JOIN_UNKNOWN;
    int code;

    if (!text_number(line->requested, &type.size))
        return kmem_wrong_field(kmem, "bytes_req", line->requested, "a number of bytes");
    if (!text_number(line->allocated, &type.recorded_size))
        return kmem_wrong_field(kmem, "bytes_alloc", line->allocated, "a number of bytes");
    code = kmem_node(kmem, line->node, &type.node);
    if (code)
        return code;
    if (!kind->untyped && line->name.at)
        cache = kmem_cache(kmem, line->name);
    if (cache < 0)
        return cache;
    if (!kind->untyped)
        type.cache = (uint32_t)cache;
    return join_type(kmem->join, &type);
}

static int kmem_add(struct kmem *kmem, const struct kmem_event_kind *kind,
                    const struct kmem_line *line)
{
    int64_t stream = kmem_stream(kmem, line->cpu), type = 0, cache = JOIN_NO_NAME, site = 0;
    struct join_event event = {.time_ns = line->time_ns};

    if (stream < 0)
        return (int)stream;
    if (!text_pointer(line->pointer, &event.address))
        return kmem_wrong_field(kmem, "ptr", line->pointer,
                                "an address such as 0xffff88810087a000");
    if (kind->kind == SPILL_ALLOC)
        type = kmem_type(kmem, kind, line);
    else if (!kind->untyped && line->name.at)
        cache = kmem_cache(kmem, line->name);
    if (line->site.at)
        site = join_site(kmem->join, line->site.at, (size_t)(line->site.end - line->site.at));
    if (type < 0 || cache < 0 || site < 0)
        return (int)(type < 0 ? type : cache < 0 ? cache : site);
    event.stream = (uint32_t)stream;
    event.type = (uint32_t)type;
    event.cache = (uint32_t)cache;
    event.site = (uint32_t)site;
    return join_add(kmem->join, kind->kind, &event);
}

const struct kmem_event_kind *kmem_find_kind(struct text event)
{
    for (size_t i = 0; i < sizeof kmem_event_kinds / sizeof *kmem_event_kinds; i++) {
        if (text_is(event, kmem_event_kinds[i].name))
            return &kmem_event_kinds[i];
    }
    return NULL;
}

/* Takes the dialect's prefix off an event's name; false if it has another. */
static bool kmem_take_prefix(const struct kmem_dialect *dialect, struct text *event)
{
    size_t length = strlen(dialect->prefix);

    if (text_length(*event) < length || memcmp(event->at, dialect->prefix, length) != 0)
        return false;
    event->at += length;
    return true;
}

static int kmem_read_line(struct kmem *kmem, struct text text)
{
    const struct kmem_dialect *dialect = kmem->dialect;
    const struct kmem_event_kind *kind = NULL;
    struct kmem_line line;
    const char *rest;
    uint64_t lost;

    memset(&line, 0, sizeof line);
    rest = kmem_parse_head(dialect, text.at, text.end, &line);
    if (rest && kmem_take_prefix(dialect, &line.event))
        kind = kmem_find_kind(line.event);
    if (kind) {
        kmem_parse_fields(rest, text.end, &line);
        return kmem_add(kmem, kind, &line);
    }
    if (!rest && text_contains(text, dialect->marks) && text_contains(text, " ptr="))
        return import_source_wrong(kmem->source, kmem->error, "%s", dialect->wrong);
    if (dialect->lost(text, &lost))
        join_lost(kmem->join, lost);
    else if (text_length(text) && *text.at != '#')
        join_skipped(kmem->join, 1);
    return 0;
}

int kmem_read(struct import_source *source, struct join *join, const struct kmem_dialect *dialect,
              struct error *error)
{
    struct kmem kmem = {.source = source, .join = join, .dialect = dialect, .error = error};
    const char *line;
    size_t length;
    int code;

    while ((code = import_source_line(source, &line, &length, error)) == 1) {
        code = kmem_read_line(&kmem, (struct text){line, line + length});
        if (code)
            return code;
    }
    if (!code && !join_count(join))
        code = import_source_wrong(source, error, "the input ends without a kmem event; %s",
                                   dialect->none);
    return code;
}

bool kmem_is_event(const struct kmem_dialect *dialect, struct text line, struct text *event)
{
    struct kmem_line parsed = {0};

    if (!kmem_parse_head(dialect, line.at, line.end, &parsed))
        return false;
    *event = parsed.event;
    return event->end < line.end && *event->end == ':';
}
