/* SPDX-License-Identifier: MIT */
/*
 * Where every byte is: the memory account of a design, exact. A design walks what it has (slabs,
 * magazines, arrays, emergency objects) and says what each thing is; the parts must add up to the
 * pages held, to the byte, and ledger_balance asks for that. Only when no CPU runs.
 *
 * The equations, all in bytes (each is checked by ledger_balance):
 *
 *      page_bytes == requested + rounding + slab_tail + metadata + partial_free + empty_slabs
 *                    + cpu_cached + depot_cached + emergency + grace
 *      requested + rounding == live objects, each at the size its buffer has
 *      objects out of slabs == live ones + those that rest in per-CPU caches and in the depot
 */
#ifndef SLABLAB_SIM_LEDGER_H
#define SLABLAB_SIM_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* Slabs by their share of objects out: none, (0, 10%], (10, 20%] ... (90, 100%), all. */
#define LEDGER_OCCUPANCIES 12

/* A piece of the arena that somebody says is his. */
struct ledger_claim {
    uintptr_t base;
    size_t bytes;
};

struct ledger {
    uint64_t requested;    /* what the callers of live objects asked for */
    uint64_t rounding;     /* from that to the size of the buffers they got */
    uint64_t slab_tail;    /* in slabs with objects: color, and what no object fits into */
    uint64_t metadata;     /* records on and off slabs, magazines, tables, descriptors */
    uint64_t partial_free; /* free buffers in slabs that have objects out */
    uint64_t empty_slabs;  /* slabs with no object out, whole */
    uint64_t cpu_cached;   /* buffers that rest in per-CPU magazines, arrays, pools */
    uint64_t depot_cached; /* buffers that rest in a shared store of such */
    uint64_t emergency;    /* beyond its object, what an emergency allocation takes */
    uint64_t grace;        /* pages that wait for a grace period */
    uint64_t page_bytes;   /* pages held */

    uint64_t live_objects;
    uint64_t live_bytes; /* of live objects, each as large as its buffer: requested + rounding */
    uint64_t slabs;      /* without those in grace */
    uint64_t occupancy[LEDGER_OCCUPANCIES];

    bool keeps_claims; /* the caller's: all that is claimed is held against the records of pages */
    struct ledger_claim *claims;
    size_t nr_claims, claims_capacity;
    bool claims_lost; /* no memory for them */
};

/*
 * Whose objects they are: those of a design's own caches (slab records, bufctls, magazines) are
 * metadata while they are in use; all else about them counts as that of any cache.
 */
enum ledger_use { LEDGER_OBJECTS, LEDGER_METADATA };

/* ---- what a design says ---- */

struct ledger_slab {
    const void *base;    /* of its pages */
    size_t bytes;        /* of its pages */
    size_t record_bytes; /* of these: the slab's own records, inside of it */
    size_t object_bytes; /* a buffer, as its user may use it */
    size_t stride;       /* from buffer to buffer; the rest is metadata (tags, red zones) */
    unsigned objects;    /* that it has room for */
    unsigned out;        /* of them: not free in the slab (used, or resting above it) */
};
void ledger_add_slab(struct ledger *ledger, const struct ledger_slab *slab, enum ledger_use use);

/*
 * `n` slabs that are all as `slab` says, for a design that knows how many are full without a look
 * at each: at every sample of a run that would be most of what the walk costs. Its `base` is not
 * read, and nothing is claimed; of a ledger that keeps claims the design claims each by itself.
 */
void ledger_add_slabs(struct ledger *ledger, const struct ledger_slab *slab, uint64_t n,
                      enum ledger_use use);
void ledger_claim(struct ledger *ledger, const void *base, size_t bytes);

/* Of the objects out of slabs, `n` of `object_bytes` rest in the layer above. */
void ledger_rest_in_cpus(struct ledger *ledger, uint64_t n, size_t object_bytes,
                         enum ledger_use use);
void ledger_rest_in_depot(struct ledger *ledger, uint64_t n, size_t object_bytes,
                          enum ledger_use use);

/* Pages that were a slab and wait for a grace period. */
void ledger_add_grace(struct ledger *ledger, const void *base, size_t bytes);
/* One live object of `object_bytes` in pages of its own, given when there was no other way. */
void ledger_add_emergency(struct ledger *ledger, const void *base, size_t bytes,
                          size_t object_bytes);
/* One live object that is whole pages. */
void ledger_add_pages(struct ledger *ledger, const void *base, size_t bytes);
/* Pages full of metadata. Boot memory is counted by the front end, not by a design. */
void ledger_add_metadata(struct ledger *ledger, const void *base, size_t bytes);

/* ---- who asks ---- */

/* Adds all parts of `from`, whose claims move over. */
void ledger_merge(struct ledger *into, struct ledger *from);
void ledger_cleanup(struct ledger *ledger);

/*
 * Completes a ledger that everybody has added to: boot memory becomes metadata, page_bytes is what
 * the page layer says, `requested` bytes of `live` objects is what the callers know. -EPROTO, and
 * which equation does not hold by how much, when the books do not balance. Claims, where
 * they are kept, are compared with the records of all pages held: each belongs to exactly one claim
 * or to boot memory.
 */
int ledger_balance(struct ledger *ledger, uint64_t requested, uint64_t live, struct error *error);

/* Sum of all parts, which should be page_bytes. */
uint64_t ledger_sum(const struct ledger *ledger);

/* Shares 0 .. 1; 0 where there is nothing to divide by. */
double ledger_internal(const struct ledger *ledger); /* 1 - requested / object bytes */
double ledger_external(const struct ledger *ledger); /* 1 - object bytes / page bytes */

#endif
