/* SPDX-License-Identifier: MIT */
/*
 * The native machine's clock: which counter it reads, at what rate that runs, and whether it can be
 * believed. What an allocator sees of it is machine.h (now_cycles), what drivers see driver.h.
 */
#ifndef SLABLAB_SIM_CLOCK_H
#define SLABLAB_SIM_CLOCK_H

#include <stdint.h>
#include <stdio.h>

/* Two readings this far apart tell the clock's rate to about 1e-4. */
#define CLOCK_BASE_NS 2000000

/* The machine's clock and the system's (CLOCK_MONOTONIC_RAW) at one moment. */
struct clock_reading {
    uint64_t cycles;
    uint64_t ns;
};

/*
 * As nearly at one moment as can be: the tightest of a few tries, so that it takes more than an
 * interrupt to spoil it. Good to some tens of ns.
 */
void clock_read(struct clock_reading *reading);

/*
 * Chooses the clock, the first time (it takes CLOCK_BASE_NS then); calibrates it and measures its
 * cost. By one thread, while no other reads the clock.
 */
void clock_start(void);

/* Calibrates anew over all the time since the first start: the longer, the better. As clock_start.
 */
void clock_calibrate(void);

/* What the rate rests on: the reading of the first start. */
const struct clock_reading *clock_base(void);

/* Returns once CLOCK_BASE_NS have passed since `reading` was taken. */
void clock_wait_base(const struct clock_reading *reading);

/*
 * How far the rate between `start` and `end` is from that between `base` and `start`, relative.
 * The three in order and CLOCK_BASE_NS apart, or more.
 */
double clock_drift(const struct clock_reading *base, const struct clock_reading *start,
                   const struct clock_reading *end);

/*
 * By how many ns the system's clock, as `reading` has it, is ahead of the straight line through
 * `start` and `end`. It is the same for readings of counters that agree.
 */
double clock_off_ns(const struct clock_reading *start, const struct clock_reading *end,
                    const struct clock_reading *reading);

/*
 * What the text of /proc/cpuinfo has against the time-stamp counter: a sentence, or NULL. A file
 * that has no flags at all has nothing to say.
 */
const char *clock_cpuinfo_objection(FILE *cpuinfo);

#endif
