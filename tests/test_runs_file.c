/* SPDX-License-Identifier: MIT */
/* A results file that breaks off or is damaged, at every byte and in every bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tools/runs_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 3 };

static char path[] = "/tmp/slablab-test-XXXXXX";
static json_t *records[RECORDS];
static char bytes[4096];
static size_t length, ends[RECORDS]; /* ends: where each line does */

static int write_records(void **state)
{
    int file = mkstemp(path);

    (void)state;
    for (size_t i = 0; i < RECORDS; i++) {
        records[i] = json_pack("{s:s, s:s, s:i, s:f, s:s+}", "schema", "slablab.run/1", "allocator",
                               "magazine", "threads", (int)i + 1, "ns_per_event", 10.4, "cell",
                               "cell ", (char[]){(char)('0' + i), '\0'});
        assert_int_equal(runs_file_append(file, records[i], NULL), 0);
        ends[i] = (size_t)lseek(file, 0, SEEK_CUR);
    }
    length = ends[RECORDS - 1];
    assert_in_range(length, 100 * RECORDS, sizeof bytes);
    assert_int_equal(pread(file, bytes, length, 0), length);
    close(file);
    return 0;
}

static int remove_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDS; i++)
        json_decref(records[i]);
    return unlink(path);
}

/* ---- reading it back ---- */

static struct {
    json_t *records[RECORDS];
    size_t count;
    long whole;
    struct error error;
} back;

static void visit(void *context, const json_t *record)
{
    (void)context;
    assert_in_range(back.count, 0, RECORDS - 1);
    back.records[back.count] = json_deep_copy(record);
    json_object_del(back.records[back.count++], "checksum");
}

/* Of a file that is not refused all that is read is what was written, in its order. */
static int read_back(const char *data, size_t size)
{
    FILE *file = fopen(path, "w");
    int code;

    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    back.count = 0;
    back.error.text[0] = '\0';
    code = runs_file_read(path, visit, NULL, &back.whole, &back.error);
    for (size_t i = 0; i < back.count; i++) {
        if (code == 0)
            assert_true(json_equal(back.records[i], records[i]));
        json_decref(back.records[i]);
    }
    return code;
}

static size_t lines_until(size_t at)
{
    size_t lines = 0;

    while (lines < RECORDS && ends[lines] <= at)
        lines++;
    return lines;
}

static void every_beginning_reads_as_its_whole_lines(void **state)
{
    (void)state;
    for (size_t kept = 0; kept <= length; kept++) {
        size_t lines = lines_until(kept);

        assert_int_equal(read_back(bytes, kept), 0);
        assert_int_equal(back.count, lines);
        assert_int_equal(back.whole, lines ? ends[lines - 1] : 0);
    }
}

/* But for the last line feed: without it the last line has not been written. */
static void every_flipped_bit_is_refused_with_its_line(void **state)
{
    char data[sizeof bytes], line[48];

    (void)state;
    memcpy(data, bytes, length);
    for (size_t bit = 0; bit < 8 * length; bit++) {
        size_t at = bit / 8;
        int code;

        data[at] = (char)(data[at] ^ 1 << bit % 8);
        code = read_back(data, length);
        if (at == length - 1) {
            assert_int_equal(code, 0);
            assert_int_equal(back.count, RECORDS - 1);
            assert_int_equal(back.whole, ends[RECORDS - 2]);
        } else {
            snprintf(line, sizeof line, ": line %zu: ", lines_until(at) + 1);
            assert_int_equal(code, -EINVAL);
            assert_non_null(strstr(back.error.text, path));
            assert_non_null(strstr(back.error.text, line));
        }
        data[at] = bytes[at];
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_beginning_reads_as_its_whole_lines),
        cmocka_unit_test(every_flipped_bit_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, write_records, remove_records);
}
