/* SPDX-License-Identifier: MIT */
/* Files that are whole or not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/error.h"
#include "traces/outfile.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/slablab-test-XXXXXX";
static char target[64];

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(target, sizeof target, "%s/target", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(target);
    return rmdir(folder);
}

static unsigned files_in_folder(void)
{
    DIR *opened = opendir(folder);
    unsigned count = 0;

    while (readdir(opened))
        count++;
    closedir(opened);
    return count - 2;
}

static void nothing_is_there_before_the_commit(void **state)
{
    struct outfile file;
    struct error error;
    (void)state;

    assert_int_equal(outfile_open(&file, target, &error), 0);
    fputs("hello", file.stream);
    assert_int_equal(access(target, F_OK), -1);
    outfile_discard(&file);
    assert_int_equal(files_in_folder(), 0);
}

static void a_commit_replaces_the_whole_file(void **state)
{
    struct outfile file;
    struct error error;
    struct stat status;
    mode_t mask = umask(027);
    (void)state;

    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(outfile_open(&file, target, &error), 0);
        fputs(round ? "new" : "older", file.stream);
        assert_int_equal(outfile_commit(&file, &error), 0);
        assert_int_equal(stat(target, &status), 0);
        assert_int_equal(status.st_size, round ? 3 : 5);
        assert_int_equal(status.st_mode & 07777, 0640);
        assert_int_equal(files_in_folder(), 1);
    }
    umask(mask);
}

static void a_folder_is_refused_by_name(void **state)
{
    struct outfile file;
    struct error error;
    (void)state;

    assert_int_equal(outfile_open(&file, folder, &error), -EISDIR);
    assert_non_null(strstr(error.text, folder));
    assert_int_equal(outfile_open(&file, "/nowhere/at/all", &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
    assert_int_equal(outfile_open(&file, "", &error), -ENOENT);
}

static void a_device_is_written_as_it_stands(void **state)
{
    struct outfile file;
    struct error error;
    struct stat status;
    (void)state;

    assert_int_equal(outfile_open(&file, "/dev/null", &error), 0);
    fputs("gone", file.stream);
    assert_int_equal(outfile_commit(&file, &error), 0);
    assert_int_equal(stat("/dev/null", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
    assert_int_equal(outfile_open(&file, "/dev/full", &error), 0);
    fputs("too much", file.stream);
    assert_int_equal(outfile_commit(&file, &error), -ENOSPC);
    assert_non_null(strstr(error.text, "/dev/full"));
}

static void a_dash_is_standard_output(void **state)
{
    int saved = dup(STDOUT_FILENO), ends[2];
    struct outfile file;
    struct error error;
    char got[8] = "";
    (void)state;

    fflush(stdout);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDOUT_FILENO);
    assert_int_equal(outfile_open(&file, "-", &error), 0);
    fputs("out", file.stream);
    assert_int_equal(outfile_commit(&file, &error), 0);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    assert_int_equal(read(ends[0], got, sizeof got), 3);
    assert_string_equal(got, "out");
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_there_before_the_commit),
        cmocka_unit_test(a_commit_replaces_the_whole_file),
        cmocka_unit_test(a_folder_is_refused_by_name),
        cmocka_unit_test(a_device_is_written_as_it_stands),
        cmocka_unit_test(a_dash_is_standard_output),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
