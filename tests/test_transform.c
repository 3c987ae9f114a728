/* SPDX-License-Identifier: MIT */
/* Traces as text and back; parts, sums and nameless copies of traces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tests/trace_fixture.h"
#include "traces/dump.h"
#include "traces/import/import.h"
#include "traces/summary.h"
#include "traces/transform.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/slablab-test-XXXXXX";
static char text[64], output[64], second[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(text, sizeof text, "%s/text", folder);
    snprintf(output, sizeof output, "%s/output.slt", folder);
    snprintf(second, sizeof second, "%s/second.slt", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(text);
    unlink(output);
    unlink(second);
    return rmdir(folder);
}

static void write_text(const char *bytes, size_t length)
{
    FILE *stream = fopen(text, "w");

    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, length, stream), length);
    fclose(stream);
}

static int import(struct error *error)
{
    return import_trace(text, output, &(struct import_options){0}, NULL, error);
}

static void dump(const char *path)
{
    FILE *stream = fopen(text, "w");
    struct error error = {""};

    if (trace_dump(path, stream, &error))
        fail_msg("%s", error.text);
    fclose(stream);
}

/* The trace `path` and what becomes of its text are one. */
static void assert_round_trip(const char *path)
{
    struct trace_totals before, after;
    struct error error = {""};

    dump(path);
    if (import(&error) || trace_read_totals(path, &before, &error) ||
        trace_read_totals(output, &after, &error))
        fail_msg("%s", error.text);
    assert_string_equal(before.digest, after.digest);
}

static struct trace_summary summary_of(const char *path)
{
    struct trace_summary summary;
    struct error error = {""};

    if (trace_summary_read(path, &summary, &error))
        fail_msg("%s", error.text);
    return summary;
}

/* The text of a trace, the caller's to free. */
static char *text_of(const char *path)
{
    char *all = NULL;
    size_t size = 0;
    FILE *stream;

    dump(path);
    stream = fopen(text, "r");
    assert_true(getdelim(&all, &size, '\0', stream) > 0);
    fclose(stream);
    return all;
}

static void assert_has(const char *all, const char *part)
{
    if (!strstr(all, part))
        fail_msg("'%s' is not in:\n%s", part, all);
}

/* ---- text ---- */

static const char everything[] = "# slablab text 1\n"
                                 "stream 18446744073709551615 tid\\x0a\\x5c 7 \n"
                                 "stream 1 cpu1\n"
                                 "cache 184 64 7 fuse request\n"
                                 "cache 18446744073709551615 0 0 large\n"
                                 "type 0 184 192 8 3 7\n"
                                 "type - 9223372036854775808 0 0 - 0\n"
                                 "site a+0x1\n"
                                 "preload 0 1 0 1\n"
                                 "create 5 0 0\n"
                                 "alloc 7 0 1 0 site=1 bulk=2\n"
                                 "alloc 7 0 2 0\n"
                                 "block\n"
                                 "type 1 1 0 0 - 0\n"
                                 "infer 8 1 3 2\n"
                                 "free 9 1 1 site=1 bulk=2\n"
                                 "free 9 1 2\n"
                                 "imply 4611686018427387903 0 0\n"
                                 "destroy 4611686018427387903 0 0\n"
                                 "provenance {\"x\":\"\\x5c\"y\"}\n"
                                 "repairs 1 2 3 4 5 6 7\n"
                                 "repairs-of 0 1 1 1 1 1 1 1\n"
                                 "repairs-of - 0 0 0 0 0 0 9\n";

static void all_that_a_trace_holds_is_in_its_text(void **state)
{
    struct error error = {""};
    char *again;
    (void)state;

    write_text(everything, strlen(everything));
    if (import(&error))
        fail_msg("%s", error.text);
    again = text_of(output);
    assert_string_equal(again, everything);
    free(again);
}

static void samples_go_to_text_and_back(void **state)
{
    (void)state;
    assert_round_trip("traces/samples/find.slt");
    assert_round_trip("traces/samples/gcc.slt");
    assert_round_trip("traces/samples/hackbench.slt");
}

static void bulk_operations_at_the_end_of_a_block_go_to_text_and_back(void **state)
{
    struct trace_fixture fixture;
    (void)state;

    trace_fixture_begin(&fixture, 2);
    for (uint32_t i = 0; i < 140000; i++) {
        if (i % 7 == 0)
            trace_fixture_bulk(&fixture, 7);
        if (i % 700 == 0)
            trace_fixture_wait(&fixture, 3);
        trace_fixture_alloc_from(&fixture, i / 7 % 2, i, 0, 1 + i / 7000);
    }
    trace_fixture_end(&fixture);
    assert_round_trip(fixture.path);
    trace_fixture_remove(&fixture);
}

