/* SPDX-License-Identifier: MIT */
/*
 * Who goes on: at each access, lock and event a scheduler may let another CPU come first.
 *
 *   random      one access in 2^n gives way to any CPU that can run; n is the schedule's own, so
 *               that some switch all the time and some stop a CPU for long
 *   pct         a random order of priorities, the highest that can run does; at depth - 1 random
 *               steps who runs falls below all others. It finds a bug that d orderings make, of n
 *               CPUs and k steps, with a chance of 1 / (n k^(d - 1)) at least a schedule
 *   exhaustive  depth first over all choices, with no preemption, then one at most, then two ...;
 *               whom to go on with where a CPU cannot is no preemption
 *
 * Who waits for what others do looks again when something has changed. When nobody can run but
 * some wait, time passes, as there may be a timeout or a timer; when that helps nobody, it is a
 * deadlock.
 */
#include "sim/explore/internal.h"

#include "sim/random.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A schedule takes some thousands of steps; one of so many goes round in circles. */
#define STEPS_MOST 500000
/* So much passes when nobody can run, so often: beyond each timeout and each timer there is. */
#define IDLE_NS   ((uint64_t)1000000000)
#define IDLE_MOST 100

struct explorer explorer;

/* ---- findings ---- */

void explore_found(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(explorer.progress->finding, sizeof explorer.progress->finding, format, arguments);
    va_end(arguments);
    abort();
}

static const char *why_it_cannot(const struct virtual_cpu *cpu)
{
    if (cpu->ended)
        return "has ended";
    if (explorer.cpus[cpu->self.id].waits)
        return "waits for a change";
    return cpu->resting ? "rests" : "waits for a lock";
}

static _Noreturn void deadlock(void)
{
    char all[256] = "";

    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        size_t used = strlen(all);

        snprintf(all + used, sizeof all - used, "%sCPU %u %s and holds %u locks", used ? ", " : "",
                 i, why_it_cannot(&virtual_machine.cpus[i]), virtual_machine.cpus[i].held_locks);
    }
    explore_found("deadlock: nobody can go on: %s", all);
}

/* ---- who can run ---- */

static bool can_run(const struct virtual_cpu *cpu)
{
    unsigned id = cpu->self.id;

    return !cpu->ended && !cpu->parked &&
           (!explorer.cpus[id].waits || explorer.cpus[id].since != virtual_machine.changes ||
            cpu->posts);
}

/* Nobody can: a timeout may end, or a timer be due, of one that waits. */
static void time_passes(void)
{
    bool anybody = false;

    if (explorer.idle_at != virtual_machine.changes)
        explorer.idle = 0;
    explorer.idle_at = virtual_machine.changes;
    explorer.now += IDLE_NS;
    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        explorer.cpus[i].since--;
        anybody |= can_run(&virtual_machine.cpus[i]);
    }
    if (!anybody || ++explorer.idle > IDLE_MOST)
        deadlock();
}

/* Those that can run, `self` first if it is one. */
static unsigned ready_of(const struct virtual_cpu *self, struct virtual_cpu **ready)
{
    unsigned count = 0;

    if (can_run(self))
        ready[count++] = &virtual_machine.cpus[self->self.id];
    for (unsigned i = 0; i < machine_nr_cpus; i++) {
        struct virtual_cpu *cpu = &virtual_machine.cpus[i];

        if (cpu != self && can_run(cpu))
            ready[count++] = cpu;
    }
    return count;
}

/* ---- the schedulers: each chooses one of `count` that can run; `going_on`: the first ran ---- */

static unsigned choose_randomly(unsigned count, bool going_on)
{
    if (going_on && (random_next(&explorer.random) >> 32 & ((1u << explorer.rarity) - 1)))
        return 0;
    return (unsigned)random_below(&explorer.random, count);
}

static unsigned choose_by_priority(struct virtual_cpu **ready, unsigned count,
                                   const struct virtual_cpu *self)
{
    unsigned best = 0;

    for (unsigned i = 0; i + 1 < explorer.config->depth; i++) {
        if (explorer.change_at[i] == explorer.steps)
            explorer.cpus[self->self.id].priority = -1 - (int)i;
    }
    for (unsigned i = 1; i < count; i++) {
        if (explorer.cpus[ready[i]->self.id].priority >
            explorer.cpus[ready[best]->self.id].priority)
            best = i;
    }
    return best;
}

