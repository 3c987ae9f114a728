/* SPDX-License-Identifier: MIT */
/* The importers one by one: what they make of a recording, how they are found, what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tests/import_fixture.h"
#include "traces/import/import.h"
#include "traces/summary.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What became of a recording: its totals, and its first events with their types. */
struct imported {
    struct trace_summary summary;
    const char *format;
    struct trace_event events[32];
    struct trace_type types[32];
    size_t nr_events;
};

static struct imported imported;

static int forget(void **state)
{
    (void)state;
    trace_summary_cleanup(&imported.summary);
    memset(&imported, 0, sizeof imported);
    return 0;
}

static const struct imported *import_file(const char *path)
{
    struct import_report report;
    struct trace_reader *reader = NULL;
    struct error error = {""};
    ssize_t got;

    forget(NULL);
    if (import_trace(path, import_output, &(struct import_options){0}, &report, &error) ||
        trace_summary_read(import_output, &imported.summary, &error) ||
        trace_open(import_output, &reader, &error))
        fail_msg("%s", error.text);
    imported.format = report.format;
    got = trace_read(reader, imported.events, 32, &error);
    assert_true(got >= 0);
    imported.nr_events = (size_t)got;
    for (ssize_t i = 0; i < got; i++) {
        size_t count;

        imported.types[i] = trace_types(reader, &count)[imported.events[i].type];
    }
    trace_close(reader);
    return &imported;
}

static const struct imported *import_text(const char *text)
{
    import_input_write(text, strlen(text));
    return import_file(import_input);
}

static void refuse(const char *text, const char *expected)
{
    struct error error = {""};

    import_input_write(text, strlen(text));
    assert_int_equal(
        import_trace(import_input, import_output, &(struct import_options){0}, NULL, &error),
        -EINVAL);
    if (!strstr(error.text, import_input) || !strstr(error.text, expected))
        fail_msg("'%s' does not say '%s'", error.text, expected);
}

/* Every beginning of a file is an import or an error of a line: those of these many bytes. */
static void break_off(const char *path, size_t from, size_t to)
{
    FILE *stream = fopen(path, "r");
    static char text[4096];
    size_t length;

    assert_non_null(stream);
    length = fread(text, 1, to, stream);
    fclose(stream);
    for (size_t cut = from; cut < length; cut++) {
        struct error error = {""};
        int code;

        import_input_write(text, cut);
        code = import_trace(import_input, import_output, &(struct import_options){0}, NULL, &error);
        if (code && (code != -EINVAL || !strstr(error.text, import_input)))
            fail_msg("after %zu bytes: %d, '%s'", cut, code, error.text);
    }
}

static void assert_counts(const char *format, uint64_t allocs, uint64_t frees, uint64_t streams)
{
    assert_string_equal(imported.format, format);
    assert_int_equal(imported.summary.allocs, allocs);
    assert_int_equal(imported.summary.frees, frees);
    assert_int_equal(imported.summary.streams, streams);
}

/* ---- ftrace ---- */

static void tracefs_and_trace_cmd_say_the_same(void **state)
{
    struct trace_repairs kernel;
    uint64_t requested;
    (void)state;

    import_file("tests/data/ftrace-6.18.txt"); /* counts: by grep */
    assert_counts("ftrace", 134, 26, 2);
    kernel = imported.summary.repairs;
    requested = imported.summary.requested_bytes;
    assert_int_equal(requested, 49312);
    assert_int_equal(kernel.lost_events, 7);
    assert_int_equal(kernel.skipped_records, 0);
    import_file("tests/data/trace-cmd-6.18.txt");
    assert_counts("ftrace", 134, 26, 2);
    assert_int_equal(imported.summary.requested_bytes, requested);
    assert_int_equal(imported.summary.repairs.never_seen_frees, kernel.never_seen_frees);
    assert_int_equal(imported.summary.repairs.lost_events, 7);
    assert_int_equal(imported.summary.repairs.skipped_records, 1); /* "cpus=2" */
}

static void ftrace_fields_of_old_and_new_kernels_are_read(void **state)
{
    const struct imported *got = import_text(
        "  a b-1   [000] d.h3.  1.000001: kmem_cache_alloc_node: call_site=f ptr=00000000c0ffee00 "
        "bytes_req=64 bytes_alloc=64 gfp_flags=GFP_ATOMIC node=1\n"
        "  a b-1   [001]  1.000002123: kmem_cache_free: (f+0x1) call_site=f ptr=00000000c0ffee00 "
        "name=filp\n"
        "  a-b [c]-1 ( 12) [001] .....  1.000003: kmalloc_node: call_site=f ptr=00000000c0ffee10 "
        "bytes_req=5 bytes_alloc=8 gfp_flags=GFP_KERNEL|__GFP_ZERO node=-1 accounted=false\n"
        "  <...>-2   [001] .....  1.000004: kfree: call_site=f ptr=00000000c0ffee10\n"
        "  <...>-2   [001] .....  1.000005: sched_switch: prev_comm=x ==> next_comm=y\n");
    (void)state;

    assert_counts("ftrace", 2, 2, 2);
    assert_int_equal(got->events[1].time_ns, 1123);
    assert_string_equal(got->summary.caches[0].name, "filp"); /* named by its free, before 6.1 */
    assert_int_equal(got->types[0].node, 1);
    assert_int_equal(got->types[0].flags, TRACE_NO_WAIT);
    assert_int_equal(got->types[2].flags, TRACE_ZERO);
    assert_int_equal(got->types[2].cache, TRACE_UNTYPED);
    assert_int_equal(got->summary.live_at_end, 0);
    assert_int_equal(got->summary.repairs.skipped_records, 1);
}

