/* SPDX-License-Identifier: MIT */
/* No JSON and no text without memory for all of it: see no_memory.h. */
#include "tools/no_memory.h"

#include "tools/command.h"
#include "traces/outfile.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

void memory_missing(const char *what)
{
    command_progress_clear();
    fprintf(stderr, "slablab: no memory for %s\n", what);
    outfile_unlink_all();
    exit(STATUS_FAILED);
}

static void *insist(size_t size)
{
    void *memory = malloc(size);

    if (!memory)
        memory_missing("a JSON value");
    return memory;
}

void json_memory_insist(void)
{
    json_set_alloc_funcs(insist, free);
}

FILE *text_open(char **text, size_t *size)
{
    FILE *stream = open_memstream(text, size);

    if (!stream)
        memory_missing("a text");
    return stream;
}

void text_close(FILE *stream, char *const *text)
{
    bool failed = ferror(stream);

    if (fclose(stream) != 0 || failed || !*text)
        memory_missing("a text");
}
