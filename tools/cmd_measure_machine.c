/* SPDX-License-Identifier: MIT */
/* slablab measure-machine: this host as a table of costs. */
#include "sim/clock.h"
#include "sim/driver.h"
#include "sim/error.h"
#include "sim/topology.h"
#include "tools/command.h"
#include "tools/environment.h"
#include "tools/measure_machine.h"
#include "traces/outfile.h"
#include "version.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#define SECONDS_DEFAULT 10
#define SECONDS_MAX     86400

/* A figure whose rounds spread over more than this share of their median is called noisy. */
#define NOISY 0.25

/* To within which two readings of the clocks 2 ms apart tell its rate. */
#define CLOCK_STEP_HZ 1e5

struct arguments {
    const char *output;
    const char *cpus;
    const char *like;
    double seconds;
    bool all_pairs;
};

enum key { KEY_CPUS = 0x100, KEY_SECONDS, KEY_LIKE, KEY_ALL_PAIRS };

static const struct argp_option option_table[] = {
    {"output", 'o', "FILE", 0, "the table to write (default: standard output)", 0},
    {"cpus", KEY_CPUS, "LIST", 0,
     "measure between these, such as 0,2-5 (default: all that we may use)", 0},
    {"seconds", KEY_SECONDS, "N", 0, "for all of it, at most about (default: 10)", 0},
    {"all-pairs", KEY_ALL_PAIRS, NULL, 0,
     "all pairs of CPUs, their median by distance (default: one pair a distance)", 0},
    {"like", KEY_LIKE, "MACHINE", 0,
     "whose ratios fill what cannot be measured (default: of the machines whose every state was "
     "published, the maker's)",
     0},
    {0}};

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    char *end;

    switch (key) {
    case 'o':
        arguments->output = text;
        return 0;
    case KEY_CPUS:
        arguments->cpus = text;
        return 0;
    case KEY_SECONDS:
        arguments->seconds = strtod(text, &end);
        if (*end || !(arguments->seconds > 0 && arguments->seconds <= SECONDS_MAX))
            argp_error(state, "--seconds: '%s': expected a number above 0, up to %d", text,
                       SECONDS_MAX);
        return 0;
    case KEY_LIKE:
        arguments->like = text;
        return 0;
    case KEY_ALL_PAIRS:
        arguments->all_pairs = true;
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s' is one too many; the table is named with -o FILE", text);
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = {
    option_table,
    parse_option,
    NULL,
    "Measures what loads, stores and atomics cost on this machine, by the state a cache line is in "
    "and how far away it is, and writes a table for virtual machines (sim/MACHINES.md has the "
    "format). The table says what was measured, with its spread, and what was filled in.\v"
    "Examples:\n"
    "  slablab measure-machine -o mine.machine\n"
    "  slablab measure-machine --cpus 0,1,32 --seconds 60 -o mine.machine\n\n"
    "Use an idle machine. In a virtual one the host's other guests are measured too. States that\n"
    "cannot be set up and distances that the machine does not have get the ratios of --like.",
    NULL,
    NULL,
    NULL};

/* ---- which CPUs ---- */

static int cpus_choose(const struct topology *topology, const char *list, unsigned **cpus,
                       unsigned *count, struct error *error)
{
    struct binding binding = {.policy = BINDING_COMPACT};
    char text[4096];
    int code = 0;

    if (list) {
        if ((size_t)snprintf(text, sizeof text, "cpus:%s", list) >= sizeof text)
            return error_set(error, EINVAL, "--cpus: a list of more than %zu bytes", sizeof text);
        code = binding_parse(text, &binding, error);
    }
    if (!code)
        code = topology_nr_dealt(topology, &binding, false, count, error);
    if (!code) {
        *cpus = calloc(*count, sizeof **cpus);
        code = *cpus ? topology_place(topology, &binding, *count, false, *cpus, error)
                     : error_set(error, ENOMEM, "no memory for a list of CPUs");
    }
    binding_cleanup(&binding);
    return code;
}

/* ---- what the table says of itself ---- */

static void print_figure(FILE *stream, const char *what, const struct line_figure *figure)
{
    if (figure->rounds)
        fprintf(stream, "\n%s: %.1f (%.1f to %.1f), %u rounds", what, figure->median, figure->low,
                figure->high, figure->rounds);
}

static bool is_noisy(const struct line_figure *figure)
{
    return figure->high - figure->low > NOISY * figure->median;
}

static void print_cell(FILE *stream, const struct topology *topology,
                       const struct measure_cell *cell)
{
    char what[128];
    unsigned asker = topology_cpu(topology, cell->cpus[ACTOR_ASKER])->os_index;

    if (cell->state == LINE_INVALID)
        snprintf(what, sizeof what, "%s %s %s, CPU %u", cost_op_name(cell->op),
                 line_state_name(cell->state), distance_name(cell->distance), asker);
    else
        snprintf(what, sizeof what, "%s %s %s %s, CPUs %u and %u", cost_op_name(cell->op),
                 line_state_name(cell->state), distance_name(cell->distance),
                 cell->home == HOME_NEAR ? "near" : "far", asker,
                 topology_cpu(topology, cell->cpus[ACTOR_OWNER])->os_index);
    print_figure(stream, what, &cell->figure);
    if (cell->not_set_up)
        fprintf(stream, "; not used, since the line was the asker's own by then");
}

static char *source_text(const struct topology *topology, const struct measurement *measurement,
                         bool is_virtual)
{
    struct utsname system = {.nodename = "a host without a name"};
    time_t now = time(NULL);
    char *text = NULL, day[32];
    struct tm utc;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    if (!stream)
        return NULL;
    uname(&system);
    strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&now, &utc));
    fprintf(stream, "slablab %s measure-machine on %s, %s", SLABLAB_VERSION, system.nodename, day);
    if (is_virtual)
        fprintf(stream, "\na virtual machine: what it calls CPUs and caches is its host's to say, "
                        "and other guests were measured too");
    fprintf(stream, "\ncycles of the clock (%s), which need not be the cores' clock",
            machine_clock()->name);
    fprintf(stream,
            "\nmedian of rounds (5%% to 95%% of them); stores with the fence that waits for "
            "them, taken off in the table");
    print_figure(stream, "l1", &measurement->l1);
    print_figure(stream, "l2", &measurement->l2);
    print_figure(stream, "llc", &measurement->llc);
    print_figure(stream, "store and fence on a line of one's own", &measurement->store);
    print_figure(stream, "atomic on a line of one's own", &measurement->atomic);
    for (size_t i = 0; i < measurement->nr_cells; i++)
        print_cell(stream, topology, &measurement->cells[i]);
    return fclose(stream) ? NULL : text;
}

