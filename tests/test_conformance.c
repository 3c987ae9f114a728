/* SPDX-License-Identifier: MIT */
/*
 * What every design must do, whatever it is: one set of tests over all that are registered. The
 * harness (null) hands out the same memory again and again, so only what does not look into objects
 * is asked of it; limits and ledgers are not asked of external designs.
 */
#include "sim/driver.h"
#include "sim/lock.h"
#include "tests/ledger_load.h"
#include "tests/scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Small, repeatable, one a thread: xorshift64 (Marsaglia 2003). */
static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* ---- stamps: who an object is, at both its ends ---- */

static void stamp(void *object, size_t size, uint64_t identity)
{
    size_t end = size < 8 ? size : 8;

    memcpy(object, &identity, end);
    memcpy((char *)object + size - end, &identity, end);
}

static bool stamped(const void *object, size_t size, uint64_t identity)
{
    size_t end = size < 8 ? size : 8;

    /* Under 8 bytes both ends lie over each other, and the last written is whole. */
    return memcmp((const char *)object + size - end, &identity, end) == 0 &&
           (size < 16 || memcmp(object, &identity, end) == 0);
}

static struct binding_of_cache bind_size(size_t size, size_t align)
{
    struct binding_of_cache binding;
    struct error error;

    if (allocator_bind_size(scene, size, align, &binding, &error) != 0)
        fail_msg("%s", error.text);
    return binding;
}

static struct binding_of_cache bind_cache(struct cache *cache)
{
    struct binding_of_cache binding;

    allocator_bind_cache(scene, cache, &binding);
    return binding;
}

static void *take(const struct binding_of_cache *binding, size_t size)
{
    const struct request request = {.size = size, .node = -1};

    return binding->alloc(binding->cache, &request);
}

static void give(const struct binding_of_cache *binding, void *object)
{
    binding->free(binding->cache, object);
}

static bool is_harness(void)
{
    return allocator_design(scene)->harness;
}

/* ---- sizes and alignments ---- */

struct sized {
    struct binding_of_cache binding;
    void *object;
    size_t size;
};

/* About 3 steps a doubling, so that every general cache and many whole pages are asked. */
static size_t next_size(size_t size)
{
    return size + size / 3 + 1;
}

