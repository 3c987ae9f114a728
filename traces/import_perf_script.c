/* SPDX-License-Identifier: MIT */
/*
 * The text of `perf script` with the kernel's kmem events:
 *
 *   kworker/0:1    44 [001]  1785.549261: kmem:kmem_cache_alloc: call_site=f+0x1 ptr=0xffff8881...
 *
 * A command name may hold anything, so a line is recognised from its "[cpu] seconds.fraction:" on.
 * Fields are found by name: kernels differ in which there are and in which order.
 */
#include "traces/import_source.h"

#include "sim/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct perf_text {
    const char *at, *end;
};

/* What a line says; absent fields have at == NULL. */
struct perf_line {
    uint32_t cpu;
    uint64_t time_ns;
    struct perf_text event; /* "kmem:kmalloc" */
    struct perf_text site, pointer, name, requested, allocated, flags, node;
};

struct perf_event_kind {
    const char *name;
    enum spill_kind kind;
    bool untyped; /* kmalloc: of no cache */
};

static const struct perf_event_kind perf_event_kinds[] = {
    {"kmem:kmalloc", SPILL_ALLOC, true},
    {"kmem:kmalloc_node", SPILL_ALLOC, true},
    {"kmem:kmem_cache_alloc", SPILL_ALLOC, false},
    {"kmem:kmem_cache_alloc_node", SPILL_ALLOC, false},
    {"kmem:kfree", SPILL_FREE, true},
    {"kmem:kmem_cache_free", SPILL_FREE, false},
};

enum { PERF_MAX_CPUS = 1 << 16 };

struct perf_script {
    struct import_source *source;
    struct join *join;
    struct error *error;
    int32_t streams[PERF_MAX_CPUS]; /* number + 1 of each CPU's, or 0 */
};

/* ---- one line ---- */

/* Decimal digits from `at` on; NULL if there are none or more than `most`. */
static const char *perf_digits(const char *at, const char *end, unsigned most, uint64_t *value,
                               unsigned *digits)
{
    unsigned count = 0;

    *value = 0;
    for (; at < end && *at >= '0' && *at <= '9' && count <= most; at++, count++)
        *value = *value * 10 + (uint64_t)(*at - '0');
    *digits = count;
    return count && count <= most ? at : NULL;
}

