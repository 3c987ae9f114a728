/* SPDX-License-Identifier: MIT */
/*
 * slablab sweep: every combination of its lists, each run in a process of its own, in a shuffled
 * order so that drift of the machine hits all alike, into an append-only file of results. What runs
 * is sweep_plan.c's, running it sweep_run.c's.
 */
#include "sim/error.h"
#include "sim/topology.h"
#include "tools/command.h"
#include "tools/environment.h"
#include "tools/replay_plan.h"
#include "tools/runs_file.h"
#include "tools/sweep_enough.h"
#include "tools/sweep_fit.h"
#include "tools/sweep_folder.h"
#include "tools/sweep_options.h"
#include "tools/sweep_plan.h"
#include "tools/sweep_run.h"
#include "tools/sweep_table.h"
#include "tools/sweep_until.h"
#include "tools/trial.h"
#include "traces/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct sweep {
    struct sweep_options *options; /* changed by machines_resolve, and in how many runs there are */
    char **typed;                  /* the command */
    struct cell_list cells;
    struct topology *topology;
    unsigned *streams; /* of each trace */
    struct sweep_plan plan;
    struct cpu_reading begun;
    json_t *digests, *environment, *description;
    json_t *left_out; /* what machines have no CPUs for */
    int file;
    int code; /* of noting a record: a visit cannot fail */
};

/* ---- what to run ---- */

/* A trace that is not there, is none, or breaks off is said once and not by every run. */
static int trace_check(const char *path, struct trace_totals *totals, struct error *error)
{
    struct trace_reader *reader;
    int code = trace_open(path, &reader, error);

    if (code)
        return code;
    trace_close(reader);
    return trace_read_totals(path, totals, error);
}

/* The name of one that holds this, or NULL. */
static const char *trace_of_digest(json_t *digests, const char *digest)
{
    const char *path;
    json_t *other;

    json_object_foreach(digests, path, other)
    {
        if (strcmp(json_string_value(other), digest) == 0)
            return path;
    }
    return NULL;
}

/* Checks the traces and notes each one's digest, and how many streams it has. */
static int traces_check(struct sweep *sweep, struct error *error)
{
    const struct sweep_options *options = sweep->options;
    json_t *digests = sweep->digests = json_object();

    sweep->streams = calloc(options->traces.count, sizeof *sweep->streams);
    if (!digests || !sweep->streams)
        return error_set(error, ENOMEM, "no memory for a list of traces");
    for (size_t i = 0; i < options->traces.count; i++) {
        const char *path = options->traces.words[i], *same;
        struct trace_totals totals;
        int code = trace_check(path, &totals, error);

        if (code)
            return code;
        if (json_object_get(digests, path))
            return error_set(error, EINVAL, "%s: is named twice", path);
        same = trace_of_digest(digests, totals.digest);
        if (same)
            return error_set(error, EINVAL,
                             "%s: holds the same as %s, so that nobody could tell "
                             "their runs apart",
                             path, same);
        if (json_object_set_new(digests, path, json_string(totals.digest)) != 0)
            return error_set(error, EINVAL, "%s: a name that is no UTF-8 cannot be written down",
                             path);
        sweep->streams[i] = (unsigned)totals.streams;
    }
    return 0;
}

static int machines_resolve(struct sweep_options *options, struct error *error)
{
    int code = machine_options_resolve(&options->machines, error);

    options->replay.machines = options->machines.machines;
    options->replay.nr_machines = options->machines.count;
    return code;
}

/* All that can be said to be wrong before a folder is made. */
static int cells_check(struct sweep *sweep, struct error *error)
{
    const struct sweep_options *options = sweep->options;
    int code = replay_options_check(&options->replay, error);

    if (code == 0 && options->simulated)
        code = machines_resolve(sweep->options, error);
    if (code == 0)
        code = cells_create(&options->replay, &sweep->cells, error);
    if (code == 0)
        code = sweep_fit(&options->replay, &sweep->cells, &sweep->left_out, error);
    if (code == 0)
        code = topology_create_host(&sweep->topology, error);
    if (code == 0)
        code = trial_run(&options->replay, &sweep->cells, sweep->topology, error);
    if (code == -EAGAIN)
        start_anew(sweep->typed);
    if (code == 0)
        code = topology_hand_down(sweep->topology, error);
    return code;
}

