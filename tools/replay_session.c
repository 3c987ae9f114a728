/* SPDX-License-Identifier: MIT */
/* All runs of one command, on whatever machine: see replay_session.h. */
#include "tools/replay_session.h"

#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/result.h"
#include "sim/result_accounts.h"
#include "tools/blowup.h"
#include "tools/command.h"
#include "tools/replay_plan.h"
#include "tools/replay_table.h"
#include "tools/spool.h"
#include "tools/trial.h"
#include "traces/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What lives through all runs of the command. */
struct session {
    const struct session_arguments *arguments;
    struct cell_list cells;
    struct topology *host;
    struct outfile json; /* stream NULL: not asked for */
    struct outfile series;
    char *series_path; /* owned */
    struct blowup blowup;
    struct replay_table *table;
    size_t runs, runs_done, invalid;
};

enum key { KEY_JSON = 0x200, KEY_SERIES };

static const struct argp_option option_table[] = {
    {"json", KEY_JSON, "FILE", 0, "write one JSON record a run to FILE (- is standard output)", 0},
    {"series", KEY_SERIES, "FILE", 0,
     "write memory over time and whole histograms, a line a run, to FILE (default: the file of "
     "--json with .series behind it)",
     0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct session_arguments *arguments = state->input;

    switch (key) {
    case KEY_JSON:
        arguments->json = text;
        return 0;
    case KEY_SERIES:
        arguments->series = text;
        return 0;
    }
    return command_one_trace(key, text, state, &arguments->trace);
}

const struct argp session_argp = {.options = option_table, .parser = parse_option};

/* ---- one cell ---- */

static const struct topology *topology_of(const struct session *session, const struct cell *cell)
{
    return cell->machine ? cell->machine->topology : session->host;
}

static void now_text(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;

    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
}

static void write_line(const struct outfile *file, const json_t *object)
{
    char *line = file->stream ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;

    if (line)
        fprintf(file->stream, "%s\n", line);
    free(line);
}

/* Unlike that of any other run, on any machine. */
static void run_name(char *name, size_t size, const struct session *session, const char *started)
{
    char host[65] = "";

    gethostname(host, sizeof host - 1);
    snprintf(name, size, "%s-%s-%ld-%zu", started, host, (long)getpid(), session->runs_done);
}

static int record_run(struct session *session, const struct cell *cell,
                      const struct run_config *config, const struct run_report *report,
                      const struct result_context *context, struct error *error)
{
    json_t *record = result_create(config, report, context);
    json_t *reasons = json_object_get(record, "invalid_reasons");
    const json_t *reason;
    size_t i;
    int code;

    if (!record)
        return error_set(error, ENOMEM, "no memory for a result");
    if (!result_valid(record)) {
        session->invalid++;
        command_progress_clear();
        json_array_foreach(reasons, i, reason)
            fprintf(stderr, "slablab: %s, %u threads: invalid: %s\n", config->allocator,
                    config->threads, json_string_value(reason));
    }
    if (session->series.stream && config->replay.record) {
        json_t *series = result_series(record, report);

        json_object_set_new(record, "series", json_string(session->series_path));
        write_line(&session->series, series);
        json_decref(series);
    }
    write_line(&session->json, record);
    code = replay_table_add_as(session->table, record, cell->label);
    json_decref(record);
    return code ? error_set(error, ENOMEM, "no memory for the table") : 0;
}

/* Does the sentence begin with whose it is? Then nobody need say so again. */
static bool names_allocator(const struct error *error, const char *allocator)
{
    const char *text = error->text;
    size_t length = strcspn(allocator, ":"); /* designs know themselves without a library */

    if (strncmp(text, "allocator ", strlen("allocator ")) == 0)
        text += strlen("allocator ");
    return strncmp(text, allocator, length) == 0 && (text[length] == ':' || text[length] == ' ');
}

static int run_cell(struct session *session, const struct cell *cell, const struct plan *plan,
                    const struct workload *load, unsigned repeat, struct error *error)
{
    const struct replay_options *options = &session->arguments->options;
    struct run_config config;
    struct run_report report = {0};
    char started[32], name[128];
    int code;

    cell_config(options, cell, &config);
    config.threads = load->threads;
    config.replay.replicas = (unsigned)load->replicas;
    command_progress("[%zu/%zu] %s, %u threads", session->runs_done + 1, session->runs, cell->label,
                     load->threads);
    now_text(started, sizeof started);
    run_name(name, sizeof name, session, started);
    code = blowup_prepare(&session->blowup, &config, error);
    if (code == 0)
        code = (cell->machine ? virtual_run_execute : run_execute)(plan, topology_of(session, cell),
                                                                   &config, &report, error);
    if (code == 0) {
        struct result_context context = {
            .run = name,
            .trace_path = session->arguments->trace,
            .plan = plan,
            .topology = topology_of(session, cell),
            .machine_name = cell->machine ? cell->machine->name : "host",
            .repeat = repeat,
            .command = session->arguments->command,
            .binding = cell->bind->text,
            .started = started,
        };

        code = record_run(session, cell, &config, &report, &context, error);
        session->runs_done++;
    } else if (!names_allocator(error, cell->allocator)) {
        error_prefix(error, code, "%s", cell->allocator);
    }
    run_report_cleanup(&report);
    return code;
}

/* ---- all cells ---- */

/* A thread needs a stream of some replica to run: said before the first run, not at its turn. */
static int check_streams(const struct session *session, const struct plan *plan,
                         struct error *error)
{
    for (size_t i = 0; i < session->cells.count; i++) {
        uint64_t replicas = session->cells.cells[i].replicas;
        unsigned threads = session->cells.cells[i].threads;

        if (replicas != REPLICAS_AUTO && threads > replicas * plan->nr_streams)
            return error_set(error, EINVAL,
                             "%u threads, but only %u streams to run: use fewer threads or "
                             "--replicas",
                             threads, plan->nr_streams);
    }
    return 0;
}

/* Cells first..last-1 share a plan; repetitions are interleaved. */
static int run_cells(struct session *session, const char *trace, size_t first, size_t last,
                     struct error *error)
{
    const struct replay_options *options = &session->arguments->options;
    const struct cell *one = &session->cells.cells[first];
    uint64_t repeats = options->repeats;
    struct workload load;
    struct plan *plan;
    unsigned nr_dealt;
    int code = topology_nr_dealt(topology_of(session, one), &one->bind->binding,
                                 options->run.oversubscribe, &nr_dealt, error);

    if (code == 0)
        code = replay_plan_create(options, trace, one->threads ? one->threads : nr_dealt, &plan,
                                  error);
    if (code)
        return code;
    if (first == 0)
        code = check_streams(session, plan, error);
    load = cell_workload(one, nr_dealt, plan->nr_streams);
    if (cell_is_repeated(options, one, nr_dealt, plan->nr_streams)) {
        session->runs -= (last - first) * repeats; /* `1,auto` on a machine of one CPU */
        repeats = 0;
    }
    for (unsigned repeat = 0; code == 0 && repeat < repeats; repeat++) {
        for (size_t i = first; code == 0 && i < last; i++)
            code = run_cell(session, &session->cells.cells[i], plan, &load, repeat, error);
    }
    plan_destroy(plan);
    return code;
}

/* All that can be said to be wrong without a trace. */
static int prepare_session(struct session *session, struct session_arguments *arguments,
                           struct error *error)
{
    struct replay_options *options = &arguments->options;
    int code = replay_options_check(options, error);

    if (code == 0 && arguments->simulated) {
        code = machine_options_resolve(&arguments->machines, error);
        options->machines = arguments->machines.machines;
        options->nr_machines = arguments->machines.count;
    }
    if (code == 0)
        code = cells_create(options, &session->cells, error);
    if (code == 0)
        code = topology_create_host(&session->host, error);
    if (code == 0)
        code = trial_run(options, &session->cells, session->host, error);
    if (code == -EAGAIN)
        start_anew(session->arguments->command);
    return code;
}

/* Beside the records, unless they go to standard output. */
static int series_open(struct session *session, struct error *error)
{
    const struct session_arguments *arguments = session->arguments;
    bool beside = arguments->json && strcmp(arguments->json, "-") != 0;
    int code;

    const struct replay_options *options = &arguments->options;

    if (!record_options_of(&options->recording, options->run.replay.cold)) {
        if (arguments->series)
            return error_set(error, EINVAL, "--series: nothing is recorded that it could hold");
        return 0;
    }
    if (!arguments->series && !beside)
        return 0;
    if (asprintf(&session->series_path, "%s%s",
                 arguments->series ? arguments->series : arguments->json,
                 arguments->series ? "" : ".series") < 0) {
        session->series_path = NULL;
        return error_set(error, ENOMEM, "no memory for a file's name");
    }
    if (arguments->json && strcmp(arguments->json, session->series_path) == 0)
        return error_set(error, EINVAL, "%s: records and side file cannot be one file",
                         arguments->json);
    code = outfile_spares(session->series_path, arguments->trace, error);
    return code ? code : outfile_open(&session->series, session->series_path, error);
}

static int run_session(struct session *session, struct error *error)
{
    const struct session_arguments *arguments = session->arguments;
    const char *trace = arguments->trace;
    char spooled[64];
    int code = 0;

    if (arguments->json)
        code = outfile_spares(arguments->json, trace, error);
    if (code == 0 && arguments->json)
        code = outfile_open(&session->json, arguments->json, error);
    if (code == 0)
        code = series_open(session, error);
    if (code == 0)
        code = spool_standard_input(&trace, spooled, sizeof spooled, error);
    if (code == 0 && replay_table_create(&session->table) != 0)
        code = error_set(error, ENOMEM, "no memory for a table");
    session->runs = session->cells.count * arguments->options.repeats;
    session->blowup =
        (struct blowup){.options = &arguments->options, .topology = session->host, .trace = trace};
    for (size_t first = 0, last; code == 0 && first < session->cells.count; first = last) {
        for (last = first; last < session->cells.count; last++) {
            if (!cells_share_plan(&session->cells.cells[last], &session->cells.cells[first]))
                break;
        }
        code = run_cells(session, trace, first, last, error);
    }
    command_progress_clear();
    if (code && trace != arguments->trace)
        spool_name(error, trace);
    return code;
}

/*
 * Keeps what is done, whatever happened to the rest: runs may have taken hours. Without any the
 * file is as it was.
 */
static int finish(struct session *session, int code, struct error *error)
{
    const struct session_arguments *arguments = session->arguments;
    bool keep = code == 0 || session->runs_done;
    int written = 0, status = STATUS_DONE;
    struct error unwritten;

    /* The side file first: no record speaks of one that is not there. */
    if (session->series.stream && keep)
        written = outfile_commit(&session->series, &unwritten);
    else if (session->series.stream)
        outfile_discard(&session->series);
    if (session->json.stream && keep && !written)
        written = outfile_commit(&session->json, &unwritten);
    else if (session->json.stream)
        outfile_discard(&session->json);
    if (keep && (!arguments->json || strcmp(arguments->json, "-") != 0)) {
        replay_table_print(session->table, stdout, arguments->trace);
        replay_details_print(session->table, stdout);
    }
    if (!code && arguments->options.run.replay.verify && !session->invalid &&
        (!arguments->json || strcmp(arguments->json, "-") != 0))
        printf("verified: no object overlapped another, and all kept their content (null is "
               "exempt)\n");
    fflush(stdout);
    if (written)
        status = command_failed(written, &unwritten);
    if (code && session->runs_done)
        fprintf(stderr, "slablab: %zu of %zu runs are done, then:\n", session->runs_done,
                session->runs);
    if (code)
        status = command_failed(code, error);
    if (status == STATUS_DONE && session->invalid)
        status = STATUS_FAILED;
    return status;
}

int session_run(struct session_arguments *arguments, int argc, char **argv, const char *name)
{
    struct session session = {.arguments = arguments};
    char *typed[argc + 2]; /* "slablab", the command, the rest */
    struct error error = {""};
    int code, status;

    typed[0] = "slablab";
    typed[1] = (char *)name;
    memcpy(&typed[2], &argv[1], (size_t)argc * sizeof *argv); /* with the NULL at the end */
    arguments->command = typed;
    code = prepare_session(&session, arguments, &error);
    if (code == 0)
        code = run_session(&session, &error);
    status = finish(&session, code, &error);
    free(session.series_path);
    blowup_cleanup(&session.blowup);
    replay_table_destroy(session.table);
    cells_cleanup(&session.cells);
    machine_options_cleanup(&arguments->machines);
    topology_destroy(session.host);
    replay_options_cleanup(&arguments->options);
    return status;
}
