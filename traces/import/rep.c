/* SPDX-License-Identifier: MIT */
/*
 * Traces of the malloc lab that accompanies "Computer Systems: A Programmer's Perspective" (.rep):
 * four numbers, a line each (suggested size of the heap, numbers of identities, of operations, a
 * weight; later editions put the weight first), then operations:
 *
 *   a 0 512        identity, bytes
 *   r 0 640        realloc of what the identity names, which it goes on naming
 *   f 0            f -1 frees nothing
 *
 * There are no addresses, threads or times: an identity stands for an address.
 */
#include "traces/import/calls.h"

#include <errno.h>
#include <stdlib.h>

enum { REP_HEADER = 4, REP_IDENTITY_BYTES = 32 /* apart, as addresses */ };

struct rep {
    struct calls *calls;
    uint64_t header[REP_HEADER];
    unsigned nr_header;
    uint64_t *live; /* a bit an identity */
    uint64_t operations;
};

#define REP_IDENTITIES 1
#define REP_OPERATIONS 2
#define REP_MOST       100000000 /* identities; the lab's have thousands */

static int rep_read_header(struct rep *rep, struct text line)
{
    struct text left = line, word = text_word(&left);
    uint64_t *value = &rep->header[rep->nr_header];

    if (!text_number(word, value) || text_length(text_word(&left)))
        return calls_wrong(rep->calls, "line", line, "a number: the first four lines are");
    if (rep->nr_header++ != REP_IDENTITIES)
        return 0;
    if (*value > REP_MOST)
        return calls_wrong(rep->calls, "identities", word, "at most 100000000");
    rep->live = calloc(*value / 64 + 1, sizeof *rep->live);
    return rep->live ? 0 : -ENOMEM;
}

static int rep_identity(const struct rep *rep, struct text word, uint64_t *identity, bool *live)
{
    if (!text_number(word, identity) || *identity >= rep->header[REP_IDENTITIES])
        return calls_wrong(rep->calls, "identity", word,
                           "one below the number that the second line says");
    *live = rep->live[*identity / 64] >> *identity % 64 & 1;
    return 0;
}

static int rep_add(struct rep *rep, char operation, uint64_t identity, bool live, uint64_t size)
{
    struct calls_block block = {(identity + 1) * REP_IDENTITY_BYTES, size, 0, 0};
    uint64_t bit = UINT64_C(1) << identity % 64;

    if (operation == 'f' || (operation == 'r' && !size)) {
        rep->live[identity / 64] &= ~bit;
        return live ? calls_free(rep->calls, block.address) : 0;
    }
    rep->live[identity / 64] |= bit;
    if (operation == 'a')
        return calls_alloc(rep->calls, &block);
    return calls_realloc(rep->calls, live ? block.address : 0, &block);
}

static int rep_read_operation(struct rep *rep, struct text line)
{
    struct text left = line, name = text_word(&left), word = text_word(&left);
    char operation = (char)(text_length(name) == 1 ? *name.at : '?');
    uint64_t identity = 0, size = 0;
    bool live = false;
    int code;

    if (!strchr("arf", operation)) {
        join_skipped(rep->calls->join, text_length(name) > 0);
        return 0;
    }
    rep->operations++;
    code = calls_begin(rep->calls, 0, 1);
    if (!code && operation == 'f' && text_is(word, "-1"))
        return calls_free(rep->calls, 0);
    if (!code)
        code = rep_identity(rep, word, &identity, &live);
    if (code)
        return code;
    if (live == (operation == 'a') && operation != 'r')
        return calls_wrong(rep->calls, "identity", word,
                           live ? "one that is not allocated already" : "one that is allocated");
    word = text_word(&left);
    if (operation != 'f' && !text_number(word, &size))
        return calls_wrong(rep->calls, "size", word, "a number of bytes");
    if (text_length(text_word(&left)) || (operation == 'f' && text_length(word)))
        return calls_wrong(rep->calls, "line", line, "no more numbers");
    return rep_add(rep, operation, identity, live, size);
}

static int rep_check_end(const struct rep *rep)
{
    if (rep->nr_header < REP_HEADER || !join_count(rep->calls->join))
        return import_source_wrong(rep->calls->source, rep->calls->error,
                                   "the input ends without an allocation; expected four lines "
                                   "with a number each, then lines such as \"a 0 512\"");
    if (rep->operations != rep->header[REP_OPERATIONS])
        return import_source_wrong(rep->calls->source, rep->calls->error,
                                   "the input ends after %llu operations; the third line says "
                                   "%llu",
                                   (unsigned long long)rep->operations,
                                   (unsigned long long)rep->header[REP_OPERATIONS]);
    return 0;
}

static int rep_read(struct import_source *source, struct join *join, struct error *error)
{
    struct rep rep = {.calls = calls_create(source, join, error)};
    const char *line;
    size_t length;
    int code = rep.calls ? 0 : -ENOMEM;

    while (!code && (code = import_source_line(source, &line, &length, error)) == 1) {
        struct text text = {line, line + length};

        code = rep.nr_header < REP_HEADER ? rep_read_header(&rep, text)
                                          : rep_read_operation(&rep, text);
    }
    if (!code)
        code = rep_check_end(&rep);
    free(rep.live);
    free(rep.calls);
    return code;
}

static bool rep_detect(const char *start, size_t length)
{
    struct text left = {start, start + length}, line, word;
    uint64_t value;

    for (unsigned i = 0; i < REP_HEADER; i++) {
        if (!text_line(&left, &line))
            return false;
        word = text_word(&line);
        if (!text_number(word, &value) || text_length(text_word(&line)))
            return false;
    }
    if (!text_line(&left, &line))
        return false;
    word = text_word(&line);
    return text_length(word) == 1 && strchr("arf", *word.at);
}

const struct import_format import_rep = {
    .importer = {"rep", "malloc lab traces (.rep), calls of malloc"},
    .detect = rep_detect,
    .read = rep_read,
};
