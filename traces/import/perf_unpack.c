/* SPDX-License-Identifier: MIT */
/* Compressed records: see perf_unpack.h. */
#include "traces/import/perf_unpack.h"

#include "sim/error.h"
#include "traces/import/perf_attr.h"
#include "traces/import/source.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <zstd.h>

enum { UNPACK_BUFFER = 1 << 19 }; /* bytes; several of the longest record, of 2^16 */

void perf_unpack_cleanup(struct perf_unpack *unpack)
{
    ZSTD_freeDStream(unpack->stream);
    free(unpack->buffer);
    *unpack = (struct perf_unpack){0};
}

static int perf_unpack_start(struct perf_unpack *unpack)
{
    if (unpack->stream)
        return 0;
    unpack->stream = ZSTD_createDStream();
    unpack->buffer = malloc(UNPACK_BUFFER);
    return unpack->stream && unpack->buffer ? 0 : -ENOMEM;
}

/* The whole records at hand; what is left of one moves to the front. */
static int perf_unpack_records(struct perf_unpack *unpack,
                               int (*take)(void *context, const char *record, size_t size),
                               void *context, struct error *error)
{
    size_t at = 0;

    while (unpack->filled - at >= sizeof(struct perf_event_header)) {
        size_t size = perf_u16(unpack->buffer + at + offsetof(struct perf_event_header, size));
        int code;

        if (size < sizeof(struct perf_event_header))
            return error_set(error, EINVAL, "a record of %zu bytes within a compressed one", size);
        if (size > unpack->filled - at)
            break;
        code = take(context, unpack->buffer + at, size);
        if (code)
            return code;
        at += size;
    }
    unpack->filled -= at;
    memmove(unpack->buffer, unpack->buffer + at, unpack->filled);
    return 0;
}

int perf_unpack(struct perf_unpack *unpack, const char *bytes, size_t length,
                int (*take)(void *context, const char *record, size_t size), void *context,
                struct error *error)
{
    ZSTD_inBuffer in = {.src = bytes, .size = length};
    ZSTD_outBuffer out = {.size = UNPACK_BUFFER};
    int code = perf_unpack_start(unpack);

    unpack->packed_bytes += length;
    do {
        size_t left;

        if (code)
            return code;
        out.dst = unpack->buffer;
        out.pos = unpack->filled;
        left = ZSTD_decompressStream(unpack->stream, &out, &in);
        if (ZSTD_isError(left))
            return error_set(error, EINVAL, "cannot decompress a record: %s",
                             ZSTD_getErrorName(left));
        unpack->bytes += out.pos - unpack->filled;
        unpack->filled = out.pos;
        if (import_is_bomb(unpack->bytes, unpack->packed_bytes))
            return error_set(error, EINVAL,
                             "compressed records more than %d times as long as they are "
                             "compressed; none of perf's are so",
                             IMPORT_MOST_TIMES);
        code = perf_unpack_records(unpack, take, context, error);
    } while (in.pos < in.size || out.pos == out.size);
    return code;
}
