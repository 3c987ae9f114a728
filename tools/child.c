/* SPDX-License-Identifier: MIT */
/* A program run to its end, what it says kept. */
#include "tools/child.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGES_MAX 65536

struct stream {
    int file; /* -1: closed */
    FILE *sink;
    char *text;
    size_t size;
    int code; /* why not all of it was read; 0 or an errno */
};

/* Moves what is there from the pipe into memory; false at the end. */
static bool stream_drain(struct stream *stream, size_t maximum)
{
    char block[16384];
    ssize_t count = read(stream->file, block, sizeof block);

    if (count < 0 && errno != EINTR)
        stream->code = errno;
    if (count < 0)
        return errno == EINTR;
    if (count == 0)
        return false;
    if ((size_t)ftell(stream->sink) < maximum &&
        fwrite(block, 1, (size_t)count, stream->sink) != (size_t)count)
        stream->code = ENOMEM;
    return true;
}

static void streams_read(struct stream streams[2])
{
    while (streams[0].file >= 0 || streams[1].file >= 0) {
        struct pollfd polled[2] = {{.fd = streams[0].file, .events = POLLIN},
                                   {.fd = streams[1].file, .events = POLLIN}};

        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return;
        for (int i = 0; i < 2; i++) {
            if (polled[i].revents && !stream_drain(&streams[i], i ? MESSAGES_MAX : SIZE_MAX)) {
                close(streams[i].file);
                streams[i].file = -1;
            }
        }
    }
}

/* In the child. Returns only when it could not become the program, with errno. */
static void become(const char *program, char *const argv[], const int pipes[2][2], pid_t parent)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

    /* Left alone, by a kill that nobody can catch, it would disturb whoever measures next. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(pipes[0][1], STDOUT_FILENO) < 0 ||
        dup2(pipes[1][1], STDERR_FILENO) < 0)
        return;
    execv(program, argv);
}

/* 0 or an errno, which comes through a pipe that a started program closes. */
static int spawn(const char *program, char *const argv[], const int pipes[2][2], pid_t *pid)
{
    pid_t parent = getpid();
    int failure[2], code = 0;

    if (pipe2(failure, O_CLOEXEC) != 0)
        return errno;
    *pid = fork();
    if (*pid == 0) {
        become(program, argv, pipes, parent);
        code = errno;
        if (write(failure[1], &code, sizeof code) != sizeof code)
            _exit(126);
        _exit(127);
    }
    if (*pid < 0)
        code = errno;
    close(failure[1]);
    if (*pid > 0) {
        ssize_t told;

        while ((told = read(failure[0], &code, sizeof code)) < 0 && errno == EINTR)
            ;
        if (told == sizeof code)
            waitpid(*pid, NULL, 0);
    }
    close(failure[0]);
    return code;
}

int child_run(const char *program, char *const argv[], struct child_result *result,
              struct error *error)
{
    struct stream streams[2] = {{.file = -1}, {.file = -1}};
    int pipes[2][2] = {{-1, -1}, {-1, -1}};
    int status, code = 0;
    pid_t pid = -1;

    *result = (struct child_result){0};
    for (int i = 0; i < 2; i++) {
        streams[i].sink = open_memstream(&streams[i].text, &streams[i].size);
        if (!streams[i].sink || pipe2(pipes[i], O_CLOEXEC) != 0)
            code = errno;
    }
    if (code == 0)
        code = spawn(program, argv, pipes, &pid);
    for (int i = 0; i < 2; i++) {
        if (pipes[i][1] >= 0)
            close(pipes[i][1]);
        streams[i].file = pipes[i][0];
    }
    if (code == 0) {
        streams_read(streams);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    for (int i = 0; i < 2; i++) {
        if (streams[i].file >= 0)
            close(streams[i].file);
        if (streams[i].sink && (fclose(streams[i].sink) != 0 || !streams[i].text) && code == 0)
            code = ENOMEM;
        code = code ? code : streams[i].code;
    }
    result->output = streams[0].text;
    result->output_size = streams[0].size;
    result->messages = streams[1].text;
    if (code)
        child_result_cleanup(result);
    return code ? error_set(error, code, "could not run %s: %s", program, strerror(code)) : 0;
}

void child_result_cleanup(struct child_result *result)
{
    free(result->output);
    free(result->messages);
    *result = (struct child_result){0};
}
