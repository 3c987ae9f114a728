/* SPDX-License-Identifier: MIT */
/*
 * Where a perf.data keeps its records. In a file the head says where they are, where the events and
 * (behind the records) what is known of the machine; so all of it is mapped. What perf wrote to a
 * pipe is records only, read as they come. See perf.data-file-format.txt of perf.
 */
#include "sim/error.h"
#include "traces/import/perf_data.h"

#include <errno.h>
#include <linux/perf_event.h>

enum {
    PERF_FEATURE_TRACING_DATA = 1, /* a bit of the head */
    PERF_RECORD_HEAD = sizeof(struct perf_event_header),
};

/* A part of the file, as its head has it. */
struct perf_section {
    uint64_t offset, size;
};

static struct perf_section perf_section(const char *bytes)
{
    return (struct perf_section){perf_u64(bytes), perf_u64(bytes + 8)};
}

static int perf_section_check(struct perf_data *data, const struct import_map *map,
                              struct perf_section section, uint64_t said_at, const char *what)
{
    if (section.offset <= map->length && section.size <= map->length - section.offset)
        return 0;
    data->place = said_at;
    return perf_data_wrong(data,
                           "%s are %llu bytes from byte %llu on, but the file has %zu; was it "
                           "copied before perf record was done?",
                           what, (unsigned long long)section.size,
                           (unsigned long long)section.offset, map->length);
}

/* ---- a file ---- */

static int perf_file_attr(struct perf_data *data, const struct import_map *map, uint64_t at,
                          uint64_t room)
{
    const char *attr = map->bytes + at;
    uint64_t size = perf_u32(attr + offsetof(struct perf_event_attr, size));
    struct perf_section ids;
    struct error reason;
    int code;

    data->place = at;
    if (!size)
        size = PERF_ATTR_SIZE_VER0;
    if (size > room - sizeof ids)
        return perf_data_wrong(data, "an event of %llu bytes; expected at most %llu",
                               (unsigned long long)size, (unsigned long long)(room - sizeof ids));
    ids = perf_section(attr + size);
    code = perf_section_check(data, map, ids, at + size, "the ids of an event");
    if (code)
        return code;
    return perf_data_wrong_as(
        data,
        perf_attrs_add(&data->attrs, attr, size, map->bytes + ids.offset, ids.size / 8, &reason),
        &reason);
}

static int perf_file_attrs(struct perf_data *data, const struct import_map *map)
{
    uint64_t stride = perf_u64(map->bytes + 16);
    struct perf_section attrs = perf_section(map->bytes + 24);
    int code = perf_section_check(data, map, attrs, 24, "the events");

    if (!code && (stride < PERF_ATTR_SIZE_VER0 + 16 || stride > UINT16_MAX)) {
        data->place = 16;
        code = perf_data_wrong(data, "events of %llu bytes; expected %d or more",
                               (unsigned long long)stride, PERF_ATTR_SIZE_VER0 + 16);
    }
    for (uint64_t at = 0; !code && attrs.size - at >= stride; at += stride)
        code = perf_file_attr(data, map, attrs.offset + at, stride);
    return code;
}

/* Behind the records there is the place of each feature whose bit is set. */
static int perf_file_formats(struct perf_data *data, const struct import_map *map,
                             struct perf_section records)
{
    uint64_t at = records.offset + records.size;
    struct perf_section formats;
    int code;

    data->place = 72;
    if (!(perf_u64(map->bytes + 72) & 1 << PERF_FEATURE_TRACING_DATA))
        return perf_data_wrong(data, "no formats of tracepoints; expected it to be made with perf "
                                     "record -e kmem:kmalloc,kmem:kfree,...");
    data->place = at; /* bit 0 is no feature, so this is the first */
    if (map->length - at < 16)
        return perf_data_wrong(data, "the file ends before what it knows of the machine; was it "
                                     "copied before perf record was done?");
    formats = perf_section(map->bytes + at);
    code = perf_section_check(data, map, formats, at, "the formats of tracepoints");
    data->place = formats.offset;
    return code ? code : perf_data_formats(data, map->bytes + formats.offset, formats.size);
}

