/* SPDX-License-Identifier: MIT */
/* Importing: text of perf script, its repairs, and inputs that are none. */
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

/* What became of the text, event by event. */
struct imported {
    struct trace_summary summary;
    struct trace_event events[64];
    size_t nr_events;
    struct trace_type types[64]; /* of each event */
    char caches[64][32];         /* of each event */
};

static void import_file(const char *path, const struct import_options *options,
                        struct imported *imported)
{
    struct import_report report;
    struct trace_reader *reader;
    struct error error = {""};
    ssize_t got;

    if (import_trace(path, import_output, options, &report, &error))
        fail_msg("%s", error.text);
    if (trace_summary_read(import_output, &imported->summary, &error))
        fail_msg("%s", error.text);
    assert_int_equal(report.events, imported->summary.events);
    assert_int_equal(trace_open(import_output, &reader, &error), 0);
    got = trace_read(reader, imported->events, 64, &error);
    assert_true(got >= 0);
    imported->nr_events = (size_t)got;
    for (size_t i = 0; i < imported->nr_events; i++) {
        size_t count;
        const struct trace_type *type = &trace_types(reader, &count)[imported->events[i].type];

        imported->types[i] = *type;
        strcpy(imported->caches[i],
               type->cache == TRACE_UNTYPED ? "" : trace_caches(reader, &count)[type->cache].name);
    }
    trace_close(reader);
}

static struct imported *import_with(const char *text, struct import_options options)
{
    static struct imported imported;

    trace_summary_cleanup(&imported.summary);
    memset(&imported, 0, sizeof imported);
    if (!text)
        return NULL;
    import_input_write(text, strlen(text));
    import_file(import_input, &options, &imported);
    return &imported;
}

static struct imported *import_text(const char *text)
{
    return import_with(text, (struct import_options){0});
}

static void refuse(const char *text, const char *expected)
{
    struct import_report report;
    struct error error = {""};

    import_input_write(text, strlen(text));
    unlink(import_output);
    assert_int_equal(
        import_trace(import_input, import_output, &(struct import_options){0}, &report, &error),
        -EINVAL);
    assert_non_null(strstr(error.text, import_input));
    if (!strstr(error.text, expected))
        fail_msg("'%s' does not say '%s'", error.text, expected);
    assert_int_equal(access(import_output, F_OK), -1);
}

/* ---- lines ---- */

static void an_alloc_and_its_free_are_one_object(void **state)
{
    const struct imported *got =
        import_text(ALLOC("[000] 10.000001: ", "0xffff888100000100", "filp", "184")
                        FREE("[001] 10.000004: ", "0xffff888100000100", "filp"));
    (void)state;

    assert_int_equal(got->nr_events, 2);
    assert_int_equal(got->events[0].op, TRACE_ALLOC);
    assert_int_equal(got->events[0].time_ns, 0);
    assert_int_equal(got->events[1].op, TRACE_FREE);
    assert_int_equal(got->events[1].time_ns, 3000);
    assert_int_equal(got->events[1].object, got->events[0].object);
    assert_string_equal(got->caches[0], "filp");
    assert_int_equal(got->types[0].size, 184);
    assert_int_equal(got->summary.cross_stream_frees, 1);
    assert_int_equal(got->summary.caches[0].object_size, 184);
    assert_int_equal(got->summary.live_at_end, 0);
}

static void a_kmalloc_has_no_cache_and_keeps_both_sizes(void **state)
{
    const struct imported *got = import_text(
        "x 1 [000] 1.5: kmem:kmalloc_node: call_site=f ptr=0x100 bytes_req=100 bytes_alloc=128 "
        "gfp_flags=GFP_ATOMIC|__GFP_ZERO node=1 accounted=true\n"
        "x 1 [000] 1.6: kmem:kmalloc: call_site=f ptr=0x200 bytes_req=7 bytes_alloc=8 "
        "gfp_flags=GFP_NOWAIT|__GFP_COMP node=-1\n");
    (void)state;

    assert_int_equal(got->types[0].cache, TRACE_UNTYPED);
    assert_int_equal(got->types[0].size, 100);
    assert_int_equal(got->types[0].recorded_size, 128);
    assert_int_equal(got->types[0].node, 1);
    assert_int_equal(got->types[0].flags, TRACE_NO_WAIT | TRACE_ZERO);
    assert_int_equal(got->types[1].node, TRACE_ANY_NODE);
    assert_int_equal(got->types[1].flags, TRACE_NO_WAIT);
}

