/* SPDX-License-Identifier: MIT */
/* runs.jsonl: append, sync, read back, each line held against its checksum. */
#include "tools/runs_file.h"

#include "sim/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* ,"checksum":"0123456789abcdef"} */
#define CHECKSUM_KEY    ",\"checksum\":\""
#define CHECKSUM_DIGITS 16
#define CHECKSUM_LENGTH (sizeof CHECKSUM_KEY - 1 + CHECKSUM_DIGITS + 2)

struct reader {
    const char *path;            /* for messages */
    unsigned long number;        /* of the line, from 1 */
    unsigned long without, with; /* the first line of a sweep's run without checksum, with one */
};

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

/* Does the line (no line feed) end with a checksum? Then is it that of the rest? */
static int checksum_check(const struct reader *reader, char *line, size_t length, bool *found,
                          struct error *error)
{
    char *key = length > CHECKSUM_LENGTH ? line + length - CHECKSUM_LENGTH : NULL;
    char expected[CHECKSUM_DIGITS + 1];
    uint64_t hash;

    *found = key && strncmp(key, CHECKSUM_KEY, sizeof CHECKSUM_KEY - 1) == 0 &&
             strncmp(line + length - 2, "\"}", 2) == 0;
    if (!*found)
        return 0;
    key[0] = '}';
    hash = XXH3_64bits(line, (size_t)(key - line) + 1);
    key[0] = ',';
    snprintf(expected, sizeof expected, "%016llx", (unsigned long long)hash);
    key += sizeof CHECKSUM_KEY - 1;
    if (strncmp(key, expected, CHECKSUM_DIGITS) != 0)
        return error_set(error, EINVAL,
                         "%s: line %lu: is not as it was written: its checksum is %.16s, that of "
                         "what is there %s",
                         reader->path, reader->number, key, expected);
    return 0;
}

/* A checksum whose key is damaged looks like none: then the other lines tell. */
static int checksum_expect(struct reader *reader, const json_t *record, bool found,
                           struct error *error)
{
    if (!found && json_object_get(record, "checksum"))
        return error_set(error, EINVAL, "%s: line %lu: its checksum is not the last of its keys",
                         reader->path, reader->number);
    if (!json_object_get(record, "cell"))
        return 0;
    if (found && !reader->with)
        reader->with = reader->number;
    if (!found && !reader->without)
        reader->without = reader->number;
    if (reader->with && reader->without)
        return error_set(error, EINVAL, "%s: line %lu: has no checksum, though line %lu has one",
                         reader->path, reader->without, reader->with);
    return 0;
}

/* One whole line, its line feed included. */
static int read_line(struct reader *reader, char *line, size_t length,
                     void (*visit)(void *context, const json_t *record), void *context,
                     struct error *error)
{
    json_error_t reason;
    json_t *record;
    bool found;
    int code = checksum_check(reader, line, length - 1, &found, error);

    if (code)
        return code;
    record = json_loadb(line, length, 0, &reason);
    if (!json_is_object(record))
        code = error_set(error, EINVAL, "%s: line %lu: not a result record: %s", reader->path,
                         reader->number, record ? "expected a JSON object" : reason.text);
    else
        code = checksum_expect(reader, record, found, error);
    if (code == 0)
        visit(context, record);
    json_decref(record);
    return code;
}

static int read_lines(FILE *file, const char *path,
                      void (*visit)(void *context, const json_t *record), void *context,
                      long *whole_bytes, struct error *error)
{
    struct reader reader = {.path = path};
    char *line = NULL;
    size_t capacity = 0;
    long whole = 0;
    ssize_t length;
    int code = 0;

    while (code == 0 && (length = getline(&line, &capacity, file)) > 0) {
        reader.number++;
        if (line[length - 1] != '\n')
            break; /* broken off by a kill */
        code = read_line(&reader, line, (size_t)length, visit, context, error);
        whole += length;
    }
    /* A want of memory is no end either, and in no flag. */
    if (code == 0 && (ferror(file) || (length < 0 && !feof(file))))
        code = error_set(error, errno == ENOMEM ? ENOMEM : EIO, "%s: %s", path, strerror(errno));
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
    /* A file system that has no locks is no hindrance. */
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        code = error_set(error, EEXIST, "%s: another sweep is writing to it", path);
        close(file);
    } else if (file < 0 || (whole_bytes >= 0 && ftruncate(file, whole_bytes) != 0)) {
        code = error_set(error, errno, "%s: %s", path, strerror(errno));
        if (file >= 0)
            close(file);
    }
    free(path);
    return code ? code : file;
}

/* The record as a line of the file, to be freed; NULL: no memory. */
static char *line_of(const json_t *record, size_t *length)
{
    char *text = json_dumps(record, JSON_COMPACT | JSON_PRESERVE_ORDER);
    size_t size = text ? strlen(text) : 0;
    char *line = text ? realloc(text, size + CHECKSUM_LENGTH + 1) : NULL;

    if (!line) {
        free(text);
        return NULL;
    }
    *length = size - 1; /* the brace goes behind the checksum */
    *length += (size_t)sprintf(line + *length, CHECKSUM_KEY "%016llx\"}",
                               (unsigned long long)XXH3_64bits(line, size));
    line[(*length)++] = '\n'; /* in place of the terminator */
    return line;
}

int runs_file_append(int file, const json_t *record, struct error *error)
{
    size_t length, done = 0;
    char *line = line_of(record, &length);

    if (!line)
        return error_set(error, ENOMEM, "no memory for a result");
    while (done < length) {
        ssize_t written = write(file, line + done, length - done);

        if (written < 0 && errno != EINTR) {
            free(line);
            return error_set(error, EIO, "could not write a result: %s", strerror(errno));
        }
        done += written > 0 ? (size_t)written : 0;
    }
    free(line);
    return 0;
}

int runs_file_sync(int file, struct error *error)
{
    if (fdatasync(file) != 0 && errno != EINVAL)
        return error_set(error, EIO, "could not sync the results: %s", strerror(errno));
    return 0;
}
