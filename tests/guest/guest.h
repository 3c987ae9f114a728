/* SPDX-License-Identifier: MIT */
/* What the tests that run in guests share: replays by each design, and what their records say. */
#ifndef SLABLAB_TESTS_GUEST_GUEST_H
#define SLABLAB_TESTS_GUEST_GUEST_H

#include "tests/cli.h"
#include "tests/trace_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define GUEST_DESIGNS 6

/* One test for each design, whose name goes before the test's and is its state. */
void guest_add(struct CMUnitTest *tests, size_t *count, const char *name, CMUnitTestFunction test);

/*
 * Each stream's objects in turn, and they stay; each asks for `node`, which may be any (-1).
 * Objects are a cache's; those of GUEST_WHOLE_PAGES are untyped, and beyond all general caches.
 */
#define GUEST_WHOLE_PAGES (1 << 18)
void guest_trace_staying(struct trace_fixture *fixture, unsigned streams, uint64_t size,
                         uint32_t objects, int16_t node);

/* The record of `slablab replay TRACE -a DESIGN OPTIONS`, which must be valid; a new reference. */
json_t *guest_replay(const struct trace_fixture *fixture, const char *design, const char *options);

/* An integer (or a truth value) of the record, by its path: "locality.placement.asked". */
long long guest_figure(const json_t *record, const char *path);
long long guest_pages_of_node(const json_t *record, unsigned node);

/* All pages that the system was asked for lie on the node of their record; workers were bound. */
void guest_assert_placed(const json_t *record);

#endif
