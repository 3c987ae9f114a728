/* SPDX-License-Identifier: MIT */
/* The same replay on one CPU of this host and on one virtual CPU: see calibrate.h. */
#include "tools/calibrate.h"

#include "sim/error.h"
#include "sim/plan.h"
#include "sim/run.h"
#include "tools/command.h"
#include "tools/replay_plan.h"
#include "tools/replay_session.h"
#include "tools/statistics.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Native runs of each design, in turn, of which the median counts; --repeat may ask for more. */
#define REPEATS_LEAST 5

/* How far apart the simulated runs are from which the slopes are taken; 1/256 of it are exact. */
#define PROBE_CYCLES 64

struct calibrating {
    const struct replay_options *options;
    const struct machine *machine;
    struct topology *host;
    struct plan *plan;
    struct cell_list cells;
    size_t repeats;
    struct calibrate_point *points; /* [cells.count] */
    double *native;                 /* [cells.count * repeats] */
};

/* ns an event of one CPU. */
static int event_ns(const struct calibrating *calibrating, const struct cell *cell,
                    const struct virtual_config *simulated, double *ns, struct error *error)
{
    struct run_config config;
    struct run_report report = {0};
    int code;

    cell_config(calibrating->options, cell, &config);
    config.threads = 1;
    config.replay.replicas = 1;
    config.replay.record = 0;
    config.replay.loops = simulated ? 1 : 0;
    config.virtual_machine = simulated;
    code = (simulated ? virtual_run_execute : run_execute)(
        calibrating->plan, simulated ? calibrating->machine->topology : calibrating->host, &config,
        &report, error);
    if (code == 0 && report.replay.events == 0)
        code = error_set(error, EINVAL, "no event was measured: the trace is too short");
    if (code == 0)
        *ns = (double)report.replay.loop_median_ns * report.replay.loops /
              (double)report.replay.events;
    run_report_cleanup(&report);
    return code ? error_prefix(error, code, "%s", cell->allocator) : 0;
}

/* Three simulated runs: instructions and hits take no time, and with some of either kind. */
static int point_simulate(const struct calibrating *calibrating, const struct cell *cell,
                          struct calibrate_point *point, struct error *error)
{
    struct virtual_config config = calibrating->machine->config;
    struct cost_table table = *config.costs;
    double with_access = 0, with_operation = 0;
    int code;

    table.l1_cycles = 0;
    config.costs = &table;
    config.compute_256ths = config.operation_cycles = 0;
    code = event_ns(calibrating, cell, &config, &point->base_ns, error);
    config.compute_256ths = PROBE_CYCLES * 256;
    if (code == 0)
        code = event_ns(calibrating, cell, &config, &with_access, error);
    config.compute_256ths = 0;
    config.operation_cycles = PROBE_CYCLES;
    if (code == 0)
        code = event_ns(calibrating, cell, &config, &with_operation, error);
    point->access_ns = (with_access - point->base_ns) / PROBE_CYCLES;
    point->operation_ns = (with_operation - point->base_ns) / PROBE_CYCLES;
    return code;
}

static int measure(struct calibrating *calibrating, struct error *error)
{
    size_t count = calibrating->cells.count, repeats = calibrating->repeats;
    int code = 0;

    /* Designs in turn, so that what drifts hits all alike. */
    for (size_t i = 0; code == 0 && i < count * repeats; i++) {
        const struct cell *cell = &calibrating->cells.cells[i % count];

        command_progress("[%zu/%zu] %s natively", i + 1, count * repeats, cell->label);
        code = event_ns(calibrating, cell, NULL,
                        &calibrating->native[i % count * repeats + i / count], error);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        struct calibrate_point *point = &calibrating->points[i];

        point->native_ns = spread_of(&calibrating->native[i * repeats], repeats).median;
        code = point_simulate(calibrating, &calibrating->cells.cells[i], point, error);
    }
    command_progress_clear();
    return code;
}

/*
 * What was fitted is an access's whole cost where it hits. The table has it in two parts: the L1
 * and the instructions beside it. Where the whole is less than the L1's latency, hits overlap (as
 * they do in a core that runs ahead), and the L1's part is what is left of it.
 */
static void table_adjust(struct cost_table *table, const struct calibration *with)
{
    if (with->compute_cycles < table->l1_cycles)
        table->l1_cycles = (uint32_t)with->compute_cycles;
    table->compute_256ths = (uint32_t)round((with->compute_cycles - table->l1_cycles) * 256);
    table->operation_cycles = (uint32_t)round(with->operation_cycles);
}

/* What the machine's configuration makes of each design: predicted, beside what was measured. */
static int predict(const struct calibrating *calibrating, const struct cost_table *table,
                   double *predicted, struct error *error)
{
    struct virtual_config config = calibrating->machine->config;
    int code = 0;

    config.costs = table;
    config.compute_256ths = table->compute_256ths;
    config.operation_cycles = table->operation_cycles;
    for (size_t i = 0; code == 0 && i < calibrating->cells.count; i++)
        code = event_ns(calibrating, &calibrating->cells.cells[i], &config, &predicted[i], error);
    return code;
}

