/* SPDX-License-Identifier: MIT */
/* Exploring in a child; see explore_child.h. */
#include "tools/explore_child.h"

#include "sim/error.h"
#include "tools/child.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What parent and child share. */
struct shared {
    struct explore_progress progress;
    int code; /* of virtual_explore */
    struct error error;
};

static _Noreturn void child(const struct explore_config *config, struct shared *shared,
                            FILE *messages)
{
    const struct rlimit none = {0, 0};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none); /* a finding is no accident */
    dup2(fileno(messages), STDERR_FILENO);
    shared->code = virtual_explore(config, &shared->progress, &shared->error);
    _exit(0);
}

/* What the child said last: the message of an assertion. */
static void said(FILE *messages, int status, char *text, size_t size)
{
    size_t length;

    rewind(messages);
    length = fread(text, 1, size - 1, messages);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    if (length == 0 && WIFEXITED(status))
        snprintf(text, size, "ended with status %d", WEXITSTATUS(status));
    else if (length == 0 && WTERMSIG(status) == SIGVTALRM)
        snprintf(text, size, "no end after %d s of computing", EXPLORE_SECONDS);
    else if (length == 0)
        snprintf(text, size, "%s", strsignal(WTERMSIG(status)));
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int run(const struct explore_config *config, struct shared *shared, FILE *messages,
               struct explored *explored, struct error *error)
{
    double start = now();
    pid_t pid;
    int status;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        return error_set(error, errno, "cannot start a child: %s", strerror(errno));
    if (pid == 0)
        child(config, shared, messages);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    explored->seconds = now() - start;
    explored->progress = shared->progress;
    explored->found = !WIFEXITED(status) || WEXITSTATUS(status) != 0; /* a sanitizer exits */
    if (explored->found && shared->progress.no_memory)
        return error_set(error, ENOMEM, "%s", shared->progress.finding);
    if (explored->found && shared->progress.finding[0])
        snprintf(explored->what, sizeof explored->what, "%s", shared->progress.finding);
    else if (explored->found)
        said(messages, status, explored->what, sizeof explored->what);
    if (!explored->found && shared->code)
        *error = shared->error;
    return explored->found ? 0 : shared->code;
}

int explore_in_child(const struct explore_config *config, struct explored *explored,
                     struct error *error)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FILE *messages = tmpfile();
    int code;

    *explored = (struct explored){.found = false};
    if (shared == MAP_FAILED || !messages)
        code = error_set(error, ENOMEM, "no memory to share with a child: %s", strerror(errno));
    else
        code = run(config, shared, messages, explored, error);
    if (shared != MAP_FAILED)
        munmap(shared, sizeof *shared);
    if (messages)
        fclose(messages);
    return code;
}

/* ---- where it was ---- */

/* Two lines each of `text`: a function, and file:line. Returns what follows them. */
static char *place_read(char *text, struct explore_code *code)
{
    char *place = strchr(text, '\n'), *end = place ? strchr(place + 1, '\n') : NULL;

    if (!end)
        return NULL;
    *place++ = '\0';
    *end = '\0';
    if (place[0] != '?')
        snprintf(code->text, sizeof code->text, "%.60s %.60s", place, text);
    return end + 1;
}

void explore_codes(const struct explore_progress *progress,
                   struct explore_code codes[EXPLORE_SWITCHES])
{
    char offsets[EXPLORE_SWITCHES][32], *argv[EXPLORE_SWITCHES + 7];
    char program[] = "/proc/self/exe", *line;
    struct child_result result;
    struct error error;
    unsigned count = 6;
    Dl_info info;
    char path[4096] = "";

    if (!dladdr((void *)explore_codes, &info) || readlink(program, path, sizeof path - 1) < 0)
        return;
    memcpy(argv, (char *[]){"env", "addr2line", "-f", "-s", "-e", path}, 6 * sizeof *argv);
    for (unsigned i = 0; i < EXPLORE_SWITCHES; i++) {
        /* Of a return address the call is before it. */
        uintptr_t code = (uintptr_t)progress->switches[i].code;

        snprintf(offsets[i], sizeof offsets[i], "%#lx",
                 code ? (unsigned long)(code - 1 - (uintptr_t)info.dli_fbase) : 0);
        snprintf(codes[i].text, sizeof codes[i].text, "%.40s",
                 code ? offsets[i] : "a lock or an event");
        argv[count++] = offsets[i];
    }
    argv[count] = NULL;
    if (child_run("/usr/bin/env", argv, &result, &error) != 0)
        return;
    line = result.output;
    for (unsigned i = 0; result.status == 0 && line && i < EXPLORE_SWITCHES; i++)
        line = place_read(line, &codes[i]);
    child_result_cleanup(&result);
}
