/* SPDX-License-Identifier: MIT */
/*
 * slablab sweep: every combination of its lists, each run in a process of its own, in a shuffled
 * order so that drift of the machine hits all alike, into an append-only file of results.
 */
#include "sim/error.h"
#include "sim/result.h"
#include "sim/topology.h"
#include "tools/child.h"
#include "tools/command.h"
#include "tools/replay_options.h"
#include "tools/runs_file.h"
#include "tools/series.h"
#include "tools/sweep_file.h"
#include "tools/trial.h"
#include "traces/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

struct arguments {
    struct replay_options options;
    struct word_list traces;
    const char *folder;
    uint64_t repeats;
    bool resume;
    char **command; /* as typed */
};

/* Side files of the runs, by a hash of their names. */
#define SERIES_FOLDER "series"

/* One run of the sweep. */
struct run {
    const char *trace;
    const struct cell *cell;
    unsigned repeat;
    char *name;   /* unlike any other of the sweep: what a resumed sweep knows it by */
    char *series; /* its side file, in the sweep's folder */
    bool done;    /* has a valid result */
};

struct sweep {
    const struct arguments *arguments;
    struct cell_list cells;
    struct run *runs;
    size_t nr_runs;
    int file;
};

enum key { KEY_RESUME = 0x200 };

static const struct argp_option option_table[] = {
    {"output", 'o', "DIR", 0, "folder for the results; made when missing", 0},
    {NULL, 'n', "REPEATS", 0, "run each combination this often (default 3)", 0},
    {"resume", KEY_RESUME, NULL, 0, "go on with a sweep that was broken off", 0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *end;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->options;
        return 0;
    case 'o':
        arguments->folder = text;
        return 0;
    case 'n':
        arguments->repeats = strtoull(text, &end, 10);
        if (*end || arguments->repeats < 1 || arguments->repeats > 100000)
            argp_error(state, "-n: '%s': expected a number from 1 to 100000", text);
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
        if (arguments->traces.count == 0)
            argp_error(state, "which trace?");
        if (arguments->options.repeats != 1)
            argp_error(state, "repetitions of a sweep are asked for with -n, not --repeat");
        if (!arguments->folder)
            argp_error(state, "where to? Name a folder with -o DIR");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&replay_options_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    option_table,
    parse_option,
    "TRACE... -o DIR",
    "Runs every combination of traces, allocators, magazine sizes and threads, REPEATS times, "
    "shuffled by the seed, each in a process of its own. Results go to DIR/" RUNS_FILE_NAME
    ", a line a run.\v"
    "Examples:\n"
    "  slablab sweep hackbench.slt -a magazine,bufctl,null --magazine-size 2..62 -t 1,2 -o out\n"
    "  slablab sweep traces/samples/*.slt -a magazine,malloc:libc -n 5 -o out --resume\n"
    "  slablab plot out\n\n"
    "A sweep that was killed loses at most the run in flight; --resume goes on with the rest, "
    "given the same options and traces, which are in DIR/" SWEEP_FILE_NAME ". A run that fails is "
    "noted in the results with what it said, and the sweep goes on; --resume tries it again. The "
    "status is 1 as long as some run has no valid result.",
    children,
    NULL,
    NULL};

/* ---- what to run ---- */

static int runs_create(struct sweep *sweep, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    size_t total = arguments->traces.count * sweep->cells.count * arguments->repeats;

    sweep->runs = calloc(total, sizeof *sweep->runs);
    if (!sweep->runs)
        return error_set(error, ENOMEM, "no memory for %zu runs", total);
    for (size_t i = 0; i < total; i++) {
        struct run *run = &sweep->runs[i];
        size_t rest = i / arguments->repeats;

        run->repeat = (unsigned)(i % arguments->repeats);
        run->cell = &sweep->cells.cells[rest % sweep->cells.count];
        run->trace = arguments->traces.words[rest / sweep->cells.count];
        if (asprintf(&run->name, "%s %s magazine=%llu threads=%u repeat=%u", run->trace,
                     run->cell->allocator, (unsigned long long)run->cell->magazine_size,
                     run->cell->threads, run->repeat) < 0 ||
            asprintf(&run->series, SERIES_FOLDER "/%016llx.jsonl",
                     (unsigned long long)XXH3_64bits(run->name, strlen(run->name))) < 0)
            return error_set(error, ENOMEM, "no memory for %zu runs", total);
        sweep->nr_runs++;
    }
    return 0;
}

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

/* Checks the traces and notes each one's digest. */
static int traces_check(const struct arguments *arguments, json_t *digests, struct error *error)
{
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
    }
    return 0;
}

