/* SPDX-License-Identifier: MIT */
/* Starts designs on a machine of one CPU, to see whether they would start. */
#include "tools/trial.h"

#include "allocators/allocator.h"
#include "sim/driver.h"
#include "sim/error.h"
#include "sim/topology.h"
#include "tools/machine_options.h"
#include "tools/replay_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Addresses only: a design that has no cache yet holds a few pages. */
#define TRIAL_NODE_BYTES ((size_t)1 << 30)

static int place_cell(const struct replay_options *options, const struct cell *cell,
                      const struct topology *topology, struct error *error)
{
    unsigned *cpus, dealt;
    int code;

    if (cell->threads == 0)
        return topology_nr_dealt(topology, &cell->bind->binding, options->run.oversubscribe, &dealt,
                                 error);
    cpus = calloc(cell->threads, sizeof *cpus);
    if (!cpus)
        return error_set(error, ENOMEM, "no memory to place %u threads", cell->threads);
    code = topology_place(topology, &cell->bind->binding, cell->threads, options->run.oversubscribe,
                          cpus, error);
    free(cpus);
    return code;
}

static int start_cell(const struct replay_options *options, const struct cell *cell,
                      struct error *error)
{
    struct allocator_instance *instance;
    int code = cell_instance(options, cell, &instance, error);

    if (code)
        return code;
    code = allocator_start(instance, error);
    allocator_destroy(instance);
    return code;
}

/* Cells start alike that differ in what is not the design's. */
static int start_cells(const struct replay_options *options, const struct cell_list *cells,
                       struct error *error)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < cells->count; i++) {
        const struct cell *cell = &cells->cells[i];

        if (cells_share_plan(cell, &cells->cells[0]) && cell->lock == cells->cells[0].lock)
            code = start_cell(options, cell, error);
    }
    return code;
}

int trial_run(const struct replay_options *options, const struct cell_list *cells,
              const struct topology *topology, struct error *error)
{
    static const unsigned node;
    struct machine_config machine = {.nr_cpus = 1, .nr_nodes = 1, .cpu_node = &node};
    struct page_config pages = {.nr_nodes = 1,
                                .nr_cpus = 1,
                                .cpu_node = &node,
                                .node_bytes = TRIAL_NODE_BYTES,
                                .lazy = true};
    int code = 0;

    for (size_t i = 0; code == 0 && i < cells->count; i++) {
        const struct cell *cell = &cells->cells[i];

        if (i == 0 || !cells_share_plan(cell, cell - 1))
            code = place_cell(options, cell, cell->machine ? cell->machine->topology : topology,
                              error);
    }
    if (code == 0)
        code = machine_start(&machine, error);
    if (code)
        return code;
    code = page_init(&pages, error);
    if (code == 0) {
        code = start_cells(options, cells, error);
        page_exit();
    }
    machine_stop();
    return code;
}

void start_anew(char *const command[])
{
    const char *already = getenv(ALLOCATOR_ENVIRONMENT_NAME);
    char *value;

    if (already && strstr(already, "optional_static_tls"))
        return;
    if (asprintf(&value, "%s%s%s", already ? already : "", already ? ":" : "",
                 ALLOCATOR_ENVIRONMENT_VALUE) < 0)
        return;
    setenv(ALLOCATOR_ENVIRONMENT_NAME, value, 1);
    free(value);
    execv("/proc/self/exe", command);
}
