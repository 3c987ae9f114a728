/* SPDX-License-Identifier: MIT */
/* See import_fixture.h. */
#include "tests/import_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

char import_folder[] = "/tmp/slablab-test-XXXXXX";
char import_input[64], import_output[64];

int import_folder_make(void **state)
{
    (void)state;
    if (!mkdtemp(import_folder))
        return -1;
    snprintf(import_input, sizeof import_input, "%s/input", import_folder);
    snprintf(import_output, sizeof import_output, "%s/output.slt", import_folder);
    return 0;
}

int import_folder_remove(void **state)
{
    (void)state;
    unlink(import_input);
    unlink(import_output);
    return rmdir(import_folder);
}

void import_input_write(const void *bytes, size_t length)
{
    FILE *stream = fopen(import_input, "w");

    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, length, stream), length);
    assert_int_equal(fclose(stream), 0);
}
