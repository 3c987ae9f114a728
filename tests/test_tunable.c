/* SPDX-License-Identifier: MIT */
/* Tunables: what is taken, what is refused, and that a refusal says what would be right. */
#include "sim/tunable.h"

#include "allocators/allocator.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct options {
    uint64_t rounds, bytes, lists, on, kind;
    const char *name;
};

static const char *const kinds[] = {"lock", "steal", NULL};
static const struct tunable tunables[] = {
    {.key = "rounds",
     .kind = TUNABLE_UINT,
     .offset = offsetof(struct options, rounds),
     .minimum = 1,
     .maximum = 62,
     .initial = 8},
    {.key = "bytes",
     .kind = TUNABLE_SIZE,
     .offset = offsetof(struct options, bytes),
     .maximum = 1 << 20,
     .initial = 4096},
    {.key = "lists",
     .kind = TUNABLE_UINT,
     .offset = offsetof(struct options, lists),
     .minimum = 2,
     .maximum = 1024,
     .initial = 64,
     .power_of_two = true},
    {.key = "on", .kind = TUNABLE_BOOL, .offset = offsetof(struct options, on), .initial = true},
    {.key = "kind",
     .kind = TUNABLE_CHOICE,
     .offset = offsetof(struct options, kind),
     .choices = kinds},
    {.key = "name",
     .kind = TUNABLE_STRING,
     .offset = offsetof(struct options, name),
     .initial_string = "libc"},
    {.key = NULL},
};

static struct options options;
static struct error error;

