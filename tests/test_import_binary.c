/* SPDX-License-Identifier: MIT */
/*
 * perf.data and trace.dat: each gives the trace that the text of its own tool gives, and what is
 * damaged is refused. The samples and how they were made: traces/import/README.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tests/import_fixture.h"
#include "traces/dump.h"
#include "traces/import/import.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of a format that it cannot parse libtraceevent does not give all memory back. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libtraceevent.so\n";
}

/* ---- samples ---- */

static struct sample {
    char bytes[1 << 20];
    size_t length;
} sample;

static void read_sample(const char *name)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    char path[128];

    snprintf(path, sizeof path, "tests/data/%s.zst", name);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_raw(archive);
    assert_int_equal(archive_read_open_filename(archive, path, 1 << 16), ARCHIVE_OK);
    assert_int_equal(archive_read_next_header(archive, &entry), ARCHIVE_OK);
    sample.length = (size_t)archive_read_data(archive, sample.bytes, sizeof sample.bytes);
    assert_in_range(sample.length, 1, sizeof sample.bytes - 1);
    archive_read_free(archive);
}

static uint64_t sample_u64(size_t at)
{
    uint64_t value;

    memcpy(&value, sample.bytes + at, sizeof value);
    return value;
}

static void sample_set(size_t at, uint64_t value, size_t bytes)
{
    memcpy(sample.bytes + at, &value, bytes);
}

/* Where the head says that the first event is, and the first record. */
static size_t first_attr(void)
{
    return sample_u64(24);
}

/* The first record of this kind from `at` on. */
static size_t find_record(size_t at, uint32_t kind)
{
    uint32_t found;
    uint16_t size;

    for (;; at += size) {
        memcpy(&found, sample.bytes + at, sizeof found);
        memcpy(&size, sample.bytes + at + 6, sizeof size);
        assert_in_range(size, 8, sample.length - at);
        if (found == kind)
            return at;
    }
}

static size_t first_record(uint32_t kind)
{
    return find_record(sample_u64(40), kind);
}

/* ---- imports ---- */

static struct import_report report;

static void drop_line(char *text, const char *beginning)
{
    char *at = strstr(text, beginning);

    assert_non_null(at);
    memmove(at, strchr(at + 1, '\n'), strlen(strchr(at + 1, '\n')) + 1);
}

/* What became of it, as text, without where it is from and what was mended in all; to be freed. */
static char *import_to_text(const char *path, const struct import_options *options)
{
    struct error error = {""};
    size_t length;
    char *text;
    FILE *stream = open_memstream(&text, &length);

    if (import_trace(path, import_output, options, &report, &error) ||
        trace_dump(import_output, stream, &error))
        fail_msg("%s: %s", path, error.text);
    fclose(stream);
    drop_line(text, "\nprovenance ");
    drop_line(text, "\nrepairs ");
    return text;
}

static void assert_same_text(const char *a, const char *b)
{
    size_t line = 1;

    for (; *a && *a == *b; a++, b++)
        line += *a == '\n';
    if (*a != *b)
        fail_msg("line %zu differs: '%.60s', '%.60s'", line, a, b);
}

/* The two give one trace, down to the call sites; but for what was skipped and lost, which the text
 * says otherwise. */
static void assert_same_trace(const char *binary, const char *text, struct import_report *of_binary)
{
    const struct import_options options = {.call_sites = true};
    char path[2][128], *dumps[2];

    snprintf(path[0], sizeof path[0], "tests/data/%s.zst", binary);
    snprintf(path[1], sizeof path[1], "tests/data/%s.zst", text);
    dumps[0] = import_to_text(path[0], &options);
    *of_binary = report;
    dumps[1] = import_to_text(path[1], &options);
    assert_same_text(dumps[0], dumps[1]);
    report.repairs.lost_events = of_binary->repairs.lost_events;
    report.repairs.skipped_records = of_binary->repairs.skipped_records;
    assert_memory_equal(&report.repairs, &of_binary->repairs, sizeof report.repairs);
    assert_int_equal(report.events, of_binary->events);
    free(dumps[0]);
    free(dumps[1]);
}

/* The sample as it now is. */
static int import_sample(struct error *error)
{
    import_input_write(sample.bytes, sample.length);
    return import_trace(import_input, import_output, &(struct import_options){0}, &report, error);
}

