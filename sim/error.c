/* SPDX-License-Identifier: MIT */
/* The sentence that goes with a negative errno. */
#include "sim/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int code, const char *format, ...)
{
    if (error) {
        va_list args;

        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
    }
    return -code;
}

int error_prefix(struct error *error, int code, const char *format, ...)
{
    if (error) {
        struct error sentence = *error;
        size_t used, room, length = strlen(sentence.text);
        va_list args;

        va_start(args, format);
        vsnprintf(error->text, sizeof error->text - 2, format, args);
        va_end(args);
        used = strlen(error->text);
        memcpy(error->text + used, ": ", 3);
        used += 2;
        room = sizeof error->text - used - 1;
        length = length < room ? length : room;
        memcpy(error->text + used, sentence.text, length);
        error->text[used + length] = '\0';
    }
    return code;
}