/* What was decided for this point, or to go on as it is. */
static unsigned choose_in_turn(unsigned count, bool going_on)
{
    struct explore_decision *decision = &explorer.decisions[explorer.made];

    if (count == 1 || explorer.made == EXPLORE_DECISIONS)
        return 0;
    if (explorer.made++ == explorer.nr_decisions) {
        explorer.nr_decisions++;
        *decision = (struct explore_decision){0, (uint8_t)count, going_on};
    }
    explorer.preempted += decision->preempts && decision->rank;
    return decision->rank;
}

static void note_switch(const struct virtual_cpu *from, const struct virtual_cpu *to)
{
    struct explore_progress *progress = explorer.progress;

    progress->switches[progress->nr_switches++ % EXPLORE_SWITCHES] = (struct explore_switch){
        .step = explorer.steps,
        .code = explorer.place.code,
        .address = explorer.place.address,
        .from = (uint8_t)from->self.id,
        .to = (uint8_t)to->self.id,
        .op = (uint8_t)explorer.place.op,
    };
}

struct virtual_cpu *explore_choose(struct virtual_cpu *self)
{
    struct virtual_cpu *ready[EXPLORE_CPUS], *chosen;
    unsigned count;
    bool going_on;

    if (++explorer.steps > STEPS_MOST)
        explore_found("no end after %d steps", STEPS_MOST);
    while ((count = ready_of(self, ready)) == 0)
        time_passes();
    going_on = ready[0] == self;
    switch (explorer.config->scheduler) {
    case EXPLORE_RANDOM:
        chosen = ready[choose_randomly(count, going_on)];
        break;
    case EXPLORE_PCT:
        chosen = ready[choose_by_priority(ready, count, self)];
        break;
    default:
        chosen = ready[choose_in_turn(count, going_on)];
    }
    chosen->clock = explorer.now;
    if (chosen != self)
        note_switch(self, chosen);
    explorer.place = (struct explore_place){0};
    return chosen;
}

/* ---- where a CPU may leave off ---- */

void explore_access(uintptr_t address, size_t bytes, enum cost_op op, const void *code)
{
    explorer.place = (struct explore_place){address, code, op};
    virtual_yield();
    explorer.place = (struct explore_place){address, code, op};
    explore_guard_check(address, bytes, op);
    if (op != COST_LOAD)
        virtual_machine.changes++;
}

void explore_wait(uint64_t changes)
{
    unsigned self = cpu_id();

    if (!virtual_machine.running)
        return;
    explorer.cpus[self].waits = true;
    explorer.cpus[self].since = changes;
    virtual_yield();
    explorer.cpus[self].waits = false;
}

/* ---- from schedule to schedule ---- */

void explore_schedule_begin(uint64_t seed)
{
    struct explorer *e = &explorer;

    e->random = seed;
    e->steps = 0;
    e->now = 1;
    e->idle = 0;
    e->preempted = 0;
    e->made = 0;
    e->place = (struct explore_place){0};
    memset(e->cpus, 0, sizeof e->cpus);
    e->progress->seed = seed;
    e->progress->nr_switches = 0;
    e->rarity = 2 * (unsigned)random_below(&e->random, 6);
    for (unsigned i = 0; i + 1 < e->config->depth; i++)
        e->change_at[i] = 1 + random_below(&e->random, e->length ? e->length : 1);
    for (unsigned i = 0; i < EXPLORE_CPUS; i++) {
        unsigned other = (unsigned)random_below(&e->random, i + 1);

        e->cpus[i].priority = e->cpus[other].priority;
        e->cpus[other].priority = (int)i;
    }
}

/* Of the deepest choice that has another alternative within the bound. */
static bool next_within_bound(void)
{
    unsigned preempted = 0;

    for (size_t i = 0; i < explorer.nr_decisions; i++)
        preempted += explorer.decisions[i].preempts && explorer.decisions[i].rank;
    while (explorer.nr_decisions > 0) {
        struct explore_decision *last = &explorer.decisions[explorer.nr_decisions - 1];

        preempted -= last->preempts && last->rank;
        if (last->rank + 1 < last->ready && preempted + last->preempts <= explorer.bound) {
            last->rank++;
            return true;
        }
        explorer.nr_decisions--;
    }
    return false;
}

bool explore_schedule_next(void)
{
    if (next_within_bound())
        return true;
    return explorer.bound++ < explorer.config->preemptions;
}
