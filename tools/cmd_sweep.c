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
#include "tools/machine_options.h"
#include "tools/replay_options.h"
#include "tools/replay_plan.h"
#include "tools/runs_file.h"
#include "tools/sweep_enough.h"
#include "tools/sweep_file.h"
#include "tools/sweep_fit.h"
#include "tools/sweep_folder.h"
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

#define REPEATS_DEFAULT 3

struct arguments {
    struct replay_options options;
    struct machine_options machines;
    bool simulated; /* on those; else natively */
    struct word_list traces;
    const char *folder;
    struct sweep_request request;
    struct until until;
    struct shard shard;
    bool resume;
    bool as_begun;  /* no more was asked for than to go on */
    char **command; /* as typed */
};

struct sweep {
    struct arguments *arguments; /* changed by machines_resolve, and in how many runs there are */
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

enum key { KEY_RESUME = 0x200, KEY_UNTIL, KEY_SHARD, KEY_NO_AA };

static const struct argp_option option_table[] = {
    {"output", 'o', "DIR", 0, "folder for the results; made when missing", 0},
    {NULL, 'n', "REPEATS", 0,
     "run each combination this often (default 3; simulated, where all would be the same, 1)", 0},
    {"until", KEY_UNTIL, "P%[,MOST]", 0,
     "instead: at least 5 times, and until the 95% interval of its median throughput is no wider "
     "than P% of it, at most MOST times (default 20)",
     0},
    {"no-aa", KEY_NO_AA, NULL, 0,
     "do not run one design of each trace, threads, replicas, lock and binding twice over", 0},
    {"shard", KEY_SHARD, "I/N", 0,
     "only the I-th of N parts of the runs, for N machines or folders; their files together, one "
     "behind the other, are those of the whole",
     0},
    {"resume", KEY_RESUME, NULL, 0,
     "go on with a sweep that was broken off; -o DIR is enough beside it", 0},
    {0}};

static void parse_repeats(struct arguments *arguments, const char *text, struct argp_state *state)
{
    char *end;

    arguments->request.repeats = strtoull(text, &end, 10);
    if (*end || arguments->request.repeats < 1 || arguments->request.repeats > 100000)
        argp_error(state, "-n: '%s': expected a number from 1 to 100000", text);
}

/* The same inputs have the same figures: nothing is gained by repeating them. */
static void default_to_simulated(struct arguments *arguments, struct argp_state *state)
{
    struct replay_options *options = &arguments->options;

    arguments->simulated = true;
    if (arguments->request.until)
        argp_error(state, "--until: simulated runs do not scatter");
    if (!arguments->request.repeats)
        arguments->request.repeats = 1;
    arguments->request.compare_itself = false;
    if (options->replicas.count == 0)
        options->replicas.automatic = true;
}

/* `sweep --resume -o DIR`, and nothing else. */
static bool asked_to_go_on(const struct arguments *arguments)
{
    const struct sweep_request *request = &arguments->request;

    return arguments->resume && arguments->folder && !arguments->traces.count &&
           !arguments->options.given.count && !arguments->machines.given.count &&
           !request->repeats && !request->until && !request->shard && request->compare_itself;
}

static void check_arguments(struct arguments *arguments, struct argp_state *state)
{
    struct sweep_request *request = &arguments->request;

    arguments->as_begun = asked_to_go_on(arguments);
    if (arguments->as_begun)
        return;
    if (arguments->traces.count == 0)
        argp_error(state, "which trace?%s",
                   arguments->resume ? " (Without any, --resume takes no other options but -o)"
                                     : "");
    if (arguments->options.repeats != 1)
        argp_error(state, "repetitions of a sweep are asked for with -n, not --repeat");
    if (!arguments->folder)
        argp_error(state, "where to? Name a folder with -o DIR");
    if (arguments->machines.given.count)
        default_to_simulated(arguments, state);
    if (request->until && request->repeats)
        argp_error(state, "-n says how often, --until how well: ask for one of the two");
    if (!request->until && !request->repeats)
        request->repeats = REPEATS_DEFAULT;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct error error;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->machines;
        state->child_inputs[1] = &arguments->options;
        return 0;
    case 'o':
        arguments->folder = text;
        return 0;
    case 'n':
        parse_repeats(arguments, text, state);
        return 0;
    case KEY_UNTIL:
        arguments->request.until = text;
        if (until_parse(text, &arguments->until, &error) != 0)
            argp_error(state, "--until: %s", error.text);
        return 0;
    case KEY_SHARD:
        arguments->request.shard = text;
        if (!shard_parse(text, &arguments->shard))
            argp_error(state, "--shard: '%s': expected I/N, from 1/N to N/N", text);
        return 0;
    case KEY_NO_AA:
        arguments->request.compare_itself = false;
        return 0;
    case KEY_RESUME:
        arguments->resume = true;
        return 0;
    case ARGP_KEY_ARG:
        if (strcmp(text, "-") == 0)
            argp_error(state, "a sweep reads its traces often: name files, not -");
        if (word_list_add(&arguments->traces, "%s", text) != 0)
            argp_failure(state, STATUS_FAILED, 0, "no memory for a list of traces");
        return 0;
    case ARGP_KEY_END:
        check_arguments(arguments, state);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {
    {&machine_options_argp, 0, "Simulated machines (default: this one, natively):", 0},
    {&replay_options_argp, 0, "The replay:", 0},
    {0}};

static const struct argp argp = {
    option_table,
    parse_option,
    "TRACE... -o DIR",
    "Runs every combination of traces, allocators and all else that is given as a list, REPEATS "
    "times, shuffled by the seed, each in a process of its own. Results go to DIR/" RUNS_FILE_NAME
    ", a line a run.\v"
    "Examples:\n"
    "  slablab sweep hackbench.slt -a magazine,bufctl,null --magazine-size 2..62 -t 1,2 -o out\n"
    "  slablab sweep find.slt -a magazine --set magazine.resize=on,off --lock tas,mcs --bind "
    "compact --bind scatter -o out\n"
    "  slablab sweep traces/samples/*.slt -a magazine,malloc:libc --until 2%,30 -o out --resume\n"
    "  slablab sweep --resume -o out\n"
    "  slablab sweep gcc.slt -n 10 --shard 2/16 -o part-2\n"
    "  slablab sweep gcc.slt --machine opteron-6172x4,generic-64 -a magazine -t 1..48 -o out\n"
    "  slablab plot out\n\n"
    "What a design does not have (a magazine size, another's tunable) makes no combinations of it. "
    "One run of each trace comes first and is not kept: it warms the machine up, and tells about "
    "how long all will take. In each choice of trace, threads, replicas, lock and binding the "
    "first "
    "design that is no harness is run twice over, as if it were two (\"arm\" a and b in the "
    "records): what differs between those is what the machine makes of the same (--no-aa leaves it "
    "out).\n\n"
    "With --machine, --topology or --costs the runs are those of `slablab sim`: each once, with no "
    "warming up and no comparison of a design with itself, since the same arguments give the same "
    "figures. Where a machine has fewer CPUs than some of the threads listed, those runs are left "
    "out, and said.\n\n"
    "A sweep that was killed loses at most the run in flight (and, if the whole machine lost its "
    "power, what the system had not yet written); --resume goes on with the rest. "
    "The options and traces are in DIR/" SWEEP_FILE_NAME ", where traces have the names they were "
    "given; options that are given again have to be the same. A run that fails is noted in the "
    "results with what it said, and the sweep goes on; --resume tries it again. The "
    "status is 1 as long as some run has no valid result.",
    children,
    NULL,
    NULL};

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

/* Checks the traces and notes each one's digest, and how many streams it has. */
static int traces_check(struct sweep *sweep, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    json_t *digests = sweep->digests = json_object();

    sweep->streams = calloc(arguments->traces.count, sizeof *sweep->streams);
    if (!digests || !sweep->streams)
        return error_set(error, ENOMEM, "no memory for a list of traces");
    for (size_t i = 0; i < arguments->traces.count; i++) {
        const char *path = arguments->traces.words[i];
        struct trace_totals totals;
        int code = trace_check(path, &totals, error);

        if (code)
            return code;
        if (json_object_get(digests, path))
            return error_set(error, EINVAL, "%s: is named twice", path);
        if (json_object_set_new(digests, path, json_string(totals.digest)) != 0)
            return error_set(error, EINVAL, "%s: a name that is no UTF-8 cannot be written down",
                             path);
        sweep->streams[i] = (unsigned)totals.streams;
    }
    return 0;
}

static int machines_resolve(struct arguments *arguments, struct error *error)
{
    int code = machine_options_resolve(&arguments->machines, error);

    arguments->options.machines = arguments->machines.machines;
    arguments->options.nr_machines = arguments->machines.count;
    return code;
}

/* All that can be said to be wrong before a folder is made. */
static int cells_check(struct sweep *sweep, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    int code = replay_options_check(&arguments->options, error);

    if (code == 0 && arguments->simulated)
        code = machines_resolve(sweep->arguments, error);
    if (code == 0)
        code = cells_create(&arguments->options, &sweep->cells, error);
    if (code == 0)
        code = sweep_fit(&arguments->options, &sweep->cells, &sweep->left_out, error);
    if (code == 0)
        code = topology_create_host(&sweep->topology, error);
    if (code == 0)
        code = trial_run(&arguments->options, &sweep->cells, sweep->topology, error);
    if (code == -EAGAIN)
        start_anew(arguments->command);
    if (code == 0)
        code = topology_hand_down(sweep->topology, error);
    return code;
}

/* Of each trace, the cells whose `auto` comes to what is listed too. */
static int cells_find_same(const struct sweep *sweep, bool *same, struct error *error)
{
    const struct replay_options *options = &sweep->arguments->options;
    size_t nr_cells = sweep->cells.count;

    for (size_t i = 0; i < sweep->arguments->traces.count * nr_cells; i++) {
        const struct cell *cell = &sweep->cells.cells[i % nr_cells];
        unsigned streams = sweep->streams[i / nr_cells], nr_dealt;
        int code =
            topology_nr_dealt(cell->machine ? cell->machine->topology : sweep->topology,
                              &cell->bind->binding, options->run.oversubscribe, &nr_dealt, error);

        if (code)
            return code;
        if (options->streams.count)
            streams = (unsigned)options->streams.count;
        same[i] = cell_is_repeated(options, cell, nr_dealt, streams);
    }
    return 0;
}

static int combinations_create(struct sweep *sweep, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    bool *same = calloc(arguments->traces.count * sweep->cells.count, sizeof *same);
    int code = same ? cells_find_same(sweep, same, error)
                    : error_set(error, ENOMEM, "no memory for a list of cells");

    if (code == 0)
        code = sweep_plan_create(&sweep->plan, &arguments->traces, &sweep->cells, same,
                                 arguments->request.compare_itself, error);
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
    const struct arguments *arguments = sweep->arguments;
    const char *folder = arguments->folder;

    sweep->file =
        sweep_folder_open(folder, arguments->resume, sweep->description, note_record, sweep, error);
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
    struct until until = sweep->arguments->until;
    int code = 0;

    while (code == 0) {
        size_t before = sweep->plan.nr_runs;

        code = sweep_plan_extend(&sweep->plan, until_wants, &until,
                                 sweep->arguments->options.run.replay.seed, error);
        if (code || sweep->plan.nr_runs == before)
            break;
        code = sweep_run_all(runner, &sweep->plan, error);
    }
    return code;
}

static int run_all(struct sweep *sweep, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    struct sweep_runner runner = {.options = &arguments->options,
                                  .folder = arguments->folder,
                                  .file = sweep->file,
                                  .machines = arguments->simulated ? &arguments->machines : NULL,
                                  .environment = sweep->environment};
    int code = 0;

    if (!arguments->simulated && (sweep_plan_missing(&sweep->plan) || arguments->request.until))
        code = sweep_warm_up(&runner, &sweep->plan, error);
    if (code == 0)
        code = sweep_run_all(&runner, &sweep->plan, error);
    if (code == 0 && arguments->request.until)
        code = run_until(sweep, &runner, error);
    return code;
}

static void summary_print(const struct sweep *sweep, size_t missing)
{
    fprintf(stderr, "%zu runs in %s/%s", sweep->plan.nr_runs, sweep->arguments->folder,
            RUNS_FILE_NAME);
    if (missing)
        fprintf(stderr, ", %zu of them without a valid result", missing);
    if (sweep->plan.disturbed)
        fprintf(
            stderr,
            ", %zu of them disturbed (they say by what, and are left out where others are there)",
            sweep->plan.disturbed);
    fprintf(stderr, "\n");
}

/* Everything that can be wrong before a folder is made, and the plan. */
static int sweep_prepare(struct sweep *sweep, struct error *error)
{
    struct arguments *arguments = sweep->arguments;
    uint64_t seed = arguments->options.run.replay.seed;
    bool until = arguments->request.until;
    int code = traces_check(sweep, error);

    if (code == 0)
        code = cells_check(sweep, error);
    if (code == 0)
        code = combinations_create(sweep, error);
    if (code)
        return code;
    if (!until)
        arguments->request.runs =
            sweep_plan_size(&sweep->plan, arguments->request.repeats, &arguments->shard);
    sweep->environment = arguments->simulated ? json_object() : environment_look(&sweep->begun);
    sweep->description =
        sweep->environment
            ? sweep_description(&arguments->options.given, &arguments->machines.given,
                                sweep->digests, seed, &arguments->request, sweep->environment)
            : NULL;
    if (!sweep->description)
        return error_set(error, ENOMEM, "no memory for the description of a sweep");
    if (json_array_size(sweep->left_out))
        json_object_set(sweep->description, "left_out", sweep->left_out);
    code = results_open(sweep, error);
    if (code == 0) /* what is done is known now */
        code = sweep_plan_begin(&sweep->plan,
                                until ? UNTIL_LEAST : (unsigned)arguments->request.repeats, seed,
                                &arguments->shard, until, error);
    return code;
}

/* Everything between the options and the status; *missing gets how many runs have no result. */
static int sweep_run(struct sweep *sweep, size_t *missing, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    int code = sweep_prepare(sweep, error);

    if (code == 0) {
        if (!arguments->simulated)
            environment_print(sweep->environment);
        sweep_fit_print(sweep->left_out);
        if (!arguments->simulated && !arguments->request.until && !arguments->resume)
            code = sweep_enough_print(&sweep->plan, arguments->request.repeats, stderr, error);
    }
    if (code == 0)
        code = run_all(sweep, error);
    *missing = sweep_plan_missing(&sweep->plan);
    if (code == 0 && *missing < sweep->plan.nr_runs)
        code = sweep_table_print(arguments->folder, error);
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

static void arguments_init(struct arguments *arguments)
{
    *arguments = (struct arguments){.request.compare_itself = true, .shard = {1, 1}};
    replay_options_init(&arguments->options);
    machine_options_init(&arguments->machines);
}

static void arguments_cleanup(struct arguments *arguments)
{
    machine_options_cleanup(&arguments->machines);
    replay_options_cleanup(&arguments->options);
    word_list_cleanup(&arguments->traces);
}

/*
 * In place of `--resume -o DIR` the words with which the sweep in DIR was begun, and --resume. They
 * are the caller's, and have to stay there as long as the arguments.
 */
static int arguments_of_folder(struct arguments *arguments, struct word_list *words,
                               struct error *error)
{
    json_t *description;
    int code = sweep_file_read(arguments->folder, &description, error);

    if (code)
        return error_prefix(error, code, "nothing to go on with");
    if (word_list_add(words, "slablab sweep") || word_list_add(words, "--resume") ||
        sweep_file_arguments(description, arguments->folder, words))
        code = error_set(error, ENOMEM, "no memory for options");
    json_decref(description);
    if (code)
        return code;
    arguments_cleanup(arguments);
    arguments_init(arguments);
    command_parse(&argp, (int)words->count, words->words, 0, arguments);
    return 0;
}

int cmd_sweep(int argc, char **argv)
{
    struct arguments arguments;
    struct word_list begun = {0};
    struct sweep sweep = {.arguments = &arguments, .file = -1};
    char *typed[argc + 2]; /* "slablab", "sweep", the rest */
    struct error error;
    size_t missing = 0;
    int code = 0;

    cpu_read(&sweep.begun);
    typed[0] = "slablab";
    typed[1] = "sweep";
    memcpy(&typed[2], &argv[1], (size_t)argc * sizeof *argv); /* with the NULL at the end */
    arguments_init(&arguments);
    command_parse(&argp, argc, argv, 0, &arguments);
    if (arguments.as_begun)
        code = arguments_of_folder(&arguments, &begun, &error);
    arguments.command = typed;
    if (code == 0)
        code = sweep_run(&sweep, &missing, &error);
    sweep_cleanup(&sweep);
    arguments_cleanup(&arguments);
    word_list_cleanup(&begun);
    if (code)
        return command_failed(code, &error);
    return missing ? STATUS_FAILED : STATUS_DONE;
}
