/* SPDX-License-Identifier: MIT */
/*
 * Linux's kmem events as the kernel's ring buffer has them, and perf.data and trace.dat after it:
 * records whose layout the kernel tells (libtraceevent reads it). Which field lies where is looked
 * up once for each event; a record is then decoded without a search and without memory.
 */
#ifndef SLABLAB_TRACES_IMPORT_KMEM_RAW_H
#define SLABLAB_TRACES_IMPORT_KMEM_RAW_H

#include "traces/import/kmem.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tep_handle;
struct kmem_raw;

struct kmem_raw_event {
    const struct kmem_event_kind *kind;
    int32_t pid; /* of the thread that it was, 0 of the idle one */
    uint64_t pointer, call_site;
    uint64_t requested, allocated; /* bytes, of an allocation */
    uint16_t flags;                /* enum trace_type_flags, of an allocation */
    int16_t node;                  /* asked for, or TRACE_ANY_NODE */
    const char *name;              /* of the cache, not terminated; NULL: the event names none */
    size_t name_length;
};

/*
 * Takes from `tep` what it knows of the formats of kmem events; both must live as long. -ENOENT:
 * it knows none of them. -EINVAL: one lacks a field that is needed, see `error`.
 */
int kmem_raw_create(struct kmem_raw **raw, struct tep_handle *tep, struct error *error);
void kmem_raw_destroy(struct kmem_raw *raw);

/* 1: an event, which points into `data`; 0: a record of another event; -EINVAL: too short for what
 * it says it is. */
int kmem_raw_decode(struct kmem_raw *raw, const void *data, size_t size,
                    struct kmem_raw_event *event);

/* ---- events to what a join takes ---- */

/* Names a return address, in at most `size` bytes with the zero; the length. */
typedef size_t (*kmem_raw_namer)(void *context, uint64_t address, char *name, size_t size);

/* How call sites are named, before the first event; without it they are "0x" and the address. */
void kmem_raw_set_namer(struct kmem_raw *raw, kmem_raw_namer namer, void *context);

/* 0, or a negative errno: -EINVAL for a CPU, node or cache name that cannot be, -ERANGE for too
 * many streams, -ENOMEM ... One `raw` goes with one `join`. */
int kmem_raw_add(struct kmem_raw *raw, struct join *join, uint32_t cpu, uint64_t time_ns,
                 const struct kmem_raw_event *event);

#endif
