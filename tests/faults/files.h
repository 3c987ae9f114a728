/* SPDX-License-Identifier: MIT */
/* What lies in a folder, and whether two such states are the same. */
#ifndef SLABLAB_TESTS_FAULTS_FILES_H
#define SLABLAB_TESTS_FAULTS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file {
    char *path; /* below the folder */
    bool folder;
    uint64_t digest;
    size_t size, lines;
    bool whole; /* ends with a newline, or is empty */
};

struct files {
    struct file *list;
    size_t count;
};

/* All that lies below `folder`, which must be readable; ends the program where it is not. */
void files_scan(struct files *files, const char *folder);
void files_cleanup(struct files *files);
const struct file *files_find(const struct files *files, const char *path);

/* One file; the digest of what is not there is 0. */
struct file file_scan(const char *path);

/* Removes all below `folder`, and makes it if need be. */
void folder_empty(const char *folder);
/* Copies a file, or a folder with all below. */
void file_copy(const char *from, const char *to);
void file_write(const char *path, const char *text);

#endif
