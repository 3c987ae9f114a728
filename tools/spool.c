/* SPDX-License-Identifier: MIT */
/* Standard input as a file that can be read more than once. */
#include "tools/spool.h"

#include "sim/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void spool_name(struct error *error, const char *path)
{
    char *at = strstr(error->text, path);
    struct error named;

    if (!at)
        return;
    snprintf(named.text, sizeof named.text, "%.*sstandard input%s", (int)(at - error->text),
             error->text, at + strlen(path));
    *error = named;
}

int spool_standard_input(const char **path, char *buffer, size_t size, struct error *error)
{
    char block[65536];
    size_t count;
    FILE *file;

    if (strcmp(*path, "-") != 0)
        return 0;
    file = tmpfile();
    if (!file)
        return error_set(error, EIO, "no temporary file for standard input: %s", strerror(errno));
    while ((count = fread(block, 1, sizeof block, stdin)) > 0) {
        if (fwrite(block, 1, count, file) != count)
            break;
    }
    if (ferror(stdin) || ferror(file) || fflush(file) != 0) {
        fclose(file);
        return error_set(error, EIO, "could not copy standard input: %s", strerror(errno));
    }
    snprintf(buffer, size, "/proc/self/fd/%d", fileno(file));
    *path = buffer;
    return 0;
}
