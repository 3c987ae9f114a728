/* SPDX-License-Identifier: MIT */
/* Options that take a list: `1,2,4`, ranges `2..64` (doubling), `2..64+2` (steps), `auto`. */
#ifndef SLABLAB_TOOLS_LIST_OPTION_H
#define SLABLAB_TOOLS_LIST_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct number_list {
    uint64_t *numbers; /* in the order given, without repetition */
    size_t count;
    bool automatic; /* `auto` was among them */
};

/* What may be in a list. */
struct number_limits {
    uint64_t minimum, maximum;
    bool automatic;     /* `auto` is allowed: it sets the list's flag */
    const char *filler; /* or stands for these numbers, such as "2..64"; NULL: not so */
};

/*
 * Replaces what the list holds. A doubling range ends with its upper bound whether doubling meets
 * it or not: 2..62 is 2,4,8,16,32,62. -EINVAL: what is wrong, and where; numbers outside the limits
 * and `auto` where it means nothing too.
 */
int number_list_parse(const char *text, const struct number_limits *limits,
                      struct number_list *list, struct error *error);
void number_list_cleanup(struct number_list *list);

struct word_list {
    char **words; /* NULL-terminated */
    size_t count;
};

/* Words between commas; an empty one is an error. Appends to what the list holds. */
int word_list_parse(const char *text, struct word_list *list, struct error *error);
/* Appends one word, commas and all. -ENOMEM. */
int word_list_add(struct word_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void word_list_cleanup(struct word_list *list);

/* "64M", "1G", "4096"; K, M, G are powers of 1,024. */
int size_parse(const char *text, uint64_t *size, struct error *error);

#endif
