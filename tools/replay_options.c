/* SPDX-License-Identifier: MIT */
/* The options of a run, parsed; see replay_options.h. */
#include "tools/replay_options.h"

#include "allocators/allocator.h"
#include "sim/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_THREADS       4096
#define MAX_MAGAZINE_SIZE 65536

enum key {
    KEY_ALLOCATORS = 'a',
    KEY_THREADS = 't',
    KEY_SET = 0x100,
    KEY_MAGAZINE_SIZE,
    KEY_ORDER,
    KEY_PACE,
    KEY_REPLICAS,
    KEY_TOUCH,
    KEY_BIND,
    KEY_LOCK,
    KEY_LOOPS,
    KEY_COLD,
    KEY_EVENTS,
    KEY_TIMERS,
    KEY_CACHE,
    KEY_STREAM,
    KEY_VERIFY,
    KEY_MEMORY_LIMIT,
    KEY_REPEAT,
    KEY_SEED,
    KEY_OVERSUBSCRIBE,
    KEY_HUGE_PAGES
};

static const struct argp_option option_table[] = {
    {"allocators", KEY_ALLOCATORS, "A,B", 0,
     "designs to run (default: all of `slablab list allocators`, and malloc:libc)", 0},
    {"threads", KEY_THREADS, "LIST", 0,
     "workers, one a CPU; auto (default): as many as there are CPUs and streams", 0},
    {"magazine-size", KEY_MAGAZINE_SIZE, "LIST", 0,
     "each design's own per-CPU capacity, in objects (default: what the design starts with); "
     "a design that has none runs once",
     0},
    {"set", KEY_SET, "A.KEY=VALUE", 0, "a tunable of design A; may be given often", 0},
    {"lock", KEY_LOCK, "KIND", 0, "tas (default), ticket, mcs or pthread", 0},
    {"bind", KEY_BIND, "POLICY", 0,
     "compact (default), scatter, node:K, cpus:LIST, or none, which asks for no binding", 0},
    {"oversubscribe", KEY_OVERSUBSCRIBE, NULL, 0, "allow more threads than CPUs", 0},
    {"replicas", KEY_REPLICAS, "N", 0,
     "copies of the trace against the same caches; auto: as many as the threads need (default 1)",
     0},
    {"order", KEY_ORDER, "object|trace", 0,
     "object (default): as fast as objects allow; trace: one total order", 0},
    {"pace", KEY_PACE, "max|recorded|X", 0,
     "as fast as it goes (default), as recorded, or X times as fast as recorded", 0},
    {"loops", KEY_LOOPS, "N|auto", 0,
     "measured passes over the trace after one to warm up; auto (default): half a second's worth",
     0},
    {"cold", KEY_COLD, NULL, 0, "no warm-up: measure the first pass", 0},
    {"events", KEY_EVENTS, "N", 0, "only the first N events of the trace", 0},
    {"cache", KEY_CACHE, "NAMES", 0, "only these caches; (untyped) is kmalloc and malloc", 0},
    {"stream", KEY_STREAM, "LIST", 0, "only these streams (recorded CPUs or threads), by number", 0},
    {"timers", KEY_TIMERS, "trace|machine", 0,
     "what the designs' timers run on: recorded time (default) or the clock", 0},
    {"touch", KEY_TOUCH, "none|first|all", 0,
     "write objects when allocated: not (default), their first bytes, or all", 0},
    {"memory-limit", KEY_MEMORY_LIMIT, "SIZE", 0,
     "pages a design may hold; beyond it allocation fails and the design may reclaim", 0},
    {"huge-pages", KEY_HUGE_PAGES, NULL, 0, "ask for transparent huge pages under the arena", 0},
    {"verify", KEY_VERIFY, NULL, 0,
     "check that objects never overlap and that their content stays whole", 0},
    {"repeat", KEY_REPEAT, "N", 0, "run each combination N times (default 1)", 0},
    {"seed", KEY_SEED, "S", 0, "of all that is random (default 1)", 0},
    {0}};

