/* SPDX-License-Identifier: MIT */
/* Which calls fail: see points.h. */
#include "tests/faults/points.h"
#include "tests/faults/kinds.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

/* Of the machine's discovery, where another case has all: one in so many, and at most so many. */
#define DISCOVERY_EVERY 10
#define DISCOVERY_MOST  30

static void trial_add(struct trials *trials, size_t test, struct point point)
{
    const char *kind = point.kind < 0 ? "memory" : kinds[point.kind].name;

    if ((trials->kind && strcmp(trials->kind, kind) != 0) ||
        (trials->number && point.number != trials->number))
        return;
    if (trials->count == trials->room) {
        trials->room = trials->room ? 2 * trials->room : 1024;
        trials->list = reallocarray(trials->list, trials->room, sizeof *trials->list);
        if (!trials->list)
            err(3, "no memory");
    }
    trials->list[trials->count++] = (struct trial){test, point};
}

/* Once, and from then on where there is a then. */
static void add_both(struct trials *trials, size_t test, struct point point, bool last)
{
    trial_add(trials, test, point);
    point.onward = true;
    if (!last)
        trial_add(trials, test, point);
}

/* ---- allocations ---- */

static bool stack_is_new(const struct faults_shared *shared, uint64_t number)
{
    for (uint64_t n = 1; n < number; n++) {
        if (shared->stack[n - 1] == shared->stack[number - 1])
            return false;
    }
    return true;
}

/* Each so many-th, in both ways; and once, each that is called from where none before it was. */
static void add_allocations(struct trials *trials, size_t number, const struct test_case *test,
                            const struct faults_shared *shared)
{
    const uint64_t count = test->outcome.allocations;

    for (uint64_t n = 1; n <= count; n++) {
        struct point point = {.kind = KIND_MEMORY, .number = n};

        if ((n - 1) % test->every == 0)
            add_both(trials, number, point, n == count);
        else if (n <= FAULTS_STACKS && stack_is_new(shared, n))
            trial_add(trials, number, point);
    }
}

/* ---- system calls ---- */

static void add_calls(struct trials *trials, size_t test, struct point point, uint64_t calls,
                      uint64_t first, uint64_t every)
{
    const struct kind *kind = &kinds[point.kind];

    for (point.way = 0; point.way < KIND_WAYS && kind->ways[point.way].name; point.way++) {
        for (point.number = first; point.number <= calls; point.number += every)
            add_both(trials, test, point, !kind->ways[point.way].onward || point.number == calls);
    }
}

static void add_discovery(struct trials *trials, size_t number, const uint64_t *calls)
{
    bool any = false;

    for (size_t k = 0; k < kinds_count; k++) {
        struct point point = {.kind = (int)k, .discovery = true};

        any = any || calls[k] > 0;
        if (trials->discovered) {
            uint64_t every = calls[k] / DISCOVERY_MOST + 1;

            every = every > DISCOVERY_EVERY ? every : DISCOVERY_EVERY;
            add_calls(trials, number, point, calls[k], 1 + number % every,
                      every); /* not the same */
        } else {
            add_calls(trials, number, point, calls[k], 1, 1);
        }
    }
    trials->discovered = trials->discovered || any;
}

void trials_add_case(struct trials *trials, size_t number, const struct test_case *test,
                     const struct faults_shared *shared)
{
    size_t before = trials->count;

    add_allocations(trials, number, test, shared);
    for (size_t k = 0; k < kinds_count; k++)
        add_calls(trials, number, (struct point){.kind = (int)k}, test->outcome.calls[0][k], 1, 1);
    add_discovery(trials, number, test->outcome.calls[1]);
    if (test->thin > 1) {
        struct trials own = {.list = trials->list + before, .count = trials->count - before};

        trials_thin_out(&own, 0, test->thin);
        trials->count = before + own.count;
    }
}

void trials_thin_out(struct trials *trials, size_t first, size_t every)
{
    size_t kept = 0;

    for (size_t i = first; i < trials->count; i += every)
        trials->list[kept++] = trials->list[i];
    trials->count = kept;
}
