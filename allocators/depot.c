/* SPDX-License-Identifier: MIT */
/*
 * Exchanges of magazines between CPUs, the growth of magazines under contention, and the depot's
 * working set.
 *
 * Resize (Bonwick & Adams, 3.5; thresholds as in Akaros): contention is a failed try of the lock.
 * One that comes later than resize_timeout after the window's start starts a new window; more than
 * resize_threshold of them in one window make magazines one round larger.
 *
 * Working set (Bonwick & Adams, 3.4): a list that never was shorter than its minimum in an interval
 * did without that many magazines, so they are surplus. There is no deferred work for it: the end
 * of an interval is noticed by the first visit to the depot after it, whose CPU then has to free
 * the surplus; a depot that nobody visits keeps what it has.
 *
 * depot=steal: one stripe per 4 CPUs. A CPU tries its own first, then the others in order, waiting
 * for none, and makes do without when nothing is to be had. A stripe passed by counts as contention
 * for the one taken instead, so that stripes grow their magazines too. Only a new magazine that no
 * stripe would take waits for its CPU's own.
 *
 * A trip, as the accounts count them, is an exchange that came about: a CPU's previous magazine for
 * one of the depot's. A visit in vain is none, nor is the new magazine that is put in, which no CPU
 * had so far; what is drained for reclaim is no operation's trip.
 */
#include "allocators/depot.h"

#include <errno.h>

/* ---- lists ---- */

static void list_push(struct magazine_list *list, struct magazine *magazine)
{
    magazine->next = list->first;
    list->first = magazine;
    list->length++;
}

static struct magazine *list_pop(struct magazine_list *list)
{
    struct magazine *magazine = list->first;

    list->first = magazine->next;
    list->length--;
    if (list->length < list->minimum)
        list->minimum = list->length;
    return magazine;
}

/* Cuts off all below the first `keep`; adds them to *chain. */
static void list_cut(struct magazine_list *list, size_t keep, struct magazine **chain)
{
    struct magazine **end = &list->first;
    struct magazine *below;

    for (size_t i = 0; i < keep; i++)
        end = &(*end)->next;
    below = *end;
    *end = NULL;
    list->length = list->minimum = keep;
    for (end = &below; *end;)
        end = &(*end)->next;
    *end = *chain;
    *chain = below;
}

/* ---- init, cleanup ---- */

int depot_init(struct depot *depot, const struct depot_options *options, unsigned rank,
               const char *owner)
{
    unsigned stripes = 1;

    if (options->steal)
        stripes = (nr_cpus() + DEPOT_CPUS_PER_STRIPE - 1) / DEPOT_CPUS_PER_STRIPE;
    *depot = (struct depot){
        .options = *options,
        .nr_stripes = stripes,
        .stripes = boot_alloc(stripes * sizeof(struct depot_stripe), PAGE_ANY_NODE),
    };
    if (!depot->stripes)
        return -ENOMEM;
    for (unsigned i = 0; i < stripes; i++) {
        struct depot_stripe *stripe = &depot->stripes[i];

        lock_init(&stripe->lock, LOCK_CLASS_DEPOT, rank, owner);
        stripe->magsize = options->magsize;
        if (options->working_set)
            stripe->interval_start = timer_now_ns();
    }
    return 0;
}

void depot_cleanup(struct depot *depot)
{
    for (unsigned i = 0; i < depot->nr_stripes; i++)
        lock_cleanup(&depot->stripes[i].lock);
    boot_free(depot->stripes, depot->nr_stripes * sizeof(struct depot_stripe));
}

/* ---- contention makes magazines grow ---- */

/* Clocks of two CPUs may be apart either way, hence signed; upstream compares unsigned. */
static bool later_than(uint64_t clock, uint64_t start, uint64_t by)
{
    return (int64_t)(clock - start) > (int64_t)by;
}

/* With the stripe held. `clock` was read before the wait, so that waiting ages no window. */
static void note_contention(const struct depot_options *options, struct depot_stripe *stripe,
                            uint64_t clock)
{
    stripe->contended++;
    /* Without a magazine to fight over, the fight is over supply, not over size. */
    if (!options->resize || stripe->not_empty.length == 0)
        return;
    if (later_than(clock, stripe->busy_start, options->resize_timeout_ns)) {
        stripe->busy_count = 0;
        stripe->busy_start = clock;
    }
    if (++stripe->busy_count <= options->resize_threshold)
        return;
    stripe->busy_count = 0;
    if (stripe->magsize < options->magsize_max)
        stripe->magsize++;
}

/* ---- the walk over the stripes ---- */

struct depot_walk {
    struct depot *depot;
    struct depot_stripe *held;
    uint64_t clock; /* when the first stripe could not be had at once */
    unsigned seen;
    bool contended;
};

static unsigned home_stripe(const struct depot *depot)
{
    return depot->nr_stripes == 1 ? 0 : cpu_id() / DEPOT_CPUS_PER_STRIPE;
}

/* The clock is asked only where contention has a use for it. */
static void walk_contended(struct depot_walk *walk)
{
    if (!walk->contended && walk->depot->options.resize)
        walk->clock = timer_now_ns();
    walk->contended = true;
}

static struct depot_stripe *walk_hold(struct depot_walk *walk, struct depot_stripe *stripe)
{
    stripe->acquisitions++;
    if (walk->contended)
        note_contention(&walk->depot->options, stripe, walk->clock);
    walk->held = stripe;
    return stripe;
}

/* Lets go of the stripe held and holds the next; NULL, holding none, after the last. */
static struct depot_stripe *walk_next(struct depot_walk *walk)
{
    struct depot *depot = walk->depot;

