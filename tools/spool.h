/* SPDX-License-Identifier: MIT */
/* Standard input as a file that can be read more than once. */
#ifndef SLABLAB_TOOLS_SPOOL_H
#define SLABLAB_TOOLS_SPOOL_H

#include <stddef.h>

struct error;

/*
 * When *path is "-", copies standard input into a nameless temporary file and points *path at it
 * (in `buffer`); other paths stay as they are. The file lives as long as the process.
 */
int spool_standard_input(const char **path, char *buffer, size_t size, struct error *error);

/* Puts "standard input" where the sentence names that file; `path` is what *path became. */
void spool_name(struct error *error, const char *path);

#endif
