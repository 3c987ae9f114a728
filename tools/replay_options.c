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
    KEY_RECORD,
    KEY_LATENCY,
    KEY_SAMPLE_EVERY,
    KEY_BLOWUP,
    KEY_REPEAT,
    KEY_SEED,
    KEY_OVERSUBSCRIBE,
    KEY_SMALL_PAGES
};

static const struct argp_option option_table[] = {
    {"allocators", KEY_ALLOCATORS, "A,B", 0,
     "designs to run (default: all of `slablab list allocators`, and on real CPUs malloc:libc)", 0},
    {"threads", KEY_THREADS, "LIST", 0,
     "workers, one a CPU; auto (default): as many as there are CPUs and streams", 0},
    {"magazine-size", KEY_MAGAZINE_SIZE, "LIST", 0,
     "each design's own per-CPU capacity, in objects (default: what the design starts with); "
     "a design that has none runs once",
     0},
    {"set", KEY_SET, "A.KEY=LIST", 0,
     "a tunable of design A; may be given often. A string is no list: it is taken whole", 0},
    {"lock", KEY_LOCK, "LIST", 0, "tas (default), ticket, mcs, pthread", 0},
    {"bind", KEY_BIND, "POLICY", 0,
     "compact (default), scatter, node:K, cpus:LIST, or none, which asks for no binding; may be "
     "given several times, to run with each",
     0},
    {"oversubscribe", KEY_OVERSUBSCRIBE, NULL, 0, "allow more threads than CPUs", 0},
    {"replicas", KEY_REPLICAS, "LIST", 0,
     "copies of the trace against the same caches; auto: as many as the threads need (default 1)",
     0},
    {"order", KEY_ORDER, "object|trace", 0,
     "object (default): as fast as objects allow; trace: one total order", 0},
    {"pace", KEY_PACE, "max|recorded|X", 0,
     "as fast as it goes (default), as recorded, or X times as fast as recorded", 0},
    {"loops", KEY_LOOPS, "N|auto", 0,
     "measured passes over the trace after one to warm up; auto (default): half a second's worth",
     0},
    {"cold", KEY_COLD, NULL, 0,
     "no warm-up: measure the first pass, and no other unless --loops says so", 0},
    {"events", KEY_EVENTS, "N", 0,
     "only the first N events of the trace; objects that it preloads are not among them", 0},
    {"cache", KEY_CACHE, "NAMES", 0, "only these caches; (untyped) is kmalloc and malloc", 0},
    {"stream", KEY_STREAM, "LIST", 0, "only these streams (recorded CPUs or threads), by number",
     0},
    {"timers", KEY_TIMERS, "trace|machine", 0,
     "what the designs' timers run on: recorded time (default) or the clock", 0},
    {"touch", KEY_TOUCH, "none|first|all", 0,
     "write objects when allocated: not (default), their first bytes, or all", 0},
    {"memory-limit", KEY_MEMORY_LIMIT, "SIZE", 0,
     "pages a design may hold; beyond it allocation fails and the design may reclaim", 0},
    {"small-pages", KEY_SMALL_PAGES, NULL, 0,
     "on real CPUs: small pages under the arena; else huge ones where they may be had, as a "
     "kernel's own memory has them",
     0},
    {"verify", KEY_VERIFY, NULL, 0,
     "check that objects never overlap and that their content stays whole", 0},
    {"record", KEY_RECORD, "LIST", 0,
     "contention, memory, latency, locality, counters; all (default), or none; what it costs is no "
     "part of the time per event",
     0},
    {"latency", KEY_LATENCY, "every|1/N|off", 0,
     "time every operation, about one in N (default 1/32), or none; a --cold run times none unless "
     "asked to",
     0},
    {"sample-every", KEY_SAMPLE_EVERY, "N|Nms", 0,
     "samples of memory: one every N events, or N recorded ms (default: 64 to 128 of them)", 0},
    {"blowup", KEY_BLOWUP, NULL, 0,
     "run each design on one CPU too, and tell how much more it holds on several", 0},
    {"repeat", KEY_REPEAT, "N", 0, "run each combination N times (default 1)", 0},
    {"seed", KEY_SEED, "S", 0, "of all that is random (default 1)", 0},
    {0}};

static int number_parse(const char *text, uint64_t minimum, uint64_t maximum, uint64_t *number,
                        struct error *error)
{
    struct number_limits limits = {.minimum = minimum, .maximum = maximum};
    struct number_list list = {0};
    int code = number_list_parse(text, &limits, &list, error);

    if (code == 0 && list.count != 1)
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
        (struct allocator_setting){.allocator = copy, .key = dot + 1, .values = equals + 1};
    return 0;
}

