/* SPDX-License-Identifier: MIT */
/* Options: lists and other values by themselves, then all that describe a run, together. */
#include "tests/fuzz/targets.h"

#include "sim/error.h"
#include "sim/topology.h"
#include "tools/list_option.h"
#include "tools/machine_options.h"
#include "tools/record_options.h"
#include "tools/replay_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- values ---- */

static void read_list(const char *text, const struct number_limits *limits, struct error *error)
{
    struct number_list list = {0};

    if (!fuzz_refusal(number_list_parse(text, limits, &list, error), error, NULL)) {
        for (size_t i = 0; i < list.count; i++) {
            if (list.numbers[i] < limits->minimum || list.numbers[i] > limits->maximum)
                fuzz_broken("%s: outside of its limits", text);
        }
    }
    number_list_cleanup(&list);
}

static void read_words(const char *text, struct error *error)
{
    struct word_list list = {0};

    fuzz_refusal(word_list_parse(text, &list, error), error, NULL);
    word_list_cleanup(&list);
}

static void read_binding(const char *text, struct error *error)
{
    struct binding binding = {0};

    fuzz_refusal(binding_parse(text, &binding, error), error, NULL);
    binding_cleanup(&binding);
}

void fuzz_lists(const struct fuzz_input *input)
{
    static const struct number_limits all = {.maximum = UINT64_MAX, .automatic = true},
                                      few = {.minimum = 1, .maximum = 4096, .filler = "2..64"};
    struct record_options recording;
    struct error error = {""};
    uint64_t size;

    read_list(input->bytes, &all, &error);
    read_list(input->bytes, &few, &error);
    read_words(input->bytes, &error);
    read_binding(input->bytes, &error);
    record_options_init(&recording);
    fuzz_refusal(size_parse(input->bytes, &size, &error), &error, NULL);
    fuzz_refusal(record_parse(&recording, input->bytes, &error), &error, NULL);
    fuzz_refusal(latency_parse(&recording, input->bytes, &error), &error, NULL);
    fuzz_refusal(sample_every_parse(&recording, input->bytes, &error), &error, NULL);
}

/* ---- options together ---- */

static jmp_buf refused;

/* In place of argp's, which end the program: an option that is refused ends the input. */
void argp_error(const struct argp_state *state, const char *format, ...)
{
    struct error error;
    va_list args;

    (void)state;
    va_start(args, format);
    vsnprintf(error.text, sizeof error.text, format, args);
    va_end(args);
    longjmp(refused, 1 + !*error.text);
}

void argp_failure(const struct argp_state *state, int status, int number, const char *format, ...)
{
    (void)state, (void)status, (void)number, (void)format;
    longjmp(refused, 2);
}

static const struct argp_option *option_find(const struct argp *argp, const char *name)
{
    const struct argp_option *option = argp->options;

    while (option->name && strcmp(option->name, name) != 0)
        option++;
    return option->name ? option : NULL;
}

/* Other files than the input are left alone: files of costs and topologies, and libraries. */
static bool reaches_out(const char *name, const char *value)
{
    return strcmp(name, "topology-xml") == 0 || strcmp(name, "costs") == 0 ||
           (value && strstr(value, "malloc:"));
}

/* One line: "name" or "name=value". False: there is no such option. */
static bool option_parse(const struct argp *argp, void *options, char *line)
{
    struct argp_state state = {.root_argp = argp, .input = options};
    char *value = strchrnul(line, '=');
    const struct argp_option *option;

    if (*value)
        *value++ = '\0';
    option = option_find(argp, line);
    if (option && !reaches_out(line, value)) /* argp sees to it that there is a value or none */
        argp->parser(option->key, option->arg ? value : NULL, &state);
    if (value > line + strlen(line))
        value[-1] = '=';
    return option;
}

static void span_cells(struct replay_options *replay, struct machine_options *machine,
                       struct error *error)
{
    struct cell_list cells = {0};

    if (machine->names.count || machine->synthetic) {
        if (fuzz_refusal(machine_options_resolve(machine, error), error, NULL))
            return;
        replay->machines = machine->machines;
        replay->nr_machines = machine->count;
    }
    if (fuzz_refusal(replay_options_check(replay, error), error, NULL))
        return;
    if (!fuzz_refusal(cells_create(replay, &cells, error), error, NULL))
        cells_cleanup(&cells);
}

/* An input is a line for each option, such as "threads=1,2". */
void fuzz_options(const struct fuzz_input *input)
{
    char *text = strdup(input->bytes), *rest = text;
    struct machine_options machine;
    struct replay_options replay;
    struct error error = {""};

    if (!text)
        fuzz_broken("no memory");
    replay_options_init(&replay);
    machine_options_init(&machine);
    switch (setjmp(refused)) {
    case 0:
        for (char *line; (line = strsep(&rest, "\n"));) {
            if (!option_parse(&replay_options_argp, &replay, line))
                option_parse(&machine_options_argp, &machine, line);
        }
        span_cells(&replay, &machine, &error);
        break;
    case 2:
        fuzz_broken("an option was refused without a word, or for want of memory");
    }
    machine_options_cleanup(&machine);
    replay_options_cleanup(&replay);
    free(text);
}
