/* SPDX-License-Identifier: MIT */
/* Writes a machine's text (format: sim/MACHINES.md): what the reader makes of it is the same table.
 */
#include "sim/virtual/cost_table_text.h"

#include "sim/error.h"
#include "traces/outfile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const void *field(const struct cost_table *table, size_t offset)
{
    return (const char *)table + offset;
}

/* Lines that the reader would take for something else: empty, indented, a comment. */
static bool text_is_plain(const char *text)
{
    for (const char *line = text;; line = strchr(line, '\n') + 1) {
        size_t length = strcspn(line, "\n");

        if (length == 0 || strchr(" \t#", *line) || strchr(" \t\r", line[length - 1]))
            return false;
        if (!line[length])
            return true;
    }
}

static void text_write(FILE *stream, const char *text)
{
    for (; *text; text++) {
        putc(*text, stream);
        if (*text == '\n')
            fputs("    ", stream);
    }
}

static void hz_write(FILE *stream, double hz)
{
    char shortest[40];

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(shortest, sizeof shortest, "%.*g", digits, hz);
        if (strtod(shortest, NULL) == hz)
            break;
    }
    fputs(shortest, stream);
}

static void cache_write(FILE *stream, const struct cost_cache *cache, uint32_t cycles)
{
    if (cache->bytes && cache->bytes % COST_SIZE_M == 0)
        fprintf(stream, "%uM", cache->bytes / COST_SIZE_M);
    else if (cache->bytes && cache->bytes % COST_SIZE_K == 0)
        fprintf(stream, "%uK", cache->bytes / COST_SIZE_K);
    else
        fprintf(stream, "%u", cache->bytes);
    fprintf(stream, " %u %u", cache->ways, cycles);
}

static int key_write(FILE *stream, const struct cost_table *table, const struct cost_key *key,
                     struct error *error)
{
    const void *value = field(table, key->offset);
    const char *text;

    if (key->kind == COST_KEY_TEXT) {
        text = *(char *const *)value;
        if (key->optional && (!text || !*text))
            return 0;
        if (!text || !text_is_plain(text))
            return error_set(error, EINVAL,
                             "machine: %s: empty, or a line of it is, or begins with a blank or "
                             "'#', or ends with a blank",
                             key->name);
    }
    if (key->kind == COST_KEY_CYCLES && key->optional && *(const uint32_t *)value == 0)
        return 0;
    fprintf(stream, "%s ", key->name);
    switch (key->kind) {
    case COST_KEY_TEXT:
        text_write(stream, *(char *const *)value);
        break;
    case COST_KEY_HZ:
        hz_write(stream, *(const double *)value);
        break;
    case COST_KEY_YES_NO:
        fputs(*(const bool *)value ? "yes" : "no", stream);
        break;
    case COST_KEY_CACHE:
        cache_write(stream, value, *(const uint32_t *)field(table, key->cycles_offset));
        break;
    case COST_KEY_CYCLES:
        fprintf(stream, "%u", *(const uint32_t *)value);
    }
    putc('\n', stream);
    return 0;
}

static void row_write(FILE *stream, const struct cost_table *table, enum cost_op op,
                      enum line_state state, enum cost_home home, const char *suffix)
{
    char what[32];

    snprintf(what, sizeof what, "%s %s%s", cost_op_name(op), line_state_name(state), suffix);
    fprintf(stream, "%-21s", what);
    for (enum distance distance = 0; distance < DISTANCES; distance++)
        fprintf(stream, " %7u", table->cost[op][state][distance][home]);
    putc('\n', stream);
}

static bool home_matters(const struct cost_table *table, enum cost_op op, enum line_state state)
{
    for (enum distance distance = 0; distance < DISTANCES; distance++) {
        if (table->cost[op][state][distance][HOME_NEAR] !=
            table->cost[op][state][distance][HOME_FAR])
            return true;
    }
    return false;
}

static void costs_write(FILE *stream, const struct cost_table *table)
{
    fprintf(stream, "\n%-21s", "# cycles");
    for (enum distance distance = 0; distance < DISTANCES; distance++)
        fprintf(stream, " %7s", distance_name(distance));
    putc('\n', stream);
    for (enum cost_op op = 0; op < COST_OPS; op++) {
        for (enum line_state state = LINE_STATES; state-- > 0;) {
            bool both = home_matters(table, op, state);

            row_write(stream, table, op, state, HOME_NEAR, both ? " near" : "");
            if (both)
                row_write(stream, table, op, state, HOME_FAR, " far");
        }
    }
}

static void hops_write(FILE *stream, const struct cost_table *table)
{
    fprintf(stream, "\n# links between nodes\n");
    for (unsigned from = 0; from < table->nr_nodes; from++) {
        fputs("hops", stream);
        for (unsigned to = 0; to < table->nr_nodes; to++)
            fprintf(stream, " %u", table->hops[(size_t)from * table->nr_nodes + to]);
        putc('\n', stream);
    }
}

int cost_table_write(const struct cost_table *table, const char *path, struct error *error)
{
    struct outfile file;
    int code = outfile_open(&file, path, error);

    if (code)
        return code;
    for (const struct cost_key *key = cost_keys; !code && key < cost_keys + COST_KEYS; key++) {
        if (key->offset == offsetof(struct cost_table, l1))
            fputs("\n# bytes, ways, cycles\n", file.stream);
        if (key->offset == offsetof(struct cost_table, atomic_cycles))
            putc('\n', file.stream);
        code = key_write(file.stream, table, key, error);
    }
    if (code) {
        outfile_discard(&file);
        return code;
    }
    costs_write(file.stream, table);
    if (table->hops)
        hops_write(file.stream, table);
    return outfile_commit(&file, error);
}
