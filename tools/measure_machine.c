/* SPDX-License-Identifier: MIT */
/* What is timed, between whom; see measure_machine.h. */
#include "tools/measure_machine.h"

#include "sim/array.h"
#include "sim/error.h"
#include "sim/topology.h"
#include "tools/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * 64 lines fit into any L1; 256 bytes apart, since processors fetch lines by pairs and half pages
 * ahead of a stride.
 */
#define LINES      64
#define STRIDE     256
#define LINE_BYTES 64

/* Of the time, for the caches and one's own lines: five figures. */
#define LOCAL_FIGURES 5
#define LOCAL_SHARE   0.2

/* ---- which cells ---- */

struct layout {
    const struct measure_options *options;
    uint8_t *cpus, *nodes; /* enum distance, of options->cpus and of all nodes */
    unsigned nr_nodes;
};

static enum distance apart(const struct layout *layout, unsigned i, unsigned j)
{
    return layout->cpus[(size_t)i * layout->options->nr_cpus + j];
}

static enum distance nodes_apart(const struct layout *layout, unsigned i, unsigned j)
{
    const struct measure_options *options = layout->options;
    const struct topology_cpu *a = topology_cpu(options->topology, options->cpus[i]);
    const struct topology_cpu *b = topology_cpu(options->topology, options->cpus[j]);

    return layout->nodes[(size_t)a->node * layout->nr_nodes + b->node];
}

static int cell_add(struct measurement *measurement, const struct measure_cell *cell)
{
    int code = array_grow((void **)&measurement->cells, &measurement->capacity,
                          measurement->nr_cells + 1, sizeof *cell);

    if (!code)
        measurement->cells[measurement->nr_cells++] = *cell;
    return code;
}

/*
 * A third CPU that has a copy: no nearer to the asker than the owner is, or the distance would be
 * the third's. nr_cpus: there is none.
 */
static unsigned sharer_find(const struct layout *layout, unsigned asker, unsigned owner)
{
    unsigned k = 0, count = layout->options->nr_cpus;

    while (k < count &&
           (k == asker || k == owner || apart(layout, asker, k) < apart(layout, asker, owner)))
        k++;
    return k;
}

/* A CPU whose memory is in another package than the asker's; the owner, if it can be. */
static unsigned far_home_find(const struct layout *layout, unsigned asker, unsigned owner)
{
    unsigned k = 0, count = layout->options->nr_cpus;

    if (nodes_apart(layout, asker, owner) >= DISTANCE_HOP1)
        return owner;
    while (k < count && nodes_apart(layout, asker, k) < DISTANCE_HOP1)
        k++;
    return k;
}

static bool can_set_up(const struct measure_cell *cell)
{
    if (cell->state == LINE_MODIFIED)
        return true;
    if (cell->state == LINE_OWNED)
        return cell->op != COST_LOAD || cell->has_sharer;
    return line_can_flush() &&
           (cell->state != LINE_SHARED || cell->op != COST_LOAD || cell->has_sharer);
}

static int pair_plan(const struct layout *layout, unsigned asker, unsigned owner,
                     struct measurement *measurement)
{
    const unsigned *cpus = layout->options->cpus;
    unsigned nr_cpus = layout->options->nr_cpus, sharer = sharer_find(layout, asker, owner);
    unsigned homes[COST_HOMES] = {asker, far_home_find(layout, asker, owner)};
    int code = 0;

    for (unsigned i = 0; !code && i < COST_OPS * LINE_STATES * COST_HOMES; i++) {
        struct measure_cell cell = {
            .op = i / (LINE_STATES * COST_HOMES),
            .state = i / COST_HOMES % LINE_STATES,
            .home = i % COST_HOMES,
            .distance = apart(layout, asker, owner),
            .cpus = {cpus[asker], cpus[owner], sharer < nr_cpus ? cpus[sharer] : 0},
            .has_sharer = sharer < nr_cpus,
        };

        if (cell.state == LINE_INVALID || homes[cell.home] == nr_cpus || !can_set_up(&cell))
            continue;
        cell.home_cpu = cpus[homes[cell.home]];
        code = cell_add(measurement, &cell);
    }
    return code;
}

