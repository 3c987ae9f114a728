/* SPDX-License-Identifier: MIT */
/* Input that is made to take memory or time out of proportion; tests/fuzz/README.md has all caps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "sim/survive.h"
#include "tests/cli.h"
#include "tools/list_option.h"
#include "tools/runs_file.h"
#include "traces/import/import.h"
#include "traces/import/perf_attr.h"
#include "traces/import/perf_unpack.h"
#include "traces/import/rounds.h"
#include "traces/malloc_sites.h"
#include "traces/slt_frame.h"
#include "traces/slt_tables.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

enum { MIB = 1 << 20 };

static int count_record(void *context, const char *record, size_t size)
{
    uint64_t *bytes = context;

    (void)record;
    *bytes += size;
    return 0;
}

static char *path_of(const char *name)
{
    static char path[96];

    snprintf(path, sizeof path, "%s/%s", cli_folder, name);
    return path;
}

/* ---- traces ---- */

/* Opens a trace whose first block says that it is so large. */
static void read_block_of(uint32_t raw, uint32_t stored, struct error *error)
{
    uint8_t file[SLT_HEADER_BYTES + SLT_BLOCK_BYTES] = {0}, *block = file + SLT_HEADER_BYTES;
    struct trace_reader *reader;
    struct trace_event event;

    memcpy(file, SLT_MAGIC, 8);
    store_u32(file + SLT_HEADER_MAJOR, SLT_MAJOR);
    store_u64(file + SLT_HEADER_CHECKSUM, XXH3_64bits(file, SLT_HEADER_CHECKSUM));
    store_u32(block + SLT_BLOCK_MAGIC_AT, SLT_BLOCK_MAGIC);
    store_u32(block + SLT_BLOCK_KIND, SLT_BLOCK_EVENTS);
    store_u32(block + SLT_BLOCK_RAW, raw);
    store_u32(block + SLT_BLOCK_STORED, stored);
    store_u64(block + SLT_BLOCK_CHECKSUM, XXH3_64bits(block, SLT_BLOCK_CHECKSUM));
    cli_write_file("block.slt", (const char *)file, sizeof file);
    assert_int_equal(trace_open(path_of("block.slt"), &reader, error), 0);
    assert_true(trace_read(reader, &event, 1, error) < 0);
    trace_close(reader);
}

static void a_block_is_as_large_as_the_format_allows(void **state)
{
    struct error error;

    (void)state;
    read_block_of(SLT_MAX_RAW + 1, SLT_MAX_RAW, &error);
    assert_non_null(strstr(error.text, "larger than the format allows"));
    read_block_of(SLT_MAX_RAW, SLT_MAX_STORED + 1, &error);
    assert_non_null(strstr(error.text, "larger than the format allows"));
    read_block_of(SLT_MAX_RAW, SLT_MAX_RAW / SLT_MAX_RATIO - 1, &error);
    assert_non_null(strstr(error.text, "compressed more than the format allows"));
}

static void there_are_no_more_streams_than_events_can_name(void **state)
{
    struct slt_tables tables = {0};
    struct bytes payload = {0};
    const uint8_t stream[] = {SLT_RECORD_STREAM, 3, 1, 's', 0};
    const char *wrong;

    (void)state;
    for (unsigned i = 0; i < SLT_MAX_STREAMS; i++)
        bytes_put(&payload, stream, sizeof stream);
    assert_null(slt_tables_read(&tables, &payload));
    wrong = slt_tables_read(&tables, &payload);
    assert_non_null(wrong);
    assert_non_null(strstr(wrong, "more streams than"));
    slt_tables_cleanup(&tables);
    bytes_cleanup(&payload);
}

/* ---- recordings ---- */

static void a_line_of_text_has_its_bound(void **state)
{
    const size_t length = 9 * MIB;
    char *line = malloc(length), output[96];
    struct error error;

    (void)state;
    assert_non_null(line);
    memset(line, 'x', length);
    cli_write_file("line", line, length);
    free(line);
    snprintf(output, sizeof output, "%s", path_of("line.slt"));
    assert_int_equal(import_trace(path_of("line"), output,
                                  &(struct import_options){.format = "mtrace"}, NULL, &error),
                     -EINVAL);
    assert_non_null(strstr(error.text, "longer than 8388608 bytes"));
}