static void a_command_name_may_hold_anything(void **state)
{
    const struct imported *got =
        import_text("a [b] 1: c 7 [000] 1.000001: kmem:kfree: call_site=f ptr=(nil)\n"
                    "kworker/0:1H-kb 44/45 [003] 1.000002: kmem:kfree: call_site=f ptr=(nil)\n"
                    "kmem:kfree: 9 [002] 1.000003: kmem:kfree: call_site=f ptr=(nil)\n"
                    "Web Content [9 [001] 1.000004: kmem:kfree: call_site=f ptr=(nil)\n");
    (void)state;

    assert_int_equal(got->summary.repairs.null_frees, 4);
    assert_int_equal(got->summary.repairs.skipped_records, 0);
}

static void streams_are_cpus_in_the_order_of_their_numbers(void **state)
{
    const struct imported *got =
        import_text(KMALLOC("[010] 1.0: ", "0x1000", "8") KMALLOC("[002] 1.1: ", "0x2000", "8"));
    (void)state;

    assert_int_equal(got->summary.streams, 2);
    assert_string_equal(got->summary.by_stream[0].name, "cpu2");
    assert_string_equal(got->summary.by_stream[1].name, "cpu10");
    assert_int_equal(got->events[0].stream, 1);
}

static void nanoseconds_are_kept(void **state)
{
    const struct imported *got = import_text(KMALLOC("[000] 1.000000001: ", "0x1000", "8")
                                                 KMALLOC("[000] 1.000000012: ", "0x2000", "8"));
    (void)state;

    assert_int_equal(got->events[1].time_ns, 11);
}

static void a_cache_name_may_hold_spaces(void **state)
{
    const struct imported *got = import_text(ALLOC("[000] 1.0: ", "0x1000", "fuse request", "8"));
    (void)state;

    assert_string_equal(got->caches[0], "fuse request");
}

static void hashed_pointers_are_addresses(void **state)
{
    const struct imported *got = import_text(KMALLOC("[000] 1.0: ", "00000000c0ffee00", "8")
                                                 KFREE("[000] 1.1: ", "0x00000000c0ffee00"));
    (void)state;

    assert_int_equal(got->summary.live_at_end, 0);
    assert_int_equal(got->summary.unmatched_frees, 0);
}

static void lost_events_are_counted_and_other_lines_skipped(void **state)
{
    const struct imported *got =
        import_text("# comment\n"
                    "x 1 [000] 1.0: sched:sched_switch: prev_comm=a\n"
                    "x 1 [000] 1.1: PERF_RECORD_LOST lost 123\n"
                    "x 1 [000] 1.1: PERF_RECORD_LOST_SAMPLES lost 5\n"
                    "LOST 20 events!\n" KMALLOC(
                        "[000] 1.2: ", "0x1000",
                        "8") "\n"
                             "x 1 [000] 1.3: kmem:mm_page_alloc: page=0x1 pfn=0x2 order=0\n");
    (void)state;

    assert_int_equal(got->summary.repairs.lost_events, 148);
    assert_int_equal(got->summary.repairs.skipped_records, 2);
    assert_int_equal(got->summary.allocs, 1);
}

static void call_sites_are_kept_when_asked_for(void **state)
{
    const char *text = KMALLOC("[000] 1.0: ", "0x1000", "8") KFREE("[000] 1.1: ", "0x1000");
    const struct imported *got = import_with(text, (struct import_options){.call_sites = true});
    (void)state;

    assert_int_equal(got->events[0].call_site, 1);
    assert_int_equal(got->events[1].call_site, 2);
    assert_int_equal(import_text(text)->events[0].call_site, 0);
}

