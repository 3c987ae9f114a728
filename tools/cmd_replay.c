/* SPDX-License-Identifier: MIT */
/* slablab replay: a trace against allocators, on this machine's cores. */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/result.h"
#include "tools/command.h"
#include "tools/replay_options.h"
#include "tools/replay_table.h"
#include "tools/spool.h"
#include "traces/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct arguments {
    struct replay_options options;
    const char *trace;
    const char *json;
    char **command; /* as typed */
};

/* What lives through all runs of the command. */
struct session {
    const struct arguments *arguments;
    struct cell_list cells;
    struct topology *topology;
    struct outfile json; /* stream NULL: not asked for */
    struct replay_table *table;
    size_t runs, runs_done, invalid;
};

enum key { KEY_JSON = 0x200 };

static const struct argp_option option_table[] = {
    {"json", KEY_JSON, "FILE", 0, "write one JSON record a run to FILE (- is standard output)", 0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->options;
        return 0;
    case KEY_JSON:
        arguments->json = text;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->trace)
            argp_error(state, "more than one trace: '%s' and '%s'", arguments->trace, text);
        arguments->trace = text;
        return 0;
    case ARGP_KEY_END:
        if (!arguments->trace)
            argp_error(state, "which trace?");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&replay_options_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    option_table, parse_option, "TRACE",
    "Runs the events of TRACE (- is standard input) against allocators, one pinned thread a CPU, "
    "and shows what each costs.\v"
    "Examples:\n"
    "  slablab replay traces/samples/hackbench.slt\n"
    "  slablab replay hackbench.slt -a magazine --magazine-size 2..62 -t 1,2\n"
    "  slablab replay gcc.slt -a magazine,malloc:libjemalloc.so.2 --touch first --json runs.json\n"
    "  slablab replay find.slt -a bufctl --set bufctl.color=on --verify --loops 1 --cold\n\n"
    "Lists are 1,2,4, ranges 2..64 (doubling) or 2..64+2 (steps). Time per event is one thread's: "
    "with perfect scaling it stays the same as threads are added. `null` is no allocator: it is "
    "what the harness itself costs.",
    children, NULL, NULL};

/* ---- one cell ---- */

static int effective_replicas(const struct replay_options *options, const struct plan *plan,
                              unsigned threads)
{
    if (options->replicas == UINT64_MAX)
        return (int)((threads + plan->nr_groups - 1) / plan->nr_groups);
    return options->replicas ? (int)options->replicas : 1;
}

static void now_text(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;

    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
}

static int record_run(struct session *session, const struct run_config *config,
                      const struct run_report *report, const struct result_context *context,
                      struct error *error)
{
    json_t *record = result_create(config, report, context);
    json_t *reasons = json_object_get(record, "invalid_reasons");
    const json_t *reason;
    size_t i;
    char *line;

    if (!record)
        return error_set(error, ENOMEM, "no memory for a result");
    if (!result_valid(record)) {
        session->invalid++;
        command_progress_clear();
        json_array_foreach(reasons, i, reason)
            fprintf(stderr, "slablab: %s, %u threads: invalid: %s\n", config->allocator,
                    config->threads, json_string_value(reason));
    }
    if (session->json.stream) {
        line = json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER);
        if (line)
            fprintf(session->json.stream, "%s\n", line);
        free(line);
    }
    json_decref(record);
    return replay_table_add(session->table, config, report);
}

static int run_cell(struct session *session, const struct cell *cell, const struct plan *plan,
                    unsigned threads, unsigned repeat, struct error *error)
{
    const struct replay_options *options = &session->arguments->options;
    struct run_setting *settings;
    struct run_config config;
    struct run_report report;
    char started[32];
    int code;

    code = cell_config(options, cell, &config, &settings, error);
    if (code)
        return code;
    config.threads = threads;
    config.replay.replicas = (unsigned)effective_replicas(options, plan, threads);
    command_progress("[%zu/%zu] %s, %u threads", session->runs_done + 1, session->runs,
                     cell->allocator, threads);
    now_text(started, sizeof started);
    code = run_execute(plan, session->topology, &config, &report, error);
    if (code == 0) {
        struct result_context context = {
            .trace_path = session->arguments->trace,
            .plan = plan,
            .topology = session->topology,
            .machine_name = "host",
            .repeat = repeat,
            .command = session->arguments->command,
            .binding = options->binding_text,
            .started = started,
        };

        code = record_run(session, &config, &report, &context, error);
        session->runs_done++;
    } else {
        error_prefix(error, code, "%s", cell->allocator);
    }
    run_report_cleanup(&report);
    free(settings);
    return code;
}

/* ---- all cells ---- */

