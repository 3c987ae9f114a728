/* SPDX-License-Identifier: MIT */
/* What bash offers to complete a line with: tools/completion.bash, which asks the program. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Behind `line` bash offers `expected`, sorted; "" is what leaves it to readline: files. */
static void assert_offered(const char *line, const char *expected)
{
    char command[512], *said;
    int status;

    snprintf(command, sizeof command, "tests/complete $SLABLAB '%s'", line);
    said = cli_ask(command, &status);
    said[strcspn(said, "\n")] = '\0';
    if (strcmp(said, expected) != 0)
        fail_msg("behind '%s' bash offers '%s' and not '%s'", line, said, expected);
    free(said);
}

static void commands_are_completed(void **state)
{
    (void)state;
    assert_offered("slablab rep", "replay report");
    assert_offered("slablab measure", "measure-machine");
    assert_offered("slablab --v", "--version");
    assert_offered("slablab frobnicate", "");
}

static void options_are_those_of_the_command(void **state)
{
    (void)state;
    assert_offered("slablab replay x.slt --mag", "--magazine-size");
    assert_offered("slablab sim x.slt --mach", "--machine");
    assert_offered("slablab replay x.slt --mach", "");
    assert_offered("slablab gen burst --b", "--bulk");
    assert_offered("slablab gen pairs --b", "");
    assert_offered("slablab gen --li", "--like");
    assert_offered("slablab replay --cold --ver", "--verify");
}

static void values_are_those_that_the_program_knows(void **state)
{
    (void)state;
    assert_offered("slablab replay x.slt -a ma", "magazine malloc");
    assert_offered("slablab replay x.slt --lock ", "mcs pthread tas ticket");
    assert_offered("slablab sim x.slt --machine opt", "opteron-6172x4");
    assert_offered("slablab sim x.slt --machine ho", ""); /* the host is replay's machine */
    assert_offered("slablab import -f perf-s", "perf-script");
    assert_offered("slablab gen network", "network-receive");
    assert_offered("slablab list work", "workloads");
    assert_offered("slablab explore --scenario remote", "remote-free");
    assert_offered("slablab replay x.slt --order ", "object trace");
    assert_offered("slablab gen burst --order ", "fifo lifo shuffled");
    assert_offered("slablab explore --scheduler p", "pct");
    assert_offered("slablab plot x --figure re", "remote resting_bytes");
    assert_offered("slablab compare x --figure throughput,wa", "throughput,waiting");
    assert_offered("slablab compare x --baseline h", "helenos");
    assert_offered("slablab replay x.slt --set magazine.resize_th", "magazine.resize_threshold=");
}

static void a_list_is_completed_behind_its_comma(void **state)
{
    (void)state;
    assert_offered("slablab replay x.slt -a magazine,s", "magazine,slabifier magazine,spl");
    assert_offered("slablab sweep x.slt --lock tas,mcs,", "tas,mcs,pthread tas,mcs,ticket");
}

/* Of --lock=m readline replaces what stands behind the sign. */
static void a_value_behind_its_sign_is_completed(void **state)
{
    (void)state;
    assert_offered("slablab replay x.slt --lock=m", "mcs");
    assert_offered("slablab replay x.slt --lock=tas,m", "tas,mcs");
    assert_offered("slablab replay x.slt --set magazine.resize=", "off on");
    assert_offered("slablab replay x.slt --set=magazine.resize=on,", "on,off");
}

static void all_else_is_a_file_or_a_program_to_run(void **state)
{
    char *said;
    int status;

    (void)state;
    assert_offered("slablab replay ha", "");
    assert_offered("slablab replay x.slt --json ", "");
    said = cli_ask("tests/complete false 'slablab record malloc -o x.slt -- printe'", &status);
    assert_non_null(strstr(said, "printenv"));
    free(said);
    said = cli_ask("bash -c '. tools/completion.bash; complete -p slablab'", &status);
    assert_non_null(strstr(said, "-o default"));
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_completed),
        cmocka_unit_test(options_are_those_of_the_command),
        cmocka_unit_test(values_are_those_that_the_program_knows),
        cmocka_unit_test(a_list_is_completed_behind_its_comma),
        cmocka_unit_test(a_value_behind_its_sign_is_completed),
        cmocka_unit_test(all_else_is_a_file_or_a_program_to_run),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