static int perf_file_records(struct perf_data *data, const char *bytes, struct perf_section records)
{
    uint64_t at = records.offset, end = records.offset + records.size;

    while (at < end) {
        uint64_t left = end - at, size = 0;
        int code;

        data->place = at;
        if (left >= PERF_RECORD_HEAD)
            size = perf_u16(bytes + at + offsetof(struct perf_event_header, size));
        if (left < PERF_RECORD_HEAD || size < PERF_RECORD_HEAD || size > left)
            return perf_data_wrong(data,
                                   "a record of %llu bytes; expected %d to the %llu that are "
                                   "left",
                                   (unsigned long long)size, PERF_RECORD_HEAD,
                                   (unsigned long long)left);
        code = perf_data_record(data, bytes + at, size);
        if (code)
            return code;
        if (perf_u32(bytes + at) == PERF_USER_AUXTRACE && size >= 16) { /* its data follow it */
            uint64_t follows = perf_u64(bytes + at + 8);

            if (follows > left - size)
                return perf_data_wrong(data, "AUX data of %llu bytes, beyond the end",
                                       (unsigned long long)follows);
            at += follows;
        }
        at += size;
    }
    return 0;
}

static int perf_file_map_read(struct perf_data *data, const struct import_map *map)
{
    struct perf_section records;
    int code;

    if (map->length < PERF_FILE_HEADER)
        return perf_data_wrong(data, "the file ends within its head, of %d bytes",
                               PERF_FILE_HEADER);
    records = perf_section(map->bytes + 40);
    code = perf_section_check(data, map, records, 40, "the records");
    if (code)
        return code;
    data->place = 48;
    if (!records.size)
        return perf_data_wrong(data, "no records, by its head; was perf record killed, and not "
                                     "ended?");
    code = perf_file_attrs(data, map);
    if (!code)
        code = perf_file_formats(data, map, records);
    return code ? code : perf_file_records(data, map->bytes, records);
}

int perf_file_read(struct perf_data *data)
{
    struct import_map map;
    int code = import_source_map(data->source, &map, data->error);

    if (code)
        return code;
    data->lasting = true;
    code = perf_file_map_read(data, &map);
    if (!code)
        code = perf_data_end(data);
    import_source_unmap(&map);
    return code;
}

/* ---- a pipe ---- */

/* So many bytes, or an error of the end. */
static int perf_pipe_look(struct perf_data *data, uint64_t wanted, const char **bytes)
{
    size_t length;
    int code = import_source_look(data->source, wanted, bytes, &length, data->error);

    if (!code && length < wanted)
        return perf_data_wrong(data, "the input ends within a record, of %llu bytes",
                               (unsigned long long)wanted);
    return code;
}

/* What follows a record and is not of it. */
static int perf_pipe_skip(struct perf_data *data, uint64_t length)
{
    const char *bytes;
    int code = 0;

    while (!code && length) {
        size_t part = length < 1 << 16 ? length : 1 << 16;

        code = perf_pipe_look(data, part, &bytes);
        if (!code)
            import_source_take(data->source, part);
        length -= part;
    }
    return code;
}

/* Formats of tracepoints follow their record; their length is said there. */
static int perf_pipe_formats(struct perf_data *data, uint64_t length)
{
    const char *bytes;
    int code = perf_pipe_look(data, length, &bytes);

    if (!code)
        code = perf_data_formats(data, bytes, length);
    if (!code)
        import_source_take(data->source, length);
    return code;
}

/* 1: there was a record. */
static int perf_pipe_record(struct perf_data *data)
{
    const char *record;
    size_t length;
    uint64_t size, follows = 0;
    uint32_t kind;
    int code = import_source_look(data->source, PERF_RECORD_HEAD, &record, &length, data->error);

    if (code || !length)
        return code;
    size = length == PERF_RECORD_HEAD ? perf_u16(record + 6) : 0;
    if (size < PERF_RECORD_HEAD)
        return perf_data_wrong(data, "a record of %llu bytes; expected %d or more",
                               (unsigned long long)size, PERF_RECORD_HEAD);
    code = perf_pipe_look(data, size, &record);
    if (code)
        return code;
    kind = perf_u32(record);
    if (kind == PERF_USER_TRACING_DATA && size >= 12)
        follows = perf_u32(record + 8);
    else if (kind == PERF_USER_AUXTRACE && size >= 16)
        follows = perf_u64(record + 8);
    code = perf_data_record(data, record, size);
    import_source_take(data->source, size);
    if (!code && kind == PERF_USER_TRACING_DATA)
        code = perf_pipe_formats(data, follows);
    else if (!code)
        code = perf_pipe_skip(data, follows);
    data->place += size + follows;
    return code ? code : 1;
}

int perf_pipe_read(struct perf_data *data)
{
    int code;

    import_source_take(data->source, PERF_PIPE_HEADER);
    data->place = PERF_PIPE_HEADER;
    while ((code = perf_pipe_record(data)) > 0)
        continue;
    return code ? code : perf_data_end(data);
}
