/* SPDX-License-Identifier: MIT */
/* What `info` says of a trace: in words, as JSON, in pictures. */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const pictures[] = {"sizes", "lifetimes", "live", "frees"};
#define PICTURES (sizeof pictures / sizeof *pictures)

static void assert_shown(const char *words)
{
    if (!strstr(cli_last.output, words))
        fail_msg("'%s' is not in: %s", words, cli_last.output);
}

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

/* ---- in words ---- */

static void sizes_lives_and_the_live_set_are_shown(void **state)
{
    (void)state;
    cli_run("info " HACKBENCH);
    assert_status(0);
    assert_shown("\n  up to    512 B      80375  40.8% ####");
    assert_shown("\n    freed by another");
    assert_shown("\n  between events");
    assert_shown("\n  objects \xe2\x96\x81"); /* the lowest block */
    assert_shown("\xe2\x96\x88");             /* the highest */
    assert_shown("\n          peak 53.4k, mean ");
    assert_shown("\nmended by the importer\n");
    assert_shown("\n(untyped) ");
}

static void caches_whose_frees_were_inferred_are_marked(void **state)
{
    (void)state;
    cli_run("info traces/samples/gcc.slt");
    assert_shown("\nmaple_node                 ~      256 ");
    assert_shown("\n~ maple_node: beside the 105 frees that were recorded 5109 were inferred");
    assert_null(strstr(cli_last.output, "~ dentry"));
}

static void the_share_of_what_was_lost_is_said(void **state)
{
    static const char text[] =
        "x 1 [000] 1.0: kmem:kmalloc: call_site=f+0x1 ptr=0x1000 bytes_req=8 bytes_alloc=8\n"
        "x 1 [000] 1.1: kmem:kfree: call_site=f+0x1 ptr=0x1000\n"
        "x 1 [000] 1.2: kmem:kfree: call_site=f+0x1 ptr=0x1000\n"
        "x 1 [000] 1.3: kmem:kfree: call_site=f+0x1 ptr=0x2000\n"
        "x 1 [000] 1.4: kmem:kfree: call_site=f+0x1 ptr=(nil)\n"
        "LOST 15 events!\n";
    static const char said[] =
        "warning: the recording is not whole: 75% of all events were lost, 15 of 20; record again "
        "with larger buffers (perf record -m 64M, slablab record kernel --buffer-size 64M)\n";

    (void)state;
    cli_write_file("lossy", text, strlen(text));
    cli_run("import @/lossy -o @/lossy.slt");
    assert_status(0);
    assert_non_null(strstr(cli_last.messages, said));
    cli_run("info @/lossy.slt");
    assert_shown(said);
    assert_shown("\n  1 stream, 4 events over ");
    assert_shown(
        "\n           1  frees of objects never seen: dropped (kind unknown, or --unmatched "
        "drop)\n");
    assert_shown(
        "\n           1  allocs untraced (the address was freed again): inserted half-way\n");
    cli_write_file("lossy", text, (size_t)(strstr(text, "LOST") - text));
    cli_run("import @/lossy -o @/lossy.slt");
    assert_non_null(strstr(cli_last.messages, "though the recorder counted none; record again"));
}

static void sizes_just_below_a_unit_are_written_out(void **state)
{
    (void)state;
    cli_run("gen pairs --size 1010 --cpus 1 --events 100 -o @/odd.slt");
    assert_status(0);
    cli_run("info @/odd.slt");
    assert_shown("about 1010 B in the middle, 1010 B on average, 1010 B at most\n");
}

static void few_streams_are_a_matrix(void **state)
{
    (void)state;
    cli_run("info " HACKBENCH);
    assert_shown("\nallocated by \\ freed by      cpu0      cpu1\n"
                 "  cpu0                     37523     19578\n"
                 "  cpu1                     41639     96115\n");
}

static void of_many_streams_the_busiest_pairs_are_shown(void **state)
{
    (void)state;
    cli_run("gen producer-consumer --cpus 64 --events 20000 -o @/many.slt");
    assert_status(0);
    cli_run("info @/many.slt");
    assert_status(0);
    assert_shown("\n  ... and 32 more (--json has all)\n\nfreed by another stream: ");
    assert_shown("% of all\n  ... and ");
    assert_null(strstr(cli_last.output, "allocated by"));
}

/* ---- as JSON ---- */

