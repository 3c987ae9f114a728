/* SPDX-License-Identifier: MIT */
/*
 * `slablab record kernel` on the running kernel, where that may be: as root, with tracefs, which is
 * mounted in a namespace of the test's own, so that nothing stays. Elsewhere these tests are
 * skipped, with a word; what needs no kernel is in test_kernel_record.c.
 */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* In the namespace: tracefs in the test's folder, then the command. */
#define MOUNTED                                                                                    \
    "unshare -m sh -c 'mkdir -p %s/tracefs && mount -t tracefs nodev %s/tracefs && %s' "           \
    ">%s/said 2>&1"

static int run_mounted(const char *command)
{
    char *whole = NULL;
    int status;

    assert_true(asprintf(&whole, MOUNTED, cli_folder, cli_folder, command, cli_folder) > 0);
    status = system(whole) >> 8;
    free(whole);
    return status;
}

static void skip_without_tracefs(void)
{
    char command[512];

    snprintf(command, sizeof command,
             "test -d %s/tracefs/events/kmem && mkdir %s/tracefs/instances/slablab-test && "
             "rmdir %s/tracefs/instances/slablab-test",
             cli_folder, cli_folder, cli_folder);
    if (run_mounted(command) == 0)
        return;
    print_message("no tracefs that we may use: not tested\n");
    skip();
}

/*
 * Records, with nothing left in the kernel's tracing, and has what was said in `said`. Others may
 * record at the same time.
 */
static char *record(const char *arguments, int expected)
{
    char command[1536], path[96];
    char *said;
    int status;

    snprintf(command, sizeof command,
             "%s record kernel %s & pid=$!; wait $pid; status=$?; "
             "rmdir %s/tracefs/instances/slablab-$pid 2>/dev/null && exit 77; exit $status",
             cli_program, arguments, cli_folder);
    status = run_mounted(command);
    snprintf(path, sizeof path, "%s/said", cli_folder);
    said = cli_read_file(path);
    if (status != expected)
        fail_msg("%d (77: an instance is left), not %d: %s", status, expected, said);
    return said;
}

static void assert_said(const char *said, const char *words)
{
    if (!strstr(said, words))
        fail_msg("'%s' is not in: %s", words, said);
}

static void what_the_kernel_allocates_while_a_command_runs_is_a_trace(void **state)
{
    char arguments[512], *said;
    json_t *info;

    (void)state;
    skip_without_tracefs();
    snprintf(arguments, sizeof arguments,
             "-o %s/out.slt --call-sites -- sh -c \"find /usr/include >/dev/null; exit 3\"",
             cli_folder);
    said = record(arguments, 0);
    assert_said(said, "each with a ring buffer of");
    assert_said(said, "sh: ended with status 3");
    assert_said(said, "events of the recorder itself: left out");
    free(said);
    cli_run("check @/out.slt");
    assert_status(0);
    cli_run("info --json @/out.slt");
    assert_status(0);
    info = json_loads(cli_last.output, 0, NULL);
    assert_true(json_integer_value(json_object_get(info, "allocs")) > 100);
    assert_true(json_integer_value(json_object_get(info, "frees")) > 100);
    assert_int_equal(json_integer_value(json_object_get(info, "skipped_records")), 0);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(info, "provenance"), "recorder")),
        "slablab record kernel");
    json_decref(info);
    cli_run("replay @/out.slt -a magazine --verify -t 1 --loops 1 --cold");
    assert_status(0);
}

static void so_is_what_it_allocates_in_some_time(void **state)
{
    char arguments[512];

    (void)state;
    skip_without_tracefs();
    snprintf(arguments, sizeof arguments, "-o %s/time.slt -d 0.3", cli_folder);
    free(record(arguments, 0));
    cli_run("check @/time.slt");
    assert_status(0);
}

static void buffers_too_small_lose_events_and_that_is_said(void **state)
{
    char arguments[512], *said;

    (void)state;
    skip_without_tracefs();
    snprintf(arguments, sizeof arguments,
             "-o %s/lossy.slt --buffer-size 4K -- find /usr/include /usr/lib -size +1M",
             cli_folder);
    said = record(arguments, 0);
    assert_said(said, "events lost by the recorder, as it says itself");
    assert_said(said, "% of all events were lost, ");
    assert_said(said, "record again with --buffer-size 16K");
    free(said);
    cli_run("info @/lossy.slt");
    assert_said(cli_last.output, "% of all events were lost, ");
    cli_run("check @/lossy.slt");
    assert_status(0);
}

static void an_interrupted_recording_is_a_trace_and_leaves_nothing(void **state)
{
    static const char *const signals[] = {"INT", "TERM", "HUP", "QUIT"};
    char command[1536], path[96];

    (void)state;
    skip_without_tracefs();
    for (int i = 0; i < 4; i++) {
        char *said;
        int status;

        /* Once it records; and twice, as `timeout` does. */
        snprintf(command, sizeof command,
                 "%s record kernel -o %s/cut%d.slt & for i in $(seq 600); do grep -q interrupted "
                 "%s/said && break; sleep 0.05; done; sleep 0.2; kill -%s $!; kill -%s $!; "
                 "wait $! && ! ls %s/tracefs/instances | grep slablab-$!",
                 cli_program, cli_folder, i, cli_folder, signals[i], signals[i], cli_folder);
        status = run_mounted(command);
        snprintf(path, sizeof path, "%s/said", cli_folder);
        said = cli_read_file(path);
        if (status)
            fail_msg("%s: %d: %s", signals[i], status, said);
        assert_said(said, "until interrupted");
        free(said);
        snprintf(command, sizeof command, "check @/cut%d.slt", i);
        cli_run(command);
        assert_status(0);
    }
}