static int number_parse(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number,
                        struct error *error)
{
    struct number_list list = {0};
    int code = number_list_parse(text, minimum, maximum, &list, error);

    if (code == 0 && (list.count != 1 || list.automatic))
        code = error_set(error, EINVAL, "'%s': expected one number", text);
    if (code == 0)
        *number = list.numbers[0];
    number_list_cleanup(&list);
    return code;
}

/* `auto` gives 0. */
static int number_or_auto_parse(const char *text, uint64_t maximum, uint64_t *number,
                                struct error *error)
{
    if (strcmp(text, "auto") == 0) {
        *number = 0;
        return 0;
    }
    return number_parse(text, 1, maximum, number, error);
}

static int choice_parse(const char *text, const char *const *names, int *choice,
                        struct error *error)
{
    char listed[128] = "";

    for (int i = 0; names[i]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *choice = i;
            return 0;
        }
        strcat(listed, i ? ", " : "");
        strcat(listed, names[i]);
    }
    return error_set(error, EINVAL, "'%s': expected one of: %s", text, listed);
}

static int pace_parse(const char *text, double *pace, struct error *error)
{
    char *end;

    if (strcmp(text, "max") == 0 || strcmp(text, "recorded") == 0) {
        *pace = text[0] == 'm' ? 0 : 1;
        return 0;
    }
    *pace = strtod(text, &end);
    if (*end || !(*pace > 0 && *pace < 1e9))
        return error_set(error, EINVAL, "'%s': expected max, recorded, or a factor above 0", text);
    return 0;
}

static int loops_parse(const char *text, unsigned *loops, struct error *error)
{
    uint64_t number;
    int code = number_or_auto_parse(text, 1000000, &number, error);

    if (code == 0)
        *loops = (unsigned)number;
    return code;
}

/* A design's name may hold dots (malloc:libjemalloc.so.2), a key never does. */
static int setting_parse(struct replay_options *options, const char *text, struct error *error)
{
    struct allocator_setting *grown =
        realloc(options->settings, (options->nr_settings + 1) * sizeof *grown);
    char *copy = strdup(text);
    char *equals = copy ? strchr(copy, '=') : NULL;
    char *dot = equals ? memrchr(copy, '.', (size_t)(equals - copy)) : NULL;

    options->settings = grown ? grown : options->settings;
    if (!grown || !copy || !dot || dot == copy || equals == dot + 1) {
        int code = grown && copy ? error_set(error, EINVAL,
                                             "'%s': expected ALLOCATOR.KEY=VALUE, such as "
                                             "magazine.resize=on",
                                             text)
                                 : error_set(error, ENOMEM, "no memory for a setting");

        free(copy);
        return code;
    }
    *dot = *equals = '\0';
    grown[options->nr_settings++] =
        (struct allocator_setting){.allocator = copy, .key = dot + 1, .value = equals + 1};
    return 0;
}

static int option_parse(struct replay_options *options, int key, const char *text,
                        struct error *error)
{
    static const char *const orders[] = {"object", "trace", NULL};
    static const char *const touches[] = {"none", "first", "all", NULL};
    static const char *const timers[] = {"trace", "machine", NULL};
    struct replay_config *replay = &options->run.replay;
    int choice = 0, code;

