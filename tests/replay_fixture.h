/* SPDX-License-Identifier: MIT */
/* What tests of replay have in common: a host, a run of a small trace, and traces with a shape. */
#ifndef SLABLAB_TESTS_REPLAY_FIXTURE_H
#define SLABLAB_TESTS_REPLAY_FIXTURE_H

#include "sim/run.h"
#include "tests/trace_fixture.h"

struct topology;

/* This host, from group setup to group teardown. */
extern struct topology *replay_host;
int replay_host_open(void **state);
int replay_host_close(void **state);

/* One cold loop of a design on so many threads, bound to nothing, recording nothing. */
struct run_config replay_config_of(const char *allocator, unsigned threads);

/* A plan as the run wants it, with cuts as `cuts` says (its other members are not read). */
struct plan *replay_plan_of(const char *trace, const struct run_config *config,
                            const struct plan_config *cuts);

/* Runs, or fails the test. The report is the caller's to clean up. */
void replay_plan_run(const struct plan *plan, const struct topology *topology,
                     const struct run_config *config, struct run_report *report);
/* The same from a trace without cuts, on this host. */
void replay_trace_run(const struct trace_fixture *fixture, const struct run_config *config,
                      struct run_report *report);

/*
 * `objects` live at once, freed by a random stream and allocated anew by a random stream, `events`
 * times: most frees cross, and every worker depends on every other.
 */
void trace_fixture_tangle(struct trace_fixture *fixture, unsigned streams, unsigned objects,
                          unsigned events);

/* Stream 1 frees what stream 0 allocates, and so is as far ahead as it can be all the time. */
void trace_fixture_consumer(struct trace_fixture *fixture, unsigned objects);

/* Stream 0 creates and destroys a cache that all the others use. */
void trace_fixture_passing_cache(struct trace_fixture *fixture, unsigned streams);

#endif