static void untyped_objects_of_all_sizes_are_aligned_and_apart(void **state)
{
    enum { MOST = 1200 };
    static struct sized all[MOST];
    unsigned n = 0;

    scene_open(2, 0, *state, NULL);
    for (size_t size = 1; size <= 16 << 20; size = next_size(size)) {
        for (size_t align = 8; align <= 4096; align *= 2) {
            struct sized *it = &all[n];

            if (size > 1 << 20 && align != 8 && align != 4096)
                continue;
            assert_true(n < MOST);
            it->size = size;
            it->binding = bind_size(size, align);
            it->object = take(&it->binding, size);
            assert_non_null(it->object);
            assert_int_equal((uintptr_t)it->object % align, 0);
            stamp(it->object, size, n++);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        assert_true(is_harness() || stamped(all[i].object, all[i].size, i));
        give(&all[i].binding, all[i].object);
    }
    scene_close();
}

static void typed_objects_of_all_sizes_are_aligned_and_apart(void **state)
{
    enum { EACH = 40 };

    scene_open(1, 0, *state, NULL);
    for (size_t size = 1; size <= 1 << 18; size = next_size(size)) {
        for (size_t align = 8; align <= 4096; align *= 8) {
            struct cache *cache = scene_cache(size, align);
            void *objects[EACH];

            for (uint64_t i = 0; i < EACH; i++) {
                objects[i] = scene_alloc(cache);
                assert_non_null(objects[i]);
                assert_int_equal((uintptr_t)objects[i] % align, 0);
                stamp(objects[i], size, i);
            }
            /* Under 8 bytes a stamp is cut: 40 still fit the first byte. */
            for (uint64_t i = 0; i < EACH; i++)
                assert_true(is_harness() || stamped(objects[i], size, i));
            scene_free_all(cache, EACH, objects);
            scene_cache_destroy(cache);
        }
    }
    scene_close();
}

/* ---- constructors ---- */

struct life {
    uint64_t constructed, destructed, refused;
    uint64_t seed;
    bool refuse; /* every fourth construction */
};

#define BUILT UINT64_C(0x6275696c74)

static int construct(void *object, size_t size, void *context)
{
    struct life *life = context;

    if (life->refuse && next_random(&life->seed) % 4 == 0) {
        life->refused++;
        return -1;
    }
    life->constructed++;
    stamp(object, size, BUILT);
    return 0;
}

static void destruct(void *object, size_t size, void *context)
{
    assert_true(stamped(object, size, BUILT));
    ((struct life *)context)->destructed++;
}

static void live_randomly(struct life *life)
{
    enum { SLOTS = 300, STEPS = 20000 };
    const struct cache_params params = {
        .name = "built", .size = 72, .construct = construct, .destruct = destruct, .context = life};
    struct cache *cache = scene_cache_of(&params);
    void *slots[SLOTS] = {NULL};
    uint64_t seed = 42, failed = 0;

    for (int step = 0; step < STEPS; step++) {
        void **slot = &slots[next_random(&seed) % SLOTS];

        fixture_become((unsigned)(next_random(&seed) % 3));
        if (*slot) {
            assert_true(stamped(*slot, 72, BUILT));
            scene_free(cache, *slot);
            *slot = NULL;
        } else {
            *slot = scene_alloc(cache);
            failed += !*slot;
            assert_true(!*slot || stamped(*slot, 72, BUILT));
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i])
            scene_free(cache, slots[i]);
    }
    fixture_become(0);
    assert_int_equal(failed, life->refused);
}

static void live_and_balance(const char *design, struct life *life)
{
    bool constructs_only;

    scene_open(3, 0, design, NULL);
    constructs_only = allocator_design(scene)->constructs_only;
    if (!is_harness() && !(life->refuse && allocator_design(scene)->ignores_construct))
        live_randomly(life);
    scene_close();
    assert_int_equal(life->destructed, constructs_only ? 0 : life->constructed);
}

static void constructors_and_destructors_balance(void **state)
{
    struct life life = {.seed = 7};

    live_and_balance(*state, &life);
}

static void constructors_that_fail_cost_no_object(void **state)
{
    struct life life = {.seed = 7, .refuse = true};

    live_and_balance(*state, &life);
}

/* ---- bulk ---- */

static void bulks_of_every_length_are_whole_and_apart(void **state)
{
    enum { MOST = 500 };
    static void *objects[MOST];

    scene_open(1, 0, *state, NULL);
    for (size_t size = 24; size <= 6000; size *= 15) {
        struct binding_of_cache binding = bind_cache(scene_cache(size, 8));
        const struct request request = {.size = size, .node = -1};

        for (unsigned n = 0; n <= MOST; n = n * 2 + 1) {
            assert_int_equal(allocator_alloc_bulk(&binding, &request, n, objects), n);
            for (unsigned i = 0; i < n; i++)
                stamp(objects[i], size, i);
            for (unsigned i = 0; i < n; i++)
                assert_true(is_harness() || stamped(objects[i], size, i));
            allocator_free_bulk(&binding, n, objects);
        }
    }
    scene_close();
}

/* ---- exhaustion ---- */

/* Allocates until nothing helps any more; returns how many there are. */
static unsigned exhaust(const struct binding_of_cache *binding, size_t size, void **objects,
                        unsigned most)
{
    const struct request request = {.size = size, .node = -1};
    unsigned n = 0;

    while (n < most) {
        objects[n] = binding->alloc(binding->cache, &request);
        if (!objects[n])
            objects[n] = allocator_retry(scene, binding, &request);
        if (!objects[n])
            return n;
        stamp(objects[n], size, n);
        n++;
    }
    fail_msg("%u objects of %zu bytes and no end", n, size);
    return n;
}

