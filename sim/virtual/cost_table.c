/* SPDX-License-Identifier: MIT */
/*
 * The machines that come with the program: the texts of sim/machines/ (compiled in, so that they
 * are examples of the format too), read when first asked for.
 */
#include "sim/virtual/cost_table.h"

#include "sim/error.h"
#include "sim/virtual/cost_table_text.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The Makefile makes the list of what lies in sim/machines/, in order of name. */
static const struct {
    const char *name, *text;
} built_in[] = {
#include "machines.inc"
};
#define BUILT_IN (sizeof built_in / sizeof built_in[0])

/* Read once; `unread` says why not, where one could not be read, which is for want of memory. */
static struct cost_table *tables[BUILT_IN];
static struct error unread = {.text = "no memory"};
static int unread_code;

static void tables_read(void)
{
    for (size_t i = 0; i < BUILT_IN && !unread_code; i++) {
        const char *text = built_in[i].text;
        FILE *stream = fmemopen((void *)text, strlen(text), "r");

        unread_code = -ENOMEM;
        if (!stream)
            return;
        unread_code = cost_table_read_stream(stream, built_in[i].name, false, &tables[i], &unread);
        fclose(stream);
    }
}

static int tables_ready(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, tables_read);
    return unread_code;
}

size_t cost_table_count(void)
{
    return BUILT_IN;
}

const struct cost_table *cost_table_at(size_t index)
{
    return tables_ready() ? NULL : tables[index];
}

int cost_table_find(const char *name, const struct cost_table **table, struct error *error)
{
    char names[sizeof error->text / 2] = "";

    if (tables_ready())
        return error_set(error, -unread_code, "built-in machines: %s", unread.text);
    for (size_t i = 0; i < BUILT_IN; i++) {
        size_t used = strlen(names);

        if (strcmp(cost_table_at(i)->name, name) == 0) {
            *table = cost_table_at(i);
            return 0;
        }
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", cost_table_at(i)->name);
    }
    return error_set(error, ENOENT, "no machine '%s'; there are: %s", name, names);
}

void cost_table_destroy(struct cost_table *table)
{
    if (!table)
        return;
    free(table->name);
    free(table->summary);
    free(table->source);
    free(table->extrapolated);
    free(table->topology);
    free(table->hops);
    free(table);
}

const char *distance_name(enum distance distance)
{
    static const char *const names[DISTANCES] = {"self",    "core", "llc",  "node",
                                                 "package", "hop1", "hop2", "hop3"};

    return names[distance];
}

const char *cost_op_name(enum cost_op op)
{
    static const char *const names[COST_OPS] = {"load", "store", "atomic"};

    return names[op];
}

const char *line_state_name(enum line_state state)
{
    static const char *const names[LINE_STATES] = {"invalid", "shared", "exclusive", "owned",
                                                   "modified"};

    return names[state];
}
