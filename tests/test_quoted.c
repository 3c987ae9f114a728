/* SPDX-License-Identifier: MIT */
/*
 * Simulated figures that the documents quote are those that the commands beside them give: what is
 * simulated is exact, so nothing but a change of the program changes it. A field that comes to lie
 * on another cache line moves times by a few per cent, which is no news; who changes more than that
 * learns here which pages it leaves behind. A document marks such a place with a line `<!-- quoted:
 * NAME -->`; the commands are the next indented block, run as they stand, the figures the next
 * table or block. sim/VALIDATION.md, "When these figures change", says what to do then.
 */
#include "tests/cli.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Figures may move by so much of themselves, and shares in per cent by so many points. */
#define TOLERANCE 0.06
#define POINTS    4

/* The place in hand: its document from the mark on, what its commands printed, their records. */
static char *document, *place, *printed;
static json_t *records;

static void forget(void)
{
    free(document);
    free(printed);
    json_decref(records);
    document = place = printed = NULL;
    records = NULL;
}

static int tear_down(void **state)
{
    forget();
    return cli_tear_down(state);
}

static char *next_line(char *line)
{
    char *end = line ? strchr(line, '\n') : NULL;

    return end ? end + 1 : NULL;
}

/* The first line of the next indented block, of one that follows other lines. */
static char *block(char *line)
{
    while (line && strncmp(line, "    ", 4) == 0)
        line = next_line(line);
    while (line && strncmp(line, "    ", 4) != 0)
        line = next_line(line);
    assert_non_null(line);
    return line;
}

static void find_place(const char *path, const char *name)
{
    char mark[64];

    forget();
    document = cli_read_file(path);
    snprintf(mark, sizeof mark, "<!-- quoted: %s -->\n", name);
    place = strstr(document, mark);
    if (!place)
        fail_msg("%s has no line %s", path, mark);
}

/* Of the block only lines that hold `with`, unless NULL: a study has commands of several loads. */
static void write_commands(const char *with)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/commands", cli_folder);
    file = fopen(path, "w");
    assert_non_null(file);
    /* Of each simulation both are wanted: what is printed, and the records. */
    fputs("slablab() {\n"
          "    case $1 in\n"
          "    sim) \"$SLABLAB\" \"$@\" --json one && cat one >> records ;;\n"
          "    *) \"$SLABLAB\" \"$@\" ;;\n"
          "    esac || exit\n"
          "}\n",
          file);
    for (char *line = block(place); line && strncmp(line, "    ", 4) == 0; line = next_line(line)) {
        int length = (int)strcspn(line, "\n") - 4;
        char *text = strndup(line + 4, (size_t)length), *command = text;

        if (strncmp(command, "build/", 6) == 0)
            command += 6;
        if (!with || strstr(command, with))
            fprintf(file, "%s\n", command);
        free(text);
    }
    fclose(file);
}

/* Runs what write_commands() has written after `sed EDIT`, in the test's folder. */
static void run_commands(const char *edit)
{
    char command[1024], path[128], *text;
    int status;

    snprintf(command, sizeof command,
             "SLABLAB=$(realpath \"$SLABLAB\") && ln -sfn \"$PWD/traces\" @/traces && cd @ && "
             "rm -f records && sed -i '%s' commands && bash commands",
             edit);
    printed = cli_ask(command, &status);
    if (status)
        fail_msg("status %d: %s", status, printed);
    snprintf(path, sizeof path, "%s/records", cli_folder);
    text = cli_read_file(path);
    records = json_array();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        assert_int_equal(json_array_append_new(records, json_loads(line, 0, NULL)), 0);
    free(text);
    assert_true(json_array_size(records) > 0);
}

/* Finds the place and runs its commands. */
static void run(const char *path, const char *name)
{
    find_place(path, name);
    write_commands(NULL);
    run_commands("");
}

static const json_t *part(const json_t *record, const char *one, const char *other)
{
    return json_object_get(json_object_get(record, one), other);
}

/* The design's record `from` those before it; the number of threads, or 0: any. */
static const json_t *record_of(const char *design, unsigned threads, unsigned from)
{
    size_t index;
    json_t *record;

    json_array_foreach(records, index, record)
    {
        const json_t *count = json_object_get(record, "threads");

        if (strcmp(json_string_value(json_object_get(record, "allocator")), design) == 0 &&
            (!threads || json_integer_value(count) == threads) && from-- == 0)
            return record;
    }
    fail_msg("no record of %s on %u threads", design, threads);
    return NULL;
}

static double number(const json_t *record, const char *key)
{
    const json_t *value = json_object_get(record, key);

    assert_true(json_is_number(value));
    return json_number_value(value);
}

