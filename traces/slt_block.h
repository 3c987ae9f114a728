/* SPDX-License-Identifier: MIT */
/*
 * The frame of a .slt file: its header, its blocks (compressed and checksummed one by one) and its
 * footer. What is in a block is slt_write.c's and slt_read.c's business.
 */
#ifndef SLABLAB_TRACES_SLT_BLOCK_H
#define SLABLAB_TRACES_SLT_BLOCK_H

#include "traces/bytes.h"
#include "traces/slt_format.h"

#include <stdio.h>
#include <xxhash.h>

struct error;
struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

/*
 * Digest and index grow with the blocks, in the writer and in the reader alike; so a reader checks
 * them by comparing.
 */
struct slt_frame {
    uint64_t offset; /* bytes of the file so far */
    uint64_t blocks;
    XXH3_state_t *digest; /* of kinds and payloads: it knows nothing of compression */
    struct bytes index;   /* payload of the index block */
};

/* While a block is behind it belongs to the sink's thread, but for `behind`. */
struct slt_sink {
    FILE *stream; /* the caller's */
    struct slt_frame frame;
    struct ZSTD_CCtx_s *zstd;
    struct bytes stored;
    struct slt_behind *behind; /* the thread; NULL until a trace is long */
};

/* All return 0 or a negative errno; the sink says nothing in words, it has no name. Blocks of a
 * long trace are compressed and written behind the caller's back: an error may come with a later
 * call, at the latest with the last. */
int slt_sink_open(struct slt_sink *sink, FILE *stream);
/*
 * The parts of the payload between `cuts` (ascending offsets) are compressed each by itself, since
 * unlike parts spoil each other's statistics; a reader need not know.
 */
int slt_sink_block(struct slt_sink *sink, uint32_t kind, const struct bytes *payload,
                   uint64_t first_event, uint64_t time_ns, const size_t *cuts, size_t nr_cuts);
/* The index block, then the footer, of which the caller filled what counts the trace. */
int slt_sink_finish(struct slt_sink *sink, uint8_t footer[SLT_FOOTER_BYTES]);
void slt_sink_close(struct slt_sink *sink);

struct slt_source {
    FILE *stream; /* the caller's */
    const char *name;
    struct slt_frame frame;
    struct ZSTD_DCtx_s *zstd;
    struct bytes stored;
    struct bytes payload; /* of the block read last */
    uint64_t block_offset;
    uint32_t kind;
    uint64_t first_event;
    uint64_t time_ns;
    uint8_t footer[SLT_FOOTER_BYTES]; /* after the last block */
};

/* Reads the file's header. */
int slt_source_open(struct slt_source *source, FILE *stream, const char *name, struct error *error);
/* 1: a block of the caller's, checked and decompressed; 0: the footer and the end, checked. */
int slt_source_next(struct slt_source *source, struct error *error);
void slt_source_close(struct slt_source *source);

/* "FILE: byte N: ...", of the block read last; returns -EINVAL. */
int slt_source_damaged(const struct slt_source *source, struct error *error, const char *reason);

/* Header and footer of a file, without what lies between. -EINVAL, -ESPIPE on a pipe. */
int slt_read_footer(FILE *stream, const char *name, uint8_t footer[SLT_FOOTER_BYTES],
                    struct error *error);

void slt_digest_text(const uint8_t footer[SLT_FOOTER_BYTES], char text[33]);

#endif
