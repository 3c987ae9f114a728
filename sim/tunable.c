/* SPDX-License-Identifier: MIT */
/* Reads, checks and writes tunables: see tunable.h. */
#include "sim/tunable.h"

#include "sim/error.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static uint64_t *number_slot(const struct tunable *tunable, const void *options)
{
    return (uint64_t *)((char *)(uintptr_t)options + tunable->offset);
}

static const char **string_slot(const struct tunable *tunable, const void *options)
{
    return (const char **)((char *)(uintptr_t)options + tunable->offset);
}

void tunable_set_initial(const struct tunable *tunables, void *options)
{
    for (const struct tunable *t = tunables; t && t->key; t++) {
        if (t->kind == TUNABLE_STRING)
            *string_slot(t, options) = t->initial_string;
        else
            *number_slot(t, options) = t->initial;
    }
}

static void string_release(const struct tunable *tunable, void *options)
{
    const char **slot = string_slot(tunable, options);

    if (*slot != tunable->initial_string)
        free((void *)(uintptr_t)*slot);
    *slot = tunable->initial_string;
}

void tunable_release(const struct tunable *tunables, void *options)
{
    for (const struct tunable *t = tunables; t && t->key; t++) {
        if (t->kind == TUNABLE_STRING)
            string_release(t, options);
    }
}

const struct tunable *tunable_find(const struct tunable *tunables, const char *key)
{
    for (const struct tunable *t = tunables; t && t->key; t++) {
        if (strcmp(t->key, key) == 0)
            return t;
    }
    return NULL;
}

/* Appends to a text of fixed room, silently short when that is used up. */
static void text_append(char *text, size_t room, const char *separator, const char *word)
{
    size_t length = strlen(text);

    snprintf(text + length, room - length, "%s%s", length ? separator : "", word);
}

static int unknown_key(const char *owner, const struct tunable *tunables, const char *key,
                       struct error *error)
{
    char keys[600] = "";

    for (const struct tunable *t = tunables; t && t->key; t++)
        text_append(keys, sizeof keys, ", ", t->key);
    if (!keys[0])
        return error_set(error, ENOENT, "%s has no tunable '%s': it has none at all", owner, key);
    return error_set(error, ENOENT, "%s has no tunable '%s'; it has: %s", owner, key, keys);
}

const char *tunable_allowed(const struct tunable *tunable, char *text, size_t room)
{
    text[0] = '\0';
    switch (tunable->kind) {
    case TUNABLE_UINT:
    case TUNABLE_SIZE:
        snprintf(text, room, "%s%" PRIu64 " to %" PRIu64 "%s",
                 tunable->power_of_two ? "a power of two, " : "", tunable->minimum,
                 tunable->maximum, tunable->kind == TUNABLE_SIZE ? " bytes (K, M, G allowed)" : "");
        break;
    case TUNABLE_BOOL:
        snprintf(text, room, "on or off");
        break;
    case TUNABLE_CHOICE:
        for (const char *const *choice = tunable->choices; *choice; choice++)
            text_append(text, room, " or ", *choice);
        break;
    case TUNABLE_STRING:
        snprintf(text, room, "a text that is not empty");
    }
    return text;
}

static int refuse(const char *owner, const struct tunable *tunable, int code, const char *value,
                  struct error *error)
{
    char words[200];

    return error_set(error, code, "%s: tunable '%s' cannot be '%s'; it can be %s", owner,
                     tunable->key, value, tunable_allowed(tunable, words, sizeof words));
}

/* 0, -EINVAL (no number), -ERANGE (no 64-bit number). */
static int number_parse(const char *text, bool with_suffix, uint64_t *number)
{
    unsigned shift = 0;
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return -EINVAL;
    errno = 0;
    /* Base 10 unless 0x is written: a leading 0 is no octal to whoever types it. */
    *number = strtoull(text, &end, strncasecmp(text, "0x", 2) == 0 ? 16 : 10);
    if (errno)
        return -ERANGE;
    if (with_suffix && *end) {
        static const char suffixes[] = "KMG";
        const char *suffix = strchr(suffixes, toupper((unsigned char)*end));

        if (!suffix)
            return -EINVAL;
        shift = 10 * (unsigned)(suffix - suffixes + 1);
        end++;
    }
    if (*end)
        return -EINVAL;
    if (shift && *number >> (64 - shift))
        return -ERANGE;
    *number <<= shift;
    return 0;
}

static int number_set(const struct tunable *tunable, void *options, const char *value)
{
    uint64_t number;
    int code = number_parse(value, tunable->kind == TUNABLE_SIZE, &number);

    if (code)
        return code;
    if (number < tunable->minimum || number > tunable->maximum)
        return -ERANGE;
    if (tunable->power_of_two && (number & (number - 1)))
        return -ERANGE;
    *number_slot(tunable, options) = number;
    return 0;
}

/* The index of `value` among NULL-terminated words, or -EINVAL. */
static int word_index(const char *const *words, const char *value)
{
    for (int i = 0; words[i]; i++) {
        if (strcasecmp(words[i], value) == 0)
            return i;
    }
    return -EINVAL;
}

static int word_set(const struct tunable *tunable, void *options, const char *value)
{
    /* Odd indices mean on. */
    static const char *const switches[] = {"off",  "on", "no", "yes", "false",
                                           "true", "0",  "1",  NULL};
    bool is_switch = tunable->kind == TUNABLE_BOOL;
    int index = word_index(is_switch ? switches : tunable->choices, value);

    if (index < 0)
        return index;
    *number_slot(tunable, options) = is_switch ? (uint64_t)index & 1 : (uint64_t)index;
    return 0;
}

static int string_set(const struct tunable *tunable, void *options, const char *value)
{
    char *copy;

    if (!value[0])
        return -EINVAL;
    copy = strdup(value);
    if (!copy)
        return -ENOMEM;
    string_release(tunable, options);
    *string_slot(tunable, options) = copy;
    return 0;
}

int tunable_set(const char *owner, const struct tunable *tunables, void *options, const char *key,
                const char *value, struct error *error)
{
    const struct tunable *tunable = tunable_find(tunables, key);
    int code = -EINVAL;

    if (!tunable)
        return unknown_key(owner, tunables, key, error);
    switch (tunable->kind) {
    case TUNABLE_UINT:
    case TUNABLE_SIZE:
        code = number_set(tunable, options, value);
        break;
    case TUNABLE_BOOL:
    case TUNABLE_CHOICE:
        code = word_set(tunable, options, value);
        break;
    case TUNABLE_STRING:
        code = string_set(tunable, options, value);
    }
    if (code == -ENOMEM)
        return error_set(error, ENOMEM, "%s: no memory for tunable '%s'", owner, key);
    return code ? refuse(owner, tunable, -code, value, error) : 0;
}

const char *tunable_text(const struct tunable *tunable, const void *options, char *buffer,
                         size_t size)
{
    switch (tunable->kind) {
    case TUNABLE_UINT:
    case TUNABLE_SIZE:
        snprintf(buffer, size, "%" PRIu64, *number_slot(tunable, options));
        break;
    case TUNABLE_BOOL:
        snprintf(buffer, size, "%s", *number_slot(tunable, options) ? "on" : "off");
        break;
    case TUNABLE_CHOICE:
        snprintf(buffer, size, "%s", tunable->choices[*number_slot(tunable, options)]);
        break;
    case TUNABLE_STRING:
        snprintf(buffer, size, "%s", *string_slot(tunable, options));
    }
    return buffer;
}
