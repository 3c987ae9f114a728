/* SPDX-License-Identifier: MIT */
/* Pictures of a sweep: that each can be drawn again alone, and what is drawn where figures lack. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_said(const char *words)
{
    if (!strstr(cli_last.messages, words))
        fail_msg("'%s' is not in: %s", words, cli_last.messages);
}

static int set_up(void **state)
{
    if (cli_set_up(state) != 0)
        return -1;
    cli_run("sweep " HACKBENCH " -a null,magazine,bufctl --magazine-size 2,8 -t 1,2 --loops 2 "
            "--events 20000 -n 2 --latency 1/4 -o @/sweep");
    return cli_last.status;
}

/* ---- all pictures of a sweep ---- */

static void every_picture_has_its_data_and_its_script(void **state)
{
    static const char *const kinds[] = {
        "throughput-over-magazine-2-threads",
        "memory-over-magazine-2-threads",
        "throughput-over-threads",
        "throughput-heat-map",
        "throughput-against-memory-2-threads",
        "layers-2-threads",
        "remote-frees",
        "latency-1-threads",
        "latency-by-layer-2-threads",
        "ledger-magazine-2-threads",
        "ledger-bufctl-2-threads",
        "fragmentation-2-threads",
    };

    (void)state;
    cli_run("plot @/sweep");
    assert_status(0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char path[256];

        snprintf(path, sizeof path, "/sweep/plots/hackbench-%s.svg\n", kinds[i]);
        if (!strstr(cli_last.output, path))
            fail_msg("%s was not drawn: %s", kinds[i], cli_last.messages);
    }
    cli_shell("cd @/sweep/plots; for p in *.svg; do test -s $p; test -s ${p%.svg}.dat; "
              "test -s ${p%.svg}.gp || test -s ${p%.svg}.py; "
              "grep -q \"title_text = '..*'\" ${p%.svg}.[gp][py]; done");
}

static void each_script_draws_the_same_bytes_alone(void **state)
{
    (void)state;
    cli_run("plot @/sweep");
    assert_status(0);
    cli_shell(
        "rm -rf @/alone; cp -r @/sweep/plots @/alone; cd @/alone; for p in hackbench-*.gp; do "
        "rm ${p%.gp}.svg; gnuplot $p 2>@/said || { cat @/said; exit 1; }; done; "
        "diff -r @/alone @/sweep/plots");
}

/* Twice the replicas are twice the live objects: on no front with the others. */
static void numbers_of_replicas_have_pictures_of_their_own(void **state)
{
    (void)state;
    cli_run("sweep " HACKBENCH " -a magazine --magazine-size 2,8 -t 1,2 --replicas 1,2 --events "
            "2000 --loops 1 --cold -n 1 --no-aa --record none --latency off -o @/replicas");
    assert_status(0);
    cli_run("plot @/replicas");
    assert_status(0);
    cli_shell("cd @/replicas/plots; for x in 1 2; do "
              "grep -q \"x$x\" hackbench-x$x-throughput-against-memory-2-threads.dat; "
              "! grep -q \"x$((3 - x))\" hackbench-x$x-throughput-against-memory-2-threads.dat; "
              "done; test ! -e hackbench-throughput-over-threads.dat");
    cli_run("sweep " HACKBENCH " -a magazine -t 1,2 --replicas auto --events 2000 --loops 1 --cold "
            "-n 1 --no-aa --record none --latency off -o @/automatic");
    assert_status(0);
    cli_run("plot @/automatic"); /* as many replicas as threads want is no difference */
    assert_status(0);
    cli_shell("test -e @/automatic/plots/hackbench-throughput-over-threads.dat");
}

/* Of undisturbed runs captions say nothing of it. */
static void captions_say_how_many_runs_were_disturbed(void **state)
{
    (void)state;
    cli_shell(
        "rm -rf @/calm @/beside; mkdir @/calm @/beside; "
        "sed 's/,\"checksum\":\"[0-9a-f]*\"//; s/\"disturbed\":[a-z]*/\"disturbed\":false/' "
        "@/sweep/runs.jsonl >@/calm/runs.jsonl; "
        "sed 's/\"disturbed\":false/\"disturbed\":true/' @/calm/runs.jsonl >@/beside/runs.jsonl");
    cli_run("plot @/calm");
    assert_status(0);
    cli_run("plot @/beside");
    assert_status(0);
    cli_shell("cd @; grep -q 'caption_text = .*; 2 runs a point.$' "
              "calm/plots/hackbench-throughput-over-threads.gp; "
              "grep -q 'caption_text = .*; 2 runs a point; 16 of all 16 disturbed.$' "
              "beside/plots/hackbench-throughput-over-threads.gp");
}

