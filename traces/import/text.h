/* SPDX-License-Identifier: MIT */
/* Words and numbers of a line, for the importers of text; nothing here knows any format. */
#ifndef SLABLAB_TRACES_IMPORT_TEXT_H
#define SLABLAB_TRACES_IMPORT_TEXT_H

#include <endian.h>
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

/* The first letter tells most words apart; they are not empty. */
static inline bool text_is(struct text text, const char *word)
{
    return text.at < text.end && *text.at == *word && text_length(text) == strlen(word) &&
           !memcmp(text.at, word, text_length(text));
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

/* One comparison for nearly all that words are made of. */
static inline bool text_in_word(char letter)
{
    return (unsigned char)letter > ' ' || (letter != ' ' && letter != '\t');
}

/* The next word of what is left, taken off it; empty at the end. */
static inline struct text text_word(struct text *left)
{
    struct text word = {.at = text_spaces(left->at, left->end)};

    for (word.end = word.at; word.end < left->end && text_in_word(*word.end);)
        word.end++;
    left->at = word.end;
    return word;
}

/* The same from its end. */
static inline struct text text_last_word(struct text *left)
{
    struct text word = {.end = left->end};

    while (word.end > left->at && !text_in_word(word.end[-1]))
        word.end--;
    for (word.at = word.end; word.at > left->at && text_in_word(word.at[-1]);)
        word.at--;
    left->end = word.at;
    return word;
}

/* Decimal digits from `at` on; NULL if there are none or more than `most`. */
static inline const char *text_digits(const char *at, const char *end, unsigned most,
                                      uint64_t *value, unsigned *digits)
{
    const char *start = at, *last = end - at > most ? at + most : end;
    uint64_t sum = 0;

    for (; at < last && (unsigned)*at - '0' <= 9; at++)
        sum = sum * 10 + ((unsigned)*at - '0');
    *value = sum;
    *digits = (unsigned)(at - start);
    return at > start && (at == end || (unsigned)*at - '0' > 9) ? at : NULL;
}

/* All of it a decimal number of at most 18 digits. */
static inline bool text_number(struct text text, uint64_t *value)
{
    unsigned digits;

    return text.at && text_digits(text.at, text.end, 18, value, &digits) == text.end;
}

/* Eight hexadecimal digits, all at once; false if they are not. */
static inline bool text_hex_eight(const char *at, uint64_t *value)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t bytes, letters, digits, wrong;

    memcpy(&bytes, at, sizeof bytes);
    bytes = be64toh(bytes);               /* the first digit is the highest byte */
    letters = (bytes & ones * 0x40) >> 6; /* 1 in each byte that may be one */
    digits = (bytes & ones * 0x0f) + 9 * letters;
    /* What they are when written, in lower case; none above 15; above 9 the letters and only they.
     */
    wrong = (bytes | letters * 0x20) ^ (digits + ones * 0x30 + letters * 0x27);
    wrong |= digits & ones * 0xf0;
    wrong |= ((digits + ones * 6) >> 4 & ones) ^ letters;
    if (wrong)
        return false;
    digits = (digits | digits >> 4) & 0x00ff00ff00ff00ff;
    digits = (digits | digits >> 8) & 0x0000ffff0000ffff;
    *value = (digits | digits >> 16) & 0xffffffff;
    return true;
}

/* All of it hexadecimal, with 0x or without. */
static inline bool text_hex(struct text text, uint64_t *value)
{
    const char *at = text.at;
    uint64_t sum = 0, eight;

    *value = 0;
    if (!at)
        return false;
    if (text.end - at > 2 && at[0] == '0' && (at[1] | 0x20) == 'x')
        at += 2;
    if (at == text.end || text.end - at > 16)
        return false;
    for (; text.end - at >= 8; at += 8) {
        if (!text_hex_eight(at, &eight))
            return false;
        sum = sum << 32 | eight;
    }
    for (; at < text.end; at++) {
        unsigned digit = (unsigned)*at - '0', letter = ((unsigned)*at | 0x20) - 'a';

        if (digit > 9 && letter > 5)
            return false;
        sum = sum << 4 | (digit <= 9 ? digit : letter + 10);
    }
    *value = sum;
    return true;
}

/* Printed with or without 0x, hashed or not; "(nil)" and "(null)" are 0. */
static inline bool text_pointer(struct text text, uint64_t *value)
{
    *value = 0;
    if (text.at && text.at < text.end && *text.at == '(')
        return text_is(text, "(nil)") || text_is(text, "(null)");
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