static int make_plan(const struct session *session, const char *trace, unsigned threads,
                     struct plan **plan, struct error *error)
{
    const struct replay_options *options = &session->arguments->options;
    const struct number_list *streams = &options->streams;
    struct plan_config config = {
        .workers = threads ? threads : topology_nr_cpus(session->topology),
        .max_events = options->max_events,
        .total_order = options->run.replay.order == REPLAY_ORDER_TRACE,
        .event_times = options->run.replay.pace > 0,
        .caches = (const char *const *)options->caches.words,
    };
    bool *kept = NULL;
    int code;

    for (size_t i = 0; i < streams->count; i++) {
        if (streams->numbers[i] >= config.nr_stream_flags)
            config.nr_stream_flags = streams->numbers[i] + 1;
    }
    if (streams->count) {
        kept = calloc(config.nr_stream_flags, sizeof *kept);
        if (!kept)
            return error_set(error, ENOMEM, "no memory for a list of streams");
        for (size_t i = 0; i < streams->count; i++)
            kept[streams->numbers[i]] = true;
        config.streams = kept;
    }
    code = plan_create(trace, &config, plan, error);
    free(kept);
    return code;
}

/* Cells first..last-1 have one number of threads, and so one plan; repetitions are interleaved. */
static int run_cells(struct session *session, const char *trace, size_t first, size_t last,
                     struct error *error)
{
    const struct replay_options *options = &session->arguments->options;
    unsigned threads = session->cells.cells[first].threads;
    struct plan *plan;
    int code = make_plan(session, trace, threads, &plan, error);

    if (code)
        return code;
    if (threads == 0)
        threads = options->replicas ? topology_nr_cpus(session->topology) : plan->nr_groups;
    for (unsigned repeat = 0; code == 0 && repeat < options->repeats; repeat++) {
        for (size_t i = first; code == 0 && i < last; i++)
            code = run_cell(session, &session->cells.cells[i], plan, threads, repeat, error);
    }
    plan_destroy(plan);
    return code;
}

static int run_session(struct session *session, struct error *error)
{
    const struct arguments *arguments = session->arguments;
    const struct replay_options *options = &arguments->options;
    const char *trace = arguments->trace;
    char spooled[64];
    int code;

    if (options->run.replay.order == REPLAY_ORDER_TRACE && options->replicas > 1)
        return error_set(error, EINVAL, "--order trace has one order, and so no --replicas");
    code = cells_create(options, &session->cells, error);
    if (code == 0)
        code = topology_create_host(&session->topology, error);
    if (code == 0)
        code = spool_standard_input(&trace, spooled, sizeof spooled, error);
    if (code == 0)
        code = replay_table_create(&session->table);
    session->runs = session->cells.count * options->repeats;
    for (size_t first = 0, last; code == 0 && first < session->cells.count; first = last) {
        for (last = first; last < session->cells.count; last++) {
            if (session->cells.cells[last].threads != session->cells.cells[first].threads)
                break;
        }
        code = run_cells(session, trace, first, last, error);
    }
    command_progress_clear();
    return code;
}

/*
 * Some malloc libraries want a place among the C library's own thread-local variables, of which
 * there is little unless it is asked for before the process starts.
 */
static void start_anew(char **command)
{
    static const char variable[] = "GLIBC_TUNABLES";
    static const char wanted[] = "glibc.rtld.optional_static_tls=65536";
    const char *already = getenv(variable);
    char value[4096];

    if (already && strstr(already, "optional_static_tls"))
        return;
    snprintf(value, sizeof value, "%s%s%s", already ? already : "", already ? ":" : "", wanted);
    setenv(variable, value, 1);
    execv("/proc/self/exe", command);
}

static int finish(struct session *session, int code, struct error *error)
{
    const struct arguments *arguments = session->arguments;

    if (session->json.stream) {
        if (code == 0)
            code = outfile_commit(&session->json, error);
        else
            outfile_discard(&session->json);
    }
    if (code)
        return command_failed(code, error);
    if (!arguments->json || strcmp(arguments->json, "-") != 0)
        replay_table_print(session->table, stdout, arguments->trace);
    return session->invalid ? STATUS_FAILED : STATUS_DONE;
}

int cmd_replay(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct session session = {.arguments = &arguments};
    char *typed[argc + 2]; /* "slablab", "replay", the rest */
    struct error error;
    int code = 0, status;

    typed[0] = "slablab";
    typed[1] = "replay";
    memcpy(&typed[2], &argv[1], (size_t)argc * sizeof *argv); /* with the NULL at the end */
    arguments.command = typed;
    replay_options_init(&arguments.options);
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    if (arguments.json)
        code = outfile_open(&session.json, arguments.json, &error);
    if (code == 0)
        code = run_session(&session, &error);
    if (code == -EAGAIN && strcmp(arguments.trace, "-") != 0) {
        if (session.json.stream)
            outfile_discard(&session.json);
        session.json.stream = NULL;
        start_anew(typed);
    }
    status = finish(&session, code, &error);
    replay_table_destroy(session.table);
    cells_cleanup(&session.cells);
    topology_destroy(session.topology);
    replay_options_cleanup(&arguments.options);
    return status;
}
