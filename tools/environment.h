/* SPDX-License-Identifier: MIT */
/*
 * What of the machine's state makes timings doubtful: frequency control, SMT, other load,
 * virtualisation. It is looked at, said and written down, and never a reason to refuse.
 */
#ifndef SLABLAB_TOOLS_ENVIRONMENT_H
#define SLABLAB_TOOLS_ENVIRONMENT_H

#include <jansson.h>
#include <stdint.h>

/* A reading of the system's CPU time and of ours. */
struct cpu_reading {
    uint64_t wall_ns;
    uint64_t busy_ns; /* of all CPUs, of all processes, in 10 ms; time stolen by a host included */
    uint64_t own_ns;  /* of this process and of its children that have ended */
};

void cpu_read(struct cpu_reading *reading);

/*
 * Share of the CPUs' time that others than this process and its ended children took since
 * `before`, 0 .. 1; negative: it cannot be told, or in less than ENVIRONMENT_LOOK_NS not well
 * enough.
 */
#define ENVIRONMENT_LOOK_NS 250000000
double cpu_others_share(const struct cpu_reading *before);

/*
 * {governor, turbo, smt, load, others_share, thp, virtual, advice[]}: what cannot be told is
 * absent. `since` is of when the program began; waits until ENVIRONMENT_LOOK_NS have passed since.
 * A new reference; NULL: no memory.
 */
json_t *environment_look(const struct cpu_reading *since);

/* One line of what it is, and one a piece of advice, on stderr. */
void environment_print(const json_t *environment);

#endif
