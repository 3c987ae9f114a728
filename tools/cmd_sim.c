/* SPDX-License-Identifier: MIT */
/* slablab sim: a trace against allocators, on virtual CPUs. */
#include "tools/command.h"
#include "tools/replay_session.h"

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct session_arguments *arguments = state->input;

    (void)text;
    if (key != ARGP_KEY_INIT)
        return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = &arguments->machines;
    state->child_inputs[1] = &arguments->options;
    state->child_inputs[2] = arguments;
    return 0;
}

static const struct argp_child children[] = {{&machine_options_argp, 0, "The machine:", 0},
                                             {&replay_options_argp, 0, "The replay:", 0},
                                             {&session_argp, 0, NULL, 0},
                                             {0}};

static const struct argp argp = {
    NULL,
    parse_option,
    "TRACE",
    "Runs the events of TRACE (- is standard input) against allocators on a machine that need not "
    "be at hand: up to 1,024 virtual CPUs, each with a clock of its own, over a model of their "
    "caches. The designs are the same sources as in `replay`, each of their loads and stores is "
    "charged, and times are the machine's. The same arguments give the same figures, wherever they "
    "are run.\v"
    "Examples:\n"
    "  slablab sim hackbench.slt --machine opteron-6172x4 -a magazine,slabifier -t 1..48\n"
    "  slablab sim hackbench.slt --machine epyc-7742x2 -a magazine --magazine-size 2..62 -t 64\n"
    "  slablab sim find.slt --topology 'package:4 l3:2 core:8 pu:1' --costs xeon-e7-8867lx8\n"
    "  slablab measure-machine -o mine.machine && slablab sim gcc.slt --costs mine.machine\n\n"
    "Unless --replicas says otherwise there are as many copies of the trace as the CPUs need. "
    "sim/VALIDATION.md says how far the figures can be trusted, and what the model leaves out.",
    children,
    NULL,
    NULL};

int cmd_sim(int argc, char **argv)
{
    struct session_arguments arguments = {0};

    machine_options_init(&arguments.machines);
    replay_options_init(&arguments.options);
    arguments.options.replicas.automatic = true;
    arguments.options.run.replay.loops = 1;
    arguments.simulated = true;
    argp_parse(&argp, argc, argv, 0, NULL, &arguments);
    return session_run(&arguments, argc, argv, "sim");
}