/* Of each trace, the cells whose `auto` comes to what is listed too. */
static int cells_find_same(const struct sweep *sweep, bool *same, struct error *error)
{
    const struct replay_options *replay = &sweep->options->replay;
    size_t nr_cells = sweep->cells.count;

    for (size_t i = 0; i < sweep->options->traces.count * nr_cells; i++) {
        const struct cell *cell = &sweep->cells.cells[i % nr_cells];
        unsigned streams = sweep->streams[i / nr_cells], nr_dealt;
        int code =
            topology_nr_dealt(cell->machine ? cell->machine->topology : sweep->topology,
                              &cell->bind->binding, replay->run.oversubscribe, &nr_dealt, error);

        if (code)
            return code;
        if (replay->streams.count)
            streams = (unsigned)replay->streams.count;
        same[i] = cell_is_repeated(replay, cell, nr_dealt, streams);
    }
    return 0;
}

static int combinations_create(struct sweep *sweep, struct error *error)
{
    const struct sweep_options *options = sweep->options;
    bool *same = calloc(options->traces.count * sweep->cells.count, sizeof *same);
    int code = same ? cells_find_same(sweep, same, error)
                    : error_set(error, ENOMEM, "no memory for a list of cells");

    if (code == 0)
        code = sweep_plan_create(&sweep->plan, &options->traces, &sweep->cells, same,
                                 options->request.compare_itself, error);
    free(same);
    return code;
}

/* A run with a valid result is not run again; one that failed is, and its last record counts. */
static void note_record(void *context, const json_t *record)
{
    struct sweep *sweep = context;

    if (sweep_plan_note(&sweep->plan, record) != 0)
        sweep->code = -ENOMEM;
}

/* Begins the files of the sweep, or goes on with those that are there. */
static int results_open(struct sweep *sweep, struct error *error)
{
    const struct sweep_options *options = sweep->options;
    const char *folder = options->folder;

    sweep->file =
        sweep_folder_open(folder, options->resume, sweep->description, note_record, sweep, error);
    if (sweep->file < 0)
        return sweep->file;
    return sweep->code ? error_set(error, ENOMEM, "no memory for the runs of %s", folder) : 0;
}

/* ---- running ---- */

/*
 * What --until still wants, in rounds of one repetition of each combination that is not known well
 * enough: so these are interleaved, too.
 */
static int run_until(struct sweep *sweep, struct sweep_runner *runner, struct error *error)
{
    struct until until = sweep->options->until;
    int code = 0;

    while (code == 0) {
        size_t before = sweep->plan.nr_runs;

        code = sweep_plan_extend(&sweep->plan, until_wants, &until,
                                 sweep->options->replay.run.replay.seed, error);
        if (code || sweep->plan.nr_runs == before)
            break;
        code = sweep_run_all(runner, &sweep->plan, error);
    }
    return code;
}

static int run_all(struct sweep *sweep, struct error *error)
{
    const struct sweep_options *options = sweep->options;
    struct sweep_runner runner = {.options = &options->replay,
                                  .folder = options->folder,
                                  .file = sweep->file,
                                  .machines = options->simulated ? &options->machines : NULL,
                                  .environment = sweep->environment};
    int code = 0;

    if (!options->simulated && (sweep_plan_missing(&sweep->plan) || options->request.until))
        code = sweep_warm_up(&runner, &sweep->plan, error);
    if (code == 0)
        code = sweep_run_all(&runner, &sweep->plan, error);
    if (code == 0 && options->request.until)
        code = run_until(sweep, &runner, error);
    return code;
}