static const char *perf_spaces(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* "[001]  1785.549261: " at `at`; gives what follows, or NULL. */
static const char *perf_parse_stamp(const char *at, const char *end, struct perf_line *line)
{
    uint64_t cpu, seconds, fraction;
    unsigned digits;

    at = perf_digits(at + 1, end, 6, &cpu, &digits);
    if (!at || at == end || *at != ']')
        return NULL;
    at = perf_digits(perf_spaces(at + 1, end), end, 10, &seconds, &digits);
    if (!at || at == end || *at != '.')
        return NULL;
    at = perf_digits(at + 1, end, 9, &fraction, &digits);
    if (!at || at == end || *at != ':')
        return NULL;
    for (; digits < 9; digits++)
        fraction *= 10;
    line->cpu = (uint32_t)cpu;
    line->time_ns = seconds * 1000000000 + fraction;
    return perf_spaces(at + 1, end);
}

/* From the stamp on: the event's name and what follows it, or NULL. */
static const char *perf_parse_head(const char *at, const char *end, struct perf_line *line)
{
    for (; at && at < end; at++) {
        const char *rest;

        at = memchr(at, '[', (size_t)(end - at));
        if (!at)
            break;
        rest = perf_parse_stamp(at, end, line);
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

static bool perf_is(struct perf_text text, const char *word)
{
    size_t length = strlen(word);

    return (size_t)(text.end - text.at) == length && !memcmp(text.at, word, length);
}

static struct perf_text *perf_field(struct perf_line *line, struct perf_text key)
{
    switch (key.at[0]) {
    case 'c':
        return perf_is(key, "call_site") ? &line->site : NULL;
    case 'p':
        return perf_is(key, "ptr") ? &line->pointer : NULL;
    case 'n':
        return perf_is(key, "name") ? &line->name : perf_is(key, "node") ? &line->node : NULL;
    case 'b':
        return perf_is(key, "bytes_req")     ? &line->requested
               : perf_is(key, "bytes_alloc") ? &line->allocated
                                             : NULL;
    case 'g':
        return perf_is(key, "gfp_flags") ? &line->flags : NULL;
    default:
        return NULL;
    }
}

/* A word without "=" belongs to the value before it: cache names may hold spaces. */
static void perf_parse_fields(const char *at, const char *end, struct perf_line *line)
{
    struct perf_text *field = NULL;

    while ((at = perf_spaces(at, end)) < end) {
        const char *word = at, *equals = NULL;

        for (; at < end && *at != ' ' && *at != '\t'; at++) {
            if (*at == '=' && !equals)
                equals = at;
        }
        if (equals && equals > word) {
            field = perf_field(line, (struct perf_text){word, equals});
            if (field && !field->at)
                *field = (struct perf_text){equals + 1, at};
            else
                field = NULL;
        } else if (field) {
            field->end = at;
        }
    }
}

static bool perf_parse_number(struct perf_text text, uint64_t *value)
{
    unsigned digits;

    return text.at && perf_digits(text.at, text.end, 18, value, &digits) == text.end;
}

/* Printed with or without 0x, hashed or not; "(nil)" and "(null)" are 0. */
static bool perf_parse_pointer(struct perf_text text, uint64_t *value)
{
    const char *at = text.at;

    *value = 0;
    if (!at)
        return false;
    if (perf_is(text, "(nil)") || perf_is(text, "(null)"))
        return true;
    if (text.end - at > 2 && at[0] == '0' && (at[1] == 'x' || at[1] == 'X'))
        at += 2;
    if (at == text.end || text.end - at > 16)
        return false;
    for (; at < text.end; at++) {
        unsigned digit = (unsigned)*at - '0', letter = ((unsigned)*at | 0x20) - 'a';

        if (digit > 9 && letter > 5)
            return false;
        *value = *value << 4 | (digit <= 9 ? digit : letter + 10);
    }
    return true;
}

static bool perf_contains(struct perf_text text, const char *word)
{
    return text.at && memmem(text.at, (size_t)(text.end - text.at), word, strlen(word));
}

static uint16_t perf_type_flags(struct perf_text flags)
{
    uint16_t found = 0;

    if (perf_contains(flags, "GFP_ATOMIC") || perf_contains(flags, "GFP_NOWAIT"))
        found |= TRACE_NO_WAIT;
    if (perf_contains(flags, "GFP_ZERO"))
        found |= TRACE_ZERO;
    return found;
}

/* ---- lines to events ---- */

static int perf_wrong_field(const struct perf_script *script, const char *field,
                            struct perf_text text, const char *expected)
{
    return import_source_wrong(script->source, script->error, "%s=%.*s; expected %s", field,
                               text.at ? (int)(text.end - text.at) : 9,
                               text.at ? text.at : "(missing)", expected);
}

static int64_t perf_stream(struct perf_script *script, uint32_t cpu)
{
    char name[16];
    int64_t number;

    if (cpu >= PERF_MAX_CPUS)
        return import_source_wrong(script->source, script->error, "CPU %u; expected one below %d",
                                   cpu, PERF_MAX_CPUS);
    if (script->streams[cpu])
        return script->streams[cpu] - 1;
    snprintf(name, sizeof name, "cpu%u", cpu);
    number = join_stream(script->join, name, cpu);
    if (number >= 0)
        script->streams[cpu] = (int32_t)number + 1;
    return number;
}

static int perf_node(const struct perf_script *script, struct perf_text text, int16_t *node)
{
    uint64_t value;

    *node = TRACE_ANY_NODE;
    if (!text.at || perf_is(text, "-1"))
        return 0;
    if (!perf_parse_number(text, &value) || value > INT16_MAX)
        return perf_wrong_field(script, "node", text, "-1 or the number of a node");
    *node = (int16_t)value;
    return 0;
}

static int64_t perf_cache(struct perf_script *script, struct perf_text name)
{
    return join_cache(script->join, name.at, (size_t)(name.end - name.at));
}

static int64_t perf_type(struct perf_script *script, const struct perf_event_kind *kind,
                         const struct perf_line *line)
{
    struct trace_type type = {.cache = TRACE_UNTYPED, .flags = perf_type_flags(line->flags)};
    int64_t cache = JOIN_UNKNOWN;
    int code;

    if (!perf_parse_number(line->requested, &type.size))
        return perf_wrong_field(script, "bytes_req", line->requested, "a number of bytes");
    if (!perf_parse_number(line->allocated, &type.recorded_size))
        return perf_wrong_field(script, "bytes_alloc", line->allocated, "a number of bytes");
    code = perf_node(script, line->node, &type.node);
    if (code)
        return code;
    if (!kind->untyped && line->name.at)
        cache = perf_cache(script, line->name);
    if (cache < 0)
        return cache;
    if (!kind->untyped)
        type.cache = (uint32_t)cache;
    return join_type(script->join, &type);
}

static int perf_add(struct perf_script *script, const struct perf_event_kind *kind,
                    const struct perf_line *line)
{
    int64_t stream = perf_stream(script, line->cpu), type = 0, cache = JOIN_NO_NAME, site = 0;
    struct join_event event = {.time_ns = line->time_ns};

    if (stream < 0)
        return (int)stream;
    if (!perf_parse_pointer(line->pointer, &event.address))
        return perf_wrong_field(script, "ptr", line->pointer,
                                "an address such as 0xffff88810087a000");
    if (kind->kind == SPILL_ALLOC)
        type = perf_type(script, kind, line);
    else if (!kind->untyped && line->name.at)
        cache = perf_cache(script, line->name);
    if (line->site.at)
        site = join_site(script->join, line->site.at, (size_t)(line->site.end - line->site.at));
    if (type < 0 || cache < 0 || site < 0)
        return (int)(type < 0 ? type : cache < 0 ? cache : site);
    event.stream = (uint32_t)stream;
    event.type = (uint32_t)type;
    event.cache = (uint32_t)cache;
    event.site = (uint32_t)site;
    return join_add(script->join, kind->kind, &event);
}

/* "PERF_RECORD_LOST lost 123", "PERF_RECORD_LOST_SAMPLES lost 5", "LOST 123 events!" */
static bool perf_parse_lost(const char *line, size_t length, uint64_t *lost)
{
    const char *end = line + length, *at = memmem(line, length, "LOST", 4);
    const char *lower = at ? memmem(at, (size_t)(end - at), "lost", 4) : NULL;
    unsigned digits;

    if (!at)
        return false;
    at = perf_spaces((lower ? lower : at) + 4, end);
    return perf_digits(at, end, 18, lost, &digits);
}

static const struct perf_event_kind *perf_find_kind(struct perf_text event)
{
    for (size_t i = 0; i < sizeof perf_event_kinds / sizeof *perf_event_kinds; i++) {
        if (perf_is(event, perf_event_kinds[i].name))
            return &perf_event_kinds[i];
    }
    return NULL;
}

static int perf_read_line(struct perf_script *script, const char *text, size_t length)
{
    struct perf_line line;
    const struct perf_event_kind *kind = NULL;
    const char *rest;
    uint64_t lost;

    memset(&line, 0, sizeof line);
    rest = perf_parse_head(text, text + length, &line);
    if (rest)
        kind = perf_find_kind(line.event);
    if (kind) {
        perf_parse_fields(rest, text + length, &line);
        return perf_add(script, kind, &line);
    }
    if (!rest && memmem(text, length, " kmem:k", 7) && memmem(text, length, " ptr=", 5))
        return import_source_wrong(script->source, script->error,
                                   "a kmem event without \"[cpu] seconds.fraction:\" before it; "
                                   "expected the fields of perf script -F comm,pid,cpu,time,event,"
                                   "trace");
    if (perf_parse_lost(text, length, &lost))
        join_lost(script->join, lost);
    else if (length && text[0] != '#')
        join_skipped(script->join, 1);
    return 0;
}

static int perf_read(struct import_source *source, struct join *join, struct error *error)
{
    struct perf_script script = {.source = source, .join = join, .error = error};
    const char *line;
    size_t length;
    int code;

    while ((code = import_source_line(source, &line, &length, error)) == 1) {
        code = perf_read_line(&script, line, length);
        if (code)
            return code;
    }
    if (!code && !join_count(join))
        code = import_source_wrong(source, error,
                                   "the input ends without a kmem event; expected it to be "
                                   "recorded with perf record -e kmem:kmalloc,kmem:kfree,...");
    return code;
}

/* A line of any event with a CPU and a time: other events may come first. */
static bool perf_detect(const char *start, size_t length)
{
    const char *end = start + length;

    for (const char *next; start < end; start = next) {
        const char *line_end = memchr(start, '\n', (size_t)(end - start));
        struct perf_line line = {0};

        if (!line_end)
            line_end = end;
        next = line_end + 1;
        if (perf_parse_head(start, line_end, &line) && perf_contains(line.event, ":") &&
            line.event.end < line_end && *line.event.end == ':')
            return true;
    }
    return false;
}

const struct import_format import_perf_script = {
    .importer = {"perf-script", "text of `perf script`, Linux kmem events"},
    .detect = perf_detect,
    .read = perf_read,
};
