/* SPDX-License-Identifier: MIT */
/* A program's recording becomes a trace: see malloc_record.h and malloc_raw.h. */
#include "traces/malloc_record.h"

#include "sim/array.h"
#include "sim/error.h"
#include "traces/join.h"
#include "traces/malloc_raw.h"
#include "traces/malloc_sites.h"
#include "traces/provenance.h"
#include "version.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Two images may use one address for two things, so the image's number goes above it. A program's
 * addresses have 47 bits on x86-64 and 48 on arm64, unless it asks for more by name.
 */
enum { MALLOC_ADDRESS_BITS = 48, MALLOC_MAX_IMAGES = 1 << (63 - MALLOC_ADDRESS_BITS) };
enum { MALLOC_PROGRESS = 1 << 18 }; /* events from one showing to the next */

struct malloc_file {
    uint32_t pid, number;
    uint64_t start_ns;
};

struct malloc_conversion {
    const char *folder;
    const struct malloc_record_options *options;
    struct malloc_record_report *report;
    struct error *error;
    struct join *join;
    struct malloc_file *files;
    size_t nr_files;
    const struct malloc_file *kept; /* of the image whose objects stay live; NULL: of none */
    struct malloc_sites sites;
    uint64_t image;       /* of the file at hand, from 0 */
    uint64_t last_ns;     /* of that image's events, so far */
    uint32_t last_stream; /* which that was of */
    uint32_t streams;     /* made so far */
    uint64_t shown;
};

/* ---- the files ---- */

