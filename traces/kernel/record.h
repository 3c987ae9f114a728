/* SPDX-License-Identifier: MIT */
/*
 * From what a recording of the running kernel left, a file of raw ring-buffer pages for each CPU,
 * to a trace. Memory grows with the distinct addresses, not with the events.
 */
#ifndef SLABLAB_TRACES_KERNEL_RECORD_H
#define SLABLAB_TRACES_KERNEL_RECORD_H

#include "traces/import/import.h"
#include "traces/kernel/caches.h"

struct tep_handle;

struct kernel_record_cpu {
    uint32_t cpu;
    int file;      /* its pages */
    uint64_t lost; /* events, as the kernel counted them */
};

struct kernel_record {
    struct tep_handle *tep; /* formats, and symbols */
    size_t page_bytes;
    const struct kernel_record_cpu *cpus;
    unsigned nr_cpus;
    const int32_t *own; /* the recorder's threads, left out */
    size_t nr_own;
    bool call_sites; /* keep them */
    enum import_unmatched unmatched;
    struct kernel_caches_paths caches;
    /* For the trace's provenance. */
    const char *const *command; /* ends with NULL; NULL: nothing was run */
    const char *release;        /* of the kernel */
    uint64_t buffer_kib;        /* for each CPU */
    void (*progress)(void *context, uint64_t events);
    void *progress_context;
};

struct kernel_record_report {
    uint64_t recorded; /* events of others than the recorder */
    uint64_t left_out; /* of the recorder */
    uint64_t events;   /* written, those that mend included */
    struct kernel_caches_report caches;
    struct trace_repairs repairs;
};

/* Writes the trace `output`. -ENODATA: no event. -EINVAL with place and reason: pages that are
 * none. */
int kernel_record_convert(const struct kernel_record *recorded, const char *output,
                          struct kernel_record_report *report, struct error *error);

#endif
