/* SPDX-License-Identifier: MIT */
/* What is in a trace: one pass over its events, for `info` and for tests. */
#ifndef SLABLAB_TRACES_SUMMARY_H
#define SLABLAB_TRACES_SUMMARY_H

#include "traces/profile.h"
#include "traces/trace.h"

struct trace_cache_summary {
    const char *name; /* "(untyped)" for the last, which is all untyped allocations */
    uint64_t object_size;
    uint64_t allocs, frees;   /* recorded ones; see trace_summary */
    uint64_t requested_bytes; /* sum over recorded allocs */
    uint64_t recorded_bytes;  /* the same, as the recorded allocator gave */
    uint64_t peak_live_objects;
    uint64_t cross_stream_frees;
    uint32_t align; /* 0: not recorded */
    uint32_t flags; /* enum trace_cache_flags */
    struct trace_repairs repairs;
};

struct trace_stream_summary {
    const char *name;
    uint64_t allocs, frees; /* recorded ones, as far as they are in the file */
};

/* Counts as traces/README.md of the samples defines them: what was recorded, repairs apart. */
struct trace_summary {
    uint64_t streams, events;    /* events: all in the file, inserted ones too */
    uint64_t preloads;           /* of events: before the clock of a replay starts */
    uint64_t allocs;             /* recorded: neither preloaded nor inferred */
    uint64_t frees;              /* recorded: not null, unmatched ones included, dropped ones too */
    uint64_t unmatched_frees;    /* = never_seen_frees + refreed */
    uint64_t cross_stream_frees; /* of recorded objects by recorded frees */
    uint64_t peak_live_objects;  /* preloaded ones included */
    uint64_t peak_live_bytes;
    uint64_t live_at_end;
    uint64_t requested_bytes; /* sum over recorded allocs */
    uint64_t recorded_bytes;
    uint64_t duration_ns;
    struct trace_repairs repairs;
    char digest[33];
    char *provenance;
    struct trace_cache_summary *caches; /* nr_caches, untyped last */
    size_t nr_caches;
    struct trace_stream_summary *by_stream;
    struct profile profile; /* distributions */
};

/* Reads all of `path`; trace_summary_cleanup frees what the summary owns. */
int trace_summary_read(const char *path, struct trace_summary *summary, struct error *error);
void trace_summary_cleanup(struct trace_summary *summary);

#endif
