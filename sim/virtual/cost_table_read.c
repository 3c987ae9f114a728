/* SPDX-License-Identifier: MIT */
/*
 * Reads a machine's text (format: sim/MACHINES.md). Whatever is not as it should be is an error
 * that names file, line and reason: a table with a hole or a slip would give results that look as
 * good as any.
 */
#include "sim/virtual/cost_table_text.h"

#include "sim/error.h"
#include "sim/topology.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS    " \t"
#define NODES_MAX 1024

#define AT(field) offsetof(struct cost_table, field)

const struct cost_key cost_keys[COST_KEYS] = {
    {"name", COST_KEY_TEXT, AT(name), 0, false},
    {"summary", COST_KEY_TEXT, AT(summary), 0, false},
    {"source", COST_KEY_TEXT, AT(source), 0, false},
    {"extrapolated", COST_KEY_TEXT, AT(extrapolated), 0, true},
    {"topology", COST_KEY_TEXT, AT(topology), 0, false},
    {"hz", COST_KEY_HZ, AT(hz), 0, false},
    {"owned", COST_KEY_YES_NO, AT(has_owned), 0, false},
    {"migratory", COST_KEY_YES_NO, AT(migrates), 0, true},
    {"l1", COST_KEY_CACHE, AT(l1), AT(l1_cycles), false},
    {"l2", COST_KEY_CACHE, AT(l2), AT(l2_cycles), false},
    {"llc", COST_KEY_CACHE, AT(llc), AT(llc_cycles), false},
    {"atomic_cycles", COST_KEY_CYCLES, AT(atomic_cycles), 0, false},
    {"prefetch_streams", COST_KEY_CYCLES, AT(prefetch_streams), 0, true},
    {"prefetch_lines", COST_KEY_CYCLES, AT(prefetch_lines), 0, true},
    {"prefetch_cycles", COST_KEY_CYCLES, AT(prefetch_cycles), 0, true},
    {"store_shared_by_all", COST_KEY_CYCLES, AT(store_shared_by_all), 0, false},
    {"compute_256ths", COST_KEY_CYCLES, AT(compute_256ths), 0, false},
    {"operation_cycles", COST_KEY_CYCLES, AT(operation_cycles), 0, false},
    {"interrupt_cycles", COST_KEY_CYCLES, AT(interrupt_cycles), 0, false},
    {"sleep_cycles", COST_KEY_CYCLES, AT(sleep_cycles), 0, false},
};

struct reader {
    const char *name; /* of the file */
    unsigned line;
    struct cost_table *table;
    char **text;                   /* what an indented line goes on with, or NULL */
    unsigned key_lines[COST_KEYS]; /* where each was said; 0: not yet */
    unsigned row_lines[COST_OPS][LINE_STATES][COST_HOMES];
    unsigned hops_line, nr_hop_rows;
    struct error *error;
};

static void *field(const struct reader *reader, size_t offset)
{
    return (char *)reader->table + offset;
}

