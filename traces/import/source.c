/* SPDX-License-Identifier: MIT */
/* Opening and decompressing what is imported (the only user of libarchive): source.h. */
#include "traces/import/source.h"

#include "sim/error.h"
#include "traces/spill.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes. A line fits the buffer, which grows up to there only for a line that is as long. */
#ifdef SLABLAB_SMALL
enum { IMPORT_BUFFER = 1 << 12, IMPORT_PIECE = 1 << 9, IMPORT_FIRST = 2 * IMPORT_PIECE };
#else
enum { IMPORT_BUFFER = 1 << 23, IMPORT_PIECE = 1 << 18, IMPORT_FIRST = 2 * IMPORT_PIECE };
#endif

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
        .room = IMPORT_FIRST,
    };
    if (source->fd < 0)
        return error_set(error, errno, "%s: cannot open: %s", source->name, strerror(errno));
    source->whole = lseek(source->fd, 0, SEEK_CUR) == 0;
    source->buffer = malloc(source->room);
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
    room = source->room - source->filled;
    got = archive_read_data(source->archive, source->buffer + source->filled,
                            room < IMPORT_PIECE ? room : IMPORT_PIECE);
    if (got < 0)
        return import_source_broken(source, error);
    if (!got)
        return import_source_end(source, error);
    XXH3_128bits_update(source->digest, source->buffer + source->filled, (size_t)got);
    source->filled += (size_t)got;
    source->bytes += (uint64_t)got;
    if (import_is_bomb(source->bytes, (uint64_t)archive_filter_bytes(source->archive, -1)))
        return error_set(error, EINVAL,
                         "%s: more than %d times as long as it is compressed; no recording is so",
                         source->name, IMPORT_MOST_TIMES);
    import_source_progress(source, source->bytes);
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

/* The buffer is full of what is not taken yet. */
static int import_source_grow(struct import_source *source, struct error *error)
{
    char *bigger = realloc(source->buffer, 2 * source->room);

    if (!bigger)
        return error_set(error, ENOMEM, "%s: %s", source->name, strerror(ENOMEM));
    source->buffer = bigger;
    source->room *= 2;
    return 0;
}

int import_source_line(struct import_source *source, const char **line, size_t *length,
                       struct error *error)
{
    size_t searched = 0;
    char *end;

    for (;;) {
        size_t left = source->filled - source->at;
        int code = 0;

        *line = source->buffer + source->at;
        end = memchr(*line + searched, '\n', left - searched);
        if (end || source->ended)
            break;
        searched = left;
        if (left >= IMPORT_BUFFER)
            return error_set(error, EINVAL,
                             "%s:%llu: the line is longer than %d bytes; this is no "
                             "text of a recording",
                             source->name, (unsigned long long)source->line + 1, IMPORT_BUFFER);
        if (left == source->room)
            code = import_source_grow(source, error);
        if (!code)
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

int import_source_look(struct import_source *source, size_t wanted, const char **bytes,
                       size_t *length, struct error *error)
{
    while (source->filled - source->at < wanted && !source->ended) {
        int code = 0;

        if (source->filled - source->at == source->room) /* as much as there is, not is asked */
            code = import_source_grow(source, error);
        if (!code)
            code = import_source_fill(source, error);
        if (code)
            return code;
    }
    *bytes = source->buffer + source->at;
    *length = source->filled - source->at < wanted ? source->filled - source->at : wanted;
    return 0;
}

/* What is left of the input, through the buffer into the file. */
static int import_source_copy(struct import_source *source, int fd, struct error *error)
{
    const char *bytes;
    size_t length;
    int code;

    while (!(code = import_source_look(source, IMPORT_PIECE, &bytes, &length, error)) && length) {
        import_source_take(source, length);
        for (ssize_t done; length; bytes += done, length -= (size_t)done) {
            done = write(fd, bytes, length);
            if (done < 0 && errno == EINTR)
                done = 0;
            if (done < 0)
                return error_set(error, errno, "%s: cannot copy it to a temporary file: %s",
                                 source->name, strerror(errno));
        }
    }
    return code;
}

/* A descriptor of the input itself, or of a copy. */
static int import_source_file(struct import_source *source, bool plain, struct error *error)
{
    int fd = plain ? fcntl(source->fd, F_DUPFD_CLOEXEC, 0) : spill_temporary();
    int code = fd >= 0 ? 0 : plain ? -errno : fd;

    if (code)
        return error_set(error, -code, "%s: cannot open it again, or a temporary file: %s",
                         source->name, strerror(-code));
    if (!plain)
        code = import_source_copy(source, fd, error);
    if (!code && lseek(fd, 0, SEEK_SET) < 0)
        code = error_set(error, errno, "%s: cannot seek: %s", source->name, strerror(errno));
    if (code)
        close(fd);
    return code ? code : fd;
}

int import_source_map(struct import_source *source, struct import_map *map, struct error *error)
{
    bool plain = source->whole && archive_format(source->archive) == ARCHIVE_FORMAT_RAW &&
                 archive_filter_count(source->archive) == 1;
    struct stat status = {0};
    void *bytes = MAP_FAILED;

    *map = (struct import_map){.fd = import_source_file(source, plain, error)};
    if (map->fd < 0)
        return map->fd;
    if (!fstat(map->fd, &status))
        bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, map->fd, 0);
    if (bytes == MAP_FAILED) {
        int code = -errno;

        close(map->fd);
        return error_set(error, -code, "%s: cannot map it: %s", source->name, strerror(-code));
    }
    madvise(bytes, (size_t)status.st_size, MADV_SEQUENTIAL);
    map->bytes = bytes;
    map->length = (size_t)status.st_size;
    if (plain) { /* not read through the archive, but from the map */
        XXH3_128bits_reset(source->digest);
        XXH3_128bits_update(source->digest, map->bytes, map->length);
        source->bytes = map->length;
    }
    source->at = source->filled;
    source->ended = true;
    return 0;
}

void import_source_unmap(struct import_map *map)
{
    if (map->bytes) {
        munmap((void *)map->bytes, map->length);
        close(map->fd);
    }
    *map = (struct import_map){.fd = -1};
}

void import_source_progress(const struct import_source *source, uint64_t bytes)
{
    if (source->options->progress)
        source->options->progress(source->options->progress_context, bytes);
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