/* From memory that is near `home`. */
static int memory_plan(const struct layout *layout, unsigned asker, unsigned home,
                       struct measurement *measurement)
{
    int code = 0;

    for (enum cost_op op = 0; !code && op < COST_OPS && line_can_flush(); op++) {
        struct measure_cell cell = {
            .op = op,
            .state = LINE_INVALID,
            .distance = nodes_apart(layout, asker, home),
            .cpus = {layout->options->cpus[asker]},
            .home_cpu = layout->options->cpus[home],
        };

        cell.home = cell.distance < DISTANCE_HOP1 ? HOME_NEAR : HOME_FAR;
        code = cell_add(measurement, &cell);
    }
    return code;
}

static int cells_plan(const struct layout *layout, struct measurement *measurement)
{
    unsigned count = layout->options->nr_cpus;
    bool pairs[DISTANCES] = {false}, homes[DISTANCES] = {false};
    int code = 0;

    for (unsigned i = 0; !code && i < count; i++) {
        for (unsigned j = 0; !code && j < count; j++) {
            enum distance memory = nodes_apart(layout, i, j), distance = apart(layout, i, j);

            if (!homes[memory])
                code = memory_plan(layout, i, j, measurement);
            homes[memory] = true;
            if (!code && i != j && (layout->options->all_pairs || !pairs[distance]))
                code = pair_plan(layout, i, j, measurement);
            pairs[distance] = true;
        }
    }
    return code;
}

int measure_plan(const struct measure_options *options, struct measurement *measurement,
                 struct error *error)
{
    size_t cpus = options->nr_cpus, nodes = topology_nr_nodes(options->topology);
    struct layout layout = {.options = options,
                            .cpus = malloc(cpus * cpus),
                            .nodes = malloc(nodes * nodes),
                            .nr_nodes = (unsigned)nodes};
    int code = -1;

    if (layout.cpus && layout.nodes) {
        cost_distances(options->topology, options->reference, false, options->cpus,
                       options->nr_cpus, layout.cpus, layout.nodes);
        code = cells_plan(&layout, measurement);
    }
    free(layout.cpus);
    free(layout.nodes);
    return code ? error_set(error, ENOMEM, "no memory to plan what to measure") : 0;
}

void measurement_cleanup(struct measurement *measurement)
{
    free(measurement->cells);
}

/* ---- how ---- */

/*
 * The asker's part comes last. It has a copy itself where it stores to what is shared: else it
 * would have to fetch the line too.
 */
static void steps_set(struct line_timing *timing, const struct measure_cell *cell)
{
    static const struct line_step modified = {ACTOR_OWNER, ACT_STORE};
    static const struct line_step dropped = {ACTOR_OWNER, ACT_FLUSH};
    static const struct line_step fetched = {ACTOR_OWNER, ACT_LOAD};
    struct line_step shared = {cell->op == COST_LOAD ? ACTOR_SHARER : ACTOR_ASKER, ACT_LOAD};
    unsigned n = 0;

    switch (cell->state) {
    case LINE_MODIFIED:
        timing->steps[n++] = modified;
        break;
    case LINE_OWNED:
        timing->steps[n++] = modified;
        timing->steps[n++] = shared;
        break;
    case LINE_INVALID:
        timing->steps[n++] = (struct line_step){ACTOR_ASKER, ACT_FLUSH};
        break;
    default:
        timing->steps[n++] = dropped;
        timing->steps[n++] = fetched;
        if (cell->state == LINE_SHARED)
            timing->steps[n++] = shared;
    }
    timing->steps[n++] = (struct line_step){ACTOR_ASKER, ACT_TIME};
    timing->nr_steps = n;
}

/* Its figure against that of a line that is this CPU's own, timed alike. */
static bool is_own_line(const struct measurement *measurement, const struct measure_cell *cell)
{
    double own_line = cell->op == COST_LOAD    ? measurement->l1.median
                      : cell->op == COST_STORE ? measurement->store.median
                                               : measurement->atomic.median;
    double l2 = measurement->l2.rounds ? measurement->l2.median : 2 * measurement->l1.median;

    return cell->distance > DISTANCE_CORE &&
           cell->figure.median < own_line + l2 - measurement->l1.median;
}

