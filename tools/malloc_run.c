/* SPDX-License-Identifier: MIT */
/* Running a program that is recorded: see malloc_run.h. */
#include "tools/malloc_run.h"

#include "sim/error.h"
#include "traces/malloc_raw.h"
#include "version.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIBRARY "slablab-malloc.so"

/* Beside this program, as built; else where it is installed. */
static int find_library(char *path, size_t size, struct error *error)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    self[length < 0 ? 0 : length] = '\0';
    slash = strrchr(self, '/');
    if (slash) {
        *slash = '\0';
        if (snprintf(path, size, "%s/" LIBRARY, self) < (int)size && access(path, R_OK) == 0)
            return 0;
    }
    snprintf(path, size, "%s/" LIBRARY, SLABLAB_LIBDIR);
    if (access(path, R_OK) == 0)
        return 0;
    return error_set(error, ENOENT, LIBRARY " is neither in %s nor in %s; make it, or install it",
                     slash ? self : "this program's folder", SLABLAB_LIBDIR);
}

/* The loader takes a list, and has no way to quote. */
static int check_library(const char *path, struct error *error)
{
    if (!path[strcspn(path, ": \t")])
        return 0;
    return error_set(error, EINVAL,
                     "%s: the loader takes no library whose path holds a space or a colon; install "
                     "slablab elsewhere",
                     path);
}

/* The one whose folder is there: who ends the program anywhere leaves none behind. */
static struct malloc_run *recording;

static void recording_cleanup(void)
{
    if (recording)
        malloc_run_cleanup(recording);
}

/*
 * Opened at once, to be listed when there are no more descriptors, or no memory, for that. What
 * atexit cannot note is no reason not to record.
 */
static int folder_watch(struct malloc_run *run)
{
    int code;

    run->listing = opendir(run->folder);
    if (!run->listing) {
        code = errno;
        rmdir(run->folder);
        return code;
    }
    if (!recording)
        atexit(recording_cleanup);
    recording = run;
    return 0;
}

/* By its whole path, since programs change theirs; within what the library keeps of it. */
static int make_folder(struct malloc_run *run, struct error *error)
{
    const char *parent = getenv("TMPDIR");
    char whole[PATH_MAX];
    int code = 0;

    if (!parent || !*parent)
        parent = P_tmpdir;
    if (!realpath(parent, whole))
        code = errno;
    else if (snprintf(run->folder, sizeof run->folder, "%s/slablab-record-XXXXXX", whole) >=
             PATH_MAX / 2)
        code = ENAMETOOLONG;
    else if (!mkdtemp(run->folder))
        code = errno;
    else
        code = folder_watch(run);
    if (!code)
        return 0;
    run->folder[0] = '\0';
    return error_set(error, code, "%s: cannot make a folder there: %s (TMPDIR says where)", parent,
                     strerror(code));
}

/* In the child. Libraries that were to be loaded before still are, after ours. */
static int set_environment(const struct malloc_run *run, const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    char process[32], *list = NULL;

    snprintf(process, sizeof process, "%ld", (long)getpid());
    if (asprintf(&list, "%s%s%s", library, others && *others ? ":" : "", others ? others : "") < 0)
        return ENOMEM;
    if (setenv("LD_PRELOAD", list, 1) || setenv(MALLOC_RAW_FOLDER, run->folder, 1) ||
        setenv(MALLOC_RAW_CLOCK, run->clock, 1) ||
        (run->call_sites && setenv(MALLOC_RAW_SITES, "1", 1)) ||
        (!run->follow_forks && setenv(MALLOC_RAW_PROCESS, process, 1)))
        return ENOMEM;
    return 0;
}

/* In the child; `failure` is a pipe that a started program closes. */
static void become(const struct malloc_run *run, const char *library, char *const argv[],
                   int failure)
{
    int code = set_environment(run, library);

    if (!code) {
        execvp(argv[0], argv);
        code = errno;
    }
    if (write(failure, &code, sizeof code) != sizeof code)
        _exit(126);
    _exit(127);
}

static volatile sig_atomic_t running; /* read by the handler, which runs in the writing thread */

static void pass_on(int signal)
{
    if (running > 0)
        kill((pid_t)running, signal);
}

/* While the program runs it is the one to be interrupted or ended; its recording is kept. */
static const int signals_of_ours[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};
enum { SIGNALS = sizeof signals_of_ours / sizeof signals_of_ours[0] };

static void signals_lend(struct sigaction kept[SIGNALS])
{
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction action = {.sa_handler = i < 2 ? SIG_IGN : pass_on};

        sigaction(signals_of_ours[i], &action, &kept[i]);
    }
}

static void signals_take_back(const struct sigaction kept[SIGNALS])
{
    for (int i = 0; i < SIGNALS; i++)
        sigaction(signals_of_ours[i], &kept[i], NULL);
}

/* 0 or an errno. */
static int run_program(struct malloc_run *run, const char *library, char *const argv[])
{
    struct sigaction kept[SIGNALS];
    int failure[2], code = 0;
    pid_t pid;

    if (pipe2(failure, O_CLOEXEC) != 0)
        return errno;
    pid = fork();
    if (pid == 0)
        become(run, library, argv, failure[1]);
    if (pid < 0)
        code = errno;
    running = run->pid = pid;
    signals_lend(kept);
    close(failure[1]);
    if (pid > 0) {
        ssize_t told;

        while ((told = read(failure[0], &code, sizeof code)) < 0 && errno == EINTR)
            ;
        code = told == sizeof code ? code : 0;
        while (waitpid(pid, &run->status, 0) < 0 && errno == EINTR)
            ;
    }
    running = 0;
    signals_take_back(kept);
    close(failure[0]);
    return code;
}

int malloc_run(struct malloc_run *run, char *const argv[], struct error *error)
{
    char library[PATH_MAX];
    int code;

    run->folder[0] = '\0';
    run->listing = NULL;
    code = find_library(library, sizeof library, error);
    if (!code)
        code = check_library(library, error);
    if (!code)
        code = make_folder(run, error);
    if (code)
        return code;
    code = run_program(run, library, argv);
    if (!code)
        return 0;
    malloc_run_cleanup(run);
    return error_set(error, code, "could not run %s: %s", argv[0], strerror(code));
}

void malloc_run_cleanup(struct malloc_run *run)
{
    DIR *folder = run->listing;

    if (!folder)
        return;
    rewinddir(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        unlinkat(dirfd(folder), entry->d_name, 0); /* refuses "." and "..", and there are no more */
    closedir(folder);
    rmdir(run->folder);
    run->folder[0] = '\0';
    run->listing = NULL;
    recording = NULL;
}