static void ftrace_lines_that_cannot_be_are_refused(void **state)
{
    const char *good = "x-1 [000] ..... 1.000001: kfree: call_site=f ptr=0000000012345678\n";
    char text[512];
    (void)state;

    snprintf(text, sizeof text, "%sx-1 [000] ..... 1.0: kfree: call_site=f ptr=zz\n", good);
    refuse(text, ":2: ptr=zz");
    snprintf(text, sizeof text, "%sx-1 [000] ..... 12345: kfree: call_site=f ptr=1\n", good);
    refuse(text, ":2: a kmem event without");
    refuse("# tracer: nop\n#\n", "without a kmem event");
}

/* ---- calls of malloc ---- */

static void one_program_is_the_same_in_every_format(void **state)
{
    static const struct {
        const char *path, *format;
    } files[] = {
        {"tests/data/mtrace-2.36.txt", "mtrace"},
        {"tests/data/android.txt", "android"},
        {"tests/data/logalloc.txt", "logalloc"},
        {"tests/data/mallocs.rep", "rep"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        import_file(files[i].path);
        assert_counts(files[i].format, 121, 116, 1); /* 67 + and 54 >, 62 - and 54 < */
        assert_int_equal(imported.summary.live_at_end, 5);
        assert_int_equal(imported.summary.requested_bytes, 84236);
        assert_int_equal(imported.summary.unmatched_frees, 0);
        assert_int_equal(imported.summary.repairs.implied_frees, 0);
    }
}

static void a_realloc_is_an_alloc_that_says_so_and_a_free(void **state)
{
    const struct imported *got = import_text("1: malloc 0x1000 10\n"
                                             "1: realloc 0x2000 0x1000 20\n"
                                             "1: realloc 0x2000 0x2000 30\n"
                                             "1: realloc 0x0 0x2000 0\n");
    (void)state;

    assert_counts("android", 3, 3, 1);
    assert_int_equal(got->events[1].op, TRACE_ALLOC); /* moved: the new one first */
    assert_int_equal(got->types[1].size, 20);
    assert_int_equal(got->types[1].flags, TRACE_MOVED);
    assert_int_equal(got->events[2].object, got->events[0].object);
    assert_int_equal(got->events[3].op, TRACE_FREE); /* in place: the old one first */
    assert_int_equal(got->types[4].size, 30);
    assert_int_equal(got->types[4].flags, TRACE_MOVED);
    assert_int_equal(got->types[0].flags, 0);
    assert_int_equal(got->summary.live_at_end, 0);
    assert_int_equal(got->events[4].time_ns, 2000);
}

static void android_calls_keep_threads_times_and_alignment(void **state)
{
    const struct imported *got = import_text("7: calloc 0x1000 3 20 1000 1100\n"
                                             "8: memalign 0x2000 64 100 5000 5100\n"
                                             "8: free 0x1000 6000 6100\n"
                                             "8: free 0x0 6200 6300\n"
                                             "8: wonder 0x1\n"
                                             "8: thread_done 0x0 7000\n");
    (void)state;

    assert_counts("android", 2, 1, 2);
    assert_int_equal(got->types[0].size, 60);
    assert_int_equal(got->types[0].flags, TRACE_ZERO);
    assert_int_equal(got->types[1].align, 64);
    assert_int_equal(got->events[1].time_ns, 4000);
    assert_int_equal(got->summary.cross_stream_frees, 1);
    assert_int_equal(got->summary.repairs.null_frees, 1);
    assert_int_equal(got->summary.repairs.skipped_records, 2);
    refuse("7: malloc 0x1000 1\n7: malloc 0xz 10\n", ":2: address '0xz'");
    refuse("7: malloc 0x1000\n", ":1: number '(missing)'");
    refuse("7: malloc 0x1000 1 2\n", ":1: call 'malloc'");
    refuse("7: memalign 0x1000 3 8\n", ":1: an alignment of 3");
    refuse("7: calloc 0x1000 99999999999 999999999999\n", ":1: calloc");
}

static void mtrace_callers_are_call_sites(void **state)
{
    struct import_report report;
    struct trace_reader *reader;
    struct error error;
    size_t count;
    (void)state;

    import_text("= Start\n"
                "@ my program:(main+0x1)[0x40] + 0x1000 0x20\n"
                "+ 0x2000 0x10\n"
                "@ p:[0x44] ! 0x1000 0x1000000000\n"
                "@ p:[0x48] < 0x1000\n"
                "@ p:[0x48] > 0x1000 0x30\n"
                "= End\n");
    assert_counts("mtrace", 3, 1, 1);
    assert_int_equal(imported.types[3].flags, TRACE_MOVED);
    assert_int_equal(imported.summary.repairs.skipped_records, 1);
    assert_int_equal(import_trace(import_input, import_output,
                                  &(struct import_options){.call_sites = true}, &report, &error),
                     0);
    assert_int_equal(trace_open(import_output, &reader, &error), 0);
    assert_true(trace_read(reader, imported.events, 32, &error) == 4);
    assert_string_equal(trace_call_sites(reader, &count)[imported.events[0].call_site],
                        "my program:(main+0x1)[0x40]");
    assert_int_equal(imported.events[1].call_site, 0);
    trace_close(reader);
    refuse("= Start\n@ p:[0x4] + 0x1000 many\n", ":2: size 'many'");
    refuse("= Start\n@ p:[0x4] * 0x1000\n", ":2: line");
    refuse("= Start\n= End\n", "without an allocation");
}

static void logalloc_keeps_processes_apart(void **state)
{
    const struct imported *got = import_text("1 11 malloc(32)=0x1000\n"
                                             "2 21 malloc(64)=0x1000\n"
                                             "2 22 posix_memalign(256,240)=0x3000\n"
                                             "2 22 memalign(256,240)=0x0\n"
                                             "1 11 moz_wonder(1,2,3)=0x3\n"
                                             "1 11 free(0x1000)\n"
                                             "2 21 free(0x0)\n");
    (void)state;

    assert_counts("logalloc", 3, 1, 3);
    assert_int_equal(got->types[3].size, 32);
    assert_int_equal(got->types[2].align, 256);
    assert_int_equal(got->summary.repairs.implied_frees, 0);
    assert_int_equal(got->summary.repairs.null_frees, 1);
    assert_int_equal(got->summary.repairs.skipped_records, 2);
    refuse("1 1 malloc(32)=0x1000\n1 1 malloc(32)\n", ":2: address '(missing)'");
    refuse("1 1 malloc(32,64)=0x1000\n", ":1: call 'malloc(32,64)");
    refuse("1 1 free(0x1000\n", ":1: call 'free(0x1000'");
}

static void logalloc_may_hold_slots_and_no_threads(void **state)
{
    const struct imported *got = import_text("1 malloc(32)=#1\n"
                                             "1 realloc(#1,64)=#1\n"
                                             "1 free(#1)\n");
    (void)state;

    assert_counts("logalloc", 2, 2, 1);
    assert_int_equal(got->summary.live_at_end, 0);
    assert_int_equal(got->types[2].flags, TRACE_MOVED);
}

static void a_rep_is_what_its_header_says(void **state)
{
    const struct imported *got = import_text("20000\n2\n6\n1\n"
                                             "a 0 512\nr 0 640\nr 1 128\nf 0\nf -1\nr 1 0\n");
    (void)state;

    assert_counts("rep", 3, 3, 1);
    assert_int_equal(got->summary.repairs.null_frees, 1);
    assert_int_equal(got->summary.live_at_end, 0);
    refuse("1\n1\n2\n1\na 0 512\n", "after 1 operations; the third line says 2");
    refuse("1\n1\n2\n1\na 1 512\nf 1\n", ":5: identity '1'");
    refuse("1\n1\n2\n1\na 0 512\na 0 512\n", ":6: identity '0'; expected one that is not");
    refuse("1\n1\n2\n1\nf 0\na 0 512\n", ":5: identity '0'; expected one that is allocated");
    refuse("1\n1\n2\n1\na 0\nf 0\n", ":5: size '(missing)'");
}

static void a_recording_that_breaks_off_is_imported_or_refused(void **state)
{
    (void)state;
    break_off("tests/data/ftrace-6.18.txt", 700, 1000); /* the header's end, a line */
    break_off("tests/data/trace-cmd-6.18.txt", 0, 220);
    break_off("tests/data/mtrace-2.36.txt", 0, 220);
    break_off("tests/data/android.txt", 0, 220);
    break_off("tests/data/logalloc.txt", 0, 220);
    break_off("tests/data/mallocs.rep", 0, 220);
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tracefs_and_trace_cmd_say_the_same),
        TEST(ftrace_fields_of_old_and_new_kernels_are_read),
        TEST(ftrace_lines_that_cannot_be_are_refused),
        TEST(one_program_is_the_same_in_every_format),
        TEST(a_realloc_is_an_alloc_that_says_so_and_a_free),
        TEST(android_calls_keep_threads_times_and_alignment),
        TEST(mtrace_callers_are_call_sites),
        TEST(logalloc_keeps_processes_apart),
        TEST(logalloc_may_hold_slots_and_no_threads),
        TEST(a_rep_is_what_its_header_says),
        TEST(a_recording_that_breaks_off_is_imported_or_refused),
    };

    return cmocka_run_group_tests(tests, import_folder_make, import_folder_remove);
}