/* ---- what each option does: one function an option ---- */

typedef int option_fn(struct replay_options *options, const char *text, struct error *error);

static int parse_allocators(struct replay_options *options, const char *text, struct error *error)
{
    return word_list_parse(text, &options->allocators, error);
}

static int parse_threads(struct replay_options *options, const char *text, struct error *error)
{
    return number_list_parse(
        text, &(struct number_limits){.minimum = 1, .maximum = MAX_THREADS, .automatic = true},
        &options->threads, error);
}

static int parse_magazine_size(struct replay_options *options, const char *text,
                               struct error *error)
{
    return number_list_parse(
        text,
        &(struct number_limits){.minimum = 1, .maximum = MAX_MAGAZINE_SIZE, .filler = "2..64"},
        &options->magazine_sizes, error);
}

static int parse_stream(struct replay_options *options, const char *text, struct error *error)
{
    return number_list_parse(text, &(struct number_limits){.maximum = 1u << 20}, &options->streams,
                             error);
}

static int parse_cache(struct replay_options *options, const char *text, struct error *error)
{
    return word_list_parse(text, &options->caches, error);
}

static int parse_order(struct replay_options *options, const char *text, struct error *error)
{
    static const char *const names[] = {"object", "trace", NULL};
    int choice = 0, code = choice_parse(text, names, &choice, error);

    options->run.replay.order = (enum replay_order)choice;
    return code;
}

static int parse_touch(struct replay_options *options, const char *text, struct error *error)
{
    static const char *const names[] = {"none", "first", "all", NULL};
    int choice = 0, code = choice_parse(text, names, &choice, error);

    options->run.replay.touch = (enum replay_touch)choice;
    return code;
}

static int parse_timers(struct replay_options *options, const char *text, struct error *error)
{
    static const char *const names[] = {"trace", "machine", NULL};
    int choice = 0, code = choice_parse(text, names, &choice, error);

    options->run.trace_timers = choice == 0;
    return code;
}

static int parse_pace(struct replay_options *options, const char *text, struct error *error)
{
    return pace_parse(text, &options->run.replay.pace, error);
}

/* Replaces what was given before; a kind named twice is one. */
static int parse_lock(struct replay_options *options, const char *text, struct error *error)
{
    struct word_list words = {0};
    int code = word_list_parse(text, &words, error);

    options->nr_locks = 0;
    for (size_t i = 0; code == 0 && i < words.count; i++) {
        enum lock_kind kind;
        bool known = false;

        code = lock_kind_parse(words.words[i], &kind, error);
        for (size_t j = 0; code == 0 && j < options->nr_locks; j++)
            known |= options->locks[j] == kind;
        if (code == 0 && !known)
            options->locks[options->nr_locks++] = kind;
    }
    word_list_cleanup(&words);
    return code;
}

static int bind_add(struct replay_options *options, const char *text, struct error *error)
{
    struct bind_option *grown =
        realloc(options->binds, (options->nr_binds + 1) * sizeof *options->binds);
    int code;

    if (!grown)
        return error_set(error, ENOMEM, "no memory for a binding");
    options->binds = grown;
    grown[options->nr_binds] = (struct bind_option){.text = text};
    code = binding_parse(text, &grown[options->nr_binds].binding, error);
    if (code == 0)
        options->nr_binds++;
    return code;
}

static void binds_cleanup(struct replay_options *options)
{
    for (size_t i = 0; i < options->nr_binds; i++)
        binding_cleanup(&options->binds[i].binding);
    free(options->binds);
    options->binds = NULL;
    options->nr_binds = 0;
}

/* The first that is given replaces the default. */
static int parse_bind(struct replay_options *options, const char *text, struct error *error)
{
    if (!options->bind_given)
        binds_cleanup(options);
    options->bind_given = true;
    for (size_t i = 0; i < options->nr_binds; i++) {
        if (strcmp(options->binds[i].text, text) == 0)
            return 0;
    }
    return bind_add(options, text, error);
}

static int parse_replicas(struct replay_options *options, const char *text, struct error *error)
{
    return number_list_parse(
        text, &(struct number_limits){.minimum = 1, .maximum = MAX_THREADS, .automatic = true},
        &options->replicas, error);
}

static int parse_loops(struct replay_options *options, const char *text, struct error *error)
{
    uint64_t number = 0;
    int code = number_or_auto_parse(text, 1000000, &number, error);

    options->run.replay.loops = (unsigned)number;
    return code;
}

static int parse_events(struct replay_options *options, const char *text, struct error *error)
{
    return number_parse(text, 1, UINT64_MAX, &options->max_events, error);
}

