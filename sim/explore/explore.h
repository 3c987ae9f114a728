/* SPDX-License-Identifier: MIT */
/*
 * Exploration: the virtual machine under a scheduler that looks for bugs instead of by time. Short
 * scenarios run again and again, each run a schedule of its own, and all invariants are checked.
 * A broken one ends the process by abort, so who explores does it in a child of his own; what was
 * found, and where, is in memory that both share. README.md says what it is worth.
 */
#ifndef SLABLAB_SIM_EXPLORE_EXPLORE_H
#define SLABLAB_SIM_EXPLORE_EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;
struct run_setting;

enum explore_scheduler {
    EXPLORE_RANDOM,    /* at each access another CPU may go on, as often as the seed says */
    EXPLORE_PCT,       /* Burckhardt et al., ASPLOS 2010: priorities, and few points of change */
    EXPLORE_EXHAUSTIVE /* all schedules of few preemptions: Musuvathi & Qadeer, PLDI 2007 */
};

/* A CPU left off, just before the access named here, and another went on. */
struct explore_switch {
    uint64_t step;     /* of the schedule's */
    const void *code;  /* of that access; NULL: at a lock or an event */
    uintptr_t address; /* what was to be accessed */
    uint8_t from, to;  /* CPUs */
    uint8_t op;        /* enum cost_op */
};

/* A schedule that takes so long to compute (they take less than a millisecond) has no end:
 * SIGVTALRM ends the process. */
#define EXPLORE_SECONDS 2

#define EXPLORE_SWITCHES 64 /* the last ones are kept */

/* Written by who explores, read by who watches; zeroed at first. */
struct explore_progress {
    uint64_t done;      /* schedules that ended and broke nothing */
    uint64_t seed;      /* of the schedule in hand, or of an exhaustive one its number */
    uint64_t all_steps; /* of those that ended: places at which another CPU could have gone on */
    bool exhausted;     /* there are no more schedules of so few preemptions */
    bool no_memory;     /* of the host: what was found is no finding */
    char finding[512];  /* what is broken; empty where an assertion said so on stderr */
    uint64_t nr_switches;
    struct explore_switch switches[EXPLORE_SWITCHES]; /* switch n is at n % EXPLORE_SWITCHES */
};

struct explore_config {
    const char *allocator;
    const char *scenario;
    const struct run_setting *settings; /* beyond those of the scenario */
    size_t nr_settings;
    enum explore_scheduler scheduler;
    unsigned depth;       /* of PCT: 1 + points of change */
    unsigned preemptions; /* of an exhaustive search: at most */
    uint64_t seed;        /* schedules have seeds seed, seed + 1, ...; exhaustive ones 0, 1, ... */
    uint64_t schedules;   /* at most */
};

/* The scenarios there are, NULL after the last. */
struct explore_scenario_info {
    const char *name;
    const char *summary;
    unsigned cpus;
    const char *only; /* the design it is for; NULL: for all */
};
const struct explore_scenario_info *virtual_explore_scenario(unsigned index);

/*
 * Runs schedules of one design and scenario. Errors: -ENOENT (no such design or scenario: the
 * sentence lists them), -EINVAL, -ENOMEM.
 */
int virtual_explore(const struct explore_config *config, struct explore_progress *progress,
                    struct error *error);

#endif
