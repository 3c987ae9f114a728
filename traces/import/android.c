/* SPDX-License-Identifier: MIT */
/*
 * The text that Android's memory_replay reads, a call a line, written by its malloc debug:
 *
 *   186: malloc 0xb6027400 1024
 *   186: realloc 0xb6027800 0xb6027400 2048        the new address, the old one, bytes
 *   186: calloc 0xb6037058 4 20                    memalign: alignment, bytes
 *   186: free 0xb6027800
 *   186: thread_done 0x0
 *
 * Later versions end each line with when the call began and ended, in ns.
 */
#include "traces/import/calls.h"

#include <errno.h>
#include <stdlib.h>

enum { ANDROID_NUMBERS = 2 }; /* at most, behind the address and before the times */

struct android_call {
    struct text name;
    uint64_t thread, address;
    struct text words[ANDROID_NUMBERS + 2]; /* behind the address */
    unsigned nr_words;
};

struct android_kind {
    const char *name;
    unsigned words;
};

static const struct android_kind android_kinds[] = {
    {"malloc", 1}, {"free", 0}, {"calloc", 2}, {"realloc", 2}, {"memalign", 2}, {"thread_done", 0},
};

static const struct android_kind *android_find(struct text name)
{
    for (size_t i = 0; i < sizeof android_kinds / sizeof *android_kinds; i++) {
        if (text_is(name, android_kinds[i].name))
            return &android_kinds[i];
    }
    return NULL;
}

/* "186: NAME"; gives the name and what is left, or false. */
static bool android_parse_head(struct text *left, struct android_call *call)
{
    unsigned digits;
    const char *at = text_digits(left->at, left->end, 18, &call->thread, &digits);

    if (!at || at == left->end || *at != ':')
        return false;
    left->at = at + 1;
    call->name = text_word(left);
    return text_length(call->name) > 0;
}

static int android_number(struct calls *calls, struct text word, uint64_t *value)
{
    return text_number(word, value) ? 0 : calls_wrong(calls, "number", word, "a decimal number");
}

/* The time that a line may end with, of when its call began. */
static int android_time(struct calls *calls, const struct android_call *call, unsigned expected)
{
    uint64_t ended;
    int code;

    if (call->nr_words == expected)
        return 0;
    if (call->nr_words != expected + 2)
        return calls_wrong(calls, "call", call->name,
                           "as many numbers behind it as memory_replay reads");
    code = android_number(calls, call->words[expected], &calls->event.time_ns);
    return code ? code : android_number(calls, call->words[expected + 1], &ended);
}

static int android_add(struct calls *calls, const struct android_call *call)
{
    struct calls_block block = {.address = call->address};
    uint64_t first = 0, old = 0;
    int code = 0;

    if (text_is(call->name, "free"))
        return calls_free(calls, call->address);
    if (text_is(call->name, "malloc")) {
        code = android_number(calls, call->words[0], &block.size);
        return code ? code : calls_alloc(calls, &block);
    }
    code = android_number(calls, call->words[1], &block.size);
    if (code)
        return code;
    if (text_is(call->name, "realloc")) {
        if (!text_pointer(call->words[0], &old))
            return calls_wrong(calls, "old address", call->words[0], "one such as 0xb6027400");
        return calls_realloc(calls, old, &block);
    }
    code = android_number(calls, call->words[0], &first);
    if (code)
        return code;
    if (text_is(call->name, "memalign")) {
        block.align = first;
        return calls_alloc(calls, &block);
    }
    block.flags = TRACE_ZERO;
    if (__builtin_mul_overflow(block.size, first, &block.size))
        return calls_wrong(calls, "calloc", call->words[0], "a product below 2^64");
    return calls_alloc(calls, &block);
}

static int android_read_line(struct calls *calls, struct text line)
{
    struct android_call call = {0};
    const struct android_kind *kind;
    struct text left = line, pointer, word;
    int code;

    kind = android_parse_head(&left, &call) ? android_find(call.name) : NULL;
    if (!kind || text_is(call.name, "thread_done")) {
        join_skipped(calls->join, text_length(line) > 0);
        return 0;
    }
    pointer = text_word(&left);
    if (!text_pointer(pointer, &call.address))
        return calls_wrong(calls, "address", pointer, "one such as 0xb6027400");
    while (text_length(word = text_word(&left))) {
        if (call.nr_words == ANDROID_NUMBERS + 2)
            return calls_wrong(calls, "word", word, "the end of the line");
        call.words[call.nr_words++] = word;
    }
    if (call.nr_words < kind->words)
        return calls_wrong(calls, "number", (struct text){0}, "one more behind the address");
    code = calls_begin(calls, 0, call.thread);
    if (!code)
        code = android_time(calls, &call, kind->words);
    return code ? code : android_add(calls, &call);
}

static int android_read(struct import_source *source, struct join *join, struct error *error)
{
    struct calls *calls = calls_create(source, join, error);
    int code = calls ? calls_read(calls, android_read_line,
                                  "lines such as \"186: malloc 0xb6027400 "
                                  "1024\" (memory_replay)")
                     : -ENOMEM;

    free(calls);
    return code;
}

static bool android_detect(const char *start, size_t length)
{
    struct text left = {start, start + length}, line;
    struct android_call call;

    return text_line(&left, &line) && android_parse_head(&line, &call) && android_find(call.name);
}

const struct import_format import_android = {
    .importer = {"android", "text of Android's memory_replay, calls of malloc"},
    .detect = android_detect,
    .read = android_read,
};