static void a_kernel_line_that_cannot_be_is_an_error_of_its_line(void **state)
{
    const char *good = KMALLOC("[000] 1.0: ", "0x1000", "8");
    char text[1024];
    (void)state;

    snprintf(text, sizeof text, "%sx 1 [000] 1.1: kmem:kfree: call_site=f\n", good);
    refuse(text, ":2: ptr=(missing)");
    snprintf(text, sizeof text, "%sx 1 [000] 1.1: kmem:kfree: call_site=f ptr=0xg\n", good);
    refuse(text, ":2: ptr=0xg");
    snprintf(text, sizeof text, "%sx 1 [000] 1.1: kmem:kfree: ptr=(____ptrval____)\n", good);
    refuse(text, ":2: ptr=(____ptrval____)");
    refuse(KMALLOC("[000] 1.0: ", "0x1000", "-8"), ":1: bytes_req=-8");
    refuse("x 1 [000] 1.1: kmem:kmalloc: ptr=0x10000 bytes_req=1\n", ":1: bytes_alloc=(missing)");
    refuse(FREE("[000] 1.0: ", "0x1000", ""), ":1: name=");
    snprintf(text, sizeof text, "%sx 1 1.1: kmem:kfree: call_site=f ptr=0x1\n", good);
    refuse(text, ":2: a kmem event without");
}

/* ---- repairs ---- */

static void null_frees_are_dropped(void **state)
{
    const struct imported *got = import_text(KFREE("[000] 1.0: ", "(nil)") KFREE(
        "[000] 1.1: ", "0x0") KFREE("[000] 1.2: ", "0x10") KMALLOC("[000] 1.3: ", "0x1000", "8"));
    (void)state;

    assert_int_equal(got->nr_events, 1);
    assert_int_equal(got->summary.repairs.null_frees, 3);
    assert_int_equal(got->summary.frees, 0);
    assert_int_equal(got->summary.caches[0].repairs.null_frees, 3);
}

static void an_address_handed_out_again_was_freed(void **state)
{
    const struct imported *got = import_text(ALLOC("[000] 1.0: ", "0x1000", "filp", "184")
                                                 ALLOC("[001] 2.0: ", "0x1000", "cred", "176"));
    (void)state;

    assert_int_equal(got->nr_events, 3);
    assert_int_equal(got->events[1].op, TRACE_FREE);
    assert_int_equal(got->events[1].origin, TRACE_IMPLIED);
    assert_int_equal(got->events[1].stream, 1);
    assert_true(got->events[1].time_ns == got->events[2].time_ns);
    assert_int_equal(got->summary.repairs.implied_frees, 1);
    assert_int_equal(got->summary.caches[0].repairs.implied_frees, 1);
    assert_int_equal(got->summary.cross_stream_frees, 0);
    assert_int_equal(got->summary.frees, 0);
    assert_int_equal(got->summary.live_at_end, 1);
}

static void an_object_never_seen_is_older_than_the_recording(void **state)
{
    const char *text =
        ALLOC("[000] 1.0: ", "0x2000", "filp", "184") FREE("[001] 2.0: ", "0x1000", "filp");
    const struct imported *got = import_text(text);
    (void)state;

    assert_int_equal(got->nr_events, 3);
    assert_int_equal(got->events[0].origin, TRACE_PRELOADED);
    assert_int_equal(got->events[0].time_ns, 0);
    assert_int_equal(got->events[0].stream, 1);
    assert_string_equal(got->caches[0], "filp");
    assert_int_equal(got->types[0].size, 184);
    assert_int_equal(got->summary.repairs.preloaded, 1);
    assert_int_equal(got->summary.unmatched_frees, 1);
    assert_int_equal(got->summary.frees, 1);
    assert_int_equal(got->summary.allocs, 1);

    got = import_with(text, (struct import_options){.unmatched = IMPORT_DROP});
    assert_int_equal(got->nr_events, 1);
    assert_int_equal(got->summary.repairs.never_seen_frees, 1);
    assert_int_equal(got->summary.repairs.preloaded, 0);
    assert_int_equal(got->summary.frees, 1);
}

