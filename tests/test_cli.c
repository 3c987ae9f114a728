/* SPDX-License-Identifier: MIT */
/* The command line as a user meets it: statuses, messages, files. Runs the program itself. */
#include "tests/cli.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- help ---- */

static void output_that_is_lost_is_a_failure(void **state)
{
    static const char *const lines[] = {"--help", "--version", "list locks", "gen pairs --help"};

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char command[96], *said;
        int status;

        snprintf(command, sizeof command, "$SLABLAB %s >/dev/full", lines[i]);
        said = cli_ask(command, &status);
        assert_int_equal(status, 1);
        assert_non_null(strstr(said, "standard output: could not write all of it"));
        free(said);
    }
}

static void help_and_version_are_there(void **state)
{
    static const char *const commands[] = {
        "list",      "import",  "info", "check",           "replay", "sim",  "sweep", "plot",
        "compare",   "report",  "gen",  "measure-machine", "record", "dump", "cut",   "merge",
        "anonymise", "explore", "abuse"};

    (void)state;
    cli_run("--help");
    assert_status(0);
    cli_run("--version");
    assert_status(0);
    assert_memory_equal(cli_last.output, "slablab ", 8);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char arguments[64];

        snprintf(arguments, sizeof arguments, "%s --help", commands[i]);
        cli_run(arguments);
        assert_status(0);
        assert_non_null(strstr(cli_last.output, "Example"));
        assert_non_null(strstr(cli_last.output, "slablab"));
    }
}

static void wrong_usage_is_status_2(void **state)
{
    (void)state;
    cli_run("");
    assert_status(2);
    cli_run("frobnicate");
    assert_refused("no command 'frobnicate'");
    cli_run("replay");
    assert_refused("which trace?");
    cli_run("replay -"); /* nothing is in it */
    assert_refused("standard input: ");
    cli_run("replay --no-such-option x.slt");
    assert_status(2);
    cli_run("import x");
    assert_refused("-o OUT.slt");
    cli_run("list nonsense");
    assert_refused("no list of 'nonsense'");
}

static void lists_say_what_there_is(void **state)
{
    json_t *list;

    (void)state;
    cli_run("list allocators --json");
    assert_status(0);
    list = json_loads(cli_last.output, 0, NULL);
    assert_true(json_is_array(list));
    assert_true(json_array_size(list) >= 4);
    json_decref(list);
    cli_run("list");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "magazine.magazine_size"));
    assert_non_null(strstr(cli_last.output, "ticket"));
    assert_non_null(strstr(cli_last.output, "perf-script"));
    assert_non_null(strstr(cli_last.output, "resting_bytes"));
}

/* ---- wrong input ---- */

static void what_is_no_trace_is_refused(void **state)
{
    (void)state;
    cli_write_file("empty", "", 0);
    cli_write_file("text", "this is no trace\n", 17);
    cli_run("replay @/empty");
    assert_refused("/empty");
    cli_run("replay @/text");
    assert_refused("/text");
    cli_run("replay @");
    assert_refused("directory");
    cli_run("info @/missing.slt");
    assert_refused("/missing.slt");
    cli_run("check @/text");
    assert_refused("/text");
    cli_run("import @/empty -o @/out.slt");
    assert_refused("/empty");
    cli_run("import @/text -o @/out.slt");
    assert_refused("/text");
    assert_int_equal(cli_files_in(cli_folder), 2); /* and no out.slt, not even half of one */
}