static int parse_repeat(struct replay_options *options, const char *text, struct error *error)
{
    return number_parse(text, 1, 100000, &options->repeats, error);
}

static int parse_seed(struct replay_options *options, const char *text, struct error *error)
{
    return number_parse(text, 0, INT64_MAX, &options->run.replay.seed, error);
}

static int parse_memory_limit(struct replay_options *options, const char *text, struct error *error)
{
    int code = size_parse(text, &options->run.memory_limit, error);

    if (code == 0 && options->run.memory_limit == 0)
        code = error_set(error, EINVAL,
                         "'%s': no design can do without memory; for no limit leave "
                         "the option out",
                         text);
    return code;
}

static int parse_record(struct replay_options *options, const char *text, struct error *error)
{
    return record_parse(&options->recording, text, error);
}

static int parse_latency(struct replay_options *options, const char *text, struct error *error)
{
    return latency_parse(&options->recording, text, error);
}

static int parse_sample_every(struct replay_options *options, const char *text, struct error *error)
{
    return sample_every_parse(&options->recording, text, error);
}

static int set_blowup(struct replay_options *options, const char *text, struct error *error)
{
    (void)text, (void)error;
    options->blowup = true;
    return 0;
}

static int set_cold(struct replay_options *options, const char *text, struct error *error)
{
    (void)text, (void)error;
    options->run.replay.cold = true;
    return 0;
}

static int set_verify(struct replay_options *options, const char *text, struct error *error)
{
    (void)text, (void)error;
    options->run.replay.verify = true;
    return 0;
}

static int set_oversubscribe(struct replay_options *options, const char *text, struct error *error)
{
    (void)text, (void)error;
    options->run.oversubscribe = true;
    return 0;
}

static int set_small_pages(struct replay_options *options, const char *text, struct error *error)
{
    (void)text, (void)error;
    options->run.small_pages = true;
    return 0;
}

static const struct {
    enum key key;
    option_fn *parse;
} option_parsers[] = {
    {KEY_ALLOCATORS, parse_allocators},
    {KEY_THREADS, parse_threads},
    {KEY_SET, setting_parse},
    {KEY_MAGAZINE_SIZE, parse_magazine_size},
    {KEY_ORDER, parse_order},
    {KEY_PACE, parse_pace},
    {KEY_REPLICAS, parse_replicas},
    {KEY_TOUCH, parse_touch},
    {KEY_BIND, parse_bind},
    {KEY_LOCK, parse_lock},
    {KEY_LOOPS, parse_loops},
    {KEY_COLD, set_cold},
    {KEY_EVENTS, parse_events},
    {KEY_TIMERS, parse_timers},
    {KEY_CACHE, parse_cache},
    {KEY_STREAM, parse_stream},
    {KEY_VERIFY, set_verify},
    {KEY_MEMORY_LIMIT, parse_memory_limit},
    {KEY_RECORD, parse_record},
    {KEY_LATENCY, parse_latency},
    {KEY_SAMPLE_EVERY, parse_sample_every},
    {KEY_BLOWUP, set_blowup},
    {KEY_REPEAT, parse_repeat},
    {KEY_SEED, parse_seed},
    {KEY_OVERSUBSCRIBE, set_oversubscribe},
    {KEY_SMALL_PAGES, set_small_pages},
};

static option_fn *option_parser(int key)
{
    for (size_t i = 0; i < sizeof option_parsers / sizeof option_parsers[0]; i++) {
        if ((int)option_parsers[i].key == key)
            return option_parsers[i].parse;
    }
    return NULL;
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
    option_fn *parse = option_parser(key);
    struct error error;

    if (!parse)
        return ARGP_ERR_UNKNOWN;
    if (parse(options, text, &error) != 0)
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
        .locks = {LOCK_TAS},
        .nr_locks = 1,
        .run = {.trace_timers = true,
                .replay = {.replicas = 1, .min_measured_ns = 500000000, .seed = 1}},
    };
    record_options_init(&options->recording);
    bind_add(options, "compact", NULL);
}

int replay_options_check(const struct replay_options *options, struct error *error)
{
    const struct number_list *replicas = &options->replicas;
    bool several = replicas->automatic;

    for (size_t i = 0; i < replicas->count; i++)
        several |= replicas->numbers[i] > 1;
    if (options->run.replay.order == REPLAY_ORDER_TRACE && several)
        return error_set(error, EINVAL, "--order trace has one order, and so no --replicas");
    if (options->nr_binds == 0)
        return error_set(error, ENOMEM, "no memory for a binding");
    return 0;
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
    number_list_cleanup(&options->replicas);
    binds_cleanup(options);
}
