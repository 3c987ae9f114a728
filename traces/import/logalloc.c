/* SPDX-License-Identifier: MIT */
/*
 * Firefox's logalloc (MALLOC_LOG): process, thread, call.
 *
 *   18545 18545 malloc(32)=0x7f90495120e0
 *   18545 18545 calloc(1,148)=0x7f9049537480
 *   18545 18545 realloc(0x7f90495120e0,64)=0x7f9049536680
 *   18545 18545 posix_memalign(256,240)=0x7f9049583300     memalign, aligned_alloc: alike
 *   18545 18545 free(0x7f9049536680)
 *   18545 18545 jemalloc_stats()
 *
 * What logalloc_munge.py makes of it has slots, #1, for addresses; older versions name no thread.
 * There is no time. Addresses of different processes are kept apart.
 */
#include "traces/import/calls.h"
#include "traces/intern.h"

#include <errno.h>
#include <stdlib.h>

enum {
    LOGALLOC_ADDRESS_BITS = 48, /* of a process's own addresses */
    LOGALLOC_MAX_PROCESSES = 1 << 16,
    LOGALLOC_ARGUMENTS = 2
};

struct logalloc_call {
    uint64_t process, thread;
    struct text name, arguments[LOGALLOC_ARGUMENTS], result;
    unsigned nr_arguments;
};

struct logalloc {
    struct calls *calls;
    struct intern processes; /* by their numbers */
    uint64_t process;        /* of the last line, while `processes` has any */
    uint64_t space;          /* of that process: the high bits of its addresses */
};

/* "18545 18545 NAME("; gives what follows, or NULL. */
static const char *logalloc_parse_head(struct text line, struct logalloc_call *call)
{
    struct text left = line, word = text_word(&left);

    if (!text_number(word, &call->process))
        return NULL;
    word = text_word(&left);
    call->thread = call->process;
    if (text_number(word, &call->thread))
        word = text_word(&left);
    call->name.at = word.at;
    call->name.end = memchr(word.at, '(', text_length(word));
    return call->name.end && call->name.end > word.at ? call->name.end + 1 : NULL;
}

/* "32)=0x7f90495120e0"; false if the line is broken. */
static bool logalloc_parse_rest(const char *at, const char *end, struct logalloc_call *call)
{
    const char *close = memchr(at, ')', (size_t)(end - at));

    if (!close)
        return false;
    while (at < close) {
        const char *comma = memchr(at, ',', (size_t)(close - at));

        if (call->nr_arguments == LOGALLOC_ARGUMENTS)
            return false;
        call->arguments[call->nr_arguments++] = (struct text){at, comma ? comma : close};
        at = comma ? comma + 1 : close;
    }
    if (close + 1 < end && close[1] != '=')
        return false;
    if (close + 1 < end)
        call->result = (struct text){close + 2, end};
    return true;
}

static int logalloc_address(const struct logalloc *logalloc, struct text text, uint64_t *address)
{
    bool slot = text.at && text.at < text.end && *text.at == '#';
    bool good = slot ? text_number((struct text){text.at + 1, text.end}, address)
                     : text_pointer(text, address);

    if (!good || *address >> (LOGALLOC_ADDRESS_BITS - 8 * slot))
        return calls_wrong(logalloc->calls, "address", text, "one such as 0x7f90495120e0");
    if (slot) /* as far apart as objects are, and clear of the addresses that mean nothing */
        *address = *address << 8;
    if (*address)
        *address |= logalloc->space;
    return 0;
}

static int logalloc_number(const struct logalloc *logalloc, struct text text, uint64_t *value)
{
    return text_number(text, value)
               ? 0
               : calls_wrong(logalloc->calls, "number", text, "a decimal number");
}

enum logalloc_form {
    LOGALLOC_SIZE,    /* f(size)=address */
    LOGALLOC_ZEROED,  /* f(count,size)=address */
    LOGALLOC_ALIGNED, /* f(alignment,size)=address */
    LOGALLOC_MOVED,   /* f(address,size)=address */
    LOGALLOC_FREED    /* f(address) */
};

struct logalloc_kind {
    const char *name;
    enum logalloc_form form;
    unsigned arguments;
};

static const struct logalloc_kind logalloc_kinds[] = {
    {"malloc", LOGALLOC_SIZE, 1},           {"free", LOGALLOC_FREED, 1},
    {"realloc", LOGALLOC_MOVED, 2},         {"calloc", LOGALLOC_ZEROED, 2},
    {"memalign", LOGALLOC_ALIGNED, 2},      {"posix_memalign", LOGALLOC_ALIGNED, 2},
    {"aligned_alloc", LOGALLOC_ALIGNED, 2}, {"valloc", LOGALLOC_SIZE, 1},
};

