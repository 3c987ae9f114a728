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
#include "traces/outfile.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Native runs of each design, in turn, of which the median counts; --repeat may ask for more. */
#define REPEATS_LEAST 5

/*
 * Natively a median of hundreds of loops counts, so simulated it is the quickest of some: a
 * design that gives pages back and takes others comes upon memory that no cache has, ever less
 * often from loop to loop. The quickest of so many is within 3% of where the samples' loops stay.
 */
#define SETTLED_LOOPS 16

/* How far apart the simulated runs are from which the slopes are taken; 1/256 of it are exact. */
#define PROBE_CYCLES 64

struct calibrating {
    const struct replay_options *options;
    const struct machine *machine;
    struct topology *host;
    struct cell_list cells;
    const struct word_list *traces;
    struct plan **plans; /* [traces->count] */
    size_t repeats;
    size_t count;                   /* traces->count * cells.count: each trace with each design */
    struct calibrate_point *points; /* [count], a trace's together */
    double *settled_ns;             /* [count] of an event, what settling adds to the first loop */
    double *native;                 /* [count * repeats] */
};

static const struct cell *cell_of(const struct calibrating *calibrating, size_t point)
{
    return &calibrating->cells.cells[point % calibrating->cells.count];
}

/* ns an event of one CPU: natively the median loop, simulated (so many) the quickest. */
static int event_ns(const struct calibrating *calibrating, size_t point,
                    const struct virtual_config *simulated, unsigned loops, double *ns,
                    struct error *error)
{
    const struct cell *cell = cell_of(calibrating, point);
    struct run_config config;
    struct run_report report = {0};
    int code;

    cell_config(calibrating->options, cell, &config);
    config.threads = 1;
    config.replay.replicas = 1;
    config.replay.record = 0;
    config.replay.loops = loops;
    config.virtual_machine = simulated;
    code = (simulated ? virtual_run_execute : run_execute)(
        calibrating->plans[point / calibrating->cells.count],
        simulated ? calibrating->machine->topology : calibrating->host, &config, &report, error);
    if (code == 0 && report.replay.events == 0)
        code = error_set(error, EINVAL, "no event was measured: the trace is too short");
    if (code == 0)
        *ns = (double)(simulated ? report.replay.loop_min_ns : report.replay.loop_median_ns) *
              report.replay.loops / (double)report.replay.events;
    run_report_cleanup(&report);
    return code ? error_prefix(error, code, "%s", cell->allocator) : 0;
}

/*
 * Simulated runs: instructions and hits take no time, in the first loop and when all has settled,
 * and with some of either kind. What settling saves is misses, so it is the same with either.
 */
static int point_simulate(const struct calibrating *calibrating, size_t index, struct error *error)
{
    struct calibrate_point *point = &calibrating->points[index];
    struct virtual_config config = calibrating->machine->config;
    struct cost_table table = *config.costs;
    double first = 0, with_access = 0, with_operation = 0;
    int code;

    command_progress("[%zu/%zu] %s simulated", index + 1, calibrating->count,
                     cell_of(calibrating, index)->label);
    table.l1_cycles = 0;
    config.costs = &table;
    config.compute_256ths = config.operation_cycles = 0;
    code = event_ns(calibrating, index, &config, SETTLED_LOOPS, &point->base_ns, error);
    if (code == 0)
        code = event_ns(calibrating, index, &config, 1, &first, error);
    config.compute_256ths = PROBE_CYCLES * 256;
    if (code == 0)
        code = event_ns(calibrating, index, &config, 1, &with_access, error);
    config.compute_256ths = 0;
    config.operation_cycles = PROBE_CYCLES;
    if (code == 0)
        code = event_ns(calibrating, index, &config, 1, &with_operation, error);
    calibrating->settled_ns[index] = point->base_ns - first;
    point->access_ns = (with_access - first) / PROBE_CYCLES;
    point->operation_ns = (with_operation - first) / PROBE_CYCLES;
    return code;
}

