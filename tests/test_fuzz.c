/* SPDX-License-Identifier: MIT */
/* Every input of tests/fuzz/corpus through what it is of: what fuzzing found stays mended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fuzz/targets.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#define CORPUS "tests/fuzz/corpus/"

/* Of a format that it cannot parse libtraceevent does not give all memory back, nor does hwloc of a
 * description with memory in a level that it then refuses. (What is ours test_topology finds.) */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libtraceevent.so\nleak:libhwloc.so\n";
}

static void run_file(const struct fuzz_target *target, const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "re");
    size_t length;

    assert_non_null(file);
    length = fread(bytes, 1, sizeof bytes, file);
    assert_in_range(length, 0, sizeof bytes - 1);
    fclose(file);
    fuzz_run(target, bytes, length);
}

/* Which one is said first, for an input that ends the program. */
static void every_input_is_read_or_refused(void **state)
{
    const struct fuzz_target *target = *state;
    char pattern[128];
    glob_t found;

    snprintf(pattern, sizeof pattern, CORPUS "%s/*", target->name);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        fprintf(stderr, "%s\n", found.gl_pathv[i]);
        run_file(target, found.gl_pathv[i]);
    }
    globfree(&found);
}

int main(void)
{
    struct CMUnitTest tests[64];
    size_t count = 0;

    for (; fuzz_target_at(count); count++)
        tests[count] = (struct CMUnitTest){.name = fuzz_target_at(count)->name,
                                           .test_func = every_input_is_read_or_refused,
                                           .initial_state = (void *)fuzz_target_at(count)};
    return _cmocka_run_group_tests("corpora", tests, count, NULL, NULL);
}
