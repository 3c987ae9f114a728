/* SPDX-License-Identifier: MIT */
/* Machines, results and sweeps: what is read from files that are no traces. */
#include "tests/fuzz/targets.h"

#include "sim/error.h"
#include "sim/topology.h"
#include "sim/virtual/cost_table.h"
#include "tools/compare.h"
#include "tools/list_option.h"
#include "tools/runs_file.h"
#include "tools/series.h"
#include "tools/sweep_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What was read is written and read again, and is the same. */
void fuzz_machine(const struct fuzz_input *input)
{
    struct cost_table *table, *again;
    char path[FUZZ_PATH_BYTES];
    struct error error = {""};

    if (fuzz_refusal(cost_table_read(input->path, &table, &error), &error, input->path))
        return;
    fuzz_path(input, "written.machine", path);
    if (!fuzz_refusal(cost_table_write(table, path, &error), &error, NULL)) {
        if (cost_table_read(path, &again, &error))
            fuzz_broken("what was written is refused: %s", error.text);
        if (memcmp(table->cost, again->cost, sizeof table->cost) ||
            strcmp(table->topology, again->topology))
            fuzz_broken("what was written reads as another table");
        cost_table_destroy(again);
    }
    cost_table_destroy(table);
}

static void check_nodes(const struct topology *topology)
{
    for (unsigned cpu = 0; cpu < topology_nr_cpus(topology); cpu++) {
        if (topology_cpu(topology, cpu)->node >= topology_nr_nodes(topology))
            fuzz_broken("CPU %u is on no node", cpu);
    }
}

/* What is understood has a description of its own, unless it is irregular, that is as large. */
void fuzz_topology(const struct fuzz_input *input)
{
    struct topology *topology, *again;
    struct error error = {""};
    char text[1024];

    if (fuzz_refusal(topology_create_synthetic(input->bytes, &topology, &error), &error, NULL))
        return;
    check_nodes(topology);
    if (topology_synthetic(topology, text, sizeof text, &error) == 0) {
        if (topology_create_synthetic(text, &again, &error))
            fuzz_broken("its own description is refused: %s", error.text);
        if (topology_nr_cpus(again) != topology_nr_cpus(topology))
            fuzz_broken("its own description, %s, has other CPUs", text);
        topology_destroy(again);
    }
    topology_destroy(topology);
}

void fuzz_topology_xml(const struct fuzz_input *input)
{
    struct topology *topology;
    struct error error = {""};

    if (fuzz_refusal(topology_create_xml(input->path, &topology, &error), &error, input->path))
        return;
    check_nodes(topology);
    topology_destroy(topology);
}

/* ---- results ---- */

static void read_record(void *context, const json_t *record)
{
    size_t *records = context;

    if (!json_is_object(record))
        fuzz_broken("a record is no object");
    ++*records;
}

static void compare_runs(const struct series *series, FILE *nowhere)
{
    const struct figure *figure;

    for (size_t i = 0; (figure = figure_at(i)); i++) {
        struct comparison comparison;
        struct error error = {""};

        if (fuzz_refusal(compare_designs(series, figure, NULL, &comparison, &error), &error, NULL))
            continue;
        comparison_print(&comparison, nowhere);
        json_decref(comparison_json(&comparison));
        comparison_cleanup(&comparison);
    }
    scaling_print(series, nowhere);
    json_decref(scaling_json(series));
}

/* As `compare` does, with what every run says of itself believed. */
void fuzz_runs(const struct fuzz_input *input)
{
    FILE *nowhere = fopen("/dev/null", "we");
    struct error error = {""};
    struct series series = {0};
    size_t records = 0;
    long whole = 0;

    if (!nowhere)
        fuzz_broken("/dev/null: %s", strerror(errno));
    if (!fuzz_refusal(runs_file_read(input->path, read_record, &records, &whole, &error), &error,
                      input->path) &&
        (size_t)whole > input->length)
        fuzz_broken("more was read than there is");
    *error.text = '\0';
    if (!fuzz_refusal(series_read(input->path, SERIES_WITH_DISTURBED, &series, &error), &error,
                      input->path)) {
        series_left_out_print(&series, input->path, nowhere);
        compare_runs(&series, nowhere);
    }
    series_cleanup(&series);
    fclose(nowhere);
}

void fuzz_sweep(const struct fuzz_input *input)
{
    const struct sweep_request request = {.repeats = 3, .compare_itself = true, .shard = "1/2"};
    struct word_list options = {0}, machines = {0};
    char path[FUZZ_PATH_BYTES];
    json_t *digests = json_pack("{s:s}", "hackbench.slt", "0123456789abcdef");
    json_t *environment = json_object(), *description;
    struct error error = {""};

    if (word_list_add(&options, "--threads=1,2") || word_list_add(&options, "--lock=mcs"))
        fuzz_broken("no memory");
    description = sweep_description(&options, &machines, digests, 1, &request, environment);
    fuzz_path(input, SWEEP_FILE_NAME, path);
    if (!description || (symlink(input->path, path) && errno != EEXIST))
        fuzz_broken("%s: %s", path, strerror(errno));
    fuzz_refusal(sweep_file_compare(input->folder, description, &error), &error, input->folder);
    json_decref(description);
    json_decref(environment);
    json_decref(digests);
    word_list_cleanup(&options);
}
