/* SPDX-License-Identifier: MIT */
/* Designs of records and what they say of their sizes. */
#include "tools/size_note.h"

#include "allocators/allocator.h"

#include <string.h>

const char *size_note(const char *allocator)
{
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(all[i]->name, allocator) == 0)
            return all[i]->size_note;
    }
    return NULL;
}
