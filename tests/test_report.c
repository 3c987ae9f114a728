/* SPDX-License-Identifier: MIT */
/* The page that `slablab report` makes of a sweep. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SWEEP                                                                                      \
    "sweep " HACKBENCH " -a magazine,x15,null --magazine-size 4,16 -t 1 --events 20000 --loops 1 " \
    "-n 5 -o @/out"

static int sweep(void **state)
{
    int code = cli_set_up(state);

    if (code)
        return code;
    cli_run(SWEEP);
    return cli_last.status;
}

static char *page_of(const char *arguments, const char *name)
{
    char command[256], path[192];

    snprintf(command, sizeof command, "report @/out %s -o @/%s", arguments, name);
    cli_run(command);
    assert_status(0);
    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    return cli_read_file(path);
}

static unsigned occurrences(const char *text, const char *words)
{
    unsigned count = 0;

    for (; (text = strstr(text, words)); text += strlen(words))
        count++;
    return count;
}

static void a_page_needs_nothing_but_itself(void **state)
{
    char *page = page_of("", "page.html");
    char path[192];

    (void)state;
    assert_memory_equal(page, "<!DOCTYPE html>", 15);
    assert_non_null(strstr(page, "</html>"));
    snprintf(path, sizeof path, "%s/out/plots", cli_folder);
    assert_int_equal(occurrences(page, "<img "), occurrences(page, "src=\"data:image/svg+xml,"));
    assert_true(occurrences(page, "<img ") > 4);
    assert_int_equal(occurrences(page, "<img "),
                     occurrences(page, "%3C%2Fsvg%3E") + occurrences(page, "%3C/svg%3E"));
    assert_int_equal(occurrences(page, "src=\"http"), 0);
    assert_int_equal(occurrences(page, "href=\""), 0);
    assert_int_equal(occurrences(page, "<script"), 0);
    free(page);
}

static void findings_come_first_and_the_command_last(void **state)
{
    static const char *const parts[] = {"<h2>Findings</h2>",
                                        "has the best median",
                                        "<h2>Tables</h2>",
                                        "Noise floor",
                                        "<h2>Pictures</h2>",
                                        "<h2>Where it was run</h2>",
                                        "topology",
                                        "<h2>How to run it again</h2>",
                                        ("slablab sweep " HACKBENCH),
                                        "-n 5"};
    char *page = page_of("", "ordered.html");
    const char *at = page;

    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): fail_msg does not return */
        at = strstr(at, parts[i]);
        if (!at)
            fail_msg("'%s' is not there, or not in its place", parts[i]);
    }
    free(page);
}

static void markdown_links_to_the_pictures(void **state)
{
    char *page = page_of("--format md", "page.md");

    (void)state;
    assert_memory_equal(page, "# ", 2);
    assert_non_null(strstr(page, "## Findings"));
    assert_non_null(strstr(page, "/plots/hackbench-throughput-over-magazine-1-threads.svg)"));
    assert_int_equal(occurrences(page, "<img"), 0);
    free(page);
}

static void the_same_sweep_makes_the_same_page(void **state)
{
    char *first = page_of("", "one.html"), *again = page_of("", "two.html");

    (void)state;
    assert_string_equal(first, again);
    free(first);
    free(again);
}

static void the_pictures_are_of_what_the_tables_are_of(void **state)
{
    char *page;

    (void)state;
    free(page_of("", "drawn.html"));
    cli_shell("cd @/out/plots; for p in *.svg; do echo '<svg>of other runs</svg>' >$p; done");
    page = page_of("--figure resting_bytes", "drawn.html");
    assert_null(strstr(page, "of other runs"));
    assert_non_null(strstr(page, "hackbench-resting_bytes-over-magazine"));
    free(page);
    page = page_of("", "drawn.html"); /* which wants it no more */
    assert_null(strstr(page, "hackbench-resting_bytes-over-magazine"));
    free(page);
}

static void where_there_is_nothing_to_draw_the_page_says_so(void **state)
{
    char path[192], *page;

    (void)state;
    cli_run("sweep --machine generic-64 " HACKBENCH
            " -a magazine -t 1 --events 1000 --record none --latency off -o @/one");
    assert_status(0);
    cli_run("report @/one -o @/one.html");
    assert_status(0);
    snprintf(path, sizeof path, "%s/one.html", cli_folder);
    page = cli_read_file(path);
    assert_non_null(strstr(page, "nothing to draw"));
    assert_non_null(strstr(page, "How to run it again"));
    free(page);
}

static void an_odd_name_of_a_folder_is_none_of_a_picture(void **state)
{
    (void)state;
    cli_shell(
        "mv @/out \"@/out\nof two lines\"; $SLABLAB report \"@/out\nof two lines\" -o @/odd.html; "
        "mv \"@/out\nof two lines\" @/out");
}

static void what_is_no_sweep_is_refused(void **state)
{
    (void)state;
    cli_run("report @/nowhere -o @/x.html");
    assert_refused("nowhere");
    cli_run("report @/out");
    assert_refused("where to?");
    cli_run("report @/out -o @/x.html --format pdf");
    assert_refused("expected html or md");
    cli_run("report @/out -o @/no/such/folder/x.html");
    assert_refused("/no/such/folder/x.html");
}

/* The last test: it leaves no description of the sweep behind that is one. */
static void a_description_of_other_things_than_words_is_no_hindrance(void **state)
{
    char path[192], *page;
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/out/sweep.json", cli_folder);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"options\":[1,\"--lock=mcs\"],\"environment\":{\"advice\":[2,null]},"
          "\"traces\":{\"x y.slt\":3},\"repeats\":\"4\",\"until\":\"2%,30\","
          "\"shard\":\"1/2\",\"compare_itself\":false}",
          file);
    fclose(file);
    page = page_of("", "odd.html");
    assert_non_null(strstr(page, "slablab sweep 'x y.slt' --lock=mcs --until=2%,30 --shard=1/2 "
                                 "--no-aa -o "));
    free(page);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\n\"options\":[", file);
    fclose(file);
    cli_run("report @/out -o @/odd.html");
    assert_refused("out/sweep.json: line 2: ");
    cli_run("compare @/out");
    assert_refused("out/sweep.json: line 2: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_needs_nothing_but_itself),
        cmocka_unit_test(findings_come_first_and_the_command_last),
        cmocka_unit_test(markdown_links_to_the_pictures),
        cmocka_unit_test(the_same_sweep_makes_the_same_page),
        cmocka_unit_test(the_pictures_are_of_what_the_tables_are_of),
        cmocka_unit_test(where_there_is_nothing_to_draw_the_page_says_so),
        cmocka_unit_test(an_odd_name_of_a_folder_is_none_of_a_picture),
        cmocka_unit_test(what_is_no_sweep_is_refused),
        cmocka_unit_test(a_description_of_other_things_than_words_is_no_hindrance),
    };

    return cmocka_run_group_tests_name("report", tests, sweep, cli_tear_down);
}