static void a_perf_data_has_bounds_of_events_and_their_ids(void **state)
{
    const char attr[PERF_ATTR_SIZE_VER0] = {0};
    struct perf_attrs attrs = {0};
    struct error error;

    (void)state;
    assert_int_equal(perf_attrs_add(&attrs, attr, sizeof attr, NULL, (1 << 24) + 1, &error),
                     -EINVAL);
    assert_non_null(strstr(error.text, "ids of them than 16777216"));
    attrs.count = 1 << 16;
    assert_int_equal(perf_attrs_add(&attrs, attr, sizeof attr, NULL, 0, &error), -EINVAL);
    perf_attrs_cleanup(&attrs);
}

/* So many MiB of records without content, which zstd makes next to nothing of. */
static size_t pack(unsigned mib, char *packed, size_t room)
{
    static struct perf_event_header records[MIB / sizeof(struct perf_event_header)];
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_outBuffer out = {packed, room, 0};

    assert_non_null(zstd);
    for (size_t i = 0; i < sizeof records / sizeof *records; i++)
        records[i].size = sizeof *records;
    for (unsigned i = 0; i < mib; i++) {
        ZSTD_inBuffer in = {records, sizeof records, 0};

        assert_int_equal(
            ZSTD_compressStream2(zstd, &out, &in, i + 1 < mib ? ZSTD_e_continue : ZSTD_e_end), 0);
        assert_int_equal(in.pos, in.size);
    }
    ZSTD_freeCCtx(zstd);
    return out.pos;
}

static int unpack(unsigned mib, uint64_t *bytes, struct error *error)
{
    struct perf_unpack unpack = {0};
    char *packed = malloc(MIB);
    size_t length = pack(mib, packed, MIB);
    int code;

    *bytes = 0;
    code = perf_unpack(&unpack, packed, length, count_record, bytes, error);
    perf_unpack_cleanup(&unpack);
    free(packed);
    return code;
}

static void compressed_records_do_not_unfold_out_of_proportion(void **state)
{
    struct error error = {""};
    uint64_t bytes;

    (void)state;
    assert_int_equal(unpack(32, &bytes, &error), 0);
    assert_int_equal(bytes, 32 * MIB);
    assert_int_equal(unpack(512, &bytes, &error), -EINVAL);
    assert_non_null(strstr(error.text, "more than 2000 times as long"));
    assert_true(bytes < 256 * (uint64_t)MIB);
}

static int count_emitted(void *context, const struct rounds_record *record)
{
    size_t *emitted = context;

    assert_int_equal(record->bytes[0], 'r');
    ++*emitted;
    return 0;
}

static void records_that_no_round_ends_are_held_up_to_a_bound(void **state)
{
    static const char bytes[60000] = "record";
    size_t emitted = 0, held = 0, most = 0;
    struct rounds rounds;

    (void)state;
    rounds_init(&rounds, count_emitted, &emitted);
    for (uint64_t i = 0; i < 4000; i++) { /* 240 MB */
        const struct rounds_record record = {.time_ns = i, .bytes = bytes, .size = sizeof bytes};

        assert_int_equal(rounds_add(&rounds, &record, false), 0);
        held = (size_t)(i + 1) - emitted;
        most = held > most ? held : most;
    }
    assert_true(most * sizeof bytes <= 64 * (size_t)MIB);
    assert_int_equal(rounds_end(&rounds), 0);
    assert_int_equal(emitted, 4000);
    rounds_cleanup(&rounds);
}

static void a_round_of_no_records_ends(void **state)
{
    size_t emitted = 0;
    struct rounds rounds;

    (void)state;
    rounds_init(&rounds, count_emitted, &emitted);
    assert_int_equal(rounds_turn(&rounds), 0);
    assert_int_equal(rounds_end(&rounds), 0);
    assert_int_equal(emitted, 0);
    rounds_cleanup(&rounds);
}

/* Addresses are looked for in each of them, so that many of both would take hours. */
static void mappings_of_code_are_read_up_to_a_bound(void **state)
{
    char path[] = "/tmp/slablab-test-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    struct malloc_sites sites = {0};

    (void)state;
    assert_non_null(file);
    for (uint64_t again = 0; again < 2; again++) {
        for (uint64_t i = 1; i < 60000; i++)
            fprintf(file, "%" PRIx64 "000-%" PRIx64 "800 r-xp 0 08:01 1 /lib/x.so\n", i, i);
    }
    fclose(file);
    assert_int_equal(malloc_sites_load(&sites, path), 0);
    unlink(path);
    assert_int_equal(sites.nr_modules, 4096);
    assert_int_equal(sites.modules[4095].start, 4096 << 12);
    malloc_sites_cleanup(&sites);
}

