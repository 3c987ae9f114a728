/* SPDX-License-Identifier: MIT */
/* Folders before and after a run: see files.h. */
#include "tests/faults/files.h"

#include <err.h>
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file file_scan(const char *path)
{
    struct file file = {0};
    FILE *stream = fopen(path, "rbe");
    uint64_t digest = 0xcbf29ce484222325; /* FNV-1a */
    int byte, last = '\n';

    if (!stream)
        return file;
    while ((byte = getc_unlocked(stream)) != EOF) {
        digest = (digest ^ (uint64_t)byte) * 0x100000001b3;
        file.size++;
        file.lines += byte == '\n';
        last = byte;
    }
    fclose(stream);
    file.digest = digest;
    file.whole = last == '\n';
    return file;
}

static FTS *tree_open(const char *folder)
{
    char *roots[] = {(char *)folder, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    if (!tree)
        err(3, "%s", folder);
    return tree;
}

void files_scan(struct files *files, const char *folder)
{
    FTS *tree = tree_open(folder);
    size_t room = 0;

    *files = (struct files){0};
    for (FTSENT *entry; (entry = fts_read(tree));) {
        struct file file;

        if (entry->fts_level == 0 || entry->fts_info == FTS_DP)
            continue;
        if (files->count == room) {
            room = room ? 2 * room : 64;
            files->list = reallocarray(files->list, room, sizeof *files->list);
        }
        file =
            entry->fts_info == FTS_D ? (struct file){.folder = true} : file_scan(entry->fts_path);
        file.path = strdup(entry->fts_path + strlen(folder) + 1);
        if (!files->list || !file.path)
            err(3, "%s", folder);
        files->list[files->count++] = file;
    }
    fts_close(tree);
}

void files_cleanup(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->list[i].path);
    free(files->list);
    *files = (struct files){0};
}

const struct file *files_find(const struct files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++) {
        if (strcmp(files->list[i].path, path) == 0)
            return &files->list[i];
    }
    return NULL;
}

void folder_empty(const char *folder)
{
    FTS *tree;

    if (mkdir(folder, 0777) == 0)
        return;
    if (errno != EEXIST)
        err(3, "%s", folder);
    tree = tree_open(folder);
    for (FTSENT *entry; (entry = fts_read(tree));) {
        if (entry->fts_level == 0 || entry->fts_info == FTS_D)
            continue;
        if (remove(entry->fts_path))
            err(3, "%s", entry->fts_path);
    }
    fts_close(tree);
}

void file_write(const char *path, const char *text)
{
    FILE *stream = fopen(path, "wbe");

    if (!stream || fputs(text, stream) < 0 || fclose(stream))
        err(3, "%s", path);
}

static void bytes_copy(const char *from, const char *to)
{
    char block[65536];
    FILE *in = fopen(from, "rbe"), *out = fopen(to, "wbe");
    size_t count;

    if (!in || !out)
        err(3, "%s to %s", from, to);
    while ((count = fread(block, 1, sizeof block, in)) > 0)
        fwrite(block, 1, count, out);
    fclose(in);
    if (ferror(out) || fclose(out))
        err(3, "%s", to);
}

void file_copy(const char *from, const char *to)
{
    FTS *tree = tree_open(from);

    for (FTSENT *entry; (entry = fts_read(tree));) {
        char path[4096];

        snprintf(path, sizeof path, "%s%s", to, entry->fts_path + strlen(from));
        if (entry->fts_info == FTS_D) {
            if (mkdir(path, 0777))
                err(3, "%s", path);
        } else if (entry->fts_info == FTS_F) {
            bytes_copy(entry->fts_path, path);
        }
    }
    fts_close(tree);
}
