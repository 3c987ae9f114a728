/* SPDX-License-Identifier: MIT */
/*
 * Every tunable of every design at its least, its most and each of its choices: the design refuses
 * with a sentence (a combination that cannot be), or it does its work.
 */
#include "sim/error.h"
#include "tests/scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OBJECTS 600

static const size_t sizes[] = {1, 64, 200, 1000, 5000};

struct traffic {
    struct cache *caches[sizeof sizes / sizeof sizes[0]];
    _Atomic unsigned failures;
};

/* Each CPU fills, checks and frees its own, and then once more, since frees feed the CPU layers. */
static void fill_and_free(unsigned cpu, void *argument)
{
    struct traffic *traffic = argument;
    unsigned char *objects[OBJECTS];

    for (unsigned round = 0; round < 2; round++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            for (unsigned i = 0; i < OBJECTS; i++) {
                objects[i] = scene_alloc(traffic->caches[s]);
                if (objects[i])
                    memset(objects[i], (int)(cpu * 100 + i % 100), sizes[s]);
            }
            fixture_safe_point();
            for (unsigned i = 0; i < OBJECTS; i++) {
                unsigned char mark = (unsigned char)(cpu * 100 + i % 100);

                if (!objects[i])
                    continue;
                if (objects[i][0] != mark || objects[i][sizes[s] - 1] != mark)
                    atomic_fetch_add(&traffic->failures, 1);
                scene_free(traffic->caches[s], objects[i]);
            }
        }
    }
}

/* With the design started as it was set: caches, traffic on two CPUs, reclaim, nothing left. */
static void work(void)
{
    struct traffic traffic = {.failures = 0};

    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        traffic.caches[s] = scene_cache(sizes[s], 8);
    fixture_run(fill_and_free, &traffic);
    assert_int_equal(traffic.failures, 0);
    allocator_reclaim(scene, 1);
    allocator_reclaim(scene, 2);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        scene_cache_destroy(traffic.caches[s]);
}

static void try_value(const char *design, const char *key, const char *value)
{
    struct error error = {""};
    int code;

    fixture_start(2, 0);
    assert_int_equal(allocator_create(design, &scene, &error), 0);
    code = allocator_set(scene, key, value, &error);
    if (code)
        fail_msg("%s.%s=%s: %s", design, key, value, error.text);
    code = allocator_start(scene, &error);
    if (code == 0) {
        work();
        assert_int_equal(allocator_stop(scene, &error), 0);
    } else {
        assert_true(code == -EINVAL || code == -ERANGE || code == -ENOMEM);
        assert_true(*error.text);
    }
    allocator_destroy(scene);
    scene = NULL;
    assert_int_equal(fixture_held_bytes(), 0);
    fixture_stop();
}

static void try_number(const char *design, const char *key, uint64_t number)
{
    char value[32];

    snprintf(value, sizeof value, "%llu", (unsigned long long)number);
    try_value(design, key, value);
}

static void try_tunable(const char *design, const struct tunable *tunable)
{
    switch (tunable->kind) {
    case TUNABLE_UINT:
    case TUNABLE_SIZE:
        try_number(design, tunable->key, tunable->minimum);
        try_number(design, tunable->key, tunable->maximum);
        break;
    case TUNABLE_BOOL:
        try_value(design, tunable->key, "on");
        try_value(design, tunable->key, "off");
        break;
    case TUNABLE_CHOICE:
        for (const char *const *choice = tunable->choices; *choice; choice++)
            try_value(design, tunable->key, *choice);
        break;
    case TUNABLE_STRING:
        break; /* has no extremes */
    }
}

static void every_tunable_works_at_its_extremes(void **state)
{
    const struct allocator *design = *state;
    struct allocator_instance *instance; /* which has the front end's too */
    const struct tunable *tunable;

    assert_int_equal(allocator_create(design->name, &instance, NULL), 0);
    for (tunable = allocator_design(instance)->tunables; tunable->key; tunable++)
        try_tunable(design->name, tunable);
    allocator_destroy(instance);
}

int main(void)
{
    size_t nr_designs, n = 0;
    const struct allocator *const *designs = allocator_all(&nr_designs);
    struct CMUnitTest *tests = calloc(nr_designs, sizeof *tests);
    int failed;

    for (size_t i = 0; i < nr_designs; i++) {
        if (designs[i]->tunables && !designs[i]->external)
            tests[n++] = (struct CMUnitTest){.name = designs[i]->name,
                                             .test_func = every_tunable_works_at_its_extremes,
                                             .initial_state = (void *)(uintptr_t)designs[i]};
    }
    failed = _cmocka_run_group_tests("extremes", tests, n, NULL, NULL);
    free(tests);
    return failed;
}
