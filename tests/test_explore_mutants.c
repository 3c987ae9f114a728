/* SPDX-License-Identifier: MIT */
/*
 * Exploration finds planted bugs: each of tests/mutants is one line of a design, or of the page
 * layer, that a maintainer could have written wrongly, in a program of its own. The same schedules
 * of the program as it is find nothing.
 */
#include "tests/cli.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Within so many schedules each is found; most within a tenth. */
#define WITHIN "20000"

static void each_mutant(void (*check)(const char *name))
{
    glob_t files;

    assert_int_equal(glob("tests/mutants/*.mutant", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 20);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char name[64];

        assert_int_equal(sscanf(files.gl_pathv[i], "tests/mutants/%63[^.]", name), 1);
        check(name);
    }
    globfree(&files);
}

static void check_applies(const char *name)
{
    char command[160];

    snprintf(command, sizeof command, "tests/mutants/apply tests/mutants/%s.mutant >/dev/null",
             name);
    if (system(command) != 0)
        fail_msg("mutant %s does not apply", name);
}

static void every_mutant_applies_to_exactly_one_line(void **state)
{
    (void)state;
    each_mutant(check_applies);
}

/* What follows "explore: " in the mutant's file. */
static void arguments_of(const char *name, char *arguments, size_t size)
{
    char path[128], *text, *line;

    snprintf(path, sizeof path, "tests/mutants/%s.mutant", name);
    text = cli_read_file(path);
    line = strstr(text, "explore: ");
    assert_non_null(line);
    snprintf(arguments, size, "explore %.*s", (int)strcspn(line + 9, "\n"), line + 9);
    free(text);
}

/* Beside the program, in mutants/; one that was not built is passed over. */
static bool program_of(const char *name, char *path, size_t size)
{
    const char *slash = strrchr(cli_program, '/');

    snprintf(path, size, "%.*s/mutants/%s", (int)(slash - cli_program), cli_program, name);
    return access(path, X_OK) == 0;
}

static unsigned found;

/* As many schedules as the mutant took. */
static void check_whole(const char *arguments)
{
    const char *after = strstr(cli_last.output, "after ");
    char as_many[320];

    snprintf(as_many, sizeof as_many, "%s --schedules %lu", arguments,
             strtoul(after + strlen("after "), NULL, 10) + 1);
    cli_run(as_many);
    if (cli_last.status != 0)
        fail_msg("without a planted bug: %s", cli_last.output);
}

static void check_found(const char *name)
{
    char arguments[256], with_number[320], path[512];
    const char *whole = cli_program;

    if (!program_of(name, path, sizeof path))
        return;
    arguments_of(name, arguments, sizeof arguments);
    snprintf(with_number, sizeof with_number, "%s --schedules " WITHIN, arguments);
    cli_program = path;
    cli_run(with_number);
    cli_program = whole;
    if (cli_last.status != 1 || !strstr(cli_last.output, "broken in schedule"))
        fail_msg("%s was not found: %s %s", name, cli_last.output, cli_last.messages);
    found++;
    check_whole(arguments);
}

static void every_mutant_that_was_built_is_found(void **state)
{
    (void)state;
    found = 0;
    each_mutant(check_found);
    assert_true(found >= 7);
}

static void a_finding_is_found_again_by_its_seed(void **state)
{
    char path[512], arguments[256], *seed;
    const char *whole = cli_program;
    unsigned long number;
    char *first;

    (void)state;
    assert_true(program_of("depot-trylock-unchecked", path, sizeof path));
    cli_program = path;
    cli_run("explore -a magazine --scenario exchange --seed 50");
    assert_status(1);
    seed = strstr(cli_last.output, "--replay-schedule ");
    assert_non_null(seed);
    number = strtoul(seed + strlen("--replay-schedule "), NULL, 10);
    first = strdup(strstr(cli_last.output, "switches before it"));
    snprintf(arguments, sizeof arguments,
             "explore -a magazine --scenario exchange --replay-schedule %lu", number);
    cli_run(arguments);
    cli_program = whole;
    assert_status(1);
    /* The replay shows all switches, the search the last ones: they are the same. */
    assert_non_null(strstr(cli_last.output, strrchr(first, ' ')));
    assert_non_null(strstr(cli_last.output, strstr(first, "    step")));
    assert_non_null(strstr(cli_last.output, ".c:"));
    free(first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mutant_applies_to_exactly_one_line),
        cmocka_unit_test(every_mutant_that_was_built_is_found),
        cmocka_unit_test(a_finding_is_found_again_by_its_seed),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