static char *extrapolated_text(const struct measure_options *options)
{
    const char *like = options->reference->name;
    char *text;

    if (asprintf(&text,
                 "All that is not listed above: by the ratios of %s. Distances: to the nearest one "
                 "that was measured.\nStates and operations: to a modified line at the same "
                 "distance; owned to shared. No distance costs less than a nearer one.\n%s"
                 "compute_256ths and operation_cycles are its, interrupt_cycles and sleep_cycles "
                 "its in ns. The prefetcher is assumed, but for the cycles of the L2.",
                 like,
                 options->nr_cpus > 1 ? ""
                                      : "One CPU: lines of others by what the last-level cache "
                                        "takes.\n") < 0)
        return NULL;
    return text;
}

/* ---- the table ---- */

/* Links as the firmware's distances rank them; NULL: one package. -ENOMEM. */
static int hops_set(const struct topology *topology, struct cost_table *table)
{
    unsigned nodes = topology_nr_nodes(topology), cpu = 0;
    uint8_t self;

    if (nodes == 1)
        return 0;
    table->hops = malloc((size_t)nodes * nodes);
    if (!table->hops)
        return -ENOMEM;
    table->nr_nodes = nodes;
    cost_distances(topology, table, false, &cpu, 1, &self, table->hops);
    for (size_t i = 0; i < (size_t)nodes * nodes; i++)
        table->hops[i] = i / nodes == i % nodes           ? 0
                         : table->hops[i] < DISTANCE_HOP1 ? 1
                                                          : table->hops[i] - DISTANCE_HOP1 + 1;
    return 0;
}