static void the_json_holds_all_of_it(void **state)
{
    const json_t *size, *live, *pairs;
    long long allocs = 0, frees = 0, peak = 0;
    size_t i;
    json_t *info, *entry;

    (void)state;
    cli_run("info --json " HACKBENCH);
    assert_status(0);
    info = cli_record();
    size = json_object_get(info, "size_bytes");
    assert_int_equal(number(size, "count"), number(info, "allocs"));
    json_array_foreach(json_object_get(size, "buckets"), i, entry) allocs +=
        json_integer_value(json_array_get(entry, 2));
    assert_int_equal(allocs, number(info, "allocs"));
    live = json_object_get(info, "live_over_time");
    json_array_foreach(json_object_get(live, "peak_objects"), i, entry) peak =
        json_integer_value(entry) > peak ? json_integer_value(entry) : peak;
    assert_int_equal(peak, number(info, "peak_live_objects"));
    pairs = json_object_get(info, "stream_pairs");
    assert_int_equal(json_array_size(pairs), 4);
    json_array_foreach(pairs, i, entry) frees +=
        number(entry, "alloc_stream") == number(entry, "free_stream") ? 0 : number(entry, "frees");
    assert_int_equal(frees, number(info, "cross_stream_frees"));
    assert_int_equal(json_array_size(json_object_get(info, "by_stream")), 2);
    for (const char *const *key = (const char *const[]){"lifetime_ns", "lifetime_events", "gap_ns",
                                                        "stream_gap_ns", NULL};
         *key; key++)
        assert_true(number(json_object_get(info, *key), "p50") > 0);
    assert_true(json_number_value(json_object_get(info, "mean_live_objects")) < (double)peak);
    json_decref(info);
}

/* ---- in pictures ---- */

static void every_picture_is_drawn_with_its_data_and_its_script(void **state)
{
    (void)state;
    cli_run("info " HACKBENCH " --plot @/pictures");
    assert_status(0);
    for (size_t i = 0; i < PICTURES; i++) {
        char path[256];

        snprintf(path, sizeof path, "/pictures/hackbench-%s.svg\n", pictures[i]);
        assert_shown(path);
    }
    cli_shell("cd @/pictures; for p in *.svg; do test -s ${p%.svg}.dat; "
              "grep -q \"title_text = '..*'\" ${p%.svg}.gp; grep -q '</svg>' $p; done; "
              "grep -q 'trace hackbench; 2 streams' hackbench-live.svg");
}

static void each_script_draws_the_same_bytes_alone(void **state)
{
    (void)state;
    cli_run("info " HACKBENCH " --plot @/pictures --format png");
    assert_status(0);
    cli_shell("rm -rf @/alone; cp -r @/pictures @/alone; cd @/alone; rm *.png *.svg; "
              "rm -f @/pictures/*.svg; for p in hackbench-*.gp; do gnuplot $p 2>@/said || "
              "{ cat @/said; exit 1; }; test ! -s @/said; done; diff -r @/alone @/pictures");
}

static void many_streams_share_the_cells_of_the_picture(void **state)
{
    (void)state;
    cli_run("gen mixed --cpus 300 --events 20000 -o @/wide.slt");
    cli_run("info @/wide.slt --plot @/wide");
    assert_status(0);
    cli_shell("grep -q '^cells = 64$' @/wide/wide-frees.gp; "
              "grep -q 'several neighboring streams' @/wide/wide-frees.svg");
}

static void what_cannot_be_drawn_is_named_with_the_reason(void **state)
{
    (void)state;
    cli_run("gen pairs --cpus 1 --events 100 -o @/one.slt");
    cli_run("info @/one.slt --plot @/one");
    assert_status(0);
    assert_shown("/one/one-live.svg\n");
    assert_non_null(strstr(cli_last.messages, "not drawn: one-frees: there is one stream only\n"));
    cli_run("info " HACKBENCH " --plot @/no/such/folder");
    assert_refused("no/such/folder: No such file");
    cli_run("info " HACKBENCH " --format png");
    assert_refused("--plot DIR");
    cli_run("info " HACKBENCH " --plot @/pictures --format gif");
    assert_refused("'gif': expected svg or png");
}

static void pictures_leave_the_json_alone(void **state)
{
    json_t *info;

    (void)state;
    cli_run("info --json " HACKBENCH " --plot @/beside");
    assert_status(0);
    info = cli_record(); /* nothing else is on standard output */
    assert_int_equal(number(info, "streams"), 2);
    json_decref(info);
    assert_non_null(strstr(cli_last.messages, "/beside/hackbench-sizes.svg"));
}

static void the_help_names_every_picture(void **state)
{
    (void)state;
    cli_run("info --help");
    for (size_t i = 0; i < PICTURES; i++) {
        char line[64];

        snprintf(line, sizeof line, "\n  %s ", pictures[i]);
        assert_shown(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_lives_and_the_live_set_are_shown),
        cmocka_unit_test(caches_whose_frees_were_inferred_are_marked),
        cmocka_unit_test(the_share_of_what_was_lost_is_said),
        cmocka_unit_test(sizes_just_below_a_unit_are_written_out),
        cmocka_unit_test(few_streams_are_a_matrix),
        cmocka_unit_test(of_many_streams_the_busiest_pairs_are_shown),
        cmocka_unit_test(the_json_holds_all_of_it),
        cmocka_unit_test(every_picture_is_drawn_with_its_data_and_its_script),
        cmocka_unit_test(each_script_draws_the_same_bytes_alone),
        cmocka_unit_test(many_streams_share_the_cells_of_the_picture),
        cmocka_unit_test(what_cannot_be_drawn_is_named_with_the_reason),
        cmocka_unit_test(pictures_leave_the_json_alone),
        cmocka_unit_test(the_help_names_every_picture),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
