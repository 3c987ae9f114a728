/* SPDX-License-Identifier: MIT */
/* slablab abuse: what each design notices of what callers should not do, as a matrix. */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "tools/abuse.h"
#include "tools/command.h"
#include "tools/list_option.h"
#include "traces/outfile.h"
#include "version.h"

#include <argp.h>
#include <errno.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum key { KEY_ABUSE = 0x100, KEY_JSON };

/* A column: a design, as it is or in debug mode. */
struct column {
    const char *design;
    const char *mode; /* "off", or the tunable that is on */
    bool debug;
    unsigned outcomes[ABUSE_OUTCOMES];
    unsigned leaks; /* of those detected: only by the count of live objects at the end */
};
#define COLUMNS_MOST 64

struct arguments {
    struct word_list allocators, abuses;
    const char *json;
    struct column columns[COLUMNS_MOST];
    size_t nr_columns;
};

static const struct argp_option option_table[] = {
    {"allocator", 'a', "LIST", 0, "designs (default: all)", 0},
    {"abuse", KEY_ABUSE, "LIST", 0, "abuses, also as patterns (default: all); listed below", 0},
    {"json", KEY_JSON, "FILE", 0,
     "write one JSON object a design, mode and abuse to FILE (- is standard output)", 0},
    {0}};

static const char *const stages[ABUSE_STAGES] = {
    [ABUSE_SETUP] = "before",    [ABUSE_ACT] = "at once", [ABUSE_FREES] = "at free",
    [ABUSE_ALLOCS] = "at alloc", [ABUSE_END] = "at end",  [ABUSE_LEAK] = "as leak"};
static const char *const outcomes[ABUSE_OUTCOMES] = {
    [ABUSE_DETECTED] = "detected",   [ABUSE_CRASHED] = "crashed", [ABUSE_HUNG] = "hung",
    [ABUSE_CORRUPTED] = "corrupted", [ABUSE_SILENT] = "silent",   [ABUSE_NONE] = "none"};

static void words(struct argp_state *state, const char *option, const char *text,
                  struct word_list *list)
{
    struct error error;

    if (word_list_parse(text, list, &error) != 0)
        argp_error(state, "%s: %s", option, error.text);
}

static bool wanted(const struct word_list *patterns, const char *name)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (fnmatch(patterns->words[i], name, 0) == 0)
            return true;
    }
    return patterns->count == 0;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'a':
        words(state, "--allocator", text, &arguments->allocators);
        return 0;
    case KEY_ABUSE:
        words(state, "--abuse", text, &arguments->abuses);
        return 0;
    case KEY_JSON:
        arguments->json = text;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s': abuse takes no trace; it has abuses of its own", text);
    }
    return ARGP_ERR_UNKNOWN;
}

static void abuses_print(FILE *stream)
{
    const struct abuse *abuse;

    for (size_t i = 0; (abuse = abuse_at(i)) != NULL; i++)
        fprintf(stream, "  %-19s %s\n", abuse->name, abuse->summary);
}

static char *help_filter(int key, const char *text, void *input)
{
    (void)input;
    return command_help_table(key, text, "Abuses", abuses_print);
}

static const struct argp argp = {
    option_table,
    parse_option,
    NULL,
    "Does to designs what callers should not do, and says what they notice\v"
    "Each abuse (a write past the end, a double free, a write after free, damage to a freelist "
    "...) is planted in 40 live objects of a design as it is by default and again in its debug "
    "mode, each time in a process of its own; then the owners free their objects, 800 are "
    "allocated, and all is taken down. The table says when it was detected:\n"
    "  at once    while it was done\n"
    "  at free    when the owners freed their objects\n"
    "  at alloc   when objects were allocated again\n"
    "  at end     when all was taken down\n"
    "  as leak    then too, but only in that objects are still live: not which mistake it was\n"
    "or else what came of it:\n"
    "  CRASH      a signal, and no message\n"
    "  HANG       no end within 10 s\n"
    "  corrupts   another's object was changed, or one was given to two, and nobody noticed\n"
    "  -          nothing was noticed, and nothing seen\n"
    "  n/a        there is no such thing in this design\n"
    "\n"
    "Debug mode is tunable `debug` (`verify` of x15): slablab replay TRACE --set "
    "magazine.debug=on. Undetected abuses are no failure of the command.\n"
    "\n"
    "Examples:\n"
    "  slablab abuse\n"
    "  slablab abuse -a magazine,x15 --abuse 'free-*' --json abuses.jsonl",
    NULL,
    help_filter,
    NULL};

