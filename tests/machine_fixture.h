/* SPDX-License-Identifier: MIT */
/* A machine and a page arena for tests: one thread that plays every CPU, or a thread each. */
#ifndef SLABLAB_TESTS_MACHINE_FIXTURE_H
#define SLABLAB_TESTS_MACHINE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `limit_bytes` of pages may be held at once, 0: no limit. The caller is CPU 0. */
void fixture_start(unsigned nr_cpus, size_t limit_bytes);
void fixture_stop(void);

/*
 * Before a start: the CPUs of that machine are dealt out over `nr_nodes` nodes, CPU i to node
 * i % nr_nodes, with `node_bytes` of addresses each (0: as many as there are). Else there is one.
 */
void fixture_set_nodes(unsigned nr_nodes, size_t node_bytes);

/* The calling thread acts as `cpu` from now on. */
void fixture_become(unsigned cpu);

/* What timer_now_ns says on every CPU; only while no worker runs. */
void fixture_set_time(uint64_t ns);
/* What it says on the calling CPU; by its worker. */
void fixture_set_own_time(uint64_t ns);

/* Runs worker(cpu, argument) on a thread for each CPU; all serve each other to the last. */
void fixture_run(void (*worker)(unsigned cpu, void *argument), void *argument);
/* Workers call this now and then, holding no lock: here they do what others ask of their CPU. */
void fixture_safe_point(void);

/* A step of busy waiting in a worker that serves nobody meanwhile. */
void fixture_pause(void);

/* Are CPUs real threads, and is time the host's? What needs that is skipped elsewhere. */
bool fixture_is_native(void);

/* Bytes of pages handed out now. */
size_t fixture_held_bytes(void);

/* ---- what is of one machine: machine_fixture_native.c, virtual/fixture.c ---- */

struct error;
struct machine_config;
struct page_config;

/* Before machine and arena start as they are told to here; after they have stopped. */
int fixture_prepare(struct machine_config *machine, struct page_config *pages, struct error *error);
void fixture_clear(void);

#endif
