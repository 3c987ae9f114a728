/* SPDX-License-Identifier: MIT */
/* Numbered byte strings: see intern.h. */
#include "traces/intern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* Where the bytes are in the table, or the empty place where they would go. */
static size_t intern_find(const struct intern *intern, uint64_t hash, const void *bytes,
                          size_t length)
{
    size_t mask = intern->table_size - 1;
    size_t at = hash & mask;

    for (; intern->table[at]; at = (at + 1) & mask) {
        const struct intern_entry *entry = &intern->entries[intern->table[at] - 1];

        if (entry->hash == hash && entry->length == length && !memcmp(entry->bytes, bytes, length))
            break;
    }
    return at;
}

/* Room for one more: the table stays at most half full. */
static int intern_grow(struct intern *intern)
{
    size_t capacity = intern->capacity ? intern->capacity * 2 : 32;
    struct intern_entry *entries;
    uint32_t *table;

    if (intern->count < intern->capacity)
        return 0;
    if (capacity > UINT32_MAX)
        return -ENOMEM;
    entries = reallocarray(intern->entries, capacity, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    intern->entries = entries;
    table = calloc(capacity * 2, sizeof *table);
    if (!table)
        return -ENOMEM;
    free(intern->table);
    intern->table = table;
    intern->table_size = capacity * 2;
    intern->capacity = capacity;
    for (size_t number = 0; number < intern->count; number++) {
        struct intern_entry *entry = &entries[number];

        table[intern_find(intern, entry->hash, entry->bytes, entry->length)] = (uint32_t)number + 1;
    }
    return 0;
}

int64_t intern_add(struct intern *intern, const void *bytes, size_t length)
{
    uint64_t hash = XXH3_64bits(bytes, length);
    char *copy;
    size_t at;
    int code;

    if (intern->count) {
        at = intern_find(intern, hash, bytes, length);
        if (intern->table[at])
            return intern->table[at] - 1;
    }
    code = intern_grow(intern);
    if (code)
        return code;
    copy = malloc(length + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    at = intern_find(intern, hash, bytes, length);
    intern->entries[intern->count++] = (struct intern_entry){hash, copy, length};
    intern->table[at] = (uint32_t)intern->count;
    return (int64_t)intern->count - 1;
}

void intern_cleanup(struct intern *intern)
{
    for (size_t number = 0; number < intern->count; number++)
        free(intern->entries[number].bytes);
    free(intern->entries);
    free(intern->table);
    *intern = (struct intern){0};
}