/* ---- what is asked for ---- */

static void column_add(struct arguments *arguments, const char *design, const char *mode,
                       bool debug)
{
    arguments->columns[arguments->nr_columns++] =
        (struct column){.design = design, .mode = mode, .debug = debug};
}

static int columns_of(struct arguments *arguments, const char *name, struct error *error)
{
    struct allocator_instance *instance;
    const struct allocator *design;
    int code = allocator_create(name, &instance, error);

    if (code)
        return code;
    design = allocator_design(instance);
    if (design->external || design->harness)
        code = error_set(error, EINVAL, "allocator %s cannot be abused: it %s", name,
                         design->external ? "is no source of ours" : "is no allocator");
    else if (arguments->nr_columns + 2 > COLUMNS_MOST)
        code = error_set(error, E2BIG, "more than %d designs and modes", COLUMNS_MOST);
    if (code == 0)
        column_add(arguments, name, "off", false);
    if (code == 0 && design->debug_key)
        column_add(arguments, name, design->debug_key, true);
    allocator_destroy(instance);
    return code;
}

static int columns_make(struct arguments *arguments, struct error *error)
{
    size_t count;
    const struct allocator *const *designs = allocator_all(&count);
    int code = 0;

    for (size_t i = 0; arguments->allocators.count == 0 && i < count && code == 0; i++) {
        if (!designs[i]->external && !designs[i]->harness)
            code = columns_of(arguments, designs[i]->name, error);
    }
    for (size_t i = 0; i < arguments->allocators.count && code == 0; i++)
        code = columns_of(arguments, arguments->allocators.words[i], error);
    return code;
}

/* Each word of --abuse has to mean something. */
static int abuses_check(const struct arguments *arguments, struct error *error)
{
    const struct abuse *abuse;

    for (size_t i = 0; i < arguments->abuses.count; i++) {
        const char *pattern = arguments->abuses.words[i];
        bool any = false;

        for (size_t j = 0; (abuse = abuse_at(j)) != NULL; j++)
            any |= fnmatch(pattern, abuse->name, 0) == 0;
        if (!any)
            return error_set(error, EINVAL, "no abuse '%s'; `slablab abuse --help` lists them",
                             pattern);
    }
    return 0;
}

/* ---- the matrix ---- */

static const char *cell(const struct abuse_result *result)
{
    switch (result->outcome) {
    case ABUSE_DETECTED:
        return stages[result->stage];
    case ABUSE_CRASHED:
        return "CRASH";
    case ABUSE_HUNG:
        return "HANG";
    case ABUSE_CORRUPTED:
        return "corrupts";
    case ABUSE_NONE:
        return "n/a";
    default:
        return "-";
    }
}

static void head_print(FILE *text, const struct arguments *arguments)
{
    fprintf(text, "| %-19s |", "abuse");
    for (size_t i = 0; i < arguments->nr_columns; i++)
        fprintf(text, " %-9s |", arguments->columns[i].design);
    fprintf(text, " what |\n|---------------------|");
    for (size_t i = 0; i < arguments->nr_columns; i++)
        fprintf(text, "-----------|");
    fprintf(text, "---|\n| %-19s |", "");
    for (size_t i = 0; i < arguments->nr_columns; i++)
        fprintf(text, " %-9s |", arguments->columns[i].mode);
    fprintf(text, " |\n");
}

