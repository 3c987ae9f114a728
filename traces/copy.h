/* SPDX-License-Identifier: MIT */
/* One trace's definitions, events and repairs in another: what cut, merge and anonymise share. */
#ifndef SLABLAB_TRACES_COPY_H
#define SLABLAB_TRACES_COPY_H

#include "traces/intern.h"
#include "traces/trace.h"

#include <jansson.h>

/* Live numbers of the objects of a trace that is written: the lowest that were free last first. */
struct copy_numbers {
    uint32_t *free;
    size_t nr_free, room_free;
    uint32_t next;
};

/* What the definitions are called in the copy. */
struct copy_rules {
    unsigned prefix;       /* streams: "N:" before their names; 0: nothing */
    bool hide;             /* streams and call sites: numbers for names */
    bool hide_caches;      /* caches too */
    struct intern *caches; /* by name and size, which are one cache then; NULL: as they are */
};

struct copy {
    struct trace_reader *reader;
    struct trace_writer *writer;
    struct copy_rules rules;
    struct copy_numbers *numbers; /* shared by all copies into one trace */
    size_t defined;
    uint32_t *streams, *caches, *types, *sites, *objects; /* in the copy, by what they are here */
    size_t room_streams, room_caches, room_types, room_sites, room_objects;
};

/* Opens the input; copy_end closes it. All return 0 or a negative errno with the error set. */
int copy_begin(struct copy *copy, const char *path, struct error *error);
void copy_end(struct copy *copy);
void copy_numbers_cleanup(struct copy_numbers *numbers);

/* The number of the caches of this name and object size, new or old; -ENOMEM. */
int64_t copy_intern_cache(struct intern *caches, const struct trace_cache *cache);

/* What was defined since the last call; after each trace_read. */
int copy_definitions(struct copy *copy, struct error *error);
/* The event as it stands, but for its stream, type, object and call site, which are mapped. */
int copy_event(struct copy *copy, const struct trace_event *event, struct error *error);

/* After the last event: adds the repairs to `total`, and to rows by cache of the copy: `rows`
 * entries, untyped at 0, then by index + 1. */
void copy_add_repairs(const struct copy *copy, struct trace_repairs *total,
                      struct trace_repairs *by_cache);
/* Gives rows as copy_add_repairs has them to the writer, which wants the untyped ones last. */
void copy_set_repairs(struct trace_writer *writer, const struct trace_repairs *total,
                      struct trace_repairs *by_cache, size_t nr_caches);

/* What a copy says of its input: digest and provenance; after the last event. */
json_t *copy_input(const struct trace_reader *reader);
/* Sets {"transformation": NAME, "version", ...what}; takes the reference of `what`. */
int copy_set_provenance(struct trace_writer *writer, const char *name, json_t *what,
                        struct error *error);

#endif