/* The row of the next table that begins with `name`. */
static const char *row_of(const char *name)
{
    char begin[64];
    const char *row;

    snprintf(begin, sizeof begin, "\n| %s |", name);
    row = strstr(place, begin);
    if (!row)
        fail_msg("no row '%s' in: %.600s", name, place);
    return row + 1;
}

/* What lies between them when figures are as rough as documents give them: 1 of the last digit. */
static double last_digit(const char *figure, const char *end)
{
    const char *point = memchr(figure, '.', (size_t)(end - figure));

    return point ? pow(10, -(double)(end - point - 1)) : 1;
}

/* Is the value about what the row has in a column (0: its name)? */
static void assert_cell_within(const char *row, unsigned column, double value, double share,
                               double points)
{
    const char *cell = row;
    char *end;
    double quoted;

    for (unsigned i = 0; i <= column; i++)
        cell = strchr(cell, '|') + 1;
    cell += strspn(cell, " *");
    quoted = strtod(cell, &end);
    assert_true(end != cell);
    if (fabs(quoted - value) > fmax(share * fabs(quoted), points) + last_digit(cell, end))
        fail_msg("column %u is %g now: %.*s", column, value, (int)strcspn(row, "\n"), row);
}

static void assert_cell(const char *row, unsigned column, double value)
{
    assert_cell_within(row, column, value, TOLERANCE, 0);
}

/* What the compiler makes of a design is part of the result: the documents have gcc 12's. */
static void skip_unless_gcc_12(void)
{
    json_t *record;
    const char *compiler;
    bool same;

    cli_run("gen pairs --cpus 1 --events 100 -o @/any.slt");
    assert_status(0);
    cli_run("sim @/any.slt --machine generic-8 -a null --json -");
    assert_status(0);
    record = cli_record();
    compiler = json_string_value(part(record, "machine", "compiler"));
    same = strncmp(compiler, "gcc ", 4) == 0 && strstr(compiler, ") 12.");
    json_decref(record);
    if (!same)
        skip();
}

/* ---- README.md ---- */

/* The same words, and about the same figures; blanks do not count. */
static bool lines_are_alike(const char *quoted, const char *said)
{
    for (;;) {
        char *end_quoted, *end_said;
        double one, other;

        quoted += strspn(quoted, " ");
        said += strspn(said, " ");
        if (!isdigit((unsigned char)*quoted)) {
            if (*quoted != *said)
                return false;
            if (*quoted == '\n' || *quoted == '\0')
                return true;
            quoted++;
            said++;
            continue;
        }
        one = strtod(quoted, &end_quoted);
        other = strtod(said, &end_said);
        if (fabs(one - other) >
            fmax(TOLERANCE * one, *end_quoted == '%' ? POINTS : 0) + last_digit(quoted, end_quoted))
            return false;
        quoted = end_quoted;
        said = end_said;
    }
}

static void the_readmes_example_prints_the_lines_that_it_shows(void **state)
{
    (void)state;
    skip_unless_gcc_12();
    run("README.md", "find");
    for (char *line = block(block(place)); line && strncmp(line, "    ", 4) == 0;
         line = next_line(line)) {
        char *found = printed;

        while (found && !lines_are_alike(line, found))
            found = next_line(found);
        if (!found)
            fail_msg("not printed: %.*s\nbut: %s", (int)strcspn(line, "\n"), line, printed);
    }
}

/* ---- sim/README.md ---- */

static double lines_an_event(const char *design, unsigned load, const char *structure)
{
    const json_t *record = record_of(design, 0, load);
    const json_t *moved = json_object_get(part(record, "coherence", "by_structure"), structure);

    assert_true(json_is_integer(moved));
    return json_number_value(moved) / number(record, "events");
}

static void lines_of_objects_move_as_the_table_of_false_sharing_says(void **state)
{
    static const char *const designs[] = {"magazine", "x15", "bufctl",
                                          "helenos",  "spl", "slabifier"};
    char expected[64];

    (void)state;
    skip_unless_gcc_12();
    run("sim/README.md", "false-sharing");
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned load = 0; load < 2; load++)
            assert_cell(row_of(designs[i]), 1 + load, lines_an_event(designs[i], load, "object"));
    }
    snprintf(expected, sizeof expected, "%.2f an event, `cpu_layer`, and %.1f",
             lines_an_event("helenos", 0, "cpu_layer"), lines_an_event("helenos", 0, "descriptor"));
    if (!strstr(row_of("helenos"), expected))
        fail_msg("helenos has %s now", expected);
}

/* ---- sim/VALIDATION.md ---- */

static double contended(const json_t *record)
{
    size_t class;
    json_t *counts;
    double sum = 0;

    json_array_foreach(json_object_get(record, "locks"), class, counts) sum +=
        number(counts, "contended");
    return sum;
}

/* A row whose first column is a figure and the others how far from it those with slack are, in %.
 */
