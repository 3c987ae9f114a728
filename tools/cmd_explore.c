/* SPDX-License-Identifier: MIT */
/* slablab explore: schedules in which a design breaks, looked for and replayed. */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/run.h"
#include "tools/command.h"
#include "tools/explore_child.h"
#include "tools/list_option.h"
#include "traces/outfile.h"

#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MOST       16
#define PREEMPTIONS_MOST 16
#define SETTINGS_MOST    32
#define SWITCHES_SHOWN   6 /* of a finding; a replay shows all that are kept */

enum key {
    KEY_SCENARIO = 0x100,
    KEY_SCHEDULES,
    KEY_SCHEDULER,
    KEY_DEPTH,
    KEY_PREEMPTIONS,
    KEY_SEED,
    KEY_REPLAY,
    KEY_SET,
    KEY_JSON
};

static const char *const schedulers[] = {
    [EXPLORE_RANDOM] = "random", [EXPLORE_PCT] = "pct", [EXPLORE_EXHAUSTIVE] = "exhaustive"};
#define SCHEDULERS (sizeof schedulers / sizeof schedulers[0])

static const char *const operations[] = {
    [COST_LOAD] = "read", [COST_STORE] = "write", [COST_ATOMIC] = "atomic"};

struct arguments {
    struct word_list allocators, scenarios, settings;
    const char *json;
    struct explore_config config;
    bool replays;
    uint64_t replay; /* that schedule */
};

static const struct argp_option option_table[] = {
    {"allocator", 'a', "LIST", 0, "designs (default: all)", 0},
    {"scenario", KEY_SCENARIO, "LIST", 0, "scenarios (default: all); they are listed below", 0},
    {"schedules", KEY_SCHEDULES, "N", 0, "at most, of each design and scenario (default 10000)", 0},
    {"scheduler", KEY_SCHEDULER, "random|pct|exhaustive", 0,
     "how the next CPU is chosen (default random)", 0},
    {"depth", KEY_DEPTH, "D", 0, "pct: 1 + times that a priority changes, 1 to 16 (default 3)", 0},
    {"preemptions", KEY_PREEMPTIONS, "N", 0,
     "exhaustive: all schedules of so many preemptions at most, 0 to 16 (default 2)", 0},
    {"seed", KEY_SEED, "S", 0, "of the first schedule; the next has S + 1 (default 1)", 0},
    {"replay-schedule", KEY_REPLAY, "SEED", 0,
     "that schedule alone, and if it breaks something, from where to where CPUs switched", 0},
    {"set", KEY_SET, "A.KEY=VALUE", 0, "a tunable of design A; may be given often", 0},
    {"json", KEY_JSON, "FILE", 0,
     "write one JSON object a design and scenario to FILE (- is standard output)", 0},
    {0}};

static uint64_t number_parse(struct argp_state *state, const char *option, const char *text,
                             uint64_t least, uint64_t most)
{
    char *end;
    unsigned long long number;

    errno = 0;
    number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || number < least || number > most)
        argp_error(state, "--%s: '%s': expected a number, %" PRIu64 " to %" PRIu64, option, text,
                   least, most);
    return number;
}

static enum explore_scheduler scheduler_parse(struct argp_state *state, const char *text)
{
    for (size_t i = 0; i < SCHEDULERS; i++) {
        if (strcmp(text, schedulers[i]) == 0)
            return (enum explore_scheduler)i;
    }
    argp_error(state, "--scheduler: no scheduler '%s'; there are: random, pct, exhaustive", text);
    return EXPLORE_RANDOM;
}

static void words(struct argp_state *state, const char *option, const char *text,
                  struct word_list *list)
{
    struct error error;

    if (word_list_parse(text, list, &error) != 0)
        argp_error(state, "%s: %s", option, error.text);
}