/* As a program that loads libraries leaves it: a copy of all for each. */
static void a_mapping_that_is_listed_again_is_one(void **state)
{
    char path[] = "/tmp/slablab-test-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    struct malloc_sites sites = {0};

    (void)state;
    assert_non_null(file);
    for (unsigned again = 0; again < 3; again++)
        fputs("1000-2000 r-xp 0 08:01 1 /lib/x.so\n2000-3000 r-xp 0 08:01 1 /lib/y.so\n", file);
    fputs("1000-2000 r-xp 1000 08:01 1 /lib/x.so\n", file);
    fclose(file);
    assert_int_equal(malloc_sites_load(&sites, path), 0);
    unlink(path);
    assert_int_equal(sites.nr_modules, 3);
    malloc_sites_cleanup(&sites);
}

/* ---- libraries that trust what they read ---- */

static int take_memory(void *context, struct error *error)
{
    const size_t *bytes = context;
    void *taken = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return taken == MAP_FAILED ? error_set(error, ENOMEM, "not so much") : 0;
}

static void what_is_tried_has_memory_in_proportion(void **state)
{
    size_t little = 256 * (size_t)MIB, much = 1024 * (size_t)MIB;
    struct error error = {""};
    bool told;

    (void)state;
    if (strstr(getenv("LD_PRELOAD") ?: "", "vgpreload"))
        skip(); /* valgrind hands out addresses itself, and heeds no limit of them */
    assert_int_equal(survives(take_memory, &little, 1000, &told, &error), 0);
    assert_int_equal(survives(take_memory, &much, 1000, &told, &error), -EINVAL);
    assert_true(told);
    assert_string_equal(error.text, "not so much");
    assert_int_equal(survives(take_memory, &much, 16 * MIB, &told, &error), 0);
}

/* ---- options and results ---- */

static void lists_and_their_products_have_bounds(void **state)
{
    const struct number_limits limits = {.maximum = UINT64_MAX};
    struct number_list list = {0};
    struct error error;

    (void)state;
    assert_int_equal(number_list_parse("1..4097+1", &limits, &list, &error), -EINVAL);
    assert_non_null(strstr(error.text, "more than 4096 numbers"));
    number_list_cleanup(&list);
    cli_run("replay " HACKBENCH " -a magazine --oversubscribe --magazine-size 1..1000+1 "
            "-t 1..1001+1");
    assert_refused("more than 1000000 combinations");
}

static void pass_over(void *context, const json_t *record)
{
    (void)context, (void)record;
}

static void a_record_does_not_nest_without_end(void **state)
{
    char line[8192];
    struct error error;

    (void)state;
    memset(line, '[', sizeof line);
    memcpy(line, "{\"a\":", 5);
    line[sizeof line - 1] = '\n';
    cli_write_file("runs.jsonl", line, sizeof line);
    assert_int_equal(runs_file_read(cli_folder, pass_over, NULL, NULL, &error), -EINVAL);
    assert_non_null(strstr(error.text, "line 1: not a result record: maximum parsing depth"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_as_large_as_the_format_allows),
        cmocka_unit_test(there_are_no_more_streams_than_events_can_name),
        cmocka_unit_test(a_line_of_text_has_its_bound),
        cmocka_unit_test(a_perf_data_has_bounds_of_events_and_their_ids),
        cmocka_unit_test(compressed_records_do_not_unfold_out_of_proportion),
        cmocka_unit_test(records_that_no_round_ends_are_held_up_to_a_bound),
        cmocka_unit_test(a_round_of_no_records_ends),
        cmocka_unit_test(mappings_of_code_are_read_up_to_a_bound),
        cmocka_unit_test(a_mapping_that_is_listed_again_is_one),
        cmocka_unit_test(what_is_tried_has_memory_in_proportion),
        cmocka_unit_test(lists_and_their_products_have_bounds),
        cmocka_unit_test(a_record_does_not_nest_without_end),
    };

    return cmocka_run_group_tests_name("caps", tests, cli_set_up, cli_tear_down);
}
