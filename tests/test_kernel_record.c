/* SPDX-License-Identifier: MIT */
/* Pages of the kernel's ring buffer to a trace, against the text of the same events; what is lost,
 * left out, damaged; and what /sys/kernel/slab says of caches, from a folder made like it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tests/kernel_fixture.h"
#include "traces/kernel/record.h"
#include "traces/summary.h"

#include <errno.h>
#include <event-parse.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 4096, PAGE = 4096 };

static char folder[] = "/tmp/slablab-test-XXXXXX";
static char output[64], text_output[64], pages_path[64];
static struct tep_handle *tep;
static struct kernel_record_cpu cpus[2];
static struct kernel_record recorded;
static struct kernel_record_report report;
static struct error error;

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(output, sizeof output, "%s/output.slt", folder);
    snprintf(text_output, sizeof text_output, "%s/text.slt", folder);
    snprintf(pages_path, sizeof pages_path, "%s/pages", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

/* Before each test: the recording of the data's folder, and caches of which nothing is said. */
static int set_up(void **state)
{
    (void)state;
    tep = kernel_fixture_formats();
    for (uint32_t cpu = 0; cpu < 2; cpu++) {
        char path[64];

        snprintf(path, sizeof path, KERNEL_DATA "/cpu%u.pages", cpu);
        cpus[cpu] = (struct kernel_record_cpu){.cpu = cpu, .file = open(path, O_RDONLY)};
        assert_true(cpus[cpu].file >= 0);
    }
    recorded = (struct kernel_record){.tep = tep,
                                      .page_bytes = PAGE,
                                      .cpus = cpus,
                                      .nr_cpus = 2,
                                      .caches = {folder, "/no/slabinfo"},
                                      .release = "6.18"};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        close(cpus[i].file);
    tep_free(tep);
    return 0;
}

static void convert(void)
{
    const struct trace_repairs *repairs = &report.repairs;

    if (kernel_record_convert(&recorded, output, &report, &error))
        fail_msg("%s", error.text);
    assert_int_equal(report.events, report.recorded - repairs->null_frees -
                                        (repairs->never_seen_frees - repairs->preloaded) +
                                        repairs->preloaded + repairs->refreed +
                                        repairs->implied_frees);
}

static struct trace_summary summary_of(const char *path)
{
    struct trace_summary summary;

    if (trace_summary_read(path, &summary, &error))
        fail_msg("%s", error.text);
    return summary;
}

/* ---- events ---- */

/* All of a trace but its call sites, which text names and an address without symbols does not. */
struct all {
    struct trace_event events[EVENTS];
    struct trace_type types[EVENTS]; /* by event */
    char caches[EVENTS][32];
    ssize_t count;
};

static void read_all(const char *path, struct all *all)
{
    struct trace_reader *reader;
    ssize_t got;
    size_t count;

    memset(all, 0, sizeof *all);
    assert_int_equal(trace_open(path, &reader, &error), 0);
    while ((got = trace_read(reader, all->events + all->count, EVENTS - (size_t)all->count,
                             &error)) > 0)
        all->count += got;
    assert_int_equal(got, 0);
    for (ssize_t i = 0; i < all->count; i++) {
        all->types[i] = trace_types(reader, &count)[all->events[i].type];
        snprintf(all->caches[i], sizeof all->caches[i], "%s",
                 all->types[i].cache == TRACE_UNTYPED
                     ? ""
                     : trace_caches(reader, &count)[all->types[i].cache].name);
    }
    trace_close(reader);
}

static void pages_and_text_of_the_same_events_are_one_trace(void **state)
{
    static struct all pages, text;
    struct import_report imported;

    (void)state;
    convert();
    if (import_trace(KERNEL_DATA "/trace.txt.zst", text_output, &(struct import_options){0},
                     &imported, &error))
        fail_msg("%s", error.text);
    assert_string_equal(imported.format, "ftrace");
    read_all(output, &pages);
    read_all(text_output, &text);
    assert_int_equal(pages.count, text.count);
    for (ssize_t i = 0; i < pages.count; i++) {
        const struct trace_event *a = &pages.events[i], *b = &text.events[i];

        assert_int_equal(a->op, b->op);
        assert_int_equal(a->origin, b->origin);
        assert_int_equal(a->stream, b->stream);
        assert_int_equal(a->object, b->object);
        assert_string_equal(pages.caches[i], text.caches[i]);
        assert_int_equal(pages.types[i].size, text.types[i].size);
        assert_int_equal(pages.types[i].recorded_size, text.types[i].recorded_size);
        assert_int_equal(pages.types[i].flags, text.types[i].flags);
        assert_int_equal(pages.types[i].node, text.types[i].node);
        assert_in_range(a->time_ns + 1000 - b->time_ns, 0, 2000); /* text has microseconds */
    }
    assert_int_equal(report.repairs.null_frees, imported.repairs.null_frees);
    assert_int_equal(report.repairs.preloaded, imported.repairs.preloaded);
}

