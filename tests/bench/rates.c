/* SPDX-License-Identifier: MIT */
/*
 * How fast traces are read and plans are built: rates TRACE [ROUNDS]. For tools/bench.
 *
 * A round reads the trace from start to end (trace_open, trace_read, trace_close) and then builds
 * the plan of two workers from it (plan_create), which reads it once more. It prints a line
 *
 *     read NS_PER_EVENT plan NS_PER_EVENT
 *
 * where `plan` is the time of the second less that of the first: what the plan adds to reading. So
 * in a single round on a busy machine it may be far off, or below 0. Times are the processor's, of
 * all threads, which others' work disturbs least; all is warm: a round that is not printed comes
 * first. 10 ROUNDS unless told.
 *
 * What the kernel takes to give pages is in both figures, as it is in a program that does this
 * once; with MALLOC_MMAP_THRESHOLD_=1000000000 MALLOC_TRIM_THRESHOLD_=2000000000 in the environment
 * a round gets the pages of the one before, and it is not.
 */
#include "sim/error.h"
#include "sim/plan.h"
#include "traces/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { RATES_EVENTS = 1024 }; /* as many at a time as plan_create reads */

static double now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Events in the trace, or a negative errno. */
static int64_t read_all(const char *trace, struct error *error)
{
    static struct trace_event events[RATES_EVENTS];
    struct trace_reader *reader;
    int64_t total = 0;
    ssize_t count = trace_open(trace, &reader, error);

    if (count)
        return count;
    while ((count = trace_read(reader, events, RATES_EVENTS, error)) > 0)
        total += count;
    trace_close(reader);
    return count ? count : total;
}

/* One round; ns an event. */
static int measure(const char *trace, double *read_ns, double *plan_ns, struct error *error)
{
    const struct plan_config config = {.workers = 2};
    struct plan *plan;
    double start = now_ns(), middle, end;
    int64_t events = read_all(trace, error);
    int code;

    if (events < 0)
        return (int)events;
    middle = now_ns();
    code = plan_create(trace, &config, &plan, error);
    end = now_ns();
    if (code)
        return code;
    plan_destroy(plan);
    *read_ns = (middle - start) / (double)events;
    *plan_ns = (end - middle) / (double)events - *read_ns;
    return 0;
}

int main(int argc, char **argv)
{
    long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 10;

    if (argc < 2 || argc > 3 || rounds < 1) {
        fprintf(stderr, "rates: usage: rates TRACE [ROUNDS]\n");
        return 2;
    }
    for (long round = 0; round <= rounds; round++) {
        struct error error;
        double read_ns = 0, plan_ns = 0;

        if (measure(argv[1], &read_ns, &plan_ns, &error)) {
            fprintf(stderr, "rates: %s\n", error.text);
            return 2;
        }
        if (round)
            printf("read %.3f plan %.3f\n", read_ns, plan_ns);
    }
    return 0;
}