static int malloc_file_compare(const void *a, const void *b)
{
    const struct malloc_file *left = a, *right = b;

    if (left->start_ns != right->start_ns)
        return left->start_ns < right->start_ns ? -1 : 1;
    if (left->pid != right->pid)
        return left->pid < right->pid ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static bool malloc_same_image(const struct malloc_file *a, const struct malloc_file *b)
{
    return a->pid == b->pid && a->start_ns == b->start_ns;
}

/* In the order in which the images began. */
static int malloc_list_files(struct malloc_conversion *conversion)
{
    DIR *folder = opendir(conversion->folder);
    size_t room = 0;
    int code = 0;

    if (!folder)
        return error_set(conversion->error, errno, "%s: %s", conversion->folder, strerror(errno));
    for (const struct dirent *entry; !code && (entry = readdir(folder));) {
        struct malloc_file file;
        int end = 0;

        if (sscanf(entry->d_name, "%" SCNu32 "-%" SCNu64 "-%" SCNu32 ".events%n", &file.pid,
                   &file.start_ns, &file.number, &end) < 3 ||
            !end || entry->d_name[end])
            continue;
        code =
            array_grow((void **)&conversion->files, &room, conversion->nr_files + 1, sizeof file);
        if (!code)
            conversion->files[conversion->nr_files++] = file;
    }
    closedir(folder);
    if (conversion->nr_files)
        qsort(conversion->files, conversion->nr_files, sizeof *conversion->files,
              malloc_file_compare);
    for (size_t i = 0; i < conversion->nr_files; i++) {
        if (conversion->files[i].pid == conversion->options->process)
            conversion->kept = &conversion->files[i];
    }
    return code;
}

/* ---- one thread's events ---- */

static int64_t malloc_type(struct malloc_conversion *conversion, uint64_t what)
{
    unsigned align = what >> MALLOC_RAW_ALIGN_SHIFT & MALLOC_RAW_ALIGN_MASK;
    uint64_t size = what & MALLOC_RAW_SIZE_MASK;
    struct trace_type type = {
        .cache = TRACE_UNTYPED,
        .size = size ? size : 1, /* malloc(0) gives an object; those of a trace have a byte */
        .align = align < 32 ? (uint32_t)1 << align : 0,
        .node = TRACE_ANY_NODE,
        .flags = what & MALLOC_RAW_ZERO ? TRACE_ZERO : 0,
    };

    if (!align)
        type.align = 0;
    return join_type(conversion->join, &type);
}

static void malloc_count(struct malloc_record_report *report, bool alloc, bool nothing)
{
    if (alloc)
        *(nothing ? &report->failed_allocs : &report->allocs) += 1;
    else
        *(nothing ? &report->null_frees : &report->frees) += 1;
}

static int malloc_add(struct malloc_conversion *conversion, uint32_t stream,
                      const struct malloc_raw_record *record)
{
    const struct malloc_record_options *options = conversion->options;
    bool alloc = record->what >> MALLOC_RAW_KIND_SHIFT == MALLOC_RAW_ALLOC;
    uint64_t ticks = record->ticks > options->base_ticks ? record->ticks - options->base_ticks : 0;
    struct join_event event = {
        .time_ns = (uint64_t)((double)ticks * options->ns_per_tick),
        .address = record->address,
        .stream = stream,
        .cache = JOIN_NO_NAME,
    };
    int64_t number;

    malloc_count(conversion->report, alloc, !record->address);
    if (event.time_ns >= conversion->last_ns) {
        conversion->last_ns = event.time_ns;
        conversion->last_stream = stream;
    }
    if (record->address)
        event.address |= conversion->image << MALLOC_ADDRESS_BITS;
    if (options->call_sites) {
        number = malloc_sites_number(&conversion->sites, conversion->join, record->site);
        if (number < 0)
            return (int)number;
        event.site = (uint32_t)number;
    }
    if (alloc) {
        number = malloc_type(conversion, record->what);
        if (number < 0)
            return (int)number;
        event.type = (uint32_t)number;
    }
    return join_add(conversion->join, alloc ? SPILL_ALLOC : SPILL_FREE, &event);
}

static void malloc_show_progress(struct malloc_conversion *conversion)
{
    const struct malloc_record_options *options = conversion->options;
    uint64_t events = conversion->report->allocs + conversion->report->frees;

    if (options->progress && events - conversion->shown >= MALLOC_PROGRESS) {
        conversion->shown = events;
        options->progress(options->progress_context, events);
    }
}

static int malloc_wrong(const struct malloc_conversion *conversion, const char *path,
                        uint64_t offset, const char *what)
{
    return error_set(conversion->error, EINVAL, "%s: byte %" PRIu64 ": %s", path, offset, what);
}

/* Records that are not there end a chunk, but one before others was begun and never finished. */
static int malloc_add_chunk(struct malloc_conversion *conversion, const char *path,
                            const char *chunk, uint64_t offset, uint32_t stream)
{
    const struct malloc_raw_record *records = (const void *)chunk;
    size_t first = sizeof(struct malloc_raw_header) / sizeof *records;
    size_t last = MALLOC_RAW_CHUNK / sizeof *records;
    int code = 0;

    while (last > first && !records[last - 1].what)
        last--;
    for (size_t i = first; !code && i < last; i++) {
        uint64_t kind = records[i].what >> MALLOC_RAW_KIND_SHIFT;

        if (!records[i].what) {
            conversion->report->unfinished++;
            join_skipped(conversion->join, 1);
            continue;
        }
        if ((kind != MALLOC_RAW_ALLOC && kind != MALLOC_RAW_FREE) ||
            records[i].address >> MALLOC_ADDRESS_BITS)
            return malloc_wrong(conversion, path, offset + i * sizeof *records,
                                "expected an allocation or a free at an address of 48 bits");
        code = malloc_add(conversion, stream, &records[i]);
    }
    malloc_show_progress(conversion);
    return code;
}

/* Number of a stream of its own: a name that another thread had gets a number behind it. */
static int64_t malloc_add_stream(struct malloc_conversion *conversion,
                                 const struct malloc_raw_header *header)
{
    char name[80];
    int length = snprintf(name, sizeof name, "tid %" PRIu32 " %.15s", header->tid, header->name);
    int64_t number = join_stream(conversion->join, name, header->tid);

    for (unsigned again = 2; number >= 0 && number < conversion->streams; again++) {
        snprintf(name + length, sizeof name - (size_t)length, " (%u)", again);
        number = join_stream(conversion->join, name, header->tid);
    }
    if (number == -ERANGE)
        error_set(conversion->error, ERANGE, "%s: more than 65,536 threads", conversion->folder);
    if (number >= 0)
        conversion->streams++;
    return number;
}

static int malloc_add_chunks(struct malloc_conversion *conversion, const char *path,
                             const char *bytes, uint64_t size)
{
    const struct malloc_raw_header *header = NULL;
    int64_t stream;
    int code = 0;

    for (uint64_t at = 0; at + MALLOC_RAW_CHUNK <= size; at += MALLOC_RAW_CHUNK) {
        const struct malloc_raw_header *next = (const void *)(bytes + at);

        if (next->magic == 0) /* the program ended before it was signed */
            break;
        if (next->magic != MALLOC_RAW_MAGIC)
            return malloc_wrong(conversion, path, at, "expected a chunk of recorded events");
        header = next;
    }
    if (!header)
        return 0;
    if (header->stopped)
        conversion->report->stopped = (int)header->stopped;
    stream = malloc_add_stream(conversion, header);
    if (stream < 0)
        return (int)stream;
    conversion->report->threads++;
    for (const char *chunk = bytes; !code && chunk <= (const char *)header;
         chunk += MALLOC_RAW_CHUNK)
        code =
            malloc_add_chunk(conversion, path, chunk, (uint64_t)(chunk - bytes), (uint32_t)stream);
    return code;
}

static int malloc_add_file(struct malloc_conversion *conversion, const struct malloc_file *file)
{
    char path[PATH_MAX];
    struct stat status;
    void *bytes;
    int descriptor, code;

    snprintf(path, sizeof path, "%s/%" PRIu32 "-%" PRIu64 "-%" PRIu32 ".events", conversion->folder,
             file->pid, file->start_ns, file->number);
    descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        code = error_set(conversion->error, errno, "%s: %s", path, strerror(errno));
        if (descriptor >= 0)
            close(descriptor);
        return code;
    }
    if (status.st_size < MALLOC_RAW_CHUNK) { /* no chunk: none wanted, cut off, or no room */
        if (status.st_size && status.st_size < MALLOC_RAW_ERRORS)
            conversion->report->stopped = (int)status.st_size;
        close(descriptor);
        return 0;
    }
    bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (bytes == MAP_FAILED)
        return -ENOMEM;
    code = malloc_add_chunks(conversion, path, bytes, (uint64_t)status.st_size);
    munmap(bytes, (size_t)status.st_size);
    return code;
}