static void a_kfree_is_of_the_size_that_its_address_shows_later(void **state)
{
    const struct imported *got = import_text(KFREE("[000] 1.0: ", "0x1000") KMALLOC(
        "[000] 2.0: ", "0x1000", "96") KFREE("[000] 3.0: ", "0x2000"));
    (void)state;

    assert_int_equal(got->events[0].origin, TRACE_PRELOADED);
    assert_int_equal(got->types[0].size, 96);
    assert_int_equal(got->summary.repairs.never_seen_frees, 2);
    assert_int_equal(got->summary.repairs.preloaded, 1); /* nothing tells the size of the other */
    assert_int_equal(got->summary.frees, 2);
    assert_int_equal(got->nr_events, 3);
}

static void a_second_free_infers_an_allocation_half_way(void **state)
{
    const struct imported *got = import_text(
        ALLOC("[000] 1.000000: ", "0x1000", "filp", "184")
            FREE("[000] 1.000010: ", "0x1000", "filp") KMALLOC("[000] 1.000012: ", "0x9000", "8")
                KMALLOC("[000] 1.000016: ", "0x8000", "8")
                    FREE("[001] 1.000019: ", "0x1000", "filp"));
    (void)state;

    assert_int_equal(got->nr_events, 6);
    assert_int_equal(got->events[3].origin, TRACE_INFERRED);
    assert_int_equal(got->events[3].time_ns, 14000); /* on the recording's grid */
    assert_int_equal(got->events[3].stream, 1);
    assert_string_equal(got->caches[3], "filp");
    assert_int_equal(got->summary.repairs.refreed, 1);
    assert_int_equal(got->summary.unmatched_frees, 1);
    assert_int_equal(got->summary.frees, 2);
    assert_int_equal(got->summary.allocs, 3);
    assert_int_equal(got->summary.cross_stream_frees, 0);
}

static void two_frees_at_one_time_are_kept_apart(void **state)
{
    const struct imported *got = import_text(KMALLOC("[000] 1.0: ", "0x1000", "8") KFREE(
        "[000] 1.5: ", "0x1000") KFREE("[000] 1.5: ", "0x1000") KFREE("[000] 1.5: ", "0x1000"));
    (void)state;

    assert_int_equal(got->nr_events, 6);
    assert_int_equal(got->summary.repairs.refreed, 2);
    assert_int_equal(got->events[2].origin, TRACE_INFERRED);
    assert_int_equal(got->events[4].origin, TRACE_INFERRED);
}

static void merged_caches_are_marked(void **state)
{
    const struct imported *got = import_text(ALLOC("[000] 1.0: ", "0x1000", "cred", "176") FREE(
        "[000] 2.0: ", "0x1000", "pid") ALLOC("[000] 3.0: ", "0x1000", "filp", "184"));
    (void)state;

    assert_string_equal(got->caches[1], "cred");
    assert_string_equal(got->summary.caches[0].name, "cred");
    assert_int_equal(got->summary.caches[0].flags, TRACE_CACHE_MERGED);
    assert_int_equal(got->summary.caches[1].flags, TRACE_CACHE_MERGED);
    assert_string_equal(got->summary.caches[2].name, "filp");
    assert_int_equal(got->summary.caches[2].flags, 0);
}

static void an_older_kernel_names_the_cache_at_the_free(void **state)
{
    const struct imported *got = import_text(OLD_ALLOC("[000] 1.0: ", "a+1", "0x1000", "192")
                                                 OLD_ALLOC("[000] 2.0: ", "a+1", "0x2000", "192")
                                                     OLD_ALLOC("[000] 3.0: ", "b+1", "0x3000", "64")
                                                         FREE("[000] 4.0: ", "0x1000", "dentry"));
    (void)state;

    assert_string_equal(got->caches[0], "dentry");  /* by its free */
    assert_string_equal(got->caches[1], "dentry");  /* never freed: by call site and size */
    assert_string_equal(got->caches[2], "size-64"); /* nothing tells */
    assert_int_equal(got->summary.caches[0].object_size, 192);
}

