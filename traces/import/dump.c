/* SPDX-License-Identifier: MIT */
/* The text of `slablab dump` as a trace again: see DUMP.md. It names objects, so nothing is joined
 * or mended: what breaks a rule of the format is an error. */
#include "traces/dump.h"
#include "traces/import/source.h"
#include "traces/import/text.h"
#include "traces/join_state.h"

#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>

struct undump {
    struct import_source *source;
    struct trace_writer *writer;
    struct error *error;
    uint64_t defined[TRACE_DEFINES_CALL_SITE + 1]; /* so far, by kind */
    struct trace_repairs repairs, *cache_repairs;  /* cache + 1, or 0 */
    size_t room_cache_repairs;
    char *text; /* a name or a provenance, its escapes undone */
    bool provenance;
};

/* ---- words ---- */

static int undump_wrong(const struct undump *undump, struct text found, const char *expected)
{
    return import_source_wrong(undump->source, undump->error, "'%.*s'; expected %s",
                               (int)(text_length(found) > 80 ? 80 : text_length(found)), found.at,
                               expected);
}

/* The next word, a number up to `most`, of more than 18 digits or none. */
static __attribute__((noinline)) int
undump_rare_number(const struct undump *undump, struct text *left, uint64_t most, uint64_t *value)
{
    struct text word = text_word(left);
    bool good = text_number(word, value);

    if (!good && text_length(word) > 18) {
        *value = 0;
        good = true;
        for (const char *at = word.at; at < word.end; at++)
            good &= *at >= '0' && *at <= '9' && !__builtin_mul_overflow(*value, 10, value) &&
                    !__builtin_add_overflow(*value, (uint64_t)(*at - '0'), value);
    }
    return good && *value <= most ? 0
                                  : undump_wrong(undump, word, "a number, and one not too large");
}

/* The next word, a number up to `most`. */
static inline int undump_number(const struct undump *undump, struct text *left, uint64_t most,
                                uint64_t *value)
{
    const char *at = text_spaces(left->at, left->end);
    unsigned digits;

    at = text_digits(at, left->end, 18, value, &digits);
    if (!at || (at < left->end && text_in_word(*at)) || *value > most)
        return undump_rare_number(undump, left, most, value);
    left->at = at;
    return 0;
}

/* The same, or "-", which is `none`. */
static int undump_optional(const struct undump *undump, struct text *left, uint64_t most,
                           uint64_t none, uint64_t *value)
{
    struct text rest = *left;

    if (!text_is(text_word(&rest), "-"))
        return undump_number(undump, left, most, value);
    *left = rest;
    *value = none;
    return 0;
}

static int undump_hex_digit(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                          : -1;
}

/* All that is left of the line behind one space, into undump->text. */
static int undump_text(struct undump *undump, struct text left)
{
    char *put;

    if (left.at < left.end)
        left.at++;
    free(undump->text);
    put = undump->text = malloc(text_length(left) + 1);
    if (!put)
        return -ENOMEM;
    for (const char *at = left.at; at < left.end; at++) {
        int high, low;

        if (*at != '\\') {
            *put++ = *at;
            continue;
        }
        high = left.end - at > 3 && at[1] == 'x' ? undump_hex_digit(at[2]) : -1;
        low = high >= 0 ? undump_hex_digit(at[3]) : -1;
        if (low < 0)
            return undump_wrong(undump, (struct text){at, left.end}, "\\x and two digits");
        *put++ = (char)(high << 4 | low);
        at += 3;
    }
    *put = '\0';
    return (size_t)(put - undump->text) == strlen(undump->text)
               ? 0
               : undump_wrong(undump, left, "a text without a zero byte");
}

/* ---- definitions ---- */

/* `index` as a writer's trace_add_* returned it. */
static int undump_defined(struct undump *undump, enum trace_definition_kind kind, int64_t index)
{
    uint64_t expected = undump->defined[kind] + (kind == TRACE_DEFINES_CALL_SITE);

    if (index == -ENOMEM)
        return -ENOMEM;
    if (index < 0)
        return import_source_wrong(undump->source, undump->error,
                                   index == -ERANGE
                                       ? "more than 65536 streams"
                                       : "a definition that the format does not allow: "
                                         "a name of 1 to 4096 bytes is expected, and a "
                                         "cache that is defined before its types");
    undump->defined[kind]++;
    return (uint64_t)index == expected
               ? 0
               : import_source_wrong(undump->source, undump->error,
                                     "defined a second time; expected something new");
}

static int undump_stream(struct undump *undump, struct text left)
{
    uint64_t os_id;
    int code = undump_number(undump, &left, UINT64_MAX, &os_id);

    if (!code)
        code = undump_text(undump, left);
    return code ? code
                : undump_defined(undump, TRACE_DEFINES_STREAM,
                                 trace_add_stream(undump->writer, undump->text, os_id));
}

