/* SPDX-License-Identifier: MIT */
/* A set of byte strings, each with a number: equal bytes get the number they got before. */
#ifndef SLABLAB_TRACES_INTERN_H
#define SLABLAB_TRACES_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern_entry {
    uint64_t hash;
    void *bytes; /* the set's own copy; a zero byte follows it, so that text is a C string */
    size_t length;
};

struct intern {
    struct intern_entry *entries; /* by number */
    size_t count;
    size_t capacity;
    uint32_t *table; /* number + 1, or 0; open addressing */
    size_t table_size;
};

/* The number of these bytes, new or old; -ENOMEM. */
int64_t intern_add(struct intern *intern, const void *bytes, size_t length);
static inline const void *intern_get(const struct intern *intern, size_t number)
{
    return intern->entries[number].bytes;
}
void intern_cleanup(struct intern *intern);

#endif
