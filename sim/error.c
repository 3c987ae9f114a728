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
        char sentence[sizeof error->text];
        va_list args;
        int used;

        memcpy(sentence, error->text, sizeof sentence);
        va_start(args, format);
        used = vsnprintf(error->text, sizeof error->text, format, args);
        va_end(args);
        if (used >= 0 && (size_t)used < sizeof error->text)
            snprintf(error->text + used, sizeof error->text - (size_t)used, ": %s", sentence);
    }
    return code;
}
