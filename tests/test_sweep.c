/* SPDX-License-Identifier: MIT */
/* Sweeps: what they run, in parts and after kills; what their files say, and who notices damage. */
#include "sim/error.h"
#include "tests/cli.h"
#include "tools/runs_file.h"
#include "tools/sweep_plan.h"
#include "tools/sweep_until.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define QUICK " --loops 1 --cold --events 1000 "

/* ---- looking into results ---- */

struct file {
    json_t *records; /* array */
    json_t *cells;   /* cell -> how many of its records are valid */
};

static struct file file_read(const char *name)
{
    struct file file = {json_array(), json_object()};
    char path[128], *text, *line, *rest;

    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    text = rest = cli_read_file(path);
    while ((line = strsep(&rest, "\n")) && *line) {
        json_t *record = json_loads(line, 0, NULL);
        const char *cell = json_string_value(json_object_get(record, "cell"));
        json_int_t valid;

        if (!rest)
            fail_msg("%s ends with a line without an end", path);
        if (!record || !cell)
            fail_msg("%s: no record of a sweep: %s", path, line);
        valid = json_integer_value(json_object_get(file.cells, cell)) +
                json_is_true(json_object_get(record, "valid"));
        json_object_set_new(file.cells, cell, json_integer(valid));
        json_array_append_new(file.records, record);
    }
    free(text);
    return file;
}

static void file_cleanup(struct file *file)
{
    json_decref(file->records);
    json_decref(file->cells);
}

/* `count` cells, each of them valid once. */
static void assert_each_once(const char *name, size_t count)
{
    struct file file = file_read(name);
    const char *cell;
    json_t *valid;

    assert_int_equal(json_object_size(file.cells), count);
    json_object_foreach(file.cells, cell, valid)
    {
        if (json_integer_value(valid) != 1)
            fail_msg("%s: %lld valid runs of %s", name, json_integer_value(valid), cell);
    }
    file_cleanup(&file);
}

static size_t records_in(const char *name)
{
    struct file file = file_read(name);
    size_t count = json_array_size(file.records);

    file_cleanup(&file);
    return count;
}