static void setting_parse(struct argp_state *state, const char *text, struct word_list *settings)
{
    const char *dot = strchr(text, '.'), *equals = strchr(text, '=');

    if (!dot || !equals || dot > equals)
        argp_error(state, "--set: '%s': expected ALLOCATOR.KEY=VALUE", text);
    if (settings->count == SETTINGS_MOST)
        argp_error(state, "--set: more than %d settings", SETTINGS_MOST);
    if (word_list_add(settings, "%s", text) != 0)
        argp_failure(state, STATUS_FAILED, ENOMEM, "--set");
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    struct explore_config *config = &arguments->config;

    switch (key) {
    case 'a':
        words(state, "--allocator", text, &arguments->allocators);
        return 0;
    case KEY_SCENARIO:
        words(state, "--scenario", text, &arguments->scenarios);
        return 0;
    case KEY_SCHEDULES:
        config->schedules = number_parse(state, "schedules", text, 1, UINT64_MAX / 2);
        return 0;
    case KEY_SCHEDULER:
        config->scheduler = scheduler_parse(state, text);
        return 0;
    case KEY_DEPTH:
        config->depth = (unsigned)number_parse(state, "depth", text, 1, DEPTH_MOST);
        return 0;
    case KEY_PREEMPTIONS:
        config->preemptions =
            (unsigned)number_parse(state, "preemptions", text, 0, PREEMPTIONS_MOST);
        return 0;
    case KEY_SEED:
        config->seed = number_parse(state, "seed", text, 0, UINT64_MAX / 2);
        return 0;
    case KEY_REPLAY:
        arguments->replay = number_parse(state, "replay-schedule", text, 0, UINT64_MAX / 2);
        arguments->replays = true;
        return 0;
    case KEY_SET:
        setting_parse(state, text, &arguments->settings);
        return 0;
    case KEY_JSON:
        arguments->json = text;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s': explore takes no trace; it has scenarios", text);
    }
    return ARGP_ERR_UNKNOWN;
}

static void scenarios_print(FILE *stream)
{
    const struct explore_scenario_info *info;

    for (unsigned i = 0; (info = virtual_explore_scenario(i)) != NULL; i++)
        fprintf(stream, "  %-14s %u CPUs: %s\n", info->name, info->cpus, info->summary);
}

static char *help_filter(int key, const char *text, void *input)
{
    (void)input;
    return command_help_table(key, text, "Scenarios", scenarios_print);
}

static const struct argp argp = {
    option_table,
    parse_option,
    NULL,
    "Looks for schedules in which a design breaks. Short scenarios run on virtual CPUs under a "
    "scheduler that may stop a CPU at each of its accesses, at each lock and each event; checked "
    "are objects (overlap, double hand-out, damage, touched while they are their user's), pages, "
    "the ledger, what is given back at the end, deadlocks, and the designs' own assertions. A "
    "schedule that breaks something has a seed, and runs again the same with --replay-schedule.\v"
    "Examples:\n"
    "  slablab explore -a magazine --scenario remote-free --schedules 1000000\n"
    "  slablab explore -a slabifier,spl --scheduler pct --depth 4 --seed 7\n"
    "  slablab explore -a x15 --scenario exchange --scheduler exhaustive --preemptions 1\n"
    "  slablab explore -a magazine --scenario remote-free --replay-schedule 4711\n\n"
    "Exit status 0: nothing was found; 1: something is broken. What is found holds; that nothing "
    "is found is no proof: sim/explore/README.md says what is not looked at (weak memory among "
    "it).",
    NULL,
    help_filter,
    NULL};

/* ---- a design and a scenario ---- */

/* Those of `design`, in place: "A.KEY=VALUE" loses its dot and its sign. */
static size_t settings_of(const struct word_list *all, const char *design,
                          struct run_setting settings[SETTINGS_MOST])
{
    size_t count = 0;

    for (size_t i = 0; i < all->count; i++) {
        char *word = all->words[i];
        size_t length = strlen(design);

        if (strncmp(word, design, length) != 0 || word[length] != '.')
            continue;
        strchr(word, '=')[0] = '\0';
        settings[count++] = (struct run_setting){word + length + 1, word + strlen(word) + 1};
    }
    return count;
}

