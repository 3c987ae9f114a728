/* SPDX-License-Identifier: MIT */
/*
 * The hardware prefetcher of a CPU: which of the lines that it misses were already on their way.
 *
 * What real ones do, as their makers say: they watch what misses in the core's caches, loads and
 * stores alike (for a store the line is fetched to be owned); they follow a number of streams at
 * once, each in a page of 4 KiB, up or down, and none beyond its page; they begin after a few
 * misses; they bring lines into L2. Intel, IA-32 Optimization Reference Manual (248966-013, 2006),
 * chapter 6: 8 streams on the Pentium 4, 16 on the Core Duo's cores, which go on as long as two
 * successive misses are near each other. AMD, Software Optimization Guide for AMD64 (25112 3.06,
 * 2005), 5.6: from line to line only, after two of them.
 *
 * So here: of the last pages in which this CPU missed, as many as the table has streams, the last
 * line missed is remembered, and the step that led to it. A miss is prefetched if it is in such a
 * page and goes on in the same direction, and neither its step nor the one before was longer than
 * the table allows. That is the third miss of a run at the soonest. A prefetched line costs what
 * the table says wherever it was (an LLC, memory), and nothing else is different: it becomes this
 * CPU's when it is asked for, not before. So what is left out is in favour of the prefetcher: it is
 * never late, never wrong, and takes no bandwidth and no room. Against it: what is in L2 already
 * trains nothing, lines that other CPUs have are never brought, and no stream knows the
 * instruction that makes it, so what strides farther than the table allows is not seen.
 */
#include "sim/virtual/coherence_internal.h"

#include <string.h>

#define LINES_A_PAGE (4096 / COHERENCE_LINE)

bool prefetch_brought(struct coherence_cpu *cpu, const struct cost_table *costs, uintptr_t address)
{
    struct coherence_stream *streams = cpu->streams;
    unsigned count = costs->prefetch_streams, at = 0;
    uintptr_t line = address / COHERENCE_LINE;
    intptr_t step, before;

    if (count == 0)
        return false;
    while (at < count - 1 && streams[at].line / LINES_A_PAGE != line / LINES_A_PAGE)
        at++;
    step = (intptr_t)(line - streams[at].line);
    before = streams[at].step;
    if ((uintptr_t)(step < 0 ? -step : step) > costs->prefetch_lines ||
        streams[at].line / LINES_A_PAGE != line / LINES_A_PAGE)
        step = 0; /* a beginning */
    memmove(streams + 1, streams, at * sizeof *streams);
    streams[0] = (struct coherence_stream){.line = line, .step = step};
    return (step > 0 && before > 0) || (step < 0 && before < 0);
}