static void shell(const char *text)
{
    char command[1024];

    snprintf(command, sizeof command, "cd %s && %s", cli_folder, text);
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

/* ---- what runs ---- */

static void all_that_takes_a_list_is_an_axis(void **state)
{
    static const char *const keys[] = {"lock=tas",   "lock=mcs",   "bind=compact", "bind=none",
                                       "replicas=1", "replicas=2", "resize=on",    "resize=off"};
    struct file file;
    const char *cell;
    json_t *valid;
    size_t seen[8] = {0};

    (void)state;
    cli_run("sweep " HACKBENCH " -a null,magazine --set magazine.resize=on,no,off "
            "--lock tas,mcs,tas --bind compact --bind none --replicas 1,2 -t 1 -n 1 --no-aa" QUICK
            "-o @/axes");
    assert_status(0);
    assert_each_once("axes/runs.jsonl", 2 * 2 * 2 * (1 + 2));
    file = file_read("axes/runs.jsonl");
    json_object_foreach(file.cells, cell, valid)
    {
        for (size_t i = 0; i < 8; i++)
            seen[i] += strstr(cell, keys[i]) != NULL;
    }
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(seen[i], 12);
    assert_int_equal(seen[6], 8);
    assert_int_equal(seen[7], 8);
    file_cleanup(&file);
}

static void a_replay_has_the_same_axes(void **state)
{
    unsigned lines = 0;

    (void)state;
    cli_run("replay " HACKBENCH " -a null,magazine --set magazine.magazine_max=8..32 "
            "--lock tas,mcs -t 1 --json -" QUICK);
    assert_status(0);
    for (const char *c = cli_last.output; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 2 * (1 + 3));
    cli_run("replay " HACKBENCH " -a magazine --set magazine.resize=on,off -t 1" QUICK);
    assert_non_null(strstr(cli_last.output, "magazine resize=on "));
    assert_non_null(strstr(cli_last.output, "magazine resize=off "));
}

static void a_string_is_taken_whole_and_nonsense_is_refused(void **state)
{
    (void)state;
    cli_run("replay " HACKBENCH " -a malloc:libc --set malloc:libc.library=no,such -t 1" QUICK);
    assert_refused("no,such");
    cli_run("replay " HACKBENCH " -a magazine --set magazine.resize=on,perhaps" QUICK);
    assert_refused("perhaps");
    cli_run("replay " HACKBENCH " -a magazine --lock tas,none" QUICK);
    assert_refused("none");
    cli_run("sweep " HACKBENCH " -a null --until 2 -o @/never");
    assert_refused("2%");
    cli_run("sweep " HACKBENCH " -a null --until 2%,4 -o @/never");
    assert_refused("from 5");
    cli_run("sweep " HACKBENCH " -a null --until 2% -n 3 -o @/never");
    assert_refused("one of the two");
    cli_run("sweep " HACKBENCH " -a null --shard 4/3 -o @/never");
    assert_refused("4/3");
}

static void one_design_is_run_twice_over_in_each_place(void **state)
{
    struct file file;
    json_t *record;
    size_t arms[3] = {0}, i;

    (void)state;
    cli_run("sweep " HACKBENCH " -a null,bufctl,magazine -t 1,2 -n 2" QUICK "-o @/arms");
    assert_status(0);
    file = file_read("arms/runs.jsonl");
    json_array_foreach(file.records, i, record)
    {
        const char *arm = json_string_value(json_object_get(record, "arm"));

        arms[arm ? arm[0] - 'a' : 2]++;
        if (arm)
            assert_string_equal(json_string_value(json_object_get(record, "allocator")), "bufctl");
    }
    assert_int_equal(arms[0], 2 * 2);
    assert_int_equal(arms[1], 2 * 2);
    assert_int_equal(arms[2], 2 * 2 * 2);
    file_cleanup(&file);
    assert_non_null(strstr(cli_last.output, "bufctl (again)"));
    assert_non_null(strstr(cli_last.messages, "an estimate"));
}

/* ---- shards ---- */

#define PARTED "sweep " HACKBENCH " -a null,magazine --magazine-size 2,8 -t 1,2 -n 2" QUICK

static void the_files_of_all_shards_are_the_whole(void **state)
{
    struct file whole, parts;
    const char *cell;
    json_t *valid;

    (void)state;
    cli_run(PARTED "-o @/whole");
    assert_status(0);
    cli_run(PARTED "--shard 1/3 -o @/part-1");
    assert_status(0);
    cli_run(PARTED "--shard 2/3 -o @/part-2");
    assert_status(0);
    cli_run(PARTED "--shard 3/3 -o @/part-3");
    assert_status(0);
    shell("cat part-*/runs.jsonl >all.jsonl");
    assert_each_once("whole/runs.jsonl", (1 + 2 + 1) * 2 * 2);
    assert_each_once("all.jsonl", (1 + 2 + 1) * 2 * 2);
    whole = file_read("whole/runs.jsonl");
    parts = file_read("all.jsonl");
    json_object_foreach(whole.cells, cell, valid)
        assert_non_null(json_object_get(parts.cells, cell));
    file_cleanup(&whole);
    file_cleanup(&parts);
    cli_run(PARTED "--shard 3/3 -o @/part-2 --resume");
    assert_refused("--shard 2/3");
}

/* ---- until ---- */

static void a_median_is_known_when_its_interval_is_narrow(void **state)
{
    double steady[] = {100, 101, 99, 100, 100.5}, wild[] = {100, 150, 50, 100, 100};
    double middling[] = {100, 100, 100, 150, 50, 100, 100, 100, 100};
    struct combination combination = {.repeats = 5, .nr_values = 5, .values = steady};
    struct until until = {.share = 0.02, .most = 20};

    (void)state;
    assert_false(until_wants(&combination, &until));
    until.share = 0.019;
    assert_true(until_wants(&combination, &until));
    until.share = 0.02;
    combination.values = wild;
    assert_true(until_wants(&combination, &until));
    combination.repeats = 20;
    assert_false(until_wants(&combination, &until)); /* enough is enough */
    /* Of nine the interval is from the second to the eighth. */
    combination = (struct combination){.repeats = 9, .nr_values = 9, .values = middling};
    assert_false(until_wants(&combination, &until));
    combination.nr_values = 0;
    assert_false(until_wants(&combination, &until)); /* none will come of it */
}

static void until_ends_by_itself_and_is_resumed(void **state)
{
    size_t before;

    (void)state;
    cli_run("sweep " HACKBENCH " -a null,bufctl -t 1 --until 60%,7 --no-aa" QUICK "-o @/until");
    assert_status(0);
    before = records_in("until/runs.jsonl");
    assert_in_range(before, 2 * 5, 2 * 7);
    assert_each_once("until/runs.jsonl", before);
    shell("head -n 8 until/runs.jsonl >x && mv x until/runs.jsonl");
    cli_run("sweep --resume -o @/until");
    assert_status(0);
    assert_in_range(records_in("until/runs.jsonl"), 2 * 5, 2 * 7);
    cli_run("sweep " HACKBENCH " -a null -t 1 --until 0.0001%,6" QUICK "-o @/never-narrow");
    assert_status(0);
    assert_each_once("never-narrow/runs.jsonl", 6);
}

/* ---- kills ---- */

#define KILLS 20

static off_t size_of(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 ? status.st_size : 0;
}

/*
 * Begins the sweep, or goes on with it, and kills it after so long; with `running`, so long after
 * it has written its first result, or ended.
 */
static void sweep_and_kill(const char *folder, useconds_t delay, bool running)
{
    char path[128], results[160];
    siginfo_t ended = {0};
    off_t before;
    pid_t child;
    int status;

    snprintf(path, sizeof path, "%s/%s", cli_folder, folder);
    snprintf(results, sizeof results, "%s/runs.jsonl", path);
    before = size_of(results);
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        /* Killed before there is a file there is nothing to go on with. */
        const char *resume = access(results, F_OK) == 0 ? "--resume" : NULL;

        dup2(null, 1);
        dup2(null, 2);
        execl(cli_program, cli_program, "sweep", HACKBENCH, "-a", "null,bufctl,magazine", "-t",
              "1,2", "-n", "3", "--loops", "1", "--cold", "--events", "1000", "-o", path, resume,
              NULL);
        _exit(127);
    }
    while (running && size_of(results) <= before && !ended.si_pid) {
        usleep(1000);
        waitid(P_PID, (id_t)child, &ended, WEXITED | WNOHANG | WNOWAIT);
    }
    usleep(delay);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void killed_at_any_moment_a_sweep_loses_nothing_and_runs_nothing_twice(void **state)
{
    struct random_data random = {0};
    char buffer[64];

    (void)state;
    initstate_r(5, buffer, sizeof buffer, &random);
    for (unsigned i = 0; i < KILLS; i++) {
        int32_t number;

        random_r(&random, &number);
        sweep_and_kill("killed", (useconds_t)(number % (i % 2 ? 150000 : 500000)), i % 2);
    }
    cli_run("sweep " HACKBENCH " -a null,bufctl,magazine -t 1,2 -n 3" QUICK "-o @/killed --resume");
    assert_status(0);
    assert_each_once("killed/runs.jsonl", (2 + 1 + 1) * 2 * 3);
    assert_int_equal(records_in("killed/runs.jsonl"), (2 + 1 + 1) * 2 * 3);
    shell("! ls killed/series | grep -v 'jsonl$'"); /* nor is anything half left */
}

static void two_sweeps_do_not_write_to_one_folder(void **state)
{
    char path[128];
    int file;

    (void)state;
    cli_run("sweep " HACKBENCH " -a null -t 1 -n 1" QUICK "-o @/shared");
    assert_status(0);
    snprintf(path, sizeof path, "%s/shared/runs.jsonl", cli_folder);
    file = open(path, O_RDONLY);
    assert_int_equal(flock(file, LOCK_EX), 0);
    cli_run("sweep " HACKBENCH " -a null -t 1 -n 1" QUICK "-o @/shared --resume");
    assert_refused("another sweep");
    close(file);
}

/* ---- runs that were disturbed ---- */

struct disturbing {
    int file;
    unsigned left;
};

static void write_disturbed(void *context, const json_t *record)
{
    struct disturbing *disturbing = context;
    json_t *copy = json_deep_copy(record);
    struct error error;

    json_object_del(copy, "checksum");
    json_object_set_new(copy, "disturbed", json_boolean(disturbing->left > 0));
    disturbing->left -= disturbing->left > 0;
    assert_int_equal(runs_file_append(disturbing->file, copy, &error), 0);
    json_decref(copy);
}

/* Of the sweep's runs so many were disturbed, and the others not. */
static void disturb(const char *name, unsigned count)
{
    char from[128], to[128];
    struct disturbing disturbing = {.left = count};
    struct error error;

    snprintf(from, sizeof from, "%s/%s", cli_folder, name);
    snprintf(to, sizeof to, "%s/disturbed", cli_folder);
    mkdir(to, 0777);
    disturbing.file = runs_file_open(to, -1, &error);
    assert_true(disturbing.file >= 0);
    assert_int_equal(runs_file_read(from, write_disturbed, &disturbing, NULL, &error), 0);
    close(disturbing.file);
    snprintf(from, sizeof from, "mv disturbed/runs.jsonl %s/runs.jsonl; rmdir disturbed", name);
    shell(from);
}

static void disturbed_runs_are_repeated_when_asked_and_the_later_counts(void **state)
{
    (void)state;
    cli_run("sweep " HACKBENCH " -a null -t 1 -n 4" QUICK "-o @/beside");
    assert_status(0);
    cli_run("sweep --rerun-disturbed -o @/beside");
    assert_refused("goes with --resume");
    disturb("beside", 3);
    cli_run("sweep --resume -o @/beside");
    assert_status(0);
    assert_int_equal(records_in("beside/runs.jsonl"), 4); /* nobody asked */
    cli_run("sweep --resume --rerun-disturbed -o @/beside");
    assert_status(0);
    assert_int_equal(records_in("beside/runs.jsonl"), 4 + 3);
    disturb("beside", 3); /* the old ones: of each run there is a later record */
    cli_run("sweep --resume --rerun-disturbed -o @/beside");
    assert_status(0);
    assert_int_equal(records_in("beside/runs.jsonl"), 4 + 3);
    cli_run("compare @/beside --json -");
    assert_non_null(strstr(cli_last.output, "\"disturbed_runs\": 0"));
}

/* ---- damage ---- */

#define DAMAGED "sweep " HACKBENCH " -a null -t 1 -n 3" QUICK "-o @/damaged "

static void damage_is_named_by_its_line(void **state)
{
    (void)state;
    cli_run(DAMAGED);
    assert_status(0);
    shell("cp damaged/runs.jsonl good.jsonl");
    shell("sed -i '2s/\"threads\":1/\"threads\":2/' damaged/runs.jsonl");
    cli_run(DAMAGED "--resume");
    assert_refused("line 2: is not as it was written");
    shell("sed '3s/\"checksum\"/\"checksun\"/' good.jsonl >damaged/runs.jsonl");
    cli_run(DAMAGED "--resume");
    assert_refused("line 3: has no checksum");
    shell("sed '1s/\"checksum\"/\"checksun\"/' good.jsonl >damaged/runs.jsonl");
    cli_run(DAMAGED "--resume");
    assert_refused("line 1: has no checksum");
    shell("sed '1s/\"}$/\",\"more\":1}/' good.jsonl >damaged/runs.jsonl");
    cli_run(DAMAGED "--resume");
    assert_refused("line 1: its checksum is not the last");
    shell("tr '\\n' ' ' <good.jsonl >damaged/runs.jsonl && echo >>damaged/runs.jsonl");
    cli_run(DAMAGED "--resume");
    assert_refused("line 1");
    shell("cp good.jsonl damaged/runs.jsonl && cp damaged/sweep.json sweep.keep");
    shell("sed -i 's,sweep/2,sweep/1,' damaged/sweep.json");
    cli_run(DAMAGED "--resume");
    assert_refused("another version");
    shell("sed 's/\"commit\": \"/&0/' sweep.keep >damaged/sweep.json");
    cli_run(DAMAGED "--resume");
    assert_refused("begun by another version of this program, commit 0");
    shell("cp sweep.keep damaged/sweep.json");
    cli_run(DAMAGED "--resume");
    assert_status(0);
}

/* ---- what is said of the machine ---- */

static void the_machine_is_looked_at_and_said(void **state)
{
    char path[128];
    json_t *sweep, *environment;
    struct file file;

    (void)state;
    cli_run("sweep " HACKBENCH " -a null -t 1 -n 1" QUICK "-o @/looked");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, "environment: "));
    snprintf(path, sizeof path, "%s/looked/sweep.json", cli_folder);
    sweep = json_load_file(path, 0, NULL);
    environment = json_object_get(sweep, "environment");
    assert_true(json_is_array(json_object_get(environment, "advice")));
    assert_true(json_is_real(json_object_get(environment, "others_share")));
    file = file_read("looked/runs.jsonl");
    assert_true(
        json_equal(environment, json_object_get(json_array_get(file.records, 0), "environment")));
    assert_true(json_is_boolean(json_object_get(json_array_get(file.records, 0), "disturbed")));
    file_cleanup(&file);
    json_decref(sweep);
}

