/* SPDX-License-Identifier: MIT */
/*
 * The literature's loads as traces. A workload is one struct with its parameters beside it; it is
 * deterministic: the same parameters, the seed among them, give the same bytes everywhere.
 */
#ifndef SLABLAB_TRACES_GEN_GENERATE_H
#define SLABLAB_TRACES_GEN_GENERATE_H

#include <stddef.h>
#include <stdint.h>

#include "sim/tunable.h"

struct error;
struct generator;

/*
 * `options` is the workload's own struct, which begins with a struct gen_common (traces/gen/gen.h)
 * and is set by tunable_set_initial and tunable_set from `parameters`. The rest is what a load
 * does: see traces/gen/gen.h.
 */
struct workload {
    const char *name;
    const char *summary;              /* one line for `slablab list workloads` */
    const char *source;               /* who described it */
    const struct tunable *parameters; /* ends with a NULL key; numbers, choices, switches only */
    size_t options_size;

    int (*start)(struct generator *generator, const void *options, void **load,
                 struct error *error);
    int (*step)(struct generator *generator, void *load, uint32_t cpu);
    void (*stop)(void *load); /* NULL is fine */
};

const struct workload *const *workload_all(size_t *count);
/* -ENOENT: there is none of this name; the sentence lists all. */
int workload_find(const char *name, const struct workload **workload, struct error *error);

/* The workload's options with every parameter at its default; NULL: no memory. free() frees them.
 */
void *workload_options(const struct workload *workload);

/* What was written. */
struct generate_report {
    uint64_t events, cpus, duration_ns;
};

/* How far it is, now and then. */
struct generate_progress {
    void (*show)(void *context, uint64_t events);
    void *context;
};

/*
 * Writes the trace `output` ("-": standard output): exactly as many events as asked for; what lives
 * then stays live. Memory is bounded by live objects and CPUs. `report` and `progress` may be NULL.
 * -EINVAL: parameters that do not go together.
 */
int generate_trace(const struct workload *workload, const void *options, const char *output,
                   const struct generate_progress *progress, struct generate_report *report,
                   struct error *error);

#endif
