/* SPDX-License-Identifier: MIT */
/*
 * What glibc's mtrace() writes to the file that MALLOC_TRACE names:
 *
 *   = Start
 *   @ ./program:(main+0x1e)[0x401186] + 0x55d2c0 0x64      malloc, calloc, memalign: address, bytes
 *   @ ./program:(main+0x2c)[0x401194] < 0x55d2c0           realloc: the old address ...
 *   @ ./program:(main+0x2c)[0x401194] > 0x55d330 0xc8      ... and the new one, bytes
 *   @ ./program:(main+0x3a)[0x4011a2] - 0x55d330           free
 *   @ ./program:(main+0x3a)[0x4011a2] ! 0x55d330 0x64      realloc that failed
 *   = End
 *
 * It knows neither threads nor time. Where it does not know the caller a line starts with the mark.
 */
#include "traces/import/calls.h"

#include <errno.h>
#include <stdlib.h>

struct mtrace_line {
    char mark; /* one of "+-<>!" */
    struct text caller, address, size;
};

/* From its end, since the caller's name may hold anything. */
static bool mtrace_parse(struct text text, struct mtrace_line *line)
{
    struct text mark;

    *line = (struct mtrace_line){0};
    line->address = text_last_word(&text);
    mark = text_last_word(&text);
    if (text_length(mark) != 1 || !strchr("-<", *mark.at)) {
        line->size = line->address;
        line->address = mark;
        mark = text_last_word(&text);
        if (text_length(mark) != 1 || !strchr("+>!", *mark.at))
            return false;
    }
    line->mark = *mark.at;
    if (text_length(text) && *text.at == '@')
        text_word(&text);
    while (text.end > text.at && text.end[-1] == ' ')
        text.end--;
    text.at = text_spaces(text.at, text.end);
    line->caller = text;
    return true;
}

struct mtrace {
    struct calls *calls;
    uint64_t moving; /* the old address of a realloc whose new one is to come, or 0 */
};

static int mtrace_flush(struct mtrace *mtrace)
{
    uint64_t old = mtrace->moving;

    mtrace->moving = 0;
    return old ? calls_free(mtrace->calls, old) : 0;
}

static int mtrace_add(struct mtrace *mtrace, const struct mtrace_line *line)
{
    struct calls *calls = mtrace->calls;
    struct calls_block block = {0};
    uint64_t old = mtrace->moving;
    int64_t site = 0;
    int code = calls_begin(calls, 0, 1);

    if (!text_pointer(line->address, &block.address))
        return calls_wrong(calls, "address", line->address, "one such as 0x55d2c0");
    if (line->size.at && !text_hex(line->size, &block.size))
        return calls_wrong(calls, "size", line->size, "bytes, such as 0x64");
    if (text_length(line->caller))
        site = join_site(calls->join, line->caller.at, text_length(line->caller));
    if (code || site < 0)
        return code ? code : (int)site;
    if (old && line->mark == '>') {
        mtrace->moving = 0;
        calls->event.site = (uint32_t)site;
        return calls_realloc(calls, old, &block);
    }
    code = mtrace_flush(mtrace);
    calls->event.site = (uint32_t)site;
    if (code)
        return code;
    switch (line->mark) {
    case '<':
        mtrace->moving = block.address;
        return 0;
    case '-':
        return calls_free(calls, block.address);
    case '!':
        join_skipped(calls->join, 1);
        return 0;
    default:
        return calls_alloc(calls, &block);
    }
}

static int mtrace_read_line(struct mtrace *mtrace, struct text text)
{
    struct mtrace_line line;

    if (text_is(text, "= Start") || text_is(text, "= End"))
        return 0;
    if (mtrace_parse(text, &line))
        return mtrace_add(mtrace, &line);
    if (text_length(text) && *text.at == '@')
        return calls_wrong(mtrace->calls, "line", text,
                           "\"@ caller + 0xaddress 0xbytes\", or with -, <, > or !");
    join_skipped(mtrace->calls->join, text_length(text) > 0);
    return 0;
}

static int mtrace_read(struct import_source *source, struct join *join, struct error *error)
{
    struct mtrace mtrace = {.calls = calls_create(source, join, error)};
    const char *line;
    size_t length;
    int code = mtrace.calls ? 0 : -ENOMEM;

    while (!code && (code = import_source_line(source, &line, &length, error)) == 1)
        code = mtrace_read_line(&mtrace, (struct text){line, line + length});
    if (!code)
        code = mtrace_flush(&mtrace);
    if (!code && !join_count(join))
        code = import_source_wrong(source, error,
                                   "the input ends without an allocation; expected the file that "
                                   "a program that calls mtrace() writes to $MALLOC_TRACE");
    free(mtrace.calls);
    return code;
}

static bool mtrace_detect(const char *start, size_t length)
{
    struct text left = {start, start + length}, line;
    struct mtrace_line parsed;
    uint64_t address;

    if (!text_line(&left, &line))
        return false;
    if (text_is(line, "= Start"))
        return true;
    return text_length(line) && *line.at == '@' && mtrace_parse(line, &parsed) &&
           text_pointer(parsed.address, &address);
}

const struct import_format import_mtrace = {
    .importer = {"mtrace", "glibc's mtrace(), calls of malloc"},
    .detect = mtrace_detect,
    .read = mtrace_read,
};