/* All that can be said to be wrong before a folder is made. */
static int cells_check(struct sweep *sweep, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    struct topology *topology = NULL;
    int code = replay_options_check(&arguments->options, error);

    if (code == 0)
        code = cells_create(&arguments->options, &sweep->cells, error);
    if (code == 0)
        code = topology_create_host(&topology, error);
    if (code == 0)
        code = trial_run(&arguments->options, &sweep->cells, topology, error);
    topology_destroy(topology);
    if (code == -EAGAIN)
        start_anew(arguments->command);
    return code;
}

/* Fisher and Yates; the remainder's bias over 2^31 does not matter here. */
static void runs_shuffle(struct sweep *sweep, uint64_t seed)
{
    char state[64];
    struct random_data data = {0};

    initstate_r((unsigned)seed, state, sizeof state, &data);
    for (size_t i = sweep->nr_runs; i > 1; i--) {
        struct run swapped = sweep->runs[i - 1];
        int32_t number;
        size_t other;

        random_r(&data, &number);
        other = (size_t)number % i;
        sweep->runs[i - 1] = sweep->runs[other];
        sweep->runs[other] = swapped;
    }
}

/* A run with a valid result is not run again; one that failed is, and its last record counts. */
static void mark_done(void *context, const json_t *record)
{
    struct sweep *sweep = context;
    const char *name = json_string_value(json_object_get(record, "cell"));

    for (size_t i = 0; name && i < sweep->nr_runs; i++) {
        if (strcmp(sweep->runs[i].name, name) == 0)
            sweep->runs[i].done = result_valid(record);
    }
}

static size_t runs_missing(const struct sweep *sweep)
{
    size_t missing = 0;

    for (size_t i = 0; i < sweep->nr_runs; i++)
        missing += !sweep->runs[i].done;
    return missing;
}

static int folder_make(const char *folder, struct error *error)
{
    struct stat status;

    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return error_set(error, errno, "%s: %s", folder, strerror(errno));
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        return error_set(error, ENOTDIR, "%s: is no folder", folder);
    return 0;
}

