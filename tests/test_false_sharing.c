/* SPDX-License-Identifier: MIT */
/*
 * False sharing shows by itself: the loads that were written to provoke it (cache-thrash,
 * cache-scratch of Hoard), whose owners count in their objects, move lines of objects between CPUs
 * where a design hands neighbours to several of them, and none where each CPU has slabs of its own,
 * where objects fill a line, or where nobody touches them.
 */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EVENTS 40000u

/* Lines of objects that moved, and of these falsely, for each event; other structures' apart. */
struct moved {
    double objects, falsely;
};

static double objects_in(const json_t *record, const char *part)
{
    const json_t *coherence = json_object_get(record, "coherence");
    const json_t *count = json_object_get(json_object_get(coherence, part), "object");

    assert_true(json_is_integer(count));
    return (double)json_integer_value(count) / EVENTS;
}

static struct moved run(const char *load, unsigned size, const char *design, const char *touch)
{
    struct moved moved;
    char command[200];
    json_t *record;

    snprintf(command, sizeof command, "gen %s -o @/load.slt --cpus 4 --size %u --events %u", load,
             size, EVENTS);
    cli_run(command);
    assert_status(0);
    snprintf(command, sizeof command,
             "sim @/load.slt --machine generic-8 -a %s -t 4 --lock mcs --touch %s --json -", design,
             touch);
    cli_run(command);
    assert_status(0);
    record = cli_record();
    assert_int_equal(json_integer_value(json_object_get(record, "events")), EVENTS);
    moved = (struct moved){objects_in(record, "by_structure"), objects_in(record, "false_sharing")};
    json_decref(record);
    return moved;
}

static void neighbours_that_several_cpus_write_move_at_half_of_all_events_and_falsely(void **state)
{
    static const char *const loads[] = {"cache-thrash", "cache-scratch"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct moved moved = run(loads[i], 8, "magazine", "all");

        assert_true(moved.objects > 0.4 && moved.objects < 0.6);
        assert_true(moved.falsely > 0.95 * moved.objects);
    }
}

static void slabs_of_each_cpus_own_move_none(void **state)
{
    static const char *const loads[] = {"cache-thrash", "cache-scratch"};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_true(run(loads[i], 8, "slabifier", "all").objects < 0.001);
}

static void objects_that_fill_a_line_move_none(void **state)
{
    static const char *const loads[] = {"cache-thrash", "cache-scratch"};

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_true(run(loads[i], 64, "magazine", "all").objects < 0.001);
}

static void objects_that_nobody_touches_move_none(void **state)
{
    (void)state;
    assert_true(run("cache-thrash", 8, "magazine", "none").objects == 0);
}

/* The slab layer's links lie in free objects: the designs' own accesses are told apart too. */
static void links_in_free_objects_are_counted_though_nobody_touches_these(void **state)
{
    struct moved moved = run("cache-thrash", 8, "bufctl", "none");

    (void)state;
    assert_true(moved.objects > 0.5);
    assert_true(moved.falsely > 0.2 && moved.falsely < moved.objects);
}

static void the_table_names_objects_first(void **state)
{
    const char *line;

    (void)state;
    cli_run("gen cache-thrash -o @/load.slt --cpus 4");
    cli_run("sim @/load.slt --machine generic-8 -a magazine -t 4 --lock mcs --touch all");
    assert_status(0);
    line = strstr(cli_last.output, "Which cache lines moved between CPUs");
    assert_non_null(line);
    line = strchr(line, '\n');
    assert_non_null(strstr(line, "100% object; falsely 100% object"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_that_several_cpus_write_move_at_half_of_all_events_and_falsely),
        cmocka_unit_test(slabs_of_each_cpus_own_move_none),
        cmocka_unit_test(objects_that_fill_a_line_move_none),
        cmocka_unit_test(objects_that_nobody_touches_move_none),
        cmocka_unit_test(links_in_free_objects_are_counted_though_nobody_touches_these),
        cmocka_unit_test(the_table_names_objects_first),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
