/* SPDX-License-Identifier: MIT */
/* slablab gen: one of the literature's workloads becomes a trace. */
#include "sim/error.h"
#include "tools/command.h"
#include "tools/gen_like.h"
#include "traces/gen/generate.h"
#include "traces/gen/likeness.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const struct workload *workload;  /* NULL: none was named, so it is --like */
    const struct tunable *parameters; /* of the workload, or of --like */
    size_t nr_parameters;
    void *options;
    const char *output;
    const char *like; /* a trace */
    bool json;
    int code; /* of the first parameter that was refused */
    struct error error;
};

enum key { KEY_LIKE = 0x100, KEY_JSON, KEY_PARAMETER }; /* and on, in the order of the table */

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    if (key >= KEY_PARAMETER && (size_t)(key - KEY_PARAMETER) < arguments->nr_parameters) {
        const char *owner = arguments->workload ? arguments->workload->name : "gen --like";

        if (!arguments->code)
            arguments->code = tunable_set(owner, arguments->parameters, arguments->options,
                                          arguments->parameters[key - KEY_PARAMETER].key, text,
                                          &arguments->error);
        return 0;
    }
    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case KEY_LIKE:
        arguments->like = text;
        return 0;
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->workload)
            argp_error(state, "one workload at a time: '%s' and '%s'", arguments->workload->name,
                       text);
        if (arguments->like)
            argp_error(state, "a workload or --like, not both: '%s'", text);
        argp_error(state, "the workload comes first: slablab gen %s ...", text);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->workload && !arguments->like)
            argp_error(state, "which workload?");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* ---- help ---- */

static const char examples[] =
    "Examples:\n"
    "  slablab gen pairs -o pairs.slt --cpus 8\n"
    "  slablab gen producer-consumer -o ring.slt --cpus 4 --shape ring --batch 16\n"
    "  slablab gen network-receive -o rx.slt --cpus 16 --receivers 15 --remote 90 --events "
    "10000000\n"
    "  slablab gen burst -o bulk.slt --objects 1000 --bulk 16 --order shuffled\n"
    "  slablab gen --like traces/samples/hackbench.slt -o like.slt --cpus 64 --events 10000000\n\n"
    "--like ends with a table: the recording, the load, how far the two are apart (0: the same, 1: "
    "nothing\n"
    "in common). The live sets are compared over one time through the recording; a load with fewer "
    "events of\n"
    "each CPU than recorded hastens through it, and has fewer objects live. traces/gen/README.md "
    "has the rows.\n\n"
    "The same parameters, --seed among them, give the same bytes on every machine. The CPU of an "
    "event "
    "is\n"
    "its stream, times are virtual; what lives when --events are written stays live.";

/* What help says of the command, or of a workload; the caller's to free, NULL: no memory. */
static char *describe(const struct workload *workload)
{
    size_t count, size = 0;
    const struct workload *const *all = workload_all(&count);
    char *text = NULL;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    if (workload)
        fprintf(stream, "Makes a trace: %s.\nSource: %s.\v", workload->summary, workload->source);
    else
        fprintf(stream, "Makes a trace of one of the literature's workloads. `slablab gen WORKLOAD "
                        "--help` lists a workload's parameters.\v");
    for (size_t i = 0; !workload && i < count; i++)
        fprintf(stream, "%s  %-18s %s\n", i ? "" : "Workloads:\n", all[i]->name, all[i]->summary);
    fprintf(stream, "%s%s", workload ? "" : "\n", examples);
    fclose(stream);
    return text;
}

static const struct argp_option like_options[] = {
    {"like", KEY_LIKE, "TRACE", 0,
     "a load like a recorded one: kinds, lives, the live set over time, distances, times", 0},
    {"json", KEY_JSON, NULL, 0, "with --like: how like it is, as JSON on standard output", 0},
};
enum { LIKE_OPTIONS = sizeof like_options / sizeof *like_options };

static const struct argp_option output_option = {
    "output", 'o', "OUT.slt", 0, "the trace to write (- is standard output; default: WORKLOAD.slt)",
    0};

/* What a parameter takes, as the name of an option's argument; to free, NULL: no memory. */
static char *name_argument(const struct tunable *row)
{
    size_t size = 1;
    char *text;

    switch (row->kind) {
    case TUNABLE_UINT:
        return strdup("N");
    case TUNABLE_SIZE:
        return strdup("SIZE");
    case TUNABLE_BOOL:
        return strdup("on|off");
    case TUNABLE_STRING:
        return strdup("TEXT");
    case TUNABLE_CHOICE:
        break;
    }
    for (const char *const *choice = row->choices; *choice; choice++)
        size += strlen(*choice) + 1;
    text = calloc(1, size);
    for (const char *const *choice = row->choices; text && *choice; choice++)
        strcat(strcat(text, choice == row->choices ? "" : "|"), *choice);
    return text;
}