static void a_damaged_trace_is_refused_with_its_place(void **state)
{
    char path[128];
    struct stat status;
    char *bytes;
    FILE *file;

    (void)state;
    assert_int_equal(stat(HACKBENCH, &status), 0);
    bytes = malloc((size_t)status.st_size);
    file = fopen(HACKBENCH, "r");
    assert_int_equal(fread(bytes, 1, (size_t)status.st_size, file), status.st_size);
    fclose(file);
    cli_write_file("short.slt", bytes, (size_t)status.st_size / 2);
    bytes[status.st_size / 2] ^= 4;
    cli_write_file("flipped.slt", bytes, (size_t)status.st_size);
    free(bytes);
    cli_run("check @/short.slt");
    assert_refused("short.slt");
    assert_non_null(strstr(cli_last.messages, "byte"));
    cli_run("check @/flipped.slt");
    assert_refused("byte");
    cli_run("replay @/flipped.slt -a null --json @/none.jsonl");
    assert_refused("flipped.slt");
    snprintf(path, sizeof path, "%s/none.jsonl", cli_folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void unknown_names_and_values_are_refused_with_what_there_is(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a nonsense");
    assert_refused("magazine");
    cli_run("replay " HACKBENCH " -a magazine --set magazine.nonsense=1");
    assert_refused("magazine_max");
    cli_run("replay " HACKBENCH " -a magazine --set magazine.magazine_max=0");
    assert_refused("1");
    cli_run("replay " HACKBENCH " -a magazine --set bufctl.color=on");
    assert_refused("bufctl");
    cli_run("replay " HACKBENCH " -a magazine --set nonsense");
    assert_refused("ALLOCATOR.KEY=VALUE");
    cli_run("replay " HACKBENCH " -a malloc:libnonsense.so");
    assert_refused("libnonsense.so");
    cli_run("replay " HACKBENCH " --lock nonsense");
    assert_refused("ticket");
    cli_run("replay " HACKBENCH " --bind nonsense");
    assert_refused("scatter");
    cli_run("replay " HACKBENCH " --bind cpus:9999 -a null");
    assert_refused("9999");
    cli_run("replay " HACKBENCH " --cache nonsense -a null");
    assert_refused("nonsense");
    cli_run("replay " HACKBENCH " --stream 77 -a null");
    assert_refused("77");
    cli_run("replay " HACKBENCH " --pace fast");
    assert_refused("recorded");
    cli_run("replay " HACKBENCH " --magazine-size 8..2");
    assert_refused("8..2");
    cli_run("replay " HACKBENCH " --memory-limit lots");
    assert_refused("lots");
    cli_run("replay " HACKBENCH " -t 0");
    assert_refused("0 is outside");
}

static void auto_and_nothing_are_refused_where_they_mean_nothing(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a null --stream 0,auto");
    assert_refused("auto");
    cli_run("replay " HACKBENCH " -a null --events auto");
    assert_refused("auto");
    cli_run("replay " HACKBENCH " -a null --memory-limit 0");
    assert_refused("--memory-limit");
    cli_run("replay " HACKBENCH " -a null --memory-limit 0K");
    assert_refused("--memory-limit");
}

static void a_magazine_size_and_a_setting_may_not_disagree(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a magazine --magazine-size 3 --set magazine.magazine_size=5");
    assert_refused("magazine_size");
    cli_run("replay " HACKBENCH " -a magazine --magazine-size 2,64 --set magazine.magazine_max=16");
    assert_refused("magazine_max");
    cli_run("replay " HACKBENCH " -a magazine --magazine-size 5 --set magazine.magazine_size=5 "
            "--set magazine.resize=on -t 1 --loops 1 --cold --json -");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "\"magazine_size\":5"));
    assert_non_null(strstr(cli_last.output, "\"resize\":\"on\""));
    cli_run("replay " HACKBENCH " -a magazine --magazine-size 5 -t 1 --loops 1 --cold --json -");
    assert_non_null(strstr(cli_last.output, "\"resize\":\"off\""));
}

/* Nothing has run: no record, and no table. */
static void assert_nothing_ran(const char *words)
{
    assert_refused(words);
    assert_string_equal(cli_last.output, "");
}

