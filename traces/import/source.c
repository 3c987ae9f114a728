/* SPDX-License-Identifier: MIT */
/* Opening and decompressing what is imported (the only user of libarchive): source.h. */
#include "traces/import/source.h"

#include "sim/error.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { IMPORT_BUFFER = 1 << 23, IMPORT_PIECE = 1 << 18 }; /* bytes; a line fits the buffer */

static int import_source_broken(const struct import_source *source, struct error *error)
{
    return error_set(error, EINVAL, "%s:%llu: cannot decompress after byte %llu: %s", source->name,
                     (unsigned long long)source->line + 1, (unsigned long long)source->bytes,
                     archive_error_string(source->archive));
}

static int import_source_archive(struct import_source *source, struct error *error)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    int code;

    source->archive = archive;
    if (!archive)
        return error_set(error, ENOMEM, "%s: %s", source->name, strerror(ENOMEM));
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_empty(archive);
    archive_read_support_format_raw(archive);
    archive_read_support_format_zip_streamable(archive);
    if (archive_read_open_fd(archive, source->fd, IMPORT_PIECE) != ARCHIVE_OK)
        return import_source_broken(source, error);
    do
        code = archive_read_next_header(archive, &entry);
    while (code == ARCHIVE_OK && archive_format(archive) == ARCHIVE_FORMAT_ZIP &&
           archive_entry_filetype(entry) == AE_IFDIR);
    source->ended = code == ARCHIVE_EOF;
    return code == ARCHIVE_OK || code == ARCHIVE_WARN || code == ARCHIVE_EOF
               ? 0
               : import_source_broken(source, error);
}

int import_source_open(struct import_source *source, const char *path,
                       const struct import_options *options, struct error *error)
{
    bool standard = !strcmp(path, "-");
    struct stat status;
    int code;

    *source = (struct import_source){
        .name = standard ? "standard input" : path,
        .fd = standard ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC),
        .options = options,
    };
    if (source->fd < 0)
        return error_set(error, errno, "%s: cannot open: %s", source->name, strerror(errno));
    source->buffer = malloc(IMPORT_BUFFER);
    source->digest = XXH3_createState();
    if (!source->buffer || !source->digest)
        code = error_set(error, ENOMEM, "%s: %s", source->name, strerror(ENOMEM));
    else if (!fstat(source->fd, &status) && S_ISDIR(status.st_mode))
        code = error_set(error, EISDIR, "%s: is a folder; a recording is one file", source->name);
    else
        code = import_source_archive(source, error);
    if (code)
        import_source_close(source);
    else
        XXH3_128bits_reset(source->digest);
    return code;
}

void import_source_close(struct import_source *source)
{
    archive_read_free(source->archive);
    if (source->fd >= 0)
        close(source->fd);
    free(source->buffer);
    XXH3_freeState(source->digest);
    *source = (struct import_source){.fd = -1};
}

/* A .zip is taken if it holds one file: of two, nobody said which. */
static int import_source_end(struct import_source *source, struct error *error)
{
    struct archive_entry *entry;

    source->ended = true;
    if (archive_format(source->archive) != ARCHIVE_FORMAT_ZIP)
        return 0;
    while (archive_read_next_header(source->archive, &entry) == ARCHIVE_OK) {
        if (archive_entry_filetype(entry) != AE_IFDIR)
            return error_set(error, EINVAL,
                             "%s: the archive holds more than one file; the "
                             "second is %s",
                             source->name, archive_entry_pathname(entry));
    }
    return 0;
}

/* Moves what is left to the front and reads more behind it. */
static int import_source_fill(struct import_source *source, struct error *error)
{
    size_t room;
    la_ssize_t got;

    memmove(source->buffer, source->buffer + source->at, source->filled - source->at);
    source->filled -= source->at;
    source->at = 0;
    room = IMPORT_BUFFER - source->filled;
    if (!room)
        return error_set(error, EINVAL,
                         "%s:%llu: the line is longer than %d bytes; this is no "
                         "text of a recording",
                         source->name, (unsigned long long)source->line + 1, IMPORT_BUFFER);
    got = archive_read_data(source->archive, source->buffer + source->filled,
                            room < IMPORT_PIECE ? room : IMPORT_PIECE);
    if (got < 0)
        return import_source_broken(source, error);
    if (!got)
        return import_source_end(source, error);
    XXH3_128bits_update(source->digest, source->buffer + source->filled, (size_t)got);
    source->filled += (size_t)got;
    source->bytes += (uint64_t)got;
    if (source->options->progress)
        source->options->progress(source->options->progress_context, source->bytes);
    return 0;
}

int import_source_peek(struct import_source *source, const char **start, size_t *length,
                       struct error *error)
{
    int code = 0;

    while (!code && !source->ended && source->filled < IMPORT_PIECE)
        code = import_source_fill(source, error);
    *start = source->buffer;
    *length = source->filled;
    return code;
}

int import_source_line(struct import_source *source, const char **line, size_t *length,
                       struct error *error)
{
    size_t searched = 0;
    char *end;

    for (;;) {
        size_t left = source->filled - source->at;
        int code;

        *line = source->buffer + source->at;
        end = memchr(*line + searched, '\n', left - searched);
        if (end || source->ended)
            break;
        searched = left;
        code = import_source_fill(source, error);
        if (code)
            return code;
    }
    *length = end ? (size_t)(end - *line) : source->filled - source->at;
    if (!end && !*length)
        return 0;
    source->at += *length + (end != NULL);
    source->line++;
    if (*length && (*line)[*length - 1] == '\r')
        --*length;
    return 1;
}

int import_source_wrong(const struct import_source *source, struct error *error, const char *format,
                        ...)
{
    struct error sentence;
    va_list args;

    va_start(args, format);
    vsnprintf(sentence.text, sizeof sentence.text, format, args);
    va_end(args);
    return error_set(error, EINVAL, "%s:%llu: %s", source->name, (unsigned long long)source->line,
                     sentence.text);
}

void import_source_digest(const struct import_source *source, char text[33])
{
    XXH128_canonical_t digest;

    XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(source->digest));
    for (size_t byte = 0; byte < sizeof digest.digest; byte++)
        snprintf(text + 2 * byte, 3, "%02x", digest.digest[byte]);
}
