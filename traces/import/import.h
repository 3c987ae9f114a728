/* SPDX-License-Identifier: MIT */
/*
 * From somebody else's recording to a trace. Input may be compressed (.zst, .gz, .xz) or a .zip
 * with one member; the format is found by looking at the first bytes unless it is named.
 */
#ifndef SLABLAB_TRACES_IMPORT_IMPORT_H
#define SLABLAB_TRACES_IMPORT_IMPORT_H

#include "traces/trace.h"

enum import_unmatched { IMPORT_PRELOAD, IMPORT_DROP };

struct import_options {
    const char *format; /* NULL: detect */
    enum import_unmatched unmatched;
    bool call_sites;       /* keep them */
    const char *temporary; /* folder of what is sorted on the way; NULL: TMPDIR */
    const char *kallsyms;  /* names them where the recording has addresses alone; or NULL */
    void (*progress)(void *context, uint64_t bytes_read);
    void *progress_context;
};

struct importer {
    const char *name;    /* "perf-script" */
    const char *summary; /* one line for `slablab list importers` */
};

const struct importer *import_all(size_t *count);

/* What went in and what became of it. */
struct import_report {
    const char *format;
    uint64_t input_bytes; /* uncompressed */
    uint64_t events;      /* written */
    struct trace_repairs repairs;
};

/*
 * Reads `input` ("-": standard input) and writes the trace `output`. Memory is bounded by the
 * distinct addresses of the input, not by its length. -EINVAL with file, line and what was
 * expected when the input is not what it should be; then no output is left.
 */
int import_trace(const char *input, const char *output, const struct import_options *options,
                 struct import_report *report, struct error *error);

#endif
