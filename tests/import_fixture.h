/* SPDX-License-Identifier: MIT */
/* What tests of importers import from and to: a temporary folder, and the recording put into it. */
#ifndef SLABLAB_TESTS_IMPORT_FIXTURE_H
#define SLABLAB_TESTS_IMPORT_FIXTURE_H

#include <stddef.h>

extern char import_folder[];
extern char import_input[64], import_output[64]; /* in it: the recording, the trace */

/* For cmocka_run_group_tests. */
int import_folder_make(void **state);
int import_folder_remove(void **state);

void import_input_write(const void *bytes, size_t length);

#endif
