/* SPDX-License-Identifier: MIT */
/*
 * What a recorded program leaves behind, read by malloc_record.c, written by tools/recorder: a
 * folder with
 *
 *   PID-START-0.events   empty: a program began here, by an exec
 *   PID-START-N.events   of the thread that was Nth to allocate: chunks of MALLOC_RAW_CHUNK bytes
 *   PID-START.maps       its /proc/self/maps, as often as it may have changed (call sites only)
 *
 * where PID-START is a process image: START, in ns, tells the image that a process was before an
 * exec from the one it is after. The files are mapped and shared, so that they hold all that was
 * written into them however the program ends. One of fewer than MALLOC_RAW_ERRORS bytes has as many
 * as the errno that says why its thread got no first chunk. A record is there when its last word
 * is: a reader passes over those that are zero. So no count has to be kept, and a signal handler
 * that allocates between the taking of a record and its last word costs nothing.
 *
 * Order: an allocation's stamp is taken after the allocator gave the address, a free's before the
 * allocator gets it back, and neither before what comes earlier in its thread has been done. So
 * what one thread frees before another gets the address, and what one allocates before another
 * frees it, is in that order by stamps as it was in time, on a counter that all CPUs share.
 */
#ifndef SLABLAB_TRACES_MALLOC_RAW_H
#define SLABLAB_TRACES_MALLOC_RAW_H

#include <stdint.h>

#define MALLOC_RAW_CHUNK  (256u << 10) /* bytes; mapped aligned to its size */
#define MALLOC_RAW_ERRORS 4096u        /* a write that is cut off leaves whole pages */
#define MALLOC_RAW_MAGIC  0x314d4c53u  /* "SLM1" */

/* How the command tells the library where and what to record; read when an image starts. */
#define MALLOC_RAW_FOLDER  "SLABLAB_MALLOC_FOLDER"
#define MALLOC_RAW_PROCESS "SLABLAB_MALLOC_PROCESS" /* the only one to record; unset: all */
#define MALLOC_RAW_CLOCK   "SLABLAB_MALLOC_CLOCK"   /* "tsc"; else CLOCK_MONOTONIC_RAW, in ns */
#define MALLOC_RAW_SITES   "SLABLAB_MALLOC_SITES"   /* set: keep the maps */

/* 0 in the last word's place: not written. */
enum malloc_raw_kind { MALLOC_RAW_ALLOC = 1, MALLOC_RAW_FREE };

/* The last word: kind, log2 of the alignment asked for (0: none), zeroed, bytes asked for. */
#define MALLOC_RAW_KIND_SHIFT  60
#define MALLOC_RAW_ALIGN_SHIFT 54
#define MALLOC_RAW_ALIGN_MASK  63u
#define MALLOC_RAW_ZERO        (UINT64_C(1) << 53)
#define MALLOC_RAW_SIZE_MASK   (MALLOC_RAW_ZERO - 1)

struct malloc_raw_record {
    uint64_t ticks;
    uint64_t address; /* 0: a free of nothing, or an allocation that failed */
    uint64_t site;    /* where the call returns to */
    uint64_t what;    /* stored last, with release; the reader acquires by the program's end */
};

/* At the start of each chunk, in place of its first records. */
struct malloc_raw_header {
    uint32_t magic;
    uint32_t pid, tid;
    uint32_t stopped; /* errno of why there is no next chunk; 0: there is, or none was wanted */
    char name[16];    /* the thread's, when the chunk was last begun, filled or left */
    char unused[32];
};

_Static_assert(sizeof(struct malloc_raw_record) == 32, "two to a cache line");
_Static_assert(sizeof(struct malloc_raw_header) % sizeof(struct malloc_raw_record) == 0,
               "records follow the header without a gap");

#endif
