/* SPDX-License-Identifier: MIT */
/* What judges the tests: `make check-all`'s steps (tests/check-all) and floors of coverage
 * (tests/coverage). */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* `command` ends with `expected` and says `words`, or not where `words` begin with '!'. */
static void assert_says(const char *command, int expected, const char *words)
{
    int status;
    char *said = cli_ask(command, &status);

    if (status != expected)
        fail_msg("%s: status %d, not %d: %s", command, status, expected, said);
    if (*words == '!' ? strstr(said, words + 1) != NULL : !strstr(said, words))
        fail_msg("%s: not '%s' in: %s", command, words, said);
    free(said);
}

static void all_steps_that_pass_are_named_at_the_end(void **state)
{
    (void)state;
    assert_says("MAKE=true CHECK_LOGS=@/logs tests/check-all lint asan", 0,
                "check-all: all passed: lint asan;");
    assert_says("MAKE=true CHECK_LOGS=@/logs tests/check-all lint", 0, "!asan");
}

static void a_step_that_fails_leaves_the_others_to_run(void **state)
{
    (void)state;
    /* A make that cannot do what is for the address sanitizer. */
    cli_shell("printf '#!/bin/sh\\necho said of $*\\ncase $* in *asan*) exit 2;; esac\\n' >@/make; "
              "chmod +x @/make");
    assert_says("MAKE=@/make CHECK_LOGS=@/logs tests/check-all lint asan tsan", 1,
                "check-all: FAILED: asan; passed: lint tsan;");
    assert_says("MAKE=@/make CHECK_LOGS=@/logs tests/check-all asan", 1, "CFG=asan check-run");
    assert_says("cat @/logs/tsan.log", 0, "CFG=tsan check-run");
}

/* As `make check-all` calls it: by a name that the script has a function of, too. */
static void make_is_found_by_its_name(void **state)
{
    (void)state;
    cli_shell("printf '#!/bin/sh\\necho said of $*\\n' >@/make; chmod +x @/make");
    assert_says("PATH=@:$PATH MAKE=make CHECK_LOGS=@/logs timeout 20 tests/check-all asan", 0,
                "check-all: all passed: asan;");
    assert_says("cat @/logs/asan.log", 0, "said of");
}

static void a_step_that_there_is_not_is_refused(void **state)
{
    (void)state;
    assert_says("MAKE=true CHECK_LOGS=@/logs tests/check-all lint nonsense", 2,
                "no step 'nonsense'; there are: lint debug");
}

/* A room of one file, of whose four lines one is not reached; and a file that never runs. */
static void room_make(void)
{
    static const char source[] = "int main(int argc, char **argv)\n{\n    (void)argv;\n"
                                 "    if (argc > 1)\n        return 1;\n    return 0;\n}\n";
    static const char idle[] = "int idle(void)\n{\n    return 0;\n}\n";

    cli_write_file("ran.c", source, sizeof source - 1);
    cli_write_file("idle.c", idle, sizeof idle - 1);
    cli_shell("cd @; rm -rf room build; mkdir -p room build/room; mv ran.c idle.c room; "
              "gcc -O0 --coverage -c -o build/room/ran.o room/ran.c; gcc --coverage -o ran "
              "build/room/ran.o; ./ran");
}

static void a_room_below_its_floor_fails_and_says_where(void **state)
{
    (void)state;
    room_make();
    assert_says("P=$PWD; cd @; $P/tests/coverage build room:75", 0, "3 of     4 lines   75%");
    assert_says("P=$PWD; cd @; $P/tests/coverage build room:76", 1,
                "at least 76% asked for  BELOW");
    assert_says("cat @/build/unreached.txt", 0, "room/ran.c:5:");
}

static void a_file_that_never_ran_counts_as_not_reached(void **state)
{
    (void)state;
    room_make();
    cli_shell("cd @; gcc -O0 --coverage -c -o build/room/idle.o room/idle.c");
    assert_says("P=$PWD; cd @; $P/tests/coverage build room:1", 0, "3 of     6 lines   50%");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_steps_that_pass_are_named_at_the_end),
        cmocka_unit_test(a_step_that_fails_leaves_the_others_to_run),
        cmocka_unit_test(make_is_found_by_its_name),
        cmocka_unit_test(a_step_that_there_is_not_is_refused),
        cmocka_unit_test(a_room_below_its_floor_fails_and_says_where),
        cmocka_unit_test(a_file_that_never_ran_counts_as_not_reached),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
