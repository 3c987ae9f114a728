/* SPDX-License-Identifier: MIT */
/*
 * The bench's scripts: that they run, and that what they write holds together. How fast anything is
 * is asserted nowhere.
 */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * A trace and few passes over it, so that nothing takes long; and glibc's malloc alone, since not
 * every other can live beside a sanitizer's.
 */
#define SMALL                                                                                      \
    "BENCH_MALLOCS=malloc:libc BENCH_TRACES=@/tiny.slt BENCH_THREADS=1 BENCH_LOOPS=1 REPEATS=1 "   \
    "CELLS=2 TMPDIR=@ "
#define FIGURE "env -i PATH=$PATH figure=f records=@/f.jsonl "

static double number(const json_t *line, const char *key)
{
    const json_t *value = json_object_get(line, key);

    if (!json_is_number(value))
        fail_msg("'%s' is no number", key);
    return json_number_value(value);
}

static const char *text(const json_t *line, const char *key)
{
    const char *value = json_string_value(json_object_get(line, key));

    if (!value)
        fail_msg("'%s' is no text", key);
    return value;
}

/* That a limit was met, as the figure says, is what its numbers say. */
static void assert_verdict(const json_t *line)
{
    bool ratio = strcmp(text(line, "limit_of"), "ratio") == 0;
    bool more = strcmp(text(line, "better"), "more") == 0;
    double value = number(line, ratio ? "ratio" : "median"), limit = number(line, "limit");
    bool met = more ? value >= limit : value <= limit;

    assert_int_equal(json_is_true(json_object_get(line, "met")), met);
    assert_true(json_is_boolean(json_object_get(line, "clear")));
}

static void assert_figure(const json_t *line)
{
    text(line, "account");
    text(line, "figure");
    text(line, "unit");
    assert_true(number(line, "repeats") >= 1);
    number(line, "median");
    if (!json_is_true(json_object_get(line, "exact"))) {
        assert_true(number(line, "low") <= number(line, "median"));
        assert_true(number(line, "median") <= number(line, "high"));
    }
    if (json_object_get(line, "peer")) {
        number(line, "peer_median");
        assert_true(number(line, "ratio_low") <= number(line, "ratio"));
        assert_true(number(line, "ratio") <= number(line, "ratio_high"));
    }
    if (json_object_get(line, "limit"))
        assert_verdict(line);
}

/* Lines of the test's file, of which the first is the head; how many figures `account` has. */
static unsigned figures_of(const char *path, const char *account)
{
    unsigned lines = 0, count = 0;
    char buffer[4096];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    for (; fgets(buffer, sizeof buffer, file); lines++) {
        json_t *line = json_loads(buffer, 0, NULL);

        if (!line)
            fail_msg("no JSON: %s", buffer);
        assert_string_equal(text(line, "schema"), "slablab.bench/1");
        if (lines == 0) {
            const json_t *head = json_object_get(line, "provenance");

            text(head, "version");
            text(head, "commit");
            text(head, "build");
            text(head, "cpu");
            text(head, "kernel");
            assert_int_equal(json_array_size(json_object_get(head, "load_before")), 3);
            assert_int_equal(json_array_size(json_object_get(head, "load_after")), 3);
            assert_true(number(head, "cpus") >= 1);
        } else if (json_object_get(line, "skipped")) {
            text(line, "skipped");
        } else {
            assert_figure(line);
            count += strcmp(text(line, "account"), account) == 0;
        }
        json_decref(line);
    }
    fclose(file);
    return count;
}

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    return path;
}

/* Runs a shell command that must end with `expected`; what it said is the caller's to free. */
static char *ask(const char *command, int expected)
{
    int status;
    char *said = cli_ask(command, &status);

    if (status != expected)
        fail_msg("status %d, expected %d: %s", status, expected, said);
    return said;
}

static void accounts_write_figures_that_hold_together(void **state)
{
    (void)state;
    free(ask(
        SMALL
        "BENCH=replay,rates,whole,allocators,size,sweep tools/bench/run -o @/bench.jsonl $SLABLAB",
        0));
    assert_int_equal(figures_of(path_of("bench.jsonl"), "replay"), 2);
    assert_int_equal(figures_of(path_of("bench.jsonl"), "whole"), 1);
    assert_int_equal(figures_of(path_of("bench.jsonl"), "rates"), 2);
    assert_int_equal(figures_of(path_of("bench.jsonl"), "size"), 1);
    assert_int_equal(figures_of(path_of("bench.jsonl"), "sweep"), 3);
    /* Six designs, one of them twice, and the malloc. */
    assert_true(figures_of(path_of("bench.jsonl"), "allocators") >= 8);
}

