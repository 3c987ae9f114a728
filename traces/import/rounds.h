/* SPDX-License-Identifier: MIT */
/*
 * Records that come from several ring buffers, put in order of time. Each buffer's records are in
 * order, one stretch of them follows another, and where every buffer was emptied once a round ends:
 * what comes after the end of a round is no older than what came before the end of the round before
 * it. So two rounds are held, whatever the length of the recording. Records of one time stay in the
 * order they came in.
 */
#ifndef SLABLAB_TRACES_IMPORT_ROUNDS_H
#define SLABLAB_TRACES_IMPORT_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rounds_record {
    uint64_t time_ns;
    uint64_t place; /* where it was read, for messages */
    const char *bytes;
    uint32_t size;
    uint32_t cpu;
};

/* Copies of records that do not last. */
struct rounds_store {
    char **chunks;
    size_t nr_chunks, at, used; /* chunks; the one that is filled; its bytes */
};

struct rounds {
    int (*emit)(void *context, const struct rounds_record *record);
    void *context;
    struct rounds_record *records, *merged; /* the second to sort into */
    size_t count, room, room_merged;
    size_t *runs; /* where those start that are in order */
    size_t room_runs;
    uint64_t latest_ns, limit_ns; /* of all; of those before the last end of a round */
    struct rounds_store stores[2];
    unsigned store; /* of this round; the other's is of the one before */
};

/* Records come out through `emit`; what it returns but 0 ends all. Cleanup only ever frees. */
void rounds_init(struct rounds *rounds,
                 int (*emit)(void *context, const struct rounds_record *record), void *context);
void rounds_cleanup(struct rounds *rounds);

/* 0, -ENOMEM, or what `emit` returned. `lasting`: the bytes stay where they are until the end. */
int rounds_add(struct rounds *rounds, const struct rounds_record *record, bool lasting);
/* The end of a round. */
int rounds_turn(struct rounds *rounds);
/* The end of all. */
int rounds_end(struct rounds *rounds);

#endif
