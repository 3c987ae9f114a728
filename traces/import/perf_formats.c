/* SPDX-License-Identifier: MIT */
/*
 * perf's tracing data, see perf_formats.h, as perf writes it in trace-event-info.c: files of
 * tracefs one after the other, each behind its length.
 */
#include "traces/import/perf_formats.h"

#include "sim/error.h"
#include "traces/import/perf_attr.h"
#include "traces/import/symbols.h"

#include <errno.h>
#include <event-parse.h>
#include <stdlib.h>

struct perf_formats {
    struct tep_handle *tep;
    const char *start, *at, *end;
    struct error *error;
};

static int perf_formats_wrong(const struct perf_formats *formats, const char *what)
{
    return error_set(formats->error, EINVAL, "byte %zu of the tracing data: %s",
                     (size_t)(formats->at - formats->start), what);
}

/* NULL: so many bytes are not left. */
static const char *perf_formats_take(struct perf_formats *formats, uint64_t length)
{
    const char *bytes = formats->at;

    if (length > (uint64_t)(formats->end - bytes))
        return NULL;
    formats->at += length;
    return bytes;
}

static const char *perf_formats_text(struct perf_formats *formats)
{
    const char *zero = memchr(formats->at, '\0', (size_t)(formats->end - formats->at));

    return zero ? perf_formats_take(formats, (uint64_t)(zero + 1 - formats->at)) : NULL;
}

static int perf_formats_count(struct perf_formats *formats, uint32_t *count)
{
    const char *bytes = perf_formats_take(formats, 4);

    if (!bytes)
        return perf_formats_wrong(formats, "it ends where a count is expected");
    *count = perf_u32(bytes);
    return 0;
}

/* A file behind its length of 4 or 8 bytes. */
static int perf_formats_file(struct perf_formats *formats, size_t width, const char **file,
                             size_t *length)
{
    const char *bytes = perf_formats_take(formats, width);
    uint64_t size = bytes ? (width == 8 ? perf_u64(bytes) : perf_u32(bytes)) : 0;

    *file = bytes ? perf_formats_take(formats, size) : NULL;
    *length = (size_t)size;
    return *file ? 0 : perf_formats_wrong(formats, "it ends within a file of tracefs");
}

static int perf_formats_skip(struct perf_formats *formats, const char *name)
{
    const char *found = perf_formats_text(formats), *file;
    size_t length;

    if (!found || strcmp(found, name) != 0)
        return perf_formats_wrong(formats, "expected the file header_page, then header_event");
    return perf_formats_file(formats, 8, &file, &length);
}

static int perf_formats_start(struct perf_formats *formats)
{
    static const char magic[] = {23, 8, 68, 't', 'r', 'a', 'c', 'i', 'n', 'g'};
    const char *found = perf_formats_take(formats, sizeof magic);
    const char *sizes;

    if (!found || memcmp(found, magic, sizeof magic) != 0)
        return perf_formats_wrong(formats, "no tracing data is here");
    if (!perf_formats_text(formats) || !(sizes = perf_formats_take(formats, 6)))
        return perf_formats_wrong(formats, "it ends within its head");
    if (sizes[0] != (char)tep_is_bigendian())
        return perf_formats_wrong(formats, "of a machine of the other byte order");
    if (sizes[1] != 4 && sizes[1] != 8)
        return perf_formats_wrong(formats, "a long has 4 or 8 bytes");
    tep_set_file_bigendian(formats->tep, (enum tep_endian)sizes[0]);
    tep_set_local_bigendian(formats->tep, (enum tep_endian)sizes[0]);
    tep_set_long_size(formats->tep, sizes[1]);
    return 0;
}

/*
 * What libtraceevent cannot parse it leaves out, which shows when a field is looked up; but an
 * event that it had no memory for would look like one that nobody recorded.
 */
static int perf_formats_event(struct perf_formats *formats, const char *system)
{
    const char *file;
    size_t length;
    int code = perf_formats_file(formats, 8, &file, &length);

    if (code || strcmp(system, "kmem") != 0)
        return code;
    errno = 0;
    if (tep_parse_event(formats->tep, file, length, system) && errno == ENOMEM)
        return -ENOMEM;
    return 0;
}

static int perf_formats_events(struct perf_formats *formats)
{
    uint32_t nr_systems = 0, nr_events = 0;
    int code = perf_formats_count(formats, &nr_events); /* first those of ftrace itself */

    for (; !code && nr_events; nr_events--)
        code = perf_formats_event(formats, "ftrace");
    if (!code)
        code = perf_formats_count(formats, &nr_systems);
    for (; !code && nr_systems; nr_systems--) {
        const char *system = perf_formats_text(formats);

        code = system ? perf_formats_count(formats, &nr_events)
                      : perf_formats_wrong(formats, "it ends within the name of a system");
        for (; !code && nr_events; nr_events--)
            code = perf_formats_event(formats, system);
    }
    return code;
}

int perf_formats_read(struct tep_handle *tep, const char *bytes, size_t length, struct error *error)
{
    struct perf_formats formats = {tep, bytes, bytes, bytes + length, error};
    const char *symbols;
    size_t nr_symbols;
    int code = perf_formats_start(&formats);

    if (!code)
        code = perf_formats_skip(&formats, "header_page");
    if (!code)
        code = perf_formats_skip(&formats, "header_event");
    if (!code)
        code = perf_formats_events(&formats);
    if (!code)
        code = perf_formats_file(&formats, 4, &symbols, &nr_symbols);
    return code ? code : symbols_read(tep, symbols, nr_symbols);
}
