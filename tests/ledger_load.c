/* SPDX-License-Identifier: MIT */
/* See the header. CPUs run on threads of their own; between their runs nobody does, and we add. */
#include "tests/ledger_load.h"

#include "sim/machine.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Typed: a cache of its own. Else the size is bound: a general cache or, at the end, whole pages.
 */
static const struct kind {
    size_t size, align;
    unsigned flags;
    bool typed;
} kinds[] = {
    {8, 8, 0, true},
    {20, 8, CACHE_RCU, true},
    {24, 8, 0, true},
    {100, 64, 0, true},
    {200, 8, CACHE_NO_TOUCH, true},
    {640, 8, 0, true},
    {900, 8, CACHE_RCU, true},
    {3000, 8, 0, true},
    {20000, 8, 0, true},
    {10, 8, 0, false},
    {100, 8, 0, false},
    {700, 8, 0, false},
    {5000, 8, 0, false},
    {140000, 8, 0, false},
    {262144, 8, 0, false},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

enum { SLOTS = 600, STEPS = 3000, ROUNDS = 4, BULK = 24 };
#define STEP_NS UINT64_C(10000000) /* of recorded time: a round takes 30 s of it */

/* An object's first word says its kind. */
static struct load {
    struct cache *caches[KINDS]; /* of typed ones */
    struct binding_of_cache bindings[KINDS];
    _Atomic(uint64_t *) slots[SLOTS];
    unsigned round;
} load;

static void kinds_open(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        const struct cache_params params = {.name = "load",
                                            .size = kinds[i].size,
                                            .align = kinds[i].align,
                                            .flags = kinds[i].flags};
        struct error error;

        if (kinds[i].typed) {
            load.caches[i] = scene_cache_of(&params);
            allocator_bind_cache(scene, load.caches[i], &load.bindings[i]);
        } else if (allocator_bind_size(scene, kinds[i].size, kinds[i].align, &load.bindings[i],
                                       &error) != 0) {
            fail_msg("%s", error.text);
        }
    }
}

static void kinds_close(void)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (kinds[i].typed)
            scene_cache_destroy(load.caches[i]);
    }
}

/* ---- objects; on any CPU ---- */

static void object_free(uint64_t *object)
{
    struct binding_of_cache *binding = &load.bindings[*object];

    binding->free(binding->cache, object);
}

/* Into a slot, out of which falls what lay there. */
static void object_post(uint64_t *object, unsigned slot)
{
    object = atomic_exchange_explicit(&load.slots[slot % SLOTS], object, memory_order_acq_rel);
    if (object)
        object_free(object);
}

static void objects_make(uint64_t kind, unsigned n, unsigned slot)
{
    const struct request request = {.size = kinds[kind].size, .node = -1};
    void *objects[BULK];
    unsigned got = allocator_alloc_bulk(&load.bindings[kind], &request, n, objects);

    if (got != n) {
        fprintf(stderr, "%u of %u objects of %zu bytes, without a limit\n", got, n, request.size);
        abort();
    }
    for (unsigned i = 0; i < n; i++) {
        *(uint64_t *)objects[i] = kind;
        object_post(objects[i], slot + 7 * i);
    }
}

static void drive(unsigned cpu, void *argument)
{
    uint64_t random = (load.round + 1) * 100 + cpu;

    (void)argument;
    for (int step = 0; step < STEPS; step++) {
        unsigned slot;

        fixture_set_own_time((load.round * STEPS + (unsigned)step) * STEP_NS);
        random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth, TAOCP 2 */
        slot = (unsigned)(random >> 50);
        switch (random >> 40 & 7) {
        case 0:
            objects_make((random >> 33) % KINDS, 2 + (random >> 44) % (BULK - 2), slot);
            break;
        case 1:
        case 2:
        case 3:
            objects_make((random >> 33) % KINDS, 1, slot);
            break;
        default:
            object_post(NULL, slot);
        }
        fixture_safe_point();
    }
}

/* ---- rest points ---- */

static void balance(struct ledger *ledger)
{
    uint64_t requested = 0, live = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        const uint64_t *object = load.slots[i];

        if (object) {
            requested += kinds[*object].size;
            live++;
        }
    }
    scene_ledger(ledger, requested, live);
}

static void free_every(unsigned distance)
{
    for (unsigned i = 0; i < SLOTS; i += distance) {
        fixture_become(i % nr_cpus());
        object_post(NULL, i);
    }
    fixture_become(0);
}

static void assert_nothing_live(const struct ledger *ledger)
{
    assert_int_equal(ledger->requested, 0);
    assert_int_equal(ledger->rounding, 0);
}

void ledger_load(void)
{
    struct ledger ledger;

    memset(&load, 0, sizeof load);
    kinds_open();
    balance(&ledger);
    for (load.round = 0; load.round < ROUNDS; load.round++) {
        fixture_run(drive, NULL);
        balance(&ledger);
        assert_true(ledger.requested > 0);
        if (load.round % 2)
            allocator_reclaim(scene, 1 + load.round / 2);
        balance(&ledger);
    }
    free_every(3);
    balance(&ledger);
    allocator_reclaim(scene, 2);
    balance(&ledger);
    free_every(1);
    balance(&ledger);
    assert_nothing_live(&ledger);
    allocator_reclaim(scene, 2);
    balance(&ledger);
    assert_nothing_live(&ledger);
    kinds_close();
    balance(&ledger);
}