static void refuse(const char *expected)
{
    struct error error = {""};

    unlink(import_output);
    assert_int_equal(import_sample(&error), -EINVAL);
    if (!strstr(error.text, import_input) || !strstr(error.text, expected))
        fail_msg("'%s' does not say '%s'", error.text, expected);
    assert_int_equal(access(import_output, F_OK), -1);
}

static void accept(void)
{
    struct error error = {""};

    if (import_sample(&error))
        fail_msg("%s", error.text);
}

/* It is read or refused with a word, and nothing else happens. */
static void survive(const char *what, size_t at)
{
    struct error error = {""};
    int code = import_sample(&error);

    if (code && (code != -EINVAL || !strstr(error.text, import_input)))
        fail_msg("%s %zu: %d, '%s'", what, at, code, error.text);
}

/* ---- perf.data and its text ---- */

static void a_perf_data_is_its_perf_script(void **state)
{
    struct import_report got;
    (void)state;

    assert_same_trace("perf-6.18.data", "perf-6.18.txt", &got);
    assert_string_equal(got.format, "perf-data");
    assert_int_equal(got.repairs.lost_events, 0);
    assert_int_equal(got.repairs.skipped_records, 0);
    assert_in_range(got.events, 1500, 1600);
}

static void what_perf_writes_to_a_pipe_is_its_perf_script(void **state)
{
    struct import_report got;
    (void)state;

    assert_same_trace("perf-6.18-pipe.data", "perf-6.18-pipe.txt", &got);
    assert_string_equal(got.format, "perf-data");
}

static void compressed_records_are_their_perf_script(void **state)
{
    struct import_report got;
    (void)state;

    assert_same_trace("perf-6.18-z.data", "perf-6.18-z.txt", &got);
    assert_in_range(got.events, 3000, 3500);
}

static void samples_with_call_chains_are_their_perf_script(void **state)
{
    struct import_report got;
    (void)state;

    assert_same_trace("perf-6.18-g.data", "perf-6.18-g.txt", &got);
}

/* Of a ring buffer of one page, with samples of other events, one without fields. */
static void other_events_are_skipped_and_lost_ones_counted_once(void **state)
{
    struct import_report got;
    (void)state;

    assert_same_trace("perf-6.18-lost.data", "perf-6.18-lost.txt", &got);
    assert_int_equal(got.repairs.skipped_records, 334);
    /* By LOST_SAMPLES; in LOST, and so in the text, there are 3117 of them. */
    assert_int_equal(got.repairs.lost_events, 5739);
}

static void without_lost_samples_lost_records_count(void **state)
{
    size_t at;
    (void)state;

    read_sample("perf-6.18-lost.data");
    for (at = first_record(13); at < sample_u64(40) + sample_u64(48); at += 48)
        sample_set(at, 12, 4); /* LOST_SAMPLES, which come last, become ITRACE_START */
    accept();
    assert_int_equal(report.repairs.lost_events, 3117);
}

static void standard_input_and_compressed_files_are_the_same_input(void **state)
{
    char *plain, *packed;
    (void)state;

    read_sample("perf-6.18.data");
    import_input_write(sample.bytes, sample.length);
    plain = import_to_text(import_input, &(struct import_options){0});
    packed = import_to_text("tests/data/perf-6.18.data.zst", &(struct import_options){0});
    assert_same_text(plain, packed);
    assert_int_equal(report.input_bytes, sample.length);
    free(plain);
    free(packed);
}

/* ---- symbols ---- */

static void call_sites_are_named_by_a_kallsyms(void **state)
{
    char path[] = "/tmp/slablab-test-kallsyms-XXXXXX";
    struct import_options options = {.call_sites = true};
    struct error error = {""};
    FILE *stream = fdopen(mkstemp(path), "w");
    char *text;
    (void)state;

    text = import_to_text("tests/data/perf-6.18-pipe.data.zst", &options);
    assert_non_null(strstr(text, "site 0xffffffff8"));
    free(text);
    fputs("ffffffff80000000 T first\nffffffffff000000 T last\n", stream);
    fflush(stream);
    options.kallsyms = path;
    text = import_to_text("tests/data/perf-6.18-pipe.data.zst", &options);
    assert_null(strstr(text, "site 0x"));
    assert_non_null(strstr(text, "site first+0x1"));
    free(text);
    rewind(stream); /* what others than root see */
    fputs("0000000000000000 T first\n0000000000000000 T last\n", stream);
    fclose(stream);
    assert_int_equal(import_trace("tests/data/perf-6.18-pipe.data.zst", import_output, &options,
                                  &report, &error),
                     -EINVAL);
    assert_non_null(strstr(error.text, "no addresses of symbols"));
    assert_non_null(strstr(error.text, path));
    unlink(path);
}