static int malloc_begin_image(struct malloc_conversion *conversion, const struct malloc_file *file)
{
    char maps[PATH_MAX];

    conversion->image = conversion->report->images++;
    conversion->last_ns = 0;
    if (conversion->image == MALLOC_MAX_IMAGES)
        return error_set(conversion->error, ERANGE, "%s: more than %d programs", conversion->folder,
                         MALLOC_MAX_IMAGES);
    snprintf(maps, sizeof maps, "%s/%" PRIu32 "-%" PRIu64 ".maps", conversion->folder, file->pid,
             file->start_ns);
    return malloc_sites_load(&conversion->sites, maps);
}

static int malloc_end_image(struct malloc_conversion *conversion, const struct malloc_file *file)
{
    uint64_t first = conversion->image << MALLOC_ADDRESS_BITS;
    struct join_end end = {
        .first = first,
        .last = first | ((UINT64_C(1) << MALLOC_ADDRESS_BITS) - 1),
        .time_ns = conversion->last_ns,
        .stream = conversion->last_stream,
    };

    if (conversion->kept && malloc_same_image(conversion->kept, file))
        return 0;
    return join_end(conversion->join, &end);
}

static int malloc_add_files(struct malloc_conversion *conversion)
{
    const struct malloc_file *files = conversion->files;
    int code = 0;

    for (size_t i = 0; !code && i < conversion->nr_files; i++) {
        if (!i || !malloc_same_image(&files[i - 1], &files[i]))
            code = malloc_begin_image(conversion, &files[i]);
        if (!code)
            code = malloc_add_file(conversion, &files[i]);
        if (!code &&
            (i + 1 == conversion->nr_files || !malloc_same_image(&files[i], &files[i + 1])))
            code = malloc_end_image(conversion, &files[i]);
    }
    return code;
}