    if (walk->held)
        lock_release(&walk->held->lock);
    walk->held = NULL;
    while (walk->seen < depot->nr_stripes) {
        struct depot_stripe *stripe =
            &depot->stripes[(home_stripe(depot) + walk->seen++) % depot->nr_stripes];

        if (lock_try(&stripe->lock))
            return walk_hold(walk, stripe);
        walk_contended(walk);
        if (!depot->options.steal) {
            lock_acquire(&stripe->lock);
            return walk_hold(walk, stripe);
        }
    }
    return NULL;
}

/* ---- working set ---- */

/* At the end of a visit, so that the magazine handed over counts for the new interval. */
static void interval_update(const struct depot *depot, struct depot_stripe *stripe,
                            struct magazine_cpu *cpu)
{
    uint64_t clock;

    if (!depot->options.working_set)
        return;
    clock = timer_now_ns();
    if (!later_than(clock, stripe->interval_start, depot->options.interval_ns))
        return;
    list_cut(&stripe->not_empty, stripe->not_empty.length - stripe->not_empty.minimum,
             &cpu->surplus);
    list_cut(&stripe->empty, stripe->empty.length - stripe->empty.minimum, &cpu->surplus);
    stripe->interval_start = clock;
}

/* ---- exchanges ---- */

static void exchange(const struct depot *depot, struct depot_stripe *stripe,
                     struct magazine_list *from, struct magazine_cpu *cpu)
{
    struct magazine *taken = list_pop(from);

    account_trip();
    list_push(cpu->previous->rounds ? &stripe->not_empty : &stripe->empty, cpu->previous);
    cpu->previous = cpu->loaded;
    cpu->loaded = taken;
    interval_update(depot, stripe, cpu);
    lock_release(&stripe->lock);
}

bool depot_get_rounds(struct depot *depot, struct magazine_cpu *cpu)
{
    struct depot_walk walk = {.depot = depot};
    struct depot_stripe *stripe;

    account_layer(LAYER_DEPOT);
    while ((stripe = walk_next(&walk))) {
        if (stripe->not_empty.length) {
            exchange(depot, stripe, &stripe->not_empty, cpu);
            return true;
        }
        interval_update(depot, stripe, cpu);
    }
    return false;
}

bool depot_get_empty(struct depot *depot, struct magazine_cpu *cpu)
{
    struct depot_walk walk = {.depot = depot};
    struct depot_stripe *stripe;

    account_layer(LAYER_DEPOT);
    while ((stripe = walk_next(&walk))) {
        /* Stripes may differ in size; none shrinks, so neither does a CPU's. */
        if (cpu->magsize < stripe->magsize)
            cpu->magsize = stripe->magsize;
        if (stripe->empty.length) {
            exchange(depot, stripe, &stripe->empty, cpu);
            return true;
        }
        interval_update(depot, stripe, cpu);
    }
    return false;
}

void depot_put_empty(struct depot *depot, struct magazine_cpu *cpu, struct magazine *magazine)
{
    struct depot_walk walk = {.depot = depot};
    struct depot_stripe *stripe;

    account_layer(LAYER_DEPOT);
    stripe = walk_next(&walk);
    if (!stripe) {
        stripe = &depot->stripes[home_stripe(depot)];
        lock_acquire(&stripe->lock);
        walk_hold(&walk, stripe);
    }
    list_push(&stripe->empty, magazine);
    interval_update(depot, stripe, cpu);
    lock_release(&stripe->lock);
}

struct magazine *depot_take_all(struct depot *depot)
{
    struct magazine *chain = NULL;

    account_layer(LAYER_DEPOT);
    for (unsigned i = 0; i < depot->nr_stripes; i++) {
        struct depot_walk walk = {.depot = depot};
        struct depot_stripe *stripe = &depot->stripes[i];

        if (!lock_try(&stripe->lock)) {
            walk_contended(&walk);
            lock_acquire(&stripe->lock);
        }
        walk_hold(&walk, stripe);
        list_cut(&stripe->not_empty, 0, &chain);
        list_cut(&stripe->empty, 0, &chain);
        lock_release(&stripe->lock);
    }
    return chain;
}

/* ---- inspection ---- */

static uint64_t list_rounds(const struct magazine_list *list)
{
    uint64_t rounds = 0;

    for (const struct magazine *magazine = list->first; magazine; magazine = magazine->next)
        rounds += magazine->rounds;
    return rounds;
}

uint64_t depot_rounds(const struct depot *depot)
{
    uint64_t rounds = 0;

    for (unsigned i = 0; i < depot->nr_stripes; i++)
        rounds += list_rounds(&depot->stripes[i].not_empty);
    return rounds;
}

void depot_inspect(const struct depot *depot, inspect_fn emit, void *context)
{
    uint64_t not_empty = 0, empty = 0, acquisitions = 0, contended = 0, magsize = 0;

    for (unsigned i = 0; i < depot->nr_stripes; i++) {
        const struct depot_stripe *stripe = &depot->stripes[i];

        not_empty += stripe->not_empty.length;
        empty += stripe->empty.length;
        acquisitions += stripe->acquisitions;
        contended += stripe->contended;
        if (magsize < stripe->magsize)
            magsize = stripe->magsize;
    }
    emit(context, "depot_stripes", depot->nr_stripes);
    emit(context, "depot_not_empty", not_empty);
    emit(context, "depot_empty", empty);
    emit(context, "depot_rounds", depot_rounds(depot));
    emit(context, "depot_acquisitions", acquisitions);
    emit(context, "depot_contended", contended);
    emit(context, "depot_magsize", magsize);
}
