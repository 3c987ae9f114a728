/* SPDX-License-Identifier: MIT */
/*
 * Programs recorded by `slablab record malloc`: tests/recorded/program.c plays a scene and counts
 * what it does, and the trace has exactly that, with nothing to mend.
 */
#include "tests/cli.h"
#include "traces/trace.h"

#include <libgen.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char recorded[512]; /* the folder of the programs */

/* What a trace has of the program's own objects, which their sizes tell, and of all. */
struct counts {
    uint64_t allocs, frees;
    uint64_t of_children;                /* as scene_forks allocates there */
    uint64_t left, left_live, left_peak; /* by its children, to their end */
    uint64_t ended;                      /* with the program that had allocated them */
    uint64_t allocs_until_end;           /* before the first of these */
    uint64_t aligned, zeroed;
    size_t streams, images;
    bool named, in_plugin;
    struct trace_repairs repairs;
};

static void count_event(struct counts *counts, const struct trace_event *event,
                        const struct trace_type *type)
{
    bool alloc = event->op == TRACE_ALLOC;

    if (type->size == (1 << 17 | 1))
        counts->of_children += alloc;
    if (type->size == (1 << 17 | 3)) {
        counts->left += alloc;
        counts->left_live += alloc ? 1 : (uint64_t)-1;
        if (counts->left_live > counts->left_peak)
            counts->left_peak = counts->left_live;
    }
    if (type->size % 1024 != 777)
        return;
    if (event->origin == TRACE_IMPLIED) {
        if (!counts->ended++)
            counts->allocs_until_end = counts->allocs;
        return;
    }
    *(alloc ? &counts->allocs : &counts->frees) += 1;
    counts->aligned += alloc && type->align > 1;
    counts->zeroed += alloc && (type->flags & TRACE_ZERO);
}

static void count_names(struct counts *counts, const struct trace_reader *reader)
{
    size_t count;
    const struct trace_stream *streams = trace_streams(reader, &counts->streams);
    const char *const *sites = trace_call_sites(reader, &count);

    for (size_t i = 0; i < counts->streams; i++)
        counts->named |= strstr(streams[i].name, "hand-round") != NULL;
    for (size_t i = 0; i < count; i++)
        counts->in_plugin |= strncmp(sites[i], "plugin.so+0x", 12) == 0;
}

static struct counts count_trace(void)
{
    static struct trace_event events[1024];
    struct counts counts = {0};
    struct trace_reader *reader;
    char path[128];
    ssize_t got;

    snprintf(path, sizeof path, "%s/out.slt", cli_folder);
    assert_int_equal(trace_open(path, &reader, NULL), 0);
    while ((got = trace_read(reader, events, 1024, NULL)) > 0) {
        size_t count;
        const struct trace_type *types = trace_types(reader, &count);

        for (ssize_t i = 0; i < got; i++)
            count_event(&counts, &events[i], &types[events[i].type]);
    }
    assert_int_equal(got, 0);
    count_names(&counts, reader);
    counts.repairs = *trace_get_repairs(reader);
    trace_close(reader);
    return counts;
}

/* What was recorded and what was mended make what was written, as the command says them. */
static void assert_account(const struct trace_repairs *repairs)
{
    unsigned long long allocs, frees, events;
    const char *line = strstr(cli_last.messages, " allocations and "), *written;

    assert_non_null(line);
    while (line > cli_last.messages && line[-1] != ' ')
        line--;
    assert_int_equal(sscanf(line, "%llu allocations and %llu frees", &allocs, &frees), 2);
    written = strstr(line, ", ");
    assert_non_null(written);
    assert_int_equal(sscanf(written, ", %llu events", &events), 1);
    assert_int_equal(events, allocs + frees - (repairs->never_seen_frees - repairs->preloaded) +
                                 repairs->preloaded + repairs->refreed + repairs->implied_frees);
}

/* Plays the scene recorded, and has the trace checked. */
static struct counts record_scene(const char *options, const char *scene)
{
    struct counts counts;
    char arguments[2048];

