/* SPDX-License-Identifier: MIT */
/* The frame of a .slt file, common part and writing: see slt_block.h and FORMAT.md. */
#include "traces/slt_block.h"

#include "traces/slt_frame.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
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

/* Appends one zstd frame. */
static int slt_sink_compress(struct slt_sink *sink, const uint8_t *data, size_t length)
{
    size_t bound = ZSTD_compressBound(length), compressed;
    uint8_t *at = bytes_reserve(&sink->stored, bound);

    if (!at)
        return -ENOMEM;
    compressed = ZSTD_compress2(sink->zstd, at, bound, data, length);
    if (ZSTD_isError(compressed))
        return -ENOMEM;
    sink->stored.length += compressed;
    return 0;
}

static int slt_sink_compress_parts(struct slt_sink *sink, const struct bytes *payload,
                                   const size_t *cuts, size_t nr_cuts)
{
    size_t start = 0;

    sink->stored.length = 0;
    for (size_t part = 0; part <= nr_cuts; part++) {
        size_t end = part < nr_cuts ? cuts[part] : payload->length;
        int code = 0;

        if (end > start || !payload->length)
            code = slt_sink_compress(sink, payload->data + start, end - start);
        if (code)
            return code;
        start = end;
    }
    return 0;
}

static int slt_sink_write(struct slt_sink *sink, uint32_t kind, const struct bytes *payload,
                          uint64_t first_event, uint64_t time_ns, const size_t *cuts,
                          size_t nr_cuts)
{
    uint8_t header[SLT_BLOCK_BYTES];
    int code = slt_sink_compress_parts(sink, payload, cuts, nr_cuts);

    if (code)
        return code;
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

/* ---- writing behind ---- */

/*
 * Compressing takes as long as making the events of a block, so a thread does it meanwhile, for one
 * block at a time. Short traces do without.
 */
enum { SLT_SHORT_BLOCKS = 4, SLT_MOST_CUTS = 16 };

struct slt_behind {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool pending, ended; /* all from here on under the lock, but for a pending block */
    int code;            /* the first error */
    uint32_t kind;
    struct bytes payload;
    uint64_t first_event, time_ns;
    size_t cuts[SLT_MOST_CUTS], nr_cuts;
};

static void *slt_behind_run(void *context)
{
    struct slt_sink *sink = context;
    struct slt_behind *behind = sink->behind;

    pthread_mutex_lock(&behind->lock);
    for (;;) {
        int code = behind->code;

        while (!behind->pending && !behind->ended)
            pthread_cond_wait(&behind->changed, &behind->lock);
        if (!behind->pending)
            break;
        pthread_mutex_unlock(&behind->lock);
        if (!code)
            code = slt_sink_write(sink, behind->kind, &behind->payload, behind->first_event,
                                  behind->time_ns, behind->cuts, behind->nr_cuts);
        pthread_mutex_lock(&behind->lock);
        behind->code = code;
        behind->pending = false;
        pthread_cond_signal(&behind->changed);
    }
    pthread_mutex_unlock(&behind->lock);
    return NULL;
}

/* Without a thread, for whatever reason, blocks are written at once. Signals are the caller's. */
static void slt_behind_start(struct slt_sink *sink)
{
    struct slt_behind *behind = calloc(1, sizeof *behind);
    sigset_t all, before;
    int code;

    if (!behind)
        return;
    pthread_mutex_init(&behind->lock, NULL);
    pthread_cond_init(&behind->changed, NULL);
    sink->behind = behind;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(&behind->thread, NULL, slt_behind_run, sink);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!code)
        return;
    sink->behind = NULL;
    pthread_cond_destroy(&behind->changed);
    pthread_mutex_destroy(&behind->lock);
    free(behind);
}

/* Until no block is behind; the first error. */
static int slt_behind_wait(struct slt_behind *behind)
{
    int code = 0;

    if (!behind)
        return 0;
    pthread_mutex_lock(&behind->lock);
    while (behind->pending)
        pthread_cond_wait(&behind->changed, &behind->lock);
    code = behind->code;
    pthread_mutex_unlock(&behind->lock);
    return code;
}

static void slt_behind_stop(struct slt_behind *behind)
{
    if (!behind)
        return;
    slt_behind_wait(behind);
    pthread_mutex_lock(&behind->lock);
    behind->ended = true;
    pthread_cond_signal(&behind->changed);
    pthread_mutex_unlock(&behind->lock);
    pthread_join(behind->thread, NULL);
    pthread_cond_destroy(&behind->changed);
    pthread_mutex_destroy(&behind->lock);
    bytes_cleanup(&behind->payload);
    free(behind);
}

int slt_sink_block(struct slt_sink *sink, uint32_t kind, const struct bytes *payload,
                   uint64_t first_event, uint64_t time_ns, const size_t *cuts, size_t nr_cuts)
{
    struct slt_behind *behind;
    int code;

    if (payload->failed)
        return -ENOMEM;
    if (payload->length > SLT_MAX_RAW)
        return -EFBIG;
    if (!sink->behind && sink->frame.blocks >= SLT_SHORT_BLOCKS)
        slt_behind_start(sink);
    behind = sink->behind;
    if (!behind || nr_cuts > SLT_MOST_CUTS) {
        code = slt_behind_wait(behind);
        return code ? code
                    : slt_sink_write(sink, kind, payload, first_event, time_ns, cuts, nr_cuts);
    }
    code = slt_behind_wait(behind);
    behind->payload.length = 0;
    bytes_put(&behind->payload, payload->data, payload->length);
    if (code || behind->payload.failed)
        return code ? code : -ENOMEM;
    behind->kind = kind;
    behind->first_event = first_event;
    behind->time_ns = time_ns;
    behind->nr_cuts = nr_cuts;
    if (nr_cuts)
        memcpy(behind->cuts, cuts, nr_cuts * sizeof *cuts);
    pthread_mutex_lock(&behind->lock);
    behind->pending = true;
    pthread_cond_signal(&behind->changed);
    pthread_mutex_unlock(&behind->lock);
    return 0;
}

int slt_sink_finish(struct slt_sink *sink, uint8_t footer[SLT_FOOTER_BYTES])
{
    int code = slt_behind_wait(sink->behind);
    uint64_t index_offset = sink->frame.offset;

    if (!code && sink->frame.index.length > SLT_MAX_RAW)
        code = -EFBIG;
    if (!code)
        code = slt_sink_write(sink, SLT_BLOCK_INDEX, &sink->frame.index,
                              load_u64(footer + SLT_FOOTER_EVENTS),
                              load_u64(footer + SLT_FOOTER_DURATION), NULL, 0);
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
    slt_behind_stop(sink->behind);
    ZSTD_freeCCtx(sink->zstd);
    slt_frame_cleanup(&sink->frame);
    bytes_cleanup(&sink->stored);
    *sink = (struct slt_sink){0};
}