static int series_folder_make(const char *folder, struct error *error)
{
    char *path;
    int code;

    if (asprintf(&path, "%s/%s", folder, SERIES_FOLDER) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    code = folder_make(path, error);
    free(path);
    return code;
}

/* Begins the files of the sweep, or goes on with those that are there. */
static int results_open(struct sweep *sweep, const json_t *description, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    const char *folder = arguments->folder;
    long whole = -1;
    char *path;
    int code = folder_make(folder, error);

    if (code)
        return code;
    if (asprintf(&path, "%s/%s", folder, RUNS_FILE_NAME) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    if (access(path, F_OK) != 0 && arguments->resume) {
        code = error_set(error, ENOENT, "%s is not there: nothing to go on with", path);
        rmdir(folder); /* ours, if it is empty */
    } else if (access(path, F_OK) != 0) {
        code = sweep_file_write(folder, description, error);
    } else if (!arguments->resume) {
        code = error_set(error, EEXIST,
                         "%s is there already: --resume goes on with it; or name another folder",
                         path);
    } else {
        code = sweep_file_compare(folder, description, error);
        if (code == 0)
            code = runs_file_read(folder, mark_done, sweep, &whole, error);
    }
    free(path);
    if (code)
        return code;
    sweep->file = runs_file_open(folder, whole, error);
    return sweep->file < 0 ? sweep->file : series_folder_make(folder, error);
}

/* ---- running ---- */

/* Options that the sweep spells out for each run itself. */
static bool option_is_cells(const char *given)
{
    static const char *const names[] = {
        "--allocators=", "--threads=", "--magazine-size=", "--set="};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(given, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

/* slablab replay TRACE <options as given> --allocators=A --threads=T ... --json=- */
static int run_command(const struct sweep *sweep, const struct run *run, struct word_list *words)
{
    const struct replay_options *options = &sweep->arguments->options;
    const struct cell *cell = run->cell;
    int code = word_list_add(words, "slablab") ?: word_list_add(words, "replay");

    for (size_t i = 0; code == 0 && i < options->given.count; i++) {
        if (!option_is_cells(options->given.words[i]))
            code = word_list_add(words, "%s", options->given.words[i]);
    }
    for (size_t i = 0; code == 0 && i < options->nr_settings; i++) {
        const struct allocator_setting *setting = &options->settings[i];

        if (strcmp(setting->allocator, cell->allocator) == 0)
            code = word_list_add(words, "--set=%s.%s=%s", setting->allocator, setting->key,
                                 setting->value);
    }
    if (code == 0)
        code = word_list_add(words, "--allocators=%s", cell->allocator);
    if (code == 0 && cell->threads)
        code = word_list_add(words, "--threads=%u", cell->threads);
    if (code == 0 && cell->magazine_size)
        code =
            word_list_add(words, "--magazine-size=%llu", (unsigned long long)cell->magazine_size);
    if (code == 0 && record_options_of(&options->recording, options->run.replay.cold))
        code = word_list_add(words, "--series=%s/%s", sweep->arguments->folder, run->series);
    return code ?: word_list_add(words, "--json=-") ?: word_list_add(words, "--")
                ?: word_list_add(words, "%s", run->trace);
}

static int run_child(const struct sweep *sweep, const struct run *run, struct child_result *result,
                     struct error *error)
{
    struct word_list words = {0};
    int code = run_command(sweep, run, &words);

    if (code)
        error_set(error, ENOMEM, "no memory for a command");
    else
        code = child_run("/proc/self/exe", words.words, result, error);
    word_list_cleanup(&words);
    return code;
}

/* A replay's messages say which program speaks; ours do so too. */
static const char *without_program(const char *messages)
{
    static const char program[] = "slablab: ";

    return strncmp(messages, program, strlen(program)) == 0 ? messages + strlen(program) : messages;
}

/* What a program said need not be UTF-8, but a record is. */
static json_t *text_json(const char *text)
{
    json_t *string = json_string(text);

    return string ? string : json_string("(no UTF-8)");
}

/* The record of a run, or of its failure. NULL: no memory. */
static json_t *run_record(struct run *run, const struct child_result *result)
{
    json_t *record = json_loadb(result->output, result->output_size, JSON_DISABLE_EOF_CHECK, NULL);

    if (!json_is_object(record)) {
        json_decref(record);
        record = json_pack("{s:s, s:s, s:s, s:i, s:o}", "schema", RUNS_FAILURE_SCHEMA, "allocator",
                           run->cell->allocator, "trace", run->trace, "status", result->status,
                           "stderr", text_json(result->messages));
    }
    if (record)
        json_object_set_new(record, "cell", json_string(run->name));
    /* From the folder, which may be moved. */
    if (json_object_get(record, "series"))
        json_object_set_new(record, "series", json_string(run->series));
    run->done = result_valid(record);
    if (result->status != 0) {
        command_progress_clear();
        fprintf(stderr, "slablab: %s: status %d: %s", run->name, result->status,
                without_program(result->messages));
    }
    return record;
}

static int run_one(struct sweep *sweep, struct run *run, struct error *error)
{
    struct child_result result;
    json_t *record;
    int code = run_child(sweep, run, &result, error);

    if (code)
        return code;
    record = run_record(run, &result);
    child_result_cleanup(&result);
    code = record ? runs_file_append(sweep->file, record, error)
                  : error_set(error, ENOMEM, "no memory for a result");
    json_decref(record);
    return code;
}

static int run_all(struct sweep *sweep, struct error *error)
{
    size_t left = runs_missing(sweep), finished = 0;
    time_t start = time(NULL);
    int code = 0;

    fprintf(stderr, "%zu runs to do%s, about half a second or more each\n", left,
            left < sweep->nr_runs ? " (the others are done)" : "");
    for (size_t i = 0; code == 0 && i < sweep->nr_runs; i++) {
        if (sweep->runs[i].done)
            continue;
        command_progress("[%zu/%zu] about %lld s left: %s", finished + 1, left,
                         finished ? (long long)((time(NULL) - start) * (time_t)(left - finished) /
                                                (time_t)finished)
                                  : 0LL,
                         sweep->runs[i].name);
        code = run_one(sweep, &sweep->runs[i], error);
        finished++;
    }
    command_progress_clear();
    return code;
}

/* What came of it, a row a combination: medians, as the pictures show them. */
static void series_print(const struct series *series)
{
    printf("%-28s %-22s %8s %7s %10s %21s %10s\n", "trace", "allocator", "magazine", "threads",
           "M events/s", "(min to max)", "peak KiB");
    for (size_t i = 0; i < series->count; i++) {
        const struct point *point = &series->points[i];
        char size[24] = "-", memory[32] = "-", spread[48];

        if (point->magazine_size)
            snprintf(size, sizeof size, "%llu", (unsigned long long)point->magazine_size);
        if (point->peak_page_bytes >= 0)
            snprintf(memory, sizeof memory, "%.0f", point->peak_page_bytes / 1024);
        snprintf(spread, sizeof spread, "(%.2f to %.2f)", point->throughput.minimum * 1e-6,
                 point->throughput.maximum * 1e-6);
        printf("%-28s %-22s %8s %7u %10.2f %21s %10s\n", point->trace, point->allocator, size,
               point->threads, point->throughput.median * 1e-6, spread, memory);
    }
}

static void results_print(const char *folder)
{
    struct series series;

    if (series_read(folder, &series, NULL) != 0)
        return; /* nothing valid: said already */
    series_print(&series);
    series_cleanup(&series);
}

/* Everything between the options and the status; *missing gets how many runs have no result. */
static int sweep_run(struct sweep *sweep, size_t *missing, struct error *error)
{
    const struct arguments *arguments = sweep->arguments;
    json_t *digests = json_object(), *description = NULL;
    int code = digests ? traces_check(arguments, digests, error)
                       : error_set(error, ENOMEM, "no memory for a list of traces");

    if (code == 0)
        code = cells_check(sweep, error);
    if (code == 0)
        code = runs_create(sweep, error);
    if (code == 0) {
        description = sweep_description(&arguments->options, digests, arguments->repeats);
        if (!description)
            code = error_set(error, ENOMEM, "no memory for the description of a sweep");
    }
    if (code == 0) {
        runs_shuffle(sweep, arguments->options.run.replay.seed);
        code = results_open(sweep, description, error);
    }
    if (code == 0)
        code = run_all(sweep, error);
    *missing = runs_missing(sweep);
    if (code == 0)
        results_print(arguments->folder);
    if (code == 0 && *missing)
        fprintf(stderr, "%zu runs in %s/%s, %zu of them without a valid result\n", sweep->nr_runs,
                arguments->folder, RUNS_FILE_NAME, *missing);
    else if (code == 0)
        fprintf(stderr, "%zu runs in %s/%s\n", sweep->nr_runs, arguments->folder, RUNS_FILE_NAME);
    json_decref(description);
    json_decref(digests);
    return code;
}

static void sweep_cleanup(struct sweep *sweep)
{
    for (size_t i = 0; i < sweep->nr_runs; i++) {
        free(sweep->runs[i].name);
        free(sweep->runs[i].series);
    }
    free(sweep->runs);
    cells_cleanup(&sweep->cells);
    if (sweep->file >= 0)
        close(sweep->file);
}

int cmd_sweep(int argc, char **argv)
{
    struct arguments arguments = {.repeats = 3};
    struct sweep sweep = {.arguments = &arguments, .file = -1};
    char *typed[argc + 2]; /* "slablab", "sweep", the rest */
    struct error error;
    size_t missing;
    int code;

    typed[0] = "slablab";
    typed[1] = "sweep";
    memcpy(&typed[2], &argv[1], (size_t)argc * sizeof *argv); /* with the NULL at the end */
    arguments.command = typed;
    replay_options_init(&arguments.options);
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    code = sweep_run(&sweep, &missing, &error);
    sweep_cleanup(&sweep);
    replay_options_cleanup(&arguments.options);
    word_list_cleanup(&arguments.traces);
    if (code)
        return command_failed(code, &error);
    return missing ? STATUS_FAILED : STATUS_DONE;
}
