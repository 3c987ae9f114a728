/* SPDX-License-Identifier: MIT */
/*
 * Raw records of an import, kept in an unlinked temporary file, so that memory does not grow with
 * the length of a trace; and read back in order of time. Records of one time keep the order they
 * were added in. Input that is in order, the usual case, is never sorted.
 */
#ifndef SLABLAB_TRACES_SPILL_H
#define SLABLAB_TRACES_SPILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spill_kind { SPILL_ALLOC, SPILL_FREE };

struct spill_record {
    uint64_t time_ns;
    uint64_t order; /* decides between records of one time; ascending as they are added */
    uint64_t address;
    uint32_t type;  /* alloc: as the joiner numbers them */
    uint32_t cache; /* as the record names it, or JOIN_NO_CACHE */
    uint32_t site;
    uint16_t stream;
    uint8_t kind; /* enum spill_kind */
    uint8_t origin;
};

/* Records sorted at once, in memory. */
#ifdef SLABLAB_SMALL
enum { SPILL_RUN = 1 << 6 };
#else
enum { SPILL_RUN = 1 << 18 };
#endif

struct spill {
    int fd;
    uint64_t count;
    struct spill_record *buffer; /* records not yet in the file while adding */
    size_t buffered, room;       /* room: up to SPILL_RUN */
    bool sorted;
    uint64_t last_time_ns, last_order;
    struct spill_run *runs; /* while reading */
    size_t nr_runs;
    size_t *heap; /* runs by their next record */
    size_t nr_heap;
};

static inline bool spill_precedes(const struct spill_record *a, const struct spill_record *b)
{
    return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

/* An unlinked file in TMPDIR; its descriptor or a negative errno. */
int spill_temporary(void);
int spill_temporary_in(const char *folder);

/* All that can fail return 0 or a negative errno. */
int spill_init(struct spill *spill, const char *folder); /* NULL: TMPDIR */
void spill_cleanup(struct spill *spill);
int spill_add(struct spill *spill, const struct spill_record *record);
/* Ends the adding (the first time) and goes before the first record. */
int spill_rewind(struct spill *spill);
/* 1: the next record, and where it is in the file; 0: the end. */
int spill_next(struct spill *spill, struct spill_record *record, uint64_t *place);
/* A record that will be given soon, of those at hand, or NULL. */
const struct spill_record *spill_ahead(const struct spill *spill);
/* A record that was read before, again. */
int spill_get(struct spill *spill, uint64_t place, struct spill_record *record);
/* Changes the cache of a record that was read; spill_rewind comes before it is read again. */
int spill_set_cache(struct spill *spill, uint64_t place, uint32_t cache);

#endif