/* Its summary, range and default; what choices there are its argument says. To free. */
static char *describe_parameter(const struct tunable *row, const void *options)
{
    bool range = row->kind == TUNABLE_UINT || row->kind == TUNABLE_SIZE;
    char value[64], words[200], *text;

    if (asprintf(&text, "%s%s%s (default %s)", row->summary, range ? ": " : "",
                 range ? tunable_allowed(row, words, sizeof words) : "",
                 tunable_text(row, options, value, sizeof value)) < 0)
        return NULL;
    return text;
}

static void free_option_table(struct argp_option *table)
{
    for (size_t i = 0; table && table[i].key >= KEY_PARAMETER; i++) {
        free((void *)table[i].arg);
        free((void *)table[i].doc);
    }
    free(table);
}

/* One option a parameter, with its default and its range. */
static struct argp_option *make_option_table(const struct arguments *arguments)
{
    struct argp_option *table = calloc(arguments->nr_parameters + LIKE_OPTIONS + 2, sizeof *table);

    if (!table)
        return NULL;
    for (size_t i = 0; i < arguments->nr_parameters; i++) {
        const struct tunable *row = &arguments->parameters[i];

        table[i] = (struct argp_option){.name = row->key,
                                        .key = KEY_PARAMETER + (int)i,
                                        .arg = name_argument(row),
                                        .doc = describe_parameter(row, arguments->options)};
        if (!table[i].arg || !table[i].doc) { /* it would take nothing, or not be in the help */
            free_option_table(table);
            return NULL;
        }
    }
    table[arguments->nr_parameters] = output_option;
    if (!arguments->workload)
        memcpy(table + arguments->nr_parameters + 1, like_options, sizeof like_options);
    return table;
}

/* ---- the command ---- */

static void show_progress(void *context, uint64_t events)
{
    command_progress("%s: %llu million events", (const char *)context,
                     (unsigned long long)(events / 1000000));
}

static int parse(int argc, char **argv, struct arguments *arguments)
{
    struct argp_option *table = make_option_table(arguments);
    char *text = describe(arguments->workload);
    const struct argp argp = {.options = table,
                              .parser = parse_option,
                              .args_doc = arguments->workload ? NULL : "WORKLOAD\n--like=TRACE",
                              .doc = text};
    int code = -ENOMEM;

    if (table && text)
        code = -argp_parse(&argp, argc, argv, 0, NULL, arguments);
    free_option_table(table);
    free(text);
    if (code)
        return error_set(&arguments->error, -code, "%s", strerror(-code));
    return arguments->code;
}

/* Writes the trace, and says what was written. */
static int generate(struct arguments *arguments)
{
    const struct workload *workload = arguments->workload;
    const char *name = workload ? workload->name : "like";
    const struct generate_progress progress = {show_progress, (void *)name};
    struct generate_report report;
    char output[64];
    int code;

    snprintf(output, sizeof output, "%s.slt", name);
    if (!arguments->output)
        arguments->output = output;
    if (workload)
        code = generate_trace(workload, arguments->options, arguments->output, &progress, &report,
                              &arguments->error);
    else
        code = gen_like(arguments->like, arguments->options, arguments->output, arguments->json,
                        &progress, &report, &arguments->error);
    if (code)
        return code;
    command_progress_clear();
    fprintf(stderr, "%s: %llu event%s of %llu CPU%s in %.3f s of virtual time written to %s\n",
            name, (unsigned long long)report.events, command_plural(report.events),
            (unsigned long long)report.cpus, command_plural(report.cpus),
            (double)report.duration_ns * 1e-9, arguments->output);
    return 0;
}

/* The workload comes first, as a command does: it says which options there are. */
static int choose(int *argc, char ***argv, struct arguments *arguments)
{
    static char name[64];

    if (*argc < 2 || (*argv)[1][0] == '-') {
        arguments->parameters = likeness_parameters;
        arguments->options = calloc(1, sizeof(struct likeness_options));
        if (arguments->options)
            tunable_set_initial(likeness_parameters, arguments->options);
    } else {
        int code = workload_find((*argv)[1], &arguments->workload, &arguments->error);

        if (code)
            return code;
        snprintf(name, sizeof name, "%s %s", (*argv)[0], (*argv)[1]);
        (*argv)[1] = name;
        --*argc, ++*argv;
        arguments->parameters = arguments->workload->parameters;
        arguments->options = workload_options(arguments->workload);
    }
    while (arguments->parameters[arguments->nr_parameters].key)
        arguments->nr_parameters++;
    if (!arguments->options)
        return error_set(&arguments->error, ENOMEM, "%s", strerror(ENOMEM));
    return 0;
}

int cmd_gen(int argc, char **argv)
{
    struct arguments arguments = {0};
    int code = choose(&argc, &argv, &arguments);

    if (!code)
        code = parse(argc, argv, &arguments);
    if (!code)
        code = generate(&arguments);
    free(arguments.options);
    return code ? command_failed(code, &arguments.error) : STATUS_DONE;
}
