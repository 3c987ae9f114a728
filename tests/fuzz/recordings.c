/* SPDX-License-Identifier: MIT */
/* What `record` leaves before there is a trace: of programs, of the kernel. */
#include "tests/fuzz/targets.h"

#include "sim/error.h"
#include "tests/kernel_fixture.h"
#include "traces/join.h"
#include "traces/kernel/record.h"
#include "traces/malloc_raw.h"
#include "traces/malloc_record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (file < 0)
        fuzz_broken("%s: %s", path, strerror(errno));
    return file;
}

static void write_at(int file, const char *bytes, size_t length, off_t at, off_t size)
{
    if (pwrite(file, bytes, length, at) != (ssize_t)length || ftruncate(file, size))
        fuzz_broken("no room for %zu bytes: %s", length, strerror(errno));
}

/* ---- of programs ---- */

/*
 * An input is parts: a byte that says of what, a u16 length, and bytes. They are of one of two
 * images, and of its maps or one of its threads' events: there they are a chunk's beginning, whose
 * rest is zero, or all that there is of it.
 */
enum {
    PART_IMAGE = 1,
    PART_MAPS = 2,
    PART_THREAD = 4,
    PART_CUT = 8,
    PART_HEAD = 3, /* bytes */
    PART_FILES = 6,
    PART_MOST_CHUNKS = 6
};

static void part_path(const char *folder, unsigned file, char path[FUZZ_PATH_BYTES])
{
    unsigned image = file & PART_IMAGE;

    if (file & PART_MAPS)
        snprintf(path, FUZZ_PATH_BYTES, "%s/%u-9.maps", folder, image + 1);
    else
        snprintf(path, FUZZ_PATH_BYTES, "%s/%u-9-%u.events", folder, image + 1,
                 !!(file & PART_THREAD));
}

static void put_part(const char *folder, uint8_t what, const char *bytes, size_t length)
{
    char path[FUZZ_PATH_BYTES];
    struct stat status;
    off_t end;
    int file;

    part_path(folder, what, path);
    file = open_file(path);
    if (fstat(file, &status))
        fuzz_broken("%s: %s", path, strerror(errno));
    end = status.st_size;
    if (!(what & PART_MAPS))
        end = (end + MALLOC_RAW_CHUNK - 1) / MALLOC_RAW_CHUNK * MALLOC_RAW_CHUNK;
    if (end < PART_MOST_CHUNKS * (off_t)MALLOC_RAW_CHUNK)
        write_at(file, bytes, length, end,
                 what & (PART_MAPS | PART_CUT) ? end + (off_t)length : end + MALLOC_RAW_CHUNK);
    close(file);
}

static void remove_parts(const char *folder)
{
    char path[FUZZ_PATH_BYTES];

    for (unsigned file = 0; file < PART_CUT; file++) {
        part_path(folder, file, path);
        unlink(path);
    }
    rmdir(folder);
}

void fuzz_malloc_raw(const struct fuzz_input *input)
{
    static const char *const command[] = {"program", NULL};
    const struct malloc_record_options options = {.call_sites = input->length % 2,
                                                  .command = command,
                                                  .base_ticks = 1000,
                                                  .ns_per_tick = 0.5};
    char folder[FUZZ_FOLDER_BYTES], output[FUZZ_PATH_BYTES];
    struct malloc_record_report report;
    struct error error = {""};
    size_t at = 0;

    snprintf(folder, sizeof folder, "%s/raw", input->folder);
    if (mkdir(folder, 0700))
        fuzz_broken("%s: %s", folder, strerror(errno));
    for (unsigned parts = 0; input->length - at >= PART_HEAD && parts < PART_MOST_CHUNKS; parts++) {
        const uint8_t *head = (const uint8_t *)input->bytes + at;
        size_t length = head[1] | (size_t)head[2] << 8;

        at += PART_HEAD;
        length = length < input->length - at ? length : input->length - at;
        put_part(folder, head[0], input->bytes + at, length);
        at += length;
    }
    fuzz_path(input, "recorded.slt", output);
    if (!fuzz_refusal(malloc_record_convert(folder, output, &options, &report, &error), &error,
                      NULL) &&
        report.events)
        fuzz_read_trace(output, true);
    remove_parts(folder);
}

/* ---- of the kernel ---- */

/* An input is a byte, and pages, of the formats of Linux 6.18; the last is filled up with zeros. */
enum {
    PAGES_WHOLE = 1, /* 4,096 bytes each; else 512, so that small inputs have several */
    PAGES_BROKEN = 2,
    PAGES_SITES = 4,
    PAGES_DROP = 8,
    PAGES_CPUS = 2
};

