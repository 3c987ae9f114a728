/* SPDX-License-Identifier: MIT */
/* From figures to a whole table: what was measured, and by ratio what could not be. */
#include "tools/measure_machine.h"

#include "sim/topology.h"
#include "tools/no_memory.h"
#include "tools/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the host's caches and kind ---- */

const char *measure_reference(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_is("amd"))
        return "opteron-6172x4";
#endif
    return "xeon-e7-8867lx8";
}

/* First line of a file of a cache's in sysfs; "" when it cannot be read. */
static const char *cache_word(unsigned os_cpu, unsigned index, const char *file, char word[32])
{
    char path[128];
    FILE *stream;

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%u/cache/index%u/%s", os_cpu, index,
             file);
    stream = fopen(path, "re");
    if (!stream && errno == ENOMEM)
        memory_missing("a look at the caches");
    if (!stream || !fgets(word, 32, stream))
        word[0] = '\0';
    if (stream)
        fclose(stream);
    return word;
}

void measure_caches(unsigned os_cpu, struct cost_table *table)
{
    char word[32];

    for (unsigned index = 0; *cache_word(os_cpu, index, "level", word); index++) {
        long level = strtol(word, NULL, 10), kilobytes, ways;
        struct cost_cache *cache = level == 1 ? &table->l1 : level == 2 ? &table->l2 : &table->llc;

        if (*cache_word(os_cpu, index, "type", word) == 'I')
            continue;
        kilobytes = strtol(cache_word(os_cpu, index, "size", word), NULL, 10);
        ways = strtol(cache_word(os_cpu, index, "ways_of_associativity", word), NULL, 10);
        if (kilobytes > 0 && kilobytes < 4 << 20)
            *cache = (struct cost_cache){(uint32_t)kilobytes << 10, ways > 0 ? (uint32_t)ways : 8};
    }
}

/* ---- what was measured ---- */

/* NAN: not known (yet). */
typedef double cost_cells[COST_OPS][LINE_STATES][DISTANCES][COST_HOMES];

/* Of all pairs that stand for a cell; NAN: there are none. */
static double cell_median(const struct measurement *measurement, const struct measure_cell *like)
{
    double *values = calloc(measurement->nr_cells + 1, sizeof *values), median = NAN;
    size_t count = 0;

    for (size_t i = 0; values && i < measurement->nr_cells; i++) {
        const struct measure_cell *cell = &measurement->cells[i];

        if (cell->op == like->op && cell->state == like->state &&
            cell->distance == like->distance && cell->home == like->home && cell->figure.rounds &&
            !cell->not_set_up)
            values[count++] = cell->figure.median;
    }
    if (count)
        median = spread_of(values, count).median;
    free(values);
    return median;
}

/*
 * A store is timed with the fence that waits for it; what that takes on a line of one's own is the
 * fence's, but for an access to L1.
 */
static void cells_take(const struct measurement *measurement, cost_cells cells)
{
    for (unsigned i = 0; i < sizeof(cost_cells) / sizeof(double); i++)
        ((double *)cells)[i] = NAN;
    for (size_t i = 0; i < measurement->nr_cells; i++) {
        const struct measure_cell *cell = &measurement->cells[i];
        double cycles = cell_median(measurement, cell);

        if (isnan(cycles))
            continue;
        if (cell->op == COST_STORE)
            cycles += measurement->l1.median - measurement->store.median;
        cells[cell->op][cell->state][cell->distance][cell->home] = fmax(cycles, 1);
        /* Memory's place follows from its distance. */
        if (cell->state == LINE_INVALID)
            cells[cell->op][cell->state][cell->distance][!cell->home] = fmax(cycles, 1);
    }
}

/* ---- what was not ---- */

static enum distance first_distance(enum line_state state)
{
    return state == LINE_INVALID ? DISTANCE_NODE : DISTANCE_CORE;
}

static double ratio(const struct cost_table *reference, enum cost_op op, enum line_state state,
                    enum distance distance, enum cost_op to_op, enum line_state to_state,
                    enum distance to_distance, enum cost_home home)
{
    return (double)reference->cost[op][state][distance][home] /
           (double)reference->cost[to_op][to_state][to_distance][home];
}

/* The known distance that is nearest to `wanted`, the nearer of two; DISTANCES: none is known. */
static enum distance known_distance(double costs[DISTANCES][COST_HOMES], enum distance wanted,
                                    enum cost_home home)
{
    for (int away = 0; away < DISTANCES; away++) {
        int nearer = (int)wanted - away, farther = (int)wanted + away;

        if (nearer >= 0 && !isnan(costs[nearer][home]))
            return (enum distance)nearer;
        if (farther < DISTANCES && !isnan(costs[farther][home]))
            return (enum distance)farther;
    }
    return DISTANCES;
}

/* Other homes as the one that is known; other distances by the reference's ratio to a known one. */
static void distances_fill(const struct cost_table *reference, enum cost_op op,
                           enum line_state state, double costs[DISTANCES][COST_HOMES])
{
    double known[DISTANCES][COST_HOMES];

    for (unsigned i = 0; i < DISTANCES * COST_HOMES; i++) {
        double *cell = &costs[i / COST_HOMES][i % COST_HOMES];

        if (isnan(*cell))
            *cell = costs[i / COST_HOMES][!(i % COST_HOMES)];
    }
    memcpy(known, costs, sizeof known);
    for (enum distance distance = first_distance(state); distance < DISTANCES; distance++) {
        for (enum cost_home home = 0; home < COST_HOMES; home++) {
            enum distance from = known_distance(known, distance, home);

            if (isnan(costs[distance][home]) && from < DISTANCES)
                costs[distance][home] = known[from][home] * ratio(reference, op, state, distance,
                                                                  op, state, from, home);
        }
    }
}

