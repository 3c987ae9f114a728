/* SPDX-License-Identifier: MIT */
/* Files that are whole or not there: see outfile.h. */
#include "traces/outfile.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* Not mkstemp, whose files only their owner can read: open(2) asks the umask, and the folder's ACL.
 */
static int outfile_create_beside(struct outfile *file)
{
    int fd = -1;

    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        char *name;

        if (asprintf(&name, "%s.%ld-%u.new", file->path, (long)getpid(), attempt) < 0) {
            errno = ENOMEM;
            break;
        }
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            file->temporary = name;
            break;
        }
        free(name);
        if (errno != EEXIST)
            break;
    }
    return fd;
}

static int outfile_open_beside(struct outfile *file, struct error *error)
{
    int fd = outfile_create_beside(file);

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

int outfile_commit(struct outfile *file, struct error *error)
{
    const char *name = strcmp(file->path, "-") ? file->path : "standard output";
    int code = 0;

    errno = 0;
    if (fflush(file->stream) || ferror(file->stream))
        code = errno ? -errno : -EIO;
    if (!code && file->temporary && fsync(fileno(file->stream)))
        code = -errno;
    if (fclose(file->stream) && !code)
        code = -errno;
    file->stream = NULL;
    if (!code && file->temporary && rename(file->temporary, file->path))
        code = -errno;
    if (!code && file->temporary) {
        free(file->temporary);
        file->temporary = NULL;
        code = outfile_sync_folder(file->path);
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
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (struct outfile){0};
}
