/* SPDX-License-Identifier: MIT */
/* The frame of a .slt file, common part and writing: see slt_block.h and FORMAT.md. */
#include "traces/slt_block.h"

#include "traces/slt_frame.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

/* Chosen by measurement, see FORMAT.md: higher levels cost more time than they save bytes. */
enum { SLT_ZSTD_LEVEL = 9 };

int slt_frame_init(struct slt_frame *frame)
{
    *frame = (struct slt_frame){.digest = XXH3_createState()};
    if (!frame->digest)
        return -ENOMEM;
    XXH3_128bits_reset(frame->digest);
    return bytes_reserve(&frame->index, 0) ? 0 : -ENOMEM;
}

void slt_frame_cleanup(struct slt_frame *frame)
{
    XXH3_freeState(frame->digest);
    bytes_cleanup(&frame->index);
}

void slt_frame_add(struct slt_frame *frame, uint32_t kind, const struct bytes *payload,
                   uint64_t first_event, uint64_t time_ns)
{
    uint8_t head[8];

    frame->blocks++;
    if (kind == SLT_BLOCK_INDEX)
        return;
    store_u32(head, kind);
    store_u32(head + 4, (uint32_t)payload->length);
    XXH3_128bits_update(frame->digest, head, sizeof head);
    XXH3_128bits_update(frame->digest, payload->data, payload->length);
    if (kind == SLT_BLOCK_EVENTS) {
        bytes_put_u64(&frame->index, frame->offset);
        bytes_put_u64(&frame->index, first_event);
        bytes_put_u64(&frame->index, time_ns);
    }
}

void slt_frame_digest(const struct slt_frame *frame, uint8_t digest[16])
{
    XXH128_canonical_t canonical;

    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(frame->digest));
    memcpy(digest, canonical.digest, 16);
}

void slt_digest_text(const uint8_t footer[SLT_FOOTER_BYTES], char text[33])
{
    for (size_t byte = 0; byte < 16; byte++)
        snprintf(text + 2 * byte, 3, "%02x", footer[SLT_FOOTER_DIGEST + byte]);
}

/* ---- writing ---- */

static int slt_sink_put(struct slt_sink *sink, const void *data, size_t length)
{
    errno = 0;
    if (fwrite(data, 1, length, sink->stream) != length)
        return errno ? -errno : -EIO;
    sink->frame.offset += length;
    return 0;
}

int slt_sink_open(struct slt_sink *sink, FILE *stream)
{
    uint8_t header[SLT_HEADER_BYTES];
    int code;

    *sink = (struct slt_sink){.stream = stream, .zstd = ZSTD_createCCtx()};
    code = slt_frame_init(&sink->frame);
    if (!code && !sink->zstd)
        code = -ENOMEM;
    if (!code)
        ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_compressionLevel, SLT_ZSTD_LEVEL);
    memcpy(header + SLT_HEADER_MAGIC, SLT_MAGIC, 8);
    store_u32(header + SLT_HEADER_MAJOR, SLT_MAJOR);
    store_u32(header + SLT_HEADER_MINOR, SLT_MINOR);
    store_u64(header + SLT_HEADER_CHECKSUM, XXH3_64bits(header, SLT_HEADER_CHECKSUM));
    if (!code)
        code = slt_sink_put(sink, header, sizeof header);
    if (code)
        slt_sink_close(sink);
    return code;
}

/*
 * Brings what is stored up to 1/SLT_MAX_RATIO of the payload with a frame that zstd skips. Rare: a
 * trace must repeat itself for a whole block.
 */
static void slt_sink_pad(struct bytes *stored, size_t payload_bytes)
{
    size_t want = (payload_bytes + SLT_MAX_RATIO - 1) / SLT_MAX_RATIO;
    size_t padding = stored->length + 8 < want ? want - stored->length - 8 : 0;

    if (stored->length >= want)
        return;
    bytes_put_u32(stored, ZSTD_MAGIC_SKIPPABLE_START);
    bytes_put_u32(stored, (uint32_t)padding);
    if (bytes_reserve(stored, padding)) {
        memset(stored->data + stored->length, 0, padding);
        stored->length += padding;
    }
}

int slt_sink_block(struct slt_sink *sink, uint32_t kind, const struct bytes *payload,
                   uint64_t first_event, uint64_t time_ns)
{
    size_t bound = ZSTD_compressBound(payload->length), length;
    uint8_t header[SLT_BLOCK_BYTES];
    int code;

    if (payload->failed)
        return -ENOMEM;
    if (payload->length > SLT_MAX_RAW)
        return -EFBIG;
    sink->stored.length = 0;
    if (!bytes_reserve(&sink->stored, bound))
        return -ENOMEM;
    length = ZSTD_compress2(sink->zstd, sink->stored.data, bound, payload->data, payload->length);
    if (ZSTD_isError(length))
        return -ENOMEM;
    sink->stored.length = length;
    slt_sink_pad(&sink->stored, payload->length);
    slt_frame_add(&sink->frame, kind, payload, first_event, time_ns);
    if (sink->stored.failed || sink->frame.index.failed)
        return -ENOMEM;

    store_u32(header + SLT_BLOCK_MAGIC_AT, SLT_BLOCK_MAGIC);
    store_u32(header + SLT_BLOCK_KIND, kind);
    store_u32(header + SLT_BLOCK_RAW, (uint32_t)payload->length);
    store_u32(header + SLT_BLOCK_STORED, (uint32_t)sink->stored.length);
    store_u64(header + SLT_BLOCK_FIRST_EVENT, first_event);
    store_u64(header + SLT_BLOCK_TIME, time_ns);
    store_u64(header + SLT_BLOCK_PAYLOAD_SUM, XXH3_64bits(sink->stored.data, sink->stored.length));
    store_u64(header + SLT_BLOCK_CHECKSUM, XXH3_64bits(header, SLT_BLOCK_CHECKSUM));
    code = slt_sink_put(sink, header, sizeof header);
    return code ? code : slt_sink_put(sink, sink->stored.data, sink->stored.length);
}

int slt_sink_finish(struct slt_sink *sink, uint8_t footer[SLT_FOOTER_BYTES])
{
    uint64_t index_offset = sink->frame.offset;
    int code = slt_sink_block(sink, SLT_BLOCK_INDEX, &sink->frame.index,
                              load_u64(footer + SLT_FOOTER_EVENTS),
                              load_u64(footer + SLT_FOOTER_DURATION));

    if (code)
        return code;
    store_u32(footer + SLT_FOOTER_MAGIC_AT, SLT_FOOTER_MAGIC);
    store_u32(footer + SLT_FOOTER_SIZE, SLT_FOOTER_BYTES);
    store_u64(footer + SLT_FOOTER_BLOCKS, sink->frame.blocks);
    store_u64(footer + SLT_FOOTER_INDEX_OFFSET, index_offset);
    slt_frame_digest(&sink->frame, footer + SLT_FOOTER_DIGEST);
    store_u64(footer + SLT_FOOTER_CHECKSUM, XXH3_64bits(footer, SLT_FOOTER_CHECKSUM));
    return slt_sink_put(sink, footer, SLT_FOOTER_BYTES);
}

void slt_sink_close(struct slt_sink *sink)
{
    ZSTD_freeCCtx(sink->zstd);
    slt_frame_cleanup(&sink->frame);
    bytes_cleanup(&sink->stored);
    *sink = (struct slt_sink){0};
}