/* Nothing is asserted of time; what it is on this machine is for whoever reads the log. */
static void many_tiny_runs_cost_little_more_than_themselves(void **state)
{
    struct timespec begun, ended;
    struct file file;
    json_t *record;
    double wall, elapsed = 0;
    size_t i;

    (void)state;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    cli_run("sweep " HACKBENCH " -a null,magazine -t 1 -n 5 --no-aa" QUICK "-o @/tiny");
    clock_gettime(CLOCK_MONOTONIC, &ended);
    assert_status(0);
    file = file_read("tiny/runs.jsonl");
    json_array_foreach(file.records, i, record) elapsed +=
        json_number_value(json_object_get(record, "elapsed_ns"));
    wall = (double)(ended.tv_sec - begun.tv_sec) * 1e9 + (double)(ended.tv_nsec - begun.tv_nsec);
    print_message("%.1f ms a cell beside the %.2f ms it measures\n", (wall - elapsed) / 10e6,
                  elapsed / 10e6);
    assert_int_equal(json_array_size(file.records), 10);
    file_cleanup(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_takes_a_list_is_an_axis),
        cmocka_unit_test(a_replay_has_the_same_axes),
        cmocka_unit_test(a_string_is_taken_whole_and_nonsense_is_refused),
        cmocka_unit_test(one_design_is_run_twice_over_in_each_place),
        cmocka_unit_test(the_files_of_all_shards_are_the_whole),
        cmocka_unit_test(a_median_is_known_when_its_interval_is_narrow),
        cmocka_unit_test(until_ends_by_itself_and_is_resumed),
        cmocka_unit_test(killed_at_any_moment_a_sweep_loses_nothing_and_runs_nothing_twice),
        cmocka_unit_test(two_sweeps_do_not_write_to_one_folder),
        cmocka_unit_test(disturbed_runs_are_repeated_when_asked_and_the_later_counts),
        cmocka_unit_test(damage_is_named_by_its_line),
        cmocka_unit_test(the_machine_is_looked_at_and_said),
        cmocka_unit_test(many_tiny_runs_cost_little_more_than_themselves),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
