/* SPDX-License-Identifier: MIT */
/* Arrays that grow by doubling. */
#ifndef SLABLAB_SIM_ARRAY_H
#define SLABLAB_SIM_ARRAY_H

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/*
 * Makes room for `wanted` elements of `element` bytes; what is in the new room is not known.
 * -ENOMEM leaves the array as it was.
 */
static inline int array_room(void **array, size_t *capacity, size_t wanted, size_t element)
{
    size_t grown = *capacity ? *capacity : 64;
    void *moved;

    if (wanted <= *capacity)
        return 0;
    while (grown < wanted)
        grown *= 2;
    moved = realloc(*array, grown * element);
    if (!moved)
        return -ENOMEM;
    *array = moved;
    *capacity = grown;
    return 0;
}

/* The same; new room is zeroed, which touches all its pages. */
static inline int array_grow(void **array, size_t *capacity, size_t wanted, size_t element)
{
    size_t old = *capacity;
    int code = array_room(array, capacity, wanted, element);

    if (code == 0 && *capacity > old) /* else there may be no array */
        memset((char *)*array + old * element, 0, (*capacity - old) * element);
    return code;
}

#endif
