/* SPDX-License-Identifier: MIT */
/* The options of `slablab sweep`, its help, and what a folder says instead of them. */
#include "tools/sweep_options.h"

#include "sim/error.h"
#include "tools/command.h"
#include "tools/runs_file.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS_DEFAULT 3

enum key { KEY_RESUME = 0x200, KEY_UNTIL, KEY_SHARD, KEY_NO_AA, KEY_RERUN };

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
    {"rerun-disturbed", KEY_RERUN, NULL, 0,
     "with --resume: run again, once, what others disturbed; the later result counts", 0},
    {0}};

static void parse_repeats(struct sweep_options *options, const char *text, struct argp_state *state)
{
    char *end;

    options->request.repeats = strtoull(text, &end, 10);
    if (*end || options->request.repeats < 1 || options->request.repeats > 100000)
        argp_error(state, "-n: '%s': expected a number from 1 to 100000", text);
}

/* The same inputs have the same figures: nothing is gained by repeating them. */
static void default_to_simulated(struct sweep_options *options, struct argp_state *state)
{
    struct replay_options *replay = &options->replay;

    options->simulated = true;
    if (options->request.until)
        argp_error(state, "--until: simulated runs do not scatter");
    if (!options->request.repeats)
        options->request.repeats = 1;
    options->request.compare_itself = false;
    if (replay->replicas.count == 0)
        replay->replicas.automatic = true;
}

/* `sweep --resume -o DIR`, and nothing else. */
static bool asked_to_go_on(const struct sweep_options *options)
{
    const struct sweep_request *request = &options->request;

    return options->resume && options->folder && !options->traces.count &&
           !options->replay.given.count && !options->machines.given.count && !request->repeats &&
           !request->until && !request->shard && request->compare_itself;
}

static void check_options(struct sweep_options *options, struct argp_state *state)
{
    struct sweep_request *request = &options->request;

    if (options->rerun_disturbed && !options->resume)
        argp_error(state, "--rerun-disturbed goes with --resume");
    options->as_begun = asked_to_go_on(options);
    if (options->as_begun)
        return;
    if (options->traces.count == 0)
        argp_error(state, "which trace?%s",
                   options->resume ? " (Without any, --resume takes no other options but -o)" : "");
    if (options->replay.repeats != 1)
        argp_error(state, "repetitions of a sweep are asked for with -n, not --repeat");
    if (!options->folder)
        argp_error(state, "where to? Name a folder with -o DIR");
    if (options->machines.given.count)
        default_to_simulated(options, state);
    if (request->until && request->repeats)
        argp_error(state, "-n says how often, --until how well: ask for one of the two");
    if (!request->until && !request->repeats)
        request->repeats = REPEATS_DEFAULT;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct sweep_options *options = state->input;
    struct error error;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &options->machines;
        state->child_inputs[1] = &options->replay;
        return 0;
    case 'o':
        options->folder = text;
        return 0;
    case 'n':
        parse_repeats(options, text, state);
        return 0;
    case KEY_UNTIL:
        options->request.until = text;
        if (until_parse(text, &options->until, &error) != 0)
            argp_error(state, "--until: %s", error.text);
        return 0;
    case KEY_SHARD:
        options->request.shard = text;
        if (!shard_parse(text, &options->shard))
            argp_error(state, "--shard: '%s': expected I/N, from 1/N to N/N", text);
        return 0;
    case KEY_NO_AA:
        options->request.compare_itself = false;
        return 0;
    case KEY_RESUME:
        options->resume = true;
        return 0;
    case KEY_RERUN:
        options->rerun_disturbed = true;
        return 0;
    case ARGP_KEY_ARG:
        if (strcmp(text, "-") == 0)
            argp_error(state, "a sweep reads its traces often: name files, not -");
        if (word_list_add(&options->traces, "%s", text) != 0)
            argp_failure(state, STATUS_FAILED, 0, "no memory for a list of traces");
        return 0;
    case ARGP_KEY_END:
        check_options(options, state);
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
    "  slablab sweep --resume --rerun-disturbed -o out\n"
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

static void options_init(struct sweep_options *options)
{
    *options = (struct sweep_options){.request.compare_itself = true, .shard = {1, 1}};
    replay_options_init(&options->replay);
    machine_options_init(&options->machines);
}

void sweep_options_cleanup(struct sweep_options *options)
{
    machine_options_cleanup(&options->machines);
    replay_options_cleanup(&options->replay);
    word_list_cleanup(&options->traces);
    word_list_cleanup(&options->begun);
}

/* The words with which the sweep in the folder was begun, and --resume. */
static int begun_read(const struct sweep_options *options, struct word_list *begun,
                      struct error *error)
{
    const char *folder = options->folder;
    json_t *description;
    int code = sweep_file_read(folder, &description, error);

    if (code)
        return error_prefix(error, code, "nothing to go on with");
    if (word_list_add(begun, "slablab sweep") || word_list_add(begun, "--resume") ||
        (options->rerun_disturbed && word_list_add(begun, "--rerun-disturbed")) ||
        sweep_file_arguments(description, folder, begun))
        code = error_set(error, ENOMEM, "no memory for options");
    json_decref(description);
    return code;
}

int sweep_options_parse(struct sweep_options *options, int argc, char **argv, struct error *error)
{
    struct word_list begun = {0};
    int code;

    options_init(options);
    command_parse(&argp, argc, argv, 0, options);
    if (!options->as_begun)
        return 0;
    code = begun_read(options, &begun, error);
    if (code == 0) {
        sweep_options_cleanup(options);
        options_init(options);
        command_parse(&argp, (int)begun.count, begun.words, 0, options);
    }
    options->begun = begun;
    return code;
}