static int setup(void **state)
{
    (void)state;
    tunable_set_initial(tunables, &options);
    error.text[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tunable_release(tunables, &options);
    return 0;
}

static int set(const char *key, const char *value)
{
    return tunable_set("design", tunables, &options, key, value, &error);
}

static void assert_said(const char *words)
{
    if (!strstr(error.text, words))
        fail_msg("'%s' is not in: %s", words, error.text);
}

static void assert_text(const char *key, const char *expected)
{
    char buffer[64];

    assert_string_equal(tunable_text(tunable_find(tunables, key), &options, buffer, sizeof buffer),
                        expected);
}

static void defaults_are_the_initial_values(void **state)
{
    (void)state;
    assert_text("rounds", "8");
    assert_text("bytes", "4096");
    assert_text("lists", "64");
    assert_text("on", "on");
    assert_text("kind", "lock");
    assert_text("name", "libc");
}

static void every_kind_is_read_and_written(void **state)
{
    (void)state;
    assert_int_equal(set("rounds", "62"), 0);
    assert_text("rounds", "62");
    assert_int_equal(set("rounds", "0x10"), 0);
    assert_text("rounds", "16");
    assert_int_equal(set("bytes", "64K"), 0);
    assert_int_equal(options.bytes, 65536);
    assert_int_equal(set("bytes", "1m"), 0);
    assert_text("bytes", "1048576");
    assert_int_equal(set("lists", "1024"), 0);
    assert_int_equal(set("on", "off"), 0);
    assert_text("on", "off");
    assert_int_equal(set("on", "TRUE"), 0);
    assert_text("on", "on");
    assert_int_equal(set("kind", "steal"), 0);
    assert_text("kind", "steal");
    assert_int_equal(options.kind, 1);
    assert_int_equal(set("name", "jemalloc"), 0);
    assert_int_equal(set("name", "mimalloc"), 0);
    assert_text("name", "mimalloc");
}

static void a_leading_zero_is_no_octal(void **state)
{
    (void)state;
    assert_int_equal(set("rounds", "010"), 0);
    assert_text("rounds", "10");
}

static void a_string_is_the_options_own_copy(void **state)
{
    char word[] = "jemalloc";

    (void)state;
    assert_int_equal(set("name", word), 0);
    word[0] = 'X';
    assert_text("name", "jemalloc");
}

static void an_unknown_key_lists_those_there_are(void **state)
{
    (void)state;
    assert_int_equal(set("magsize", "3"), -ENOENT);
    assert_said("design has no tunable 'magsize'");
    assert_said("rounds, bytes, lists, on, kind, name");
}

static void a_design_without_tunables_says_so(void **state)
{
    (void)state;
    assert_int_equal(tunable_set("null", NULL, &options, "x", "1", &error), -ENOENT);
    assert_said("none at all");
}

static void a_value_out_of_range_says_the_range(void **state)
{
    (void)state;
    assert_int_equal(set("rounds", "0"), -ERANGE);
    assert_said("'rounds' cannot be '0'; it can be 1 to 62");
    assert_int_equal(set("rounds", "63"), -ERANGE);
    assert_int_equal(set("rounds", "99999999999999999999"), -ERANGE);
    assert_int_equal(set("bytes", "99999999999999999G"), -ERANGE);
    assert_int_equal(set("lists", "100"), -ERANGE);
    assert_said("a power of two, 2 to 1024");
    assert_text("rounds", "8");
    assert_text("lists", "64");
}

static void what_is_no_value_of_the_kind_is_refused(void **state)
{
    static const char *const wrong[] = {"", "-1", "+1", " 1", "1x", "8K", "1.5", "0x", "eight"};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(set("rounds", wrong[i]), -EINVAL);
    assert_int_equal(set("bytes", "1T"), -EINVAL);
    assert_int_equal(set("bytes", "1KB"), -EINVAL);
    assert_int_equal(set("on", "2"), -EINVAL);
    assert_said("on or off");
    assert_int_equal(set("kind", "ticket"), -EINVAL);
    assert_said("lock or steal");
    assert_int_equal(set("name", ""), -EINVAL);
}

/* ---- the same through a running front end ---- */

static void options_are_set_by_name_and_told_as_text(void **state)
{
    struct allocator_instance *instance;
    char text[32];

    (void)state;
    assert_int_equal(allocator_create("magazine", &instance, &error), 0);
    assert_string_equal(allocator_get(instance, "magazine_size", text, sizeof text), "8");
    assert_int_equal(allocator_set(instance, "magazine_size", "16", &error), 0);
    assert_string_equal(allocator_get(instance, "magazine_size", text, sizeof text), "16");
    assert_string_equal(allocator_get(instance, "none such", text, sizeof text), "");
    allocator_destroy(instance);
}

static void a_magazine_size_raises_the_maximum_and_ends_resizing(void **state)
{
    struct allocator_instance *instance;
    char text[32];

    (void)state;
    assert_int_equal(allocator_create("magazine", &instance, &error), 0);
    assert_int_equal(allocator_set_magazine_size(instance, 100, &error), 0);
    assert_string_equal(allocator_get(instance, "magazine_size", text, sizeof text), "100");
    assert_string_equal(allocator_get(instance, "magazine_max", text, sizeof text), "100");
    assert_string_equal(allocator_get(instance, "resize", text, sizeof text), "off");
    assert_int_equal(allocator_set_magazine_size(instance, 0, &error), -ERANGE);
    allocator_destroy(instance);
}

static void a_magazine_size_leaves_resizing_on_when_that_was_asked_for(void **state)
{
    struct allocator_instance *instance;
    char text[32];

    (void)state;
    assert_int_equal(allocator_create("magazine", &instance, &error), 0);
    assert_int_equal(allocator_set(instance, "resize", "on", &error), 0);
    assert_int_equal(allocator_set_magazine_size(instance, 4, &error), 0);
    assert_string_equal(allocator_get(instance, "resize", text, sizeof text), "on");
    assert_string_equal(allocator_get(instance, "magazine_max", text, sizeof text), "62");
    allocator_destroy(instance);
}

static void a_design_without_magazines_has_no_magazine_size(void **state)
{
    struct allocator_instance *instance;

    (void)state;
    assert_int_equal(allocator_create("bufctl", &instance, &error), 0);
    assert_int_equal(allocator_set_magazine_size(instance, 4, &error), -ENOTSUP);
    assert_said("bufctl");
    allocator_destroy(instance);
}

static void an_unknown_design_lists_those_there_are(void **state)
{
    struct allocator_instance *instance;

    (void)state;
    assert_int_equal(allocator_create("slob", &instance, &error), -ENOENT);
    assert_said("no allocator 'slob'");
    assert_said("bufctl, helenos, magazine, malloc, null, slabifier, spl");
}

static void a_colon_sets_the_first_tunable_of_those_that_take_one(void **state)
{
    struct allocator_instance *instance;
    char text[32];

    (void)state;
    assert_int_equal(allocator_create("malloc:jemalloc", &instance, &error), 0);
    assert_string_equal(allocator_name(instance), "malloc:jemalloc");
    assert_string_equal(allocator_get(instance, "library", text, sizeof text), "jemalloc");
    allocator_destroy(instance);
    assert_int_equal(allocator_create("bufctl:libc", &instance, &error), -EINVAL);
    assert_said("bufctl takes nothing behind a colon");
    assert_int_equal(allocator_create("malloc:", &instance, &error), -EINVAL);
}

static void registered_designs_are_complete_and_sorted(void **state)
{
    size_t count;
    const struct allocator *const *designs = allocator_all(&count);

    (void)state;
    assert_true(count >= 4);
    for (size_t i = 0; i < count; i++) {
        const struct allocator *design = designs[i];

        assert_true(i == 0 || strcmp(designs[i - 1]->name, design->name) < 0);
        assert_non_null(design->summary);
        assert_non_null(design->source);
        assert_non_null(design->layers);
        for (const struct tunable *t = design->tunables; t && t->key; t++)
            assert_non_null(t->summary);
    }
}

#define with_options(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_options(defaults_are_the_initial_values),
        with_options(every_kind_is_read_and_written),
        with_options(a_leading_zero_is_no_octal),
        with_options(a_string_is_the_options_own_copy),
        with_options(an_unknown_key_lists_those_there_are),
        with_options(a_design_without_tunables_says_so),
        with_options(a_value_out_of_range_says_the_range),
        with_options(what_is_no_value_of_the_kind_is_refused),
        cmocka_unit_test(options_are_set_by_name_and_told_as_text),
        cmocka_unit_test(a_magazine_size_raises_the_maximum_and_ends_resizing),
        cmocka_unit_test(a_magazine_size_leaves_resizing_on_when_that_was_asked_for),
        cmocka_unit_test(a_design_without_magazines_has_no_magazine_size),
        cmocka_unit_test(an_unknown_design_lists_those_there_are),
        cmocka_unit_test(a_colon_sets_the_first_tunable_of_those_that_take_one),
        cmocka_unit_test(registered_designs_are_complete_and_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