/* With a descriptor of another process open in it, it cannot be removed, which is said. */
static void an_instance_that_others_look_into_is_left_and_named(void **state)
{
    char command[1536], *said;

    (void)state;
    skip_without_tracefs();
    snprintf(command, sizeof command,
             "%s record kernel -o %s/watched.slt -d 1 & pid=$!; for i in $(seq 600); do "
             "grep -q recording %s/said && break; sleep 0.05; done; "
             "sleep 3 <%s/tracefs/instances/slablab-$pid/per_cpu/cpu0/trace_pipe_raw & "
             "wait $pid; wait; rmdir %s/tracefs/instances/slablab-$pid",
             cli_program, cli_folder, cli_folder, cli_folder, cli_folder);
    assert_int_equal(run_mounted(command), 0);
    snprintf(command, sizeof command, "%s/said", cli_folder);
    said = cli_read_file(command);
    assert_said(said, "is left, since somebody looks into it: rmdir");
    free(said);
}

static void the_instance_of_a_recorder_that_was_killed_is_removed(void **state)
{
    char command[1536], *said;

    (void)state;
    skip_without_tracefs();
    snprintf(command, sizeof command,
             "sleep 0 & dead=$!; wait $dead; mkdir %s/tracefs/instances/slablab-$dead && "
             "%s record kernel -o %s/after.slt -d 0.1 && ! test -e "
             "%s/tracefs/instances/slablab-$dead",
             cli_folder, cli_program, cli_folder, cli_folder);
    assert_int_equal(run_mounted(command), 0);
    snprintf(command, sizeof command, "%s/said", cli_folder);
    said = cli_read_file(command);
    assert_said(said, "removed from the kernel's tracing what a recording that was killed left");
    free(said);
}

static void a_command_that_is_not_there_is_said(void **state)
{
    char arguments[512], *said;

    (void)state;
    skip_without_tracefs();
    snprintf(arguments, sizeof arguments, "-o %s/never.slt -- %s/no-such-program", cli_folder,
             cli_folder);
    said = record(arguments, 2);
    assert_said(said, "could not run");
    free(said);
}

static void missing_tracefs_is_said(void **state)
{
    char command[512], path[96], *said;

    (void)state;
    if (geteuid() != 0) {
        print_message("not root: not tested\n");
        skip();
    }
    /* Wherever it is mounted, it is not in the namespace. */
    snprintf(command, sizeof command,
             "unshare -m sh -c 'umount -a -t tracefs; umount -a -t debugfs; grep -q tracefs "
             "/proc/mounts && exit 99; %s record kernel -o %s/never.slt -d 1' >%s/said 2>&1",
             cli_program, cli_folder, cli_folder);
    if (system(command) >> 8 == 99)
        skip();
    snprintf(path, sizeof path, "%s/said", cli_folder);
    said = cli_read_file(path);
    assert_said(said, "mount -t tracefs nodev");
    free(said);
    snprintf(path, sizeof path, "%s/never.slt", cli_folder);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void missing_rights_are_said(void **state)
{
    char command[512], *said;

    (void)state;
    skip_without_tracefs();
    snprintf(command, sizeof command,
             "chmod 711 %s && setpriv --reuid=65534 --clear-groups %s record kernel -d 1 -o "
             "/tmp/slablab-test-never.slt; test $? = 2",
             cli_folder, cli_program);
    if (run_mounted(command))
        skip(); /* the program lies where nobody else may read */
    snprintf(command, sizeof command, "%s/said", cli_folder);
    said = cli_read_file(command);
    assert_said(said, "run as root, or as a member of a group");
    free(said);
}

static void wrong_usage_is_refused(void **state)
{
    (void)state;
    cli_run("record kernel -d 1");
    assert_refused("Name the trace");
    cli_run("record kernel -d 0 -o @/never.slt");
    assert_refused("'0': expected a number of seconds");
    cli_run("record kernel -d 1 -o @/never.slt -- true");
    assert_refused("either says how long");
    cli_run("record kernel --buffer-size 1 -o @/never.slt -d 1");
    assert_refused("expected 4K");
    cli_run("record kernel --unmatched keep -o @/never.slt -d 1");
    assert_refused("expected preload or drop");
    cli_run("record kernel -d 1 -o -");
    assert_refused("name a file");
    cli_run("record");
    assert_refused("There is: kernel, malloc");
}

static void its_help_has_an_example(void **state)
{
    (void)state;
    cli_run("record kernel --help");
    assert_status(0);
    assert_said(cli_last.output, "slablab record kernel -d 10 -o load.slt");
    cli_run("record --help");
    assert_status(0);
    assert_said(cli_last.output, "slablab record kernel -o make.slt -- make -j8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_kernel_allocates_while_a_command_runs_is_a_trace),
        cmocka_unit_test(so_is_what_it_allocates_in_some_time),
        cmocka_unit_test(buffers_too_small_lose_events_and_that_is_said),
        cmocka_unit_test(an_interrupted_recording_is_a_trace_and_leaves_nothing),
        cmocka_unit_test(an_instance_that_others_look_into_is_left_and_named),
        cmocka_unit_test(the_instance_of_a_recorder_that_was_killed_is_removed),
        cmocka_unit_test(a_command_that_is_not_there_is_said),
        cmocka_unit_test(missing_tracefs_is_said),
        cmocka_unit_test(missing_rights_are_said),
        cmocka_unit_test(wrong_usage_is_refused),
        cmocka_unit_test(its_help_has_an_example),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
