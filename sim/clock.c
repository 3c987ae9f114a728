/* SPDX-License-Identifier: MIT */
/*
 * The clock of the native machine: the processor's counter where it runs at one rate whatever the
 * processor does, else the system's clock.
 */
#include "sim/clock.h"

#include "sim/driver.h"
#include "sim/histogram.h"
#include "sim/spin.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

static struct {
    bool ready;
    bool counter; /* else clock_gettime */
    struct clock_reading base;
    double ns_per_cycle;
    struct machine_clock told;
} clock_state;

static uint64_t monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- the counter, and whether it will do ---- */

#if defined(__x86_64__)
#define COUNTER_NAME "tsc"

static inline uint64_t counter_read(void)
{
    return __rdtsc();
}

/* CPUID and Linux are both asked: either may know that the counter stops or changes its pace. */
static bool counter_usable(const char **reason)
{
    unsigned a, b, c, d;
    const char *objection;
    FILE *cpuinfo;

    if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & (1u << 8))) {
        *reason = "CPUID does not call the time-stamp counter invariant";
        return false;
    }
    cpuinfo = fopen("/proc/cpuinfo", "re");
    if (!cpuinfo) {
        *reason = "invariant by CPUID; /proc/cpuinfo cannot be read";
        return true;
    }
    objection = clock_cpuinfo_objection(cpuinfo);
    fclose(cpuinfo);
    *reason = objection ? objection : "invariant by CPUID and /proc/cpuinfo";
    return !objection;
}
#elif defined(__aarch64__)
#define COUNTER_NAME "cntvct"

/* Unlike the kernel's own reader without an `isb` before it: not serialising, as machine.h says. */
static inline uint64_t counter_read(void)
{
    uint64_t count;

    __asm__ __volatile__("mrs %0, cntvct_el0" : "=r"(count));
    return count;
}

static bool counter_usable(const char **reason)
{
    *reason = "the architecture's system counter runs at one rate";
    return true;
}
#else
#define COUNTER_NAME "none"

static inline uint64_t counter_read(void)
{
    return 0;
}

static bool counter_usable(const char **reason)
{
    *reason = "no counter of this architecture is known";
    return false;
}
#endif

/* Is `flag` one of the words of a line? */
static bool has_flag(const char *line, const char *flag)
{
    size_t length = strlen(flag);

    for (const char *at = line; (at = strstr(at, flag)) != NULL; at += length) {
        if (at > line && strchr(" \t", at[-1]) && strchr(" \t\n", at[length]))
            return true;
    }
    return false;
}

const char *clock_cpuinfo_objection(FILE *cpuinfo)
{
    const char *objection = NULL;
    char *line = NULL;
    size_t capacity = 0;

    /* The flags of every CPU: one without them is enough to distrust the clock. */
    while (!objection && getline(&line, &capacity, cpuinfo) > 0) {
        if (strncmp(line, "flags", strlen("flags")) != 0)
            continue;
        if (!has_flag(line, "constant_tsc"))
            objection = "/proc/cpuinfo does not list constant_tsc";
        else if (!has_flag(line, "nonstop_tsc"))
            objection = "/proc/cpuinfo does not list nonstop_tsc";
    }
    if (!objection && (ferror(cpuinfo) || !feof(cpuinfo)))
        objection = "/proc/cpuinfo could not be read";
    free(line);
    return objection;
}

uint64_t now_cycles(void)
{
    return clock_state.counter ? counter_read() : monotonic_ns();
}

uint64_t machine_cycles_to_ns(uint64_t cycles)
{
    return (uint64_t)((double)cycles * clock_state.ns_per_cycle + 0.5);
}

/* ---- rate and cost ---- */

void clock_read(struct clock_reading *reading)
{
    uint64_t tightest = 0;

    if (!clock_state.counter) {
        reading->ns = reading->cycles = monotonic_ns();
        return;
    }
    for (int i = 0; i < 8; i++) {
        uint64_t before = counter_read();
        uint64_t between = monotonic_ns();
        uint64_t after = counter_read();

        if (i == 0 || after - before < tightest) {
            tightest = after - before;
            reading->cycles = before + (after - before) / 2;
            reading->ns = between;
        }
    }
}

static double ns_per_cycle(const struct clock_reading *from, const struct clock_reading *to)
{
    return (double)(to->ns - from->ns) / (double)(to->cycles - from->cycles);
}

void clock_wait_base(const struct clock_reading *reading)
{
    while (monotonic_ns() - reading->ns < CLOCK_BASE_NS)
        spin_pause();
}

void clock_calibrate(void)
{
    struct clock_reading now;

    clock_wait_base(&clock_state.base);
    clock_read(&now);
    clock_state.ns_per_cycle = ns_per_cycle(&clock_state.base, &now);
    clock_state.told.hz = 1e9 / clock_state.ns_per_cycle;
}

/*
 * By batches, since a counter may tick more slowly than it can be read, and the median of them,
 * since some are interrupted. 1,616 readings take some 40 us, half a millisecond where each is a
 * system call.
 */
#define COST_BATCHES 101
#define COST_BATCH   16

static double cost_measure(void)
{
    struct histogram batches = {0};

    for (unsigned i = 0; i < COST_BATCHES; i++) {
        uint64_t start = now_cycles(), end = start;

        for (unsigned j = 0; j < COST_BATCH; j++)
            end = now_cycles();
        histogram_add(&batches, end - start);
    }
    return (double)histogram_percentile(&batches, 0.5) * clock_state.ns_per_cycle / COST_BATCH;
}

void clock_start(void)
{
    if (!clock_state.ready) {
        clock_state.counter = counter_usable(&clock_state.told.reason);
        clock_state.told.name = clock_state.counter ? COUNTER_NAME : "clock_gettime";
        clock_read(&clock_state.base);
        clock_state.ready = true;
    }
    clock_calibrate();
    clock_state.told.cost_ns = cost_measure();
}

const struct clock_reading *clock_base(void)
{
    return &clock_state.base;
}

const struct machine_clock *machine_clock(void)
{
    return &clock_state.told;
}

/* ---- can it be believed? ---- */

double clock_drift(const struct clock_reading *base, const struct clock_reading *start,
                   const struct clock_reading *end)
{
    return fabs(ns_per_cycle(start, end) / ns_per_cycle(base, start) - 1);
}

double clock_off_ns(const struct clock_reading *start, const struct clock_reading *end,
                    const struct clock_reading *reading)
{
    /* Signed: the reading may be older than `start`, or its counter behind. */
    double cycles = (double)(int64_t)(reading->cycles - start->cycles);

    return (double)(int64_t)(reading->ns - start->ns) - cycles * ns_per_cycle(start, end);
}
