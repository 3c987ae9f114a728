/* SPDX-License-Identifier: MIT */
/* The frame of a .slt file, reading: nothing is believed before its checksum. See slt_block.h. */
#include "traces/slt_block.h"

#include "sim/error.h"
#include "traces/slt_frame.h"

#include <errno.h>
#include <zstd.h>

int slt_source_damaged(const struct slt_source *source, struct error *error, const char *reason)
{
    return error_set(error, EINVAL, "%s: block at byte %llu: %s", source->name,
                     (unsigned long long)source->block_offset, reason);
}

/* `what` says where the file breaks off if it does. */
static int slt_source_take(struct slt_source *source, void *data, size_t length, const char *what,
                           struct error *error)
{
    size_t got;

    errno = 0;
    got = fread(data, 1, length, source->stream);
    if (got != length && ferror(source->stream))
        return error_set(error, errno ? errno : EIO, "%s: byte %llu: cannot read: %s", source->name,
                         (unsigned long long)(source->frame.offset + got),
                         strerror(errno ? errno : EIO));
    source->frame.offset += got;
    if (got != length)
        return error_set(error, EINVAL,
                         "%s: byte %llu: the file breaks off in %s; it is not a whole trace",
                         source->name, (unsigned long long)source->frame.offset, what);
    return 0;
}

static int slt_check_header(const uint8_t header[SLT_HEADER_BYTES], const char *name,
                            struct error *error)
{
    uint32_t major = load_u32(header + SLT_HEADER_MAJOR);

    if (memcmp(header, SLT_MAGIC, 8))
        return error_set(error, EINVAL,
                         "%s: byte 0: not a slablab trace (a .slt file begins with 89 53 4c 54)",
                         name);
    if (XXH3_64bits(header, SLT_HEADER_CHECKSUM) != load_u64(header + SLT_HEADER_CHECKSUM))
        return error_set(error, EINVAL, "%s: byte 0: the header is damaged (wrong checksum)", name);
    if (major != SLT_MAJOR)
        return error_set(error, EINVAL, "%s: byte 8: trace format %u; this program reads format %d",
                         name, major, SLT_MAJOR);
    return 0;
}

int slt_source_open(struct slt_source *source, FILE *stream, const char *name, struct error *error)
{
    uint8_t header[SLT_HEADER_BYTES];
    size_t got;
    int code;

    *source = (struct slt_source){.stream = stream, .name = name, .zstd = ZSTD_createDCtx()};
    code = slt_frame_init(&source->frame);
    if (code || !source->zstd) {
        slt_source_close(source);
        return error_set(error, ENOMEM, "%s: %s", name, strerror(ENOMEM));
    }
    memset(header, 0, sizeof header);
    got = fread(header, 1, sizeof header, stream);
    source->frame.offset = got;
    if (ferror(stream))
        code = error_set(error, errno ? errno : EIO, "%s: cannot read: %s", name,
                         strerror(errno ? errno : EIO));
    else if (!got)
        code =
            error_set(error, EINVAL, "%s: byte 0: the file is empty; a trace was expected", name);
    else if (got < sizeof header && !memcmp(header, SLT_MAGIC, got < 8 ? got : 8))
        code =
            error_set(error, EINVAL, "%s: byte %zu: the file breaks off in its header", name, got);
    else
        code = slt_check_header(header, name, error);
    if (code)
        slt_source_close(source);
    return code;
}

void slt_source_close(struct slt_source *source)
{
    ZSTD_freeDCtx(source->zstd);
    slt_frame_cleanup(&source->frame);
    bytes_cleanup(&source->stored);
    bytes_cleanup(&source->payload);
    *source = (struct slt_source){0};
}

static int slt_check_footer(const uint8_t footer[SLT_FOOTER_BYTES], const char *name,
                            uint64_t offset, struct error *error)
{
    if (load_u32(footer + SLT_FOOTER_MAGIC_AT) != SLT_FOOTER_MAGIC ||
        load_u32(footer + SLT_FOOTER_SIZE) != SLT_FOOTER_BYTES ||
        XXH3_64bits(footer, SLT_FOOTER_CHECKSUM) != load_u64(footer + SLT_FOOTER_CHECKSUM))
        return error_set(error, EINVAL,
                         "%s: byte %llu: the footer is damaged, or the file breaks off before it",
                         name, (unsigned long long)offset);
    return 0;
}

/* `start`: the bytes of the footer that were read to see that it is one. */
static int slt_source_footer(struct slt_source *source, const uint8_t start[SLT_BLOCK_BYTES],
                             struct error *error)
{
    uint8_t digest[16];
    int code;

    memcpy(source->footer, start, SLT_BLOCK_BYTES);
    code = slt_source_take(source, source->footer + SLT_BLOCK_BYTES,
                           SLT_FOOTER_BYTES - SLT_BLOCK_BYTES, "its footer", error);
    if (!code)
        code = slt_check_footer(source->footer, source->name, source->block_offset, error);
    if (code)
        return code;
    if (source->kind != SLT_BLOCK_INDEX)
        return slt_source_damaged(source, error, "the footer comes before the index");
    slt_frame_digest(&source->frame, digest);
    if (memcmp(digest, source->footer + SLT_FOOTER_DIGEST, sizeof digest))
        return slt_source_damaged(source, error, "the digest is not that of the content");
    if (load_u64(source->footer + SLT_FOOTER_BLOCKS) != source->frame.blocks)
        return slt_source_damaged(source, error, "blocks are missing or repeated");
    if (getc(source->stream) != EOF)
        return error_set(error, EINVAL, "%s: byte %llu: the trace ends here, the file goes on",
                         source->name, (unsigned long long)source->frame.offset);
    return 0;
}