/* Loads through as many lines as half fill a cache that is `bytes` large, lines next to lines. */
static int chase(const struct measure_options *options, size_t bytes, uint64_t budget_ns,
                 struct line_figure *figure, struct error *error)
{
    struct line_timing timing = {
        .topology = options->topology,
        .cpus = {options->cpus[0]},
        .home_cpu = options->cpus[0],
        .steps = {{ACTOR_ASKER, ACT_TIME}},
        .nr_steps = 1,
        .op = COST_LOAD,
        .nr_lines = bytes / 2 / LINE_BYTES,
        .stride = LINE_BYTES,
        .budget_ns = budget_ns,
    };

    return line_time(&timing, figure, error);
}

/* On lines that are the CPU's own, in L1. */
static int own(const struct measure_options *options, enum cost_op op, uint64_t budget_ns,
               struct line_figure *figure, struct error *error)
{
    struct line_timing timing = {
        .topology = options->topology,
        .cpus = {options->cpus[0]},
        .home_cpu = options->cpus[0],
        .steps = {{ACTOR_ASKER, ACT_STORE}, {ACTOR_ASKER, ACT_TIME}},
        .nr_steps = 2,
        .op = op,
        .nr_lines = LINES,
        .stride = STRIDE,
        .budget_ns = budget_ns,
    };

    return line_time(&timing, figure, error);
}

static int local_run(const struct measure_options *options, const struct cost_table *table,
                     struct measurement *measurement, uint64_t budget_ns, struct error *error)
{
    /* Systems that hide their second level (in containers, say) still tell of the last. */
    size_t nearer = table->l2.bytes ? table->l2.bytes : table->l1.bytes;
    int code = own(options, COST_LOAD, budget_ns, &measurement->l1, error);

    if (!code)
        code = own(options, COST_STORE, budget_ns, &measurement->store, error);
    if (!code)
        code = own(options, COST_ATOMIC, budget_ns, &measurement->atomic, error);
    /* Half of a cache must be more than all of the nearer one, or that is measured again. */
    if (!code && table->l2.bytes / 2 > table->l1.bytes)
        code = chase(options, table->l2.bytes, budget_ns, &measurement->l2, error);
    if (!code && table->llc.bytes / 2 > 2 * nearer) {
        /* Not all of a large one: others use it too, and a guest is told more than it gets. */
        size_t bytes = 16 * nearer;

        code = chase(options, bytes < table->llc.bytes ? bytes : table->llc.bytes, budget_ns,
                     &measurement->llc, error);
    }
    return code;
}

int measure_run(const struct measure_options *options, const struct cost_table *table,
                struct measurement *measurement, struct error *error)
{
    double ns = options->seconds * 1e9;
    int code =
        local_run(options, table, measurement, (uint64_t)(ns * LOCAL_SHARE / LOCAL_FIGURES), error);

    for (size_t i = 0; !code && i < measurement->nr_cells; i++) {
        struct measure_cell *cell = &measurement->cells[i];
        struct line_timing timing = {
            .topology = options->topology,
            .home_cpu = cell->home_cpu,
            .op = cell->op,
            .nr_lines = LINES,
            .stride = STRIDE,
            .budget_ns = (uint64_t)(ns * (1 - LOCAL_SHARE) / (double)measurement->nr_cells),
        };

        memcpy(timing.cpus, cell->cpus, sizeof timing.cpus);
        steps_set(&timing, cell);
        command_progress("%zu of %zu: %s %s %s", i + 1, measurement->nr_cells,
                         cost_op_name(cell->op), line_state_name(cell->state),
                         distance_name(cell->distance));
        code = line_time(&timing, &cell->figure, error);
        if (!code)
            cell->not_set_up = is_own_line(measurement, cell);
    }
    command_progress_clear();
    return code;
}
