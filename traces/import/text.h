/* SPDX-License-Identifier: MIT */
/* Words and numbers of a line, for the importers of text; nothing here knows any format. */
#ifndef SLABLAB_TRACES_IMPORT_TEXT_H
#define SLABLAB_TRACES_IMPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    const char *at, *end; /* at == NULL: absent */
};

static inline size_t text_length(struct text text)
{
    return (size_t)(text.end - text.at);
}

static inline bool text_is(struct text text, const char *word)
{
    size_t length = strlen(word);

    return text_length(text) == length && !memcmp(text.at, word, length);
}

static inline bool text_contains(struct text text, const char *word)
{
    return text.at && memmem(text.at, text_length(text), word, strlen(word));
}

static inline const char *text_spaces(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* The next word of what is left, taken off it; empty at the end. */
static inline struct text text_word(struct text *left)
{
    struct text word = {.at = text_spaces(left->at, left->end)};

    for (word.end = word.at; word.end < left->end && *word.end != ' ' && *word.end != '\t';)
        word.end++;
    left->at = word.end;
    return word;
}

/* The same from its end. */
static inline struct text text_last_word(struct text *left)
{
    struct text word = {.end = left->end};

    while (word.end > left->at && (word.end[-1] == ' ' || word.end[-1] == '\t'))
        word.end--;
    for (word.at = word.end; word.at > left->at && word.at[-1] != ' ' && word.at[-1] != '\t';)
        word.at--;
    left->end = word.at;
    return word;
}

/* Decimal digits from `at` on; NULL if there are none or more than `most`. */
static inline const char *text_digits(const char *at, const char *end, unsigned most,
                                      uint64_t *value, unsigned *digits)
{
    unsigned count = 0;

    *value = 0;
    for (; at < end && *at >= '0' && *at <= '9' && count <= most; at++, count++)
        *value = *value * 10 + (uint64_t)(*at - '0');
    *digits = count;
    return count && count <= most ? at : NULL;
}

/* All of it a decimal number of at most 18 digits. */
static inline bool text_number(struct text text, uint64_t *value)
{
    unsigned digits;

    return text.at && text_digits(text.at, text.end, 18, value, &digits) == text.end;
}

/* All of it hexadecimal, with 0x or without. */
static inline bool text_hex(struct text text, uint64_t *value)
{
    const char *at = text.at;

    *value = 0;
    if (!at)
        return false;
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

/* Printed with or without 0x, hashed or not; "(nil)" and "(null)" are 0. */
static inline bool text_pointer(struct text text, uint64_t *value)
{
    *value = 0;
    if (text.at && (text_is(text, "(nil)") || text_is(text, "(null)")))
        return true;
    return text_hex(text, value);
}

/* The next line of a text, without its end, taken off it; false at the end. */
static inline bool text_line(struct text *left, struct text *line)
{
    if (left->at >= left->end)
        return false;
    line->at = left->at;
    line->end = memchr(left->at, '\n', text_length(*left));
    if (!line->end)
        line->end = left->end;
    left->at = line->end < left->end ? line->end + 1 : left->end;
    if (line->end > line->at && line->end[-1] == '\r')
        line->end--;
    return true;
}

#endif