static void again_print(FILE *text, const struct explore_config *config,
                        const struct explored *explored)
{
    fprintf(text, "  again: slablab explore -a %s --scenario %s --scheduler %s", config->allocator,
            config->scenario, schedulers[config->scheduler]);
    if (config->scheduler == EXPLORE_PCT)
        fprintf(text, " --depth %u", config->depth);
    if (config->scheduler == EXPLORE_EXHAUSTIVE)
        fprintf(text, " --preemptions %u", config->preemptions);
    for (size_t i = 0; i < config->nr_settings; i++)
        fprintf(text, " --set %s.%s=%s", config->allocator, config->settings[i].key,
                config->settings[i].value);
    fprintf(text, " --replay-schedule %" PRIu64 "\n", explored->progress.seed);
}

static void switches_print(FILE *text, const struct explore_progress *progress, uint64_t shown)
{
    struct explore_code codes[EXPLORE_SWITCHES];
    uint64_t first;

    shown = shown < EXPLORE_SWITCHES ? shown : EXPLORE_SWITCHES;
    first = progress->nr_switches > shown ? progress->nr_switches - shown : 0;
    explore_codes(progress, codes);
    fprintf(text, "  the last of %" PRIu64 " switches before it:\n", progress->nr_switches);
    for (uint64_t i = first; i < progress->nr_switches; i++) {
        const struct explore_switch *at = &progress->switches[i % EXPLORE_SWITCHES];

        fprintf(text, "    step %-7" PRIu64 " CPU %u left off before ", at->step, at->from);
        if (at->code)
            fprintf(text, "%s of %#lx at ", operations[at->op], (unsigned long)at->address);
        fprintf(text, "%s; CPU %u went on\n", codes[i % EXPLORE_SWITCHES].text, at->to);
    }
}

static void explored_print(const struct arguments *arguments, const struct explore_config *config,
                           const struct explored *explored)
{
    const struct explore_progress *progress = &explored->progress;
    FILE *text = arguments->json && strcmp(arguments->json, "-") == 0 ? stderr : stdout;

    if (!explored->found) {
        fprintf(text,
                "%-10s %-13s %10" PRIu64 " schedules of %.0f steps, %.0f a second: nothing%s\n",
                config->allocator, config->scenario, progress->done,
                progress->done ? (double)progress->all_steps / (double)progress->done : 0,
                explored->seconds > 0 ? (double)progress->done / explored->seconds : 0,
                progress->exhausted ? " (there are no more)" : "");
        fflush(text);
        return;
    }
    fprintf(text,
            "%-10s %-13s broken in schedule %" PRIu64 ", after %" PRIu64 " that were not:\n  %s\n",
            config->allocator, config->scenario, progress->seed, progress->done, explored->what);
    again_print(text, config, explored);
    switches_print(text, progress, arguments->replays ? EXPLORE_SWITCHES : SWITCHES_SHOWN);
    fflush(text);
}

static void explored_write(FILE *stream, const struct explore_config *config,
                           const struct explored *explored)
{
    const struct explore_progress *progress = &explored->progress;
    json_t *record = json_pack(
        "{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:b, s:f, s:b}", "schema", "slablab.explore/1",
        "allocator", config->allocator, "scenario", config->scenario, "scheduler",
        schedulers[config->scheduler], "seed", (json_int_t)config->seed, "schedules",
        (json_int_t)progress->done, "steps", (json_int_t)progress->all_steps, "exhausted",
        progress->exhausted, "elapsed_s", explored->seconds, "found", explored->found);

    if (explored->found) {
        json_object_set_new(record, "failing_seed", json_integer((json_int_t)progress->seed));
        json_object_set_new(record, "finding", json_string(explored->what));
    }
    if (config->scheduler == EXPLORE_PCT)
        json_object_set_new(record, "depth", json_integer(config->depth));
    if (config->scheduler == EXPLORE_EXHAUSTIVE)
        json_object_set_new(record, "preemptions", json_integer(config->preemptions));
    json_dumpf(record, stream, JSON_COMPACT | JSON_PRESERVE_ORDER);
    fputc('\n', stream);
    json_decref(record);
}

