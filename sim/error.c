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
        size_t used;
        va_list args;

        va_start(args, format);
        vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
        used = strlen(error->text);
        strncat(error->text, ": ", sizeof error->text - used - 1);
        used = strlen(error->text);
        strncat(error->text, sentence.text, sizeof error->text - used - 1);
    }
    return code;
}
