/* SPDX-License-Identifier: MIT */
/* Recorded pages to a trace: see record.h. */
#include "traces/kernel/record.h"

#include "sim/error.h"
#include "traces/import/kmem_raw.h"
#include "traces/kernel/pages.h"
#include "traces/provenance.h"
#include "version.h"

#include <errno.h>
#include <event-parse.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KERNEL_RECORD_PAGES = 64 /* read at once */ };

struct kernel_conversion {
    const struct kernel_record *recorded;
    struct kernel_record_report *report;
    struct join *join;
    struct kmem_raw *raw;
    struct kernel_pages pages;
    struct error *error;
};

/* "function+0x1a", as perf prints it. Where the kernel hides its addresses there are none. */
static size_t kernel_record_name_site(void *context, uint64_t address, char *name, size_t size)
{
    unsigned long long start = tep_find_function_address(context, address);
    const char *function = start ? tep_find_function(context, address) : NULL;
    int length;

    if (function)
        length = snprintf(name, size, "%s+0x%llx", function, address - start);
    else
        length = snprintf(name, size, "0x%llx", (unsigned long long)address);
    return (size_t)length < size ? (size_t)length : size - 1;
}

/* Up to `size` bytes from `at` on; fewer only at the end. */
static ssize_t kernel_record_read(int file, char *bytes, size_t size, off_t at)
{
    size_t got = 0;

    while (got < size) {
        ssize_t count = pread(file, bytes + got, size - got, at + (off_t)got);

        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return -errno;
        if (!count)
            break;
        got += (size_t)count;
    }
    return (ssize_t)got;
}

static int kernel_record_add_cpu(struct kernel_conversion *conversion,
                                 const struct kernel_record_cpu *cpu, char *bytes)
{
    const struct kernel_record *recorded = conversion->recorded;
    size_t page = recorded->page_bytes, size = KERNEL_RECORD_PAGES * page;
    uint64_t missed = conversion->pages.missed;
    ssize_t got;
    int code = 0;

    for (off_t at = 0; !code && (got = kernel_record_read(cpu->file, bytes, size, at)) != 0;
         at += got) {
        if (got < 0)
            return error_set(conversion->error, (int)-got, "the recording of CPU %u: %s", cpu->cpu,
                             strerror((int)-got));
        if ((size_t)got % page)
            return error_set(conversion->error, EINVAL,
                             "the recording of CPU %u ends within a page of %zu bytes", cpu->cpu,
                             page);
        for (ssize_t next = 0; !code && next < got; next += (ssize_t)page)
            code = kernel_pages_add(&conversion->pages, cpu->cpu, bytes + next, conversion->error);
        if (recorded->progress)
            recorded->progress(recorded->progress_context, conversion->pages.events);
    }
    /* Gaps are counted twice over, by the buffer and before the page that comes after. */
    missed = conversion->pages.missed - missed;
    join_lost(conversion->join, cpu->lost > missed ? cpu->lost : missed);
    return code;
}

static int kernel_record_add(struct kernel_conversion *conversion)
{
    const struct kernel_record *recorded = conversion->recorded;
    char *bytes = NULL;
    int code = kernel_pages_init(&conversion->pages);

    /* Of a damaged page the library may look at the word behind it. */
    if (!code && !(bytes = malloc(KERNEL_RECORD_PAGES * recorded->page_bytes + 64)))
        code = -ENOMEM;
    for (unsigned i = 0; !code && i < recorded->nr_cpus; i++)
        code = kernel_record_add_cpu(conversion, &recorded->cpus[i], bytes);
    free(bytes);
    kernel_pages_cleanup(&conversion->pages);
    return code;
}

/*
 * No host, and of clocks only the one that began anew when the machine did: so another recording of
 * the same time, by the same clock, can be laid beside this one.
 */
static char *kernel_record_provenance(const struct kernel_conversion *conversion)
{
    const struct kernel_record *recorded = conversion->recorded;
    json_t *json = json_pack(
        "{s:s, s:s, s:s, s:o, s:I, s:I, s:s, s:I, s:I, s:{s:s, s:b}}", "recorder",
        "slablab record kernel", "version", SLABLAB_VERSION, "kernel", recorded->release, "command",
        provenance_command(recorded->command), "events", (json_int_t)conversion->pages.events,
        "left_out_events", (json_int_t)conversion->pages.left_out, "clock", "mono", "base_ns",
        (json_int_t)join_base_ns(conversion->join), "buffer_kib", (json_int_t)recorded->buffer_kib,
        "options", "unmatched", recorded->unmatched == IMPORT_PRELOAD ? "preload" : "drop",
        "call_sites", recorded->call_sites);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text;
}

static int kernel_record_write(const struct kernel_conversion *conversion, const char *output)
{
    struct kernel_record_report *report = conversion->report;
    char *provenance = kernel_record_provenance(conversion);
    int code = -ENOMEM;

    if (provenance)
        code = join_write_trace(conversion->join, output, provenance, &report->repairs,
                                &report->events, conversion->error);
    free(provenance);
    return code;
}

int kernel_record_convert(const struct kernel_record *recorded, const char *output,
                          struct kernel_record_report *report, struct error *error)
{
    const struct import_options joining = {.unmatched = recorded->unmatched,
                                           .call_sites = recorded->call_sites};
    struct error reason = {""};
    struct kernel_conversion conversion = {
        .recorded = recorded, .report = report, .error = &reason};
    int code = join_create(&conversion.join, &joining);

    *report = (struct kernel_record_report){0};
    if (!code)
        code = kmem_raw_create(&conversion.raw, recorded->tep, &reason);
    if (!code) {
        kmem_raw_set_namer(conversion.raw, kernel_record_name_site, recorded->tep);
        conversion.pages = (struct kernel_pages){.raw = conversion.raw,
                                                 .join = conversion.join,
                                                 .page_bytes = recorded->page_bytes,
                                                 .own = recorded->own,
                                                 .nr_own = recorded->nr_own};
        code = kernel_record_add(&conversion);
    }
    report->recorded = conversion.pages.events;
    report->left_out = conversion.pages.left_out;
    if (!code && !report->recorded)
        code = error_set(&reason, ENODATA, "no kmem event was recorded");
    if (!code) {
        kernel_caches_describe(conversion.join, &recorded->caches, &report->caches);
        code = kernel_record_write(&conversion, output);
    }
    if (code)
        error_set(error, -code, "%s", *reason.text ? reason.text : strerror(-code));
    kmem_raw_destroy(conversion.raw);
    join_destroy(conversion.join);
    return code;
}
