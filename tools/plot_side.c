/* SPDX-License-Identifier: MIT */
/* Finding and reading side files; one that is gone is noted once for each run and picture. */
#include "tools/plot_side.h"

#include "tools/plot_writer.h"
#include "tools/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_SCHEMA "slablab.series/1"

static void note_missing(struct plot_writer *writer, const char *path, const char *reason)
{
    struct plot_list *list = writer->list;

    if (list->sides_missing++ == 0 && asprintf(&list->side_missing, "%s: %s", path, reason) < 0)
        list->side_missing = NULL;
}

/* A line a run: a replay's file has those of all its runs. */
static json_t *line_find(FILE *file, const char *run)
{
    size_t size = 0;
    char *line = NULL;
    json_t *found = NULL;

    while (!found && getline(&line, &size, file) >= 0) {
        found = json_loads(line, 0, NULL);
        if (found && (strcmp(record_text(found, "schema"), SERIES_SCHEMA) != 0 ||
                      strcmp(record_text(found, "run"), run) != 0)) {
            json_decref(found);
            found = NULL;
        }
    }
    free(line);
    return found;
}

json_t *plot_side_read(struct plot_writer *writer, const json_t *run)
{
    const char *name = record_text(run, "series");
    json_t *side = NULL;
    char path[4096];
    FILE *file;

    if (!*name)
        return NULL;
    snprintf(path, sizeof path, "%s%s%s", *name == '/' ? "" : writer->folder,
             *name == '/' ? "" : "/", name);
    file = fopen(path, "re");
    if (!file) {
        note_missing(writer, path, strerror(errno));
        return NULL;
    }
    side = line_find(file, record_text(run, "run"));
    if (!side)
        note_missing(writer, path,
                     ferror(file) ? "cannot be read" : "no whole line in it for the run");
    fclose(file);
    return side;
}

json_t *plot_side_of_median_run(struct plot_writer *writer, const struct point *point,
                                const char *key)
{
    double nearest = INFINITY;
    json_t *best = NULL;

    for (size_t i = 0; i < point->nr_runs; i++) {
        double distance = fabs(figure_throughput(point->runs[i]) - point->throughput.median);
        json_t *side;

        if (!(distance < nearest))
            continue;
        side = plot_side_read(writer, point->runs[i]);
        if (!side || !record_at(side, key)) {
            json_decref(side);
            continue;
        }
        json_decref(best);
        best = side;
        nearest = distance;
    }
    return best;
}