static void the_same_data_give_the_same_bytes_as_png_too(void **state)
{
    (void)state;
    cli_run("plot @/sweep --format png");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "hackbench-throughput-over-threads.png"));
    cli_shell("rm -rf @/first; cp -r @/sweep/plots @/first");
    cli_run("plot @/sweep --format png");
    assert_status(0);
    cli_shell("diff -r @/first @/sweep/plots; head -c 4 @/first/hackbench-remote-frees.png | "
              "grep -q PNG");
}

static void every_figure_can_be_drawn_over_magazine_size(void **state)
{
    (void)state;
    cli_run("plot @/sweep --figure "
            "throughput,ns_per_event,peak_bytes,resting_bytes,waiting,beyond,overhead,remote,"
            "latency_ns.alloc.p50,latency_ns.free.p90");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "hackbench-beyond-over-magazine-1-threads.svg"));
    assert_non_null(strstr(cli_last.output, "hackbench-waiting-over-magazine-1-threads.svg"));
    assert_non_null(strstr(cli_last.output, "hackbench-latency_ns.alloc.p50-over-magazine-2-"));
    cli_shell("grep -q \"the CPU's own layer\" "
              "@/sweep/plots/hackbench-beyond-over-magazine-1-threads.svg");
    cli_run("plot @/sweep --figure throughput,speed");
    assert_refused("no figure 'speed'");
}

static void the_overview_is_drawn_where_matplotlib_is(void **state)
{
    (void)state;
    if (system("python3 -c 'import matplotlib' 2>/dev/null") != 0) {
        print_message("python3-matplotlib is not installed: the overview is not drawn\n");
        skip();
    }
    cli_run("plot @/sweep");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "/sweep/plots/hackbench-overview.svg\n"));
    cli_shell("cd @/sweep/plots; cp hackbench-overview.svg @/overview.svg; "
              "python3 hackbench-overview.py; cmp hackbench-overview.svg @/overview.svg; "
              "for word in magazine '2 threads' 'million events/s'; do "
              "grep -q \">$word<\" hackbench-overview.svg; done");
    cli_run("plot @/sweep --format png");
    assert_non_null(strstr(cli_last.output, "/sweep/plots/hackbench-overview.png\n"));
    cli_shell("head -c 4 @/sweep/plots/hackbench-overview.png | grep -q PNG");
}

static void the_help_names_every_picture(void **state)
{
    (void)state;
    cli_run("plot @/sweep");
    cli_shell("program=${SLABLAB:-build/debug/slablab}; $program plot --help >@/help; "
              "for p in @/sweep/plots/*.svg; do k=${p##*/hackbench-}; k=${k%.svg}; "
              "k=${k%-[0-9]*-threads}; case $k in ledger-*) k=ledger-DESIGN;; esac; "
              "grep -q \" $k \" @/help || { echo $k; exit 1; }; done");
}

/* ---- what lacks ---- */

static void a_picture_without_data_is_named_with_the_reason(void **state)
{
    (void)state;
    cli_run("sweep " HACKBENCH " -a magazine --magazine-size 2,8 -t 1 --loops 1 --events 2000 -n 1 "
            "--record none -o @/bare");
    assert_status(0);
    cli_run("plot @/bare");
    assert_status(0);
    assert_non_null(strstr(cli_last.output, "hackbench-throughput-over-magazine-1-threads.svg"));
    assert_said("not drawn: hackbench-throughput-over-threads: only one number of threads\n");
    assert_said("not drawn: hackbench-locks-1-threads: contention was not recorded\n");
    assert_said("not drawn: hackbench-layers-1-threads: layers were not recorded\n");
    assert_said("not drawn: hackbench-latency-1-threads: no histograms of any design's latency\n");
    assert_said("not drawn: hackbench-fragmentation-1-threads: no samples of memory over time\n");
    assert_null(strstr(cli_last.messages, "side file"));
}

static void side_files_that_are_gone_or_broken_are_said(void **state)
{
    (void)state;
    cli_shell("rm -rf @/gone; cp -r @/sweep @/gone; rm -r @/gone/series @/gone/plots");
    cli_run("plot @/gone");
    assert_status(0);
    assert_said("without their side file, the first: ");
    assert_said("No such file");
    assert_said("not drawn: hackbench-ledger-magazine-2-threads: no samples of memory over time\n");
    assert_non_null(strstr(cli_last.output, "hackbench-layers-2-threads.svg"));
    cli_shell("mkdir @/gone/series; cd @/sweep/series; for f in *; do head -c 300 $f "
              ">@/gone/series/$f; done");
    cli_run("plot @/gone");
    assert_status(0);
    assert_said("no whole line in it for the run");
}

