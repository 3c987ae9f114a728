/* SPDX-License-Identifier: MIT */
/* Reading in a process of its own: see survive.h. */
#include "sim/survive.h"

#include "sim/error.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SURVIVE_TOLD = 77,         /* exit status: what is wrong is in `said` */
    SURVIVE_SLOWEST = 1000000, /* bytes a second; a walk that takes longer does not end */
    SURVIVE_TIMES = 64,        /* memory for each byte of input: compressed ones unfold */
    SURVIVE_LEAST = 1 << 29    /* bytes, of memory */
};

/* So much more than there is now; where that is not known there is no limit. */
static void survive_limit_memory(size_t length)
{
    unsigned long long data = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    struct rlimit limit;

    if (file && fscanf(file, "%*u %*u %*u %*u %*u %llu", &data) == 1 && data &&
        getrlimit(RLIMIT_DATA, &limit) == 0) {
        rlim_t most = (rlim_t)data * (rlim_t)sysconf(_SC_PAGESIZE) + SURVIVE_LEAST +
                      (rlim_t)SURVIVE_TIMES * length;

        if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur > most) {
            limit.rlim_cur = most;
            setrlimit(RLIMIT_DATA, &limit);
        }
    }
    if (file)
        fclose(file);
}

/* What the library prints goes to `said`. */
static void __attribute__((noreturn))
survive_try(int (*attempt)(void *context, struct error *error), void *context, size_t length,
            int said)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
    struct error error = {""};
    int code;

    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) /* it ends here, not in a handler */
        signal(fatal[i], SIG_DFL);
    survive_limit_memory(length);
    alarm(60 + (unsigned)(length / SURVIVE_SLOWEST));
    dup2(said, STDOUT_FILENO);
    dup2(said, STDERR_FILENO);
    /* With a buffer what is printed may be lost, not more. */
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    code = attempt(context, &error);
    if (code && *error.text && pwrite(said, error.text, sizeof error.text, 0) > 0)
        _exit(SURVIVE_TOLD);
    _exit(code ? EXIT_FAILURE : EXIT_SUCCESS);
}

int survives(int (*attempt)(void *context, struct error *error), void *context, size_t length,
             bool *told, struct error *error)
{
    int said = memfd_create("said", MFD_CLOEXEC), status = -1, code = 0;
    struct error words = {""};
    pid_t process;

    *told = false;
    if (said < 0)
        return -errno;
    process = fork();
    if (!process)
        survive_try(attempt, context, length, said);
    if (process < 0)
        code = -errno;
    while (!code && waitpid(process, &status, 0) < 0) {
        if (errno != EINTR)
            code = -errno;
    }
    if (!code && pread(said, words.text, sizeof words.text - 1, 0) < 0)
        code = -errno;
    close(said);
    if (code || (!status && !*words.text))
        return code;
    *told = WIFEXITED(status) && WEXITSTATUS(status) == SURVIVE_TOLD;
    if (!*told)
        words.text[strcspn(words.text, "\n")] = '\0';
    return error_set(error, EINVAL, "%s", *words.text ? words.text : "its reading breaks off");
}