#define REFUSE(reader, format, ...)                                                                \
    error_set((reader)->error, EINVAL, "%s, line %u: " format, (reader)->name, (reader)->line,     \
              ##__VA_ARGS__)

static int no_memory(const struct reader *reader)
{
    return error_set(reader->error, ENOMEM, "%s: no memory for a machine's table", reader->name);
}

/* ---- words and numbers ---- */

/* Cuts the next word off *rest; NULL: there is none. */
static char *next_word(char **rest)
{
    char *word = *rest + strspn(*rest, BLANKS);

    if (!*word)
        return NULL;
    *rest = word + strcspn(word, BLANKS);
    if (**rest)
        *(*rest)++ = '\0';
    return word;
}

/* Digits, and what is left of the word after them. */
static bool number_read(const char *word, uint32_t *number, const char **after)
{
    unsigned long long value;
    char *end;

    if (!word || !isdigit((unsigned char)*word))
        return false;
    errno = 0;
    value = strtoull(word, &end, 10);
    if (errno || value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    *after = end;
    return true;
}

static bool count_read(const char *word, uint32_t *number)
{
    const char *after;

    return number_read(word, number, &after) && !*after;
}

static bool size_read(const char *word, uint32_t *bytes)
{
    uint64_t unit = 1;
    const char *after;
    uint32_t number;

    if (!number_read(word, &number, &after))
        return false;
    if (*after == 'K' || *after == 'M')
        unit = *after++ == 'K' ? COST_SIZE_K : COST_SIZE_M;
    if (*after || number * unit > UINT32_MAX)
        return false;
    *bytes = (uint32_t)(number * unit);
    return true;
}

static int nothing_follows(const struct reader *reader, char *rest)
{
    const char *word = next_word(&rest);

    return word ? REFUSE(reader, "'%s' is one too many", word) : 0;
}

/* ---- "KEY VALUE..." ---- */

static int cache_read(const struct reader *reader, const struct cost_key *key, char *rest)
{
    struct cost_cache *cache = field(reader, key->offset);
    uint32_t *cycles = field(reader, key->cycles_offset);

    if (!size_read(next_word(&rest), &cache->bytes) ||
        !count_read(next_word(&rest), &cache->ways) || !count_read(next_word(&rest), cycles))
        return REFUSE(reader,
                      "%s: expected bytes (K and M are powers of 1,024), ways and cycles, such as "
                      "'%s 32K 8 4'",
                      key->name, key->name);
    if (cache->bytes == 0 && key->offset == AT(l1))
        return REFUSE(reader, "%s: there must be one", key->name);
    /* A hit in L1 may take no time of its own: `sim --calibrate` finds so where hits overlap. */
    if (cache->bytes == 0 ? cache->ways || *cycles
                          : !cache->ways || (!*cycles && key->offset != AT(l1)))
        return REFUSE(reader,
                      "%s: a cache has bytes, ways and, but for the L1, cycles; none is '0 0 0'",
                      key->name);
    if (cache->ways > cache->bytes / 64)
        return REFUSE(reader, "%s: %u ways of 64 bytes are more than its %u bytes", key->name,
                      cache->ways, cache->bytes);
    return nothing_follows(reader, rest);
}

static int value_read(struct reader *reader, const struct cost_key *key, char *rest)
{
    char *value, **text, *end;
    double *hz;

    if (key->kind == COST_KEY_CACHE)
        return cache_read(reader, key, rest);
    if (key->kind == COST_KEY_TEXT) {
        text = field(reader, key->offset);
        rest += strspn(rest, BLANKS);
        if (!*rest)
            return REFUSE(reader, "%s: what?", key->name);
        if (key->offset == AT(name) && strpbrk(rest, BLANKS "/"))
            return REFUSE(reader, "name '%s': expected one word without '/'", rest);
        *text = strdup(rest);
        reader->text = text;
        return *text ? 0 : no_memory(reader);
    }
    value = next_word(&rest);
    switch (key->kind) {
    case COST_KEY_HZ:
        hz = field(reader, key->offset);
        *hz = value ? strtod(value, &end) : 0;
        if (!value || *end || !isfinite(*hz) || *hz < 1)
            return REFUSE(reader, "hz: expected cycles a second, such as 2.1e9");
        break;
    case COST_KEY_YES_NO:
        if (!value || (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0))
            return REFUSE(reader, "%s: expected yes or no", key->name);
        *(bool *)field(reader, key->offset) = *value == 'y';
        break;
    default:
        if (!count_read(value, field(reader, key->offset)))
            return REFUSE(reader, "%s: expected a number, 0 to %u", key->name, UINT32_MAX);
    }
    return nothing_follows(reader, rest);
}

static int key_read(struct reader *reader, const struct cost_key *key, char *rest)
{
    unsigned *said = &reader->key_lines[key - cost_keys];

    if (*said)
        return REFUSE(reader, "%s: line %u has it already", key->name, *said);
    *said = reader->line;
    return value_read(reader, key, rest);
}

/* ---- "OP STATE [near|far] CYCLES..." ---- */

static bool may_be_zero(enum line_state state, enum distance distance)
{
    return distance == DISTANCE_SELF || (state == LINE_INVALID && distance < DISTANCE_NODE);
}

static int costs_read(const struct reader *reader, enum line_state state, char *rest,
                      uint32_t *costs)
{
    for (enum distance distance = 0; distance < DISTANCES; distance++) {
        const char *word = next_word(&rest);

        if (!word)
            return REFUSE(reader, "no cycles for %s; a row has %d numbers", distance_name(distance),
                          DISTANCES);
        if (!count_read(word, &costs[distance]))
            return REFUSE(reader, "%s: '%s': expected cycles, 0 to %u", distance_name(distance),
                          word, UINT32_MAX);
        if (costs[distance] == 0 && !may_be_zero(state, distance))
            return REFUSE(reader, "%s: an access there cannot cost 0", distance_name(distance));
    }
    return nothing_follows(reader, rest);
}

static int row_read(struct reader *reader, enum cost_op op, char *rest)
{
    const char *word = next_word(&rest);
    enum cost_home first = HOME_NEAR, last = HOME_FAR;
    enum line_state state = 0;
    uint32_t costs[DISTANCES];
    const char *peek;
    int code;

    while (word && state < LINE_STATES && strcmp(word, line_state_name(state)) != 0)
        state++;
    if (!word || state == LINE_STATES)
        return REFUSE(
            reader, "%s: expected the line's state: invalid, shared, exclusive, owned or modified",
            cost_op_name(op));
    peek = rest + strspn(rest, BLANKS);
    if (strncmp(peek, "near", 4) == 0 || strncmp(peek, "far", 3) == 0) {
        word = next_word(&rest);
        if (strcmp(word, "near") != 0 && strcmp(word, "far") != 0)
            return REFUSE(reader, "'%s': expected near, far or cycles", word);
        first = last = *word == 'n' ? HOME_NEAR : HOME_FAR;
    }
    code = costs_read(reader, state, rest, costs);
    for (enum cost_home home = first; !code && home <= last; home++) {
        if (reader->row_lines[op][state][home])
            return REFUSE(reader, "%s %s: line %u has it already", cost_op_name(op),
                          line_state_name(state), reader->row_lines[op][state][home]);
        reader->row_lines[op][state][home] = reader->line;
        for (enum distance distance = 0; distance < DISTANCES; distance++)
            reader->table->cost[op][state][distance][home] = costs[distance];
    }
    return code;
}

/* ---- "hops LINKS..." ---- */

static unsigned words_count(const char *rest)
{
    unsigned count = 0;

    for (rest += strspn(rest, BLANKS); *rest; rest += strspn(rest, BLANKS)) {
        rest += strcspn(rest, BLANKS);
        count++;
    }
    return count;
}

static int hops_read(struct reader *reader, char *rest)
{
    struct cost_table *table = reader->table;
    unsigned row = reader->nr_hop_rows++, count = words_count(rest);

    if (row == 0) {
        if (count == 0 || count > NODES_MAX)
            return REFUSE(reader, "hops: expected a number a node, of 1 to %d nodes", NODES_MAX);
        reader->hops_line = reader->line;
        table->nr_nodes = count;
        table->hops = calloc((size_t)count * count, sizeof *table->hops);
        if (!table->hops)
            return no_memory(reader);
    }
    if (row >= table->nr_nodes || count != table->nr_nodes)
        return REFUSE(reader,
                      "hops: line %u says that there are %u nodes: as many rows of as many "
                      "numbers",
                      reader->hops_line, table->nr_nodes);
    for (unsigned column = 0; column < count; column++) {
        const char *word = next_word(&rest);
        uint32_t links;

        if (!count_read(word, &links) || links > DISTANCE_HOP3 - DISTANCE_HOP1 + 1 ||
            (links == 0) != (row == column))
            return REFUSE(reader, "hops: '%s' from node %u to %u: expected %s", word, row, column,
                          row == column ? "0" : "1, 2 or 3");
        if (column < row && table->hops[(size_t)column * count + row] != links)
            return REFUSE(reader, "hops: from node %u to %u are %u links, but back %u", row, column,
                          links, table->hops[(size_t)column * count + row]);
        table->hops[(size_t)row * count + column] = (uint8_t)links;
    }
    return 0;
}

/* ---- lines ---- */

/* An indented line: the text goes on. */
static int text_continue(const struct reader *reader, const char *more)
{
    char *longer;

    if (!reader->text)
        return REFUSE(reader, "indented, so it should go on with the text above it; there is none");
    if (reader->text == &reader->table->name || reader->text == &reader->table->topology)
        return REFUSE(reader, "indented; but a name and a topology have one line each");
    if (asprintf(&longer, "%s\n%s", *reader->text, more) < 0)
        return no_memory(reader);
    free(*reader->text);
    *reader->text = longer;
    return 0;
}

static int line_read(struct reader *reader, char *line)
{
    char *rest = line + strspn(line, BLANKS), *word;

    if (*rest == '#')
        return 0;
    if (rest != line)
        return text_continue(reader, rest);
    reader->text = NULL;
    word = next_word(&rest);
    for (const struct cost_key *key = cost_keys; key < cost_keys + COST_KEYS; key++) {
        if (strcmp(word, key->name) == 0)
            return key_read(reader, key, rest);
    }
    for (enum cost_op op = 0; op < COST_OPS; op++) {
        if (strcmp(word, cost_op_name(op)) == 0)
            return row_read(reader, op, rest);
    }
    if (strcmp(word, "hops") == 0)
        return hops_read(reader, rest);
    return REFUSE(reader, "'%.40s' is no word of a machine's table", word);
}

static int lines_read(struct reader *reader, FILE *stream)
{
    size_t capacity = 0;
    char *line = NULL;
    ssize_t length;
    int code = 0;

    while (!code && (errno = 0, length = getline(&line, &capacity, stream)) >= 0) {
        reader->line++;
        if (strlen(line) != (size_t)length) {
            code = REFUSE(reader, "a zero byte; this is no text");
            break;
        }
        while (length > 0 && isspace((unsigned char)line[length - 1]))
            line[--length] = '\0';
        if (length > 0)
            code = line_read(reader, line);
    }
    if (!code && errno)
        code = error_set(reader->error, errno, "%s: %s", reader->name, strerror(errno));
    free(line);
    return code;
}

/* ---- the whole ---- */

/* What is missing is seen at the last line. */
static int complete_check(const struct reader *reader)
{
    const struct cost_table *table = reader->table;

    for (unsigned key = 0; key < COST_KEYS; key++) {
        if (!reader->key_lines[key] && !cost_keys[key].optional)
            return REFUSE(reader, "the table ends without '%s'", cost_keys[key].name);
    }
    for (enum cost_op op = 0; op < COST_OPS; op++) {
        for (enum line_state state = 0; state < LINE_STATES; state++) {
            for (enum cost_home home = 0; home < COST_HOMES; home++) {
                if (!reader->row_lines[op][state][home])
                    return REFUSE(reader, "the table ends without '%s %s%s'", cost_op_name(op),
                                  line_state_name(state),
                                  !reader->row_lines[op][state][!home] ? ""
                                  : home == HOME_NEAR                  ? " near"
                                                                       : " far");
            }
        }
    }
    if (reader->nr_hop_rows != table->nr_nodes)
        return REFUSE(reader, "the table ends with %u rows of hops; there are %u nodes",
                      reader->nr_hop_rows, table->nr_nodes);
    return 0;
}

static int prefetch_check(const struct reader *reader)
{
    const struct cost_table *table = reader->table;
    unsigned given = !!table->prefetch_streams + !!table->prefetch_lines + !!table->prefetch_cycles;

    if (given != 0 && given != 3)
        return REFUSE(reader, "prefetch_streams, prefetch_lines and prefetch_cycles: a prefetcher "
                              "has all three, and without one there are none");
    if (table->prefetch_streams > COST_STREAMS_MAX)
        return REFUSE(reader, "prefetch_streams: %u; there can be %d", table->prefetch_streams,
                      COST_STREAMS_MAX);
    return 0;
}

static int topology_check(struct reader *reader)
{
    struct topology *topology;
    unsigned nodes, key = 0;
    int code = topology_create_synthetic(reader->table->topology, &topology, reader->error);

    while (cost_keys[key].offset != AT(topology))
        key++;
    if (code)
        return error_prefix(reader->error, code, "%s, line %u", reader->name,
                            reader->key_lines[key]);
    nodes = topology_nr_nodes(topology);
    topology_destroy(topology);
    reader->line = reader->hops_line;
    if (reader->table->hops && nodes != reader->table->nr_nodes)
        return REFUSE(reader, "hops are of %u nodes; the topology has %u", reader->table->nr_nodes,
                      nodes);
    return 0;
}

int cost_table_read_stream(FILE *stream, const char *name, bool load_topology,
                           struct cost_table **table, struct error *error)
{
    struct reader reader = {.name = name, .error = error, .table = calloc(1, sizeof **table)};
    int code;

    if (!reader.table)
        return no_memory(&reader);
    code = lines_read(&reader, stream);
    if (!code)
        code = complete_check(&reader);
    if (!code)
        code = prefetch_check(&reader);
    if (!code && load_topology)
        code = topology_check(&reader);
    if (!code && !reader.table->extrapolated && !(reader.table->extrapolated = strdup("")))
        code = no_memory(&reader);
    if (code)
        cost_table_destroy(reader.table);
    else
        *table = reader.table;
    return code;
}

int cost_table_read(const char *path, struct cost_table **table, struct error *error)
{
    FILE *stream = fopen(path, "re");
    int code;

    if (!stream)
        return error_set(error, errno, "%s: %s", path, strerror(errno));
    code = cost_table_read_stream(stream, path, true, table, error);
    fclose(stream);
    return code;
}
