/* SPDX-License-Identifier: MIT */
/*
 * Each page that a design asks for is refused, one after the other: once, and from then on. The
 * design says that there is no memory, or does without; what lives stays whole, the ledger
 * balances, all can be freed, and no page is left. Checked builds only: others refuse nothing.
 */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/ledger.h"
#include "sim/page.h"
#include "tests/machine_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef SLABLAB_CHECKED

/* Of a slab of one page, of larger ones, and beyond all slabs; the last is untyped. */
static const size_t sizes[] = {24, 700, 3000, 20000, 300000};
enum { KINDS = sizeof sizes / sizeof sizes[0], OBJECTS = 30, CPUS = 2 };

struct object {
    unsigned char *at;
    unsigned char mark;
};

struct work {
    const char *design;
    uint64_t first, end; /* refused */
    struct allocator_instance *instance;
    struct cache *caches[KINDS - 1];
    struct binding_of_cache kinds[KINDS]; /* alloc NULL: there was no memory for it */
    struct object objects[KINDS][OBJECTS];
};

#define fail_at(work, format, ...)                                                                 \
    fail_msg("%s, without request %llu%s of pages: " format, (work)->design,                       \
             (unsigned long long)(work)->first,                                                    \
             (work)->end == UINT64_MAX ? " and those after it" : "", __VA_ARGS__)

/* What fails here fails for want of memory, and says so. */
static bool done(const struct work *work, int code, const struct error *error, const char *what)
{
    if (code == 0)
        return true;
    if (code != -ENOMEM || !error->text[0])
        fail_at(work, "%s: %d, '%s'", what, code, error->text);
    return false;
}

static void kinds_make(struct work *work)
{
    struct error error;

    for (unsigned i = 0; i < KINDS; i++) {
        struct cache_params params = {.name = "faulted", .size = sizes[i]};

        error.text[0] = '\0';
        if (i == KINDS - 1)
            done(work, allocator_bind_size(work->instance, sizes[i], 0, &work->kinds[i], &error),
                 &error, "binding a size");
        else if (done(work,
                      allocator_cache_create(work->instance, &params, &work->caches[i], &error),
                      &error, "creating a cache"))
            allocator_bind_cache(work->instance, work->caches[i], &work->kinds[i]);
    }
}

static void object_take(struct work *work, unsigned kind, unsigned i)
{
    const struct request request = {.size = sizes[kind], .node = -1};
    const struct binding_of_cache *from = &work->kinds[kind];
    struct object *object = &work->objects[kind][i];

    if (!from->alloc)
        return;
    object->at = from->alloc(from->cache, &request);
    if (!object->at)
        object->at = allocator_retry(work->instance, from, &request);
    object->mark = (unsigned char)(kind * 50 + i);
    if (object->at) /* not all of it, which would take most of the time */
        object->at[0] = object->at[sizes[kind] - 1] = object->mark;
}

static void object_give(struct work *work, unsigned kind, unsigned i)
{
    struct object *object = &work->objects[kind][i];

    if (!object->at)
        return;
    if (object->at[0] != object->mark || object->at[sizes[kind] - 1] != object->mark)
        fail_at(work, "object %u of %zu bytes is not what it was", i, sizes[kind]);
    work->kinds[kind].free(work->kinds[kind].cache, object->at);
    object->at = NULL;
}

/* Every second one of all kinds by turns, on the other CPU than the one before. */
static void each_second(struct work *work, unsigned from,
                        void (*act)(struct work *work, unsigned kind, unsigned i))
{
    for (unsigned i = from; i < OBJECTS; i += 2) {
        for (unsigned kind = 0; kind < KINDS; kind++) {
            fixture_become((i / 2 + kind) % CPUS);
            act(work, kind, i);
        }
    }
    fixture_become(0);
}

static void assert_balanced(const struct work *work)
{
    struct ledger ledger = {.keeps_claims = true};
    uint64_t requested = 0, live = 0;
    struct error error;

    for (unsigned kind = 0; kind < KINDS; kind++) {
        for (unsigned i = 0; i < OBJECTS; i++) {
            live += work->objects[kind][i].at != NULL;
            requested += work->objects[kind][i].at ? sizes[kind] : 0;
        }
    }
    if (allocator_ledger(work->instance, &ledger, NULL, NULL) &&
        ledger_balance(&ledger, requested, live, &error) != 0)
        fail_at(work, "%s", error.text);
    ledger_cleanup(&ledger);
}

static void work_with_objects(struct work *work)
{
    each_second(work, 0, object_take);
    each_second(work, 1, object_take);
    assert_balanced(work);
    each_second(work, 0, object_give);
    assert_balanced(work);
    each_second(work, 0, object_take);
    for (unsigned level = 1; level <= ALLOCATOR_RECLAIM_LEVELS; level++)
        allocator_reclaim(work->instance, level);
    assert_balanced(work);
    each_second(work, 1, object_give);
    each_second(work, 0, object_give);
    assert_balanced(work);
}

static void work_run(struct work *work)
{
    struct error error = {""};

    fixture_set_nodes(1, (size_t)64 << 20); /* addresses that take little time to give back */
    fixture_start(CPUS, 0);
    page_refuse(work->first, work->end);
    if (allocator_create(work->design, &work->instance, &error) != 0)
        fail_at(work, "%s", error.text);
    if (done(work, allocator_start(work->instance, &error), &error, "the start")) {
        kinds_make(work);
        work_with_objects(work);
        for (unsigned i = 0; i < KINDS - 1; i++)
            if (work->caches[i] &&
                allocator_cache_destroy(work->instance, work->caches[i], &error) != 0)
                fail_at(work, "%s", error.text);
        if (allocator_stop(work->instance, &error) != 0)
            fail_at(work, "%s", error.text);
    }
    allocator_destroy(work->instance);
    if (fixture_held_bytes())
        fail_at(work, "%zu bytes of pages are left", fixture_held_bytes());
    fixture_stop();
}

static uint64_t without(const char *design, uint64_t first, uint64_t end)
{
    struct work work = {.design = design, .first = first, .end = end};

    work_run(&work);
    return page_requests();
}

static void every_page_that_a_design_asks_for_can_be_refused(void **state)
{
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        uint64_t requests;

        if (all[i]->external || all[i]->harness)
            continue;
        requests = without(all[i]->name, UINT64_MAX, UINT64_MAX);
        if (requests < 20)
            fail_msg("%s asked for pages %llu times", all[i]->name, (unsigned long long)requests);
        for (uint64_t first = 0; first < requests; first++) {
            without(all[i]->name, first, first + 1);
            without(all[i]->name, first, UINT64_MAX);
        }
        printf("%s: %llu requests for pages\n", all[i]->name, (unsigned long long)requests);
    }
    page_refuse(UINT64_MAX, UINT64_MAX);
}

#else

static void every_page_that_a_design_asks_for_can_be_refused(void **state)
{
    (void)state;
    skip();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_page_that_a_design_asks_for_can_be_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