static void what_cannot_run_is_refused_before_the_first_run(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a null,malloc:libnonsense.so --json -");
    assert_nothing_ran("libnonsense.so");
    cli_run("replay " HACKBENCH " -a null,magazine --set magazine.magazine_size=60 "
            "--set magazine.magazine_max=50 --json -");
    assert_nothing_ran("magazine_max");
    cli_run("replay " HACKBENCH " -a null -t 1,3 --oversubscribe --json -");
    assert_nothing_ran("3 threads");
    cli_run("replay " HACKBENCH " -a null -t 1,2 --bind cpus:0 --json -");
    assert_nothing_ran("the binding allows 1");
}

/* How often `words` occur in what was said. */
static unsigned times_said(const char *words)
{
    unsigned count = 0;

    for (const char *at = cli_last.messages; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static void a_message_names_its_allocator_once(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a malloc:libnonsense.so");
    assert_int_equal(times_said("malloc:libnonsense.so"), 1);
    cli_run("replay " HACKBENCH " -a magazine --memory-limit 64K -t 1 --loops 1 --cold");
    assert_int_equal(cli_last.status, 1);
    assert_int_equal(times_said("magazine: "), 1);
}

static void runs_that_are_done_are_kept_when_a_later_one_fails(void **state)
{
    char path[128], *records;

    (void)state;
    cli_run("replay " HACKBENCH " -a malloc:libc,magazine --memory-limit 64K -t 1 --loops 1 --cold "
            "--json @/kept.jsonl");
    assert_status(1);
    assert_non_null(strstr(cli_last.output, "malloc:libc"));
    assert_non_null(strstr(cli_last.messages, "1 of 2"));
    snprintf(path, sizeof path, "%s/kept.jsonl", cli_folder);
    records = cli_read_file(path);
    assert_non_null(strstr(records, "\"allocator\":\"malloc:libc\""));
    assert_null(strstr(records, "\"allocator\":\"magazine\""));
    free(records);
}

static void automatic_threads_fit_binding_and_streams(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a null --bind cpus:0 --loops 1 --cold --json -");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "\"threads\":1,"));
    cli_run("replay " HACKBENCH " -a null --bind cpus:0 --replicas auto --loops 1 --cold --json -");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "\"threads\":1,"));
    cli_run("replay " HACKBENCH
            " -a null --bind cpus:0,0,0,0,0 --oversubscribe --replicas 2 --loops 1 "
            "--cold --json -");
    assert_non_null(strstr(cli_last.output, "\"threads\":4,"));
}

static void the_table_says_what_it_made_of_repetitions(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a null -t 1 --loops 1 --cold --repeat 3");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "Over repetitions: medians"));
    assert_non_null(strstr(cli_last.output, " - "));
    cli_run("replay " HACKBENCH " -a null -t 1 --loops 1 --cold");
    assert_null(strstr(cli_last.output, "repetitions"));
}

static void too_many_threads_are_refused_unless_said(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a null -t 3");
    assert_status(2);
    cli_run("replay " HACKBENCH " -a null -t 500 --replicas auto");
    assert_refused("oversubscribe");
    cli_run("replay " HACKBENCH
            " -a null -t 16 --replicas auto --oversubscribe --loops 1 --json -");
    assert_non_null(strstr(cli_last.output, "\"oversubscribed\":true"));
}

static void an_unwritable_output_leaves_nothing(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a null --loops 1 --json @/no/such/folder.jsonl");
    assert_true(cli_last.status == 1 || cli_last.status == 2);
    assert_non_null(strstr(cli_last.messages, "/no/such/folder.jsonl"));
    cli_run("replay " HACKBENCH " -a null --loops 1 --json @");
    assert_true(cli_last.status == 1 || cli_last.status == 2);
    cli_run("sweep " HACKBENCH " -a null -o @/no/such/folder");
    assert_true(cli_last.status == 1 || cli_last.status == 2);
}

/* ---- results ---- */