/* ---- what is refused ---- */

static void the_other_byte_order_is_refused(void **state)
{
    (void)state;

    read_sample("perf-6.18.data");
    memcpy(sample.bytes, "2ELIFREP", 8);
    refuse("of the other byte order");
    memcpy(sample.bytes, "PERFFILE", 8);
    refuse("perf before Linux 2.6.34");
}

static void samples_that_lack_something_name_the_option(void **state)
{
    static const struct {
        uint64_t bit;
        const char *option;
    } missing[] = {{1 << 2, "perf record -T"},
                   {1 << 7, "perf record --sample-cpu"},
                   {1 << 10, "perf record -R"}};
    (void)state;

    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        read_sample("perf-6.18.data");
        sample_set(first_attr() + 24, sample_u64(first_attr() + 24) & ~missing[i].bit, 8);
        refuse(missing[i].option);
    }
}

static void an_impossible_record_is_an_error_of_its_byte(void **state)
{
    char expected[32];
    size_t at;
    (void)state;

    read_sample("perf-6.18.data");
    at = first_record(9);
    snprintf(expected, sizeof expected, ": byte %zu: ", at);
    sample_set(at + 6, 0, 2);
    refuse(expected);
    sample_set(at + 6, 7, 2);
    refuse(expected);
    sample_set(at + 6, 16, 2); /* a sample that ends before its fields */
    refuse(expected);
    read_sample("perf-6.18.data");
    sample_set(40 + 8, first_record(9) + 12 - sample_u64(40), 8); /* the records end within it */
    refuse("the formats of tracepoints are");
    read_sample("perf-6.18.data");
    sample_set(40 + 8, 0, 8);
    refuse("no records");
    sample_set(8, 99, 8);
    refuse("a head of 99 bytes");
}

static void a_sample_at_an_impossible_time_is_an_error_of_its_byte(void **state)
{
    char expected[32];
    size_t at;
    (void)state;

    read_sample("perf-6.18.data");
    at = first_record(9);
    snprintf(expected, sizeof expected, ": byte %zu: ", at);
    sample_set(at + 8 + 3 * 8, UINT64_MAX, 8); /* behind identifier, ip and tid */
    refuse(expected);
}

static void an_unknown_record_is_skipped_and_counted(void **state)
{
    (void)state;

    read_sample("perf-6.18.data");
    sample_set(first_record(68), 63, 4);
    accept();
    assert_int_equal(report.repairs.skipped_records, 1);
}

/* Without the ends of rounds all is held, and in order too. */
static void rounds_are_not_needed_for_the_order(void **state)
{
    char *with, *without;
    (void)state;

    read_sample("perf-6.18-lost.data");
    import_input_write(sample.bytes, sample.length);
    with = import_to_text(import_input, &(struct import_options){0});
    for (size_t at = sample_u64(40), end = at + sample_u64(48); at < end;) {
        uint16_t size;

        memcpy(&size, sample.bytes + at + 6, sizeof size);
        if (sample.bytes[at] == 68)
            sample_set(at, 11, 4);
        at += size;
    }
    import_input_write(sample.bytes, sample.length);
    without = import_to_text(import_input, &(struct import_options){0});
    assert_same_text(with, without);
    free(with);
    free(without);
}

static void a_recording_of_other_events_is_refused(void **state)
{
    (void)state;

    read_sample("perf-6.18.data");
    sample_set(72, sample_u64(72) & ~2ull, 8);
    refuse("no formats of tracepoints");
    read_sample("perf-6.18.data");
    for (char *at = sample.bytes;
         (at = memmem(at, sample.length - (size_t)(at - sample.bytes), "kmem\0", 5)); at++)
        memcpy(at, "kxem", 4);
    refuse("no format of a kmem event");
}

/* ---- damage ---- */

static const char *const damaged[] = {"perf-6.18.data", "perf-6.18-pipe.data", "perf-6.18-z.data",
                                      "perf-6.18-g.data", "perf-6.18-lost.data"};

static void every_beginning_of_a_perf_data_is_read_or_refused(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        size_t length;

        read_sample(damaged[i]);
        length = sample.length;
        for (size_t cut = 8; cut < length; cut += 1 + cut / 16) {
            sample.length = cut;
            if (i == 1)
                survive("cut at", cut);
            else
                refuse("byte ");
        }
    }
}

