/* SPDX-License-Identifier: MIT */
/* Lists and sizes as options give them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "tools/list_option.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct number_limits plain = {.minimum = 1, .maximum = 1000};
static const struct number_limits flagged = {.minimum = 1, .maximum = 1000, .automatic = true};
static const struct number_limits filled = {.minimum = 1, .maximum = 1000, .filler = "2..64"};

static void assert_list(const char *text, const struct number_limits *limits, bool automatic,
                        const char *expected)
{
    struct number_list list = {0};
    char numbers[256] = "";
    struct error error;

    if (number_list_parse(text, limits, &list, &error) != 0)
        fail_msg("%s", error.text);
    for (size_t i = 0; i < list.count; i++)
        sprintf(numbers + strlen(numbers), "%s%llu", i ? "," : "",
                (unsigned long long)list.numbers[i]);
    assert_string_equal(numbers, expected);
    assert_int_equal(list.automatic, automatic);
    number_list_cleanup(&list);
}

static void assert_refused(const char *text, const struct number_limits *limits, const char *words)
{
    struct number_list list = {0};
    struct error error;

    assert_int_equal(number_list_parse(text, limits, &list, &error), -EINVAL);
    if (!strstr(error.text, words))
        fail_msg("'%s' is not in: %s", words, error.text);
    assert_int_equal(list.count, 0);
}

static void lists_and_ranges_are_read(void **state)
{
    (void)state;
    assert_list("4,1,2", &plain, false, "4,1,2");
    assert_list("2..62", &plain, false, "2,4,8,16,32,62");
    assert_list("2..8+3", &plain, false, "2,5,8");
    assert_list("2..9+3", &plain, false, "2,5,8");
    assert_list("1,2,1..4", &plain, false, "1,2,4");
}

static void auto_joins_the_rest_of_a_list(void **state)
{
    (void)state;
    assert_list("1,auto", &flagged, true, "1");
    assert_list("auto", &flagged, true, "");
    assert_list("auto", &filled, false, "2,4,8,16,32,64");
    assert_list("2..62,auto", &filled, false, "2,4,8,16,32,62,64");
    assert_list("auto,3", &filled, false, "2,4,8,16,32,64,3");
}

static void auto_is_refused_where_it_means_nothing(void **state)
{
    (void)state;
    assert_refused("auto", &plain, "auto");
    assert_refused("1,auto", &plain, "auto");
}

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    assert_refused("", &plain, "expected a number");
    assert_refused("1,", &plain, "expected a number");
    assert_refused("1-4", &plain, "unexpected '-4'");
    assert_refused("autos", &flagged, "unexpected 's'");
    assert_refused("8..2", &plain, "upwards");
    assert_refused("1..8+0", &plain, "step of 0");
    assert_refused("0", &plain, "0 is outside 1 to 1000");
    assert_refused("1001", &plain, "outside");
    assert_refused("99999999999999999999", &plain, "too large");
    assert_refused("1..99999999+1", &plain, "more than 4096 numbers");
}

static void words_hold_no_commas(void **state)
{
    struct word_list list = {0};
    struct error error;

    (void)state;
    assert_int_equal(word_list_parse("a,b", &list, &error), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.words[1], "b");
    assert_null(list.words[2]);
    assert_int_equal(word_list_parse("a,,b", &list, &error), -EINVAL);
    word_list_cleanup(&list);
}

static void sizes_have_units(void **state)
{
    struct error error;
    uint64_t size;

    (void)state;
    assert_int_equal(size_parse("4096", &size, &error), 0);
    assert_int_equal(size, 4096);
    assert_int_equal(size_parse("2g", &size, &error), 0);
    assert_int_equal(size, 2ull << 30);
    assert_int_equal(size_parse("2X", &size, &error), -EINVAL);
    assert_int_equal(size_parse("18446744073709551615K", &size, &error), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_and_ranges_are_read),
        cmocka_unit_test(auto_joins_the_rest_of_a_list),
        cmocka_unit_test(auto_is_refused_where_it_means_nothing),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(words_hold_no_commas),
        cmocka_unit_test(sizes_have_units),
    };

    return cmocka_run_group_tests_name("list_option", tests, NULL, NULL);
}
