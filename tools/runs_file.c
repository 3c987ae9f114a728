/* SPDX-License-Identifier: MIT */
/* runs.jsonl: append, sync, read back. */
#include "tools/runs_file.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int runs_path(const char *folder, char **path, struct error *error)
{
    struct stat status;
    int written;

    if (stat(folder, &status) == 0 && !S_ISDIR(status.st_mode))
        written = asprintf(path, "%s", folder);
    else
        written = asprintf(path, "%s/%s", folder, RUNS_FILE_NAME);
    return written < 0 ? error_set(error, ENOMEM, "no memory for a path") : 0;
}

/* Reads the lines of an open file; `path` is for messages. */
static int read_lines(FILE *file, const char *path,
                      void (*visit)(void *context, const json_t *record), void *context,
                      long *whole_bytes, struct error *error)
{
    char *line = NULL;
    size_t capacity = 0;
    unsigned long number = 0;
    long whole = 0;
    ssize_t length;
    int code = 0;

    while (code == 0 && (length = getline(&line, &capacity, file)) > 0) {
        json_error_t reason;
        json_t *record;

        number++;
        if (line[length - 1] != '\n')
            break; /* broken off by a kill */
        record = json_loadb(line, (size_t)length, 0, &reason);
        if (!json_is_object(record)) {
            code = error_set(error, EINVAL, "%s: line %lu: not a result record: %s", path, number,
                             record ? "expected a JSON object" : reason.text);
        } else {
            visit(context, record);
            whole += length;
        }
        json_decref(record);
    }
    if (code == 0 && ferror(file))
        code = error_set(error, EIO, "%s: %s", path, strerror(errno));
    if (whole_bytes)
        *whole_bytes = whole;
    free(line);
    return code;
}

int runs_file_read(const char *folder, void (*visit)(void *context, const json_t *record),
                   void *context, long *whole_bytes, struct error *error)
{
    char *path;
    FILE *file;
    int code = runs_path(folder, &path, error);

    if (code)
        return code;
    file = fopen(path, "re");
    if (file) {
        code = read_lines(file, path, visit, context, whole_bytes, error);
        fclose(file);
    } else {
        code = error_set(error, errno, "%s: %s", path, strerror(errno));
    }
    free(path);
    return code;
}

int runs_file_open(const char *folder, long whole_bytes, struct error *error)
{
    char *path;
    int file, code = runs_path(folder, &path, error);

    if (code)
        return code;
    file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0 || (whole_bytes >= 0 && ftruncate(file, whole_bytes) != 0)) {
        code = error_set(error, errno, "%s: %s", path, strerror(errno));
        if (file >= 0)
            close(file);
    }
    free(path);
    return code ? code : file;
}

int runs_file_append(int file, const json_t *record, struct error *error)
{
    char *line = json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER);
    size_t length, done = 0;

    if (!line)
        return error_set(error, ENOMEM, "no memory for a result");
    length = strlen(line);
    line[length++] = '\n'; /* in place of the terminator */
    while (done < length) {
        ssize_t written = write(file, line + done, length - done);

        if (written < 0 && errno != EINTR) {
            free(line);
            return error_set(error, EIO, "could not write a result: %s", strerror(errno));
        }
        done += written > 0 ? (size_t)written : 0;
    }
    free(line);
    if (fdatasync(file) != 0 && errno != EINVAL)
        return error_set(error, EIO, "could not sync a result: %s", strerror(errno));
    return 0;
}