static const struct logalloc_kind *logalloc_find(struct text name)
{
    for (size_t i = 0; i < sizeof logalloc_kinds / sizeof *logalloc_kinds; i++) {
        if (text_is(name, logalloc_kinds[i].name))
            return &logalloc_kinds[i];
    }
    return NULL;
}

static int logalloc_add_alloc(struct logalloc *logalloc, const struct logalloc_kind *kind,
                              const struct logalloc_call *call)
{
    struct calls_block block = {0};
    uint64_t first = 0;
    int code = logalloc_address(logalloc, call->result, &block.address);

    if (!code)
        code = logalloc_number(logalloc, call->arguments[kind->arguments - 1], &block.size);
    if (!code && kind->form == LOGALLOC_MOVED)
        code = logalloc_address(logalloc, call->arguments[0], &first);
    else if (!code && kind->arguments == 2)
        code = logalloc_number(logalloc, call->arguments[0], &first);
    if (code)
        return code;
    if (kind->form == LOGALLOC_MOVED)
        return calls_realloc(logalloc->calls, first, &block);
    if (kind->form == LOGALLOC_ALIGNED)
        block.align = first;
    if (kind->form == LOGALLOC_ZEROED) {
        block.flags = TRACE_ZERO;
        if (__builtin_mul_overflow(block.size, first, &block.size))
            return calls_wrong(logalloc->calls, "calloc", call->arguments[0],
                               "a product below 2^64");
    }
    return calls_alloc(logalloc->calls, &block);
}

static int logalloc_enter_process(struct logalloc *logalloc, uint64_t process)
{
    int64_t number;

    if (logalloc->processes.count && logalloc->process == process)
        return 0;
    logalloc->process = process;
    number = intern_add(&logalloc->processes, &process, sizeof process);
    if (number >= LOGALLOC_MAX_PROCESSES)
        return import_source_wrong(logalloc->calls->source, logalloc->calls->error,
                                   "more processes than %d", LOGALLOC_MAX_PROCESSES);
    logalloc->space = (uint64_t)number << LOGALLOC_ADDRESS_BITS;
    return number < 0 ? (int)number : 0;
}

static int logalloc_read_line(struct logalloc *logalloc, struct text line)
{
    struct logalloc_call call = {0};
    const char *rest = logalloc_parse_head(line, &call);
    const struct logalloc_kind *kind = rest ? logalloc_find(call.name) : NULL;
    uint64_t address;
    int code;

    if (!kind) {
        join_skipped(logalloc->calls->join, text_length(line) > 0);
        return 0;
    }
    if (!logalloc_parse_rest(rest, line.end, &call) || call.nr_arguments != kind->arguments)
        return calls_wrong(logalloc->calls, "call", (struct text){call.name.at, line.end},
                           "such as malloc(32)=0x7f90495120e0");
    code = calls_begin(logalloc->calls, call.process, call.thread);
    if (!code)
        code = logalloc_enter_process(logalloc, call.process);
    if (!code && kind->form != LOGALLOC_FREED)
        return logalloc_add_alloc(logalloc, kind, &call);
    if (!code)
        code = logalloc_address(logalloc, call.arguments[0], &address);
    return code ? code : calls_free(logalloc->calls, address);
}

static int logalloc_read(struct import_source *source, struct join *join, struct error *error)
{
    struct logalloc logalloc = {.calls = calls_create(source, join, error)};
    const char *line;
    size_t length;
    int code = logalloc.calls ? 0 : -ENOMEM;

    while (!code && (code = import_source_line(source, &line, &length, error)) == 1)
        code = logalloc_read_line(&logalloc, (struct text){line, line + length});
    if (!code && !join_count(join))
        code = import_source_wrong(source, error,
                                   "the input ends without an allocation; expected lines such as "
                                   "\"18545 18545 malloc(32)=0x7f90495120e0\" (logalloc)");
    intern_cleanup(&logalloc.processes);
    free(logalloc.calls);
    return code;
}

static bool logalloc_detect(const char *start, size_t length)
{
    struct text left = {start, start + length}, line;
    struct logalloc_call call = {0};

    return text_line(&left, &line) && logalloc_parse_head(line, &call) &&
           (logalloc_find(call.name) || text_is(call.name, "jemalloc_stats"));
}

const struct import_format import_logalloc = {
    .importer = {"logalloc", "Firefox's logalloc, calls of malloc"},
    .detect = logalloc_detect,
    .read = logalloc_read,
};
