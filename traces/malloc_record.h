/* SPDX-License-Identifier: MIT */
/*
 * From what a recorded program left (malloc_raw.h) to a trace: each thread a stream, each process
 * image an address space of its own, a realloc a free and an allocation. With an image, that is at
 * an exec and at the end of a process, goes what it allocated: what is live is freed, implied, when
 * and where its last event was. The last image of the program that was asked for is the exception:
 * what it has live is what the recording ends with.
 */
#ifndef SLABLAB_TRACES_MALLOC_RECORD_H
#define SLABLAB_TRACES_MALLOC_RECORD_H

#include "traces/trace.h"

struct malloc_record_options {
    bool call_sites;
    const char *const *command; /* for the trace's provenance; ends with NULL */
    uint32_t process;           /* the one that was asked for */
    uint64_t base_ticks;        /* no later than the first event */
    double ns_per_tick;
    void (*progress)(void *context, uint64_t events);
    void *progress_context;
};

struct malloc_record_report {
    uint64_t images, threads;
    uint64_t allocs, frees; /* that succeeded, and of something; a realloc is one of each */
    uint64_t null_frees, failed_allocs;
    uint64_t unfinished; /* records that the program's end cut off */
    int stopped;         /* errno of why a process could record no further, or 0 */
    uint64_t events;     /* written */
    struct trace_repairs repairs;
};

/*
 * Writes the trace `output`. -ENODATA: nothing was recorded. -EINVAL with file and place: what is
 * there is no such recording.
 */
int malloc_record_convert(const char *folder, const char *output,
                          const struct malloc_record_options *options,
                          struct malloc_record_report *report, struct error *error);

#endif
