/* SPDX-License-Identifier: MIT */
/*
 * slablab explore as a user meets it: designs that keep their invariants in every schedule tried,
 * schedules that can be had again, refusals. That planted bugs are found is
 * test_explore_mutants.c's.
 */
#include "sim/explore/explore.h"
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* EXPLORE_SCHEDULES: of each design and scenario; make check-all asks for more. */
static const char *schedules(void)
{
    const char *wanted = getenv("EXPLORE_SCHEDULES");

    return wanted ? wanted : "40";
}

static void find_nothing(const char *scheduler)
{
    char arguments[128];

    snprintf(arguments, sizeof arguments, "explore --scheduler %s --schedules %s", scheduler,
             schedules());
    cli_run(arguments);
    if (cli_last.status != 0)
        fail_msg("%s", cli_last.output);
}

static void no_design_breaks_in_random_schedules(void **state)
{
    (void)state;
    find_nothing("random");
}

static void no_design_breaks_in_schedules_by_priority(void **state)
{
    (void)state;
    find_nothing("pct --depth 4");
}

static void no_design_breaks_in_the_first_schedules_of_an_exhaustive_search(void **state)
{
    (void)state;
    find_nothing("exhaustive");
}

static json_int_t steps_of(const char *arguments)
{
    json_t *record;
    json_int_t steps;

    cli_run(arguments);
    assert_status(0);
    record = json_loads(strchr(cli_last.output, '{'), JSON_DISABLE_EOF_CHECK, NULL);
    steps = json_integer_value(json_object_get(record, "steps"));
    json_decref(record);
    assert_true(steps > 0);
    return steps;
}

static void a_seed_is_a_schedule_whatever_ran_before_it(void **state)
{
    static const char *const schedulers[] = {"random", "pct"};

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        char all[160], but_last[160], last[160];

        snprintf(all, sizeof all,
                 "explore -a spl --scenario exchange --scheduler %s --seed 100 --schedules 8 "
                 "--json -",
                 schedulers[i]);
        snprintf(but_last, sizeof but_last,
                 "explore -a spl --scenario exchange --scheduler %s --seed 100 --schedules 7 "
                 "--json -",
                 schedulers[i]);
        snprintf(last, sizeof last,
                 "explore -a spl --scenario exchange --scheduler %s --replay-schedule 107 --json -",
                 schedulers[i]);
        assert_int_equal(steps_of(all), steps_of(but_last) + steps_of(last));
    }
}

static void an_exhaustive_search_without_preemptions_has_an_end(void **state)
{
    (void)state;
    cli_run("explore -a bufctl --scenario alloc-free --scheduler exhaustive --preemptions 0");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "there are no more"));
}

static void a_setting_is_the_designs_that_it_names(void **state)
{
    (void)state;
    cli_run("explore -a magazine,x15 --scenario bulk --schedules 20 --set "
            "magazine.magazine_size=3 --set magazine.depot=steal");
    assert_status(0);
    cli_run("explore -a magazine --scenario bulk --set magazine.rounds=3");
    assert_status(2);
    assert_non_null(strstr(cli_last.messages, "magazine_size"));
}

static void what_there_is_not_is_refused_and_what_there_is_listed(void **state)
{
    (void)state;
    cli_run("explore -a magazin");
    assert_refused("slabifier");
    cli_run("explore -a bufctl --scenario remote");
    assert_refused("remote-free");
    cli_run("explore -a null");
    assert_refused("cannot be explored");
    cli_run("explore -a malloc:libc");
    assert_refused("cannot be explored");
    cli_run("explore --scheduler fifo");
    assert_status(2);
    assert_non_null(strstr(cli_last.messages, "random, pct, exhaustive"));
    cli_run("explore --depth 0");
    assert_status(2);
    assert_non_null(strstr(cli_last.messages, "1 to 16"));
    cli_run("explore --schedules 10x");
    assert_status(2);
    cli_run("explore trace.slt");
    assert_status(2);
    assert_non_null(strstr(cli_last.messages, "takes no trace"));
    cli_run("explore --set magazine_size=3");
    assert_status(2);
    assert_non_null(strstr(cli_last.messages, "ALLOCATOR.KEY=VALUE"));
}

static void help_and_document_name_every_scenario(void **state)
{
    const struct explore_scenario_info *info;
    char *document = cli_read_file("sim/explore/README.md");

    (void)state;
    cli_run("explore --help");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "Examples"));
    for (unsigned i = 0; (info = virtual_explore_scenario(i)) != NULL; i++) {
        char quoted[64];

        assert_non_null(strstr(cli_last.output, info->name));
        assert_non_null(strstr(cli_last.output, info->summary));
        snprintf(quoted, sizeof quoted, "`%s`", info->name);
        if (!strstr(document, quoted))
            fail_msg("sim/explore/README.md does not name %s", quoted);
    }
    free(document);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_design_breaks_in_random_schedules),
        cmocka_unit_test(no_design_breaks_in_schedules_by_priority),
        cmocka_unit_test(no_design_breaks_in_the_first_schedules_of_an_exhaustive_search),
        cmocka_unit_test(a_seed_is_a_schedule_whatever_ran_before_it),
        cmocka_unit_test(an_exhaustive_search_without_preemptions_has_an_end),
        cmocka_unit_test(a_setting_is_the_designs_that_it_names),
        cmocka_unit_test(what_there_is_not_is_refused_and_what_there_is_listed),
        cmocka_unit_test(help_and_document_name_every_scenario),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