static void summary_print(const struct sweep *sweep, size_t missing)
{
    size_t disturbed = json_object_size(sweep->plan.disturbed);

    fprintf(stderr, "%zu runs in %s/%s", sweep->plan.nr_runs, sweep->options->folder,
            RUNS_FILE_NAME);
    if (missing)
        fprintf(stderr, ", %zu of them without a valid result", missing);
    if (disturbed)
        fprintf(
            stderr,
            ", %zu of them disturbed (they say by what, and are left out where others are there; "
            "--resume --rerun-disturbed repeats them)",
            disturbed);
    fprintf(stderr, "\n");
}

/* Everything that can be wrong before a folder is made, and the plan. */
static int sweep_prepare(struct sweep *sweep, struct error *error)
{
    struct sweep_options *options = sweep->options;
    uint64_t seed = options->replay.run.replay.seed;
    bool until = options->request.until;
    int code = traces_check(sweep, error);

    if (code == 0)
        code = cells_check(sweep, error);
    if (code == 0)
        code = combinations_create(sweep, error);
    if (code)
        return code;
    if (!until)
        options->request.runs =
            sweep_plan_size(&sweep->plan, options->request.repeats, &options->shard);
    sweep->environment = options->simulated ? json_object() : environment_look(&sweep->begun);
    sweep->description =
        sweep->environment
            ? sweep_description(&options->replay.given, &options->machines.given, sweep->digests,
                                seed, &options->request, sweep->environment)
            : NULL;
    if (!sweep->description)
        return error_set(error, ENOMEM, "no memory for the description of a sweep");
    if (json_array_size(sweep->left_out))
        json_object_set(sweep->description, "left_out", sweep->left_out);
    sweep->plan.rerun_disturbed = options->rerun_disturbed;
    code = results_open(sweep, error);
    if (code == 0) /* what is done is known now */
        code =
            sweep_plan_begin(&sweep->plan, until ? UNTIL_LEAST : (unsigned)options->request.repeats,
                             seed, &options->shard, until, error);
    return code;
}

/* Everything between the options and the status; *missing gets how many runs have no result. */
static int sweep_run(struct sweep *sweep, size_t *missing, struct error *error)
{
    const struct sweep_options *options = sweep->options;
    int code = sweep_prepare(sweep, error);

    if (code == 0) {
        if (!options->simulated)
            environment_print(sweep->environment);
        sweep_fit_print(sweep->left_out);
        if (!options->simulated && !options->request.until && !options->resume)
            code = sweep_enough_print(&sweep->plan, options->request.repeats, stderr, error);
    }
    if (code == 0)
        code = run_all(sweep, error);
    *missing = sweep_plan_missing(&sweep->plan);
    if (code == 0 && *missing < sweep->plan.nr_runs)
        code = sweep_table_print(options->folder, error);
    if (code == 0)
        summary_print(sweep, *missing);
    return code;
}

static void sweep_cleanup(struct sweep *sweep)
{
    sweep_plan_destroy(&sweep->plan);
    cells_cleanup(&sweep->cells);
    topology_destroy(sweep->topology);
    free(sweep->streams);
    json_decref(sweep->digests);
    json_decref(sweep->left_out);
    json_decref(sweep->environment);
    json_decref(sweep->description);
    if (sweep->file >= 0)
        close(sweep->file);
}

int cmd_sweep(int argc, char **argv)
{
    struct sweep_options options;
    struct sweep sweep = {.options = &options, .file = -1};
    char *typed[argc + 2]; /* "slablab", "sweep", the rest */
    struct error error;
    size_t missing = 0;
    int code;

    cpu_read(&sweep.begun);
    typed[0] = "slablab";
    typed[1] = "sweep";
    memcpy(&typed[2], &argv[1], (size_t)argc * sizeof *argv); /* with the NULL at the end */
    sweep.typed = typed;
    code = sweep_options_parse(&options, argc, argv, &error);
    if (code == 0)
        code = sweep_run(&sweep, &missing, &error);
    sweep_cleanup(&sweep);
    sweep_options_cleanup(&options);
    if (code)
        return command_failed(code, &error);
    return missing ? STATUS_FAILED : STATUS_DONE;
}