static void a_limit_is_met_and_recovered_from(void **state)
{
    enum { MOST = 40000, LIMIT = 2 << 20 };
    static void *objects[MOST];
    static const size_t sizes[] = {64, 200, 1000, 3000, 40000, 300000};

    scene_open(4, LIMIT, *state, NULL);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        size_t size = sizes[s];
        struct binding_of_cache binding;
        unsigned first, again;

        if (is_harness() || allocator_design(scene)->external)
            break;
        binding = bind_size(size, 8);
        first = exhaust(&binding, size, objects, MOST);
        /* spl has 8 objects of 64 bytes a page; no design does worse. */
        assert_true(first * size > LIMIT / 10);
        assert_true(fixture_held_bytes() <= LIMIT);
        for (unsigned i = 0; i < first; i++) {
            assert_true(stamped(objects[i], size, i));
            fixture_become(i % 4);
            give(&binding, objects[i]);
        }
        fixture_become(0);
        /* Everything is free again, though it may rest anywhere. */
        again = exhaust(&binding, size, objects, MOST);
        assert_true(again >= first - first / 8);
        for (unsigned i = 0; i < again; i++)
            give(&binding, objects[i]);
        allocator_reclaim(scene, 2);
        if (!allocator_design(scene)->reclaim) {
            /* It keeps what it has while a cache lives: the next size needs that. */
            scene_close();
            scene_open(4, LIMIT, *state, NULL);
        }
    }
    scene_close();
}

/* ---- caches come and go ---- */

static void storms_of_caches_leave_nothing(void **state)
{
    enum { ALIVE = 50, STORMS = 2000 };
    struct cache *caches[ALIVE] = {NULL};
    uint64_t seed = 1;

    scene_open(4, 0, *state, NULL);
    for (int i = 0; i < STORMS; i++) {
        struct cache **cache = &caches[next_random(&seed) % ALIVE];
        void *objects[20];

        fixture_become((unsigned)(next_random(&seed) % 4));
        if (*cache)
            scene_cache_destroy(*cache);
        *cache = scene_cache(1 + next_random(&seed) % 3000, 8);
        scene_alloc_all(*cache, 20, objects);
        fixture_become((unsigned)(next_random(&seed) % 4));
        scene_free_all(*cache, 20, objects);
    }
    fixture_become(0);
    scene_close(); /* destroys those left, and asserts that no page is */
}

/* ---- threads ---- */

#define SHARED_SLOTS 512

/* An object on its way from one CPU to another. Its size class is in its second word. */
struct parcel {
    uint64_t identity;
    uint64_t kind;
};

struct traffic {
    struct binding_of_cache kinds[4];
    size_t sizes[4];
    _Atomic(struct parcel *) slots[SHARED_SLOTS];
    int steps;
    _Atomic unsigned failures; /* allocations that found no memory, reclaim included */
};

static void parcel_check_and_free(struct traffic *traffic, struct parcel *parcel)
{
    uint64_t identity = parcel->identity;
    uint64_t kind = parcel->kind;
    uint64_t tail;

    memcpy(&tail, (char *)parcel + traffic->sizes[kind] - sizeof tail, sizeof tail);
    if (tail != ~identity) {
        fprintf(stderr, "an object was written to while it was out\n");
        abort();
    }
    give(&traffic->kinds[kind], parcel);
}

static struct parcel *parcel_create(struct traffic *traffic, uint64_t kind, uint64_t identity)
{
    const struct request request = {.size = traffic->sizes[kind], .node = -1};
    struct binding_of_cache *binding = &traffic->kinds[kind];
    struct parcel *parcel = binding->alloc(binding->cache, &request);
    uint64_t tail = ~identity;