static void events_out_of_order_are_put_in_order(void **state)
{
    const char *ordered = ALLOC("[000] 1.0: ", "0x1000", "filp", "184")
        FREE("[000] 2.0: ", "0x1000", "filp") ALLOC("[000] 3.0: ", "0x1000", "filp", "184");
    const char *mixed = FREE("[000] 2.0: ", "0x1000", "filp")
        ALLOC("[000] 3.0: ", "0x1000", "filp", "184") ALLOC("[000] 1.0: ", "0x1000", "filp", "184");
    char digest[33];
    (void)state;

    /* Provenance differs, so the digests do; what counts is the same. */
    strcpy(digest, import_text(ordered)->summary.digest);
    assert_string_equal(import_text(ordered)->summary.digest, digest);
    assert_int_equal(import_text(mixed)->summary.live_at_end, 1);
    assert_int_equal(import_text(mixed)->summary.repairs.implied_frees, 0);
    assert_int_equal(import_text(mixed)->summary.unmatched_frees, 0);
    assert_int_equal(import_text(mixed)->events[2].time_ns, 2000000000);
}

/* More records than are sorted at once in memory. */
static void long_inputs_out_of_order_are_merged(void **state)
{
    FILE *stream = fopen(import_input, "w");
    struct imported *got = calloc(1, sizeof *got);
    (void)state;

    for (unsigned i = 0; i < 700000; i++) {
        unsigned time = i ^ 0x1fff; /* every 8192 in reverse */

        if (time % 2)
            fprintf(stream, "x 1 [000] 1.%06u: kmem:kfree: call_site=f ptr=0x%x\n", time,
                    0x1000 + (time - 1) % 2000);
        else
            fprintf(stream, KMALLOC("[000] 1.%06u: ", "0x%x", "8"), time, 0x1000 + time % 2000);
    }
    fclose(stream);
    import_file(import_input, &(struct import_options){0}, got);
    assert_int_equal(got->summary.allocs, 350000);
    assert_int_equal(got->summary.unmatched_frees, 0);
    assert_int_equal(got->summary.repairs.implied_frees, 0);
    assert_int_equal(got->summary.peak_live_objects, 1);
    trace_summary_cleanup(&got->summary);
    free(got);
}

/* ---- whole files ---- */

static void read_output(char *bytes, size_t room, size_t *length)
{
    FILE *stream = fopen(import_output, "rb");

    *length = fread(bytes, 1, room, stream);
    fclose(stream);
}

static void importing_again_gives_the_same_bytes(void **state)
{
    static char first[1 << 16], second[1 << 16];
    struct imported *got = calloc(1, sizeof *got);
    size_t first_length, second_length;
    (void)state;

    import_file("tests/data/perf-script-6.18.txt", &(struct import_options){0}, got);
    assert_int_equal(got->summary.allocs + got->summary.frees + got->summary.repairs.null_frees,
                     200);
    assert_int_equal(got->summary.repairs.skipped_records, 0);
    assert_non_null(strstr(got->summary.provenance, "\"name\":\"perf-script-6.18.txt\""));
    read_output(first, sizeof first, &first_length);
    trace_summary_cleanup(&got->summary);
    import_file("tests/data/perf-script-6.18.txt", &(struct import_options){0}, got);
    read_output(second, sizeof second, &second_length);
    assert_int_equal(first_length, second_length);
    assert_memory_equal(first, second, first_length);
    trace_summary_cleanup(&got->summary);
    free(got);
}

