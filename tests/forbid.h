/* SPDX-License-Identifier: MIT */
/* A system that refuses a system call, as containers do: for tests, in a child of theirs. */
#ifndef SLABLAB_TESTS_FORBID_H
#define SLABLAB_TESTS_FORBID_H

#include <stdbool.h>

/*
 * Forks a child in which system call `number` ends with `code`, and asserts that test() is true
 * there. Skips the calling test where calls cannot be forbidden.
 */
void assert_where_forbidden(long number, int code, bool (*test)(void));

#endif