    snprintf(arguments, sizeof arguments,
             "record malloc -o @/out.slt %s %s/program %s @/counts %s/plugin.so", options, recorded,
             scene, recorded);
    cli_run(arguments);
    assert_status(0);
    counts = count_trace();
    assert_account(&counts.repairs);
    return counts;
}

static void assert_scene(const struct counts *counts)
{
    unsigned long allocs, frees;
    char path[128], *text;

    snprintf(path, sizeof path, "%s/counts", cli_folder);
    text = cli_read_file(path);
    assert_int_equal(sscanf(text, "%lu %lu", &allocs, &frees), 2);
    free(text);
    assert_int_equal(counts->allocs, allocs);
    assert_int_equal(counts->frees, frees);
    assert_int_equal(counts->repairs.refreed, 0);
    assert_int_equal(counts->repairs.lost_events, 0);
}

static void assert_nothing_unseen(const struct counts *counts)
{
    assert_scene(counts);
    assert_int_equal(counts->repairs.never_seen_frees, 0);
    assert_int_equal(counts->repairs.implied_frees, 0);
}

static void assert_said(const char *words)
{
    if (!strstr(cli_last.messages, words))
        fail_msg("'%s' is not in: %s", words, cli_last.messages);
}

/* ---- scenes ---- */

static void each_call_is_recorded_as_it_was_made(void **state)
{
    struct counts counts = record_scene("", "calls");

    (void)state;
    assert_nothing_unseen(&counts);
    assert_said("ended with status 3");
    assert_int_equal(counts.aligned, 4); /* and pvalloc, whose size is of whole pages */
    assert_int_equal(counts.zeroed, 1);
    assert_true(counts.repairs.null_frees >= 1);
    assert_int_equal(counts.streams, 1);
}

static void what_threads_hand_round_is_in_order(void **state)
{
    struct counts counts = record_scene("", "threads");

    (void)state;
    assert_nothing_unseen(&counts);
    assert_int_equal(counts.streams, 5);
    assert_true(counts.named);
    cli_run("check @/out.slt");
    assert_status(0);
    cli_run("replay @/out.slt --verify --loops 1 --cold -t 1,2 --bind none --oversubscribe "
            "-a magazine,slabifier,malloc:libc --events 20000");
    assert_status(0);
}

static void threads_that_come_and_go_cost_no_mapping(void **state)
{
    struct counts counts = record_scene("", "short-threads");

    (void)state;
    assert_nothing_unseen(&counts);
    assert_said("ended with status 3");
    assert_int_equal(counts.streams, 301);
}

static void a_signal_handler_that_allocates_loses_nothing(void **state)
{
    struct counts counts;
    char preload[600];

    (void)state;
    snprintf(preload, sizeof preload,
             "-- env LD_PRELOAD=%.250s/../../slablab-malloc.so:%.250s/bump.so", recorded, recorded);
    counts = record_scene(preload, "signals");
    assert_scene(&counts);
    assert_int_equal(counts.repairs.never_seen_frees, 0);
    assert_int_equal(counts.ended, 0); /* what env had is none of the program's */
}

static void a_forked_child_is_left_out_unless_it_is_asked_for(void **state)
{
    struct counts counts = record_scene("", "forks");

    (void)state;
    assert_nothing_unseen(&counts);
    assert_int_equal(counts.of_children, 0);
    assert_int_equal(counts.streams, 1);
    counts = record_scene("--follow-forks", "forks");
    assert_scene(&counts);
    assert_int_equal(counts.of_children, 40000);
    assert_int_equal(counts.streams, 5);
    assert_said("in 5 programs");
    /* Of what they inherited: copies, whose ends are not that of the parent's object. */
    assert_int_equal(counts.repairs.never_seen_frees, 4);
    assert_int_equal(counts.repairs.preloaded, 0);
    assert_said("4  frees of objects never seen: dropped (kind unknown, or --unmatched drop)");
}

