/* SPDX-License-Identifier: MIT */
/*
 * The virtual machine under the tests' fixture: the same tests, linked with this and its objects,
 * run on virtual CPUs. Nodes are packages of a synthetic machine that is big enough.
 */
#include "tests/virtual/fixture.h"

#include "sim/page.h"
#include "sim/topology.h"
#include "sim/virtual/internal.h"
#include "tests/machine_fixture.h"

#include <stdio.h>

static unsigned places[VIRTUAL_MAX_CPUS];
static bool machine_timers, config_given;
static struct virtual_config config;
static struct topology *topology;

void virtual_fixture_set(const struct virtual_config *wanted)
{
    config = *wanted;
    config_given = true;
}

void virtual_fixture_set_machine_timers(void)
{
    machine_timers = true;
}

const struct virtual_config *virtual_fixture_toy(void)
{
    static struct virtual_config toy;
    static struct cost_table table;

    table = (struct cost_table){.name = "toy",
                                .hz = 1e9,
                                .l1 = {32 << 10, 8},
                                .l2 = {512 << 10, 8},
                                .llc = {32 << 20, 16},
                                .l1_cycles = HIT,
                                .l2_cycles = HIT,
                                .llc_cycles = HIT,
                                .interrupt_cycles = INTERRUPT,
                                .sleep_cycles = SLEEP};
    for (unsigned op = 0; op < COST_OPS; op++) {
        for (unsigned state = 0; state < LINE_STATES; state++) {
            for (unsigned i = DISTANCE_CORE; i < DISTANCES; i++) {
                uint32_t cycles = state == LINE_INVALID ? MEMORY : TRANSFER;

                table.cost[op][state][i][HOME_NEAR] = cycles;
                table.cost[op][state][i][HOME_FAR] = cycles;
            }
        }
    }
    toy = virtual_config_of(&table, false);
    toy.slack_cycles = 0;
    return &toy;
}

static int make_config(struct error *error)
{
    const struct cost_table *table;
    int code;

    if (config_given)
        return 0;
    code = cost_table_find("generic-64", &table, error);
    if (code == 0)
        config = virtual_config_of(table, false);
    return code;
}

int fixture_prepare(struct machine_config *machine, struct page_config *pages, struct error *error)
{
    unsigned cores = (machine->nr_cpus + machine->nr_nodes - 1) / machine->nr_nodes;
    struct page_extent arena, records;
    char text[64];
    int code;

    snprintf(text, sizeof text, "package:%u numa:1 l3:1 core:%u pu:1", machine->nr_nodes, cores);
    code = topology_create_synthetic(text, &topology, error);
    if (code == 0)
        code = make_config(error);
    for (unsigned i = 0; i < machine->nr_cpus; i++)
        places[i] = machine->cpu_node[i] * cores + i / machine->nr_nodes;
    pages->lazy = true;
    page_extents(pages, &arena, &records);
    machine->topology = topology;
    machine->place = places;
    machine->trace_timers = !machine_timers;
    machine->virtual_machine = &config;
    machine->regions[0] =
        (struct coherence_region){arena.base, arena.bytes, arena.node_bytes, .guarded = true};
    machine->regions[1] = (struct coherence_region){records.base, records.bytes, records.node_bytes,
                                                    false, MEMORY_PAGE_RECORD};
    machine->nr_regions = 2;
    return code;
}

void fixture_clear(void)
{
    topology_destroy(topology);
    topology = NULL;
    machine_timers = config_given = false;
}

/* As long as a pause instruction takes, or so. */
#define PAUSE_CYCLES 40

void fixture_pause(void)
{
    virtual_spend(PAUSE_CYCLES);
    virtual_synchronise();
}

bool fixture_is_native(void)
{
    return false;
}
