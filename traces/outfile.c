/* SPDX-License-Identifier: MIT */
/* Files that are whole or not there: see outfile.h. */
#include "traces/outfile.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what a signal's handler unlinks ---- */

#define UNFINISHED_MAX 16

/*
 * Names of the temporary files that are being written. Copies, since a handler may run on any
 * thread while the owner frees its own. `used` is set last when a name comes in; from before the
 * file is made until then signals_of_death are blocked, so that the handler never misses a file of
 * the thread it runs on. A name goes once there is no such file any more.
 */
static struct {
    _Atomic bool used; /* released by unfinished_add, acquired by outfile_unlink_all */
    char name[PATH_MAX];
} unfinished[UNFINISHED_MAX];

static const int signals_of_death[] = {SIGHUP, SIGINT, SIGTERM};
#define SIGNALS_OF_DEATH (sizeof signals_of_death / sizeof signals_of_death[0])

/* A name that finds no room, or is too long, stays where it is when a signal ends the program. */
static void unfinished_add(const char *name)
{
    for (size_t i = 0; i < UNFINISHED_MAX && strlen(name) < PATH_MAX; i++) {
        if (atomic_load_explicit(&unfinished[i].used, memory_order_relaxed))
            continue;
        strcpy(unfinished[i].name, name);
        atomic_store_explicit(&unfinished[i].used, true, memory_order_release);
        return;
    }
}

static void unfinished_remove(const char *name)
{
    for (size_t i = 0; i < UNFINISHED_MAX; i++) {
        if (atomic_load_explicit(&unfinished[i].used, memory_order_relaxed) &&
            strcmp(unfinished[i].name, name) == 0)
            atomic_store_explicit(&unfinished[i].used, false, memory_order_relaxed);
    }
}

/* Calls nothing but what signal-safety(7) allows. */
void outfile_unlink_all(void)
{
    for (size_t i = 0; i < UNFINISHED_MAX; i++) {
        if (atomic_load_explicit(&unfinished[i].used, memory_order_acquire))
            unlink(unfinished[i].name);
    }
}

static void die_cleanly(int number)
{
    outfile_unlink_all();
    raise(number); /* SA_RESETHAND: this time with the default effect, once we return */
}