/* Checks sizes against the format's bounds before anything is allocated for them. */
static const char *slt_check_block(const uint8_t header[SLT_BLOCK_BYTES])
{
    uint32_t raw = load_u32(header + SLT_BLOCK_RAW);
    uint32_t stored = load_u32(header + SLT_BLOCK_STORED);

    if (load_u32(header + SLT_BLOCK_MAGIC_AT) != SLT_BLOCK_MAGIC)
        return "neither a block nor the footer begins here";
    if (XXH3_64bits(header, SLT_BLOCK_CHECKSUM) != load_u64(header + SLT_BLOCK_CHECKSUM))
        return "the block's header is damaged (wrong checksum)";
    if (raw > SLT_MAX_RAW || stored > SLT_MAX_STORED)
        return "the block is larger than the format allows";
    if (raw > (uint64_t)stored * SLT_MAX_RATIO)
        return "the block is compressed more than the format allows";
    return NULL;
}

static int slt_source_block(struct slt_source *source, const uint8_t header[SLT_BLOCK_BYTES],
                            struct error *error)
{
    const char *wrong = slt_check_block(header);
    uint32_t raw = load_u32(header + SLT_BLOCK_RAW);
    uint32_t stored = load_u32(header + SLT_BLOCK_STORED);
    uint64_t end;
    int code;

    if (wrong)
        return slt_source_damaged(source, error, wrong);
    source->stored.length = source->payload.length = 0;
    if (!bytes_reserve(&source->stored, stored) || !bytes_reserve(&source->payload, raw))
        return error_set(error, ENOMEM, "%s: %s", source->name, strerror(ENOMEM));
    code = slt_source_take(source, source->stored.data, stored, "a block", error);
    if (code)
        return code;
    if (XXH3_64bits(source->stored.data, stored) != load_u64(header + SLT_BLOCK_PAYLOAD_SUM))
        return slt_source_damaged(source, error, "the block is damaged (wrong checksum)");
    if (ZSTD_decompressDCtx(source->zstd, source->payload.data, raw, source->stored.data, stored) !=
        raw)
        return slt_source_damaged(source, error, "the block does not decompress to its size");
    source->payload.length = raw;
    if (source->kind == SLT_BLOCK_INDEX)
        return slt_source_damaged(source, error, "a block comes after the index");
    source->kind = load_u32(header + SLT_BLOCK_KIND);
    source->first_event = load_u64(header + SLT_BLOCK_FIRST_EVENT);
    source->time_ns = load_u64(header + SLT_BLOCK_TIME);
    end = source->frame.offset;
    source->frame.offset = source->block_offset;
    slt_frame_add(&source->frame, source->kind, &source->payload, source->first_event,
                  source->time_ns);
    source->frame.offset = end;
    if (source->frame.index.failed)
        return error_set(error, ENOMEM, "%s: %s", source->name, strerror(ENOMEM));
    return 1;
}

int slt_source_next(struct slt_source *source, struct error *error)
{
    uint8_t header[SLT_BLOCK_BYTES];
    int code;

    for (;;) {
        source->block_offset = source->frame.offset;
        code = slt_source_take(source, header, sizeof header, "the head of a block", error);
        if (code)
            return code;
        if (load_u32(header) == SLT_FOOTER_MAGIC)
            return slt_source_footer(source, header, error);
        code = slt_source_block(source, header, error);
        if (code < 0)
            return code;
        if (source->kind == SLT_BLOCK_INDEX) {
            if (source->payload.length != source->frame.index.length ||
                memcmp(source->payload.data, source->frame.index.data, source->payload.length))
                return slt_source_damaged(source, error, "the index is not that of the blocks");
        } else if (source->kind == SLT_BLOCK_RECORDS || source->kind == SLT_BLOCK_EVENTS) {
            return 1;
        } else if (!(source->kind & SLT_BLOCK_OPTIONAL)) {
            return slt_source_damaged(source, error, "the block is of a kind unknown here");
        }
    }
}

int slt_read_footer(FILE *stream, const char *name, uint8_t footer[SLT_FOOTER_BYTES],
                    struct error *error)
{
    uint8_t header[SLT_HEADER_BYTES] = {0};
    off_t at;
    int code;

    if (fread(header, 1, sizeof header, stream) != sizeof header && ferror(stream))
        return error_set(error, EIO, "%s: cannot read: %s", name, strerror(errno));
    code = slt_check_header(header, name, error);
    if (code)
        return code;
    if (fseeko(stream, -(off_t)SLT_FOOTER_BYTES, SEEK_END))
        return error_set(error, errno, "%s: cannot read the end first: %s", name, strerror(errno));
    at = ftello(stream);
    if (fread(footer, 1, SLT_FOOTER_BYTES, stream) != SLT_FOOTER_BYTES)
        return error_set(error, EIO, "%s: cannot read", name);
    return slt_check_footer(footer, name, (uint64_t)at, error);
}
