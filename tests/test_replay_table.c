/* SPDX-License-Identifier: MIT */
/* What the table makes of repetitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/replay_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The table, or what is told below it. */
static char *printed(const struct replay_table *table, bool details)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    if (details)
        replay_details_print(table, stream);
    else
        replay_table_print(table, stream, "trace");
    fclose(stream);
    return text;
}

static char *table_text(const struct replay_table *table)
{
    return printed(table, false);
}

/* Ten events of `ns` each, `stalled` of all the time; peak in KiB. */
static void add_run(struct replay_table *table, unsigned ns, double stalled, unsigned peak_kib,
                    unsigned failed)
{
    json_t *record =
        json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:f, s:i, s:i, s:{s:i, s:i}}", "allocator", "toy",
                  "threads", 1, "replicas", 1, "loops", 1, "ns_per_event", (double)ns, "elapsed_ns",
                  10.0 * ns, "stall_ns", 10 * ns * stalled, "peak_page_bytes", (int)peak_kib * 1024,
                  "failed_allocs", (int)failed, "trace", "events", 10, "frees", 5);

    assert_non_null(record);
    assert_int_equal(replay_table_add(table, record), 0);
    json_decref(record);
}

/* A run whose workers waited a quarter of the time for one lock, of which the record has `wait`. */
static char *waiting_text(json_t *wait)
{
    struct replay_table *table;
    json_t *record =
        json_pack("{s:s, s:i, s:i, s:i, s:f, s:f, s:i, s:{s:{s:f}}, s:[{s:s, s:i, s:i, s:f, s:o}]}",
                  "allocator", "toy", "threads", 1, "replicas", 1, "loops", 1, "ns_per_event", 10.0,
                  "elapsed_ns", 100.0, "events", 10, "recorded", "contention", "elapsed_ns", 100.0,
                  "hot_locks", "class", "depot", "acquisitions", 200, "contended", 3, "wait_ns",
                  25.0, "wait", wait);
    char *text;

    assert_non_null(record);
    assert_int_equal(replay_table_create(&table), 0);
    assert_int_equal(replay_table_add(table, record), 0);
    json_decref(record);
    text = printed(table, true);
    replay_table_destroy(table);
    return text;
}

static void of_few_waits_only_those_quantiles_are_told_that_were_measured(void **state)
{
    char *text;

    (void)state;
    text = waiting_text(json_pack("{s:f, s:f}", "p50", 40.0, "p99", 900.0));
    assert_non_null(
        strstr(text, "1.5% of 200 acquisitions contended, wait p50 40 ns, p99 900 ns\n"));
    free(text);
    text = waiting_text(json_pack("{s:f}", "p50", 40.0));
    assert_non_null(strstr(text, "1.5% of 200 acquisitions contended, wait p50 40 ns\n"));
    assert_null(strstr(text, "nan"));
    free(text);
}

static void a_row_is_median_times_and_stalls_largest_peak_and_sum_of_failures(void **state)
{
    struct replay_table *table;
    char *text;

    (void)state;
    assert_int_equal(replay_table_create(&table), 0);
    add_run(table, 300, 0.5, 16, 1);
    add_run(table, 100, 0.2, 64, 0);
    add_run(table, 200, 0.1, 32, 2);
    text = table_text(table);
    assert_non_null(strstr(text, " 200.00 "));
    assert_non_null(strstr(text, " 20.0% "));
    assert_non_null(strstr(text, " 64 "));
    assert_non_null(strstr(text, " 3\n"));
    assert_non_null(strstr(text, "Over repetitions: medians"));
    assert_non_null(strstr(text, "the largest peak"));
    free(text);
    replay_table_destroy(table);
}

static void a_row_without_a_magazine_size_has_a_dash(void **state)
{
    struct replay_table *table;
    char *text;

    (void)state;
    assert_int_equal(replay_table_create(&table), 0);
    add_run(table, 100, 0, 4, 0);
    text = table_text(table);
    assert_non_null(strstr(text, " - "));
    assert_null(strstr(text, "Over repetitions: medians"));
    free(text);
    replay_table_destroy(table);
}

