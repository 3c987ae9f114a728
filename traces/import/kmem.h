/* SPDX-License-Identifier: MIT */
/*
 * Linux's kmem events as text: what `perf script` and ftrace print of them, which differ in what
 * stands before the fields.
 */
#ifndef SLABLAB_TRACES_IMPORT_KMEM_H
#define SLABLAB_TRACES_IMPORT_KMEM_H

#include "traces/import/source.h"
#include "traces/import/text.h"

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
/* Whether an event of this name, without its prefix, is one of those read here. */
bool kmem_is_known(struct text event);

#endif
