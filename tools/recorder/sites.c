/* SPDX-License-Identifier: MIT */
/*
 * Which module a return address lies in is told by /proc/self/maps, a copy of which is kept when an
 * event comes from a page that no event came from before: a module may have been loaded since.
 * The file is read, not the loader asked, since its lock may be held by who waits for this thread.
 */
#include "tools/recorder/stream.h"

#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define SITES_PAGES                                                                                \
    4096u /* in the table of pages that were seen; two that share a place take turns */
#define SITES_COPIES 512 /* an end to taking turns, and to programs that make code as they go */

bool sites_wanted;

static struct {
    char path[PATH_MAX];
    _Atomic uintptr_t pages[SITES_PAGES];
    _Atomic uint32_t copies;
} sites;

void sites_start(const char *prefix)
{
    sites_wanted = prefix != NULL;
    if (!prefix)
        return;
    snprintf(sites.path, sizeof sites.path, "%s.maps", prefix);
    for (unsigned i = 0; i < SITES_PAGES; i++)
        atomic_store_explicit(&sites.pages[i], 0, memory_order_relaxed);
    atomic_store(&sites.copies, 0);
}

/* In one piece of text after another; lines of two threads that copy at once may be torn, and a
 * reader passes over what is no line of maps. */
static void sites_copy(void)
{
    char text[4096];
    int from = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    int to = open(sites.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ssize_t size = 0;

    while (from >= 0 && to >= 0 && (size = read(from, text, sizeof text)) > 0) {
        if (write(to, text, (size_t)size) != size)
            break;
    }
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
}

void sites_see(const void *site)
{
    uintptr_t page = (uintptr_t)site >> 12;
    _Atomic uintptr_t *place = &sites.pages[page % SITES_PAGES];

    if (atomic_load_explicit(place, memory_order_relaxed) == page)
        return;
    atomic_store_explicit(place, page, memory_order_relaxed);
    if (atomic_fetch_add(&sites.copies, 1) < SITES_COPIES) {
        struct quiet quiet;

        quiet_begin(&quiet);
        sites_copy();
        quiet_end(&quiet);
    }
}
