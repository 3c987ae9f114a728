/* SPDX-License-Identifier: MIT */
/* Commands that read a trace and write one: what they read stays, and all mean the same events. */
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

/* ---- what counts as an event ---- */

static void assert_has(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("'%s' is not in: %s", words, text);
}

/* What a replay of the trace says of it; a new reference. */
static json_t *replayed(const char *arguments)
{
    char command[256];
    json_t *record, *trace;

    snprintf(command, sizeof command, "replay -a null -t 1 --loops 1 --cold --json - %s",
             arguments);
    cli_run(command);
    assert_status(0);
    record = cli_record();
    trace = json_pack("{s:O, s:O, s:O}", "events", json_object_get(record, "events"), "allocs",
                      json_object_get(json_object_get(record, "trace"), "allocs"), "frees",
                      json_object_get(json_object_get(record, "trace"), "frees"));
    json_decref(record);
    return trace;
}

static void the_first_events_are_the_same_to_cut_and_to_replay(void **state)
{
    json_t *cut, *first;

    (void)state;
    cli_run("cut traces/samples/gcc.slt -o @/begin.slt --events 0..500");
    assert_status(0);
    assert_has(cli_last.messages, ": 500 events written to ");
    assert_has(cli_last.messages, "begin.slt, and 12359 objects that are live where it begins");
    cut = replayed("@/begin.slt");
    first = replayed("traces/samples/gcc.slt --events 500");
    assert_int_equal(json_integer_value(json_object_get(cut, "events")), 500);
    assert_true(json_equal(cut, first));
    json_decref(cut);
    json_decref(first);
    cli_run("check @/begin.slt");
    assert_has(cli_last.output,
               "whole, 12859 events, of them 12359 preloads before the clock starts,");
    cli_run("info @/begin.slt");
    assert_has(cli_last.output, "\n  2 streams, 12859 events over ");
    assert_has(cli_last.output, "\n  of the events 12359 preload objects, before the clock starts; "
                                "--events of cut and replay counts the other 500\n");
    cli_run("gen pairs --cpus 1 --events 100 -o @/young.slt");
    cli_run("check @/young.slt");
    assert_has(cli_last.output, "whole, 100 events, digest ");
}

static void a_trace_of_nothing_but_preloads_is_refused_with_the_reason(void **state)
{
    static const char text[] = "# slablab text 1\nstream 0 cpu0\ntype - 8 0 0 - 0\n"
                               "preload 0 0 0 0\npreload 0 0 1 0\n";

    (void)state;
    cli_write_file("old", text, strlen(text));
    cli_run("import @/old -o @/old.slt");
    assert_status(0);
    cli_run("replay @/old.slt -a null -t 1");
    assert_refused(
        "no events to replay; 2 objects are preloaded, which is before the clock starts");
    cli_run("cut @/old.slt -o @/older.slt --events 0..500");
    assert_refused("none of its 0 events is in the range asked for; the 2 objects that it preloads "
                   "are not counted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_written_over_what_it_is_read_from),
        cmocka_unit_test(what_a_like_load_is_called_unasked_can_be_what_it_is_like),
        cmocka_unit_test(the_first_events_are_the_same_to_cut_and_to_replay),
        cmocka_unit_test(a_trace_of_nothing_but_preloads_is_refused_with_the_reason),
    };

    return cmocka_run_group_tests_name("cli_traces", tests, cli_set_up, cli_tear_down);
}
