/* SPDX-License-Identifier: MIT */
/* Lists, ranges and sizes as options give them. */
#include "tools/list_option.h"

#include "sim/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No list of a person's is as long, and each number is looked for among those before it. */
#ifdef SLABLAB_SMALL /* tests/fuzz */
#define LIST_MAX 256
#else
#define LIST_MAX 4096
#endif

/* Unless it is one of the first `known`. */
static int list_add(struct number_list *list, uint64_t number, size_t known, struct error *error)
{
    size_t count = list->count;
    uint64_t *grown;

    for (size_t i = 0; i < known; i++) {
        if (list->numbers[i] == number)
            return 0;
    }
    if (list->count == LIST_MAX)
        return error_set(error, EINVAL, "a list of more than %d numbers", LIST_MAX);
    if ((count & (count - 1)) == 0) { /* full: there is room for a power of two */
        grown = reallocarray(list->numbers, count ? 2 * count : 1, sizeof *grown);
        if (!grown)
            return error_set(error, ENOMEM, "no memory for a list");
        list->numbers = grown;
    }
    list->numbers[list->count++] = number;
    return 0;
}

/* Reads a number and moves *text past it. */
static int number_read(const char **text, const char *whole, uint64_t *number, struct error *error)
{
    char *end;

    errno = 0;
    if (!isdigit((unsigned char)**text))
        return error_set(error, EINVAL, "'%s': expected a number at '%s'", whole, *text);
    *number = strtoull(*text, &end, 10);
    if (errno)
        return error_set(error, EINVAL, "'%s': the number at '%s' is too large", whole, *text);
    *text = end;
    return 0;
}

static int range_add(struct number_list *list, uint64_t from, uint64_t to, uint64_t step,
                     const char *whole, struct error *error)
{
    size_t known = list->count; /* those of the range itself differ */
    int code = 0;

    if (from > to)
        return error_set(error, EINVAL, "'%s': a range runs upwards", whole);
    for (uint64_t number = from; code == 0 && number < to;) {
        uint64_t next = step ? number + step : number ? number * 2 : 1;

        code = list_add(list, number, known, error);
        if (next <= number)
            break;
        number = next;
        if (step && number > to)
            return code; /* steps end where they end; a doubling ends at its bound */
    }
    return code ? code : list_add(list, to, known, error);
}

/* A number or a range. */
static int numbers_parse(const char **text, const char *whole, struct number_list *list,
                         struct error *error)
{
    uint64_t from, to, step = 0;
    int code = number_read(text, whole, &from, error);

    if (code)
        return code;
    if (strncmp(*text, "..", 2) != 0)
        return list_add(list, from, list->count, error);
    *text += 2;
    code = number_read(text, whole, &to, error);
    if (code == 0 && **text == '+') {
        (*text)++;
        code = number_read(text, whole, &step, error);
        if (code == 0 && step == 0)
            code = error_set(error, EINVAL, "'%s': a step of 0", whole);
    }
    return code ? code : range_add(list, from, to, step, whole, error);
}

static int item_parse(const char **text, const char *whole, const struct number_limits *limits,
                      struct number_list *list, struct error *error)
{
    const char *filler = limits->filler;

    if (strncmp(*text, "auto", 4) != 0)
        return numbers_parse(text, whole, list, error);
    if (!limits->automatic && !filler)
        return error_set(error, EINVAL, "'%s': there is no `auto` here; expected numbers", whole);
    *text += 4;
    if (filler)
        return numbers_parse(&filler, filler, list, error);
    list->automatic = true;
    return 0;
}

int number_list_parse(const char *text, const struct number_limits *limits,
                      struct number_list *list, struct error *error)
{
    const char *at = text;
    int code = 0;

    number_list_cleanup(list);
    for (;;) {
        code = item_parse(&at, text, limits, list, error);
        if (code || *at != ',')
            break;
        at++;
    }
    if (code == 0 && *at)
        code = error_set(error, EINVAL,
                         "'%s': unexpected '%s'; a list looks like 1,2,4 or 2..64 or 2..64+2", text,
                         at);
    for (size_t i = 0; code == 0 && i < list->count; i++) {
        if (list->numbers[i] < limits->minimum || list->numbers[i] > limits->maximum)
            code =
                error_set(error, EINVAL, "'%s': %llu is outside %llu to %llu", text,
                          (unsigned long long)list->numbers[i], (unsigned long long)limits->minimum,
                          (unsigned long long)limits->maximum);
    }
    if (code)
        number_list_cleanup(list);
    return code;
}

void number_list_cleanup(struct number_list *list)
{
    free(list->numbers);
    *list = (struct number_list){0};
}

int word_list_add(struct word_list *list, const char *format, ...)
{
    char **grown = realloc(list->words, (list->count + 2) * sizeof *grown);
    va_list args;
    int length;

    if (!grown)
        return -ENOMEM;
    list->words = grown;
    va_start(args, format);
    length = vasprintf(&grown[list->count], format, args);
    va_end(args);
    if (length < 0)
        return -ENOMEM;
    grown[++list->count] = NULL;
    return 0;
}

int word_list_parse(const char *text, struct word_list *list, struct error *error)
{
    for (const char *word = text;; word++) {
        size_t length = strcspn(word, ",");

        if (length == 0)
            return error_set(error, EINVAL, "'%s': an empty name in the list", text);
        if (word_list_add(list, "%.*s", (int)length, word) != 0)
            return error_set(error, ENOMEM, "no memory for a list");
        word += length;
        if (!*word)
            return 0;
    }
}

void word_list_cleanup(struct word_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->words[i]);
    free(list->words);
    *list = (struct word_list){0};
}

int size_parse(const char *text, uint64_t *size, struct error *error)
{
    static const char units[] = "KMGT";
    const char *at = text;
    unsigned shift = 0;
    const char *unit;
    int code = number_read(&at, text, size, error);

    if (code)
        return code;
    unit = *at ? strchr(units, toupper((unsigned char)*at)) : NULL;
    if (unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        at++;
    }
    if (*at || *size > UINT64_MAX >> shift)
        return error_set(error, EINVAL, "'%s' is no size; write bytes, or 64K, 16M, 2G", text);
    *size <<= shift;
    return 0;
}
