/* SPDX-License-Identifier: MIT */
/*
 * A file that is whole or not there: written beside its final name, synced, then renamed.
 * Everything the program writes for keeps goes through here.
 */
#ifndef SLABLAB_TRACES_OUTFILE_H
#define SLABLAB_TRACES_OUTFILE_H

#include <stddef.h>
#include <stdio.h>

struct error;

struct outfile {
    FILE *stream;    /* write here */
    char *path;      /* as given, for messages */
    char *target;    /* behind all links; NULL as temporary */
    char *temporary; /* NULL: written directly (standard output, a device, a pipe) */
};

/*
 * "-" is standard output; what is no regular file (/dev/null, a pipe) is written as it stands; a
 * folder is refused. A symbolic link is followed: what it points at is replaced. Errors name the
 * path.
 */
int outfile_open(struct outfile *file, const char *path, struct error *error);
/*
 * -EINVAL where writing `path` would be writing over `input`, which is read: they are one file, by
 * whatever names and links. "-" is standard output here, standard input there. To be asked first of
 * each input.
 */
int outfile_spares(const char *path, const char *input, struct error *error);
/* Flushes, syncs file and folder, renames. On error nothing is left behind. */
int outfile_commit(struct outfile *file, struct error *error);
void outfile_discard(struct outfile *file);

/*
 * From now on SIGHUP, SIGINT and SIGTERM first unlink what is not committed, then end the program
 * as ever. For main: a library does not take signals unasked.
 */
void outfile_unlink_on_signals(void);

/* Unlinks what is not committed: for who ends the program with files open. */
void outfile_unlink_all(void);

#endif