    switch (key) {
    case KEY_ALLOCATORS:
        return word_list_parse(text, &options->allocators, error);
    case KEY_THREADS:
        return number_list_parse(text, 1, MAX_THREADS, &options->threads, error);
    case KEY_SET:
        return setting_parse(options, text, error);
    case KEY_MAGAZINE_SIZE:
        code = number_list_parse(text, 1, MAX_MAGAZINE_SIZE, &options->magazine_sizes, error);
        if (code == 0 && options->magazine_sizes.automatic)
            code = number_list_parse("2..64", 1, MAX_MAGAZINE_SIZE, &options->magazine_sizes,
                                     error);
        return code;
    case KEY_ORDER:
        code = choice_parse(text, orders, &choice, error);
        replay->order = (enum replay_order)choice;
        return code;
    case KEY_PACE:
        return pace_parse(text, &replay->pace, error);
    case KEY_REPLICAS:
        options->replicas = 0;
        code = number_or_auto_parse(text, MAX_THREADS, &options->replicas, error);
        if (options->replicas == 0)
            options->replicas = UINT64_MAX; /* auto, told apart from not given */
        return code;
    case KEY_TOUCH:
        code = choice_parse(text, touches, &choice, error);
        replay->touch = (enum replay_touch)choice;
        return code;
    case KEY_BIND:
        options->binding_text = text;
        binding_cleanup(&options->binding);
        return binding_parse(text, &options->binding, error);
    case KEY_LOCK:
        return lock_kind_parse(text, &options->run.lock, error);
    case KEY_LOOPS:
        return loops_parse(text, &replay->loops, error);
    case KEY_COLD:
        replay->cold = true;
        return 0;
    case KEY_EVENTS:
        return number_parse(text, 1, UINT64_MAX, &options->max_events, error);
    case KEY_TIMERS:
        code = choice_parse(text, timers, &choice, error);
        options->run.trace_timers = choice == 0;
        return code;
    case KEY_CACHE:
        return word_list_parse(text, &options->caches, error);
    case KEY_STREAM:
        return number_list_parse(text, 0, 1u << 20, &options->streams, error);
    case KEY_VERIFY:
        replay->verify = true;
        return 0;
    case KEY_MEMORY_LIMIT:
        return size_parse(text, &options->run.memory_limit, error);
    case KEY_REPEAT:
        return number_parse(text, 1, 100000, &options->repeats, error);
    case KEY_SEED:
        return number_parse(text, 0, INT64_MAX, &replay->seed, error);
    case KEY_OVERSUBSCRIBE:
        options->run.oversubscribe = true;
        return 0;
    case KEY_HUGE_PAGES:
        options->run.huge_pages = true;
        return 0;
    }
    return -ENOSYS;
}

static const char *option_name(int key)
{
    for (const struct argp_option *option = option_table; option->name; option++) {
        if (option->key == key)
            return option->name;
    }
    return "?";
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct replay_options *options = state->input;
    struct error error;
    int code;

    if (key == ARGP_KEY_INIT || key == ARGP_KEY_ARG || (key >= ARGP_KEY_END && key < 0))
        return ARGP_ERR_UNKNOWN;
    code = option_parse(options, key, text, &error);
    if (code == -ENOSYS)
        return ARGP_ERR_UNKNOWN;
    if (code)
        argp_error(state, "--%s: %s", option_name(key), error.text);
    if (word_list_add(&options->given, text ? "--%s=%s" : "--%s", option_name(key), text) != 0)
        argp_failure(state, 1, 0, "no memory for the options");
    return 0;
}

const struct argp replay_options_argp = {.options = option_table, .parser = parse_option};

void replay_options_init(struct replay_options *options)
{
    *options = (struct replay_options){
        .repeats = 1,
        .binding_text = "compact",
        .run = {.lock = LOCK_TAS,
                .trace_timers = true,
                .replay = {.replicas = 1, .min_measured_ns = 500000000, .seed = 1}},
    };
    binding_parse("compact", &options->binding, NULL);
}

void replay_options_cleanup(struct replay_options *options)
{
    word_list_cleanup(&options->allocators);
    for (size_t i = 0; i < options->nr_settings; i++)
        free(options->settings[i].allocator);
    free(options->settings);
    word_list_cleanup(&options->caches);
    word_list_cleanup(&options->given);
    number_list_cleanup(&options->threads);
    number_list_cleanup(&options->magazine_sizes);
    number_list_cleanup(&options->streams);
    binding_cleanup(&options->binding);
}