static void events_of_all_cpus_are_there(void **state)
{
    struct trace_summary summary;

    (void)state;
    convert();
    assert_int_equal(report.recorded, 283 + 277);
    assert_int_equal(report.left_out, 0);
    summary = summary_of(output);
    assert_int_equal(summary.streams, 2);
    assert_string_equal(summary.by_stream[0].name, "cpu0");
    assert_int_equal(summary.by_stream[0].allocs, 35); /* of the text, by grep */
    assert_int_equal(summary.by_stream[1].allocs, 64);
    assert_non_null(strstr(summary.provenance, "slablab record kernel"));
    assert_non_null(strstr(summary.provenance, "\"base_ns\":35083753656"));
    trace_summary_cleanup(&summary);
}

static void call_sites_are_named_by_the_kernels_symbols(void **state)
{
    struct trace_reader *reader;
    struct trace_event event;
    size_t count, named = 0;
    const char *const *sites;

    (void)state;
    tep_register_function(tep, (char *)"everything", 0xffffffff80000000, NULL);
    tep_register_function(tep, (char *)"beyond", 0xffffffffff000000, NULL);
    recorded.call_sites = true;
    convert();
    assert_int_equal(trace_open(output, &reader, &error), 0);
    while (trace_read(reader, &event, 1, &error) > 0)
        ;
    sites = trace_call_sites(reader, &count);
    for (size_t i = 1; i < count; i++)
        named += strncmp(sites[i], "everything+0x", 13) == 0;
    assert_true(count > 10);
    assert_int_equal(named, count - 1);
    trace_close(reader);
}

/* ---- lost, left out, damaged ---- */

static void what_was_overwritten_is_counted_as_lost(void **state)
{
    (void)state;
    convert(); /* the pages say it themselves */
    assert_int_equal(report.repairs.lost_events, 1291 + 1975);
    cpus[0].lost = 1291; /* as the kernel counts, once more */
    cpus[1].lost = 2000; /* and some after the last page */
    convert();
    assert_int_equal(report.repairs.lost_events, 1291 + 2000);
}

static void the_recorders_events_are_left_out(void **state)
{
    static const int32_t own[] = {1, 5952}; /* init and a shell, of which there are 164, by grep */
    uint64_t all;

    (void)state;
    convert();
    all = report.recorded;
    recorded.own = own;
    recorded.nr_own = 2;
    convert();
    assert_int_equal(report.left_out, 164);
    assert_int_equal(report.recorded + report.left_out, all);
}

/* A copy of CPU 0's pages, to be damaged. */
static void write_pages(const char *bytes, size_t size)
{
    FILE *stream = fopen(pages_path, "w");

    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    fclose(stream);
    close(cpus[0].file);
    cpus[0].file = open(pages_path, O_RDONLY);
}

static void damaged_pages_are_refused(void **state)
{
    static char good[4 * PAGE], bad[4 * PAGE];
    uint32_t bytes = PAGE; /* more than fits behind the header */

    (void)state;
    assert_int_equal(pread(cpus[0].file, good, sizeof good, 0), sizeof good);
    memcpy(bad, good, sizeof bad);
    memcpy(bad + PAGE + 8, &bytes, sizeof bytes);
    write_pages(bad, sizeof bad);
    assert_int_equal(kernel_record_convert(&recorded, output, &report, &error), -EINVAL);
    assert_non_null(strstr(error.text, "CPU 0: page 2 of the ring buffer says that 4112"));
    write_pages(good, sizeof good - 1);
    assert_int_equal(kernel_record_convert(&recorded, output, &report, &error), -EINVAL);
    assert_non_null(strstr(error.text, "CPU 0 ends within a page"));
    /* Whatever stands there, it ends well or with a reason, and within the page. */
    for (size_t at = 16; at < 800; at++) {
        memcpy(bad, good, sizeof bad);
        bad[at] ^= (char)0xff;
        write_pages(bad, sizeof bad);
        error.text[0] = '\0';
        if (kernel_record_convert(&recorded, output, &report, &error))
            assert_true(*error.text);
    }
}

