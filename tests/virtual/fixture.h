/* SPDX-License-Identifier: MIT */
/* The virtual machine under the tests' fixture: what it is like, for tests of the engine itself. */
#ifndef SLABLAB_TESTS_VIRTUAL_FIXTURE_H
#define SLABLAB_TESTS_VIRTUAL_FIXTURE_H

#include "sim/virtual/virtual.h"

/* Before a start, and until the next stop: else it is a generic-64 with its own slack. */
void virtual_fixture_set(const struct virtual_config *config);

/* Before a start, and until the next stop: `deferred` goes by the machine's own clock. */
void virtual_fixture_set_machine_timers(void);

/*
 * A table with which waits can be told beforehand: what this CPU has in L1 costs HIT, a line of any
 * other CPU TRANSFER, of whatever operation; memory MEMORY. Atomics cost no more, code between
 * accesses nothing. No slack.
 */
enum { HIT = 1, TRANSFER = 100, MEMORY = 200, INTERRUPT = 1000, SLEEP = 5000 };
const struct virtual_config *virtual_fixture_toy(void);

#endif