static struct cost_table *table_create(const struct measure_options *options, struct error *error)
{
    struct cost_table *table = calloc(1, sizeof *table);
    const struct topology *topology = options->topology;
    char shape[1024];

    if (table) {
        if (topology_synthetic(topology, shape, sizeof shape, NULL) != 0)
            snprintf(shape, sizeof shape, "package:1 core:%u pu:1", topology_nr_cpus(topology));
        else if (hops_set(topology, table) != 0)
            goto no_memory;
        table->name = strdup("measured");
        table->summary = strdup(topology_describe(topology));
        table->topology = strdup(shape);
        table->has_owned = options->reference->has_owned;
        table->hz = round(machine_clock()->hz / CLOCK_STEP_HZ) * CLOCK_STEP_HZ;
        measure_caches(topology_cpu(topology, options->cpus[0])->os_index, table);
        if (!table->l1.bytes)
            table->l1 = (struct cost_cache){32 << 10, 8};
        if (table->name && table->summary && table->topology)
            return table;
    }
no_memory:
    cost_table_destroy(table);
    error_set(error, ENOMEM, "no memory for a machine's table");
    return NULL;
}

static void warn_noise(const struct measurement *measurement)
{
    size_t noisy = 0;

    for (size_t i = 0; i < measurement->nr_cells; i++)
        noisy += !measurement->cells[i].not_set_up && is_noisy(&measurement->cells[i].figure);
    if (noisy)
        fprintf(stderr,
                "slablab: %zu of %zu figures are noisy (their rounds spread over more than %.0f%% "
                "of the median); an idle machine and more --seconds help\n",
                noisy, measurement->nr_cells, NOISY * 100);
}

static int measure(const struct measure_options *options, const char *output, bool is_virtual,
                   struct error *error)
{
    struct measurement measurement = {0};
    struct cost_table *table = table_create(options, error);
    int code = table ? measure_plan(options, &measurement, error) : -ENOMEM;

    if (!code)
        code = measure_run(options, table, &measurement, error);
    if (!code) {
        measure_fill(options, &measurement, table);
        warn_noise(&measurement);
        table->source = source_text(options->topology, &measurement, is_virtual);
        table->extrapolated = extrapolated_text(options);
        code = table->source && table->extrapolated
                   ? cost_table_write(table, output, error)
                   : error_set(error, ENOMEM, "no memory for a machine's table");
    }
    if (!code && strcmp(output, "-") != 0)
        printf("%s: %zu figures of lines of others and of memory between %u CPUs; the rest by the "
               "ratios of %s\n",
               output, measurement.nr_cells, options->nr_cpus, options->reference->name);
    measurement_cleanup(&measurement);
    cost_table_destroy(table);
    return code;
}

/* Before minutes are spent: can the table be written there? */
static int output_check(const char *output, struct error *error)
{
    struct outfile file;
    int code = outfile_open(&file, output, error);

    if (!code)
        outfile_discard(&file);
    return code;
}

int cmd_measure_machine(int argc, char **argv)
{
    struct arguments arguments = {.output = "-", .seconds = SECONDS_DEFAULT};
    struct measure_options options = {0};
    struct topology *topology = NULL;
    struct cpu_reading since;
    unsigned *cpus = NULL;
    struct error error;
    json_t *environment;
    int code;

    cpu_read(&since);
    command_parse(&argp, argc, argv, 0, &arguments);
    code = cost_table_find(arguments.like ? arguments.like : measure_reference(),
                           &options.reference, &error);
    if (!code)
        code = topology_create_host(&topology, &error);
    if (!code)
        code = cpus_choose(topology, arguments.cpus, &cpus, &options.nr_cpus, &error);
    if (!code)
        code = output_check(arguments.output, &error);
    if (!code) {
        options.topology = topology;
        options.cpus = cpus;
        options.seconds = arguments.seconds;
        options.all_pairs = arguments.all_pairs;
        environment = environment_look(&since);
        environment_print(environment);
        clock_start();
        code = measure(&options, arguments.output,
                       json_is_true(json_object_get(environment, "virtual")), &error);
        json_decref(environment);
    }
    free(cpus);
    topology_destroy(topology);
    return code ? command_failed(code, &error) : STATUS_DONE;
}