    if (!parcel)
        parcel = allocator_retry(scene, binding, &request);
    if (!parcel) {
        atomic_fetch_add(&traffic->failures, 1);
        return NULL;
    }
    parcel->identity = identity;
    parcel->kind = kind;
    memcpy((char *)parcel + request.size - sizeof tail, &tail, sizeof tail);
    return parcel;
}

/* Puts new objects into slots that all share, and frees whatever lay there, by whomever. */
static void drive(unsigned cpu, void *argument)
{
    struct traffic *traffic = argument;
    uint64_t seed = cpu + 1;

    for (int step = 0; step < traffic->steps; step++) {
        uint64_t random = next_random(&seed);
        struct parcel *parcel = NULL;

        if (random % 8 < 5)
            parcel = parcel_create(traffic, random / 8 % 4, random);
        parcel = atomic_exchange_explicit(&traffic->slots[random / 64 % SHARED_SLOTS], parcel,
                                          memory_order_acq_rel);
        if (parcel)
            parcel_check_and_free(traffic, parcel);
        fixture_safe_point();
    }
}

/* spl sleeps 100 ms whenever it finds no memory, which here is all the time. */
static const char *option_when_short(const char *design)
{
    return strcmp(design, "spl") == 0 ? "grow_timeout_ms=1" : NULL;
}

static void drive_under(const char *design, unsigned nr_cpus, size_t limit, int steps)
{
    static struct traffic traffic;

    memset(&traffic, 0, sizeof traffic);
    traffic.steps = steps;
    scene_open(nr_cpus, limit, design, limit ? option_when_short(design) : NULL, NULL);
    traffic.sizes[0] = 32;
    traffic.sizes[1] = 200;
    traffic.sizes[2] = 1000;
    traffic.sizes[3] = 5000;
    for (unsigned kind = 0; kind < 4; kind++)
        traffic.kinds[kind] =
            kind == 3 ? bind_size(5000, 8) : bind_cache(scene_cache(traffic.sizes[kind], 8));
    if (!is_harness())
        fixture_run(drive, &traffic);
    for (unsigned i = 0; i < SHARED_SLOTS; i++) {
        struct parcel *parcel = atomic_load(&traffic.slots[i]);

        if (parcel)
            parcel_check_and_free(&traffic, parcel);
    }
    if (limit == 0)
        assert_int_equal(traffic.failures, 0);
    scene_close();
}

static void threads_pass_objects_to_each_other(void **state)
{
    drive_under(*state, 4, 0, 40000);
    drive_under(*state, 8, 0, 20000);
}

/* About 500 objects of 1.5 KiB on average are out; the design has little more than that. */
static void threads_pass_objects_to_each_other_short_of_memory(void **state)
{
    drive_under(*state, 4, 1 << 20, 10000);
    drive_under(*state, 8, 900 << 10, 5000);
}

static void threads_pass_objects_under_every_kind_of_lock(void **state)
{
    static const enum lock_kind kinds[] = {LOCK_TICKET, LOCK_MCS, LOCK_PTHREAD, LOCK_TAS};
    enum lock_kind usual = lock_default_kind();

    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        lock_set_default_kind(kinds[i]);
        drive_under(*state, 3, 0, 3000);
    }
    lock_set_default_kind(usual);
}

static void look_at(void *context, struct cache *cache, const char *name, size_t size)
{
    assert_non_null(cache);
    assert_true(*name);
    assert_true(size > 0 || allocator_design(scene)->external);
    ++*(unsigned *)context;
}