void outfile_unlink_on_signals(void)
{
    for (size_t i = 0; i < SIGNALS_OF_DEATH; i++) {
        struct sigaction action, before;

        memset(&action, 0, sizeof action);
        action.sa_handler = die_cleanly;
        action.sa_flags = SA_RESETHAND;
        sigfillset(&action.sa_mask);
        /* Who ignores a signal (nohup) goes on ignoring it. */
        if (sigaction(signals_of_death[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaction(signals_of_death[i], &action, NULL);
    }
}

static void signals_block(sigset_t *before)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < SIGNALS_OF_DEATH; i++)
        sigaddset(&set, signals_of_death[i]);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

/* ---- opening ---- */

static int outfile_open_standard(struct outfile *file, struct error *error)
{
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return error_set(error, errno, "standard output: %s", strerror(errno));
    file->stream = fdopen(fd, "wb");
    if (!file->stream) {
        close(fd);
        return error_set(error, ENOMEM, "standard output: %s", strerror(ENOMEM));
    }
    return 0;
}

/* A device or a pipe cannot be replaced by a rename: it is written as it stands. */
static int outfile_open_direct(struct outfile *file, struct error *error)
{
    file->stream = fopen(file->path, "wbe");
    if (!file->stream)
        return error_set(error, errno, "%s: cannot write: %s", file->path, strerror(errno));
    return 0;
}

/* What the link `name` points at, as seen from where we are. NULL: errno says why. */
static char *link_follow(const char *name)
{
    const char *slash = strrchr(name, '/');
    char pointed[PATH_MAX], *followed;
    ssize_t length = readlink(name, pointed, sizeof pointed - 1);
    int folder = slash && length > 0 && pointed[0] != '/' ? (int)(slash + 1 - name) : 0;

    if (length < 0)
        return NULL;
    pointed[length] = '\0';
    if (asprintf(&followed, "%.*s%s", folder, name, pointed) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    return followed;
}

/*
 * The file at the end of a chain of links, which need not be there: a rename must replace it, and
 * not a link to it. NULL: errno says why.
 */
static char *links_resolve(const char *path)
{
    char *name = strdup(path);
    struct stat status;

    for (unsigned links = 0; name && lstat(name, &status) == 0 && S_ISLNK(status.st_mode);
         links++) {
        char *followed = links < 40 ? link_follow(name) : NULL;

        if (links == 40)
            errno = ELOOP;
        free(name);
        name = followed;
    }
    return name;
}

/* Not mkstemp, whose files only their owner can read: open(2) asks the umask, and the folder's ACL.
 */
static int outfile_create_beside(struct outfile *file)
{
    sigset_t before;
    int fd = -1;

    signals_block(&before);
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        char *name;

        if (asprintf(&name, "%s.%ld-%u.new", file->target, (long)getpid(), attempt) < 0) {
            errno = ENOMEM;
            break;
        }
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            file->temporary = name;
            unfinished_add(name);
            break;
        }
        free(name);
        if (errno != EEXIST)
            break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return fd;
}

static int outfile_open_beside(struct outfile *file, struct error *error)
{
    int fd = -1;

    file->target = links_resolve(file->path);
    if (file->target)
        fd = outfile_create_beside(file);
    if (fd >= 0)
        file->stream = fdopen(fd, "wb");
    if (!file->stream) {
        int code = errno;

        if (fd >= 0)
            close(fd);
        return error_set(error, code, "%s: cannot create: %s", file->path, strerror(code));
    }
    return 0;
}

int outfile_open(struct outfile *file, const char *path, struct error *error)
{
    struct stat status;
    int code;

    *file = (struct outfile){.path = strdup(path)};
    if (!file->path)
        return error_set(error, ENOMEM, "%s: %s", path, strerror(ENOMEM));
    if (!strcmp(path, "-"))
        code = outfile_open_standard(file, error);
    else if (!*path)
        code = error_set(error, ENOENT, "the name of the file to write is empty");
    else if (stat(path, &status))
        code = outfile_open_beside(file, error);
    else if (S_ISDIR(status.st_mode))
        code = error_set(error, EISDIR, "%s: is a folder; name a file to write", path);
    else if (S_ISREG(status.st_mode))
        code = outfile_open_beside(file, error);
    else
        code = outfile_open_direct(file, error);
    if (code)
        outfile_discard(file);
    return code;
}

static bool path_status(const char *path, int standard, struct stat *status)
{
    return (strcmp(path, "-") ? stat(path, status) : fstat(standard, status)) == 0;
}

int outfile_spares(const char *path, const char *input, struct error *error)
{
    struct stat in, out;

    if (!path_status(input, STDIN_FILENO, &in) || !path_status(path, STDOUT_FILENO, &out) ||
        !S_ISREG(in.st_mode) || in.st_dev != out.st_dev || in.st_ino != out.st_ino)
        return 0;
    return error_set(error, EINVAL,
                     "%s: input and output are one file, which would be written over; name another "
                     "to write",
                     strcmp(input, "-") ? input : "standard input");
}

/* The rename itself must reach the disk: it is a change of the folder. */
static int outfile_sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd, code = 0;

    if (!folder)
        return -ENOMEM;
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd < 0)
        return -errno;
    if (fsync(fd) && errno != EINVAL) /* EINVAL: a file system without folders to sync */
        code = -errno;
    close(fd);
    return code;
}

/* A write that failed long ago has left no reason behind; another one will meet the same. */
static int outfile_why(const struct outfile *file)
{
    errno = 0;
    return write(fileno(file->stream), "", 1) < 0 && errno ? -errno : -EIO;
}

int outfile_commit(struct outfile *file, struct error *error)
{
    const char *name = strcmp(file->path, "-") ? file->path : "standard output";
    int code = 0;

    errno = 0;
    if (fflush(file->stream) || ferror(file->stream))
        code = errno ? -errno : outfile_why(file);
    if (!code && file->temporary && fsync(fileno(file->stream)))
        code = -errno;
    if (fclose(file->stream) && !code)
        code = -errno;
    file->stream = NULL;
    if (!code && file->temporary && rename(file->temporary, file->target))
        code = -errno;
    if (!code && file->temporary) {
        unfinished_remove(file->temporary);
        free(file->temporary);
        file->temporary = NULL;
        code = outfile_sync_folder(file->target);
    }
    if (code)
        error_set(error, -code, "%s: cannot write: %s", name, strerror(-code));
    outfile_discard(file);
    return code;
}

void outfile_discard(struct outfile *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary) {
        unlink(file->temporary);
        unfinished_remove(file->temporary);
    }
    free(file->temporary);
    free(file->target);
    free(file->path);
    *file = (struct outfile){0};
}
