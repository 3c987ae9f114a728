/* SPDX-License-Identifier: MIT */
/*
 * The machine made of virtual CPUs, as who sets it up sees it. Its drivers see driver.h, allocators
 * machine.h: the same as natively.
 *
 * The whole machine, with allocators and replay of its own, is one object file in which all names
 * are hidden but those declared at the end here: see the Makefile, and "One source, two machines"
 * in sim/README.md.
 */
#ifndef SLABLAB_SIM_VIRTUAL_VIRTUAL_H
#define SLABLAB_SIM_VIRTUAL_VIRTUAL_H

#include "sim/virtual/coherence.h"

#include <stdbool.h>
#include <stdint.h>

struct error;
struct explorer;
struct plan;
struct run_config;
struct run_report;
struct topology;

#define VIRTUAL_MAX_CPUS 1024

struct virtual_config {
    const struct cost_table *costs;
    bool own_topology;         /* the topology is the table's own: its hops are known */
    uint64_t slack_cycles;     /* how far a CPU may lead the slowest before it gives way */
    uint32_t compute_256ths;   /* cycles / 256 of instructions an access */
    uint32_t operation_cycles; /* of instructions an allocation or a free */
    struct explorer *explorer; /* who chooses whose turn it is, instead of time; see explore.h */
};

/* As costs has it: slack is its cheapest transfer between CPUs. */
struct virtual_config virtual_config_of(const struct cost_table *costs, bool own_topology);

/* run_execute (run.h) on virtual CPUs; config->virtual_machine is set. */
int virtual_run_execute(const struct plan *plan, const struct topology *topology,
                        const struct run_config *config, struct run_report *report,
                        struct error *error);

#endif