static void assert_row_of_slack(const char *name, const char *design,
                                double (*figure)(const json_t *record))
{
    const char *row = row_of(name);
    double exact = figure(record_of(design, 0, 0));

    assert_cell(row, 1, exact);
    for (unsigned i = 1; i < 6; i++)
        assert_cell_within(row, 1 + i, 100 * (figure(record_of(design, 0, i)) / exact - 1), 0,
                           POINTS);
}

static double event_ns(const json_t *record)
{
    return number(record, "ns_per_event");
}

static void slack_errs_by_what_its_table_says(void **state)
{
    (void)state;
    skip_unless_gcc_12();
    run("sim/VALIDATION.md", "slack");
    assert_row_of_slack("slabifier, ns an event", "slabifier", event_ns);
    assert_row_of_slack("its contended acquisitions", "slabifier", contended);
    assert_row_of_slack("helenos", "helenos", event_ns);
    assert_row_of_slack("spl", "spl", event_ns);
    /* What slack makes of it is less than what any change makes of it. */
    assert_cell(row_of("magazine"), 1, event_ns(record_of("magazine", 0, 0)));
}

/* The columns of other starts are of other builds: REPLICA_OFFSET_NS_AN_EVENT. */
static void copies_of_a_trace_take_the_time_that_their_table_says(void **state)
{
    static const char *const designs[] = {"null", "x15", "magazine", "bufctl"};

    (void)state;
    skip_unless_gcc_12();
    run("sim/VALIDATION.md", "copies");
    for (unsigned i = 0; i < 4; i++) {
        assert_cell(row_of(designs[i]), 1, event_ns(record_of(designs[i], 1, 0)));
        assert_cell(row_of(designs[i]), 5, event_ns(record_of(designs[i], 16, 0)));
    }
}

/* ---- results/README.md ---- */

/* The median that a picture's data has of a design, at so many threads. */
static double drawn(const char *path, const char *design, unsigned threads)
{
    char *data = cli_read_file(path), begin[64], *line;
    double median = -1;

    snprintf(begin, sizeof begin, "\"%s\"\n", design);
    line = next_line(strstr(data, begin));
    for (unsigned at; line && sscanf(line, "%u %lf", &at, &median) == 2 && at != threads;)
        line = next_line(line);
    free(data);
    assert_true(median > 0);
    return median;
}

static void assert_drawn(const char *path, const char *design, unsigned threads, double value)
{
    double quoted = drawn(path, design, threads);

    if (fabs(quoted - value) > TOLERANCE * value)
        fail_msg("%s: %s, %u: %g, %g now", path, design, threads, quoted, value);
}

/* A part of each sweep, as one simulation. */
static void stored_studies_are_what_their_commands_give(void **state)
{
    static const char *const designs[] = {"magazine", "x15", "helenos", "slabifier",
                                          "bufctl",   "spl", "null"};
    static const char *const opterons = "results/simulated-designs/netperf-48-opteron-6172x4-"
                                        "throughput-over-threads.dat";
    static const char *const memory = "results/simulated-memory/mixed-generic-1024-memory-over-"
                                      "threads.dat";

    (void)state;
    skip_unless_gcc_12();
    find_place("results/README.md", "designs");
    write_commands("netperf-48");
    run_commands("s/slablab sweep/slablab sim/; s/-t 1,6,12,24,48/-t 1,12/; s/ -o opteron//");
    for (unsigned i = 0; i < 7; i++) {
        assert_drawn(opterons, designs[i], 1,
                     number(record_of(designs[i], 1, 0), "events_per_second") / 1e6);
        assert_drawn(opterons, designs[i], 12,
                     number(record_of(designs[i], 12, 0), "events_per_second") / 1e6);
    }
    find_place("results/README.md", "memory");
    write_commands("mixed");
    run_commands("s/slablab sweep/slablab sim/; s/-t 1,16,64,256,1024/-t 16/; s/ -o memory//");
    for (unsigned i = 0; i < 5; i++) {
        double bytes = number(record_of(designs[i], 16, 0), "peak_page_bytes");

        assert_drawn(memory, designs[i], 16, bytes / (1 << 20));
        /* KiB a CPU: MiB of the 1,024. */
        assert_cell(row_of(designs[i]), 1, drawn(memory, designs[i], 1024));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readmes_example_prints_the_lines_that_it_shows),
        cmocka_unit_test(lines_of_objects_move_as_the_table_of_false_sharing_says),
        cmocka_unit_test(slack_errs_by_what_its_table_says),
        cmocka_unit_test(copies_of_a_trace_take_the_time_that_their_table_says),
        cmocka_unit_test(stored_studies_are_what_their_commands_give),
    };

    return cmocka_run_group_tests(tests, cli_set_up, tear_down);
}
