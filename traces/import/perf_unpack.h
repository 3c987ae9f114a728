/* SPDX-License-Identifier: MIT */
/*
 * The records within compressed records of a perf.data (perf record -z): one stream of zstd, cut
 * where perf emptied its buffers, so that a record may begin in one and end in another.
 */
#ifndef SLABLAB_TRACES_IMPORT_PERF_UNPACK_H
#define SLABLAB_TRACES_IMPORT_PERF_UNPACK_H

#include <stddef.h>
#include <stdint.h>

struct error;

struct perf_unpack {
    void *stream; /* ZSTD_DStream */
    char *buffer;
    size_t filled;                /* bytes; they begin with a record */
    uint64_t packed_bytes, bytes; /* so far */
};

void perf_unpack_cleanup(struct perf_unpack *unpack);

/* Gives every record that is whole to `take`, whose return but 0 ends it. -EINVAL: the stream is
 * damaged, or what is in it is no record; see `error`. */
int perf_unpack(struct perf_unpack *unpack, const char *bytes, size_t length,
                int (*take)(void *context, const char *record, size_t size), void *context,
                struct error *error);

#endif
