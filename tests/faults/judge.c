/* SPDX-License-Identifier: MIT */
/* Did a run into which a fault was put end as it should? */
#include "tests/faults/cases.h"
#include "tests/faults/kinds.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct ending {
    const struct test_case *test;
    const struct place *place;
    const struct point *point;
    const struct outcome *outcome;
    struct files now;
    char *text; /* 512 bytes */
};

/*
 * The kernel's answers about the machine: a result may have fewer of them, but what it then says of
 * the machine is another length.
 */
static bool about_machine(const struct point *point, const struct outcome *outcome)
{
    static const char *const folders[] = {"'/sys/", "'/proc/", "'/dev/"};

    if (point->kind >= 0 && strcmp(kinds[point->kind].name, "hint") == 0)
        return true;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (strstr(outcome->where, folders[i]))
            return true;
    }
    return false;
}

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path);

    return length > strlen(ending) && strcmp(path + length - strlen(ending), ending) == 0;
}

/* A trace of what is not the same each time: does the program itself find it whole? */
static bool trace_is_whole(const struct ending *ending, const char *path)
{
    char command[3 * 4096];

    snprintf(command, sizeof command, "'%s' check '%s/%s' >/dev/null 2>&1",
             ending->place->job.program, ending->place->folder, path);
    return system(command) == 0;
}

/* The same bytes, or where they differ from run to run (times), as many whole lines. */
static bool complete(const struct ending *ending, const struct file *expected, bool steady,
                     const struct file *file)
{
    const char *path = expected->path ? expected->path : "";

    if (expected->folder || file->folder)
        return expected->folder == file->folder;
    if (file->digest == expected->digest && file->size == expected->size)
        return true;
    if (ends_with(path, ".slt"))
        return !steady && trace_is_whole(ending, path);
    if (about_machine(ending->point, ending->outcome))
        return file->whole == expected->whole && (file->lines > 0) == (expected->lines > 0);
    if (steady)
        return false;
    if (ends_with(path, ".json")) /* one note a line, as many as there are */
        return file->whole && 2 * file->size >= expected->size;
    return file->lines == expected->lines && file->whole == expected->whole;
}

static bool untouched(const struct test_case *test, const struct file *file)
{
    const struct file *before = files_find(&test->before, file->path);

    return before && before->folder == file->folder && before->digest == file->digest;
}

/* Who cannot remove a file, or look what there is to remove, leaves it. */
static bool unlink_failed(const struct point *point)
{
    return point->kind >= 0 && (strcmp(kinds[point->kind].name, "unlink") == 0 ||
                                strcmp(kinds[point->kind].name, "folder") == 0);
}

/* Nothing else than results, old or new and whole; records of runs are appended, line by line. */
static const char *judge_files(const struct ending *ending)
{
    const struct test_case *test = ending->test;

    for (size_t i = 0; i < ending->now.count; i++) {
        const struct file *file = &ending->now.list[i];
        const struct file *expected = files_find(&test->after, file->path);
        bool steady = expected && test->steady[expected - test->after.list];

        if (untouched(test, file) || (expected && complete(ending, expected, steady, file)) ||
            (expected && ends_with(file->path, ".jsonl")))
            continue;
        if (!expected && unlink_failed(ending->point))
            continue;
        snprintf(ending->text, 512, "%s: %s", file->path,
                 expected ? "neither what was there nor the whole result" : "left behind");
        return ending->text;
    }
    return NULL;
}

static const char *judge_success(const struct ending *ending)
{
    const struct test_case *test = ending->test;
    struct file output = file_scan(ending->place->output);

    for (size_t i = 0; i < test->after.count; i++) {
        const struct file *expected = &test->after.list[i];
        const struct file *file = files_find(&ending->now, expected->path);

        if (file && complete(ending, expected, test->steady[i], file))
            continue;
        snprintf(ending->text, 512, "status 0, but %s is %s", expected->path,
                 file ? "not whole" : "missing");
        return ending->text;
    }
    if (!complete(ending, &test->output, test->output_steady, &output)) {
        snprintf(ending->text, 512, "status 0, but of standard output there are %zu bytes, not %zu",
                 output.size, test->output.size);
        return ending->text;
    }
    return NULL;
}

static bool messages_hold(const struct place *place, const char *word)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = fopen(place->messages, "re");
    bool held = stream && getdelim(&text, &size, '\0', stream) > 0 && strstr(text, word);

    free(text);
    if (stream)
        fclose(stream);
    return held;
}

/*
 * Takes out what the program left in the kernel's tracing; whether there was something that it
 * should have removed: where all calls of a kind fail it may not be able to, and says so.
 */
static bool instance_was_left(const struct place *place, const struct point *point,
                              const struct outcome *outcome)
{
    char path[4096 + 64];

    if (!place->job.tracefs)
        return false;
    snprintf(path, sizeof path, "%s/instances/slablab-%d", place->job.tracefs, (int)outcome->pid);
    return rmdir(path) == 0 && !(point->onward && messages_hold(place, "is left"));
}

const char *case_judge(const struct test_case *test, const struct place *place,
                       const struct point *point, const struct outcome *outcome, char text[512])
{
    struct ending ending = {
        .test = test, .place = place, .point = point, .outcome = outcome, .text = text};
    const char *wrong = NULL;
    bool instance = instance_was_left(place, point, outcome);

    if (outcome->late)
        return "does not end";
    if (outcome->left)
        return "a process of its own outlived it";
    if (WIFSIGNALED(outcome->status)) {
        snprintf(text, 512, "ended by signal %d (%s)", WTERMSIG(outcome->status),
                 strsignal(WTERMSIG(outcome->status)));
        return text;
    }
    files_scan(&ending.now, place->folder);
    if (WEXITSTATUS(outcome->status) == 0) {
        wrong = judge_success(&ending);
    } else {
        wrong =
            messages_hold(place, "slablab") ? NULL : "failed, and standard error does not say why";
        if (!wrong && WEXITSTATUS(outcome->status) > 2)
            wrong = "ended with a status that stands for nothing";
    }
    if (!wrong)
        wrong = judge_files(&ending);
    if (!wrong && instance && !unlink_failed(point))
        wrong = "its instance is left in the kernel's tracing";
    files_cleanup(&ending.now);
    return wrong;
}
