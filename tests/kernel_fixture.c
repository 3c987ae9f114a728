/* SPDX-License-Identifier: MIT */
/* See the header. */
#include "tests/kernel_fixture.h"

#include <event-parse.h>
#include <stdio.h>
#include <stdlib.h>

static size_t read_file(const char *name, char *text, size_t room)
{
    char path[80];
    FILE *stream;
    size_t size;

    snprintf(path, sizeof path, KERNEL_DATA "/%s", name);
    stream = fopen(path, "r");
    if (!stream)
        abort();
    size = fread(text, 1, room, stream);
    fclose(stream);
    return size;
}

struct tep_handle *kernel_fixture_formats(void)
{
    static const char *const events[] = {"kmalloc.format", "kfree.format",
                                         "kmem_cache_alloc.format", "kmem_cache_free.format"};
    struct tep_handle *tep = tep_alloc();
    char text[8192];
    size_t size = read_file("header_page", text, sizeof text);

    if (!tep || tep_parse_header_page(tep, text, size, sizeof(long)))
        abort();
    for (int i = 0; i < 4; i++) {
        size = read_file(events[i], text, sizeof text);
        if (tep_parse_event(tep, text, size, "kmem"))
            abort();
    }
    return tep;
}
