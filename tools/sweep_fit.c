/* SPDX-License-Identifier: MIT */
/* What of a sweep's cells fits its simulated machines; see sweep_fit.h. */
#include "tools/sweep_fit.h"

#include "sim/error.h"
#include "tools/machine_options.h"
#include "tools/replay_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The entry of the cell's machine and binding, made when it is the first. NULL: no memory. */
static json_t *entry_of(json_t *left_out, const struct cell *cell, unsigned cpus)
{
    json_t *entry;
    size_t i;

    json_array_foreach(left_out, i, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "machine")), cell->machine->name) ==
                0 &&
            strcmp(json_string_value(json_object_get(entry, "bind")), cell->bind->text) == 0)
            return entry;
    }
    entry = json_pack("{s:s, s:s, s:i, s:[]}", "machine", cell->machine->name, "bind",
                      cell->bind->text, "cpus", (int)cpus, "threads");
    return json_array_append_new(left_out, entry) == 0 ? entry : NULL;
}

/* Notes what is left out; designs and sizes share their number of threads. */
static int note(json_t *left_out, const struct cell *cell, unsigned cpus, struct error *error)
{
    json_t *entry = entry_of(left_out, cell, cpus), *threads, *number;
    size_t i;

    if (!entry)
        return error_set(error, ENOMEM, "no memory for a list of what is left out");
    threads = json_object_get(entry, "threads");
    json_array_foreach(threads, i, number)
    {
        if (json_integer_value(number) == cell->threads)
            return 0;
    }
    return json_array_append_new(threads, json_integer(cell->threads)) == 0
               ? 0
               : error_set(error, ENOMEM, "no memory for a list of what is left out");
}

/* Sets kept[] and counts it. */
static int look(const struct replay_options *options, const struct cell_list *cells, bool *kept,
                size_t *nr_kept, json_t *left_out, struct error *error)
{
    unsigned cpus = 0;
    int code = 0;

    for (size_t i = 0; code == 0 && i < cells->count; i++) {
        const struct cell *cell = &cells->cells[i];

        kept[i] = true;
        if (cell->machine && (i == 0 || !cells_share_plan(cell, cell - 1)))
            code = topology_nr_dealt(cell->machine->topology, &cell->bind->binding,
                                     options->run.oversubscribe, &cpus, error);
        if (code == 0 && cell->machine && !options->run.oversubscribe && cell->threads > cpus) {
            kept[i] = false;
            code = note(left_out, cell, cpus, error);
        }
        *nr_kept += kept[i];
    }
    return code;
}

int sweep_fit(const struct replay_options *options, struct cell_list *cells, json_t **left_out,
              struct error *error)
{
    bool *kept = calloc(cells->count, sizeof *kept);
    size_t nr_kept = 0;
    int code = 0;

    *left_out = json_array();
    if (!kept || !*left_out)
        code = error_set(error, ENOMEM, "no memory for a list of cells");
    if (code == 0)
        code = look(options, cells, kept, &nr_kept, *left_out, error);
    if (code == 0 && nr_kept)
        cells_keep(cells, kept);
    else if (*left_out)
        json_array_clear(*left_out);
    free(kept);
    return code;
}

void sweep_fit_print(const json_t *left_out)
{
    const json_t *entry, *number;
    size_t i, j;

    json_array_foreach(left_out, i, entry)
    {
        const json_t *threads = json_object_get(entry, "threads");

        fprintf(stderr, "%s has %lld CPUs", json_string_value(json_object_get(entry, "machine")),
                (long long)json_integer_value(json_object_get(entry, "cpus")));
        if (strcmp(json_string_value(json_object_get(entry, "bind")), "compact") != 0)
            fprintf(stderr, " (--bind %s)", json_string_value(json_object_get(entry, "bind")));
        fprintf(stderr, ": left out are runs of");
        json_array_foreach(threads, j, number)
            fprintf(stderr, "%s %lld", j ? "," : "", (long long)json_integer_value(number));
        fprintf(stderr, " threads\n");
    }
}