/* An operation or a state that could not be set up, by its ratio to another that is known. */
static void derive(const struct cost_table *reference, cost_cells cells, enum cost_op op,
                   enum line_state state, enum cost_op from_op, enum line_state from_state)
{
    distances_fill(reference, op, state, cells[op][state]);
    for (enum distance distance = first_distance(state); distance < DISTANCES; distance++) {
        for (enum cost_home home = 0; home < COST_HOMES; home++) {
            double *cell = &cells[op][state][distance][home];

            if (isnan(*cell))
                *cell = cells[from_op][from_state][distance][home] *
                        ratio(reference, op, state, distance, from_op, from_state, distance, home);
        }
    }
}

static void cells_fill(const struct measure_options *options, const struct cost_table *table,
                       cost_cells cells)
{
    const struct cost_table *reference = options->reference;
    enum distance any = known_distance(cells[COST_LOAD][LINE_MODIFIED], DISTANCE_LLC, HOME_NEAR);

    /* One CPU: lines of others, which it has none of, by what its last-level cache takes. */
    if (any == DISTANCES)
        cells[COST_LOAD][LINE_MODIFIED][DISTANCE_LLC][HOME_NEAR] =
            reference->cost[COST_LOAD][LINE_MODIFIED][DISTANCE_LLC][HOME_NEAR] *
            ((double)(table->llc_cycles ? table->llc_cycles : table->l2_cycles) /
             reference->llc_cycles);
    for (enum cost_op op = 0; op < COST_OPS; op++) {
        derive(reference, cells, op, LINE_MODIFIED, COST_LOAD, LINE_MODIFIED);
        derive(reference, cells, op, LINE_EXCLUSIVE, op, LINE_MODIFIED);
        derive(reference, cells, op, LINE_SHARED, op, LINE_MODIFIED);
        derive(reference, cells, op, LINE_OWNED, op, LINE_SHARED);
        derive(reference, cells, op, LINE_INVALID, op, LINE_MODIFIED);
    }
}

/* ---- the table ---- */

static uint32_t cycles_of(double cycles)
{
    return cycles < 1 ? 1 : (uint32_t)lround(cycles);
}

/* Of a cache the quick rounds are the truth: what others do in it can only add to it. */
static double cache_figure(const struct line_figure *figure, const struct cost_table *table,
                           uint32_t reference_cycles, uint32_t reference_l1)
{
    if (figure->rounds)
        return figure->low;
    return (double)table->l1_cycles * reference_cycles / reference_l1;
}

/*
 * Of the prefetcher nothing is measured but where it brings lines to: its streams and their steps
 * are those that the newer of the built-in machines are taken to have (sim/MACHINES.md).
 */
#define PREFETCH_STREAMS 16
#define PREFETCH_LINES   4

static void local_fill(const struct measure_options *options, const struct measurement *measurement,
                       struct cost_table *table)
{
    const struct cost_table *reference = options->reference;

    table->l1_cycles = cycles_of(measurement->l1.median);
    table->atomic_cycles = cycles_of(measurement->atomic.median - measurement->l1.median);
    if (table->l2.bytes)
        table->l2_cycles = cycles_of(
            cache_figure(&measurement->l2, table, reference->l2_cycles, reference->l1_cycles));
    if (table->llc.bytes)
        table->llc_cycles = cycles_of(
            cache_figure(&measurement->llc, table, reference->llc_cycles, reference->l1_cycles));
    if (table->l2.bytes) {
        table->prefetch_streams = PREFETCH_STREAMS;
        table->prefetch_lines = PREFETCH_LINES;
        table->prefetch_cycles = table->l2_cycles;
    }
    table->compute_256ths = reference->compute_256ths;
    table->operation_cycles = reference->operation_cycles;
    table->interrupt_cycles = cycles_of(reference->interrupt_cycles * table->hz / reference->hz);
    table->sleep_cycles = cycles_of(reference->sleep_cycles * table->hz / reference->hz);
}

/* All who stored to a line that its owner had modified and they had read found it their own. */
static bool lines_migrate(const struct measurement *measurement)
{
    bool some = false;

    for (size_t i = 0; i < measurement->nr_cells; i++) {
        const struct measure_cell *cell = &measurement->cells[i];

        if (cell->state != LINE_OWNED || cell->op == COST_LOAD)
            continue;
        if (!cell->not_set_up)
            return false;
        some = true;
    }
    return some;
}

void measure_fill(const struct measure_options *options, const struct measurement *measurement,
                  struct cost_table *table)
{
    cost_cells cells;

    local_fill(options, measurement, table);
    table->migrates = lines_migrate(measurement);
    cells_take(measurement, cells);
    cells_fill(options, table, cells);
    for (unsigned i = 0; i < COST_OPS * LINE_STATES * COST_HOMES; i++) {
        enum cost_op op = i / (LINE_STATES * COST_HOMES);
        enum line_state state = i / COST_HOMES % LINE_STATES;
        enum cost_home home = i % COST_HOMES;
        uint32_t nearer = 0;

        for (enum distance distance = first_distance(state); distance < DISTANCES; distance++) {
            uint32_t cycles = cycles_of(cells[op][state][distance][home]);

            nearer = cycles > nearer ? cycles : nearer;
            table->cost[op][state][distance][home] = nearer;
        }
    }
}
