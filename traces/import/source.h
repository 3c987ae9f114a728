/* SPDX-License-Identifier: MIT */
/*
 * The input of an importer, decompressed: line by line, byte by byte, or all of it at once; and
 * what an importer is made of.
 */
#ifndef SLABLAB_TRACES_IMPORT_SOURCE_H
#define SLABLAB_TRACES_IMPORT_SOURCE_H

#include "traces/import/import.h"
#include "traces/join.h"

#include <xxhash.h>

struct archive;
struct error;

/*
 * What is compressed more than so many times is made to fill memory and disks: the dullest of
 * recordings comes to some hundreds. Of little input nothing is said.
 */
enum { IMPORT_MOST_TIMES = 2000, IMPORT_LITTLE = 1 << 26 /* bytes, decompressed */ };

static inline bool import_is_bomb(uint64_t bytes, uint64_t compressed_bytes)
{
    return bytes > IMPORT_LITTLE && bytes / IMPORT_MOST_TIMES > compressed_bytes;
}

struct import_source {
    const char *name; /* for messages */
    struct archive *archive;
    int fd;
    bool whole; /* a plain file read from its start */
    char *buffer;
    size_t room, at, filled; /* bytes; before `at` they are taken */
    bool ended;
    uint64_t line;        /* number of the line given last, from 1 */
    uint64_t bytes;       /* decompressed so far */
    XXH3_state_t *digest; /* of them */
    const struct import_options *options;
};

struct import_map {
    const char *bytes;
    size_t length;
    int fd; /* of the same, at its start */
};

struct import_format {
    struct importer importer;
    /* Whether the input that starts so is of this format. */
    bool (*detect)(const char *start, size_t length);
    /* One of them. Reads a recording that names addresses ... */
    int (*read)(struct import_source *source, struct join *join, struct error *error);
    /* ... or one that names objects and says what was mended. Whether it says where it is from. */
    int (*convert)(struct import_source *source, struct trace_writer *writer,
                   struct import_report *report, bool *provenance, struct error *error);
};

extern const struct import_format import_android;
extern const struct import_format import_dump;
extern const struct import_format import_ftrace;
extern const struct import_format import_logalloc;
extern const struct import_format import_mtrace;
extern const struct import_format import_perf_data;
extern const struct import_format import_perf_script;
extern const struct import_format import_rep;
extern const struct import_format import_trace_dat;

int import_source_open(struct import_source *source, const char *path,
                       const struct import_options *options, struct error *error);
void import_source_close(struct import_source *source);
/* The first bytes, without taking them: `length` of 0 is an empty input. */
int import_source_peek(struct import_source *source, const char **start, size_t *length,
                       struct error *error);
/* 1: the next line, without its end and good until the next call; 0: the end. */
int import_source_line(struct import_source *source, const char **line, size_t *length,
                       struct error *error);
/* The next `wanted` bytes, fewer only at the end, without taking them; good until the next call. */
int import_source_look(struct import_source *source, size_t wanted, const char **bytes,
                       size_t *length, struct error *error);
/* Takes bytes that were looked at. */
static inline void import_source_take(struct import_source *source, size_t length)
{
    source->at += length;
}
/*
 * All of it, from its first byte, for formats whose beginning is understood by their end: the input
 * itself if it is a file, else a temporary copy. Nothing is left to be taken after.
 */
int import_source_map(struct import_source *source, struct import_map *map, struct error *error);
void import_source_unmap(struct import_map *map);
/* Says how far the reader of such a map is. */
void import_source_progress(const struct import_source *source, uint64_t bytes);
/* "FILE:LINE: <text>", of the line given last; returns -EINVAL. */
int import_source_wrong(const struct import_source *source, struct error *error, const char *format,
                        ...) __attribute__((format(printf, 3, 4)));
void import_source_digest(const struct import_source *source, char text[33]);

#endif
