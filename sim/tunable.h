/* SPDX-License-Identifier: MIT */
/*
 * Typed tunables of whatever has a struct of options (an allocator's design, a generated load):
 * between that struct and text. Strings in the options are the tunable's initial one or the
 * options' own copy, which tunable_release gives back.
 */
#ifndef SLABLAB_SIM_TUNABLE_H
#define SLABLAB_SIM_TUNABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum tunable_kind { TUNABLE_UINT, TUNABLE_SIZE, TUNABLE_BOOL, TUNABLE_CHOICE, TUNABLE_STRING };

/*
 * One knob: where it lies in its owner's options struct (uint64_t for UINT, SIZE, BOOL and CHOICE
 * (the index of the choice), const char * for STRING), what it may be and what it is by default.
 */
struct tunable {
    const char *key;
    const char *summary; /* one line, with the unit */
    enum tunable_kind kind;
    size_t offset;
    uint64_t minimum, maximum, initial; /* for UINT, SIZE and (initial only) BOOL, CHOICE */
    bool power_of_two;                  /* UINT and SIZE: nothing else is allowed */
    const char *const *choices;         /* NULL-terminated, for CHOICE */
    const char *initial_string;         /* for STRING */
};

/* Rows of a table of tunables: `name` sets `member` of the options struct `type`. */
#define TUNABLE_ROW(name, what, type, member, text)                                                \
    .key = name, .summary = text, .kind = what, .offset = offsetof(type, member)
#define TUNABLE_RANGE(value, least, most) .initial = value, .minimum = least, .maximum = most

#define TUNABLE_NUMBER(name, type, member, value, least, most, text)                               \
    {                                                                                              \
        TUNABLE_ROW(name, TUNABLE_UINT, type, member, text), TUNABLE_RANGE(value, least, most)     \
    }
#define TUNABLE_POWER(name, type, member, value, least, most, text)                                \
    {                                                                                              \
        TUNABLE_ROW(name, TUNABLE_UINT, type, member, text), TUNABLE_RANGE(value, least, most),    \
            .power_of_two = true                                                                   \
    }
#define TUNABLE_BYTES(name, type, member, value, least, most, text)                                \
    {                                                                                              \
        TUNABLE_ROW(name, TUNABLE_SIZE, type, member, text), TUNABLE_RANGE(value, least, most)     \
    }
#define TUNABLE_SWITCH(name, type, member, value, text)                                            \
    {                                                                                              \
        TUNABLE_ROW(name, TUNABLE_BOOL, type, member, text), .initial = value                      \
    }
#define TUNABLE_WORD(name, type, member, value, words, text)                                       \
    {                                                                                              \
        TUNABLE_ROW(name, TUNABLE_CHOICE, type, member, text), .initial = value, .choices = words  \
    }
#define TUNABLE_TEXT(name, type, member, value, text)                                              \
    {                                                                                              \
        TUNABLE_ROW(name, TUNABLE_STRING, type, member, text), .initial_string = value             \
    }

/* Every tunable of `tunables` (which may be NULL) at its initial value. */
void tunable_set_initial(const struct tunable *tunables, void *options);
void tunable_release(const struct tunable *tunables, void *options);

/* The tunable called `key`, or NULL. */
const struct tunable *tunable_find(const struct tunable *tunables, const char *key);

/*
 * Sets `key` from text: numbers in decimal or 0x..., sizes also with K, M or G (powers of 1024),
 * switches as on/off, yes/no, true/false, 1/0. `owner` names whose they are in the sentences:
 * -ENOENT lists the tunables there are, -EINVAL and -ERANGE say what is allowed.
 */
int tunable_set(const char *owner, const struct tunable *tunables, void *options, const char *key,
                const char *value, struct error *error);

/* The value as text that tunable_set takes back. */
const char *tunable_text(const struct tunable *tunable, const void *options, char *buffer,
                         size_t size);

/* What it may be, in words: "1 to 62", "on or off". Returns `text`. */
const char *tunable_allowed(const struct tunable *tunable, char *text, size_t room);

#endif