static void what_is_no_recording_is_refused(void **state)
{
    struct import_report report;
    struct error error;
    const char *line = KMALLOC("[000] 1.0: ", "0x1000", "8");

    (void)state;
    refuse("", "empty");
    refuse("Dear reader,\nthis is a letter.\n", "expected lines such as");
    refuse("x 1 [000] 1.0: sched:sched_switch: prev_comm=a\n", "without a kmem event");
    assert_int_equal(
        import_trace(import_folder, import_output, &(struct import_options){0}, &report, &error),
        -EISDIR);
    assert_int_equal(
        import_trace("/nowhere", import_output, &(struct import_options){0}, &report, &error),
        -ENOENT);
    import_input_write(line, strlen(line));
    assert_int_equal(import_trace(import_input, import_output,
                                  &(struct import_options){.format = "valgrind"}, &report, &error),
                     -EINVAL);
    assert_non_null(strstr(error.text, "perf-script"));
    assert_int_equal(
        import_trace(import_input, import_folder, &(struct import_options){0}, &report, &error),
        -EISDIR);
}

static void compressed_input_is_the_same_input(void **state)
{
    static const char *const tools[] = {"gzip -c", "xz -c", "zstd -qc"};
    char command[256], packed[80];
    struct imported *got = calloc(1, sizeof *got);
    struct import_report report;
    struct error error;
    (void)state;

    snprintf(packed, sizeof packed, "%s/packed", import_folder);
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        snprintf(command, sizeof command, "%s tests/data/perf-script-6.18.txt > %s 2>/dev/null",
                 tools[i], packed);
        if (system(command)) /* the tool is not here */
            continue;
        import_file(packed, &(struct import_options){0}, got);
        assert_int_equal(got->summary.allocs + got->summary.frees + got->summary.repairs.null_frees,
                         200);
        trace_summary_cleanup(&got->summary);
        assert_int_equal(truncate(packed, 1000), 0);
        assert_int_equal(
            import_trace(packed, import_output, &(struct import_options){0}, &report, &error),
            -EINVAL);
        assert_non_null(strstr(error.text, packed));
    }
    unlink(packed);
    free(got);
}

static void what_unfolds_without_end_is_refused(void **state)
{
    char command[256], packed[80];
    struct import_report report;
    struct error error;
    (void)state;

    snprintf(packed, sizeof packed, "%s/packed", import_folder);
    snprintf(command, sizeof command, "yes '= Start' | head -c 100M | zstd -qc > %s 2>/dev/null",
             packed);
    if (!system(command)) { /* the tool is here */
        assert_int_equal(
            import_trace(packed, import_output, &(struct import_options){0}, &report, &error),
            -EINVAL);
        assert_non_null(strstr(error.text, "times as long as it is compressed"));
    }
    unlink(packed);
}

static int forget(void **state)
{
    (void)state;
    import_text(NULL);
    return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_alloc_and_its_free_are_one_object),
        TEST(a_kmalloc_has_no_cache_and_keeps_both_sizes),
        TEST(a_command_name_may_hold_anything),
        TEST(streams_are_cpus_in_the_order_of_their_numbers),
        TEST(nanoseconds_are_kept),
        TEST(a_cache_name_may_hold_spaces),
        TEST(hashed_pointers_are_addresses),
        TEST(lost_events_are_counted_and_other_lines_skipped),
        TEST(call_sites_are_kept_when_asked_for),
        TEST(a_kernel_line_that_cannot_be_is_an_error_of_its_line),
        TEST(null_frees_are_dropped),
        TEST(an_address_handed_out_again_was_freed),
        TEST(an_object_never_seen_is_older_than_the_recording),
        TEST(a_kfree_is_of_the_size_that_its_address_shows_later),
        TEST(a_second_free_infers_an_allocation_half_way),
        TEST(two_frees_at_one_time_are_kept_apart),
        TEST(merged_caches_are_marked),
        TEST(an_older_kernel_names_the_cache_at_the_free),
        TEST(events_out_of_order_are_put_in_order),
        TEST(long_inputs_out_of_order_are_merged),
        TEST(importing_again_gives_the_same_bytes),
        TEST(what_is_no_recording_is_refused),
        TEST(compressed_input_is_the_same_input),
        TEST(what_unfolds_without_end_is_refused),
    };

    return cmocka_run_group_tests(tests, import_folder_make, import_folder_remove);
}