static int undump_cache(struct undump *undump, struct text left)
{
    struct trace_cache cache = {0};
    uint64_t align = 0, flags = 0;
    int code = undump_number(undump, &left, UINT64_MAX, &cache.object_size);

    if (!code)
        code = undump_number(undump, &left, UINT32_MAX, &align);
    if (!code)
        code = undump_number(undump, &left, UINT32_MAX, &flags);
    if (!code)
        code = undump_text(undump, left);
    cache.name = undump->text;
    cache.align = (uint32_t)align;
    cache.flags = (uint32_t)flags;
    return code ? code
                : undump_defined(undump, TRACE_DEFINES_CACHE,
                                 trace_add_cache(undump->writer, &cache));
}

static int undump_type(struct undump *undump, struct text left)
{
    struct trace_type type = {0};
    uint64_t cache = 0, align = 0, node = 0, flags = 0;
    int code = undump_optional(undump, &left, TRACE_UNTYPED - 1, TRACE_UNTYPED, &cache);

    if (!code)
        code = undump_number(undump, &left, UINT64_MAX, &type.size);
    if (!code)
        code = undump_number(undump, &left, UINT64_MAX, &type.recorded_size);
    if (!code)
        code = undump_number(undump, &left, UINT32_MAX, &align);
    if (!code)
        code = undump_optional(undump, &left, INT16_MAX, UINT64_MAX, &node);
    if (!code)
        code = undump_number(undump, &left, UINT16_MAX, &flags);
    type.cache = (uint32_t)cache;
    type.align = (uint32_t)align;
    type.node = (int16_t)(node == UINT64_MAX ? TRACE_ANY_NODE : (int)node);
    type.flags = (uint16_t)flags;
    return code ? code
                : undump_defined(undump, TRACE_DEFINES_TYPE, trace_add_type(undump->writer, &type));
}

static int undump_site(struct undump *undump, struct text left)
{
    int code = undump_text(undump, left);

    return code ? code
                : undump_defined(undump, TRACE_DEFINES_CALL_SITE,
                                 trace_add_call_site(undump->writer, undump->text));
}

static int undump_block(struct undump *undump, struct text left)
{
    int code = trace_end_block(undump->writer);

    return code == -EINVAL ? undump_wrong(undump, left, "no new block in a bulk operation") : code;
}

/* ---- the end ---- */

static int undump_counts(const struct undump *undump, struct text *left,
                         struct trace_repairs *repairs)
{
    uint64_t *const counts[] = {&repairs->null_frees,       &repairs->implied_frees,
                                &repairs->never_seen_frees, &repairs->preloaded,
                                &repairs->refreed,          &repairs->lost_events,
                                &repairs->skipped_records};
    int code = 0;

    for (size_t i = 0; !code && i < sizeof counts / sizeof *counts; i++)
        code = undump_number(undump, left, UINT64_MAX, counts[i]);
    return code;
}

static int undump_repairs(struct undump *undump, struct text left)
{
    return undump_counts(undump, &left, &undump->repairs);
}

static int undump_cache_repairs(struct undump *undump, struct text left)
{
    struct text line = left;
    uint64_t cache = 0, caches = undump->defined[TRACE_DEFINES_CACHE];
    int code = undump_optional(undump, &left, UINT32_MAX - 1, UINT64_MAX, &cache);

    if (code)
        return code;
    if (cache != UINT64_MAX && cache >= caches)
        return undump_wrong(undump, line, "the number of a cache");
    code = join_grow(&undump->cache_repairs, caches + 1, &undump->room_cache_repairs,
                     sizeof *undump->cache_repairs);
    return code ? code : undump_counts(undump, &left, &undump->cache_repairs[cache + 1]);
}

static int undump_provenance(struct undump *undump, struct text left)
{
    int code = undump_text(undump, left);

    if (!code)
        code = trace_set_provenance(undump->writer, undump->text);
    undump->provenance = true;
    return code == -EINVAL ? undump_wrong(undump, left, "a provenance of 1 byte to 1 MiB") : code;
}

static int undump_end(struct undump *undump)
{
    uint64_t caches = undump->defined[TRACE_DEFINES_CACHE];
    struct trace_repairs untyped;

    if (!undump->cache_repairs) {
        trace_set_repairs(undump->writer, &undump->repairs, NULL, 0);
        return 0;
    }
    if (join_grow(&undump->cache_repairs, caches + 1, &undump->room_cache_repairs,
                  sizeof *undump->cache_repairs))
        return -ENOMEM;
    untyped = undump->cache_repairs[0]; /* last, for the writer */
    memmove(undump->cache_repairs, undump->cache_repairs + 1,
            caches * sizeof *undump->cache_repairs);
    undump->cache_repairs[caches] = untyped;
    trace_set_repairs(undump->writer, &undump->repairs, undump->cache_repairs, caches + 1);
    return 0;
}

