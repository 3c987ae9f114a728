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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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
    /* What failed long before the end, too. */
    assert_int_equal(outfile_open(&file, "/dev/full", &error), 0);
    for (int i = 0; i < 100000; i++)
        fputs("too much", file.stream);
    errno = 0;
    assert_int_equal(outfile_commit(&file, &error), -ENOSPC);
}

/* A link to a link to the target, the target there or not. */
static void a_link_is_followed_and_stays(void **state)
{
    char near[64], far[64], text[8] = "";
    struct outfile file;
    struct error error;
    struct stat status;
    FILE *written;
    (void)state;

    snprintf(near, sizeof near, "%s/near", folder);
    snprintf(far, sizeof far, "%s/far", folder);
    assert_int_equal(symlink("far", near), 0); /* relative to its folder, which is not ours */
    assert_int_equal(symlink(target, far), 0);
    unlink(target);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(outfile_open(&file, near, &error), 0);
        fputs(round ? "second" : "first", file.stream);
        assert_int_equal(outfile_commit(&file, &error), 0);
        assert_int_equal(lstat(near, &status), 0);
        assert_true(S_ISLNK(status.st_mode));
        assert_int_equal(lstat(far, &status), 0);
        assert_true(S_ISLNK(status.st_mode));
        assert_int_equal(lstat(target, &status), 0);
        assert_true(S_ISREG(status.st_mode));
        assert_int_equal(files_in_folder(), 3);
    }
    written = fopen(target, "r");
    assert_non_null(written);
    assert_non_null(fgets(text, sizeof text, written));
    assert_string_equal(text, "second");
    fclose(written);
    unlink(far);
    assert_int_equal(symlink("near", far), 0);
    assert_int_equal(outfile_open(&file, near, &error), -ELOOP);
    unlink(near);
    unlink(far);
}

/* In a child, since it dies of it: whichever signal it is, and with two files under way. */
static void a_signal_leaves_no_half_a_file(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    (void)state;

    unlink(target);
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        pid_t child = fork();
        int status;

        if (child == 0) {
            struct outfile files[3];
            char other[80];

            signal(signals[i], SIG_DFL);
            outfile_unlink_on_signals();
            snprintf(other, sizeof other, "%s.other", target);
            if (outfile_open(&files[0], other, NULL) || outfile_open(&files[1], target, NULL) ||
                outfile_open(&files[2], other, NULL))
                _exit(1);
            outfile_discard(&files[0]);
            raise(signals[i]);
            _exit(2);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), signals[i]);
        assert_int_equal(files_in_folder(), 0);
    }
}

static void an_ignored_signal_stays_ignored(void **state)
{
    pid_t child = fork();
    int status;
    (void)state;

    if (child == 0) {
        signal(SIGHUP, SIG_IGN);
        outfile_unlink_on_signals();
        raise(SIGHUP);
        _exit(3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
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
        cmocka_unit_test(a_link_is_followed_and_stays),
        cmocka_unit_test(a_signal_leaves_no_half_a_file),
        cmocka_unit_test(an_ignored_signal_stays_ignored),
        cmocka_unit_test(a_dash_is_standard_output),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
