/* SPDX-License-Identifier: MIT */
/* slablab sim: a trace against allocators, on virtual CPUs. */
#include "tools/calibrate.h"
#include "tools/command.h"
#include "tools/replay_session.h"

struct arguments {
    struct session_arguments session;
    struct word_list traces; /* the first is the session's; more are for --calibrate */
    bool calibrate;
    const char *output;
};

enum key { KEY_OUTPUT = 'o', KEY_CALIBRATE = 0x400 };

static const struct argp_option option_table[] = {
    {"calibrate", KEY_CALIBRATE, NULL, 0,
     "find the --compute and --operation that make one virtual CPU as fast as one of this host, "
     "over all designs and traces named, and say how far each is off before and after",
     2},
    {"output", KEY_OUTPUT, "FILE", 0, "with --calibrate: the machine's table with what was found",
     2},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->session.machines;
        state->child_inputs[1] = &arguments->session.options;
        state->child_inputs[2] = &arguments->session;
        return 0;
    case KEY_CALIBRATE:
        arguments->calibrate = true;
        return 0;
    case KEY_OUTPUT:
        arguments->output = text;
        return 0;
    case ARGP_KEY_ARG:
        if (word_list_add(&arguments->traces, "%s", text))
            argp_failure(state, 1, 0, "no memory for the arguments");
        arguments->session.trace = arguments->traces.words[0];
        return 0;
    case ARGP_KEY_END:
        if (arguments->traces.count > 1 && !arguments->calibrate)
            argp_error(state, "more than one trace: '%s' and '%s'; that is for --calibrate",
                       arguments->traces.words[0], arguments->traces.words[1]);
        if (arguments->output && !arguments->calibrate)
            argp_error(state, "--output is for --calibrate");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {{&machine_options_argp, 0, "The machine:", 0},
                                             {&replay_options_argp, 0, "The replay:", 0},
                                             {&session_argp, 0, NULL, 0},
                                             {0}};

static const struct argp argp = {
    option_table,
    parse_option,
    "TRACE\n--calibrate TRACE...",
    "Runs the events of TRACE (- is standard input) against allocators on a machine that need not "
    "be at hand: up to 1,024 virtual CPUs, each with a clock of its own, over a model of their "
    "caches. The designs are the same sources as in `replay`, each of their loads and stores is "
    "charged, and times are the machine's. The same arguments give the same figures, wherever they "
    "are run.\v"
    "Examples:\n"
    "  slablab sim hackbench.slt --machine opteron-6172x4 -a magazine,slabifier -t 1..48\n"
    "  slablab sim hackbench.slt --machine epyc-7742x2 -a magazine --magazine-size 2..62 -t 64\n"
    "  slablab sim find.slt --topology 'package:4 l3:2 core:8 pu:1' --costs xeon-e7-8867lx8\n"
    "  slablab measure-machine -o mine.machine && slablab sim gcc.slt --costs mine.machine\n"
    "  slablab sim gcc.slt find.slt hackbench.slt --costs mine.machine --calibrate --touch none "
    "\\\n"
    "      -o calibrated.machine\n\n"
    "Unless --replicas says otherwise there are as many copies of the trace as the CPUs need. "
    "sim/VALIDATION.md says how far the figures can be trusted, and what the model leaves out.",
    children,
    NULL,
    NULL};

int cmd_sim(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct session_arguments *session = &arguments.session;
    int status;

    machine_options_init(&session->machines);
    replay_options_init(&session->options);
    session->options.replicas.automatic = true;
    session->options.run.replay.loops = 1;
    session->simulated = true;
    command_parse(&argp, argc, argv, 0, &arguments);
    status = arguments.calibrate ? calibrate_run(session, &arguments.traces, arguments.output)
                                 : session_run(session, argc, argv, "sim");
    word_list_cleanup(&arguments.traces);
    return status;
}