void fuzz_kernel_pages(const struct fuzz_input *input)
{
    static const int32_t own = 77;
    static struct tep_handle *tep;
    uint8_t what = input->length ? (uint8_t)input->bytes[0] : 0;
    size_t page = what & PAGES_WHOLE ? 4096 : 512, length = input->length - (input->length > 0);
    size_t pages = (length + page - 1) / page, first = pages / PAGES_CPUS * page;
    struct kernel_record_cpu cpus[PAGES_CPUS] = {{.cpu = 0, .lost = 3}, {.cpu = 1}};
    struct kernel_record recorded = {.page_bytes = page,
                                     .cpus = cpus,
                                     .nr_cpus = PAGES_CPUS,
                                     .own = &own,
                                     .nr_own = 1,
                                     .call_sites = what & PAGES_SITES,
                                     .unmatched = what & PAGES_DROP ? IMPORT_DROP : IMPORT_PRELOAD,
                                     .caches = {"/no", "/no"},
                                     .release = "6.18"};
    struct kernel_record_report report;
    char path[FUZZ_PATH_BYTES];
    struct error error = {""};

    recorded.tep = tep = tep ? tep : kernel_fixture_formats();
    for (unsigned cpu = 0; cpu < PAGES_CPUS; cpu++) {
        size_t at = cpu ? first : 0, bytes = cpu ? length - first : first;

        fuzz_path(input, cpu ? "cpu1" : "cpu0", path);
        cpus[cpu].file = open_file(path);
        write_at(cpus[cpu].file, input->bytes + 1 + at, bytes, 0,
                 (off_t)(what & PAGES_BROKEN ? bytes : (bytes + page - 1) / page * page));
    }
    fuzz_path(input, "recorded.slt", path);
    if (!fuzz_refusal(kernel_record_convert(&recorded, path, &report, &error), &error, NULL) &&
        report.events)
        fuzz_read_trace(path, true);
    for (unsigned cpu = 0; cpu < PAGES_CPUS; cpu++)
        close(cpus[cpu].file);
}

/* ---- what the kernel says of its caches ---- */

/* The lines of the input, one a file, as those of /sys/kernel/slab/NAME. */
static void put_slab(const char *slab, const char *lines)
{
    static const char *const names[] = {"object_size", "align", "ctor", "destroy_by_rcu",
                                        "aliases"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strcspn(lines, "\n");
        char path[2 * FUZZ_PATH_BYTES];
        int file;

        snprintf(path, sizeof path, "%s/%s", slab, names[i]);
        file = open_file(path);
        write_at(file, lines, length, 0, (off_t)length);
        close(file);
        lines += length + (lines[length] == '\n');
    }
}

/* An object freed that was never seen: all that is known of it is what the kernel says. */
static int add_free(struct join *join, const char *name, uint64_t number)
{
    int64_t stream = join_stream(join, "cpu0", 0), cache = join_cache(join, name, strlen(name));
    struct join_event event = {.time_ns = 1000 + number,
                               .address = number * 4096,
                               .stream = (uint32_t)stream,
                               .cache = (uint32_t)cache};

    return stream < 0 || cache < 0 ? -ENOMEM : join_add(join, SPILL_FREE, &event);
}

/* The first lines of an input are of dentry's folder, all of them are /proc/slabinfo. */
void fuzz_kernel_caches(const struct fuzz_input *input)
{
    const struct import_options options = {.unmatched = IMPORT_PRELOAD};
    char slab[FUZZ_FOLDER_BYTES], folder[FUZZ_PATH_BYTES], output[FUZZ_PATH_BYTES];
    const struct kernel_caches_paths paths = {slab, input->path};
    struct kernel_caches_report report;
    struct trace_repairs repairs;
    struct error error = {""};
    struct join *join;
    uint64_t events;

    snprintf(slab, sizeof slab, "%s/slab", input->folder);
    snprintf(folder, sizeof folder, "%s/dentry", slab);
    mkdir(slab, 0700), mkdir(folder, 0700); /* they are there after the first input */
    put_slab(folder, input->bytes);
    if (join_create(&join, &options) || add_free(join, "dentry", 1) || add_free(join, "inode", 2))
        fuzz_broken("no memory");
    kernel_caches_describe(join, &paths, &report);
    fuzz_path(input, "recorded.slt", output);
    if (!fuzz_refusal(join_write_trace(join, output, "{}", &repairs, &events, &error), &error,
                      output) &&
        events)
        fuzz_read_trace(output, true);
    join_destroy(join);
}
