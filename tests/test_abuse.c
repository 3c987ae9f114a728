/* SPDX-License-Identifier: MIT */
/*
 * slablab abuse as a user meets it: what debug modes have to detect they do, with them off nothing
 * hangs, and the matrix is whole. The message of each finding is tested in test_debug.c.
 */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *cells; /* of the whole matrix, made once */

static json_t *read_records(const char *path)
{
    char *text = cli_read_file(path), *rest = text, *line;
    json_t *records = json_array();

    while ((line = strsep(&rest, "\n")) && *line)
        json_array_append_new(records, json_loads(line, 0, NULL));
    free(text);
    return records;
}

static int make_matrix(void **state)
{
    char path[128];

    if (cli_set_up(state) != 0)
        return -1;
    cli_run("abuse --json @/cells");
    snprintf(path, sizeof path, "%s/cells", cli_folder);
    cells = read_records(path);
    return cli_last.status;
}

static int drop_matrix(void **state)
{
    json_decref(cells);
    return cli_tear_down(state);
}

static const char *text(const json_t *cell, const char *key)
{
    const char *found = json_string_value(json_object_get(cell, key));

    return found ? found : "";
}

static void assert_detected(const char *design, const char *mode, const char *const *abuses)
{
    for (; *abuses; abuses++) {
        bool found = false;
        const json_t *cell;
        size_t i;

        json_array_foreach(cells, i, cell)
        {
            if (strcmp(text(cell, "allocator"), design) != 0 ||
                strcmp(text(cell, "mode"), mode) != 0 || strcmp(text(cell, "abuse"), *abuses) != 0)
                continue;
            found = true;
            if (strcmp(text(cell, "outcome"), "detected") != 0)
                fail_msg("%s of %s, %s: %s", *abuses, design, mode, text(cell, "outcome"));
            assert_true(text(cell, "message")[0]);
            assert_true(text(cell, "when")[0]);
        }
        if (!found)
            fail_msg("%s of %s, %s is not in the matrix", *abuses, design, mode);
    }
}

#define FREES                                                                                      \
    "free-twice", "free-twice-1", "free-twice-30", "free-twice-cpu", "free-twice-reused",          \
        "free-twice-bulk", "free-twice-large", "free-twice-sized", "free-twice-pages",             \
        "free-twice-built", "free-twice-rcu", "free-inside", "free-inside-odd",                    \
        "free-inside-large", "free-inside-pages", "free-before", "free-null", "free-number",       \
        "free-stack", "free-heap", "free-page", "free-descriptor", "free-page-record",             \
        "free-null-bulk", "wrong-cache", "wrong-cache-size", "wrong-sized", "wrong-sized-pages",   \
        "wrong-pages-sized", "wrong-typed-sized", "wrong-sized-typed", "leak-1", "leak-sized",     \
        "destroy-live", "create-size-0", "create-align-3"
#define WRITES                                                                                     \
    "overflow-1", "overflow-8", "overflow-64", "overflow-pad", "overflow-sized",                   \
        "overflow-sized-28", "overflow-large", "overflow-built", "underflow-1", "underflow-8",     \
        "write-free-0", "write-free-8", "write-free-middle", "write-free-last",                    \
        "write-free-large", "write-free-sized", "write-free-slab-0", "write-free-slab-8",          \
        "link-itself", "link-live", "kept-live", "request-size"

static void the_debug_layer_detects_what_it_has_to(void **state)
{
    static const char *const designs[] = {"bufctl", "magazine", "spl", "helenos"};
    static const char *const abuses[] = {FREES,
                                         WRITES,
                                         "underflow-64",
                                         "underflow-sized",
                                         "underflow-large",
                                         "write-free-behind",
                                         "write-free-before",
                                         "write-free-last-use",
                                         "free-twice-reclaim",
                                         "free-destroyed",
                                         "alloc-destroyed",
                                         "request-flags",
                                         "request-node",
                                         NULL};

    (void)state;
    for (size_t i = 0; i < sizeof designs / sizeof designs[0]; i++)
        assert_detected(designs[i], "debug", abuses);
}

