/* SPDX-License-Identifier: MIT */
/* Command lines: read, set up, run. See cases.h. */
#include "tests/faults/cases.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the list ---- */

static void case_parse(struct test_case *test, const char *line)
{
    size_t words = 0, copies = 0;
    char *rest = NULL;

    test->name = strdup(line);
    test->text = strdup(line);
    if (!test->name || !test->text)
        err(3, "no memory");
    test->every = test->thin = 1;
    test->words[words++] = "slablab";
    for (char *word = strtok_r(test->text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (words == CASE_WORDS || copies == CASE_COPIES)
            errx(3, "too long: %s", line);
        if (*word == '+')
            test->copies[copies++] = word + 1;
        else if (*word == '%')
            test->every = (unsigned)strtoul(word + 1, NULL, 10);
        else if (*word == '/')
            test->thin = strtoul(word + 1, NULL, 10);
        else if (strcmp(word, "~") == 0)
            test->varies = true;
        else if (strcmp(word, "?") == 0)
            test->traces = true;
        else if (*word == '<')
            test->input = word + 1;
        else
            test->words[words++] = word;
    }
    test->words[words] = NULL;
}

void cases_read(struct cases *cases, const char *path)
{
    FILE *stream = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    if (!stream)
        err(3, "%s", path);
    *cases = (struct cases){0};
    while (getline(&line, &size, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!*line || *line == '#')
            continue;
        cases->list = reallocarray(cases->list, cases->count + 1, sizeof *cases->list);
        if (!cases->list)
            err(3, "%s", path);
        cases->list[cases->count] = (struct test_case){0};
        case_parse(&cases->list[cases->count++], line);
    }
    free(line);
    fclose(stream);
}

/* ---- a place to run in ---- */

static struct faults_shared *shared_make(const char *path)
{
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    void *memory;

    if (file < 0 || ftruncate(file, sizeof(struct faults_shared)))
        err(3, "%s", path);
    memory = mmap(NULL, sizeof(struct faults_shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (memory == MAP_FAILED)
        err(3, "%s", path);
    close(file);
    return memory;
}

void place_make(struct place *place, const char *work, unsigned number, const struct job *common)
{
    snprintf(place->folder, sizeof place->folder, "%s/run-%u", work, number);
    snprintf(place->inputs, sizeof place->inputs, "%s/in", work);
    snprintf(place->output, sizeof place->output, "%s/output-%u", work, number);
    snprintf(place->messages, sizeof place->messages, "%s/messages-%u", work, number);
    snprintf(place->shared, sizeof place->shared, "%s/shared-%u", work, number);
    place->job = *common;
    place->job.folder = place->folder;
    place->job.output = place->output;
    place->job.messages = place->messages;
    place->job.shared_path = place->shared;
    place->job.shared = shared_make(place->shared);
}

#define OLD "what was there before\n"

/* Old results stand where the program will put its own, but in folders that it makes. */
static void folder_set_up(const struct test_case *test, const struct place *place)
{
    char from[4096 + 256], to[4096 + 256];

    folder_empty(place->folder);
    snprintf(to, sizeof to, "%s/tmp", place->folder);
    folder_empty(to);
    for (size_t i = 0; i < CASE_COPIES && test->copies[i]; i++) {
        snprintf(from, sizeof from, "%s/%s", place->inputs, test->copies[i]);
        snprintf(to, sizeof to, "%s/%s", place->folder, test->copies[i]);
        file_copy(from, to);
    }
    for (size_t i = 0; i < test->after.count; i++) {
        const struct file *file = &test->after.list[i];

        snprintf(to, sizeof to, "%s/%s", place->folder, file->path);
        if (!file->folder && !strchr(file->path, '/') && access(to, F_OK) != 0)
            file_write(to, OLD);
    }
}

int case_run(const struct test_case *test, struct place *place, const struct point *point,
             struct outcome *outcome)
{
    folder_set_up(test, place);
    if (test->input)
        snprintf(place->standard_input, sizeof place->standard_input, "%s/%s", place->inputs,
                 test->input);
    place->job.input = test->input ? place->standard_input : "/dev/null";
    place->job.argv = test->words;
    return tracer_run(&place->job, point, outcome);
}

/* ---- without faults ---- */

static bool same(const struct file *a, const struct file *b)
{
    return a->folder == b->folder && a->digest == b->digest && a->size == b->size;
}

static void say_messages(const struct place *place)
{
    char line[512];
    FILE *stream = fopen(place->messages, "re");

    while (stream && fgets(line, sizeof line, stream))
        fprintf(stderr, "    %s", line);
    if (stream)
        fclose(stream);
}

bool case_learn(struct test_case *test, struct place *place)
{
    const struct point none = {.kind = KIND_NONE};
    struct files again = {0};
    struct file output = {0};

    for (unsigned run = 0; run < 2; run++) {
        int code = case_run(test, place, &none, &test->outcome);

        if (code || test->outcome.late || !WIFEXITED(test->outcome.status) ||
            WEXITSTATUS(test->outcome.status) != 0) {
            fprintf(stderr, "%s: without a fault: %s, status 0x%x\n", test->name, strerror(code),
                    (unsigned)test->outcome.status);
            say_messages(place);
            return false;
        }
        files_scan(run ? &again : &test->after, place->folder);
        output = run ? output : file_scan(place->output);
    }
    test->output = file_scan(place->output);
    test->output_steady = !test->varies && same(&output, &test->output);
    test->steady = calloc(test->after.count + 1, sizeof *test->steady);
    if (!test->steady)
        err(3, "no memory");
    for (size_t i = 0; i < test->after.count; i++) {
        const struct file *other = files_find(&again, test->after.list[i].path);

        test->steady[i] = !test->varies && other && same(&test->after.list[i], other);
    }
    files_cleanup(&again);
    folder_set_up(test, place);
    files_scan(&test->before, place->folder);
    return true;
}
