/* SPDX-License-Identifier: MIT */
/* Finding and reading side files; one that is gone is noted once for each run and picture. */
#include "tools/plot_side.h"

#include "tools/no_memory.h"
#include "tools/plot_writer.h"
#include "tools/record.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SERIES_SCHEMA "slablab.series/1"

/* `code`: errno where it is there, and could not be read. */
static void note_missing(struct plot_writer *writer, const char *path, const char *reason, int code)
{
    struct plot_list *list = writer->list;

    if (!list->side_failure)
        list->side_failure = code;
    if (list->sides_missing++ == 0 && asprintf(&list->side_missing, "%s: %s", path, reason) < 0)
        memory_missing("a text");
}

/* A line a run: a replay's file has those of all its runs. errno: 0, or why it was not looked for.
 */
static json_t *line_find(FILE *file, const char *run)
{
    size_t size = 0;
    char *line = NULL;
    json_t *found = NULL;
    int code = 0;

    while (!found) {
        errno = 0;
        if (getline(&line, &size, file) < 0) {
            code = feof(file) ? 0 : errno ? errno : EIO;
            break;
        }
        found = json_loads(line, 0, NULL);
        if (found && (strcmp(record_text(found, "schema"), SERIES_SCHEMA) != 0 ||
                      strcmp(record_text(found, "run"), run) != 0)) {
            json_decref(found);
            found = NULL;
        }
    }
    free(line);
    errno = code;
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
        note_missing(writer, path, strerror(errno), errno == ENOENT ? 0 : errno);
        return NULL;
    }
    side = line_find(file, record_text(run, "run"));
    if (!side && errno)
        note_missing(writer, path, strerror(errno), errno);
    else if (!side)
        note_missing(writer, path, "no whole line in it for the run", 0);
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
