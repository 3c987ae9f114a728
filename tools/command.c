/* SPDX-License-Identifier: MIT */
/* How commands talk to the person: failures and progress, both on stderr. */
#include "tools/command.h"

#include "sim/error.h"
#include "tools/no_memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void command_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
    error_t code = argp_parse(argp, argc, argv, flags, NULL, input);

    if (!code)
        return;
    fprintf(stderr, "%s: could not read the options: %s\n", argv[0], strerror(code));
    exit(STATUS_FAILED);
}

char *command_help_table(int key, const char *text, const char *heading, void (*rows)(FILE *stream))
{
    char *all = NULL;
    size_t size;
    FILE *stream;

    if (key != ARGP_KEY_HELP_POST_DOC || !text)
        return (char *)text;
    stream = text_open(&all, &size);
    fprintf(stream, "%s\n\n%s:\n", text, heading);
    rows(stream);
    text_close(stream, &all);
    return all;
}

error_t command_one_trace(int key, char *text, struct argp_state *state, const char **trace)
{
    switch (key) {
    case ARGP_KEY_ARG:
        if (*trace)
            argp_error(state, "more than one trace: '%s' and '%s'", *trace, text);
        *trace = text;
        return 0;
    case ARGP_KEY_END:
        if (!*trace)
            argp_error(state, "which trace?");
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

const char *command_plural(unsigned long long count)
{
    return count == 1 ? "" : "s";
}

int command_failed(int code, const struct error *error)
{
    command_progress_clear();
    fprintf(stderr, "slablab: %s\n", error->text);
    switch (-code) {
    case EINVAL:
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case EPERM:
    case EROFS:
    case EEXIST:
    case ENODATA:
    case ERANGE:
    case E2BIG:
    case ENOTSUP:
        return STATUS_USAGE;
    default:
        return STATUS_FAILED;
    }
}

static bool progress_shown;

void command_progress(const char *format, ...)
{
    va_list args;

    if (!isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    progress_shown = true;
}

void command_progress_clear(void)
{
    if (progress_shown)
        fprintf(stderr, "\r\033[K");
    progress_shown = false;
}