static void standard_input_and_output_will_do(void **state)
{
    char command[512];

    (void)state;
    snprintf(command, sizeof command,
             "cat %s | %s replay - -a null -t 1,2 --loops 1 --json - | wc -l | grep -qx 2",
             HACKBENCH, cli_program);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "cat %s | %s check - | grep -q whole", HACKBENCH,
             cli_program);
    assert_int_equal(system(command), 0);
}

/* jemalloc wants more thread-local space than a process has left: it starts anew, once, in time. */
static void a_library_that_wants_a_process_of_its_own_gets_it(void **state)
{
    char command[512];

    (void)state;
    cli_run("replay " HACKBENCH " -a malloc:libjemalloc.so.2 -t 1 --events 1 --cold --loops 1");
    if (cli_last.status == 2)
        skip();
    snprintf(command, sizeof command,
             "cat %s | %s replay - -a null,malloc:libjemalloc.so.2 -t 1 --loops 1 --cold --json - "
             "| wc -l | grep -qx 2",
             HACKBENCH, cli_program);
    assert_int_equal(system(command), 0);
}

static void a_foreign_topology_is_invalid_and_says_so(void **state)
{
    (void)state;
    setenv("HWLOC_SYNTHETIC", "numa:2 core:2 pu:1", 1);
    cli_run("replay " HACKBENCH " -a null -t 2 --loops 1 --json -");
    assert_status(1);
    assert_non_null(strstr(cli_last.output, "\"bound\":false"));
    assert_non_null(strstr(cli_last.output, "\"valid\":false"));
    assert_non_null(strstr(cli_last.messages, "not bound"));
    cli_run("replay " HACKBENCH " -a null -t 2 --loops 1 --bind none --json -");
    assert_status(0);
    unsetenv("HWLOC_SYNTHETIC");
}

/* ---- sweeps ---- */

static unsigned lines_of(const char *name)
{
    char path[128];
    unsigned lines = 0;
    char *text;

    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    text = cli_read_file(path);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    free(text);
    return lines;
}

static void what_auto_comes_to_is_not_run_twice(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a null -t 1,auto --bind cpus:0 --loops 1 --cold --json -");
    assert_status(0);
    assert_ptr_equal(strchr(cli_last.output, '\n'), strrchr(cli_last.output, '\n'));
    cli_run("replay " HACKBENCH " -a null -t 1 --replicas 1,auto --loops 1 --cold --json -");
    assert_status(0);
    assert_ptr_equal(strchr(cli_last.output, '\n'), strrchr(cli_last.output, '\n'));
    cli_run("sweep " HACKBENCH " -a null -t 1,auto --replicas 1,auto --bind cpus:0 --loops 1 "
            "--cold -n 1 -o @/same");
    assert_status(0);
    assert_int_equal(lines_of("same/runs.jsonl"), 1);
    cli_run("sweep " HACKBENCH " -a null -t 1,auto --replicas 1,auto --bind cpus:0,0,0 "
            "--oversubscribe --loops 1 --cold -n 1 -o @/more");
    assert_status(0);
    assert_int_equal(lines_of("more/runs.jsonl"), 3); /* 1 x 1, 2 x 1, 3 x 2 */
}

#define SWEEP                                                                                      \
    "sweep " HACKBENCH " -a null,magazine --magazine-size 2,8 -t 1,2 --loops 1 --cold -n 2 "       \
    "--no-aa "