static void a_text_that_breaks_off_is_imported_or_refused(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < strlen(everything); cut++) {
        struct error error = {""};
        int code;

        write_text(everything, cut);
        code = import(&error);
        if (code && (code != -EINVAL || !*error.text))
            fail_msg("after %zu bytes: %d, '%s'", cut, code, error.text);
    }
}

static void refuse(const char *lines, const char *expected)
{
    char all[512];
    struct error error = {""};

    snprintf(all, sizeof all, "# slablab text 1\n%s\n", lines);
    write_text(all, strlen(all));
    assert_int_equal(import(&error), -EINVAL);
    assert_has(error.text, expected);
}

static void a_line_that_cannot_be_is_refused_by_its_number(void **state)
{
    (void)state;
    refuse("provenance", ":2: ''; expected a provenance of 1 byte to 1 MiB");
    refuse("stream 0 a\nstream 0 a", ":3: defined a second time");
    refuse("stream x a", ":2: 'x'; expected a number");
    refuse("stream 18446744073709551616 a", ":2: '18446744073709551616'");
    refuse("stream 0 \\y00", ":2: '\\y00'; expected \\x");
    refuse("stream 0 \\x00", "zero byte");
    refuse("stream 0", ":2: a definition that the format does not allow");
    refuse("type 0 1 0 0 - 0", ":2: a definition");
    refuse("wonder 1 2 3", ":2: 'wonder 1 2 3'; expected one of the lines");
    refuse("free 0 0 0", ":2: ");
    refuse("stream 0 a\ntype - 8 0 0 - 0\nalloc 0 0 0 0 bulk=2\nblock", ":5: ");
    refuse("stream 0 a\ntype - 8 0 0 - 0\nalloc 0 0 0 0 color=2", ":4: 'color=2'");
    refuse("repairs-of 0 1 1 1 1 1 1 1", ":2: ");
}

/* ---- cut ---- */

static void a_cut_begins_with_what_is_live(void **state)
{
    struct cut_range range = {CUT_EVENTS, 2, 5};
    struct trace_fixture fixture;
    struct cut_report report;
    struct error error = {""};
    char *all;
    (void)state;

    trace_fixture_begin(&fixture, 1);
    trace_fixture_alloc(&fixture, 0, 0);
    trace_fixture_wait(&fixture, 100);
    trace_fixture_alloc(&fixture, 0, 1);
    trace_fixture_wait(&fixture, 100);
    trace_fixture_free(&fixture, 0, 0);
    trace_fixture_wait(&fixture, 50);
    trace_fixture_bulk(&fixture, 3);
    for (uint32_t i = 0; i < 3; i++)
        trace_fixture_alloc(&fixture, 0, i ? i + 1 : 0);
    trace_fixture_end(&fixture);
    assert_int_equal(trace_cut(fixture.path, output, &range, &report, &error), 0);
    assert_int_equal(report.preloaded, 2);
    assert_int_equal(report.events, 3);
    all = text_of(output);
    assert_has(all, "preload 0 0 0 0\npreload 0 0 1 0\nfree 0 0 0\n"
                    "alloc 50 0 0 0 bulk=2\nalloc 50 0 2 0\nprovenance");
    assert_has(all, "\nrepairs 0 0 0 0 0 0 0\n"); /* what was preloaded by the cut is no repair */
    free(all);
    range = (struct cut_range){CUT_TIME_NS, 150, UINT64_MAX};
    assert_int_equal(trace_cut(fixture.path, output, &range, &report, &error), 0);
    all = text_of(output);
    assert_has(all, "preload 0 0 1 0\nfree 50 0 0\nalloc 100 0 0 0 bulk=3\n");
    free(all);
    range = (struct cut_range){CUT_EVENTS, 6, UINT64_MAX};
    assert_int_equal(trace_cut(fixture.path, output, &range, &report, &error), -EINVAL);
    assert_has(error.text, "none of its 6 events");
    trace_fixture_remove(&fixture);
}