/* CPU 0 looks on: it walks the list of caches as they come and go. */
static void come_and_go(unsigned cpu, void *argument)
{
    (void)argument;
    if (cpu == 0) {
        for (unsigned i = 0, seen = 0; i < 2000; i++) {
            allocator_each_cache(scene, look_at, &seen);
            fixture_safe_point();
        }
        return;
    }
    for (int i = 0; i < 200; i++) {
        struct cache *cache = scene_cache(16 + 50 * (cpu + (unsigned)i % 40), 8);
        void *objects[10];

        scene_alloc_all(cache, 10, objects);
        scene_free_all(cache, 10, objects);
        if (i % 32 == 0)
            allocator_reclaim(scene, 1 + (unsigned)i / 32 % 2);
        scene_cache_destroy(cache);
        fixture_safe_point();
    }
}

static void threads_make_and_destroy_caches_while_others_reclaim(void **state)
{
    scene_open(4, 0, *state, NULL);
    fixture_run(come_and_go, NULL);
    scene_close();
}

/* ---- the ledger ---- */

static void all_memory_is_accounted_for_at_every_rest_point(void **state)
{
    for (unsigned cpus = 1; cpus <= 4; cpus += 3) {
        bool kept;

        scene_open(cpus, 0, *state, NULL);
        kept = allocator_design(scene)->ledger != NULL;
        if (kept)
            ledger_load();
        scene_close();
        if (!kept)
            skip();
    }
}

/* ---- all tests over all designs ---- */

static const struct {
    const char *fact;
    CMUnitTestFunction test;
} facts[] = {
    {"untyped objects of all sizes are aligned and apart",
     untyped_objects_of_all_sizes_are_aligned_and_apart},
    {"typed objects of all sizes are aligned and apart",
     typed_objects_of_all_sizes_are_aligned_and_apart},
    {"constructors and destructors balance", constructors_and_destructors_balance},
    {"constructors that fail cost no object", constructors_that_fail_cost_no_object},
    {"bulks of every length are whole and apart", bulks_of_every_length_are_whole_and_apart},
    {"a limit is met and recovered from", a_limit_is_met_and_recovered_from},
    {"storms of caches leave nothing", storms_of_caches_leave_nothing},
    {"threads pass objects to each other", threads_pass_objects_to_each_other},
    {"threads pass objects to each other, short of memory",
     threads_pass_objects_to_each_other_short_of_memory},
    {"threads pass objects to each other under every kind of lock",
     threads_pass_objects_under_every_kind_of_lock},
    {"threads make and destroy caches while others reclaim and look on",
     threads_make_and_destroy_caches_while_others_reclaim},
    {"all memory is accounted for at every rest point",
     all_memory_is_accounted_for_at_every_rest_point},
};
#define FACTS (sizeof facts / sizeof facts[0])

static size_t add_facts(struct CMUnitTest *tests, const char *design)
{
    for (size_t f = 0; f < FACTS; f++) {
        char *name;

        if (asprintf(&name, "%s: %s", design, facts[f].fact) < 0)
            abort();
        tests[f] = (struct CMUnitTest){
            .name = name,
            .test_func = facts[f].test,
            .initial_state = (void *)(uintptr_t)design,
        };
    }
    return FACTS;
}

/*
 * A design as it is, and under the debug layer where it can be: natively, since nothing of that
 * layer hangs on the machine and its checks are long to simulate.
 */
int main(void)
{
    size_t nr_designs;
    const struct allocator *const *designs = allocator_all(&nr_designs);
    struct CMUnitTest *tests = calloc(2 * nr_designs * FACTS, sizeof *tests);
    char(*layered)[64] = calloc(nr_designs, sizeof *layered);
    size_t n = 0;
    int failed;

    for (size_t d = 0; d < nr_designs; d++) {
        n += add_facts(&tests[n], designs[d]->name);
        if (!designs[d]->tells_buffers || machine_traits.steps)
            continue;
        snprintf(layered[d], sizeof layered[d], "%s debug=on", designs[d]->name);
        n += add_facts(&tests[n], layered[d]);
    }
    failed = _cmocka_run_group_tests("conformance", tests, n, NULL, NULL);
    while (n)
        free((void *)(uintptr_t)tests[--n].name);
    free(tests);
    free(layered);
    return failed;
}
