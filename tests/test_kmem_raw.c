/* SPDX-License-Identifier: MIT */
/* Records of kmem events: layouts as Linux 6.18 and 6.1 tell them, and records that are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tests/kernel_fixture.h"
#include "traces/import/kmem_raw.h"

#include <errno.h>
#include <event-parse.h>
#include <stdio.h>
#include <string.h>

static struct tep_handle *tep;
static struct kmem_raw *raw;
static struct kmem_raw_event event;

/* The layout of Linux 6.18's kmem_cache_alloc, with room for the name. */
struct alloc_record {
    uint16_t type;
    uint8_t flags, preempt;
    int32_t pid;
    uint64_t site, pointer;
    uint32_t name;
    uint64_t requested, allocated, gfp;
    int32_t node;
    uint8_t accounted;
    char text[19];
};

/* And of its kmalloc. */
struct kmalloc_record {
    uint16_t type;
    uint8_t flags, preempt;
    int32_t pid;
    uint64_t site, pointer, requested, allocated, gfp;
    int32_t node;
};

/* Of its format: the numbers in tests/data/kmem-6.18. */
enum { CACHE_FREE = 656, FREE, KMALLOC, CACHE_ALLOC, OLD_ALLOC = 700 };
enum { GFP_IO_FS = 3 << 6, GFP_KERNEL = 3 << 10 | GFP_IO_FS, GFP_HIGH = 1 << 5, GFP_ZERO = 1 << 8 };
enum { GFP_ATOMIC = GFP_HIGH | 1 << 11, GFP_NOWAIT = 1 << 11 | 1 << 13 };

/* As Linux 6.1 and before: no name, no node, GFP_ATOMIC is another bit, 32-bit flags. */
static const char old_format[] =
    "name: kmem_cache_alloc\nID: 700\nformat:\n"
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
    "\tfield:unsigned long call_site;\toffset:8;\tsize:8;\tsigned:0;\n"
    "\tfield:const void * ptr;\toffset:16;\tsize:8;\tsigned:0;\n"
    "\tfield:size_t bytes_req;\toffset:24;\tsize:8;\tsigned:0;\n"
    "\tfield:size_t bytes_alloc;\toffset:32;\tsize:8;\tsigned:0;\n"
    "\tfield:gfp_t gfp_flags;\toffset:40;\tsize:4;\tsigned:0;\n\n"
    "print fmt: \"ptr=%p gfp_flags=%s\", REC->ptr, (REC->gfp_flags) ? "
    "__print_flags(REC->gfp_flags, \"|\", {(unsigned long)((( gfp_t)(0x400u|0x800u)) | "
    "(( gfp_t)0x40u) | (( gfp_t)0x80u)), \"GFP_KERNEL\"}, {(unsigned long)((( gfp_t)0x20u)|"
    "(( gfp_t)0x200u)|(( gfp_t)0x800u)), \"GFP_ATOMIC\"}) : \"none\"\n";

static void load(const char *text, size_t size)
{
    assert_int_equal(tep_parse_event(tep, text, size, "kmem"), 0);
}

static int set_up(void **state)
{
    (void)state;
    tep = tep_alloc();
    return tep ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    kmem_raw_destroy(raw);
    raw = NULL;
    tep_free(tep);
    return 0;
}

static void create(void)
{
    struct error error;

    tep_free(tep);
    tep = kernel_fixture_formats();
    assert_int_equal(kmem_raw_create(&raw, tep, &error), 0);
}

static struct alloc_record make_alloc(const char *name)
{
    struct alloc_record record = {.type = CACHE_ALLOC,
                                  .pid = 4711,
                                  .site = 0xffffffff81000010,
                                  .pointer = 0xffff888100000040,
                                  .requested = 100,
                                  .allocated = 128,
                                  .gfp = GFP_KERNEL,
                                  .node = -1};

    snprintf(record.text, sizeof record.text, "%s", name);
    record.name = (uint32_t)((strlen(name) + 1) << 16 | offsetof(struct alloc_record, text));
    return record;
}

static void an_allocation_has_all_its_fields(void **state)
{
    struct alloc_record record = make_alloc("dentry");

    (void)state;
    create();
    record.node = 3;
    assert_int_equal(kmem_raw_decode(raw, &record, sizeof record, &event), 1);
    assert_int_equal(event.kind->kind, SPILL_ALLOC);
    assert_false(event.kind->untyped);
    assert_int_equal(event.pid, 4711);
    assert_int_equal(event.pointer, 0xffff888100000040);
    assert_int_equal(event.call_site, 0xffffffff81000010);
    assert_int_equal(event.requested, 100);
    assert_int_equal(event.allocated, 128);
    assert_int_equal(event.node, 3);
    assert_int_equal(event.flags, 0);
    assert_int_equal(event.name_length, 6);
    assert_memory_equal(event.name, "dentry", 6);
}

static void a_free_says_what_is_freed(void **state)
{
    const struct {
        uint16_t type, flags;
        int32_t pid;
        uint64_t site, pointer;
    } record = {.type = FREE, .pid = 1, .site = 2, .pointer = 0xffff888100000040};

    (void)state;
    create();
    assert_int_equal(kmem_raw_decode(raw, &record, sizeof record, &event), 1);
    assert_int_equal(event.kind->kind, SPILL_FREE);
    assert_true(event.kind->untyped);
    assert_int_equal(event.pointer, 0xffff888100000040);
    assert_null(event.name);
}