static void a_sweep_runs_every_cell_and_can_be_drawn(void **state)
{
    char *before, *after;

    (void)state;
    cli_run(SWEEP "-o @/sweep");
    assert_status(0);
    assert_int_equal(lines_of("sweep/runs.jsonl"), (1 + 2) * 2 * 2);
    cli_run("plot @/sweep");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "hackbench-throughput-over-magazine-2-threads.svg"));
    assert_non_null(strstr(cli_last.output, "hackbench-throughput-over-threads.svg"));
    before = cli_read_file(cli_last.output[0] ? strtok(cli_last.output, "\n") : "");
    assert_true(strlen(before) > 1000);
    cli_run("plot @/sweep"); /* the same data give the same bytes */
    after = cli_read_file(strtok(cli_last.output, "\n"));
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void a_sweep_is_not_overwritten_but_resumed(void **state)
{
    char command[512];

    (void)state;
    cli_run(SWEEP "-o @/again");
    assert_status(0);
    cli_run(SWEEP "-o @/again");
    assert_refused("--resume");
    /* A kill leaves fewer lines, and the last one broken. */
    snprintf(command, sizeof command,
             "cd %s/again && head -n 5 runs.jsonl >x && head -n 6 runs.jsonl | tail -n 1 | "
             "head -c 100 >>x && mv x runs.jsonl",
             cli_folder);
    assert_int_equal(system(command), 0);
    cli_run(SWEEP "-o @/again --resume");
    assert_status(0);
    assert_int_equal(lines_of("again/runs.jsonl"), 12);
    snprintf(command, sizeof command,
             "grep -o '\"cell\":\"[^\"]*\"' %s/again/runs.jsonl | sort -u | wc -l | grep -qx 12",
             cli_folder);
    assert_int_equal(system(command), 0);
}

static void a_killed_sweep_loses_at_most_the_run_in_flight(void **state)
{
    char path[128];
    pid_t child;
    int status;

    (void)state;
    snprintf(path, sizeof path, "%s/killed", cli_folder);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 2);
        execl(cli_program, cli_program, "sweep", HACKBENCH, "-a", "null,magazine",
              "--magazine-size", "2,8", "-t", "1,2", "--loops", "1", "--cold", "-n", "2", "--no-aa",
              "-o", path, NULL);
        _exit(127);
    }
    while (lines_of("killed/runs.jsonl") < 3)
        usleep(1000);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    cli_run("sweep --resume -o @/killed");
    assert_status(0);
    assert_int_equal(lines_of("killed/runs.jsonl"), 12);
}

static void a_sweep_goes_on_as_it_was_begun_with_its_folder_alone(void **state)
{
    (void)state;
    cli_shell("cp " HACKBENCH " @/copy.slt");
    cli_run("sweep " HACKBENCH " @/copy.slt -a null -o @/never-begun");
    assert_refused("copy.slt: holds the same as traces/samples/hackbench.slt");
    cli_run("sweep --resume -o @/never-begun");
    assert_refused("never-begun/sweep.json");
    cli_run("sweep --resume -t 2 -o @/killed");
    assert_refused("which trace?");
    cli_run("sweep --resume --no-aa -o @/killed");
    assert_refused("which trace?");
    cli_shell("program=$PWD/$SLABLAB; cp " HACKBENCH " @/-o; cd @; "
              "$program sweep --machine generic-64 -a magazine -t 1,2 --set magazine.resize=off "
              "--seed 5 --shard 1/2 -n 2 --events 1000 -o part -- -o; "
              "$program sweep --resume -o part"); /* of the same sweep; nothing is left to do */
    assert_int_equal(lines_of("part/runs.jsonl"), 2);
}

#define SMALL " -a null -t 1 --loops 1 --cold --events 1000 -n 1 "

