/* SPDX-License-Identifier: MIT */
/* What the event loop notes of operations, each worker for itself: see replay_notes.h. */
#include "sim/replay_notes.h"

/* An alloc that failed is in no layer. */
static void note_drop(void)
{
    struct machine_cpu *self = machine_self;

    if (self->position && self->last_note->position == self->position)
        self->last_note--;
}

void replay_alloc_missing(struct worker *worker, const struct replay_type *type)
{
    worker->failed_allocs++;
    worker->missing_objects++;
    worker->missing_bytes += type->request.size;
    if (worker->counting) {
        worker->notes->caches[type->account].missing[REPLAY_ALLOC]++;
        note_drop();
    }
}

void replay_free_missing(struct worker *worker, const struct replay_type *type)
{
    worker->skipped_frees++;
    worker->missing_objects--;
    worker->missing_bytes -= type->request.size;
    if (worker->counting)
        worker->notes->caches[type->account].missing[REPLAY_FREE]++;
}

void *replay_alloc_again(struct worker *worker, const struct replay_type *type)
{
    void *object = allocator_retry(worker->replay->allocator, &type->bound, &type->request);

    if (!object)
        replay_alloc_missing(worker, type);
    return object;
}

/* An operation without a position has ended. */
void replay_note_operation(struct worker *worker, const struct replay_type *type, enum replay_op op,
                           unsigned objects)
{
    enum layer layer = account_layer_reached();

    if (worker->counting && layer != LAYER_CPU)
        worker->notes->caches[type->account].layers[op][layer] += objects;
}

/* From now on operations have positions, their words, and leave notes; see struct machine_cpu. */
void replay_notes_open(struct worker *worker)
{
    struct layer_note *notes = worker->notes->layers;

    notes[0] = (struct layer_note){0};
    machine_self->position = NULL;
    machine_self->last_note = notes;
}

void replay_notes_close(struct worker *worker)
{
    struct machine_cpu *self = machine_self;
    struct cache_notes *caches = worker->notes->caches;

    for (const struct layer_note *note = worker->notes->layers; note <= self->last_note; note++) {
        const uint64_t *word = note->position;

        if (!word)
            continue;
        caches[worker->replay->types[plan_type(*word)].account]
            .layers[plan_op(*word) == PLAN_ALLOC ? REPLAY_ALLOC : REPLAY_FREE][note->layer]++;
    }
    self->position = NULL;
    self->last_note = &self->own_note;
}

void replay_note_node(struct worker *worker, const void *object)
{
    worker->notes->foreign_allocs += page_node(object) != cpu_node();
}

static void note_time(struct worker *worker, const struct replay_type *type, enum replay_op op,
                      uint64_t cycles)
{
    struct worker_notes *notes = worker->notes;
    enum layer layer = account_layer_reached();

    histogram_add(&notes->latency[op][layer], cycles);
    if (cycles > notes->interrupted_cycles) {
        notes->interrupted++;
        return;
    }
    notes->caches[type->account].timed[op][layer]++;
    notes->caches[type->account].timed_cycles[op][layer] += cycles;
}

/* ---- latency ---- */

void *replay_alloc_timed(struct worker *worker, const struct replay_type *type)
{
    uint64_t from;
    void *object;

    account_layer_reset();
    from = now_cycles();
    object = type->bound.alloc(type->bound.cache, &type->request);
    if (!object)
        object = replay_alloc_again(worker, type);
    if (object) /* how long it takes to find that there is none is another question */
        note_time(worker, type, REPLAY_ALLOC, now_cycles() - from);
    return object;
}

void replay_free_timed(struct worker *worker, const struct replay_type *type, void *object)
{
    uint64_t from;

    account_layer_reset();
    from = now_cycles();
    type->bound.free(type->bound.cache, object);
    note_time(worker, type, REPLAY_FREE, now_cycles() - from);
}
