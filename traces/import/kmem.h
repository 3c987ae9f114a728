/* SPDX-License-Identifier: MIT */
/*
 * Linux's kmem events: which there are, and reading them as text, what `perf script` and ftrace
 * print of them, which differ in what stands before the fields.
 */
#ifndef SLABLAB_TRACES_IMPORT_KMEM_H
#define SLABLAB_TRACES_IMPORT_KMEM_H

#include "traces/import/source.h"
#include "traces/import/text.h"

enum { KMEM_MAX_CPUS = 1 << 16, KMEM_MAX_NAME = 256 /* bytes; the kernel's are far below */ };

struct kmem_event_kind {
    const char *name;
    enum spill_kind kind;
    bool untyped; /* kmalloc: of no cache */
};

/* The event of this name, without its system, or NULL. */
const struct kmem_event_kind *kmem_find_kind(struct text event);
/* enum trace_type_flags, from GFP flags by their names. */
uint16_t kmem_type_flags(struct text flags);
/* The join's stream of a CPU below KMEM_MAX_CPUS; `streams` keeps number + 1 of each, or 0. */
int64_t kmem_cpu_stream(struct join *join, int32_t streams[KMEM_MAX_CPUS], uint32_t cpu);

/* How a tool prints a line: "COMM-PID [CPU] FLAGS SECONDS.FRACTION: EVENT: FIELDS". */
struct kmem_dialect {
    const char *prefix; /* of the events' names: "kmem:", or "" */
    bool flags;         /* a word of flags may stand between the CPU and the time */
    const char *marks;  /* what a damaged line of such an event still holds */
    const char *wrong;  /* how it should have been printed */
    const char *none;   /* how to record, for an input without any such event */
    /* Whether the line says that events were lost, and how many. */
    bool (*lost)(struct text line, uint64_t *events);
};

/* Reads all of the source into the join. */
int kmem_read(struct import_source *source, struct join *join, const struct kmem_dialect *dialect,
              struct error *error);

/* Whether a line is one of any event in this dialect; then its name. */
bool kmem_is_event(const struct kmem_dialect *dialect, struct text line, struct text *event);

#endif