static uint16_t flags_of(uint64_t gfp)
{
    struct kmalloc_record record = {.type = KMALLOC, .gfp = gfp, .node = -1};

    assert_int_equal(kmem_raw_decode(raw, &record, sizeof record, &event), 1);
    assert_int_equal(event.node, TRACE_ANY_NODE);
    return event.flags;
}

static void flags_mean_what_the_kernel_prints_of_them(void **state)
{
    (void)state;
    create();
    for (int again = 0; again < 2; again++) { /* they are remembered */
        assert_int_equal(flags_of(0), 0);
        assert_int_equal(flags_of(GFP_KERNEL), 0);
        assert_int_equal(flags_of(GFP_KERNEL | GFP_ZERO), TRACE_ZERO);
        assert_int_equal(flags_of(GFP_ATOMIC), TRACE_NO_WAIT);
        assert_int_equal(flags_of(GFP_NOWAIT), TRACE_NO_WAIT);
        assert_int_equal(flags_of(GFP_ATOMIC | GFP_ZERO), TRACE_NO_WAIT | TRACE_ZERO);
        assert_int_equal(flags_of(GFP_KERNEL | GFP_HIGH), 0); /* printed GFP_KERNEL|__GFP_HIGH */
    }
}

static void an_older_kernel_names_neither_cache_nor_node(void **state)
{
    struct {
        uint16_t type, flags;
        int32_t pid;
        uint64_t site, pointer, requested, allocated;
        uint32_t gfp;
    } record = {.type = OLD_ALLOC, .pointer = 64, .requested = 8, .allocated = 8, .gfp = 0xa20};
    struct error error;

    (void)state;
    load(old_format, sizeof old_format - 1);
    assert_int_equal(kmem_raw_create(&raw, tep, &error), 0);
    assert_int_equal(kmem_raw_decode(raw, &record, sizeof record, &event), 1);
    assert_int_equal(event.pointer, 64);
    assert_int_equal(event.node, TRACE_ANY_NODE);
    assert_null(event.name);
    assert_int_equal(event.flags, TRACE_NO_WAIT);
    record.gfp = 0xcc0;
    assert_int_equal(kmem_raw_decode(raw, &record, sizeof record, &event), 1);
    assert_int_equal(event.flags, 0);
}

static void records_of_the_other_byte_order_read_alike(void **state)
{
    const unsigned char record[] = {
        0x02, 0xbc, 0, 0, 0, 0, 0x12, 0x67, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,   0,    0, 0, 0, 64,
        0,    0,    0, 0, 0, 0, 1,    0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0xa, 0x20, 0, 0, 0, 0};
    struct error error;

    (void)state;
    tep_set_local_bigendian(tep, TEP_LITTLE_ENDIAN);
    tep_set_file_bigendian(tep, TEP_BIG_ENDIAN);
    load(old_format, sizeof old_format - 1);
    assert_int_equal(kmem_raw_create(&raw, tep, &error), 0);
    assert_int_equal(kmem_raw_decode(raw, record, sizeof record, &event), 1);
    assert_int_equal(event.pid, 4711);
    assert_int_equal(event.pointer, 64);
    assert_int_equal(event.requested, 256);
    assert_int_equal(event.allocated, 512);
    assert_int_equal(event.flags, TRACE_NO_WAIT);
}

static void damaged_records_are_refused(void **state)
{
    struct alloc_record record = make_alloc("dentry");
    uint16_t other = 1;

    (void)state;
    create();
    assert_int_equal(kmem_raw_decode(raw, &other, sizeof other, &event), 0);
    assert_int_equal(kmem_raw_decode(raw, &record, 1, &event), -EINVAL);
    assert_int_equal(kmem_raw_decode(raw, &record, 59, &event), -EINVAL);
    record.name = 20 << 16 | offsetof(struct alloc_record, text); /* beyond its end */
    assert_int_equal(kmem_raw_decode(raw, &record, sizeof record, &event), -EINVAL);
    record = make_alloc("dentry");
    record.node = -2;
    assert_int_equal(kmem_raw_decode(raw, &record, sizeof record, &event), -EINVAL);
}

static void formats_without_kmem_events_or_with_half_of_one_are_refused(void **state)
{
    static const char half[] =
        "name: kfree\nID: 1\nformat:\n"
        "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
        "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
        "\tfield:unsigned long call_site;\toffset:8;\tsize:8;\tsigned:0;\n\n"
        "print fmt: \"%lx\", REC->call_site\n";
    struct error error;

    (void)state;
    assert_int_equal(kmem_raw_create(&raw, tep, &error), -ENOENT);
    load(half, sizeof half - 1);
    assert_int_equal(kmem_raw_create(&raw, tep, &error), -EINVAL);
    assert_non_null(strstr(error.text, "kfree has no field ptr"));
    raw = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_allocation_has_all_its_fields),
        TEST(a_free_says_what_is_freed),
        TEST(flags_mean_what_the_kernel_prints_of_them),
        TEST(an_older_kernel_names_neither_cache_nor_node),
        TEST(records_of_the_other_byte_order_read_alike),
        TEST(damaged_records_are_refused),
        TEST(formats_without_kmem_events_or_with_half_of_one_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
