/* SPDX-License-Identifier: MIT */
/* What the table makes of repetitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/replay_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *table_text(const struct replay_table *table)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    replay_table_print(table, stream, "trace");
    fclose(stream);
    return text;
}

/* Ten events of `ns` each, `stalled` of all the time; peak in KiB. */
static void add_run(struct replay_table *table, unsigned ns, double stalled, unsigned peak_kib,
                    unsigned failed)
{
    struct run_config config = {.allocator = "toy", .threads = 1};
    struct run_report report = {.replay = {.events = 10,
                                           .loops = 1,
                                           .elapsed_ns = 10 * ns,
                                           .stall_ns = (uint64_t)(10 * ns * stalled),
                                           .failed_allocs = failed,
                                           .first_pages = {.peak_bytes = peak_kib * 1024}}};

    assert_int_equal(replay_table_add(table, &config, &report), 0);
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
    assert_non_null(strstr(text, " 64.0 "));
    assert_non_null(strstr(text, " 3\n"));
    assert_non_null(strstr(text, "medians"));
    assert_non_null(strstr(text, "largest"));
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
    assert_null(strstr(text, "medians"));
    free(text);
    replay_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_median_times_and_stalls_largest_peak_and_sum_of_failures),
        cmocka_unit_test(a_row_without_a_magazine_size_has_a_dash),
    };

    return cmocka_run_group_tests_name("replay_table", tests, NULL, NULL);
}