static void a_cut_counts_events_from_behind_what_is_preloaded(void **state)
{
    static const char with_preloads[] =
        "# slablab text 1\nstream 0 cpu0\ntype - 8 0 0 - 0\npreload 0 0 0 0\npreload 0 0 1 0\n"
        "alloc 5 0 2 0\nfree 6 0 0\nfree 7 0 1\nalloc 8 0 0 0\n";
    static const struct {
        struct cut_range range;
        uint64_t preloaded, events;
        const char *lines;
    } cuts[] = {
        {{CUT_EVENTS, 0, 2},
         2,
         2,
         "preload 0 0 0 0\npreload 0 0 1 0\nalloc 0 0 2 0\nfree 1 0 0\nprovenance"},
        {{CUT_EVENTS, 2, 3}, 2, 1, "preload 0 0 0 0\npreload 0 0 1 0\nfree 0 0 0\nprovenance"},
        {{CUT_TIME_NS, 0, 6}, 2, 1, "preload 0 0 0 0\npreload 0 0 1 0\nalloc 5 0 2 0\nprovenance"},
    };
    struct cut_range range = {CUT_EVENTS, 4, UINT64_MAX};
    struct cut_report report;
    struct error error = {""};
    (void)state;

    write_text(with_preloads, strlen(with_preloads));
    assert_int_equal(import(&error), 0);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char *all;

        assert_int_equal(trace_cut(output, second, &cuts[i].range, &report, &error), 0);
        assert_int_equal(report.preloaded, cuts[i].preloaded);
        assert_int_equal(report.events, cuts[i].events);
        all = text_of(second);
        assert_has(all, cuts[i].lines);
        free(all);
    }
    assert_int_equal(trace_cut(output, second, &range, &report, &error), -EINVAL);
    assert_has(error.text, "none of its 4 events");
    assert_has(error.text, "the 2 objects that it preloads are not counted");
    unlink(second);
}

static void the_parts_of_a_recording_are_all_of_it(void **state)
{
    const char *whole = "traces/samples/hackbench.slt";
    struct trace_summary all = summary_of(whole), part;
    uint64_t allocs = 0, frees = 0, implied = 0, at_end = all.preloads;
    (void)state;

    assert_int_equal(at_end, all.repairs.preloaded);
    for (uint64_t first = 0; first < all.events - all.preloads; first += 100000) {
        struct cut_range range = {CUT_EVENTS, first, first + 100000};
        struct cut_report report;
        struct error error = {""};

        assert_int_equal(trace_cut(whole, output, &range, &report, &error), 0);
        part = summary_of(output);
        assert_int_equal(report.preloaded, at_end); /* what the last left alive */
        allocs += part.allocs;
        frees += part.frees;
        implied += part.repairs.implied_frees;
        at_end = part.live_at_end;
        trace_summary_cleanup(&part);
    }
    assert_int_equal(allocs, all.allocs);
    assert_int_equal(implied, all.repairs.implied_frees);
    assert_int_equal(at_end, all.live_at_end);
    /* Frees that the importer dropped were at no place. */
    assert_int_equal(frees, all.frees - (all.repairs.never_seen_frees - all.repairs.preloaded));
    trace_summary_cleanup(&all);
}

/* ---- merge ---- */

static void a_merged_trace_has_all_streams_and_shared_caches_once(void **state)
{
    static const char *const parts[] = {"traces/samples/find.slt", "traces/samples/gcc.slt",
                                        "traces/samples/find.slt"};
    struct trace_summary find = summary_of(parts[0]), gcc = summary_of(parts[1]), merged;
    struct error error = {""};
    (void)state;

    if (trace_merge(parts, 3, output, &error))
        fail_msg("%s", error.text);
    merged = summary_of(output);
    assert_int_equal(merged.streams, 6);
    assert_string_equal(merged.by_stream[0].name, "1:cpu0");
    assert_int_equal(merged.events, 2 * find.events + gcc.events);
    assert_int_equal(merged.allocs, 2 * find.allocs + gcc.allocs);
    assert_int_equal(merged.frees, 2 * find.frees + gcc.frees);
    assert_int_equal(merged.live_at_end, 2 * find.live_at_end + gcc.live_at_end);
    assert_int_equal(merged.repairs.null_frees,
                     2 * find.repairs.null_frees + gcc.repairs.null_frees);
    for (size_t i = 0; i < merged.nr_caches; i++) {
        for (size_t j = 0; j < i; j++)
            assert_true(strcmp(merged.caches[i].name, merged.caches[j].name) != 0 ||
                        merged.caches[i].object_size != merged.caches[j].object_size);
    }
    trace_summary_cleanup(&find);
    trace_summary_cleanup(&gcc);
    trace_summary_cleanup(&merged);
}

