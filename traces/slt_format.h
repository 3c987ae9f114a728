/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a .slt trace, shared by its writer and its reader: constants and offsets, as
 * FORMAT.md describes them. All integers are little-endian.
 */
#ifndef SLABLAB_TRACES_SLT_FORMAT_H
#define SLABLAB_TRACES_SLT_FORMAT_H

#include <stdint.h>

/* As PNG's: the high bit and both line ends show what a careless copy did to the file. */
#define SLT_MAGIC "\x89SLT\r\n\x1a\n"

enum { SLT_MAJOR = 1, SLT_MINOR = 0 };

enum slt_header { /* first in the file */
                  SLT_HEADER_MAGIC = 0,
                  SLT_HEADER_MAJOR = 8,  /* u32 */
                  SLT_HEADER_MINOR = 12, /* u32 */
                  SLT_HEADER_CHECKSUM =
                      16, /* u64, XXH3 of the bytes before it; so in all that follows */
                  SLT_HEADER_BYTES = 24
};

#define SLT_BLOCK_MAGIC  0x424b4c53u /* "SLKB" */
#define SLT_FOOTER_MAGIC 0x454b4c53u /* "SLKE" */

enum slt_block_kind {
    SLT_BLOCK_RECORDS = 1,
    SLT_BLOCK_EVENTS = 2,
    SLT_BLOCK_INDEX = 3,
    SLT_BLOCK_OPTIONAL = 0x80 /* a reader that does not know such a kind skips it */
};

enum slt_block { /* before every payload */
                 SLT_BLOCK_MAGIC_AT = 0,
                 SLT_BLOCK_KIND = 4, /* u32 */
                 SLT_BLOCK_RAW = 8,  /* u32, bytes of the payload */
                 SLT_BLOCK_STORED =
                     12, /* u32, bytes that follow this header: the payload by zstd */
                 SLT_BLOCK_FIRST_EVENT = 16, /* u64, events in the file before this block */
                 SLT_BLOCK_TIME =
                     24, /* u64, ns, of the block's first event; of the last one before */
                 SLT_BLOCK_PAYLOAD_SUM = 32, /* u64, XXH3 of what is stored */
                 SLT_BLOCK_CHECKSUM = 40,
                 SLT_BLOCK_BYTES = 48
};

enum slt_footer { /* last in the file */
                  SLT_FOOTER_MAGIC_AT = 0,
                  SLT_FOOTER_SIZE = 4,   /* u32, SLT_FOOTER_BYTES */
                  SLT_FOOTER_EVENTS = 8, /* u64, as all below */
                  SLT_FOOTER_ALLOCS = 16,
                  SLT_FOOTER_FREES = 24,
                  SLT_FOOTER_PEAK_LIVE = 32, /* objects */
                  SLT_FOOTER_DURATION = 40,  /* ns, the last event's time */
                  SLT_FOOTER_STREAMS = 48,
                  SLT_FOOTER_CACHES = 56,
                  SLT_FOOTER_TYPES = 64,
                  SLT_FOOTER_CALL_SITES = 72,
                  SLT_FOOTER_BLOCKS = 80,       /* the index block among them */
                  SLT_FOOTER_INDEX_OFFSET = 88, /* of the index block */
                  SLT_FOOTER_DIGEST = 96,       /* 16 bytes, XXH3-128, big-endian */
                  SLT_FOOTER_CHECKSUM = 112,
                  SLT_FOOTER_BYTES = 120
};

/*
 * What a reader must be able to hold. A payload is at most SLT_MAX_RATIO times what is stored, so
 * that a small file cannot ask for a large memory; the writer pads a block that compresses better.
 */
enum {
    SLT_MAX_RAW = 4 << 20,
    SLT_MAX_RATIO = 32,
    SLT_MAX_STORED = SLT_MAX_RAW + (SLT_MAX_RAW >> 7) + 1024,
    SLT_MAX_EVENTS = 1 << 16, /* in one block */
    SLT_MAX_STREAMS = 1 << 16,
    SLT_MAX_NAME = 4096,         /* bytes */
    SLT_MAX_PROVENANCE = 1 << 20 /* bytes */
};

enum slt_record { /* in a records block: tag (one byte), length of the body (varint), body */
                  SLT_RECORD_STREAM = 1,
                  SLT_RECORD_CACHE = 2,
                  SLT_RECORD_TYPE = 3,
                  SLT_RECORD_CALL_SITE = 4,
                  SLT_RECORD_REPAIRS = 5,
                  SLT_RECORD_CACHE_REPAIRS = 6,
                  SLT_RECORD_PROVENANCE = 7,
                  SLT_RECORD_OPTIONAL = 0x80 /* skipped by a reader that does not know it */
};

enum { SLT_REPAIR_COUNTS = 7 }; /* fields of struct trace_repairs */

enum slt_events { /* the payload of an events block: this header, then the columns */
                  SLT_EVENTS_COUNT = 0, /* u32, as all up to UNIT */
                  SLT_EVENTS_KINDS = 4,
                  SLT_EVENTS_REFERENCES = 8,
                  SLT_EVENTS_WIDE_TIMES = 12,
                  SLT_EVENTS_WIDE_REFERENCES = 16,
                  SLT_EVENTS_BATCHES = 20,
                  SLT_EVENTS_SITES = 24, /* 0, or the events count */
                  SLT_EVENTS_UNIT = 32,  /* u64, ns in one tick of the time column */
                  SLT_EVENTS_BYTES = 40
};

enum {
    SLT_KIND_BYTES = 8,      /* u8 op, u8 origin, u16 zero, u32 type (cache of create, destroy) */
    SLT_WIDE_TIME_BYTES = 8, /* u64 ticks */
    SLT_WIDE_REFERENCE_BYTES = 4, /* u32 live number */
    SLT_BATCH_BYTES = 8,          /* u32 first event, u32 events */
    SLT_WIDE = 0xffff             /* in a 16-bit column: the value is in the wide column */
};

enum { SLT_INDEX_ENTRY_BYTES = 24 }; /* u64 offset, u64 first event, u64 time, per events block */

#endif
