/* SPDX-License-Identifier: MIT */
/* Counters of a thread, by perf_event_open(2) and getrusage(2). */
#include "sim/counters.h"

#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CACHE_EVENT(cache, operation, result)                                                      \
    (PERF_COUNT_HW_CACHE_##cache | PERF_COUNT_HW_CACHE_OP_##operation << 8 |                       \
     PERF_COUNT_HW_CACHE_RESULT_##result << 16)

/*
 * Events of one group count at the same moments, so that their ratios are true; a group that does
 * not fit the processor's counters as a whole never counts at all. So no group has more than three
 * (and a processor with four counters or more, of which a watchdog may keep one, has room for
 * each).
 *
 * Context switches are not among them: they happen in the kernel, and with exclude_kernel the
 * system opens that event and then says zero.
 */
static const struct event {
    const char *name;
    uint32_t type;
    uint64_t config;
    int group; /* -1: not perf's */
} events[COUNTERS] = {
    [COUNTER_CYCLES] = {"cycles", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 0},
    [COUNTER_INSTRUCTIONS] = {"instructions", PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 0},
    [COUNTER_BRANCH_MISSES] = {"branch_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, 0},
    [COUNTER_CACHE_REFERENCES] = {"cache_references", PERF_TYPE_HARDWARE,
                                  PERF_COUNT_HW_CACHE_REFERENCES, 1},
    [COUNTER_CACHE_MISSES] = {"cache_misses", PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, 1},
    [COUNTER_LLC_LOAD_MISSES] = {"llc_load_misses", PERF_TYPE_HW_CACHE, CACHE_EVENT(LL, READ, MISS),
                                 1},
    [COUNTER_DTLB_LOAD_MISSES] = {"dtlb_load_misses", PERF_TYPE_HW_CACHE,
                                  CACHE_EVENT(DTLB, READ, MISS), 2},
    [COUNTER_HITM_LOADS] = {"hitm_loads", PERF_TYPE_RAW, 0 /* the processor's */, 2},
    [COUNTER_PAGE_FAULTS] = {"page_faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 3},
    [COUNTER_CONTEXT_SWITCHES] = {"context_switches", 0, 0, -1},
};

const char *counter_name(enum counter counter)
{
    return events[counter].name;
}

/* ---- the raw event ---- */

/*
 * MEM_LOAD_L3_HIT_RETIRED.XSNP_HITM, from Ice Lake on called XSNP_FWD (which there also counts
 * lines that were forwarded unmodified, since the cache had none): event 0xd2, umask 0x04. Source:
 * Intel's event lists for these models (github.com/intel/perfmon, also in Linux under
 * tools/perf/pmu-events/arch/x86); model numbers as in Linux's asm/intel-family.h. Processors with
 * cores of two kinds are left out, since the event exists on one kind only.
 */
#define HITM_EVENT 0x04d2

uint64_t counter_hitm_event(uint32_t signature)
{
    unsigned family = signature >> 8 & 0xf;
    unsigned model = (signature >> 4 & 0xf) | (signature >> 12 & 0xf0);

    if (family != 6)
        return 0;
    switch (model) {
    case 0x4e: /* Skylake, clients */
    case 0x5e:
    case 0x55: /* Skylake, Cascade Lake and Cooper Lake, servers */
    case 0x8e: /* Kaby, Coffee, Whiskey Lake */
    case 0x9e:
    case 0xa5: /* Comet Lake */
    case 0xa6:
    case 0x66: /* Cannon Lake */
    case 0x7d: /* Ice Lake, clients */
    case 0x7e:
    case 0x6a: /* Ice Lake, servers */
    case 0x6c:
    case 0x8c: /* Tiger Lake */
    case 0x8d:
    case 0xa7: /* Rocket Lake */
    case 0x8f: /* Sapphire Rapids */
        return HITM_EVENT;
    default:
        return 0;
    }
}

static uint64_t hitm_event_here(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;

    if (__get_cpuid(0, &a, &b, &c, &d) && b == signature_INTEL_ebx && c == signature_INTEL_ecx &&
        d == signature_INTEL_edx && __get_cpuid(1, &a, &b, &c, &d))
        return counter_hitm_event(a);
#endif
    return 0;
}

/* ---- one thread's ---- */

/* The file of an event of the calling thread on whatever CPU, or -1. `leader` -1: it leads. */
static int event_open(const struct event *event, int leader)
{
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = event->type,
        .config = event->type == PERF_TYPE_RAW ? hitm_event_here() : event->config,
        .disabled = leader < 0, /* a group runs when its leader does */
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
    };

    if (event->type == PERF_TYPE_RAW && attr.config == 0)
        return -1;
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);
}

void counters_open(struct counters *counters)
{
    int group = -1, leader = -1;

    *counters = (struct counters){0};
    for (unsigned i = 0; i < COUNTERS; i++) {
        counters->files[i] = -1;
        if (events[i].group < 0)
            continue;
        if (events[i].group != group) {
            group = events[i].group;
            leader = -1;
        }
        counters->files[i] = event_open(&events[i], leader);
        /* What does not go with the others may go alone. */
        if (counters->files[i] < 0 && leader >= 0) {
            counters->files[i] = event_open(&events[i], -1);
            counters->leads[i] = counters->files[i] >= 0;
        } else if (leader < 0) {
            leader = counters->files[i];
            counters->leads[i] = leader >= 0;
        }
    }
}

void counters_close(struct counters *counters)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        if (counters->files[i] >= 0)
            close(counters->files[i]);
        counters->files[i] = -1;
    }
}