/* ---- all of them ---- */

/* The names that stand for `all`, where none were given. */
static int defaults(struct arguments *arguments, struct error *error)
{
    const struct explore_scenario_info *info;
    size_t count;
    const struct allocator *const *designs = allocator_all(&count);
    int code = 0;

    if (arguments->allocators.count == 0) {
        for (size_t i = 0; i < count && code == 0; i++) {
            if (!designs[i]->external && !designs[i]->harness)
                code = word_list_add(&arguments->allocators, "%s", designs[i]->name);
        }
    }
    if (arguments->scenarios.count == 0) {
        for (unsigned i = 0; code == 0 && (info = virtual_explore_scenario(i)) != NULL; i++)
            code = word_list_add(&arguments->scenarios, "%s", info->name);
    }
    return code ? error_set(error, ENOMEM, "no memory for names") : 0;
}

/* Before anything runs: is there a design of that name, and can it be explored? */
static int design_check(const char *name, struct error *error)
{
    struct allocator_instance *instance;
    const struct allocator *design;
    int code = allocator_create(name, &instance, error);

    if (code)
        return code;
    design = allocator_design(instance);
    if (design->external || design->harness)
        code = error_set(error, EINVAL, "allocator %s cannot be explored: it %s", name,
                         design->external ? "is no source of ours" : "is no allocator");
    allocator_destroy(instance);
    return code;
}

static int explore_all(struct arguments *arguments, FILE *json, bool *found, struct error *error)
{
    static struct explored explored;
    int code = 0;

    for (size_t i = 0; i < arguments->allocators.count && code == 0; i++)
        code = design_check(arguments->allocators.words[i], error);
    for (size_t i = 0; i < arguments->allocators.count && code == 0; i++) {
        struct run_setting settings[SETTINGS_MOST];
        struct explore_config config = arguments->config;

        config.allocator = arguments->allocators.words[i];
        config.settings = settings;
        config.nr_settings = settings_of(&arguments->settings, config.allocator, settings);
        for (size_t j = 0; j < arguments->scenarios.count && code == 0; j++) {
            config.scenario = arguments->scenarios.words[j];
            code = explore_in_child(&config, &explored, error);
            if (code)
                break;
            explored_print(arguments, &config, &explored);
            if (json)
                explored_write(json, &config, &explored);
            *found |= explored.found;
        }
    }
    return code;
}

int cmd_explore(int argc, char **argv)
{
    struct arguments arguments = {
        .config = {.schedules = 10000, .depth = 3, .preemptions = 2, .seed = 1}};
    struct outfile json = {.stream = NULL};
    struct error error;
    bool found = false;
    int code;

    command_parse(&argp, argc, argv, 0, &arguments);
    /* An exhaustive search comes to a schedule by way of those before it. */
    if (arguments.replays && arguments.config.scheduler == EXPLORE_EXHAUSTIVE) {
        arguments.config.schedules = arguments.replay + 1;
    } else if (arguments.replays) {
        arguments.config.seed = arguments.replay;
        arguments.config.schedules = 1;
    }
    code = defaults(&arguments, &error);
    if (code == 0 && arguments.json)
        code = outfile_open(&json, arguments.json, &error);
    if (code == 0)
        code = explore_all(&arguments, json.stream, &found, &error);
    if (code == 0 && json.stream)
        code = outfile_commit(&json, &error);
    else if (json.stream)
        outfile_discard(&json);
    word_list_cleanup(&arguments.allocators);
    word_list_cleanup(&arguments.scenarios);
    word_list_cleanup(&arguments.settings);
    if (code)
        return command_failed(code, &error);
    return found ? STATUS_FAILED : STATUS_DONE;
}