static void every_account_is_run_and_can_be_read(void **state)
{
    char *said;

    (void)state;
    free(ask("for f in tools/bench/run tools/bench/page tools/bench/common.bash "
             "tools/bench/accounts/*; do bash -n $f || exit 1; done",
             0));
    said = ask("for f in tools/bench/accounts/*; do grep -qE \"^order='(.* )?${f##*/}[ ']\" "
               "tools/bench/run || echo $f; done",
               0);
    assert_string_equal(said, "");
    free(said);
}

static void what_is_no_account_is_refused(void **state)
{
    char *said;

    (void)state;
    said = ask("BENCH=size,speed tools/bench/run $SLABLAB", 2);
    assert_non_null(strstr(said, "no account 'speed'; there are: replay, rates"));
    free(said);
    free(ask("REPEATS=0 BENCH=size tools/bench/run $SLABLAB", 2));
    free(ask("tools/bench/run @/no-program", 2));
}

/* An account that cannot be run is said in words, in the file and by the status; others are run. */
static void an_account_that_fails_hides_no_other(void **state)
{
    char *said;

    (void)state;
    said = ask(SMALL "BENCH=sweep,size CELLS=none tools/bench/run -o @/part.jsonl $SLABLAB", 1);
    assert_non_null(strstr(said, "sweep: could not be run"));
    free(said);
    assert_int_equal(figures_of(path_of("part.jsonl"), "size"), 1);
    assert_int_equal(figures_of(path_of("part.jsonl"), "sweep"), 0);
}

static void a_run_that_ends_early_leaves_no_file(void **state)
{
    (void)state;
    free(ask("! BENCH_TRACES=@/none.slt BENCH=size tools/bench/run -o @/gone.jsonl $SLABLAB", 0));
    free(ask("! ls @ | grep gone", 0));
    free(ask("! BENCH=size tools/bench/run -o @/no-folder/gone.jsonl $SLABLAB", 0));
}

/* The interval of 9 values leaves out one at either end, of fewer than 6 none. */
static void intervals_are_of_order_statistics(void **state)
{
    json_t *line;
    char *said;

    (void)state;
    free(ask("seq 9 -1 1 | " FIGURE "limit=5 awk -f tools/bench/figure.awk", 0));
    line = json_load_file(path_of("f.jsonl"), 0, NULL);
    assert_true(number(line, "median") == 5 && number(line, "low") == 2);
    assert_true(number(line, "high") == 8);
    assert_true(json_is_true(json_object_get(line, "met")));
    assert_true(json_is_false(json_object_get(line, "clear")));
    json_decref(line);

    said = ask("rm @/f.jsonl; printf '%s\\n' '1 2' '8 8' '6 2' '9 3' | " FIGURE
               "better=more limit=1 limit_of=ratio peer=p awk -f tools/bench/figure.awk",
               0);
    assert_non_null(strstr(said, "7.00 (1.00 to 9.00)"));
    assert_non_null(strstr(said, "2.00 (0.50 to 3.00) of p  ratio at least 1: met~"));
    free(said);
    free(ask("printf '1 2\\n3\\n' | " FIGURE "awk -f tools/bench/figure.awk", 1));
}

static void the_page_holds_what_the_results_say(void **state)
{
    (void)state;
    free(ask("cp results/bench/README.md @/README.md && "
             "tools/bench/page results/bench/bench.jsonl @/README.md && "
             "cmp results/bench/README.md @/README.md",
             0));
    figures_of("results/bench/bench.jsonl", "");
}

static void a_page_is_left_alone_where_there_are_no_figures(void **state)
{
    char *said;

    (void)state;
    cli_write_file("page.md", "no marks\n", 9);
    said = ask("tools/bench/page results/bench/bench.jsonl @/page.md", 2);
    assert_non_null(strstr(said, "there is not one line"));
    free(said);
    said = ask("echo '{}' >@/odd.jsonl; cp results/bench/README.md @/README.md; "
               "tools/bench/page @/odd.jsonl @/README.md",
               2);
    assert_non_null(strstr(said, "line 1 is no head of schema slablab.bench/1"));
    free(said);
    free(ask("cmp results/bench/README.md @/README.md", 0));
}

static int set_up(void **state)
{
    if (cli_set_up(state) != 0)
        return -1;
    cli_run("gen pairs -o @/tiny.slt --cpus 2 --events 2000");
    return cli_last.status;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_write_figures_that_hold_together),
        cmocka_unit_test(every_account_is_run_and_can_be_read),
        cmocka_unit_test(what_is_no_account_is_refused),
        cmocka_unit_test(an_account_that_fails_hides_no_other),
        cmocka_unit_test(a_run_that_ends_early_leaves_no_file),
        cmocka_unit_test(intervals_are_of_order_statistics),
        cmocka_unit_test(the_page_holds_what_the_results_say),
        cmocka_unit_test(a_page_is_left_alone_where_there_are_no_figures),
    };

    return cmocka_run_group_tests(tests, set_up, cli_tear_down);
}