static uint64_t switches_so_far(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw;
}

/* The hardware's last, so that it sees the least of what starting takes. */
void counters_start(struct counters *counters)
{
    counters->switches_at_start = switches_so_far();
    for (unsigned i = COUNTERS; i-- > 0;) {
        if (counters->leads[i])
            ioctl(counters->files[i], PERF_EVENT_IOC_ENABLE, 0);
    }
}

void counters_stop(struct counters *counters)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        if (counters->leads[i])
            ioctl(counters->files[i], PERF_EVENT_IOC_DISABLE, 0);
    }
    counters->switches += switches_so_far() - counters->switches_at_start;
    counters->has_run = true;
}

bool counter_scale(uint64_t value, uint64_t enabled_ns, uint64_t running_ns, uint64_t *scaled)
{
    if (running_ns == 0)
        return false;
    *scaled = running_ns < enabled_ns
                  ? (uint64_t)((unsigned __int128)value * enabled_ns / running_ns)
                  : value;
    return true;
}

static bool event_read(int file, uint64_t *value)
{
    struct {
        uint64_t value, enabled_ns, running_ns; /* as read_format asks */
    } got;

    return file >= 0 && read(file, &got, sizeof got) == (ssize_t)sizeof got &&
           counter_scale(got.value, got.enabled_ns, got.running_ns, value);
}

void counters_read(const struct counters *counters, struct counter_values *values)
{
    *values = (struct counter_values){0};
    if (!counters->has_run)
        return;
    for (unsigned i = 0; i < COUNTERS; i++) {
        if (event_read(counters->files[i], &values->values[i]))
            values->present |= 1u << i;
    }
    values->values[COUNTER_CONTEXT_SWITCHES] = counters->switches;
    values->present |= 1u << COUNTER_CONTEXT_SWITCHES;
}

/* ---- values ---- */

void counter_values_add(struct counter_values *sum, const struct counter_values *thread)
{
    sum->present &= thread->present;
    for (unsigned i = 0; i < COUNTERS; i++)
        sum->values[i] = sum->present >> i & 1 ? sum->values[i] + thread->values[i] : 0;
}

void counter_values_each(const struct counter_values *values,
                         void (*emit)(void *context, const char *name, uint64_t value),
                         void *context)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        if (values->present >> i & 1)
            emit(context, events[i].name, values->values[i]);
    }
}
