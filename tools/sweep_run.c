/* SPDX-License-Identifier: MIT */
/* The runs of a sweep as processes of their own, and their records. */
#include "tools/sweep_run.h"

#include "sim/error.h"
#include "sim/result.h"
#include "tools/child.h"
#include "tools/command.h"
#include "tools/environment.h"
#include "tools/machine_options.h"
#include "tools/replay_options.h"
#include "tools/runs_file.h"
#include "tools/sweep_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of the CPUs' time during a run: what others took of it was enough to disturb. */
#define DISTURBED_OTHERS_SHARE 0.05

/* How long results may rest with the system. A kill takes none of them, only a loss of power. */
#define RESULTS_SYNC_S 1

static double seconds_since(const struct timespec *then)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) * 1e-9;
}

/* ---- the command of a run ---- */

/* Options that the sweep spells out for each run itself. */
static bool option_is_cells(const char *given)
{
    static const char *const names[] = {
        "--allocators=", "--threads=", "--magazine-size=", "--set=",
        "--lock=",       "--bind=",    "--replicas=",      "--machine="};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(given, names[i], strlen(names[i])) == 0)
            return true;
    }
    return false;
}

static int cell_words(const struct cell *cell, struct word_list *words)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < cell->nr_settings; i++)
        code = word_list_add(words, "--set=%s.%s=%s", cell->allocator, cell->settings[i].key,
                             cell->settings[i].value);
    if (code == 0)
        code = word_list_add(words, "--allocators=%s", cell->allocator);
    if (code == 0 && cell->threads)
        code = word_list_add(words, "--threads=%u", cell->threads);
    if (code == 0 && cell->magazine_size)
        code =
            word_list_add(words, "--magazine-size=%llu", (unsigned long long)cell->magazine_size);
    if (code == 0)
        code = word_list_add(words, "--lock=%s", lock_kind_name(cell->lock));
    if (code == 0)
        code = word_list_add(words, "--bind=%s", cell->bind->text);
    if (code)
        return code;
    if (cell->replicas == REPLICAS_AUTO)
        return word_list_add(words, "--replicas=auto");
    return word_list_add(words, "--replicas=%llu", (unsigned long long)cell->replicas);
}

static int given_words(const struct word_list *given, struct word_list *words)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < given->count; i++) {
        if (!option_is_cells(given->words[i]))
            code = word_list_add(words, "%s", given->words[i]);
    }
    return code;
}

/* A machine that has a name is the cell's; others are as they were given. */
static int machine_words(const struct sweep_runner *runner, const struct cell *cell,
                         struct word_list *words)
{
    int code = given_words(&runner->machines->given, words);

    if (code == 0 && runner->machines->names.count)
        code = word_list_add(words, "--machine=%s", cell->machine->name);
    return code;
}

/* slablab replay|sim <options as given> --allocators=A --threads=T ... --json=- -- TRACE */
static int run_command(const struct sweep_runner *runner, const struct run *run, bool kept,
                       struct word_list *words)
{
    const struct replay_options *options = runner->options;
    int code = word_list_add(words, "slablab")
                   ?: word_list_add(words, runner->machines ? "sim" : "replay");

    if (code == 0)
        code = given_words(&options->given, words);
    if (code == 0 && runner->machines)
        code = machine_words(runner, run->combination->cell, words);
    if (code == 0)
        code = cell_words(run->combination->cell, words);
    if (code == 0 && kept && record_options_of(&options->recording, options->run.replay.cold))
        code = word_list_add(words, "--series=%s/%s", runner->folder, run->series);
    return code ?: word_list_add(words, "--json=-") ?: word_list_add(words, "--")
                ?: word_list_add(words, "%s", run->combination->trace);
}

static int run_child(const struct sweep_runner *runner, const struct run *run, bool kept,
                     struct child_result *result, struct error *error)
{
    struct word_list words = {0};
    int code = run_command(runner, run, kept, &words);

    if (code)
        error_set(error, ENOMEM, "no memory for a command");
    else
        code = child_run("/proc/self/exe", words.words, result, error);
    word_list_cleanup(&words);
    return code;
}

/* ---- the record of a run ---- */

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

/* What a run itself cannot see: what others did beside it. */
static void mark_disturbed(json_t *record, double others_share)
{
    json_t *disturbances = json_object_get(record, "disturbances");

    if (others_share < 0)
        return;
    json_object_set_new(record, "others_share", json_real(others_share));
    if (others_share <= DISTURBED_OTHERS_SHARE || !json_is_array(disturbances))
        return;
    json_array_append_new(disturbances,
                          json_sprintf("other processes, or the host, took %.0f%% of the CPUs' "
                                       "time, more than %.0f%%",
                                       others_share * 100, DISTURBED_OTHERS_SHARE * 100));
    json_object_set_new(record, "disturbed", json_true());
}

/* A valid one of a run that failed after it: its side file could not be written. */
static bool record_misleads(const json_t *record, const struct child_result *result)
{
    return result->status != 0 && result_valid(record);
}

