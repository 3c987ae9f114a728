/* SPDX-License-Identifier: MIT */
/* Words and numbers of lines, against what the C library makes of them. */
#include "traces/import/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct text text_of(const char *string)
{
    return (struct text){string, string + strlen(string)};
}

static void every_length_of_hexadecimal_number_is_read(void **state)
{
    static const char digits[] = "fedcba9876543210";

    (void)state;
    for (size_t length = 1; length <= 16; length++) {
        for (size_t from = 0; from + length <= 16; from++) {
            char lower[32], upper[32];
            uint64_t value;

            snprintf(lower, sizeof lower, "0x%.*s", (int)length, digits + from);
            assert_true(text_hex(text_of(lower), &value));
            assert_true(value == strtoull(lower, NULL, 16));
            assert_true(text_hex(text_of(lower + 2), &value));
            assert_true(value == strtoull(lower, NULL, 16));
            strcpy(upper, lower);
            for (char *c = upper; *c; c++)
                *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 32 : *c);
            assert_true(text_hex(text_of(upper), &value));
            assert_true(value == strtoull(lower, NULL, 16));
        }
    }
}

/* Each byte in each place of a number, in the part that is read at once and behind it. */
static void only_hexadecimal_digits_are_hexadecimal_digits(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool digit = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') ||
                     (byte >= 'A' && byte <= 'F');

        for (size_t place = 0; place < 11; place++) {
            char number[] = "7f90495120e";
            uint64_t value;

            number[place] = (char)byte;
            if (place == 1 && (byte | 0x20) == 'x') /* no 0x: 7x */
                assert_false(digit);
            assert_int_equal(text_hex((struct text){number, number + 11}, &value), digit);
        }
    }
    assert_false(text_hex(text_of("12345678123456781"), &(uint64_t){0}));
    assert_false(text_hex(text_of(""), &(uint64_t){0}));
}

static void pointers_may_be_nothing(void **state)
{
    uint64_t value = 1;

    (void)state;
    assert_true(text_pointer(text_of("(nil)"), &value) && value == 0);
    assert_true(text_pointer(text_of("(null)"), &value) && value == 0);
    assert_false(text_pointer(text_of("(none)"), &value));
    assert_true(text_pointer(text_of("0xffff88810087a000"), &value));
    assert_true(value == 0xffff88810087a000);
}

static void decimal_numbers_have_at_most_so_many_digits(void **state)
{
    static const char number[] = "123456789012345678901", stamp[] = "12:";
    uint64_t value;
    unsigned digits;

    (void)state;
    for (unsigned most = 1; most < 20; most++) {
        for (unsigned length = 0; length < 21; length++) {
            const char *end = text_digits(number, number + length, most, &value, &digits);

            if (length == 0 || length > most) {
                assert_null(end);
                continue;
            }
            assert_ptr_equal(end, number + length);
            assert_int_equal(digits, length);
        }
    }
    assert_true(text_number(text_of("999999999999999999"), &value) && value == 999999999999999999);
    assert_false(text_number(text_of("1234567890123456789"), &value));
    assert_false(text_number(text_of("12a"), &value));
    assert_false(text_number(text_of("-1"), &value));
    assert_true(text_digits(stamp, stamp + 3, 2, &value, &digits) == stamp + 2);
    assert_int_equal(value, 12);
}

static void words_end_at_blanks_and_tabs_only(void **state)
{
    struct text left = text_of(" one\ttwo\x01\x1f  \xc3\xa9\x7f ");
    struct text back = left, word;

    (void)state;
    assert_true(text_is(text_word(&left), "one"));
    assert_true(text_is(text_word(&left), "two\x01\x1f"));
    assert_true(text_is(text_word(&left), "\xc3\xa9\x7f"));
    assert_int_equal(text_length(text_word(&left)), 0);
    assert_true(text_is(text_last_word(&back), "\xc3\xa9\x7f"));
    assert_true(text_is(text_last_word(&back), "two\x01\x1f"));
    assert_true(text_is(text_last_word(&back), "one"));
    word = text_last_word(&back);
    assert_int_equal(text_length(word), 0);
    assert_false(text_is(word, "one"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_of_hexadecimal_number_is_read),
        cmocka_unit_test(only_hexadecimal_digits_are_hexadecimal_digits),
        cmocka_unit_test(pointers_may_be_nothing),
        cmocka_unit_test(decimal_numbers_have_at_most_so_many_digits),
        cmocka_unit_test(words_end_at_blanks_and_tabs_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
