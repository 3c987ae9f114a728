/* SPDX-License-Identifier: MIT */
/*
 * What runs at the safe points of either machine: deferred work that is due, and work for whoever
 * is free, all of it holding no lock; and waiting, which is passing safe points.
 */
#include "sim/work.h"

#include "sim/driver.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* ---- deferred work ---- */

void defer(struct deferred *deferred, uint64_t delay_ns, void (*fn)(struct deferred *deferred))
{
    struct cds_list_head *list = &machine_self->deferred;
    struct cds_list_head *before;

    assert(!deferred->pending);
    deferred->fn = fn;
    deferred->due_ns = timer_now_ns() + delay_ns;
    deferred->pending = true;
    /* From the end: most delays are alike, so the newest is due last. */
    for (before = list->prev; before != list; before = before->prev) {
        if (cds_list_entry(before, struct deferred, link)->due_ns <= deferred->due_ns)
            break;
    }
    cds_list_add(&deferred->link, before);
}

void defer_cancel(struct deferred *deferred)
{
    if (deferred->pending)
        cds_list_del(&deferred->link);
    deferred->pending = false;
}

/* What is due now. It comes off the list first: what it defers anew waits for the next safe point.
 */
static void deferred_run(struct machine_cpu *cpu)
{
    uint64_t now_ns = timer_now_ns();
    CDS_LIST_HEAD(due);
    struct deferred *deferred, *next;

    cds_list_for_each_entry_safe(deferred, next, &cpu->deferred, link) {
        if (deferred->due_ns > now_ns)
            break;
        cds_list_move(&deferred->link, due.prev);
    }
    while (!cds_list_empty(&due)) {
        deferred = cds_list_first_entry(&due, struct deferred, link);
        defer_cancel(deferred);
        deferred->fn(deferred);
    }
}

/* ---- work for whoever is free ---- */

struct work_queue {
    pthread_mutex_t mutex; /* guards list and running; the machine's own, under no design's lock */
    struct cds_list_head list;
    struct cds_list_head link; /* of all queues; set up while no worker runs */
    unsigned concurrent;
    unsigned running;
};

static CDS_LIST_HEAD(work_queues);
static _Atomic unsigned work_waiting; /* pieces in all queues: a glance spares the mutex */

struct work_queue *work_queue_create(unsigned concurrent)
{
    struct work_queue *queue = calloc(1, sizeof *queue);

    if (!queue)
        return NULL;
    pthread_mutex_init(&queue->mutex, NULL);
    CDS_INIT_LIST_HEAD(&queue->list);
    queue->concurrent = concurrent;
    cds_list_add(&queue->link, &work_queues);
    return queue;
}

/* Runs one piece, if there is one and not too many run. */
static bool work_run(struct work_queue *queue)
{
    struct work *work = NULL;

    pthread_mutex_lock(&queue->mutex);
    if (!cds_list_empty(&queue->list) && queue->running < queue->concurrent) {
        work = cds_list_first_entry(&queue->list, struct work, link);
        cds_list_del(&work->link);
        queue->running++;
        atomic_fetch_sub_explicit(&work_waiting, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&queue->mutex);
    if (!work)
        return false;
    work->fn(work);
    pthread_mutex_lock(&queue->mutex);
    queue->running--;
    pthread_mutex_unlock(&queue->mutex);
    return true;
}

void work_queue_destroy(struct work_queue *queue)
{
    while (work_run(queue))
        ;
    cds_list_del(&queue->link);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

void work_submit(struct work_queue *queue, struct work *work, void (*fn)(struct work *work))
{
    work->fn = fn;
    pthread_mutex_lock(&queue->mutex);
    cds_list_add_tail(&work->link, &queue->list);
    atomic_fetch_add_explicit(&work_waiting, 1, memory_order_relaxed);
    pthread_mutex_unlock(&queue->mutex);
    machine_work_arrived();
}

static void works_run(void)
{
    struct work_queue *queue;

    cds_list_for_each_entry(queue, &work_queues, link)
        work_run(queue);
}

void work_safe_point(void)
{
    if (__builtin_expect(!cds_list_empty(&machine_self->deferred), 0))
        deferred_run(machine_self);
    if (__builtin_expect(atomic_load_explicit(&work_waiting, memory_order_relaxed) != 0, 0))
        works_run();
}

/* ---- waiting ---- */

void spin_wait(const _Atomic uint32_t *word, uint32_t value)
{
    unsigned spins = 0;

    while (atomic_load_explicit(word, memory_order_acquire) == value)
        machine_wait_step(&spins);
}

bool wait_for(bool (*condition)(void *argument), void *argument, uint64_t timeout_ns)
{
    uint64_t start = now_cycles();
    unsigned spins = 0;

    while (!condition(argument)) {
        if (machine_cycles_to_ns(now_cycles() - start) >= timeout_ns)
            return false;
        machine_wait_step(&spins);
    }
    return true;
}

void work_as_each_cpu(void (*fn)(void *argument), void *argument)
{
    struct machine_cpu *caller = machine_self;

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        machine_adopt(i);
        fn(argument);
    }
    machine_self = caller;
}