/* The record of a run, or of its failure. NULL: no memory. */
static json_t *run_record(const struct sweep_runner *runner, struct run *run,
                          const struct child_result *result, double others_share)
{
    const struct combination *combination = run->combination;
    json_t *record = json_loadb(result->output, result->output_size, JSON_DISABLE_EOF_CHECK, NULL);

    if (!json_is_object(record) || record_misleads(record, result)) {
        json_decref(record);
        record = json_pack("{s:s, s:s, s:s, s:i, s:o}", "schema", RUNS_FAILURE_SCHEMA, "allocator",
                           combination->cell->allocator, "trace", combination->trace, "status",
                           result->status, "stderr", text_json(result->messages));
    } else {
        json_object_set_new(record, "repeat", json_integer(run->repeat));
        if (!runner->machines) {
            mark_disturbed(record, others_share);
            json_object_set(record, "environment", (json_t *)runner->environment);
        }
    }
    if (combination->arm)
        json_object_set_new(record, "arm", json_stringn(&combination->arm, 1));
    if (record)
        json_object_set_new(record, "cell", json_string(run->name));
    /* From the folder, which may be moved. */
    if (json_object_get(record, "series"))
        json_object_set_new(record, "series", json_string(run->series));
    if (result->status != 0) {
        command_progress_clear();
        fprintf(stderr, "slablab: %s: status %d: %s", run->name, result->status,
                without_program(result->messages));
    }
    return record;
}

static int results_sync(struct sweep_runner *runner, struct error *error)
{
    clock_gettime(CLOCK_MONOTONIC, &runner->synced);
    return runs_file_sync(runner->file, error);
}

static int run_one(struct sweep_runner *runner, struct sweep_plan *plan, struct run *run,
                   struct error *error)
{
    struct child_result result;
    struct cpu_reading before;
    json_t *record;
    int code;

    cpu_read(&before);
    code = run_child(runner, run, true, &result, error);
    if (code)
        return code;
    record = run_record(runner, run, &result, cpu_others_share(&before));
    child_result_cleanup(&result);
    if (!record || sweep_plan_note(plan, record) != 0)
        code = error_set(error, ENOMEM, "no memory for a result");
    else
        code = runs_file_append(runner->file, record, error);
    if (code == 0 && seconds_since(&runner->synced) >= RESULTS_SYNC_S)
        code = results_sync(runner, error);
    run->done = code == 0 && result_valid(record);
    json_decref(record);
    return code;
}

/* ---- how long it takes ---- */

static const char *duration_text(double seconds, char *text, size_t size)
{
    if (seconds < 120)
        snprintf(text, size, "%.0f s", seconds < 1 ? 1 : seconds);
    else if (seconds < 7200)
        snprintf(text, size, "%.0f min", seconds / 60);
    else
        snprintf(text, size, "%.1f h", seconds / 3600);
    return text;
}

/* What is left goes by the estimate until some runs have told better. */
static void progress_show(const struct sweep_runner *runner, const struct run *run)
{
    double passed = seconds_since(&runner->begun);
    double left = runner->estimate_s - passed;
    char text[32], rate[32] = "";

    if (runner->machines && runner->finished < 5) { /* nothing has told how long they take */
        command_progress("[%zu/%zu] %s", runner->finished, runner->left, run->name);
        return;
    }
    if (runner->finished >= 5) {
        left = passed / (double)runner->finished * (double)(runner->left - runner->finished);
        snprintf(rate, sizeof rate, "%.1f runs/s, ", (double)runner->finished / passed);
    }
    command_progress("[%zu/%zu] %sabout %s left: %s", runner->finished, runner->left, rate,
                     duration_text(left, text, sizeof text), run->name);
}

int sweep_warm_up(struct sweep_runner *runner, const struct sweep_plan *plan, struct error *error)
{
    size_t left = sweep_plan_missing(plan);
    char text[32];

    fprintf(stderr, "%zu runs to do%s; first, one of each trace to warm up, which is not kept\n",
            left, left < plan->nr_runs ? " (the others are done)" : "");
    runner->estimate_s = 0;
    for (size_t i = 0; i < plan->nr_combinations; i++) {
        const char *trace = plan->combinations[i].trace;
        const struct run *first = NULL;
        struct child_result result;
        struct timespec begun;
        size_t count = 0;
        int code;

        if (i && trace == plan->combinations[i - 1].trace)
            continue; /* a trace's combinations are neighbours */
        for (size_t j = 0; j < plan->nr_runs; j++) {
            const struct run *run = &plan->runs[j];

            if (run->done || run->combination->trace != trace)
                continue;
            first = first ? first : run;
            count++;
        }
        if (!first)
            continue;
        command_progress("warming up: %s", first->combination->name);
        clock_gettime(CLOCK_MONOTONIC, &begun);
        code = run_child(runner, first, false, &result, error);
        if (code)
            return code;
        child_result_cleanup(&result); /* what is wrong with it, it will say when it counts */
        runner->estimate_s += seconds_since(&begun) * (double)count;
    }
    command_progress_clear();
    if (left)
        fprintf(stderr, "that will take about %s (an estimate: as long as those took)\n",
                duration_text(runner->estimate_s, text, sizeof text));
    clock_gettime(CLOCK_MONOTONIC, &runner->begun);
    return 0;
}

int sweep_run_all(struct sweep_runner *runner, struct sweep_plan *plan, struct error *error)
{
    int code = 0;

    if (runner->machines) /* others begin to count where they have warmed up */
        clock_gettime(CLOCK_MONOTONIC, &runner->begun);
    runner->left = runner->finished + sweep_plan_missing(plan);
    for (size_t i = 0; code == 0 && i < plan->nr_runs; i++) {
        if (plan->runs[i].done)
            continue;
        progress_show(runner, &plan->runs[i]);
        code = run_one(runner, plan, &plan->runs[i], error);
        runner->finished++;
    }
    command_progress_clear();
    return code ? code : results_sync(runner, error);
}