static void the_best_is_marked_among_as_many_threads_and_null_does_not_compete(void **state)
{
    static const struct {
        const char *allocator;
        int threads;
        double ns;
        int harness;
    } runs[] = {{"null", 1, 1, 1}, {"a", 1, 7.25, 0}, {"b", 1, 9.5, 0}, {"c", 2, 8.125, 0}};
    struct replay_table *table;
    char *text;

    (void)state;
    assert_int_equal(replay_table_create(&table), 0);
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        json_t *record =
            json_pack("{s:s, s:i, s:f, s:{s:i}}", "allocator", runs[i].allocator, "threads",
                      runs[i].threads, "ns_per_event", runs[i].ns, "trace", "events", 10);

        if (runs[i].harness)
            json_object_set_new(record, "harness", json_true());
        assert_int_equal(replay_table_add(table, record), 0);
        json_decref(record);
    }
    text = table_text(table);
    assert_non_null(strstr(text, " 7.25*\n"));
    assert_non_null(strstr(text, " 1.00\n"));
    assert_non_null(strstr(text, " 9.50\n"));
    assert_non_null(strstr(text, " 8.12\n")); /* alone with two threads */
    /* What nobody measured has no column. */
    assert_null(strstr(text, "peak KiB"));
    free(text);
    replay_table_destroy(table);
}

/* What `name` took for an event, and what failed. */
static void add_failing(struct replay_table *table, const char *name, double ns, int failed)
{
    json_t *record = json_pack("{s:s, s:i, s:f, s:i, s:{s:i}}", "allocator", name, "threads", 1,
                               "ns_per_event", ns, "failed_allocs", failed, "trace", "events", 10);

    assert_non_null(record);
    assert_int_equal(replay_table_add(table, record), 0);
    json_decref(record);
}

static void a_row_with_failures_is_not_the_best_of_any(void **state)
{
    struct replay_table *table;
    char *text;

    (void)state;
    assert_int_equal(replay_table_create(&table), 0);
    add_failing(table, "a", 7.25, 1);
    add_failing(table, "b", 8.5, 0);
    add_failing(table, "c", 9.75, 0);
    text = table_text(table);
    assert_non_null(strstr(text, " 7.25 "));
    assert_non_null(strstr(text, " 8.50*"));
    assert_non_null(strstr(text, "with as many threads of those without failures."));
    assert_non_null(strstr(text, "found no memory, of all measured passes."));
    free(text);
    replay_table_destroy(table);
    assert_int_equal(replay_table_create(&table), 0);
    add_failing(table, "a", 7.25, 0);
    add_failing(table, "b", 8.5, 0);
    text = table_text(table);
    assert_non_null(strstr(text, " 7.25*\n"));
    assert_null(strstr(text, "failures"));
    free(text);
    replay_table_destroy(table);
}

/* A run of so many threads, disturbed by `what`; NULL: by nothing. */
static void add_disturbed(struct replay_table *table, const char *name, int threads,
                          const char *what)
{
    json_t *record =
        json_pack("{s:s, s:i, s:i, s:f, s:b, s:[s*], s:{s:i}}", "allocator", name, "threads",
                  threads, "magazine_size", 8, "ns_per_event", 10.0, "disturbed", what != NULL,
                  "disturbances", what, "trace", "events", 10);

    assert_non_null(record);
    assert_int_equal(replay_table_add(table, record), 0);
    json_decref(record);
}

static void rows_that_were_disturbed_are_named_and_many_are_counted(void **state)
{
    static const char *const names[] = {"b", "c", "d", "e", "f"};
    struct replay_table *table;
    char *text;

    (void)state;
    assert_int_equal(replay_table_create(&table), 0);
    add_disturbed(table, "a", 1, NULL);
    text = table_text(table);
    assert_non_null(strstr(text, "\nDisturbed by other work, 0 of 1 rows.\n"));
    free(text);
    add_disturbed(table, "x15", 2, "others were there");
    add_disturbed(table, "x15", 2, NULL);
    text = table_text(table);
    assert_non_null(strstr(text, "Disturbed by other work, 1 of 2 rows: x15 size 8 (2 threads, 1 "
                                 "of 2 runs): others were there;"));
    assert_null(strstr(text, "more;"));
    free(text);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        add_disturbed(table, names[i], 1, "more came");
    text = table_text(table);
    assert_non_null(strstr(text, "6 of 7 rows: x15"));
    assert_non_null(strstr(text, "b size 8 (1 thread): more came;"));
    assert_null(strstr(text, "c size 8 (1 thread)"));
    assert_non_null(strstr(text, "and 4 more;"));
    free(text);
    replay_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_few_waits_only_those_quantiles_are_told_that_were_measured),
        cmocka_unit_test(a_row_is_median_times_and_stalls_largest_peak_and_sum_of_failures),
        cmocka_unit_test(a_row_without_a_magazine_size_has_a_dash),
        cmocka_unit_test(the_best_is_marked_among_as_many_threads_and_null_does_not_compete),
        cmocka_unit_test(a_row_with_failures_is_not_the_best_of_any),
        cmocka_unit_test(rows_that_were_disturbed_are_named_and_many_are_counted),
    };

    return cmocka_run_group_tests_name("replay_table", tests, NULL, NULL);
}