static void verify_of_x15_detects_what_it_has_to(void **state)
{
    static const char *const abuses[] = {FREES, WRITES, NULL};

    (void)state;
    assert_detected("x15", "verify", abuses);
}

/* It has no red zones: its original walks freelists. */
static void debug_of_slabifier_detects_bad_frees(void **state)
{
    static const char *const abuses[] = {FREES,         "free-never-given", "write-free-0",
                                         "link-itself", "link-live",        NULL};

    (void)state;
    assert_detected("slabifier", "debug", abuses);
}

static void nothing_hangs_and_no_abuse_is_left_out(void **state)
{
    size_t i, off = 0;
    const json_t *cell;

    (void)state;
    json_array_foreach(cells, i, cell)
    {
        assert_string_equal(text(cell, "schema"), "slablab.abuse/1");
        if (strcmp(text(cell, "outcome"), "hung") == 0)
            fail_msg("%s of %s, %s hangs", text(cell, "abuse"), text(cell, "allocator"),
                     text(cell, "mode"));
        off += strcmp(text(cell, "mode"), "off") == 0;
    }
    assert_int_equal(json_array_size(cells), 2 * off);
    assert_true(off >= 6 * 40);
}

/* Without it an overflow is seen by nobody but the owner of the next object. */
static void what_nobody_detects_is_told_apart_from_what_does_no_harm(void **state)
{
    (void)state;
    cli_run("abuse -a bufctl --abuse overflow-8,overflow-pad --json -");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "\"corrupted\""));
    assert_non_null(strstr(cli_last.output, "\"silent\""));
    assert_non_null(strstr(cli_last.output, "object 18 of the same cache was changed"));
}

static void a_table_has_a_row_an_abuse_and_a_column_a_design_and_mode(void **state)
{
    (void)state;
    cli_run("abuse -a magazine,x15 --abuse 'leak-*'");
    assert_status(0);
    assert_non_null(
        strstr(cli_last.output, "| abuse               | magazine  | magazine  | x15 "));
    assert_non_null(strstr(cli_last.output, "| off       | debug     | off       | verify"));
    assert_non_null(
        strstr(cli_last.output, "| leak-1              | as leak   | as leak   | as leak "));
    assert_null(strstr(cli_last.output, "overflow"));
}

/* The scene frees all that it takes, so that nothing is found but what the abuse did. */
static void a_finding_that_is_no_more_than_a_leak_is_told_apart(void **state)
{
    (void)state;
    cli_run("abuse -a magazine --abuse kept-garbage --json -");
    assert_status(0);
    assert_null(strstr(cli_last.output, "40 of its objects"));
    cli_run("abuse -a magazine --abuse overflow-leaked --json -");
    assert_non_null(strstr(cli_last.output, "\"when\":\"as leak\""));
    assert_null(strstr(cli_last.output, "\"when\":\"at end\""));
}

static void what_cannot_be_abused_is_refused(void **state)
{
    (void)state;
    cli_run("abuse -a null");
    assert_refused("null cannot be abused");
    cli_run("abuse -a malloc:libc");
    assert_refused("malloc:libc cannot be abused");
    cli_run("abuse -a nobody");
    assert_refused("no allocator 'nobody'");
    cli_run("abuse --abuse 'no-*'");
    assert_refused("no abuse 'no-*'");
    cli_run("abuse --json @/none/x");
    assert_refused("none/x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_debug_layer_detects_what_it_has_to),
        cmocka_unit_test(verify_of_x15_detects_what_it_has_to),
        cmocka_unit_test(debug_of_slabifier_detects_bad_frees),
        cmocka_unit_test(nothing_hangs_and_no_abuse_is_left_out),
        cmocka_unit_test(what_nobody_detects_is_told_apart_from_what_does_no_harm),
        cmocka_unit_test(a_table_has_a_row_an_abuse_and_a_column_a_design_and_mode),
        cmocka_unit_test(a_finding_that_is_no_more_than_a_leak_is_told_apart),
        cmocka_unit_test(what_cannot_be_abused_is_refused),
    };

    return cmocka_run_group_tests(tests, make_matrix, drop_matrix);
}
