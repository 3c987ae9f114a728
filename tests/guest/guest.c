/* SPDX-License-Identifier: MIT */
/* What the tests that run in guests share; see guest.h. */
#include "tests/guest/guest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const designs[GUEST_DESIGNS] = {"bufctl", "magazine", "slabifier",
                                                   "spl",    "x15",      "helenos"};

void guest_trace_staying(struct trace_fixture *fixture, unsigned streams, uint64_t size,
                         uint32_t objects, int16_t node)
{
    uint32_t cache = TRACE_UNTYPED;

    trace_fixture_begin(fixture, streams);
    if (size < GUEST_WHOLE_PAGES)
        cache = trace_fixture_cache(fixture, "staying", size);
    for (unsigned stream = 0; stream < streams; stream++)
        for (uint32_t i = 0; i < objects; i++)
            trace_fixture_alloc_on(fixture, stream, stream * objects + i, cache, size, node);
    trace_fixture_end(fixture);
}

json_t *guest_replay(const struct trace_fixture *fixture, const char *design, const char *options)
{
    char arguments[512];

    snprintf(arguments, sizeof arguments, "replay %s -a %s %s --loops 1 --cold --json -",
             fixture->path, design, options);
    cli_run(arguments);
    if (cli_last.status != 0)
        fail_msg("%s: status %d: %s", arguments, cli_last.status, cli_last.messages);
    return cli_record();
}

long long guest_figure(const json_t *record, const char *path)
{
    const json_t *here = record;
    char step[64];
    int used;

    for (const char *at = path; here && *at; at += used + (at[used] == '.')) {
        assert_int_equal(sscanf(at, "%63[^.]%n", step, &used), 1);
        here = json_object_get(here, step);
    }
    if (!here)
        fail_msg("the record has no %s", path);
    return json_is_integer(here) ? json_integer_value(here) : json_is_true(here);
}

long long guest_pages_of_node(const json_t *record, unsigned node)
{
    const json_t *locality = json_object_get(record, "locality");

    return json_integer_value(json_array_get(json_object_get(locality, "pages_by_node"), node));
}

void guest_assert_placed(const json_t *record)
{
    const json_t *provenance = json_object_get(record, "provenance");

    assert_true(json_is_true(json_object_get(provenance, "placement_checked")));
    assert_true(guest_figure(record, "machine.bound"));
    assert_true(guest_figure(record, "locality.placement.asked") > 0);
    assert_int_equal(guest_figure(record, "locality.placement.right"),
                     guest_figure(record, "locality.placement.asked"));
}

void guest_add(struct CMUnitTest *tests, size_t *count, const char *name, CMUnitTestFunction test)
{
    static char names[64][96];

    for (size_t i = 0; i < GUEST_DESIGNS; i++, ++*count) {
        snprintf(names[*count], sizeof names[0], "%s: %s", designs[i], name);
        tests[*count] = (struct CMUnitTest){names[*count], test, NULL, NULL, (void *)designs[i]};
    }
}
