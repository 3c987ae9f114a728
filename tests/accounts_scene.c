/* SPDX-License-Identifier: MIT */
/* Layers, trips and a mixed load, for tests of designs' accounts. */
#include "tests/accounts_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- one CPU ---- */

enum layer layer_of_alloc(struct cache *cache, void **object)
{
    account_layer_reset();
    machine_self->observed = true;
    *object = scene_alloc(cache);
    return account_layer_reached();
}

enum layer layer_of_free(struct cache *cache, void *object)
{
    account_layer_reset();
    machine_self->observed = true;
    scene_free(cache, object);
    return account_layer_reached();
}

static uint64_t trips_told;

void accounts_open(void)
{
    account_self = account_create(cpu_id(), 0, 1);
    assert_non_null(account_self);
    trips_told = 0;
}

void accounts_close(void)
{
    account_destroy(account_self);
    account_self = NULL;
}

uint64_t accounts_trips(void)
{
    uint64_t trips = account_self->trips - trips_told;

    trips_told = account_self->trips;
    return trips;
}

size_t boot_bytes(void)
{
    struct page_statistics statistics;

    page_get_statistics(&statistics);
    return statistics.boot_bytes;
}

uint64_t accounts_acquisitions(enum lock_class class, const char *owner)
{
    unsigned id = account_lock_id(class, owner); /* a new one where nobody has such a lock */

    return id < account_self->nr_locks ? account_self->locks[id].acquisitions : 0;
}

/* ---- many CPUs ---- */

#define LOAD_CPUS   8
#define LOAD_SLOTS  256
#define LOAD_CACHES 8
#define LOAD_ROUNDS 9
#define LOAD_STEPS  3000

static const size_t general_sizes[] = {100, 200000, 262144}; /* of a cache, a range, a block */
#define LOAD_GENERAL (sizeof general_sizes / sizeof general_sizes[0])

struct load_slot {
    void *object;
    size_t requested;
    unsigned kind;
};

static struct {
    struct binding_of_cache bindings[LOAD_CACHES + LOAD_GENERAL];
    size_t sizes[LOAD_CACHES + LOAD_GENERAL];
    unsigned nr_caches, nr_kinds;
    unsigned round;
    struct load_slot slots[LOAD_CPUS][LOAD_SLOTS]; /* a row is one CPU's for a round */
} load;

static void slot_fill(struct load_slot *slot, unsigned cpu, uint64_t random)
{
    /* What is large is rare. */
    unsigned kind = (unsigned)(random % (random & 0xf00 ? load.nr_caches + 1 : load.nr_kinds));
    const struct binding_of_cache *binding = &load.bindings[kind];
    struct request request = {.size = load.sizes[kind], .node = -1};

    if (kind >= load.nr_caches)
        request.size -= random >> 20 & 31; /* asked for less than there is */
    if ((random >> 30) % 8 == 0)
        request.flags = REQUEST_NO_WAIT;
    slot->object = binding->alloc(binding->cache, &request);
    slot->requested = request.size;
    slot->kind = kind;
    if (slot->object)
        memset(slot->object, (int)cpu, request.size < 64 ? request.size : 64);
}

static void slot_empty(struct load_slot *slot)
{
    const struct binding_of_cache *binding = &load.bindings[slot->kind];

    binding->free(binding->cache, slot->object);
    slot->object = NULL;
}

/* Every third round only frees. The row is another CPU's of the round before. */
static void work(unsigned cpu, void *unused)
{
    struct load_slot *row = load.slots[(cpu + load.round) % nr_cpus()];
    uint64_t random = (cpu + 1) * (load.round + 1);

    (void)unused;
    account_self = account_create(cpu, 0, 1); /* counted, as it is where it matters */
    for (unsigned step = 0; step < LOAD_STEPS; step++) {
        struct load_slot *slot;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        slot = &row[random >> 56];
        if (slot->object)
            slot_empty(slot);
        else if (load.round % 3 != 2)
            slot_fill(slot, cpu, random >> 8 & UINT32_MAX);
        fixture_set_own_time(((uint64_t)load.round * LOAD_STEPS + step) * 1000000);
        if (step % 1024 == 512)
            allocator_reclaim(scene, 1 + step / 1024 % ALLOCATOR_RECLAIM_LEVELS);
        fixture_safe_point();
    }
    account_destroy(account_self);
    account_self = NULL;
}

static void balance(void)
{
    uint64_t requested = 0, live = 0;
    struct ledger ledger;

    for (unsigned i = 0; i < LOAD_CPUS * LOAD_SLOTS; i++) {
        const struct load_slot *slot = &load.slots[i / LOAD_SLOTS][i % LOAD_SLOTS];

        if (slot->object) {
            requested += slot->requested;
            live++;
        }
    }
    scene_ledger(&ledger, requested, live);
}

static void load_setup(const struct load_cache *caches, unsigned nr_caches)
{
    struct error error;

    memset(&load, 0, sizeof load);
    load.nr_caches = nr_caches;
    load.nr_kinds = nr_caches + LOAD_GENERAL;
    for (unsigned i = 0; i < nr_caches; i++) {
        allocator_bind_cache(scene, caches[i].cache, &load.bindings[i]);
        load.sizes[i] = caches[i].size;
    }
    for (unsigned i = 0; i < LOAD_GENERAL; i++) {
        if (allocator_bind_size(scene, general_sizes[i], 8, &load.bindings[nr_caches + i],
                                &error) != 0)
            fail_msg("%s", error.text);
        load.sizes[nr_caches + i] = general_sizes[i];
    }
}

void mixed_load(const struct load_cache *caches, unsigned nr_caches)
{
    assert_in_range(nr_caches, 1, LOAD_CACHES);
    assert_in_range(nr_cpus(), 1, LOAD_CPUS);
    load_setup(caches, nr_caches);
    for (load.round = 0; load.round < LOAD_ROUNDS; load.round++) {
        fixture_run(work, NULL);
        balance();
    }
    for (unsigned i = 0; i < LOAD_CPUS * LOAD_SLOTS; i++) {
        struct load_slot *slot = &load.slots[i / LOAD_SLOTS][i % LOAD_SLOTS];

        if (slot->object)
            slot_empty(slot);
    }
    balance();
    allocator_reclaim(scene, ALLOCATOR_RECLAIM_LEVELS);
    balance();
}