/* One whose first event is padding that goes beyond the page, as its header says the data do. */
static void a_page_that_says_it_goes_on_is_not_followed(void **state)
{
    static char page[PAGE];
    const uint32_t used = 1 << 26, padding[] = {29 | 1 << 5, 1 << 25};

    (void)state;
    memcpy(page + 8, &used, sizeof used);
    memcpy(page + 16, padding, sizeof padding);
    write_pages(page, sizeof page);
    assert_int_equal(kernel_record_convert(&recorded, output, &report, &error), -EINVAL);
    assert_non_null(strstr(error.text, "page 1 of the ring buffer says that 67108880 bytes"));
}

static void nothing_recorded_is_said(void **state)
{
    (void)state;
    recorded.nr_cpus = 0;
    assert_int_equal(kernel_record_convert(&recorded, output, &report, &error), -ENODATA);
}

/* ---- caches ---- */

static void say(const char *cache, const char *file, const char *value)
{
    char path[128];
    FILE *stream;

    snprintf(path, sizeof path, "%s/%s", folder, cache);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/%s/%s", folder, cache, file);
    stream = fopen(path, "w");
    assert_non_null(stream);
    fprintf(stream, "%s\n", value);
    fclose(stream);
}

static const struct trace_cache_summary *find_cache(const struct trace_summary *summary,
                                                    const char *name)
{
    for (size_t i = 0; i < summary->nr_caches; i++) {
        if (strcmp(summary->caches[i].name, name) == 0)
            return &summary->caches[i];
    }
    fail_msg("no cache %s", name);
    return NULL;
}

static void caches_are_described_as_the_kernel_shows_them(void **state)
{
    const struct trace_cache_summary *cache;
    struct trace_summary summary;
    char path[64], target[64];

    (void)state;
    say("sighand_cache", "align", "64");
    say("sighand_cache", "object_size", "2080");
    say("sighand_cache", "ctor", "sighand_ctor+0x0/0x30");
    say("sighand_cache", "destroy_by_rcu", "1");
    say("sighand_cache", "aliases", "0");
    say(":0000080", "align", "16384"); /* shared: a link leads here; no allocator aligns so */
    say(":0000080", "object_size", "80");
    say(":0000080", "ctor", "");
    say(":0000080", "destroy_by_rcu", "0");
    say(":0000080", "aliases", "2");
    snprintf(path, sizeof path, "%s/sigqueue", folder);
    snprintf(target, sizeof target, "%s/:0000080", folder);
    assert_int_equal(symlink(target, path), 0);
    convert();
    assert_int_equal(report.caches.described, 2);
    assert_int_equal(report.caches.merged, 1);
    assert_string_equal(report.caches.example, "sigqueue");
    assert_true(report.caches.unknown > 0);
    summary = summary_of(output);
    cache = find_cache(&summary, "sighand_cache");
    assert_int_equal(cache->align, 64);
    assert_int_equal(cache->object_size, 2080);
    assert_int_equal(cache->flags, TRACE_CACHE_CONSTRUCTED | TRACE_CACHE_RCU);
    cache = find_cache(&summary, "sigqueue");
    assert_int_equal(cache->align, 0);
    assert_int_equal(cache->flags, TRACE_CACHE_MERGED);
    assert_int_equal(find_cache(&summary, "mm_struct")->flags, 0);
    trace_summary_cleanup(&summary);
}

/* mm_struct was freed only: without its size nothing tells what that was. */
static void the_size_of_a_cache_tells_what_was_never_seen(void **state)
{
    FILE *slabinfo = fopen(pages_path, "w");
    uint64_t dropped;

    (void)state;
    fprintf(slabinfo, "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize>\n"
                      "mm_struct_more 1 2 8 1 1\n"
                      "mm_struct          90    100   1472   22    8 : tunables 0 0 0\n");
    fclose(slabinfo);
    convert();
    dropped = report.repairs.never_seen_frees - report.repairs.preloaded;
    recorded.caches.slabinfo = pages_path;
    convert();
    assert_true(report.repairs.never_seen_frees - report.repairs.preloaded < dropped);
    assert_int_equal(report.caches.described, 1 + 2); /* of the test before */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(pages_and_text_of_the_same_events_are_one_trace),
        TEST(events_of_all_cpus_are_there),
        TEST(call_sites_are_named_by_the_kernels_symbols),
        TEST(what_was_overwritten_is_counted_as_lost),
        TEST(the_recorders_events_are_left_out),
        TEST(damaged_pages_are_refused),
        TEST(a_page_that_says_it_goes_on_is_not_followed),
        TEST(nothing_recorded_is_said),
        TEST(caches_are_described_as_the_kernel_shows_them),
        TEST(the_size_of_a_cache_tells_what_was_never_seen),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