static void a_sweep_is_not_resumed_as_another(void **state)
{
    (void)state;
    cli_shell("cp " HACKBENCH " @/trace.slt");
    cli_run("sweep @/trace.slt --touch first" SMALL "-o @/mine");
    assert_status(0);
    /* The same, in another order. */
    cli_run("sweep --touch=first -o @/mine" SMALL "--resume @/trace.slt");
    assert_status(0);
    assert_int_equal(lines_of("mine/runs.jsonl"), 1);
    cli_run("sweep @/trace.slt --touch all" SMALL "-o @/mine --resume");
    assert_refused("--touch=first");
    assert_non_null(strstr(cli_last.messages, "--touch=all"));
    cli_run("sweep @/trace.slt" SMALL "-o @/mine --resume");
    assert_refused("--touch=first");
    cli_run("sweep @/trace.slt --touch first" SMALL "-n 2 -o @/mine --resume");
    assert_refused("-n 1");
    cli_run("sweep @/trace.slt --touch first --seed 9" SMALL "-o @/mine --resume");
    assert_refused("--seed");
    cli_run("sweep @/trace.slt " HACKBENCH " --touch first" SMALL "-o @/mine --resume");
    assert_refused(HACKBENCH);
    cli_run("sweep " HACKBENCH " --touch first" SMALL "-o @/mine --resume");
    assert_refused(HACKBENCH);
    cli_shell("cp traces/samples/find.slt @/trace.slt");
    cli_run("sweep @/trace.slt --touch first" SMALL "-o @/mine --resume");
    assert_refused("digest");
    cli_shell("cp " HACKBENCH " @/trace.slt; rm @/mine/sweep.json");
    cli_run("sweep @/trace.slt --touch first" SMALL "-o @/mine --resume");
    assert_refused("sweep.json");
    assert_int_equal(lines_of("mine/runs.jsonl"), 1);
}

#define FAILING "-a malloc:libc,magazine -t 1 --memory-limit 64K --loops 1 --cold -n 1 --no-aa "

static void failed_runs_are_tried_again_and_count_until_they_succeed(void **state)
{
    (void)state;
    cli_run("sweep " HACKBENCH " " FAILING "-o @/failing");
    assert_status(1);
    assert_int_equal(lines_of("failing/runs.jsonl"), 2);
    assert_null(strstr(cli_last.messages, "slablab: magazine: ")); /* one prefix a message */
    cli_run("sweep " HACKBENCH " " FAILING "-o @/failing --resume");
    assert_status(1);
    assert_int_equal(lines_of("failing/runs.jsonl"), 3);
    cli_run("plot @/failing");
    assert_non_null(strstr(cli_last.messages, "1 that failed")); /* one run, though tried twice */

    /* Invalid at first, since the topology is a foreign one. */
    setenv("HWLOC_SYNTHETIC", "numa:1 core:2 pu:1", 1);
    cli_run(SWEEP "-o @/invalid");
    unsetenv("HWLOC_SYNTHETIC");
    assert_status(1);
    assert_non_null(strstr(cli_last.messages, "12 of them"));
    cli_run("plot @/invalid");
    assert_refused("no valid run");
    cli_run(SWEEP "-o @/invalid --resume");
    assert_status(0);
    assert_int_equal(lines_of("invalid/runs.jsonl"), 24);
    cli_run("plot @/invalid");
    assert_status(0);
    assert_null(strstr(cli_last.messages, " invalid runs "));
}

static void what_no_run_could_do_stops_a_sweep_before_it_begins(void **state)
{
    char path[128];

    (void)state;
    cli_shell("head -c 100000 " HACKBENCH " > @/half.slt");
    cli_run("sweep @/half.slt" SMALL "-o @/never");
    assert_refused("half.slt");
    cli_run("sweep " HACKBENCH " --order trace --replicas 2" SMALL "-o @/never");
    assert_refused("--replicas");
    cli_run("sweep " HACKBENCH " -a malloc:libnonsense.so -o @/never");
    assert_refused("libnonsense.so");
    cli_run("sweep " HACKBENCH " --bind cpus:0 -a null -t 2 -o @/never");
    assert_refused("the binding allows 1");
    cli_run("sweep " HACKBENCH " " HACKBENCH SMALL "-o @/never");
    assert_refused("twice");
    snprintf(path, sizeof path, "%s/never", cli_folder);
    assert_int_equal(access(path, F_OK), -1);
}

