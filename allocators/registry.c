/* SPDX-License-Identifier: MIT */
/*
 * Which designs there are: what ALLOCATOR_REGISTER left in the linker section
 * `slablab_allocators`, sorted by name.
 */
#include "allocators/allocator.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Bounds of the section, defined by the linker. Weak: a program may hold no design at all. */
extern const struct allocator *const __start_slablab_allocators[] __attribute__((weak));
extern const struct allocator *const __stop_slablab_allocators[] __attribute__((weak));

#define REGISTRY_MAX 64

static const struct allocator *sorted[REGISTRY_MAX];
static size_t sorted_count;
static pthread_once_t sorted_once = PTHREAD_ONCE_INIT;

static int compare_names(const void *left, const void *right)
{
    const struct allocator *const *a = left;
    const struct allocator *const *b = right;

    return strcmp((*a)->name, (*b)->name);
}

static void registry_sort(void)
{
    const struct allocator *const *entry = __start_slablab_allocators;

    while (entry != __stop_slablab_allocators && sorted_count < REGISTRY_MAX)
        sorted[sorted_count++] = *entry++;
    qsort(sorted, sorted_count, sizeof sorted[0], compare_names);
}

const struct allocator *const *allocator_all(size_t *count)
{
    pthread_once(&sorted_once, registry_sort);
    *count = sorted_count;
    return sorted;
}
