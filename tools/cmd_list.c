/* SPDX-License-Identifier: MIT */
/* slablab list: what there is. */
#include "allocators/allocator.h"
#include "sim/error.h"
#include "sim/lock.h"
#include "sim/topology.h"
#include "sim/virtual/cost_table.h"
#include "tools/command.h"
#include "tools/figures.h"
#include "traces/gen/generate.h"
#include "traces/import/import.h"

#include <argp.h>
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arguments {
    const char *what;
    bool json;
};

enum key { KEY_JSON = 0x100 };

static json_t *list_allocators(void)
{
    json_t *list = json_array();
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", all[i]->name,
                                              "summary", all[i]->summary, "source", all[i]->source,
                                              "layers", all[i]->layers, "magazine_size",
                                              all[i]->set_magazine_size != NULL));
    return list;
}

static void describe_values(const struct tunable *tunable, json_t *object)
{
    json_t *choices;

    switch (tunable->kind) {
    case TUNABLE_UINT:
    case TUNABLE_SIZE:
        json_object_set_new(object, "values",
                            json_sprintf("%llu..%llu%s", (unsigned long long)tunable->minimum,
                                         (unsigned long long)tunable->maximum,
                                         tunable->power_of_two ? ", a power of two" : ""));
        break;
    case TUNABLE_BOOL:
        json_object_set_new(object, "values", json_string("on|off"));
        break;
    case TUNABLE_STRING:
        json_object_set_new(object, "values", json_string("text"));
        break;
    case TUNABLE_CHOICE:
        choices = json_string("");
        for (const char *const *choice = tunable->choices; *choice; choice++) {
            json_t *longer = json_sprintf("%s%s%s", json_string_value(choices),
                                          choice == tunable->choices ? "" : "|", *choice);

            json_decref(choices);
            choices = longer;
        }
        json_object_set_new(object, "values", choices);
    }
}

static json_t *list_tunables(void)
{
    json_t *list = json_array();
    size_t count;
    const struct allocator *const *all = allocator_all(&count);

    for (size_t i = 0; i < count; i++) {
        struct allocator_instance *instance;
        int code = allocator_create(all[i]->name, &instance, NULL);

        if (code == -ENOMEM) {
            json_decref(list);
            return NULL;
        }
        if (code) /* no allocator here */
            continue;
        for (const struct tunable *tunable = allocator_design(instance)->tunables;
             tunable && tunable->key; tunable++) {
            char value[64];
            json_t *object = json_pack("{s:o, s:s, s:s}", "name",
                                       json_sprintf("%s.%s", all[i]->name, tunable->key), "default",
                                       allocator_get(instance, tunable->key, value, sizeof value),
                                       "summary", tunable->summary);

            describe_values(tunable, object);
            json_array_append_new(list, object);
        }
        allocator_destroy(instance);
    }
    return list;
}

static json_t *list_locks(void)
{
    json_t *list = json_array();

    for (enum lock_kind kind = 0; lock_kind_name(kind); kind++)
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", lock_kind_name(kind), "summary",
                                              lock_kind_summary(kind)));
    return list;
}

static json_t *describe_table(const struct cost_table *table)
{
    struct topology *topology;
    json_t *object;

    if (!table || topology_create_synthetic(table->topology, &topology, NULL) != 0)
        return NULL;
    object =
        json_pack("{s:s, s:s, s:i, s:i, s:f, s:s, s:s, s:s}", "name", table->name, "summary",
                  table->summary, "cpus", (int)topology_nr_cpus(topology), "nodes",
                  (int)topology_nr_nodes(topology), "ghz", table->hz / 1e9, "topology",
                  table->topology, "source", table->source, "extrapolated", table->extrapolated);
    topology_destroy(topology);
    return object;
}

static json_t *describe_host(void)
{
    struct topology *host;
    json_t *object;

    if (topology_create_host(&host, NULL) != 0)
        return NULL;
    object = json_pack("{s:s, s:s, s:i, s:i}", "name", "host", "summary", topology_describe(host),
                       "cpus", (int)topology_nr_cpus(host), "nodes", (int)topology_nr_nodes(host));
    topology_destroy(host);
    return object;
}

/* This host for replay, and those of cost tables. */
static json_t *list_machines(void)
{
    json_t *list = json_array();
    int code = json_array_append_new(list, describe_host());

    for (size_t i = 0; i < cost_table_count(); i++)
        code = code ? code : json_array_append_new(list, describe_table(cost_table_at(i)));
    if (!code)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *list_importers(void)
{
    json_t *list = json_array();
    size_t count;
    const struct importer *all = import_all(&count);

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s}", "name", all[i].name, "summary", all[i].summary));
    return list;
}