/* A folder in its place is opened, and cannot be read. */
static void side_files_that_cannot_be_read_are_a_failure(void **state)
{
    (void)state;
    cli_shell("rm -rf @/unread; cp -r @/sweep @/unread; cd @/unread/series; for f in *; do rm $f; "
              "mkdir $f; done");
    cli_run("plot @/unread");
    assert_int_not_equal(cli_last.status, 0);
    assert_said("pictures are missing: ");
    assert_said("Is a directory");
    assert_non_null(strstr(cli_last.output, "hackbench-layers-2-threads.svg"));
}

static void without_matplotlib_the_rest_is_drawn(void **state)
{
    (void)state;
    /* A module that cannot be imported stands before one that may be installed. */
    cli_shell("mkdir -p @/without; echo 'raise ImportError' >@/without/matplotlib.py");
    setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
    {
        char path[128];

        snprintf(path, sizeof path, "%s/without", cli_folder);
        setenv("PYTHONPATH", path, 1);
    }
    cli_run("plot @/sweep");
    unsetenv("PYTHONPATH");
    assert_status(0);
    if (!strstr(cli_last.messages, "python3 is not installed"))
        assert_said("not drawn: hackbench-overview: matplotlib is not installed");
    assert_non_null(strstr(cli_last.output, "hackbench-fragmentation-2-threads.svg"));
}

/* ---- known answers ---- */

/* A record with what a point needs. */
static int record_make(char *text, size_t size, const char *allocator, unsigned magazine,
                       double throughput, double peak)
{
    return snprintf(text, size,
                    "{\"schema\":\"slablab.run/1\",\"valid\":true,\"allocator\":\"%s\","
                    "\"magazine_size\":%u,\"threads\":1,\"trace\":{\"path\":\"t.slt\"},"
                    "\"events_per_second\":%g,\"peak_page_bytes\":%g}\n",
                    allocator, magazine, throughput, peak);
}

static void the_front_has_what_no_other_point_beats_in_both(void **state)
{
    static const struct {
        const char *allocator;
        unsigned magazine;
        double million, mebibytes;
    } points[] = {{"a", 4, 10, 8}, {"a", 8, 20, 9}, {"b", 4, 15, 10}, {"b", 8, 30, 12}};
    char text[2048] = "";

    (void)state;
    for (size_t i = 0; i < sizeof points / sizeof *points; i++)
        record_make(text + strlen(text), sizeof text - strlen(text), points[i].allocator,
                    points[i].magazine, points[i].million * 1e6, points[i].mebibytes * (1 << 20));
    cli_shell("mkdir -p @/known");
    cli_write_file("known/runs.jsonl", text, strlen(text));
    cli_run("plot @/known");
    assert_status(0);
    cli_shell("head -n 4 @/known/plots/t-throughput-against-memory-1-threads.dat | tail -n 3 | "
              "tr '\\n' ',' | grep -qx '8 10,9 20,12 30,'");
    cli_shell(
        "grep -q 'a (4), a (8), b (8)' @/known/plots/t-throughput-against-memory-1-threads.gp");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_picture_has_its_data_and_its_script),
        cmocka_unit_test(each_script_draws_the_same_bytes_alone),
        cmocka_unit_test(numbers_of_replicas_have_pictures_of_their_own),
        cmocka_unit_test(captions_say_how_many_runs_were_disturbed),
        cmocka_unit_test(the_same_data_give_the_same_bytes_as_png_too),
        cmocka_unit_test(the_overview_is_drawn_where_matplotlib_is),
        cmocka_unit_test(the_help_names_every_picture),
        cmocka_unit_test(every_figure_can_be_drawn_over_magazine_size),
        cmocka_unit_test(a_picture_without_data_is_named_with_the_reason),
        cmocka_unit_test(side_files_that_are_gone_or_broken_are_said),
        cmocka_unit_test(side_files_that_cannot_be_read_are_a_failure),
        cmocka_unit_test(without_matplotlib_the_rest_is_drawn),
        cmocka_unit_test(the_front_has_what_no_other_point_beats_in_both),
    };

    return cmocka_run_group_tests(tests, set_up, cli_tear_down);
}