static void a_damaged_perf_data_is_read_or_refused(void **state)
{
    (void)state;

    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        unsigned short draws[3] = {(unsigned short)i};

        for (unsigned round = 0; round < 40; round++) {
            size_t at, reach;

            read_sample(damaged[i]);
            reach = round % 2 ? sample.length : 4096;
            at = 16 + (size_t)nrand48(draws) % (reach - 16);
            sample_set(at, (uint64_t)nrand48(draws), round % 3 ? 1 : 4);
            survive("damaged at", at);
        }
    }
}

/* ---- trace.dat ---- */

/* Its text begins with the number of CPUs, a line that is skipped. */
static void a_trace_dat_is_its_report(void **state)
{
    static const char *const versions[] = {"trace-6.18-v6.dat", "trace-6.18-v7.dat"};
    struct import_report got;
    (void)state;

    for (size_t i = 0; i < 2; i++) {
        assert_same_trace(versions[i], "trace-6.18.txt", &got);
        assert_string_equal(got.format, "trace-dat");
        assert_in_range(got.events, 900, 950);
        assert_int_equal(got.repairs.skipped_records, 0);
        /* "[EVENTS DROPPED]" on one CPU and "[6280 EVENTS DROPPED]" on the other */
        assert_int_equal(got.repairs.lost_events, 6281);
    }
}

static void every_beginning_of_a_trace_dat_is_read_or_refused(void **state)
{
    (void)state;

    read_sample("trace-6.18-v6.dat");
    for (size_t cut = 10, length = sample.length; cut < length; cut += 1 + cut / 16) {
        sample.length = cut;
        survive("cut at", cut);
    }
    read_sample("trace-6.18-v7.dat");
    for (size_t cut = 10, length = sample.length; cut < length; cut += 1 + cut / 16) {
        sample.length = cut;
        survive("cut at", cut);
    }
}

static void a_damaged_trace_dat_is_read_or_refused(void **state)
{
    static const char *const versions[] = {"trace-6.18-v6.dat", "trace-6.18-v7.dat"};
    unsigned short draws[3] = {1};
    (void)state;

    for (unsigned round = 0; round < 120; round++) {
        size_t at;

        read_sample(versions[round % 2]);
        at = 10 + (size_t)nrand48(draws) % (sample.length - 10);
        sample_set(at, (uint64_t)nrand48(draws), round % 3 ? 1 : 4);
        survive("damaged at", at);
    }
}

static void a_trace_dat_without_kmem_events_is_refused(void **state)
{
    (void)state;

    read_sample("trace-6.18-v6.dat");
    for (char *at = sample.bytes;
         (at = memmem(at, sample.length - (size_t)(at - sample.bytes), "kmem\0", 5)); at++)
        memcpy(at, "kxem", 4);
    refuse("no format of a kmem event");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_perf_data_is_its_perf_script),
        cmocka_unit_test(what_perf_writes_to_a_pipe_is_its_perf_script),
        cmocka_unit_test(compressed_records_are_their_perf_script),
        cmocka_unit_test(samples_with_call_chains_are_their_perf_script),
        cmocka_unit_test(other_events_are_skipped_and_lost_ones_counted_once),
        cmocka_unit_test(without_lost_samples_lost_records_count),
        cmocka_unit_test(standard_input_and_compressed_files_are_the_same_input),
        cmocka_unit_test(call_sites_are_named_by_a_kallsyms),
        cmocka_unit_test(the_other_byte_order_is_refused),
        cmocka_unit_test(samples_that_lack_something_name_the_option),
        cmocka_unit_test(an_impossible_record_is_an_error_of_its_byte),
        cmocka_unit_test(a_sample_at_an_impossible_time_is_an_error_of_its_byte),
        cmocka_unit_test(an_unknown_record_is_skipped_and_counted),
        cmocka_unit_test(rounds_are_not_needed_for_the_order),
        cmocka_unit_test(a_recording_of_other_events_is_refused),
        cmocka_unit_test(every_beginning_of_a_perf_data_is_read_or_refused),
        cmocka_unit_test(a_damaged_perf_data_is_read_or_refused),
        cmocka_unit_test(a_trace_dat_is_its_report),
        cmocka_unit_test(every_beginning_of_a_trace_dat_is_read_or_refused),
        cmocka_unit_test(a_damaged_trace_dat_is_read_or_refused),
        cmocka_unit_test(a_trace_dat_without_kmem_events_is_refused),
    };

    return cmocka_run_group_tests(tests, import_folder_make, import_folder_remove);
}
