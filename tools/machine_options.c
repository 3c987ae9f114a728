/* SPDX-License-Identifier: MIT */
/* From options to virtual machines; see machine_options.h. */
#include "tools/machine_options.h"

#include "sim/error.h"
#include "sim/topology.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a topology that comes without costs gets. */
#define DEFAULT_COSTS "generic-64"

enum key {
    KEY_MACHINE = 0x300,
    KEY_TOPOLOGY,
    KEY_TOPOLOGY_XML,
    KEY_COSTS,
    KEY_SLACK,
    KEY_COMPUTE,
    KEY_OPERATION
};

static const struct argp_option option_table[] = {
    {"machine", KEY_MACHINE, "LIST", 0,
     "machines to simulate, by name (`slablab list machines`); of several, each in turn", 0},
    {"topology", KEY_TOPOLOGY, "STRING", 0,
     "or one of your own, as hwloc describes synthetic ones: \"package:2 numa:2 l3:4 core:8 pu:2\"",
     0},
    {"topology-xml", KEY_TOPOLOGY_XML, "FILE", 0, "or one that lstopo has exported", 0},
    {"costs", KEY_COSTS, "TABLE", 0,
     "what accesses cost: a machine's name, or a file of `slablab measure-machine` (default: the "
     "machine's own; for a topology, those of " DEFAULT_COSTS ")",
     0},
    {"slack", KEY_SLACK, "CYCLES", 0,
     "how far a CPU may lead the slowest between two accesses (default: the cheapest transfer of a "
     "line)",
     0},
    {"compute", KEY_COMPUTE, "CYCLES", 0,
     "instructions between accesses, in cycles an access (default: the table's; see --calibrate)",
     0},
    {"operation", KEY_OPERATION, "CYCLES", 0,
     "instructions an allocation or a free takes beside its accesses (default: the table's)", 0},
    {0}};

static double cycles_parse(struct argp_state *state, const char *option, const char *text)
{
    char *end;
    double cycles = strtod(text, &end);

    if (!*text || *end || !(cycles >= 0 && cycles < 1e6))
        argp_error(state, "--%s: '%s': expected cycles, 0 to 1000000", option, text);
    return cycles;
}

static void given_add(struct machine_options *options, int key, const char *text,
                      struct argp_state *state)
{
    for (const struct argp_option *option = option_table; option->name; option++) {
        if (option->key == key && word_list_add(&options->given, "--%s=%s", option->name, text))
            argp_failure(state, 1, 0, "no memory for the options");
    }
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct machine_options *options = state->input;
    struct error error;

    given_add(options, key, text, state);
    switch (key) {
    case KEY_MACHINE:
        if (word_list_parse(text, &options->names, &error) != 0)
            argp_error(state, "--machine: %s", error.text);
        return 0;
    case KEY_TOPOLOGY:
        options->synthetic = text;
        return 0;
    case KEY_TOPOLOGY_XML:
        options->xml = text;
        return 0;
    case KEY_COSTS:
        options->costs = text;
        return 0;
    case KEY_SLACK:
        options->slack_cycles = (uint64_t)cycles_parse(state, "slack", text);
        options->slack_given = true;
        return 0;
    case KEY_COMPUTE:
        options->compute_cycles = cycles_parse(state, "compute", text);
        return 0;
    case KEY_OPERATION:
        options->operation_cycles = cycles_parse(state, "operation", text);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

const struct argp machine_options_argp = {.options = option_table, .parser = parse_option};

void machine_options_init(struct machine_options *options)
{
    *options = (struct machine_options){.compute_cycles = -1, .operation_cycles = -1};
}

/* A name that is no machine's is a file's. */
static int costs_find(struct machine_options *options, const char *name,
                      const struct cost_table **table, struct error *error)
{
    int code = cost_table_find(name, table, error);

    if (code != -ENOENT || (!strchr(name, '/') && !strchr(name, '.')))
        return code;
    code = cost_table_read(name, &options->read, error);
    *table = options->read;
    return code;
}

/* Takes the topology, or frees it. */
static int machine_add(struct machine_options *options, const char *name, struct topology *topology,
                       const struct cost_table *costs, bool own, struct error *error)
{
    struct machine *grown =
        realloc(options->machines, (options->count + 1) * sizeof *options->machines);
    struct machine *machine;

    if (!grown) {
        topology_destroy(topology);
        return error_set(error, ENOMEM, "no memory for a machine");
    }
    options->machines = grown;
    machine = &grown[options->count++];
    *machine = (struct machine){name, topology, virtual_config_of(costs, own)};
    if (options->slack_given)
        machine->config.slack_cycles = options->slack_cycles;
    if (options->compute_cycles >= 0)
        machine->config.compute_256ths = (uint32_t)(options->compute_cycles * 256 + 0.5);
    if (options->operation_cycles >= 0)
        machine->config.operation_cycles = (uint32_t)(options->operation_cycles + 0.5);
    return 0;
}

static int add_named(struct machine_options *options, const char *name, struct error *error)
{
    const struct cost_table *own, *costs;
    struct topology *topology;
    int code = cost_table_find(name, &own, error);

    for (size_t i = 0; code == 0 && i < options->count; i++) {
        if (strcmp(options->machines[i].name, name) == 0)
            return 0; /* a name that is given twice is one */
    }
    costs = own;
    if (code == 0 && options->costs)
        code = costs_find(options, options->costs, &costs, error);
    if (code == 0)
        code = topology_create_synthetic(own->topology, &topology, error);
    return code ?: machine_add(options, name, topology, costs, costs == own, error);
}

static int add_described(struct machine_options *options, struct error *error)
{
    const struct cost_table *costs;
    struct topology *topology = NULL;
    int code = costs_find(options, options->costs ? options->costs : DEFAULT_COSTS, &costs, error);

    if (code)
        return code;
    if (options->xml)
        code = topology_create_xml(options->xml, &topology, error);
    else
        code = topology_create_synthetic(options->synthetic, &topology, error);
    return code
               ?: machine_add(options, options->xml ? options->xml : options->synthetic, topology,
                              costs, false, error);
}

/* A table that was measured knows the machine it was measured on. */
static int add_measured(struct machine_options *options, struct error *error)
{
    const struct cost_table *costs;
    struct topology *topology;
    int code = costs_find(options, options->costs, &costs, error);

    if (code == 0)
        code = topology_create_synthetic(costs->topology, &topology, error);
    return code ?: machine_add(options, costs->name, topology, costs, true, error);
}

int machine_options_resolve(struct machine_options *options, struct error *error)
{
    unsigned ways =
        (options->names.count > 0) + (options->synthetic != NULL) + (options->xml != NULL);
    int code = 0;

    if (ways > 1)
        return error_set(error, EINVAL,
                         "--machine, --topology and --topology-xml each choose a machine: give one "
                         "of them");
    if (ways == 0 && !options->costs)
        return error_set(error, EINVAL,
                         "which machine? --machine NAME (`slablab list machines`), --topology, "
                         "--topology-xml or --costs");
    for (size_t i = 0; code == 0 && i < options->names.count; i++)
        code = add_named(options, options->names.words[i], error);
    if (code == 0 && (options->synthetic || options->xml))
        code = add_described(options, error);
    if (code == 0 && ways == 0)
        code = add_measured(options, error);
    return code;
}

void machine_options_cleanup(struct machine_options *options)
{
    for (size_t i = 0; i < options->count; i++)
        topology_destroy(options->machines[i].topology);
    free(options->machines);
    word_list_cleanup(&options->names);
    word_list_cleanup(&options->given);
    cost_table_destroy(options->read);
}