/* One cache, created and destroyed (or not), with an object in between, from this time on. */
static void write_cache_life(const char *path, unsigned start, bool whole)
{
    char all[512];
    struct error error = {""};

    snprintf(all, sizeof all,
             "# slablab text 1\nstream 0 cpu0\ncache 64 0 0 objects\ntype 0 64 0 0 - 0\n"
             "%s %u 0 0\nalloc %u 0 0 0 bulk=2\nalloc %u 0 1 0\nfree %u 0 0\nfree %u 0 1\n%s %u 0 "
             "0\n",
             whole ? "create" : "#", start, start + 1, start + 1, start + 9, start + 9,
             whole ? "destroy" : "#", start + 10);
    write_text(all, strlen(all));
    if (import_trace(text, path, &(struct import_options){0}, NULL, &error))
        fail_msg("%s", error.text);
}

static void a_shared_cache_is_created_first_and_destroyed_last(void **state)
{
    char one[80], other[80], *all;
    const char *const parts[] = {one, other};
    struct error error = {""};
    (void)state;

    snprintf(one, sizeof one, "%s/one.slt", folder);
    snprintf(other, sizeof other, "%s/other.slt", folder);
    write_cache_life(one, 4, true);
    write_cache_life(other, 0, true);
    assert_int_equal(trace_merge(parts, 2, output, &error), 0);
    all = text_of(output);
    assert_has(all, "create 0 1 0\nalloc 1 1 0 0 bulk=2\nalloc 1 1 1 0\nalloc 5 0 2 0 bulk=2\n");
    assert_has(all, "free 13 0 2\nfree 13 0 3\ndestroy 14 0 0\n");
    assert_null(strstr(all, "create 4"));
    assert_null(strstr(all, "destroy 10"));
    free(all);
    write_cache_life(other, 0, false); /* which may have it from before, and after */
    assert_int_equal(trace_merge(parts, 2, output, &error), 0);
    all = text_of(output);
    assert_null(strstr(all, "create"));
    assert_null(strstr(all, "destroy"));
    free(all);
    assert_int_equal(trace_merge((const char *const[]){one, "-"}, 2, second, &error), -EINVAL);
    assert_int_equal(access(second, F_OK), -1);
    unlink(one);
    unlink(other);
}

/* ---- anonymise ---- */

static void no_name_is_left_but_those_to_keep(void **state)
{
    struct error error = {""};
    char *all;
    (void)state;

    write_text(everything, strlen(everything));
    assert_int_equal(import(&error), 0);
    assert_int_equal(trace_anonymise(output, second, false, &error), 0);
    all = text_of(second);
    assert_has(all, "stream 0 stream-0\nstream 1 stream-1\ncache 184 64 7 cache-0\n");
    assert_has(all, "site site-1\n");
    assert_has(all, "repairs 1 2 3 4 5 6 7\nrepairs-of 0 1 1 1 1 1 1 1\n");
    assert_null(strstr(all, "fuse"));
    assert_null(strstr(all, "a+0x1"));
    assert_null(strstr(all, "tid"));
    assert_null(strstr(all, "\"x\"")); /* of the provenance */
    free(all);
    assert_int_equal(trace_anonymise(output, second, true, &error), 0);
    all = text_of(second);
    assert_has(all, "cache 184 64 7 fuse request\n");
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_a_trace_holds_is_in_its_text),
        cmocka_unit_test(samples_go_to_text_and_back),
        cmocka_unit_test(bulk_operations_at_the_end_of_a_block_go_to_text_and_back),
        cmocka_unit_test(a_text_that_breaks_off_is_imported_or_refused),
        cmocka_unit_test(a_line_that_cannot_be_is_refused_by_its_number),
        cmocka_unit_test(a_cut_begins_with_what_is_live),
        cmocka_unit_test(a_cut_counts_events_from_behind_what_is_preloaded),
        cmocka_unit_test(the_parts_of_a_recording_are_all_of_it),
        cmocka_unit_test(a_merged_trace_has_all_streams_and_shared_caches_once),
        cmocka_unit_test(a_shared_cache_is_created_first_and_destroyed_last),
        cmocka_unit_test(no_name_is_left_but_those_to_keep),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