static void feet_print(FILE *text, const struct arguments *arguments)
{
    for (enum abuse_outcome outcome = 0; outcome < ABUSE_OUTCOMES; outcome++) {
        fprintf(text, "| *%-18s |", outcomes[outcome]);
        for (size_t i = 0; i < arguments->nr_columns; i++) {
            const struct column *column = &arguments->columns[i];

            fprintf(text, " %-9u |",
                    column->outcomes[outcome] - (outcome == ABUSE_DETECTED ? column->leaks : 0));
        }
        fprintf(text, " |\n");
    }
    fprintf(text, "| *%-18s |", "only as a leak");
    for (size_t i = 0; i < arguments->nr_columns; i++)
        fprintf(text, " %-9u |", arguments->columns[i].leaks);
    fprintf(text, " |\n");
    fprintf(text, "\nMade by `slablab abuse`, %s (%s; %s).\n", SLABLAB_VERSION, SLABLAB_COMMIT,
            SLABLAB_BUILD);
}

static void result_write(FILE *stream, const struct abuse *abuse, const struct column *column,
                         const struct abuse_result *result)
{
    json_t *record = json_pack("{s:s, s:s, s:s, s:s, s:s}", "schema", "slablab.abuse/1",
                               "allocator", column->design, "mode", column->mode, "abuse",
                               abuse->name, "outcome", outcomes[result->outcome]);

    if (result->outcome != ABUSE_SILENT && result->outcome != ABUSE_NONE)
        json_object_set_new(record, "when", json_string(stages[result->stage]));
    if (result->outcome == ABUSE_CRASHED && result->signal)
        json_object_set_new(record, "signal", json_string(strsignal(result->signal)));
    if (result->outcome != ABUSE_NONE && result->message[0])
        json_object_set_new(record, "message", json_string(result->message));
    json_dumpf(record, stream, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', stream);
    json_decref(record);
}

static int row_run(struct arguments *arguments, const struct abuse *abuse, FILE *text, FILE *json,
                   struct error *error)
{
    fprintf(text, "| %-19s |", abuse->name);
    for (size_t i = 0; i < arguments->nr_columns; i++) {
        struct column *column = &arguments->columns[i];
        struct abuse_result result;
        int code;

        command_progress("%s: %s, %s", abuse->name, column->design, column->mode);
        code = abuse_run(abuse, column->design, column->debug, &result, error);
        command_progress_clear();
        if (code)
            return code;
        column->outcomes[result.outcome]++;
        column->leaks += result.outcome == ABUSE_DETECTED && result.stage == ABUSE_LEAK;
        fprintf(text, " %-9s |", cell(&result));
        if (json)
            result_write(json, abuse, column, &result);
    }
    fprintf(text, " %s |\n", abuse->summary);
    return 0;
}

static int matrix_run(struct arguments *arguments, FILE *json, struct error *error)
{
    FILE *text = arguments->json && strcmp(arguments->json, "-") == 0 ? stderr : stdout;
    const struct abuse *abuse;
    int code = 0;

    head_print(text, arguments);
    for (size_t i = 0; code == 0 && (abuse = abuse_at(i)) != NULL; i++) {
        if (wanted(&arguments->abuses, abuse->name))
            code = row_run(arguments, abuse, text, json, error);
    }
    if (code == 0)
        feet_print(text, arguments);
    return code;
}

int cmd_abuse(int argc, char **argv)
{
    static struct arguments arguments;
    struct outfile json = {.stream = NULL};
    struct error error;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    code = columns_make(&arguments, &error);
    if (code == 0)
        code = abuses_check(&arguments, &error);
    if (code == 0 && arguments.json)
        code = outfile_open(&json, arguments.json, &error);
    if (code == 0)
        code = matrix_run(&arguments, json.stream, &error);
    if (code == 0 && json.stream)
        code = outfile_commit(&json, &error);
    else if (json.stream)
        outfile_discard(&json);
    word_list_cleanup(&arguments.allocators);
    word_list_cleanup(&arguments.abuses);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
