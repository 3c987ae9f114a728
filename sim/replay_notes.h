/* SPDX-License-Identifier: MIT */
/*
 * What the event loop notes of operations: what is missing, how deep they went, how long they took.
 *
 * A counting loop gives plain allocations and frees a position, the address of their word, so that
 * one which leaves the CPU's own layer writes a note by itself (struct machine_cpu); the notes are
 * sorted out when the loop ends. Everything else (rare events, careful loops) has no position: it
 * calls account_layer_reset before, and replay_note_operation after.
 */
#ifndef SLABLAB_SIM_REPLAY_NOTES_H
#define SLABLAB_SIM_REPLAY_NOTES_H

#include "sim/replay_internal.h"

/* An allocation has failed for good; the free of what it should have been is passed over. */
void replay_alloc_missing(struct worker *worker, const struct replay_type *type);
__attribute__((cold)) void replay_free_missing(struct worker *worker,
                                               const struct replay_type *type);

/* The slow path of an allocation that got NULL; NULL: failed for good, and noted. */
__attribute__((cold)) void *replay_alloc_again(struct worker *worker,
                                               const struct replay_type *type);

/* An operation without a position, on `objects` objects, has ended. */
void replay_note_operation(struct worker *worker, const struct replay_type *type, enum replay_op op,
                           unsigned objects);

/* Where does the object lie? */
void replay_note_node(struct worker *worker, const void *object);

/* Around a part of a counting loop. */
void replay_notes_open(struct worker *worker);
void replay_notes_close(struct worker *worker);

/* An operation, timed; without a position. */
void *replay_alloc_timed(struct worker *worker, const struct replay_type *type);
void replay_free_timed(struct worker *worker, const struct replay_type *type, void *object);

#endif
