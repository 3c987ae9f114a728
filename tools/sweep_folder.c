/* SPDX-License-Identifier: MIT */
/* DIR of `sweep -o DIR`: what it was asked for, the results, the folder of their side files. */
#include "tools/sweep_folder.h"

#include "sim/error.h"
#include "tools/runs_file.h"
#include "tools/sweep_file.h"
#include "tools/sweep_plan.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int folder_make(const char *folder, struct error *error)
{
    struct stat status;

    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return error_set(error, errno, "%s: %s", folder, strerror(errno));
    if (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode))
        return error_set(error, ENOTDIR, "%s: is no folder", folder);
    return 0;
}

/* What runs that were killed as they wrote left there; the folder is this sweep's alone. */
static void series_folder_clean(const char *path)
{
    DIR *opened = opendir(path);
    const struct dirent *entry;

    while (opened && (entry = readdir(opened))) {
        const char *end = strrchr(entry->d_name, '.');

        if (end && strcmp(end, ".new") == 0)
            unlinkat(dirfd(opened), entry->d_name, 0);
    }
    if (opened)
        closedir(opened);
}

static int series_folder_make(const char *folder, struct error *error)
{
    char *path;
    int code;

    if (asprintf(&path, "%s/%s", folder, SERIES_FOLDER) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    code = folder_make(path, error);
    if (code == 0)
        series_folder_clean(path);
    free(path);
    return code;
}

int sweep_folder_open(const char *folder, bool resume, const json_t *description,
                      void (*visit)(void *context, const json_t *record), void *context,
                      struct error *error)
{
    long whole = -1;
    bool there;
    char *path;
    int file, code = folder_make(folder, error);

    if (code)
        return code;
    if (asprintf(&path, "%s/%s", folder, RUNS_FILE_NAME) < 0)
        return error_set(error, ENOMEM, "no memory for a path");
    there = access(path, F_OK) == 0;
    if (!there && errno != ENOENT) {
        code = error_set(error, errno, "%s: %s", path, strerror(errno));
    } else if (!there && resume) {
        code = error_set(error, ENOENT, "%s is not there: nothing to go on with", path);
        rmdir(folder); /* ours, if it is empty */
    } else if (!there) {
        code = sweep_file_write(folder, description, error);
    } else if (!resume) {
        code = error_set(error, EEXIST,
                         "%s is there already: --resume goes on with it; or name another folder",
                         path);
    } else {
        code = sweep_file_compare(folder, description, error);
        if (code == 0)
            code = runs_file_read(folder, visit, context, &whole, error);
    }
    free(path);
    if (code)
        return code;
    file = runs_file_open(folder, whole, error);
    code = file < 0 ? file : series_folder_make(folder, error);
    if (code && file >= 0)
        close(file);
    return code ? code : file;
}