static int measure(struct calibrating *calibrating, struct error *error)
{
    size_t count = calibrating->count, repeats = calibrating->repeats;
    int code = 0;

    /* All in turn, so that what drifts hits all alike. */
    for (size_t i = 0; code == 0 && i < count * repeats; i++) {
        command_progress("[%zu/%zu] %s natively", i + 1, count * repeats,
                         cell_of(calibrating, i % count)->label);
        code = event_ns(calibrating, i % count, NULL, 0,
                        &calibrating->native[i % count * repeats + i / count], error);
    }
    for (size_t i = 0; code == 0 && i < count; i++) {
        calibrating->points[i].native_ns =
            spread_of(&calibrating->native[i * repeats], repeats).median;
        code = point_simulate(calibrating, i, error);
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

/* What a table makes of each design, settled. */
static int predict(const struct calibrating *calibrating, const struct cost_table *table,
                   double *predicted, struct error *error)
{
    struct virtual_config config = calibrating->machine->config;
    int code = 0;

    config.costs = table;
    config.compute_256ths = table->compute_256ths;
    config.operation_cycles = table->operation_cycles;
    for (size_t i = 0; code == 0 && i < calibrating->count; i++) {
        code = event_ns(calibrating, i, &config, 1, &predicted[i], error);
        predicted[i] += calibrating->settled_ns[i];
    }
    return code;
}

/* One trace: predicted, beside what was measured. */
static void print_trace(FILE *stream, const struct calibrating *calibrating, size_t trace,
                        const double *before, const double *after)
{
    size_t designs = calibrating->cells.count;

    if (calibrating->traces->count > 1)
        fprintf(stream, "%s\n", calibrating->traces->words[trace]);
    fprintf(stream, "%-20s %8s %10s %7s %11s %7s\n", "", "native", "predicted", "ratio",
            "calibrated", "ratio");
    for (size_t i = trace * designs; i < (trace + 1) * designs; i++) {
        double native = calibrating->points[i].native_ns;

        fprintf(stream, "%-20s %8.2f %10.2f %7.2f %11.2f %7.2f\n", cell_of(calibrating, i)->label,
                native, before[i], before[i] / native, after[i], after[i] / native);
    }
    fputc('\n', stream);
}

static void print(FILE *stream, const struct calibrating *calibrating, const double *before,
                  const double *after)
{
    size_t count = calibrating->count;
    double off[count], sum = 0, worst = 0;

    fprintf(stream, "One CPU, ns an event: %s, and this host (median of %zu)\n\n",
            calibrating->machine->name, calibrating->repeats);
    for (size_t trace = 0; trace < calibrating->traces->count; trace++)
        print_trace(stream, calibrating, trace, before, after);
    for (size_t i = 0; i < count; i++) {
        off[i] = fabs(log(after[i] / calibrating->points[i].native_ns));
        sum += off[i] * off[i];
        worst = fmax(worst, off[i]);
    }
    fprintf(stream,
            "calibrated: off by a factor of %.2f in the median, %.2f at worst, %.2f in the root "
            "mean square\n",
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
                       const char *output, struct error *error)
{
    const struct word_list *traces = calibrating->traces;
    size_t size;
    char *source;
    FILE *text = open_memstream(&source, &size);
    int code;

    if (!text)
        return error_set(error, ENOMEM, "no memory for a table");
    fprintf(text,
            "%s\nl1's cycles, compute_256ths and operation_cycles: slablab sim --calibrate, "
            "%zu designs with",
            table->source, calibrating->cells.count);
    for (size_t i = 0; i < traces->count; i++)
        fprintf(text, "%s %s", i ? "," : "", traces->words[i]);
    if (fclose(text) != 0)
        return error_set(error, ENOMEM, "no memory for a table");
    table->source = source;
    code = cost_table_write(table, output, error);
    free(source);
    return code;
}

/* From what was measured to a table, and what it predicts. */
static int conclude(const struct calibrating *calibrating, const char *output, struct error *error)
{
    const struct virtual_config *config = &calibrating->machine->config;
    FILE *stream = output && strcmp(output, "-") == 0 ? stderr : stdout;
    struct cost_table given = *config->costs, table;
    struct calibration fit = {.compute_cycles = given.l1_cycles + config->compute_256ths / 256.0,
                              .operation_cycles = config->operation_cycles};
    double before[calibrating->count], after[calibrating->count];
    int code;

    given.compute_256ths = config->compute_256ths;
    given.operation_cycles = config->operation_cycles;
    table = given;
    calibrate_fit(calibrating->points, calibrating->count, &fit);
    table_adjust(&table, &fit);
    code = predict(calibrating, &given, before, error);
    if (code == 0)
        code = predict(calibrating, &table, after, error);
    if (code == 0) {
        print(stream, calibrating, before, after);
        print_figures(stream, &given, &table, &fit);
    }
    if (code == 0 && output)
        code = table_write(calibrating, &table, output, error);
    return code;
}

static int check(const struct session_arguments *arguments, const struct word_list *traces,
                 struct error *error)
{
    const struct number_list *threads = &arguments->options.threads;

    if (arguments->json || arguments->series)
        return error_set(error, EINVAL, "--calibrate writes no records: leave --json and --series");
    if (threads->count && (threads->count > 1 || threads->automatic || threads->numbers[0] != 1))
        return error_set(error, EINVAL, "--calibrate is done on one CPU: leave --threads");
    for (size_t i = 0; i < traces->count; i++) {
        if (strcmp(traces->words[i], "-") == 0)
            return error_set(error, EINVAL, "--calibrate wants its traces in files");
    }
    return 0;
}

/* Plans of all traces, and room for what comes of them with each design. */
static int points_create(struct calibrating *calibrating, struct error *error)
{
    size_t traces = calibrating->traces->count, count = traces * calibrating->cells.count;
    int code = 0;

    calibrating->count = count;
    calibrating->points = calloc(count, sizeof *calibrating->points);
    calibrating->settled_ns = calloc(count, sizeof *calibrating->settled_ns);
    calibrating->native = calloc(count * calibrating->repeats, sizeof *calibrating->native);
    calibrating->plans = calloc(traces, sizeof *calibrating->plans);
    if (!calibrating->points || !calibrating->settled_ns || !calibrating->native ||
        !calibrating->plans)
        return error_set(error, ENOMEM, "no memory for %zu designs with %zu traces",
                         calibrating->cells.count, traces);
    for (size_t i = 0; code == 0 && i < traces; i++)
        code = replay_plan_create(calibrating->options, calibrating->traces->words[i], 1,
                                  &calibrating->plans[i], error);
    return code;
}

static int prepare(struct calibrating *calibrating, struct session_arguments *arguments,
                   struct error *error)
{
    struct replay_options *options = &arguments->options;
    int code = check(arguments, calibrating->traces, error);

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
    return code ?: points_create(calibrating, error);
}

/* The table is not to be written over what it is made of. */
static int spare_inputs(const char *output, const struct word_list *traces, const char *costs,
                        struct error *error)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < traces->count; i++)
        code = outfile_spares(output, traces->words[i], error);
    return code == 0 && costs ? outfile_spares(output, costs, error) : code;
}

int calibrate_run(struct session_arguments *arguments, const struct word_list *traces,
                  const char *output)
{
    struct calibrating calibrating = {.traces = traces};
    struct error error = {""};
    int code = output ? spare_inputs(output, traces, arguments->machines.costs, &error) : 0;

    if (code == 0)
        code = prepare(&calibrating, arguments, &error);
    if (code == 0)
        code = measure(&calibrating, &error);
    if (code == 0)
        code = conclude(&calibrating, output, &error);
    for (size_t i = 0; calibrating.plans && i < traces->count; i++)
        plan_destroy(calibrating.plans[i]);
    free(calibrating.plans);
    free(calibrating.native);
    free(calibrating.settled_ns);
    free(calibrating.points);
    cells_cleanup(&calibrating.cells);
    topology_destroy(calibrating.host);
    machine_options_cleanup(&arguments->machines);
    replay_options_cleanup(&arguments->options);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