/* ---- the trace ---- */

/* No clock, no host: what was run, and with what it was recorded. */
static char *malloc_provenance(const struct malloc_conversion *conversion)
{
    json_t *command = provenance_command(conversion->options->command), *json;
    char *text;

    json = json_pack("{s:s, s:s, s:o, s:I, s:{s:b}}", "recorder", "slablab record malloc",
                     "version", SLABLAB_VERSION, "command", command, "events",
                     (json_int_t)join_count(conversion->join), "options", "call_sites",
                     conversion->options->call_sites);
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static int malloc_write(struct malloc_conversion *conversion, const char *output)
{
    char *provenance = malloc_provenance(conversion);
    int code = -ENOMEM;

    if (provenance)
        code = join_write_trace(conversion->join, output, provenance, &conversion->report->repairs,
                                &conversion->report->events, conversion->error);
    free(provenance);
    return code;
}

/* What is sorted on the way lies in the folder `temporary`, or in TMPDIR. */
static int malloc_convert(const char *folder, const char *output,
                          const struct malloc_record_options *options, const char *temporary,
                          struct malloc_record_report *report, struct error *error)
{
    /*
     * Never seen is only what a forked child inherited. A free of that ends the child's copy, which
     * no call allocated; the parent's object lives on until the parent frees it. So it is counted
     * and dropped, and nothing is made up from what its address held later in the child.
     */
    const struct import_options joining = {
        .unmatched = IMPORT_DROP, .call_sites = options->call_sites, .temporary = temporary};
    struct malloc_conversion conversion = {
        .folder = folder, .options = options, .report = report, .error = error};
    int code = join_create(&conversion.join, &joining);

    *report = (struct malloc_record_report){0};
    if (!code)
        code = malloc_list_files(&conversion);
    if (!code)
        code = malloc_add_files(&conversion);
    if (!code && !report->allocs)
        code = error_set(error, ENODATA, "no allocation was recorded");
    if (!code)
        code = malloc_write(&conversion, output);
    malloc_sites_cleanup(&conversion.sites);
    join_destroy(conversion.join);
    free(conversion.files);
    return code;
}

static bool malloc_is_full(int code, const struct error *error)
{
    return (code == -ENOSPC || code == -EDQUOT) && !*error->text; /* of a file's there is a text */
}

/* In the trace's folder, since TMPDIR, maybe by what was recorded, is full. */
static int malloc_convert_beside(const char *folder, const char *output,
                                 const struct malloc_record_options *options,
                                 struct malloc_record_report *report, struct error *error)
{
    char beside[PATH_MAX], full[PATH_MAX];
    const char *place;
    int code;

    snprintf(beside, sizeof beside, "%s", output);
    snprintf(full, sizeof full, "%s", folder);
    place = dirname(beside);
    code = malloc_convert(folder, output, options, place, report, error);
    if (malloc_is_full(code, error))
        error_set(error, ENOSPC, "TMPDIR %s is full: no room to sort what was recorded, nor in %s",
                  dirname(full), place);
    return code;
}

int malloc_record_convert(const char *folder, const char *output,
                          const struct malloc_record_options *options,
                          struct malloc_record_report *report, struct error *error)
{
    struct error reason = {""};
    int code = malloc_convert(folder, output, options, NULL, report, &reason);

    if (malloc_is_full(code, &reason))
        code = malloc_convert_beside(folder, output, options, report, &reason);
    if (code)
        error_set(error, -code, "%s", *reason.text ? reason.text : strerror(-code));
    return code;
}
