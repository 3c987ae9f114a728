/* SPDX-License-Identifier: MIT */
/* What a sweep says of itself beforehand, and what readers of its files say is missing. */
#include "tests/cli.h"
#include "tools/sweep_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define QUICK " --loops 1 --cold --events 1000 "

/* ---- unfinished ---- */

#define UNFINISHED "sweep " HACKBENCH " -a null,magazine --magazine-size 2,8 -t 1 -n 2" QUICK

/* null; magazine of size 2, twice over, and of 8. */
static void a_sweep_that_was_broken_off_is_said_to_be(void **state)
{
    char path[128], *page;

    (void)state;
    cli_run(UNFINISHED "-o @/unfinished");
    assert_status(0);
    cli_run("compare @/unfinished");
    assert_status(0);
    assert_null(strstr(cli_last.messages, "runs are there"));
    cli_shell("cp -r @/unfinished @/cut && sed -i 6,8d @/cut/runs.jsonl");
    cli_run("compare @/cut --json @/cut.json");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, "cut: 5 of 8 runs are there: "));
    cli_shell("grep -q '\"runs_there\": 5' @/cut.json && grep -q '\"runs_planned\": 8' @/cut.json");
    cli_run("report @/cut --format md -o @/cut.md");
    assert_status(0);
    snprintf(path, sizeof path, "%s/cut.md", cli_folder);
    page = cli_read_file(path);
    assert_non_null(strstr(page, "5 of 8 runs are there"));
    free(page);
    cli_run(UNFINISHED "-o @/cut --resume");
    assert_status(0);
    cli_run("compare @/cut");
    assert_status(0);
    assert_null(strstr(cli_last.messages, "runs are there"));
}

static void a_description_that_does_not_say_how_many_runs_is_gone_on_with(void **state)
{
    (void)state;
    cli_shell("cp -r @/unfinished @/old && sed -i 6,8d @/old/runs.jsonl && "
              "sed -i '/\"runs\": 8/d' @/old/sweep.json && ! grep '\"runs\"' @/old/sweep.json");
    cli_run("compare @/old");
    assert_status(0);
    assert_null(strstr(cli_last.messages, "runs are there"));
    cli_run(UNFINISHED "-o @/old --resume");
    assert_status(0);
    cli_shell("[ $(wc -l <@/old/runs.jsonl) = 8 ]");
}

static void the_runs_of_a_shard_are_counted_beforehand_as_they_are_dealt(void **state)
{
    struct sweep_plan plan = {.nr_combinations = 5};
    size_t sum = 0;

    (void)state;
    for (unsigned i = 1; i <= 4; i++)
        sum += sweep_plan_size(&plan, 3, &(struct shard){i, 4});
    assert_int_equal(sum, 15);
    assert_int_equal(sweep_plan_size(&plan, 3, &(struct shard){3, 4}), 4);
    assert_int_equal(sweep_plan_size(&plan, 3, &(struct shard){4, 4}), 3);
    cli_run(UNFINISHED "--shard 2/3 -o @/part");
    assert_status(0);
    cli_shell("grep -q '\"runs\": 3' @/part/sweep.json && [ $(wc -l <@/part/runs.jsonl) = 3 ]");
}

/* ---- too few ---- */

#define SMALL "sweep " HACKBENCH " -t 1" QUICK

/* Of 2 designs the one p is at most 0.05 of 4 runs of each: 2 ways of 70. Of 3 runs: 2 of 20. */
static void repetitions_that_can_show_nothing_are_said_to_be_too_few(void **state)
{
    (void)state;
    cli_run(SMALL "-a null,magazine,bufctl -n 3 -o @/three");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, "-n 3 is too few for compare to show any difference "
                                              "(1 comparison); 4 runs of each could\n"));
    cli_run("compare @/three");
    assert_non_null(strstr(cli_last.output, "to show a difference takes 4 runs of each"));
    cli_run(SMALL "-a null,magazine,bufctl -n 4 -o @/four");
    assert_status(0);
    assert_null(strstr(cli_last.messages, "too few"));
    cli_run("compare @/four --include-disturbed");
    assert_null(strstr(cli_last.output, "runs of each"));
}

/* Any of 3 could be the best: 2 comparisons, each p times 1.5; 2 ways of 252 are few enough. */
static void what_choosing_the_baseline_costs_is_in_it(void **state)
{
    (void)state;
    cli_run(SMALL "-a magazine --magazine-size 2,8,16 -o @/sizes");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, "(2 comparisons); 5 runs of each could (fewer if you "
                                              "name the --baseline)\n"));
    cli_run("compare @/sizes");
    assert_non_null(strstr(cli_last.output, "2 comparisons takes 5 runs of each"));
}

static void where_nothing_is_compared_nothing_is_too_few(void **state)
{
    (void)state;
    cli_run(SMALL "-a null,magazine -n 1 -o @/alone");
    assert_status(0);
    assert_null(strstr(cli_last.messages, "too few"));
    cli_run("sweep " HACKBENCH " --machine generic-64 -a magazine,bufctl -t 1 --loops 1 "
            "--events 1000 -o @/simulated");
    assert_status(0);
    assert_null(strstr(cli_last.messages, "too few"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sweep_that_was_broken_off_is_said_to_be),
        cmocka_unit_test(a_description_that_does_not_say_how_many_runs_is_gone_on_with),
        cmocka_unit_test(the_runs_of_a_shard_are_counted_beforehand_as_they_are_dealt),
        cmocka_unit_test(repetitions_that_can_show_nothing_are_said_to_be_too_few),
        cmocka_unit_test(what_choosing_the_baseline_costs_is_in_it),
        cmocka_unit_test(where_nothing_is_compared_nothing_is_too_few),
    };

    return cmocka_run_group_tests_name("sweep_words", tests, cli_set_up, cli_tear_down);
}
