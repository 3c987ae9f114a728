/* SPDX-License-Identifier: MIT */
/* A page of the ring buffer, event by event: see pages.h. */
#include "traces/kernel/pages.h"

#include "sim/error.h"
#include "traces/import/kmem_raw.h"

#include <errno.h>
#include <kbuffer.h>
#include <string.h>

int kernel_pages_init(struct kernel_pages *pages)
{
    pages->buffer = kbuffer_alloc(KBUFFER_LSIZE_SAME_AS_HOST, KBUFFER_ENDIAN_SAME_AS_HOST);
    return pages->buffer ? 0 : -ENOMEM;
}

void kernel_pages_cleanup(struct kernel_pages *pages)
{
    kbuffer_free(pages->buffer);
}

static bool kernel_pages_is_own(const struct kernel_pages *pages, int32_t pid)
{
    for (size_t i = 0; i < pages->nr_own; i++) {
        if (pages->own[i] == pid)
            return true;
    }
    return false;
}

static int kernel_pages_add_event(struct kernel_pages *pages, uint32_t cpu, uint64_t time_ns,
                                  const void *record, size_t size)
{
    struct kmem_raw_event event;
    int code = kmem_raw_decode(pages->raw, record, size, &event);

    if (code < 0)
        return code;
    if (code && kernel_pages_is_own(pages, event.pid)) {
        pages->left_out++;
        return 0;
    }
    if (!code) {
        join_skipped(pages->join, 1);
        return 0;
    }
    pages->events++;
    return kmem_raw_add(pages->raw, pages->join, cpu, time_ns, &event);
}

/*
 * Bytes of the page that are used, by its header: a time of 8 bytes and a long, whose lower bits
 * are the bytes behind it. The library believes them and begins to read there.
 */
enum { KERNEL_PAGES_BITS = 27, KERNEL_PAGES_HEADER = 8 + sizeof(long) };

static size_t kernel_pages_used(const void *page)
{
    unsigned long used;

    memcpy(&used, (const char *)page + 8, sizeof used);
    return KERNEL_PAGES_HEADER + (used & ((1ul << KERNEL_PAGES_BITS) - 1));
}

int kernel_pages_add(struct kernel_pages *pages, uint32_t cpu, void *page, struct error *error)
{
    struct kbuffer *buffer = pages->buffer;
    unsigned long long time_ns;
    int missed, code = 0;
    void *record;

    pages->pages++;
    if (kernel_pages_used(page) > pages->page_bytes || kbuffer_load_subbuffer(buffer, page))
        return error_set(error, EINVAL,
                         "CPU %u: page %llu of the ring buffer says that %zu bytes of it are used; "
                         "expected at most %zu",
                         cpu, (unsigned long long)pages->pages, kernel_pages_used(page),
                         pages->page_bytes);
    missed = kbuffer_missed_events(buffer);
    pages->missed += missed > 0 ? (uint64_t)missed : missed < 0; /* below 0: some, not how many */
    for (record = kbuffer_read_event(buffer, &time_ns); record && !code;
         record = kbuffer_next_event(buffer, &time_ns)) {
        const char *end = (char *)page + pages->page_bytes;
        int size = kbuffer_event_size(buffer);

        code = -EINVAL;
        if (size >= 0 && (char *)record <= end && size <= end - (char *)record)
            code = kernel_pages_add_event(pages, cpu, time_ns, record, (size_t)size);
    }
    if (code == -EINVAL)
        return error_set(error, EINVAL,
                         "CPU %u: page %llu of the ring buffer holds an event that cannot be: its "
                         "fields lie outside it, or name no cache or no node",
                         cpu, (unsigned long long)pages->pages);
    return code;
}
