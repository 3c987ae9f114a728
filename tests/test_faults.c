/* SPDX-License-Identifier: MIT */
/*
 * Allocations and system calls that fail: a few of the points of `make check-faults`, and that what
 * judges them sees what is wrong. See tests/faults/README.md.
 */
#include "tests/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Counts lines, and writes files of its own when the program ends. */
extern void __gcov_dump(void) __attribute__((weak));

/* A sanitizer's allocator comes before the library that fails; and only x86-64 is traced. */
static void skip_where_impossible(void)
{
#ifdef __x86_64__
    if (SANITIZED || __gcov_dump)
        skip();
#else
    skip();
#endif
}

static void a_fault_anywhere_leaves_no_wrong_result(void **state)
{
    int status;
    char *said;

    (void)state;
    skip_where_impossible();
    said = cli_ask("tests/faults/run $(dirname $SLABLAB) --every 150", &status);
    if (status != 0 || !strstr(said, " passed, 0 failed"))
        fail_msg("status %d: %s", status, said);
    free(said);
}

/* `words` prints what is expected to begin a case, one a line. */
static void assert_cases_begin_with(const char *words)
{
    char command[1024], *said;
    int status;

    snprintf(
        command, sizeof command,
        "words=$(%s); [ -n \"$words\" ] || echo none; echo \"$words\" | while read -r word; do "
        "grep -qE \"^([/%%~?][0-9]* )*$word( |\\$)\" tests/faults/cases || echo \"$word\"; done",
        words);
    said = cli_ask(command, &status);
    assert_int_equal(status, 0);
    if (*said)
        fail_msg("faults are put into no line of tests/faults/cases with: %s", said);
    free(said);
}

static void every_command_has_a_case(void **state)
{
    (void)state;
    assert_cases_begin_with("$SLABLAB help | sed -n 's/^  \\([a-z][a-z-]*\\) .*/\\1/p'");
    assert_cases_begin_with("$SLABLAB record --help | sed -n '1s/.*] \\([a-z|]*\\) .*/\\1/p' | "
                            "tr '|' '\\n' | sed 's/^/record /'");
    assert_cases_begin_with(
        "$SLABLAB list importers | sed -n 's/^  \\([a-z][a-z-]*\\) .*/import -f \\1/p'");
}

static void careless_program_is_found_out(void **state)
{
    static const char *const wrongs[] = {
        "memory 1: ended by signal",
        "write 1 ENOSPC: status 0, but out.txt is not whole",
        "write 1 short: status 0, but out.txt is not whole",
        "open 1 EMFILE: status 0, but out.txt is not whole",
        "rename 1 EIO: status 0, but out.txt is not whole",
    };
    int status;
    char *said;

    (void)state;
    skip_where_impossible();
    cli_shell("mkdir @/in && echo result >@/cases && : >@/known");
    said =
        cli_ask("faults=$(dirname $SLABLAB)/tests/faults; $faults/sweep --program $faults/careless "
                "--library $faults/inject.so --work @ --cases @/cases --known @/known --jobs 1; "
                "status=$?; rm -rf @/*; exit $status",
                &status);
    assert_int_equal(status, 1);
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        if (!strstr(said, wrongs[i]))
            fail_msg("not found: %s in: %s", wrongs[i], said);
    }
    free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_anywhere_leaves_no_wrong_result),
        cmocka_unit_test(every_command_has_a_case),
        cmocka_unit_test(careless_program_is_found_out),
    };

    return cmocka_run_group_tests(tests, cli_set_up, cli_tear_down);
}