static void what_a_forked_child_has_ends_with_it(void **state)
{
    struct counts counts = record_scene("--follow-forks", "forks");

    (void)state;
    assert_int_equal(counts.left, 4);
    assert_int_equal(counts.left_peak, 1);
    assert_int_equal(counts.left_live, 0);
    assert_int_equal(counts.ended, 0); /* of the program itself */
    assert_true(counts.repairs.implied_frees >= 4);
    assert_said("or its process ended): inserted");
}

static void an_exec_is_recorded_on(void **state)
{
    struct counts counts = record_scene("", "exec");

    (void)state;
    assert_scene(&counts);
    assert_int_equal(counts.repairs.never_seen_frees, 0);
    assert_int_equal(counts.streams, 3);
    assert_said("in 2 programs");
}

static void what_a_program_has_ends_with_its_exec(void **state)
{
    struct counts counts = record_scene("", "exec");

    (void)state;
    assert_int_equal(counts.ended, 2);            /* of two threads, */
    assert_int_equal(counts.allocs_until_end, 3); /* after the last of both, and the early one */
    assert_true(counts.repairs.implied_frees >= 2);
    /* The last program's stays. */
    assert_int_equal(counts.allocs - counts.frees - counts.ended, 1);
    cli_run("check @/out.slt");
    assert_status(0);
    cli_run("replay @/out.slt --verify --loops 1 --cold -t 1 --bind none -a magazine");
    assert_status(0);
}

static void an_exec_of_what_allocates_nothing_is_an_end_too(void **state)
{
    struct counts counts = record_scene("", "exec-nothing");

    (void)state;
    assert_scene(&counts);
    assert_said("in 2 programs");
    assert_int_equal(counts.ended, 1);
}

static void a_library_that_is_opened_late_is_a_call_site(void **state)
{
    struct counts counts = record_scene("--call-sites", "plugin");

    (void)state;
    assert_nothing_unseen(&counts);
    assert_true(counts.in_plugin);
    counts = record_scene("", "plugin");
    assert_false(counts.in_plugin);
}

static void new_and_delete_are_recorded(void **state)
{
    struct counts counts = record_scene("", "new");

    (void)state;
    assert_nothing_unseen(&counts);
}

static void what_came_before_a_crash_is_there(void **state)
{
    struct counts counts = record_scene("", "crash");

    (void)state;
    assert_nothing_unseen(&counts);
    assert_said("ended by signal 11");
    counts = record_scene("", "kill");
    assert_nothing_unseen(&counts);
    assert_said("ended by signal 9");
}

/* ---- other programs ---- */

static void programs_of_others_are_recorded(void **state)
{
    (void)state;
    cli_run(
        "record malloc -o @/out.slt --follow-forks -- sh -c 'seq 1 200000 | sort -rn --parallel=2 "
        "-S 2M | tail -n 1'");
    assert_status(0);
    assert_string_equal(cli_last.output, "1\n");
    cli_run("check @/out.slt");
    assert_status(0);
}

static void what_cannot_be_recorded_is_said(void **state)
{
    (void)state;
    cli_run("record malloc -o @/never.slt -- @/no-such-program");
    assert_refused("could not run");
    cli_run("record malloc -o @/never.slt");
    assert_refused("which program?");
    cli_run("record malloc -- true");
    assert_refused("-o OUT.slt");
    cli_run("record kernels -o @/never.slt -- true");
    assert_refused("expected kernel or malloc");
    cli_run("record malloc -o @/never.slt -- env -i PATH=/bin:/usr/bin LD_PRELOAD= true");
    assert_true(cli_last.status == 0 || cli_last.status == 1);
    cli_run("record malloc -o @/no/folder.slt -- sort /dev/null");
    assert_status(2);
    cli_run("record malloc -o - -- sort /dev/null");
    assert_refused("standard output is the program's");
}

