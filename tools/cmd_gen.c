/* SPDX-License-Identifier: MIT */
/* slablab gen: one of the literature's workloads becomes a trace. */
#include "sim/error.h"
#include "tools/command.h"
#include "traces/generate.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const struct workload *workload; /* NULL: none was named, so only help can be had */
    size_t nr_parameters;
    void *options;
    const char *output;
    int code; /* of the first parameter that was refused */
    struct error error;
};

enum key { KEY_PARAMETER = 0x100 }; /* and on, in the order of the workload's table */

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    if (key >= KEY_PARAMETER && (size_t)(key - KEY_PARAMETER) < arguments->nr_parameters) {
        const struct workload *workload = arguments->workload;

        if (!arguments->code)
            arguments->code =
                tunable_set(workload->name, workload->parameters, arguments->options,
                            workload->parameters[key - KEY_PARAMETER].key, text, &arguments->error);
        return 0;
    }
    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->workload)
            argp_error(state, "one workload at a time: '%s' and '%s'", arguments->workload->name,
                       text);
        argp_error(state, "the workload comes first: slablab gen %s ...", text);
        return 0;
    case ARGP_KEY_END:
        if (!arguments->workload)
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
    "  slablab gen burst -o bulk.slt --objects 1000 --bulk 16 --order shuffled\n\n"
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

static const struct argp_option output_option = {
    "output", 'o', "OUT.slt", 0, "the trace to write (- is standard output; default: WORKLOAD.slt)",
    0};

/* One option a parameter, with its default and its range. */
static struct argp_option *make_option_table(const struct arguments *arguments)
{
    struct argp_option *table = calloc(arguments->nr_parameters + 2, sizeof *table);

    if (!table)
        return NULL;
    table[0] = output_option;
    for (size_t i = 0; i < arguments->nr_parameters; i++) {
        const struct tunable *row = &arguments->workload->parameters[i];
        char value[64], words[200], *text;

        if (asprintf(&text, "%s: %s (default %s)", row->summary,
                     tunable_allowed(row, words, sizeof words),
                     tunable_text(row, arguments->options, value, sizeof value)) < 0)
            text = NULL;
        table[i + 1] = (struct argp_option){row->key, KEY_PARAMETER + (int)i, "V", 0, text, 0};
    }
    return table;
}

static void free_option_table(struct argp_option *table)
{
    for (size_t i = 1; table && table[i].name; i++)
        free((void *)table[i].doc);
    free(table);
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
                              .args_doc = arguments->workload ? NULL : "WORKLOAD",
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

static int generate(struct arguments *arguments)
{
    const struct workload *workload = arguments->workload;
    const struct generate_progress progress = {show_progress, (void *)workload->name};
    struct generate_report report;
    char name[64];
    int code;

    snprintf(name, sizeof name, "%s.slt", workload->name);
    if (!arguments->output)
        arguments->output = name;
    code = generate_trace(workload, arguments->options, arguments->output, &progress, &report,
                          &arguments->error);
    if (code)
        return code;
    command_progress_clear();
    fprintf(stderr, "%s: %llu events of %llu CPU%s in %.3f s of virtual time written to %s\n",
            workload->name, (unsigned long long)report.events, (unsigned long long)report.cpus, report.cpus == 1 ? "" : "s",
            (double)report.duration_ns * 1e-9, arguments->output);
    return 0;
}

int cmd_gen(int argc, char **argv)
{
    struct arguments arguments = {0};
    char name[64];
    int code = 0;

    /* The workload comes first, as a command does: it says which options there are. */
    if (argc > 1 && argv[1][0] != '-') {
        code = workload_find(argv[1], &arguments.workload, &arguments.error);
        if (code)
            return command_failed(code, &arguments.error);
        snprintf(name, sizeof name, "%s %s", argv[0], argv[1]);
        argv[1] = name;
        argc--, argv++;
        while (arguments.workload->parameters[arguments.nr_parameters].key)
            arguments.nr_parameters++;
        arguments.options = workload_options(arguments.workload);
        if (!arguments.options)
            code = error_set(&arguments.error, ENOMEM, "%s", strerror(ENOMEM));
    }
    if (!code)
        code = parse(argc, argv, &arguments);
    if (!code)
        code = generate(&arguments);
    free(arguments.options);
    return code ? command_failed(code, &arguments.error) : STATUS_DONE;
}