static void print(FILE *stream, const struct calibrating *calibrating, const double *before,
                  const double *after)
{
    size_t count = calibrating->cells.count;
    double off[count], sum = 0, worst = 0;

    fprintf(stream, "One CPU, ns an event: %s, and this host (median of %zu)\n\n",
            calibrating->machine->name, calibrating->repeats);
    fprintf(stream, "%-20s %8s %10s %7s %11s %7s\n", "", "native", "predicted", "ratio",
            "calibrated", "ratio");
    for (size_t i = 0; i < count; i++) {
        double native = calibrating->points[i].native_ns;

        fprintf(stream, "%-20s %8.2f %10.2f %7.2f %11.2f %7.2f\n",
                calibrating->cells.cells[i].label, native, before[i], before[i] / native, after[i],
                after[i] / native);
        off[i] = fabs(log(after[i] / native));
        sum += off[i] * off[i];
        worst = fmax(worst, off[i]);
    }
    fprintf(stream,
            "\ncalibrated: off by a factor of %.2f in the median, %.2f at worst, %.2f in the "
            "root mean square\n",
            exp(spread_of(off, count).median), exp(worst), exp(sqrt(sum / (double)count)));
}

static void print_figures(FILE *stream, const struct cost_table *before,
                          const struct cost_table *after, const struct calibration *fit)
{
    fprintf(stream, "--compute %g --operation %u", after->compute_256ths / 256.0,
            after->operation_cycles);
    if (after->l1_cycles < before->l1_cycles)
        fprintf(stream, ", and %u cycles of an access to L1 instead of %u: hits overlap",
                after->l1_cycles, before->l1_cycles);
    fputc('\n', stream);
    if (!fit->fits_compute || !fit->fits_operation)
        fprintf(stream,
                "These designs do not tell accesses from operations: cycles %s are as they "
                "were.\n",
                fit->fits_compute ? "an operation" : "an access");
}

static int table_write(const struct calibrating *calibrating, struct cost_table *table,
                       const char *trace, const char *output, struct error *error)
{
    char *source;
    int code;

    if (asprintf(&source,
                 "%s\nl1's cycles, compute_256ths and operation_cycles: slablab sim --calibrate "
                 "with %s, %zu designs",
                 table->source, trace, calibrating->cells.count) < 0)
        return error_set(error, ENOMEM, "no memory for a table");
    table->source = source;
    code = cost_table_write(table, output, error);
    free(source);
    return code;
}

/* From what was measured to a table, and what it predicts. */
static int conclude(const struct calibrating *calibrating, const char *trace, const char *output,
                    struct error *error)
{
    const struct virtual_config *config = &calibrating->machine->config;
    FILE *stream = output && strcmp(output, "-") == 0 ? stderr : stdout;
    struct cost_table given = *config->costs, table;
    struct calibration fit = {.compute_cycles = given.l1_cycles + config->compute_256ths / 256.0,
                              .operation_cycles = config->operation_cycles};
    double before[calibrating->cells.count], after[calibrating->cells.count];
    int code;

    given.compute_256ths = config->compute_256ths;
    given.operation_cycles = config->operation_cycles;
    table = given;
    calibrate_fit(calibrating->points, calibrating->cells.count, &fit);
    table_adjust(&table, &fit);
    code = predict(calibrating, &given, before, error);
    if (code == 0)
        code = predict(calibrating, &table, after, error);
    if (code == 0) {
        print(stream, calibrating, before, after);
        print_figures(stream, &given, &table, &fit);
    }
    if (code == 0 && output)
        code = table_write(calibrating, &table, trace, output, error);
    return code;
}

static int check(const struct session_arguments *arguments, struct error *error)
{
    const struct number_list *threads = &arguments->options.threads;

    if (arguments->json || arguments->series)
        return error_set(error, EINVAL, "--calibrate writes no records: leave --json and --series");
    if (threads->count && (threads->count > 1 || threads->automatic || threads->numbers[0] != 1))
        return error_set(error, EINVAL, "--calibrate is done on one CPU: leave --threads");
    if (strcmp(arguments->trace, "-") == 0)
        return error_set(error, EINVAL, "--calibrate wants the trace in a file");
    return 0;
}

static int prepare(struct calibrating *calibrating, struct session_arguments *arguments,
                   struct error *error)
{
    struct replay_options *options = &arguments->options;
    int code = check(arguments, error);

    if (code == 0)
        code = replay_options_check(options, error);
    if (code == 0)
        code = machine_options_resolve(&arguments->machines, error);
    if (code == 0 && arguments->machines.count != 1)
        code = error_set(error, EINVAL, "--calibrate is for one machine, not %zu",
                         arguments->machines.count);
    if (code)
        return code;
    calibrating->options = options;
    calibrating->machine = options->machines = arguments->machines.machines;
    options->nr_machines = 1;
    calibrating->repeats = options->repeats > REPEATS_LEAST ? options->repeats : REPEATS_LEAST;
    code = cells_create(options, &calibrating->cells, error);
    if (code == 0)
        code = topology_create_host(&calibrating->host, error);
    if (code == 0)
        code = replay_plan_create(options, arguments->trace, 1, &calibrating->plan, error);
    if (code)
        return code;
    calibrating->points = calloc(calibrating->cells.count, sizeof *calibrating->points);
    calibrating->native =
        calloc(calibrating->cells.count * calibrating->repeats, sizeof *calibrating->native);
    return calibrating->points && calibrating->native
               ? 0
               : error_set(error, ENOMEM, "no memory for %zu designs", calibrating->cells.count);
}

int calibrate_run(struct session_arguments *arguments, const char *output)
{
    struct calibrating calibrating = {0};
    struct error error = {""};
    int code = prepare(&calibrating, arguments, &error);

    if (code == 0)
        code = measure(&calibrating, &error);
    if (code == 0)
        code = conclude(&calibrating, arguments->trace, output, &error);
    free(calibrating.native);
    free(calibrating.points);
    if (calibrating.plan)
        plan_destroy(calibrating.plan);
    cells_cleanup(&calibrating.cells);
    topology_destroy(calibrating.host);
    machine_options_cleanup(&arguments->machines);
    replay_options_cleanup(&arguments->options);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