/* Records with so much room in TMPDIR, in a namespace of its own; what was said is the caller's. */
static char *record_in_room(const char *size, const char *arguments, int *status)
{
    char command[2048];

    snprintf(
        command, sizeof command,
        "unshare -m sh -c 'mkdir -p @/room && mount -t tmpfs -o size=%s none @/room || exit 99; "
        "rm -f @/out.slt; TMPDIR=@/room $SLABLAB record malloc %s; status=$?;"
        "test -z \"$(ls @/room)\" || exit 98; exit $status'; status=$?; rm -rf @/room; "
        "(exit $status)",
        size, arguments);
    return cli_ask(command, status);
}

static void assert_full(const char *said, const char *words)
{
    char full[128];

    snprintf(full, sizeof full, "slablab: TMPDIR %s/room is full: ", cli_folder);
    if (!strstr(said, full) || !strstr(said, words) || strstr(said, "static program"))
        fail_msg("'%s%s' is not in: %s", full, words, said);
}

static void a_full_folder_is_named_and_ends_the_recording_alone(void **state)
{
    char pairs[600], *said;
    int status;

    (void)state;
    free(cli_ask("unshare -m mount -t tmpfs none @", &status));
    if (status) {
        print_message("no file system of our own: not tested\n");
        skip();
    }
    snprintf(pairs, sizeof pairs, "-o @/out.slt -- %s/pairs 100000", recorded);
    said = record_in_room("64k", pairs, &status);
    assert_int_equal(status, 1);
    assert_full(said, "nothing was recorded");
    free(said);
    cli_run("check @/out.slt");
    assert_status(2); /* there is none */
    said = record_in_room("300k", pairs, &status);
    assert_int_equal(status, 1);
    assert_full(said, "not recorded to its end");
    free(said);
    cli_run("check @/out.slt");
    assert_status(0);
    if (!strstr(cli_last.output, "whole, 81"))
        fail_msg("not a chunk of events, 8190 with those of nothing: %s", cli_last.output);
    snprintf(pairs, sizeof pairs, "-o @/room/out.slt -- %s/pairs 100000", recorded);
    said = record_in_room("300k", pairs, &status);
    assert_int_equal(status, 1);
    assert_full(said, "no room to sort what was recorded, nor in");
    free(said);
}

/* The folder of a recording goes with it. */
static void nothing_is_left_behind(void **state)
{
    char path[128];

    (void)state;
    setenv("TMPDIR", cli_folder, 1);
    snprintf(path, sizeof path, "rm -f %s/*", cli_folder);
    assert_int_equal(system(path), 0);
    record_scene("", "calls");
    assert_int_equal(cli_files_in(cli_folder), 2); /* the trace and the counts */
    unsetenv("TMPDIR");
}

static int set_up(void **state)
{
    char *program;

    if (cli_set_up(state))
        return -1;
    program = realpath(cli_program, NULL);
    if (!program)
        return -1;
    snprintf(recorded, sizeof recorded, "%s/tests/recorded", dirname(program));
    free(program);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_is_recorded_as_it_was_made),
        cmocka_unit_test(what_threads_hand_round_is_in_order),
        cmocka_unit_test(threads_that_come_and_go_cost_no_mapping),
        cmocka_unit_test(a_signal_handler_that_allocates_loses_nothing),
        cmocka_unit_test(a_forked_child_is_left_out_unless_it_is_asked_for),
        cmocka_unit_test(what_a_forked_child_has_ends_with_it),
        cmocka_unit_test(an_exec_is_recorded_on),
        cmocka_unit_test(what_a_program_has_ends_with_its_exec),
        cmocka_unit_test(an_exec_of_what_allocates_nothing_is_an_end_too),
        cmocka_unit_test(a_library_that_is_opened_late_is_a_call_site),
        cmocka_unit_test(new_and_delete_are_recorded),
        cmocka_unit_test(what_came_before_a_crash_is_there),
        cmocka_unit_test(programs_of_others_are_recorded),
        cmocka_unit_test(what_cannot_be_recorded_is_said),
        cmocka_unit_test(a_full_folder_is_named_and_ends_the_recording_alone),
        cmocka_unit_test(nothing_is_left_behind),
    };

    return cmocka_run_group_tests_name("record malloc", tests, set_up, cli_tear_down);
}
