/* SPDX-License-Identifier: MIT */
/* Machines for tests of the caches' model; see coherence_model.h. */
#include "tests/coherence_model.h"

#include "sim/virtual/coherence_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t next_prime(uint32_t after)
{
    for (uint32_t candidate = after + 1;; candidate++) {
        uint32_t divisor = 2;

        while (divisor * divisor <= candidate && candidate % divisor)
            divisor++;
        if (divisor * divisor > candidate)
            return candidate;
    }
}

static void fill_costs(struct cost_table *costs, bool has_owned, const unsigned *caches)
{
    uint32_t prime = 100;

    *costs = (struct cost_table){
        .has_owned = has_owned,
        .l1 = {4 * COHERENCE_LINE, 4},
        .l2 = {8 * COHERENCE_LINE, 8},
        .llc = {16 * COHERENCE_LINE, 16},
        .l1_cycles = 3,
        .l2_cycles = 11,
        .llc_cycles = 41,
        .atomic_cycles = 17,
    };
    if (caches) {
        costs->l1 = (struct cost_cache){caches[0] * 8 * COHERENCE_LINE, 8};
        costs->l2 = (struct cost_cache){caches[1] * 8 * COHERENCE_LINE, 8};
        costs->llc = (struct cost_cache){caches[2] * 8 * COHERENCE_LINE, 8};
    }
    for (unsigned distance = DISTANCE_CORE; distance < DISTANCES; distance++)
        for (unsigned op = 0; op < COST_OPS; op++)
            for (unsigned state = 0; state < LINE_STATES; state++)
                for (unsigned home = 0; home < COST_HOMES; home++)
                    costs->cost[op][state][distance][home] = prime = next_prime(prime);
}

enum distance model_distance(const struct model *model, unsigned cpu, unsigned other)
{
    const struct model_shape *shape = &model->shape;
    unsigned package = cpu / shape->per_package, others = other / shape->per_package;

    if (cpu == other)
        return DISTANCE_SELF;
    if (cpu / shape->per_core == other / shape->per_core)
        return DISTANCE_CORE;
    if (cpu / shape->per_llc == other / shape->per_llc)
        return DISTANCE_LLC;
    if (cpu / shape->per_node == other / shape->per_node)
        return DISTANCE_NODE;
    if (package == others)
        return DISTANCE_PACKAGE;
    return package + 1 == others || others + 1 == package ? DISTANCE_HOP1 : DISTANCE_HOP2;
}

enum distance model_node_distance(const struct model *model, unsigned cpu, unsigned node)
{
    enum distance distance = model_distance(model, cpu, node * model->shape.per_node);

    return distance < DISTANCE_NODE ? DISTANCE_NODE : distance;
}

static void note_violation(void *context, const struct coherence_violation *violation)
{
    struct model *model = context;

    model->last = *violation;
    model->violations++;
}

static struct coherence_region region_at(uintptr_t base, unsigned nodes, bool guarded)
{
    return (struct coherence_region){.base = base,
                                     .bytes = (nodes + 1) * HOME_BYTES,
                                     .home_bytes = HOME_BYTES,
                                     .guarded = guarded};
}