/* Names with commas are names, and what gnuplot or a shell could take amiss stays out of theirs. */
static void odd_names_of_traces_make_plain_names_of_pictures(void **state)
{
    (void)state;
    cli_shell("cp " HACKBENCH " '@/od`d, \"n\\ame'\\''.slt'");
    cli_run("sweep '@/od`d, \"n\\ame'\\''.slt' -a null,malloc:libc -t 1,2 --loops 1 --cold "
            "--events 1000 -n 1 -o @/odd");
    assert_status(0);
    cli_run("plot @/odd");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "/od-d---n-ame--throughput-over-threads.svg"));
    cli_shell("test -s @/odd/plots/od-d---n-ame--throughput-over-threads.svg");
    cli_shell("! cat @/odd/plots/*.gp | grep '_text = ' | grep '[\"`\\\\]'");
}

static void traces_of_one_name_have_pictures_of_their_own(void **state)
{
    (void)state;
    cli_shell("mkdir @/one @/two && cp " HACKBENCH " @/one/same.slt && "
              "cp traces/samples/find.slt @/two/same.slt");
    cli_run(
        "sweep @/one/same.slt @/two/same.slt -a null -t 1,2 --loops 1 --cold --events 1000 -n 1 "
        "-o @/twins");
    assert_status(0);
    cli_run("plot @/twins");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "/same-throughput-over-threads.svg"));
    assert_non_null(strstr(cli_last.output, "/same-2-throughput-over-threads.svg"));
}

/* The program alone, then with share/ beside its folder. */
static void an_installation_may_be_moved(void **state)
{
    const char *before = cli_program;
    char moved[128], command[512];

    (void)state;
    cli_run("sweep " HACKBENCH " -a null -t 1,2 --loops 1 --cold --events 1000 -n 1 -o @/few");
    assert_status(0);
    snprintf(moved, sizeof moved, "%s/root/bin/slablab", cli_folder);
    cli_shell("mkdir -p @/root/bin @/root/share/slablab");
    snprintf(command, sizeof command, "cp %s %s", cli_program, moved);
    assert_int_equal(system(command), 0);
    cli_program = moved;
    cli_run("plot @/few");
    if (cli_last.status != 0) { /* unless slablab is installed here */
        assert_status(1);
        assert_non_null(strstr(cli_last.messages, "gnuplot scripts are neither"));
    }
    cli_shell("cp -r tools/plots @/root/share/slablab/plots && "
              "echo '# moved' >>@/root/share/slablab/plots/style.gp");
    cli_run("plot @/few");
    assert_status(0);
    cli_shell("grep -q '# moved' @/few/plots/style.gp");
    cli_program = before;
}

/* Waits for a replay's half-written records, then ends it: nothing is left. */
static void an_interrupted_replay_leaves_nothing(void **state)
{
    char path[128], target[160];
    pid_t child;
    int status;

    (void)state;
    snprintf(path, sizeof path, "%s/interrupted", cli_folder);
    assert_int_equal(mkdir(path, 0777), 0);
    snprintf(target, sizeof target, "%s/runs.jsonl", path);
    child = fork();
    if (child == 0) {
        execl(cli_program, cli_program, "replay", HACKBENCH, "-a", "null", "-t", "1", "--loops",
              "1000000", "--json", target, NULL);
        _exit(127);
    }
    while (cli_files_in(path) == 0)
        usleep(1000);
    usleep(50000);
    kill(child, SIGINT);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
    assert_int_equal(cli_files_in(path), 0);
}

