/* SPDX-License-Identifier: MIT */
/*
 * What tests/test_coroutine.c asks of cmocka, for an architecture whose programs run here under an
 * emulator and that has no cmocka here (`make check-aarch64`). It reports as cmocka does.
 */
#ifndef SLABLAB_TESTS_FOREIGN_CMOCKA_H
#define SLABLAB_TESTS_FOREIGN_CMOCKA_H

#include <stdio.h>
#include <stdlib.h>

struct CMUnitTest {
    const char *name;
    void (*run)(void **state);
};

#define cmocka_unit_test(test)                                                                     \
    {                                                                                              \
#test, test                                                                                \
    }
/* The first that fails ends the program: tests/run counts it as failed. */
#define assert_true(condition)                                                                     \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define assert_int_equal(a, b) assert_true((a) == (b))

#define cmocka_run_group_tests_name(name, tests, set_up, tear_down)                                \
    foreign_run(tests, sizeof(tests) / sizeof(tests)[0])

static inline int foreign_run(const struct CMUnitTest *tests, size_t count)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* a child that dies must not say again what was said */
    for (size_t i = 0; i < count; i++) {
        printf("[ RUN      ] %s\n", tests[i].name);
        tests[i].run(NULL);
        printf("[       OK ] %s\n", tests[i].name);
    }
    return 0;
}

#endif
