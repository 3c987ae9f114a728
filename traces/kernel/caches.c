/* SPDX-License-Identifier: MIT */
/*
 * Caches as SLUB shows them: a folder each, a value a file. A cache that was merged with others is
 * a link to a folder that all of them share, whose `aliases` counts the others.
 */
#include "traces/kernel/caches.h"

#include "traces/join.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An alignment above a page is a page allocator's affair: it is left out, as one that is none. */
enum { KERNEL_CACHES_PAGE = 4096, KERNEL_CACHES_VALUE = 256 /* bytes: a number, or a symbol */ };

/* The first line of a file in the cache's folder. */
static bool kernel_caches_read(int folder, const char *file, char value[KERNEL_CACHES_VALUE])
{
    int descriptor = openat(folder, file, O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (descriptor < 0)
        return false;
    length = read(descriptor, value, KERNEL_CACHES_VALUE - 1);
    close(descriptor);
    if (length < 0)
        return false;
    value[length] = '\0';
    value[strcspn(value, "\n")] = '\0';
    return true;
}

/* 0 where it is not said. */
static uint64_t kernel_caches_number(int folder, const char *file)
{
    char value[KERNEL_CACHES_VALUE];

    return kernel_caches_read(folder, file, value) ? strtoull(value, NULL, 10) : 0;
}

static bool kernel_caches_slab(const char *slab, const char *name, struct join_cache_facts *facts)
{
    char path[512], constructor[KERNEL_CACHES_VALUE];
    uint64_t align;
    int folder;

    if (strchr(name, '/') || snprintf(path, sizeof path, "%s/%s", slab, name) >= (int)sizeof path)
        return false;
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    align = kernel_caches_number(folder, "align");
    if (align <= KERNEL_CACHES_PAGE && (align & (align - 1)) == 0)
        facts->align = (uint32_t)align;
    facts->object_size = kernel_caches_number(folder, "object_size");
    if (kernel_caches_read(folder, "ctor", constructor) && *constructor)
        facts->flags |= TRACE_CACHE_CONSTRUCTED;
    if (kernel_caches_number(folder, "destroy_by_rcu"))
        facts->flags |= TRACE_CACHE_RCU;
    if (kernel_caches_number(folder, "aliases"))
        facts->flags |= TRACE_CACHE_MERGED;
    close(folder);
    return facts->object_size > 0;
}

/* "dentry  12345 23456  192  21 1 : tunables ...": objects in use, all, their size with padding. */
static bool kernel_caches_slabinfo(const char *slabinfo, const char *name,
                                   struct join_cache_facts *facts)
{
    FILE *stream = fopen(slabinfo, "re");
    size_t length = strlen(name);
    char line[512];

    while (stream && !facts->object_size && fgets(line, sizeof line, stream)) {
        if (strncmp(line, name, length) == 0 && line[length] == ' ' &&
            sscanf(line + length, "%*u %*u %" SCNu64, &facts->object_size) != 1)
            facts->object_size = 0;
    }
    if (stream)
        fclose(stream);
    return facts->object_size > 0;
}

void kernel_caches_describe(struct join *join, const struct kernel_caches_paths *paths,
                            struct kernel_caches_report *report)
{
    const char *name;

    *report = (struct kernel_caches_report){0};
    for (uint32_t cache = 0; (name = join_cache_name(join, cache)); cache++) {
        struct join_cache_facts facts = {0};

        if (!kernel_caches_slab(paths->slab, name, &facts) &&
            !kernel_caches_slabinfo(paths->slabinfo, name, &facts)) {
            report->unknown++;
            continue;
        }
        join_describe_cache(join, cache, &facts);
        report->described++;
        if (facts.flags & TRACE_CACHE_MERGED) {
            report->merged++;
            snprintf(report->example, sizeof report->example, "%s", name);
        }
    }
}