/* ---- events ---- */

static int undump_options(const struct undump *undump, struct text left, struct trace_event *event)
{
    struct text word;

    while (text_length(word = text_word(&left))) {
        bool site = text_length(word) > 5 && !memcmp(word.at, "site=", 5);
        bool bulk = text_length(word) > 5 && !memcmp(word.at, "bulk=", 5);
        struct text number = {word.at + 5, word.end};
        uint64_t value;
        int code;

        if (!site && !bulk)
            return undump_wrong(undump, word, "site=N, bulk=N or the end of the line");
        code = undump_number(undump, &number, site ? UINT32_MAX : TRACE_MAX_BATCH, &value);
        if (code)
            return code;
        if (site)
            event->call_site = (uint32_t)value;
        else
            event->batch = (uint16_t)value;
    }
    return 0;
}

static int undump_event(struct undump *undump, enum trace_op op, enum trace_origin origin,
                        struct text left)
{
    struct trace_event event = {.op = (uint8_t)op, .origin = (uint8_t)origin, .batch = 1};
    struct error reason;
    uint64_t stream = 0, subject = 0, type = 0;
    int code = undump_number(undump, &left, UINT64_MAX, &event.time_ns);

    if (!code)
        code = undump_number(undump, &left, UINT32_MAX, &stream);
    if (!code)
        code = undump_number(undump, &left, UINT32_MAX - 1, &subject);
    if (!code && op == TRACE_ALLOC)
        code = undump_number(undump, &left, UINT32_MAX, &type);
    if (!code)
        code = undump_options(undump, left, &event);
    if (code)
        return code;
    event.stream = (uint32_t)stream;
    event.object = op > TRACE_FREE ? 0 : (uint32_t)subject;
    event.type = (uint32_t)(op > TRACE_FREE ? subject : type);
    reason.text[0] = '\0';
    code = trace_write(undump->writer, &event, &reason);
    if (code == -EINVAL)
        return import_source_wrong(undump->source, undump->error, "%s", reason.text);
    return code ? error_set(undump->error, -code, "%s", reason.text) : 0;
}

static const struct undump_verb {
    const char *word;
    int (*read)(struct undump *undump, struct text left);
} undump_verbs[] = {
    {"stream", undump_stream},   {"cache", undump_cache},
    {"type", undump_type},       {"site", undump_site},
    {"block", undump_block},     {"provenance", undump_provenance},
    {"repairs", undump_repairs}, {"repairs-of", undump_cache_repairs},
};

static int undump_line(struct undump *undump, struct text line)
{
    struct text left = line, word = text_word(&left);

    if (!text_length(word) || *word.at == '#')
        return 0;
    for (int op = 0; op < TRACE_OPS; op++) {
        for (int origin = 0; origin < TRACE_ORIGINS; origin++) {
            if (dump_words[op][origin] && text_is(word, dump_words[op][origin]))
                return undump_event(undump, op, origin, left);
        }
    }
    for (size_t i = 0; i < sizeof undump_verbs / sizeof *undump_verbs; i++) {
        if (text_is(word, undump_verbs[i].word))
            return undump_verbs[i].read(undump, left);
    }
    return undump_wrong(undump, line, "one of the lines that `slablab dump` writes");
}

static int dump_convert(struct import_source *source, struct trace_writer *writer,
                        struct import_report *report, bool *provenance, struct error *error)
{
    struct undump undump = {.source = source, .writer = writer, .error = error};
    const char *line;
    size_t length;
    int code;

    while ((code = import_source_line(source, &line, &length, error)) == 1) {
        code = undump_line(&undump, (struct text){line, line + length});
        if (code)
            break;
    }
    if (!code && (code = trace_end_block(writer)) == -EINVAL)
        import_source_wrong(source, error, "the input ends inside a bulk operation");
    if (!code)
        code = undump_end(&undump);
    report->repairs = undump.repairs;
    *provenance = undump.provenance;
    free(undump.cache_repairs);
    free(undump.text);
    return code;
}

static bool dump_detect(const char *start, size_t length)
{
    struct text left = {start, start + length}, line;

    return text_line(&left, &line) && text_is(line, DUMP_HEADER);
}

const struct import_format import_dump = {
    .importer = {"text", "what `slablab dump` writes"},
    .detect = dump_detect,
    .convert = dump_convert,
};
