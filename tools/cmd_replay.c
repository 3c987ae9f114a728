/* SPDX-License-Identifier: MIT */
/* slablab replay: a trace against allocators, on this machine's cores. */
#include "tools/command.h"
#include "tools/replay_session.h"

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct session_arguments *arguments = state->input;

    (void)text;
    if (key != ARGP_KEY_INIT)
        return ARGP_ERR_UNKNOWN;
    state->child_inputs[0] = &arguments->options;
    state->child_inputs[1] = arguments;
    return 0;
}

static const struct argp_child children[] = {
    {&replay_options_argp, 0, NULL, 0}, {&session_argp, 0, NULL, 0}, {0}};

static const struct argp argp = {
    NULL,
    parse_option,
    "TRACE",
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
    children,
    NULL,
    NULL};

int cmd_replay(int argc, char **argv)
{
    struct session_arguments arguments = {0};

    replay_options_init(&arguments.options);
    command_parse(&argp, argc, argv, 0, &arguments);
    return session_run(&arguments, argc, argv, "replay");
}