static void a_sweep_of_a_missing_trace_does_not_begin(void **state)
{
    char path[128];

    (void)state;
    cli_run("sweep @/missing.slt -a null -o @/none");
    assert_refused("missing.slt");
    snprintf(path, sizeof path, "%s/none", cli_folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_not_there_is_not_gone_on_with(void **state)
{
    (void)state;
    cli_run(SWEEP "-o @/typo --resume");
    assert_refused("nothing to go on with");
}

static void a_recording_is_not_written_over(void **state)
{
    static const char perf_data[] = "PERFILE2 and so on";
    char path[128];
    char *kept;

    (void)state;
    cli_write_file("perf.data", perf_data, sizeof perf_data - 1);
    cli_run("import @/perf.data -o @/perf.data");
    assert_refused("one file");
    snprintf(path, sizeof path, "%s/perf.data", cli_folder);
    kept = cli_read_file(path);
    assert_string_equal(kept, perf_data);
    free(kept);
    cli_run("import @/perf.data -o @/perf.slt");
    assert_refused("a head of");
    cli_run("import " HACKBENCH " -o @/again.slt");
    assert_refused("trace already");
    unlink(path);
}

static void nothing_to_draw_is_said(void **state)
{
    (void)state;
    cli_run("sweep " HACKBENCH " -a null -t 1 --loops 1 --cold -n 1 -o @/single");
    assert_status(0);
    cli_run("plot @/single");
    assert_status(2); /* and maybe a line more, of a run that was disturbed */
    assert_non_null(strstr(cli_last.messages, "nothing to draw"));
    cli_run("plot @/nowhere");
    assert_refused("nowhere");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_and_version_are_there),
        cmocka_unit_test(output_that_is_lost_is_a_failure),
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test(lists_say_what_there_is),
        cmocka_unit_test(what_is_no_trace_is_refused),
        cmocka_unit_test(a_damaged_trace_is_refused_with_its_place),
        cmocka_unit_test(unknown_names_and_values_are_refused_with_what_there_is),
        cmocka_unit_test(auto_and_nothing_are_refused_where_they_mean_nothing),
        cmocka_unit_test(a_magazine_size_and_a_setting_may_not_disagree),
        cmocka_unit_test(what_cannot_run_is_refused_before_the_first_run),
        cmocka_unit_test(a_message_names_its_allocator_once),
        cmocka_unit_test(runs_that_are_done_are_kept_when_a_later_one_fails),
        cmocka_unit_test(automatic_threads_fit_binding_and_streams),
        cmocka_unit_test(what_auto_comes_to_is_not_run_twice),
        cmocka_unit_test(the_table_says_what_it_made_of_repetitions),
        cmocka_unit_test(too_many_threads_are_refused_unless_said),
        cmocka_unit_test(an_unwritable_output_leaves_nothing),
        cmocka_unit_test(standard_input_and_output_will_do),
        cmocka_unit_test(a_library_that_wants_a_process_of_its_own_gets_it),
        cmocka_unit_test(a_foreign_topology_is_invalid_and_says_so),
        cmocka_unit_test(a_sweep_runs_every_cell_and_can_be_drawn),
        cmocka_unit_test(a_sweep_is_not_overwritten_but_resumed),
        cmocka_unit_test(a_killed_sweep_loses_at_most_the_run_in_flight),
        cmocka_unit_test(a_sweep_goes_on_as_it_was_begun_with_its_folder_alone),
        cmocka_unit_test(a_sweep_is_not_resumed_as_another),
        cmocka_unit_test(failed_runs_are_tried_again_and_count_until_they_succeed),
        cmocka_unit_test(what_no_run_could_do_stops_a_sweep_before_it_begins),
        cmocka_unit_test(odd_names_of_traces_make_plain_names_of_pictures),
        cmocka_unit_test(traces_of_one_name_have_pictures_of_their_own),
        cmocka_unit_test(an_installation_may_be_moved),
        cmocka_unit_test(an_interrupted_replay_leaves_nothing),
        cmocka_unit_test(a_sweep_of_a_missing_trace_does_not_begin),
        cmocka_unit_test(what_is_not_there_is_not_gone_on_with),
        cmocka_unit_test(a_recording_is_not_written_over),
        cmocka_unit_test(nothing_to_draw_is_said),
    };

    return cmocka_run_group_tests_name("cli", tests, cli_set_up, cli_tear_down);
}
