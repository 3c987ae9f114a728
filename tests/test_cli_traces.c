/* SPDX-License-Identifier: MIT */
/* Commands that read a trace and write one, or results: what they read stays. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what is read is not written over ---- */

/* Through the shell, which may have the last word on where it reads and writes. */
static void refused(const char *arguments)
{
    char command[256], *said;
    int status;

    snprintf(command, sizeof command, "$SLABLAB %s", arguments);
    said = cli_ask(command, &status);
    if (status != 2 || !strstr(said, ": input and output are one file"))
        fail_msg("%s: %d: %s", arguments, status, said);
    free(said);
}

static void nothing_is_written_over_what_it_is_read_from(void **state)
{
    static const char *const commands[] = {
        "cut @/in.slt -o @/in.slt --events 0..10",
        "cut @/in.slt -o @/.//in.slt --events 0..10", /* by another name */
        "cut @/in.slt -o @/soft.slt --time 0..1s",
        "cut @/soft.slt -o @/in.slt --time 0..1s",
        "cut @/in.slt -o @/hard.slt --events 0..",
        "cut - -o @/in.slt --events 0..10 < @/in.slt",
        "cut @/in.slt -o - --events 0..10 >> @/in.slt",
        "anonymise @/in.slt -o @/in.slt",
        "anonymise @/soft.slt -o @/hard.slt",
        "merge @/in.slt traces/samples/find.slt -o @/in.slt",
        "merge traces/samples/find.slt @/soft.slt -o @/in.slt",
        "gen --like @/in.slt -o @/in.slt",
        "import @/in.slt -o @/hard.slt",
        "import traces/samples/find.slt --kallsyms @/in.slt -o @/in.slt",
        "dump @/in.slt >> @/in.slt",
        "replay @/in.slt -a null -t 1 --loops 1 --cold --json @/in.slt",
        "replay @/in.slt -a null -t 1 --loops 1 --cold --json @/x.json --series @/soft.slt",
        "sim @/in.slt --machine generic-8 -a null -t 1 --json @/soft.slt",
        "sim @/in.slt --machine generic-8 --calibrate -o @/in.slt",
        "sim traces/samples/find.slt --costs @/in.slt --calibrate -o @/in.slt",
    };

    (void)state;
    cli_run("gen pairs --cpus 1 --events 100 -o @/kept.slt");
    assert_status(0);
    cli_shell("cp @/kept.slt @/in.slt; ln -s in.slt @/soft.slt; ln @/in.slt @/hard.slt");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        refused(commands[i]);
        cli_shell("cmp @/kept.slt @/in.slt && test -L @/soft.slt && test @/in.slt -ef @/hard.slt");
    }
    cli_run("cut @/in.slt -o @/other.slt --events 0..10");
    assert_status(0);
    cli_run("cut @/in.slt -o @/other.slt --events 0..20"); /* it may be there */
    assert_status(0);
}

static void what_a_like_load_is_called_unasked_can_be_what_it_is_like(void **state)
{
    int status;
    char *said;

    (void)state;
    cli_run("gen pairs --cpus 1 --events 100 -o @/like.slt");
    assert_status(0);
    said = cli_ask("slablab=$(realpath $SLABLAB); cd @ && $slablab gen --like like.slt", &status);
    assert_int_equal(status, 2);
    assert_non_null(strstr(said, "like.slt: input and output are one file"));
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_over_what_it_is_read_from),
        cmocka_unit_test(what_a_like_load_is_called_unasked_can_be_what_it_is_like),
    };

    return cmocka_run_group_tests_name("cli_traces", tests, cli_set_up, cli_tear_down);
}