static json_t *list_workloads(void)
{
    json_t *list = json_array();
    size_t count;
    const struct workload *const *all = workload_all(&count);

    for (size_t i = 0; i < count; i++) {
        json_t *parameters = json_array();
        void *options = workload_options(all[i]);
        char value[64];

        if (!options) {
            json_decref(parameters);
            json_decref(list);
            return NULL;
        }
        for (const struct tunable *row = all[i]->parameters; row->key; row++) {
            json_t *object =
                json_pack("{s:s, s:s, s:s}", "name", row->key, "default",
                          tunable_text(row, options, value, sizeof value), "summary", row->summary);

            describe_values(row, object);
            json_array_append_new(parameters, object);
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", all[i]->name,
                                              "summary", all[i]->summary, "source", all[i]->source,
                                              "parameters", parameters));
        free(options);
    }
    return list;
}

static json_t *list_figures(void)
{
    json_t *list = json_array();
    const struct figure *figure;

    for (size_t i = 0; (figure = figure_at(i)); i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", figure->name,
                                              "summary", figure->title, "unit", figure->unit,
                                              "better", figure->more_is_better ? "more" : "less"));
    return list;
}

static const struct {
    const char *what;
    json_t *(*list)(void);
} lists[] = {
    {"allocators", list_allocators}, {"tunables", list_tunables},   {"locks", list_locks},
    {"machines", list_machines},     {"importers", list_importers}, {"workloads", list_workloads},
    {"figures", list_figures},
};
#define LISTS (sizeof lists / sizeof lists[0])

static const struct argp_option option_table[] = {{"json", KEY_JSON, NULL, 0, "as JSON", 0}, {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_JSON:
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->what)
            argp_error(state, "one list at a time");
        for (size_t i = 0; i < LISTS; i++) {
            if (strcmp(text, lists[i].what) == 0)
                arguments->what = text;
        }
        if (!arguments->what)
            argp_error(state,
                       "no list of '%s'; there are: allocators, tunables, locks, machines, "
                       "importers, workloads, figures",
                       text);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {option_table,
                                 parse_option,
                                 "[allocators|tunables|locks|machines|importers|workloads|figures]",
                                 "Lists what there is; without an argument, all of it.\v"
                                 "Examples:\n"
                                 "  slablab list allocators\n"
                                 "  slablab list tunables --json\n"
                                 "  slablab list workloads",
                                 NULL,
                                 NULL,
                                 NULL};

/* The lines of a text, each behind the first under it. */
static void print_text(const char *key, const char *text)
{
    printf("  %-28s   %s: ", "", key);
    for (; *text; text++) {
        putchar(*text);
        if (*text == '\n')
            printf("  %-28s     ", "");
    }
    putchar('\n');
}

static void print_list(const char *what, const json_t *list)
{
    const json_t *entry, *value;
    const char *key;
    size_t i;

    printf("%s\n", what);
    json_array_foreach(list, i, entry)
    {
        printf("  %-28s %s\n", json_string_value(json_object_get(entry, "name")),
               json_string_value(json_object_get(entry, "summary")));
        json_object_foreach((json_t *)entry, key, value)
        {
            if (strcmp(key, "name") == 0 || strcmp(key, "summary") == 0)
                continue;
            if (json_is_string(value))
                print_text(key, json_string_value(value));
            else if (json_is_number(value))
                printf("  %-28s   %s: %g\n", "", key, json_number_value(value));
        }
    }
}

int cmd_list(int argc, char **argv)
{
    struct arguments arguments = {0};
    json_t *all = json_object();
    bool complete = true;

    command_parse(&argp, argc, argv, 0, &arguments);
    for (size_t i = 0; i < LISTS; i++) {
        if (!arguments.what || strcmp(arguments.what, lists[i].what) == 0)
            complete = json_object_set_new(all, lists[i].what, lists[i].list()) == 0 && complete;
    }
    if (!complete) {
        json_decref(all);
        fprintf(stderr, "slablab: could not list all %s: no memory, or files that it needs\n",
                arguments.what ? arguments.what : "that there is");
        return STATUS_FAILED;
    }
    if (arguments.json) {
        const json_t *shown = arguments.what ? json_object_get(all, arguments.what) : all;

        json_dumpf(shown, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
        putchar('\n');
    } else {
        for (size_t i = 0; i < LISTS; i++) {
            if (json_object_get(all, lists[i].what))
                print_list(lists[i].what, json_object_get(all, lists[i].what));
        }
    }
    json_decref(all);
    return STATUS_DONE;
}
