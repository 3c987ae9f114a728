/* SPDX-License-Identifier: MIT */
/*
 * One run: a machine, an arena and a design set up, a plan replayed, all taken down again; what
 * came of it is a result (result.h).
 */
#ifndef SLABLAB_SIM_RUN_H
#define SLABLAB_SIM_RUN_H

#include "sim/lock.h"
#include "sim/plan.h"
#include "sim/replay.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct allocator_instance;
struct binding;
struct error;
struct topology;
struct virtual_config;

/* allocator.key=value */
struct run_setting {
    const char *key;
    const char *value;
};

struct run_config {
    const char *allocator; /* "magazine", "malloc:libc" */
    const struct run_setting *settings;
    size_t nr_settings;
    uint64_t magazine_size; /* 0: the design's own */
    unsigned threads;
    bool oversubscribe;
    const struct binding *binding;
    enum lock_kind lock;
    bool trace_timers;
    uint64_t memory_limit; /* bytes of pages, 0: none */
    bool small_pages;
    const struct virtual_config *virtual_machine; /* NULL: the native one */
    uint64_t one_cpu_peak_bytes; /* of the same design on one CPU, for the blowup; 0: not known */
    struct replay_config replay;
};

/* A tunable as it was in the run. */
struct run_tunable {
    const char *key;
    char value[64];
};

struct run_report {
    struct replay_result replay;
    struct run_tunable *tunables; /* owned: run_report_cleanup */
    size_t nr_tunables;
    bool external; /* memory is not ours: no pages to count */
    bool harness;  /* no allocator: nothing to verify */
    bool bound;
    bool oversubscribed; /* workers share a CPU */
    unsigned nr_nodes;
    size_t huge_bytes; /* of the arena, at the end of the replay */
    struct page_statistics
        reclaimed; /* after the trace's caches were destroyed and all reclaimed */
};

/*
 * The configuration's design with its settings and magazine size, not yet started; to be destroyed
 * with allocator_destroy. Errors: those of allocator_create and allocator_set; -ENOTSUP when a
 * magazine size was asked of a design that has none; -EINVAL when the size wants another value of a
 * tunable than a setting does.
 */
int run_allocator_create(const struct run_config *config, struct allocator_instance **instance,
                         struct error *error);

/*
 * Runs `plan` as `config` says on `topology`. Errors: those of run_allocator_create, -EINVAL and
 * -ERANGE for what the user asked wrongly, -EAGAIN when a malloc library wants a process started
 * anew (see allocators/malloc.c), others when the run failed.
 */
int run_execute(const struct plan *plan, const struct topology *topology,
                const struct run_config *config, struct run_report *report, struct error *error);
void run_report_cleanup(struct run_report *report);

#endif