void model_init(struct model *model, const struct model_shape *shape, bool has_owned,
                const unsigned *caches)
{
    unsigned cpus = shape->cpus, nodes = cpus / shape->per_node;
    uint8_t *cpu_distances = malloc((size_t)cpus * cpus);
    uint8_t *node_distances = malloc((size_t)nodes * nodes);
    unsigned *cpu_node = malloc(cpus * sizeof *cpu_node), *cpu_llc = malloc(cpus * sizeof *cpu_llc);
    struct coherence_config config = {
        .costs = &model->costs,
        .nr_cpus = cpus,
        .nr_nodes = nodes,
        .nr_llcs = cpus / shape->per_llc,
        .cpu_distances = cpu_distances,
        .node_distances = node_distances,
        .cpu_node = cpu_node,
        .cpu_llc = cpu_llc,
        .regions = {region_at(OPEN_BASE, nodes, false), region_at(GUARDED_BASE, nodes, true)},
        .nr_regions = 2,
        .violation = note_violation,
        .context = model,
    };

    assert_true(cpu_distances && node_distances && cpu_node && cpu_llc);
    *model = (struct model){.shape = *shape};
    fill_costs(&model->costs, has_owned, caches);
    for (unsigned i = 0; i < cpus; i++) {
        cpu_node[i] = i / shape->per_node;
        cpu_llc[i] = i / shape->per_llc;
        for (unsigned j = 0; j < cpus; j++)
            cpu_distances[i * cpus + j] = (uint8_t)model_distance(model, i, j);
    }
    for (unsigned i = 0; i < nodes; i++)
        for (unsigned j = 0; j < nodes; j++)
            node_distances[i * nodes + j] =
                (uint8_t)model_node_distance(model, i * shape->per_node, j);
    assert_int_equal(coherence_create(&config, &model->coherence, NULL), 0);
    free(cpu_distances);
    free(node_distances);
    free(cpu_node);
    free(cpu_llc);
}

void model_cleanup(struct model *model)
{
    coherence_destroy(model->coherence);
}

uint64_t model_cost(const struct model *model, unsigned cpu, enum cost_op op, enum line_state state,
                    enum distance distance, unsigned node)
{
    bool far = model_node_distance(model, cpu, node) > DISTANCE_PACKAGE;

    return model->costs.cost[op][state][distance][far ? HOME_FAR : HOME_NEAR];
}

uint64_t model_memory_cost(const struct model *model, unsigned cpu, enum cost_op op, unsigned node)
{
    return model_cost(model, cpu, op, LINE_INVALID, model_node_distance(model, cpu, node), node);
}

static const struct coherence_line *line_at(const struct model *model, uintptr_t address)
{
    const struct coherence_mapped *region = coherence_mapped_at(model->coherence, address);

    return &model->coherence->lines[(address - region->origin) / COHERENCE_LINE];
}

uint64_t model_access(struct model *model, unsigned cpu, uintptr_t address, enum cost_op op)
{
    uint64_t now = line_at(model, address)->busy_until + 1;

    return coherence_access(model->coherence, cpu, address, 8, op, now, NULL);
}

enum line_state model_state(const struct model *model, uintptr_t address)
{
    return line_at(model, address)->state;
}

bool model_holds(const struct model *model, unsigned cpu, uintptr_t address)
{
    return holders_have(model->coherence, line_at(model, address), cpu);
}

unsigned model_nr_holders(const struct model *model, uintptr_t address)
{
    return line_at(model, address)->nr_holders;
}

struct coherence_counts model_counts(const struct model *model)
{
    struct coherence_counts sum = {0};
    uint64_t *words = (uint64_t *)&sum;

    for (unsigned cpu = 0; cpu < model->shape.cpus; cpu++) {
        const uint64_t *counts = (const uint64_t *)coherence_counts(model->coherence, cpu);

        for (size_t i = 0; i < sizeof sum / sizeof *words; i++)
            words[i] += counts[i];
    }
    return sum;
}

/* ---- the machine of most tests ---- */

static int setup(void **state, bool has_owned)
{
    static const struct model_shape shape = {
        .cpus = 32, .per_core = 2, .per_llc = 4, .per_node = 8, .per_package = 16};
    static struct model model;

    model_init(&model, &shape, has_owned, NULL);
    *state = &model;
    return 0;
}

int model_setup_mesi(void **state)
{
    return setup(state, false);
}

int model_setup_moesi(void **state)
{
    return setup(state, true);
}

int model_teardown(void **state)
{
    model_cleanup(*state);
    return 0;
}

uintptr_t fresh_line(unsigned node)
{
    static unsigned count;

    return OPEN_BASE + node * HOME_BYTES + count++ % 4096 * COHERENCE_LINE;
}
