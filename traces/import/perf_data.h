/* SPDX-License-Identifier: MIT */
/* The state of reading a perf.data: private to perf_data.c and the two containers of it. */
#ifndef SLABLAB_TRACES_IMPORT_PERF_DATA_H
#define SLABLAB_TRACES_IMPORT_PERF_DATA_H

#include "traces/import/perf_attr.h"
#include "traces/import/perf_unpack.h"
#include "traces/import/rounds.h"
#include "traces/import/source.h"

struct kmem_raw;
struct tep_handle;

/* Records that perf adds to the kernel's, by the numbers of its perf/event.h. */
enum perf_user_record {
    PERF_USER_FIRST = 64,
    PERF_USER_ATTR = 64,
    PERF_USER_TRACING_DATA = 66,
    PERF_USER_FINISHED_ROUND = 68,
    PERF_USER_AUXTRACE = 71,
    PERF_USER_COMPRESSED = 81,
    PERF_USER_COMPRESSED2 = 83,
    PERF_USER_LAST = 84,
};

struct perf_data {
    struct import_source *source;
    struct join *join;
    struct error *error;
    uint64_t place; /* of the record that is read, in the input */
    bool lasting;   /* records stay where they are */
    bool unpacking;
    bool attrs_checked;
    uint64_t lost_records, lost_samples;
    struct perf_attrs attrs;
    struct tep_handle *tep;
    struct kmem_raw *raw;
    struct rounds rounds;
    struct perf_unpack unpack;
};

enum { PERF_FILE_HEADER = 104, PERF_PIPE_HEADER = 16 }; /* bytes */

/* The two containers: a file, whose head says where all is, and what `perf record -o -` writes. */
int perf_file_read(struct perf_data *data);
int perf_pipe_read(struct perf_data *data);

/* One record, which is whole. */
int perf_data_record(struct perf_data *data, const char *record, size_t size);
/* What follows the last record. */
int perf_data_end(struct perf_data *data);
/* The formats of tracepoints. */
int perf_data_formats(struct perf_data *data, const char *bytes, size_t length);

/* "FILE: byte N: <text>", of the record that is read; returns -EINVAL. */
int perf_data_wrong(const struct perf_data *data, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same of what is in `reason`, if `code` is that of an error with a text; else `code`. */
int perf_data_wrong_as(const struct perf_data *data, int code, const struct error *reason);

#endif
